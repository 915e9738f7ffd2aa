// Accounting: what the holders of one checkpoint's trees (containers, snapshots) hold alone, and
// which share of the rest is theirs (docs/architecture.md#whose-bytes).
//
// Definitions: an *edge* is a reference to a slot, with multiplicity; a slot's count is the number
// of its edges. What is *given back anyway* are pending nodes, entries of the drop queue, and
// whatever is reached through them alone. Their edges count as gone already: so what other holders
// hold does not depend on how far reclaim has come.
//
// Invariants:
//   [ACCOUNT-1] what would_free() tells is what dropping these holders, and reclaiming, frees: the
//               same rule (a slot goes with its last edge), on a copy of the same counts.
//   [ACCOUNT-2] cost(slot) = its stored bytes + the portions of the edges that it holds. Portions
//               of one slot add up to its cost: edge i (from 0) of c gets cost / c, and one byte
//               more if i < cost % c, in the order in which a depth-first walk through the catalog
//               in key order meets them. So the shares of all holders add up to the stored bytes
//               of all that they reach, to the byte. Checked: check_met(), and by the sum of all
//               lines in StoreImpl::usage().
//
// Cost: would_free() by what would be freed and what that refers to; share_out() reads every node
// that is reached once. Both after begin(), which follows what is given back anyway. Memory: as
// SlotLedger says; no recursion. Requirements, damage and thread-safety as there.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "engine/space/slot_ledger.h"

namespace ramet::engine {

class Accounting {
 public:
  // Of the checkpoint with this catalog root and map; `progress` must outlive it.
  Accounting(TreeContext& maps, const Root& map, TreeContext& trees, BlockStore& blocks,
             const UsageProgress& progress)
      : maps_(maps), map_(map), trees_(trees), ledger_(maps, map, trees, blocks, progress) {}

  // Call first, once.
  Status begin(const BlockRef& catalog);
  // The catalog, for looking into it. Its summary is not filled in.
  const Root& catalog() const { return catalog_; }

  // What pending nodes, and then entries of the drop queue, are and alone hold.
  const SlotSum& pending() const { return pending_; }
  const SlotSum& dropped() const { return dropped_; }
  // What goes when these references of catalog entries go together.
  Result<SlotSum> would_free(std::span<const BlockRef> roots) { return ledger_.try_let_go(roots); }
  // Calls `visit` with the share of each catalog entry that holds anything, but for the drop queue.
  // Call it once, after which nothing else may be asked.
  Status share_out(const std::function<Status(ByteView key, uint64_t share)>& visit);
  // The catalog's own nodes; after share_out().
  uint64_t catalog_bytes() const { return catalog_bytes_; }
  // Stored bytes of each segment that were shared out, or are given back anyway.
  const std::map<SegmentNo, uint64_t>& bytes_of_segments() const { return ledger_.taken(); }
  uint64_t nodes_read() const { return ledger_.nodes_read(); }

 private:
  struct Open {  // a node on the way down
    SlotId id;
    uint64_t cost = 0;
    std::vector<BlockRef> refs;
    size_t next = 0;
  };
  // Meets one edge: its portion, or the node that must be walked before that is known.
  Result<std::optional<uint64_t>> meet(const BlockRef& edge, std::vector<Open>& stack);
  Result<uint64_t> share_of(const BlockRef& edge);
  Status share_entries(const CleanNode& leaf,
                       const std::function<Status(ByteView key, uint64_t share)>& visit);
  Result<CleanNodePtr> meet_catalog(const BlockRef& ref);

  TreeContext& maps_;
  const Root map_;
  TreeContext& trees_;
  SlotLedger ledger_;
  Root catalog_;
  SlotSum pending_, dropped_;
  uint64_t catalog_bytes_ = 0;
};

}  // namespace ramet::engine
