// Goal: the segments alone give a store back, whatever else is gone; of one that was in use also
// what its log holds.
// Method: random stores of which whole kinds of structures are wiped.
//
// RAMET_SIM_SEEDS: histories.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "tests/sim/machine.h"
#include "tests/sim/repair_support.h"

namespace ramet::sim {
namespace {

// Cuts everything behind the frames off: footer and trailer.
void wipe_footer(Bytes& bytes) {
  if (bytes.size() < kSegmentHeaderBytes + 32) return;
  const uint64_t at = load<uint64_t>(bytes.data() + bytes.size() - 32);
  if (at < kSegmentHeaderBytes || at >= bytes.size()) return;
  for (uint64_t i = at; i < bytes.size(); ++i) bytes[i] = '\0';
}

enum class Wiped { kSuperblocks, kFooters, kIndex, kMap };

Files wipe(Files files, const std::set<Wiped>& what) {
  Files out;
  for (auto& [path, bytes] : files) {
    if (what.contains(Wiped::kIndex) && path.find("/index/") != std::string::npos) continue;
    if (what.contains(Wiped::kSuperblocks) && path.find("superblock") != std::string::npos) {
      continue;
    }
    if (what.contains(Wiped::kMap) && is_segment(path, Stream::kMap, bytes)) continue;
    const bool sealed = is_segment(path, Stream::kNode, bytes) ||
                        is_segment(path, Stream::kData, bytes) ||
                        is_segment(path, Stream::kCommit, bytes);
    if (what.contains(Wiped::kFooters) && sealed) wipe_footer(bytes);
    out[path] = std::move(bytes);
  }
  return out;
}

void expect_scavenged(const Files& files, const Contents& sound) {
  const auto env = disk_with(files);
  const Repaired done = run_repair(env, true, true);
  ASSERT_TRUE(done.status.ok()) << done.status.error().to_string();
  EXPECT_EQ(done.report.older + done.report.moved + done.report.lost, 0u) << done.text;
  expect_sound(env, done.text);
  const Contents now = contents_on(env);
  ASSERT_EQ(missing_of(sound, now, done.text), std::set<std::string>{}) << done.text;
  EXPECT_EQ(now.size(), sound.size());
  ASSERT_TRUE(undo_repair("/store", false, env).ok());
  std::string differs;
  ASSERT_TRUE(same_files(files, files_of(*env), &differs)) << "undone: " << differs;
  ASSERT_TRUE(run_repair(env, true, true).status.ok());
  ASSERT_TRUE(accept_repair("/store", env).ok());
  ASSERT_NO_FATAL_FAILURE(expect_usable(env));
}

TEST(Scavenge, SegmentsAloneGiveTheWholeStore) {
  const std::vector<std::set<Wiped>> cases = {
      {},
      {Wiped::kSuperblocks},
      {Wiped::kFooters},
      {Wiped::kSuperblocks, Wiped::kFooters, Wiped::kIndex},
      {Wiped::kSuperblocks, Wiped::kFooters, Wiped::kIndex, Wiped::kMap},
      {Wiped::kMap}};
  const uint64_t seeds = from_environment("RAMET_SIM_SEEDS", 20);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Machine machine(seed + 7100);
    for (int i = 0; i < 50; ++i) {
      ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      if (i % 20 != 19) continue;
      ASSERT_TRUE(machine.store->reclaim({}).ok());
    }
    const auto sound = contents_of(*machine.store);
    ASSERT_TRUE(machine.store->close().ok());
    const Files files = files_of(*machine.env);
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(fmt::format("seed {}, case {}", seed, i));
      ASSERT_NO_FATAL_FAILURE(expect_scavenged(wipe(files, cases[i]), sound));
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
}

// The log behind the last checkpoint as well: nothing that was acknowledged is lost.
TEST(Scavenge, AStoreThatWasInUseComesBackWithItsLog) {
  const uint64_t seeds = from_environment("RAMET_SIM_SEEDS", 20);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Machine machine(seed + 7300);
    for (int i = 0; i < 40; ++i) {
      ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      if (i != 25) continue;
      ASSERT_TRUE(machine.store->checkpoint().ok());
    }
    const auto sound = contents_of(*machine.store);
    machine.env->power_cut(io::CutPolicy::kKeepAll);
    machine.store.reset();
    machine.env->restart();
    ASSERT_NO_FATAL_FAILURE(expect_scavenged(
        wipe(files_of(*machine.env), {Wiped::kSuperblocks, Wiped::kIndex}), sound));
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

// A device that fails for a moment, or gives less than it has, is not a segment that is gone: then
// an older checkpoint would be taken for the newest one that is there [INV-7].
TEST(Scavenge, AReadThatFailsOrComesBackShortIsNoDamageAndLosesNothing) {
  const uint64_t seeds = std::min<uint64_t>(5, from_environment("RAMET_SIM_SEEDS", 5));
  uint64_t refused = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Machine machine(seed + 7100);
    for (int i = 0; i < 40; ++i) {
      ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      if (i % 15 != 14) continue;
      ASSERT_TRUE(machine.store->reclaim({}).ok());
      ASSERT_TRUE(machine.store->checkpoint().ok());
    }
    const auto sound = contents_of(*machine.store);
    ASSERT_TRUE(machine.store->close().ok());
    const auto disk = disk_with(wipe(files_of(*machine.env), {Wiped::kSuperblocks}));
    const auto clean = disk->clone_disk(1);
    const uint64_t before = clean->reads();
    ASSERT_TRUE(run_repair(clean, true, true).status.ok());
    const uint64_t reads = clean->reads() - before;
    for (const auto kind : {io::FaultKind::kReadError, io::FaultKind::kShortRead}) {
      for (uint64_t read = 1; read <= reads; ++read) {
        SCOPED_TRACE(fmt::format("seed {}, {} read {}", seed,
                                 kind == io::FaultKind::kReadError ? "failed" : "short", read));
        const auto env = disk->clone_disk(1);
        io::FaultRule rule;
        rule.kind = kind;
        rule.operation = env->reads() + read;
        env->inject(rule);
        const Repaired done = run_repair(env, true, true);
        env->clear_faults();
        if (!done.status.ok()) {
          ++refused;
          ASSERT_TRUE(run_repair(env, true, true).status.ok());
        }
        ASSERT_TRUE(contents_on(env) == sound) << done.text;
      }
    }
  }
  EXPECT_GT(refused, seeds);
}

}  // namespace
}  // namespace ramet::sim
