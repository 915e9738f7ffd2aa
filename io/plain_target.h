// TargetTree: creates a POSIX directory tree for export. Never writes outside of its root: names
// are single components, and no symbolic link inside the tree is followed. Not thread-safe for
// one directory; different directories may be filled by different threads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/bytes.h"
#include "format/result.h"
#include "io/plain_source.h"
#include "io/unix_fd.h"

namespace ramet::io::plain {

// What is set on a name after its content. Times in nanoseconds since 1970.
struct TargetAttributes {
  uint32_t mode = 0644;
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t modified = 0;
  XattrList xattrs;
  bool owners = true;
};

class TargetDirectory {
 public:
  TargetDirectory(UnixFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  // `path` itself may be reached over links; its last part is made if missing.
  static Result<TargetDirectory> open_root(const std::string& path);

  const std::string& path() const { return path_; }
  Result<bool> exists(const std::string& name) const;
  // Makes the directory, or opens the one that is there when `reuse`.
  Result<TargetDirectory> make_directory(const std::string& name, bool reuse) const;
  // Removes a name that is not a directory; ok if there is none.
  Status remove(const std::string& name) const;

  // A new file; kAlreadyExists if the name is taken.
  class File {
   public:
    File(UnixFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Status write(uint64_t offset, ByteView bytes) const;
    // Sets the size: what was not written is a hole.
    Status set_size(uint64_t bytes) const;
    Status finish(const TargetAttributes& attributes, bool sync) const;

   private:
    UnixFd fd_;
    std::string path_;
  };
  Result<File> make_file(const std::string& name) const;
  Status make_link(const std::string& name, const std::string& target,
                   const TargetAttributes& attributes) const;
  // One more name for a file of the tree.
  Status make_hard_link(const std::string& name, const TargetDirectory& from,
                        const std::string& from_name) const;
  // A fifo, socket or device node.
  Status make_special(const std::string& name, uint64_t device,
                      const TargetAttributes& attributes) const;
  // Of this directory: after all that is in it was made.
  Status finish(const TargetAttributes& attributes, bool sync) const;

 private:
  std::string child(const std::string& name) const { return path_ + "/" + name; }
  UnixFd fd_;
  std::string path_;
};

// The directory that the names lead to from `root`, whose directories all exist.
Result<TargetDirectory> open_below(const TargetDirectory& root,
                                   const std::vector<std::string>& names);

}  // namespace ramet::io::plain
