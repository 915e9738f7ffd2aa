// Power cuts and device faults under the dedupe index [IX-2, IX-3]. Method: one history of
// flushes, merges, forgotten segments and a rebuild, cut at every operation in turn; each dead
// machine wakes up several times with different luck.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/engine/index/index_fixture.h"

namespace ramet::engine {
namespace {

using Content = std::map<uint64_t, Place>;

std::vector<IndexEntry> entries_of_step(uint64_t step) {
  std::vector<IndexEntry> entries = uniform_entries(1000 + step, 30 + step * 13);
  for (IndexEntry& entry : entries) entry.segment = static_cast<SegmentNo>(step);
  return entries;
}

constexpr uint64_t kSteps = 12;
constexpr uint64_t kRebuildStep = 9;
constexpr uint64_t kForgetStep = 6;
constexpr SegmentNo kForgotten = 2;

Content seen_by(DedupeIndex& index) {
  Content content;
  for (uint64_t step = 1; step <= kSteps; ++step) {
    for (const IndexEntry& entry : entries_of_step(step)) {
      for (const Place& place : places_of(index, entry.prefix)) {
        EXPECT_EQ(place, Place(entry.segment, entry.slot));
        content[entry.prefix] = place;
      }
    }
  }
  return content;
}

// What the index may hold after a cut: what the last acknowledged step left, or the next one.
struct History {
  Content acknowledged;
  Content attempted;
};

// Runs until the power fails or the end.
History run_history(io::Env& env) {
  History history;
  DedupeIndex index(env, "index", false, small_index());
  for (uint64_t step = 1; step <= kSteps; ++step) {
    history.attempted = history.acknowledged;
    if (step == kRebuildStep) {
      std::erase_if(history.attempted, [](const auto& it) { return it.second.second % 2 == 0; });
      auto rebuild = index.rebuild_begin();
      if (!rebuild.ok()) return history;
      for (const auto& [prefix, place] : history.attempted) {
        if (!(*rebuild)->insert(prefix, place.first, place.second).ok()) return history;
      }
      if (!(*rebuild)->finish().ok()) return history;
    } else {
      if (step == kForgetStep) {
        index.forget_segments(std::vector<SegmentNo>{kForgotten});
        std::erase_if(history.attempted,
                      [](const auto& it) { return it.second.first == kForgotten; });
      }
      for (const IndexEntry& entry : entries_of_step(step)) {
        index.insert(entry.prefix, entry.segment, entry.slot);
        history.attempted[entry.prefix] = {entry.segment, entry.slot};
      }
      if (!index.flush().ok()) return history;
    }
    history.acknowledged = history.attempted;
  }
  return history;
}

TEST(DedupeIndexPowerCut, AnyCutLeavesWhatSomeFlushLeft_IX2) {
  uint64_t operations = 0;
  {
    io::SimEnv env(1);
    ASSERT_TRUE(env.create_directory("index").ok());
    ASSERT_TRUE(env.sync_directory("/").ok());
    run_history(env);
    operations = env.operations();
  }
  ASSERT_GT(operations, 100u);
  int kept = 0;
  int next = 0;
  for (uint64_t cut = 3; cut <= operations; ++cut) {
    io::SimEnv env(cut);
    ASSERT_TRUE(env.create_directory("index").ok());
    ASSERT_TRUE(env.sync_directory("/").ok());
    env.cut_power_at(cut);
    const History history = run_history(env);
    for (uint64_t outcome = 0; outcome < 4; ++outcome) {
      SCOPED_TRACE(testing::Message() << "cut at " << cut << ", outcome " << outcome);
      const auto machine = env.clone_disk(cut * 100 + outcome);
      machine->restart();
      DedupeIndex index(*machine, "index", false, small_index());
      const Content content = seen_by(index);
      ASSERT_TRUE(content == history.acknowledged || content == history.attempted)
          << content.size() << " entries, " << history.acknowledged.size() << " or "
          << history.attempted.size() << " expected";
      ++(content == history.acknowledged ? kept : next);
      // Nothing but what counts is left, and the next life works.
      size_t runs = 0;
      for (const std::string& file : machine->files()) {
        runs += file.find("/run.") != file.npos ? 1 : 0;
      }
      ASSERT_EQ(runs, index.stats().runs);
      index.insert(42, 77, 7);
      const Status flushed = index.flush();
      ASSERT_TRUE(flushed.ok()) << flushed.error().to_string();
      machine->power_cut(io::CutPolicy::kLoseAll);
      machine->restart();
      DedupeIndex again(*machine, "index", false, small_index());
      ASSERT_EQ(places_of(again, 42), (std::vector<Place>{{77, 7}}));
      ASSERT_EQ(seen_by(again), content);
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(next, 0) << "some cut behind a durable manifest";
}

class DedupeIndexFault : public ::testing::TestWithParam<io::FaultKind> {};

// Whatever operation fails: the entries stay findable, and the next flush makes them durable.
TEST_P(DedupeIndexFault, FailedFlushKeepsItsEntriesForTheNext_IX3) {
  uint64_t failures = 0;
  for (uint64_t operation = 3; operation < 60; ++operation) {
    SCOPED_TRACE(operation);
    io::SimEnv env(operation);
    ASSERT_TRUE(env.create_directory("index").ok());
    ASSERT_TRUE(env.sync_directory("/").ok());
    env.inject({.kind = GetParam(), .operation = operation});
    DedupeIndex index(env, "index", false, small_index());
    Content expected;
    for (uint64_t step = 1; step <= 4; ++step) {
      for (const IndexEntry& entry : entries_of_step(step)) {
        index.insert(entry.prefix, entry.segment, entry.slot);
        expected[entry.prefix] = {entry.segment, entry.slot};
      }
      if (!index.flush().ok()) {
        ++failures;
        EXPECT_FALSE(index.take_notes().empty());
      }
      ASSERT_EQ(seen_by(index), expected);
    }
    env.clear_faults();
    ASSERT_TRUE(index.flush().ok());
    env.power_cut(io::CutPolicy::kLoseAll);
    env.restart();
    DedupeIndex again(env, "index", false, small_index());
    ASSERT_TRUE(seen_by(again) == expected);
  }
  EXPECT_GT(failures, 10u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, DedupeIndexFault,
                         ::testing::Values(io::FaultKind::kWriteError, io::FaultKind::kSyncError,
                                           io::FaultKind::kOutOfSpace));

// Devices that lie: what is found was put there (seen_by() checks), whatever else is lost.
TEST(DedupeIndexFaults, LyingDeviceCostsOnlyDedupe_IX1) {
  uint64_t notes = 0;
  for (const auto kind :
       {io::FaultKind::kLostWrite, io::FaultKind::kMisdirectedWrite, io::FaultKind::kBitFlip,
        io::FaultKind::kReadError, io::FaultKind::kShortRead}) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      io::SimEnv env(seed);
      ASSERT_TRUE(env.create_directory("index").ok());
      env.inject({.kind = kind, .probability = 0.1});
      for (int life = 0; life < 2; ++life) {
        DedupeIndex index(env, "index", false, small_index());
        for (uint64_t step = 1; step <= 6; ++step) {
          for (const IndexEntry& entry : entries_of_step(step)) {
            index.insert(entry.prefix, entry.segment, entry.slot);
          }
          ignore_error(index.flush(), "what fails is retried");
          seen_by(index);
        }
        notes += index.stats().notes;
      }
    }
  }
  EXPECT_GT(notes, 100u);
}

TEST(DedupeIndexFaults, FullDiskKeepsTheIndexUsable) {
  io::SimEnv env(1);
  ASSERT_TRUE(env.create_directory("index").ok());
  DedupeIndex index(env, "index", false, small_index());
  env.set_capacity(16 << 10);
  Content expected;
  for (const IndexEntry& entry : entries_of_step(3)) {
    index.insert(entry.prefix, entry.segment, entry.slot);
    expected[entry.prefix] = {entry.segment, entry.slot};
  }
  EXPECT_EQ(index.flush().error().code(), ErrorCode::kOutOfSpace);
  EXPECT_EQ(seen_by(index), expected);
  env.set_capacity(1 << 30);
  EXPECT_TRUE(index.flush().ok());
  EXPECT_EQ(index.stats().run_entries, expected.size());
}

}  // namespace
}  // namespace ramet::engine
