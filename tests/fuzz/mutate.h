// A deterministic mutator of byte strings: the same generator state gives the same mutation on
// every machine [INV-9]. Not clever: it finds what lies near the seeds; libFuzzer looks further.
#pragma once

#include <cstdint>
#include <span>

#include "format/bytes.h"

namespace ramet::fuzz {

// SplitMix64.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  // Requires: end > 0.
  size_t below(size_t end) { return static_cast<size_t>(next() % end); }

 private:
  uint64_t state_;
};

// One small change at a random place; `others` are inputs to take pieces from.
inline void mutate_once(Bytes& bytes, Generator& random, std::span<const Bytes> others) {
  constexpr uint64_t kValues[] = {0, 1, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000,
                                  0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, uint64_t{1} << 62,
                                  uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 7};
  const uint64_t value = kValues[random.below(std::size(kValues))];
  const size_t at = bytes.empty() ? 0 : random.below(bytes.size());
  const auto overwrite = [&](const void* from, size_t length) {
    if (bytes.size() - at < length) return;
    bytes.replace(at, length, static_cast<const char*>(from), length);
  };
  switch (random.below(12)) {
    case 0:
    case 1: if (!bytes.empty()) bytes[at] ^= static_cast<char>(1 << random.below(8)); break;
    case 2: if (!bytes.empty()) bytes[at] = static_cast<char>(random.next()); break;
    case 3: overwrite(&value, 1); break;
    case 4: overwrite(&value, 2); break;
    case 5: overwrite(&value, 4); break;
    case 6: overwrite(&value, 8); break;
    case 7: {  // a little more or less
      const auto add = static_cast<char>(random.below(2) == 0 ? 1 + random.below(8)
                                                              : 0 - (1 + random.below(8)));
      if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] + add);
      break;
    }
    case 8: bytes.erase(at, 1 + random.below(random.below(8) == 0 ? 256 : 8)); break;
    case 9: bytes.insert(at, Bytes(1 + random.below(16), static_cast<char>(random.next()))); break;
    case 10: {  // a piece of another input, in between or over what is there
      if (others.empty()) break;
      const Bytes& other = others[random.below(others.size())];
      if (other.empty()) break;
      const Bytes piece = other.substr(random.below(other.size()), 1 + random.below(64));
      if (random.below(2) == 0) {
        bytes.insert(at, piece);
      } else {
        bytes.replace(at, std::min(piece.size(), bytes.size() - at), piece);
      }
      break;
    }
    default: {  // a piece of its own, moved
      if (bytes.empty()) break;
      const Bytes piece = bytes.substr(random.below(bytes.size()), 1 + random.below(32));
      bytes.replace(at, std::min(piece.size(), bytes.size() - at), piece);
      break;
    }
  }
}

inline Bytes mutated(const Bytes& seed, Generator& random, std::span<const Bytes> others,
                     size_t bytes_max) {
  Bytes bytes = seed;
  for (size_t n = 1 + random.below(random.below(4) == 0 ? 12 : 3); n > 0; --n) {
    mutate_once(bytes, random, others);
  }
  if (bytes.size() > bytes_max) bytes.resize(bytes_max);
  return bytes;
}

}  // namespace ramet::fuzz
