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
  Result<std::vector<Hole>> holes_of(SegmentNo number) override;
  // Every segment in number order, until `visit` returns false.
  Status each(const std::function<bool(SegmentNo, const SegmentValue&)>& visit);

  // Notes a segment: its SEGMENT entry and, unless it has a footer, its first `slots` slots. They
  // are the caller's, who has to count their references in the same checkpoint [COUNT-1]: the
  // segment may have grown since it looked.
  Status record(const Segment& segment, SegmentState state, Slot slots, Sequence sequence);

  // A copy of the map as it is, to be changed further by the checkpointer.
  Tree fork() { return Tree(context_, root()); }
  // The map of the last durable checkpoint.
  Root durable() const { return durable_; }
  TreeContext& context() { return context_; }
  // Writes the changed nodes of a fork to the map stream (not synced) and returns the root.
  Result<Root> persist(const Tree& fork, Sequence sequence);
  // The fork is durable: lookups see it from now on, and the memory of what was persisted is freed
  // (not before: until it is synced the disk may drop it).
  void adopt(const Tree& fork, const Root& persisted);

 private:
  Root root();
  Status put_slots(Tree& tree, const Segment& segment, Slot count, Sequence sequence);

  MapStreamStore nodes_;
  TreeContext context_;
  std::mutex mu_;
  Root root_;                          // guarded by mu_
  Root durable_;                       // of the checkpointer's thread
  std::map<SegmentNo, Slot> recorded_;  // slots in SLOTS pages, of segments without a footer
};

}  // namespace ramet::engine
