// NodeCache: verified clean nodes in memory, shared by every tree of a store.
#pragma once

#include "engine/block/clock_cache.h"
#include "engine/tree/clean_node.h"

namespace ramet::engine {

class NodeCache : public ClockCache<CleanNode> {
 public:
  using ClockCache::ClockCache;
};

}  // namespace ramet::engine
