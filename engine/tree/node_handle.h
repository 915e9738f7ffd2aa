// NodeHandle: a node to read, clean or dirty.
#pragma once

#include "engine/tree/clean_node.h"
#include "engine/tree/context.h"
#include "engine/tree/mut_node.h"
#include "engine/tree/root.h"

namespace ramet::engine {

// The clean node behind a reference, from the cache or the store. kCorruption names the
// reference if the node does not verify or its level is not `level`. Thread-safe.
Result<CleanNodePtr> load_clean(TreeContext& context, const BlockRef& ref, uint8_t level);

// Pins a clean node; a dirty one is pinned by the root that it was reached from, which must
// outlive the handle. Thread-safe: the node is not edited meanwhile.
class NodeHandle {
 public:
  NodeHandle() = default;
  explicit NodeHandle(const MutNode* dirty) : dirty_(dirty) {}
  explicit NodeHandle(CleanNodePtr clean) : clean_(std::move(clean)) {}

  const MutNode* dirty() const { return dirty_; }
  const CleanNodePtr& clean() const { return clean_; }

  uint8_t level() const { return dirty_ ? dirty_->level() : view().level(); }
  bool is_leaf() const { return level() == 0; }
  uint32_t count() const { return dirty_ ? dirty_->count() : view().count(); }

  uint32_t lower_bound(ByteView key, bool* exact) const {
    return dirty_ ? dirty_->lower_bound(key, exact) : clean_->lower_bound(key, exact);
  }
  // The child that covers `key`.
  uint32_t child_index(ByteView key) const {
    bool exact = false;
    const uint32_t i = lower_bound(key, &exact);
    return exact || i == 0 ? i : i - 1;
  }
  // Key i; clean nodes compose it in `buffer`. Valid until either is changed.
  ByteView key(uint32_t i, Bytes& buffer) const {
    if (dirty_ != nullptr) return dirty_->key(i);
    buffer.assign(view().prefix());
    buffer.append(view().suffix(i));
    return buffer;
  }

  // Leaves.
  ByteView value(uint32_t i) const { return dirty_ ? dirty_->value(i) : view().value(i); }
  std::span<const BlockRef> refs(uint32_t i) const {
    return dirty_ ? dirty_->refs(i) : view().value_refs(i);
  }
  NodePtr ref_node(uint32_t i) const { return dirty_ ? dirty_->ref_node_ptr(i) : NodePtr(); }

  // Inner nodes.
  const BlockRef& child_ref(uint32_t i) const {
    return dirty_ ? dirty_->child(i).ref : view().child(i);
  }
  const MutNode* child_dirty(uint32_t i) const {
    return dirty_ ? dirty_->child(i).dirty.get() : nullptr;
  }
  Sequence birth(uint32_t i) const { return dirty_ ? dirty_->child(i).birth : view().birth(i); }
  bool grafted(uint32_t i) const { return dirty_ ? dirty_->child(i).grafted : view().grafted(i); }
  Summary summary(uint32_t i) const {
    return dirty_ ? dirty_->child(i).summary : view().summary(i);
  }
  // Child i with what a graft mark on this node's own pointer means for it.
  Child child(uint32_t i, const Child& self) const;

  // Sizes, as of MutNode: the same whether the node is clean or dirty, so that the shape of a tree
  // does not depend on when it was written out.
  size_t key_bytes() const {
    return dirty_ ? dirty_->key_bytes()
                  : view().key_heap_bytes() + view().prefix().size() * view().count();
  }
  size_t value_bytes() const;
  size_t columns() const { return dirty_ ? dirty_->columns() : view().columns(); }
  size_t encoded_bytes() const;

 private:
  const NodeView& view() const { return clean_->view(); }

  const MutNode* dirty_ = nullptr;
  CleanNodePtr clean_;
};

// Whether a node's keys lie in what its pointer covers, [lower, upper); empty `upper`: no end.
// kCorruption if not. Whoever walks a whole tree checks every node, so that forged trees in which
// nodes hang in several places end early instead of never [INV-8].
Status check_bounds(const NodeHandle& node, ByteView lower, ByteView upper);

// Opens a node to read. Requires: ref or dirty is set.
Result<NodeHandle> open_node(TreeContext& context, const BlockRef& ref, const MutNode* dirty,
                             uint8_t level);
inline Result<NodeHandle> open_node(TreeContext& context, const Child& child, uint8_t level) {
  return open_node(context, child.ref, child.dirty.get(), level);
}
inline Result<NodeHandle> open_node(TreeContext& context, const Root& root) {
  return open_node(context, root.ref, root.dirty.get(), root.level);
}
// Opens child i of an inner node.
inline Result<NodeHandle> open_child(TreeContext& context, const NodeHandle& node, uint32_t i) {
  return open_node(context, node.child_ref(i), node.child_dirty(i),
                   static_cast<uint8_t>(node.level() - 1));
}

}  // namespace ramet::engine
