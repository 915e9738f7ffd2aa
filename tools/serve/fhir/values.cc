#include "tools/serve/fhir/values.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>

#include <fmt/format.h>

#include "tools/serve/http.h"

namespace ramet::serve::fhir {
namespace {

constexpr size_t kValueBytes = 200;

const std::string& text_in(const Json& json) { return json.get_ref<const std::string&>(); }

std::string member_text(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? text_in(*found) : std::string();
}

void collect(const Json& json, const std::vector<std::string>& path, size_t at,
             std::vector<const Json*>& out) {
  if (json.is_array()) {
    for (const Json& one : json) collect(one, path, at, out);
    return;
  }
  if (at == path.size()) {
    out.push_back(&json);
    return;
  }
  if (!json.is_object()) return;
  const auto found = json.find(path[at]);
  if (found != json.end()) collect(*found, path, at + 1, out);
}

// `digits` at a place; false: they are none.
bool number_at(std::string_view text, size_t at, size_t digits, int* out) {
  if (at + digits > text.size()) return false;
  *out = 0;
  for (size_t i = at; i < at + digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    *out = *out * 10 + (text[i] - '0');
  }
  return true;
}

int64_t seconds_of(int year, int month, int day, int hour, int minute, int second) {
  std::tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  parts.tm_sec = second;
  return timegm(&parts);
}

std::string shown(int64_t seconds, int milliseconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     milliseconds);
}

TimeSpan span(int64_t from, int64_t to) { return {shown(from, 0), shown(to - 1, 999)}; }

}  // namespace

std::optional<TimeSpan> parse_time(std::string_view text) {
  int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0;
  if (!number_at(text, 0, 4, &year)) return std::nullopt;
  if (text.size() == 4) {
    return span(seconds_of(year, 1, 1, 0, 0, 0), seconds_of(year + 1, 1, 1, 0, 0, 0));
  }
  if (text[4] != '-' || !number_at(text, 5, 2, &month) || month < 1 || month > 12) {
    return std::nullopt;
  }
  if (text.size() == 7) {
    return span(seconds_of(year, month, 1, 0, 0, 0), seconds_of(year, month + 1, 1, 0, 0, 0));
  }
  if (text[7] != '-' || !number_at(text, 8, 2, &day) || day < 1 || day > 31) return std::nullopt;
  if (text.size() == 10) {
    const int64_t from = seconds_of(year, month, day, 0, 0, 0);
    return span(from, from + 86400);
  }
  if (text[10] != 'T' || !number_at(text, 11, 2, &hour) || hour > 24) return std::nullopt;
  size_t at = 13;
  bool has_minutes = false, has_seconds = false;
  if (at < text.size() && text[at] == ':') {
    if (!number_at(text, at + 1, 2, &minute) || minute > 59) return std::nullopt;
    has_minutes = true;
    at += 3;
  }
  if (has_minutes && at < text.size() && text[at] == ':') {
    if (!number_at(text, at + 1, 2, &second) || second > 60) return std::nullopt;
    has_seconds = true;
    at += 3;
  }
  int milliseconds = 0;
  bool has_fraction = false;
  if (has_seconds && at < text.size() && text[at] == '.') {
    size_t digits = 0;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) {
      if (digits < 3) milliseconds = milliseconds * 10 + (text[at] - '0');
    }
    if (digits == 0) return std::nullopt;
    for (; digits < 3; ++digits) milliseconds *= 10;
    has_fraction = true;
  }
  int64_t zone = 0;
  const std::string_view rest = text.substr(at);
  if (!rest.empty() && rest != "Z") {
    int hours = 0, minutes = 0;
    const bool minus = rest[0] == '-';
    // ('+' comes as a space where a query was not escaped.)
    if ((!minus && rest[0] != '+' && rest[0] != ' ') || rest.size() != 6 || rest[3] != ':' ||
        !number_at(rest, 1, 2, &hours) || !number_at(rest, 4, 2, &minutes)) {
      return std::nullopt;
    }
    zone = (hours * 3600 + minutes * 60) * (minus ? -1 : 1);
  }
  const int64_t from = seconds_of(year, month, day, hour, minute, second) - zone;
  if (has_fraction) return TimeSpan{shown(from, milliseconds), shown(from, milliseconds)};
  return span(from, from + (has_seconds ? 1 : has_minutes ? 60 : 3600));
}

std::vector<const Json*> values_at(const Json& resource, const SearchParam& param) {
  std::vector<const Json*> out;
  for (const auto& path : param.paths) collect(resource, path, 0, out);
  return out;
}

std::vector<Token> tokens_of(const Json& value) {
  if (value.is_string()) return {{"", text_in(value), ""}};
  if (value.is_boolean()) return {{"", value.get<bool>() ? "true" : "false", ""}};
  if (value.is_number_integer()) return {{"", value.dump(), ""}};
  if (!value.is_object()) return {};
  std::vector<Token> out;
  if (const auto coding = value.find("coding"); coding != value.end() && coding->is_array()) {
    for (const Json& one : *coding) {
      if (!one.is_object()) continue;
      out.push_back({member_text(one, "system"), member_text(one, "code"),
                     member_text(one, "display")});
    }
    if (const std::string text = member_text(value, "text"); !text.empty()) {
      out.push_back({"", "", text});
    }
    return out;
  }
  if (const std::string code = member_text(value, "code"); !code.empty()) {  // Coding
    return {{member_text(value, "system"), code, member_text(value, "display")}};
  }
  if (const std::string code = member_text(value, "value"); !code.empty()) {  // Identifier
    return {{member_text(value, "system"), code, ""}};
  }
  if (const std::string text = member_text(value, "text"); !text.empty()) return {{"", "", text}};
  return out;
}

std::vector<std::string> strings_of(const Json& value) {
  if (value.is_string()) return {text_in(value)};
  return {};
}

std::optional<TimeSpan> span_of(const Json& value) {
  if (value.is_string()) return parse_time(text_in(value));
  if (!value.is_object()) return std::nullopt;
  const auto start = parse_time(member_text(value, "start"));
  const auto end = parse_time(member_text(value, "end"));
  if (!start && !end) return std::nullopt;
  return TimeSpan{start ? start->from : "", end ? end->to : "9"};
}

std::string reference_of(const Json& value) {
  if (value.is_string()) return text_in(value);
  return value.is_object() ? member_text(value, "reference") : std::string();
}

std::string folded(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string cut_value(std::string value) {
  if (value.size() > kValueBytes) value.resize(kValueBytes);
  return value;
}

std::string token_value(std::string_view code) { return cut_value("c" + std::string(code)); }
std::string token_system_prefix(std::string_view system) {
  return cut_value("s" + std::string(system) + "|");
}
std::string token_value(std::string_view system, std::string_view code) {
  return cut_value("s" + std::string(system) + "|" + std::string(code));
}

std::vector<RecordField> fields_of(std::string_view type, const Json& resource, const Text& text) {
  std::map<std::string, uint32_t> links;  // by what a reference says
  for (uint32_t i = 0; i < text.links.size(); ++i) {
    const auto& link = text.links[i];
    if (link.kind == RecordLinkKind::kRecord) {
      links.emplace(link.type + "/" + text.text.substr(link.offset, kUuidTextBytes), i);
    }
  }
  std::vector<RecordField> out;
  const auto add = [&](const std::string& name, std::string value) {
    RecordField field{name, std::move(value), {}};
    if (std::find(out.begin(), out.end(), field) == out.end() && out.size() < kRecordFieldsMax) {
      out.push_back(std::move(field));
    }
  };
  for (const SearchParam& param : search_params(type)) {
    // The project is the container, and its compartment everything in it.
    if (param.name == "_project" || param.name == "_compartment") continue;
    for (const Json* value : values_at(resource, param)) {
      switch (param.kind) {
        case ParamKind::kString:
          for (const std::string& one : strings_of(*value)) add(param.name, cut_value(folded(one)));
          break;
        case ParamKind::kUri:
          for (const std::string& one : strings_of(*value)) add(param.name, cut_value(one));
          break;
        case ParamKind::kToken:
          for (const Token& token : tokens_of(*value)) {
            if (token.code.empty()) continue;
            add(param.name, token_value(token.code));
            add(param.name, token_value(token.system, token.code));
          }
          break;
        case ParamKind::kReference: {
          const std::string reference = reference_of(*value);
          if (reference.empty()) break;
          const auto parsed = parse_reference(reference);
          const auto link =
              parsed ? links.find(std::string(parsed->type) + "/" + to_uuid(parsed->id))
                     : links.end();
          if (link == links.end()) {
            add(param.name, cut_value("t" + reference));
          } else if (out.size() < kRecordFieldsMax) {
            RecordField field{param.name, {}, link->second};
            if (std::find(out.begin(), out.end(), field) == out.end()) out.push_back(field);
          }
          break;
        }
        case ParamKind::kDate:
        case ParamKind::kPeriod:
          if (const auto span = span_of(*value)) add(param.name, span->from);
          break;
      }
    }
  }
  if (const auto meta = resource.find("meta"); meta != resource.end() && meta->is_object()) {
    add(std::string(kLastUpdatedField), member_text(*meta, "lastUpdated"));
  }
  return out;
}

}  // namespace ramet::serve::fhir
