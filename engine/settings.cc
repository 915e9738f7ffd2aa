#include "engine/settings.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/quantity.h"
#include "engine/retention.h"
#include "format/codec.h"

namespace ramet {
namespace {

Error not_allowed() { return {ErrorCode::kInvalidArgument, "is not allowed"}; }

Result<std::string> compression_text(std::string_view value) {
  RAMET_ASSIGN(const Compression compression, parse_compression(value));
  if (compression.level == 0) return std::string("none");
  // "zstd" stays what it is: its level may be chosen better by a later version.
  if (value == "zstd") return std::string(value);
  return fmt::format("zstd:{}", compression.level);
}

Result<std::string> drop_grace_text(std::string_view value) {
  RAMET_ASSIGN(const int64_t duration, parse_duration(value));
  return duration_text(duration);
}

Result<std::string> keep_text(std::string_view value) {
  RAMET_ASSIGN(const RetentionPolicy policy, parse_retention(value));
  return retention_text(policy);
}

Result<std::string> quota_bytes_text(std::string_view value) {
  if (value == "none") return std::string(value);
  RAMET_ASSIGN(const uint64_t bytes, parse_bytes(value));
  return std::to_string(bytes);
}

Result<std::string> quota_objects_text(std::string_view value) {
  if (value == "none") return std::string(value);
  RAMET_ASSIGN(const uint64_t objects, parse_count(value));
  return std::to_string(objects);
}

Result<std::string> reclaim_text(std::string_view value) {
  if (value != "on" && value != "paused") return not_allowed();
  return std::string(value);
}

Result<std::string> rate_text(std::string_view value) {
  if (value == "none") return std::string(value);
  RAMET_ASSIGN(const uint64_t bytes, parse_bytes(value));
  if (bytes < 1u << 20) return not_allowed();
  return std::to_string(bytes);
}

Result<std::string> scrub_interval_text(std::string_view value) {
  if (value == "none") return std::string(value);
  return drop_grace_text(value);
}

Result<std::string> versioning_text(std::string_view value) {
  if (value != "off" && value != "on" && value != "suspended") return not_allowed();
  return std::string(value);
}

Result<std::string> on_off_text(std::string_view value) {
  if (value != "off" && value != "on") return not_allowed();
  return std::string(value);
}

constexpr std::array<SettingSpec, 11> kSettings = {{
    {kCompressionSetting, SettingScope::kBoth, "zstd",
     "none, zstd or zstd:LEVEL with a level from 1 to 22", "How new content is compressed",
     compression_text},
    {kDropGraceSetting, SettingScope::kStore, "10m",
     "a duration: a whole number with s, m, h, d or w behind it, or 0",
     "How long dropped things can be taken back, at least", drop_grace_text},
    {kKeepSetting, SettingScope::kBoth, "none",
     "none, or rules as in last:3,hourly:24,daily:7,weekly:4,monthly:12",
     "Which automatic snapshots are kept when one is made", keep_text},
    {kObjectLockSetting, SettingScope::kContainer, "off", "off or on, and never off again",
     "Whether locks on objects keep them from being removed", on_off_text},
    {kQuotaBytesSetting, SettingScope::kContainer, "none",
     "none, or a size: a whole number, or one with K, M, G or T behind it",
     "Content bytes that the container may grow to", quota_bytes_text},
    {kQuotaObjectsSetting, SettingScope::kContainer, "none", "none, or a whole number",
     "Objects that the container may grow to", quota_objects_text},
    {kReclaimSetting, SettingScope::kStore, "on", "on or paused",
     "Whether space is given back in the background", reclaim_text},
    {kReclaimRateSetting, SettingScope::kStore, "134217728",
     "none, or a size of 1M or more: a whole number, or one with K, M, G or T behind it",
     "Bytes a second that this copies, unless the disk is nearly full", rate_text},
    {kScrubIntervalSetting, SettingScope::kStore, "1w",
     "none, or a duration: a whole number with s, m, h, d or w behind it, or 0",
     "When 'ramet scrub --if-due' begins again", scrub_interval_text},
    {kScrubRateSetting, SettingScope::kStore, "none",
     "none, or a size of 1M or more: a whole number, or one with K, M, G or T behind it",
     "Bytes a second that scrub reads", rate_text},
    {kVersioningSetting, SettingScope::kContainer, "off",
     "off, on or suspended, and never off again",
     "Whether earlier versions of objects are kept", versioning_text},
}};

Error unknown(std::string_view name) {
  std::vector<std::string_view> names;
  for (const SettingSpec& spec : kSettings) names.push_back(spec.name);
  return {ErrorCode::kInvalidArgument, fmt::format("there is no setting '{}'; there are: {}", name,
                                                   fmt::join(names, ", "))};
}

}  // namespace

std::span<const SettingSpec> known_settings() { return kSettings; }

const SettingSpec* find_setting(std::string_view name) {
  const auto found = std::find_if(kSettings.begin(), kSettings.end(),
                                  [&](const SettingSpec& spec) { return spec.name == name; });
  return found == kSettings.end() ? nullptr : &*found;
}

Status check_setting_name(std::string_view name, bool of_container) {
  const SettingSpec* spec = find_setting(name);
  if (spec == nullptr) return unknown(name);
  if (of_container ? spec->of_container() : spec->of_store()) return ok();
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' is a setting of {}", name,
                           of_container ? "the store, not of a container"
                                        : "containers, not of the store"));
}

Result<std::string> check_setting(std::string_view name, std::string_view value,
                                  bool of_container) {
  RAMET_TRY(check_setting_name(name, of_container));
  const SettingSpec* spec = find_setting(name);
  auto text = spec->parse(value);
  if (text.ok()) return text;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} cannot be '{}': it is {}", name, value, spec->allowed));
}

Result<Compression> parse_compression(std::string_view value) {
  if (value == "none") return Compression{};
  if (value == "zstd") return Compression{kZstdLevelDefault};
  constexpr std::string_view kPrefix = "zstd:";
  if (!value.starts_with(kPrefix)) return not_allowed();
  const char* const end = value.data() + value.size();
  int level = 0;
  const auto [at, failed] = std::from_chars(value.data() + kPrefix.size(), end, level);
  if (failed != std::errc() || at != end) return not_allowed();
  if (level < 1 || level > kCompressionLevelMax) return not_allowed();
  return Compression{level};
}

}  // namespace ramet
