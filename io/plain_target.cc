#include "io/plain_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>

#include "io/errno_error.h"

namespace ramet::io::plain {
namespace {

constexpr int kNoFollow = O_CLOEXEC | O_NOFOLLOW;

timespec to_timespec(int64_t nanoseconds) {
  timespec time;
  time.tv_sec = nanoseconds / 1'000'000'000;
  time.tv_nsec = nanoseconds % 1'000'000'000;
  if (time.tv_nsec < 0) {  // before 1970
    time.tv_nsec += 1'000'000'000;
    --time.tv_sec;
  }
  return time;
}

// Owner first (it clears setuid bits), then attributes, then mode, then time.
Status finish_fd(int fd, const std::string& path, const TargetAttributes& attributes, bool sync) {
  if (attributes.owners && ::fchown(fd, attributes.uid, attributes.gid) != 0) {
    return errno_error(errno, path, "set the owner");
  }
  for (const auto& [name, value] : attributes.xattrs) {
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0) {
      return errno_error(errno, path, "set the extended attribute " + name);
    }
  }
  if (::fchmod(fd, attributes.mode & 07777) != 0) return errno_error(errno, path, "set the mode");
  const timespec times[2] = {{0, UTIME_OMIT}, to_timespec(attributes.modified)};
  if (::futimens(fd, times) != 0) return errno_error(errno, path, "set the time");
  if (sync && ::fsync(fd) != 0) return errno_error(errno, path, "sync");
  return ok();
}

}  // namespace

Result<TargetDirectory> TargetDirectory::open_root(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return errno_error(errno, path, "make directory");
  }
  UnixFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return errno_error(errno, path, "open directory");
  return TargetDirectory(std::move(fd), path);
}

Result<bool> TargetDirectory::exists(const std::string& name) const {
  struct stat status;
  if (::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT) return false;
  return errno_error(errno, child(name), "stat");
}

Result<TargetDirectory> TargetDirectory::make_directory(const std::string& name, bool reuse) const {
  if (::mkdirat(fd_.get(), name.c_str(), 0700) != 0 && !(reuse && errno == EEXIST)) {
    return errno_error(errno, child(name), "make directory");
  }
  UnixFd fd(::openat(fd_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | kNoFollow));
  if (!fd.valid()) return errno_error(errno, child(name), "open directory");
  return TargetDirectory(std::move(fd), child(name));
}

Status TargetDirectory::remove(const std::string& name) const {
  if (::unlinkat(fd_.get(), name.c_str(), 0) == 0 || errno == ENOENT) return ok();
  return errno_error(errno, child(name), "remove");
}

Result<TargetDirectory::File> TargetDirectory::make_file(const std::string& name) const {
  UnixFd fd(::openat(fd_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | kNoFollow, 0600));
  if (!fd.valid()) return errno_error(errno, child(name), "create");
  return File(std::move(fd), child(name));
}

Status TargetDirectory::File::write(uint64_t offset, ByteView bytes) const {
  while (!bytes.empty()) {
    const ssize_t done =
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno_error(errno, path_, "write");
    bytes.remove_prefix(static_cast<size_t>(done));
    offset += static_cast<uint64_t>(done);
  }
  return ok();
}

Status TargetDirectory::File::set_size(uint64_t bytes) const {
  if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) == 0) return ok();
  return errno_error(errno, path_, "set the size");
}

Status TargetDirectory::File::finish(const TargetAttributes& attributes, bool sync) const {
  return finish_fd(fd_.get(), path_, attributes, sync);
}

Status TargetDirectory::make_link(const std::string& name, const std::string& target,
                                  const TargetAttributes& attributes) const {
  if (::symlinkat(target.c_str(), fd_.get(), name.c_str()) != 0) {
    return errno_error(errno, child(name), "make link");
  }
  if (attributes.owners && ::fchownat(fd_.get(), name.c_str(), attributes.uid, attributes.gid,
                                      AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_error(errno, child(name), "set the owner");
  }
  const std::string path = "/proc/self/fd/" + std::to_string(fd_.get()) + "/" + name;
  for (const auto& [attribute, value] : attributes.xattrs) {
    if (::lsetxattr(path.c_str(), attribute.c_str(), value.data(), value.size(), 0) != 0) {
      return errno_error(errno, child(name), "set the extended attribute " + attribute);
    }
  }
  const timespec times[2] = {{0, UTIME_OMIT}, to_timespec(attributes.modified)};
  if (::utimensat(fd_.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_error(errno, child(name), "set the time");
  }
  return ok();
}

Status TargetDirectory::make_hard_link(const std::string& name, const TargetDirectory& from,
                                       const std::string& from_name) const {
  if (::linkat(from.fd_.get(), from_name.c_str(), fd_.get(), name.c_str(), 0) == 0) return ok();
  return errno_error(errno, child(name), "make hard link");
}

Status TargetDirectory::make_special(const std::string& name, uint64_t device,
                                     const TargetAttributes& attributes) const {
  if (::mknodat(fd_.get(), name.c_str(), (attributes.mode & S_IFMT) | 0600, device) != 0) {
    return errno_error(errno, child(name), "make special file");
  }
  if (attributes.owners && ::fchownat(fd_.get(), name.c_str(), attributes.uid, attributes.gid,
                                      AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_error(errno, child(name), "set the owner");
  }
  if (::fchmodat(fd_.get(), name.c_str(), attributes.mode & 07777, 0) != 0) {
    return errno_error(errno, child(name), "set the mode");
  }
  const timespec times[2] = {{0, UTIME_OMIT}, to_timespec(attributes.modified)};
  if (::utimensat(fd_.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_error(errno, child(name), "set the time");
  }
  return ok();
}

Status TargetDirectory::finish(const TargetAttributes& attributes, bool sync) const {
  return finish_fd(fd_.get(), path_, attributes, sync);
}

Result<TargetDirectory> open_below(const TargetDirectory& root,
                                   const std::vector<std::string>& names) {
  RAMET_ASSIGN(TargetDirectory at, TargetDirectory::open_root(root.path()));
  for (const std::string& name : names) {
    RAMET_ASSIGN(at, at.make_directory(name, true));
  }
  return at;
}

}  // namespace ramet::io::plain
