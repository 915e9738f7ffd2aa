// A NodeStore in memory for tests: checks checksums on every load, counts calls, and can be told
// to damage or refuse single nodes. Thread-safe.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "engine/tree/node_store.h"
#include "format/hash.h"

namespace ramet::engine {

class MemoryNodeStore : public NodeStore {
 public:
  Result<NodeBuffer> load(const BlockRef& ref) override {
    ++loads_;
    const std::lock_guard lock(mutex_);
    if (ref.segment != kSegment || ref.slot >= nodes_.size()) {
      return Error(ErrorCode::kCorruption, "no such slot");
    }
    if (failing_.count(ref.slot) != 0) return Error(ErrorCode::kIoError, "the disk is on fire");
    const Bytes& bytes = nodes_[ref.slot];
    if (xxh3(bytes) != ref.checksum) {
      return Error(ErrorCode::kCorruption, "payload checksum does not match");
    }
    return NodeBuffer::copy_of(bytes);
  }

  Result<BlockRef> store(ByteView encoded, Sequence /*sequence*/) override {
    const std::lock_guard lock(mutex_);
    if (room_.has_value() && (*room_)-- == 0) {
      room_ = 0;
      return Error(ErrorCode::kOutOfSpace, "no room");
    }
    nodes_.emplace_back(encoded);
    return BlockRef{kSegment, static_cast<Slot>(nodes_.size() - 1), xxh3(encoded)};
  }

  // Flips a bit of a node, behind the back of its checksum.
  void damage(const BlockRef& ref) {
    const std::lock_guard lock(mutex_);
    nodes_[ref.slot][nodes_[ref.slot].size() / 2] ^= 1;
  }
  void heal(const BlockRef& ref) { damage(ref); }
  // Loads of this node give kIoError.
  void fail(const BlockRef& ref) {
    const std::lock_guard lock(mutex_);
    failing_.insert(ref.slot);
  }
  // After so many more nodes, store() gives kOutOfSpace. nullopt: room for all.
  void set_room(std::optional<size_t> nodes) {
    const std::lock_guard lock(mutex_);
    room_ = nodes;
  }

  uint64_t loads() const { return loads_; }
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return nodes_.size();
  }
  Bytes bytes_at(size_t slot) const {
    const std::lock_guard lock(mutex_);
    return nodes_[slot];
  }

 private:
  static constexpr SegmentNo kSegment = 7;
  mutable std::mutex mutex_;
  std::vector<Bytes> nodes_;
  std::set<Slot> failing_;
  std::optional<size_t> room_;
  std::atomic<uint64_t> loads_{0};
};

}  // namespace ramet::engine
