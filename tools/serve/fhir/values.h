// What a resource has under a search parameter: values in a form that compares, for the index and
// for looking at one resource. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/record.h"
#include "tools/serve/fhir/errors.h"
#include "tools/serve/fhir/links.h"
#include "tools/serve/fhir/search_table.h"

namespace ramet::serve::fhir {

// From the first to the last millisecond: "2026-11-23T10:00:00.000Z", which compare as texts. Open
// ends are empty at the beginning and "9" at the end.
struct TimeSpan {
  std::string from;
  std::string to;
};
// A FHIR date, dateTime or instant: years, months, days, seconds, with or without a zone (UTC).
std::optional<TimeSpan> parse_time(std::string_view text);

struct Token {
  std::string system;
  std::string code;
  std::string text;  // as people see it: what :text looks at
};

// The members at a path, arrays unfolded. Borrowed.
std::vector<const Json*> values_at(const Json& resource, const SearchParam& param);
std::vector<Token> tokens_of(const Json& value);
std::vector<std::string> strings_of(const Json& value);
std::optional<TimeSpan> span_of(const Json& value);
std::string reference_of(const Json& value);  // "Patient/..."; empty: none
// For comparing: ASCII letters in lower case.
std::string folded(std::string_view text);

// Values in the index.
std::string token_value(std::string_view code);  // of any system
std::string token_value(std::string_view system, std::string_view code);
std::string token_system_prefix(std::string_view system);
// As much of it as the index keeps.
std::string cut_value(std::string value);

inline constexpr std::string_view kLastUpdatedField = "_lastUpdated";
// What the resource is found by; `text` is the same resource as it is stored.
std::vector<RecordField> fields_of(std::string_view type, const Json& resource, const Text& text);

}  // namespace ramet::serve::fhir
