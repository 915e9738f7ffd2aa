// A moving window over a file, for readers that go forward in small steps.
#pragma once

#include <algorithm>

#include "format/bytes.h"
#include "format/result.h"
#include "io/env.h"

namespace ramet::engine {

// Not thread-safe. The bytes handed out stay valid until the next call.
class FileWindow {
 public:
  FileWindow(io::File& file, uint64_t file_size, uint64_t window_bytes = 4u << 20)
      : file_(file), file_size_(file_size), window_bytes_(window_bytes) {}

  // Up to `length` bytes from `offset`; fewer only at the file's end.
  Result<ByteView> at(uint64_t offset, uint64_t length) {
    if (offset >= file_size_) return ByteView();
    length = std::min(length, file_size_ - offset);
    if (offset < start_ || offset + length > start_ + bytes_.size()) {
      bytes_.resize(std::min(std::max(length, window_bytes_), file_size_ - offset));
      RAMET_ASSIGN(const size_t got, file_.read(offset, bytes_));
      bytes_.resize(got);
      start_ = offset;
      length = std::min<uint64_t>(length, got);
    }
    return ByteView(bytes_).substr(offset - start_, length);
  }

  uint64_t file_size() const { return file_size_; }

 private:
  io::File& file_;
  const uint64_t file_size_;
  const uint64_t window_bytes_;
  uint64_t start_ = 0;
  Bytes bytes_;
};

}  // namespace ramet::engine
