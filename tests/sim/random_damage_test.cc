// Goal: whatever is damaged, and however much, a repair ends, leaves a sound store or says that it
// cannot, and can be taken back.
// Method: random stores, closed or crashed, with random damage to several files.
//
// RAMET_SIM_SEEDS: stores; RAMET_SIM_FIRST_SEED: the first of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <string>

#include <fmt/format.h>

#include "tests/sim/machine.h"
#include "tests/sim/repair_support.h"

namespace ramet::sim {
namespace {

TEST(RandomDamage, OfRandomStoresIsMendedAndCanBeTakenBack) {
  const uint64_t seeds = from_environment("RAMET_SIM_SEEDS", 150);
  uint64_t applied = 0;
  uint64_t refused = 0;
  const uint64_t first = from_environment("RAMET_SIM_FIRST_SEED", 1);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Machine machine(seed + 7700);
    std::mt19937_64 random(seed);
    for (uint64_t i = 0; i < 20 + random() % 40; ++i) {
      ASSERT_NO_FATAL_FAILURE(machine.expect_step());
    }
    if (random() % 3 == 0) {
      ASSERT_TRUE(machine.store->reclaim({}).ok());
    }
    if (random() % 2 == 0) {
      ASSERT_TRUE(machine.store->close().ok());
      machine.store.reset();
    } else {
      machine.env->power_cut(io::CutPolicy::kRandom);
      machine.store.reset();
      machine.env->restart();
    }
    Files files = files_of(*machine.env);
    for (uint64_t n = 1 + random() % 6; n > 0; --n) {
      auto it = std::next(files.begin(), static_cast<long>(random() % files.size()));
      Bytes& bytes = it->second;
      if (bytes.empty()) continue;
      const uint64_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8)); break;
        case 1:
          for (uint64_t b = at; b < std::min<uint64_t>(at + 4096, bytes.size()); ++b) {
            bytes[b] = '\0';
          }
          break;
        case 2: bytes.resize(at); break;
        default:
          if (random() % 4 == 0) files.erase(it);
          break;
      }
    }
    const auto env = disk_with(files);
    const Repaired done = run_repair(env, true, random() % 4 == 0);
    if (!done.status.ok()) {
      EXPECT_EQ(done.status.error().code(), ErrorCode::kCorruption)
          << done.status.error().to_string();
      ++refused;
      continue;
    }
    applied += done.report.applied ? 1 : 0;
    expect_sound(env, done.text);
    if (done.report.applied) {
      ASSERT_TRUE(undo_repair("/store", false, env).ok());
      std::string differs;
      ASSERT_TRUE(same_files(files, files_of(*env), &differs)) << "undone: " << differs;
      const Repaired again = run_repair(env, true);
      ASSERT_TRUE(again.status.ok()) << again.status.error().to_string();
      expect_sound(env, again.text);
      ASSERT_EQ(accept_repair("/store", env).ok(), again.report.applied);
    }
    ASSERT_NO_FATAL_FAILURE(expect_usable(env));
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_GT(applied, seeds / 2);
  EXPECT_LT(refused, 1 + seeds / 4);
}

}  // namespace
}  // namespace ramet::sim
