// Goal: whatever fails while space is given back (a full disk, a read, a write, a sync), nothing is
// lost, nothing is taken for dead that could not be seen, and the store goes on; a full disk can
// be got out of by dropping something [INV-6] [INV-11] [SPACE-2].
// Method: seeded workload and faults, compared with the model and recounted.
//
// RAMET_SIM_SEEDS: histories of each kind.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sim/machine.h"

namespace ramet::sim {
namespace {

constexpr uint64_t kMuch = uint64_t{1} << 40;

// Fewer than 12 would not meet each kind of failure.
uint64_t seeds() { return std::max<uint64_t>(12, from_environment("RAMET_SIM_SEEDS", 25)); }

io::FaultRule likely_fault(io::FaultKind kind, double probability) {
  io::FaultRule rule;
  rule.kind = kind;
  rule.probability = probability;
  return rule;
}

ReclaimOptions until_idle() {
  ReclaimOptions options;
  options.until_idle = true;
  options.nodes_max = 8;
  options.copy_bytes_max = 16 << 10;
  return options;
}

void expect_sound(Machine& machine, const std::string& when) {
  const std::string errors = machine.recount_errors();
  ASSERT_TRUE(errors.empty()) << when << "\n" << errors;
  ASSERT_NO_FATAL_FAILURE(machine.expect_equal(when));
}

// A container with so much content that nothing else has.
void fill(Machine& machine, const std::string& name, uint64_t bytes) {
  const auto made = machine.store->create_container(name);
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  auto transaction = std::move(*machine.store->begin(made->id));
  auto writer = transaction->write_content();
  std::string part(4096, '\0');
  for (uint64_t written = 0; written < bytes; written += part.size()) {
    for (char& byte : part) byte = static_cast<char>(machine.random());
    ASSERT_TRUE((*writer)->append(part).ok());
  }
  ASSERT_TRUE(
      transaction->put_object(kRootFolder, "f", Attributes{}, std::move(*writer)).ok());
  const auto done = transaction->commit();
  ASSERT_TRUE(done.ok()) << done.error().to_string();
}

TEST(SpaceFaults, NoRoomInAnyStepLosesNothing) {
  uint64_t failures = 0;
  uint64_t fired = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 5000);
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 20; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      machine.env->inject(
          likely_fault(io::FaultKind::kOutOfSpace, round % 2 == 0 ? 0.03 : 0.4));
      for (int i = 0; i < 3; ++i) {
        const auto done = machine.store->reclaim(until_idle());
        if (done.ok()) continue;
        ++failures;
        // A group that did not fit although it was allocated, and could not be voided either.
        if (machine.store->info()->read_only) break;
        const std::string message = done.error().to_string();
        // (A write may fail although there was room when it was allocated.)
        ASSERT_TRUE(done.error().code() == ErrorCode::kOutOfSpace ||
                    message.find("No space left") != std::string::npos)
            << message;
      }
      machine.env->clear_faults();
      ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "after the faults"));
      if (machine.store->info()->read_only) break;
      ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
      if (machine.random() % 2 == 0) {
        ASSERT_NO_FATAL_FAILURE(machine.cut());
      } else {
        ASSERT_TRUE(machine.store->close().ok());
        machine.open();
      }
      ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "opened again"));
    }
    fired += machine.env->stats().out_of_space;
  }
  EXPECT_GT(failures, 0u);
  EXPECT_GT(fired, seeds());
}

// The disk is full to the last page. Dropping and reclaiming work, and then writing does again.
TEST(SpaceFaults, AFullDiskIsGotOutOfByDropping) {
  uint64_t full_disks = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 6000, 1 << 20);
    machine.aside = "big";
    for (int round = 0; round < 3; ++round) {
      ASSERT_NO_FATAL_FAILURE(fill(machine, "big", 5 * machine.options.ballast_bytes));
      for (uint64_t i = 0; i < 20 + machine.random() % 20; ++i) {
        ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      }
      machine.env->set_capacity(machine.used() + 4096 * (machine.random() % 24));
      bool full = false;
      for (int i = 0; i < 80 && !full; ++i) full = !machine.step().ok();
      if (!full) {
        machine.env->set_capacity(kMuch);
        ASSERT_TRUE(machine.store->drop_container(machine.store->container("big")->id).ok());
        continue;
      }
      ++full_disks;
      ASSERT_TRUE(machine.store->drop_container(machine.store->container("big")->id).ok());
      // And everything else but one container.
      while (machine.workload.model().size() > 1) {
        const std::string name = machine.workload.model().begin()->first;
        const auto info = machine.store->container(name);
        ASSERT_TRUE(info.ok()) << info.error().to_string();
        const Status dropped = machine.store->drop_container(info->id);
        ASSERT_TRUE(dropped.ok()) << dropped.error().to_string();
        machine.workload.forget_container(name);
      }
      const auto done = machine.store->reclaim(until_idle());
      ASSERT_TRUE(done.ok()) << done.error().to_string();
      ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "reclaimed on the full disk"));
      const auto created = machine.store->create_container("after");
      ASSERT_TRUE(created.ok()) << created.error().to_string();
      ASSERT_TRUE(machine.store->drop_container(created->id).ok());
      machine.env->set_capacity(kMuch);
      ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
      ASSERT_TRUE(machine.store->close().ok());
      machine.open();
      ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "opened again"));
    }
  }
  EXPECT_GT(full_disks, seeds());
}

// What could not be read is not taken for dead.
TEST(SpaceFaults, FailedReadsFreeNothingThatIsAlive) {
  uint64_t failures = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 7000);
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 20; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      // Nothing is in memory, so that everything must be read.
      ASSERT_TRUE(machine.store->close().ok());
      machine.open();
      machine.env->inject(likely_fault(
          round % 2 == 0 ? io::FaultKind::kReadError : io::FaultKind::kShortRead, 0.05));
      for (int i = 0; i < 4; ++i) {
        failures += machine.store->reclaim(until_idle()).ok() ? 0 : 1;
        ignore_error(machine.store->checkpoint(), "it may meet a fault");
      }
      machine.env->clear_faults();
      machine.open();  // what was read wrong is not read again before
      ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "after the faults"));
      ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
      ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "reclaimed without faults"));
    }
  }
  EXPECT_GT(failures, seeds() / 2);
}

// A sync that failed ends all writing; what is on the disk then is whole.
TEST(SpaceFaults, FailedSyncsAndWritesLeaveAStoreThatRecovers) {
  uint64_t fired = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 8000);
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 20; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      io::FaultRule rule;
      rule.kind = seed % 2 == 0 ? io::FaultKind::kSyncError : io::FaultKind::kWriteError;
      rule.operation = machine.env->operations() + 1 + machine.random() % 60;
      rule.times_max = 1;
      machine.env->inject(rule);
      for (int i = 0; i < 3; ++i) {
        if (!machine.store->reclaim(until_idle()).ok()) ++fired;
      }
      machine.env->clear_faults();
      machine.expect_equal("reading goes on");
      ASSERT_NO_FATAL_FAILURE(machine.cut());
      ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "recovered"));
      ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
      ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "reclaimed"));
    }
  }
  EXPECT_GT(fired, seeds() / 2);
}

// The same by commands, each of which opens the store, does one thing and closes it, or is killed:
// writers that fail again and again do not eat up what dropping needs.
TEST(SpaceFaults, CommandsOneAfterTheOtherGetOutOfAFullDiskByDropping) {
  uint64_t refused = 0;
  uint64_t kills = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 7000, 1 << 20);
    machine.aside = "big";
    ASSERT_NO_FATAL_FAILURE(fill(machine, "big", 6 * machine.options.ballast_bytes));
    for (int i = 0; i < 10; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
    ASSERT_TRUE(machine.store->close().ok());
    // Less than what is written below, and sometimes next to nothing.
    const uint64_t pages = seed % 3 == 0 ? machine.random() % 64 : machine.random() % 1024;
    machine.env->set_capacity(machine.used() + 4096 * pages);
    const ContainerId big = [&] {
      machine.open();
      return machine.store->container("big")->id;
    }();
    for (int command = 0; command < 8; ++command) {
      SCOPED_TRACE("command " + std::to_string(command));
      auto transaction = machine.store->begin(big);
      ASSERT_TRUE(transaction.ok()) << transaction.error().to_string();
      auto writer = std::move(*(*transaction)->write_content());
      Status written = ok();
      std::string part(64 << 10, '\0');
      for (int i = 0; i < 96 && written.ok(); ++i) {
        for (char& byte : part) byte = static_cast<char>(machine.random());
        written = writer->append(part);
      }
      ASSERT_FALSE(written.ok());
      ASSERT_EQ(written.error().code(), ErrorCode::kOutOfSpace) << written.error().to_string();
      ++refused;
      writer.reset();
      transaction->reset();
      if (machine.random() % 3 == 0) {
        ++kills;
        machine.env->power_cut(io::CutPolicy::kKeepAll);
        machine.store.reset();
        machine.env->restart();
      } else {
        const Status closed = machine.store->close();
        ASSERT_TRUE(closed.ok()) << closed.error().to_string();
      }
      ASSERT_NO_FATAL_FAILURE(machine.open());
      ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "the next command"));
    }
    const Status dropped = machine.store->drop_container(big);
    ASSERT_TRUE(dropped.ok()) << dropped.error().to_string();
    ASSERT_TRUE(machine.store->close().ok());
    ASSERT_NO_FATAL_FAILURE(machine.open());
    machine.aside.clear();
    ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
    for (int i = 0; i < 5; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
    ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "room again"));
  }
  EXPECT_GT(refused, seeds());
  EXPECT_GT(kills, seeds());
}

// What was taken and waits in memory for room does not go into the reserve once that is given up.
TEST(SpaceFaults, WhatWaitsInMemoryLeavesTheReserveToDropping) {
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 9000, 1 << 20);
    ASSERT_TRUE(machine.store->close().ok());
    machine.options.data_segment_bytes = 64 << 20;
    machine.options.write_piece_bytes = 4 << 20;
    ASSERT_NO_FATAL_FAILURE(machine.open());
    machine.aside = "big";
    ASSERT_NO_FATAL_FAILURE(fill(machine, "big", 2 * machine.options.ballast_bytes));
    for (int i = 0; i < 10; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
    const ContainerId big = machine.store->container("big")->id;
    auto transaction = std::move(*machine.store->begin(big));
    auto writer = std::move(*transaction->write_content());
    std::string part(3 << 20, '\0');
    for (char& byte : part) byte = static_cast<char>(machine.random());
    ASSERT_TRUE(writer->append(part).ok());
    machine.env->set_capacity(machine.used());
    while (machine.workload.model().size() > 1) {
      const std::string name = machine.workload.model().begin()->first;
      const Status dropped = machine.store->drop_container(machine.store->container(name)->id);
      ASSERT_TRUE(dropped.ok()) << dropped.error().to_string();
      machine.workload.forget_container(name);
    }
    writer.reset();
    transaction.reset();
    if (seed % 3 == 0) {
      const Status closed = machine.store->close();
      ASSERT_TRUE(closed.ok()) << closed.error().to_string();
    } else if (seed % 3 == 1) {
      machine.env->power_cut(io::CutPolicy::kKeepAll);
      machine.store.reset();
      machine.env->restart();
    }
    if (seed % 3 != 2) {
      ASSERT_NO_FATAL_FAILURE(machine.open());
    }
    ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "the disk is full"));
    const uint64_t full = machine.used();
    const Status dropped = machine.store->drop_container(big);
    ASSERT_TRUE(dropped.ok()) << dropped.error().to_string();
    machine.aside.clear();
    const auto reclaimed = machine.store->reclaim(until_idle());
    ASSERT_TRUE(reclaimed.ok()) << reclaimed.error().to_string();
    EXPECT_LT(machine.used() + machine.options.ballast_bytes / 2, full);
    ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
    machine.env->set_capacity(kMuch);
    for (int i = 0; i < 5; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
    ASSERT_NO_FATAL_FAILURE(expect_sound(machine, "room again"));
  }
}

}  // namespace
}  // namespace ramet::sim
