// Goal: after a power cut at any I/O, and cuts during recovery, every acknowledged commit is
// there, nothing half-done is, and nothing of an abandoned life comes back [INV-1] [INV-7]
// [INV-13]. Method: a seeded workload on the simulated disk, cut at each of its operations in
// turn, compared with a plain model.
//
// RAMET_SIM_POINTS: crash points for each seed (0: every operation). RAMET_SIM_SEEDS: seeds.
// RAMET_SIM_SEED and RAMET_SIM_POINT: replays one failure, as it was printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "io/env_sim.h"
#include "tests/sim/workload.h"

namespace ramet::sim {
namespace {

constexpr uint64_t kSteps = 90;
constexpr uint64_t kStepsAfter = 6;

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

// One run of the workload without a cut: what the model says after each step, and how many
// operations the disk had seen by then.
struct Reference {
  std::vector<std::string> states;      // [i]: after i steps
  std::vector<uint64_t> operations;     // [i]: when step i was acknowledged
  uint64_t created = 0;                 // operations when the store was made and open
};

void run_reference(uint64_t seed, Reference& reference) {
  auto env = std::make_shared<io::SimEnv>(seed);
  const StoreOptions options = tiny_options(env);
  ASSERT_TRUE(Store::create("/store", options).ok());
  auto store = Store::open("/store", options);
  ASSERT_TRUE(store.ok()) << store.error().to_string();
  reference.created = env->operations();
  Workload workload(seed);
  reference.states.push_back(describe(workload.model()));
  reference.operations.push_back(env->operations());
  for (uint64_t i = 1; i <= kSteps; ++i) {
    const Status status = workload.step(store->get());
    ASSERT_TRUE(status.ok()) << "step " << i << ", " << workload.last() << ": "
                             << status.error().to_string();
    reference.states.push_back(describe(workload.model()));
    reference.operations.push_back(env->operations());
    if (i % 10 == 0) {
      ASSERT_EQ(describe(**store), reference.states.back()) << "step " << i;
    }
  }
  ASSERT_TRUE((*store)->close().ok());
  reference.operations.push_back(env->operations());
  store->reset();
  auto again = Store::open("/store", options);
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  ASSERT_EQ(describe(**again), reference.states.back());
}

// Opens after a crash; the state must be one that `allowed` lists. Returns it.
std::string recover(const std::shared_ptr<io::SimEnv>& env, const std::vector<std::string>& allowed,
                    std::unique_ptr<Store>& store) {
  auto opened = Store::open("/store", tiny_options(env));
  EXPECT_TRUE(opened.ok()) << opened.error().to_string();
  if (!opened.ok()) return {};
  store = std::move(opened).value();
  std::string state = describe(*store);
  const bool fine = std::find(allowed.begin(), allowed.end(), state) != allowed.end();
  EXPECT_TRUE(fine) << "recovered:\n" << state << "\nacknowledged:\n" << allowed.front();
  return fine ? state : std::string();
}

// Runs until the cut at `point`, recovers through further cuts, goes on, reopens.
void check_point(uint64_t seed, uint64_t point, const Reference& reference) {
  auto env = std::make_shared<io::SimEnv>(seed);
  const StoreOptions options = tiny_options(env);
  ASSERT_TRUE(Store::create("/store", options).ok());
  auto opened = Store::open("/store", options);
  ASSERT_TRUE(opened.ok());
  env->cut_power_at(point);
  Workload workload(seed);
  uint64_t acknowledged = 0;
  while (acknowledged < kSteps && workload.step(opened->get()).ok()) ++acknowledged;
  opened->reset();  // the last points are in the clean close
  ASSERT_FALSE(env->powered());
  // The step that was cut may be there as a whole, or not at all.
  std::vector<std::string> allowed{reference.states[acknowledged]};
  if (acknowledged < kSteps) allowed.push_back(reference.states[acknowledged + 1]);

  std::mt19937_64 random(seed * 1000003 + point);
  for (uint64_t outcome = 0; outcome < 2; ++outcome) {
    auto machine = env->clone_disk(random());
    machine->set_sector_tearing(outcome == 1);
    machine->restart();
    // Crashes during recovery, each seen by the next one.
    for (int crash = 0; crash < 2; ++crash) {
      machine->cut_power_at(machine->operations() + 1 + random() % 24);
      auto half = Store::open("/store", tiny_options(machine));
      if (half.ok()) {
        // Recovery was done before the cut: what it showed must stay.
        const std::string state = describe(**half);
        if (machine->powered()) {
          EXPECT_NE(std::find(allowed.begin(), allowed.end(), state), allowed.end())
              << "recovered:\n" << state << "\nacknowledged:\n" << allowed.front();
          allowed = {state};
        }
        half->reset();
      }
      if (machine->powered()) machine->power_cut(io::CutPolicy::kRandom);
      machine->restart();
    }
    std::unique_ptr<Store> store;
    const std::string state = recover(machine, allowed, store);
    if (store == nullptr || state.empty()) return;
    // Life goes on, and nothing old comes back.
    const auto created = store->create_container("after");
    ASSERT_TRUE(created.ok()) << created.error().to_string();
    const std::string with_new = describe(*store);
    store.reset();
    auto reopened = Store::open("/store", tiny_options(machine));
    ASSERT_TRUE(reopened.ok()) << reopened.error().to_string();
    ASSERT_EQ(describe(**reopened), with_new);
    ASSERT_TRUE((*reopened)->drop_container(created->id).ok());
    ASSERT_EQ(describe(**reopened), state);
    machine->power_cut(io::CutPolicy::kRandom);
    reopened->reset();
    machine->restart();
    std::unique_ptr<Store> last;
    recover(machine, {state}, last);
    allowed = {reference.states[acknowledged]};
    if (acknowledged < kSteps) allowed.push_back(reference.states[acknowledged + 1]);
  }
}

TEST(PowerCut, EveryAcknowledgedCommitSurvivesACutAtAnyOperation) {
  const uint64_t only_seed = from_environment("RAMET_SIM_SEED", 0);
  const uint64_t only_point = from_environment("RAMET_SIM_POINT", 0);
  const uint64_t seeds = from_environment("RAMET_SIM_SEEDS", 7);
  const uint64_t points_wanted = from_environment("RAMET_SIM_POINTS", 0);
  uint64_t points = 0;
  for (uint64_t seed = only_seed == 0 ? 1 : only_seed;
       seed <= (only_seed == 0 ? seeds : only_seed); ++seed) {
    Reference reference;
    run_reference(seed, reference);
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
    const uint64_t operations = reference.operations.back() - reference.created;
    const uint64_t step =
        points_wanted == 0 ? 1 : std::max<uint64_t>(1, operations / points_wanted);
    for (uint64_t i = 1 + seed % step; i <= operations; i += step) {
      const uint64_t point = only_point == 0 ? reference.created + i : only_point;
      check_point(seed, point, reference);
      ++points;
      ASSERT_FALSE(HasFailure()) << "replay with RAMET_SIM_SEED=" << seed
                                 << " RAMET_SIM_POINT=" << point;
      if (only_point != 0) return;
    }
  }
  std::printf("%llu distinct crash points, two outcomes each, two crashes during each recovery\n",
              static_cast<unsigned long long>(points));
}

}  // namespace
}  // namespace ramet::sim
