// Makes the checks of a byte string right, as a hostile writer would who knows the format and the
// store's secret. Lengths that lead outside are bent first, so that most mutations still say
// something behind them.
#pragma once

#include <cstddef>

#include "format/bytes.h"
#include "format/frame.h"
#include "format/hash.h"

namespace ramet::fuzz {

inline Secret fuzz_secret() {
  Secret secret{};
  secret[0] = 0x5A;
  return secret;
}
inline constexpr Epoch kFuzzEpoch = 3;

// The last 8 bytes become the XXH3-64 of those before. Requires: at least 8 bytes.
inline void seal_tail(Bytes& bytes, uint64_t seed = 0) {
  const size_t at = bytes.size() - sizeof(uint64_t);
  const ByteView covered = ByteView(bytes).substr(0, at);
  store(bytes.data() + at, seed == 0 ? xxh3(covered) : xxh3_seeded(covered, seed));
}

// Bits of FrameHeader::flags that mean nothing in version 1 and steer the sealing.
inline constexpr uint8_t kLeaveBroken = 0x40;   // the frame gets no check
inline constexpr uint8_t kLeaveLengths = 0x80;  // raw_len stays as it is

// Seals the frame at `at` and gives where the next one begins; bytes.size() when none fits.
// Requires: at + kFrameHeaderBytes <= bytes.size().
inline size_t seal_frame(Bytes& bytes, size_t at, uint64_t seed) {
  const size_t room = bytes.size() - at;
  auto header = load<FrameHeader>(bytes.data() + at);
  if (header.header_len < kFrameHeaderBytes || header.header_len % kFrameAlignment != 0 ||
      header.header_len > room) {
    header.header_len = kFrameHeaderBytes;
  }
  if (header.kind != FrameKind::kSkip) {
    if (header.stored_len > room - header.header_len) {
      header.stored_len %= static_cast<uint32_t>(room - header.header_len + 1);
    }
    if (header.codec == Codec::kNone && (header.flags & kLeaveLengths) == 0) {
      header.raw_len = header.stored_len;
    }
    const ByteView payload =
        ByteView(bytes).substr(at + header.header_len, header.stored_len);
    header.payload_checksum = xxh3(payload);
  }
  store(bytes.data() + at, header);
  if ((header.flags & kLeaveBroken) == 0) {
    const ByteView covered = ByteView(bytes).substr(at + 8, header.header_len - 8u);
    store(bytes.data() + at, xxh3_seeded(covered, seed));
  }
  const uint64_t span = frame_span(header);
  return span < room ? at + static_cast<size_t>(span) : bytes.size();
}

inline void seal_frames(Bytes& bytes, size_t from, uint64_t seed) {
  size_t at = from;
  while (at + kFrameHeaderBytes <= bytes.size()) at = seal_frame(bytes, at, seed);
}

}  // namespace ramet::fuzz
