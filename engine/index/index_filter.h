// The filter of a run: tells in one cache line that a prefix is not there. A blocked Bloom filter
// (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters", 2007), with 10 bits
// an entry and 6 bits set, wrong about one absent prefix in 60 or so. Pure and thread-safe.
//
// Blocks are chosen by the prefix's high end, so that a run in ascending order fills them one
// after the other, and a filter of any size is written with one block in memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>

namespace ramet::engine {

// `prefix` scaled to 0 .. count-1, keeping the order.
inline uint64_t scale_prefix(uint64_t prefix, uint64_t count) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>((static_cast<Wide>(prefix) * count) >> 64);
}

// 512 bits, as they are on disk.
struct FilterBlock {
  std::array<uint64_t, 8> words{};

  void add(uint64_t prefix) {
    uint64_t bits = spread(prefix);
    for (int i = 0; i < kBitsSet; ++i, bits >>= 9) {
      words[(bits >> 6) & 7] |= uint64_t{1} << (bits & 63);
    }
  }
  bool may_contain(uint64_t prefix) const {
    uint64_t bits = spread(prefix);
    uint64_t all = 1;
    for (int i = 0; i < kBitsSet; ++i, bits >>= 9) {
      all &= words[(bits >> 6) & 7] >> (bits & 63);
    }
    return (all & 1) != 0;
  }

 private:
  static constexpr int kBitsSet = 6;  // of 9 bits each
  // The finaliser of SplitMix64: what chose the block says nothing about the bits.
  static uint64_t spread(uint64_t prefix) {
    uint64_t z = prefix + 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
};
static_assert(sizeof(FilterBlock) == 64 && std::is_trivially_copyable_v<FilterBlock>);

inline constexpr uint64_t kFilterBitsPerEntry = 10;

// Blocks of a filter for that many entries; at least 1.
inline uint64_t filter_blocks_for(uint64_t entries) {
  return std::max<uint64_t>(1, (entries * kFilterBitsPerEntry + 511) / 512);
}

}  // namespace ramet::engine
