#include "format/segment_layout.h"

#include <cstring>

#include <fmt/format.h>

#include "format/planted.h"

namespace ramet {
namespace {

constexpr size_t kCheckAt = kSegmentHeaderBytes - sizeof(uint64_t);

// As it is on disk, up to the zeros.
struct DiskSegmentHeader {
  FileHeader header;
  StoreId store_id;
  Secret secret{};
  uint64_t epoch = 0;
  uint32_t segment = 0;
  uint32_t generation = 0;
  uint32_t stream = 0;
  uint32_t previous = 0;
  int64_t created_at = 0;
};
static_assert(sizeof(DiskSegmentHeader) == 120 && std::is_trivially_copyable_v<DiskSegmentHeader>);
static_assert(offsetof(DiskSegmentHeader, store_id) == 40);
static_assert(offsetof(DiskSegmentHeader, secret) == 56);
static_assert(offsetof(DiskSegmentHeader, epoch) == 88);
static_assert(offsetof(DiskSegmentHeader, segment) == 96);
static_assert(offsetof(DiskSegmentHeader, generation) == 100);
static_assert(offsetof(DiskSegmentHeader, stream) == 104);
static_assert(offsetof(DiskSegmentHeader, previous) == 108);
static_assert(offsetof(DiskSegmentHeader, created_at) == 112);

// The front of a footer payload.
struct DiskFooter {
  uint32_t slot_count = 0;
  uint32_t gap_count = 0;
  uint32_t next_segment = 0;
  uint32_t reserved = 0;
  BlockRef checkpoint;
  uint64_t end_offset = 0;
  uint64_t last_sequence = 0;
};
static_assert(sizeof(DiskFooter) == 48 && std::is_trivially_copyable_v<DiskFooter>);
static_assert(offsetof(DiskFooter, checkpoint) == 16);
static_assert(offsetof(DiskFooter, end_offset) == 32);
static_assert(offsetof(DiskFooter, last_sequence) == 40);

// A slot whose frame does not directly follow the frame of the live slot before it.
struct DiskGap {
  uint32_t slot = 0;
  uint32_t offset8 = 0;
};
static_assert(sizeof(DiskGap) == 8);

static_assert(sizeof(DiskFooter) +
                      uint64_t{kSegmentSlotsMax} * (4 + sizeof(DiskGap) + sizeof(ContentHash)) <=
                  kStoredBytesMax,
              "the footer of the worst slot table fits one frame");

struct DiskTrailer {
  FooterTrailer trailer;
  uint64_t checkpoint_check = 0;  // unused
  uint64_t check = 0;
};
static_assert(sizeof(DiskTrailer) == kFooterTrailerBytes);

constexpr uint64_t kFirstFrame8 = kSegmentHeaderBytes / kFrameAlignment;
// A footer frame is this long at most, whatever extensions its header has.
constexpr uint64_t kFooterFrameBytesMax = frame_span(kFrameHeaderBytesMax, kStoredBytesMax);

Error footer_error(std::string_view what) {
  return Error(ErrorCode::kCorruption, fmt::format("footer: {}", what));
}

bool is_block(uint32_t length_and_kind) {
  SlotEntry entry;
  entry.length_and_kind = length_and_kind;
  return !entry.is_gone() && entry.kind() == FrameKind::kBlock;
}

// Walks the arrays behind the front of a footer payload, whose sizes were checked.
struct FooterArrays {
  const char* lengths;
  const char* gaps;
  const char* hashes;
  uint32_t gap_count;
};

// Puts offsets and hashes back that the footer leaves out.
Status restore_slots(FooterArrays arrays, uint64_t end_offset, std::vector<SlotEntry>& slots) {
  uint64_t next8 = kFirstFrame8;
  uint32_t gap = 0;
  for (Slot slot = 0; slot < slots.size(); ++slot) {
    SlotEntry& entry = slots[slot];
    entry.length_and_kind = load<uint32_t>(arrays.lengths + size_t{slot} * sizeof(uint32_t));
    if (entry.is_gone()) continue;
    if (gap < arrays.gap_count) {
      const auto disk = load<DiskGap>(arrays.gaps + size_t{gap} * sizeof(DiskGap));
      if (disk.slot == slot) {
        next8 = disk.offset8;
        ++gap;
      }
    }
    if (next8 > 0xFFFFFFFF) return footer_error(fmt::format("slot {} is out of range", slot));
    entry.offset8 = static_cast<uint32_t>(next8);
    if (is_block(entry.length_and_kind)) {
      entry.hash = load<ContentHash>(arrays.hashes);
      arrays.hashes += sizeof(ContentHash);
    }
    Status status = check_slot_entry(entry, end_offset);
    if (!status.ok()) {
      return std::move(status).error().with_context(fmt::format("footer: slot {}", slot));
    }
    next8 = entry.end() / kFrameAlignment;
  }
  // Gaps out of order, or of slots that are gone or do not exist, were never reached.
  if (gap != arrays.gap_count) return footer_error("a gap at a slot that has none");
  return ok();
}

}  // namespace

std::string_view stream_name(Stream stream) {
  switch (stream) {
    case Stream::kCommit: return "commit";
    case Stream::kNode: return "node";
    case Stream::kData: return "data";
    case Stream::kMap: return "map";
  }
  return "unknown stream";
}

Bytes encode_segment_header(const SegmentHeader& header) {
  DiskSegmentHeader disk;
  disk.header = make_file_header(FileKind::kSegment, kSegmentHeaderBytes, header.features);
  disk.store_id = header.store_id;
  disk.secret = header.secret;
  disk.epoch = header.epoch;
  disk.segment = header.segment;
  disk.generation = header.generation;
  disk.stream = static_cast<uint32_t>(header.stream);
  disk.previous = header.previous;
  disk.created_at = header.created_at;
  Bytes out(kSegmentHeaderBytes, '\0');
  store(out.data(), disk);
  store(out.data() + kCheckAt, xxh3(ByteView(out).substr(0, kCheckAt)));
  return out;
}

Result<SegmentHeader> decode_segment_header(ByteView bytes) {
  if (bytes.size() < kSegmentHeaderBytes) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("segment header is cut off after {} bytes", bytes.size()));
  }
  bytes = bytes.substr(0, kSegmentHeaderBytes);
  if (load<uint64_t>(bytes.data() + kCheckAt) != xxh3(bytes.substr(0, kCheckAt))) {
    return Error(ErrorCode::kCorruption, "segment header does not match its check");
  }
  RAMET_ASSIGN(const FileHeader header,
               decode_file_header(bytes, FileKind::kSegment, kSegmentHeaderBytes));
  const auto disk = load<DiskSegmentHeader>(bytes.data());
  if (disk.segment == 0) {
    return Error(ErrorCode::kCorruption, "segment header has the number 0");
  }
  if (disk.stream < static_cast<uint32_t>(Stream::kCommit) ||
      disk.stream > static_cast<uint32_t>(Stream::kMap)) {
    return Error(ErrorCode::kCorruption, fmt::format("segment header has stream {}", disk.stream));
  }
  SegmentHeader out;
  out.features = header.features();
  out.store_id = disk.store_id;
  out.secret = disk.secret;
  out.epoch = disk.epoch;
  out.segment = disk.segment;
  out.generation = disk.generation;
  out.stream = static_cast<Stream>(disk.stream);
  out.previous = disk.previous;
  out.created_at = disk.created_at;
  return out;
}

SlotEntry SlotEntry::make(uint64_t offset, uint32_t stored_len, Codec codec, FrameKind kind,
                          const ContentHash& hash) {
  RAMET_CHECK(offset % kFrameAlignment == 0 && offset < kSegmentBytesMax,
              "[FRAME-2] a slot at an impossible offset");
  RAMET_CHECK(stored_len <= kStoredBytesMax, "a slot longer than any frame");
  SlotEntry entry;
  entry.offset8 = static_cast<uint32_t>(offset / kFrameAlignment);
  entry.length_and_kind = stored_len | uint32_t{static_cast<uint8_t>(codec)} << 25 |
                          uint32_t{static_cast<uint8_t>(kind)} << 28;
  entry.hash = hash;
  return entry;
}

Status check_slot_entry(const SlotEntry& entry, uint64_t end_offset) {
  if (entry.is_gone()) return ok();
  if (entry.kind() != FrameKind::kBlock && entry.kind() != FrameKind::kNode) {
    return Error(ErrorCode::kCorruption, fmt::format("a slot of kind {}",
                                                     static_cast<int>(entry.kind())));
  }
  if (entry.stored_len() > kStoredBytesMax) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("a slot of {} stored bytes", entry.stored_len()));
  }
  const uint64_t end = planted(DecoderBug::kSlotPastEnd) ? entry.offset() : entry.end();
  if (entry.offset() < kSegmentHeaderBytes || end > end_offset) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("a slot at offset {} with {} stored bytes, outside the segment's "
                             "frames",
                             entry.offset(), entry.stored_len()));
  }
  return ok();
}

Bytes encode_footer_payload(const Footer& footer) {
  RAMET_CHECK(footer.slots.size() <= kSegmentSlotsMax, "a segment with too many slots");
  Bytes lengths;
  Bytes gaps;
  Bytes hashes;
  lengths.reserve(footer.slots.size() * sizeof(uint32_t));
  hashes.reserve(footer.slots.size() * sizeof(ContentHash));
  uint64_t next8 = kFirstFrame8;
  for (Slot slot = 0; slot < footer.slots.size(); ++slot) {
    const SlotEntry& entry = footer.slots[slot];
    append(lengths, entry.length_and_kind);
    if (entry.is_gone()) continue;
    RAMET_CHECK(check_slot_entry(entry, footer.end_offset).ok(), "a slot that no reader accepts");
    if (entry.offset8 != next8) append(gaps, DiskGap{slot, entry.offset8});
    if (is_block(entry.length_and_kind)) append(hashes, entry.hash);
    next8 = entry.end() / kFrameAlignment;
  }
  DiskFooter disk;
  disk.slot_count = static_cast<uint32_t>(footer.slots.size());
  disk.gap_count = static_cast<uint32_t>(gaps.size() / sizeof(DiskGap));
  disk.next_segment = footer.next_segment;
  disk.checkpoint = footer.checkpoint;
  disk.end_offset = footer.end_offset;
  disk.last_sequence = footer.last_sequence;
  Bytes out;
  out.reserve(sizeof disk + lengths.size() + gaps.size() + 8 + hashes.size());
  append(out, disk);
  out += lengths;
  out += gaps;
  out.resize(align_up(out.size(), 8), '\0');
  out += hashes;
  return out;
}

void append_footer(Bytes& out, uint64_t seed, const Footer& footer) {
  const Bytes payload = encode_footer_payload(footer);
  const size_t before = out.size();
  append_frame(out, seed, FrameKind::kFooter, Codec::kNone, 0, kNoSlot, footer.last_sequence,
               payload, static_cast<uint32_t>(payload.size()));
  out += encode_footer_trailer({footer.end_offset, out.size() - before}, seed);
}

Result<Footer> decode_footer(ByteView payload) {
  if (payload.size() < sizeof(DiskFooter)) return footer_error("cut off");
  const auto disk = load<DiskFooter>(payload.data());
  if (disk.slot_count > kSegmentSlotsMax || disk.gap_count > disk.slot_count) {
    return footer_error(fmt::format("{} slots and {} gaps are out of range", disk.slot_count,
                                    disk.gap_count));
  }
  if (disk.end_offset < kSegmentHeaderBytes || disk.end_offset > kSegmentBytesMax ||
      disk.end_offset % kFrameAlignment != 0) {
    return footer_error(fmt::format("end offset {} is out of range", disk.end_offset));
  }
  const size_t gaps_at = sizeof disk + size_t{disk.slot_count} * sizeof(uint32_t);
  const size_t hashes_at = align_up(gaps_at + size_t{disk.gap_count} * sizeof(DiskGap), 8);
  if (payload.size() < hashes_at) return footer_error("cut off");
  const FooterArrays arrays{payload.data() + sizeof disk, payload.data() + gaps_at,
                            payload.data() + hashes_at, disk.gap_count};
  size_t blocks = 0;
  for (uint32_t slot = 0; slot < disk.slot_count; ++slot) {
    blocks += is_block(load<uint32_t>(arrays.lengths + size_t{slot} * sizeof(uint32_t))) ? 1 : 0;
  }
  if (payload.size() != hashes_at + blocks * sizeof(ContentHash)) {
    return footer_error(fmt::format("{} bytes do not fit {} slots with {} blocks", payload.size(),
                                    disk.slot_count, blocks));
  }
  Footer out;
  out.next_segment = disk.next_segment;
  out.checkpoint = disk.checkpoint;
  out.end_offset = disk.end_offset;
  out.last_sequence = disk.last_sequence;
  out.slots.resize(disk.slot_count);
  RAMET_TRY(restore_slots(arrays, out.end_offset, out.slots));
  return out;
}

Bytes encode_footer_trailer(const FooterTrailer& trailer, uint64_t seed) {
  DiskTrailer disk;
  disk.trailer = trailer;
  Bytes out;
  append(out, disk);
  constexpr size_t check_at = offsetof(DiskTrailer, check);
  store(out.data() + check_at, xxh3_seeded(ByteView(out).substr(0, check_at), seed));
  return out;
}

Result<FooterTrailer> decode_footer_trailer(ByteView bytes, uint64_t seed) {
  if (bytes.size() != kFooterTrailerBytes) {
    return Error(ErrorCode::kCorruption, "footer trailer has another length");
  }
  const auto disk = load<DiskTrailer>(bytes.data());
  if (disk.check != xxh3_seeded(bytes.substr(0, offsetof(DiskTrailer, check)), seed)) {
    return Error(ErrorCode::kCorruption, "footer trailer does not match its check");
  }
  const FooterTrailer& trailer = disk.trailer;
  if (trailer.footer_offset < kSegmentHeaderBytes || trailer.footer_offset > kSegmentBytesMax ||
      trailer.footer_offset % kFrameAlignment != 0 ||
      trailer.footer_len < kFrameHeaderBytes + sizeof(DiskFooter) ||
      trailer.footer_len > kFooterFrameBytesMax || trailer.footer_len % kFrameAlignment != 0) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("footer trailer names {} bytes at {}", trailer.footer_len,
                             trailer.footer_offset));
  }
  return trailer;
}

std::string segment_file_name(SegmentNo number, uint32_t generation) {
  return fmt::format("{:08x}.{}", number, generation);
}

Result<SegmentFileName> parse_segment_file_name(std::string_view name) {
  const Error error(ErrorCode::kInvalidArgument,
                    fmt::format("'{}' is not the name of a segment file", name));
  constexpr size_t kDigits = 8;
  constexpr size_t kLongest = kDigits + 1 + 10;
  if (name.size() < kDigits + 2 || name.size() > kLongest || name[kDigits] != '.') return error;
  SegmentFileName out;
  for (const char c : name.substr(0, kDigits)) {
    const bool decimal = c >= '0' && c <= '9';
    if (!decimal && !(c >= 'a' && c <= 'f')) return error;
    out.number = out.number << 4 | static_cast<uint32_t>(decimal ? c - '0' : c - 'a' + 10);
  }
  uint64_t generation = 0;
  for (const char c : name.substr(kDigits + 1)) {
    if (c < '0' || c > '9') return error;
    generation = generation * 10 + static_cast<uint64_t>(c - '0');
  }
  if (generation > 0xFFFFFFFF) return error;
  out.generation = static_cast<uint32_t>(generation);
  if (segment_file_name(out.number, out.generation) != name) return error;
  return out;
}

}  // namespace ramet
