#include "io/source_read.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "io/unix_fd.h"

namespace ramet::io {
namespace {

constexpr uint64_t kPrefetchBytes = 8u << 20;
constexpr const char* kKeepsChanging = "it kept changing while it was read";

void fill(SourceItem& item, const FileState& state) {
  item.attributes = state.attributes;
  item.identity = state.identity;
  item.links = state.links;
  item.size = state.size;
  item.changed = state.changed;
  if (state.time_clamped) {
    item.notes.push_back("its time of modification lies outside the years 1677 to 2262");
  }
}

void fail(SourceItem& item, std::string why) {
  item.kind = SourceKind::kProblem;
  item.notes.push_back(std::move(why));
}

// The state from which on every change shows: waits for the clock of file times if it must.
int settled_state(int fd, FileState* state) {
  for (int i = 0; i < 2; ++i) {
    const int failed = read_state(fd, "", state);
    if (failed != 0) return failed;
    const int64_t wait = unsettled_ns(*state);
    if (wait == 0) return 0;
    std::this_thread::sleep_for(std::chrono::nanoseconds(wait));
  }
  return read_state(fd, "", state);
}

enum class Opened : uint8_t { kFile, kOtherType, kFailed };

// Opens a regular file. O_NONBLOCK: a fifo that took its place must not block.
Opened open_file(SourceItem& item, UnixFd* fd, FileState* state) {
  *fd = open_without_traces(item.folder->fd(), item.name.c_str(),
                            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd->valid()) {
    if (errno == ELOOP || errno == ENXIO || errno == ENODEV) return Opened::kOtherType;
    fail(item, errno == ENOENT ? "it was removed while its folder was read"
                               : failure_text("open", errno));
    return Opened::kFailed;
  }
  const int failed = settled_state(fd->get(), state);
  if (failed != 0) {
    fail(item, failure_text("look at it", failed));
    return Opened::kFailed;
  }
  return S_ISREG(state->attributes.mode) ? Opened::kFile : Opened::kOtherType;
}

// Calls `visit` for each range of data until it returns false. Returns 0 or an errno.
template <typename Visit>
int for_each_range(int fd, const FileState& state, const Visit& visit) {
  if (state.allocated >= state.size) {
    if (state.size > 0) visit(DataRange{0, state.size});
    return 0;
  }
  const auto size = static_cast<off_t>(state.size);
  for (off_t at = 0; at < size;) {
    const off_t data = ::lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return 0;  // a hole up to the end
    if (data < 0 && errno == EINVAL) {         // the file system does not tell
      visit(DataRange{static_cast<uint64_t>(at), static_cast<uint64_t>(size - at)});
      return 0;
    }
    if (data < 0) return errno;
    if (data >= size) return 0;
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    if (hole < 0 && errno != ENXIO) return errno;
    const off_t end = hole < 0 || hole > size ? size : hole;
    if (!visit(DataRange{static_cast<uint64_t>(data), static_cast<uint64_t>(end - data)})) {
      return 0;
    }
    at = end;
  }
  return 0;
}

// Reads all of it, less only at the end of the file; -1 and errno on failure.
ssize_t read_fully(int fd, uint64_t offset, char* into, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got =
        ::pread(fd, into + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

void read_xattrs_of(const SourceOptions& options, SourceItem& item, const XattrPlace& place) {
  if (!options.xattrs) return;
  read_xattrs(place, options.xattr_bytes_max, &item.attributes.xattrs, &item.notes);
}

// Files that the kernel makes up (/proc) have no size but bytes.
bool has_more_than_its_size(int fd, const FileState& state) {
  char byte = 0;
  return state.size == 0 && read_fully(fd, 0, &byte, 1) == 1;
}

// Looks at the file again.
SourceTree::Outcome unchanged(const SourceOptions& options, SourceItem& item, int fd,
                              const FileState& before, int attempt) {
  if (options.after_read) options.after_read(item.name, attempt);
  FileState after;
  const int failed = read_state(fd, "", &after);
  if (failed != 0) {
    fail(item, failure_text("look at it again", failed));
    return SourceTree::Outcome::kProblem;
  }
  if (!same_state(before, after)) return SourceTree::Outcome::kChanged;
  if (!has_more_than_its_size(fd, after)) return SourceTree::Outcome::kWhole;
  fail(item, "it has content, but no size to read it by");
  return SourceTree::Outcome::kProblem;
}

SourceTree::Outcome load(const SourceOptions& options, SourceItem& item, int fd,
                         const FileState& state, int attempt) {
  item.bytes.clear();
  item.ranges.clear();
  item.bytes.resize(state.allocated >= state.size ? state.size : 0);
  uint64_t at = 0;
  bool whole = true;
  int failed = for_each_range(fd, state, [&](const DataRange& range) {
    if (item.bytes.size() < at + range.length) item.bytes.resize(at + range.length);
    const ssize_t got = read_fully(fd, range.offset, item.bytes.data() + at, range.length);
    if (got < 0) {
      fail(item, failure_text("read", errno));
      return false;
    }
    whole = static_cast<uint64_t>(got) == range.length;
    item.ranges.push_back(range);
    at += range.length;
    return whole;
  });
  if (item.kind == SourceKind::kProblem) return SourceTree::Outcome::kProblem;
  if (failed != 0) {
    fail(item, failure_text("look for holes", failed));
    return SourceTree::Outcome::kProblem;
  }
  if (!whole) {
    if (options.after_read) options.after_read(item.name, attempt);
    return SourceTree::Outcome::kChanged;
  }
  read_xattrs_of(options, item, {fd, {}});
  return unchanged(options, item, fd, state, attempt);
}

enum class FileRead : uint8_t { kDone, kOtherType, kStopped };

bool is_known(const SourceOptions& options, SourceItem& item) {
  FileState state;
  if (!options.known || read_state(item.folder->fd(), item.name.c_str(), &state) != 0) return false;
  if (!S_ISREG(state.attributes.mode) || state.links > 1 || state.time_clamped) return false;
  fill(item, state);
  item.known = options.known(item);
  return item.known;
}

FileRead read_file(const SourceOptions& options, SourceItem& item,
                   const std::function<bool(uint64_t)>& reserve) {
  if (is_known(options, item)) return FileRead::kDone;
  for (int attempt = 1; attempt <= options.attempts; ++attempt) {
    UnixFd fd;
    FileState state;
    const Opened opened = open_file(item, &fd, &state);
    if (opened == Opened::kOtherType) return FileRead::kOtherType;
    if (opened == Opened::kFailed) return FileRead::kDone;
    item.notes.clear();
    fill(item, state);
    if (state.size > options.small_file_bytes || state.links > 1) return FileRead::kDone;
    if (!reserve(state.size)) return FileRead::kStopped;
    const auto outcome = load(options, item, fd.get(), state, attempt);
    if (outcome == SourceTree::Outcome::kChanged) continue;
    item.loaded = outcome == SourceTree::Outcome::kWhole;
    if (item.loaded && options.digest) item.digest = options.digest(item);
    return FileRead::kDone;
  }
  fail(item, kKeepsChanging);
  return FileRead::kDone;
}

// Links, fifos, sockets, devices: through a descriptor that opens nothing, so that attributes and
// target are those of one inode. True if it is a regular file after all.
bool read_other(const SourceOptions& options, SourceItem& item) {
  const UnixFd fd(::openat(item.folder->fd(), item.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  FileState state;
  const int failed = !fd.valid() ? errno : read_state(fd.get(), "", &state);
  if (failed != 0) {
    fail(item, failed == ENOENT ? "it was removed while its folder was read"
                                : failure_text("look at it", failed));
    return false;
  }
  if (S_ISREG(state.attributes.mode)) return true;
  if (S_ISDIR(state.attributes.mode)) {
    fail(item, "it was replaced while its folder was read");
    return false;
  }
  fill(item, state);
  item.kind = SourceKind::kOther;
  if (S_ISLNK(state.attributes.mode)) {
    item.kind = SourceKind::kSymlink;
    item.target.resize(PATH_MAX);
    const ssize_t bytes = ::readlinkat(fd.get(), "", item.target.data(), item.target.size());
    if (bytes < 0) {
      fail(item, failure_text("read the link", errno));
      return false;
    }
    item.target.resize(static_cast<size_t>(bytes));
  }
  read_xattrs_of(options, item, xattr_place_at(item.folder->fd(), item.name));
  return false;
}

// Hands out one range. An Outcome that isn't kWhole ends the file.
Result<SourceTree::Outcome> stream_range(
    SourceItem& item, int fd, const DataRange& range, StreamSink& sink) {
  const uint64_t end = range.offset + range.length;
  uint64_t prefetched = range.offset + kPrefetchBytes;
  for (uint64_t at = range.offset; at < end;) {
    const std::span<char> memory = sink.memory();
    const size_t want = std::min<uint64_t>(memory.size(), end - at);
    const ssize_t got = read_fully(fd, at, memory.data(), want);
    if (got < 0) {
      fail(item, failure_text("read", errno));
      return SourceTree::Outcome::kProblem;
    }
    if (static_cast<size_t>(got) < want) return SourceTree::Outcome::kChanged;
    at += want;
    if (at < end && at >= prefetched) {
      ::posix_fadvise(fd, static_cast<off_t>(at), kPrefetchBytes, POSIX_FADV_WILLNEED);
      prefetched = at + kPrefetchBytes;
    }
    RAMET_TRY(sink.take(at - want, want));
  }
  return SourceTree::Outcome::kWhole;
}

}  // namespace

void read_item(const SourceOptions& options, SourceItem& item, bool is_file,
               const std::function<bool(uint64_t)>& reserve) {
  for (int i = 0; i < options.attempts; ++i) {
    if (is_file) {
      item.kind = SourceKind::kFile;
      if (read_file(options, item, reserve) != FileRead::kOtherType) break;
    } else if (!read_other(options, item)) {
      break;
    }
    is_file = !is_file;  // replaced by another type since it was listed
    if (i + 1 == options.attempts) fail(item, kKeepsChanging);
  }
  if (item.kind == SourceKind::kProblem) item.bytes = {};
  if (item.kind != SourceKind::kFile || item.loaded) item.folder.reset();
}

Result<SourceTree::Outcome> stream_file(const SourceOptions& options, SourceItem& item, int attempt,
                                        StreamSink& sink) {
  UnixFd fd;
  FileState state;
  item.notes.clear();
  const Opened opened = open_file(item, &fd, &state);
  if (opened != Opened::kFile) {
    if (opened == Opened::kOtherType) fail(item, "it was replaced while its folder was read");
    return SourceTree::Outcome::kProblem;
  }
  fill(item, state);
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  Status status = ok();
  auto outcome = SourceTree::Outcome::kWhole;
  const int failed = for_each_range(fd.get(), state, [&](const DataRange& range) {
    auto done = stream_range(item, fd.get(), range, sink);
    if (!done.ok()) {
      status = std::move(done).error();
      return false;
    }
    outcome = *done;
    return outcome == SourceTree::Outcome::kWhole;
  });
  if (!status.ok()) return std::move(status).error();
  if (failed != 0) {
    fail(item, failure_text("look for holes", failed));
    return SourceTree::Outcome::kProblem;
  }
  if (outcome == SourceTree::Outcome::kProblem) return outcome;
  if (outcome == SourceTree::Outcome::kChanged) {
    if (options.after_read) options.after_read(item.name, attempt);
    return outcome;
  }
  read_xattrs_of(options, item, {fd.get(), {}});
  return unchanged(options, item, fd.get(), state, attempt);
}

}  // namespace ramet::io
