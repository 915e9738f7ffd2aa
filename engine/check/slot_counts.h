// SlotCounts: references met, for each slot of each segment. 4 bytes a slot.
// Thread-safe once all segments are added.
#pragma once

#include <atomic>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "format/block_ref.h"
#include "format/segment_layout.h"

namespace ramet::engine {

class SlotCounts {
 public:
  // Of a segment that is there already: another table; what was counted stays.
  void add_segment(SegmentNo number, bool of_nodes, std::span<const SlotEntry> table) {
    if (of_nodes) nodes_.insert(number);
    auto& slots = segments_[number];
    std::vector<std::atomic<uint32_t>> next(table.size());
    for (size_t i = 0; i < table.size(); ++i) {
      const uint32_t counted = i < slots.size() ? slots[i] & ~kGone : 0;
      next[i] = counted | (table[i].is_gone() ? kGone : 0);
    }
    slots = std::move(next);
  }
  bool has(const BlockRef& ref) const {
    const auto* slot = find(ref.segment, ref.slot);
    return slot != nullptr && (*slot & kGone) == 0;
  }
  // Also of slots that are gone; of what nobody knows it is forgotten.
  void add(const BlockRef& ref) {
    if (auto* slot = const_cast<std::atomic<uint32_t>*>(find(ref.segment, ref.slot))) ++*slot;
  }
  uint32_t count(SegmentNo segment, Slot slot) const {
    const auto* found = find(segment, slot);
    return found == nullptr ? 0 : *found & ~kGone;
  }
  bool is_gone(SegmentNo segment, Slot slot) const {
    const auto* found = find(segment, slot);
    return found == nullptr || (*found & kGone) != 0;
  }
  bool is_node(const BlockRef& ref) const { return nodes_.contains(ref.segment); }
  Slot slots(SegmentNo segment) const {
    const auto found = segments_.find(segment);
    return found == segments_.end() ? 0 : static_cast<Slot>(found->second.size());
  }

 private:
  static constexpr uint32_t kGone = 1u << 31;
  const std::atomic<uint32_t>* find(SegmentNo segment, Slot slot) const {
    const auto found = segments_.find(segment);
    if (found == segments_.end() || slot >= found->second.size()) return nullptr;
    return &found->second[slot];
  }
  std::map<SegmentNo, std::vector<std::atomic<uint32_t>>> segments_;
  std::set<SegmentNo> nodes_;
};

}  // namespace ramet::engine
