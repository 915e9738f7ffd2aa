// Goal: after a power cut at any I/O, and cuts during recovery, every acknowledged commit is
// there, nothing half-done is, and nothing of an abandoned life comes back [INV-1] [INV-7]
// [INV-13]. Method: a seeded workload over several lives on the simulated disk, cut at each of its
// operations in turn; each unsynced write is lost, kept or torn; the recovered store is compared
// with a plain model, the workload goes on, and the store is opened and compared once more.
//
// RAMET_SIM_POINTS: crash points for each seed (0, the default: every operation).
// RAMET_SIM_SEEDS: how many seeds. RAMET_SIM_FIRST_SEED: the first one.
// RAMET_SIM_SEED and RAMET_SIM_POINT: replays one failure, as it was printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include <fmt/format.h>

#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

constexpr uint64_t kSteps = 60;
constexpr uint64_t kStepsOfALife = 23;  // then the store is closed and opened again
constexpr uint64_t kStepsAfter = 5;     // that are done after recovery
constexpr uint64_t kOutcomes = 2;       // of one cut

using io::CutPolicy;

// What survives is a function of the point, so that seed and point replay all.
CutPolicy policy_of(uint64_t point) {
  constexpr CutPolicy kPolicies[] = {CutPolicy::kRandom, CutPolicy::kLoseAll, CutPolicy::kRandom,
                                     CutPolicy::kKeepAll, CutPolicy::kRandom};
  return kPolicies[point % std::size(kPolicies)];
}

// A store on a simulated machine, and the workload that runs on it.
class Machine {
 public:
  Machine(std::shared_ptr<io::SimEnv> env, const Workload& workload)
      : env_(std::move(env)), before_(workload), workload_(workload) {}

  io::SimEnv& env() { return *env_; }
  Store& store() { return *store_; }
  // The workload before and after the last step that failed; equal if none did.
  const Workload& before() const { return before_; }
  const Workload& after() const { return workload_; }

  Status create() { return Store::create("/store", tiny_options(env_)); }
  Status open() {
    store_.reset();
    RAMET_ASSIGN(store_, Store::open("/store", tiny_options(env_)));
    return ok();
  }
  Status close() {
    Status status = store_->close();
    store_.reset();
    return status;
  }
  void abandon() { store_.reset(); }

  Status step(uint64_t number) {
    before_ = workload_;
    if (number % kStepsOfALife == 0) {
      RAMET_TRY(close());
      return open();
    }
    Status status = workload_.step(store_.get());
    if (status.ok()) before_ = workload_;
    return status;
  }
  // What the store shows is what the model says.
  void expect_equal(const std::string& when) {
    const std::string is = describe(*store_);
    const std::string should = describe(workload_.model());
    EXPECT_EQ(is == should, true) << when << "\n" << first_difference(is, should);
  }

 private:
  std::shared_ptr<io::SimEnv> env_;
  std::unique_ptr<Store> store_;
  Workload before_;
  Workload workload_;
};

// A state that may be there after a cut, and how the workload goes on from it.
struct Possible {
  std::string state;
  Workload workload;
};

std::vector<Possible> possible_after(const Machine& machine) {
  std::vector<Possible> out;
  out.push_back({describe(machine.before().model()), machine.before()});
  out.push_back({describe(machine.after().model()), machine.after()});
  return out;
}

// Narrows what is possible to what the store shows: it must never show less again.
void narrow(Store& store, std::vector<Possible>& possible) {
  const std::string state = describe(store);
  const auto found = std::find_if(possible.begin(), possible.end(),
                                  [&](const Possible& one) { return one.state == state; });
  ASSERT_NE(found, possible.end()) << first_difference(state, possible.front().state);
  possible = {*found};
}

// Opens with power cuts on the way, then to the end; what is possible narrows to one state.
void recover(const std::shared_ptr<io::SimEnv>& env, std::mt19937_64& random,
             std::vector<Possible>& possible) {
  for (uint64_t crashes = random() % 4; crashes > 0; --crashes) {
    env->cut_power_at(env->operations() + 1 + random() % 40);
    auto opened = Store::open("/store", tiny_options(env));
    if (env->powered()) {
      ASSERT_TRUE(opened.ok()) << opened.error().to_string();
      ASSERT_NO_FATAL_FAILURE(narrow(**opened, possible));
      env->power_cut(CutPolicy::kRandom);
    }
    if (opened.ok()) opened->reset();
    env->restart();
  }
  auto opened = Store::open("/store", tiny_options(env));
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  ASSERT_NO_FATAL_FAILURE(narrow(**opened, possible));
}

// One way that the cut may have gone: recovery, some more of the workload, another end.
void check_outcome(const std::shared_ptr<io::SimEnv>& env, std::vector<Possible> possible,
                   uint64_t seed, bool tear_sectors) {
  std::mt19937_64 random(seed);
  env->set_sector_tearing(tear_sectors);
  env->restart();
  ASSERT_NO_FATAL_FAILURE(recover(env, random, possible));
  Machine machine(env, possible.front().workload);
  ASSERT_TRUE(machine.open().ok());
  for (uint64_t i = 1; i <= kStepsAfter; ++i) {
    const Status status = machine.step(i);
    ASSERT_TRUE(status.ok()) << machine.after().last() << ": " << status.error().to_string();
  }
  machine.expect_equal("after recovery and some steps");
  if (random() % 2 == 0) {
    ASSERT_TRUE(machine.close().ok());
  } else {
    env->power_cut(CutPolicy::kRandom);
    machine.abandon();
    env->restart();
  }
  const Status opened = machine.open();
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  machine.expect_equal("opened again");
}

void check_point(uint64_t seed, uint64_t point) {
  Machine machine(std::make_shared<io::SimEnv>(seed), Workload(seed));
  ASSERT_TRUE(machine.create().ok());
  ASSERT_TRUE(machine.open().ok());
  machine.env().cut_power_at(point, policy_of(point));
  uint64_t steps = 0;
  while (steps < kSteps && machine.step(steps + 1).ok()) ++steps;
  machine.abandon();  // the last points are in this close
  ASSERT_FALSE(machine.env().powered());
  std::mt19937_64 random(seed * 1000003 + point);
  for (uint64_t outcome = 0; outcome < kOutcomes; ++outcome) {
    const auto clone = machine.env().clone_disk(random());
    SCOPED_TRACE(fmt::format("cut in step {} ({}), outcome {}", steps + 1,
                             machine.after().last(), outcome));
    check_outcome(clone, possible_after(machine), random(), outcome % 2 == 1);
    if (testing::Test::HasFailure()) return;
  }
}

// The run without a cut: how many operations the disk sees before the workload, and in all.
void count_operations(uint64_t seed, uint64_t& first, uint64_t& last) {
  Machine machine(std::make_shared<io::SimEnv>(seed), Workload(seed));
  ASSERT_TRUE(machine.create().ok());
  ASSERT_TRUE(machine.open().ok());
  first = machine.env().operations();
  for (uint64_t i = 1; i <= kSteps; ++i) {
    const Status status = machine.step(i);
    ASSERT_TRUE(status.ok()) << "step " << i << ", " << machine.after().last() << ": "
                             << status.error().to_string();
    if (i % 10 == 0) machine.expect_equal("step " + std::to_string(i));
  }
  ASSERT_TRUE(machine.close().ok());
  last = machine.env().operations();
  ASSERT_TRUE(machine.open().ok());
  machine.expect_equal("closed and opened");
}

TEST(PowerCut, EveryAcknowledgedCommitSurvivesACutAtAnyOperation) {
  const uint64_t only_seed = from_environment("RAMET_SIM_SEED", 0);
  const uint64_t only_point = from_environment("RAMET_SIM_POINT", 0);
  const uint64_t first_seed =
      only_seed != 0 ? only_seed : from_environment("RAMET_SIM_FIRST_SEED", 1);
  const uint64_t seeds = only_seed != 0 ? 1 : from_environment("RAMET_SIM_SEEDS", 6);
  const uint64_t wanted = from_environment("RAMET_SIM_POINTS", 0);
  uint64_t points = 0;
  for (uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    uint64_t first = 0;
    uint64_t last = 0;
    count_operations(seed, first, last);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    const uint64_t step = wanted == 0 ? 1 : std::max<uint64_t>(1, (last - first) / wanted);
    for (uint64_t at = first + 1 + seed % step; at <= last; at += step) {
      const uint64_t point = only_point == 0 ? at : only_point;
      check_point(seed, point);
      ++points;
      ASSERT_FALSE(HasFailure()) << fmt::format(
          "replay with RAMET_SIM_SEED={} RAMET_SIM_POINT={} (policy {})", seed, point,
          static_cast<int>(policy_of(point)));
      if (only_point != 0) break;
    }
  }
  fmt::print("{} distinct crash points, {} outcomes each, up to 3 crashes during each recovery\n",
             points, kOutcomes);
}

// Cuts while a store is made: afterwards there is no store, or an empty one.
TEST(PowerCut, AStoreIsMadeAsAWholeOrNotAtAll) {
  for (uint64_t point = 1; point < 100; ++point) {
    auto env = std::make_shared<io::SimEnv>(point);
    env->cut_power_at(point);
    const bool made = Store::create("/store", tiny_options(env)).ok();
    for (uint64_t outcome = 0; outcome < 8; ++outcome) {
      const auto clone = env->clone_disk(outcome);
      if (!env->powered()) clone->restart();
      if (made) clone->power_cut(CutPolicy::kRandom);
      if (made) clone->restart();
      auto opened = Store::open("/store", tiny_options(clone));
      if (!opened.ok()) {
        ASSERT_FALSE(made) << "created, then: " << opened.error().to_string();
        // What is left of it is in nobody's way, or is a store whose second half is missing.
        const Status again = Store::create("/store", tiny_options(clone));
        EXPECT_TRUE(again.ok() || again.error().code() == ErrorCode::kAlreadyExists)
            << "point " << point << ": " << again.error().to_string();
        opened = Store::open("/store", tiny_options(clone));
      }
      ASSERT_TRUE(opened.ok()) << "point " << point << " outcome " << outcome << ": "
                               << opened.error().to_string();
      EXPECT_EQ(describe(**opened), "");
    }
    if (made) return;
  }
  FAIL() << "a store is not made within 100 operations";
}

}  // namespace
}  // namespace ramet::sim
