// Seeded operations that are done to a store and to the model alike, each step one commit (or a
// checkpoint). The same seed gives the same steps, whatever happens to the store. A copy goes on as
// the original would.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tools/sim/model.h"

namespace ramet::sim {

class Workload {
 public:
  explicit Workload(uint64_t seed) : random_(seed) {}

  // Does the next step to the model, and to the store if there is one. The status is the store's:
  // after a failure the model is one step ahead.
  Status step(Store* store);
  // The same with a seed for this step alone: lists of seeds can be shrunk.
  Status step(Store* store, uint64_t seed);
  const Model& model() const { return model_; }
  // Goes another way from here on.
  void reseed(uint64_t seed) { random_.seed(seed); }
  // For tests that did it by themselves.
  void forget_container(const std::string& name) { model_.erase(name); }
  void forget_snapshot(const std::string& container, const std::string& snapshot) {
    const auto found = model_.find(container);  // it may have been forgotten as a whole
    if (found != model_.end()) found->second.snapshots.erase(snapshot);
  }
  void forget_path(const std::string& container, const std::string& path);
  // What the last step was, for messages.
  const std::string& last() const { return last_; }

 private:
  uint64_t pick(uint64_t n) { return n == 0 ? 0 : random_() % n; }
  const std::string& any_container();
  std::string new_name(const char* prefix);
  std::string any_folder(const PathMap& paths);   // ends in '/'
  std::string any_path(const PathMap& paths);     // empty if there is none
  std::string any_file(const PathMap& paths);     // a regular file; empty if there is none
  const PathMap* any_version(const std::string& container, std::string& snapshot);
  std::string content();
  ModelEntry new_file();
  PathMap with_new_objects(PathMap paths);

  Status create(Store* store);
  Status put(Store* store);
  Status append(Store* store);
  Status put_many(Store* store);
  Status put_link(Store* store);
  Status put_symlink(Store* store);
  Status set_attributes(Store* store);
  Status remove(Store* store);
  Status make_folder(Store* store);
  Status rename(Store* store);
  Status replace(Store* store);
  Status rename_container(Store* store);
  Status snapshot(Store* store);
  Status drop_snapshot(Store* store);
  Status clone(Store* store);
  Status clone_part(Store* store);
  Status drop(Store* store);
  Status rollback(Store* store);
  Status undelete(Store* store);
  Status checkpoint(Store* store);

  std::mt19937_64 random_;
  // What was dropped, and may be released by the store at any time.
  struct Dropped {
    std::string container;
    std::string snapshot;  // empty: the container
    ModelContainer content;
  };
  std::vector<Dropped> dropped_;
  Model model_;
  uint64_t next_ = 1;
  std::string last_;
};

// Options that make everything happen early: small segments, early checkpoints, spills.
StoreOptions tiny_options(std::shared_ptr<io::Env> env);

// A number from the environment, by which a run is made longer, shorter or replayed.
uint64_t from_environment(const char* name, uint64_t otherwise);

}  // namespace ramet::sim
