// ClockCache: verified, immutable values by the reference of the frame that they came from, bounded
// in bytes. It knows references, not containers: a thousand clones share one copy.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "format/block_ref.h"

namespace ramet::engine {

// Value: ref() and memory_bytes(), neither of which changes.
//
// Thread-safe: 16 shards, each with its own lock. Evicts by the clock algorithm (second chance;
// Corbato, "A Paging Experiment with the Multics System", 1968), so that what is evicted follows
// from the order of calls alone [INV-9]. A value that somebody still holds stays alive outside of
// the cache.
template <typename Value>
class ClockCache {
 public:
  using Pointer = std::shared_ptr<const Value>;

  // `capacity_bytes` bounds memory_bytes() of all cached values. 0 keeps nothing.
  explicit ClockCache(size_t capacity_bytes) : shard_capacity_(capacity_bytes / kShards) {}
  ClockCache(const ClockCache&) = delete;
  ClockCache& operator=(const ClockCache&) = delete;

  // Null if it is not there. The whole reference is compared, checksum included: a reference that
  // was tampered with never gets a cached value [INV-4].
  Pointer find(const BlockRef& ref) {
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
    return entry.value;
  }

  // Adds a value, unless there is one already; returns the one that is in the cache now.
  Pointer insert(Pointer value) {
    Shard& shard = shard_of(value->ref());
    const size_t bytes = value->memory_bytes();
    if (bytes > shard_capacity_) return value;
    const std::lock_guard lock(shard.mutex);
    const auto [place, added] = shard.index.try_emplace(value->ref(), 0);
    if (!added) return shard.entries[place->second].value;
    // Room is made first, so that the newcomer is not its own victim.
    shard.evict_to(shard_capacity_ - bytes);
    size_t at = shard.entries.size();
    if (shard.free.empty()) {
      shard.entries.emplace_back();
    } else {
      at = shard.free.back();
      shard.free.pop_back();
    }
    shard.index.find(value->ref())->second = at;
    shard.bytes += bytes;
    shard.entries[at] = {value, false};
    return value;
  }

  // Forgets a value, for instance because its slot was destroyed.
  void erase(const BlockRef& ref) {
    Shard& shard = shard_of(ref);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.index.find(ref);
    if (found != shard.index.end()) shard.remove(found->second);
  }

  void clear() {
    for (Shard& shard : shards_) {
      const std::lock_guard lock(shard.mutex);
      shard.index.clear();
      shard.entries.clear();
      shard.free.clear();
      shard.hand = 0;
      shard.bytes = 0;
    }
  }

  struct Stats {
    uint64_t hits = 0;
    uint64_t misses = 0;
    size_t values = 0;
    size_t bytes = 0;
  };
  Stats stats() const {
    Stats stats;
    for (const Shard& shard : shards_) {
      const std::lock_guard lock(shard.mutex);
      stats.hits += shard.hits;
      stats.misses += shard.misses;
      stats.values += shard.index.size();
      stats.bytes += shard.bytes;
    }
    return stats;
  }

 private:
  struct Entry {
    Pointer value;      // null: free
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

    void evict_to(size_t capacity) {
      while (bytes > capacity) {
        if (hand >= entries.size()) hand = 0;
        Entry& entry = entries[hand];
        if (entry.value != nullptr && !std::exchange(entry.used, false)) remove(hand);
        ++hand;
      }
    }
    void remove(size_t at) {
      Entry& entry = entries[at];
      bytes -= entry.value->memory_bytes();
      index.erase(entry.value->ref());
      entry = {};
      free.push_back(at);
    }
  };

  static constexpr size_t kShards = 16;
  Shard& shard_of(const BlockRef& ref) {
    return shards_[(std::hash<BlockRef>{}(ref) >> 7) % kShards];
  }

  size_t shard_capacity_;
  std::array<Shard, kShards> shards_;
};

}  // namespace ramet::engine
