// Goal: a run of the simulator is a function of its options, down to every operation of the disk
// [INV-9]; it draws and counts the faults that it is told to; the program says what it should.
// Method: runs compared by the digests of their disks, and the program itself.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <set>

#include "tools/sim/batch.h"

namespace ramet::sim {
namespace {

FaultSet faults(std::string_view text) {
  const auto parsed = parse_faults(text);
  EXPECT_TRUE(parsed.ok());
  return *parsed;
}

SimulationReport run(uint64_t seed, const FaultSet& set, uint64_t steps = 60) {
  SimulationOptions options;
  options.seed = seed;
  options.steps = steps;
  options.faults = set;
  SimulationReport report = simulate(options);
  EXPECT_EQ(report.failure, "") << "seed " << seed;
  return report;
}

TEST(Simulation, TheSameSeedGivesTheSameRunToTheLastOperation) {
  std::set<uint64_t> digests;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const SimulationReport once = run(seed, faults("all"));
    const SimulationReport again = run(seed, faults("all"));
    EXPECT_EQ(once.digest, again.digest) << "seed " << seed;
    EXPECT_EQ(once.faults, again.faults);
    EXPECT_EQ(once.operations, again.operations);
    digests.insert(once.digest);
  }
  EXPECT_EQ(digests.size(), 12u);
}

TEST(Simulation, WatchingARunDoesNotChangeIt) {
  const SimulationReport alone = run(3, faults("all"));
  SimulationOptions options;
  options.seed = 3;
  options.steps = 60;
  options.faults = faults("all");
  uint64_t lines = 0;
  std::atomic<uint64_t> step = 0;
  options.say = [&](const std::string&) { ++lines; };
  options.step = &step;
  const SimulationReport watched = simulate(options);
  EXPECT_EQ(watched.digest, alone.digest);
  EXPECT_GT(lines, 60u);
  EXPECT_EQ(step, watched.step);
}

TEST(Simulation, OnlyTheFaultsThatAreAskedForAreActivated) {
  for (size_t i = 0; i < kFaults; ++i) {
    const auto fault = static_cast<Fault>(i);
    const FaultSet set = faults(fault_name(fault));
    FaultCounts fired{};
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      const SimulationReport report = run(seed, set);
      for (size_t k = 0; k < kFaults; ++k) fired[k] += report.faults[k];
    }
    for (size_t k = 0; k < kFaults; ++k) {
      // A disk with power cuts tears the write that is under way, whatever it does else.
      if (set[k] || k == static_cast<size_t>(Fault::kTorn)) continue;
      EXPECT_EQ(fired[k], 0u) << fault_name(static_cast<Fault>(k)) << " with "
                              << fault_name(fault);
    }
    EXPECT_GT(fired[i], 0u) << fault_name(fault);
  }
}

TEST(Simulation, FaultsAreWrittenAsTheyAreRead) {
  EXPECT_TRUE(faults("all").all());
  EXPECT_TRUE(faults("none").none());
  EXPECT_EQ(to_text(faults("all")), "all");
  EXPECT_EQ(to_text(faults("none")), "none");
  EXPECT_EQ(to_text(faults("slow,eio-read")), "eio-read,slow");
  EXPECT_EQ(to_text(faults("torn")), "power,torn");
  EXPECT_FALSE(parse_faults("slow,").ok() && to_text(*parse_faults("slow,")) != "slow");
  const auto unknown = parse_faults("slow,fire");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message().find("'fire'"), std::string::npos);
}

TEST(Simulation, ABatchIsTheSameWithAnyNumberOfThreads) {
  BatchOptions options;
  options.seeds = 8;
  options.steps = 40;
  options.faults = faults("all");
  const BatchReport one = run_batch(options);
  options.jobs = 3;
  const BatchReport three = run_batch(options);
  EXPECT_EQ(one.seeds, 8u);
  EXPECT_EQ(one.total.digest, three.total.digest);
  EXPECT_EQ(one.total.step, three.total.step);
  EXPECT_EQ(one.total.faults, three.total.faults);
  EXPECT_EQ(replay_command(options, 5), "ramet-sim --seed 5 --steps 40 --faults all --verbose");
}

struct Output {
  int code = 0;
  std::string text;
};

Output program(const std::string& arguments) {
  Output out;
  FILE* pipe = ::popen((std::string(RAMET_SIM_PROGRAM) + " " + arguments + " 2>&1").c_str(), "r");
  std::array<char, 4096> bytes{};
  for (size_t got = 0; (got = std::fread(bytes.data(), 1, bytes.size(), pipe)) > 0;) {
    out.text.append(bytes.data(), got);
  }
  out.code = WEXITSTATUS(::pclose(pipe));
  return out;
}

TEST(SimulationProgram, SaysWhatWasActivatedAndIsTheSameEachTime) {
  const Output once = program("--seed 5 --seeds 3 --steps 40");
  EXPECT_EQ(once.code, 0) << once.text;
  EXPECT_NE(once.text.find("power"), std::string::npos);
  EXPECT_NE(once.text.find("3 seeds (5 to 7)"), std::string::npos) << once.text;
  const size_t at = once.text.find("digest ");
  ASSERT_NE(at, std::string::npos);
  const std::string digest = once.text.substr(at + 7, 16);
  const Output json = program("--seed 5 --seeds 3 --steps 40 --json");
  EXPECT_NE(json.text.find("\"digest\": \"" + digest + "\""), std::string::npos) << json.text;
  EXPECT_NE(json.text.find("\"failed\": null"), std::string::npos);
}

TEST(SimulationProgram, AFaultThatWasNeverActivatedFailsIfItIsAskedFor) {
  const Output out = program("--steps 0 --faults power --expect-all");
  EXPECT_EQ(out.code, 1);
  EXPECT_NE(out.text.find("failed: never activated: power"), std::string::npos) << out.text;
}

TEST(SimulationProgram, BadOptionsAreUsageErrors) {
  for (const char* bad : {"--seeds 0", "--seed x", "--faults fire", "--fault all", "--jobs 0",
                          "--verbose --jobs 2", "--verbose --json", "extra"}) {
    EXPECT_EQ(program(bad).code, 2) << bad;
  }
  EXPECT_EQ(program("--help").code, 0);
}

}  // namespace
}  // namespace ramet::sim
