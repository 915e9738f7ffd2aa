// Goal: fsck finds every damage of every structure on disk, names what is lost, and finds nothing
// where nothing is wrong, in whatever state a store is.
// Method: the damage matrix: each structure of a small store x {bit flip, zeros, truncation,
// swapped with another file, an older copy}; and stores after random histories, reclaims and cuts.
//
// RAMET_SIM_SEEDS: histories.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <iostream>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "engine/fsck.h"
#include "engine/import.h"
#include "format/superblock.h"
#include "io/env_sim.h"
#include "tests/sim/damage_matrix.h"
#include "tests/sim/machine.h"

namespace ramet::sim {
namespace {

TEST(Fsck, FindsNothingWhereNothingIsWrong) {
  const uint64_t seeds = from_environment("RAMET_SIM_SEEDS", 40);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine(seed + 9000);
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 15; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
      if (round % 2 == 1) {
        ASSERT_TRUE(machine.store->reclaim({}).ok());
      }
      // Open elsewhere: the last checkpoint.
      const Checked open = check(machine.env);
      EXPECT_TRUE(open.report.open_elsewhere);
      EXPECT_EQ(open.text, "") << "open";
      // After a crash: checkpoint and log.
      machine.env->power_cut(io::CutPolicy::kRandom);
      machine.store.reset();
      machine.env->restart();
      const Checked crashed = check(machine.env);
      EXPECT_EQ(crashed.report.lost + crashed.report.damage, 0u) << crashed.text;
      ASSERT_NO_FATAL_FAILURE(machine.open());
      // After a clean close.
      ASSERT_TRUE(machine.store->close().ok());
      const Checked closed = check(machine.env);
      EXPECT_EQ(closed.report.lost + closed.report.damage, 0u) << closed.text;
      ASSERT_NO_FATAL_FAILURE(machine.open());
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
}

// A disk that does something before a file is opened to be read.
class InterruptedEnv : public io::SimEnv {
 public:
  using SimEnv::SimEnv;
  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    if (mode == io::OpenMode::kRead && before_reading_) {
      const auto before = std::exchange(before_reading_, nullptr);
      if (!before(path)) before_reading_ = before;
    }
    return SimEnv::open(path, mode);
  }
  // True: enough, it isn't called again.
  void set_before_reading(std::function<bool(const std::string&)> before) {
    before_reading_ = std::move(before);
  }

 private:
  std::function<bool(const std::string&)> before_reading_;
};

// Between the readings of the two superblocks three are written: generations 3 and 6, say.
TEST(Fsck, SuperblocksThatAreWrittenBetweenTheirReadingsAreNotStale) {
  const auto env = std::make_shared<InterruptedEnv>(15000);
  ASSERT_TRUE(Store::create("/store", tiny_options(env)).ok());
  auto opened = Store::open("/store", tiny_options(env));
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  const auto store = std::move(*opened);
  for (const int written : {1, 2, 3, 4}) {
    SCOPED_TRACE(std::to_string(written) + " are written");
    bool interrupted = false;
    env->set_before_reading([&](const std::string& path) {
      if (!path.ends_with(kSuperblockFileNames[1])) return false;
      interrupted = true;
      for (int i = 0; i < written; ++i) {
        const std::string name = fmt::format("c{}-{}", written, i);
        EXPECT_TRUE(store->create_container(name).ok());
        EXPECT_TRUE(store->checkpoint().ok());
      }
      return true;
    });
    const Checked found = check(env);
    EXPECT_TRUE(interrupted);
    EXPECT_EQ(found.text, "");
    EXPECT_TRUE(found.report.open_elsewhere);
  }
}

// Another thread writes, reclaims and makes checkpoints all the time.
TEST(Fsck, TakesNothingForDamageThatABusyStoreDoes) {
  const uint64_t seeds = from_environment("RAMET_SIM_SEEDS", 6);
  uint64_t whole = 0;
  uint64_t restarts = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Machine machine(seed + 13000);
    for (int i = 0; i < 30; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
    std::atomic<bool> stop{false};
    std::thread writer([&] {
      while (!stop) {
        for (int i = 0; i < 4; ++i) machine.expect_step();
        EXPECT_TRUE(machine.store->reclaim({}).ok());
      }
    });
    for (int i = 0; i < 30; ++i) {
      FsckOptions options;
      options.env = machine.env;
      options.threads = 2;
      std::string text;
      const auto done = fsck("/store", options, [&](const Finding& finding) {
        text += fmt::format("{}: {}\n", finding.kind->code, finding.message);
      });
      if (!done.ok()) {
        EXPECT_EQ(done.error().code(), ErrorCode::kBusy) << done.error().to_string();
        continue;
      }
      EXPECT_EQ(text, "") << "seed " << seed;
      EXPECT_TRUE(done->open_elsewhere);
      ++whole;
      restarts += done->restarts;
    }
    stop = true;
    writer.join();
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_GT(whole, 0u);
  std::cout << whole << " checks, begun again " << restarts << " times\n";
}

TEST(Fsck, WhatIsAnnouncedIsWhatIsRead) {
  Machine machine(14000);
  for (int i = 0; i < 60; ++i) ASSERT_NO_FATAL_FAILURE(machine.expect_step());
  ASSERT_TRUE(machine.store->reclaim({}).ok());
  ASSERT_TRUE(machine.store->close().ok());
  for (const bool data : {false, true}) {
    CopyProgress progress;
    FsckOptions options;
    options.env = machine.env;
    options.data = data;
    options.progress = &progress;
    const auto done = fsck("/store", options, [](const Finding&) {});
    ASSERT_TRUE(done.ok());
    EXPECT_EQ(done->bytes_read, progress.bytes_done);
    EXPECT_GT(progress.bytes_total, 0u);
    const double share = static_cast<double>(progress.bytes_done) /
                         static_cast<double>(progress.bytes_total);
    EXPECT_NEAR(share, 1, 0.03) << progress.bytes_done << " of " << progress.bytes_total;
  }
}

// --- the damage matrix ---------------------------------------------------------------------------

// Reads everything: right bytes or an error, never others.
void expect_no_wrong_bytes(const std::shared_ptr<io::SimEnv>& env,
                           const std::shared_ptr<io::SimEnv>& sound) {
  const auto contents = [](const std::shared_ptr<io::SimEnv>& disk) {
    std::map<std::string, std::string> out;
    StoreOptions options = tiny_options(disk);
    options.read_only = true;
    const auto store = Store::open("/store", options);
    if (!store.ok()) return out;
    ignore_error((*store)->containers({}, [&](const ContainerInfo& container) {
      const auto view = (*store)->view(container.id);
      if (!view.ok()) return true;
      ignore_error((*view)->objects([&](const ObjectInfo& info) {
        std::string bytes(info.size, '\0');
        if ((*view)->read(info.id, 0, bytes).ok()) {
          out[container.name + ":" + to_uuid(info.id)] = bytes;
        }
        return true;
      }), "damage");
      return true;
    }), "damage");
    return out;
  };
  const auto right = contents(sound);
  for (const auto& [name, bytes] : contents(env)) {
    const auto found = right.find(name);
    if (found == right.end()) continue;  // (of an older state)
    EXPECT_TRUE(found->second == bytes) << name << " reads as something else";
  }
}

TEST(Fsck, TheDamageMatrixIsFoundWhole) {
  DamageMatrix matrix;
  const auto sound = disk_with(matrix.now());
  const Checked whole = check(sound);
  ASSERT_EQ(whole.report.lost + whole.report.damage, 0u) << whole.text;
  std::set<std::string> structures;
  std::map<std::string, std::pair<int, int>> table;  // damage -> found, missed
  const auto judge = [&](const Place& place, const std::string& how,
                         const Files& files) {
    SCOPED_TRACE(place.structure + " " + how + ": " + place.file + " " +
                 std::to_string(place.from));
    const auto env = disk_with(files);
    const Checked found = check(env);
    const bool any = !found.findings.empty();
    auto& row = table[place.structure + " | " + how];
    ++(any ? row.first : row.second);
    EXPECT_TRUE(any) << "missed";
    expect_no_wrong_bytes(env, sound);
  };
  matrix.each_damage([&](const Place& place, const std::string& how,
                         const Files& files) {
    judge(place, how, files);
  });
  int found = 0;
  int missed = 0;
  for (const auto& [row, counts] : table) {
    found += counts.first;
    missed += counts.second;
    std::cout << fmt::format("{:<36} found {:>3} missed {:>3}\n", row, counts.first,
                             counts.second);
  }
  std::cout << fmt::format("found {} of {}\n", found, found + missed);
  EXPECT_EQ(missed, 0);
  for (const Place& place : matrix.places()) structures.insert(place.structure);
  EXPECT_GE(structures.size(), 15u);
}

TEST(Fsck, NeitherSuperblockLeavesNothingToGoOnFrom) {
  DamageMatrix matrix;
  auto files = matrix.now();
  for (const char* name : kSuperblockFileNames) files[std::string("/store/") + name][50] ^= 1;
  const Checked found = check(disk_with(files));
  EXPECT_EQ(found.codes, std::set<std::string>{"superblock-lost"});
  EXPECT_FALSE(found.report.is_sound());
}

TEST(Fsck, WhatIsNoStoreIsSaid) {
  const auto env = std::make_shared<io::SimEnv>(1);
  FsckOptions options;
  options.env = env;
  const auto none = fsck("/store", options, [](const Finding&) {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(env->create_directory("/store").ok());
  const auto empty = fsck("/store", options, [](const Finding&) {});
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().code(), ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace ramet::sim
