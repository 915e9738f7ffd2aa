// Goal: a block that is read again and again comes from memory, one that is read once is not kept,
// the bound holds, and what is kept is never taken for another block's or for what is on disk.
// Method: the cache by itself; and reads of a store whose segments are damaged behind its back.
#include "engine/block/block_cache.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/engine/import_fixture.h"

namespace ramet::engine {
namespace {

BlockRef ref_of(uint64_t i) {
  return {static_cast<SegmentNo>(1 + i / 1000), static_cast<Slot>(i % 1000),
          i * 0x9E3779B97F4A7C15};
}

TEST(BlockCache, KeepsWhatIsMissedTwice) {
  BlockCache cache(1 << 20);
  EXPECT_EQ(cache.find(ref_of(1)), nullptr);
  cache.offer(ref_of(1), "one");
  EXPECT_EQ(cache.find(ref_of(1)), nullptr);
  cache.offer(ref_of(1), "one");
  ASSERT_NE(cache.find(ref_of(1)), nullptr);
  EXPECT_EQ(cache.find(ref_of(1))->raw(), "one");
  BlockRef other = ref_of(1);
  ++other.checksum;
  EXPECT_EQ(cache.find(other), nullptr);
}

TEST(BlockCache, ReadingMuchOnceFillsNothing) {
  BlockCache cache(1 << 20);
  for (uint64_t i = 0; i < 100'000; ++i) cache.offer(ref_of(i), "some bytes");
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(BlockCache, StaysWithinItsBound) {
  constexpr size_t kBound = 256 << 10;
  BlockCache cache(kBound);
  for (uint64_t i = 0; i < 2000; ++i) {
    for (int twice = 0; twice < 2; ++twice) cache.offer(ref_of(i), Bytes(1000, 'x'));
    ASSERT_LE(cache.bytes(), kBound);
  }
  EXPECT_GT(cache.bytes(), kBound / 2);
  const Bytes big(65 << 10, 'x');
  for (int i = 0; i < 3; ++i) cache.offer(ref_of(9999), big);
  EXPECT_EQ(cache.find(ref_of(9999)), nullptr);
}

TEST(BlockCache, WithoutRoomKeepsNothing) {
  BlockCache cache(0);
  for (int i = 0; i < 3; ++i) cache.offer(ref_of(1), "one");
  EXPECT_EQ(cache.find(ref_of(1)), nullptr);
}

TEST(BlockCacheReads, WhatIsKeptIsReadAndVerifyStillSeesTheDisk) {
  const test::TempDir dir;
  const std::string path = dir.file("store");
  const Bytes content = test::noise(3000, 7);
  StoreOptions options = test::small_store_options();
  ASSERT_TRUE(Store::create(path, options).ok());
  auto store = std::move(*Store::open(path, options));
  const ContainerId id = store->create_container("c")->id;
  auto transaction = std::move(*store->begin(id));
  auto writer = std::move(*transaction->write_content());
  ASSERT_TRUE(writer->append(content).ok());
  const ObjectId object =
      *transaction->put_object(kRootFolder, "f", Attributes{}, std::move(writer));
  ASSERT_TRUE(transaction->commit().ok());
  const auto view = *store->view(id);
  const auto read = [&](size_t offset, size_t length) {
    Bytes into(length, '?');
    const auto got = view->read(object, offset, into);
    if (!got.ok()) return got.error().to_string();
    into.resize(*got);
    return into;
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read(0, 5000), content);
  for (const auto& entry : std::filesystem::directory_iterator(path + "/segments")) {
    const Bytes bytes = test::read_bytes(entry.path());
    const size_t at = bytes.find(content);
    if (at != Bytes::npos) test::write_bytes(entry.path(), "!", static_cast<off_t>(at) + 100);
  }
  EXPECT_EQ(read(0, 5000), content);
  EXPECT_EQ(read(90, 20), content.substr(90, 20));
  const Status verified = view->verify(object);
  ASSERT_FALSE(verified.ok());
  EXPECT_EQ(verified.error().code(), ErrorCode::kCorruption);
}

}  // namespace
}  // namespace ramet::engine
