// The program `ramet-sim`: seeded runs of a store on a simulated disk with every fault that a disk
// may have (docs/simulator.md).
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/sim/batch.h"

namespace ramet::sim {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr const char* kFooter = R"(Faults, each with what must hold:
  power, torn, eio-read, eio-write, eio-sync, enospc, short-read, slow, clock
      everything that was acknowledged is there, as a whole, and nothing else
  lost, misdirected, bitrot
      what is read is right, or an error says what is damaged

The same seed, steps and faults give the same run, operation by operation: the digest is a hash of
all operations of all disks. A failure prints the command that does it again.

Exit codes: 0 passed, 1 failed, 2 usage

Examples:
  ramet-sim --seeds 1000 --jobs 4
  ramet-sim --seed 4711 --faults power,torn --verbose)";

struct Options {
  BatchOptions batch;
  std::string faults = "all";
  bool json = false;
  bool expect_all = false;
};

std::string faults_that_never_fired(const BatchOptions& options, const BatchReport& report) {
  FaultSet never;
  for (size_t i = 0; i < kFaults; ++i) {
    never[i] = options.faults[i] && report.total.faults[i] == 0;
  }
  return never.none() ? "" : to_text(never);
}

void print_json(const Options& options, const BatchReport& report, const std::string& never) {
  nlohmann::ordered_json out;
  out["first_seed"] = options.batch.first_seed;
  out["seeds"] = options.batch.seeds;
  out["steps"] = options.batch.steps;
  out["faults"] = to_text(options.batch.faults);
  out["passed"] = report.seeds;
  if (report.failed_seed) {
    out["failed"] = {{"seed", *report.failed_seed},
                     {"step", report.total.step},
                     {"what", report.total.failure},
                     {"replay", replay_command(options.batch, *report.failed_seed)}};
  } else {
    out["failed"] = nullptr;
    out["steps_done"] = report.total.step;
  }
  if (!never.empty()) out["never_fired"] = never;
  nlohmann::ordered_json fired;
  for (size_t i = 0; i < kFaults; ++i) {
    fired[std::string(fault_name(static_cast<Fault>(i)))] = report.total.faults[i];
  }
  out["activated"] = std::move(fired);
  out["failed_calls"] = report.total.failures;
  out["recoveries"] = report.total.recoveries;
  out["comparisons"] = report.total.comparisons;
  out["damage_named"] = report.total.damage_named;
  out["operations"] = report.total.operations;
  out["liveness_operations_max"] = report.total.liveness_operations;
  out["digest"] = fmt::format("{:016x}", report.total.digest);
  out["seconds"] = report.seconds;
  fmt::print("{}\n", out.dump(2));
}

void print_text(const Options& options, const BatchReport& report, const std::string& never) {
  fmt::print("activated:\n");
  for (size_t i = 0; i < kFaults; ++i) {
    if (!options.batch.faults[i]) continue;
    fmt::print("  {:<12} {:>12}\n", fault_name(static_cast<Fault>(i)), report.total.faults[i]);
  }
  fmt::print("{} recoveries, {} failed calls, {} comparisons, {} times damage was named\n",
             report.total.recoveries, report.total.failures, report.total.comparisons,
             report.total.damage_named);
  fmt::print("{} operations of disks, at most {} after the faults had stopped\n",
             report.total.operations, report.total.liveness_operations);
  fmt::print("digest {:016x}\n", report.total.digest);
  if (report.failed_seed) {
    fmt::print("failed: seed {} step {}: {}\nreplay: {}\n", *report.failed_seed,
               report.total.step, report.total.failure,
               replay_command(options.batch, *report.failed_seed));
    return;
  }
  if (!never.empty()) fmt::print("failed: never activated: {}\n", never);
  fmt::print("{} seeds ({} to {}), {} steps: {} in {:.1f} s\n", report.seeds,
             options.batch.first_seed, options.batch.first_seed + options.batch.seeds - 1,
             report.total.step, never.empty() ? "passed" : "failed", report.seconds);
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Runs a store on a simulated disk with seeded faults, and compares it with a model.",
               "ramet-sim");
  app.footer(kFooter);
  app.add_option("--seed", options.batch.first_seed, "The first seed")->capture_default_str();
  app.add_option("--seeds", options.batch.seeds, "How many seeds, each a run of its own")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32));
  app.add_option("--steps", options.batch.steps, "Steps of each run before the faults stop")
      ->capture_default_str();
  app.add_option("--faults", options.faults, "all, none, or names between commas")
      ->capture_default_str();
  app.add_option("--jobs", options.batch.jobs, "Runs at a time")
      ->capture_default_str()
      ->check(CLI::Range(1u, 1024u));
  app.add_option("--step-seconds", options.batch.seconds_per_step,
                 "A step that takes longer counts as a hang")
      ->capture_default_str()
      ->check(CLI::Range(1u, 1u << 20));
  app.add_flag("--expect-all", options.expect_all,
               "Fails if one of the faults was never activated");
  app.add_flag("--json", options.json, "The result as JSON");
  app.add_flag("--verbose", options.batch.verbose, "Prints every step");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  const auto faults = parse_faults(options.faults);
  if (!faults.ok() || (options.batch.verbose && (options.batch.jobs > 1 || options.json))) {
    fmt::print(stderr, "ramet-sim: {}\n",
               faults.ok() ? "--verbose goes with one job and without --json"
                           : faults.error().message());
    return kUsage;
  }
  options.batch.faults = *faults;
  const BatchReport report = run_batch(options.batch);
  const std::string never =
      options.expect_all ? faults_that_never_fired(options.batch, report) : "";
  (options.json ? print_json : print_text)(options, report, never);
  return report.failed_seed || !never.empty() ? kFailed : 0;
}

}  // namespace
}  // namespace ramet::sim

int main(int argc, char** argv) { return ramet::sim::run(argc, argv); }
