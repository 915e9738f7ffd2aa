// Goal: both hashes are those of their specifications, whichever vectors the processor has.
// Method: known answers, and lengths around every border against the reference as it is compiled
// here, without a dispatcher.
#include "format/hash.h"

#include "format/hash_many.h"

#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "format/check.h"

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

// Bytes whose end is the end of the readable memory.
class AtTheEdge {
 public:
  explicit AtTheEdge(const Bytes& bytes)
      : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))),
        mapped_((bytes.size() + page_ - 1) / page_ * page_ + page_),
        size_(bytes.size()) {
    void* at = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    RAMET_CHECK(at != MAP_FAILED, "no memory");
    begin_ = static_cast<char*>(at);
    end_ = begin_ + mapped_ - page_;
    memcpy(end_ - size_, bytes.data(), size_);
    RAMET_CHECK(mprotect(end_, page_, PROT_NONE) == 0, "no guard page");
  }
  AtTheEdge(const AtTheEdge&) = delete;
  ~AtTheEdge() { munmap(begin_, mapped_); }
  ByteView bytes() const { return {end_ - size_, size_}; }

 private:
  size_t page_;
  size_t mapped_;
  size_t size_;
  char* begin_ = nullptr;
  char* end_ = nullptr;
};

// The library's assembly for some numbers of lanes does, where it can't matter to itself.
TEST(Blake3Many, NothingBehindAnInputIsRead) {
  for (const size_t length : {1025, 2048, 4096, 5120, 17 * 1024, 20 * 1024 + 7}) {
    const Bytes bytes = pattern(length, 3);
    const AtTheEdge edge(bytes);
    for (size_t count = 1; count <= 40; ++count) {
      std::vector<ContentHash> names(count);
      blake3_many(std::vector<ByteView>(count, edge.bytes()), names);
      for (const ContentHash& name : names) ASSERT_EQ(name, blake3(bytes)) << count;
    }
  }
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
