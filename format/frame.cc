#include "format/frame.h"

#include <fmt/format.h>

#include "format/hash.h"
#include "format/planted.h"

namespace ramet {
namespace {

constexpr size_t kCheckBytes = sizeof(FrameHeader::header_check);
constexpr size_t kHeaderLenAt = offsetof(FrameHeader, header_len);

// [FRAME-1] True when a header of plausible length stands at the front and its check matches.
// Only header_len is read before the check; it says no more than how far the check reaches.
bool check_matches(ByteView bytes, uint64_t seed) {
  if (bytes.size() < kFrameHeaderBytes) return false;
  const auto header_len = static_cast<uint8_t>(bytes[kHeaderLenAt]);
  if (header_len < kFrameHeaderBytes || header_len % kFrameAlignment != 0) return false;
  if (bytes.size() < header_len) return false;
  const ByteView covered = bytes.substr(kCheckBytes, header_len - kCheckBytes);
  return load<uint64_t>(bytes.data()) == xxh3_seeded(covered, seed);
}

bool is_known(FrameKind kind) { return kind >= FrameKind::kBlock && kind <= FrameKind::kSynced; }
bool is_known(Codec codec) { return codec <= Codec::kZstd; }

// What is wrong with the lengths of a header whose check matched; null if nothing is. The lengths
// of unknown kinds and codecs are not ours to judge.
const char* wrong_lengths(const FrameHeader& header) {
  if (header.kind == FrameKind::kSkip) {
    return header.stored_len <= kSkipBytesMax ? nullptr : "skip frame is too long";
  }
  if (header.stored_len > kStoredBytesMax) return "stored length is out of range";
  if (header.kind == FrameKind::kSynced && header.stored_len != 0) {
    return "a synced frame with a payload";
  }
  const bool bounded = (header.kind == FrameKind::kBlock || header.codec != Codec::kNone) &&
                       !planted(DecoderBug::kRawLenUnbound);
  if (bounded && header.raw_len > kBlockBytesMax) return "raw length is out of range";
  if (header.codec == Codec::kNone && header.raw_len != header.stored_len) {
    return "raw and stored length differ without a codec";
  }
  return nullptr;
}

bool is_acceptable(const FrameHeader& header) {
  return is_known(header.kind) && is_known(header.codec) && wrong_lengths(header) == nullptr;
}

FrameHeader make_skip_header(uint64_t total_bytes, Sequence sequence) {
  FrameHeader header;
  header.kind = FrameKind::kSkip;
  header.stored_len = static_cast<uint32_t>(total_bytes - kFrameHeaderBytes);
  header.raw_len = header.stored_len;
  header.sequence = sequence;
  return header;
}

}  // namespace

std::string_view frame_kind_name(FrameKind kind) {
  switch (kind) {
    case FrameKind::kBlock: return "block";
    case FrameKind::kNode: return "node";
    case FrameKind::kCommit: return "commit";
    case FrameKind::kCheckpoint: return "checkpoint";
    case FrameKind::kFooter: return "footer";
    case FrameKind::kSkip: return "skip";
    case FrameKind::kSynced: return "synced";
  }
  return "unknown kind";
}

std::string_view codec_name(Codec codec) {
  switch (codec) {
    case Codec::kNone: return "none";
    case Codec::kZstd: return "zstd";
  }
  return "unknown codec";
}

uint64_t frame_seed(const Secret& secret, SegmentNo segment, Epoch epoch) {
  Bytes bytes(reinterpret_cast<const char*>(secret.data()), secret.size());
  append(bytes, segment);
  append(bytes, uint32_t{0});
  append(bytes, epoch);
  return xxh3(bytes);
}

void encode_frame_header(Bytes& out, const FrameHeader& header, uint64_t seed) {
  RAMET_CHECK(header.header_len == kFrameHeaderBytes, "version 1 writes headers of 40 bytes");
  RAMET_CHECK(is_acceptable(header), "a frame header that no reader would accept");
  FrameHeader copy = header;
  const ByteView bytes(reinterpret_cast<const char*>(&copy), sizeof copy);
  copy.header_check = xxh3_seeded(bytes.substr(kCheckBytes), seed);
  out.append(bytes);
}

uint64_t append_frame(Bytes& out, uint64_t seed, FrameKind kind, Codec codec, uint8_t flags,
                      Slot slot, Sequence sequence, ByteView stored, uint32_t raw_len) {
  RAMET_CHECK(stored.size() <= kStoredBytesMax, "a payload too long for a frame");
  FrameHeader header;
  header.payload_checksum = xxh3(stored);
  header.kind = kind;
  header.codec = codec;
  header.flags = flags;
  header.slot = slot;
  header.stored_len = static_cast<uint32_t>(stored.size());
  header.raw_len = raw_len;
  header.sequence = sequence;
  encode_frame_header(out, header, seed);
  out.append(stored);
  out.append(frame_span(header) - kFrameHeaderBytes - stored.size(), '\0');
  return header.payload_checksum;
}

void append_skip(Bytes& out, uint64_t seed, uint64_t total_bytes, Sequence sequence) {
  RAMET_CHECK(total_bytes % kFrameAlignment == 0 && total_bytes <= kSkipBytesMax,
              "[FRAME-2] a skip of no whole frame");
  if (total_bytes < kFrameHeaderBytes) {
    out.append(total_bytes, '\0');
    return;
  }
  encode_frame_header(out, make_skip_header(total_bytes, sequence), seed);
  out.append(total_bytes - kFrameHeaderBytes, '\0');
}

Bytes skip_header(uint64_t seed, uint64_t total_bytes, Sequence sequence) {
  RAMET_CHECK(total_bytes % kFrameAlignment == 0 && total_bytes >= kFrameHeaderBytes &&
                  total_bytes <= kSkipBytesMax,
              "[FRAME-2] a skip of no whole frame");
  Bytes out;
  encode_frame_header(out, make_skip_header(total_bytes, sequence), seed);
  return out;
}

Result<FrameHeader> decode_frame_header(ByteView bytes, uint64_t seed) {
  if (bytes.size() < kFrameHeaderBytes) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("frame header is cut off after {} bytes", bytes.size()));
  }
  if (!check_matches(bytes, seed)) {
    return Error(ErrorCode::kCorruption, "frame header does not match its check");
  }
  const auto header = load<FrameHeader>(bytes.data());
  if (!is_known(header.kind)) {
    return Error(ErrorCode::kUnsupported, fmt::format("frame of unknown kind {}",
                                                      static_cast<int>(header.kind)));
  }
  if (!is_known(header.codec)) {
    return Error(ErrorCode::kUnsupported, fmt::format("frame with unknown codec {}",
                                                      static_cast<int>(header.codec)));
  }
  if (const char* wrong = wrong_lengths(header)) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("{} frame: {} (stored {}, raw {})", frame_kind_name(header.kind),
                             wrong, header.stored_len, header.raw_len));
  }
  return header;
}

Status check_payload(const FrameHeader& header, ByteView payload) {
  if (header.kind == FrameKind::kSkip) return ok();
  if (payload.size() < header.stored_len) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("{} frame: payload is cut off after {} of {} bytes",
                             frame_kind_name(header.kind), payload.size(), header.stored_len));
  }
  if (xxh3(payload.substr(0, header.stored_len)) != header.payload_checksum) {
    return Error(ErrorCode::kCorruption, fmt::format("{} frame: payload does not match its "
                                                     "checksum",
                                                     frame_kind_name(header.kind)));
  }
  return ok();
}

size_t search_frame(ByteView bytes, size_t from, uint64_t seed) {
  if (from > bytes.size()) return ByteView::npos;
  for (size_t at = align_up(from, kFrameAlignment); at + kFrameHeaderBytes <= bytes.size();
       at += kFrameAlignment) {
    const ByteView here = bytes.substr(at);
    // The cheap test first: nearly all places fail it, and zeros always do.
    const auto kind = static_cast<FrameKind>(here[offsetof(FrameHeader, kind)]);
    if (!is_known(kind) || !check_matches(here, seed)) continue;
    if (is_acceptable(load<FrameHeader>(here.data()))) return at;
  }
  return ByteView::npos;
}

}  // namespace ramet
