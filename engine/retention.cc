#include "engine/retention.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace ramet {
namespace {

constexpr std::array<std::string_view, kRetentionRules> kNames = {"last", "hourly", "daily",
                                                                  "weekly", "monthly"};

// Number of the period that a time lies in.
int64_t period_of(RetentionRule rule, int64_t nanoseconds) {
  using std::chrono::floor;
  using Time = std::chrono::sys_time<std::chrono::nanoseconds>;
  const Time time{std::chrono::nanoseconds(nanoseconds)};
  const int64_t day = floor<std::chrono::days>(time).time_since_epoch().count();
  switch (rule) {
    case RetentionRule::kHourly: return floor<std::chrono::hours>(time).time_since_epoch().count();
    case RetentionRule::kDaily: return day;
    case RetentionRule::kWeekly: {
      // 1970 began on a Thursday: three days after a Monday.
      using Weeks = std::chrono::weeks;
      return floor<Weeks>(std::chrono::days(day + 3)).count();
    }
    case RetentionRule::kMonthly: {
      const std::chrono::year_month_day date{floor<std::chrono::days>(time)};
      return int64_t{12} * static_cast<int>(date.year()) + static_cast<unsigned>(date.month());
    }
    case RetentionRule::kLast: break;
  }
  return 0;
}

Error malformed(std::string_view text, std::string_view why) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("'{}': {}; retention is written last:3,hourly:24,daily:7,weekly:4,"
                      "monthly:12, or none",
                      text, why)};
}

}  // namespace

std::string_view retention_rule_name(RetentionRule rule) {
  return kNames[static_cast<size_t>(rule)];
}

Result<RetentionPolicy> parse_retention(std::string_view text) {
  RetentionPolicy policy;
  if (text == "none") return policy;
  std::array<bool, kRetentionRules> given{};
  for (std::string_view rest = text;;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, comma);
    const size_t colon = part.find(':');
    const auto name = std::find(kNames.begin(), kNames.end(), part.substr(0, colon));
    if (colon == part.npos || name == kNames.end()) {
      return malformed(text, fmt::format("'{}' is no rule with its number", part));
    }
    const auto rule = static_cast<size_t>(name - kNames.begin());
    if (std::exchange(given[rule], true)) {
      return malformed(text, fmt::format("'{}' is there twice", *name));
    }
    const char* const end = part.data() + part.size();
    const auto parsed = std::from_chars(part.data() + colon + 1, end, policy.counts[rule]);
    if (parsed.ec != std::errc() || parsed.ptr != end) {
      return malformed(text, fmt::format("'{}' has no number", part));
    }
    if (comma == rest.size()) break;
    rest.remove_prefix(comma + 1);
  }
  return policy;
}

std::string retention_text(const RetentionPolicy& policy) {
  std::string text;
  for (size_t rule = 0; rule < kRetentionRules; ++rule) {
    if (policy.counts[rule] == 0) continue;
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", kNames[rule], policy.counts[rule]);
  }
  return text.empty() ? "none" : text;
}

std::vector<uint8_t> retained(std::span<const RetentionItem> items,
                              const RetentionPolicy& policy) {
  constexpr uint8_t kAll = (1 << kRetentionRules) - 1;
  if (policy.empty()) return std::vector<uint8_t>(items.size(), kAll);
  std::vector<size_t> newest_first(items.size());
  std::iota(newest_first.begin(), newest_first.end(), size_t{0});
  std::sort(newest_first.begin(), newest_first.end(), [&](size_t a, size_t b) {
    return std::tuple(items[a].created, items[a].sequence, a) >
           std::tuple(items[b].created, items[b].sequence, b);
  });
  std::vector<uint8_t> kept(items.size(), 0);
  for (size_t rule = 0; rule < kRetentionRules; ++rule) {
    uint32_t left = policy.counts[rule];
    std::optional<int64_t> period;  // of the last one that the rule kept
    for (const size_t item : newest_first) {
      if (left == 0) break;
      const auto as = static_cast<RetentionRule>(rule);
      const int64_t its = period_of(as, items[item].created);
      if (as != RetentionRule::kLast && period == its) continue;
      period = its;
      kept[item] |= static_cast<uint8_t>(1u << rule);
      --left;
    }
  }
  return kept;
}

}  // namespace ramet
