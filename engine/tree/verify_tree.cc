#include "engine/tree/verify_tree.h"

#include <algorithm>

#include "engine/tree/node_edit.h"
#include "engine/tree/node_handle.h"

namespace ramet::engine {
namespace {

using Kind = TreeFinding::Kind;

// A pointer and what it claims.
struct Claim {
  BlockRef ref;
  const MutNode* dirty = nullptr;
  uint8_t level = 0;
  Summary summary;
  Sequence birth = 0;
  Bytes from, to;
  bool root = false;
};

class Verifier {
 public:
  Verifier(TreeContext& context, const std::function<void(const TreeFinding&)>& report,
           TreeStatistics* statistics)
      : context_(context), report_(report), statistics_(*statistics) {}

  // *complete: everything below was readable, so that *sum is the whole sum.
  Status node(const Claim& claim, Summary* sum, bool* complete) {
    auto opened = open_node(context_, claim.ref, claim.dirty, claim.level);
    if (!opened.ok()) {
      *complete = false;
      if (opened.error().code() != ErrorCode::kCorruption) return std::move(opened).error();
      find(Kind::kUnreadable, claim, opened.error().message());
      return {};
    }
    const NodeHandle& handle = *opened;
    if (handle.count() == 0) {
      find(Kind::kFill, claim, "no entries");
      return {};
    }
    count_node(handle, claim.root);
    check_keys(claim, handle);
    const size_t bytes = handle.encoded_bytes();
    if (bytes > kMaxNodeBytes) find(Kind::kFill, claim, "greater than a node may be");
    if (!handle.is_leaf() && handle.count() < 2) find(Kind::kFill, claim, "only one child");
    if (handle.is_leaf()) {
      leaf(handle, sum);
    } else {
      RAMET_TRY(children(claim, handle, sum, complete));
    }
    if (*complete && *sum != claim.summary) {
      find(Kind::kSummary, claim, "the summary is not what lies below");
    }
    return {};
  }

 private:
  void find(Kind kind, const Claim& claim, std::string message) {
    report_({kind, claim.ref, claim.level, claim.from, claim.to, std::move(message)});
  }

  void count_node(const NodeHandle& handle, bool root) {
    ++(handle.is_leaf() ? statistics_.leaves : statistics_.inner_nodes);
    (handle.is_leaf() ? statistics_.leaf_bytes : statistics_.inner_bytes) += handle.encoded_bytes();
    if (handle.dirty() != nullptr) ++statistics_.dirty_nodes;
    if (!root && underfull(context_, handle)) ++statistics_.underfull;
  }

  void check_keys(const Claim& claim, const NodeHandle& handle) {
    Bytes previous, buffer;
    for (uint32_t i = 0; i < handle.count(); ++i) {
      const ByteView key = handle.key(i, buffer);
      if (i > 0 && key <= previous) find(Kind::kOrder, claim, "keys are not sorted");
      // The first key of an inner node may be anything up to its first child's keys.
      const bool low = key < claim.from && (i > 0 || handle.is_leaf());
      if (low || (!claim.to.empty() && key >= claim.to)) {
        find(Kind::kOrder, claim, "keys outside of what leads to the node");
      }
      previous = key;
    }
  }

  void leaf(const NodeHandle& handle, Summary* sum) {
    Bytes buffer;
    statistics_.entries += handle.count();
    for (uint32_t i = 0; i < handle.count(); ++i) {
      sum->combine(context_.contribution(handle.key(i, buffer), handle.value(i)));
      for (const BlockRef& ref : handle.refs(i)) {
        if (!ref.is_null()) ++statistics_.references;
      }
      if (handle.ref_node(i)) ++statistics_.references;
    }
  }

  Status children(const Claim& claim, const NodeHandle& handle, Summary* sum, bool* complete) {
    Bytes buffer;
    for (uint32_t i = 0; i < handle.count(); ++i) {
      Claim child{handle.child_ref(i),
                  handle.child_dirty(i),
                  static_cast<uint8_t>(claim.level - 1),
                  handle.summary(i),
                  handle.birth(i),
                  claim.from,
                  claim.to,
                  false};
      // A first key above what leads here is a lower bound too.
      const ByteView key = handle.key(i, buffer);
      if (key > child.from) child.from = key;
      if (i + 1 < handle.count()) child.to = handle.key(i + 1, buffer);
      if (child.birth > claim.birth) find(Kind::kBirth, claim, "a child is newer");
      // Where the bounds leave no room, keys are out of order, which was reported; a forged tree
      // could lead around in circles there.
      if (!child.to.empty() && child.from >= child.to) {
        *complete = false;
        continue;
      }
      Summary below{};
      bool below_complete = true;
      RAMET_TRY(node(child, &below, &below_complete));
      sum->combine(below);
      *complete &= below_complete;
    }
    return {};
  }

  TreeContext& context_;
  const std::function<void(const TreeFinding&)>& report_;
  TreeStatistics& statistics_;
};

}  // namespace

Status verify_tree(TreeContext& context, const Root& root,
                   const std::function<void(const TreeFinding&)>& report,
                   TreeStatistics* statistics) {
  TreeStatistics local;
  if (root.empty()) return {};
  Verifier verifier(context, report, statistics == nullptr ? &local : statistics);
  Summary sum{};
  bool complete = true;
  return verifier.node({root.ref,
                        root.dirty.get(),
                        root.level,
                        root.summary,
                        root.birth,
                        {},
                        {},
                        /*root=*/true},
                       &sum, &complete);
}

}  // namespace ramet::engine
