// Summary: what is below a tree node or root, in columns that add up (docs/format.md#trees). So
// counts and sizes of any key range cost O(log n).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ramet {

// Column numbers are on disk and never change; new ones are added behind.
enum class SummaryColumn : uint8_t {
  kObjects = 0,
  kContentBytes = 1,
  kEntries = 2,      // dirents
  kEntryBytes = 3,   // content bytes as seen by dirents
  kFolders = 4,
  kOpen = 5,         // objects that are not closed yet
  kHidden = 6,
  kNotClonable = 7,  // objects that are never cloned, or copied while they are open
  kArchival = 8,     // archival transitions
  kSponsored = 9,
  kLegalHolds = 10,
  kRetainUntil = 11,  // the newest one: a maximum; all others are sums
  kNotLive = 12,     // objects that are archived, or on the way to it or back
};
inline constexpr size_t kSummaryColumns = 13;

// A plain value; zero is neutral to combine(), which is associative and commutative. There is no
// subtraction: a maximum can't be taken back, so ranges are summed from their parts.
struct Summary {
  static constexpr size_t kColumns = kSummaryColumns;
  std::array<uint64_t, kColumns> columns{};

  uint64_t& operator[](SummaryColumn column) { return columns[static_cast<size_t>(column)]; }
  uint64_t operator[](SummaryColumn column) const {
    return columns[static_cast<size_t>(column)];
  }
  bool is_zero() const { return *this == Summary{}; }

  // Adds another part. Sums wrap at 2^64, which keeps the algebra associative on any bytes.
  void combine(const Summary& other);

  // Columns up to the last one that is not zero: what is stored.
  size_t used_columns() const;
  std::span<const uint64_t> used() const { return {columns.data(), used_columns()}; }
  // From stored columns; absent ones are 0. Requires: at most kColumns.
  static Summary from(std::span<const uint64_t> stored);

  friend bool operator==(const Summary&, const Summary&) = default;
};

inline Summary combined(Summary a, const Summary& b) {
  a.combine(b);
  return a;
}

}  // namespace ramet
