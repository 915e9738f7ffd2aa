#include "format/frame.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "format/hash.h"
#include "tests/format/generators.h"
#include "tests/support/golden.h"

namespace ramet {
namespace {

using namespace ramet::testing;

constexpr uint64_t kSeed = 0x0123456789abcdef;
const Secret kSecret = counting_bytes<32>(1);

// A header as somebody else may have written it: with a valid check, whatever it says.
Bytes forged(const FrameHeader& header, uint64_t seed = kSeed) {
  Bytes out;
  append(out, header);
  store(out.data(), xxh3_seeded(ByteView(out).substr(8), seed));
  return out;
}

Bytes block_frame(ByteView payload, uint64_t seed = kSeed, Slot slot = 5) {
  Bytes out;
  append_frame(out, seed, FrameKind::kBlock, Codec::kNone, 0, slot, 77, payload,
               static_cast<uint32_t>(payload.size()));
  return out;
}

void expect_error(const Result<FrameHeader>& result, ErrorCode code) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), code) << result.error().to_string();
}

RC_GTEST_PROP(FrameProperty, AppendedFrameReadsBack, ()) {
  const auto payload = *tricky_bytes();
  const auto kind = *rc::gen::element(FrameKind::kBlock, FrameKind::kNode, FrameKind::kCommit,
                                      FrameKind::kCheckpoint, FrameKind::kFooter);
  const auto codec = *rc::gen::element(Codec::kNone, Codec::kZstd);
  const auto raw_len = codec == Codec::kNone ? static_cast<uint32_t>(payload.size())
                                             : *rc::gen::inRange<uint32_t>(0, kBlockBytesMax + 1);
  const auto flags = *any<uint8_t>();
  const auto slot = *wide<uint32_t>();
  const auto sequence = *wide<uint64_t>();
  const auto seed = *wide<uint64_t>();
  Bytes out;
  append_frame(out, seed, kind, codec, flags, slot, sequence, payload, raw_len);

  const auto header = decode_frame_header(out, seed);
  RC_ASSERT(header.ok());
  RC_ASSERT(header->kind == kind && header->codec == codec && header->flags == flags);
  RC_ASSERT(header->slot == slot && header->sequence == sequence);
  RC_ASSERT(header->stored_len == payload.size() && header->raw_len == raw_len);
  RC_ASSERT(header->payload_checksum == xxh3(payload));
  RC_ASSERT(frame_span(*header) == out.size() && out.size() % 8 == 0);
  const ByteView stored = ByteView(out).substr(kFrameHeaderBytes);
  RC_ASSERT(check_payload(*header, stored).ok());
  RC_ASSERT(stored.substr(0, payload.size()) == payload);
  for (const char padding : stored.substr(payload.size())) RC_ASSERT(padding == 0);
}

TEST(FrameSeed, DependsOnStoreSegmentAndEpoch) {
  Secret other = kSecret;
  other[31] ^= 1;
  const uint64_t seed = frame_seed(kSecret, 7, 3);
  EXPECT_EQ(seed, frame_seed(kSecret, 7, 3));
  EXPECT_NE(seed, frame_seed(other, 7, 3));
  EXPECT_NE(seed, frame_seed(kSecret, 8, 3));
  EXPECT_NE(seed, frame_seed(kSecret, 7, 4));
}

TEST(Frame, FrameOfAnotherStoreSegmentOrLifeNeverPasses) {
  const Bytes bytes = block_frame("payload", frame_seed(kSecret, 7, 3));
  EXPECT_TRUE(decode_frame_header(bytes, frame_seed(kSecret, 7, 3)).ok());
  expect_error(decode_frame_header(bytes, frame_seed(kSecret, 8, 3)), ErrorCode::kCorruption);
  expect_error(decode_frame_header(bytes, frame_seed(kSecret, 7, 4)), ErrorCode::kCorruption);
  expect_error(decode_frame_header(bytes, frame_seed(Secret{}, 7, 3)), ErrorCode::kCorruption);
}

TEST(Frame, EveryFlippedBitOfAHeaderIsCorruption_FRAME1) {
  const Bytes bytes = block_frame("");
  ASSERT_EQ(bytes.size(), kFrameHeaderBytes);
  for_each_flipped_bit(bytes, [](const Bytes& flipped, size_t) {
    expect_error(decode_frame_header(flipped, kSeed), ErrorCode::kCorruption);
  });
}

TEST(Frame, EveryFlippedBitOfAPayloadIsCorruption) {
  const Bytes payload = "some payload of a block";
  const auto header = decode_frame_header(block_frame(payload), kSeed);
  ASSERT_TRUE(header.ok());
  for_each_flipped_bit(payload, [&](const Bytes& flipped, size_t) {
    const Status status = check_payload(*header, flipped);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kCorruption);
  });
}

TEST(Frame, EveryTruncationIsCorruption) {
  const Bytes bytes = block_frame("some payload");
  for (size_t length = 0; length < kFrameHeaderBytes; ++length) {
    expect_error(decode_frame_header(ByteView(bytes).substr(0, length), kSeed),
                 ErrorCode::kCorruption);
  }
  const auto header = decode_frame_header(bytes, kSeed);
  ASSERT_TRUE(header.ok());
  for (size_t length = 0; length < header->stored_len; ++length) {
    EXPECT_FALSE(check_payload(*header, ByteView(bytes).substr(kFrameHeaderBytes, length)).ok());
  }
}

RC_GTEST_PROP(FrameProperty, RandomBytesAreNeverAFrame, ()) {
  const auto bytes = *tricky_bytes();
  RC_ASSERT(!decode_frame_header(bytes, kSeed).ok());
  RC_ASSERT(search_frame(bytes, 0, kSeed) == ByteView::npos);
}

TEST(Frame, LaterKindsAndCodecsAreUnsupported) {
  for (int value = 0; value < 256; ++value) {
    FrameHeader header;
    header.kind = static_cast<FrameKind>(value);
    const auto kind = decode_frame_header(forged(header), kSeed);
    if (value >= 1 && value <= 7) {
      EXPECT_TRUE(kind.ok()) << value;
    } else {
      expect_error(kind, ErrorCode::kUnsupported);
    }
    header.kind = FrameKind::kBlock;
    header.codec = static_cast<Codec>(value);
    const auto codec = decode_frame_header(forged(header), kSeed);
    if (value <= 1) {
      EXPECT_TRUE(codec.ok()) << value;
    } else {
      expect_error(codec, ErrorCode::kUnsupported);
    }
  }
}

TEST(Frame, ImpossibleLengthsAreCorruptionDespiteAValidCheck) {
  FrameHeader header;
  header.kind = FrameKind::kBlock;
  header.codec = Codec::kZstd;
  header.stored_len = kStoredBytesMax + 1;
  expect_error(decode_frame_header(forged(header), kSeed), ErrorCode::kCorruption);
  header.stored_len = 10;
  header.raw_len = kBlockBytesMax + 1;
  expect_error(decode_frame_header(forged(header), kSeed), ErrorCode::kCorruption);
  header.raw_len = kBlockBytesMax;
  EXPECT_TRUE(decode_frame_header(forged(header), kSeed).ok());
  header.codec = Codec::kNone;  // lengths differ
  expect_error(decode_frame_header(forged(header), kSeed), ErrorCode::kCorruption);
  header.raw_len = header.stored_len = kBlockBytesMax + 1;
  expect_error(decode_frame_header(forged(header), kSeed), ErrorCode::kCorruption);
  header.kind = FrameKind::kCommit;  // no codec decodes it: up to what a frame stores
  EXPECT_TRUE(decode_frame_header(forged(header), kSeed).ok());
  header.kind = FrameKind::kSynced;
  expect_error(decode_frame_header(forged(header), kSeed), ErrorCode::kCorruption);
  header.kind = FrameKind::kSkip;
  header.stored_len = static_cast<uint32_t>(kSkipBytesMax + 8);
  expect_error(decode_frame_header(forged(header), kSeed), ErrorCode::kCorruption);
}

TEST(Frame, ImpossibleHeaderLengthsAreCorruption) {
  for (int length = 0; length < 256; ++length) {
    FrameHeader header;
    header.header_len = static_cast<uint8_t>(length);
    EXPECT_EQ(decode_frame_header(forged(header), kSeed).ok(), length == kFrameHeaderBytes);
  }
}

TEST(Frame, LongerHeaderOfALaterVersionIsReadAsFarAsItIsKnown) {
  FrameHeader header;
  header.kind = FrameKind::kNode;
  header.header_len = 48;
  header.stored_len = header.raw_len = 9;
  Bytes bytes;
  append(bytes, header);
  bytes += "extended";
  store(bytes.data(), xxh3_seeded(ByteView(bytes).substr(8), kSeed));
  expect_error(decode_frame_header(ByteView(bytes).substr(0, 40), kSeed), ErrorCode::kCorruption);
  const auto decoded = decode_frame_header(bytes, kSeed);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(frame_span(*decoded), 64u);
  bytes[45] ^= 1;  // the check covers the extension
  expect_error(decode_frame_header(bytes, kSeed), ErrorCode::kCorruption);
}

RC_GTEST_PROP(FrameProperty, SkipFillsExactlyWhatWasAsked, ()) {
  const uint64_t total = 8 * *rc::gen::inRange<uint64_t>(0, 2000);
  Bytes out;
  append_skip(out, kSeed, total, 9);
  RC_ASSERT(out.size() == total);
  if (total < kFrameHeaderBytes) {
    RC_ASSERT(out == Bytes(total, '\0'));
    return;
  }
  const auto header = decode_frame_header(out, kSeed);
  RC_ASSERT(header.ok());
  RC_ASSERT(header->kind == FrameKind::kSkip && header->sequence == 9u);
  RC_ASSERT(frame_span(*header) == total);
  RC_ASSERT(out.substr(0, kFrameHeaderBytes) == skip_header(kSeed, total, 9));
  out.back() = 'x';  // stale bytes: nobody looks at them
  RC_ASSERT(check_payload(*header, ByteView(out).substr(kFrameHeaderBytes)).ok());
}

TEST(Frame, SkipHeaderSpansHolesFarLongerThanAFrame) {
  const auto header = decode_frame_header(skip_header(kSeed, kSkipBytesMax), kSeed);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(frame_span(*header), kSkipBytesMax);
}

RC_GTEST_PROP(FrameProperty, SearchFindsTheFirstFrameBehindDamage_FRAME2, ()) {
  const auto garbage = *tricky_bytes();
  Bytes bytes(align_up(garbage.size(), 8), '\0');
  std::copy(garbage.begin(), garbage.end(), bytes.begin());
  const size_t first = bytes.size();
  bytes += block_frame(*tricky_bytes());
  const size_t second = bytes.size();
  bytes += block_frame(*tricky_bytes());
  for (size_t from = 0; from <= first; ++from) {
    RC_ASSERT(search_frame(bytes, from, kSeed) == first);
  }
  RC_ASSERT(search_frame(bytes, first + 1, kSeed) == second);
  RC_ASSERT(search_frame(bytes, second + 1, kSeed) == ByteView::npos);
  RC_ASSERT(search_frame(bytes, bytes.size() + 100, kSeed) == ByteView::npos);
}

TEST(Frame, SearchPassesOverHeadersThatDecodeRefuses) {
  FrameHeader bad;
  bad.kind = FrameKind::kBlock;
  bad.stored_len = kStoredBytesMax + 1;
  Bytes bytes = forged(bad);
  FrameHeader later;
  later.kind = static_cast<FrameKind>(99);
  bytes += forged(later);
  const size_t good = bytes.size();
  bytes += block_frame("x");
  EXPECT_EQ(search_frame(bytes, 0, kSeed), good);
}

TEST(FrameGolden, V1BytesNeverChange) {
  const uint64_t seed = frame_seed(kSecret, 0x11223344, 0x0102030405060708);
  Bytes frames;
  append_frame(frames, seed, FrameKind::kBlock, Codec::kNone, 0, 42, 7, "a block of Ramet", 16);
  append_frame(frames, seed, FrameKind::kNode, Codec::kZstd, 0, 43, 8, "not really zstd", 1000);
  append_frame(frames, seed, FrameKind::kCommit, Codec::kNone,
               kFrameLastOfCommit | kFrameLastOfGroup, kNoSlot, 9, "commit", 6);
  append_frame(frames, seed, FrameKind::kSynced, Codec::kNone, 0, kNoSlot, 9, "", 0);
  append_skip(frames, seed, 64, 9);
  expect_golden("v1/frames.hex", frames);

  const Bytes golden = golden_bytes("v1/frames.hex");
  size_t at = 0;
  for (const FrameKind kind : {FrameKind::kBlock, FrameKind::kNode, FrameKind::kCommit,
                               FrameKind::kSynced, FrameKind::kSkip}) {
    const auto header = decode_frame_header(ByteView(golden).substr(at), seed);
    ASSERT_TRUE(header.ok()) << at;
    EXPECT_EQ(header->kind, kind);
    EXPECT_TRUE(check_payload(*header, ByteView(golden).substr(at + kFrameHeaderBytes)).ok());
    at += frame_span(*header);
  }
  EXPECT_EQ(at, golden.size());
}

}  // namespace
}  // namespace ramet
