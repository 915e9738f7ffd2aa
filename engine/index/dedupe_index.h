// DedupeIndex: from the first 8 bytes of a block's name to the places where such a block may be.
// A *hint*: it may forget, it can't lie to anybody who confirms what it says against the slot
// table. Losing its files, or any part of them, costs only dedupe until they are rebuilt.
//
// Thread-safe. Look-ups don't wait for each other, for insertions elsewhere, or for a flush or
// merge under way.
//
// How: the newest entries are in a table in memory (index_table.h). flush() writes them as a run,
// an immutable sorted file (index_run.h), and merges keep the runs few, each more than twice as
// large as all newer ones together. A manifest names the runs that count (index_manifest.h). The
// shape is a log-structured merge tree's (O'Neil et al., 1996), with interpolation search in
// place of index blocks, since names are uniform.
//
// Invariants:
//   [IX-1] nothing that a file says is believed before its check matched (INV-4).
//          Guards: wrong candidates, crashes. Held by: every read. Checked: tests flip each bit.
//   [IX-2] after a power cut the index holds exactly what some flush() or merge() left, not older
//          than the last one that succeeded. Guards: half-written runs. Held by: publish().
//          Checked: dedupe_index_sim_test cuts at each operation.
//   [IX-3] a damaged or unreadable file is never a caller's error: a note, and fewer candidates.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/index/index_manifest.h"
#include "engine/index/index_notes.h"
#include "engine/index/index_run.h"
#include "engine/index/index_table.h"
#include "engine/index/window_cache.h"
#include "format/block_ref.h"
#include "format/result.h"
#include "io/env.h"

namespace ramet::engine {

struct IndexOptions {
  // Bounds the table, the cached windows (1/16 of it each; the table doubles while a flush runs)
  // and the filters (the rest; a run whose filter doesn't fit any more is asked without one).
  // Samples come on top, 8 bytes for each 255 entries.
  uint64_t memory_bytes = 128ull << 20;
  // flush() does merges of up to so many entries itself; bigger ones wait for merge().
  uint64_t inline_merge_entries = 4u << 20;
  // More runs than this are merged by flush(), however big.
  uint32_t runs_max = 32;
  // Forgotten segments before all runs are rewritten without them.
  uint32_t forgotten_max = 4096;
};

struct IndexStats {
  uint64_t table_entries = 0;  // not yet in a run
  uint64_t run_entries = 0;    // in all runs; a block may be counted more than once
  uint64_t runs = 0;
  uint64_t file_bytes = 0;
  uint64_t memory_bytes = 0;        // table, cache, loaded samples and filters
  uint64_t forgotten_segments = 0;  // whose entries are in runs still
  uint64_t dropped_entries = 0;     // not inserted: the table was full
  uint64_t lookups = 0;
  uint64_t runs_asked = 0;    // that a filter did not rule out
  uint64_t windows_read = 0;  // from files, not from the cache
  uint64_t flushes = 0;
  uint64_t merges = 0;
  uint64_t merged_entries = 0;  // written by merges
  uint64_t notes = 0;           // damage and failures met
};

class DedupeIndex {
 public:
  // Opens the index in `directory`, with what its manifest names; never fails: what can't be read
  // is left out, with a note. Reads the manifest and one page of each run; filters and samples
  // are read when they are first needed. `read_only`: no file is written, created or removed;
  // insertions stay in memory. `env` must outlive the index. At most one writer a directory. If
  // the directory is missing, the first flush() makes it; its own name is the caller's to sync.
  DedupeIndex(io::Env& env, std::string directory, bool read_only = false,
              const IndexOptions& options = {});
  // Doesn't flush: what is only in memory is forgotten.
  ~DedupeIndex();

  // Remembers, in memory, where a block is. Of several entries of one prefix in the table the
  // newest stays. If the table is full the entry is forgotten. Requires: segment != 0.
  void insert(uint64_t prefix, SegmentNo segment, Slot slot);

  // Calls visit(segment, slot) for the places where a block with this prefix may be, the newest
  // first, until it returns false. No lock is held during the call. A place may come twice.
  using Visitor = std::function<bool(SegmentNo segment, Slot slot)>;
  void lookup(uint64_t prefix, const Visitor& visit);

  // Entries that flush() would write.
  size_t pending() const { return table_.size() + table_.frozen_size(); }

  // Writes the table as a new run, durably, then does the merges that are due and small enough.
  // After an error (a full disk, a failed device) nothing is lost: the entries stay in memory and
  // the next flush() tries again. The caller may ignore errors; they are noted too. Does nothing
  // for a read-only index.
  Status flush();

  // Whether a merge of any size is due, and doing one: streaming, with 260 KiB of memory a run.
  // For a background thread; flushes go on meanwhile. ok() also if there is nothing to do.
  bool merge_is_due() const;
  Status merge();

  // These segments are gone for good (their numbers never come back): their entries are not found
  // any more, and left out at the next flush and merges. Durable when one of these next writes.
  void forget_segments(std::span<const SegmentNo> segments);

  // Makes the index anew from the slot tables, beside the old one, which serves until finish()
  // replaces all its runs (not what was flushed since the rebuild began). Bounded memory: sorts
  // pieces the size of the table, writes them as runs and merges these. Dropped without finish(),
  // it leaves nothing behind. Not thread-safe; must not outlive the index. No merge() takes place
  // meanwhile.
  class Rebuild {
   public:
    ~Rebuild();
    Rebuild(const Rebuild&) = delete;
    Rebuild& operator=(const Rebuild&) = delete;

    // Requires: segment != 0. After an error only the destructor may be called.
    Status insert(uint64_t prefix, SegmentNo segment, Slot slot);
    Status finish();

   private:
    friend class DedupeIndex;
    explicit Rebuild(DedupeIndex& index);
    Status write_piece();
    Status merge_pieces();

    DedupeIndex& index_;
    const RunList replaced_;  // by what comes of this
    const size_t piece_entries_;
    std::vector<IndexEntry> piece_;
    RunList runs_;  // written so far, the newest first
    bool finished_ = false;
  };
  // kFailedPrecondition for a read-only index; kBusy beside another rebuild.
  Result<std::unique_ptr<Rebuild>> rebuild_begin();

  IndexStats stats() const;
  // Reads every page of every run; what is damaged becomes a note.
  void verify();
  // What went wrong since the last call (the first 32 of it), for a log.
  std::vector<std::string> take_notes() { return notes_.take(); }

 private:
  // What look-ups see: replaced as a whole, never changed.
  struct Published {
    RunList runs;                      // the newest first
    std::vector<SegmentNo> forgotten;  // ascending
  };
  using PublishedPtr = std::shared_ptr<const Published>;

  void open_files();
  void remove_leftovers(const IndexManifest& manifest);
  std::string path_of(std::string_view name) const { return directory_ + "/" + std::string(name); }
  PublishedPtr published() const;
  void set_published(PublishedPtr next);

  Result<std::unique_ptr<RunWriter>> create_run(uint64_t entries_max);
  Result<std::shared_ptr<IndexRun>> open_written(const RunIdentity& identity);
  // Makes the run's name durable, then the manifest, then shows it to look-ups.
  // Requires: publish_mutex_.
  Status publish(Published next);
  void allow_filters(const RunList& runs);

  Status write_frozen();
  size_t due_merge(const Published& state, uint64_t entries_max) const;
  Status merge_newest(uint64_t entries_max);
  // A run of all that `runs` hold, without forgotten segments; null when nothing is left.
  Result<std::shared_ptr<IndexRun>> merge_into_one(const RunList& runs,
                                                   std::span<const SegmentNo> forgotten);
  void remove_run(const IndexRun& run);
  Status finish_rebuild(const RunList& replaced, const std::shared_ptr<IndexRun>& run);
  Status noted(Status status, const char* what);

  io::Env& env_;
  const std::string directory_;
  const bool read_only_;
  const IndexOptions options_;
  const uint64_t filter_bytes_max_;

  IndexNotes notes_;
  IndexTable table_;
  WindowCache cache_;

  // Taken in this order.
  std::mutex flush_mutex_;                     // one flush at a time
  std::mutex merge_mutex_;                     // one merge at a time
  std::mutex publish_mutex_;                   // one change of the published state at a time
  mutable std::shared_mutex published_mutex_;  // guards the pointer alone
  PublishedPtr published_;
  bool rebuilding_ = false;  // under merge_mutex_

  // Under publish_mutex_.
  uint64_t generation_ = 0;   // of the last manifest that was tried
  size_t next_manifest_ = 0;  // the slot that the next manifest goes to
  std::atomic<uint64_t> next_run_ = 1;

  std::atomic<uint64_t> dropped_ = 0;
  std::atomic<uint64_t> lookups_ = 0;
  std::atomic<uint64_t> runs_asked_ = 0;
  std::atomic<uint64_t> flushes_ = 0;
  std::atomic<uint64_t> merges_ = 0;
  std::atomic<uint64_t> merged_entries_ = 0;
};

}  // namespace ramet::engine
