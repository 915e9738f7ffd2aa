#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>

#include "io/errno_error.h"
#include "io/posix_base.h"
#include "io/posix_calls.h"

namespace ramet::io {
namespace {

struct flock whole_file(short type) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  return range;  // start 0, length 0: all of it; l_pid must be 0
}

class PosixLock : public FileLock {
 public:
  PosixLock(UnixFd fd, bool exclusive)
      : fd_(std::move(fd)), exclusive_(exclusive), pid_(getpid()) {}

  ~PosixLock() override {
    // A forked child shares the open file description: unlocking there would take the lock from
    // the parent. It only closes its own descriptor.
    if (getpid() != pid_) return;
    // No stale pid stays behind for the next reader of the file to name.
    if (exclusive_) {
      ignore_error(truncate_to(fd_.get(), {}, 0), "only text for people is left in the file");
    }
    struct flock range = whole_file(F_UNLCK);
    ::fcntl(fd_.get(), F_OFD_SETLK, &range);
  }

 private:
  UnixFd fd_;
  bool exclusive_;
  pid_t pid_;
};

// The pid that the holder of an exclusive lock wrote; empty if there is none (yet).
std::string read_pid(int fd, const std::string& path) {
  char text[32];
  auto got = read_at(fd, path, 0, text);
  if (!got.ok()) return {};
  std::string pid;
  for (size_t i = 0; i < *got && std::isdigit(static_cast<unsigned char>(text[i])) != 0; ++i) {
    pid.push_back(text[i]);
  }
  return pid;
}

Status write_pid(int fd, const std::string& path) {
  const std::string text = std::to_string(getpid()) + "\n";
  Status written = truncate_to(fd, path, 0);
  if (written.ok()) written = write_at(fd, path, 0, text);
  // A full disk must not keep the store shut: the lock holds without its text.
  if (!written.ok() && written.error().code() == ErrorCode::kOutOfSpace) return ok();
  return written;
}

Error busy_error(int fd, const std::string& path, bool exclusive) {
  // Which kind is in the way: of shared holders the file names nobody.
  struct flock range = whole_file(exclusive ? F_WRLCK : F_RDLCK);
  const bool told = ::fcntl(fd, F_OFD_GETLK, &range) == 0;
  if (told && range.l_type == F_RDLCK) {
    return Error(ErrorCode::kBusy, path + ": lock: in use by readers (shared locks)");
  }
  std::string pid = read_pid(fd, path);
  // The holder writes its pid just after it got the lock.
  for (int attempt = 0; pid.empty() && attempt < 20; ++attempt) {
    ::usleep(1000);
    pid = read_pid(fd, path);
  }
  if (pid.empty()) pid = "(unknown)";
  return Error(ErrorCode::kBusy, path + ": lock: in use by process " + pid);
}

}  // namespace

Result<std::unique_ptr<FileLock>> take_posix_lock(const std::string& path, bool exclusive) {
  // A shared lock needs no right to write, so that a store on read-only media can be read.
  const int flags = exclusive ? O_RDWR | O_CREAT : O_RDONLY;
  UnixFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0666));
  if (!fd.valid() && !exclusive && errno == ENOENT) {
    fd = UnixFd(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0666));
  }
  if (!fd.valid()) return errno_error(errno, path, "lock");

  struct flock range = whole_file(exclusive ? F_WRLCK : F_RDLCK);
  while (::fcntl(fd.get(), F_OFD_SETLK, &range) != 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EACCES) return busy_error(fd.get(), path, exclusive);
    return errno_error(errno, path, "lock");
  }
  if (exclusive) RAMET_TRY(write_pid(fd.get(), path));
  return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(fd), exclusive));
}

}  // namespace ramet::io
