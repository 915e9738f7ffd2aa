// Checks one tree against its own rules, for tests and fsck.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/tree/context.h"
#include "engine/tree/root.h"

namespace ramet::engine {

// One broken rule.
struct TreeFinding {
  enum class Kind : uint8_t {
    kUnreadable,  // the node can't be loaded or does not verify
    kOrder,       // keys are not sorted, or outside of what leads to the node
    kSummary,     // a pointer's summary is not what lies below it
    kBirth,       // something below is newer than the pointer to it
    kFill,        // no entries, an inner node with one child, or a node greater than the format has
  };
  Kind kind = Kind::kUnreadable;
  BlockRef ref;  // of the node; null while it is dirty
  uint8_t level = 0;
  Bytes from, to;       // keys that lead to the node, [from, to); empty `to`: the end
  std::string message;  // for people
};

// What was seen, damage left out.
struct TreeStatistics {
  uint64_t entries = 0;
  uint64_t leaves = 0;
  uint64_t inner_nodes = 0;
  uint64_t dirty_nodes = 0;
  uint64_t leaf_bytes = 0;  // encoded sizes, dirty leaves as they would be (an upper bound)
  uint64_t inner_bytes = 0;
  uint64_t underfull = 0;   // nodes but the root less than a third full; no finding
  uint64_t references = 0;  // of leaf values, null ones left out
};

// Visits every node of the tree (not the trees of rooted values), calls `report` for each finding
// and goes on with what can still be read. Thread-safe. `statistics` may be null. Fails only if a
// node can't be read for a reason other than damage (kIoError).
Status verify_tree(TreeContext& context, const Root& root,
                   const std::function<void(const TreeFinding&)>& report,
                   TreeStatistics* statistics = nullptr);

}  // namespace ramet::engine
