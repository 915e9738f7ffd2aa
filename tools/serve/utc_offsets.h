// A time zone as a table: how far local time is from UTC, and since when. What one process hands to
// another that lives in a different zone, since the C library knows only one zone for each process.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ramet::serve {

struct UtcOffset {
  int64_t from = 0;    // seconds since 1970, UTC
  int32_t offset = 0;  // seconds east of UTC
  friend bool operator==(const UtcOffset&, const UtcOffset&) = default;
};

// Ascending; the first one also holds for all times before it.
using UtcOffsets = std::vector<UtcOffset>;

// 0 if the table is empty.
inline int32_t utc_offset_at(const UtcOffsets& offsets, int64_t seconds) {
  if (offsets.empty()) return 0;
  auto next = std::upper_bound(offsets.begin(), offsets.end(), seconds,
                               [](int64_t time, const UtcOffset& one) { return time < one.from; });
  return next == offsets.begin() ? next->offset : std::prev(next)->offset;
}

}  // namespace ramet::serve
