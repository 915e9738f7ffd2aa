// A moving window over a file, for readers that go forward in small steps.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "format/bytes.h"
#include "format/result.h"
#include "io/env.h"

namespace ramet::engine {

// Reads what the file's length said is there. When less comes and the file is still that long, the
// device has failed: that tells nothing of the bytes, and must not be taken for the end of what was
// written [INV-7]. When the file has become shorter, another process sealed the segment and gave
// back what was allocated and never written: zeros, as they were when the length was asked for.
inline Status read_inside(io::File& file, uint64_t offset, std::span<char> into) {
  RAMET_ASSIGN(const size_t got, file.read(offset, into));
  if (got == into.size()) return ok();
  RAMET_ASSIGN(const uint64_t size, file.size());
  if (offset + got >= size) {
    std::fill(into.begin() + static_cast<ptrdiff_t>(got), into.end(), '\0');
    return ok();
  }
  return Error(ErrorCode::kIoError,
               file.path() + ": read " + std::to_string(into.size()) + " bytes at " +
                   std::to_string(offset) + ": only " + std::to_string(got) + " came");
}

// The first `length` bytes; fewer only if the file has no more.
inline Result<Bytes> read_start(io::File& file, uint64_t length) {
  RAMET_ASSIGN(const uint64_t size, file.size());
  Bytes bytes(std::min(length, size), '\0');
  RAMET_TRY(read_inside(file, 0, bytes));
  return bytes;
}

// Not thread-safe. The bytes handed out stay valid until the next call.
class FileWindow {
 public:
  // Reads `window_bytes` at a time, but nothing behind `read_ahead_end` that was not asked for, and
  // begins and ends where the file's offset is a multiple of `alignment` (a power of two).
  FileWindow(io::File& file, uint64_t file_size, uint64_t window_bytes = 4u << 20,
             uint64_t read_ahead_end = UINT64_MAX, uint64_t alignment = 1)
      : file_(file), file_size_(file_size), window_bytes_(window_bytes),
        read_ahead_end_(read_ahead_end), alignment_(alignment) {}

  // Up to `length` bytes from `offset`; fewer only at the file's end.
  Result<ByteView> at(uint64_t offset, uint64_t length) {
    if (offset >= file_size_) return ByteView();
    length = std::min(length, file_size_ - offset);
    if (offset < start_ || offset + length - start_ > bytes_.size()) {
      const uint64_t ahead = offset < read_ahead_end_ ? read_ahead_end_ - offset : 0;
      const uint64_t wanted = std::max(length, std::min(window_bytes_, ahead));
      const uint64_t end = std::min(wanted, file_size_ - offset) + offset;
      start_ = offset - offset % alignment_;
      bytes_.resize(std::min(align_up(end, alignment_), file_size_) - start_);
      const Status read = read_inside(file_, start_, bytes_);
      if (!read.ok()) bytes_.clear();
      RAMET_TRY(read);
    }
    return ByteView(bytes_).substr(offset - start_, length);
  }

  uint64_t file_size() const { return file_size_; }

  // Memory to read into, of a window that is no longer used: what is big is slow to get. Before the
  // first at(), and after the last one.
  void take_memory(Bytes memory) { bytes_ = std::move(memory), start_ = UINT64_MAX; }
  Bytes give_memory() { return std::move(bytes_); }

 private:
  io::File& file_;
  const uint64_t file_size_;
  const uint64_t window_bytes_;
  const uint64_t read_ahead_end_;
  const uint64_t alignment_;
  uint64_t start_ = 0;
  Bytes bytes_;
};

}  // namespace ramet::engine
