#include "io/plain_source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "io/errno_error.h"

namespace ramet::io::plain {
namespace {

constexpr size_t kReadBytes = 1u << 20;
constexpr int kNoFollow = O_CLOEXEC | O_NOFOLLOW;

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileStatus status_of(const struct stat& from) {
  FileStatus status;
  status.mode = from.st_mode;
  status.uid = from.st_uid;
  status.gid = from.st_gid;
  status.size = static_cast<uint64_t>(from.st_size);
  status.modified = nanoseconds(from.st_mtim);
  status.changed = nanoseconds(from.st_ctim);
  status.device = from.st_dev;
  status.inode = from.st_ino;
  status.links = from.st_nlink;
  status.special_device = from.st_rdev;
  status.allocated_bytes = static_cast<uint64_t>(from.st_blocks) * 512;
  return status;
}

// Calls a listxattr- or getxattr-like function until its buffer was big enough. `*number` is the
// errno of a failure.
template <typename Call>
Result<std::string> growing(const std::string& path, const char* what, int* number,
                            const Call& call) {
  std::string buffer(4096, '\0');
  for (;;) {
    const ssize_t got = call(buffer.data(), buffer.size());
    if (got >= 0) {
      buffer.resize(static_cast<size_t>(got));
      return buffer;
    }
    *number = errno;
    if (*number != ERANGE || buffer.size() > (1u << 20)) return errno_error(*number, path, what);
    buffer.resize(buffer.size() * 4);
  }
}

template <typename List, typename Get>
Result<XattrList> read_xattrs(const std::string& path, const List& list, const Get& get) {
  XattrList out;
  int number = 0;
  auto names = growing(path, "list extended attributes", &number, list);
  if (!names.ok()) {
    // A file system without extended attributes has none.
    if (number == ENOTSUP) return out;
    return std::move(names).error();
  }
  for (size_t at = 0; at < names->size();) {
    const std::string name = names->c_str() + at;
    at += name.size() + 1;
    auto value =
        growing(path, "read an extended attribute", &number,
                [&](char* buffer, size_t bytes) { return get(name.c_str(), buffer, bytes); });
    if (!value.ok()) {
      if (number == ENODATA) continue;  // removed since
      return std::move(value).error();
    }
    out.emplace_back(name, std::move(*value));
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<XattrList> fd_xattrs(int fd, const std::string& path) {
  return read_xattrs(
      path, [&](char* buffer, size_t bytes) { return ::flistxattr(fd, buffer, bytes); },
      [&](const char* name, char* buffer, size_t bytes) {
        return ::fgetxattr(fd, name, buffer, bytes);
      });
}

}  // namespace

Result<FileStatus> SourceDirectory::status() const {
  struct stat status;
  if (::fstat(fd_.get(), &status) != 0) return errno_error(errno, path_, "stat");
  return status_of(status);
}

Result<std::vector<std::string>> SourceDirectory::names() const {
  // A descriptor of its own, since reading moves its position.
  const int copy = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return errno_error(errno, path_, "open directory");
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(copy), &::closedir);
  if (directory == nullptr) {
    ::close(copy);
    return errno_error(errno, path_, "open directory");
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return errno_error(errno, path_, "read directory");
  std::sort(names.begin(), names.end());
  return names;
}

Result<FileStatus> SourceDirectory::status(const std::string& name) const {
  struct stat status;
  if (::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_error(errno, child(name), "stat");
  }
  return status_of(status);
}

Result<SourceDirectory> SourceDirectory::directory(const std::string& name) const {
  UnixFd fd(::openat(fd_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | kNoFollow));
  if (!fd.valid()) return errno_error(errno, child(name), "open directory");
  return SourceDirectory(std::move(fd), child(name));
}

Result<std::string> SourceDirectory::link_target(const std::string& name) const {
  std::string target(4096, '\0');
  const ssize_t got = ::readlinkat(fd_.get(), name.c_str(), target.data(), target.size());
  if (got < 0) return errno_error(errno, child(name), "read link");
  target.resize(static_cast<size_t>(got));
  return target;
}

Result<XattrList> SourceDirectory::xattrs() const { return fd_xattrs(fd_.get(), path_); }

Result<XattrList> SourceDirectory::xattrs(const std::string& name) const {
  // There is no lgetxattrat(); the descriptor's own directory leads there without a race.
  const std::string path = "/proc/self/fd/" + std::to_string(fd_.get()) + "/" + name;
  return read_xattrs(
      child(name),
      [&](char* buffer, size_t bytes) { return ::llistxattr(path.c_str(), buffer, bytes); },
      [&](const char* attribute, char* buffer, size_t bytes) {
        return ::lgetxattr(path.c_str(), attribute, buffer, bytes);
      });
}

Result<SourceDirectory::File> SourceDirectory::file(const std::string& name) const {
  // O_NONBLOCK: a name that became a fifo meanwhile must not hang.
  UnixFd fd(::openat(fd_.get(), name.c_str(), O_RDONLY | O_NONBLOCK | kNoFollow));
  if (!fd.valid()) return errno_error(errno, child(name), "open");
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) return errno_error(errno, child(name), "stat");
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kFailedPrecondition, child(name) + ": not a regular file any more");
  }
  return File(std::move(fd), child(name));
}

Result<FileStatus> SourceDirectory::File::status() const {
  struct stat status;
  if (::fstat(fd_.get(), &status) != 0) return errno_error(errno, path_, "stat");
  return status_of(status);
}

Result<XattrList> SourceDirectory::File::xattrs() const { return fd_xattrs(fd_.get(), path_); }

Status SourceDirectory::File::read(const FileStatus& status,
                                   const std::function<Status(ByteView)>& data,
                                   const std::function<Status(uint64_t)>& hole) const {
  if (status.allocated_bytes >= status.size) return read_range(0, status.size, data);
  for (uint64_t at = 0; at < status.size;) {
    const off_t next = ::lseek(fd_.get(), static_cast<off_t>(at), SEEK_DATA);
    if (next < 0 && errno != ENXIO) return read_range(at, status.size, data);  // can't tell
    const uint64_t from =
        next < 0 ? status.size : std::min(static_cast<uint64_t>(next), status.size);
    if (from > at) RAMET_TRY(hole(from - at));
    if (from == status.size) break;
    const off_t end = ::lseek(fd_.get(), static_cast<off_t>(from), SEEK_HOLE);
    const uint64_t to = end < 0 ? status.size : std::min(static_cast<uint64_t>(end), status.size);
    RAMET_TRY(read_range(from, to, data));
    at = to;
  }
  return ok();
}

Status SourceDirectory::File::read_range(uint64_t from, uint64_t to,
                                         const std::function<Status(ByteView)>& data) const {
  std::string buffer(std::min<uint64_t>(to - from, kReadBytes), '\0');
  while (from < to) {
    const ssize_t got =
        ::pread(fd_.get(), buffer.data(), std::min<uint64_t>(to - from, buffer.size()),
                static_cast<off_t>(from));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, path_, "read");
    if (got == 0) {
      return Error(ErrorCode::kFailedPrecondition, path_ + ": became shorter while it was read");
    }
    RAMET_TRY(data(ByteView(buffer).substr(0, static_cast<size_t>(got))));
    from += static_cast<uint64_t>(got);
  }
  return ok();
}

Result<SourceTree> SourceTree::open(const std::string& path) {
  UnixFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOTDIR) {
      return Error(ErrorCode::kInvalidArgument, path + " is not a directory");
    }
    return errno_error(errno, path, "open directory");
  }
  return SourceTree(std::move(fd), path);
}

Result<SourceDirectory> SourceTree::directory(const std::vector<std::string>& names) const {
  UnixFd fd(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return errno_error(errno, path_, "open directory");
  SourceDirectory at(std::move(fd), path_);
  for (const std::string& name : names) {
    RAMET_ASSIGN(at, at.directory(name));
  }
  return at;
}

}  // namespace ramet::io::plain
