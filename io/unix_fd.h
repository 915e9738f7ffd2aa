// A file descriptor that closes itself. Not thread-safe to move; get() may be called anywhere.
#pragma once

#include <unistd.h>

#include <utility>

namespace ramet::io {

class UnixFd {
 public:
  UnixFd() = default;
  explicit UnixFd(int fd) : fd_(fd) {}
  UnixFd(UnixFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UnixFd& operator=(UnixFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UnixFd() { reset(); }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  // close() is not repeated on EINTR: on Linux the descriptor is gone either way.
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

}  // namespace ramet::io
