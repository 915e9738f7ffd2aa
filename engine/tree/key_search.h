// Search among sorted keys that begin with the same prefix. Each key has a *head*: the first four
// bytes behind the prefix as a big-endian integer, so that most steps of the search compare
// integers that lie side by side (the "poor man's normalized keys" of Graefe and Larson, 2001).
#pragma once

#include <bit>
#include <cstdint>

#include "format/bytes.h"

namespace ramet::engine {

// Short suffixes are padded with zeros: a < b implies head(a) <= head(b), and equal heads are
// told apart by comparing the suffixes.
inline uint32_t key_head(ByteView suffix) {
  if (suffix.size() >= 4) return __builtin_bswap32(load<uint32_t>(suffix.data()));
  uint32_t head = 0;
  for (size_t i = 0; i < suffix.size(); ++i) {
    head |= uint32_t{static_cast<unsigned char>(suffix[i])} << (24 - 8 * i);
  }
  return head;
}

// The first of `count` sorted heads that is >= needle (or > needle), from `first` on.
inline uint32_t first_head(const uint32_t* heads, uint32_t first, uint32_t count, uint32_t needle,
                           bool greater) {
  uint32_t base = first, n = count - first;
  while (n > 0) {
    const uint32_t half = n / 2;
    const uint32_t head = heads[base + half];
    const bool right = greater ? head <= needle : head < needle;
    base = right ? base + half + 1 : base;
    n = right ? n - half - 1 : half;
  }
  return base;
}

// The index of the first key whose suffix is >= `suffix`; *exact tells whether it is equal.
// suffix_at(i) gives the suffix of key i.
template <typename SuffixAt>
uint32_t lower_bound_suffix(const uint32_t* heads, uint32_t count, ByteView suffix, bool* exact,
                            const SuffixAt& suffix_at) {
  const uint32_t needle = key_head(suffix);
  uint32_t low = first_head(heads, 0, count, needle, /*greater=*/false);
  *exact = false;
  if (low == count || heads[low] != needle) return low;
  uint32_t high = low + 1;
  if (high < count && heads[high] == needle) {
    high = first_head(heads, high, count, needle, /*greater=*/true);
  }
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const int order = suffix_at(middle).compare(suffix);
    if (order == 0) {
      *exact = true;
      return middle;
    }
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Compares the prefix with the beginning of `key`: negative when all keys with the prefix are
// less than `key`, positive when they are greater, 0 when `key` begins with it.
inline int compare_prefix(ByteView prefix, ByteView key) {
  if (prefix.empty()) return 0;
  const int order = prefix.compare(key.substr(0, prefix.size()));
  return order;
}

}  // namespace ramet::engine
