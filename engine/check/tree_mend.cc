#include "engine/check/tree_mend.h"

#include <algorithm>
#include <utility>

#include "engine/tree/tree.h"

namespace ramet::engine {
namespace {

// Deeper than any tree: forged ones end here.
constexpr int kDepthMax = 80;

bool is_damage(const Error& error) {
  return error.code() == ErrorCode::kCorruption || error.code() == ErrorCode::kNotFound ||
         error.code() == ErrorCode::kUnsupported;
}

}  // namespace

void TreeMend::append(const Pieces& some, Pieces& out) {
  out.pieces.insert(out.pieces.end(), some.pieces.begin(), some.pieces.end());
  out.gaps.insert(out.gaps.end(), some.gaps.begin(), some.gaps.end());
  out.changed = out.changed || some.changed;
}

Result<MendedTree> TreeMend::mend(const Root& root, bool of_catalog) {
  of_catalog_ = of_catalog;
  MendedTree out;
  out.root = root;
  if (root.empty()) return out;
  RAMET_ASSIGN(const PiecesPtr found, pieces_of(root, {}, {}, 0));
  out.gaps = found->gaps;
  if (!found->changed) return out;
  out.changed = true;
  Tree tree(context_);
  for (const Piece& piece : found->pieces) {
    const Status grafted = tree.graft(piece.from, piece.to, piece.root, sequence_);
    if (grafted.ok()) continue;
    const ErrorCode code = grafted.error().code();
    if (code != ErrorCode::kInvalidArgument && code != ErrorCode::kFailedPrecondition) {
      return grafted.error();
    }
    // A subtree that was found may reach over what is wanted of it, deep inside.
    RAMET_TRY(check_.each_entry(
        piece.root, [&](ByteView key, ByteView value, std::span<const BlockRef> refs) -> Status {
          if (key < piece.from || (!piece.to.empty() && key >= piece.to)) return ok();
          RAMET_ASSIGN(const bool there, tree.get(key, nullptr));
          return there ? ok() : tree.put(key, value, refs, sequence_);
        }));
  }
  out.root = tree.share();
  out.root.birth = sequence_;
  return out;
}

Result<TreeMend::PiecesPtr> TreeMend::pieces_of(const Root& at, const Bytes& from,
                                                const Bytes& to, int depth) {
  if (depth > kDepthMax) return Error(ErrorCode::kCorruption, "a tree without an end");
  const std::tuple key{at.ref.segment, at.ref.slot, from, to};
  if (!at.dirty) {
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
  }
  auto out = std::make_shared<Pieces>();
  RAMET_ASSIGN(const bool sound, check_.is_sound(at, from, to));
  if (sound) {
    out->pieces.push_back({at, from, to});
    return PiecesPtr(std::move(out));
  }
  auto node = open_node(context_, at);
  if (!node.ok()) {
    if (!is_damage(node.error())) return std::move(node).error();
    RAMET_TRY(unreadable(at, from, to, node.error().message(), depth, *out));
  } else if (node->is_leaf()) {
    RAMET_TRY(leaf(at, *node, from, to, *out));
  } else {
    RAMET_TRY(inner(at, *node, from, to, depth, *out));
  }
  if (!at.dirty) known_[key] = out;
  return PiecesPtr(std::move(out));
}

// The node is lost, but not what hangs below an inner one: it still stands in its segment.
Status TreeMend::unreadable(const Root& at, const Bytes& from, const Bytes& to,
                            std::string reason, int depth, Pieces& out) {
  out.changed = true;
  Gap gap;
  gap.ref = at.ref;
  gap.level = at.level;
  gap.from = from;
  gap.to = to;
  gap.reason = std::move(reason);
  if (at.level > 0) {
    bool ambiguous = false;
    RAMET_ASSIGN(const auto children,
                 orphans_.subtrees(of_catalog_, from, to, static_cast<uint8_t>(at.level - 1),
                                    at.birth, &ambiguous));
    Summary sum;
    for (const Orphans::Subtree& child : children) {
      sum.combine(child.root.summary);
      RAMET_ASSIGN(const PiecesPtr below,
                   pieces_of(child.root, child.from, child.to, depth + 1));
      append(*below, out);
    }
    gap.closed = !children.empty() && !ambiguous && sum == at.summary;
  }
  out.gaps.push_back(std::move(gap));
  return ok();
}

Status TreeMend::leaf(const Root& at, const NodeHandle& node, const Bytes& from, const Bytes& to,
                      Pieces& out) {
  Tree good(context_);
  Bytes buffer, previous;
  uint32_t kept = 0;
  Summary sum;
  for (uint32_t i = 0; i < node.count(); ++i) {
    const ByteView key = node.key(i, buffer);
    EntrySums ignored;
    bool in_pieces = false;
    const Status entry = add_entry(key, node.value(i), node.refs(i), ignored, in_pieces);
    const bool outside = key < from || (!to.empty() && key >= to) || (i > 0 && key <= previous);
    previous.assign(key);
    if (entry.ok() && !outside) {
      ++kept;
      sum.combine(context_.contribution(key, node.value(i)));
      RAMET_TRY(good.put(key, node.value(i), node.refs(i), sequence_));
      continue;
    }
    Gap gap;
    gap.ref = at.ref;
    gap.from = from;
    gap.to = to;
    gap.key.assign(key);
    gap.reason = outside ? "outside of the node's keys" : entry.error().message();
    out.gaps.push_back(std::move(gap));
  }
  if (kept == node.count()) {  // only what its pointer says may be wrong, or a block is missing
    Root root = at;
    root.summary = sum;
    out.changed = sum != at.summary;
    out.pieces.push_back({root, from, to});
    return ok();
  }
  out.changed = true;
  if (kept > 0) out.pieces.push_back({good.share(), from, to});
  return ok();
}

Status TreeMend::inner(const Root& at, const NodeHandle& node, const Bytes& from, const Bytes& to,
                       int depth, Pieces& out) {
  Child self;
  self.ref = at.ref;
  self.dirty = at.dirty;
  self.birth = at.birth;
  self.summary = at.summary;
  Bytes buffer;
  Summary sum;
  Sequence birth = 0;
  for (uint32_t i = 0; i < node.count(); ++i) {
    const Child child = node.child(i, self);
    Root root;
    root.ref = child.ref;
    root.dirty = child.dirty;
    root.level = static_cast<uint8_t>(at.level - 1);
    root.summary = node.summary(i);
    root.birth = node.birth(i);
    sum.combine(root.summary);
    birth = std::max(birth, root.birth);
    Bytes low = from;
    Bytes high = to;
    const ByteView key = node.key(i, buffer);
    if (i > 0 && key > low) low.assign(key);
    if (i + 1 < node.count()) {
      const ByteView next = node.key(i + 1, buffer);
      if (high.empty() || next < high) high.assign(next);
    }
    if (!high.empty() && low >= high) {
      Gap gap;
      gap.ref = root.ref;
      gap.level = root.level;
      gap.from = low;
      gap.to = high;
      gap.reason = "its keys are out of order";
      out.gaps.push_back(std::move(gap));
      out.changed = true;
      continue;
    }
    RAMET_ASSIGN(const PiecesPtr below, pieces_of(root, low, high, depth + 1));
    append(*below, out);
  }
  if (sum != at.summary || birth > at.birth || node.count() < 2) out.changed = true;
  if (!out.changed) out.pieces = {{at, from, to}};
  return ok();
}

}  // namespace ramet::engine
