#include "format/values.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/format/generators.h"
#include "tests/support/golden.h"

namespace ramet {
namespace {

using namespace ramet::testing;

template <typename T>
void expect_corruption(const Result<T>& result) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kCorruption) << result.error().to_string();
}

// Every decoder here is strict: what it accepts is exactly what its encoder gives.
template <typename Decode, typename Encode>
void expect_strict(ByteView valid, Decode decode, Encode encode) {
  for_each_flipped_bit(valid, [&](const Bytes& bytes, size_t bit) {
    const auto decoded = decode(bytes);
    if (decoded.ok()) {
      EXPECT_EQ(encode(*decoded), bytes) << "bit " << bit;
    }
  });
}

RootValue example_root() {
  RootValue root;
  root.level = 3;
  root.birth = 0x1122334455667788;
  root.summary[SummaryColumn::kObjects] = 5;
  root.summary[SummaryColumn::kFolders] = 6;
  return root;
}

SegmentValue example_segment() {
  SegmentValue v;
  v.generation = 2;
  v.stream = static_cast<uint8_t>(Stream::kData);
  v.state = SegmentState::kCrashClosed;
  v.flags = 0x0304;
  v.epoch = 5;
  v.length = 0x060606060606;
  v.slot_count = 700;
  v.first_hole = 8;
  v.footer_offset = 9;
  v.last_sequence = 10;
  v.live_bytes = 11;
  return v;
}

std::vector<SlotEntry> example_slots() {
  return {SlotEntry::make(4096, 100, Codec::kZstd, FrameKind::kBlock,
                          ContentHash{counting_bytes<32>(1)}),
          SlotEntry::gone(), SlotEntry::make(8192, 8, Codec::kNone, FrameKind::kNode, {})};
}

// --- DIRENT --------------------------------------------------------------------------------------

RC_GTEST_PROP(DirentValueProperty, RoundTrips, ()) {
  DirentValue v;
  v.entry_class = *rc::gen::inRange<uint8_t>(1, kEntryClassMax + 1);
  v.flags = *any<uint8_t>();
  v.type = *wide<uint32_t>();
  v.size = *wide<uint64_t>();
  const Bytes bytes = encode_dirent_value(v);
  const auto decoded = decode_dirent_value(bytes);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == v);
  for_each_wrong_length(bytes, [](const Bytes& b) { RC_ASSERT(!decode_dirent_value(b).ok()); });
}

RC_GTEST_PROP(DirentValueProperty, WhatIsAcceptedHasOneForm, ()) {
  const auto bytes = *tricky_bytes();
  const auto decoded = decode_dirent_value(bytes);
  if (decoded.ok()) RC_ASSERT(encode_dirent_value(*decoded) == bytes);
}

TEST(DirentValue, EveryFlippedBitIsCorruptionOrAnotherValue) {
  expect_strict(encode_dirent_value({2, 3, 70000, 1ull << 40}), decode_dirent_value,
                encode_dirent_value);
}

TEST(DirentValue, UnknownClassOrTypeOutOfRangeIsCorruption) {
  expect_corruption(decode_dirent_value(Bytes("\x00\x00\x01\x01", 4)));
  expect_corruption(decode_dirent_value(Bytes("\x09\x00\x01\x01", 4)));
  expect_corruption(decode_dirent_value(Bytes("\x01\x00\x80\x80\x80\x80\x10\x01", 8)));
}

// --- RootValue -----------------------------------------------------------------------------------

RC_GTEST_PROP(RootValueProperty, RoundTripsInFrontOfAnything, ()) {
  RootValue root;
  root.level = *rc::gen::inRange<uint8_t>(0, kTreeLevelMax + 1);
  root.birth = *wide<uint64_t>();
  const auto used = *rc::gen::inRange<size_t>(0, kSummaryColumns + 1);
  for (size_t i = 0; i < used; ++i) root.summary.columns[i] = *wide<uint64_t>();
  Bytes bytes = "before..";
  append_root_value(bytes, root);
  bytes.erase(0, 8);
  const size_t length = bytes.size();
  RC_ASSERT(length == 16 + 8 * root.summary.used_columns());
  const auto decoded = decode_root_value(bytes + *tricky_bytes());
  RC_ASSERT(decoded.ok());
  RC_ASSERT(decoded->root == root);
  RC_ASSERT(decoded->bytes == length);
  for (size_t cut = 0; cut < length; ++cut) {
    RC_ASSERT(!decode_root_value(ByteView(bytes).substr(0, cut)).ok());
  }
}

TEST(RootValue, TrailingZeroColumnsOfAnotherWriterAreRead) {
  Bytes bytes;
  append_root_value(bytes, {});
  bytes[1] = 12;
  bytes += Bytes(12 * 8, '\0');
  const auto decoded = decode_root_value(bytes);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->bytes, 112u);
  EXPECT_TRUE(decoded->root.summary.is_zero());
}

TEST(RootValue, MoreColumnsAreUnsupportedAndImpossibleLevelsCorruption) {
  Bytes bytes(4096, '\0');
  for (int columns = static_cast<int>(kSummaryColumns) + 1; columns < 256; ++columns) {
    bytes[1] = static_cast<char>(columns);
    EXPECT_EQ(decode_root_value(bytes).error().code(), ErrorCode::kUnsupported);
  }
  bytes[1] = 0;
  bytes[0] = kTreeLevelMax + 1;
  expect_corruption(decode_root_value(bytes));
}

TEST(RootValue, NoFlippedBitCrashes) {
  Bytes bytes;
  append_root_value(bytes, example_root());
  for_each_flipped_bit(bytes, [&](const Bytes& flipped, size_t) {
    const auto decoded = decode_root_value(flipped);
    if (decoded.ok()) {
      EXPECT_LE(decoded->bytes, flipped.size());
    }
  });
}

// --- map -----------------------------------------------------------------------------------------

RC_GTEST_PROP(SegmentValueProperty, RoundTrips, ()) {
  SegmentValue v;
  v.generation = *wide<uint32_t>();
  v.stream = *rc::gen::inRange<uint8_t>(1, 5);
  v.state = static_cast<SegmentState>(*rc::gen::inRange(1, 6));
  v.flags = *wide<uint16_t>();
  v.epoch = *wide<uint64_t>();
  v.length = *wide<uint64_t>();
  v.slot_count = *wide<uint32_t>() % (kSegmentSlotsMax + 1);
  v.first_hole = *wide<uint32_t>();
  v.footer_offset = *wide<uint64_t>();
  v.last_sequence = *wide<uint64_t>();
  v.live_bytes = *wide<uint64_t>();
  v.reserved = *wide<uint64_t>();
  const Bytes bytes = encode_segment_value(v);
  RC_ASSERT(bytes.size() == 64u);
  const auto decoded = decode_segment_value(bytes);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == v);
}

TEST(SegmentValue, WrongLengthsStatesAndStreamsAreCorruption) {
  const Bytes good = encode_segment_value(example_segment());
  for_each_wrong_length(good, [](const Bytes& b) { expect_corruption(decode_segment_value(b)); });
  for (const auto& [at, value] : std::vector<std::pair<size_t, char>>{
           {4, 0}, {4, 5}, {4, '\xFF'}, {5, 0}, {5, 6}, {27, 1}}) {
    Bytes bytes = good;
    bytes[at] = value;
    expect_corruption(decode_segment_value(bytes));
  }
  expect_strict(good, decode_segment_value, encode_segment_value);
}

RC_GTEST_PROP(SlotsPageProperty, RoundTrips, ()) {
  const auto count = *rc::gen::inRange<size_t>(1, kSlotsPerPage + 1);
  std::vector<SlotEntry> slots;
  for (size_t i = 0; i < count; ++i) {
    if (*rc::gen::inRange(0, 3) == 0) {
      slots.push_back(SlotEntry::gone());
      continue;
    }
    slots.push_back(SlotEntry::make(
        4096 + 8 * *rc::gen::inRange<uint64_t>(0, 1u << 30),
        *rc::gen::inRange<uint32_t>(0, kStoredBytesMax + 1), *rc::gen::element(Codec::kNone,
                                                                               Codec::kZstd),
        *rc::gen::element(FrameKind::kBlock, FrameKind::kNode), *any_hash()));
  }
  const auto decoded = decode_slots_page(encode_slots_page(slots));
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == slots);
}

TEST(SlotsPage, WrongLengthsAndImpossibleEntriesAreCorruption) {
  const Bytes good = encode_slots_page(example_slots());
  expect_corruption(decode_slots_page(""));
  expect_corruption(decode_slots_page(good + "x"));
  expect_corruption(decode_slots_page(ByteView(good).substr(1)));
  expect_corruption(decode_slots_page(Bytes(40 * (kSlotsPerPage + 1), '\xFF')));
  expect_corruption(decode_slots_page(Bytes(40, '\0')));  // kind 0
  expect_strict(good, decode_slots_page, encode_slots_page);
}

template <typename Entry>
rc::Gen<std::vector<Entry>> any_page() {
  return rc::gen::map(
      rc::gen::container<std::map<uint16_t, uint32_t>>(rc::gen::inRange<uint16_t>(0, 256),
                                                       wide<uint32_t>()),
      [](const std::map<uint16_t, uint32_t>& entries) {
        std::vector<Entry> out;
        for (const auto& [slot, value] : entries) out.push_back({slot, 0, value});
        return out;
      });
}

RC_GTEST_PROP(MapPageProperty, CountPagesRoundTrip, ()) {
  const auto counts = *any_page<CountEntry>();
  const auto decoded_counts = decode_count_page(encode_count_page(counts));
  RC_ASSERT(decoded_counts.ok() && *decoded_counts == counts);
}

RC_GTEST_PROP(HolesProperty, RoundTrip, ()) {
  const auto count = *rc::gen::inRange<size_t>(1, kHolesMax + 1);
  std::vector<Hole> holes;
  uint64_t end = 4096;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t length = 40 + 8 * *rc::gen::inRange<uint64_t>(0, 1u << 20);
    const uint64_t offset = end + 8 * *rc::gen::inRange<uint64_t>(1, 1u << 20);
    holes.push_back({offset, length});
    end = offset + length;
  }
  const auto decoded = decode_holes(encode_holes(holes));
  RC_ASSERT(decoded.ok() && *decoded == holes);
}

TEST(Holes, WhatIsNoListOfHolesIsCorruption) {
  const auto list = [](std::vector<Hole> holes) {
    return Bytes(reinterpret_cast<const char*>(holes.data()), holes.size() * sizeof(Hole));
  };
  const Bytes good = list({{4096, 40}, {8192, 1u << 20}});
  expect_strict(good, decode_holes, [](const std::vector<Hole>& h) { return encode_holes(h); });
  for_each_wrong_length(good, [&](const Bytes& bytes) {
    if (bytes.size() % sizeof(Hole) != 0 || bytes.empty()) expect_corruption(decode_holes(bytes));
  });
  expect_corruption(decode_holes(""));
  expect_corruption(decode_holes(list({{8192, 40}, {4096, 40}})));         // order
  expect_corruption(decode_holes(list({{4096, 48}, {4136, 40}})));         // overlap
  expect_corruption(decode_holes(list({{4096, 40}, {4136, 40}})));         // should be one
  expect_corruption(decode_holes(list({{4097, 40}})));                     // alignment
  expect_corruption(decode_holes(list({{4096, 44}})));
  expect_corruption(decode_holes(list({{4096, 32}})));                     // no room for a frame
  expect_corruption(decode_holes(list({{4096, kSkipBytesMax + 8}})));      // no frame is so long
  expect_corruption(decode_holes(list({{kSegmentBytesMax - 32, 40}})));    // behind the end
  expect_corruption(decode_holes(list({{UINT64_MAX - 7, 40}})));
  std::vector<Hole> many;
  for (uint64_t i = 0; i <= kHolesMax; ++i) many.push_back({4096 + 80 * i, 40});
  expect_corruption(decode_holes(list(many)));
}

TEST(MapPage, SlotsOutOfOrderOrOfAnotherPageAreCorruption) {
  const auto page = [](std::vector<CountEntry> entries) {
    return Bytes(reinterpret_cast<const char*>(entries.data()), entries.size() * 8);
  };
  EXPECT_TRUE(decode_count_page(page({{0, 0, 2}, {255, 0, 0}})).ok());
  EXPECT_TRUE(decode_count_page("").ok());
  expect_corruption(decode_count_page(page({{1, 0, 2}, {1, 0, 3}})));
  expect_corruption(decode_count_page(page({{2, 0, 2}, {1, 0, 3}})));
  expect_corruption(decode_count_page(page({{256, 0, 2}})));
  expect_corruption(decode_count_page("1234567"));
  expect_corruption(decode_count_page(Bytes(8 * 257, '\0')));
  const Bytes good = page({{3, 0, 2}, {17, 0, 0}, {200, 0, 9}});
  expect_strict(good, decode_count_page,
                [](const std::vector<CountEntry>& e) { return encode_count_page(e); });
}

RC_GTEST_PROP(UncountedValueProperty, RoundTrips, ()) {
  const UncountedValue v{*wide<uint32_t>(), 0, *wide<uint64_t>()};
  const Bytes bytes = encode_uncounted_value(v);
  const auto decoded = decode_uncounted_value(bytes);
  RC_ASSERT(decoded.ok() && *decoded == v);
  for_each_wrong_length(bytes, [](const Bytes& b) { RC_ASSERT(!decode_uncounted_value(b).ok()); });
}

TEST(ValuesGolden, V1BytesNeverChange) {
  std::string text;
  const auto add = [&](const char* name, ByteView bytes) {
    text += std::string(name) + " " + to_hex(bytes) + "\n";
  };
  add("DIRENT", encode_dirent_value({1, 0x80, 300, 1ull << 40}));
  Bytes root;
  append_root_value(root, example_root());
  add("ROOT", root);
  Bytes empty_root;
  append_root_value(empty_root, {});
  add("ROOT_EMPTY", empty_root);
  const std::vector<Extent> extents = {{1000, 16384, {1, 2, 3}, 0},
                                       {17384, 5, {4, 5, 6}, 77},
                                       {1ull << 40, 16u << 20, {7, 8, 9}, 0}};
  add("EXTENT", encode_extent_run(extents).value);
  add("EXTENT_HOLE", encode_extent_run({}).value);
  add("SEGMENT", encode_segment_value(example_segment()));
  add("SLOTS", encode_slots_page(example_slots()));
  add("COUNT", encode_count_page(std::vector<CountEntry>{{3, 0, 0}, {255, 0, 0x01020304}}));
  add("HOLES", encode_holes(std::vector<Hole>{{0x01020304 * 8, 0x060708}}));
  add("UNCOUNTED", encode_uncounted_value({0x01020304, 0, 0x05060708090A0B0C}));
  expect_golden_text("v1/values.txt", text);
}

}  // namespace
}  // namespace ramet
