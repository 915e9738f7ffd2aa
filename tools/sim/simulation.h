// One simulated run: a store on a simulated disk does seeded work while faults strike, and is
// compared with a model all along. The same options give the same run, operation by operation
// [INV-9].
//
// A run has up to three parts:
//   damage    (if it draws faults by which the device itself spoils data) a store of its own, which
//             must never show wrong bytes, only right ones or errors; it may lose data
//   safety    all that is acknowledged is there after every recovery, no half commit is, nothing
//             of an earlier life comes back; a recount equals the counts [INV-1] [INV-7] [INV-11]
//             [INV-13]
//   liveness  the faults stop: within a bounded number of operations the store opens, commits,
//             gives back all that can be given back, and closes; nothing is left over
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "tools/sim/fault.h"

namespace ramet::sim {

struct SimulationOptions {
  uint64_t seed = 1;
  uint64_t steps = 100;  // of the parts damage and safety together
  FaultSet faults;       // a run draws some of them, now and then all
  // Every step in words, if given.
  std::function<void(const std::string&)> say;
  // If given: the number of the step that is under way, for whoever watches.
  std::atomic<uint64_t>* step = nullptr;
};

struct SimulationReport {
  std::string failure;  // empty: all is as it must be
  uint64_t step = 0;    // that failed, or the last one
  FaultCounts faults{};  // activated
  uint64_t failures = 0;      // calls that failed for a fault, and spoiled nothing
  uint64_t recoveries = 0;    // after power cuts
  uint64_t comparisons = 0;   // with the model
  uint64_t damage_named = 0;  // errors that say what the device spoiled
  uint64_t operations = 0;    // of the disk
  uint64_t liveness_operations = 0;  // that the last part took
  uint64_t digest = 0;  // of the history of all disks: equal for equal runs
};

SimulationReport simulate(const SimulationOptions& options);

}  // namespace ramet::sim
