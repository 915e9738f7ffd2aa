#include "format/codec.h"

#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <zstd.h>

#include "tests/format/generators.h"

namespace ramet {
namespace {

using namespace ramet::testing;

Bytes zstd_of(ByteView raw) {
  Bytes out(ZSTD_compressBound(raw.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), raw.data(), raw.size(), 1));
  return out;
}

Bytes noise(size_t bytes) {
  std::mt19937_64 random(42);
  Bytes out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

void expect_corruption(const Result<Bytes>& result) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kCorruption);
}

RC_GTEST_PROP(CodecProperty, CompressedBytesDecodeToTheSameAndSaveASixteenth, ()) {
  const auto piece = *tricky_bytes();
  Bytes raw;
  for (int n = *rc::gen::inRange(0, 100); n > 0; --n) raw += piece;
  const auto stored = compress_if_it_pays(raw, *rc::gen::inRange(-5, 6));
  RC_ASSERT(stored.ok());
  if (!stored->has_value()) return;
  RC_ASSERT((*stored)->size() <= raw.size() - raw.size() / 16);
  const auto decoded =
      decode_payload(Codec::kZstd, **stored, static_cast<uint32_t>(raw.size()));
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == raw);
}

TEST(Codec, NoiseAndTinyInputsAreNotCompressed) {
  for (const Bytes& raw : {Bytes(), Bytes("x"), Bytes(63, 'a'), noise(16384)}) {
    const auto stored = compress_if_it_pays(raw);
    ASSERT_TRUE(stored.ok());
    EXPECT_FALSE(stored->has_value());
  }
}

TEST(Codec, TheQuickTestLooksAllOver) {
  Bytes text;
  while (text.size() < 32768) text += "a line of text like many others, number " +
                                       std::to_string(text.size()) + "\n";
  text.resize(32768);
  const Bytes random = noise(32768);
  for (const Bytes& raw : {text + random, random + text, random.substr(0, 16384) + text + random}) {
    const auto stored = compress_if_it_pays(raw);
    ASSERT_TRUE(stored.ok() && stored->has_value());
    EXPECT_LT((*stored)->size(), raw.size() * 3 / 4);
  }
}

// Every byte is as frequent as any other, and yet there is much to save.
TEST(Codec, TheQuickTestSeesRepetitionsOfFlatBytes) {
  for (const size_t period : {100, 256, 333, 512, 700}) {
    const Bytes once = noise(period);
    Bytes raw;
    while (raw.size() < 32768) raw += once;
    const auto stored = compress_if_it_pays(raw);
    ASSERT_TRUE(stored.ok() && stored->has_value()) << period;
    EXPECT_LT((*stored)->size(), raw.size() / 10);
  }
}

// Nearly random: what zstd saves of it is judged by zstd.
TEST(Codec, TheQuickTestLeavesWhatIsNotQuiteFlatToZstd) {
  for (const int values : {64, 128, 192, 230}) {
    Bytes raw = noise(32768);
    for (char& c : raw) c = static_cast<char>(static_cast<unsigned char>(c) * values / 256);
    const bool pays = zstd_of(raw).size() < raw.size() - raw.size() / 16;
    const auto stored = compress_if_it_pays(raw, 1);
    ASSERT_TRUE(stored.ok());
    EXPECT_EQ(stored->has_value(), pays) << values;
  }
}

TEST(Codec, LongestBlockRoundTripsAtExtremeLevels) {
  const Bytes raw(kBlockBytesMax, 'r');
  for (const int level : {-1000000000, 1, 1000000000}) {
    const auto stored = compress_if_it_pays(level > 1 ? ByteView(raw).substr(0, 4096) : raw, level);
    ASSERT_TRUE(stored.ok());
    EXPECT_TRUE(stored->has_value());
  }
}

TEST(Codec, NoneIsTheSameBytesOfExactlyTheLength) {
  EXPECT_EQ(*decode_payload(Codec::kNone, "abc", 3), "abc");
  EXPECT_EQ(*decode_payload(Codec::kNone, "", 0), "");
  expect_corruption(decode_payload(Codec::kNone, "abc", 2));
  expect_corruption(decode_payload(Codec::kNone, "abc", 4));
}

TEST(Codec, AnotherRawLengthThanTheBytesDecodeToIsCorruption) {
  const Bytes stored = zstd_of(Bytes(1000, 'a'));
  EXPECT_TRUE(decode_payload(Codec::kZstd, stored, 1000).ok());
  for (const uint32_t raw_len : {0u, 1u, 999u, 1001u, kBlockBytesMax}) {
    expect_corruption(decode_payload(Codec::kZstd, stored, raw_len));
  }
}

TEST(Codec, BombIsStoppedAtRawLen) {
  const Bytes bomb = zstd_of(Bytes(64u << 20, '\0'));
  ASSERT_LT(bomb.size(), 16384u);
  expect_corruption(decode_payload(Codec::kZstd, bomb, 4096));
  expect_corruption(decode_payload(Codec::kZstd, bomb, kBlockBytesMax));
}

TEST(Codec, RawLengthAboveABlockIsCorruptionBeforeAnythingIsAllocated) {
  expect_corruption(decode_payload(Codec::kZstd, zstd_of("x"), kBlockBytesMax + 1));
  expect_corruption(decode_payload(Codec::kZstd, zstd_of("x"), 0xFFFFFFFF));
}

TEST(Codec, UnknownCodecIsUnsupported) {
  for (int codec = 2; codec < 256; ++codec) {
    const auto decoded = decode_payload(static_cast<Codec>(codec), "x", 1);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code(), ErrorCode::kUnsupported);
  }
}

TEST(Codec, EveryTruncationIsCorruptionAndNoFlippedBitCrashes) {
  Bytes raw;
  for (int i = 0; i < 100; ++i) raw += std::to_string(i * i);
  const auto raw_len = static_cast<uint32_t>(raw.size());
  const Bytes stored = zstd_of(raw);
  for (size_t length = 0; length < stored.size(); ++length) {
    expect_corruption(decode_payload(Codec::kZstd, ByteView(stored).substr(0, length), raw_len));
  }
  for_each_flipped_bit(stored, [&](const Bytes& bytes, size_t) {
    const auto decoded = decode_payload(Codec::kZstd, bytes, raw_len);
    if (decoded.ok()) {
      EXPECT_EQ(decoded->size(), raw_len);
    }
  });
}

RC_GTEST_PROP(CodecProperty, RandomBytesNeverCrash, ()) {
  const auto bytes = *tricky_bytes();
  const auto raw_len = *rc::gen::inRange<uint32_t>(0, 100000);
  const auto decoded = decode_payload(Codec::kZstd, bytes, raw_len);
  if (decoded.ok()) RC_ASSERT(decoded->size() == raw_len);
}

TEST(Codec, ThreadsHaveContextsOfTheirOwn) {
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < 50; ++n) {
        const Bytes raw(static_cast<size_t>(1000 + n), static_cast<char>('a' + t));
        const auto stored = compress_if_it_pays(raw);
        if (!stored.ok() || !stored->has_value()) {
          ++wrong[t];
          continue;
        }
        const auto back =
            decode_payload(Codec::kZstd, **stored, static_cast<uint32_t>(raw.size()));
        if (!back.ok() || *back != raw) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace ramet
