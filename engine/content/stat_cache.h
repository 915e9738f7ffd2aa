// StatCache: which content a file had when it was imported last, by what the file system says of
// it, so that importing an unchanged tree again reads no file (as git's index and the caches of
// backup programs do). A hint: an entry counts only if everything in it agrees, and it may be lost
// or deleted at any time.
//
// A file is known by its inode, not its path: what was moved is known, and the same file in two
// sources. Whoever notes a file must have made sure that its stamp would have shown any later
// change (io::unsettled_ns).
//
// One file of pages (docs/format.md#stat-cache): an entry can be in one page only, by a hash of
// device and inode; when that is full, the one that was not used for longest goes. Each entry has a
// checksum of its own, so nothing needs to be synced: what a crash tears is not found.
//
// Thread-safe. Nothing here fails: what cannot be read or written is not known.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

#include "format/hash.h"
#include "io/env.h"

namespace ramet::engine {

// What a file system says of a regular file. Times in nanoseconds since 1970.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t birth = 0;
  uint64_t size = 0;
  int64_t modified = 0;
  int64_t changed = 0;  // st_ctime
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

struct KnownFile {
  ContentHash content;  // the content id
  uint64_t xattrs = 0;  // a hash of its extended attributes as they are stored
  friend bool operator==(const KnownFile&, const KnownFile&) = default;
};

class StatCache {
 public:
  // `directory` holds the cache's file; made with the first note. `env` counts if it can.
  StatCache(std::shared_ptr<io::Env> env, std::string directory);
  // Notes how many entries there are.
  ~StatCache();
  StatCache(const StatCache&) = delete;
  StatCache& operator=(const StatCache&) = delete;

  std::optional<KnownFile> find(const FileStamp& stamp);
  void note(const FileStamp& stamp, const KnownFile& known);

 private:
  struct Page;
  void open();
  bool create();
  bool write_header(io::File& file, uint64_t pages, uint64_t entries) const;
  bool read_page(uint64_t number, Page& page) const;
  void load_image();
  uint64_t page_of(const FileStamp& stamp) const;
  void grow();
  bool copy_to(io::File& file);

  const std::shared_ptr<io::Env> env_;
  const std::string directory_;
  std::mutex notes_;          // one note at a time; taken before shape_
  std::shared_mutex shape_;   // exclusive: file_, pages_ or image_ change
  std::unique_ptr<io::File> file_;  // null: nothing is known
  Bytes image_;               // all pages of a small file; empty: they are read one by one
  uint64_t pages_ = 0;        // a power of two
  uint32_t run_ = 1;          // counts the caches that were opened: how old an entry is
  uint64_t entries_ = 0;      // guarded by notes_; about right
  bool broken_ = false;       // guarded by notes_: writing failed, no further try in this life
};

}  // namespace ramet::engine
