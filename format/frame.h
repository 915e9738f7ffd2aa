// Frames: what a segment file consists of behind its header (docs/format.md#frame). A header of
// 40 bytes, the payload, zeros up to a multiple of 8. All functions are pure and thread-safe.
//
// Invariants:
//   [FRAME-1] no field of a header is believed before its check matched. (INV-4, INV-8)
//             Guards: frames of another store, segment or life, stale bytes, flipped bits, lengths
//             that would allocate or read without bound. Held by: decode_frame_header().
//   [FRAME-2] a frame and its padding are a multiple of 8 long and begin at a multiple of 8, so
//             that search_frame() finds every frame behind damage. (INV-2)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/result.h"

namespace ramet {

// Values are on disk and never change.
enum class FrameKind : uint8_t {
  kBlock = 1,
  kNode = 2,
  kCommit = 3,
  kCheckpoint = 4,
  kFooter = 5,
  kSkip = 6,    // the payload means nothing and may be a hole in the file
  kSynced = 7,  // no payload; every commit up to `sequence` is durable
};

// Values are on disk and never change.
enum class Codec : uint8_t {
  kNone = 0,
  kZstd = 1,
};

// "block", "skip", ...; "unknown kind" for values that are none. For messages and tools.
std::string_view frame_kind_name(FrameKind kind);
std::string_view codec_name(Codec codec);

inline constexpr uint8_t kFrameLastOfCommit = 1;  // commits may span frames
inline constexpr uint8_t kFrameLastOfGroup = 2;   // the skip frame that fills up is not counted

inline constexpr uint32_t kFrameHeaderBytes = 40;
// With the extensions that a later version may add: what header_len can say.
inline constexpr uint32_t kFrameHeaderBytesMax = 0xF8;
inline constexpr uint32_t kFrameAlignment = 8;
// Groups of the commit stream begin at multiples of this.
inline constexpr uint32_t kGroupBytes = 4096;
// Raw bytes of a block, and of any payload that a codec decodes.
inline constexpr uint32_t kBlockBytesMax = 16u << 20;
// Stored bytes of any payload but a skip frame's.
inline constexpr uint32_t kStoredBytesMax = (16u << 20) + (64u << 10);
// What a skip frame may span; others in one frame can't be that long.
inline constexpr uint64_t kSkipBytesMax = uint64_t{1} << 31;
// `slot` of frames that have none.
inline constexpr Slot kNoSlot = 0xFFFFFFFF;

// The store's random secret: seeds every frame check.
using Secret = std::array<uint8_t, 32>;

// As it is on disk.
struct FrameHeader {
  uint64_t header_check = 0;      // XXH3-64 of the bytes behind it, seeded by frame_seed()
  uint64_t payload_checksum = 0;  // XXH3-64 of the stored payload; equals BlockRef.checksum
  FrameKind kind = FrameKind::kSkip;
  Codec codec = Codec::kNone;
  uint8_t header_len = kFrameHeaderBytes;  // more: extensions of a later version
  uint8_t flags = 0;
  Slot slot = kNoSlot;
  uint32_t stored_len = 0;
  uint32_t raw_len = 0;
  Sequence sequence = 0;  // a commit's number; others: the last one applied when it was written

  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};
static_assert(sizeof(FrameHeader) == kFrameHeaderBytes);
static_assert(std::is_trivially_copyable_v<FrameHeader>);
static_assert(std::has_unique_object_representations_v<FrameHeader>);  // no padding
static_assert(offsetof(FrameHeader, payload_checksum) == 8);
static_assert(offsetof(FrameHeader, kind) == 16);
static_assert(offsetof(FrameHeader, codec) == 17);
static_assert(offsetof(FrameHeader, header_len) == 18);
static_assert(offsetof(FrameHeader, flags) == 19);
static_assert(offsetof(FrameHeader, slot) == 20);
static_assert(offsetof(FrameHeader, stored_len) == 24);
static_assert(offsetof(FrameHeader, raw_len) == 28);
static_assert(offsetof(FrameHeader, sequence) == 32);

// The seed of all header checks of one segment in one life. Compute it once for each segment.
uint64_t frame_seed(const Secret& secret, SegmentNo segment, Epoch epoch);

// The whole length of the frame on disk, padding included; the next frame begins behind it.
// For a skip frame up to 2 GiB and a bit: compare with what is left before adding to an offset.
constexpr uint64_t frame_span(uint32_t header_len, uint32_t stored_len) {
  return align_up(uint64_t{header_len} + stored_len, kFrameAlignment);
}
constexpr uint64_t frame_span(const FrameHeader& header) {
  return frame_span(header.header_len, header.stored_len);
}

// Appends the 40 bytes of `header` with its check computed (header_check is ignored).
// Requires: header_len == 40.
void encode_frame_header(Bytes& out, const FrameHeader& header, uint64_t seed);

// Appends a whole frame, padded. `raw_len` is the length of `stored` when decoded (equal to
// stored.size() for Codec::kNone). Requires: stored.size() <= kStoredBytesMax, raw_len <=
// kBlockBytesMax for a block and for any codec, out.size() a multiple of 8 if frames are to stand
// at multiples of 8. Returns the payload's checksum.
uint64_t append_frame(Bytes& out, uint64_t seed, FrameKind kind, Codec codec, uint8_t flags,
                      Slot slot, Sequence sequence, ByteView stored, uint32_t raw_len);

// Appends exactly `total_bytes`: a skip frame with a payload of zeros. Fewer than 40 bytes have
// no room for a header and are plain zeros; that is allowed only before a 4 KiB boundary of the
// commit stream, where readers take it as padding (docs/format.md#commit-stream).
// Requires: a multiple of 8, at most kSkipBytesMax.
void append_skip(Bytes& out, uint64_t seed, uint64_t total_bytes, Sequence sequence = 0);

// Only the 40 byte header of such a skip frame, for a range whose payload becomes a hole in the
// file. Requires: 40 <= total_bytes <= kSkipBytesMax, a multiple of 8.
Bytes skip_header(uint64_t seed, uint64_t total_bytes, Sequence sequence = 0);

// Reads the header at the beginning of `bytes` (which may go on behind it).
// kCorruption: too few bytes, the check does not match, or lengths out of range.
// kUnsupported: the check matches, but kind or codec came with a later version.
Result<FrameHeader> decode_frame_header(ByteView bytes, uint64_t seed);

// Compares the payload with the header's length and checksum; kCorruption when they differ.
// `payload` may go on behind stored_len. A skip frame's payload is never looked at.
Status check_payload(const FrameHeader& header, ByteView payload);

// The first multiple of 8 (counted from the beginning of `bytes`) at or behind `from` where a
// header stands that decode_frame_header() accepts; ByteView::npos when there is none. Linear in
// the length of `bytes`.
size_t search_frame(ByteView bytes, size_t from, uint64_t seed);

}  // namespace ramet
