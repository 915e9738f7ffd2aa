// FastCDC (Xia et al., USENIX ATC 2016), straight and scalar: what chunking is measured against.
// Normalised chunking of level 1, minimum a quarter and maximum four times the average, one byte a
// step.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "format/bytes.h"

namespace ramet::bench {

class FastCdc {
 public:
  explicit FastCdc(uint32_t average) : average_(average) {
    uint64_t x = 0x9E3779B97F4A7C15;
    for (uint64_t& gear : gear_) {  // splitmix64
      uint64_t z = (x += 0x9E3779B97F4A7C15);
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
      gear = z ^ (z >> 31);
    }
  }

  // Where the first chunk of `data`, behind which nothing follows, ends.
  size_t next_cut(ByteView data) const {
    const size_t end = std::min<size_t>(data.size(), size_t{average_} * 4);
    const size_t normal = std::min<size_t>(end, average_);
    const int bits = std::countr_zero(average_);
    const uint64_t strict = ~uint64_t{0} << (64 - (bits + 1));
    const uint64_t lax = ~uint64_t{0} << (64 - (bits - 1));
    uint64_t hash = 0;
    size_t at = average_ / 4;
    for (; at < normal; ++at) {
      hash = (hash << 1) + gear_[static_cast<uint8_t>(data[at])];
      if ((hash & strict) == 0) return at + 1;
    }
    for (; at < end; ++at) {
      hash = (hash << 1) + gear_[static_cast<uint8_t>(data[at])];
      if ((hash & lax) == 0) return at + 1;
    }
    return end;
  }

 private:
  const uint32_t average_;
  std::array<uint64_t, 256> gear_;
};

}  // namespace ramet::bench
