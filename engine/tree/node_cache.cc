#include "engine/tree/node_cache.h"

#include <utility>

namespace ramet::engine {

NodeCache::NodeCache(size_t capacity_bytes) : shard_capacity_(capacity_bytes / kShards) {}

CleanNodePtr NodeCache::find(const BlockRef& ref) {
  Shard& shard = shard_of(ref);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(ref);
  if (found == shard.index.end()) {
    ++shard.misses;
    return nullptr;
  }
  ++shard.hits;
  Entry& entry = shard.entries[found->second];
  entry.used = true;
  return entry.node;
}

CleanNodePtr NodeCache::insert(CleanNodePtr node) {
  Shard& shard = shard_of(node->ref());
  const size_t bytes = node->memory_bytes();
  if (bytes > shard_capacity_) return node;
  const std::lock_guard lock(shard.mutex);
  const auto [place, added] = shard.index.try_emplace(node->ref(), 0);
  if (!added) return shard.entries[place->second].node;
  // Room is made first, so that the newcomer is not its own victim.
  size_t at = 0;
  shard.evict_to(shard_capacity_ - bytes);
  if (shard.free.empty()) {
    at = shard.entries.size();
    shard.entries.emplace_back();
  } else {
    at = shard.free.back();
    shard.free.pop_back();
  }
  shard.index.find(node->ref())->second = at;
  shard.bytes += bytes;
  shard.entries[at] = {node, false};
  return node;
}

void NodeCache::erase(const BlockRef& ref) {
  Shard& shard = shard_of(ref);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(ref);
  if (found != shard.index.end()) shard.remove(found->second);
}

void NodeCache::clear() {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    shard.index.clear();
    shard.entries.clear();
    shard.free.clear();
    shard.hand = 0;
    shard.bytes = 0;
  }
}

NodeCache::Stats NodeCache::stats() const {
  Stats stats;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    stats.hits += shard.hits;
    stats.misses += shard.misses;
    stats.nodes += shard.index.size();
    stats.bytes += shard.bytes;
  }
  return stats;
}

void NodeCache::Shard::remove(size_t at) {
  Entry& entry = entries[at];
  bytes -= entry.node->memory_bytes();
  index.erase(entry.node->ref());
  entry = {};
  free.push_back(at);
}

void NodeCache::Shard::evict_to(size_t capacity) {
  while (bytes > capacity) {
    if (hand >= entries.size()) hand = 0;
    Entry& entry = entries[hand];
    if (entry.node != nullptr && !std::exchange(entry.used, false)) remove(hand);
    ++hand;
  }
}

}  // namespace ramet::engine
