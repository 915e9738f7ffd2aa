// Byte strings and little-endian integers in them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ramet {

// Borrowed bytes, valid for the call unless the function says otherwise. A string_view because
// its comparison is memcmp over unsigned bytes, which is the order of keys everywhere.
using ByteView = std::string_view;
// Owned bytes.
using Bytes = std::string;

static_assert(std::endian::native == std::endian::little,
              "Ramet reads its little-endian formats in place");

// Reads a little-endian (or native, they are the same here) integer or packed struct from
// unaligned memory. Requires: sizeof(T) bytes at p.
template <typename T>
T load(const void* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

template <typename T>
void store(void* p, const T& value) {
  std::memcpy(p, &value, sizeof(T));
}

template <typename T>
void append(Bytes& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

// Big-endian integers: their memcmp order is their numeric order (keys).
template <typename T>
void append_big_endian(Bytes& out, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((value >> shift) & 0xFF));
  }
}

// Requires: sizeof(T) bytes at p.
template <typename T>
T load_big_endian(const void* p) {
  const auto* bytes = static_cast<const unsigned char*>(p);
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>((value << 8) | bytes[i]);
  return value;
}

constexpr uint64_t align_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace ramet
