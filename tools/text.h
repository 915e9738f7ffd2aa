// Text for people and for JSON: quoting of names, sizes, times, modes. All functions are pure and
// thread-safe (local times are those of the caller's time zone, tools/caller.h); they take any
// bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ramet::tools {

// The text itself if it is UTF-8, else with U+FFFD for each byte that does not belong.
std::string to_utf8(std::string_view bytes);
// RFC 4648 with padding.
std::string base64(std::string_view bytes);

// A name as git prints it: as it is when nothing in it can mislead a terminal; else in double
// quotes, with \n \t \r \" \\ and \ooo for other control bytes and bytes that are not UTF-8.
// Invisible characters that change how text is shown (C1 controls, bidirectional overrides) and
// spaces at an end are reasons to quote, too. Printed names never hold a line break.
std::string quote_name(std::string_view name);
// The same escapes without the quotes: for the inside of messages.
std::string escape_message(std::string_view message);

// "0 B", "999 B", "1.5 KiB", "12 MiB": binary units, one decimal below 10.
std::string human_bytes(uint64_t bytes);
// The short form that `ls -h` has: "999", "1.5K", "12M".
std::string short_bytes(uint64_t bytes);
// "12,345,678"
std::string with_commas(uint64_t number);
// "3 files", "1 file"; `many` is the word for other counts.
std::string count_of(uint64_t number, std::string_view one, std::string_view many);
// "0.42 ms", "1.3 s", "2:05" (minutes), "1:02:03" (hours).
std::string human_duration(double seconds);

// "-rw-r--r--" from type and permission bits.
std::string mode_text(uint32_t mode);
// "2026-11-21 05:49" in local time, from nanoseconds since 1970.
std::string short_time(int64_t nanoseconds);
// "2026-11-21 05:49:12.000000001 +0100" in local time.
std::string full_time(int64_t nanoseconds);
// "2026-11-21T05:49:12.000000001Z"
std::string iso_time(int64_t nanoseconds);

}  // namespace ramet::tools
