#include "engine/block/segment_scan.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/block/file_window.h"
#include "format/codec.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kWindowBytes = 4u << 20;

// The name of a block from its stored payload; zero for kinds that have none.
Result<ContentHash> name_of(const FrameHeader& header, ByteView payload) {
  if (header.kind != FrameKind::kBlock) return ContentHash{};
  if (header.codec == Codec::kNone) return blake3(payload);
  RAMET_ASSIGN(const Bytes raw, decode_payload(header.codec, payload, header.raw_len));
  return blake3(raw);
}

void put_slot(std::vector<SlotEntry>& slots, Slot slot, const SlotEntry& entry) {
  if (slot >= kSegmentSlotsMax) return;  // never written by this program
  if (slot >= slots.size()) slots.resize(slot + 1, SlotEntry::gone());
  slots[slot] = entry;
}

}  // namespace

Result<uint64_t> next_frame(FileWindow& window, uint64_t from, uint64_t seed) {
  for (uint64_t at = from; at + kFrameHeaderBytes <= window.file_size();) {
    RAMET_ASSIGN(const ByteView bytes, window.at(at, kWindowBytes));
    const size_t found = search_frame(bytes, 0, seed);
    if (found != ByteView::npos) return at + found;
    if (at + bytes.size() >= window.file_size()) break;
    // Frames whose header goes on behind the window are looked at once more.
    at += (bytes.size() - kFrameHeaderBytesMax) / kFrameAlignment * kFrameAlignment;
  }
  return window.file_size();
}

Result<FrameHeader> read_frame(FileWindow& window, uint64_t offset, uint64_t seed,
                               ByteView* payload) {
  RAMET_ASSIGN(ByteView bytes, window.at(offset, kFrameHeaderBytesMax));
  RAMET_ASSIGN(const FrameHeader header, decode_frame_header(bytes, seed));
  if (header.kind == FrameKind::kSkip) return header;
  const uint64_t length = uint64_t{header.header_len} + header.stored_len;
  RAMET_ASSIGN(bytes, window.at(offset, length));
  if (bytes.size() < length) {
    return Error(ErrorCode::kCorruption, "the file ends inside the frame");
  }
  *payload = bytes.substr(header.header_len);
  RAMET_TRY(check_payload(header, *payload));
  return header;
}

Result<SegmentHeader> read_segment_header(io::File& file, ByteView secret, SegmentNo number) {
  RAMET_ASSIGN(const Bytes bytes, read_start(file, kSegmentHeaderBytes));
  auto header = decode_segment_header(bytes);
  if (!header.ok()) return std::move(header).error().with_context(file.path());
  if (ByteView(reinterpret_cast<const char*>(header->secret.data()), header->secret.size()) !=
      secret) {
    return Error(ErrorCode::kFailedPrecondition, file.path() + " belongs to another store");
  }
  if (header->segment != number) {
    return Error(ErrorCode::kCorruption, fmt::format("{} says that it is segment {}", file.path(),
                                                     header->segment));
  }
  return header;
}

Result<std::optional<Footer>> read_footer(io::File& file, uint64_t seed) {
  RAMET_ASSIGN(const uint64_t size, file.size());
  if (size < kSegmentHeaderBytes + kFooterTrailerBytes) return std::optional<Footer>();
  Bytes bytes(kFooterTrailerBytes, '\0');
  RAMET_TRY(read_inside(file, size - bytes.size(), bytes));
  const auto trailer = decode_footer_trailer(bytes, seed);
  if (!trailer.ok()) return std::optional<Footer>();
  if (trailer->footer_offset + trailer->footer_len + kFooterTrailerBytes != size) {
    return Error(ErrorCode::kCorruption, file.path() + ": the trailer does not fit the file");
  }
  bytes.resize(trailer->footer_len);
  RAMET_TRY(read_inside(file, trailer->footer_offset, bytes));
  RAMET_ASSIGN(const FrameHeader header, decode_frame_header(bytes, seed));
  if (header.kind != FrameKind::kFooter ||
      uint64_t{header.header_len} + header.stored_len > bytes.size()) {
    return Error(ErrorCode::kCorruption, file.path() + ": no footer where the trailer says");
  }
  const ByteView payload = ByteView(bytes).substr(header.header_len, header.stored_len);
  RAMET_TRY(check_payload(header, payload));
  RAMET_ASSIGN(Footer footer, decode_footer(payload));
  if (footer.end_offset != trailer->footer_offset) {
    return Error(ErrorCode::kCorruption, file.path() + ": the footer is of another place");
  }
  return std::optional<Footer>(std::move(footer));
}

Result<ScanResult> scan_frames(io::File& file, const SegmentIdentity& identity,
                               std::vector<SlotEntry> known, uint64_t from, bool past_damage) {
  RAMET_ASSIGN(const uint64_t file_bytes, file.size());
  // No slot leads behind the greatest segment; this program writes nothing there.
  const uint64_t size = std::min(file_bytes, kSegmentBytesMax);
  FileWindow window(file, size, kWindowBytes);
  ScanResult result;
  result.slots = std::move(known);
  result.end = from;
  uint64_t offset = from;
  while (offset + kFrameHeaderBytes <= size) {
    ByteView payload;
    auto header = read_frame(window, offset, identity.seed, &payload);
    if (!header.ok()) {
      if (header.error().code() == ErrorCode::kIoError) return std::move(header).error();
      const uint64_t bad = offset;
      if (identity.stream == Stream::kCommit && offset % kGroupBytes != 0) {
        // Between the last frame of a group and the boundary there may be a few bytes of zeros.
        offset = align_up(offset, kGroupBytes);
        if (offset - bad < kFrameHeaderBytes) continue;
        offset = bad;
      }
      if (!past_damage) break;
      RAMET_ASSIGN(offset, next_frame(window, bad + 8, identity.seed));
      if (offset < size) result.damaged.push_back({bad, offset, header.error().message()});
      continue;
    }
    if (header->kind == FrameKind::kFooter) break;
    // A frame is written with what fills it up: without it the write was cut short, and nobody was
    // told that it is there. (The payload of a skip frame need not be there.)
    if (header->kind != FrameKind::kSkip && offset + frame_span(*header) > size) break;
    if (header->kind == FrameKind::kBlock || header->kind == FrameKind::kNode) {
      auto name = name_of(*header, payload);
      if (name.ok() && identity.stream != Stream::kMap) {
        put_slot(result.slots, header->slot,
                 SlotEntry::make(offset, header->stored_len, header->codec, header->kind, *name));
      } else if (!name.ok()) {
        result.damaged.push_back(
            {offset, offset + frame_span(*header), name.error().message()});
      }
    }
    offset += frame_span(*header);
    result.end = std::min(offset, size);
  }
  return result;
}

}  // namespace ramet::engine
