// Reading a POSIX directory tree, one call a step. Never follows a symbolic link, neither as a
// name nor on the way; any depth and any names. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "format/bytes.h"
#include "format/result.h"
#include "io/unix_fd.h"

namespace ramet::io::plain {

// What lstat tells, as far as it is kept. Times in nanoseconds since 1970.
struct FileStatus {
  uint32_t mode = 0;  // type and permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size = 0;
  int64_t modified = 0;
  int64_t changed = 0;
  uint64_t device = 0;  // of the file system
  uint64_t inode = 0;
  uint64_t links = 1;
  uint64_t special_device = 0;   // of a device node
  uint64_t allocated_bytes = 0;  // less than the size: there may be holes

  // Reading between two equal ones gave the content of one moment (as far as stat can tell).
  bool same_content(const FileStatus& other) const {
    return size == other.size && modified == other.modified && changed == other.changed &&
           inode == other.inode && device == other.device;
  }
};

using XattrList = std::vector<std::pair<std::string, std::string>>;  // sorted by name

// An open directory of the tree.
class SourceDirectory {
 public:
  SourceDirectory(UnixFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  const std::string& path() const { return path_; }  // for messages
  Result<FileStatus> status() const;
  // All names, sorted by bytes.
  Result<std::vector<std::string>> names() const;
  Result<FileStatus> status(const std::string& name) const;
  Result<SourceDirectory> directory(const std::string& name) const;
  Result<std::string> link_target(const std::string& name) const;
  // Of a name that is not a regular file or directory.
  Result<XattrList> xattrs(const std::string& name) const;
  Result<XattrList> xattrs() const;

  // An open regular file: kFailedPrecondition if the name is not one (any more).
  class File {
   public:
    File(UnixFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Result<FileStatus> status() const;
    Result<XattrList> xattrs() const;
    // Hands out all data in order, in pieces of at most 1 MiB, and each hole's length.
    Status read(const FileStatus& status, const std::function<Status(ByteView)>& data,
                const std::function<Status(uint64_t)>& hole) const;

   private:
    Status read_range(uint64_t from, uint64_t to,
                      const std::function<Status(ByteView)>& data) const;
    UnixFd fd_;
    std::string path_;
  };
  Result<File> file(const std::string& name) const;

 private:
  std::string child(const std::string& name) const { return path_ + "/" + name; }
  UnixFd fd_;
  std::string path_;
};

class SourceTree {
 public:
  // The directory itself may be reached over symbolic links. kNotFound, kPermissionDenied, or
  // kInvalidArgument when it is not a directory.
  static Result<SourceTree> open(const std::string& path);

  // A directory by the names that lead to it from the root.
  Result<SourceDirectory> directory(const std::vector<std::string>& names) const;

 private:
  SourceTree(UnixFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UnixFd fd_;
  std::string path_;
};

}  // namespace ramet::io::plain
