// The two hashes: XXH3-64 guards bytes against accidents, BLAKE3-256 names content.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>

#include "format/bytes.h"

namespace ramet {

// XXH3-64 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
uint64_t xxh3(ByteView bytes);
uint64_t xxh3_seeded(ByteView bytes, uint64_t seed);

// BLAKE3-256 of raw bytes: the name of a block, and of content (docs/format.md#content-id).
struct ContentHash {
  std::array<uint8_t, 32> bytes{};

  bool is_zero() const { return *this == ContentHash{}; }
  // The first 8 bytes as a little-endian integer: uniform, the key of the dedupe index.
  uint64_t prefix() const { return load<uint64_t>(bytes.data()); }
  ByteView view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  std::string to_hex() const;
  friend bool operator==(const ContentHash&, const ContentHash&) = default;
  friend auto operator<=>(const ContentHash&, const ContentHash&) = default;
};
static_assert(sizeof(ContentHash) == 32);

ContentHash blake3(ByteView bytes);

// Incremental BLAKE3. Not thread-safe. With a context string it is BLAKE3's key derivation mode,
// whose outputs can never equal those of another context or of plain blake3().
class Blake3Hasher {
 public:
  Blake3Hasher();
  explicit Blake3Hasher(const char* derive_context);
  ~Blake3Hasher();
  Blake3Hasher(Blake3Hasher&&) noexcept;
  Blake3Hasher& operator=(Blake3Hasher&&) noexcept;

  void update(ByteView bytes);
  ContentHash finish() const;  // may be called at any time, more than once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ramet
