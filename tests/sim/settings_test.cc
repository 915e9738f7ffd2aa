// Goal: a setting that was acknowledged is there after a power cut at any I/O, and none is there by
// half [INV-1]. Method: a fixed list of changes on the simulated disk, cut at each of its
// operations in turn; what recovery shows is the state after the last acknowledged change, or after
// the one that was under way.
#include <gtest/gtest.h>

#include <string>

#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

const std::string kName(kCompressionSetting);

struct Change {
  bool of_container;
  const char* value;  // null: unset
};
constexpr Change kChanges[] = {{false, "zstd:3"}, {true, "none"},  {true, "zstd:9"},
                               {false, nullptr},  {true, nullptr}, {false, "zstd:1"}};
constexpr size_t kCheckpointBefore = 3;  // so that later changes are replayed on a checkpoint

struct State {
  std::string store;
  std::string container;
  friend bool operator==(const State&, const State&) = default;
};

std::string text_of(Store& store, std::optional<ContainerId> container) {
  const auto settings = store.settings(container);
  if (!settings.ok()) return settings.error().to_string();
  for (const SettingInfo& info : *settings) {
    if (info.name == kName) return info.value + std::to_string(static_cast<int>(info.source));
  }
  return "missing";
}

State state_of(Store& store, ContainerId container) {
  return {text_of(store, std::nullopt), text_of(store, container)};
}

Status apply(Store& store, ContainerId container, size_t number) {
  if (number == kCheckpointBefore) RAMET_TRY(store.checkpoint());
  const Change& change = kChanges[number];
  std::optional<std::string> value;
  if (change.value != nullptr) value = change.value;
  return store.set_setting(change.of_container ? std::optional(container) : std::nullopt, kName,
                           value);
}

struct Machine {
  std::shared_ptr<io::SimEnv> env;
  std::unique_ptr<Store> store;
  ContainerId container;
};

Machine new_machine() {
  Machine machine;
  machine.env = std::make_shared<io::SimEnv>(11);
  EXPECT_TRUE(Store::create("/store", tiny_options(machine.env)).ok());
  machine.store = std::move(*Store::open("/store", tiny_options(machine.env)));
  machine.container = machine.store->create_container("c")->id;
  return machine;
}

TEST(Settings, AcknowledgedOnesSurviveAPowerCutAtAnyOperation) {
  // The states between the changes, from a run without a cut.
  Machine whole = new_machine();
  const uint64_t first = whole.env->operations();
  std::vector<State> states = {state_of(*whole.store, whole.container)};
  for (size_t i = 0; i < std::size(kChanges); ++i) {
    ASSERT_TRUE(apply(*whole.store, whole.container, i).ok());
    states.push_back(state_of(*whole.store, whole.container));
    ASSERT_FALSE(states[i] == states[i + 1]) << "change " << i << " shows";
  }
  const uint64_t last = whole.env->operations();
  ASSERT_GT(last, first + std::size(kChanges));
  for (uint64_t point = first + 1; point <= last; ++point) {
    for (const io::CutPolicy policy : {io::CutPolicy::kLoseAll, io::CutPolicy::kRandom}) {
      SCOPED_TRACE(point);
      Machine machine = new_machine();
      machine.env->cut_power_at(point, policy);
      size_t done = 0;
      while (done < std::size(kChanges) && apply(*machine.store, machine.container, done).ok()) {
        ++done;
      }
      machine.store.reset();
      ASSERT_FALSE(machine.env->powered());
      machine.env->restart();
      auto opened = Store::open("/store", tiny_options(machine.env));
      ASSERT_TRUE(opened.ok()) << opened.error().to_string();
      const State is = state_of(**opened, machine.container);
      const bool next = done < std::size(kChanges) && is == states[done + 1];
      EXPECT_TRUE(is == states[done] || next) << is.store << " " << is.container;
    }
  }
}

}  // namespace
}  // namespace ramet::sim
