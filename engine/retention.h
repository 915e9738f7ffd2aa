// Retention: which snapshots of a container are kept, by their times. Pure; thread-safe.
//
// Rules as restic and borg have them: `last N` keeps the N newest; `hourly N` keeps the newest
// snapshot of each of the N newest hours that have any, and so do `daily`, `weekly` and `monthly`
// for theirs. What any rule keeps is kept. Hours, days, weeks (from Monday) and months are UTC, so
// that no time zone and no summer time changes what is dropped.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"

namespace ramet {

enum class RetentionRule : uint8_t { kLast, kHourly, kDaily, kWeekly, kMonthly };
inline constexpr size_t kRetentionRules = 5;

struct RetentionPolicy {
  // By rule; 0: the rule keeps nothing.
  std::array<uint32_t, kRetentionRules> counts{};

  uint32_t& operator[](RetentionRule rule) { return counts[static_cast<size_t>(rule)]; }
  uint32_t operator[](RetentionRule rule) const { return counts[static_cast<size_t>(rule)]; }
  // No rule keeps anything: then nothing is asked for, and everything is kept.
  bool empty() const { return *this == RetentionPolicy{}; }
  friend bool operator==(const RetentionPolicy&, const RetentionPolicy&) = default;
};

// "last", "hourly", ...
std::string_view retention_rule_name(RetentionRule rule);

// "last:3,hourly:24,daily:7,weekly:4,monthly:12" in any order, each at most once; "none" for the
// empty policy. kInvalidArgument names what is wrong.
Result<RetentionPolicy> parse_retention(std::string_view text);
// The one text for a policy.
std::string retention_text(const RetentionPolicy& policy);

// One snapshot, as rules see it.
struct RetentionItem {
  int64_t created = 0;    // nanoseconds since 1970
  uint64_t sequence = 0;  // of two with the same time the greater one is the newer
};

// The rules that keep each item, as bits (1 << rule); 0: it is dropped. The newest is always kept.
// Of items that are equal in both, the one that comes later is the newer. With an empty policy all
// bits are set for all.
std::vector<uint8_t> retained(std::span<const RetentionItem> items, const RetentionPolicy& policy);

}  // namespace ramet
