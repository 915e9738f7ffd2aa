// Extent runs: the content map of an object in pieces of about 1 KiB (docs/format.md#values,
// EXTENT). A run is value bytes plus one reference for each extent; it is the value of an EXTENT
// entry, or stands inline in an Object. All functions are pure and thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/result.h"

namespace ramet {

// A piece of content that is not a hole: `length` bytes at `offset` of the content are the bytes
// of `block` from `offset_in_block` on.
struct Extent {
  uint64_t offset = 0;
  uint64_t length = 0;  // 1 and up; offset_in_block + length <= 16 MiB
  BlockRef block;
  uint32_t offset_in_block = 0;

  uint64_t end() const { return offset + length; }
  friend bool operator==(const Extent&, const Extent&) = default;
};

// Content ends below this, so that offsets fit signed 64-bit file offsets.
inline constexpr uint64_t kContentBytesMax = uint64_t{1} << 63;
// How long a packed run gets at most, 16 bytes for each reference included.
inline constexpr size_t kExtentRunBytes = 1024;

struct ExtentRun {
  Bytes value;
  std::vector<BlockRef> refs;  // extent i uses refs[i]
  uint64_t end = 0;            // where the last extent ends: `end` of the EXTENT key
  size_t packed_bytes() const { return value.size() + refs.size() * sizeof(BlockRef); }
  friend bool operator==(const ExtentRun&, const ExtentRun&) = default;
};

// Extents in content order, each of length > 0, not overlapping, inside a block of at most
// 16 MiB, ending at or below kContentBytesMax, of a block that is not null. What encode_extent_run
// requires; kInvalidArgument says what is wrong.
Status check_extents(std::span<const Extent> extents);

// One run of all the extents; none gives the run of a content that is one hole.
// Requires: check_extents() passes.
ExtentRun encode_extent_run(std::span<const Extent> extents);

// Exactly as many references as the run has extents (the caller cuts off others). kCorruption on
// any inconsistency; what it gives passes check_extents(). Memory is bounded by refs [INV-8].
Result<std::vector<Extent>> decode_extent_run(ByteView value, std::span<const BlockRef> refs);

// Splits a long list into runs of at most `bytes_max` (one extent at least), each as full as it
// gets from left to right: the same list gives the same runs. None for an empty list.
// Requires: as encode_extent_run().
std::vector<ExtentRun> pack_extents(std::span<const Extent> extents,
                                    size_t bytes_max = kExtentRunBytes);

}  // namespace ramet
