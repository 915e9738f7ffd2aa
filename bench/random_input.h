// What the benchmarks of single parts read: 1 MiB of random bytes, always the same (xorshift64).
#pragma once

#include "format/bytes.h"

namespace ramet::bench {

inline Bytes random_input() {
  Bytes input;
  uint64_t x = 1;
  while (input.size() < (1u << 20)) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    append(input, x);
  }
  return input;
}

}  // namespace ramet::bench
