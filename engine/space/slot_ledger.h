// SlotLedger: what one checkpoint says of its slots (counts, stored bytes), and a copy of the
// counts on which letting go of references is tried out. Changes nothing in the store.
//
// Cost: by what is let go of, and what that refers to. Memory: 8 bytes for each slot whose page of
// counts was looked at (16 for nodes with a cost), 4 for each slot of a segment whose lengths were
// asked for, and while it is tried out, 8 for each reference that is let go of.
//
// The caller keeps the checkpoint readable: a Pins::Reader of its epoch, a Space::MapHold for the
// map. A node that cannot be read, or a reference that is counted wrong, is kCorruption that names
// it: the ledger is of no use then. Not thread-safe.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/space/ref_counts.h"
#include "engine/usage.h"

namespace ramet::engine {

// Slots added up.
struct SlotSum {
  uint64_t bytes = 0;  // stored
  uint64_t nodes = 0;
  uint64_t blocks = 0;
};

class SlotLedger {
 public:
  // What is known of one slot; valid as long as the ledger.
  struct Account {
    uint32_t* count = nullptr;  // references that are left
    uint32_t* met = nullptr;    // of which so many were met on a walk; 0 at first
    uint64_t* cost = nullptr;   // for the walk; 0 at first
  };

  // `maps` reads `map`, `trees` reads nodes.
  SlotLedger(TreeContext& maps, const Root& map, TreeContext& trees, BlockStore& blocks,
             const UsageProgress& progress)
      : maps_(maps), map_(map), trees_(trees), blocks_(blocks), progress_(progress) {}

  // One reference less. Slots that have none left are added to `freed`, and what they refer to is
  // let go of in turn.
  Status let_go(const BlockRef& edge, SlotSum& freed);
  // The same for what a pending node refers to, and the node itself.
  Status release(const SlotId& pending, SlotSum& freed);
  // What let_go() of all these would free. The ledger stays as it was.
  Result<SlotSum> try_let_go(std::span<const BlockRef> edges);

  // `with_cost`: Account::cost is wanted.
  Result<Account> account(const SlotId& id, bool with_cost = false);
  struct Stored {
    uint64_t bytes = 0;  // frame header, payload and padding
    bool is_node = false;
  };
  Result<Stored> stored(const SlotId& id);
  // The slot's bytes have found their line. Once for each slot.
  void take(const SlotId& id, uint64_t bytes) { taken_[id.segment] += bytes; }
  // Bytes of each segment that were taken, or let go of.
  const std::map<SegmentNo, uint64_t>& taken() const { return taken_; }
  // A verified node. Not kept in the node cache: it is read once.
  Result<CleanNodePtr> load(const BlockRef& ref);
  // kCorruption, naming a slot, if one was met but not as often as it counts.
  Status check_met() const;
  uint64_t nodes_read() const { return nodes_read_; }

 private:
  struct Page {
    std::array<uint32_t, kCountsPerPage> count{};
    std::array<uint32_t, kCountsPerPage> met{};
    std::unique_ptr<std::array<uint64_t, kCountsPerPage>> cost;
  };
  struct Lengths {
    bool nodes = false;
    std::vector<uint32_t> bytes;  // of each slot; 0: it is gone
  };
  Result<Page*> page(const SlotId& id);
  Result<const Lengths*> lengths(SegmentNo segment);
  Status let_go_all(std::vector<BlockRef>& stack, SlotSum& freed);

  TreeContext& maps_;
  const Root map_;
  TreeContext& trees_;
  BlockStore& blocks_;
  const UsageProgress& progress_;
  std::unordered_map<uint64_t, Page> pages_;  // by segment and number of the page
  std::unordered_map<SegmentNo, Lengths> lengths_;
  std::map<SegmentNo, uint64_t> taken_;
  uint64_t last_key_ = UINT64_MAX;
  Page* last_page_ = nullptr;
  // Reads counts; of one segment at a time, so that it does not keep all of them, too.
  std::unique_ptr<RefCounts> counts_;
  SegmentNo counts_of_ = 0;
  std::vector<SlotId>* undo_ = nullptr;
  uint64_t nodes_read_ = 0;
};

}  // namespace ramet::engine
