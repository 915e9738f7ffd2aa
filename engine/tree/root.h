// Root: one immutable version of a tree.
#pragma once

#include <cstdint>

#include "engine/tree/mut_node.h"
#include "format/block_ref.h"
#include "format/summary.h"

namespace ramet::engine {

// A plain value, cheap to copy: copying shares the whole tree [INV-5]. What it leads to never
// changes while it exists. Any number of threads may read through one Root or through copies.
// Either `ref` (the root node is on disk) or `dirty` (in memory) is set, or neither (no entries).
struct Root {
  BlockRef ref;
  NodePtr dirty;
  uint8_t level = 0;   // of the root node; 0: it is a leaf
  Summary summary;     // of everything below
  Sequence birth = 0;  // the last commit that changed anything, also if nothing is left

  bool empty() const { return ref.is_null() && !dirty; }
};

}  // namespace ramet::engine
