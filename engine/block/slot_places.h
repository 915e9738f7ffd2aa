// SlotPlaces: where the frames of a segment stand and how long they are, without the blocks' names:
// what reading by reference needs, in 4.2 bytes a slot where a whole entry takes 40.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "format/segment_layout.h"

namespace ramet::engine {

// Immutable; thread-safe.
class SlotPlaces {
 public:
  struct Place {
    uint64_t offset = 0;  // of the frame
    uint32_t stored_len = 0;
  };

  SlotPlaces() = default;
  // Frames mostly stand one behind the other: then an offset follows from lengths. Those that do
  // not are kept by themselves.
  explicit SlotPlaces(std::span<const SlotEntry> slots);

  Slot size() const { return static_cast<Slot>(lengths_.size()); }
  // None for a slot that is gone, or behind the last. Looks at 32 lengths at most.
  std::optional<Place> find(Slot slot) const;
  uint64_t memory_bytes() const;

 private:
  struct Jump {
    Slot slot;
    uint32_t offset8;
  };

  std::vector<uint32_t> lengths_;  // length_and_kind
  std::vector<uint32_t> bases_;    // of each so manieth slot: where it would stand, in units of 8
  std::vector<Jump> jumps_;        // slots that stand elsewhere, in order
};

}  // namespace ramet::engine
