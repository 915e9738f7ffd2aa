// Space: what a store knows of its own bytes: counts, what is dead, what may go; and how it goes.
//
// Definitions: an *action* gives bytes of one closed segment back: DELETE (everything in it is
// dead), PUNCH (wide dead ranges become holes of its file) or COMPACT (its next generation leaves
// the dead slots out). A *leftover* is a file, or are the holes of one, that the newest checkpoint
// does not need any more; it goes when the older superblock's checkpoint does not need it either.
//
// How it works: each checkpoint counts (RefCounts) in a fork of the map, which becomes the map
// when the checkpoint is durable. Between checkpoints, actions prepare the next one: they condemn
// slots (Pins), write next generations, and leave it to the checkpoint to make them count.
//
// Invariants:
//   [SPACE-1] a file is removed, or punched, only when the checkpoints of both superblocks do
//             without what goes.
//             Guards: a fallback that finds its segments gone (INV-6). Held by: remove_leftovers().
//   [SPACE-2] nothing is decided on a read that failed: the segment is left as it is. Guards:
//             taking what could not be seen for dead. Held by: plan(), compact().
//
// Used by one thread at a time (under the checkpoint lock), but for pins() and map holds.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "engine/container/segment_map.h"
#include "engine/space/pins.h"
#include "engine/space/ref_counts.h"
#include "format/superblock.h"

namespace ramet::engine {

struct SpaceAction {
  enum class Kind : uint8_t { kDelete, kPunch, kCompact };
  Kind kind = Kind::kDelete;
  SegmentNo segment = 0;
  Stream stream = Stream::kData;
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  std::vector<Hole> holes;  // kPunch: all that the segment has then

  uint64_t bytes_copied() const { return kind == Kind::kCompact ? bytes_after : 0; }
};

struct SpaceStats {
  uint64_t nodes_counted = 0;   // read to count what they refer to
  uint64_t nodes_released = 0;  // read to count it down
  uint64_t damaged = 0;         // dead nodes that could not be read: what they held leaks
  uint64_t pending = 0;         // dead nodes that wait for their turn
  uint64_t deleted = 0, punched = 0, compacted = 0;  // segments
  uint64_t bytes_freed = 0;
  uint64_t bytes_copied = 0;
};

class Space {
 public:
  Space(BlockStore& blocks, TreeContext& trees, SegmentMap& map)
      : blocks_(blocks), trees_(trees), map_(map) {}

  Pins& pins() { return pins_; }
  // While one is held, the map of the last durable checkpoint (at the time when it was made) stays
  // readable: its nodes are not counted, so that pins do not keep them. Made under the checkpoint
  // lock; may go at any time.
  class MapHold {
   public:
    explicit MapHold(Space& space) : space_(space) { ++space_.map_holds_; }
    ~MapHold() { --space_.map_holds_; }
    MapHold(const MapHold&) = delete;
    MapHold& operator=(const MapHold&) = delete;

   private:
    Space& space_;
  };
  // The checkpoint that the store begins from.
  void begin(const BlockRef& catalog, uint64_t map_bytes) {
    catalog_ = catalog;
    map_bytes_ = map_bytes;
  }
  // Segments that the map calls open, in which nothing was ever made durable: they go.
  void abandon(std::span<const SegmentNo> segments);
  const BlockRef& catalog() const { return catalog_; }

  // --- parts of a checkpoint, in this order ------------------------------------------------
  struct Recorded {
    std::shared_ptr<Segment> segment;
    Slot slots = 0;  // that the map will know
  };
  // Counts what the checkpoint of `catalog` changes, releases up to `release_max` dead nodes, and
  // gives the map that it shall have, written but not synced. `segments`: those of this life and
  // those that recovery registered. `end`: where the log was at that state. `tidy_max`: the map may
  // be written as a whole if that takes so many bytes at most.
  Result<Root> count(const BlockRef& catalog, const LogPosition& end, Sequence sequence,
                     const std::vector<Recorded>& segments, uint64_t release_max,
                     uint64_t tidy_max);
  // Of the map that count() gave: CheckpointRecord::map_bytes.
  uint64_t map_bytes() const { return try_ && try_->map_bytes ? *try_->map_bytes : map_bytes_; }
  // It is durable under this number, which grows with every checkpoint.
  void complete(uint64_t number, Sequence sequence);
  // Removes leftovers that no superblock needs any more; `older`: the number that the older
  // superblock's checkpoint reached.
  void remove_leftovers(uint64_t older);

  // --- between checkpoints -------------------------------------------------------------------
  // Reads what is dead since earlier lives, and removes files that they left; once. Segments below
  // `unused_below` that the map does not know are in use by nobody.
  Status load(SegmentNo unused_below);
  // What could be done now: what takes no copying first, and the most worthwhile. `log_floor`:
  // commit segments from here on are still replayed.
  Result<std::vector<SpaceAction>> plan(SegmentNo log_floor);
  // Bytes of all segments, as plan() found them last.
  uint64_t stored_bytes() const { return stored_bytes_; }
  // Does one of them, as far as it can be done before the next checkpoint. kFailedPrecondition if
  // it is not to be done any more.
  Status act(const SpaceAction& action, Sequence sequence);
  // Segments whose holes were given back since the last checkpoint, which does not know it.
  std::set<SegmentNo> punched() const { return {punched_.begin(), punched_.end()}; }
  // Something waits for a checkpoint.
  bool has_work() const;
  // Dead nodes wait to be released, or closed segments to be recorded.
  bool has_bookkeeping() const { return rolled_ || !pending_.empty(); }
  // Transactions ended without a commit that wrote something: a checkpoint finds it dead.
  bool has_uncounted();
  // Dead nodes that could not be read get another chance.
  void retry_damaged();
  // Closes the open data and node segments in which enough is dead, so that they can be acted on.
  Status roll_where_it_pays(Sequence sequence);
  SpaceStats stats() const;

 private:
  struct Change {  // that the next checkpoint makes count
    SegmentNo segment = 0;
    std::shared_ptr<Segment> next;  // null: the segment goes
    bool punch = false;             // `next` is the same file with other holes
    std::vector<Slot> dropped;
    uint32_t old_generation = 0;
    uint64_t freed = 0;
  };
  struct Leftover {
    uint64_t since = 0;  // number of the first checkpoint that does without it
    SegmentNo segment = 0;
    uint32_t generation = 0;
    bool whole = false;  // the last file of its segment
    std::shared_ptr<Segment> punch;  // its holes, not the file
  };
  struct Try {
    std::unique_ptr<RefCounts> counts;
    std::optional<Tree> map;
    Root written;
    BlockRef catalog;
    std::vector<SlotId> older;
    StreamMarks ends;
    std::set<SegmentNo> unsettled;
    std::vector<Change> old_maps;  // segments without a node of the map that is written
    std::optional<uint64_t> map_bytes;  // of the map, if it was written as a whole
  };
  StreamMarks stream_ends();
  Status settle(RefCounts& counts, const Recorded& recorded, const StreamMarks& marks,
                const LogPosition& end, std::set<SegmentNo>& unsettled);
  Status tidy(Sequence sequence, uint64_t bytes_max);
  Status remove_strays(const std::map<SegmentNo, uint32_t>& generations, SegmentNo unused_below);
  Status mark_punched(Tree& map, SegmentNo number, Sequence sequence);
  bool remove_leftover(const Leftover& leftover);
  Status apply(const Change& change, Tree& map, RefCounts& counts, Sequence sequence);
  uint64_t hole_bytes_min(Stream stream) const;
  using FrameRanges = std::vector<std::pair<uint64_t, uint64_t>>;  // offset, end
  std::vector<Hole> choose_holes(const Segment& segment, const FrameRanges& live) const;
  Result<std::optional<SpaceAction>> judge(SegmentNo number, const SegmentValue& value);

  BlockStore& blocks_;
  TreeContext& trees_;
  SegmentMap& map_;
  Pins pins_;
  StreamMarks counted_ends_;      // where the streams were at the last checkpoint
  BlockRef catalog_;              // root that the last durable checkpoint counts
  std::vector<SlotId> pending_;   // dead nodes that were not released
  std::vector<SlotId> damaged_;
  std::set<SegmentNo> unsettled_;  // closed, with slots that did not count yet
  std::vector<Change> changes_;
  std::vector<Leftover> leftovers_;
  std::vector<SegmentNo> gone_;  // their entries go with the next checkpoint
  std::vector<SegmentNo> punched_;  // the next checkpoint notes it
  std::set<SegmentNo> busy_;  // in changes_, leftovers_ (whole or punch), gone_ or punched_
  std::optional<Try> try_;
  uint64_t stored_bytes_ = 0;
  uint64_t map_bytes_ = 0;
  bool loaded_ = false;
  bool rolled_ = false;
  bool can_punch_ = false;  // the file system does it
  bool punch_tried_ = false;
  SpaceStats stats_;
  std::atomic<uint64_t> map_holds_{0};
};

}  // namespace ramet::engine
