// Goal: a full disk or a failing device fails the commit, never what was acknowledged; deleting
// works on a full disk [INV-1] [LOG-3] [QUEUE-2] [QUEUE-3]. Method: seeded workload, seeded faults,
// compared with the model after each failure and after reopening.
//
// RAMET_SIM_SEEDS: seeds for each test.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

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

  // A step; when it fails, the workload goes back to before it.
  Status step() {
    const Workload before = workload;
    Status status = workload.step(store.get());
    last = workload.last();
    failed_into = describe(workload.model());
    if (!status.ok()) workload = before;
    return status;
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
  std::string failed_into;  // the model had the failed step succeeded
};

TEST(Faults, FullDiskFailsTheCommitAndNothingElse) {
  uint64_t failures = 0;
  uint64_t drops = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed);
    for (int round = 0; round < 4; ++round) {
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
        ASSERT_EQ(describe(*machine.store), describe(machine.workload.model()))
            << "after the failed " << machine.last;
      }
      if (full && !machine.workload.model().empty()) {
        // Deleting works on a full disk.
        const std::string name = machine.workload.model().begin()->first;
        const auto info = machine.store->container(name);
        ASSERT_TRUE(info.ok());
        const Status dropped = machine.store->drop_container(info->id);
        ASSERT_TRUE(dropped.ok()) << dropped.error().to_string();
        machine.workload.forget_container(name);
        ++drops;
        ASSERT_EQ(describe(*machine.store), describe(machine.workload.model()));
      }
      if (machine.random() % 2 == 0) machine.env->set_capacity(uint64_t{1} << 40);
      const Status closed = machine.store->close();
      machine.env->set_capacity(uint64_t{1} << 40);
      machine.open();
      ASSERT_EQ(describe(*machine.store), describe(machine.workload.model()))
          << "after reopening (" << (closed.ok() ? "closed" : closed.error().to_string()) << ")";
    }
  }
  EXPECT_GT(failures, seeds());
  EXPECT_GT(drops, seeds() / 2);
}

TEST(Faults, FailedWriteFailsTheCommitAndNothingElse) {
  uint64_t fired = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 1000);
    for (int round = 0; round < 6; ++round) {
      io::FaultRule rule;
      rule.kind = io::FaultKind::kWriteError;
      rule.operation = machine.env->operations() + 1 + machine.random() % 40;
      rule.path_contains = "segments";
      rule.times_max = 1;
      machine.env->inject(rule);
      for (int i = 0; i < 20; ++i) {
        const Status status = machine.step();
        if (status.ok()) continue;
        ++fired;
        ASSERT_EQ(describe(*machine.store), describe(machine.workload.model()))
            << "after the failed " << machine.last << ": " << status.error().to_string();
        if (machine.store->info()->read_only) break;
      }
      machine.env->clear_faults();
      ignore_error(machine.store->close(), "a read-only store cannot write its checkpoint");
      machine.open();
      const std::string state = describe(*machine.store);
      if (state != describe(machine.workload.model())) {
        ASSERT_EQ(state, machine.failed_into) << "after reopening, " << machine.last;
        return;  // the failed step was there as a whole: the model went another way
      }
    }
  }
  EXPECT_GT(fired, seeds() / 2);
}

TEST(Faults, FailedSyncMakesTheStoreReadOnlyAndLosesNothing) {
  uint64_t fired = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 2000);
    for (uint64_t i = 0; i < 10 + machine.random() % 20; ++i) ASSERT_TRUE(machine.step().ok());
    io::FaultRule rule;
    rule.kind = io::FaultKind::kSyncError;
    rule.operation = machine.env->operations() + 1 + machine.random() % 30;
    rule.path_contains = "segments";
    rule.times_max = 1;
    machine.env->inject(rule);
    bool failed = false;
    for (int i = 0; i < 30 && !failed; ++i) failed = !machine.step().ok();
    if (!failed) continue;
    ++fired;
    ASSERT_EQ(describe(*machine.store), describe(machine.workload.model())) << machine.last;
    const std::string acknowledged = describe(machine.workload.model());
    machine.env->power_cut(io::CutPolicy::kRandom);
    machine.store.reset();
    machine.env->restart();
    machine.open();
    const std::string state = describe(*machine.store);
    EXPECT_TRUE(state == acknowledged || state == machine.failed_into)
        << machine.last << "\nrecovered:\n" << state << "\nacknowledged:\n" << acknowledged;
  }
  EXPECT_GT(fired, seeds() / 4);
}

}  // namespace
}  // namespace ramet::sim
