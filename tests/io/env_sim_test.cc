// The power cut model of the simulated disk: what is synced survives, what is not may vanish in
// any combination, and nothing ever appears that was not written.
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <thread>

#include "tests/io/env_fixture.h"

namespace ramet::test {
namespace {

using io::CutPolicy;
using io::OpenMode;
using io::SimEnv;

constexpr CutPolicy kPolicies[] = {CutPolicy::kLoseAll, CutPolicy::kKeepAll, CutPolicy::kRandom};

std::unique_ptr<io::File> create(io::Env& env, const std::string& path) {
  auto file = env.open(path, OpenMode::kCreateExclusive);
  EXPECT_OK(file);
  return *std::move(file);
}

// A durable file with that content.
std::unique_ptr<io::File> create_durable(io::Env& env, const std::string& path, ByteView content) {
  auto file = create(env, path);
  EXPECT_OK(file->write(0, content));
  EXPECT_OK(file->sync_data());
  EXPECT_OK(env.sync_directory("/"));
  return file;
}

void cut_and_restart(SimEnv& env, CutPolicy policy) {
  env.power_cut(policy);
  env.restart();
}

// The outcomes of many cuts of the machine as it is now: what `look` returns after each.
std::set<std::string> outcomes(const SimEnv& env, const std::function<std::string(SimEnv&)>& look,
                               uint64_t cuts = 300) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < cuts; ++seed) {
    auto machine = env.clone_disk(seed);
    cut_and_restart(*machine, CutPolicy::kRandom);
    seen.insert(look(*machine));
  }
  return seen;
}

std::string content(SimEnv& env, const std::string& path) {
  auto bytes = env.read_raw(path);
  return bytes.ok() ? *bytes : "(none)";
}

TEST(SimPowerCut, SyncedBytesSurviveUnderEveryPolicy) {
  for (const CutPolicy policy : kPolicies) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
      SimEnv env(seed);
      const Bytes data = pattern(20'000, seed);
      auto file = create_durable(env, "/f", data);
      cut_and_restart(env, policy);
      ASSERT_TRUE(same_bytes(content(env, "/f"), data));
    }
  }
}

TEST(SimPowerCut, LoseAllGoesBackToTheLastSyncAndKeepAllToTheLastWrite) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", Bytes(5000, 'a'));
  ASSERT_OK(file->write(1000, Bytes(6000, 'b')));
  ASSERT_OK(file->punch_hole(0, 100));
  ASSERT_OK(create(env, "/g")->write(0, "new"));
  auto keep = env.clone_disk(1);
  cut_and_restart(env, CutPolicy::kLoseAll);
  EXPECT_TRUE(same_bytes(content(env, "/f"), Bytes(5000, 'a')));
  EXPECT_EQ(content(env, "/g"), "(none)");
  cut_and_restart(*keep, CutPolicy::kKeepAll);
  EXPECT_TRUE(
      same_bytes(content(*keep, "/f"), Bytes(100, '\0') + Bytes(900, 'a') + Bytes(6000, 'b')));
  EXPECT_EQ(content(*keep, "/g"), "new");
}

TEST(SimPowerCut, EachUnsyncedWriteIsLostOrKeptIndependentlyOfTheOthers) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", Bytes(1536, '.'));
  for (uint64_t sector = 0; sector < 3; ++sector) {
    ASSERT_OK(file->write(sector * 512, Bytes(512, 'x')));
  }
  const auto seen = outcomes(env, [](SimEnv& machine) {
    const std::string bytes = content(machine, "/f");
    return std::string{bytes[0], bytes[512], bytes[1024]};
  });
  EXPECT_EQ(seen.size(), 8u);  // also the last without the first
}

TEST(SimPowerCut, TornWriteLandsInAnySubsetOfItsSectorsButNeverInPartOfOne) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", Bytes(1536, '.'));
  ASSERT_OK(file->write(0, Bytes(1536, 'x')));
  const auto seen = outcomes(env, [](SimEnv& machine) {
    const std::string bytes = content(machine, "/f");
    std::string sectors;
    for (size_t i = 0; i < 3; ++i) {
      const std::string sector = bytes.substr(i * 512, 512);
      EXPECT_EQ(sector, Bytes(512, sector[0]));
      sectors += sector[0];
    }
    return sectors;
  });
  EXPECT_EQ(seen.size(), 8u);
}

TEST(SimPowerCut, SectorTearingIfAskedForLeavesSectorsHalfOldHalfNew) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", Bytes(4096, '.'));
  ASSERT_OK(file->write(0, Bytes(4096, 'x')));
  env.set_sector_tearing(true);
  size_t torn = 0;
  uint64_t counted = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    auto machine = env.clone_disk(seed);
    cut_and_restart(*machine, CutPolicy::kRandom);
    const std::string bytes = content(*machine, "/f");
    for (size_t i = 0; i < 8; ++i) {
      const std::string sector = bytes.substr(i * 512, 512);
      const size_t old = sector.find('.');
      if (old == 0 || old == std::string::npos) continue;
      ++torn;
      EXPECT_EQ(sector.find('x', old), std::string::npos);  // new, then old
    }
    counted += machine->stats().cuts.sectors_torn;
  }
  EXPECT_GT(torn, 10u);
  EXPECT_EQ(counted, torn);
}

TEST(SimPowerCut, UnsyncedLengthIsKeptOrLostApartFromTheBytes) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", Bytes(512, 'a'));
  ASSERT_OK(file->write(512, Bytes(512, 'b')));
  const auto seen = outcomes(env, [](SimEnv& machine) { return content(machine, "/f"); });
  EXPECT_EQ(seen, (std::set<std::string>{Bytes(512, 'a'), Bytes(512, 'a') + Bytes(512, 'b'),
                                         Bytes(512, 'a') + Bytes(512, '\0')}));
}

TEST(SimPowerCut, BytesBehindALostLengthDoNotComeBackWhenTheFileGrows) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimEnv env(seed);
    auto file = create_durable(env, "/f", "short");
    ASSERT_OK(file->write(5, Bytes(10'000, 'x')));
    cut_and_restart(env, CutPolicy::kRandom);
    auto again = env.open("/f", OpenMode::kReadWrite);
    ASSERT_OK(again);
    const uint64_t length = *(*again)->size();
    ASSERT_OK((*again)->truncate(20'000));
    EXPECT_TRUE(same_bytes(content(env, "/f").substr(length), Bytes(20'000 - length, '\0')));
  }
}

TEST(SimPowerCut, TruncatedBytesDoNotComeBackThroughASyncedGrowth) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", Bytes(20'000, 'a'));
  ASSERT_OK(file->truncate(0));
  ASSERT_OK(file->truncate(20'000));
  ASSERT_OK(file->sync_data());
  cut_and_restart(env, CutPolicy::kLoseAll);
  EXPECT_TRUE(same_bytes(content(env, "/f"), Bytes(20'000, '\0')));
}

TEST(SimPowerCut, TruncateAndAllocateAndPunchAreUnsyncedToo) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", Bytes(8192, 'a'));
  const auto look = [](SimEnv& machine) {
    const std::string bytes = content(machine, "/f");
    auto opened = machine.open("/f", OpenMode::kRead);
    return std::to_string(bytes.size()) + (bytes[0] == 'a' ? "a" : "0") +
           std::to_string(*(*opened)->allocated_bytes());
  };
  ASSERT_OK(file->punch_hole(0, 4096));
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"8192a8192", "819204096"}));
  ASSERT_OK(file->sync_data());
  ASSERT_OK(file->truncate(4096));
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"819204096", "409600"}));
  ASSERT_OK(file->sync_data());
  ASSERT_OK(file->allocate(0, 16'384));
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"409600", "16384016384"}));
  ASSERT_OK(file->sync_data());
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"16384016384"}));
}

// Random writes, truncations and syncs; each sector must afterwards hold one of the contents it
// had since the last sync, and the length must be one the file had.
RC_GTEST_PROP(SimPowerCutProperty, EverySectorHoldsOneOfItsContentsSinceTheLastSync, ()) {
  constexpr size_t kSectors = 24;
  SimEnv env(*rc::gen::arbitrary<uint64_t>());
  auto file = create_durable(env, "/f", "");
  std::vector<Bytes> images{Bytes()};  // all states since the last sync, the newest last
  const int steps = *rc::gen::inRange(0, 30);
  for (int step = 0; step < steps; ++step) {
    Bytes now = images.back();
    const auto offset = *rc::gen::inRange<size_t>(0, 5000);
    const auto length = *rc::gen::inRange<size_t>(1, 6000);
    const int action = *rc::gen::inRange(0, 8);
    if (action == 0) {
      RC_ASSERT(file->sync_data().ok());
      images = {now};
      continue;
    }
    if (action == 1) {
      RC_ASSERT(file->truncate(offset).ok());
      now.resize(offset);
    } else if (action == 2) {
      RC_ASSERT(file->punch_hole(offset, length).ok());
      for (size_t i = offset; i < std::min(offset + length, now.size()); ++i) now[i] = '\0';
    } else {
      const Bytes data = pattern(length, static_cast<uint64_t>(step));
      RC_ASSERT(file->write(offset, data).ok());
      now.resize(std::max(now.size(), offset + length));
      std::copy(data.begin(), data.end(), now.begin() + static_cast<long>(offset));
    }
    images.push_back(now);
  }
  cut_and_restart(env, CutPolicy::kRandom);
  const Bytes found = *env.read_raw("/f");
  RC_ASSERT(std::any_of(images.begin(), images.end(),
                        [&](const Bytes& image) { return image.size() == found.size(); }));
  for (size_t sector = 0; sector < kSectors && sector * 512 < found.size(); ++sector) {
    const Bytes piece = found.substr(sector * 512, 512);
    const bool known = std::any_of(images.begin(), images.end(), [&](Bytes image) {
      image.resize(std::max(image.size(), (sector + 1) * 512));
      return image.substr(sector * 512, piece.size()) == piece;
    });
    RC_ASSERT(known);
  }
}

// --- Names

TEST(SimNames, CreatedFileIsGoneWithItsSyncedBytesUnlessTheDirectoryWasSynced) {
  SimEnv env(1);
  auto file = create(env, "/f");
  ASSERT_OK(file->write(0, "data"));
  ASSERT_OK(file->sync_data());
  const auto look = [](SimEnv& machine) { return content(machine, "/f"); };
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"(none)", "data"}));
  ASSERT_OK(env.sync_directory("/"));
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"data"}));
}

TEST(SimNames, RenameShowsTheOldOrTheNewFileNeverNone) {
  SimEnv env(1);
  create_durable(env, "/f", "old");
  auto fresh = create(env, "/f.tmp");
  ASSERT_OK(fresh->write(0, "new"));
  ASSERT_OK(fresh->sync_data());
  ASSERT_OK(env.rename("/f.tmp", "/f"));
  const auto look = [](SimEnv& machine) {
    return content(machine, "/f") + " " + content(machine, "/f.tmp");
  };
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"old (none)", "old new", "new (none)"}));
  ASSERT_OK(env.sync_directory("/"));
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"new (none)"}));
}

TEST(SimNames, RenameAcrossDirectoriesIsAtomicAndDurableOnceBothAreSynced) {
  SimEnv env(1);
  ASSERT_OK(env.create_directory("/a"));
  ASSERT_OK(env.create_directory("/b"));
  ASSERT_OK(env.write_raw("/a/f", 0, "x"));
  ASSERT_OK(env.sync_directory("/"));
  ASSERT_OK(env.rename("/a/f", "/b/f"));
  const auto look = [](SimEnv& machine) {
    return content(machine, "/a/f") + content(machine, "/b/f");
  };
  const std::set<std::string> either{"x(none)", "(none)x"};
  EXPECT_EQ(outcomes(env, look), either);
  ASSERT_OK(env.sync_directory("/b"));
  EXPECT_EQ(outcomes(env, look), either);
  ASSERT_OK(env.sync_directory("/a"));
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"(none)x"}));
}

TEST(SimNames, RemovedFileMayComeBackWithItsDurableBytes) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", "durable");
  ASSERT_OK(file->write(0, "changed"));
  ASSERT_OK(env.remove("/f"));
  file = nullptr;
  const auto look = [](SimEnv& machine) { return content(machine, "/f"); };
  const auto seen = outcomes(env, look);
  EXPECT_TRUE(seen.contains("(none)"));
  EXPECT_TRUE(seen.contains("durable"));
  ASSERT_OK(env.sync_directory("/"));
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"(none)"}));
}

TEST(SimNames, ChangesOfOneNameAreNotReordered) {
  SimEnv env(1);
  create_durable(env, "/a", "x");
  ASSERT_OK(env.rename("/a", "/b"));
  ASSERT_OK(env.rename("/b", "/c"));
  const auto seen = outcomes(env, [](SimEnv& machine) {
    std::string all;
    for (const std::string& path : machine.files()) all += path;
    return all;
  });
  EXPECT_EQ(seen, (std::set<std::string>{"/a", "/b", "/c"}));
}

TEST(SimNames, FileMovedIntoNewDirectoryIsNeverLostWithIt) {
  SimEnv env(1);
  create_durable(env, "/f", "x");
  ASSERT_OK(env.create_directory("/d"));
  ASSERT_OK(env.rename("/f", "/d/f"));
  ASSERT_OK(env.remove_directory("/d").ok() ? Status(Error(ErrorCode::kBusy, "was empty")) : ok());
  const auto look = [](SimEnv& machine) {
    return machine.files().empty() ? "" : machine.files()[0];
  };
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"/f", "/d/f"}));
}

TEST(SimNames, FileMovedOutOfRemovedDirectoryIsNeverLostWithIt) {
  SimEnv env(1);
  ASSERT_OK(env.create_directory("/d"));
  ASSERT_OK(env.write_raw("/d/f", 0, "x"));
  ASSERT_OK(env.sync_directory("/"));
  ASSERT_OK(env.rename("/d/f", "/f"));
  ASSERT_OK(env.remove_directory("/d"));
  const auto look = [](SimEnv& machine) {
    return machine.files().empty() ? "" : machine.files()[0];
  };
  EXPECT_EQ(outcomes(env, look), (std::set<std::string>{"/f", "/d/f"}));
}

TEST(SimNames, DirectoryThatWasNotSyncedInItsParentIsGoneWithAllInIt) {
  SimEnv env(1);
  ASSERT_OK(env.create_directory("/d"));
  auto file = create(env, "/d/f");
  ASSERT_OK(file->write(0, "x"));
  ASSERT_OK(file->sync_data());
  ASSERT_OK(env.sync_directory("/d"));
  auto lost = env.clone_disk(1);
  cut_and_restart(*lost, CutPolicy::kLoseAll);
  EXPECT_FALSE(*lost->exists("/d"));
  ASSERT_OK(env.sync_directory("/"));
  cut_and_restart(env, CutPolicy::kLoseAll);
  EXPECT_EQ(content(env, "/d/f"), "x");
}

// --- Power

// A workload of every kind of operation; returns after the first failure.
Status run_workload(SimEnv& env) {
  RAMET_TRY(env.create_directory("/d"));                                  // 1
  RAMET_ASSIGN(auto file, env.open("/d/f", OpenMode::kCreateExclusive));  // 2
  RAMET_TRY(file->allocate(0, 20'000));                                   // 3
  RAMET_TRY(file->write(0, pattern(9000, 1)));                            // 4
  const Bytes piece = pattern(3000, 2);
  const io::WritePiece pieces[] = {{9000, piece}, {15'000, piece}};
  RAMET_TRY(file->write_batch(pieces));   // 5, 6
  RAMET_TRY(file->sync_data());           // 7
  RAMET_TRY(file->punch_hole(0, 5000));   // 8
  RAMET_TRY(file->truncate(17'000));      // 9
  RAMET_TRY(env.rename("/d/f", "/d/g"));  // 10
  RAMET_TRY(env.sync_directory("/d"));    // 11
  RAMET_TRY(env.sync_directory("/"));     // 12
  RAMET_TRY(file->sync_data());           // 13
  RAMET_TRY(env.remove("/d/g"));          // 14
  return env.remove_directory("/d");      // 15
}
constexpr uint64_t kWorkloadOperations = 15;

std::string dump(SimEnv& env) {
  std::string all;
  for (const std::string& path : env.files()) all += path + "=" + content(env, path) + ";";
  return all;
}

TEST(SimPower, OperationsAreCountedAsDocumented) {
  SimEnv env(1);
  ASSERT_OK(run_workload(env));
  EXPECT_EQ(env.operations(), kWorkloadOperations);
  EXPECT_FALSE(env.open("/none", OpenMode::kRead).ok());
  EXPECT_FALSE(env.remove("/none").ok());
  EXPECT_FALSE(env.rename("/none", "/x").ok());
  EXPECT_TRUE(*env.list("/") == std::vector<std::string>{});
  EXPECT_EQ(env.operations(), kWorkloadOperations);  // refused ones don't count
  ASSERT_OK(env.write_raw("/raw", 0, "x"));
  EXPECT_EQ(env.operations(), kWorkloadOperations);
  auto lock = env.lock("/lock", true);  // creates the file, writes the pid
  EXPECT_EQ(env.operations(), kWorkloadOperations + 2);
  EXPECT_EQ(env.reads(), 0u);
  EXPECT_OK(io::read_file(env, "/raw"));
  EXPECT_EQ(env.reads(), 1u);
}

TEST(SimPower, CutAtEachOperationFailsItAndAllAfter) {
  for (uint64_t cut = 1; cut <= kWorkloadOperations; ++cut) {
    SCOPED_TRACE(cut);
    SimEnv env(cut);
    auto before = create(env, "/before");
    auto lock = env.lock("/lock", true);
    const uint64_t base = env.operations();
    env.cut_power_at(base + cut);
    EXPECT_TRUE(fails_with(run_workload(env), ErrorCode::kIoError));
    EXPECT_EQ(env.operations(), base + cut);
    EXPECT_FALSE(env.powered());
    EXPECT_EQ(env.stats().power_cuts, 1u);
    char byte = 0;
    constexpr auto kIoError = ErrorCode::kIoError;
    EXPECT_TRUE(fails_with(before->write(0, "x"), kIoError));
    EXPECT_TRUE(fails_with(before->read(0, {&byte, 1}), kIoError));
    EXPECT_TRUE(fails_with(before->sync_data(), kIoError));
    EXPECT_TRUE(fails_with(before->size(), kIoError));
    EXPECT_TRUE(fails_with(env.open("/before", OpenMode::kRead), kIoError));
    EXPECT_TRUE(fails_with(env.exists("/before"), kIoError));
    EXPECT_TRUE(fails_with(env.list("/"), kIoError));
    EXPECT_TRUE(fails_with(env.space("/"), kIoError));
    EXPECT_TRUE(fails_with(env.lock("/other", false), kIoError));
    EXPECT_EQ(env.operations(), base + cut);
    env.restart();
    EXPECT_TRUE(env.powered());
    EXPECT_TRUE(fails_with(before->write(0, "x"), kIoError));  // for ever
    EXPECT_TRUE(fails_with(before->read(0, {&byte, 1}), kIoError));
    EXPECT_OK(env.lock("/lock", true));  // free again
    lock = Error(ErrorCode::kCancelled, "released late");
    EXPECT_OK(env.lock("/lock", true));
  }
}

TEST(SimPower, WriteThatIsCutMayLandPartlyAndSyncThatIsCutPartly) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", Bytes(1024, '.'));
  const auto look = [](SimEnv& machine) {
    const std::string bytes = content(machine, "/f");
    return std::string{bytes[0], bytes[512]};
  };
  const auto after_restart = [&](SimEnv& dead) {
    std::set<std::string> seen;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      auto machine = dead.clone_disk(seed);
      EXPECT_FALSE(machine->powered());
      machine->restart();
      seen.insert(look(*machine));
    }
    return seen;
  };
  const std::set<std::string> all{"..", "x.", ".x", "xx"};
  {
    auto one = env.clone_disk(1);
    auto again = one->open("/f", OpenMode::kReadWrite);
    one->cut_power_at(1, CutPolicy::kKeepAll);
    EXPECT_FALSE((*again)->write(0, Bytes(1024, 'x')).ok());
    EXPECT_EQ(after_restart(*one), all);
  }
  ASSERT_OK(file->write(0, Bytes(1024, 'x')));
  env.cut_power_at(0);  // the next one: the sync
  EXPECT_FALSE(file->sync_data().ok());
  EXPECT_EQ(after_restart(env), all);
}

TEST(SimPower, SameSeedGivesTheSameOutcomeAndSeedsDiffer) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    std::string first;
    for (int run = 0; run < 2; ++run) {
      SimEnv env(seed);
      env.set_sector_tearing(seed % 2 == 0);
      env.inject({io::FaultKind::kBitFlip, 0.2, 0, "", 100});
      env.cut_power_at(13);
      EXPECT_FALSE(run_workload(env).ok());
      env.restart();
      Bytes id(16, '\0');
      env.random(id);
      const std::string result = dump(env) + id + std::to_string(env.now());
      if (run == 0) first = result;
      EXPECT_EQ(result, first);
    }
    seen.insert(first);
  }
  EXPECT_GT(seen.size(), 30u);
}

TEST(SimPower, SecondCutLosesOnlyWhatCameAfterTheFirst) {
  SimEnv env(7);
  auto file = create_durable(env, "/f", Bytes(2048, '.'));
  ASSERT_OK(file->write(0, Bytes(2048, 'x')));
  cut_and_restart(env, CutPolicy::kRandom);
  const std::string settled = content(env, "/f");
  for (int i = 0; i < 20; ++i) {
    cut_and_restart(env, CutPolicy::kRandom);
    EXPECT_TRUE(same_bytes(content(env, "/f"), settled));
  }
}

// --- Clones, helpers, clocks

TEST(SimClone, SidesDoNotSeeEachOther) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", Bytes(10'000, 'a'));
  ASSERT_OK(file->write(0, "unsynced"));
  auto clone = env.clone_disk(2);
  EXPECT_EQ(clone->operations(), 0u);
  EXPECT_TRUE(same_bytes(content(*clone, "/f"), content(env, "/f")));
  auto other = clone->open("/f", OpenMode::kReadWrite);
  ASSERT_OK((*other)->write(5000, "clone"));
  ASSERT_OK(file->write(5000, "source"));
  ASSERT_OK(clone->remove("/f"));
  EXPECT_TRUE(same_bytes(content(env, "/f").substr(5000, 6), "source"));
  auto again = env.clone_disk(3);
  cut_and_restart(env, CutPolicy::kLoseAll);
  EXPECT_TRUE(same_bytes(content(env, "/f"), Bytes(10'000, 'a')));
  EXPECT_TRUE(same_bytes(content(*again, "/f").substr(0, 8), "unsynced"));
}

TEST(SimClone, LocksAndFaultsStayBehind) {
  SimEnv env(1);
  auto lock = env.lock("/lock", true);
  env.inject({io::FaultKind::kWriteError, 1, 0, "", 100});
  auto clone = env.clone_disk(1);
  EXPECT_OK(clone->lock("/lock", true));
  EXPECT_OK(clone->open("/f", OpenMode::kCreateExclusive));
}

TEST(SimClone, ClonesMayBeUsedOnDifferentThreads) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", pattern(100'000, 1));
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([machine = env.clone_disk(t), t] {
      auto mine = machine->open("/f", OpenMode::kReadWrite);
      ASSERT_OK(mine);
      for (uint64_t i = 0; i < 50; ++i) {
        ASSERT_OK((*mine)->write(i * 1777 + t, pattern(3000, i)));
      }
      cut_and_restart(*machine, CutPolicy::kRandom);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(same_bytes(content(env, "/f"), pattern(100'000, 1)));
}

TEST(SimHelpers, RawBytesAndFilesAndBits) {
  SimEnv env(1);
  ASSERT_OK(env.create_directory("/d"));
  ASSERT_OK(env.sync_directory("/"));
  ASSERT_OK(env.write_raw("/d/f", 3, "abc"));
  ASSERT_OK(env.write_raw("top", 0, "x"));
  EXPECT_TRUE(fails_with(env.write_raw("/none/f", 0, "x"), ErrorCode::kNotFound));
  EXPECT_TRUE(fails_with(env.read_raw("/none"), ErrorCode::kNotFound));
  EXPECT_EQ(env.files(), (std::vector<std::string>{"/d/f", "/top"}));
  ASSERT_OK(env.flip_bit("/d/f", 4, 0));
  EXPECT_TRUE(fails_with(env.flip_bit("/d/f", 6, 0), ErrorCode::kInvalidArgument));
  cut_and_restart(env, CutPolicy::kLoseAll);  // all of it is durable
  EXPECT_TRUE(same_bytes(*env.read_raw("/d/f"), Bytes(3, '\0') + "acc"));
  EXPECT_EQ(env.stats().bit_flips, 1u);
}

TEST(SimHelpers, FlippedBitMakesNothingElseDurable) {
  SimEnv env(1);
  auto file = create_durable(env, "/f", "aaaa");
  ASSERT_OK(file->write(0, "bbbb"));
  ASSERT_OK(env.flip_bit("/f", 1, 1));  // a <-> c, b <-> `
  EXPECT_TRUE(same_bytes(content(env, "/f"), "b`bb"));
  cut_and_restart(env, CutPolicy::kLoseAll);
  EXPECT_TRUE(same_bytes(content(env, "/f"), "acaa"));
}

TEST(SimClock, AdvancesByItsStepAndCanBeSet) {
  SimEnv env(1);
  const int64_t start = env.now();
  EXPECT_EQ(env.now(), start + 1000);
  env.set_clock_step(5);
  env.set_now(100);
  EXPECT_EQ(env.now(), 105);
  const uint64_t monotonic = env.monotonic();
  env.set_now(-1'000'000);
  EXPECT_EQ(env.monotonic(), monotonic + 5);
}

TEST(SimSparse, FilesWithGigabytesOfHolesAreCheap) {
  SimEnv env(1);
  env.set_capacity(uint64_t{1} << 40);
  auto file = create(env, "/f");
  for (uint64_t i = 0; i < 100; ++i) ASSERT_OK(file->write(i << 33, "x"));
  ASSERT_OK(file->allocate(uint64_t{1} << 35, uint64_t{1} << 36));
  ASSERT_OK(file->sync_data());
  ASSERT_OK(file->punch_hole(0, uint64_t{1} << 39));
  auto clone = env.clone_disk(1);
  cut_and_restart(*clone, CutPolicy::kRandom);
  EXPECT_EQ(*file->size(), (uint64_t{99} << 33) + 1);
}

TEST(SimThreads, OneMachineServesManyThreads) {
  SimEnv env(1);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&env, t] {
      const std::string path = "/" + std::to_string(t);
      auto file = create(env, path);
      for (uint64_t i = 0; i < 100; ++i) {
        ASSERT_OK(file->write(i * 100, pattern(150, t)));
        if (i % 10 == 0) ASSERT_OK(file->sync_data());
        env.stats();
        env.clone_disk(i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(env.files().size(), 4u);
}

TEST(SimEnv, DigestTellsHistoriesApartAndSyncsAreNumbered) {
  const auto run = [](const std::string& content, bool reads, bool fails) {
    SimEnv env(7);
    auto file = *env.open("/f", io::OpenMode::kCreateExclusive);  // operation 1
    EXPECT_OK(file->write(0, content));                           // 2
    EXPECT_OK(file->sync_data());                                 // 3
    EXPECT_OK(env.sync_directory("/"));                           // 4
    Bytes into(content.size(), '\0');
    if (reads) EXPECT_OK(file->read(0, into));
    if (fails) env.inject({.kind = io::FaultKind::kWriteError, .probability = 1});
    EXPECT_EQ(file->truncate(1).ok(), !fails);
    EXPECT_EQ(env.syncs(), (std::vector<uint64_t>{3, 4}));
    return env.digest();
  };
  const uint64_t digest = run("content", true, false);
  EXPECT_EQ(run("content", true, false), digest);
  EXPECT_NE(run("Content", true, false), digest);
  EXPECT_NE(run("content", false, false), digest);
  EXPECT_NE(run("content", true, true), digest);
}

}  // namespace
}  // namespace ramet::test
