#include "format/ids.h"

#include <cstring>

#include <fmt/format.h>

namespace ramet {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";
// ASCII order, so that text order is number order.
constexpr char kBase62Digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool is_dash_place(size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

int base62_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  if (c >= 'a' && c <= 'z') return c - 'a' + 36;
  return -1;
}

Error not_an_id(std::string_view text, const char* form) {
  constexpr size_t kShown = 64;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}{}' is not an id ({})", text.substr(0, kShown),
                           text.size() > kShown ? "..." : "", form));
}

bool is_id(const IdBytes& bytes) { return bytes == IdBytes{} || has_id_shape(bytes); }

}  // namespace

IdBytes make_id_bytes(uint64_t sequence, const std::array<uint8_t, 16>& random) {
  RAMET_CHECK(sequence < kIdSequenceEnd, "the store's id sequence is exhausted");
  IdBytes bytes = random;
  for (size_t i = 0; i < 6; ++i) bytes[i] = static_cast<uint8_t>(sequence >> (40 - 8 * i));
  bytes[6] = static_cast<uint8_t>(0x40 | (bytes[6] & 0x0F));
  bytes[8] = static_cast<uint8_t>(0x80 | (bytes[8] & 0x3F));
  return bytes;
}

uint64_t sequence_of_bytes(const IdBytes& bytes) {
  return load_big_endian<uint64_t>(bytes.data()) >> 16;
}

bool has_id_shape(const IdBytes& bytes) {
  return (bytes[6] & 0xF0) == 0x40 && (bytes[8] & 0xC0) == 0x80;
}

std::string uuid_text(const IdBytes& bytes) {
  std::string text(kUuidTextBytes, '-');
  write_uuid_bytes(bytes, text.data());
  return text;
}

void write_uuid_bytes(const IdBytes& bytes, char* out) {
  static constexpr auto kPairs = [] {
    std::array<std::array<char, 2>, 256> pairs{};
    for (size_t i = 0; i < 256; ++i) pairs[i] = {kHexDigits[i >> 4], kHexDigits[i & 15]};
    return pairs;
  }();
  size_t at = 0;
  for (const uint8_t byte : bytes) {
    if (is_dash_place(at)) out[at++] = '-';
    std::memcpy(out + at, kPairs[byte].data(), 2);
    at += 2;
  }
}

Result<IdBytes> parse_uuid_bytes(std::string_view text) {
  constexpr const char* kForm = "a lower-case version-4 UUID";
  if (text.size() != kUuidTextBytes) return not_an_id(text, kForm);
  IdBytes bytes{};
  size_t digit = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_dash_place(i)) {
      if (text[i] != '-') return not_an_id(text, kForm);
      continue;
    }
    const int value = hex_value(text[i]);
    if (value < 0) return not_an_id(text, kForm);
    bytes[digit / 2] = static_cast<uint8_t>(bytes[digit / 2] << 4 | value);
    ++digit;
  }
  if (!is_id(bytes)) return not_an_id(text, kForm);
  return bytes;
}

std::string base62_text(const IdBytes& bytes) {
  std::array<uint8_t, 16> number = bytes;  // big-endian, divided by 62 again and again
  std::string text(kBase62TextBytes, '0');
  for (size_t place = kBase62TextBytes; place-- > 0;) {
    uint32_t remainder = 0;
    for (uint8_t& byte : number) {
      remainder = remainder << 8 | byte;
      byte = static_cast<uint8_t>(remainder / 62);
      remainder %= 62;
    }
    text[place] = kBase62Digits[remainder];
  }
  return text;
}

Result<IdBytes> parse_base62_bytes(std::string_view text) {
  constexpr const char* kForm = "24 characters of 0-9 A-Z a-z";
  if (text.size() != kBase62TextBytes) return not_an_id(text, kForm);
  IdBytes number{};
  for (const char c : text) {
    const int digit = base62_value(c);
    if (digit < 0) return not_an_id(text, kForm);
    auto carry = static_cast<uint32_t>(digit);
    for (size_t i = number.size(); i-- > 0;) {
      carry += uint32_t{number[i]} * 62;
      number[i] = static_cast<uint8_t>(carry);
      carry >>= 8;
    }
    if (carry != 0) return not_an_id(text, kForm);  // above 128 bits
  }
  if (!is_id(number)) return not_an_id(text, kForm);
  return number;
}

}  // namespace ramet
