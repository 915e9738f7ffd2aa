// Files outside the store, as put and get read and write them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/object.h"
#include "format/bytes.h"
#include "format/result.h"

namespace ramet::tools {

// A regular file (or what a symbolic link leads to), or standard input, read from its beginning
// to its end. Not thread-safe.
class LocalSource {
 public:
  // "-" is standard input. kNotFound, kPermissionDenied, kFailedPrecondition (a directory).
  static Result<LocalSource> open(const std::string& path);
  ~LocalSource();
  LocalSource(LocalSource&& other) noexcept;
  LocalSource& operator=(LocalSource&&) = delete;

  // Mode, owner and time; for standard input those of a file made now.
  const Attributes& attributes() const { return attributes_; }
  // 0 if not known (a pipe).
  uint64_t size() const { return size_; }

  struct Sink {
    std::function<Status(ByteView)> data;
    std::function<Status(uint64_t)> hole;
  };
  // Hands out all content in order, holes of sparse files as such. kBusy if the file changed
  // meanwhile, kCancelled after an interrupt.
  Status read(const Sink& sink);

 private:
  LocalSource(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Status describe();
  Status copy(uint64_t length, const Sink& sink);
  Status copy_sparse(const Sink& sink);
  Status check_unchanged();

  int fd_;
  std::string path_;
  Attributes attributes_;
  uint64_t size_ = 0;
  bool is_regular_ = false;
  uint64_t device_ = 0, inode_ = 0;
  int64_t changed_ = 0;  // st_ctim
};

// A file that is written as a whole: under a name of its own until commit(), which renames it, so
// that nobody sees half of it. What exists and is not a regular file (a device, a pipe), or is an
// open one (/dev/stdout), is written directly. Not thread-safe.
class LocalTarget {
 public:
  static Result<LocalTarget> create(const std::string& path);
  // Removes what was not committed.
  ~LocalTarget();
  LocalTarget(LocalTarget&& other) noexcept;
  LocalTarget& operator=(LocalTarget&&) = delete;

  // Pieces come in order; what lies between them reads as zeros.
  Status write(uint64_t offset, ByteView bytes);
  // Ends the content at `size`, sets permission bits and time, and gives the file its name.
  Status commit(uint64_t size, const Attributes& attributes);

 private:
  LocalTarget(int fd, std::string path, std::string written)
      : fd_(fd), path_(std::move(path)), written_(std::move(written)) {}
  Status fill(uint64_t to);

  int fd_;
  std::string path_;
  std::string written_;  // the name until commit(); empty: written directly
  uint64_t at_ = 0;      // direct writing: bytes so far
};

// True if the path is a directory (symbolic links followed).
bool is_local_directory(const std::string& path);

}  // namespace ramet::tools
