// Dates of HTTP and of JSON and XML documents.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>

#include <fmt/format.h>

#include "tools/serve/http.h"

namespace ramet::serve {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays = {
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kDaySeconds = 86'400;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// A moment in parts, as a calendar and a clock show it.
struct Parts {
  int year = 1970;
  unsigned month = 1, day = 1;
  int64_t hour = 0, minute = 0, second = 0;
  int64_t nanosecond = 0;
  int64_t offset = 0;  // seconds before UTC
  unsigned weekday = 0;
};

Parts parts_of(int64_t nanoseconds) {
  const int64_t seconds = floor_div(nanoseconds, kSecond);
  const int64_t day = floor_div(seconds, kDaySeconds);
  const sys_days date{days(day)};
  const std::chrono::year_month_day calendar(date);
  Parts parts;
  parts.year = static_cast<int>(calendar.year());
  parts.month = static_cast<unsigned>(calendar.month());
  parts.day = static_cast<unsigned>(calendar.day());
  const int64_t of_day = seconds - day * kDaySeconds;
  parts.hour = of_day / 3600;
  parts.minute = of_day / 60 % 60;
  parts.second = of_day % 60;
  parts.nanosecond = nanoseconds - seconds * kSecond;
  parts.weekday = std::chrono::weekday(date).c_encoding();
  return parts;
}

// Times beyond what fits into 64 bits become the nearest that does: "expires in 9999" is common.
std::optional<int64_t> moment_of(const Parts& parts) {
  const std::chrono::year_month_day date{std::chrono::year(parts.year),
                                         std::chrono::month(parts.month),
                                         std::chrono::day(parts.day)};
  if (!date.ok() || parts.hour > 23 || parts.minute > 59 || parts.second > 60) return std::nullopt;
  const int64_t seconds = sys_days(date).time_since_epoch().count() * kDaySeconds +
                          parts.hour * 3600 + parts.minute * 60 + parts.second - parts.offset;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / kSecond;
  if (seconds >= kMost) return std::numeric_limits<int64_t>::max();
  if (seconds <= -kMost) return std::numeric_limits<int64_t>::min();
  return seconds * kSecond + parts.nanosecond;
}

// Takes text apart from the left; a failure sticks.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }

  void literal(std::string_view text) {
    ok_ = ok_ && rest_.starts_with(text);
    if (ok_) rest_.remove_prefix(text.size());
  }
  bool skip(char c) {
    if (peek() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly so many digits.
  int64_t number(size_t digits) {
    int64_t value = 0;
    const bool all_digits =
        rest_.size() >= digits && std::all_of(rest_.begin(), rest_.begin() + digits,
                                              [](char c) { return c >= '0' && c <= '9'; });
    ok_ = ok_ && all_digits;
    if (!ok_) return 0;
    std::from_chars(rest_.data(), rest_.data() + digits, value);
    rest_.remove_prefix(digits);
    return value;
  }
  template <size_t N>
  unsigned name(const std::array<std::string_view, N>& names) {
    for (unsigned i = 0; i < N; ++i) {
      if (!rest_.starts_with(names[i])) continue;
      rest_.remove_prefix(names[i].size());
      return i;
    }
    ok_ = false;
    return 0;
  }
  void clock(Parts& parts) {
    parts.hour = number(2);
    literal(":");
    parts.minute = number(2);
    literal(":");
    parts.second = number(2);
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<int64_t> parse_fixdate(std::string_view text) {
  Scanner in(text);
  Parts parts;
  in.name(kDays);
  in.literal(", ");
  parts.day = static_cast<unsigned>(in.number(2));
  in.literal(" ");
  parts.month = in.name(kMonths) + 1;
  in.literal(" ");
  parts.year = static_cast<int>(in.number(4));
  in.literal(" ");
  in.clock(parts);
  in.literal(" GMT");
  return in.done() ? moment_of(parts) : std::nullopt;
}

// RFC 850: two digits of a year, which is at most 50 years ahead (RFC 9110 5.6.7).
std::optional<int64_t> parse_rfc850(std::string_view text) {
  Scanner in(text);
  Parts parts;
  in.name(kLongDays);
  in.literal(", ");
  parts.day = static_cast<unsigned>(in.number(2));
  in.literal("-");
  parts.month = in.name(kMonths) + 1;
  in.literal("-");
  const int two = static_cast<int>(in.number(2));
  in.literal(" ");
  in.clock(parts);
  in.literal(" GMT");
  const auto today =
      std::chrono::floor<days>(std::chrono::system_clock::now());
  const int now = static_cast<int>(std::chrono::year_month_day(today).year());
  parts.year = now - now % 100 + two;
  if (parts.year > now + 50) parts.year -= 100;
  return in.done() ? moment_of(parts) : std::nullopt;
}

std::optional<int64_t> parse_asctime(std::string_view text) {
  Scanner in(text);
  Parts parts;
  in.name(kDays);
  in.literal(" ");
  parts.month = in.name(kMonths) + 1;
  in.literal(" ");
  parts.day = static_cast<unsigned>(in.skip(' ') ? in.number(1) : in.number(2));
  in.literal(" ");
  in.clock(parts);
  in.literal(" ");
  parts.year = static_cast<int>(in.number(4));
  return in.done() ? moment_of(parts) : std::nullopt;
}

}  // namespace

std::string http_date(int64_t nanoseconds) {
  const Parts at = parts_of(nanoseconds);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[at.weekday], at.day,
                     kMonths[at.month - 1], at.year, at.hour, at.minute, at.second);
}

std::optional<int64_t> parse_http_date(std::string_view text) {
  if (const auto moment = parse_fixdate(text)) return moment;
  if (const auto moment = parse_rfc850(text)) return moment;
  return parse_asctime(text);
}

std::string iso_date(int64_t nanoseconds) {
  const Parts at = parts_of(nanoseconds);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", at.year, at.month, at.day,
                     at.hour, at.minute, at.second, at.nanosecond / 1'000'000);
}

std::optional<int64_t> parse_iso_date(std::string_view text) {
  Scanner in(text);
  Parts parts;
  parts.year = static_cast<int>(in.number(4));
  in.literal("-");
  parts.month = static_cast<unsigned>(in.number(2));
  in.literal("-");
  parts.day = static_cast<unsigned>(in.number(2));
  if (!in.skip('T') && !in.skip('t')) return std::nullopt;
  in.clock(parts);
  if (in.skip('.')) {
    if (in.peek() < '0' || in.peek() > '9') return std::nullopt;
    for (int64_t unit = kSecond / 10; in.peek() >= '0' && in.peek() <= '9'; unit /= 10) {
      parts.nanosecond += in.number(1) * unit;  // (digits behind nanoseconds count nothing)
    }
  }
  if (!in.skip('Z') && !in.skip('z')) {
    const int64_t sign = in.peek() == '-' ? -1 : 1;
    if (!in.skip('+') && !in.skip('-')) return std::nullopt;
    const int64_t hours = in.number(2);
    in.literal(":");
    const int64_t minutes = in.number(2);
    if (hours > 23 || minutes > 59) return std::nullopt;
    parts.offset = sign * (hours * 3600 + minutes * 60);
  }
  return in.done() ? moment_of(parts) : std::nullopt;
}

}  // namespace ramet::serve
