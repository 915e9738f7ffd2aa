#include "tools/local_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tools/caller.h"
#include "tools/session.h"

namespace ramet::tools {
namespace {

constexpr size_t kBufferBytes = 1u << 20;
constexpr int kPollMilliseconds = 100;

Error os_error(const std::string& path, const char* what, int number = errno) {
  ErrorCode code = ErrorCode::kIoError;
  if (number == ENOENT) code = ErrorCode::kNotFound;
  if (number == EACCES || number == EPERM || number == EROFS) code = ErrorCode::kPermissionDenied;
  if (number == ENOSPC || number == EDQUOT) code = ErrorCode::kOutOfSpace;
  if (number == EISDIR || number == ENOTDIR) code = ErrorCode::kFailedPrecondition;
  return {code, fmt::format("{}: {}: {}", path, what, std::strerror(number))};
}

int64_t nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

// Waits until there is something to read, or room to write, so that an interrupt ends the waiting.
Status wait_for(int fd, short events) {
  pollfd poll{fd, events, 0};
  for (;;) {
    RAMET_TRY(check_interrupted());
    const int ready = ::poll(&poll, 1, kPollMilliseconds);
    if (ready > 0 || (ready < 0 && errno != EINTR)) return ok();  // read() tells the error
  }
}

Status write_all(int fd, ByteView bytes, const std::string& path, uint64_t* offset) {
  while (!bytes.empty()) {
    const ssize_t written =
        offset != nullptr ? ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(*offset))
                          : ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {
      RAMET_TRY(wait_for(fd, POLLOUT));
      continue;
    }
    if (written < 0) return os_error(path, "write");
    bytes.remove_prefix(static_cast<size_t>(written));
    if (offset != nullptr) *offset += static_cast<uint64_t>(written);
  }
  return ok();
}

// Of a pipe that nobody reads yet: waits for a reader, until an interrupt.
Result<int> open_for_writing(const std::string& path) {
  for (;;) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) return fd;
    struct stat status {};
    const int number = errno;
    const bool is_pipe = ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
    if (number != ENXIO || !is_pipe) return os_error(path, "open", number);
    RAMET_TRY(check_interrupted());
    ::poll(nullptr, 0, kPollMilliseconds);
  }
}

}  // namespace

Result<LocalSource> LocalSource::open(const std::string& path) {
  if (path == "-") {
    const int fd = ::fcntl(current_caller().in, F_DUPFD_CLOEXEC, 0);
    LocalSource source(fd, "standard input");
    if (source.fd_ < 0) return os_error(source.path_, "dup");
    RAMET_TRY(source.describe());
    return source;
  }
  RAMET_ASSIGN(const std::string real, current_caller().local_path(path));
  // Without O_NONBLOCK opening a pipe waits for its writer, whatever happens meanwhile.
  LocalSource source(::open(real.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), path);
  if (source.fd_ < 0) return os_error(path, "open");
  RAMET_TRY(source.describe());
  return source;
}

LocalSource::~LocalSource() {
  if (fd_ >= 0) ::close(fd_);
}

LocalSource::LocalSource(LocalSource&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      attributes_(std::move(other.attributes_)),
      size_(other.size_),
      is_regular_(other.is_regular_),
      device_(other.device_),
      inode_(other.inode_),
      changed_(other.changed_) {}

Status LocalSource::describe() {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) return os_error(path_, "stat");
  if (S_ISDIR(status.st_mode)) return os_error(path_, "open", EISDIR);
  is_regular_ = S_ISREG(status.st_mode);
  if (is_regular_) {
    size_ = static_cast<uint64_t>(status.st_size);
    device_ = status.st_dev;
    inode_ = status.st_ino;
    changed_ = nanoseconds(status.st_ctim);
    attributes_.mode = status.st_mode;
    attributes_.uid = status.st_uid;
    attributes_.gid = status.st_gid;
    attributes_.modified = nanoseconds(status.st_mtim);
    return ok();
  }
  const Caller& caller = current_caller();
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  attributes_.mode = S_IFREG | (0666 & ~caller.umask());
  attributes_.uid = caller.uid();
  attributes_.gid = caller.gid();
  attributes_.modified = nanoseconds(now);
  return ok();
}

Status LocalSource::copy(uint64_t length, const Sink& sink) {
  std::vector<char> buffer(kBufferBytes);
  while (length > 0) {
    RAMET_TRY(check_interrupted());
    if (!is_regular_) RAMET_TRY(wait_for(fd_, POLLIN));
    const ssize_t got = ::read(fd_, buffer.data(), std::min<uint64_t>(buffer.size(), length));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return os_error(path_, "read");
    if (got == 0) break;  // check_unchanged() tells whether this is the end it had before
    RAMET_TRY(sink.data({buffer.data(), static_cast<size_t>(got)}));
    length -= static_cast<uint64_t>(got);
  }
  return ok();
}

Status LocalSource::copy_sparse(const Sink& sink) {
  uint64_t at = 0;
  while (at < size_) {
    const off_t data = ::lseek(fd_, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno != ENXIO) {  // the file system knows no holes
      if (::lseek(fd_, static_cast<off_t>(at), SEEK_SET) < 0) return os_error(path_, "seek");
      return copy(size_ - at, sink);
    }
    const uint64_t begin = data < 0 ? size_ : std::min(size_, static_cast<uint64_t>(data));
    if (begin > at) RAMET_TRY(sink.hole(begin - at));
    if (begin == size_) return ok();
    const off_t hole = ::lseek(fd_, static_cast<off_t>(begin), SEEK_HOLE);
    if (hole < 0) return os_error(path_, "seek");
    at = std::min(size_, static_cast<uint64_t>(hole));
    if (::lseek(fd_, static_cast<off_t>(begin), SEEK_SET) < 0) return os_error(path_, "seek");
    RAMET_TRY(copy(at - begin, sink));
  }
  return ok();
}

Status LocalSource::check_unchanged() {
  struct stat now {};
  if (::fstat(fd_, &now) != 0) return os_error(path_, "stat");
  if (static_cast<uint64_t>(now.st_size) == size_ && nanoseconds(now.st_ctim) == changed_) {
    return ok();
  }
  return Error(ErrorCode::kBusy, path_ + " changed while it was read; nothing was stored");
}

Status LocalSource::read(const Sink& sink) {
  // What begins in the middle (a shell's redirected stdin) or is no regular file is just read.
  const bool from_start = is_regular_ && ::lseek(fd_, 0, SEEK_CUR) == 0;
  if (!from_start) return copy(UINT64_MAX, sink);
  if (size_ == 0) return copy(UINT64_MAX, sink);  // as files in /proc are
  RAMET_TRY(copy_sparse(sink));
  return check_unchanged();
}

Result<LocalTarget> LocalTarget::create(const std::string& given) {
  RAMET_ASSIGN(const std::string path, current_caller().local_path(given));
  struct stat status {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) return os_error(path, "open", EISDIR);
  if (exists && (!S_ISREG(status.st_mode) || current_caller().is_own(given))) {
    RAMET_ASSIGN(const int fd, open_for_writing(path));
    return LocalTarget(fd, path, "");
  }
  std::string written = path + ".ramet-XXXXXX";
  const int fd = ::mkostemp(written.data(), O_CLOEXEC);
  if (fd < 0) return os_error(path, "create");
  return LocalTarget(fd, path, written);
}

LocalTarget::~LocalTarget() {
  if (fd_ >= 0) ::close(fd_);
  if (!written_.empty()) ::unlink(written_.c_str());
}

LocalTarget::LocalTarget(LocalTarget&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      written_(std::exchange(other.written_, {})),
      at_(other.at_) {}

Status LocalTarget::fill(uint64_t to) {
  static const std::string kZeros(kBufferBytes, '\0');
  while (at_ < to) {
    const uint64_t step = std::min<uint64_t>(to - at_, kZeros.size());
    RAMET_TRY(write_all(fd_, ByteView(kZeros).substr(0, step), path_, nullptr));
    at_ += step;
  }
  return ok();
}

Status LocalTarget::write(uint64_t offset, ByteView bytes) {
  RAMET_TRY(check_interrupted());
  if (!written_.empty()) return write_all(fd_, bytes, path_, &offset);
  RAMET_TRY(fill(offset));
  RAMET_TRY(write_all(fd_, bytes, path_, nullptr));
  at_ += bytes.size();
  return ok();
}

Status LocalTarget::commit(uint64_t size, const Attributes& attributes) {
  if (written_.empty()) return fill(size);
  const timespec modified = {attributes.modified / 1'000'000'000 -
                                 (attributes.modified % 1'000'000'000 < 0 ? 1 : 0),
                             (attributes.modified % 1'000'000'000 + 1'000'000'000) % 1'000'000'000};
  const timespec times[2] = {{0, UTIME_OMIT}, modified};
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return os_error(path_, "truncate");
  if (::fchmod(fd_, attributes.mode & 0777) != 0) return os_error(path_, "chmod");
  if (::futimens(fd_, times) != 0) return os_error(path_, "set the time");
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) return os_error(path_, "close");
  if (::rename(written_.c_str(), path_.c_str()) != 0) return os_error(path_, "rename");
  written_.clear();
  return ok();
}

bool is_local_directory(const std::string& path) {
  struct stat status {};
  const auto real = current_caller().local_path(path);
  return real.ok() && ::stat(real->c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace ramet::tools
