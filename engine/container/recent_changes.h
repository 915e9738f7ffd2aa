// RecentChanges: what the last commits touched, so that most transactions are told apart from what
// others did meanwhile by a few look-ups, not by a comparison of trees that costs as much as the
// others did (conflicts.h). Backward validation of optimistic concurrency control (Kung, Robinson:
// On Optimistic Methods for Concurrency Control, 1981) with the sets kept as hashes.
//
// It errs to one side only: "apart" is certain, anything else means that trees must be compared.
//
// Not thread-safe: the commit queue asks and tells it under its lock.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "engine/container/operations.h"

namespace ramet::engine {

class RecentChanges {
 public:
  // Nothing is known of commits up to `sequence`.
  void begin(Sequence sequence);
  // The commit of that number does this. In the order of the numbers; one that failed afterwards
  // may be told of, and its number told of again.
  void note(Sequence sequence, const std::vector<TreeOperations>& trees);
  // True: no commit behind `base` touched what these operations on `tree` (a container's catalog
  // key) touch: not the same key, object, name, nor a folder that one filled and the other removed.
  bool are_apart(ByteView tree, const std::vector<Operation>& operations, Sequence base) const;

 private:
  struct Commit {
    Sequence sequence = 0;
    std::vector<uint64_t> touched;
  };
  void forget_oldest();

  Sequence floor_ = 0;
  std::deque<Commit> commits_;
  size_t kept_ = 0;  // hashes in commits_
  std::unordered_map<uint64_t, Sequence> last_;  // of each, the last commit that touched it
};

}  // namespace ramet::engine
