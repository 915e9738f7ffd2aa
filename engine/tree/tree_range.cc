// Range operations: erase, keep and graft by splitting and joining whole trees.
#include <algorithm>

#include "engine/tree/split_join.h"
#include "engine/planted.h"
#include "engine/tree/tree.h"

namespace ramet::engine {
namespace {

// A bound that is longer than any key, as an equal one that fits into a node: no key lies between
// the first kMaxKeyBytes bytes of it and their direct successor.
Bytes bound(ByteView key) {
  if (key.size() <= kMaxKeyBytes) return Bytes(key);
  Bytes shorter(key.substr(0, kMaxKeyBytes));
  shorter.push_back('\0');
  return shorter;
}

}  // namespace

// The subtrees hold references of their own to the root, so everything that is edited below is
// copied first, and a failure leaves this tree alone.
Subtree Tree::whole() const {
  Subtree tree;
  tree.child = root_;
  tree.level = level_;
  return tree;
}

Status Tree::become(Subtree tree, Sequence sequence) {
  if (tree.child.grafted) RAMET_TRY(make_mutable(context(), tree.child, tree.level));
  tree.child.birth = std::max({tree.child.birth, root_.birth, sequence});
  root_ = std::move(tree.child);
  level_ = tree.level;
  return {};
}

Status Tree::erase_range(ByteView from, ByteView to, Sequence sequence) {
  const Bytes begin = bound(from), end = bound(to);
  if (empty() || (!end.empty() && begin >= end)) return {};
  RAMET_TRY(check_height());
  RAMET_ASSIGN(SplitTrees low, split(context(), whole(), begin));
  SplitTrees high;
  high.left = std::move(low.right);
  if (!end.empty()) {
    RAMET_ASSIGN(high, split(context(), std::move(high.left), end));
  }
  if (high.left.empty()) return {};
  const Summary before = summary();
  RAMET_TRY(stamp(context(), low.left, Edge::kLast, sequence));
  RAMET_TRY(stamp(context(), high.right, Edge::kFirst, sequence));
  RAMET_ASSIGN(Subtree rest, join(context(), std::move(low.left), end, std::move(high.right)));
  RAMET_TRY(become(std::move(rest), sequence));
  if (planted(Bug::kStaleSummary) && !empty()) root_.summary = before;
  return {};
}

Status Tree::keep_range(ByteView from, ByteView to, Sequence sequence) {
  const Bytes begin = bound(from), end = bound(to);
  if (empty()) return {};
  RAMET_TRY(check_height());
  if (!end.empty() && begin >= end) return erase_range({}, {}, sequence);
  RAMET_ASSIGN(SplitTrees low, split(context(), whole(), begin));
  SplitTrees high;
  high.left = std::move(low.right);
  if (!end.empty()) {
    RAMET_ASSIGN(high, split(context(), std::move(high.left), end));
  }
  if (low.left.empty() && high.right.empty()) return {};
  if (!low.left.empty()) {
    RAMET_TRY(stamp(context(), high.left, Edge::kFirst, sequence));
  }
  if (!high.right.empty()) {
    RAMET_TRY(stamp(context(), high.left, Edge::kLast, sequence));
  }
  return become(std::move(high.left), sequence);
}

Status Tree::graft(ByteView from, ByteView to, const Root& subtree, Sequence sequence) {
  const Bytes begin = bound(from), end = bound(to);
  if (!end.empty() && begin >= end) {
    return Error(ErrorCode::kInvalidArgument, "graft: the range is empty");
  }
  if (subtree.empty()) return {};
  RAMET_TRY(check_height());
  RAMET_TRY(Tree(context(), subtree).check_height());
  RAMET_ASSIGN(const Bytes first, first_key(context(), subtree));
  RAMET_ASSIGN(const Bytes last, last_key(context(), subtree));
  if (first < begin || (!end.empty() && last >= end)) {
    return Error(ErrorCode::kInvalidArgument, "graft: keys outside of the range");
  }
  RAMET_ASSIGN(SplitTrees low, split(context(), whole(), begin));
  SplitTrees high;
  high.left = std::move(low.right);
  if (!end.empty()) {
    RAMET_ASSIGN(high, split(context(), std::move(high.left), end));
  }
  if (!high.left.empty()) {
    return Error(ErrorCode::kFailedPrecondition, "graft: there are keys in the range");
  }
  Subtree inside;
  inside.child = {subtree.ref, subtree.dirty, std::max(subtree.birth, sequence), subtree.level > 0,
                  subtree.summary};
  inside.level = subtree.level;
  inside.lower = begin;
  RAMET_TRY(stamp(context(), low.left, Edge::kLast, sequence));
  RAMET_TRY(stamp(context(), high.right, Edge::kFirst, sequence));
  RAMET_ASSIGN(Subtree joined, join(context(), std::move(low.left), begin, std::move(inside)));
  RAMET_ASSIGN(joined, join(context(), std::move(joined), end, std::move(high.right)));
  return become(std::move(joined), sequence);
}

}  // namespace ramet::engine
