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

#include "io/env_sim.h"
#include "tests/sim/workload.h"

namespace ramet::sim {
namespace {

uint64_t seeds() {
  const char* value = std::getenv("RAMET_SIM_SEEDS");
  // Fewer than 12 would not meet each kind of failure.
  return value == nullptr ? 25 : std::max<uint64_t>(12, std::strtoull(value, nullptr, 10));
}

class Machine {
 public:
  explicit Machine(uint64_t seed)
      : env(std::make_shared<io::SimEnv>(seed)), workload(seed), random(seed) {
    EXPECT_TRUE(Store::create("/store", tiny_options(env)).ok());
    open();
  }

  void open() {
    store.reset();
    auto opened = Store::open("/store", tiny_options(env));
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    store = std::move(opened).value();
  }

  // A step; when it fails, the workload goes back to before it, and then another way.
  Status step() {
    Workload before = workload;
    Status status = workload.step(store.get());
    last = workload.last();
    if (status.ok()) return status;
    failed = workload;
    workload = std::move(before);
    workload.reseed(random());
    return status;
  }

  void expect_equal(const std::string& when) {
    const std::string is = describe(*store);
    const std::string should = describe(workload.model());
    EXPECT_EQ(is == should, true) << when << " (" << last << ")\n" << first_difference(is, should);
  }

  // After a crash or a failed commit: the failed step may be there as a whole.
  void expect_one_of_both(const std::string& when) {
    if (failed && describe(*store) == describe(failed->model())) workload = *failed;
    failed.reset();
    expect_equal(when);
  }

  uint64_t used() {
    const auto space = env->space("/");
    return space->total_bytes - space->available_bytes;
  }

  std::shared_ptr<io::SimEnv> env;
  Workload workload;
  std::mt19937_64 random;
  std::unique_ptr<Store> store;
  std::string last;
  std::optional<Workload> failed;  // had the step that failed last succeeded
};

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
