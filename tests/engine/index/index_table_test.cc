#include "engine/index/index_table.h"

#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "tests/engine/index/index_fixture.h"

namespace ramet::engine {
namespace {

TEST(IndexTable, NewestEntryOfAPrefixReplacesTheOneBefore) {
  IndexTable table(1000, 1);
  EXPECT_TRUE(table.insert({7, 1, 1}));
  EXPECT_TRUE(table.insert({7, 2, 2}));
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.find(7).newest, (IndexEntry{7, 2, 2}));
  EXPECT_FALSE(table.find(8).newest.has_value());
}

TEST(IndexTable, FrozenEntriesStayFindableBesideNewOnesUntilDropped) {
  IndexTable table(1000, 1);
  table.insert({7, 1, 1});
  table.insert({9, 1, 2});
  table.freeze();
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.frozen_size(), 2u);
  table.insert({7, 5, 5});
  EXPECT_EQ(table.find(7).newest, (IndexEntry{7, 5, 5}));
  EXPECT_EQ(table.find(7).frozen, (IndexEntry{7, 1, 1}));
  EXPECT_EQ(table.frozen_entries(), (std::vector<IndexEntry>{{7, 1, 1}, {9, 1, 2}}));
  table.drop_frozen();
  EXPECT_FALSE(table.find(9).frozen.has_value());
  EXPECT_EQ(table.find(7).newest, (IndexEntry{7, 5, 5}));
}

TEST(IndexTable, EntriesOfErasedSegmentsAreGoneAndOthersStay) {
  IndexTable table(10'000, 1);
  for (uint64_t i = 0; i < 1000; ++i) table.insert({i, SegmentNo(1 + i % 5), Slot(i)});
  table.freeze();
  for (uint64_t i = 500; i < 2000; ++i) table.insert({i, SegmentNo(1 + i % 5), Slot(i)});
  table.erase_segments(std::vector<SegmentNo>{2, 4});
  EXPECT_EQ(table.size(), 900u);
  EXPECT_EQ(table.frozen_size(), 600u);
  for (uint64_t i = 0; i < 2000; ++i) {
    const bool erased = i % 5 == 1 || i % 5 == 3;
    EXPECT_EQ(table.find(i).frozen.has_value(), !erased && i < 1000) << i;
    EXPECT_EQ(table.find(i).newest.has_value(), !erased && i >= 500) << i;
  }
  table.drop_frozen();
  EXPECT_EQ(table.frozen_size(), 0u);
}

TEST(IndexTable, FullTableForgetsNewPrefixesAndKeepsTheOthers) {
  IndexTable table(1000, 1);
  size_t taken = 0;
  for (uint64_t prefix = 0; prefix < 100'000; ++prefix) {
    if (table.insert({prefix, 1, static_cast<Slot>(prefix)})) ++taken;
  }
  EXPECT_EQ(table.size(), taken);
  EXPECT_GE(taken, 750u);
  EXPECT_LT(taken, 5000u);
  EXPECT_LE(table.memory_bytes(), 16 * 128 * sizeof(IndexEntry));
  size_t found = 0;
  for (uint64_t prefix = 0; prefix < 100'000; ++prefix) {
    const auto entry = table.find(prefix).newest;
    if (!entry) continue;
    EXPECT_EQ(entry->slot, prefix);
    ++found;
  }
  EXPECT_EQ(found, taken);
  EXPECT_TRUE(table.insert({0, 9, 9}));  // what is there may still be replaced
}

TEST(IndexTable, PrefixesThatDifferInHighBitsOnlyAreFoundAll) {
  IndexTable table(10'000, 0x1234567);
  for (uint64_t i = 0; i < 5000; ++i) ASSERT_TRUE(table.insert({i << 50 | 3, 1, Slot(i)}));
  for (uint64_t i = 0; i < 5000; ++i) EXPECT_EQ(table.find(i << 50 | 3).newest->slot, i);
}

TEST(IndexTable, ThreadsInsertAndFindAtTheSameTime) {
  IndexTable table(100'000, 5);
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t i = 0; i < 5000; ++i) {
        const uint64_t prefix = i * 4 + thread;
        EXPECT_TRUE(table.insert({prefix, 1, static_cast<Slot>(prefix)}));
        const auto found = table.find(prefix);
        EXPECT_TRUE(found.newest || found.frozen);
      }
    });
  }
  table.freeze();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table.size() + table.frozen_size(), 20'000u);
}

}  // namespace
}  // namespace ramet::engine
