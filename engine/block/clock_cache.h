// ClockCache: verified, immutable values by the reference of the frame that they came from, bounded
// in bytes. It knows references, not containers: a thousand clones share one copy.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
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
    const uint64_t hash = std::hash<BlockRef>{}(ref);
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.find(ref, hash);
    if (!at) {
      ++shard.misses;
      return nullptr;
    }
    ++shard.hits;
    Entry& entry = shard.entries[*at];
    entry.used = true;
    return entry.value;
  }

  // Adds a value, unless there is one already; returns the one that is in the cache now.
  Pointer insert(Pointer value) {
    const BlockRef& ref = value->ref();
    const uint64_t hash = std::hash<BlockRef>{}(ref);
    Shard& shard = shard_of(hash);
    const size_t bytes = value->memory_bytes();
    if (bytes > shard_capacity_) return value;
    const std::lock_guard lock(shard.mutex);
    if (const auto there = shard.find(ref, hash)) return shard.entries[*there].value;
    // Room is made first, so that the newcomer is not its own victim.
    shard.evict_to(shard_capacity_ - bytes);
    shard.add(Entry{ref, value, false}, hash);
    shard.bytes += bytes;
    return value;
  }

  // Forgets a value, for instance because its slot was destroyed.
  void erase(const BlockRef& ref) {
    const uint64_t hash = std::hash<BlockRef>{}(ref);
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    if (const auto at = shard.find(ref, hash)) shard.remove(*at);
  }

  void clear() {
    for (Shard& shard : shards_) {
      const std::lock_guard lock(shard.mutex);
      shard.entries.clear();
      shard.count = 0;
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
      stats.values += shard.count;
      stats.bytes += shard.bytes;
    }
    return stats;
  }

 private:
  struct Entry {
    BlockRef ref;
    Pointer value;      // null: free
    bool used = false;  // since the clock's hand last passed
  };
  // A hash table without pointers, for a look-up that misses the processor's caches once: linear
  // probing, entries behind a removed one move up (Knuth, TAOCP 3, 6.4, algorithm R).
  struct Shard {
    mutable std::mutex mutex;
    std::vector<Entry> entries;  // a power of two, or none; never more than three quarters in use
    size_t count = 0;
    size_t hand = 0;
    size_t bytes = 0;
    uint64_t hits = 0;
    uint64_t misses = 0;

    size_t home(uint64_t hash) const { return (hash >> kShardBits) & (entries.size() - 1); }
    size_t behind(size_t at) const { return (at + 1) & (entries.size() - 1); }

    std::optional<size_t> find(const BlockRef& ref, uint64_t hash) const {
      if (entries.empty()) return std::nullopt;
      for (size_t at = home(hash); entries[at].value != nullptr; at = behind(at)) {
        if (entries[at].ref == ref) return at;
      }
      return std::nullopt;
    }

    void add(Entry entry, uint64_t hash) {
      if ((count + 1) * 4 > entries.size() * 3) grow();
      size_t at = home(hash);
      while (entries[at].value != nullptr) at = behind(at);
      entries[at] = std::move(entry);
      ++count;
    }

    void grow() {
      std::vector<Entry> old(std::max<size_t>(16, entries.size() * 2));
      std::swap(old, entries);
      count = 0;
      hand = 0;
      for (Entry& entry : old) {
        if (entry.value != nullptr) add(std::move(entry), std::hash<BlockRef>{}(entry.ref));
      }
    }

    void remove(size_t at) {
      bytes -= entries[at].value->memory_bytes();
      --count;
      for (size_t next = behind(at); entries[next].value != nullptr; next = behind(next)) {
        // It may stand at `at` unless that lies before where it would be looked for first.
        const size_t first = home(std::hash<BlockRef>{}(entries[next].ref));
        const size_t mask = entries.size() - 1;
        if (((next - first) & mask) < ((next - at) & mask)) continue;
        entries[at] = std::move(entries[next]);
        at = next;
      }
      entries[at] = Entry{};
    }

    void evict_to(size_t capacity) {
      while (bytes > capacity) {
        if (hand >= entries.size()) hand = 0;
        Entry& entry = entries[hand];
        if (entry.value != nullptr && !std::exchange(entry.used, false)) {
          remove(hand);  // another one may stand there now
        } else {
          ++hand;
        }
      }
    }
  };

  static constexpr unsigned kShardBits = 4;
  static constexpr size_t kShards = 1u << kShardBits;
  Shard& shard_of(uint64_t hash) { return shards_[hash % kShards]; }

  size_t shard_capacity_;
  std::array<Shard, kShards> shards_;
};

}  // namespace ramet::engine
