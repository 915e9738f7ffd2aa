// NodeCache: verified clean nodes in memory, bounded in bytes, shared by every tree of a store.
// It knows references, not containers: a thousand clones share one copy.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/tree/clean_node.h"

namespace ramet::engine {

// Thread-safe: 16 shards, each with its own lock. Evicts by the clock algorithm (second chance),
// so that what is evicted follows from the order of calls alone [INV-9]. A node that somebody
// still holds stays alive outside of the cache.
class NodeCache {
 public:
  // `capacity_bytes` bounds CleanNode::memory_bytes() of all cached nodes. 0 keeps nothing.
  explicit NodeCache(size_t capacity_bytes);
  NodeCache(const NodeCache&) = delete;
  NodeCache& operator=(const NodeCache&) = delete;

  // Null if it is not there. The whole reference is compared, checksum included: a reference that
  // was tampered with never gets a cached node [INV-4].
  CleanNodePtr find(const BlockRef& ref);
  // Adds a node, unless there is one already; returns the one that is in the cache now.
  CleanNodePtr insert(CleanNodePtr node);
  // Forgets a node, for instance because its slot was destroyed.
  void erase(const BlockRef& ref);
  void clear();

  struct Stats {
    uint64_t hits = 0;
    uint64_t misses = 0;
    size_t nodes = 0;
    size_t bytes = 0;
  };
  Stats stats() const;

 private:
  struct Entry {
    CleanNodePtr node;  // null: free
    bool used = false;  // since the clock's hand last passed
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<BlockRef, size_t> index;  // into entries; never iterated
    std::vector<Entry> entries;
    std::vector<size_t> free;
    size_t hand = 0;
    size_t bytes = 0;
    uint64_t hits = 0;
    uint64_t misses = 0;

    void evict_to(size_t capacity);
    void remove(size_t at);
  };

  static constexpr size_t kShards = 16;
  Shard& shard_of(const BlockRef& ref) {
    return shards_[(std::hash<BlockRef>{}(ref) >> 7) % kShards];
  }

  size_t shard_capacity_;
  std::array<Shard, kShards> shards_;
};

}  // namespace ramet::engine
