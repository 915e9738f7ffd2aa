// Tree: a persistent (copy-on-write) B+tree from byte strings to values, while it is being
// changed. Cheap to make from any Root and to share back into one.
//
// Not thread-safe: one thread at a time uses a Tree. What share() returned, and the Root it was
// made from, never change and may be read in other threads meanwhile (query.h, cursor.h).
//
// Keys: 0 to kMaxKeyBytes; values: bytes + 16 * references at most kMaxValueBytes; else
// kInvalidArgument. A node that can't be read gives kCorruption or kIoError naming it.
// Unless a function says otherwise, a failed one has left the tree as it was.
// `sequence`: the commit that makes the change; recorded as birth on the way (query.h).
//
// How: a node is edited in place only while this tree alone leads to it; the first change after
// share() copies the nodes on its way, once each. (Rodeh, "B-trees, Shadowing, and Clones", 2008;
// ranges by split and join as in Blelloch et al., "Just Join for Parallel Ordered Sets", 2016.)
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "engine/tree/query.h"
#include "engine/tree/root.h"
#include "engine/tree/split_join.h"
#include "engine/tree/value.h"

namespace ramet::engine {

// One step of a batch. Borrowed bytes.
struct Mutation {
  ByteView key;
  bool erase = false;
  ByteView bytes;                  // with `root`: the entry's own bytes
  std::span<const BlockRef> refs;  // not with `root`
  const Root* root = nullptr;      // set: put_root()
};

class Tree {
 public:
  // Empty, or a new version that begins as `root`. The context must outlive the tree.
  explicit Tree(TreeContext& context) : context_(&context) {}
  Tree(TreeContext& context, const Root& root);
  Tree(Tree&&) noexcept = default;
  Tree& operator=(Tree&&) noexcept = default;
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  bool empty() const { return root_.ref.is_null() && !root_.dirty; }
  const Summary& summary() const { return root_.summary; }

  // This version, immutable from now on: O(1). The tree goes on from it as a later version.
  Root share() const;

  // Lets go of dirty nodes that persist() has written (persist.h); the content stays the same.
  void replace_persisted();

  // As in query.h, on the current state. A Value that is kept makes the next change of its leaf
  // copy the leaf.
  Result<bool> get(ByteView key, Value* out) const;
  Result<std::optional<RootedValue>> get_root(ByteView key) const;

  Status put(ByteView key, ByteView bytes, std::span<const BlockRef> refs, Sequence sequence);
  // Makes the key lead to another tree: a RootValue goes before the bytes, and the tree's root
  // becomes reference 0, dirty or clean. The other tree is shared, not copied.
  Status put_root(ByteView key, ByteView bytes, const Root& root, Sequence sequence);
  // Whether there was such a key. An absent key changes nothing.
  Result<bool> erase(ByteView key, Sequence sequence);

  // All of a batch in ascending order of unique keys (else kInvalidArgument, and nothing was
  // done). If it fails in the middle, what came before in the batch is done: go back to a Root
  // that was shared before.
  Status apply(std::span<const Mutation> batch, Sequence sequence);

  // Erases [from, to); empty `to`: to the end. O(log n) nodes, whatever lies between: the inside
  // of the range is neither read nor copied.
  Status erase_range(ByteView from, ByteView to, Sequence sequence);
  // Erases everything outside of [from, to). O(log n) nodes.
  Status keep_range(ByteView from, ByteView to, Sequence sequence);
  // Puts another tree into [from, to), which must be empty (else kFailedPrecondition) and contain
  // all of the other tree's keys (else kInvalidArgument). O(log n) nodes; heights may differ.
  Status graft(ByteView from, ByteView to, const Root& subtree, Sequence sequence);

 private:
  // The nodes from the root to a leaf, all editable. `index` is the child that was taken.
  struct Step {
    MutNode* node;
    uint32_t index;
  };
  struct Path {
    std::array<Step, kMaxNodeLevel + 1> steps;
    uint32_t depth = 0;         // number of steps
    bool rightmost = true;      // no key is behind this leaf
    bool keys_changed = false;  // a lower bound was moved, which may have made a node too big
    Step& leaf() { return steps[depth - 1]; }
  };

  Status put_value(ByteView key, ByteView bytes, std::span<const BlockRef> refs, NodePtr node,
                   Sequence sequence);
  Status check_height() const;
  Status descend(ByteView key, Path* path);
  Child& slot_of(Path& path, uint32_t depth);
  void propagate(Path& path, const Summary& before, const Summary& after, Sequence sequence);
  void split_path(Path& path, uint32_t from);
  void grow_root(std::vector<Part> parts);
  void fix_underflow(Path& path);
  bool rebalance_child(Path& path, uint32_t depth);
  void collapse_root();
  Subtree whole() const;
  Status become(Subtree tree, Sequence sequence);

  TreeContext& context() const { return *context_; }

  TreeContext* context_;
  Child root_;
  uint8_t level_ = 0;
};

}  // namespace ramet::engine
