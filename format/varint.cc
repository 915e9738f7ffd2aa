#include "format/varint.h"

#include <bit>

#include "format/planted.h"

namespace ramet {

void append_varint(Bytes& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

size_t varint_size(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

Result<uint64_t> take_varint(ByteView* in) {
  uint64_t value = 0;
  for (size_t i = 0; i < in->size() && i < kVarintBytesMax; ++i) {
    const auto byte = static_cast<uint8_t>((*in)[i]);
    if (i == kVarintBytesMax - 1 && byte > 1) break;  // above 64 bits
    value |= uint64_t{byte & 0x7Fu} << (7 * i);
    if ((byte & 0x80) != 0) continue;
    if (byte == 0 && i > 0 && !planted(DecoderBug::kLongVarint)) break;  // longer than needed
    in->remove_prefix(i + 1);
    return value;
  }
  return Error(ErrorCode::kCorruption, "malformed varint");
}

}  // namespace ramet
