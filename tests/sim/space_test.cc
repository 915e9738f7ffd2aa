// Goal: whatever is done to a store, and wherever the power fails, a full recount from the roots
// equals the counts [INV-11], nothing that is alive is freed [INV-6], and nothing dead stays.
// Method: seeded workload with reclaim steps and power cuts; compared with the model and recounted
// all along.
//
// RAMET_SIM_SEEDS: histories.
#include <gtest/gtest.h>

#include <random>

#include "tests/sim/machine.h"

namespace ramet::sim {
namespace {

uint64_t seeds() { return from_environment("RAMET_SIM_SEEDS", 60); }

TEST(Space, CountsEqualARecountAfterEveryCheckpoint) {
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed);
    for (int i = 0; i < 60; ++i) {
      ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      if (i % 7 != 0) continue;
      ASSERT_TRUE(machine.store->checkpoint().ok());
      machine.recounted();
      if (testing::Test::HasFailure()) FAIL() << "step " << i << ": " << machine.workload.last();
    }
    ASSERT_TRUE(machine.store->close().ok());
    machine.open();
    machine.recounted();
    machine.expect_equal("opened again");
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

TEST(Space, ReclaimFreesWhatIsDeadAndNothingElse) {
  uint64_t actions = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 1000);
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 25; ++i) {
        ASSERT_NO_FATAL_FAILURE(machine.expect_step());
        if (i % 6 != 0) continue;
        ReclaimOptions options;
        options.nodes_max = 3;
        options.copy_bytes_max = 8 << 10;
        const auto step = machine.store->reclaim(options);
        ASSERT_TRUE(step.ok()) << step.error().to_string();
        actions += step->actions.size();
        machine.recounted();
        ASSERT_FALSE(testing::Test::HasFailure()) << "step " << i;
      }
      machine.expect_equal("round");
      ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
      machine.expect_equal("all reclaimed");
      ASSERT_TRUE(machine.store->close().ok());
      machine.open();
      machine.expect_equal("opened again");
      ASSERT_FALSE(testing::Test::HasFailure());
    }
    actions += machine.actions;
  }
  EXPECT_GT(actions, seeds());
}

TEST(Space, PowerCutsAtAnyOperationLoseNothingThatIsAlive) {
  uint64_t cuts = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 2000);
    std::mt19937_64 random(seed);
    for (int life = 0; life < 6; ++life) {
      for (int i = 0; i < 12; ++i) {
        ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      }
      // Reclaiming changes nothing that can be seen: the power may go anywhere in it.
      machine.env->cut_power_at(machine.env->operations() + 1 + random() % 120,
                                io::CutPolicy::kRandom);
      ReclaimOptions options;
      options.until_idle = true;
      options.nodes_max = 5;
      const auto done = machine.store->reclaim(options);
      if (!done.ok()) ++cuts;
      if (done.ok()) machine.env->power_cut(io::CutPolicy::kRandom);
      machine.store.reset();
      machine.env->restart();
      ASSERT_NO_FATAL_FAILURE(machine.open());
      machine.expect_equal("after the cut");
      machine.recounted();
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
  EXPECT_GT(cuts, seeds());
}

// The removal of a file may be undone by a power cut. An older generation that is there again goes,
// also when its segment as a whole is about to go.
TEST(Space, AnOlderGenerationThatCameBackGoes) {
  uint64_t came_back = 0;
  for (uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 4000);
    for (int i = 0; i < 40; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
    ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
    while (machine.workload.model().size() > 1) {
      const std::string name = machine.workload.model().begin()->first;
      ASSERT_TRUE(machine.store->drop_container(machine.store->container(name)->id).ok());
      machine.workload.forget_container(name);
    }
    machine.env->cut_power_at(machine.env->operations() + 1 + machine.random() % 80,
                              io::CutPolicy::kRandom);
    ReclaimOptions all;
    all.until_idle = true;
    const bool done = machine.store->reclaim(all).ok();
    if (done) machine.env->power_cut(io::CutPolicy::kRandom);
    machine.store.reset();
    machine.env->restart();
    for (const std::string& path : machine.env->files()) {
      if (!path.ends_with(".1")) continue;
      const std::string older = path.substr(0, path.size() - 1) + "0";
      if (*machine.env->exists(older)) continue;  // and is the one in use
      ASSERT_TRUE(machine.env->write_raw(older, 0, *machine.env->read_raw(path)).ok());
      ++came_back;
    }
    machine.open();
    ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
    machine.expect_equal("reclaimed");
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_GT(came_back, seeds() / 2);
}

// Everything that one view shows.
std::string contents(const View& view) {
  std::string out;
  const Status visited = view.objects([&](const ObjectInfo& info) {
    std::string bytes(info.size, '\0');
    const auto read = view.read(info.id, 0, bytes);
    out += info.name + (read.ok() ? bytes : "ERROR " + read.error().to_string()) + "\n";
    return true;
  });
  return visited.ok() ? out : visited.error().to_string();
}

TEST(Space, ReadersAndTransactionsKeepWhatTheyBeganWith) {
  uint64_t committed = 0;
  uint64_t actions = 0;
  for (uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 3000);
    std::mt19937_64 random(seed);
    const ContainerId aside = machine.store->create_container("aside")->id;
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 8; ++i) {
        ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      }
      std::vector<std::pair<std::shared_ptr<const View>, std::string>> views;
      for (const auto& [name, container] : machine.workload.model()) {
        views.emplace_back(*machine.store->view(machine.store->container(name)->id), "");
        views.back().second = contents(*views.back().first);
      }
      auto transaction = std::move(*machine.store->begin(aside));
      const uint64_t files = random() % 60;
      for (uint64_t i = 0; i <= files; ++i) {
        auto writer = transaction->write_content();
        ASSERT_TRUE((*writer)->append(std::string(random() % 3000, static_cast<char>(i))).ok());
        ASSERT_TRUE(transaction
                        ->put_object(kRootFolder, "f" + std::to_string(random() % 90),
                                     Attributes{}, std::move(*writer))
                        .ok());
        if (random() % 8 == 0) {
          ReclaimOptions options;
          options.until_idle = random() % 2 == 0;
          const auto step = machine.store->reclaim(options);
          ASSERT_TRUE(step.ok()) << step.error().to_string();
          actions += step->actions.size();
        }
        if (random() % 6 == 0) {
          ASSERT_NO_FATAL_FAILURE(machine.expect_step());
        }
        if (random() % 12 == 0) {  // somebody else in the same container
          auto other = std::move(*machine.store->begin(aside));
          ASSERT_TRUE(other
                          ->put_object(kRootFolder, "o" + std::to_string(random() % 40),
                                       Attributes{}, nullptr)
                          .ok());
          ASSERT_TRUE(other->commit().ok());
        }
      }
      if (random() % 4 != 0) {
        const auto done = transaction->commit();
        ASSERT_TRUE(done.ok()) << done.error().to_string();
        ++committed;
      }
      transaction.reset();
      for (const auto& [view, before] : views) {
        ASSERT_EQ(contents(*view) == before, true) << "a view changed";
      }
      views.clear();
      ASSERT_NO_FATAL_FAILURE(machine.expect_reclaimed());
      ASSERT_FALSE(testing::Test::HasFailure()) << "round " << round;
      ASSERT_EQ(contents(**machine.store->view(aside)).find("ERROR"), std::string::npos);
      if (random() % 2 == 0) {
        ASSERT_NO_FATAL_FAILURE(machine.cut());
        machine.recounted();
        ASSERT_FALSE(testing::Test::HasFailure()) << "after a cut, round " << round;
      }
    }
    actions += machine.actions;
    ASSERT_TRUE(machine.store->close().ok());
  }
  EXPECT_GT(committed, seeds());
  EXPECT_GT(actions, seeds());
}

// [PINS-3] What was dead is wanted again by a commit, and dead again in the checkpoint that holds
// the commit:
// who looked in between still sees it.
TEST(Space, WhatWasWantedAgainForAMomentIsKeptForThoseWhoSawIt) {
  Machine machine(4100);
  ASSERT_TRUE(machine.store->close().ok());
  machine.options.inline_block_bytes = 0;  // in data segments, not among the commits
  machine.open();
  std::string content(24 << 10, '\0');
  std::mt19937_64 random(41);
  for (char& byte : content) byte = static_cast<char>(random());
  IngestStats stats;
  const auto put = [&](ContainerId container, bool checkpoint) {
    auto transaction = std::move(*machine.store->begin(container));
    auto writer = transaction->write_content();
    ASSERT_TRUE((*writer)->append(content).ok());
    ASSERT_TRUE(
        transaction->put_object(kRootFolder, "x", Attributes{}, std::move(*writer)).ok());
    if (checkpoint) {  // its own epoch is not the one of those who see what it commits
      ASSERT_TRUE(machine.store->create_container("between").ok());
      ASSERT_TRUE(machine.store->checkpoint().ok());
    }
    ASSERT_TRUE(transaction->commit().ok());
    stats = transaction->ingest_stats();
  };
  uint64_t freed = 0;  // or would be
  const auto reclaim = [&](bool dry_run) {
    ReclaimOptions options;
    options.until_idle = true;
    options.dry_run = dry_run;
    const auto done = machine.store->reclaim(options);
    ASSERT_TRUE(done.ok()) << done.error().to_string();
    for (const auto& action : done->actions) freed += action.bytes_before - action.bytes_after;
  };
  const ContainerId first = machine.store->create_container("first")->id;
  const ContainerId second = machine.store->create_container("second")->id;
  ASSERT_NO_FATAL_FAILURE(put(first, false));
  ASSERT_GT(stats.new_blocks, 0);
  ASSERT_TRUE(machine.store->close().ok());
  machine.open();  // its segments are nobody's own any more
  ASSERT_TRUE(machine.store->drop_container(first).ok());
  ASSERT_NO_FATAL_FAILURE(reclaim(true));
  ASSERT_GT(freed, content.size()) << "not dead";

  ASSERT_NO_FATAL_FAILURE(put(second, true));
  ASSERT_EQ(stats.new_blocks, 0);
  const auto view = *machine.store->view(second);
  const auto entry = view->lookup("/x");
  ASSERT_TRUE(entry.ok()) << entry.error().to_string();
  {
    auto transaction = std::move(*machine.store->begin(second));
    ASSERT_TRUE(transaction->remove(kRootFolder, "x").ok());
    ASSERT_TRUE(transaction->commit().ok());
  }
  ASSERT_TRUE(machine.store->checkpoint().ok());
  ASSERT_NO_FATAL_FAILURE(reclaim(false));
  std::string bytes(content.size(), '\0');
  const auto read = view->read(entry->object, 0, bytes);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_TRUE(bytes == content);
  machine.recounted();
}

}  // namespace
}  // namespace ramet::sim
