#include "engine/tree/node_edit.h"

#include <algorithm>

namespace ramet::engine {
namespace {

constexpr uint32_t kInnerEntriesMin = 2;

void push_graft_mark(MutNode& node, uint32_t begin, uint32_t end, const Child& self) {
  if (!self.grafted || node.is_leaf()) return;
  for (uint32_t i = begin; i < end; ++i) {
    Child& child = node.child(i);
    child.birth = std::max(child.birth, self.birth);
    child.grafted = node.level() > 1;
  }
}

// What entry i takes besides its key.
size_t weight(const MutNode& node, uint32_t i, size_t columns) {
  if (!node.is_leaf()) return kChildOverheadBytes + 8 * columns;
  return kLeafEntryOverheadBytes + align_up(node.value(i).size(), 8) + node.refs(i).size_bytes();
}

// Where to cut: the two sides as even as possible in encoded bytes, their own prefixes taken into
// account; or, for insertions in sequence, behind the newest entry.
class SplitPoint {
 public:
  SplitPoint(const TreeContext& context, const MutNode& node)
      : node_(node),
        target_(context.node_bytes),
        least_(node.is_leaf() ? 1 : kInnerEntriesMin),
        sums_(node.count() + 1) {
    const size_t columns = node.columns();
    for (uint32_t i = 0; i < node.count(); ++i) {
      sums_[i + 1] = sums_[i] + node.key(i).size() + weight(node, i, columns);
    }
  }

  uint32_t choose(bool appending) const {
    const uint32_t n = node_.count();
    const uint32_t newest = node_.last_insert();
    const bool at_end = newest == n - 1;
    if (newest < n && (node_.inserts_in_sequence() || (appending && at_end))) {
      const uint32_t at = std::clamp(at_end ? newest : newest + 1, least_, n - least_);
      if (bytes(0, at) <= target_) return at;
    }
    uint32_t best = least_;
    size_t best_bytes = SIZE_MAX;
    for (uint32_t at = least_; at + least_ <= n; ++at) {
      const size_t larger = std::max(bytes(0, at), bytes(at, n));
      if (larger < best_bytes) {
        best_bytes = larger;
        best = at;
      }
    }
    return best;
  }

 private:
  size_t bytes(uint32_t begin, uint32_t end) const {
    const size_t prefix = common_prefix(node_.key(begin), node_.key(end - 1));
    return kNodeOverheadBytes + sums_[end] - sums_[begin] - prefix * (end - begin - 1);
  }

  const MutNode& node_;
  const size_t target_;
  const uint32_t least_;
  std::vector<size_t> sums_;
};

// Splits without regard to summaries; the recursion is bounded by the number of entries.
void split_nodes(TreeContext& context, MutNode& node, bool appending, std::vector<Part>* right) {
  if (!overfull(context, node)) return;
  const uint32_t at = SplitPoint(context, node).choose(appending);
  NodePtr rest = node.split_off(context, at);
  Part part;
  part.separator =
      node.is_leaf() ? shortest_separator(node.key(at - 1), rest->key(0)) : rest->key(0);
  MutNode* rest_node = rest.edit();
  part.child.dirty = std::move(rest);
  split_nodes(context, node, false, right);
  right->push_back(std::move(part));
  split_nodes(context, *rest_node, false, right);
}

}  // namespace

ByteView shortest_separator(ByteView left, ByteView right) {
  return right.substr(0, common_prefix(left, right) + 1);
}

Result<MutNode*> make_mutable(TreeContext& context, Child& slot, uint8_t level) {
  if (!slot.dirty) {
    RAMET_ASSIGN(const CleanNodePtr clean, load_clean(context, slot.ref, level));
    NodePtr node = MutNode::make(context, level);
    node.edit()->append(clean->view(), 0, clean->view().count());
    slot.dirty = std::move(node);
    slot.ref = {};
    count(context.counters.decoded);
  } else if (!slot.dirty.unique()) {
    slot.dirty = slot.dirty->clone(context);
    count(context.counters.copied);
  }
  MutNode* node = slot.dirty.edit();
  node->forget_persisted();
  push_graft_mark(*node, 0, node->count(), slot);
  slot.grafted = false;
  return node;
}

void append_entries(MutNode& to, const NodeHandle& from, uint32_t begin, uint32_t end,
                    const Child& self, const ByteView* first_key) {
  const uint32_t at = to.count();
  if (from.dirty() != nullptr) {
    to.append(*from.dirty(), begin, end, first_key);
  } else {
    to.append(from.clean()->view(), begin, end, first_key);
  }
  push_graft_mark(to, at, to.count(), self);
}

Summary summary_of(const TreeContext& context, const MutNode& node) {
  Summary total{};
  for (uint32_t i = 0; i < node.count(); ++i) {
    total.combine(node.is_leaf() ? context.contribution(node.key(i), node.value(i))
                                 : node.child(i).summary);
  }
  return total;
}

bool overfull(const TreeContext& context, const MutNode& node) {
  const uint32_t least = node.is_leaf() ? 2 : 2 * kInnerEntriesMin;
  return node.count() >= least && node.encoded_bytes_bound() > context.node_bytes &&
         node.encoded_bytes() > context.node_bytes;
}

bool underfull(const TreeContext& context, const NodeHandle& node) {
  if (!node.is_leaf() && node.count() < kInnerEntriesMin) return true;
  return node.encoded_bytes() < kNodeOverheadBytes + (context.node_bytes - kNodeOverheadBytes) / 3;
}

void split_overfull(TreeContext& context, Child& slot, bool appending, std::vector<Part>* right) {
  const size_t first_new = right->size();
  split_nodes(context, *slot.dirty.edit(), appending, right);
  if (right->size() == first_new) return;
  // The usual split cuts off one small part: the sums of the rest follow by subtraction. The
  // maximum doesn't, if it went with a part.
  Summary rest = slot.summary;
  constexpr auto kMaximum = static_cast<size_t>(SummaryColumn::kRetainUntil);
  bool recompute = false;
  for (size_t i = first_new; i < right->size(); ++i) {
    Child& child = (*right)[i].child;
    child.summary = summary_of(context, *child.dirty);
    child.birth = slot.birth;
    for (size_t c = 0; c < Summary::kColumns; ++c) {
      if (c != kMaximum) rest.columns[c] -= child.summary.columns[c];
    }
    recompute |= child.summary.columns[kMaximum] != 0;
  }
  slot.summary = recompute ? summary_of(context, *slot.dirty) : rest;
}

bool rebalance(TreeContext& context, uint8_t level, Child& a, ByteView separator, const Child& b,
               std::vector<Part>* right) {
  const auto left_node = open_node(context, a, level);
  const auto right_node = open_node(context, b, level);
  count(context.counters.visited, 2);
  if (!left_node.ok() || !right_node.ok()) return false;
  if (!underfull(context, *left_node) && !underfull(context, *right_node)) return false;
  const bool forced = level > 0 && (left_node->count() < kInnerEntriesMin ||
                                    right_node->count() < kInnerEntriesMin);

  Bytes first_buffer, last_buffer;
  const ByteView first = left_node->key(0, first_buffer);
  const ByteView last = right_node->key(right_node->count() - 1, last_buffer);
  const uint32_t entries = left_node->count() + right_node->count();
  const size_t entry =
      level == 0 ? kLeafEntryOverheadBytes
                 : kChildOverheadBytes + 8 * std::max(left_node->columns(), right_node->columns());
  const size_t together = kNodeOverheadBytes + left_node->key_bytes() + right_node->key_bytes() -
                          common_prefix(first, last) * (entries - 1) + left_node->value_bytes() +
                          right_node->value_bytes() + entries * entry;
  // Neighbours with prefixes of their own are better left apart.
  if (!forced && together > 2 * size_t{context.node_bytes}) return false;

  NodePtr both = MutNode::make(context, level);
  append_entries(*both.edit(), *left_node, 0, left_node->count(), a);
  append_entries(*both.edit(), *right_node, 0, right_node->count(), b,
                 level == 0 ? nullptr : &separator);
  std::vector<Part> parts;
  split_nodes(context, *both.edit(), false, &parts);
  // What would come out as it went in, is not worth dirtying two nodes.
  if (!forced && !parts.empty() && both->count() == left_node->count()) return false;

  a.ref = {};
  a.dirty = std::move(both);
  a.birth = std::max(a.birth, b.birth);
  a.grafted = false;
  a.summary = summary_of(context, *a.dirty);
  for (Part& part : parts) {
    part.child.birth = a.birth;
    part.child.summary = summary_of(context, *part.child.dirty);
    right->push_back(std::move(part));
  }
  return true;
}

}  // namespace ramet::engine
