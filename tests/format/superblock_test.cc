#include "format/superblock.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "format/hash.h"
#include "tests/format/generators.h"
#include "tests/support/golden.h"

namespace ramet {
namespace {

using namespace ramet::testing;

Superblock example() {
  Superblock s;
  s.features = {.compatible = 0x10, .read_only_compatible = 0x20};
  s.store_id = make_id<StoreId>(0x010203040506, counting_bytes<16>(0x30));
  s.secret = counting_bytes<32>(0x80);
  s.generation = 0x1111;
  s.epoch = 0x2222;
  s.state = StoreState::kInUse;
  s.next_segment = 0x3333;
  s.checkpoint = {4, 5, 0x0606060606060606};
  s.checkpoint_copy = {7, 8, 0x0909090909090909};
  s.replay = {10, 0, 11 * 4096, 12, 13};
  s.durable_end = {14, 0, 15 * 4096, 16, 17};
  s.undo = {18, 19, 20};
  s.written_at = 1795237200000000000;
  return s;
}

// With one field changed and the check made right again.
Bytes forged(size_t at, auto value) {
  Bytes bytes = encode_superblock(example());
  store(bytes.data() + at, value);
  store(bytes.data() + 4088, xxh3(ByteView(bytes).substr(0, 4088)));
  return bytes;
}

rc::Gen<LogPosition> any_position() {
  return rc::gen::map(
      rc::gen::tuple(wide<uint32_t>(), wide<uint64_t>(), wide<uint64_t>(), wide<uint64_t>()),
      [](const auto& t) {
        const auto [segment, offset, sequence, chain] = t;
        return LogPosition{segment, 0, offset / kGroupBytes * kGroupBytes, sequence, chain};
      });
}

RC_GTEST_PROP(SuperblockProperty, RoundTrips, ()) {
  Superblock s;
  s.features.compatible = *wide<uint64_t>();
  s.features.read_only_compatible = *wide<uint64_t>();
  s.store_id = *any_id<StoreId>();
  s.secret = *byte_array<32>();
  s.generation = *wide<uint64_t>();
  s.epoch = *wide<uint64_t>();
  s.state = *rc::gen::element(StoreState::kClean, StoreState::kInUse);
  s.next_segment = *wide<uint32_t>();
  s.checkpoint = *any_ref();
  s.checkpoint_copy = *any_ref();
  s.replay = *any_position();
  s.durable_end = *any_position();
  s.undo = *any_ref();
  s.written_at = *wide<int64_t>();
  const Bytes bytes = encode_superblock(s);
  RC_ASSERT(bytes.size() == kSuperblockBytes);
  const auto decoded = decode_superblock(bytes);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == s);
}

TEST(Superblock, EveryFlippedBitIsCorruption) {
  for_each_flipped_bit(encode_superblock(example()), [](const Bytes& bytes, size_t bit) {
    const auto decoded = decode_superblock(bytes);
    ASSERT_FALSE(decoded.ok()) << bit;
    EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption) << bit;
  });
}

TEST(Superblock, EveryOtherLengthIsCorruption) {
  for_each_wrong_length(encode_superblock(example()), [](const Bytes& bytes) {
    const auto decoded = decode_superblock(bytes);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
  });
}

TEST(Superblock, LaterVersionOrIncompatibleFeatureIsUnsupported) {
  for (const Bytes& bytes : {forged(8, kFormatVersion + 1), forged(32, uint64_t{1} << 63)}) {
    const auto decoded = decode_superblock(bytes);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code(), ErrorCode::kUnsupported);
  }
}

TEST(Superblock, ValuesThatNobodyWritesAreCorruption) {
  for (const Bytes& bytes : {forged(0, 'X'), forged(8, uint32_t{0}), forged(12, uint32_t{8192}),
                             forged(104, uint32_t{2}), forged(152, uint64_t{4104}),
                             forged(184, uint64_t{1})}) {
    const auto decoded = decode_superblock(bytes);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
  }
}

TEST(Superblock, FieldsOfALaterVersionInTheZerosAreIgnored) {
  const auto decoded = decode_superblock(forged(232, uint64_t{99}));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, example());
}

Result<Superblock> of_generation(uint64_t generation) {
  Superblock s = example();
  s.generation = generation;
  return s;
}

size_t picked(const Result<Superblock>& a, const Result<Superblock>& b) {
  const auto which = pick_newest(a, b);
  EXPECT_TRUE(which.ok());
  return which.ok() ? *which : 9;
}

TEST(PickNewest, GreaterGenerationWins) {
  EXPECT_EQ(picked(of_generation(5), of_generation(6)), 1u);
  EXPECT_EQ(picked(of_generation(6), of_generation(5)), 0u);
  EXPECT_EQ(picked(of_generation(6), of_generation(6)), 0u);
}

TEST(PickNewest, TheOnlyValidOneWins) {
  const Result<Superblock> torn = Error(ErrorCode::kCorruption, "torn");
  EXPECT_EQ(picked(torn, of_generation(1)), 1u);
  EXPECT_EQ(picked(of_generation(1), torn), 0u);
}

TEST(PickNewest, NoneValidNamesBothReasons) {
  const Result<Superblock> torn = Error(ErrorCode::kCorruption, "torn");
  const Result<Superblock> missing = Error(ErrorCode::kNotFound, "missing");
  const Result<Superblock> unreadable = Error(ErrorCode::kIoError, "unreadable");
  const auto none = pick_newest(torn, missing);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), ErrorCode::kCorruption);
  EXPECT_NE(none.error().message().find("torn"), std::string::npos);
  EXPECT_NE(none.error().message().find("missing"), std::string::npos);
  EXPECT_EQ(pick_newest(missing, missing).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(pick_newest(torn, unreadable).error().code(), ErrorCode::kIoError);
}

TEST(PickNewest, OneOfALaterVersionRefusesTheStore) {
  const Result<Superblock> later = Error(ErrorCode::kUnsupported, "version 2");
  for (const auto& which : {pick_newest(later, of_generation(1)),
                            pick_newest(of_generation(1), later)}) {
    ASSERT_FALSE(which.ok());
    EXPECT_EQ(which.error().code(), ErrorCode::kUnsupported);
  }
}

TEST(SuperblockGolden, V1BytesNeverChange) {
  expect_golden("v1/superblock.hex", encode_superblock(example()));
  const auto decoded = decode_superblock(golden_bytes("v1/superblock.hex"));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, example());
}

}  // namespace
}  // namespace ramet
