// BlockCache: decoded blocks that are read again and again, in memory: a system call less for each.
// Blocks are let in when they are asked for a second time while their neighbours in a small table
// of what was missed are not (a doorkeeper: Einziger, Friedman, Manes, "TinyLFU", ACM TOS 2017), so
// that reading much once neither fills it nor pays for copies.
#pragma once

#include <atomic>
#include <memory>

#include "engine/block/clock_cache.h"
#include "format/bytes.h"

namespace ramet::engine {

class CachedBlock {
 public:
  CachedBlock(const BlockRef& ref, ByteView raw) : ref_(ref), raw_(raw) {}
  const BlockRef& ref() const { return ref_; }
  ByteView raw() const { return raw_; }
  size_t memory_bytes() const { return sizeof(CachedBlock) + kOverheadBytes + raw_.capacity(); }

 private:
  static constexpr size_t kOverheadBytes = 96;  // of the cache's own tables
  BlockRef ref_;
  Bytes raw_;
};

// Thread-safe.
class BlockCache {
 public:
  // 0 keeps nothing.
  explicit BlockCache(size_t capacity_bytes)
      : enabled_(capacity_bytes > 0),
        cache_(capacity_bytes),
        missed_(enabled_ ? new std::atomic<uint32_t>[kMissedSlots]() : nullptr) {}

  // Null if it isn't there.
  std::shared_ptr<const CachedBlock> find(const BlockRef& ref) {
    return enabled_ ? cache_.find(ref) : nullptr;
  }
  // A block that was missed, and is read and verified now.
  void offer(const BlockRef& ref, ByteView raw) {
    if (!enabled_ || raw.size() > kBlockBytesCachedMax) return;
    const uint64_t hash = std::hash<BlockRef>{}(ref);
    const auto mark = static_cast<uint32_t>(hash >> 32) | 1;
    if (missed_[hash % kMissedSlots].exchange(mark, std::memory_order_relaxed) != mark) return;
    cache_.insert(std::make_shared<const CachedBlock>(ref, raw));
  }
  size_t bytes() const { return cache_.stats().bytes; }
  auto stats() const { return cache_.stats(); }

 private:
  static constexpr size_t kMissedSlots = 1u << 16;
  static constexpr size_t kBlockBytesCachedMax = 64u << 10;

  const bool enabled_;
  ClockCache<CachedBlock> cache_;
  std::unique_ptr<std::atomic<uint32_t>[]> missed_;
};

}  // namespace ramet::engine
