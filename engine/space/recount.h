// Recount: counts every reference from the roots and compares with what the map says (INV-11).
#pragma once

#include <string>
#include <vector>

#include "engine/space/ref_counts.h"

namespace ramet::engine {

struct Recount {
  uint64_t slots = 0;       // looked at
  uint64_t dead = 0;        // that nothing refers to, and the map says so
  uint64_t uncounted = 0;   // of running transactions
  uint64_t pending = 0;     // dead nodes that are not released yet
  std::vector<std::string> unknown_files;  // segment files that belong to nothing
  std::vector<std::string> wrong;  // one line for each slot whose count is wrong
};

// Of the checkpoint with this catalog root and map. Memory: some 50 bytes a slot.
Result<Recount> recount(TreeContext& maps, const Root& map, TreeContext& trees,
                        BlockStore& blocks, const BlockRef& catalog);

}  // namespace ramet::engine
