#include "format/hash.h"

#include <blake3.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "format/hash_long.h"

namespace ramet {

namespace {

// Up to this length the algorithm has ways of its own, without vectors.
constexpr size_t kShortBytesMax = 240;

}  // namespace

uint64_t xxh3(ByteView bytes) {
  if (bytes.size() > kShortBytesMax) return xxh3_long(bytes, 0);
  return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t xxh3_seeded(ByteView bytes, uint64_t seed) {
  if (bytes.size() > kShortBytesMax) return xxh3_long(bytes, seed);
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string ContentHash::to_hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(64);
  for (uint8_t b : bytes) {
    out.push_back(kDigits[b >> 4]);
    out.push_back(kDigits[b & 15]);
  }
  return out;
}

struct Blake3Hasher::State {
  blake3_hasher hasher;
};

Blake3Hasher::Blake3Hasher() : state_(std::make_unique<State>()) {
  blake3_hasher_init(&state_->hasher);
}
Blake3Hasher::Blake3Hasher(const char* derive_context) : state_(std::make_unique<State>()) {
  blake3_hasher_init_derive_key(&state_->hasher, derive_context);
}
Blake3Hasher::~Blake3Hasher() = default;
Blake3Hasher::Blake3Hasher(Blake3Hasher&&) noexcept = default;
Blake3Hasher& Blake3Hasher::operator=(Blake3Hasher&&) noexcept = default;

void Blake3Hasher::update(ByteView bytes) {
  blake3_hasher_update(&state_->hasher, bytes.data(), bytes.size());
}

ContentHash Blake3Hasher::finish() const {
  ContentHash out;
  blake3_hasher_finalize(&state_->hasher, out.bytes.data(), out.bytes.size());
  return out;
}

ContentHash blake3(ByteView bytes) {
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, bytes.data(), bytes.size());
  ContentHash out;
  blake3_hasher_finalize(&hasher, out.bytes.data(), out.bytes.size());
  return out;
}

}  // namespace ramet
