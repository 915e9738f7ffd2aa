// SegmentMap: the map tree. It tells where the segments of earlier lives and checkpoints stand:
// generation, epoch, state, and the slot tables of those without a footer.
//
// Lookups are thread-safe. Changes are made by one thread at a time (the checkpointer) and are
// seen by lookups at once; they are durable with the checkpoint that names the persisted root.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/container/node_stores.h"
#include "engine/tree/tree.h"

namespace ramet::engine {

class SegmentMap : public SegmentDirectory {
 public:
  SegmentMap(BlockStore& blocks, NodeCache& cache);

  // The map as a checkpoint has it.
  void reset(const Root& root);

  Result<std::optional<SegmentValue>> find(SegmentNo number) override;
  Result<std::vector<SlotEntry>> slots_of(SegmentNo number, uint32_t count) override;
  // Every segment in number order, until `visit` returns false.
  Status each(const std::function<bool(SegmentNo, const SegmentValue&)>& visit);

  // Notes how a segment stands now: its SEGMENT entry and, unless it has a footer, its slots up
  // to those that are synced.
  Status record(const Segment& segment, SegmentState state, Sequence sequence);
  Status erase(SegmentNo number, Sequence sequence);

  // Writes the changed nodes to the map stream (not synced) and returns the root.
  Result<Root> persist(Sequence sequence);
  // Frees the memory of what was persisted: only once it is synced, for until then the disk may
  // drop it and lookups must go on.
  void let_go_of_persisted();

 private:
  Root root();
  Status put_slots(Tree& tree, const Segment& segment, Slot count, Sequence sequence);

  MapStreamStore nodes_;
  TreeContext context_;
  std::mutex mu_;
  Root root_;                          // guarded by mu_
  std::map<SegmentNo, Slot> recorded_;  // slots in SLOTS pages, of segments without a footer
};

}  // namespace ramet::engine
