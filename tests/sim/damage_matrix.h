// The damage matrix: a small store with every structure in it, and its disks with each of them
// damaged in every way.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/fsck.h"
#include "io/env_sim.h"
#include "tests/sim/machine.h"

namespace ramet::sim {

struct Checked {
  FsckReport report;
  std::vector<Finding> findings;
  std::set<std::string> codes;
  std::string text;  // a line for each finding
};

// What fsck says of "/store".
Checked check(const std::shared_ptr<io::Env>& env, bool data = true);

struct Place {
  std::string structure;
  std::string file;
  uint64_t from = 0;
  uint64_t to = 0;
};

using Files = std::map<std::string, Bytes>;  // path -> bytes

// All files below "/store" but the lock.
Files files_of(io::SimEnv& env);
// A disk with these files.
std::shared_ptr<io::SimEnv> disk_with(const Files& files);
// Bytes of everything that can be read, by "container@snapshot:path"; of what cannot, "!" and the
// error's code.
std::map<std::string, std::string> contents_of(Store& store);

class DamageMatrix {
 public:
  // A closed store, and an older copy of its files.
  DamageMatrix();

  const std::vector<Place>& places() const { return places_; }
  const Files& now() const { return new_; }
  const Files& before() const { return old_; }

  // Calls `visit` for each place x {bit flip, zeroed, truncated, swapped with another, stale};
  // RAMET_MATRIX_STEP: for each so manieth only.
  void each_damage(const std::function<void(const Place& place, const std::string& how,
                                            const Files& files)>& visit) const;

 private:
  void add(const std::string& structure, const std::string& file, uint64_t from, uint64_t to);
  void find_places(Machine& machine);

  std::map<std::string, int> seen_;
  std::vector<Place> places_;
  Files old_, new_;
};

}  // namespace ramet::sim
