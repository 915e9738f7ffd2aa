#include "tools/serve/s3/object_lock.h"

#include <charconv>

#include "tools/serve/http.h"
#include "tools/serve/s3/object_meta.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

constexpr int64_t kDay = 86'400'000'000'000;
constexpr int64_t kDaysMax = 36'500;

Outcome<int64_t> period(const std::string& text, int64_t most) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return Code::kMalformedXML;
  }
  if (value <= 0) {
    return Fault(Code::kInvalidArgument, "Default retention period must be a positive integer "
                                         "value.");
  }
  if (value > most) {
    return Fault(Code::kInvalidArgument, "Default retention period too large.");
  }
  return value;
}

}  // namespace

Outcome<LockDefault> parse_lock_configuration(std::string_view xml) {
  RAMET_ASSIGN(const XmlDocument document, XmlDocument::parse(xml, "ObjectLockConfiguration"));
  const XmlNode root = document.root();
  if (root.child_text("ObjectLockEnabled") != "Enabled") return Code::kMalformedXML;
  LockDefault out;
  const XmlNode rule = root.child("Rule");
  if (!rule) return out;
  const XmlNode retention = rule.child("DefaultRetention");
  if (!retention) return Code::kMalformedXML;
  auto mode = parse_mode(retention.child_text("Mode").value_or(""));
  if (!mode.ok()) return Code::kMalformedXML;
  out.mode = *mode;
  const auto days = retention.child_text("Days");
  const auto years = retention.child_text("Years");
  if (days.has_value() == years.has_value()) return Code::kMalformedXML;
  if (days) {
    RAMET_ASSIGN(const int64_t count, period(*days, kDaysMax));
    out.duration = count * kDay;
  } else {
    RAMET_ASSIGN(const int64_t count, period(*years, 100));
    out.duration = count * 365 * kDay;
  }
  return out;
}

Outcome<ObjectLock> parse_retention(std::string_view xml, int64_t now) {
  RAMET_ASSIGN(const XmlDocument document, XmlDocument::parse(xml, "Retention"));
  ObjectLock lock;
  const auto mode = document.root().child_text("Mode");
  const auto until = document.root().child_text("RetainUntilDate");
  if (!mode && !until) return lock;
  if (!mode || !until) return Code::kMalformedXML;
  auto parsed = parse_mode(*mode);
  if (!parsed.ok()) return Code::kMalformedXML;
  lock.mode = *parsed;
  const auto time = parse_iso_date(*until);
  if (!time) return Code::kMalformedXML;
  if (*time <= now) {
    return Fault(Code::kInvalidArgument, "The retain until date must be in the future!");
  }
  lock.retain_until = *time;
  return lock;
}

Outcome<bool> parse_legal_hold(std::string_view xml) {
  RAMET_ASSIGN(const XmlDocument document, XmlDocument::parse(xml, "LegalHold"));
  const auto status = document.root().child_text("Status");
  if (status == "ON") return true;
  if (status == "OFF") return false;
  return Code::kMalformedXML;
}

}  // namespace ramet::serve::s3
