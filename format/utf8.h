// UTF-8 (RFC 3629; Unicode 15, table 3-7). Pure; thread-safe; takes any bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ramet {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  // 0: no well-formed character begins here
};
// The character at this offset. Requires: at < text.size().
CodePoint decode_utf8(std::string_view text, size_t at);

// Whether all of it is well-formed: nothing overlong, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace ramet
