#include "tools/text.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

#include <fmt/format.h>

#include "format/utf8.h"
#include "tools/caller.h"

namespace ramet::tools {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

uint8_t byte_at(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

// Characters that a terminal acts on instead of showing them.
bool is_misleading(uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF;
}

void append_escaped(std::string& out, uint8_t byte) {
  switch (byte) {
    case '\n': out += "\\n"; break;
    case '\t': out += "\\t"; break;
    case '\r': out += "\\r"; break;
    default: out += fmt::format("\\{:03o}", byte);
  }
}

// Returns whether anything was escaped.
bool escape(std::string_view text, bool quotes, std::string& out) {
  bool escaped = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    const size_t length = c.bytes == 0 ? 1 : c.bytes;
    if (c.bytes == 0 || is_misleading(c.value)) {
      for (size_t i = 0; i < length; ++i) append_escaped(out, byte_at(text, at + i));
      escaped = true;
    } else if (quotes && (c.value == '"' || c.value == '\\')) {
      out.push_back('\\');
      out.push_back(text[at]);
      escaped = true;
    } else {
      out += text.substr(at, length);
    }
    at += length;
  }
  return escaped;
}

struct Scaled {
  double value;
  size_t unit;
};

Scaled scale(uint64_t bytes) {
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1023.5 && unit < 6) {
    value /= 1024;
    ++unit;
  }
  return {value, unit};
}

std::string scaled_number(const Scaled& scaled) {
  return scaled.unit > 0 && scaled.value < 9.95 ? fmt::format("{:.1f}", scaled.value)
                                                : fmt::format("{:.0f}", scaled.value);
}

struct SplitTime {
  std::time_t seconds;
  int64_t nanoseconds;
};

SplitTime split(int64_t nanoseconds) {
  int64_t seconds = nanoseconds / kNanosecondsPerSecond;
  int64_t rest = nanoseconds % kNanosecondsPerSecond;
  if (rest < 0) {
    rest += kNanosecondsPerSecond;
    --seconds;
  }
  return {static_cast<std::time_t>(seconds), rest};
}

std::string format_tm(const char* format, const std::tm& tm) {
  std::array<char, 64> buffer{};
  const size_t length = std::strftime(buffer.data(), buffer.size(), format, &tm);
  return {buffer.data(), length};
}

std::tm local(std::time_t seconds) {
  std::tm tm{};
  const auto& elsewhere = current_caller().elsewhere;
  if (!elsewhere || !elsewhere->zone) {
    ::localtime_r(&seconds, &tm);
    return tm;
  }
  const int32_t offset = serve::utc_offset_at(*elsewhere->zone, seconds);
  const std::time_t shifted = seconds + offset;
  ::gmtime_r(&shifted, &tm);
  tm.tm_gmtoff = offset;  // for %z
  return tm;
}

}  // namespace

std::string to_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const CodePoint c = decode_utf8(bytes, at);
    if (c.bytes == 0) {
      out += kReplacement;
      ++at;
    } else {
      out += bytes.substr(at, c.bytes);
      at += c.bytes;
    }
  }
  return out;
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) group = group << 8 | (i < count ? byte_at(bytes, at + i) : 0u);
    for (size_t i = 0; i < 4; ++i) {
      out.push_back(i <= count ? kDigits[group >> (18 - 6 * i) & 63] : '=');
    }
  }
  return out;
}

std::string quote_name(std::string_view name) {
  std::string out = "\"";
  const bool spaced = name.empty() || name.front() == ' ' || name.back() == ' ';
  if (!escape(name, true, out) && !spaced) return std::string(name);
  out.push_back('"');
  return out;
}

std::string escape_message(std::string_view message) {
  std::string out;
  escape(message, false, out);
  return out;
}

std::string human_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  const Scaled scaled = scale(bytes);
  return scaled_number(scaled) + " " + kUnits[scaled.unit];
}

std::string short_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"", "K", "M", "G", "T", "P", "E"};
  const Scaled scaled = scale(bytes);
  return scaled_number(scaled) + kUnits[scaled.unit];
}

std::string with_commas(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string count_of(uint64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", with_commas(number), number == 1 ? one : many);
}

std::string human_duration(double seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 0.9995) return fmt::format("{:.{}f} ms", seconds * 1e3, seconds < 0.01 ? 2 : 0);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<uint64_t>(std::llround(std::min(seconds, 1e15)));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string mode_text(uint32_t mode) {
  std::string out = "?rwxrwxrwx";
  switch (mode & S_IFMT) {
    case S_IFREG: out[0] = '-'; break;
    case S_IFDIR: out[0] = 'd'; break;
    case S_IFLNK: out[0] = 'l'; break;
    case S_IFIFO: out[0] = 'p'; break;
    case S_IFSOCK: out[0] = 's'; break;
    case S_IFCHR: out[0] = 'c'; break;
    case S_IFBLK: out[0] = 'b'; break;
    default: break;
  }
  for (size_t bit = 0; bit < 9; ++bit) {
    if ((mode >> (8 - bit) & 1) == 0) out[bit + 1] = '-';
  }
  const auto special = [&](uint32_t bit, size_t at, char with_x, char without_x) {
    if ((mode & bit) != 0) out[at] = out[at] == 'x' ? with_x : without_x;
  };
  special(S_ISUID, 3, 's', 'S');
  special(S_ISGID, 6, 's', 'S');
  special(S_ISVTX, 9, 't', 'T');
  return out;
}

std::string short_time(int64_t nanoseconds) {
  return format_tm("%Y-%m-%d %H:%M", local(split(nanoseconds).seconds));
}

std::string full_time(int64_t nanoseconds) {
  const SplitTime time = split(nanoseconds);
  const std::tm tm = local(time.seconds);
  return fmt::format("{}.{:09} {}", format_tm("%Y-%m-%d %H:%M:%S", tm), time.nanoseconds,
                     format_tm("%z", tm));
}

std::string iso_time(int64_t nanoseconds) {
  const SplitTime time = split(nanoseconds);
  std::tm tm{};
  ::gmtime_r(&time.seconds, &tm);
  return fmt::format("{}.{:09}Z", format_tm("%Y-%m-%dT%H:%M:%S", tm), time.nanoseconds);
}

}  // namespace ramet::tools
