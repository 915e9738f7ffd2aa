#include "format/summary.h"

#include <algorithm>

#include "format/check.h"

namespace ramet {

void Summary::combine(const Summary& other) {
  constexpr auto kMaximum = static_cast<size_t>(SummaryColumn::kRetainUntil);
  for (size_t i = 0; i < kColumns; ++i) {
    columns[i] = i == kMaximum ? std::max(columns[i], other.columns[i])
                               : columns[i] + other.columns[i];
  }
}

size_t Summary::used_columns() const {
  size_t used = kColumns;
  while (used > 0 && columns[used - 1] == 0) --used;
  return used;
}

Summary Summary::from(std::span<const uint64_t> stored) {
  RAMET_CHECK(stored.size() <= kColumns, "more summary columns than this version has");
  Summary out;
  std::copy(stored.begin(), stored.end(), out.columns.begin());
  return out;
}

}  // namespace ramet
