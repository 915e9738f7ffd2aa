// IndexRun: one immutable sorted file of the dedupe index (docs/format.md#dedupe-index). Reader,
// writer and sequential scanner; and its header, which is the file's shape.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/index/index_filter.h"
#include "engine/index/index_manifest.h"
#include "engine/index/index_page.h"
#include "engine/index/window_cache.h"
#include "format/features.h"
#include "format/result.h"
#include "io/env.h"

namespace ramet::engine {

// What an index file is; behind the file header of both kinds.
inline constexpr uint32_t kIndexFileRun = 1;
inline constexpr uint32_t kIndexFileManifest = 2;

// The first page of a run. Three regions follow: filter pages, sample pages (room for what the
// run might have held; the first ones are used), windows. All windows but the last are full.
struct RunHeader {
  uint64_t number = 0;
  uint64_t salt = 0;  // random; part of every page's check
  uint64_t entries = 0;
  uint64_t windows = 0;
  uint64_t filter_blocks = 0;
  uint64_t filter_pages = 0;
  uint64_t sample_pages = 0;

  // The shape of a run of at most so many entries; `entries` and `windows` are still 0.
  static RunHeader for_entries(uint64_t number, uint64_t salt, uint64_t entries_max);

  uint64_t filter_offset() const { return kIndexPageBytes; }
  uint64_t samples_offset() const { return filter_offset() + filter_pages * kIndexPageBytes; }
  uint64_t windows_offset() const { return samples_offset() + sample_pages * kIndexPageBytes; }
  uint64_t file_bytes() const { return windows_offset() + windows * kIndexPageBytes; }
  friend bool operator==(const RunHeader&, const RunHeader&) = default;
};

// Exactly kIndexPageBytes, the check included (its last 8 bytes).
Bytes encode_run_header(const RunHeader& header);
// kCorruption on any inconsistency; kUnsupported for a later version.
Result<RunHeader> decode_run_header(ByteView bytes);

// "run.17"
std::string run_name(uint64_t number);

// Thread-safe. Removing its file doesn't disturb those who hold it.
class IndexRun {
 public:
  // Reads the header only. kCorruption: not the run that is meant, or shorter than it says.
  static Result<std::shared_ptr<IndexRun>> open(io::Env& env, const std::string& path,
                                                const RunIdentity& identity);

  const RunIdentity& identity() const { return identity_; }
  uint64_t number() const { return identity_.number; }
  uint64_t entries() const { return header_.entries; }
  uint64_t file_bytes() const { return header_.file_bytes(); }
  const RunHeader& header() const { return header_; }
  // Of samples and filter, as far as they are loaded.
  uint64_t memory_bytes() const;
  uint64_t filter_bytes() const { return header_.filter_pages * kIndexPageBytes; }
  uint64_t windows_read() const { return windows_read_.load(std::memory_order_relaxed); }

  // Whether the filter may be kept in memory; counts when it would be loaded.
  void allow_filter(bool allowed) { filter_allowed_ = allowed; }
  bool filter_allowed() const { return filter_allowed_; }

  // False: surely not. True also while the filter isn't loaded. Reads nothing.
  bool may_contain(uint64_t prefix) const;

  // Appends the entries of a prefix, the newest first, to *found. Loads samples and filter the
  // first time; then one window is read, or found in the cache, seldom two. After kCorruption
  // other prefixes may still be found; a run whose samples are damaged says so once, and then has
  // nothing.
  Status find(uint64_t prefix, WindowCache& cache, std::vector<IndexEntry>* found);
  // Reads and checks every page. kCorruption names the first that is damaged.
  Status verify() const;

 private:
  friend class RunScanner;
  IndexRun(std::unique_ptr<io::File> file, const RunIdentity& identity, const RunHeader& header)
      : file_(std::move(file)), identity_(identity), header_(header) {}

  enum class Loaded : uint8_t { kNo, kYes, kBroken };
  Status warm();
  Status load_samples();
  Status load_filter();
  Result<std::shared_ptr<const IndexPage>> window(uint64_t number, WindowCache& cache);

  const std::unique_ptr<io::File> file_;
  const RunIdentity identity_;
  const RunHeader header_;
  std::atomic<bool> filter_allowed_ = true;

  std::mutex load_mutex_;
  std::atomic<Loaded> loaded_ = Loaded::kNo;
  // Set under load_mutex_ before loaded_ becomes kYes; constant from then on.
  std::vector<uint64_t> samples_;
  std::vector<IndexPage> filter_;
  std::atomic<bool> filter_ready_ = false;
  std::atomic<uint64_t> windows_read_ = 0;
};

// The newest first.
using RunList = std::vector<std::shared_ptr<IndexRun>>;

// Reads a run's entries in order, in pieces of 256 KiB. Not thread-safe.
class RunScanner {
 public:
  explicit RunScanner(std::shared_ptr<IndexRun> run);

  // The next entry, in ascending order of prefixes; false at the end. Damaged windows are left
  // out and counted; an error only if the device fails to read.
  Result<bool> next(IndexEntry* entry);
  uint64_t damaged_windows() const { return damaged_; }

 private:
  static constexpr size_t kPagesAtOnce = 64;
  Status read_on();

  const std::shared_ptr<IndexRun> run_;
  std::vector<IndexPage> pages_;
  size_t page_ = 0;   // in pages_
  size_t entry_ = 0;  // in that page
  uint64_t next_window_ = 0;
  uint64_t last_prefix_ = 0;
  uint64_t damaged_ = 0;
};

// Writes a run with bounded memory, whatever its length. Not thread-safe.
class RunWriter {
 public:
  // kAlreadyExists if the file is there. `entries_max` shapes the file: more must not come.
  static Result<std::unique_ptr<RunWriter>> create(io::Env& env, const std::string& path,
                                                   uint64_t number, uint64_t salt,
                                                   uint64_t entries_max);
  // Removes the file unless finish() succeeded.
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  // Requires: prefixes don't descend.
  Status add(const IndexEntry& entry);
  uint64_t entries() const { return header_.entries; }
  // Writes the rest and the header; the content is durable then, its name is not (the caller
  // syncs the directory). Requires: at least one entry.
  Result<RunIdentity> finish();

 private:
  // Sealed pages of one region on their way to the file.
  class Region {
   public:
    Region(io::File& file, uint64_t offset, PageKind kind, uint64_t salt)
        : file_(file), offset_(offset), kind_(kind), salt_(salt) {}
    // Appends one thing of a page's kind.
    template <typename T>
    Status add(const T& thing) {
      store(page_.bytes.data() + count_ * sizeof(T), thing);
      return ++count_ == page_capacity(kind_) ? end_page() : ok();
    }
    Status end_page();
    Status flush();
    uint32_t pages() const { return pages_; }
    bool at_page_begin() const { return count_ == 0; }

   private:
    io::File& file_;
    uint64_t offset_;
    const PageKind kind_;
    const uint64_t salt_;
    IndexPage page_;
    uint32_t count_ = 0;
    uint32_t pages_ = 0;
    Bytes buffer_;
  };

  RunWriter(io::Env& env, std::unique_ptr<io::File> file, const RunHeader& header,
            uint64_t entries_max);
  Status end_filter_blocks_before(uint64_t block);

  io::Env& env_;
  std::unique_ptr<io::File> file_;
  RunHeader header_;
  const uint64_t entries_max_;
  Region filter_;
  Region samples_;
  Region windows_;
  FilterBlock block_;
  uint64_t block_number_ = 0;
  uint64_t last_prefix_ = 0;
  bool finished_ = false;
};

}  // namespace ramet::engine
