#include "engine/quantity.h"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace ramet {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr std::array<std::pair<char, int64_t>, 5> kUnits = {{{'w', 7 * 86400 * kSecond},
                                                              {'d', 86400 * kSecond},
                                                              {'h', 3600 * kSecond},
                                                              {'m', 60 * kSecond},
                                                              {'s', kSecond}}};
constexpr int64_t kDurationMax = int64_t{100} * 365 * 86400 * kSecond;

Error bad(std::string_view text, std::string_view allowed) {
  return {ErrorCode::kInvalidArgument, fmt::format("'{}' is not {}", text, allowed)};
}

constexpr std::string_view kDuration =
    "a duration: a whole number with s, m, h, d or w behind it, 100 years at most";
constexpr std::string_view kBytes = "a size: a whole number, or one with K, M, G or T behind it";

// The number in front, and what stands behind it.
bool take_number(std::string_view& text, uint64_t& number) {
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr == text.data()) return false;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  return true;
}

}  // namespace

Result<int64_t> parse_duration(std::string_view text) {
  std::string_view rest = text;
  uint64_t number = 0;
  if (!take_number(rest, number)) return bad(text, kDuration);
  if (number == 0 && rest.empty()) return int64_t{0};
  for (const auto& [letter, unit] : kUnits) {
    if (rest != std::string_view(&letter, 1)) continue;
    if (number > static_cast<uint64_t>(kDurationMax / unit)) break;
    return static_cast<int64_t>(number) * unit;
  }
  return bad(text, kDuration);
}

std::string duration_text(int64_t nanoseconds) {
  if (nanoseconds == 0) return "0";
  for (const auto& [letter, unit] : kUnits) {
    if (nanoseconds % unit == 0) return fmt::format("{}{}", nanoseconds / unit, letter);
  }
  return fmt::format("{}s", nanoseconds / kSecond);
}

Result<uint64_t> parse_bytes(std::string_view text) {
  std::string_view rest = text;
  uint64_t number = 0;
  if (!take_number(rest, number)) return bad(text, kBytes);
  if (rest.empty()) return number;
  const size_t power = std::string_view("KMGT").find(rest.front());
  rest.remove_prefix(1);
  const bool known = power != std::string_view::npos && (rest.empty() || rest == "iB");
  const auto shift = static_cast<unsigned>(10 * (power + 1));
  if (!known || number > UINT64_MAX >> shift) return bad(text, kBytes);
  return number << shift;
}

Result<uint64_t> parse_count(std::string_view text) {
  std::string_view rest = text;
  uint64_t number = 0;
  if (!take_number(rest, number) || !rest.empty()) return bad(text, "a whole number");
  return number;
}

}  // namespace ramet
