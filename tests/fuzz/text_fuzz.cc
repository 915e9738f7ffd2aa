// Text from people: names on the command line, durations, sizes, retention, settings, ids.
//
// Proves: what is accepted has one text, which means the same; and rules over times keep what they
// promise for any times.
#include <algorithm>

#include "engine/container/catalog.h"
#include "engine/inspect.h"
#include "engine/quantity.h"
#include "engine/retention.h"
#include "engine/settings.h"
#include "format/ids.h"
#include "tests/fuzz/fuzz.h"
#include "tools/path_spec.h"
#include "tools/text.h"

namespace ramet::fuzz {
namespace {

void look_at_path(std::string_view text) {
  const auto spec = tools::parse_path_spec(text);
  if (!spec.ok()) {
    RAMET_CHECK(spec.error().code() == ErrorCode::kInvalidArgument, "another error");
    return;
  }
  RAMET_CHECK(!spec->container.empty() && spec->path.front() == '/', "no container or path");
  RAMET_CHECK(spec->is_root() || !spec->path.ends_with('/'), "a path that ends in a slash");
  RAMET_CHECK(spec->path.find("//") == std::string::npos, "an empty part");
  RAMET_CHECK((spec->path + "/").find("/../") == std::string::npos, "a way upwards");
  RAMET_CHECK((spec->path + "/").find("/./") == std::string::npos, "a part that says nothing");
  const std::string once = spec->to_string();
  const auto again = tools::parse_path_spec(once);
  RAMET_CHECK(again.ok() && again->container == spec->container &&
                  again->snapshot == spec->snapshot && again->path == spec->path &&
                  again->has_path == spec->has_path &&
                  again->ends_in_slash == spec->ends_in_slash && again->to_string() == once,
              "a name that changes when written");
  if (!spec->is_root()) {
    RAMET_CHECK(tools::join_path(spec->parent(), spec->name()) == spec->path, "parent and name");
  }
  RAMET_CHECK(tools::is_within(spec->path, spec->parent()), "outside of its parent");
}

void look_at_quantities(std::string_view text) {
  const auto duration = parse_duration(text);
  if (duration.ok()) {
    RAMET_CHECK(*duration >= 0, "a duration below zero");
    const auto again = parse_duration(duration_text(*duration));
    RAMET_CHECK(again.ok() && *again == *duration, "a duration that changes when written");
  }
  const auto count = parse_count(text);
  const auto bytes = parse_bytes(text);
  if (count.ok()) RAMET_CHECK(bytes.ok() && *bytes == *count, "a count is a size");
  if (bytes.ok()) {
    const auto again = parse_bytes(std::to_string(*bytes));
    RAMET_CHECK(again.ok() && *again == *bytes, "a size that changes when written");
  }
}

void look_at_places(std::string_view text) {
  const auto place = parse_inspect_place(text);
  if (place.ok()) {
    const auto again = parse_inspect_place(place->to_string());
    RAMET_CHECK(again.ok() && *again == *place, "a place that changes when written");
  }
  const auto segment = parse_inspect_segment(text);
  RAMET_CHECK(!segment.ok() || segment->segment != 0 || segment->generation, "no segment");
}

void look_at_settings(std::string_view text) {
  const size_t at = std::min(text.find('='), text.size());
  std::vector<std::string_view> names = {text.substr(0, at)};
  for (const SettingSpec& spec : known_settings()) names.push_back(spec.name);
  const std::string_view value = text.substr(std::min(at + 1, text.size()));
  for (const std::string_view name : names) {
    for (const bool of_container : {false, true}) {
      const auto kept = check_setting(name, value, of_container);
      if (!kept.ok()) continue;
      RAMET_CHECK(check_setting_name(name, of_container).ok(), "a value of no setting");
      const auto again = check_setting(name, *kept, of_container);
      RAMET_CHECK(again.ok() && *again == *kept, "a setting that never settles");
    }
  }
  const auto compression = parse_compression(text);
  RAMET_CHECK(!compression.ok() || compression->level <= kCompressionLevelMax, "a level");
}

void look_at_ids(std::string_view text) {
  const auto uuid = parse_uuid<ObjectId>(text);
  if (uuid.ok()) RAMET_CHECK(to_uuid(*uuid) == text, "an id with two texts");
  const auto base62 = parse_base62<ObjectId>(text);
  if (base62.ok()) RAMET_CHECK(to_base62(*base62) == text, "an id with two texts");
  const std::string label(text);
  if (engine::check_label(label, "a name").ok()) {
    const auto spec = tools::parse_path_spec(label);
    RAMET_CHECK(spec.ok() && spec->container == label, "a label that the command line refuses");
  }
}

void look_at_retention(std::string_view text) {
  const auto policy = parse_retention(text);
  if (!policy.ok()) return;
  const std::string once = retention_text(*policy);
  const auto again = parse_retention(once);
  RAMET_CHECK(again.ok() && *again == *policy && retention_text(*again) == once,
              "a policy that changes when written");
}

// Any times, any policy.
void look_at_times(ByteView input) {
  Fields fields(input);
  RetentionPolicy policy;
  for (uint32_t& count : policy.counts) count = fields.take<uint8_t>();
  std::vector<RetentionItem> items;
  while (!fields.empty() && items.size() < 200) {
    const auto created = fields.take<int64_t>();
    items.push_back({created, fields.take<uint8_t>()});
  }
  const std::vector<uint8_t> kept = retained(items, policy);
  RAMET_CHECK(kept.size() == items.size(), "an answer for each");
  if (items.empty()) return;
  size_t newest = 0;
  std::array<uint32_t, kRetentionRules> by_rule{};
  for (size_t i = 0; i < items.size(); ++i) {
    const auto rank = [&](size_t k) { return std::pair(items[k].created, items[k].sequence); };
    if (rank(i) >= rank(newest)) newest = i;
    for (size_t rule = 0; rule < kRetentionRules; ++rule) by_rule[rule] += kept[i] >> rule & 1;
  }
  RAMET_CHECK(kept[newest] != 0, "the newest is always kept");
  if (policy.empty()) return;
  for (size_t rule = 0; rule < kRetentionRules; ++rule) {
    RAMET_CHECK(by_rule[rule] <= std::max(policy.counts[rule], 1u), "more than the rule keeps");
  }
}

}  // namespace

RAMET_FUZZ_TARGET(text) {
  look_at_path(input);
  look_at_quantities(input);
  look_at_places(input);
  look_at_settings(input);
  look_at_ids(input);
  look_at_retention(input);
  look_at_times(input);
  ignore_error(Result<std::string>(tools::escape_message(input)), "any bytes can be shown");
}

}  // namespace ramet::fuzz
