// MutNode: one dirty node, a slotted page in memory, and NodePtr, the reference to one.
//
// Definitions: a node is *shared* when more than one reference leads to it, or to any node on
// the way to it from the root that is being edited.
// Invariants:
//   [TREE-1] a shared node never changes (but for persisted_ref).
//            Guards: a clone, snapshot or reader that sees somebody else's change. (INV-3, INV-5)
//            Held by: make_mutable() in node_edit.cc, which copies a node unless its only
//            reference is the slot it was reached through. Checked: tests/engine/tree/.
//   [TREE-2] a reference slot is either a BlockRef (clean) or a NodePtr (dirty), never both.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/tree/key_search.h"
#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/node.h"
#include "format/summary.h"

namespace ramet::engine {

class MutNode;
class CleanNode;
struct TreeContext;

// A counted reference to a dirty node. The count is atomic: references may be copied and dropped
// in any thread. Dropping the last one frees the node and what only it refers to.
class NodePtr {
 public:
  NodePtr() = default;
  NodePtr(std::nullptr_t) {}  // NOLINT: implicit on purpose
  // Shares a node that somebody else already refers to.
  explicit NodePtr(const MutNode* node);
  NodePtr(const NodePtr& other) : NodePtr(other.node_) {}
  NodePtr(NodePtr&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodePtr& operator=(NodePtr other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodePtr();

  const MutNode* get() const { return node_; }
  const MutNode& operator*() const { return *node_; }
  const MutNode* operator->() const { return node_; }
  explicit operator bool() const { return node_ != nullptr; }
  friend bool operator==(const NodePtr&, const NodePtr&) = default;

  // Whether this is the only reference. What other threads did with the node before they dropped
  // theirs happened before this returns true.
  bool unique() const;
  // Requires: unique(), and so is every node above it [TREE-1].
  MutNode* edit() const { return const_cast<MutNode*>(node_); }

 private:
  const MutNode* node_ = nullptr;
};

// A child pointer in memory.
struct Child {
  BlockRef ref;   // clean, or null
  NodePtr dirty;  // dirty, or null
  Sequence birth = 0;
  bool grafted = false;  // everything below counts as changed in `birth`; never set on leaves
  Summary summary;
};

// Reading is thread-safe while the node is shared; editing is for the one owner of a node that
// is not. Keys are kept whole (prefix compression happens when a node is encoded), values at
// multiples of 8, followed by their references.
class MutNode {
 public:
  // An empty node. The context's dirty byte count follows its memory.
  static NodePtr make(TreeContext& context, uint8_t level);
  ~MutNode();
  MutNode(const MutNode&) = delete;
  MutNode& operator=(const MutNode&) = delete;

  uint8_t level() const { return level_; }
  bool is_leaf() const { return level_ == 0; }
  uint32_t count() const { return static_cast<uint32_t>(slots_.size()); }
  ByteView key(uint32_t i) const { return {heap_.data() + slots_[i].key, slots_[i].key_bytes}; }
  // Index of the first key >= `key`, count() if there is none; *exact: it is equal.
  uint32_t lower_bound(ByteView key, bool* exact) const;

  // Leaves. The views are valid until the node is edited.
  ByteView value(uint32_t i) const {
    return {heap_.data() + slots_[i].value, slots_[i].value_bytes};
  }
  // Where reference 0 is dirty, refs(i)[0] is null and ref_node(i) is set.
  std::span<const BlockRef> refs(uint32_t i) const {
    const Slot& slot = slots_[i];
    if (slot.refs == 0) return {};
    return {reinterpret_cast<const BlockRef*>(heap_.data() + refs_at(slot)), slot.refs};
  }
  const MutNode* ref_node(uint32_t i) const {
    return ref_nodes_.empty() ? nullptr : ref_nodes_[i].get();
  }
  NodePtr ref_node_ptr(uint32_t i) const { return ref_nodes_.empty() ? NodePtr() : ref_nodes_[i]; }
  // Makes room at index i and fills it; `node`, if set, is what reference 0 leads to.
  void insert_entry(uint32_t i, ByteView key, ByteView value, std::span<const BlockRef> refs,
                    NodePtr node);
  void replace_value(uint32_t i, ByteView value, std::span<const BlockRef> refs, NodePtr node);

  // Inner nodes.
  const Child& child(uint32_t i) const { return children_[i]; }
  Child& child(uint32_t i) { return children_[i]; }
  void insert_child(uint32_t i, ByteView key, Child child);
  void set_key(uint32_t i, ByteView key);

  // Both. Requires: nothing in the arguments points into this node's heap.
  void remove(uint32_t i);
  // A copy that nobody else refers to, of the node as it is now; not persisted.
  NodePtr clone(TreeContext& context) const;
  // Moves entries [at, count) to a new node and returns it.
  NodePtr split_off(TreeContext& context, uint32_t at);
  // Appends entries [begin, end) of another node; the first of them with `first_key` if set.
  void append(const MutNode& from, uint32_t begin, uint32_t end,
              const ByteView* first_key = nullptr);
  void append(const NodeView& from, uint32_t begin, uint32_t end,
              const ByteView* first_key = nullptr);

  // References that are dirty: the first index >= `from` with one, or count().
  uint32_t next_dirty(uint32_t from) const;
  const NodePtr& dirty(uint32_t i) const { return is_leaf() ? ref_nodes_[i] : children_[i].dirty; }
  // Requires: dirty(i). Puts a clean reference or another node in its place.
  void replace_dirty(uint32_t i, const BlockRef& ref);
  void replace_dirty(uint32_t i, NodePtr node);

  // Sizes that decide about splits and merges.
  size_t key_bytes() const { return key_bytes_; }      // all whole keys
  size_t value_bytes() const { return value_bytes_; }  // values rounded up, and references
  size_t columns() const;                              // inner: most summary columns of a child
  // An upper bound of the encoded size, given what all keys share.
  size_t encoded_bytes(size_t prefix) const;
  size_t encoded_bytes() const { return encoded_bytes(shared_prefix()); }
  size_t shared_prefix() const {
    return count() == 0 ? 0 : common_prefix(key(0), key(count() - 1));
  }
  // Cheap: may be more than encoded_bytes(), never less.
  size_t encoded_bytes_bound() const { return encoded_bytes(skip_); }

  // Where the last insertion went, and whether the ones before led there one by one.
  uint32_t last_insert() const { return last_insert_; }
  bool inserts_in_sequence() const { return run_ >= 3; }

  // Set once, by the persist() that wrote the node; readable in any thread from then on.
  bool persisted() const { return persisted_.load(std::memory_order_acquire) == Persisted::kYes; }
  // Requires: persisted().
  const BlockRef& persisted_ref() const { return persisted_ref_; }
  // Whoever comes second leaves it as it is: the nodes that were written say the same.
  void set_persisted(const BlockRef& ref) const;
  // Before an edit: what was written is no longer what is here.
  void forget_persisted() { persisted_.store(Persisted::kNo, std::memory_order_relaxed); }

 private:
  friend class NodePtr;
  struct Slot {
    uint32_t key = 0;    // offsets into heap_
    uint32_t value = 0;  // a multiple of 8
    uint16_t key_bytes = 0;
    uint16_t value_bytes = 0;
    uint16_t refs = 0;  // they follow the value, at the next multiple of 8
  };
  static size_t refs_at(const Slot& slot) { return slot.value + align_up(slot.value_bytes, 8); }
  static size_t payload_bytes(size_t value_bytes, size_t refs) {
    return align_up(value_bytes, 8) + refs * sizeof(BlockRef);
  }

  MutNode(TreeContext& context, uint8_t level);
  // Key i behind what all keys share. (Nodes that each are sound can contradict each other in a
  // forged tree, and what is made of them be out of order: then encoding fails, but nothing may
  // crash on the way [INV-8].)
  ByteView suffix(uint32_t i) const;
  uint32_t add_to_heap(ByteView bytes);
  void put_key(Slot& slot, ByteView key);
  void put_value(Slot& slot, ByteView value, std::span<const BlockRef> refs);
  void set_ref_node(uint32_t i, NodePtr node);
  void insert_slot(uint32_t i, const Slot& slot);
  void append_slot(const Slot& slot, NodePtr node);
  // Heads hold for a prefix that all keys share; a key that breaks it makes them over.
  void insert_head(uint32_t i);
  void rebuild_heads();
  void compact_if_wasteful();
  void account();

  mutable std::atomic<uint32_t> references_{0};
  uint8_t level_;
  enum class Persisted : uint8_t { kNo, kBeingSet, kYes };
  mutable std::atomic<Persisted> persisted_{Persisted::kNo};
  uint16_t run_ = 0;
  uint32_t last_insert_ = UINT32_MAX;
  uint32_t skip_ = 0;  // bytes that all keys share, at least; heads begin behind them
  size_t key_bytes_ = 0;
  size_t value_bytes_ = 0;
  size_t garbage_ = 0;  // bytes of heap_ that no slot uses
  int64_t accounted_ = 0;
  std::atomic<int64_t>* dirty_bytes_;
  mutable BlockRef persisted_ref_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> heads_;
  Bytes heap_;
  std::vector<Child> children_;     // inner
  std::vector<NodePtr> ref_nodes_;  // leaf: empty while no reference is dirty
};

inline NodePtr::NodePtr(const MutNode* node) : node_(node) {
  if (node_ != nullptr) node_->references_.fetch_add(1, std::memory_order_relaxed);
}
inline NodePtr::~NodePtr() {
  if (node_ != nullptr && node_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete node_;
  }
}
inline bool NodePtr::unique() const {
  return node_->references_.load(std::memory_order_acquire) == 1;
}

}  // namespace ramet::engine
