// Goal: a read that fails while a store is opened is no damage and no end of the log: opening
// says that the device failed, or gets over it, and nothing that was acknowledged is lost by it
// [INV-1] [INV-7]. The same for a read that comes back short, which is either.
// Method: each read of an opening fails in turn, of stores that crashed and of closed ones; reads
// fail at random while stores are written.
//
// RAMET_SIM_SEEDS: histories.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "tests/sim/machine.h"

namespace ramet::sim {
namespace {

uint64_t seeds() { return from_environment("RAMET_SIM_SEEDS", 12); }

// A store that was left by a power cut, or closed.
std::shared_ptr<io::SimEnv> left_behind(Machine& machine, uint64_t seed) {
  const uint64_t steps = 10 + machine.random() % 30;
  for (uint64_t i = 0; i < steps; ++i) {
    EXPECT_TRUE(machine.step().ok());
    if (i % 8 != 5) continue;
    EXPECT_TRUE(machine.store->reclaim(ReclaimOptions{}).ok());
  }
  if (seed % 3 == 0) {
    EXPECT_TRUE(machine.store->close().ok());
  } else {
    machine.env->power_cut(io::CutPolicy::kRandom);
  }
  machine.store.reset();
  machine.env->restart();
  return machine.env;
}

uint64_t reads_of_an_opening(const io::SimEnv& disk, StoreOptions options) {
  const auto env = disk.clone_disk(1);
  options.env = env;
  EXPECT_TRUE(Store::open("/store", options).ok());
  return env->reads();
}

void try_each_read(io::FaultKind kind) {
  uint64_t failed = 0;
  uint64_t tried = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    Machine machine(seed + 7000);
    const auto disk = left_behind(machine, seed);
    ASSERT_FALSE(testing::Test::HasFailure());
    const std::string should = describe(machine.workload.model());
    StoreOptions options = machine.options;
    const uint64_t reads = reads_of_an_opening(*disk, options);
    for (uint64_t read = 1; read <= reads; ++read) {
      SCOPED_TRACE(fmt::format("seed {}, read {}", seed, read));
      const auto env = disk->clone_disk(read);
      options.env = env;
      io::FaultRule rule;
      rule.kind = kind;
      rule.operation = read;
      env->inject(rule);
      auto opened = Store::open("/store", options);
      env->clear_faults();
      ++tried;
      if (!opened.ok()) {
        ++failed;
        const bool short_read = kind == io::FaultKind::kShortRead;
        ASSERT_TRUE(opened.error().code() == ErrorCode::kIoError ||
                    (short_read && opened.error().code() == ErrorCode::kCorruption))
            << opened.error().to_string();
        opened = Store::open("/store", options);  // the fault is over
        ASSERT_TRUE(opened.ok()) << opened.error().to_string();
      }
      std::string is = describe(**opened);
      ASSERT_TRUE(is == should) << first_difference(is, should);
      ASSERT_TRUE((*opened)->create_container("more").ok());
      opened->reset();
      opened = Store::open("/store", options);
      ASSERT_TRUE(opened.ok()) << opened.error().to_string();
      ASSERT_TRUE((*opened)->drop_container((*opened)->container("more")->id).ok());
      is = describe(**opened);
      ASSERT_TRUE(is == should) << first_difference(is, should);
    }
  }
  EXPECT_GT(failed, seeds());
  fmt::print("{} openings, {} of them failed\n", tried, failed);
}

TEST(ReadFault, AReadThatFailsWhileOpeningIsNoDamageAndLosesNothing) {
  try_each_read(io::FaultKind::kReadError);
}

TEST(ReadFault, AShortReadWhileOpeningLosesNothing) { try_each_read(io::FaultKind::kShortRead); }

// The slot table in a file knows nothing of the holes that the map lists: a map that cannot be
// read at the moment must not make dead blocks look alive to who looks for what is there already.
TEST(ReadFault, WhatIsWrittenWhileAReadFailsIsThereAfterwards) {
  uint64_t tried = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    Machine machine(seed + 8000);
    for (int i = 0; i < 40; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
    ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
    ASSERT_TRUE(machine.store->close().ok());
    const auto disk = machine.env->clone_disk(1);
    const Workload workload = machine.workload;
    for (uint64_t read = 1; read <= 60; ++read) {
      SCOPED_TRACE(fmt::format("seed {}, read {}", seed, read));
      machine.store.reset();
      machine.env = disk->clone_disk(read);
      machine.options.env = machine.env;
      machine.options.node_cache_bytes = 4 << 10;  // so that the map is read again and again
      machine.workload = workload;
      machine.workload.reseed(read % 5);  // the same steps, and other reads of theirs
      machine.open();
      io::FaultRule rule;
      rule.kind = io::FaultKind::kReadError;
      rule.operation = machine.env->reads() + read;
      machine.env->inject(rule);
      for (int i = 0; i < 6; ++i) ignore_error(machine.step(), "a read may fail in it");
      tried += machine.env->stats().read_errors;
      machine.env->clear_faults();
      machine.expect_equal("afterwards");
      ASSERT_FALSE(testing::Test::HasFailure());
    }
    machine.store.reset();
  }
  EXPECT_GT(tried, 10 * seeds());
}

// What a checkpoint that failed had noted as written must not be left out by the next one.
TEST(ReadFault, ACheckpointAfterOneThatCouldNotReadIsWhole) {
  uint64_t failed = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    for (uint64_t read = 1; read <= 40; ++read) {
      SCOPED_TRACE(fmt::format("seed {}, read {}", seed, read));
      Machine machine(seed + 8500);
      machine.options.node_cache_bytes = 1 << 10;
      machine.open();
      for (uint64_t i = 0; i < 10 + seed; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      io::FaultRule rule;
      rule.kind = io::FaultKind::kReadError;
      rule.operation = machine.env->reads() + read;
      machine.env->inject(rule);
      failed += machine.store->checkpoint().ok() ? 0 : 1;
      const bool fired = machine.env->stats().read_errors > 0;
      machine.env->clear_faults();
      if (!fired) break;
      ASSERT_TRUE(machine.store->checkpoint().ok());
      machine.cut();
      ASSERT_FALSE(testing::Test::HasFailure());
      machine.expect_equal("after the cut");
      machine.recounted();
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
  EXPECT_GT(failed, seeds());
}

}  // namespace
}  // namespace ramet::sim
