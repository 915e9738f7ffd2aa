// Goal: a full disk or a failing device fails the commit, never what was acknowledged; deleting
// works on a full disk; a failed sync ends all writing; what the device spoils silently is never
// shown [INV-1] [INV-4] [LOG-3] [QUEUE-2] [QUEUE-3] [SEG-3].
// Method: seeded workload, seeded faults, compared with the model after each failure and after
// reopening.
//
// RAMET_SIM_SEEDS: seeds for each test.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <sstream>

#include "tests/sim/machine.h"

namespace ramet::sim {
namespace {

uint64_t seeds() {
  const char* value = std::getenv("RAMET_SIM_SEEDS");
  // Fewer than 12 would not meet each kind of failure.
  return value == nullptr ? 25 : std::max<uint64_t>(12, std::strtoull(value, nullptr, 10));
}

io::FaultRule fault(io::FaultKind kind, const std::string& path, uint64_t operation) {
  io::FaultRule rule;
  rule.kind = kind;
  rule.path_contains = path;
  rule.operation = operation;
  rule.times_max = 1;
  return rule;
}

io::FaultRule likely_fault(io::FaultKind kind, double probability) {
  io::FaultRule rule;
  rule.kind = kind;
  rule.probability = probability;
  return rule;
}

// Is there another name of the object?
bool has_more_names(const PathMap& paths, const ModelEntry& entry) {
  return std::count_if(paths.begin(), paths.end(), [&](const auto& other) {
           return other.first.back() != '/' && other.second.object == entry.object;
         }) > 1;
}

// Removes a file, then a container, on the full disk: both must work.
void delete_something(Machine& machine) {
  for (const auto& [name, container] : machine.workload.model()) {
    if (container.paths.empty()) continue;
    const auto& [path, entry] = *container.paths.rbegin();
    if (path.back() == '/' || path.find('/', 1) != std::string::npos) continue;
    if (has_more_names(container.paths, entry)) continue;
    const auto info = machine.store->container(name);
    auto transaction = machine.store->begin(info->id);
    ASSERT_TRUE(transaction.ok()) << transaction.error().to_string();
    const Status gone = (*transaction)->remove(kRootFolder, path.substr(1));
    ASSERT_TRUE(gone.ok()) << name << ":" << path << ": " << gone.error().to_string();
    const auto removed = (*transaction)->commit();
    ASSERT_TRUE(removed.ok()) << name << ":" << path << ": " << removed.error().to_string();
    machine.workload.forget_path(name, std::string(path));
    break;
  }
  const std::string name = machine.workload.model().begin()->first;
  const auto info = machine.store->container(name);
  ASSERT_TRUE(info.ok());
  const Status dropped = machine.store->drop_container(info->id);
  ASSERT_TRUE(dropped.ok()) << dropped.error().to_string();
  machine.workload.forget_container(name);
}

TEST(Faults, FullDiskFailsTheCommitAndNothingElse) {
  constexpr uint64_t kMuch = uint64_t{1} << 40;
  uint64_t failures = 0;
  uint64_t deletions = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed);
    for (int round = 0; round < 5; ++round) {
      for (uint64_t i = 0; i < 8 + machine.random() % 20; ++i) {
        const Status status = machine.step();
        ASSERT_TRUE(status.ok()) << machine.last << ": " << status.error().to_string();
      }
      machine.env->set_capacity(machine.used() + 4096 * (machine.random() % 24));
      bool full = false;
      for (int i = 0; i < 60 && !full; ++i) {
        const Status status = machine.step();
        if (status.ok()) continue;
        full = true;
        ++failures;
        ASSERT_EQ(status.error().code(), ErrorCode::kOutOfSpace)
            << machine.last << ": " << status.error().to_string();
        machine.expect_equal("after the failure");
        EXPECT_FALSE(machine.store->info()->read_only);
      }
      if (full && !machine.workload.model().empty()) {
        ASSERT_NO_FATAL_FAILURE(delete_something(machine));
        ++deletions;
        machine.expect_equal("after deleting on the full disk");
      }
      if (machine.random() % 2 == 0) machine.env->set_capacity(kMuch);
      if (machine.random() % 2 == 0) {
        // The same store goes on as soon as there is room.
        machine.env->set_capacity(kMuch);
        for (int i = 0; i < 5; ++i) {
          const Status status = machine.step();
          ASSERT_TRUE(status.ok()) << machine.last << ": " << status.error().to_string();
        }
        machine.expect_equal("with room again");
      }
      const Status closed = machine.store->close();
      machine.env->set_capacity(kMuch);
      machine.open();
      machine.expect_equal(closed.ok() ? "closed and opened" : closed.error().to_string());
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
  EXPECT_GT(failures, seeds());
  EXPECT_GT(deletions, seeds() / 2);
}

// Space that is there and gone again, in the middle of commits, checkpoints, roll-overs.
TEST(Faults, SpaceRunsOutAtAnyWriteAndNothingIsLost) {
  uint64_t failures = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 500);
    for (int round = 0; round < 4; ++round) {
      const double probability = round % 2 == 0 ? 0.02 : 0.2;
      machine.env->inject(likely_fault(io::FaultKind::kOutOfSpace, probability));
      bool read_only = false;
      for (int i = 0; i < 25; ++i) {
        const Status status = machine.step();
        if (status.ok()) continue;
        ++failures;
        // A group that was allocated and yet did not fit, and could not be voided either.
        read_only = machine.store->info()->read_only;
        if (read_only) break;
        ASSERT_EQ(status.error().code(), ErrorCode::kOutOfSpace)
            << machine.last << ": " << status.error().to_string();
      }
      machine.env->clear_faults();
      machine.expect_equal("after the faults");
      for (int i = 0; i < 3 && !read_only; ++i) {
        const Status status = machine.step();
        ASSERT_TRUE(status.ok()) << machine.last << ": " << status.error().to_string();
      }
      if (round % 2 == 0) {
        EXPECT_EQ(machine.store->close().ok(), !read_only);
      } else {
        machine.env->power_cut(io::CutPolicy::kRandom);
        machine.store.reset();
        machine.env->restart();
      }
      machine.open();
      if (!read_only) machine.failed.reset();
      machine.expect_one_of_both("opened again");
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
  EXPECT_GT(failures, seeds());
}

TEST(Faults, FailedWriteFailsTheCommitAndNothingElse) {
  uint64_t fired = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 1000);
    for (int round = 0; round < 6; ++round) {
      machine.env->inject(fault(io::FaultKind::kWriteError, round % 3 == 0 ? "" : "segments",
                                machine.env->operations() + 1 + machine.random() % 40));
      for (int i = 0; i < 20; ++i) {
        const Status status = machine.step();
        if (status.ok()) continue;
        ++fired;
        machine.expect_equal("after the failure: " + status.error().to_string());
        if (machine.store->info()->read_only) break;
      }
      machine.env->clear_faults();
      const Status closed = machine.store->close();
      machine.open();
      machine.expect_one_of_both(closed.ok() ? "closed and opened" : closed.error().to_string());
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
  EXPECT_GT(fired, seeds());
}

TEST(Faults, FailedReadsFailTheirCallsAndSpoilNothing) {
  uint64_t failures = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 3000);
    for (int round = 0; round < 4; ++round) {
      machine.env->inject(likely_fault(
          round % 2 == 0 ? io::FaultKind::kReadError : io::FaultKind::kShortRead, 0.05));
      for (int i = 0; i < 15; ++i) failures += machine.step().ok() ? 0 : 1;
      machine.env->clear_faults();
      machine.expect_equal("after the faults");
      ASSERT_FALSE(machine.store->info()->read_only);
      ASSERT_TRUE(machine.store->close().ok());
      machine.open();
      machine.expect_equal("closed and opened");
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
  EXPECT_GT(failures, seeds() / 4);
}

// Whatever sync fails (of a commit, a checkpoint, a roll-over, a superblock, the directory), and
// however often the caller tries again: what is acknowledged survives the power.
TEST(Faults, FailedSyncMakesTheStoreReadOnlyAndLosesNothing) {
  uint64_t fired = 0;
  uint64_t failed_steps = 0;
  for (uint64_t seed = 1; seed <= 8 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 2000);
    for (uint64_t i = 0; i < 10 + machine.random() % 20; ++i) ASSERT_TRUE(machine.step().ok());
    const bool of_superblock = seed % 4 == 0;
    io::FaultRule rule = fault(io::FaultKind::kSyncError, of_superblock ? "superblock" : "segments",
                               machine.env->operations() + 1 + machine.random() % 90);
    if (of_superblock) rule.operation = 0;
    if (of_superblock) rule.probability = 0.5;
    machine.env->inject(rule);
    std::optional<Workload> first;
    for (int i = 0; i < 60; ++i) {
      const bool was_fired = machine.env->stats().sync_errors > 0;
      const bool ok = machine.step().ok();
      EXPECT_FALSE(was_fired && ok) << "done behind a failed sync: " << machine.last;
      if (!ok && !first) first = machine.failed;
      if (!ok) ++failed_steps;
    }
    if (machine.env->stats().sync_errors == 0) continue;
    ++fired;
    // At the latest when the next commit is tried.
    ASSERT_FALSE(machine.store->create_container("more").ok());
    const auto info = machine.store->info();  // reads the map, whose newest nodes were dropped
    ASSERT_TRUE(info.ok()) << info.error().to_string();
    EXPECT_TRUE(info->read_only);
    machine.expect_equal("reading goes on");
    machine.env->power_cut(io::CutPolicy::kRandom);
    machine.store.reset();
    machine.env->restart();
    machine.open();
    machine.failed = first;
    machine.expect_one_of_both("recovered");
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_GT(fired, 2 * seeds());
  EXPECT_GT(failed_steps, fired);
}

// After a failed sync the kernel takes pages for clean that it never wrote: the process that is
// started next reads them, and a sync of its own does not make them durable.
TEST(Faults, WhatARestartFindsAfterAFailedSyncIsDurableBeforeItIsBuiltOn) {
  uint64_t fired = 0;
  for (uint64_t seed = 1; seed <= 8 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 9200);
    for (uint64_t i = 0; i < 5 + machine.random() % 20; ++i) ASSERT_TRUE(machine.step().ok());
    machine.env->inject(fault(io::FaultKind::kSyncError, "segments",
                              machine.env->operations() + 1 + machine.random() % 60));
    for (int i = 0; i < 40 && machine.step().ok(); ++i) continue;
    if (machine.env->stats().sync_errors == 0) continue;
    ++fired;
    machine.store.reset();  // the process ends; the machine goes on
    if (seed % 2 == 0) {  // also beside other trouble
      io::FaultRule rule = likely_fault(io::FaultKind::kOutOfSpace, 1);
      rule.path_contains = "segments";
      rule.times_max = 1 + machine.random() % 3;
      machine.env->inject(rule);
      const bool opened = Store::open("/store", machine.options).ok();
      machine.env->clear_faults();
      if (opened || seed % 4 == 0) {
        machine.env->power_cut(io::CutPolicy::kRandom);
        machine.env->restart();
      }
    }
    machine.open();
    machine.expect_one_of_both("started again");
    for (uint64_t i = 0; i < machine.random() % 6; ++i) ASSERT_TRUE(machine.step().ok());
    machine.cut();
    machine.expect_equal("the power failed later");
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_GT(fired, 2 * seeds());
}

// The same for a superblock: the older one may be all that the device has, and must not be written
// over before the newer one is durable.
TEST(Faults, ASuperblockWhoseSyncFailedIsNotReliedOn) {
  uint64_t cuts = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 9500);
    for (uint64_t i = 0; i < 3 + machine.random() % 20; ++i) ASSERT_TRUE(machine.step().ok());
    io::FaultRule rule = likely_fault(io::FaultKind::kSyncError, 1);
    rule.path_contains = "superblock";
    machine.env->inject(rule);
    const bool closes = seed % 2 == 0;
    EXPECT_FALSE((closes ? machine.store->close() : machine.store->checkpoint()).ok());
    machine.env->clear_faults();
    machine.store.reset();
    for (uint64_t point = 1; point <= 40; ++point) {
      const auto env = machine.env->clone_disk(seed * 100 + point);
      StoreOptions options = machine.options;
      options.env = env;
      env->cut_power_at(point, io::CutPolicy::kRandom);
      const bool opened = Store::open("/store", options).ok();
      EXPECT_TRUE(opened || !env->powered());
      if (env->powered()) break;
      ++cuts;
      env->restart();
      const auto store = Store::open("/store", options);
      ASSERT_TRUE(store.ok()) << "point " << point << ": " << store.error().to_string();
      const std::string is = describe(**store);
      const std::string should = describe(machine.workload.model());
      ASSERT_TRUE(is == should) << "point " << point << "\n" << first_difference(is, should);
    }
  }
  EXPECT_GT(cuts, 10 * seeds());
}

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.insert(line.substr(0, line.find(" one of ")));
  return out;
}

// The device says that it wrote and did not, or elsewhere, or something else.
TEST(Faults, WhatTheDeviceSpoilsSilentlyIsNeverShown) {
  uint64_t damaged = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 4000);
    constexpr io::FaultKind kKinds[] = {io::FaultKind::kLostWrite, io::FaultKind::kBitFlip,
                                        io::FaultKind::kMisdirectedWrite};
    machine.env->inject(likely_fault(kKinds[seed % 3], 0.03));
    std::set<std::string> known;
    for (int i = 0; i < 60; ++i) {
      ignore_error(machine.step(), "it may meet the damage");
      known.merge(lines_of(describe(machine.workload.model())));
      if (machine.failed) known.merge(lines_of(describe(machine.failed->model())));
    }
    machine.env->clear_faults();
    if (seed % 2 == 0) ignore_error(machine.store->close(), "it may meet the damage");
    machine.env->power_cut(io::CutPolicy::kRandom);
    machine.store.reset();
    machine.env->restart();
    StoreOptions options = tiny_options(machine.env);
    options.read_only = true;
    const auto store = Store::open("/store", options);
    if (!store.ok()) {
      ++damaged;
      ASSERT_EQ(store.error().code(), ErrorCode::kCorruption) << store.error().to_string();
      continue;
    }
    for (const std::string& line : lines_of(describe(**store))) {
      const bool reported = line.find("ERROR") != std::string::npos;
      if (reported) ++damaged;
      ASSERT_TRUE(reported || known.contains(line)) << line;
    }
  }
  EXPECT_GT(damaged, seeds() / 4);
}

}  // namespace
}  // namespace ramet::sim
