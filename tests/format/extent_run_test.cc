#include "format/extent_run.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "format/frame.h"
#include "format/varint.h"
#include "tests/format/generators.h"

namespace ramet {
namespace {

using namespace ramet::testing;

// In order, with and without holes, of every length a block allows.
rc::Gen<std::vector<Extent>> any_extents(size_t count_max) {
  return rc::gen::exec([count_max] {
    std::vector<Extent> extents;
    uint64_t at = *wide<uint64_t>() % (kContentBytesMax / 2);
    const auto count = *rc::gen::inRange<size_t>(0, count_max + 1);
    for (size_t i = 0; i < count; ++i) {
      if (*any<bool>()) at += *wide<uint32_t>();
      Extent extent;
      extent.offset = at;
      extent.length = 1 + *wide<uint32_t>() % kBlockBytesMax;
      extent.offset_in_block =
          static_cast<uint32_t>(*wide<uint32_t>() % (kBlockBytesMax - extent.length + 1));
      extent.block = *any_ref();
      extents.push_back(extent);
      at = extent.end();
    }
    return extents;
  });
}

Extent extent(uint64_t offset, uint64_t length, uint32_t offset_in_block = 0) {
  return {offset, length, {1, 2, 3}, offset_in_block};
}

RC_GTEST_PROP(ExtentRunProperty, RoundTrips, ()) {
  const auto extents = *any_extents(50);
  RC_ASSERT(check_extents(extents).ok());
  const ExtentRun run = encode_extent_run(extents);
  RC_ASSERT(run.end == (extents.empty() ? 0 : extents.back().end()));
  const auto decoded = decode_extent_run(run.value, run.refs);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == extents);
}

RC_GTEST_PROP(ExtentRunProperty, PackedRunsHoldTheSameExtentsWithinTheLimit, ()) {
  const auto extents = *any_extents(200);
  const auto bytes_max = *rc::gen::element<size_t>(1, 100, kExtentRunBytes);
  std::vector<Extent> again;
  size_t before = 0;
  for (const ExtentRun& run : pack_extents(extents, bytes_max)) {
    RC_ASSERT(!run.refs.empty());
    RC_ASSERT(run.packed_bytes() <= bytes_max || run.refs.size() == 1);
    const auto decoded = decode_extent_run(run.value, run.refs);
    RC_ASSERT(decoded.ok());
    RC_ASSERT(decoded->back().end() == run.end);
    again.insert(again.end(), decoded->begin(), decoded->end());
    // The run before was full: this one's first extent did not fit.
    if (before != 0) RC_ASSERT(before + 3 * 10 + 16 > bytes_max);
    before = run.packed_bytes();
  }
  RC_ASSERT(again == extents);
}

RC_GTEST_PROP(ExtentRunProperty, EveryTruncationAndWrongCountOfReferencesIsCorruption, ()) {
  const ExtentRun run = encode_extent_run(*any_extents(5));
  for_each_wrong_length(run.value, [&](const Bytes& bytes) {
    const auto decoded = decode_extent_run(bytes, run.refs);
    RC_ASSERT(!decoded.ok());
    RC_ASSERT(decoded.error().code() == ErrorCode::kCorruption);
  });
  auto more = run.refs;
  more.push_back({1, 1, 1});
  RC_ASSERT(!decode_extent_run(run.value, more).ok());
  if (!run.refs.empty()) {
    more.resize(run.refs.size() - 1);
    RC_ASSERT(!decode_extent_run(run.value, more).ok());
  }
}

RC_GTEST_PROP(ExtentRunProperty, FlippedBitsGiveCorruptionOrValidExtents, ()) {
  const ExtentRun run = encode_extent_run(*any_extents(5));
  for_each_flipped_bit(run.value, [&](const Bytes& bytes, size_t) {
    const auto decoded = decode_extent_run(bytes, run.refs);
    if (decoded.ok()) RC_ASSERT(check_extents(*decoded).ok());
  });
}

RC_GTEST_PROP(ExtentRunProperty, RandomBytesGiveCorruptionOrValidExtents, ()) {
  const auto refs = *rc::gen::container<std::vector<BlockRef>>(any_ref());
  Bytes bytes;
  append(bytes, *wide<uint64_t>());
  append(bytes, static_cast<uint32_t>(refs.size()));
  append(bytes, uint32_t{0});
  for (size_t i = 0; i < 3 * refs.size(); ++i) append_varint(bytes, *wide<uint64_t>());
  const auto decoded = decode_extent_run(bytes, refs);
  if (decoded.ok()) RC_ASSERT(check_extents(*decoded).ok());
}

TEST(ExtentRun, NoExtentsAreAHole) {
  const ExtentRun run = encode_extent_run({});
  EXPECT_EQ(run.value.size(), 16u);
  EXPECT_TRUE(decode_extent_run(run.value, {})->empty());
  EXPECT_TRUE(pack_extents({}).empty());
}

TEST(ExtentRun, HugeCountIsRefusedBeforeAnythingIsAllocated) {
  Bytes bytes(16, '\0');
  store(bytes.data() + 8, uint32_t{0xFFFFFFFF});
  EXPECT_FALSE(decode_extent_run(bytes, {}).ok());
}

TEST(ExtentRun, NullReferenceIsCorruption) {
  ExtentRun run = encode_extent_run(std::vector{extent(0, 10)});
  run.refs[0] = {};
  EXPECT_FALSE(decode_extent_run(run.value, run.refs).ok());
}

TEST(Extents, WhatNoContentCanHoldIsRefused) {
  const auto refused = [](std::vector<Extent> extents) {
    const Status status = check_extents(extents);
    return !status.ok() && status.error().code() == ErrorCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({extent(0, 0)}));
  EXPECT_TRUE(refused({extent(0, kBlockBytesMax + 1)}));
  EXPECT_TRUE(refused({extent(0, kBlockBytesMax, 1)}));
  EXPECT_TRUE(refused({extent(0, 10), extent(9, 10)}));
  EXPECT_TRUE(refused({extent(10, 10), extent(0, 10)}));
  EXPECT_TRUE(refused({extent(kContentBytesMax - 9, 10)}));
  EXPECT_TRUE(refused({extent(~uint64_t{0}, 10)}));
  EXPECT_TRUE(refused({Extent{0, 10, BlockRef{}, 0}}));
  EXPECT_FALSE(refused({extent(0, kBlockBytesMax), extent(kContentBytesMax - 10, 10)}));
}

TEST(ExtentRun, FullRunOfChunksHoldsAboutFortyExtents) {
  std::vector<Extent> extents;
  for (uint64_t i = 0; i < 1000; ++i) extents.push_back(extent(i * 16384, 16384));
  const auto runs = pack_extents(extents);
  ASSERT_FALSE(runs.empty());
  EXPECT_GE(runs[0].refs.size(), 40u);
  EXPECT_LE(runs[0].packed_bytes(), kExtentRunBytes);
}

}  // namespace
}  // namespace ramet
