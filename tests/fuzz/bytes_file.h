// A read-only file in memory for fuzz targets. In its middle it may have a far leap: skip frames of
// 2 GiB each, of which only the headers exist, so that offsets come near the end of any segment.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>

#include "format/frame.h"
#include "io/env.h"

namespace ramet::fuzz {

class BytesFile : public io::File {
 public:
  explicit BytesFile(Bytes bytes) : io::File("fuzzed"), bytes_(std::move(bytes)) {}
  // `leaps` skip frames stand at `at`, before what follows it. Requires: a multiple of 8 there.
  BytesFile(Bytes bytes, size_t at, uint64_t leaps, uint64_t seed)
      : io::File("fuzzed"),
        bytes_(std::move(bytes)),
        leap_at_(std::min(at, bytes_.size())),
        leaps_(leaps),
        leap_header_(skip_header(seed, kLeapBytes)) {}

  Result<size_t> read(uint64_t offset, std::span<char> into) override {
    const uint64_t end = file_bytes();
    if (offset >= end) return size_t{0};
    const auto n = static_cast<size_t>(std::min<uint64_t>(into.size(), end - offset));
    for (size_t done = 0; done < n;) {
      done += read_piece(offset + done, into.subspan(done, n - done));
    }
    return n;
  }
  Status read_batch(std::span<const io::ReadPiece> pieces) override {
    for (const io::ReadPiece& piece : pieces) {
      RAMET_ASSIGN(const size_t got, read(piece.offset, piece.into));
      if (got != piece.into.size()) return Error(ErrorCode::kCorruption, "fuzzed: short read");
    }
    return ok();
  }
  Result<uint64_t> size() override { return file_bytes(); }
  Result<uint64_t> allocated_bytes() override { return uint64_t{bytes_.size()}; }

  Status write(uint64_t, ByteView) override { return refused(); }
  Status write_batch(std::span<const io::WritePiece>) override { return refused(); }
  Status sync_data() override { return refused(); }
  Status allocate(uint64_t, uint64_t) override { return refused(); }
  Status punch_hole(uint64_t, uint64_t) override { return refused(); }
  Status truncate(uint64_t) override { return refused(); }

 private:
  static constexpr uint64_t kLeapBytes = kSkipBytesMax;

  static Status refused() { return Error(ErrorCode::kIoError, "fuzzed: read-only"); }
  uint64_t leap_bytes() const { return leaps_ * kLeapBytes; }
  uint64_t file_bytes() const { return bytes_.size() + leap_bytes(); }

  // As much as is alike from `offset` on.
  size_t read_piece(uint64_t offset, std::span<char> into) const {
    if (offset < leap_at_ || offset >= leap_at_ + leap_bytes()) {
      const bool before = offset < leap_at_;
      const auto at = static_cast<size_t>(before ? offset : offset - leap_bytes());
      const size_t n = std::min(into.size(), (before ? leap_at_ : bytes_.size()) - at);
      std::memcpy(into.data(), bytes_.data() + at, n);
      return n;
    }
    const auto inside = (offset - leap_at_) % kLeapBytes;
    const ByteView header = ByteView(leap_header_).substr(std::min<uint64_t>(inside, 40));
    const size_t n = std::min<uint64_t>(into.size(), header.empty() ? kLeapBytes - inside
                                                                    : header.size());
    if (header.empty()) {
      std::memset(into.data(), 0, n);
    } else {
      std::memcpy(into.data(), header.data(), n);
    }
    return n;
  }

  const Bytes bytes_;
  const size_t leap_at_ = 0;
  const uint64_t leaps_ = 0;
  const Bytes leap_header_;
};

}  // namespace ramet::fuzz
