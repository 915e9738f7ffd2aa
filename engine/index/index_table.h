// IndexTable: the newest entries of the dedupe index, in memory: open addressing, keyed by the
// prefix. Thread-safe: 16 shards, each with its own lock; look-ups don't wait for each other.
//
// To be written out, its entries are frozen: they stay findable, beside new ones, until whoever
// wrote them says so.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include "engine/index/index_page.h"

namespace ramet::engine {

class IndexTable {
 public:
  // Takes at most about `entries_max` entries, and as many again while some are frozen; memory
  // grows as they come. `secret` keeps whoever chooses the content from
  // choosing the places too.
  IndexTable(size_t entries_max, uint64_t secret);

  // The newest entry of a prefix replaces the one before it. False, and forgotten, if the table
  // is full. Requires: entry.segment != 0.
  bool insert(const IndexEntry& entry);
  // What is known of a prefix, newest first: at most two entries.
  struct Found {
    std::optional<IndexEntry> newest;
    std::optional<IndexEntry> frozen;
  };
  Found find(uint64_t prefix) const;

  // Forgets all entries of these segments (ascending), frozen ones too. O(size).
  void erase_segments(std::span<const SegmentNo> segments);

  // Entries inserted since the last freeze(), and frozen ones.
  size_t size() const { return size_.load(std::memory_order_relaxed); }
  size_t frozen_size() const { return frozen_size_.load(std::memory_order_relaxed); }
  uint64_t memory_bytes() const;

  // Freezes all entries. Requires: none are frozen. One thread at a time calls freeze(),
  // frozen_entries() and drop_frozen().
  void freeze();
  // In ascending order of prefixes, each prefix once.
  std::vector<IndexEntry> frozen_entries() const;
  void drop_frozen();

 private:
  static constexpr size_t kShards = 16;

  // Linear probing; segment 0 marks a free place. At most three quarters are taken.
  struct Places {
    std::vector<IndexEntry> places;  // a power of two, or none
    size_t taken = 0;

    const IndexEntry* find(uint64_t prefix, uint64_t hash) const;
  };
  struct Shard {
    mutable std::shared_mutex mutex;
    Places current;
    Places frozen;
  };

  uint64_t hash_of(uint64_t prefix) const;
  // Puts the entry where its prefix is or belongs; true if the prefix is new.
  // Requires: a free place.
  bool put(Places& into, const IndexEntry& entry) const;
  // Into another array, without the entries of these segments. Returns how many those were.
  size_t move_to(size_t place_count, Places& places, std::span<const SegmentNo> without) const;

  const size_t shard_places_max_;
  const uint64_t secret_;
  std::array<Shard, kShards> shards_;
  std::atomic<size_t> size_ = 0;
  std::atomic<size_t> frozen_size_ = 0;
};

}  // namespace ramet::engine
