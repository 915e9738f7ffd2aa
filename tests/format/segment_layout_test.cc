#include "format/segment_layout.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/format/generators.h"
#include "tests/support/golden.h"

namespace ramet {
namespace {

using namespace ramet::testing;

constexpr uint64_t kSeed = 0x5eed;

SegmentHeader example_header() {
  SegmentHeader h;
  h.store_id = make_id<StoreId>(0x010203040506, counting_bytes<16>(0x30));
  h.secret = counting_bytes<32>(0x80);
  h.epoch = 0x1111;
  h.segment = 0x2222;
  h.generation = 3;
  h.stream = Stream::kNode;
  h.previous = 0x2221;
  h.created_at = 1795237200000000000;
  return h;
}

// Blocks, nodes, slots that are gone, with and without gaps between.
Footer example_footer() {
  Footer f;
  f.next_segment = 12;
  f.checkpoint = {3, 4, 0x0505050505050505};
  f.last_sequence = 99;
  const auto add = [&](uint64_t offset, uint32_t length, Codec codec, FrameKind kind) {
    const ContentHash hash =
        kind == FrameKind::kBlock
            ? ContentHash{counting_bytes<32>(static_cast<uint8_t>(f.slots.size() * 40))}
            : ContentHash{};
    f.slots.push_back(SlotEntry::make(offset, length, codec, kind, hash));
  };
  add(4096, 100, Codec::kNone, FrameKind::kBlock);
  add(4096 + 144, 8, Codec::kZstd, FrameKind::kNode);
  f.slots.push_back(SlotEntry::gone());
  add(4096 + 192, 0, Codec::kNone, FrameKind::kBlock);  // follows slot 1
  add(8192, 16, Codec::kZstd, FrameKind::kBlock);       // behind a gap
  f.end_offset = 12288;
  return f;
}

rc::Gen<Footer> any_footer() {
  return rc::gen::exec([] {
    Footer f;
    f.next_segment = *wide<uint32_t>();
    f.checkpoint = *any_ref();
    f.last_sequence = *wide<uint64_t>();
    uint64_t at = 4096 + 8 * *rc::gen::inRange<uint64_t>(0, 3);
    const auto count = *rc::gen::inRange<size_t>(0, 40);
    for (size_t i = 0; i < count; ++i) {
      if (*rc::gen::inRange(0, 4) == 0) {
        f.slots.push_back(SlotEntry::gone());
        continue;
      }
      if (*rc::gen::inRange(0, 4) == 0) at += 8 * *rc::gen::inRange<uint64_t>(0, 1000);
      const bool block = *any<bool>();
      f.slots.push_back(SlotEntry::make(
          at, *rc::gen::inRange<uint32_t>(0, 5000), *rc::gen::element(Codec::kNone, Codec::kZstd),
          block ? FrameKind::kBlock : FrameKind::kNode, block ? *any_hash() : ContentHash{}));
      at = f.slots.back().end();
    }
    f.end_offset = at;
    return f;
  });
}

// What every accepted footer must promise to its readers.
void expect_usable(const Footer& footer) {
  EXPECT_LE(footer.slots.size(), kSegmentSlotsMax);
  for (const SlotEntry& slot : footer.slots) {
    EXPECT_TRUE(check_slot_entry(slot, footer.end_offset).ok());
  }
}

TEST(SegmentHeader, EveryFlippedBitIsCorruption) {
  for_each_flipped_bit(encode_segment_header(example_header()), [](const Bytes& bytes, size_t) {
    const auto decoded = decode_segment_header(bytes);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
  });
}

TEST(SegmentHeader, EveryTruncationIsCorruptionAndMoreBytesAreNot) {
  const Bytes bytes = encode_segment_header(example_header());
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_segment_header(ByteView(bytes).substr(0, length)).ok());
  }
  EXPECT_TRUE(decode_segment_header(bytes + "frames").ok());
}

TEST(SegmentHeader, ValuesThatNobodyWritesAreRefused) {
  const auto forged = [](size_t at, auto value) {
    Bytes bytes = encode_segment_header(example_header());
    store(bytes.data() + at, value);
    store(bytes.data() + 4088, xxh3(ByteView(bytes).substr(0, 4088)));
    return decode_segment_header(bytes);
  };
  for (const uint32_t stream : {0u, 5u, 0xFFFFFFFFu}) {
    EXPECT_EQ(forged(104, stream).error().code(), ErrorCode::kCorruption);
  }
  EXPECT_EQ(forged(96, uint32_t{0}).error().code(), ErrorCode::kCorruption);
  EXPECT_EQ(forged(8, uint32_t{2}).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(forged(32, uint64_t{1}).error().code(), ErrorCode::kUnsupported);
  EXPECT_TRUE(forged(120, uint64_t{1}).ok());  // room for later fields
}

RC_GTEST_PROP(SegmentHeaderProperty, RoundTrips, ()) {
  SegmentHeader h;
  h.features.compatible = *wide<uint64_t>();
  h.features.read_only_compatible = *wide<uint64_t>();
  h.store_id = *any_id<StoreId>();
  h.secret = *byte_array<32>();
  h.epoch = *wide<uint64_t>();
  h.segment = std::max<uint32_t>(1, *wide<uint32_t>());
  h.generation = *wide<uint32_t>();
  h.stream = *rc::gen::element(Stream::kCommit, Stream::kNode, Stream::kData, Stream::kMap);
  h.previous = *wide<uint32_t>();
  h.created_at = *wide<int64_t>();
  const Bytes bytes = encode_segment_header(h);
  RC_ASSERT(bytes.size() == kSegmentHeaderBytes);
  const auto decoded = decode_segment_header(bytes);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == h);
}

RC_GTEST_PROP(SlotEntryProperty, FieldsComeBack, ()) {
  const uint64_t offset = *wide<uint64_t>() % kSegmentBytesMax / 8 * 8;
  const auto length = *rc::gen::inRange<uint32_t>(0, kStoredBytesMax + 1);
  const auto codec = *rc::gen::element(Codec::kNone, Codec::kZstd);
  const auto kind = *rc::gen::element(FrameKind::kBlock, FrameKind::kNode);
  const auto hash = *any_hash();
  const SlotEntry entry = SlotEntry::make(offset, length, codec, kind, hash);
  RC_ASSERT(!entry.is_gone());
  RC_ASSERT(entry.offset() == offset && entry.stored_len() == length);
  RC_ASSERT(entry.codec() == codec && entry.kind() == kind && entry.hash == hash);
  RC_ASSERT(entry.end() == offset + align_up(40 + length, 8));
}

TEST(SlotEntry, OutsideTheFramesIsRefused) {
  const SlotEntry entry = SlotEntry::make(4096, 100, Codec::kNone, FrameKind::kBlock, {});
  EXPECT_TRUE(check_slot_entry(entry, 4096 + 144).ok());
  EXPECT_FALSE(check_slot_entry(entry, 4096 + 143).ok());
  EXPECT_FALSE(check_slot_entry(SlotEntry::make(4088, 0, Codec::kNone, FrameKind::kBlock, {}),
                                1 << 20).ok());
  EXPECT_FALSE(check_slot_entry(SlotEntry::make(4096, 0, Codec::kNone, FrameKind::kCommit, {}),
                                1 << 20).ok());
  EXPECT_TRUE(check_slot_entry(SlotEntry::gone(), 0).ok());
}

RC_GTEST_PROP(FooterProperty, RoundTripsThroughFrameAndTrailer, ()) {
  const Footer footer = *any_footer();
  Bytes file(footer.end_offset, '.');
  append_footer(file, kSeed, footer);

  const auto trailer =
      decode_footer_trailer(ByteView(file).substr(file.size() - kFooterTrailerBytes), kSeed);
  RC_ASSERT(trailer.ok());
  RC_ASSERT(trailer->footer_offset == footer.end_offset);
  RC_ASSERT(trailer->footer_offset + trailer->footer_len + kFooterTrailerBytes == file.size());
  const ByteView frame = ByteView(file).substr(trailer->footer_offset, trailer->footer_len);
  const auto header = decode_frame_header(frame, kSeed);
  RC_ASSERT(header.ok() && header->kind == FrameKind::kFooter && header->slot == kNoSlot);
  RC_ASSERT(frame_span(*header) == trailer->footer_len);
  const ByteView payload = frame.substr(kFrameHeaderBytes, header->stored_len);
  RC_ASSERT(check_payload(*header, payload).ok());
  const auto decoded = decode_footer(payload);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == footer);
}

RC_GTEST_PROP(FooterProperty, EveryTruncationIsCorruption, ()) {
  for_each_wrong_length(encode_footer_payload(*any_footer()), [](const Bytes& bytes) {
    const auto decoded = decode_footer(bytes);
    RC_ASSERT(!decoded.ok());
    RC_ASSERT(decoded.error().code() == ErrorCode::kCorruption);
  });
}

TEST(Footer, EveryFlippedBitIsCorruptionOrAUsableFooter) {
  for_each_flipped_bit(encode_footer_payload(example_footer()), [](const Bytes& bytes, size_t) {
    const auto decoded = decode_footer(bytes);
    if (decoded.ok()) expect_usable(*decoded);
  });
}

RC_GTEST_PROP(FooterProperty, RandomChangesNeverCrash, ()) {
  Bytes bytes = encode_footer_payload(*any_footer());
  const auto changes = *rc::gen::container<std::vector<std::pair<size_t, char>>>(
      rc::gen::pair(any<size_t>(), rc::gen::oneOf(any<char>(), rc::gen::just('\xFF'))));
  for (const auto& [at, value] : changes) bytes[at % bytes.size()] = value;
  const auto decoded = decode_footer(bytes);
  if (decoded.ok()) expect_usable(*decoded);
}

TEST(Footer, CountsThatWouldAllocateWithoutBoundAreCorruption) {
  for (const uint32_t count : {1u, kSegmentSlotsMax, kSegmentSlotsMax + 1, 0xFFFFFFFFu}) {
    for (const uint32_t gaps : {0u, 1u, 0xFFFFFFFFu}) {
      Bytes bytes(48, '\0');
      store(bytes.data(), count);
      store(bytes.data() + 4, gaps);
      store(bytes.data() + 32, uint64_t{4096});
      EXPECT_FALSE(decode_footer(bytes).ok());
    }
  }
}

TEST(Footer, GapsOutOfOrderOrAtSlotsThatAreGoneAreCorruption) {
  const Bytes good = encode_footer_payload(example_footer());
  const size_t gap_at = 48 + 5 * 4;
  ASSERT_EQ(load<uint32_t>(good.data() + gap_at), 4u);
  for (const uint32_t slot : {2u, 5u, 0xFFFFFFFFu}) {
    Bytes bytes = good;
    store(bytes.data() + gap_at, slot);
    EXPECT_FALSE(decode_footer(bytes).ok()) << slot;
  }
}

TEST(Footer, WorstTableFitsOneFrame) {
  Footer footer;
  uint64_t at = 4104;
  for (uint32_t i = 0; i < kSegmentSlotsMax; ++i) {
    footer.slots.push_back(SlotEntry::make(at, 1, Codec::kNone, FrameKind::kBlock,
                                           ContentHash{{static_cast<uint8_t>(i)}}));
    at = footer.slots.back().end() + 8;
  }
  footer.end_offset = at;
  Bytes bytes;
  append_footer(bytes, kSeed, footer);
  const auto header = decode_frame_header(bytes, kSeed);
  ASSERT_TRUE(header.ok());
  const auto decoded =
      decode_footer(ByteView(bytes).substr(kFrameHeaderBytes, header->stored_len));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, footer);
}

TEST(FooterTrailer, EveryFlippedBitOtherSeedAndLengthIsCorruption) {
  const Bytes good = encode_footer_trailer({4096, 88}, kSeed);
  ASSERT_TRUE(decode_footer_trailer(good, kSeed).ok());
  EXPECT_FALSE(decode_footer_trailer(good, kSeed + 1).ok());
  for_each_flipped_bit(good, [](const Bytes& bytes, size_t) {
    EXPECT_FALSE(decode_footer_trailer(bytes, kSeed).ok());
  });
  for_each_wrong_length(good, [](const Bytes& bytes) {
    EXPECT_FALSE(decode_footer_trailer(bytes, kSeed).ok());
  });
}

TEST(FooterTrailer, RangesThatNoFooterHasAreCorruptionDespiteAValidCheck) {
  for (const FooterTrailer& trailer :
       {FooterTrailer{4095, 88}, FooterTrailer{0, 88}, FooterTrailer{4100, 88},
        FooterTrailer{kSegmentBytesMax + 8, 88}, FooterTrailer{4096, 80}, FooterTrailer{4096, 92},
        FooterTrailer{4096, uint64_t{1} << 32}, FooterTrailer{~uint64_t{7}, 88},
        FooterTrailer{4096, ~uint64_t{7}}}) {
    EXPECT_FALSE(decode_footer_trailer(encode_footer_trailer(trailer, kSeed), kSeed).ok());
  }
}

RC_GTEST_PROP(SegmentFileNameProperty, RoundTrips, ()) {
  const SegmentFileName name{*wide<uint32_t>(), *wide<uint32_t>()};
  const auto parsed = parse_segment_file_name(segment_file_name(name.number, name.generation));
  RC_ASSERT(parsed.ok());
  RC_ASSERT(*parsed == name);
}

TEST(SegmentFileName, IsHexAndDecimal) {
  EXPECT_EQ(segment_file_name(31, 0), "0000001f.0");
  EXPECT_EQ(segment_file_name(0xFFFFFFFF, 0xFFFFFFFF), "ffffffff.4294967295");
}

TEST(SegmentFileName, AnythingElseIsRefused) {
  for (const char* name :
       {"", "0000001f", "0000001f.", "0000001F.0", "000001f.0", "00000001f.0", "0000001f.00",
        "0000001f.01", "0000001f.-1", "0000001f.4294967296", "0000001f.0 ", "0000001g.0",
        "0000001f,0", "0000001f.99999999999999999999", ".0", "../../etc/passwd"}) {
    const auto parsed = parse_segment_file_name(name);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(SegmentGolden, V1BytesNeverChange) {
  expect_golden("v1/segment_header.hex", encode_segment_header(example_header()));
  const auto header = decode_segment_header(golden_bytes("v1/segment_header.hex"));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(*header, example_header());

  Bytes bytes;
  append_footer(bytes, kSeed, example_footer());
  expect_golden("v1/footer.hex", bytes);
  const Bytes golden = golden_bytes("v1/footer.hex");
  const auto frame = decode_frame_header(golden, kSeed);
  ASSERT_TRUE(frame.ok());
  const auto footer = decode_footer(ByteView(golden).substr(40, frame->stored_len));
  ASSERT_TRUE(footer.ok());
  EXPECT_EQ(*footer, example_footer());
}

}  // namespace
}  // namespace ramet
