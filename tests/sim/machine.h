// Machine: a simulated disk with a store on it, and the model of what the store must hold.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>

#include "engine/space/recount.h"
#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {

class Machine {
 public:
  // `ballast`: other than in tiny_options(), if not null.
  explicit Machine(uint64_t seed, uint64_t ballast = 0);

  void open();
  // A step; when it fails, the workload goes back to before it, and then another way.
  Status step();
  // A step that must succeed.
  void expect_step();
  // The power fails now, and comes back.
  void cut();
  void expect_equal(const std::string& when);
  // After a crash or a failed commit: the failed step may be there as a whole.
  void expect_one_of_both(const std::string& when);
  // What differs from the model; empty if nothing does.
  std::string difference();
  // What a recount finds wrong; empty if nothing. `recount`: what it found, if not null.
  std::string recount_errors(engine::Recount* recount = nullptr);
  // Reclaims until idle; what went wrong or is left over; empty if nothing.
  std::string reclaim_errors();
  // Counts all references and files, and expects what the store says of them [INV-11].
  engine::Recount recounted();
  // Gives back all that can be, and expects that nothing is left over.
  void expect_reclaimed();
  // Bytes of the disk that files occupy.
  uint64_t used();

  std::shared_ptr<io::SimEnv> env;
  StoreOptions options;
  Workload workload;
  std::mt19937_64 random;
  std::unique_ptr<Store> store;
  std::string last;                // the last step
  std::optional<Workload> failed;  // had the step that failed last succeeded
  uint64_t actions = 0;            // of reclaim_errors()
  std::string aside;               // a container that the model does not know
};

}  // namespace ramet::sim
