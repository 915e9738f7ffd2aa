#include "engine/tree/node_handle.h"

#include <algorithm>

namespace ramet::engine {
namespace {

Error damaged(const BlockRef& ref, const char* what) {
  return {ErrorCode::kCorruption, "node " + to_string(ref) + ": " + what};
}

}  // namespace

Result<CleanNodePtr> load_clean(TreeContext& context, const BlockRef& ref, uint8_t level) {
  CleanNodePtr node = context.cache->find(ref);
  if (node == nullptr) {
    auto buffer = context.store->load(ref);
    if (!buffer.ok()) return std::move(buffer).error().with_context("node " + to_string(ref));
    count(context.counters.loaded);
    RAMET_ASSIGN(node, CleanNode::open(std::move(buffer).value(), ref));
    node = context.cache->insert(std::move(node));
  }
  if (node->view().level() != level) return damaged(ref, "not the level that leads here");
  return node;
}

Result<NodeHandle> open_node(TreeContext& context, const BlockRef& ref, const MutNode* dirty,
                             uint8_t level) {
  if (dirty != nullptr) {
    RAMET_CHECK(dirty->level() == level, "[TREE-2] a dirty node's level is its pointer's");
    return NodeHandle(dirty);
  }
  RAMET_ASSIGN(CleanNodePtr clean, load_clean(context, ref, level));
  return NodeHandle(std::move(clean));
}

Status check_bounds(const NodeHandle& node, ByteView lower, ByteView upper) {
  Bytes buffer;
  const uint32_t last = node.count() - 1;
  bool inside = upper.empty() || node.key(last, buffer) < upper;
  // The first key of an inner node may be anything below its keys.
  if (node.is_leaf()) {
    inside = inside && node.key(0, buffer) >= lower;
  } else if (last > 0) {
    inside = inside && node.key(1, buffer) > lower;
  }
  if (inside) return {};
  const BlockRef ref = node.dirty() == nullptr ? node.clean()->ref() : BlockRef{};
  return damaged(ref, "keys outside of what leads here");
}

Child NodeHandle::child(uint32_t i, const Child& self) const {
  Child child;
  if (dirty_ != nullptr) {
    child = dirty_->child(i);
  } else {
    child = {view().child(i), nullptr, view().birth(i), view().grafted(i), view().summary(i)};
  }
  if (self.grafted) {
    child.birth = std::max(child.birth, self.birth);
    child.grafted = level() > 1;
  }
  return child;
}

size_t NodeHandle::value_bytes() const {
  if (dirty_ != nullptr) return dirty_->value_bytes();
  if (!is_leaf()) return 0;
  return view().value_heap_bytes() + view().refs().size_bytes();
}

size_t NodeHandle::encoded_bytes() const {
  if (dirty_ != nullptr) return dirty_->encoded_bytes();
  const size_t entry = is_leaf() ? kLeafEntryOverheadBytes : kChildOverheadBytes + 8 * columns();
  return kNodeOverheadBytes + view().prefix().size() + view().key_heap_bytes() + value_bytes() +
         count() * entry;
}

}  // namespace ramet::engine
