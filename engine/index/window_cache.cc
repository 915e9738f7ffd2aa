#include "engine/index/window_cache.h"

#include <algorithm>
#include <bit>

namespace ramet::engine {

WindowCache::WindowCache(uint64_t bytes)
    : sets_(std::bit_floor(std::max<uint64_t>(1, bytes / (kWays * sizeof(IndexPage))))) {}

size_t WindowCache::set_of(uint64_t run, uint64_t window) const {
  uint64_t z = (run * 0x9E3779B97F4A7C15ull) ^ window;
  z = (z ^ (z >> 32)) * 0xD6E8FEB86659FD93ull;
  return (z >> 32) & (sets_.size() - 1);
}

std::shared_ptr<const IndexPage> WindowCache::find(uint64_t run, uint64_t window) {
  const size_t at = set_of(run, window);
  std::lock_guard lock(locks_[at % kLocks]);
  for (Place& place : sets_[at].places) {
    if (place.page != nullptr && place.run == run && place.window == window) {
      place.used = true;
      return place.page;
    }
  }
  return nullptr;
}

void WindowCache::insert(uint64_t run, uint64_t window, std::shared_ptr<const IndexPage> page) {
  const size_t at = set_of(run, window);
  std::lock_guard lock(locks_[at % kLocks]);
  Set& set = sets_[at];
  for (const Place& place : set.places) {
    if (place.page != nullptr && place.run == run && place.window == window) return;
  }
  while (set.places[set.hand].page != nullptr && set.places[set.hand].used) {
    set.places[set.hand].used = false;
    set.hand = (set.hand + 1) % kWays;
  }
  set.places[set.hand] = Place{run, window, std::move(page), false};
  set.hand = (set.hand + 1) % kWays;
}

uint64_t WindowCache::memory_bytes() const {
  uint64_t pages = 0;
  for (size_t at = 0; at < sets_.size(); ++at) {
    std::lock_guard lock(locks_[at % kLocks]);
    for (const Place& place : sets_[at].places) pages += place.page != nullptr ? 1 : 0;
  }
  return sets_.size() * sizeof(Set) + pages * sizeof(IndexPage);
}

}  // namespace ramet::engine
