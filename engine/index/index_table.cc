#include "engine/index/index_table.h"

#include <algorithm>
#include <bit>
#include <mutex>

#include "format/check.h"

namespace ramet::engine {
namespace {

constexpr size_t kPlacesMin = 64;

bool is_full(size_t taken, size_t places) { return (taken + 1) * 4 > places * 3; }

}  // namespace

IndexTable::IndexTable(size_t entries_max, uint64_t secret)
    : shard_places_max_(std::bit_ceil(std::max(kPlacesMin, entries_max / kShards * 4 / 3))),
      secret_(secret) {}

uint64_t IndexTable::hash_of(uint64_t prefix) const {
  uint64_t z = (prefix ^ secret_) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 32)) * 0xD6E8FEB86659FD93ull;
  return z ^ (z >> 32);
}

const IndexEntry* IndexTable::Places::find(uint64_t prefix, uint64_t hash) const {
  if (places.empty()) return nullptr;
  const size_t mask = places.size() - 1;
  for (size_t at = (hash >> 4) & mask;; at = (at + 1) & mask) {
    if (places[at].segment == 0) return nullptr;
    if (places[at].prefix == prefix) return &places[at];
  }
}

bool IndexTable::put(Places& into, const IndexEntry& entry) const {
  const size_t mask = into.places.size() - 1;
  size_t at = (hash_of(entry.prefix) >> 4) & mask;
  while (into.places[at].segment != 0 && into.places[at].prefix != entry.prefix) {
    at = (at + 1) & mask;
  }
  const bool is_new = into.places[at].segment == 0;
  into.places[at] = entry;
  into.taken += is_new ? 1 : 0;
  return is_new;
}

size_t IndexTable::move_to(size_t place_count, Places& places,
                           std::span<const SegmentNo> without) const {
  Places moved;
  moved.places.resize(place_count);
  for (const IndexEntry& entry : places.places) {
    if (entry.segment == 0) continue;
    if (std::binary_search(without.begin(), without.end(), entry.segment)) continue;
    put(moved, entry);
  }
  const size_t left_out = places.taken - moved.taken;
  places = std::move(moved);
  return left_out;
}

bool IndexTable::insert(const IndexEntry& entry) {
  RAMET_CHECK(entry.segment != 0, "index entry of no segment");
  const uint64_t hash = hash_of(entry.prefix);
  Shard& shard = shards_[hash % kShards];
  std::unique_lock lock(shard.mutex);
  Places& current = shard.current;
  if (is_full(current.taken, current.places.size())) {
    if (current.places.size() < shard_places_max_) {
      move_to(std::max(kPlacesMin, current.places.size() * 2), current, {});
    } else if (current.find(entry.prefix, hash) == nullptr) {
      return false;
    }
  }
  if (put(current, entry)) size_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

IndexTable::Found IndexTable::find(uint64_t prefix) const {
  const uint64_t hash = hash_of(prefix);
  const Shard& shard = shards_[hash % kShards];
  std::shared_lock lock(shard.mutex);
  Found found;
  if (const IndexEntry* entry = shard.current.find(prefix, hash)) found.newest = *entry;
  if (const IndexEntry* entry = shard.frozen.find(prefix, hash)) found.frozen = *entry;
  return found;
}

uint64_t IndexTable::memory_bytes() const {
  uint64_t places = 0;
  for (const Shard& shard : shards_) {
    std::shared_lock lock(shard.mutex);
    places += shard.current.places.capacity() + shard.frozen.places.capacity();
  }
  return places * sizeof(IndexEntry);
}

void IndexTable::erase_segments(std::span<const SegmentNo> segments) {
  for (Shard& shard : shards_) {
    std::unique_lock lock(shard.mutex);
    size_.fetch_sub(move_to(shard.current.places.size(), shard.current, segments),
                    std::memory_order_relaxed);
    frozen_size_.fetch_sub(move_to(shard.frozen.places.size(), shard.frozen, segments),
                           std::memory_order_relaxed);
  }
}

void IndexTable::freeze() {
  RAMET_CHECK(frozen_size() == 0, "entries are frozen already");
  for (Shard& shard : shards_) {
    std::unique_lock lock(shard.mutex);
    shard.frozen = std::move(shard.current);
    shard.current = Places{};
    size_.fetch_sub(shard.frozen.taken, std::memory_order_relaxed);
    frozen_size_.fetch_add(shard.frozen.taken, std::memory_order_relaxed);
  }
}

std::vector<IndexEntry> IndexTable::frozen_entries() const {
  std::vector<IndexEntry> entries;
  entries.reserve(frozen_size());
  for (const Shard& shard : shards_) {
    std::shared_lock lock(shard.mutex);
    for (const IndexEntry& entry : shard.frozen.places) {
      if (entry.segment != 0) entries.push_back(entry);
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const IndexEntry& a, const IndexEntry& b) { return a.prefix < b.prefix; });
  return entries;
}

void IndexTable::drop_frozen() {
  for (Shard& shard : shards_) {
    Places dropped;  // its memory is given back outside of the lock
    std::unique_lock lock(shard.mutex);
    std::swap(dropped, shard.frozen);
    frozen_size_.fetch_sub(dropped.taken, std::memory_order_relaxed);
    lock.unlock();
  }
}

}  // namespace ramet::engine
