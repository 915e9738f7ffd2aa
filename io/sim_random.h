// The seeded generator of the simulated disk: SplitMix64 (Steele, Lea, Flood: "Fast splittable
// pseudorandom number generators", 2014). The same on every machine. Not thread-safe.
#pragma once

#include <cstdint>

namespace ramet::io {

class SimRandom {
 public:
  explicit SimRandom(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ull;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  // 0 .. bound - 1. Requires: bound > 0.
  uint64_t below(uint64_t bound) { return next() % bound; }
  // True with the probability, 0 .. 1.
  bool chance(double probability) {
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }

 private:
  uint64_t state_;
};

}  // namespace ramet::io
