#include "io/posix_base.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "io/errno_error.h"
#include "io/posix_calls.h"

namespace ramet::io {

// File systems that don't know RWF_NOWAIT (preadv2(2)) say so by an error.
Result<bool> PosixFile::read_cached(uint64_t offset, std::span<char> into) {
  RAMET_TRY(check_range(path(), "read", offset, into.size()));
  iovec vector{into.data(), into.size()};
  const ssize_t got = ::preadv2(fd_.get(), &vector, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  return got >= 0 && static_cast<size_t>(got) == into.size();
}

Result<size_t> PosixFile::read(uint64_t offset, std::span<char> into) {
  return read_at(fd(), path(), offset, into);
}

Status PosixFile::read_batch(std::span<const ReadPiece> pieces) {
  for (const ReadPiece& piece : pieces) {
    RAMET_TRY(read_exactly_at(fd(), path(), piece.offset, piece.into));
  }
  return ok();
}

Status PosixFile::write(uint64_t offset, ByteView data) {
  return write_at(fd(), path(), offset, data);
}

Status PosixFile::write_batch(std::span<const WritePiece> pieces) {
  return write_pieces(fd(), path(), pieces);
}

void PosixFile::begin_write_back(uint64_t offset, uint64_t length) {
  begin_write_back_of(fd(), offset, length);
}
Status PosixFile::sync_data() { return sync_data_of(fd(), path()); }

Status PosixFile::allocate(uint64_t offset, uint64_t length) {
  return allocate_range(fd(), path(), offset, length);
}

Status PosixFile::punch_hole(uint64_t offset, uint64_t length) {
  return punch_range(fd(), path(), offset, length);
}

Status PosixFile::truncate(uint64_t length) { return truncate_to(fd(), path(), length); }

Result<uint64_t> PosixFile::size() { return length_of(fd(), path()); }

Result<uint64_t> PosixFile::allocated_bytes() { return allocated_bytes_of(fd(), path()); }

Status PosixBaseEnv::create_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0777) != 0) return errno_error(errno, path, "create directory");
  return ok();
}

Status PosixBaseEnv::sync_directory(const std::string& path) {
  const UnixFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return errno_error(errno, path, "sync directory");
  return ok();
}

Status PosixBaseEnv::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return errno_error(errno, from, "rename to " + to);
  return ok();
}

Status PosixBaseEnv::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return errno_error(errno, path, "remove");
  return ok();
}

Status PosixBaseEnv::remove_directory(const std::string& path) {
  if (::rmdir(path.c_str()) != 0) return errno_error(errno, path, "remove directory");
  return ok();
}

Result<bool> PosixBaseEnv::exists(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return errno_error(errno, path, "exists");
}

Result<std::vector<std::string>> PosixBaseEnv::list(const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (directory == nullptr) return errno_error(errno, path, "list");
  std::vector<std::string> names;
  while (true) {
    errno = 0;  // readdir() tells its end from an error only by errno
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  if (errno != 0) return errno_error(errno, path, "list");
  std::sort(names.begin(), names.end());
  return names;
}

Result<SpaceInfo> PosixBaseEnv::space(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return errno_error(errno, path, "space");
  SpaceInfo space;
  space.total_bytes = uint64_t{info.f_blocks} * info.f_frsize;
  space.available_bytes = uint64_t{info.f_bavail} * info.f_frsize;
  return space;
}

Result<std::unique_ptr<FileLock>> PosixBaseEnv::lock(const std::string& path, bool exclusive) {
  return take_posix_lock(path, exclusive);
}

int64_t PosixBaseEnv::now() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

uint64_t PosixBaseEnv::monotonic() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

void PosixBaseEnv::random(std::span<char> into) {
  size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = ::getrandom(into.data() + done, into.size() - done, 0);
    if (got < 0 && errno == EINTR) continue;
    // Nothing may go on without: ids and the store's secret come from here.
    RAMET_CHECK(got > 0, "getrandom() failed: the kernel gives no random bytes");
    done += static_cast<size_t>(got);
  }
}

}  // namespace ramet::io
