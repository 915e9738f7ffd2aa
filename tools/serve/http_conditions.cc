// Ranges and conditions of requests.
#include <algorithm>
#include <limits>

#include "tools/serve/http.h"

namespace ramet::serve {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Digits alone; a number that is too long for 64 bits is as good as endless.
std::optional<uint64_t> parse_digits(std::string_view text) {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    value = value > (kHuge - digit) / 10 ? kHuge : value * 10 + digit;
  }
  return value;
}

struct EntityTag {
  std::string_view opaque;  // without its quotes
  bool weak = false;
};

// Takes the next tag off a list; nullopt: nothing is left.
std::optional<EntityTag> next_tag(std::string_view& list) {
  while (!list.empty() && (list.front() == ' ' || list.front() == '\t' || list.front() == ',')) {
    list.remove_prefix(1);
  }
  if (list.empty()) return std::nullopt;
  EntityTag tag;
  if (list.starts_with("W/\"")) {
    tag.weak = true;
    list.remove_prefix(2);
  }
  if (list.front() == '"') {
    const size_t end = list.find('"', 1);
    tag.opaque = list.substr(1, end == std::string_view::npos ? end : end - 1);
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  } else {
    const size_t end = std::min(list.find(','), list.size());
    tag.opaque = trim(list.substr(0, end));
    list.remove_prefix(end);
  }
  return tag;
}

enum class Compare : uint8_t { kStrong, kWeak };

// Whether one of the tags in all fields of this name is the one that there is; "*": any.
bool matches(const Fields& fields, std::string_view name, std::string_view etag, Compare how) {
  if (etag.empty()) return false;
  std::string_view own_text = etag;
  const EntityTag own = next_tag(own_text).value_or(EntityTag{});
  for (const Fields::Field& field : fields) {
    if (!same_name(field.name, name)) continue;
    std::string_view list = trim(field.value);
    if (list == "*") return true;
    while (const auto tag = next_tag(list)) {
      if (how == Compare::kStrong && (tag->weak || own.weak)) continue;
      if (tag->opaque == own.opaque) return true;
    }
  }
  return false;
}

// The date that a field holds, in seconds; one that is none is as if it was not there.
std::optional<int64_t> date_field(const Fields& fields, std::string_view name) {
  const auto text = fields.find(name);
  if (!text) return std::nullopt;
  const auto moment = parse_http_date(*text);
  if (!moment) return std::nullopt;
  return *moment / kSecond;
}

}  // namespace

std::optional<ByteRange> parse_range(std::string_view field, uint64_t size) {
  const size_t equals = field.find('=');
  if (equals == std::string_view::npos || !same_name(trim(field.substr(0, equals)), "bytes")) {
    return std::nullopt;
  }
  const std::string_view spec = trim(field.substr(equals + 1));
  const size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view first_text = spec.substr(0, dash);
  const std::string_view last_text = spec.substr(dash + 1);
  ByteRange range;
  if (first_text.empty()) {
    const auto suffix = parse_digits(last_text);
    if (!suffix) return std::nullopt;
    range.length = std::min(*suffix, size);
    range.from = size - range.length;
    range.satisfiable = range.length > 0;
    return range;
  }
  const auto first = parse_digits(first_text);
  const auto last = last_text.empty() ? std::optional(kHuge) : parse_digits(last_text);
  if (!first || !last || *last < *first) return std::nullopt;
  if (*first >= size) {
    range.satisfiable = false;
    return range;
  }
  range.from = *first;
  range.length = std::min(*last, size - 1) - *first + 1;
  return range;
}

Condition check_conditions(const Request& request, std::string_view etag, int64_t modified) {
  const Fields& fields = request.fields;
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const bool exists = !etag.empty();
  const int64_t modified_seconds = modified / kSecond;  // dates have no finer ones
  if (fields.find("if-match")) {
    if (!matches(fields, "if-match", etag, Compare::kStrong)) return Condition::kFailed;
  } else if (const auto since = date_field(fields, "if-unmodified-since"); since && exists) {
    if (modified_seconds > *since) return Condition::kFailed;
  }
  if (fields.find("if-none-match")) {
    if (!matches(fields, "if-none-match", etag, Compare::kWeak)) return Condition::kGo;
    return reads ? Condition::kNotModified : Condition::kFailed;
  }
  if (const auto since = date_field(fields, "if-modified-since"); since && exists && reads) {
    if (modified_seconds <= *since) return Condition::kNotModified;
  }
  return Condition::kGo;
}

}  // namespace ramet::serve
