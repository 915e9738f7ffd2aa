// The cache stays within its bound, keeps what is used, and never gives one node for another.
#include "engine/tree/node_cache.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

#include "format/hash.h"

namespace ramet::engine {
namespace {

CleanNodePtr node(Slot slot, size_t value_bytes = 1000) {
  const std::string value(value_bytes, 'v');
  const std::vector<LeafItem> items = {{"key", value, {}}};
  const Bytes encoded = *encode_leaf(items);
  return *CleanNode::open(NodeBuffer::copy_of(encoded), {1, slot, xxh3(encoded)});
}

TEST(NodeCache, FindsWhatWasInserted) {
  NodeCache cache(1 << 20);
  const CleanNodePtr one = node(1);
  EXPECT_EQ(cache.find(one->ref()), nullptr);
  EXPECT_EQ(cache.insert(one), one);
  EXPECT_EQ(cache.find(one->ref()), one);
  EXPECT_EQ(cache.insert(node(1)), one) << "the first one stays";
  cache.erase(one->ref());
  EXPECT_EQ(cache.find(one->ref()), nullptr);
  EXPECT_EQ(cache.stats().bytes, 0u);
}

TEST(NodeCache, AnotherChecksumIsAnotherNode_INV4) {
  NodeCache cache(1 << 20);
  const CleanNodePtr one = node(1);
  cache.insert(one);
  BlockRef tampered = one->ref();
  tampered.checksum ^= 1;
  EXPECT_EQ(cache.find(tampered), nullptr);
}

TEST(NodeCache, StaysWithinItsBoundAndPinsOutliveEviction) {
  constexpr size_t kCapacity = 200 << 10;
  NodeCache cache(kCapacity);
  const CleanNodePtr first = node(0);
  cache.insert(first);
  for (Slot slot = 1; slot < 2000; ++slot) {
    cache.insert(node(slot, slot % 7 * 500));
    ASSERT_LE(cache.stats().bytes, kCapacity);
  }
  EXPECT_GT(cache.stats().bytes, kCapacity / 2);
  EXPECT_EQ(cache.find(first->ref()), nullptr);
  EXPECT_EQ(first->view().value(0).size(), 1000u);
}

TEST(NodeCache, UsedNodesGetASecondChance) {
  NodeCache cache(200 << 10);
  const CleanNodePtr hot = node(0);
  cache.insert(hot);
  size_t lost = 0;
  for (Slot slot = 1; slot < 5000; ++slot) {
    cache.insert(node(slot));
    if (cache.find(hot->ref()) == nullptr) ++lost;
  }
  EXPECT_EQ(lost, 0u);
}

// Erasing moves others in the table: none may get lost, and none come back.
TEST(NodeCache, WhatIsNotErasedStays) {
  NodeCache cache(64 << 20);
  std::mt19937 random(1);
  std::vector<CleanNodePtr> nodes;
  for (Slot slot = 0; slot < 3000; ++slot) nodes.push_back(node(slot, 8));
  std::vector<bool> there(nodes.size());
  for (int i = 0; i < 40'000; ++i) {
    const size_t at = random() % (i < 20'000 ? 300 : nodes.size());
    if (random() % 2 == 0) {
      EXPECT_EQ(cache.insert(nodes[at]), nodes[at]);
      there[at] = true;
    } else {
      cache.erase(nodes[at]->ref());
      there[at] = false;
    }
    const size_t other = random() % nodes.size();
    ASSERT_EQ(cache.find(nodes[other]->ref()) != nullptr, there[other]);
  }
  size_t count = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    EXPECT_EQ(cache.find(nodes[i]->ref()) != nullptr, there[i]);
    count += there[i];
  }
  EXPECT_EQ(cache.stats().values, count);
}

TEST(NodeCache, WithoutRoomKeepsNothing) {
  NodeCache cache(0);
  const CleanNodePtr one = node(1);
  EXPECT_EQ(cache.insert(one), one);
  EXPECT_EQ(cache.find(one->ref()), nullptr);
}

TEST(NodeCache, ThreadsShareIt) {
  NodeCache cache(100 << 10);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (Slot i = 0; i < 2000; ++i) {
        const CleanNodePtr mine = node((i * 7 + t) % 300);
        const CleanNodePtr got = cache.insert(mine);
        EXPECT_EQ(got->ref(), mine->ref());
        if (i % 100 == 0) cache.erase(mine->ref());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.stats().bytes, size_t{100 << 10});
}

}  // namespace
}  // namespace ramet::engine
