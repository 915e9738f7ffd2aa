#include "io/posix_calls.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "io/errno_error.h"

namespace ramet::io {
namespace {

// Linux takes at most 1024 vectors a call (IOV_MAX); fewer keep the array on the stack small.
constexpr size_t kVectorsMax = 256;

off_t as_off(uint64_t value) { return static_cast<off_t>(value); }

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead: return O_RDONLY;
    case OpenMode::kReadWrite: return O_RDWR;
    case OpenMode::kCreateExclusive: return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

std::string_view verb_of(OpenMode mode) {
  return mode == OpenMode::kCreateExclusive ? "create" : "open";
}

template <typename Call>
auto retry_interrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

Result<UnixFd> open_fd(const std::string& path, OpenMode mode, int extra_flags) {
  UnixFd fd(retry_interrupted(
      [&] { return ::open(path.c_str(), flags_of(mode) | O_CLOEXEC | extra_flags, 0666); }));
  if (!fd.valid()) return errno_error(errno, path, verb_of(mode));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error(errno, path, verb_of(mode));
  if (S_ISDIR(info.st_mode)) return errno_error(EISDIR, path, verb_of(mode));
  return fd;
}

Result<size_t> read_at(int fd, const std::string& path, uint64_t offset, std::span<char> into) {
  RAMET_TRY(check_range(path, "read", offset, into.size()));
  size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = retry_interrupted(
        [&] { return ::pread(fd, into.data() + done, into.size() - done, as_off(offset + done)); });
    if (got < 0) return errno_error(errno, path, describe_range("read", offset, into.size()));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

Status read_exactly_at(int fd, const std::string& path, uint64_t offset, std::span<char> into) {
  RAMET_ASSIGN(const size_t got, read_at(fd, path, offset, into));
  if (got < into.size()) return short_read_error(path, offset, into.size(), got);
  return ok();
}

Status write_at(int fd, const std::string& path, uint64_t offset, ByteView data) {
  RAMET_TRY(check_range(path, "write", offset, data.size()));
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t put = retry_interrupted([&] {
      return ::pwrite(fd, data.data() + done, data.size() - done, as_off(offset + done));
    });
    if (put <= 0) {  // 0 of more than 0 bytes would loop for ever
      return errno_error(put < 0 ? errno : EIO, path, describe_range("write", offset, data.size()));
    }
    done += static_cast<size_t>(put);
  }
  return ok();
}

// Begins only; what fails is kept by the kernel for the next fdatasync (sync_file_range(2)).
void begin_write_back_of(int fd, uint64_t offset, uint64_t length) {
  static_cast<void>(::sync_file_range(fd, static_cast<off64_t>(offset),
                                      static_cast<off64_t>(length), SYNC_FILE_RANGE_WRITE));
}

Status sync_data_of(int fd, const std::string& path) {
  if (retry_interrupted([&] { return ::fdatasync(fd); }) != 0) {
    return errno_error(errno, path, "sync data");
  }
  return ok();
}

Status allocate_range(int fd, const std::string& path, uint64_t offset, uint64_t length) {
  RAMET_TRY(check_range(path, "allocate", offset, length));
  if (length == 0) return ok();
  if (retry_interrupted([&] { return ::fallocate(fd, 0, as_off(offset), as_off(length)); }) == 0) {
    return ok();
  }
  int number = errno;
  if (number == EOPNOTSUPP) {
    // The file system has no fallocate: the C library touches each block instead.
    do {
      number = ::posix_fallocate(fd, as_off(offset), as_off(length));
    } while (number == EINTR);
    if (number == 0) return ok();
  }
  return errno_error(number, path, describe_range("allocate", offset, length));
}

Status punch_range(int fd, const std::string& path, uint64_t offset, uint64_t length) {
  RAMET_TRY(check_range(path, "punch", offset, length));
  if (length == 0) return ok();
  constexpr int kMode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (retry_interrupted([&] { return ::fallocate(fd, kMode, as_off(offset), as_off(length)); }) ==
      0) {
    return ok();
  }
  const std::string operation = describe_range("punch", offset, length);
  if (errno == EOPNOTSUPP || errno == ENOSYS) {
    return Error(ErrorCode::kUnsupported,
                 path + ": " + operation + ": this file system cannot punch holes");
  }
  return errno_error(errno, path, operation);
}

Status truncate_to(int fd, const std::string& path, uint64_t length) {
  RAMET_TRY(check_range(path, "truncate", length, 0));
  if (retry_interrupted([&] { return ::ftruncate(fd, as_off(length)); }) != 0) {
    return errno_error(errno, path, "truncate to " + std::to_string(length) + " bytes");
  }
  return ok();
}

Result<uint64_t> length_of(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return errno_error(errno, path, "size");
  return static_cast<uint64_t>(info.st_size);
}

Result<uint64_t> allocated_bytes_of(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return errno_error(errno, path, "allocated bytes");
  return static_cast<uint64_t>(info.st_blocks) * 512;
}

std::vector<WriteRun> find_runs(std::span<const WritePiece> pieces) {
  std::vector<WriteRun> runs;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const WritePiece& piece = pieces[i];
    if (!runs.empty() && runs.back().offset + runs.back().length == piece.offset) {
      runs.back().length += piece.data.size();
      runs.back().count = i + 1 - runs.back().first;
    } else {
      runs.push_back({piece.offset, piece.data.size(), i, 1});
    }
  }
  return runs;
}

namespace {

using Vectors = std::array<iovec, kVectorsMax>;

// Vectors over bytes [from, to) of the run; returns how many (a prefix, if there are too many).
size_t gather(std::span<const WritePiece> pieces, const WriteRun& run, uint64_t from, uint64_t to,
              Vectors& vectors) {
  size_t count = 0;
  const auto inside = pieces.subspan(run.first, run.count);
  // The first piece that ends behind `from`; offsets inside a run never go down.
  auto piece = std::partition_point(inside.begin(), inside.end(), [&](const WritePiece& p) {
    return p.offset + p.data.size() - run.offset <= from;
  });
  for (; piece != inside.end() && count < kVectorsMax; ++piece) {
    const uint64_t start = piece->offset - run.offset;
    if (start >= to) break;
    const uint64_t begin = std::max(start, from);
    const uint64_t end = std::min(start + piece->data.size(), to);
    if (begin >= end) continue;
    vectors[count++] = {const_cast<char*>(piece->data.data()) + (begin - start),
                        static_cast<size_t>(end - begin)};
  }
  return count;
}

}  // namespace

Status write_run(int fd, const std::string& path, std::span<const WritePiece> pieces,
                 const WriteRun& run, uint64_t skip, uint64_t length) {
  RAMET_TRY(check_range(path, "write", run.offset, run.length));
  Vectors vectors;
  uint64_t done = skip;
  const uint64_t end = skip + length;
  while (done < end) {
    const size_t count = gather(pieces, run, done, end, vectors);
    const ssize_t put = retry_interrupted([&] {
      return ::pwritev(fd, vectors.data(), static_cast<int>(count), as_off(run.offset + done));
    });
    if (put <= 0) {
      return errno_error(put < 0 ? errno : EIO, path,
                         describe_range("write", run.offset + done, end - done));
    }
    done += static_cast<uint64_t>(put);
  }
  return ok();
}

Status write_pieces(int fd, const std::string& path, std::span<const WritePiece> pieces) {
  for (const WriteRun& run : find_runs(pieces)) {
    RAMET_TRY(write_run(fd, path, pieces, run, 0, run.length));
  }
  return ok();
}

}  // namespace ramet::io
