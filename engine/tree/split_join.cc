#include "engine/tree/split_join.h"

#include <algorithm>
#include <utility>

namespace ramet::engine {
namespace {

// A tree of children [begin, end) of a node; a single child is a tree by itself.
Subtree part_of(TreeContext& context, const NodeHandle& node, uint32_t begin, uint32_t end,
                const Subtree& whole) {
  Subtree part;
  if (begin == end) return part;
  Bytes buffer;
  part.lower = begin == 0 ? whole.lower : Bytes(node.key(begin, buffer));
  if (end - begin == 1) {
    part.child = node.child(begin, whole.child);
    part.level = static_cast<uint8_t>(node.level() - 1);
    return part;
  }
  NodePtr copy = MutNode::make(context, node.level());
  append_entries(*copy.edit(), node, begin, end, whole.child);
  for (uint32_t i = 0; i < copy->count(); ++i) {
    part.child.birth = std::max(part.child.birth, copy->child(i).birth);
  }
  part.child.summary = summary_of(context, *copy);
  part.child.dirty = std::move(copy);
  part.level = node.level();
  return part;
}

Subtree leaf_part(TreeContext& context, const NodeHandle& leaf, uint32_t begin, uint32_t end,
                  const Subtree& whole, ByteView lower) {
  Subtree part;
  NodePtr copy = MutNode::make(context, 0);
  append_entries(*copy.edit(), leaf, begin, end, whole.child);
  part.child.birth = whole.child.birth;
  part.child.summary = summary_of(context, *copy);
  part.child.dirty = std::move(copy);
  part.lower = lower;
  return part;
}

// Puts what became of a node, and the parts behind it, under a new root.
Subtree under_one_root(TreeContext& context, Subtree tree, std::vector<Part> parts) {
  while (!parts.empty()) {
    RAMET_CHECK(tree.level < kMaxNodeLevel, "a tree as high as no store can hold");
    Subtree above;
    above.level = static_cast<uint8_t>(tree.level + 1);
    above.lower = tree.lower;
    NodePtr node = MutNode::make(context, above.level);
    parts.insert(parts.begin(), {std::move(tree.lower), std::move(tree.child)});
    uint32_t at = 0;
    for (Part& part : parts) {
      above.child.birth = std::max(above.child.birth, part.child.birth);
      above.child.summary.combine(part.child.summary);
      node.edit()->insert_child(at++, part.separator, std::move(part.child));
    }
    above.child.dirty = std::move(node);
    parts.clear();
    split_overfull(context, above.child, false, &parts);
    tree = std::move(above);
  }
  return tree;
}

// Joins neighbours of one level: `left` and then *right stand in the place of both.
void join_siblings(TreeContext& context, uint8_t level, Child& left, ByteView separator,
                   Child right_child, std::vector<Part>* right) {
  if (rebalance(context, level, left, separator, right_child, right)) return;
  right->push_back({Bytes(separator), std::move(right_child)});
}

// Hangs a lower tree in at the right edge of a higher one. What does not fit goes to *parts.
Status attach_right(TreeContext& context, Child& slot, uint8_t level, ByteView separator,
                    Subtree tree, std::vector<Part>* parts) {
  count(context.counters.visited);
  RAMET_ASSIGN(MutNode * node, make_mutable(context, slot, level));
  const Summary summary = tree.child.summary;
  const Sequence birth = tree.child.birth;
  uint32_t at = node->count() - 1;
  std::vector<Part> right;
  if (level == tree.level + 1) {
    join_siblings(context, tree.level, node->child(at), separator, std::move(tree.child), &right);
  } else {
    RAMET_TRY(attach_right(context, node->child(at), static_cast<uint8_t>(level - 1), separator,
                           std::move(tree), &right));
  }
  for (Part& part : right) node->insert_child(++at, part.separator, std::move(part.child));
  slot.summary.combine(summary);
  slot.birth = std::max(slot.birth, birth);
  split_overfull(context, slot, true, parts);
  return {};
}

// The same at the left edge; afterwards no key below `slot` is less than `tree.lower`.
Status attach_left(TreeContext& context, Child& slot, uint8_t level, ByteView separator,
                   Subtree tree, std::vector<Part>* parts) {
  count(context.counters.visited);
  RAMET_ASSIGN(MutNode * node, make_mutable(context, slot, level));
  const Summary summary = tree.child.summary;
  const Sequence birth = tree.child.birth;
  const Bytes lower = tree.lower;
  std::vector<Part> right;
  Child& first = node->child(0);
  if (level == tree.level + 1) {
    Child behind = std::exchange(first, std::move(tree.child));
    join_siblings(context, tree.level, first, separator, std::move(behind), &right);
  } else {
    RAMET_TRY(attach_left(context, first, static_cast<uint8_t>(level - 1), separator,
                          std::move(tree), &right));
  }
  node->set_key(0, lower);
  uint32_t at = 0;
  for (Part& part : right) node->insert_child(++at, part.separator, std::move(part.child));
  slot.summary.combine(summary);
  slot.birth = std::max(slot.birth, birth);
  split_overfull(context, slot, false, parts);
  return {};
}

}  // namespace

Result<Subtree> join(TreeContext& context, Subtree left, ByteView separator, Subtree right) {
  if (left.empty()) return right;
  if (right.empty()) return left;
  std::vector<Part> parts;
  if (left.level == right.level) {
    join_siblings(context, left.level, left.child, separator, std::move(right.child), &parts);
    return under_one_root(context, std::move(left), std::move(parts));
  }
  if (left.level > right.level) {
    RAMET_TRY(attach_right(context, left.child, left.level, separator, std::move(right), &parts));
    return under_one_root(context, std::move(left), std::move(parts));
  }
  Bytes lower = left.lower;
  RAMET_TRY(attach_left(context, right.child, right.level, separator, std::move(left), &parts));
  right.lower = std::move(lower);
  return under_one_root(context, std::move(right), std::move(parts));
}

Result<SplitTrees> split(TreeContext& context, Subtree tree, ByteView key) {
  SplitTrees result;
  if (tree.empty()) return result;
  count(context.counters.visited);
  RAMET_ASSIGN(const NodeHandle node, open_node(context, tree.child, tree.level));
  if (node.is_leaf()) {
    bool exact = false;
    const uint32_t at = node.lower_bound(key, &exact);
    if (at == 0) {
      result.right = std::move(tree);
    } else if (at == node.count()) {
      result.left = std::move(tree);
    } else {
      result.left = leaf_part(context, node, 0, at, tree, tree.lower);
      result.right = leaf_part(context, node, at, node.count(), tree, key);
    }
    return result;
  }
  const uint32_t i = node.child_index(key);
  Bytes before_child, behind_child;
  Subtree middle = part_of(context, node, i, i + 1, tree);
  RAMET_ASSIGN(SplitTrees cut, split(context, std::move(middle), key));
  RAMET_ASSIGN(result.left, join(context, part_of(context, node, 0, i, tree),
                                 node.key(i, before_child), std::move(cut.left)));
  if (i + 1 == node.count()) {
    result.right = std::move(cut.right);
    return result;
  }
  RAMET_ASSIGN(result.right, join(context, std::move(cut.right), node.key(i + 1, behind_child),
                                  part_of(context, node, i + 1, node.count(), tree)));
  return result;
}

Status stamp(TreeContext& context, Subtree& tree, Edge edge, Sequence sequence) {
  if (tree.empty()) return {};
  Child* slot = &tree.child;
  slot->birth = std::max(slot->birth, sequence);
  for (uint8_t level = tree.level; level > 0; --level) {
    count(context.counters.visited);
    RAMET_ASSIGN(MutNode * node, make_mutable(context, *slot, level));
    slot = &node->child(edge == Edge::kFirst ? 0 : node->count() - 1);
    slot->birth = std::max(slot->birth, sequence);
  }
  return {};
}

}  // namespace ramet::engine
