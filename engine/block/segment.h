// Segment: one generation of one segment file, open (growing) or closed, with its slot table.
//
// Thread-safe. A reader holds a shared_ptr and so keeps the file handle and the table of one
// generation as one object, whatever replaces it later.
//
// Invariants:
//   [SEG-1] a slot, once set, never changes its offset, length or hash in a generation. (It may go,
//           when nothing leads to it any more: set_holes() of another object of the generation.)
//           Guards: readers with torn tables. Held by: append(), set_slot(). Checked: CHECK there.
//   [SEG-2] what lies behind synced_slots() may vanish with the power; a commit leans only on
//           slots before it (INV-1). Held by: sync(). Checked: CommitQueue before each group.
//   [SEG-3] a sync that failed is never tried again: the next one would succeed without the pages
//           that the kernel dropped (INV-1). Held by: sync_file().
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/block/slot_places.h"
#include "engine/block/write_behind.h"
#include "format/block_ref.h"
#include "format/frame.h"
#include "format/hash.h"
#include "format/result.h"
#include "format/segment_layout.h"
#include "format/values.h"
#include "io/env.h"

namespace ramet::engine {

// What is fixed about a segment.
struct SegmentIdentity {
  SegmentNo number = 0;
  uint32_t generation = 0;
  Stream stream = Stream::kData;
  Epoch epoch = 0;
  uint64_t seed = 0;  // frame_seed(secret, number, epoch)
};

class Segment {
 public:
  // A payload as stored, whose header and checksum matched the reference.
  struct Stored {
    FrameHeader header;
    Bytes payload;
  };

  // A new file with its header written (not synced) and no frames. kAlreadyExists when the file
  // is there (left by a life that crashed: take the next number).
  static Result<std::shared_ptr<Segment>> create(io::Env& env, const std::string& path,
                                                 const SegmentIdentity& identity,
                                                 const SegmentHeader& header,
                                                 const WriteBehindConfig& writing);
  // An existing file whose slots the caller knows. `end` is where its frames end,
  // `footer_offset` 0 if it has no footer. All its slots count as synced; nothing can be appended.
  static std::shared_ptr<Segment> attach(std::unique_ptr<io::File> file,
                                         const SegmentIdentity& identity,
                                         std::vector<SlotEntry> slots, uint64_t end,
                                         uint64_t footer_offset);

  // The slot table was made from what could be read of the frames, or without the map's holes:
  // slots may be missing in it, or be there that are gone. Nothing may be freed by such a table,
  // and nothing found in it be taken for there. Set before others see the segment.
  void set_table_rebuilt() { table_rebuilt_ = true; }
  bool table_rebuilt() const { return table_rebuilt_; }

  // Ranges whose slots are gone although the table on disk has them. Takes those slots out. Set
  // before others see the segment.
  void set_holes(std::vector<Hole> holes);
  const std::vector<Hole>& holes() const { return holes_; }

  // The same, only to be read by reference, in a ninth of the memory: without names. Requires:
  // closed, and nothing is written to it any more (sealed, or of an earlier life).
  std::shared_ptr<Segment> without_names() const;
  // False: slot() and slots() must not be called.
  bool has_names() const { return !places_.has_value(); }

  const SegmentIdentity& identity() const { return identity_; }
  SegmentNo number() const { return identity_.number; }
  io::File& file() const { return *file_; }
  uint64_t memory_bytes() const;

  Slot slot_count() const;
  uint64_t end() const;  // where the next frame goes
  // Slots before this one are durable.
  Slot synced_slots() const { return synced_slots_.load(std::memory_order_acquire); }

  // kNotFound for a slot that was never handed out or is gone. Requires: has_names().
  Result<SlotEntry> slot(Slot slot) const;
  // Slots [first, last) as they stand, for footers and checkpoints. Requires: has_names().
  std::vector<SlotEntry> slots(Slot first, Slot last) const;

  // kCorruption names the segment, slot, file and offset [INV-4].
  Result<Stored> read(const BlockRef& ref) const;
  // How many of the first references name frames of this segment that lie one behind the other in
  // its file, and may be read at once.
  size_t run_length(std::span<const BlockRef> refs) const;
  // Reads them with one read into `memory` (made greater if need be), and hands out each payload as
  // stored, verified, in their order; it lies in `memory`. Requires: run_length() is their number.
  // The first failure ends it.
  Status read_run(std::span<const BlockRef> refs, Bytes& memory,
                  const std::function<Status(const FrameHeader&, ByteView)>& visit) const;
  // The verified header of a slot's frame.
  Result<FrameHeader> read_header(Slot slot) const;
  // For the map stream, where a slot is an offset divided by 8 and no table is needed.
  Result<Stored> read_at_slot_offset(const BlockRef& ref) const;

  // Adds a frame behind the others, in memory; pieces of some megabytes are written meanwhile
  // (WriteBehind). The reference can be read at once. Not durable before sync(). kOutOfSpace and
  // kIoError, also of what was added before: nothing was added, it may be tried again.
  Result<BlockRef> append(FrameKind kind, Codec codec, ByteView stored, uint32_t raw_len,
                          const ContentHash& hash, Sequence sequence);
  // The same for the map stream.
  Result<BlockRef> append_at_offset(FrameKind kind, ByteView stored, Sequence sequence);
  // Writes what was not written yet and syncs; slots handed out before the call are durable when
  // it returns.
  // A failed sync is kIoError, whatever the cause, and so is every later one [SEG-3].
  Status sync();
  bool sync_failed() const { return sync_failed_.load(std::memory_order_acquire); }
  // Forgets what was appended and is not in the file yet, with its slots. Requires: nobody refers
  // to them, nor will.
  void drop_unwritten();
  bool has_unwritten() const { return writer_->written() < end(); }
  // Writes the footer and trailer, cuts preallocated space off, syncs. No appends after it.
  // kOutOfSpace: nothing was written, it may be tried again; after any other error it may not.
  Status seal(SegmentNo next_segment, const BlockRef& checkpoint, Sequence last_sequence);
  bool sealed() const { return footer_offset() != 0; }
  // Takes no more appends: sealed, or of an earlier life.
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  void close() { closed_.store(true, std::memory_order_release); }
  uint64_t footer_offset() const { return footer_offset_.load(std::memory_order_acquire); }

  // --- for the commit log, which writes whole groups itself ----------------------------------
  Slot reserve_slot();
  void set_slot(Slot slot, const SlotEntry& entry);
  void set_end(uint64_t end);
  // Slots before this one are durable. Never more than are set: a checkpoint takes a slot that is
  // not for one that never will be.
  void mark_synced(Slot end);
  // Takes back slots at the end that were reserved and will not be set.
  void drop_reserved();

 private:
  Segment(const SegmentIdentity& identity, std::shared_ptr<io::File> file)
      : identity_(identity), file_(std::move(file)) {}
  Result<BlockRef> append_frame(FrameKind kind, Codec codec, ByteView stored, uint32_t raw_len,
                                const ContentHash& hash, Sequence sequence, bool offset_slots);
  // Held while slots_ is looked at; not needed when nothing changes it any more.
  std::unique_lock<std::mutex> lock_unless_settled() const {
    if (settled_.load(std::memory_order_acquire)) return {};
    return std::unique_lock(mu_);
  }
  Status sync_file();
  Error no_slot(Slot slot) const;
  // Where a slot's frame stands: what slot() says, with names or without. Requires:
  // lock_unless_settled().
  std::optional<SlotPlaces::Place> find_place(Slot slot) const;
  Result<SlotPlaces::Place> place(Slot slot) const;
  Result<Stored> read_frame(const BlockRef& ref, uint64_t offset, uint32_t stored_len) const;
  // Whether it is the frame that the reference names: its header and payload, without padding.
  Result<FrameHeader> check_frame(const BlockRef& ref, uint64_t offset, ByteView frame) const;
  Status read_bytes(uint64_t offset, std::span<char> into) const;
  Error damaged(const BlockRef& ref, uint64_t offset, const Error& cause) const;

  const SegmentIdentity identity_;
  const std::shared_ptr<io::File> file_;
  std::atomic<Slot> synced_slots_{0};
  bool table_rebuilt_ = false;
  std::vector<Hole> holes_;
  std::atomic<uint64_t> footer_offset_{0};
  std::atomic<bool> closed_{false};
  std::atomic<bool> settled_{false};  // sealed, or of an earlier life
  std::atomic<bool> sync_failed_{false};
  std::optional<SlotPlaces> places_;  // instead of slots_; set before others see the segment

  uint64_t settled_end_ = 0;  // of the frames, once settled_
  std::unique_ptr<WriteBehind> writer_;  // null for what was attached
  std::mutex append_mu_;  // held while appending and flushing; taken before mu_
  mutable std::mutex mu_;
  // Guarded by mu_:
  std::vector<SlotEntry> slots_;
};

// Bytes of whole file blocks that a hole's skip frame leaves free, and where they begin.
struct PunchRange {
  uint64_t offset = 0;
  uint64_t length = 0;  // 0: none
};
PunchRange punch_range(const Hole& hole);
uint64_t punched_bytes(std::span<const Hole> holes);

// "0000001f.0"'s path under the store's segments directory.
std::string segment_path(const std::string& directory, SegmentNo number, uint32_t generation);

}  // namespace ramet::engine
