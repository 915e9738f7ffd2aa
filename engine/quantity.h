// Durations and sizes as people write them. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "format/result.h"

namespace ramet {

// A whole number and a unit, s, m (minutes), h, d or w: "90s", "12h", "0s"; "0" alone needs none.
// Nanoseconds, at most 100 years. kInvalidArgument names the text and what is allowed.
Result<int64_t> parse_duration(std::string_view text);
// The same duration in the greatest unit in which it is a whole number; "0" for none.
// Requires: what parse_duration() may give.
std::string duration_text(int64_t nanoseconds);

// A whole number, alone or with K, M, G or T (powers of 1024; "KiB" and so on mean the same):
// "4096", "10G". kInvalidArgument.
Result<uint64_t> parse_bytes(std::string_view text);
// A whole number. kInvalidArgument.
Result<uint64_t> parse_count(std::string_view text);

}  // namespace ramet
