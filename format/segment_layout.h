// What stands in a segment file besides frames: its header, the slot table, the footer
// (docs/format.md#segment-file, #slot-tables-and-footers). All functions are pure and thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/features.h"
#include "format/frame.h"
#include "format/hash.h"
#include "format/ids.h"
#include "format/result.h"

namespace ramet {

inline constexpr uint32_t kSegmentHeaderBytes = 4096;
inline constexpr uint32_t kFooterTrailerBytes = 32;
// Slot offsets are counted in units of 8 in 32 bits, which bounds a segment file.
inline constexpr uint64_t kSegmentBytesMax = uint64_t{8} << 32;
// A segment takes no more slots than this: the footer of the worst table still fits one frame.
inline constexpr uint32_t kSegmentSlotsMax = 1u << 18;

// What a segment is for. Values are on disk and never change.
enum class Stream : uint32_t {
  kCommit = 1,  // commits and small blocks
  kNode = 2,
  kData = 3,
  kMap = 4,  // map tree nodes and checkpoints; a slot is the frame's offset / 8
};

// "commit", "node", "data", "map"; "unknown stream" for values that are none.
std::string_view stream_name(Stream stream);

// In memory; encode_segment_header() gives the bytes.
struct SegmentHeader {
  FeatureFlags features;
  StoreId store_id;
  Secret secret{};  // repeated here, so that a store can be scavenged without superblocks
  Epoch epoch = 0;  // of the segment's first generation
  SegmentNo segment = 0;
  uint32_t generation = 0;
  Stream stream = Stream::kData;
  SegmentNo previous = 0;  // of the same stream and epoch, or 0
  int64_t created_at = 0;  // nanoseconds since 1970, for people only

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

// Exactly kSegmentHeaderBytes, the check included.
Bytes encode_segment_header(const SegmentHeader& header);

// Reads the first kSegmentHeaderBytes of `bytes` (more are ignored). kCorruption: too few bytes,
// another magic or check, or values that no version 1 program writes. kUnsupported: a later
// version, or features that must be known to read.
Result<SegmentHeader> decode_segment_header(ByteView bytes);

// length_and_kind of a slot whose payload was reclaimed or never written.
inline constexpr uint32_t kSlotGone = 0xFFFFFFFF;

// One slot, as it is on disk in SLOTS pages: where the frame stands and what its header says.
struct SlotEntry {
  uint32_t offset8 = 0;                  // of the frame, in units of 8
  uint32_t length_and_kind = kSlotGone;  // bits 0..24 stored_len, 25..27 codec, 28..31 kind
  ContentHash hash;                      // the name of a block; zero for nodes

  // Requires: offset a multiple of 8 below kSegmentBytesMax; stored_len <= kStoredBytesMax.
  static SlotEntry make(uint64_t offset, uint32_t stored_len, Codec codec, FrameKind kind,
                        const ContentHash& hash);
  static SlotEntry gone() { return {}; }

  bool is_gone() const { return length_and_kind == kSlotGone; }
  // The others say nothing about a slot that is gone.
  uint64_t offset() const { return uint64_t{offset8} * 8; }
  uint32_t stored_len() const { return length_and_kind & 0x01FFFFFF; }
  Codec codec() const { return static_cast<Codec>((length_and_kind >> 25) & 7); }
  FrameKind kind() const { return static_cast<FrameKind>(length_and_kind >> 28); }
  // Where the next frame begins.
  uint64_t end() const { return offset() + frame_span(kFrameHeaderBytes, stored_len()); }

  friend bool operator==(const SlotEntry&, const SlotEntry&) = default;
};
static_assert(sizeof(SlotEntry) == 40 && std::is_trivially_copyable_v<SlotEntry>);
static_assert(offsetof(SlotEntry, length_and_kind) == 4 && offsetof(SlotEntry, hash) == 8);

// Refuses (kCorruption) an entry that names neither a block nor a node, an impossible length, or
// bytes outside [4096, end_offset). Entries that are gone pass.
Status check_slot_entry(const SlotEntry& entry, uint64_t end_offset);

// The slot table of a sealed segment with what is known when it is sealed.
struct Footer {
  SegmentNo next_segment = 0;  // commit stream: the segment that goes on; 0: none
  BlockRef checkpoint;         // the newest checkpoint known when the footer was written
  uint64_t end_offset = 0;     // where the footer frame begins
  Sequence last_sequence = 0;
  std::vector<SlotEntry> slots;

  friend bool operator==(const Footer&, const Footer&) = default;
};

// Appends the footer frame and the trailer that ends the file. The bytes belong at
// footer.end_offset. Requires: at most kSegmentSlotsMax slots, each passing check_slot_entry().
// Offset and hash of gone slots, and the hash of nodes, are not stored.
void append_footer(Bytes& out, uint64_t seed, const Footer& footer);

// The payload of the footer frame alone, as append_footer() writes it.
Bytes encode_footer_payload(const Footer& footer);

// Reads the payload of a footer frame (checked against its header before). kCorruption on any
// inconsistency; memory is bounded by the payload's length [INV-8].
Result<Footer> decode_footer(ByteView payload);

// The last 32 bytes of a sealed file.
struct FooterTrailer {
  uint64_t footer_offset = 0;
  uint64_t footer_len = 0;  // of the whole frame
  friend bool operator==(const FooterTrailer&, const FooterTrailer&) = default;
};

// Exactly kFooterTrailerBytes.
Bytes encode_footer_trailer(const FooterTrailer& trailer, uint64_t seed);

// Requires nothing of `bytes`: anything but exactly 32 bytes with a matching check, an offset
// inside a segment and a length that one frame can have is kCorruption. The caller compares
// footer_offset + footer_len + 32 (which can't overflow) with the file's length.
Result<FooterTrailer> decode_footer_trailer(ByteView bytes, uint64_t seed);

// "0000001f.0": the number in 8 lower-case hex digits, the generation in decimal.
std::string segment_file_name(SegmentNo number, uint32_t generation);

struct SegmentFileName {
  SegmentNo number = 0;
  uint32_t generation = 0;
  friend bool operator==(const SegmentFileName&, const SegmentFileName&) = default;
};
// Strict: only what segment_file_name() gives; kInvalidArgument otherwise.
Result<SegmentFileName> parse_segment_file_name(std::string_view name);

}  // namespace ramet
