// Goal: both hashes are those of their specifications, whichever vectors the processor has.
// Method: known answers, and lengths around every border against the reference as it is compiled
// here, without a dispatcher.
#include "format/hash.h"

#include "format/hash_many.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ramet {
namespace {

TEST(Xxh3, EveryLengthIsThatOfTheReference) {
  Bytes bytes;
  for (uint64_t i = 0; i < 5000; ++i) bytes.push_back(static_cast<char>(i * i * 31 >> 3));
  for (size_t length = 0; length <= bytes.size(); length += length < 1200 ? 1 : 61) {
    for (const size_t begin : {size_t{0}, size_t{1}, size_t{13}}) {
      const ByteView part = ByteView(bytes).substr(begin, length);
      ASSERT_EQ(xxh3(part), XXH3_64bits(part.data(), part.size())) << length;
      for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
        ASSERT_EQ(xxh3_seeded(part, seed), XXH3_64bits_withSeed(part.data(), part.size(), seed))
            << length;
      }
    }
  }
}

TEST(Xxh3, KnownAnswers) {  // of libxxhash's sanity checks for no bytes
  EXPECT_EQ(xxh3(""), 0x2D06800538D394C2u);
}

Bytes pattern(size_t length, uint32_t seed) {
  Bytes out;
  while (out.size() < length) append(out, seed = seed * 1664525 + 1013904223);
  out.resize(length);
  return out;
}

void expect_each_is_its_own(const std::vector<Bytes>& contents) {
  std::vector<ByteView> inputs(contents.begin(), contents.end());
  std::vector<ContentHash> names(inputs.size());
  blake3_many(inputs, names);
  for (size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_EQ(names[i].to_hex(), blake3(inputs[i]).to_hex())
        << "input " << i << " of " << inputs.size() << ", " << inputs[i].size() << " bytes";
  }
}

TEST(Blake3Many, EveryLengthAlone) {
  for (size_t chunks = 0; chunks <= 70; ++chunks) {
    for (const size_t more : {0, 1, 63, 64, 65, 1023}) {
      expect_each_is_its_own({pattern(chunks * 1024 + more, static_cast<uint32_t>(chunks))});
    }
  }
  expect_each_is_its_own({pattern(16u << 20, 7)});
  expect_each_is_its_own({});
}

RC_GTEST_PROP(Blake3ManyProperty, EveryInputHasItsOwnName, ()) {
  const auto lengths = *rc::gen::container<std::vector<size_t>>(rc::gen::oneOf(
      rc::gen::inRange<size_t>(0, 3000), rc::gen::inRange<size_t>(3000, 70'000),
      rc::gen::map(rc::gen::inRange<size_t>(0, 70), [](size_t n) { return n * 1024; })));
  std::vector<Bytes> contents;
  for (size_t i = 0; i < lengths.size(); ++i) {
    contents.push_back(pattern(lengths[i], static_cast<uint32_t>(i)));
  }
  expect_each_is_its_own(contents);
}

}  // namespace
}  // namespace ramet
