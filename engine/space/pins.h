// Pins: what must not be freed because somebody may still reach it, although no checkpoint does.
//
// Definitions: a *pin epoch* begins when a checkpoint is complete and carries its number. Readers
// and transactions hold the epoch in which they began; so does a commit until a checkpoint holds
// it. A slot is *dead since N* when checkpoint N was the first in which nothing refers to it.
//
// How it works: whoever began in epoch N or later sees nothing that is dead since N: the states it
// can reach all derive from that checkpoint's. What a transaction found dead already and wants
// again (a dedupe hit) it pins by name. What is condemned cannot be pinned any more.
//
// Invariants:
//   [PINS-1] a slot is condemned only if it is dead since the oldest held epoch or longer, and
//            nobody pinned it; from then on pin() refuses it. Guards: freeing what a reader, a
//            running transaction or an uncheckpointed commit needs (INV-6). Held by: condemn().
//   [PINS-2] slots that a transaction wrote are at or behind the mark of its epoch. Guards: taking
//            blocks for dead that only have no references yet. Held by: complete() (marks are read
//            before the epoch begins), write() (holds before anything is written).
//   [PINS-3] what a commit may have referred to although it was dead, and does no longer in the
//            checkpoint that holds the commit, is dead since that checkpoint only: whoever began
//            between saw it. Held by: date_anew(). (Only that: else nothing would ever be free
//            while transactions that span checkpoints go on without a pause.)
//
// No clock and no file takes part. Thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "format/block_ref.h"
#include "format/ids.h"

namespace ramet::engine {

// Where a stream goes on: this slot of this segment, and all of later segments.
struct StreamMark {
  SegmentNo segment = 0;
  Slot slot = 0;
  friend auto operator<=>(const StreamMark&, const StreamMark&) = default;
};

// Of the streams that transactions write to before they commit.
struct StreamMarks {
  StreamMark node, data;
};

struct SlotId {
  SegmentNo segment = 0;
  Slot slot = 0;
  friend auto operator<=>(const SlotId&, const SlotId&) = default;
};

class Pins {
  struct Epoch {
    uint64_t number = 0;
    StreamMarks marks;
    uint64_t readers = 0;
    uint64_t writers = 0;
    Sequence newest_commit = 0;  // of its transactions; held until that is checkpointed
    bool any_node = false;       // one of them committed a whole tree: nodes that it began with
    std::vector<SlotId> referred;  // by what the others committed
    std::map<SegmentNo, std::set<Slot>> pinned;
  };

 public:
  // Holds the epoch for a reader.
  class Reader {
   public:
    explicit Reader(Pins& pins);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    uint64_t epoch() const { return epoch_->number; }  // the pin epoch that it holds

   private:
    Pins& pins_;
    std::list<Epoch>::iterator epoch_;
  };

  // Holds it for a transaction, beyond its end when it was committed.
  class Writer {
   public:
    explicit Writer(Pins& pins);
    ~Writer();
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    uint64_t epoch() const { return epoch_->number; }
    // False: the slot is condemned and may not be referred to. Call before the slot is looked at.
    bool pin(SegmentNo segment, Slot slot);
    // What the commit that comes now refers to, whether dead or alive. Call before it.
    void refers_to(std::span<const BlockRef> refs);
    // It takes its whole working tree along, in which may be all that it began with.
    void refers_to_its_base();
    void committed(Sequence sequence) { committed_ = sequence; }

   private:
    Pins& pins_;
    std::list<Epoch>::iterator epoch_;
    Sequence committed_ = 0;
  };

  Pins() { epochs_.emplace_back(); }

  // A checkpoint with everything up to `sequence` is durable, in which `died` are dead and
  // `revived` are so no longer. `marks`: read before the call.
  void complete(uint64_t number, Sequence sequence, const StreamMarks& marks,
                std::span<const SlotId> died, std::span<const SlotId> revived);
  // Recovery replayed commits up to this one, which no checkpoint holds yet. Call first.
  void replayed(Sequence sequence);
  // What is dead since earlier lives; until it is known every hit is pinned.
  void begin(std::span<const SlotId> dead);
  // Before these marks nothing can get its first reference any more but through a pin, once a
  // checkpoint of the state at `sequence` has counted. `ends`: read before the call.
  StreamMarks settled(Sequence sequence, StreamMarks ends) const;

  // Epochs between the oldest that is held and the current one.
  uint64_t epochs_held() const;
  // A transaction runs.
  bool has_writers() const;
  // Dead slots of the segments that have any, and how many may be condemned now.
  struct Dead {
    uint64_t slots = 0;
    uint64_t free = 0;
  };
  std::map<SegmentNo, Dead> dead() const;
  // Dead slots of a segment that nobody may need; they can't be pinned from now on, until
  // forget() (they are gone) or spare() (it was given up).
  std::vector<Slot> condemn(SegmentNo segment);
  void spare(SegmentNo segment);
  void forget(SegmentNo segment, std::span<const Slot> slots);
  void forget_segment(SegmentNo segment);
  // What condemn() would give now.
  std::vector<Slot> free(SegmentNo segment) const;

 private:
  using Since = std::map<Slot, uint64_t>;  // 0: since an earlier life
  static constexpr uint64_t kUnknown = UINT64_MAX;  // until a checkpoint holds what was replayed
  void date_anew(const Epoch& epoch, uint64_t number);
  bool held(const Epoch& epoch) const;
  uint64_t oldest() const;
  std::vector<Slot> free_slots(SegmentNo segment) const;
  bool is_free(SegmentNo segment, const Since::value_type& dead, uint64_t oldest) const;

  mutable std::mutex mu_;
  // Guarded by mu_:
  std::list<Epoch> epochs_;  // oldest first; the last one is current
  Sequence checkpointed_ = 0;
  bool begun_ = false;
  uint64_t dead_before_ = 0;  // since when what is dead since earlier lives counts as dead
  std::map<SegmentNo, Since> dead_;
  std::map<SegmentNo, std::set<Slot>> condemned_;
};

}  // namespace ramet::engine
