// Content-defined chunking, mulcdc-v1: cut points are a function of the bytes alone
// (docs/format.md#content), so that equal content gives equal blocks wherever it stands in a file.
//
// The rule: a windowed multiply-add hash of the last 32 bytes, cut where enough of its bits are
// zero; a stricter mask before the average length and a laxer one behind it ("normalised
// chunking" of FastCDC, Xia et al., USENIX ATC 2016), with hard bounds. The hash has no state
// beside its window, so any range of positions can be computed on its own, and many at once.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "format/bytes.h"

namespace ramet {

// Lengths in bytes. A store keeps to one average: content cut with another shares nothing with it.
struct ChunkerParams {
  static constexpr uint32_t kAverageMin = 256;
  static constexpr uint32_t kAverageMax = 1u << 20;

  uint32_t average = 16u << 10;  // a power of two from kAverageMin to kAverageMax

  constexpr bool is_valid() const {
    return std::has_single_bit(average) && average >= kAverageMin && average <= kAverageMax;
  }
  constexpr size_t min() const { return average / 4; }  // only the last chunk may be shorter
  constexpr size_t max() const { return size_t{average} * 4; }
};

// Where the first chunk of `data` ends. `data` begins where a chunk begins and holds what is known
// of the content behind it; `last` says that nothing follows.
// Returns the chunk's length, at most max(); or 0 when the bytes don't decide it yet: never with
// `last` (but for empty data), never with max() bytes or more. However the content is handed over,
// the cuts are the same. A call looks at all bytes from min() up to the cut, so it is cheapest to
// have max() bytes at hand. Bytes behind max() are not looked at.
// Pure and thread-safe. Requires: params.is_valid().
size_t next_cut(ByteView data, bool last, const ChunkerParams& params);

}  // namespace ramet
