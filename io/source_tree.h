// SourceTree: reads a POSIX directory tree for an import. One thread walks, a few read small files
// ahead into a bounded buffer, and the caller takes everything in one order that depends only on
// the names: of each folder first what is not a folder, then its folders with all that is in
// them, both in byte order.
//
//   walker ──batches of names──> readers ──in the walker's order──> next()
//
// - Symbolic links are never followed, except for the path that open() is given.
// - Any depth, any number of names in a folder, any length of path: folders are opened relative to
//   each other, a bounded number at a time; of a huge folder a bounded number of names is held,
//   and it is listed again for the next ones.
// - A file counts as read only if nothing of its state (size, times, inode; io/tree_attributes.h)
//   changed from before to after. Writes through a shared memory map whose page was dirty before
//   leave no trace in a file's times and can't be seen.
// - What fails is an item of its own, or a note of an item; the rest goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "format/bytes.h"
#include "format/hash.h"
#include "format/result.h"
#include "io/tree_attributes.h"

namespace ramet::io {

class SourceFolder;  // an open folder of the tree

enum class SourceKind : uint8_t {
  kFolder,     // what is in it follows, up to its kFolderEnd
  kFolderEnd,
  kFile,
  kSymlink,
  kOther,      // fifo, socket, device node
  kProblem,    // it could not be read; the notes say why
};

struct DataRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};

struct SourceItem {
  SourceKind kind = SourceKind::kProblem;
  std::string name;  // in its folder; empty for the folder that was opened
  TreeAttributes attributes;
  FileIdentity identity;
  uint64_t links = 1;   // st_nlink
  std::string target;   // kSymlink
  std::vector<std::string> notes;  // what could not be read as it is

  // kFile. Not loaded: use SourceTree::stream(). Loaded: `bytes` holds the data ranges, one
  // behind the other; between them, and behind the last up to `size`, are holes.
  uint64_t size = 0;
  bool loaded = false;
  Bytes bytes;
  std::vector<DataRange> ranges;
  ContentHash digest;  // what SourceOptions::digest made of it, if loaded
  bool known = false;  // SourceOptions::known said so: nothing of it was read but its state
  int64_t changed = 0; // kFile: st_ctime
  std::shared_ptr<const void> prepared;  // for the caller: what SourceOptions::digest left here

  // Private to SourceTree: where to read it.
  std::shared_ptr<SourceFolder> folder;
  uint64_t reserved_bytes = 0;
};

struct SourceOptions {
  // Readers; 0: by the machine, and more while what they read comes from a device, so that it has
  // many reads to do at once.
  unsigned threads = 0;
  bool xattrs = true;
  size_t xattr_bytes_max = 1u << 20;       // of one file (read_xattrs)
  uint64_t small_file_bytes = 1u << 20;    // greater files, and those with hard links, are streamed
  uint64_t read_ahead_bytes = 32u << 20;   // of small files in memory
  size_t names_bytes_max = 8u << 20;       // of names held for one folder, and for all above it
  size_t open_folders_max = 96;
  int attempts = 4;                        // at reading a file that changes meanwhile
  // Called on a reader's thread for each loaded file; may set its `prepared`.
  std::function<ContentHash(SourceItem&)> digest;
  // Called on a reader's thread for each file without hard links, before it is opened; the item
  // has what its state says. True: nothing more is read of it, unless by stream().
  std::function<bool(SourceItem&)> known;
  // For tests: whether a reader that is done with some items had to wait for the device.
  std::function<bool()> waited_for_device;
  // For tests: called when a file was read and before it is looked at again.
  std::function<void(const std::string& name, int attempt)> after_read;
};

// What takes the pieces of a stream: memory(), then take() of what was read into it, and so on, on
// one thread.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  // Where the next piece goes: not empty; its length is how much is read at most.
  virtual std::span<char> memory() = 0;
  // The first `length` bytes of it hold what is at `offset` of the file.
  virtual Status take(uint64_t offset, size_t length) = 0;
};

class SourceTree {
 public:
  // What `path` names (a link there is followed): a folder, or anything else as a tree of one
  // item. The errors of opening it.
  static Result<std::unique_ptr<SourceTree>> open(const std::string& path,
                                                  const SourceOptions& options);
  // Stops what is under way.
  ~SourceTree();
  SourceTree(const SourceTree&) = delete;
  SourceTree& operator=(const SourceTree&) = delete;

  bool is_folder() const;
  // The last name of the path that was opened. (The item of a tree of one item is called by the
  // name that the path leads to.)
  const std::string& name() const;

  // The next item, or null at the end; valid until the next call. The first is the folder that
  // was opened. One thread at a time.
  SourceItem* next();

  enum class Outcome : uint8_t {
    kWhole,    // read from end to end while it did not change
    kChanged,  // what was handed out is worth nothing; try again
    kProblem,  // the item's notes say why
  };
  // Reads a kFile item that is not loaded, known or not, before the next call of next(); on any
  // thread. First fills the item anew (size, attributes, identity), then hands out its data in
  // order; what lies between the pieces, and behind the last up to the item's size, is a hole. An
  // error of `sink` ends it and is returned. `attempt` counts from 1.
  Result<Outcome> stream(SourceItem& item, int attempt, StreamSink& sink);

 private:
  struct Impl;
  explicit SourceTree(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Counts the regular files of a tree and their bytes, holes included, for whoever wants to show how
// much there is to do. Ends early, with false, once `stop` is set or if `path` is no folder.
bool measure_source(const std::string& path, const std::atomic<bool>& stop, uint64_t* files,
                    uint64_t* bytes);

}  // namespace ramet::io
