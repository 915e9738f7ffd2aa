// rapidcheck generators for the vocabulary of format/, and the hostile variations of bytes that
// every decoder must survive [INV-8].
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <rapidcheck.h>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/hash.h"
#include "format/ids.h"
#include "format/superblock.h"

namespace ramet::testing {

template <typename T>
rc::Gen<T> any() {
  return rc::gen::arbitrary<T>();
}

// Integers of every magnitude, the ends included; rapidcheck's own grow with the size only.
template <typename T>
rc::Gen<T> wide() {
  return rc::gen::oneOf(
      rc::gen::map(rc::gen::pair(any<uint64_t>(), rc::gen::inRange<int>(0, 64)),
                   [](std::pair<uint64_t, int> p) {
                     return static_cast<T>((p.first * 0x9E3779B97F4A7C15ull) >> p.second);
                   }),
      rc::gen::element<T>(T{0}, T{1}, static_cast<T>(~T{0}), static_cast<T>(T(~T{0}) - 1)),
      any<T>());
}

template <size_t N>
rc::Gen<std::array<uint8_t, N>> byte_array() {
  return rc::gen::map(rc::gen::container<std::vector<uint8_t>>(N, wide<uint8_t>()),
                      [](const std::vector<uint8_t>& bytes) {
                        std::array<uint8_t, N> out{};
                        std::copy(bytes.begin(), bytes.end(), out.begin());
                        return out;
                      });
}

// Names full of what escaping has to bear: 00, 01, FF, '/'.
inline rc::Gen<Bytes> tricky_bytes() {
  return rc::gen::container<Bytes>(rc::gen::oneOf(
      rc::gen::element('\0', '\x01', '\xFF', '/', 'a', 'b'), any<char>()));
}

template <typename AnyId>
rc::Gen<AnyId> any_id() {
  return rc::gen::map(rc::gen::pair(wide<uint64_t>(), byte_array<16>()), [](const auto& p) {
    return make_id<AnyId>(p.first % kIdSequenceEnd, p.second);
  });
}

// Few different ids, so that keys often agree up to a late field.
template <typename AnyId>
rc::Gen<AnyId> near_id() {
  return rc::gen::oneOf(
      rc::gen::map(rc::gen::inRange<uint64_t>(0, 3),
                   [](uint64_t n) { return make_id<AnyId>(n, {}); }),
      any_id<AnyId>());
}

inline rc::Gen<BlockRef> any_ref() {
  return rc::gen::construct<BlockRef>(rc::gen::inRange<uint32_t>(1, 1000), wide<uint32_t>(),
                                      wide<uint64_t>());
}

inline rc::Gen<ContentHash> any_hash() {
  return rc::gen::map(byte_array<32>(), [](const auto& bytes) { return ContentHash{bytes}; });
}

// Calls visit(bytes) with every proper prefix of `valid`, and with one byte too many.
template <typename Visit>
void for_each_wrong_length(ByteView valid, Visit visit) {
  for (size_t length = 0; length < valid.size(); ++length) visit(Bytes(valid.substr(0, length)));
  visit(Bytes(valid) + '\0');
}

// Calls visit(bytes, bit) with every single bit of `valid` flipped.
template <typename Visit>
void for_each_flipped_bit(ByteView valid, Visit visit) {
  Bytes bytes(valid);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<char>(1 << (bit % 8));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
    visit(static_cast<const Bytes&>(bytes), bit);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
  }
}

// Secrets, hashes and the like for golden values: 01 02 03 ... from `first` on.
template <size_t N>
std::array<uint8_t, N> counting_bytes(uint8_t first) {
  std::array<uint8_t, N> out{};
  for (size_t i = 0; i < N; ++i) out[i] = static_cast<uint8_t>(first + i);
  return out;
}

}  // namespace ramet::testing

// So that rapidcheck prints counterexamples that can be read.
namespace ramet {
template <typename Tag>
void showValue(const Id<Tag>& id, std::ostream& os) {
  os << to_uuid(id);
}
inline void showValue(const BlockRef& ref, std::ostream& os) { os << to_string(ref); }
}  // namespace ramet
