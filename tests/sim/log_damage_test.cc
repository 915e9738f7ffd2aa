// Goal: damage to a crashed store is reported or shows as damaged objects, wherever it hits: only
// the very last group may be taken for a torn tail [LOG-4] [INV-4] [INV-7]. Method: flips of single
// bits all over the files of a store that crashed, opened for writing and read-only each time.
//
// RAMET_SIM_POINTS: flips in the third test, and fewer in the first (0: the default).
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "format/segment_layout.h"
#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

// Never a checkpoint, so that all of the log counts.
StoreOptions log_only(std::shared_ptr<io::SimEnv> env) {
  StoreOptions options = tiny_options(std::move(env));
  options.dirty_bytes_max = 8 << 20;
  options.replay_bytes_max = 8 << 20;
  return options;
}

std::vector<std::string> segments_of(const io::SimEnv& env, uint32_t stream) {
  std::vector<std::string> out;
  for (const std::string& path : env.files()) {
    if (path.find("/segments/") == std::string::npos) continue;
    if (stream == 0 || load<uint32_t>(env.read_raw(path)->data() + 104) == stream) {
      out.push_back(path);
    }
  }
  return out;
}

size_t count_containers(Store& store) {
  size_t n = 0;
  const Status status = store.containers({}, [&](const ContainerInfo&) {
    ++n;
    return true;
  });
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  return n;
}

constexpr int kContainers = 60;

// A log of several segments, each group one commit that makes a container.
std::shared_ptr<io::SimEnv> crashed_with_containers() {
  auto env = std::make_shared<io::SimEnv>(3);
  EXPECT_TRUE(Store::create("/store", log_only(env)).ok());
  auto store = Store::open("/store", log_only(env));
  for (int i = 0; i < kContainers; ++i) {
    EXPECT_TRUE((*store)->create_container("c" + std::to_string(i)).ok());
  }
  env->power_cut(io::CutPolicy::kLoseAll);
  store->reset();
  env->restart();
  return env;
}

TEST(LogDamage, OnlyTheLastGroupIsEverTakenForATornTail_LOG4) {
  const auto env = crashed_with_containers();
  const auto segments = segments_of(*env, 1);
  ASSERT_GE(segments.size(), 3u);
  const bool fewer = from_environment("RAMET_SIM_POINTS", 0) != 0;
  uint64_t refused = 0;
  for (const std::string& path : segments) {
    const uint64_t size = env->read_raw(path)->size();
    for (uint64_t at = 0; at < size; at += fewer ? 509 : at < 4096 ? 128 : 61) {
      const auto machine = env->clone_disk(at);
      ASSERT_TRUE(machine->flip_bit(path, at, static_cast<unsigned>(at % 8)).ok());
      StoreOptions read_only = log_only(machine);
      read_only.read_only = true;
      size_t readable = 0;
      {
        const auto reader = Store::open("/store", read_only);
        ASSERT_TRUE(reader.ok()) << path << " at " << at << ": " << reader.error().to_string();
        readable = count_containers(**reader);
      }
      const auto store = Store::open("/store", log_only(machine));
      if (store.ok()) {
        EXPECT_GE(count_containers(**store), kContainers - 1u) << path << " at " << at;
        EXPECT_EQ(count_containers(**store), readable);
        continue;
      }
      ++refused;
      EXPECT_EQ(store.error().code(), ErrorCode::kCorruption);
      EXPECT_NE(store.error().message().find("segment"), std::string::npos)
          << store.error().message();
      EXPECT_LT(readable, static_cast<size_t>(kContainers));
    }
  }
  EXPECT_GT(refused, fewer ? 10u : 100u);
}

TEST(LogDamage, ABadFooterWithASuccessorIsReportedNotTakenForTheEnd_LOG4) {
  const auto env = crashed_with_containers();
  const std::string first = segments_of(*env, 1).front();
  const Bytes bytes = *env->read_raw(first);
  const uint64_t footer = load<uint64_t>(bytes.data() + bytes.size() - kFooterTrailerBytes);
  ASSERT_TRUE(env->flip_bit(first, footer + 8, 0).ok());
  const auto store = Store::open("/store", log_only(env));
  ASSERT_FALSE(store.ok()) << "acknowledged commits were dropped";
  EXPECT_EQ(store.error().code(), ErrorCode::kCorruption);
  EXPECT_NE(store.error().message().find(first), std::string::npos) << store.error().message();
  EXPECT_NE(store.error().message().find(std::to_string(footer)), std::string::npos);
}

// Lines of a description without those that speak of damage.
std::set<std::string> sound_lines(const std::string& text, bool& damaged) {
  std::set<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.find("ERROR") != std::string::npos) {
      damaged = true;
    } else {
      out.insert(line.substr(0, line.find(" one of ")));  // its other names may be damaged
    }
  }
  return out;
}

TEST(LogDamage, AnywhereInACrashedStoreNothingWrongIsShown) {
  const uint64_t wanted = from_environment("RAMET_SIM_POINTS", 0);
  const uint64_t flips = wanted == 0 ? 1500 : wanted;
  std::map<std::string, uint64_t> outcomes;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    auto env = std::make_shared<io::SimEnv>(seed);
    ASSERT_TRUE(Store::create("/store", tiny_options(env)).ok());
    std::vector<std::string> states;
    {
      auto store = Store::open("/store", tiny_options(env));
      Workload workload(seed);
      for (int i = 0; i < 40; ++i) {
        const Status status = workload.step(store->get());
        ASSERT_TRUE(status.ok()) << workload.last() << ": " << status.error().to_string();
        states.push_back(describe(workload.model()));
      }
      env->power_cut(io::CutPolicy::kLoseAll);
    }
    env->restart();
    // All that any state says: an older one may come back when the last group is hit.
    std::set<std::string> known;
    bool none = false;
    for (const std::string& state : states) known.merge(sound_lines(state, none));
    const auto segments = segments_of(*env, 0);
    std::mt19937_64 random(seed);
    for (uint64_t n = 0; n < flips / 3; ++n) {
      const auto machine = env->clone_disk(n);
      const std::string& path = segments[random() % segments.size()];
      const uint64_t at = random() % env->read_raw(path)->size();
      ASSERT_TRUE(machine->flip_bit(path, at, static_cast<unsigned>(random() % 8)).ok());
      auto store = Store::open("/store", tiny_options(machine));
      if (!store.ok()) {
        ++outcomes["refused"];
        ASSERT_EQ(store.error().code(), ErrorCode::kCorruption) << store.error().to_string();
        continue;
      }
      const std::string state = describe(**store);
      bool damaged = false;
      for (const std::string& line : sound_lines(state, damaged)) {
        ASSERT_TRUE(known.contains(line)) << path << " at " << at << ", seed " << seed << ": "
                                          << line;
      }
      ++outcomes[damaged ? "damage shown" : "whole"];
      if (damaged || state == states.back()) continue;
      ++outcomes["last group dropped"];
      ASSERT_EQ(state == states[states.size() - 2], true)
          << path << " at " << at << ", seed " << seed << "\n"
          << first_difference(state, states.back());
    }
  }
  for (const auto& [what, n] : outcomes) fmt::print("{}: {}\n", what, n);
}

}  // namespace
}  // namespace ramet::sim
