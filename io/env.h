// io::Env: everything the engine asks of an operating system. Three implementations keep this
// one contract (tests/io/env_conformance_test.cc runs over all of them):
//   env_uring  io_uring with registered buffers and files; O_DIRECT where it pays
//   env_posix  plain calls, for kernels and containers that forbid io_uring
//   env_sim    a disk in memory that keeps written and synced apart, with seeded faults and
//              power cuts (io/env_sim.h)
// Thread-safe: any number of threads may call into one Env, and into one File at disjoint ranges.
// Paths are absolute or relative to the process (posix, uring); byte strings with '/' between
// names (sim). Nothing here throws. Errors name the path and the operation; ENOENT is kNotFound,
// EEXIST kAlreadyExists, ENOSPC and EDQUOT kOutOfSpace, EACCES/EPERM/EROFS kPermissionDenied,
// everything else kIoError. A range that ends beyond 2^63 - 1 is kInvalidArgument; one of no bytes
// succeeds and changes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "format/bytes.h"
#include "format/result.h"

namespace ramet::io {

enum class OpenMode : uint8_t {
  kRead,            // must exist
  kReadWrite,       // must exist
  kCreateExclusive  // must not exist (kAlreadyExists); read-write
};

// One piece of a scattered read or write. `data` is borrowed until the call returns. Pieces of one
// batch may come in any order and are done in any order: those of a write must not overlap.
struct ReadPiece {
  uint64_t offset;
  std::span<char> into;
};
struct WritePiece {
  uint64_t offset;
  ByteView data;
};

// An open file. Closing happens in the destructor and reports nothing: whoever needs durability
// calls sync_data() before.
class File {
 public:
  virtual ~File() = default;

  // Reads into all of `into`, or up to the end of the file: returns the bytes read, which is
  // less than asked only at the end. Short reads by the kernel are continued here.
  virtual Result<size_t> read(uint64_t offset, std::span<char> into) = 0;

  // Fills all of `into` from what the system has in memory, without waiting for a device; false:
  // it has not, or cannot tell.
  virtual Result<bool> read_cached(uint64_t /*offset*/, std::span<char> /*into*/) { return false; }

  // Several reads as one batch (in flight together on io_uring). Each must be filled completely:
  // an end of file inside a piece is kCorruption ("short read").
  virtual Status read_batch(std::span<const ReadPiece> pieces) = 0;

  // Writes all of `data`, extending the file if needed. Not durable before sync_data(). After an
  // error any part of the range may have been written.
  virtual Status write(uint64_t offset, ByteView data) = 0;
  // Pieces that lie one behind the other, in that order, are written as one.
  virtual Status write_batch(std::span<const WritePiece> pieces) = 0;

  // fdatasync: when it returns, all that was written before the call, and the file's length, is
  // durable. After an error nothing is known about the writes since the last success; calling it
  // again proves nothing (the kernel may have dropped the pages).
  virtual Status sync_data() = 0;

  // A hint: the device may begin to write what was written in this range, while the caller goes on.
  // Nothing is durable by it, and no failure is told before sync_data().
  virtual void begin_write_back(uint64_t offset, uint64_t length) {
    static_cast<void>(offset);
    static_cast<void>(length);
  }

  // Makes sure that writes inside [offset, offset+length) cannot fail for lack of space; grows the
  // file to offset+length if it was shorter (the new part reads as zeros).
  virtual Status allocate(uint64_t offset, uint64_t length) = 0;
  // Gives the range's space back; it reads as zeros. The length stays. kUnsupported if the file
  // system cannot.
  virtual Status punch_hole(uint64_t offset, uint64_t length) = 0;
  virtual Status truncate(uint64_t length) = 0;
  virtual Result<uint64_t> size() = 0;
  // Bytes allocated on the device (st_blocks * 512).
  virtual Result<uint64_t> allocated_bytes() = 0;

  const std::string& path() const { return path_; }

 protected:
  explicit File(std::string path) : path_(std::move(path)) {}

 private:
  std::string path_;
};

// Held until destroyed; released by the operating system when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct SpaceInfo {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;  // to this user
};

class Env {
 public:
  virtual ~Env() = default;

  // "uring", "posix" or "sim".
  virtual std::string_view name() const = 0;

  // A directory is kIoError. The File may outlive its name and the Env.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // A file for bulk transfers: the implementation may bypass the page cache (O_DIRECT) for
  // aligned parts of big transfers (env_uring: reads from 1 MiB, writes from 4 MiB on; the device
  // is busiest with 8 MiB and more a call). The same contract as open(); other handles of the file
  // see the same bytes, but should not write while this one does.
  virtual Result<std::unique_ptr<File>> open_bulk(const std::string& path, OpenMode mode) {
    return open(path, mode);
  }
  virtual Status create_directory(const std::string& path) = 0;  // kAlreadyExists if there
  // Makes creations, renames and removals of names in this directory durable.
  virtual Status sync_directory(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status remove(const std::string& path) = 0;                         // a file
  virtual Status remove_directory(const std::string& path) = 0;  // kIoError if not empty
  virtual Result<bool> exists(const std::string& path) = 0;
  // Names in a directory, sorted. For tools and tests: nothing that decides over data lists.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  virtual Result<SpaceInfo> space(const std::string& path) = 0;

  // Takes an advisory lock on the file (created if missing) and, if exclusive, writes this
  // process's pid into it. kBusy, naming the holder's pid, when another holder is in the way:
  // another process, or another lock object of this process. (Of shared holders no pid is known:
  // the message then says that readers are in the way.) A forked child does not own the lock.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path, bool exclusive) = 0;

  // Nanoseconds: since 1970 (for people and POSIX times), and monotonic (for intervals).
  virtual int64_t now() = 0;
  virtual uint64_t monotonic() = 0;
  // Fills with random bytes: from the kernel, seeded in env_sim. [INV-9]
  virtual void random(std::span<char> into) = 0;
};

// Reads a whole small file; kCorruption if it has more than `limit` bytes.
Result<Bytes> read_file(Env& env, const std::string& path, uint64_t limit = 16u << 20);

// The best Env this machine offers: uring where the kernel allows it, else posix. `why`, when
// given, receives one line that says which and, for posix, why. RAMET_IO=posix|uring overrides.
std::shared_ptr<Env> default_env(std::string* why = nullptr);
std::shared_ptr<Env> make_posix_env();
// kUnsupported when the kernel or a seccomp filter forbids io_uring.
Result<std::shared_ptr<Env>> make_uring_env();

}  // namespace ramet::io
