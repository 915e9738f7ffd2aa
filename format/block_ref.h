// BlockRef: the 16 bytes that lead to a block or a tree node (docs/format.md#blockref).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>

namespace ramet {

using SegmentNo = uint32_t;  // 1 and up; never used twice; 0 is "none"
using Slot = uint32_t;       // index of a block or node in its segment; survives compaction
using Sequence = uint64_t;   // commit number, 1 and up; 0 is "before the first"
using Epoch = uint64_t;      // one life of the store, 1 and up

// A reference carries the checksum of what it points to, so a misdirected or lost write is
// found by whoever follows the reference [INV-4].
struct BlockRef {
  SegmentNo segment = 0;
  Slot slot = 0;
  uint64_t checksum = 0;  // XXH3-64 of the stored payload

  bool is_null() const { return segment == 0; }
  friend bool operator==(const BlockRef&, const BlockRef&) = default;
  friend auto operator<=>(const BlockRef&, const BlockRef&) = default;
};
static_assert(sizeof(BlockRef) == 16 && std::is_trivially_copyable_v<BlockRef>);

// "17:3" - segment 17, slot 3; the form that tools print and accept.
std::string to_string(const BlockRef& ref);

}  // namespace ramet

template <>
struct std::hash<ramet::BlockRef> {
  size_t operator()(const ramet::BlockRef& ref) const noexcept {
    uint64_t key = (uint64_t{ref.segment} << 32) | ref.slot;
    key *= 0x9E3779B97F4A7C15ull;
    return static_cast<size_t>(key ^ (key >> 29));
  }
};
