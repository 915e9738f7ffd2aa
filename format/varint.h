// Varints: unsigned LEB128, 7 bits a byte, lowest first. Pure and thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

#include "format/bytes.h"
#include "format/result.h"

namespace ramet {

inline constexpr size_t kVarintBytesMax = 10;

void append_varint(Bytes& out, uint64_t value);

// Bytes that append_varint() would add: 1 to 10.
size_t varint_size(uint64_t value);

// Takes one varint off the front of `*in`. kCorruption (and `*in` as it was): cut off, above 64
// bits, or longer than needed; so a value has one form only [INV-9].
Result<uint64_t> take_varint(ByteView* in);

}  // namespace ramet
