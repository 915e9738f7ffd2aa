// RefCounts: how many references lead to each slot, changed by one checkpoint at a time (after
// Rodeh, "B-trees, Shadowing, and Clones", ACM TOS 2008).
//
// Definitions: the *count* of a slot is the number of references to it in nodes that count, and
// from the checkpoint itself (its catalog root), with multiplicity. A node counts from its first
// reference on until it is *released*. A slot whose count went to 0 is *dead*; a dead node is
// *pending* until what it refers to has been counted down. Slots at or behind a segment's *floor*
// were not referred to so far, and that is no sign of anything: their transactions may still run.
//
// How it works: everything that a checkpoint wrote hangs below its catalog root. So counting up
// that root, and going on into every node whose count was 0, visits exactly what is new; counting
// down the former root, and later releasing what died of it, exactly what is gone. At rest the
// map holds exceptions only: a slot before the floor counts 1, one behind it 0 (COUNT pages,
// UNCOUNTED entries; docs/format.md#values).
//
// Invariants:
//   [COUNT-1] counts change only together with the checkpoint whose map holds them: one of these
//             objects a try, begun from the map of the last durable checkpoint (INV-11).
//   [COUNT-2] up before down: what moves from one node to another never seems dead between.
//             Held by: the caller's order; down() of what up() has not seen would be damage.
//   [COUNT-3] what is dead may come back while somebody who began before it died can refer to it:
//             a block by a hit, a node in the tree of a spilled transaction. It counts what it
//             refers to again, unless it was still pending. Pins keep its bytes until then.
//
// Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <unordered_map>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/space/pins.h"
#include "engine/tree/context.h"
#include "engine/tree/tree.h"

namespace ramet::engine {

class RefCounts {
 public:
  // `maps` reads `base`, the map of the last durable checkpoint; `trees` reads nodes.
  RefCounts(TreeContext& maps, const Root& base, TreeContext& trees, BlockStore& blocks)
      : maps_(maps), base_(base), trees_(trees), blocks_(blocks) {}

  // One more reference to a node or block; of a node that had none, what it refers to is counted
  // up too. kCorruption if that cannot be read: then nothing may be written.
  Status up(const BlockRef& ref);
  // One reference less.
  Status down(const BlockRef& ref);
  // Counts down what up to `nodes_max` pending nodes refer to, the latest dead first: those that
  // this object saw die, then `older`, from its end; takes them from there. A node that cannot be
  // read stays pending: what it held leaks until a repair, and is never guessed. After an error
  // nothing of this object may be used.
  Status release(std::vector<SlotId>& older, uint64_t nodes_max);
  // Slots of the segment before `floor` got all the references they will ever get by themselves:
  // those that have none are dead. `recorded`: slots that the map will know of; to be called for
  // every segment for which that number changes.
  Status settle(const Segment& segment, Slot floor, Slot recorded);
  // The slots are no longer in the segment's table.
  Status forget(SegmentNo segment, std::span<const Slot> slots);
  // Everything about a segment that is gone.
  static Status erase(Tree& map, SegmentNo segment, Sequence sequence);

  // Puts what changed into a copy of the map.
  Status write(Tree& map, Sequence sequence);

  Result<uint32_t> count(const SlotId& id);
  // A dead node whose own references still count.
  Result<bool> is_pending(const SlotId& id);
  Result<Slot> floor(SegmentNo segment);

  // What came of it.
  const std::vector<SlotId>& died() const { return died_; }        // not revived since
  const std::vector<SlotId>& revived() const { return revived_; }
  const std::vector<SlotId>& pending() const { return pending_; }  // died and not yet released
  const std::vector<SlotId>& damaged() const { return damaged_; }
  uint64_t nodes_counted() const { return nodes_counted_; }
  uint64_t nodes_released() const { return nodes_released_; }

 private:
  struct Page {
    std::vector<uint32_t> counts;
    std::vector<uint8_t> pending;
    bool changed = false;
  };
  Result<Page*> page(const SlotId& id);
  Result<Page> load_page(SegmentNo segment, uint32_t number);
  Result<bool> is_node(const BlockRef& ref);
  // Calls `visit` with each reference of a node.
  Status visit(const BlockRef& ref, const std::function<Status(const BlockRef&)>& visit);
  Result<std::vector<BlockRef>> refs_of(const SlotId& node);
  Status release_node(const SlotId& id);
  Status dead(const SlotId& id);

  TreeContext& maps_;
  const Root base_;
  TreeContext& trees_;
  BlockStore& blocks_;
  std::map<std::pair<SegmentNo, uint32_t>, Page> pages_;
  std::unordered_map<SegmentNo, Slot> floors_;
  std::map<SegmentNo, std::pair<Slot, Slot>> new_floors_;  // floor, recorded slots
  std::pair<SegmentNo, uint32_t> last_key_{0, 0};
  Page* last_page_ = nullptr;
  std::vector<SlotId> died_, revived_, pending_, damaged_;
  uint64_t nodes_counted_ = 0;
  uint64_t nodes_released_ = 0;
};

// Every dead slot that the map knows, and which of them are pending.
struct DeadSlots {
  std::vector<SlotId> dead;
  std::vector<SlotId> pending;
};
Result<DeadSlots> find_dead(TreeContext& maps, const Root& map);

}  // namespace ramet::engine
