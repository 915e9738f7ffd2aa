// Subject: a store on a simulated disk, and the model of what it must hold. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/store.h"
#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {

class Subject {
 public:
  // An empty disk; create() makes the store.
  Subject(uint64_t seed, StoreOptions options);
  // Views must go before their store.
  ~Subject() { abandon(); }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  // --- What is done to the store. Errors are the store's.
  Status create();
  Status open();  // closed or abandoned before
  Status step();  // of the workload; what fails is not in the model, but may come back
  Status close();
  // The store goes without a word, as when the power has failed.
  void abandon();
  // Keeps a view of something, with what it shows.
  Status hold_view(uint64_t choice);

  // --- What must be so; an error says what is not. All read: call them while nothing fails.
  // The store shows what the model holds.
  Status check_state() const;
  // After recovery: what the model holds, or beside it one step as a whole that had failed since
  // the last that succeeded. From then on that is what it must hold.
  Status check_recovered();
  // What was held shows what it showed; lets go of it.
  Status check_view(uint64_t choice);
  // Counts all references and files, and compares [INV-11]. `idle`: nothing is left to be done.
  Status check_counts(bool idle);

  io::SimEnv& env() { return *env_; }
  Store* store() { return store_.get(); }
  const Workload& workload() const { return workload_; }
  const std::string& last() const { return last_; }
  const std::vector<Workload>& possible() const { return possible_; }
  // Lines that are in the model, or may be.
  void add_lines(std::vector<std::string>& lines) const;

 private:
  struct HeldView {
    std::shared_ptr<const View> view;
    std::string shows;
  };

  std::shared_ptr<io::SimEnv> env_;
  StoreOptions options_;
  Workload workload_;
  std::vector<Workload> possible_;  // had a step that failed succeeded
  std::unique_ptr<Store> store_;
  std::vector<HeldView> views_;
  std::string last_;
  uint64_t failures_ = 0;
};

// An error of the simulation's own: something is not as it must be.
Error wrong(std::string what);

// A description (model.h) as lines of which each says whose it is.
std::vector<std::string> lines_of(const std::string& description);

}  // namespace ramet::sim
