#include "engine/index/dedupe_index.h"

#include <algorithm>
#include <map>
#include <thread>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/engine/index/index_fixture.h"

namespace ramet::engine {
namespace {

constexpr char kDirectory[] = "index";

class DedupeIndexTest : public ::testing::Test {
 protected:
  std::unique_ptr<DedupeIndex> open(const IndexOptions& options = small_index()) {
    return std::make_unique<DedupeIndex>(env_, kDirectory, false, options);
  }
  size_t run_files() {
    size_t count = 0;
    for (const std::string& file : env_.files()) count += file.find("/run.") != file.npos ? 1 : 0;
    return count;
  }
  void flush(DedupeIndex& index, const std::vector<IndexEntry>& entries) {
    for (const auto& entry : entries) index.insert(entry.prefix, entry.segment, entry.slot);
    const Status flushed = index.flush();
    ASSERT_TRUE(flushed.ok()) << flushed.error().to_string();
  }

  io::SimEnv env_{1};
};

TEST_F(DedupeIndexTest, NewDirectoryIsAnEmptyIndexWithoutNotes) {
  const auto index = open();
  EXPECT_TRUE(places_of(*index, 5).empty());
  EXPECT_TRUE(index->flush().ok());
  EXPECT_TRUE(index->merge().ok());
  EXPECT_TRUE(index->take_notes().empty());
  EXPECT_TRUE(env_.files().empty());
}

TEST_F(DedupeIndexTest, FlushedEntriesAreFoundAfterReopening) {
  const std::vector<IndexEntry> entries = uniform_entries(1, 2000);
  {
    const auto index = open();
    flush(*index, entries);
    EXPECT_EQ(index->pending(), 0u);
    index->insert(77, 7, 7);
    EXPECT_EQ(places_of(*index, 77), (std::vector<Place>{{7, 7}}));
  }
  const auto index = open();
  for (const IndexEntry& entry : entries) {
    ASSERT_EQ(places_of(*index, entry.prefix), (std::vector<Place>{{entry.segment, entry.slot}}));
  }
  EXPECT_TRUE(places_of(*index, 77).empty()) << "was never flushed";
  EXPECT_TRUE(index->take_notes().empty());
  EXPECT_EQ(index->stats().run_entries, 2000u);
}

TEST_F(DedupeIndexTest, PlacesComeNewestFirstUntilTheVisitorHasEnough) {
  const auto index = open();
  flush(*index, {{9, 1, 1}});
  flush(*index, {{9, 2, 2}});
  index->insert(9, 3, 3);
  EXPECT_EQ(places_of(*index, 9), (std::vector<Place>{{3, 3}, {2, 2}, {1, 1}}));
  int visited = 0;
  index->lookup(9, [&](SegmentNo, Slot) { return ++visited < 2; });
  EXPECT_EQ(visited, 2);
}

TEST_F(DedupeIndexTest, ManyFlushesLeaveFewRunsAndFewFiles) {
  const auto index = open();
  const std::vector<IndexEntry> entries = uniform_entries(5, 4000);
  for (size_t i = 0; i < entries.size(); i += 40) {
    flush(*index, {entries.begin() + Slot(i), entries.begin() + Slot(i) + 40});
  }
  EXPECT_LE(index->stats().runs, 6u);
  EXPECT_EQ(run_files(), index->stats().runs);
  for (const IndexEntry& entry : entries) {
    ASSERT_EQ(places_of(*index, entry.prefix), (std::vector<Place>{{entry.segment, entry.slot}}));
  }
}

TEST_F(DedupeIndexTest, BigMergesWaitForMerge) {
  IndexOptions options = small_index();
  options.inline_merge_entries = 100;
  const auto index = open(options);
  for (int i = 0; i < 6; ++i) flush(*index, uniform_entries(10 + Slot(i), 90));
  EXPECT_EQ(index->stats().runs, 6u);
  EXPECT_TRUE(index->merge_is_due());
  ASSERT_TRUE(index->merge().ok());
  EXPECT_FALSE(index->merge_is_due());
  EXPECT_EQ(index->stats().runs, 1u);
  EXPECT_EQ(index->stats().run_entries, 540u);
}

TEST_F(DedupeIndexTest, TooManyRunsAreMergedByFlushHoweverBig) {
  IndexOptions options = small_index();
  options.inline_merge_entries = 0;
  options.runs_max = 4;
  const auto index = open(options);
  for (int i = 0; i < 20; ++i) {
    flush(*index, uniform_entries(10 + Slot(i), 50));
    EXPECT_LE(index->stats().runs, 4u);
  }
}

TEST_F(DedupeIndexTest, ForgottenSegmentsAreNotFoundAndLeaveWithTheNextMerge) {
  IndexOptions options = small_index();
  options.inline_merge_entries = 0;
  const auto index = open(options);
  flush(*index, {{1, 10, 1}, {2, 20, 2}});
  flush(*index, {{3, 10, 3}, {4, 20, 4}});
  index->insert(5, 10, 5);
  index->insert(6, 20, 6);
  index->forget_segments(std::vector<SegmentNo>{10});
  EXPECT_TRUE(places_of(*index, 1).empty());
  EXPECT_TRUE(places_of(*index, 5).empty());
  EXPECT_EQ(places_of(*index, 4), (std::vector<Place>{{20, 4}}));
  EXPECT_EQ(index->stats().run_entries, 4u);
  EXPECT_EQ(index->pending(), 1u);
  ASSERT_TRUE(index->merge().ok());
  EXPECT_EQ(index->stats().run_entries, 2u);
  EXPECT_TRUE(places_of(*index, 5).empty());
  EXPECT_EQ(places_of(*index, 6), (std::vector<Place>{{20, 6}}));
  EXPECT_EQ(index->stats().forgotten_segments, 0u);
}

TEST_F(DedupeIndexTest, ForgottenSegmentsStayForgottenAfterReopening) {
  {
    const auto index = open();
    flush(*index, uniform_entries(3, 500));
    index->forget_segments(std::vector<SegmentNo>{1});
    flush(*index, {{7, 9, 9}});
  }
  const auto index = open();
  for (const IndexEntry& entry : uniform_entries(3, 500)) {
    EXPECT_TRUE(places_of(*index, entry.prefix).empty());
  }
  EXPECT_EQ(places_of(*index, 7), (std::vector<Place>{{9, 9}}));
}

TEST_F(DedupeIndexTest, ManyForgottenSegmentsMakeAMergeDue) {
  IndexOptions options = small_index();
  options.forgotten_max = 10;
  const auto index = open(options);
  flush(*index, uniform_entries(3, 500));
  std::vector<SegmentNo> gone;
  for (SegmentNo i = 1; i <= 11; ++i) gone.push_back(i);
  EXPECT_FALSE(index->merge_is_due());
  index->forget_segments(gone);
  EXPECT_TRUE(index->merge_is_due());
  ASSERT_TRUE(index->merge().ok());
  EXPECT_EQ(index->stats().runs, 0u);
  EXPECT_EQ(run_files(), 0u);
  EXPECT_FALSE(index->merge_is_due());
}

TEST_F(DedupeIndexTest, FullTableForgetsNewEntriesUntilFlushed) {
  const auto index = open();
  const std::vector<IndexEntry> entries = uniform_entries(3, 20'000);
  for (const auto& entry : entries) index->insert(entry.prefix, entry.segment, entry.slot);
  EXPECT_GT(index->stats().dropped_entries, 0u);
  EXPECT_EQ(index->pending() + index->stats().dropped_entries, 20'000u);
  ASSERT_TRUE(index->flush().ok());
  index->insert(7, 7, 7);
  EXPECT_EQ(places_of(*index, 7), (std::vector<Place>{{7, 7}}));
}

TEST_F(DedupeIndexTest, MemoryStaysWithinItsBudget) {
  const auto index = open();
  for (uint64_t i = 0; i < 60; ++i) {
    flush(*index, uniform_entries(100 + i, 2000));
    for (const IndexEntry& entry : uniform_entries(100 + i, 100)) places_of(*index, entry.prefix);
    EXPECT_LE(index->stats().memory_bytes, small_index().memory_bytes * 5 / 4);
  }
  EXPECT_EQ(index->stats().run_entries, 120'000u);
}

TEST_F(DedupeIndexTest, RunsWhoseFilterDoesNotFitAreAskedWithoutIt) {
  IndexOptions options = small_index();
  options.memory_bytes = 16 << 10;
  const auto index = open(options);
  std::vector<IndexEntry> all;
  for (uint64_t i = 0; i < 40; ++i) {
    const auto entries = uniform_entries(100 + i, 400);
    flush(*index, entries);
    all.insert(all.end(), entries.begin(), entries.end());
  }
  for (const IndexEntry& entry : all) ASSERT_FALSE(places_of(*index, entry.prefix).empty());
  EXPECT_LE(index->stats().memory_bytes, 128u << 10);
}

TEST_F(DedupeIndexTest, ReadOnlyIndexReadsAndNeverWrites) {
  flush(*open(), uniform_entries(3, 500));
  ASSERT_TRUE(env_.write_raw("index/run.999", 0, "a leftover").ok());
  const uint64_t operations = env_.operations();
  DedupeIndex index(env_, kDirectory, true, small_index());
  EXPECT_EQ(places_of(index, uniform_entries(3, 500)[9].prefix).size(), 1u);
  index.insert(7, 7, 7);
  EXPECT_EQ(places_of(index, 7).size(), 1u);
  EXPECT_TRUE(index.flush().ok());
  EXPECT_TRUE(index.merge().ok());
  EXPECT_EQ(index.rebuild_begin().error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(env_.operations(), operations);
}

TEST_F(DedupeIndexTest, LeftoverRunsAreRemovedAndOtherFilesStay) {
  flush(*open(), uniform_entries(3, 500));
  for (const char* name : {"index/run.7", "index/run.999", "index/run.x", "index/notes"}) {
    ASSERT_TRUE(env_.write_raw(name, 0, "something").ok());
  }
  const auto index = open();
  EXPECT_FALSE(*env_.exists("index/run.7"));
  EXPECT_FALSE(*env_.exists("index/run.999"));
  EXPECT_TRUE(*env_.exists("index/run.x"));
  EXPECT_TRUE(*env_.exists("index/notes"));
  EXPECT_EQ(index->stats().run_entries, 500u);
}

TEST_F(DedupeIndexTest, MissingRunsAndManifestsCostOnlyDedupe) {
  const std::vector<IndexEntry> entries = uniform_entries(3, 500);
  flush(*open(), entries);
  for (const std::string& victim : env_.files()) {
    auto copy = env_.clone_disk(5);
    copy->restart();
    ASSERT_TRUE(copy->remove(victim).ok());
    DedupeIndex index(*copy, kDirectory, false, small_index());
    for (const IndexEntry& entry : entries) {
      for (const Place& place : places_of(index, entry.prefix)) {
        EXPECT_EQ(place, Place(entry.segment, entry.slot));
      }
    }
    index.insert(7, 7, 7);
    EXPECT_TRUE(index.flush().ok());
    DedupeIndex again(*copy, kDirectory, false, small_index());
    EXPECT_EQ(places_of(again, 7), (std::vector<Place>{{7, 7}}));
  }
}

TEST_F(DedupeIndexTest, GarbageInAnyFileGivesNotesAndNoWrongPlaces) {
  const std::vector<IndexEntry> entries = uniform_entries(3, 900);
  {
    const auto index = open();
    flush(*index, {entries.begin(), entries.begin() + 700});
    flush(*index, {entries.begin() + 700, entries.end()});
  }
  io::SimRandom random(17);
  for (int round = 0; round < 300; ++round) {
    auto copy = env_.clone_disk(5);
    copy->restart();
    const auto files = copy->files();
    const std::string& victim = files[random.below(files.size())];
    Bytes garbage;
    const uint64_t length = 1 + random.below(6000);
    while (garbage.size() < length) append(garbage, random.next());
    const uint64_t size = copy->read_raw(victim)->size();
    ASSERT_TRUE(copy->write_raw(victim, random.below(size), garbage).ok());
    DedupeIndex index(*copy, kDirectory, false, small_index());
    for (const IndexEntry& entry : entries) {
      for (const Place& place : places_of(index, entry.prefix)) {
        ASSERT_EQ(place, Place(entry.segment, entry.slot)) << victim;
      }
    }
    EXPECT_TRUE(index.flush().ok());
    EXPECT_TRUE(index.merge().ok());
  }
}

TEST_F(DedupeIndexTest, RebuildReplacesWhatWasThereButNotWhatIsFlushedMeanwhile) {
  const auto index = open();
  flush(*index, {{1, 10, 1}, {2, 10, 2}});
  auto rebuild = index->rebuild_begin();
  ASSERT_TRUE(rebuild.ok());
  EXPECT_EQ(index->rebuild_begin().error().code(), ErrorCode::kBusy);
  ASSERT_TRUE((*rebuild)->insert(2, 11, 2).ok());
  ASSERT_TRUE((*rebuild)->insert(3, 11, 3).ok());
  EXPECT_EQ(places_of(*index, 1).size(), 1u) << "the old index serves until the end";
  EXPECT_TRUE(places_of(*index, 3).empty());
  flush(*index, {{4, 12, 4}});
  ASSERT_TRUE((*rebuild)->finish().ok());
  rebuild->reset();
  EXPECT_TRUE(places_of(*index, 1).empty());
  EXPECT_EQ(places_of(*index, 2), (std::vector<Place>{{11, 2}}));
  EXPECT_EQ(places_of(*index, 3), (std::vector<Place>{{11, 3}}));
  EXPECT_EQ(places_of(*index, 4), (std::vector<Place>{{12, 4}}));
  const auto reopened = open();
  EXPECT_EQ(places_of(*reopened, 3), (std::vector<Place>{{11, 3}}));
  EXPECT_EQ(run_files(), reopened->stats().runs);
}

TEST_F(DedupeIndexTest, RebuildOfManyEntriesMergesItsPieces) {
  const auto index = open();
  const std::vector<IndexEntry> entries = uniform_entries(3, 150'000);
  auto rebuild = index->rebuild_begin();
  for (size_t i = 0; i < entries.size(); ++i) {
    const IndexEntry& entry = entries[(i * 7919) % entries.size()];
    ASSERT_TRUE((*rebuild)->insert(entry.prefix, entry.segment, entry.slot).ok());
  }
  ASSERT_TRUE((*rebuild)->finish().ok());
  EXPECT_EQ(index->stats().runs, 1u);
  EXPECT_EQ(index->stats().run_entries, 150'000u);
  for (size_t i = 0; i < entries.size(); i += 97) {
    ASSERT_EQ(places_of(*index, entries[i].prefix),
              (std::vector<Place>{{entries[i].segment, entries[i].slot}}));
  }
  EXPECT_EQ(run_files(), 1u);
}

TEST_F(DedupeIndexTest, DroppedRebuildLeavesNothingBehind) {
  const auto index = open();
  flush(*index, {{1, 10, 1}});
  {
    auto rebuild = index->rebuild_begin();
    for (const IndexEntry& entry : uniform_entries(3, 10'000)) {
      ASSERT_TRUE((*rebuild)->insert(entry.prefix, entry.segment, entry.slot).ok());
    }
  }
  EXPECT_EQ(run_files(), 1u);
  EXPECT_EQ(places_of(*index, 1).size(), 1u);
  EXPECT_TRUE(index->rebuild_begin().ok());
}

TEST_F(DedupeIndexTest, RebuildOfNothingEmptiesTheIndex) {
  const auto index = open();
  flush(*index, {{1, 10, 1}});
  auto rebuild = index->rebuild_begin();
  ASSERT_TRUE((*rebuild)->finish().ok());
  EXPECT_TRUE(places_of(*index, 1).empty());
  EXPECT_EQ(run_files(), 0u);
}

TEST(DedupeIndexThreads, LookupsAlwaysFindWhatIsThereWhileOthersWriteAndMerge) {
  io::SimEnv env(1);
  DedupeIndex index(env, "index", false, small_index());
  const std::vector<IndexEntry> base = uniform_entries(1, 1000);
  for (const auto& entry : base) index.insert(entry.prefix, entry.segment, entry.slot);
  ASSERT_TRUE(index.flush().ok());
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 2; ++thread) {
    threads.emplace_back([&, thread] {
      io::SimRandom random(thread);
      while (!stop) {
        const IndexEntry& entry = base[random.below(base.size())];
        EXPECT_EQ(places_of(index, entry.prefix),
                  (std::vector<Place>{{entry.segment, entry.slot}}));
      }
    });
  }
  threads.emplace_back([&] {
    while (!stop) {
      EXPECT_TRUE(index.merge().ok());
      index.forget_segments(std::vector<SegmentNo>{999});
      index.stats();
      std::this_thread::yield();
    }
  });
  for (uint64_t round = 0; round < 60; ++round) {
    for (const auto& entry : uniform_entries(1000 + round, 100)) {
      index.insert(entry.prefix, entry.segment + 5000, entry.slot);
      EXPECT_FALSE(places_of(index, entry.prefix).empty());
    }
    EXPECT_TRUE(index.flush().ok());
    if (round % 20 == 10) {
      auto rebuild = index.rebuild_begin();
      ASSERT_TRUE(rebuild.ok());
      for (const auto& entry : base) {
        ASSERT_TRUE((*rebuild)->insert(entry.prefix, entry.segment, entry.slot).ok());
      }
      ASSERT_TRUE((*rebuild)->finish().ok());
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(index.take_notes().empty());
}

// Against plain maps: what is found was put there, and the newest that was put is found first.
RC_GTEST_PROP(DedupeIndexProperty, AgreesWithAPlainMapThroughAnyHistory, ()) {
  const auto seed = *rc::gen::inRange<uint64_t>(0, 1u << 30);
  const auto steps = *rc::gen::inRange(1, 40);
  io::SimRandom random(seed);
  io::SimEnv env(seed);
  IndexOptions options = small_index();
  options.inline_merge_entries = random.below(2000);
  auto index = std::make_unique<DedupeIndex>(env, "index", false, options);
  std::map<uint64_t, Place> pending;
  std::map<uint64_t, Place> durable;
  std::map<uint64_t, std::set<Place>> ever;
  std::set<SegmentNo> gone;
  std::set<SegmentNo> perhaps_gone;
  SegmentNo segment = 1;
  const auto prefix_of = [&] { return random.below(300) * 0x00DA'7A0B'ADF0'0D11ull; };

  for (int step = 0; step < steps; ++step) {
    switch (random.below(8)) {
      case 0: RC_ASSERT(index->merge().ok()); break;
      case 1:
        index = nullptr;
        index = std::make_unique<DedupeIndex>(env, "index", false, options);
        pending.clear();
        perhaps_gone.merge(gone);
        gone.clear();
        break;
      case 2: {
        const auto victim = static_cast<SegmentNo>(1 + random.below(segment));
        index->forget_segments(std::vector<SegmentNo>{victim});
        gone.insert(victim);
        ++segment;
        break;
      }
      case 3: {
        auto rebuild = index->rebuild_begin();
        RC_ASSERT(rebuild.ok());
        for (const auto& [prefix, place] : durable) {
          if (gone.contains(place.first)) continue;
          RC_ASSERT((*rebuild)->insert(prefix, place.first, place.second).ok());
        }
        if (random.below(2) == 0) RC_ASSERT((*rebuild)->finish().ok());
        break;
      }
      case 4:
      case 5:
        RC_ASSERT(index->flush().ok());
        for (const auto& [prefix, place] : pending) durable[prefix] = place;
        pending.clear();
        break;
      default:
        ++segment;
        for (uint64_t i = random.below(60); i > 0; --i) {
          const uint64_t prefix = prefix_of();
          const Place place(segment, static_cast<Slot>(random.below(1000)));
          index->insert(prefix, place.first, place.second);
          pending[prefix] = place;
          ever[prefix].insert(place);
        }
    }
    for (int i = 0; i < 40; ++i) {
      const uint64_t prefix = prefix_of();
      const std::vector<Place> found = places_of(*index, prefix);
      for (const Place& place : found) {
        RC_ASSERT(ever[prefix].contains(place));
        RC_ASSERT(!gone.contains(place.first));
      }
      const auto newest = pending.contains(prefix) ? pending.find(prefix) : durable.find(prefix);
      if (newest == pending.end() || newest == durable.end()) continue;
      const SegmentNo in = newest->second.first;
      if (gone.contains(in) || perhaps_gone.contains(in)) continue;
      RC_ASSERT(!found.empty());
      RC_ASSERT(found.front() == newest->second);
    }
  }
  RC_ASSERT(index->take_notes().empty());
}

}  // namespace
}  // namespace ramet::engine
