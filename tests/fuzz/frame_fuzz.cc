// Frames: headers, payload checks, the search behind damage, and read_frame() over a file.
//
// Proves, for bytes as they are and sealed: what is accepted keeps the format's bounds and would be
// written the same way; search_frame() finds exactly the places that decode_frame_header() accepts;
// read_frame() says the same of a file as the pure functions say of its bytes.
#include "engine/block/segment_scan.h"
#include "tests/fuzz/bytes_file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seal.h"

namespace ramet::fuzz {
namespace {

constexpr uint64_t kSeed = 0x1234;

void check_header(const FrameHeader& header) {
  RAMET_CHECK(header.header_len >= kFrameHeaderBytes && header.header_len % 8 == 0, "a length");
  if (header.kind == FrameKind::kSkip) {
    RAMET_CHECK(header.stored_len <= kSkipBytesMax, "a skip frame that is too long");
    return;
  }
  RAMET_CHECK(header.stored_len <= kStoredBytesMax, "a payload that is too long");
  if (header.kind == FrameKind::kBlock || header.codec != Codec::kNone) {
    RAMET_CHECK(header.raw_len <= kBlockBytesMax, "a raw length that would allocate too much");
  }
  if (header.codec == Codec::kNone) {
    RAMET_CHECK(header.raw_len == header.stored_len, "two lengths of one thing");
  }
  RAMET_CHECK(header.kind != FrameKind::kSynced || header.stored_len == 0, "a mark with payload");
}

void look_at(const Bytes& bytes) {
  for (size_t at = 0; at <= bytes.size(); at += 8) {
    const ByteView here = ByteView(bytes).substr(at);
    const auto header = decode_frame_header(here, kSeed);
    RAMET_CHECK((search_frame(bytes, at, kSeed) == at) == header.ok(),
                "search and decoder disagree about a frame");
    if (!header.ok()) continue;
    check_header(*header);
    if (header->header_len == kFrameHeaderBytes) {
      Bytes again;
      encode_frame_header(again, *header, kSeed);
      RAMET_CHECK(again == here.substr(0, kFrameHeaderBytes), "a header that is not written so");
    }
  }
  BytesFile file(bytes);
  engine::FileWindow window(file, bytes.size(), 64);
  for (size_t at = 0; at < bytes.size(); at += 8) {
    const ByteView here = ByteView(bytes).substr(at);
    ByteView payload;
    const auto read = engine::read_frame(window, at, kSeed, &payload);
    const auto header = decode_frame_header(here, kSeed);
    const bool whole =
        header.ok() && check_payload(*header, here.substr(header->header_len)).ok();
    RAMET_CHECK(read.ok() == whole, "reader of files and decoder disagree about a frame");
    if (!read.ok() || read->kind == FrameKind::kSkip) continue;
    RAMET_CHECK(payload.substr(0, read->stored_len) ==
                    here.substr(read->header_len, read->stored_len),
                "another payload than the frame's");
  }
}

}  // namespace

RAMET_FUZZ_TARGET(frame) {
  Bytes bytes(input.substr(0, 4096));
  look_at(bytes);
  seal_frames(bytes, 0, kSeed);
  look_at(bytes);
}

}  // namespace ramet::fuzz
