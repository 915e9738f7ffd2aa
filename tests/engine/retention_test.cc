// Goal: retention keeps what its definition says. Method: rapidcheck against the definition, word
// by word, by brute force; and what follows from it: the newest stays, more is kept with greater
// numbers, and nothing is dropped the second time.
#include "engine/retention.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <ctime>
#include <set>
#include <tuple>

#include "engine/quantity.h"

namespace ramet {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kHour = 3600 * kSecond;

using Items = std::vector<RetentionItem>;

// Dense and sparse times around days on which hours, days, weeks, months and years begin.
rc::Gen<Items> any_items() {
  return rc::gen::exec([] {
    const auto count = *rc::gen::inRange<size_t>(0, 60);
    const auto step = *rc::gen::elementOf(
        std::vector<int64_t>{kSecond, kHour / 3, 7 * kHour, 50 * kHour});
    const auto around =
        *rc::gen::elementOf(
        std::vector<int64_t>{0, 1'772'323'200 * kSecond, 1'798'761'600 * kSecond});
    Items items;
    for (size_t i = 0; i < count; ++i) {
      const auto at = *rc::gen::inRange<int64_t>(-40, 40);
      items.push_back({around + at * step + *rc::gen::inRange<int64_t>(-1, 2), i / 2});
    }
    return items;
  });
}

rc::Gen<RetentionPolicy> any_policy() {
  return rc::gen::exec([] {
    RetentionPolicy policy;
    for (uint32_t& count : policy.counts) count = *rc::gen::inRange<uint32_t>(0, 6);
    return policy;
  });
}

// The period as the C library's calendar has it.
std::tuple<int, int, int> calendar(RetentionRule rule, int64_t nanoseconds) {
  const int64_t floored = nanoseconds - ((nanoseconds % kSecond) + kSecond) % kSecond;
  const time_t seconds = floored / kSecond;
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  switch (rule) {
    case RetentionRule::kHourly: return {tm.tm_year, tm.tm_yday, tm.tm_hour};
    case RetentionRule::kDaily: return {tm.tm_year, tm.tm_yday, 0};
    case RetentionRule::kMonthly: return {tm.tm_year, tm.tm_mon, 0};
    case RetentionRule::kWeekly: {
      char text[16];
      std::strftime(text, sizeof text, "%G %V", &tm);
      int year = 0, week = 0;
      std::sscanf(text, "%d %d", &year, &week);
      return {year, week, 0};
    }
    case RetentionRule::kLast: break;
  }
  return {};
}

bool newer(const Items& items, size_t a, size_t b) {
  return std::tuple(items[a].created, items[a].sequence, a) >
         std::tuple(items[b].created, items[b].sequence, b);
}

// The definition: it is the newest of its period, and fewer than N newer periods have any.
bool kept_by(const Items& items, size_t item, RetentionRule rule, uint32_t count) {
  if (rule == RetentionRule::kLast) {
    uint32_t before = 0;
    for (size_t other = 0; other < items.size(); ++other) before += newer(items, other, item);
    return before < count;
  }
  const auto period = calendar(rule, items[item].created);
  std::set<std::tuple<int, int, int>> newer_periods;
  for (size_t other = 0; other < items.size(); ++other) {
    if (!newer(items, other, item)) continue;
    const auto its = calendar(rule, items[other].created);
    if (its == period) return false;
    newer_periods.insert(its);
  }
  return newer_periods.size() < count;
}

RC_GTEST_PROP(RetentionProperty, KeepsWhatTheDefinitionSays, ()) {
  const Items items = *any_items();
  const RetentionPolicy policy = *any_policy();
  const auto kept = retained(items, policy);
  RC_ASSERT(kept.size() == items.size());
  for (size_t item = 0; item < items.size(); ++item) {
    for (size_t rule = 0; rule < kRetentionRules; ++rule) {
      const auto as = static_cast<RetentionRule>(rule);
      const bool should = policy.empty() || kept_by(items, item, as, policy[as]);
      RC_ASSERT(((kept[item] >> rule) & 1) == (should ? 1 : 0));
    }
  }
}

RC_GTEST_PROP(RetentionProperty, TheNewestStaysMoreKeepsMoreAndOnceIsEnough, ()) {
  const Items items = *any_items();
  RetentionPolicy policy = *any_policy();
  const auto kept = retained(items, policy);
  for (size_t item = 0; item < items.size(); ++item) {
    bool is_newest = true;
    for (size_t other = 0; other < items.size(); ++other) {
      is_newest = is_newest && !newer(items, other, item);
    }
    if (is_newest) RC_ASSERT(kept[item] != 0);
  }
  Items rest;
  for (size_t item = 0; item < items.size(); ++item) {
    if (kept[item] != 0) rest.push_back(items[item]);
  }
  for (const uint8_t again : retained(rest, policy)) RC_ASSERT(again != 0);
  if (policy.empty()) return;
  policy.counts[*rc::gen::inRange<size_t>(0, kRetentionRules)] += 1;
  const auto more = retained(items, policy);
  for (size_t item = 0; item < items.size(); ++item) {
    if (kept[item] != 0) RC_ASSERT(more[item] != 0);
  }
}

RC_GTEST_PROP(RetentionProperty, TextComesBack, ()) {
  const RetentionPolicy policy = *any_policy();
  const auto parsed = parse_retention(retention_text(policy));
  RC_ASSERT(parsed.ok());
  RC_ASSERT(*parsed == policy);
}

TEST(Retention, TextIsReadAndBadTextIsNamed) {
  const auto policy = parse_retention("daily:7,last:3");
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ((*policy)[RetentionRule::kLast], 3u);
  EXPECT_EQ((*policy)[RetentionRule::kDaily], 7u);
  EXPECT_EQ(retention_text(*policy), "last:3,daily:7");
  EXPECT_EQ(retention_text(*parse_retention("none")), "none");
  for (const char* bad : {"", "last", "last:", "last:x", "last:-1", "last:1,", "yearly:1",
                          "last:1,last:2", "last:99999999999", "last:1 "}) {
    const auto refused = parse_retention(bad);
    ASSERT_FALSE(refused.ok()) << bad;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  }
}

// --- quantities ----------------------------------------------------------------------------------

TEST(Quantity, DurationsHaveUnits) {
  EXPECT_EQ(*parse_duration("0"), 0);
  EXPECT_EQ(*parse_duration("90s"), 90 * kSecond);
  EXPECT_EQ(*parse_duration("10m"), 600 * kSecond);
  EXPECT_EQ(*parse_duration("12h"), 12 * kHour);
  EXPECT_EQ(*parse_duration("1d"), 24 * kHour);
  EXPECT_EQ(*parse_duration("2w"), 14 * 24 * kHour);
  EXPECT_EQ(duration_text(600 * kSecond), "10m");
  EXPECT_EQ(duration_text(90 * kSecond), "90s");
  EXPECT_EQ(duration_text(14 * 24 * kHour), "2w");
  EXPECT_EQ(duration_text(0), "0");
  for (const char* bad : {"", "s", "10", "-1s", "1y", "1 h", "1h30m", "1.5h", "36501d",
                          "99999999999999999999s", "9999999999999w"}) {
    EXPECT_FALSE(parse_duration(bad).ok()) << bad;
  }
  EXPECT_TRUE(parse_duration("36500d").ok());
}

TEST(Quantity, SizesArePowersOf1024) {
  EXPECT_EQ(*parse_bytes("0"), 0u);
  EXPECT_EQ(*parse_bytes("4096"), 4096u);
  EXPECT_EQ(*parse_bytes("10K"), 10240u);
  EXPECT_EQ(*parse_bytes("3MiB"), 3u << 20);
  EXPECT_EQ(*parse_bytes("2T"), uint64_t{2} << 40);
  for (const char* bad : {"", "K", "-1", "1.5G", "1k", "1KB", "1 K", "99999999999T"}) {
    EXPECT_FALSE(parse_bytes(bad).ok()) << bad;
  }
  EXPECT_EQ(*parse_count("7"), 7u);
  EXPECT_FALSE(parse_count("7K").ok());
  EXPECT_FALSE(parse_count("").ok());
}

}  // namespace
}  // namespace ramet
