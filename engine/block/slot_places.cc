#include "engine/block/slot_places.h"

#include <algorithm>

namespace ramet::engine {
namespace {

constexpr Slot kSlotsPerBase = 32;

uint32_t stored_len(uint32_t length_and_kind) {
  SlotEntry entry;
  entry.length_and_kind = length_and_kind;
  return entry.stored_len();
}

// From a frame to the one behind it, in units of 8.
uint32_t span8(uint32_t length_and_kind) {
  return static_cast<uint32_t>(frame_span(kFrameHeaderBytes, stored_len(length_and_kind)) /
                               kFrameAlignment);
}

}  // namespace

SlotPlaces::SlotPlaces(std::span<const SlotEntry> slots) {
  lengths_.reserve(slots.size());
  bases_.reserve((slots.size() + kSlotsPerBase - 1) / kSlotsPerBase);
  uint32_t next8 = 0;
  for (Slot slot = 0; slot < slots.size(); ++slot) {
    const SlotEntry& entry = slots[slot];
    if (slot % kSlotsPerBase == 0) bases_.push_back(next8);
    lengths_.push_back(entry.length_and_kind);
    if (entry.is_gone()) continue;
    if (entry.offset8 != next8) jumps_.push_back({slot, entry.offset8});
    next8 = entry.offset8 + span8(entry.length_and_kind);
  }
  jumps_.shrink_to_fit();
}

std::optional<SlotPlaces::Place> SlotPlaces::find(Slot slot) const {
  if (slot >= lengths_.size() || lengths_[slot] == kSlotGone) return std::nullopt;
  // From the last known place that is not behind it: its base, or a jump.
  Slot from = slot / kSlotsPerBase * kSlotsPerBase;
  uint32_t at8 = bases_[slot / kSlotsPerBase];
  const auto behind =
      std::upper_bound(jumps_.begin(), jumps_.end(), slot,
                       [](Slot wanted, const Jump& jump) { return wanted < jump.slot; });
  if (behind != jumps_.begin() && std::prev(behind)->slot >= from) {
    from = std::prev(behind)->slot;
    at8 = std::prev(behind)->offset8;
  }
  for (; from < slot; ++from) {
    if (lengths_[from] != kSlotGone) at8 += span8(lengths_[from]);
  }
  return Place{uint64_t{at8} * kFrameAlignment, stored_len(lengths_[slot])};
}

uint64_t SlotPlaces::memory_bytes() const {
  return lengths_.capacity() * sizeof(uint32_t) + bases_.capacity() * sizeof(uint32_t) +
         jumps_.capacity() * sizeof(Jump);
}

}  // namespace ramet::engine
