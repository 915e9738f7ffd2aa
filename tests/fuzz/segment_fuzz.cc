// Bytes as a segment file: its header, its frames, its slot table and footer.
//
// Proves: a scan ends, finds slots inside the file only, and finds the same ones again; a footer
// that is accepted names no byte outside of its segment, fits its trailer, and settles when it is
// written again; all of it with memory bounded by the input.
#include <cstdlib>

#include "engine/block/segment_scan.h"
#include "tests/fuzz/bytes_file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seal.h"

namespace ramet::fuzz {
namespace {

using engine::ScanResult;
using engine::SegmentIdentity;

void check_slots(const std::vector<SlotEntry>& slots, uint64_t end) {
  for (const SlotEntry& slot : slots) {
    if (slot.is_gone()) continue;
    const bool kind = slot.kind() == FrameKind::kBlock || slot.kind() == FrameKind::kNode;
    RAMET_CHECK(kind, "a slot that is neither block nor node");
    RAMET_CHECK(slot.offset() >= kSegmentHeaderBytes && slot.offset() % kFrameAlignment == 0,
                "a slot before the frames");
    RAMET_CHECK(slot.offset() + kFrameHeaderBytes + slot.stored_len() <= end,
                "a slot behind the frames");
    RAMET_CHECK(slot.stored_len() <= kStoredBytesMax, "a slot longer than any frame");
  }
}

void look_at_footer(ByteView payload) {
  const auto footer = decode_footer(payload);
  if (!footer.ok()) return;
  RAMET_CHECK(footer->slots.size() <= payload.size() / sizeof(uint32_t), "slots from nowhere");
  check_slots(footer->slots, footer->end_offset);
  const Bytes once = check_settles(*footer, decode_footer, encode_footer_payload);
  const auto again = decode_footer(once);
  RAMET_CHECK(*again == *footer, "a footer that changes when written");
}

void look_at_trailer(ByteView bytes, uint64_t seed) {
  const auto trailer = decode_footer_trailer(bytes, seed);
  if (!trailer.ok()) return;
  RAMET_CHECK(trailer->footer_offset <= kSegmentBytesMax, "a footer behind any segment");
  RAMET_CHECK(trailer->footer_len <= frame_span(0xF8, kStoredBytesMax), "a footer too long");
}

void look_at_header(ByteView bytes) {
  const auto header = decode_segment_header(bytes);
  if (!header.ok()) return;
  const auto again = decode_segment_header(encode_segment_header(*header));
  RAMET_CHECK(again.ok() && *again == *header, "a segment header that changes when written");
}

void scan(io::File& file, const SegmentIdentity& identity, uint64_t size) {
  const auto front = engine::scan_frames(file, identity, {}, kSegmentHeaderBytes, false);
  const auto all = engine::scan_frames(file, identity, {}, kSegmentHeaderBytes, true);
  RAMET_CHECK(front.ok() && all.ok(), "a scan of a file that can be read");
  const uint64_t known = std::min(size, kSegmentBytesMax);
  for (const auto* result : {&*front, &*all}) {
    RAMET_CHECK(result->end >= kSegmentHeaderBytes && result->end <= std::max<uint64_t>(
                    size, kSegmentHeaderBytes), "an end behind the file");
    check_slots(result->slots, known);
    for (const engine::DamagedRange& range : result->damaged) {
      RAMET_CHECK(range.from < range.to && range.from >= kSegmentHeaderBytes, "no range");
    }
  }
  RAMET_CHECK(front->end <= all->end, "looking behind damage finds less");
  const auto footer = engine::read_footer(file, identity.seed);
  if (!footer.ok() || !footer->has_value()) return;
  RAMET_CHECK((*footer)->end_offset + kFrameHeaderBytes <= size, "a footer of another file");
  check_slots((*footer)->slots, size);
}

}  // namespace

// The first byte steers: bits 0-1 the stream, bit 2 a footer's trailer behind the bytes; where bits
// 6 and 7 are set, bits 3-5 say how many frames of 2 GiB stand in front (12 to 19: a segment ends
// at 16). That takes time, so most inputs should not.
RAMET_FUZZ_TARGET(segment) {
  Fields fields(input);
  const auto how = fields.take<uint8_t>();
  const ByteView body = fields.rest().substr(0, 64u << 10);
  SegmentIdentity identity;
  identity.number = 5;
  identity.stream = static_cast<Stream>(1 + (how & 3));
  identity.seed = frame_seed(fuzz_secret(), identity.number, kFuzzEpoch);

  look_at_header(body);
  Bytes header(body.substr(0, kSegmentHeaderBytes));
  header.resize(kSegmentHeaderBytes, '\0');
  seal_tail(header);
  look_at_header(header);
  store(header.data(), make_file_header(FileKind::kSegment, kSegmentHeaderBytes, {}));
  seal_tail(header);
  look_at_header(header);

  look_at_footer(body);
  look_at_trailer(body, identity.seed);
  Bytes trailer(body.substr(0, kFooterTrailerBytes));
  trailer.resize(kFooterTrailerBytes, '\0');
  seal_tail(trailer, identity.seed);
  look_at_trailer(trailer, identity.seed);

  Bytes file(kSegmentHeaderBytes, '\0');
  file += body;
  BytesFile raw(file);
  scan(raw, identity, file.size());

  file.resize(align_up(file.size(), 8), '\0');
  size_t last = kSegmentHeaderBytes;  // where the last frame begins
  for (size_t at = last; at + kFrameHeaderBytes <= file.size();) {
    last = at;
    at = seal_frame(file, at, identity.seed);
  }
  const uint64_t leaps = (how & 0xC0) == 0xC0 ? 12 + (how >> 3 & 7) : 0;
  if ((how & 4) != 0) {
    const uint64_t leap_bytes = leaps * kSkipBytesMax;
    file += encode_footer_trailer({last + leap_bytes, file.size() - last}, identity.seed);
  }
  BytesFile sealed(file, kSegmentHeaderBytes, leaps, identity.seed);
  scan(sealed, identity, file.size() + leaps * kSkipBytesMax);

  const auto name = parse_segment_file_name(body.substr(0, 64));
  if (name.ok()) {
    RAMET_CHECK(segment_file_name(name->number, name->generation) == body.substr(0, 64),
                "a file name that is not written so");
  }
}

}  // namespace ramet::fuzz
