#include "engine/tree/clean_node.h"

namespace ramet::engine {

CleanNode::CleanNode(NodeBuffer buffer, const BlockRef& ref, const NodeView& view)
    : buffer_(std::move(buffer)),
      ref_(ref),
      view_(view),
      heads_(std::make_unique_for_overwrite<uint32_t[]>(view.count())) {
  for (uint32_t i = 0; i < view_.count(); ++i) heads_[i] = key_head(view_.suffix(i));
}

Result<CleanNodePtr> CleanNode::open(NodeBuffer buffer, const BlockRef& ref) {
  auto view = NodeView::open(buffer.view());
  if (!view.ok()) return std::move(view).error().with_context("node " + to_string(ref));
  return CleanNodePtr(std::make_shared<const CleanNode>(std::move(buffer), ref, *view));
}

}  // namespace ramet::engine
