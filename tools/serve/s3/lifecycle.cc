#include "tools/serve/s3/lifecycle.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr size_t kRulesMax = 1000;
constexpr int64_t kDay = 86'400'000'000'000;

// The first midnight (UTC) that is `days` or more after a time: how S3 counts.
int64_t due(int64_t since, uint64_t days) {
  const int64_t at = since + static_cast<int64_t>(days) * kDay;
  return (at + kDay - 1) / kDay * kDay;
}

Outcome<uint64_t> number_in(const XmlNode& node) {
  const std::string text = node.text();
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() ||
      value > uint64_t{1} << 50) {
    return Code::kMalformedXML;
  }
  return value;
}

Outcome<uint64_t> days_in(const XmlNode& node) {
  RAMET_ASSIGN(const uint64_t days, number_in(node));
  if (days == 0 || days > 36'500) {
    return Fault(Code::kInvalidArgument, "'Days' in a lifecycle rule must be a positive integer");
  }
  return days;
}

Outcome<void> read_filter(LifecycleRule& rule, const XmlNode& filter) {
  for (const XmlNode& part : filter.children()) {
    if (part.name() == "Prefix") {
      rule.prefix = part.exact();
    } else if (part.name() == "Tag") {
      if (!part.child("Key") || !part.child("Value")) return Code::kMalformedXML;
      rule.tags.emplace_back(part.child("Key").exact(), part.child("Value").exact());
    } else if (part.name() == "ObjectSizeGreaterThan") {
      RAMET_ASSIGN(rule.larger_than, number_in(part));
    } else if (part.name() == "ObjectSizeLessThan") {
      RAMET_ASSIGN(rule.smaller_than, number_in(part));
    } else if (part.name() == "And") {
      RAMET_TRY(read_filter(rule, part));
    } else {
      return Code::kMalformedXML;
    }
  }
  return {};
}

Outcome<LifecycleRule> read_rule(const XmlNode& node) {
  LifecycleRule rule;
  bool acts = false;
  for (const XmlNode& part : node.children()) {
    if (part.name() == "ID") {
      rule.id = part.text();
      if (rule.id.size() > 255) {
        return Fault(Code::kInvalidArgument, "ID length should not exceed allowed limit of 255");
      }
    } else if (part.name() == "Status") {
      const std::string status = part.text();
      if (status != "Enabled" && status != "Disabled") return Code::kMalformedXML;
      rule.enabled = status == "Enabled";
    } else if (part.name() == "Prefix") {
      rule.prefix = part.exact();
    } else if (part.name() == "Filter") {
      RAMET_TRY(read_filter(rule, part));
    } else if (part.name() == "Expiration") {
      acts = true;
      for (const XmlNode& limit : part.children()) {
        if (limit.name() == "Days") {
          RAMET_ASSIGN(rule.days, days_in(limit));
        } else if (limit.name() == "Date") {
          rule.date = parse_iso_date(limit.text());
          if (!rule.date) return Code::kMalformedXML;
          if (*rule.date % kDay != 0) {
            return Fault(Code::kInvalidArgument, "'Date' must be at midnight GMT");
          }
        } else if (limit.name() == "ExpiredObjectDeleteMarker") {
          rule.remove_lone_marker = limit.text() == "true";
        } else {
          return Code::kMalformedXML;
        }
      }
    } else if (part.name() == "NoncurrentVersionExpiration") {
      acts = true;
      for (const XmlNode& limit : part.children()) {
        if (limit.name() == "NoncurrentDays") {
          RAMET_ASSIGN(rule.noncurrent_days, days_in(limit));
        } else if (limit.name() == "NewerNoncurrentVersions") {
          RAMET_ASSIGN(rule.newer_noncurrent, number_in(limit));
        } else {
          return Code::kMalformedXML;
        }
      }
    } else if (part.name() == "AbortIncompleteMultipartUpload") {
      acts = true;
      if (!part.child("DaysAfterInitiation")) return Code::kMalformedXML;
      RAMET_ASSIGN(rule.abort_days, days_in(part.child("DaysAfterInitiation")));
    } else if (part.name() == "Transition" || part.name() == "NoncurrentVersionTransition") {
      return Fault(Code::kNotImplemented,
                   "Transitions are not implemented: there is one storage class.");
    } else {
      return Code::kMalformedXML;
    }
  }
  if (!node.child("Status") || !acts) return Code::kMalformedXML;
  if (rule.days && rule.date) return Code::kMalformedXML;
  return rule;
}

bool selects(const LifecycleRule& rule, const Aging& object) {
  if (!rule.enabled || !object.key.starts_with(rule.prefix)) return false;
  if (object.deletion) return rule.tags.empty();
  if (rule.larger_than && object.size <= *rule.larger_than) return false;
  if (rule.smaller_than && object.size >= *rule.smaller_than) return false;
  return std::all_of(rule.tags.begin(), rule.tags.end(), [&](const auto& tag) {
    const std::string* value = object.metadata == nullptr
                                   ? nullptr
                                   : find_property(*object.metadata,
                                                   std::string(kTagPrefix) + tag.first);
    return value != nullptr && *value == tag.second;
  });
}

}  // namespace

Outcome<std::vector<LifecycleRule>> parse_lifecycle(std::string_view xml) {
  RAMET_ASSIGN(const XmlDocument document, XmlDocument::parse(xml, "LifecycleConfiguration"));
  std::vector<LifecycleRule> rules;
  std::set<std::string> ids;
  for (const XmlNode& node : document.root().children()) {
    if (node.name() != "Rule") return Code::kMalformedXML;
    RAMET_ASSIGN(LifecycleRule rule, read_rule(node));
    if (!rule.id.empty() && !ids.insert(rule.id).second) {
      return Fault(Code::kInvalidArgument, "Rule ID must be unique. Found same ID for more than "
                                           "one rule");
    }
    rules.push_back(std::move(rule));
  }
  if (rules.empty() || rules.size() > kRulesMax) return Code::kMalformedXML;
  return rules;
}

Fate fate_of(const std::vector<LifecycleRule>& rules, const Aging& object, int64_t now) {
  for (const LifecycleRule& rule : rules) {
    if (!selects(rule, object)) continue;
    if (object.current && object.deletion) {
      const bool aged = rule.days && due(object.since, *rule.days) <= now;
      if (object.alone && (rule.remove_lone_marker || aged)) return Fate::kRemoveVersion;
    } else if (object.current) {
      if (rule.days && due(object.since, *rule.days) <= now) return Fate::kExpire;
      if (rule.date && *rule.date <= now) return Fate::kExpire;
    } else if (rule.noncurrent_days && object.newer >= rule.newer_noncurrent &&
               due(object.since, *rule.noncurrent_days) <= now) {
      return Fate::kRemoveVersion;
    }
  }
  return Fate::kKeep;
}

bool aborts_upload(const std::vector<LifecycleRule>& rules, std::string_view key,
                   int64_t initiated, int64_t now) {
  return std::any_of(rules.begin(), rules.end(), [&](const LifecycleRule& rule) {
    return rule.enabled && rule.abort_days && key.starts_with(rule.prefix) &&
           due(initiated, *rule.abort_days) <= now;
  });
}

}  // namespace ramet::serve::s3
