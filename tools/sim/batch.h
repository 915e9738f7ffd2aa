// Many simulated runs, on several threads; stops at the first that fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/sim/simulation.h"

namespace ramet::sim {

struct BatchOptions {
  uint64_t first_seed = 1;
  uint64_t seeds = 1;
  uint64_t steps = 100;
  FaultSet faults;
  unsigned jobs = 1;
  unsigned seconds_per_step = 120;  // a step that takes longer hangs: the process ends
  bool verbose = false;             // every step on stdout
};

struct BatchReport {
  uint64_t seeds = 0;      // that passed
  SimulationReport total;  // sums; `liveness_operations` is the most of any seed
  std::optional<uint64_t> failed_seed;  // the lowest; `total` has its failure and step
  double seconds = 0;
};

// The same report for the same options, but for the time, and whatever `jobs` is, if none fails. A
// crash or a hang ends the process, after a line that says in which seed and step.
BatchReport run_batch(const BatchOptions& options);

// The command that does one seed again, every step printed.
std::string replay_command(const BatchOptions& options, uint64_t seed);

}  // namespace ramet::sim
