// AccessCache: answers of access control that are right for one generation of the catalog's
// entries. Thread-safe; a look-up holds one of many short locks, and nothing is allocated on it.
#pragma once

#include <openssl/crypto.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "format/hash.h"

namespace ramet::engine {

using AccessCacheKey = std::array<uint8_t, 32>;

// Bounded: a full set forgets one of its entries, outdated ones first. Memory is taken with the
// first entry of each shard.
template <typename Value>
class AccessCache {
 public:
  // What was put in this generation. Keys are compared in constant time: some are hashes of
  // secrets.
  std::optional<Value> find(const AccessCacheKey& key, uint64_t generation) {
    const uint64_t hash = hash_of(key);
    Shard& shard = shards_[hash % kShards];
    const std::lock_guard lock(shard.mutex);
    if (shard.slots.empty()) return std::nullopt;
    Slot* const set = set_of(shard, hash);
    for (size_t way = 0; way < kWays; ++way) {
      if (set[way].generation == generation && is_same(set[way].key, key)) return set[way].value;
    }
    return std::nullopt;
  }

  // `generation` (not 0) is the one from before the value was read.
  void put(const AccessCacheKey& key, uint64_t generation, Value value) {
    const uint64_t hash = hash_of(key);
    Shard& shard = shards_[hash % kShards];
    const std::lock_guard lock(shard.mutex);
    if (shard.slots.empty()) shard.slots.resize(kSets * kWays);
    Slot* const set = set_of(shard, hash);
    Slot* victim = &set[shard.turn++ % kWays];
    for (size_t way = 0; way < kWays; ++way) {
      if (set[way].generation != generation || is_same(set[way].key, key)) victim = &set[way];
    }
    *victim = {key, generation, std::move(value)};
  }

  static constexpr size_t kEntriesMax = size_t{64} * 32 * 4;

 private:
  static constexpr size_t kShards = 64, kSets = 32, kWays = 4;
  struct Slot {
    AccessCacheKey key{};
    uint64_t generation = 0;
    Value value{};
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    std::vector<Slot> slots;
    uint32_t turn = 0;
  };

  static uint64_t hash_of(const AccessCacheKey& key) {
    return xxh3({reinterpret_cast<const char*>(key.data()), key.size()});
  }
  static Slot* set_of(Shard& shard, uint64_t hash) {
    return shard.slots.data() + hash / kShards % kSets * kWays;
  }
  static bool is_same(const AccessCacheKey& a, const AccessCacheKey& b) {
    return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
  }

  std::array<Shard, kShards> shards_;
};

}  // namespace ramet::engine
