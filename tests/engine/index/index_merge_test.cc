#include "engine/index/index_merge.h"

#include <algorithm>
#include <map>
#include <numeric>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/engine/index/index_fixture.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kAnySize = ~uint64_t{0};

size_t chosen(const std::vector<uint64_t>& entries, uint64_t entries_max = kAnySize,
              size_t runs_max = 32) {
  return choose_merge(entries, entries_max, runs_max);
}

TEST(ChooseMerge, TakesAsManyRunsAsAreNotMuchLargerThanTheNewerOnes) {
  EXPECT_EQ(chosen({}), 0u);
  EXPECT_EQ(chosen({5}), 0u);
  EXPECT_EQ(chosen({5, 100}), 0u);
  EXPECT_EQ(chosen({5, 11}), 2u);
  EXPECT_EQ(chosen({5, 12}), 0u);
  EXPECT_EQ(chosen({1, 1, 2, 4, 100}), 4u);
  EXPECT_EQ(chosen({10, 100, 200, 300}), 4u) << "a gap is bridged when what is older is due";
}

TEST(ChooseMerge, SizeIsBoundedUnlessThereAreTooManyRuns) {
  EXPECT_EQ(chosen({5, 5, 5, 5}, 10), 2u);
  EXPECT_EQ(chosen({5, 5}, 9), 0u);
  EXPECT_EQ(chosen({5, 5, 5, 5}, 3, 2), 3u);
  EXPECT_EQ(chosen({kAnySize / 2, kAnySize / 2, kAnySize / 2}, 100), 0u);
}

// What the header promises: few runs, and each entry rewritten a few times only.
TEST(ChooseMerge, ManyFlushesLeaveFewRunsAndLittleRewriting) {
  std::vector<uint64_t> runs;
  uint64_t written = 0;
  constexpr uint64_t kFlushes = 3000;
  size_t most = 0;
  for (uint64_t i = 0; i < kFlushes; ++i) {
    runs.insert(runs.begin(), 1);
    if (const size_t count = chosen(runs); count > 0) {
      const uint64_t sum = std::accumulate(runs.begin(), runs.begin() + Slot(count), uint64_t{0});
      written += sum;
      runs.erase(runs.begin(), runs.begin() + Slot(count));
      runs.insert(runs.begin(), sum);
    }
    most = std::max(most, runs.size());
  }
  EXPECT_LE(most, 9u);                // log3(3000) is 7.3
  EXPECT_LE(written, 16 * kFlushes);  // twice that
}

RC_GTEST_PROP(MergeRunsProperty, MergedRunHoldsTheNewestEntriesOfEachPrefix, ()) {
  const auto seed = *rc::gen::inRange<uint64_t>(0, 1u << 30);
  const auto count = *rc::gen::inRange<size_t>(1, 6);
  io::SimRandom random(seed);
  io::SimEnv env(seed);
  RunList runs;
  std::map<uint64_t, std::vector<IndexEntry>> model;  // newest first
  const std::vector<SegmentNo> forgotten = {3, 5};
  for (size_t age = 0; age < count; ++age) {
    std::map<uint64_t, IndexEntry> entries;
    const uint64_t size = 1 + random.below(700);
    for (uint64_t i = 0; i < size; ++i) {
      const uint64_t prefix = random.below(2000) << 52;
      entries[prefix] = {prefix, SegmentNo(1 + random.below(6)), Slot(random.below(2))};
    }
    std::vector<IndexEntry> sorted;
    for (const auto& [prefix, entry] : entries) {
      sorted.push_back(entry);
      auto& kept = model[prefix];
      if (entry.segment != 3 && entry.segment != 5 && kept.size() < kEntriesPerPrefixMax &&
          std::find(kept.begin(), kept.end(), entry) == kept.end()) {
        kept.push_back(entry);
      }
    }
    runs.push_back(make_run(env, age + 1, sorted));
  }
  std::vector<IndexEntry> expected;
  for (const auto& [prefix, kept] : model) {
    expected.insert(expected.end(), kept.begin(), kept.end());
  }
  uint64_t sum = 0;
  for (const auto& run : runs) sum += run->entries();
  auto writer = RunWriter::create(env, "run.100", 100, 5, sum);
  IndexNotes notes;
  RC_ASSERT(merge_runs(runs, forgotten, **writer, notes).ok());
  RC_ASSERT((*writer)->entries() == expected.size());
  if (expected.empty()) return;
  auto merged = IndexRun::open(env, "run.100", *(*writer)->finish());
  RC_ASSERT(merged.ok());
  RunScanner scanner(*merged);
  std::vector<IndexEntry> scanned;
  for (IndexEntry entry; *scanner.next(&entry);) scanned.push_back(entry);
  RC_ASSERT(scanned == expected);
  RC_ASSERT(notes.count() == 0u);
}

TEST(MergeRuns, DamagedWindowCostsItsEntriesAndANote) {
  io::SimEnv env(1);
  const std::vector<IndexEntry> entries = uniform_entries(3, 1000);
  const RunList runs = {make_run(env, 1, entries), make_run(env, 2, uniform_entries(4, 1000))};
  ASSERT_TRUE(env.flip_bit("run.1", runs[0]->header().windows_offset() + 100, 0).ok());
  auto writer = RunWriter::create(env, "run.3", 3, 5, 2000);
  IndexNotes notes;
  ASSERT_TRUE(merge_runs(runs, {}, **writer, notes).ok());
  EXPECT_EQ((*writer)->entries(), 2000u - 255u);
  EXPECT_EQ(notes.count(), 1u);
}

TEST(MergeRuns, DeviceThatFailsToReadIsAnError) {
  io::SimEnv env(1);
  const RunList runs = {make_run(env, 1, uniform_entries(3, 1000)),
                        make_run(env, 2, uniform_entries(4, 1000))};
  env.inject({.kind = io::FaultKind::kReadError, .probability = 1, .path_contains = "run.2"});
  auto writer = RunWriter::create(env, "run.3", 3, 5, 2000);
  IndexNotes notes;
  EXPECT_EQ(merge_runs(runs, {}, **writer, notes).error().code(), ErrorCode::kIoError);
}

}  // namespace
}  // namespace ramet::engine
