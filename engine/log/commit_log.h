// CommitLog: writes groups of commits, and the small blocks that belong to them, to the commit
// stream of this life.
//
// Definitions: a *group* is what one write and one sync make durable. A block is *placed* when it
// got its slot; it can be read once its group is durable.
//
// States: WRITABLE -> POISONED [a sync failed, or a failed write could not be voided]
// Once poisoned nothing is written any more: what the device kept cannot be known.
//
// Invariants:
//   [LOG-1] a group is written only behind a group that was synced. Guards: gaps in the chain,
//           acknowledged commits behind a torn one. Held by: write_groups(). Parent: INV-1.
//   [LOG-2] nothing is ever written behind a torn tail: each life has its own segments.
//           Guards: frames of an abandoned life coming back. Held by: begin(). Parent: INV-13.
//   [LOG-3] space is allocated before a group is written; running out of it writes nothing.
//           Guards: half groups on a full disk. Held by: write_group().
//
// Not thread-safe: place() is called under the commit lock, the writing calls by one leader at a
// time; the two may overlap.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "engine/block/block_store.h"
#include "format/superblock.h"

namespace ramet::engine {

// A block that travels with its commit.
struct PendingBlock {
  Bytes stored;
  Codec codec = Codec::kNone;
  uint32_t raw_len = 0;
  ContentHash hash;
  BlockRef placed;  // set by place()
};

// One commit on its way to the disk.
struct LogEntry {
  Sequence sequence = 0;
  uint64_t chain = 0;  // of this commit
  Bytes payload;
  std::vector<PendingBlock> blocks;
  std::vector<SlotBound> leans_on;
  std::shared_ptr<Segment> segment;  // where it was placed
};

// Whether a commit's payload is well formed. What this refuses is never written, and what was
// written it never refuses.
bool verify_commit(ByteView payload);

// The chain value of a commit: XXH3-64 of its payload, seeded with the one before it.
uint64_t commit_chain(uint64_t previous, ByteView payload);

class CommitLog {
 public:
  CommitLog(BlockStore& blocks, uint64_t segment_bytes);

  // Creates and syncs the first segment of this life. `sequence` and `chain` are of the last
  // commit before it.
  Status begin(Sequence sequence, uint64_t chain);
  bool begun() const { return current_ != nullptr; }

  // Decides where an entry goes: gives its blocks their slots and names its segment. `bytes` is
  // the expected size of the payload.
  Status place(LogEntry& entry, uint64_t bytes);
  // While set, nothing is allocated ahead: the disk is full.
  void save_space(bool save) { save_space_.store(save); }
  // The next placement begins a new segment, so that the log before can go.
  void request_roll();

  // Syncs what the entries lean on, writes them in one or more groups, syncs. The first `durable`
  // of them are durable when it returns, all on success. After a failure the others must not be
  // acknowledged; poisoned() tells whether the log may still be used, and abandon_placements()
  // must be called before it is.
  Status write_groups(std::span<LogEntry* const> entries, size_t* durable);
  bool poisoned() const { return poisoned_; }
  // A sync of what commits lean on failed: none can be made durable any more [SEG-3].
  std::optional<Error> sync_failure() const { return blocks_.sync_failure(); }
  // Forgets placements after a failure, so that the next group goes on in the current segment.
  void abandon_placements();

  // Writes and syncs the mark that the last group was durable; the next group overwrites it.
  Status write_synced_mark();
  // Writes the footer of the last segment (clean close).
  Status seal(const BlockRef& checkpoint);

  // Where the next group goes, and what it follows. Everything before is durable.
  LogPosition position() const;
  // Bytes written since begin().
  uint64_t bytes_written() const;

 private:
  Status write_group(std::span<LogEntry* const> entries);
  Status switch_to(const std::shared_ptr<Segment>& next);
  Result<std::shared_ptr<Segment>> next_segment(uint64_t bytes);  // Requires: mu_
  Status reserve(uint64_t end);
  void fill_ahead(uint64_t end, size_t group_bytes);
  Status void_range(uint64_t offset, uint64_t bytes, Error cause);

  BlockStore& blocks_;
  const uint64_t segment_bytes_;
  bool poisoned_ = false;
  uint64_t allocated_ = 0;      // of the current segment's file
  uint64_t next_allocation_ = 0;
  uint64_t filled_ = 0;  // of the current segment: written before it, at least with zeros
  size_t next_fill_ = 0;
  std::atomic<bool> save_space_{false};

  mutable std::mutex mu_;
  // Guarded by mu_:
  std::shared_ptr<Segment> current_;  // being written
  std::shared_ptr<Segment> planned_;  // where placements go; the current one, or the last of:
  std::vector<std::shared_ptr<Segment>> successors_;  // made, not yet current
  std::shared_ptr<Segment> spare_;    // made for a roll-over that failed: used by the next one
  uint64_t planned_end_ = 0;
  bool roll_requested_ = false;
  LogPosition position_;
  uint64_t bytes_written_ = 0;
};

}  // namespace ramet::engine
