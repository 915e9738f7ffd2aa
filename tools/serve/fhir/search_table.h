// The search parameters that there are, as a table: what is searched by, of which kind it is, and
// where in a resource it stands. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ramet::serve::fhir {

enum class ParamKind : uint8_t {
  kString,     // text, name parts
  kToken,      // code, Coding, CodeableConcept, Identifier, ContactPoint, boolean
  kReference,
  kDate,       // date, dateTime, instant
  kPeriod,     // Period, and what may be one
  kUri,
};

struct SearchParam {
  std::string name;
  ParamKind kind = ParamKind::kString;
  std::vector<std::vector<std::string>> paths;  // members from the resource on
  std::string target;  // kReference: the type of a bare id; empty: any
};

// Those of a type, with those of all types. Borrowed from the table.
const std::vector<SearchParam>& search_params(std::string_view type);
// Null: there is none of this name.
const SearchParam* find_param(std::string_view type, std::string_view name);

}  // namespace ramet::serve::fhir
