// Names of access control, and what its texts may be.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "engine/access.h"

namespace ramet {
namespace {

constexpr std::array<std::string_view, 5> kLevelNames = {"none", "view", "upload", "contribute",
                                                         "administer"};

// The bytes of the character at the front (Unicode 15, table 3-7); 0: none, or a control character.
size_t character_bytes(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = at(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  const size_t length = first >= 0xF0 && first <= 0xF4   ? 4
                        : first >= 0xE0 && first <= 0xEF ? 3
                        : first >= 0xC2 && first <= 0xDF ? 2
                                                         : 0;
  if (length == 0 || text.size() < length) return 0;
  uint32_t value = first & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
    value = value << 6 | (at(i) & 0x3Fu);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  const bool control = value < 0xA0;
  return overlong || surrogate || control || value > 0x10FFFF ? 0 : length;
}

}  // namespace

Status check_access_text(std::string_view text, size_t bytes_max, std::string_view what) {
  if (text.size() > bytes_max) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{} has at most {} bytes, not {}", what,
                                                          bytes_max, text.size()));
  }
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = character_bytes(text.substr(at));
    if (bytes == 0) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} must be UTF-8 without control characters (byte {})", what,
                               at + 1));
    }
    at += bytes;
  }
  return ok();
}

std::string_view level_name(AccessLevel level) {
  const auto at = static_cast<size_t>(level);
  return at < kLevelNames.size() ? kLevelNames[at] : "unknown";
}

Result<AccessLevel> parse_level(std::string_view name) {
  const auto found = std::find(kLevelNames.begin(), kLevelNames.end(), name);
  if (found != kLevelNames.end()) {
    return static_cast<AccessLevel>(found - kLevelNames.begin());
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' is no access level; there are: {}", name,
                           fmt::join(kLevelNames, ", ")));
}

std::string_view kind_name(PrincipalKind kind) {
  switch (kind) {
    case PrincipalKind::kUser: return "user";
    case PrincipalKind::kService: return "service";
    case PrincipalKind::kGroup: return "group";
  }
  return "unknown";
}

Status check_principal_name(std::string_view name) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto fits = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  if (name == kEveryoneName) {
    return Error(ErrorCode::kInvalidArgument,
                 "'everyone' stands for all who are authenticated, and is nobody's name");
  }
  if (name.empty() || name.size() > kPrincipalNameBytesMax || !is_letter(name.front()) ||
      !std::all_of(name.begin(), name.end(), fits)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' cannot be the name of a principal: it has 1 to {} of a-z 0-9 "
                             ". _ -, the first one a letter",
                             name, kPrincipalNameBytesMax));
  }
  return ok();
}

}  // namespace ramet
