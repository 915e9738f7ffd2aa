// Making files and folders for tests of whole trees; each call checks that it worked.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>

#include "format/bytes.h"
#include "format/check.h"

namespace ramet::test {

// Where files are in memory, for tests with many of them: "" (TempDir's default) if nowhere.
inline std::string memory_directory() {
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "";
}

inline void write_bytes(const std::string& path, ByteView bytes, off_t offset = 0) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0644);
  RAMET_CHECK(fd >= 0, "open for writing");
  RAMET_CHECK(::pwrite(fd, bytes.data(), bytes.size(), offset) ==
                  static_cast<ssize_t>(bytes.size()),
              "pwrite");
  ::close(fd);
}

inline std::string read_bytes(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW);
  if (fd < 0) return "cannot be read";
  std::string bytes;
  char buffer[65536];
  for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;) {
    bytes.append(buffer, static_cast<size_t>(got));
  }
  ::close(fd);
  return bytes;
}

inline void make_folder(const std::string& path, mode_t mode = 0755) {
  RAMET_CHECK(::mkdir(path.c_str(), mode) == 0, "mkdir");
}

inline void set_size(const std::string& path, off_t size) {
  RAMET_CHECK(::truncate(path.c_str(), size) == 0, "truncate");
}

inline void set_time(const std::string& path, int64_t seconds, int64_t nanoseconds) {
  const timespec times[2] = {{0, UTIME_OMIT}, {seconds, nanoseconds}};
  RAMET_CHECK(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0, "utimensat");
}

// False where the file system has no extended attributes of users.
inline bool set_xattr(const std::string& path, const char* name, ByteView value) {
  return ::lsetxattr(path.c_str(), name, value.data(), value.size(), 0) == 0;
}

// Bytes that no compression makes small; the same for the same seed.
inline std::string noise(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
  for (char& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state >> 32);
  }
  return bytes;
}

// Runs `body` as a user without rights, in a process of its own; what it returns.
inline int run_as_nobody(const std::function<int()>& body) {
  const pid_t child = ::fork();
  RAMET_CHECK(child >= 0, "fork");
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(99);
    ::_exit(body());
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace ramet::test
