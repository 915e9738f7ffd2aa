#include "engine/tree/query.h"

#include <algorithm>

namespace ramet::engine {
namespace {

// A bound that does not apply to this subtree is null.
struct Bounds {
  const ByteView* from = nullptr;
  const ByteView* to = nullptr;
};

// Calls visit(node, i, bounds of child i) for the children of an inner node that intersect the
// bounds; stops at the first failure.
template <typename Visit>
Status for_children(const NodeHandle& node, const Bounds& bounds, const Visit& visit) {
  const uint32_t first = bounds.from == nullptr ? 0 : node.child_index(*bounds.from);
  uint32_t last = node.count() - 1;
  if (bounds.to != nullptr) {
    bool exact = false;
    const uint32_t end = node.lower_bound(*bounds.to, &exact);  // children from here begin >= to
    last = end == 0 ? 0 : end - 1;  // the first child also covers what lies below its bound
  }
  for (uint32_t i = first; i <= last && i < node.count(); ++i) {
    RAMET_TRY(
        visit(i, Bounds{i == first ? bounds.from : nullptr, i == last ? bounds.to : nullptr}));
  }
  return {};
}

Status add_summary(TreeContext& context, const NodeHandle& node, const Bounds& bounds,
                   Summary* total) {
  count(context.counters.visited);
  if (node.is_leaf()) {
    bool exact = false;
    const uint32_t begin = bounds.from ? node.lower_bound(*bounds.from, &exact) : 0;
    const uint32_t end = bounds.to ? node.lower_bound(*bounds.to, &exact) : node.count();
    Bytes buffer;
    for (uint32_t i = begin; i < end; ++i) {
      total->combine(context.contribution(node.key(i, buffer), node.value(i)));
    }
    return {};
  }
  return for_children(node, bounds, [&](uint32_t i, const Bounds& inner) -> Status {
    if (inner.from == nullptr && inner.to == nullptr) {
      total->combine(node.summary(i));
      return {};
    }
    RAMET_ASSIGN(const NodeHandle child, open_child(context, node, i));
    return add_summary(context, child, inner, total);
  });
}

// `floor`: what a graft mark above says about everything here.
Status add_birth(TreeContext& context, const NodeHandle& node, const Bounds& bounds, Sequence floor,
                 Sequence* newest) {
  count(context.counters.visited);
  *newest = std::max(*newest, floor);
  return for_children(node, bounds, [&](uint32_t i, const Bounds& inner) -> Status {
    if (node.level() == 1 || (inner.from == nullptr && inner.to == nullptr)) {
      *newest = std::max(*newest, node.birth(i));
      return {};
    }
    RAMET_ASSIGN(const NodeHandle child, open_child(context, node, i));
    return add_birth(context, child, inner, node.grafted(i) ? node.birth(i) : 0, newest);
  });
}

Result<Bytes> edge_key(TreeContext& context, const Root& root, bool last) {
  RAMET_CHECK(!root.empty(), "an empty tree has no first or last key");
  RAMET_ASSIGN(NodeHandle node, open_node(context, root));
  while (!node.is_leaf()) {
    RAMET_ASSIGN(node, open_child(context, node, last ? node.count() - 1 : 0));
  }
  Bytes buffer;
  return Bytes(node.key(last ? node.count() - 1 : 0, buffer));
}

}  // namespace

Result<bool> get(TreeContext& context, const Root& root, ByteView key, Value* out) {
  if (root.empty()) return false;
  const MutNode* dirty = root.dirty.get();
  BlockRef ref = root.ref;
  bool exact = false;
  // Dirty nodes first, by plain pointers: the root pins them all.
  uint8_t level = root.level;
  while (dirty != nullptr) {
    const uint32_t i = dirty->lower_bound(key, &exact);
    if (level == 0) {
      if (exact && out != nullptr) *out = Value::of(NodeHandle(dirty), i);
      return exact;
    }
    const Child& child = dirty->child(exact || i == 0 ? i : i - 1);
    ref = child.ref;
    dirty = child.dirty.get();
    --level;
  }
  for (;; --level) {
    RAMET_ASSIGN(CleanNodePtr clean, load_clean(context, ref, level));
    const uint32_t i = clean->lower_bound(key, &exact);
    if (level == 0) {
      if (exact && out != nullptr) *out = Value::of(NodeHandle(std::move(clean)), i);
      return exact;
    }
    ref = clean->view().child(exact || i == 0 ? i : i - 1);
  }
}

Result<std::optional<RootedValue>> get_root(TreeContext& context, const Root& root, ByteView key) {
  Value value;
  RAMET_ASSIGN(const bool found, get(context, root, key, &value));
  if (!found) return std::optional<RootedValue>();
  RAMET_ASSIGN(RootedValue rooted, rooted_value(std::move(value)));
  return std::optional<RootedValue>(std::move(rooted));
}

Result<Summary> summarize(TreeContext& context, const Root& root, ByteView from, ByteView to) {
  Summary total{};
  if (root.empty() || (!to.empty() && from >= to)) return total;
  const Bounds bounds{from.empty() ? nullptr : &from, to.empty() ? nullptr : &to};
  if (bounds.from == nullptr && bounds.to == nullptr) return root.summary;
  RAMET_ASSIGN(const NodeHandle node, open_node(context, root));
  RAMET_TRY(add_summary(context, node, bounds, &total));
  return total;
}

Result<Sequence> newest_birth(TreeContext& context, const Root& root, ByteView from, ByteView to) {
  if (!to.empty() && from >= to) return Sequence{0};
  const Bounds bounds{from.empty() ? nullptr : &from, to.empty() ? nullptr : &to};
  if (root.empty() || root.level == 0 || (bounds.from == nullptr && bounds.to == nullptr)) {
    return root.birth;
  }
  RAMET_ASSIGN(const NodeHandle node, open_node(context, root));
  Sequence newest = 0;
  RAMET_TRY(add_birth(context, node, bounds, 0, &newest));
  return newest;
}

Result<Bytes> first_key(TreeContext& context, const Root& root) {
  return edge_key(context, root, false);
}
Result<Bytes> last_key(TreeContext& context, const Root& root) {
  return edge_key(context, root, true);
}

}  // namespace ramet::engine
