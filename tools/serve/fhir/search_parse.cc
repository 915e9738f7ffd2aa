// From parameters to a Search, and whether one resource is what it asks for.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "tools/serve/fhir/search.h"
#include "tools/serve/fhir/values.h"

namespace ramet::serve::fhir {
namespace {

// Unescapes "\," and splits at ','.
std::vector<std::string> split_values(std::string_view text) {
  std::vector<std::string> out(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      out.back().push_back(text[++i]);
    } else if (text[i] == ',') {
      out.emplace_back();
    } else {
      out.back().push_back(text[i]);
    }
  }
  return out;
}

Outcome<uint64_t> number(std::string_view name, std::string_view text, uint64_t max) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Fault(Issue::kInvalid, fmt::format("Invalid {}: '{}'", name, text));
  }
  return std::min(value, max);
}

Outcome<void> add_sort(std::string_view value, Search& search) {
  for (const std::string& one : split_values(value)) {
    Search::Sort sort;
    sort.descending = one.starts_with('-');
    const std::string name = sort.descending ? one.substr(1) : one;
    if (name == "_id") {
      sort.by_id = true;
    } else if (name != "_lastUpdated") {
      sort.param = find_param(search.type, name);
      if (sort.param == nullptr) {
        return Fault(Issue::kInvalid, fmt::format("Unknown search parameter: {}", name));
      }
    }
    search.sort.push_back(sort);
  }
  return {};
}

// A comparison of FHIR: "ge2026-01-01".
struct Comparison {
  std::string prefix = "eq";
  TimeSpan span;
};
std::optional<Comparison> parse_comparison(std::string_view text) {
  Comparison out;
  constexpr std::array<std::string_view, 9> kPrefixes = {"eq", "ne", "gt", "lt", "ge",
                                                         "le", "sa", "eb", "ap"};
  if (std::find(kPrefixes.begin(), kPrefixes.end(), text.substr(0, 2)) != kPrefixes.end()) {
    out.prefix = std::string(text.substr(0, 2));
    text.remove_prefix(2);
  }
  const auto span = parse_time(text);
  if (!span) return std::nullopt;
  out.span = *span;
  return out;
}

bool holds(const Comparison& asked, const TimeSpan& has) {
  const TimeSpan& span = asked.span;
  if (asked.prefix == "eq") return has.from >= span.from && has.to <= span.to;
  if (asked.prefix == "ne") return has.from < span.from || has.to > span.to;
  if (asked.prefix == "gt") return has.to > span.to;
  if (asked.prefix == "lt") return has.from < span.from;
  if (asked.prefix == "ge") return has.to >= span.from;
  if (asked.prefix == "le") return has.from <= span.to;
  if (asked.prefix == "sa") return has.from > span.to;
  if (asked.prefix == "eb") return has.to < span.from;
  return has.from <= span.to && has.to >= span.from;  // ap: they overlap
}

bool token_matches(const Token& token, const std::string& asked) {
  const size_t bar = asked.find('|');
  if (bar == std::string::npos) return token.code == asked;
  const std::string_view system = std::string_view(asked).substr(0, bar);
  const std::string_view code = std::string_view(asked).substr(bar + 1);
  if (token.system != system) return false;
  return code.empty() ? !token.code.empty() || !system.empty() : token.code == code;
}

bool value_matches(const SearchFilter& filter, const Json& value, const std::string& asked) {
  switch (filter.param->kind) {
    case ParamKind::kString: {
      for (const std::string& text : strings_of(value)) {
        if (filter.modifier == "exact" ? text == asked
            : filter.modifier == "contains"
                ? folded(text).find(folded(asked)) != std::string::npos
                : folded(text).starts_with(folded(asked))) {
          return true;
        }
      }
      return false;
    }
    case ParamKind::kUri: {
      for (const std::string& text : strings_of(value)) {
        if (filter.modifier == "below" ? text.starts_with(asked) : text == asked) return true;
      }
      return false;
    }
    case ParamKind::kToken: {
      for (const Token& token : tokens_of(value)) {
        if (filter.modifier == "text"
                ? folded(token.text).find(folded(asked)) != std::string::npos
                : token_matches(token, asked)) {
          return true;
        }
      }
      return false;
    }
    case ParamKind::kReference: {
      const std::string reference = reference_of(value);
      if (reference.empty()) return false;
      if (reference == asked) return true;
      const auto parsed = parse_reference(reference);
      if (!parsed) return false;
      const std::string id = to_uuid(parsed->id);
      const auto other = parse_reference(asked);
      if (other) return other->type == parsed->type && other->id == parsed->id;
      if (!filter.modifier.empty() && filter.modifier != parsed->type) return false;
      return id == asked && (filter.param->target.empty() || !filter.modifier.empty() ||
                             parsed->type == filter.param->target);
    }
    case ParamKind::kDate:
    case ParamKind::kPeriod: {
      const auto comparison = parse_comparison(asked);
      const auto span = span_of(value);
      return comparison && span && holds(*comparison, *span);
    }
  }
  return false;
}

bool filter_matches(const SearchFilter& filter, const Json& resource) {
  const auto values = values_at(resource, *filter.param);
  if (filter.modifier == "missing") {
    return values.empty() == (filter.values.front() == "true");
  }
  const bool found = std::any_of(values.begin(), values.end(), [&](const Json* value) {
    return std::any_of(filter.values.begin(), filter.values.end(), [&](const std::string& asked) {
      return value_matches(filter, *value, asked);
    });
  });
  return filter.modifier == "not" ? !found : found;
}

Outcome<SearchFilter> make_filter(std::string_view type, const std::string& name,
                                  const std::string& value) {
  SearchFilter filter;
  filter.name = name;
  std::string base = name;
  if (const size_t colon = name.find(':'); colon != std::string::npos) {
    base = name.substr(0, colon);
    filter.modifier = name.substr(colon + 1);
  }
  filter.param = find_param(type, base);
  if (filter.param == nullptr) {
    if (base.find('.') != std::string::npos || base.starts_with("_has")) {
      return Fault(Issue::kNotSupported, fmt::format("Chained search is not supported: {}", name));
    }
    return Fault(Issue::kInvalid, fmt::format("Unknown search parameter: {}", name));
  }
  const auto supports = [&]() -> bool {
    const std::string& modifier = filter.modifier;
    if (modifier.empty() || modifier == "missing") return true;
    switch (filter.param->kind) {
      case ParamKind::kString: return modifier == "exact" || modifier == "contains";
      case ParamKind::kToken: return modifier == "not" || modifier == "text";
      case ParamKind::kReference: return is_known_type(modifier);
      case ParamKind::kUri: return modifier == "below";
      default: return false;
    }
  };
  if (!supports()) {
    return Fault(Issue::kNotSupported, fmt::format("Unsupported modifier: {}", name));
  }
  filter.values = split_values(value);
  if (filter.modifier == "missing" && value != "true" && value != "false") {
    return Fault(Issue::kInvalid, fmt::format("Invalid {}: '{}'", name, value));
  }
  if (filter.param->kind == ParamKind::kDate || filter.param->kind == ParamKind::kPeriod) {
    for (const std::string& one : filter.values) {
      if (filter.modifier.empty() && !parse_comparison(one)) {
        return Fault(Issue::kInvalid, fmt::format("Invalid date in {}: '{}'", name, one));
      }
    }
  }
  return filter;
}

}  // namespace

Outcome<Search> parse_search(std::string_view type, const QueryParams& params) {
  Search search;
  search.type = std::string(type);
  for (const auto& [name, value] : params) {
    if (name == "_count") {
      RAMET_ASSIGN(search.count, number(name, value, kSearchCountMax));
    } else if (name == "_offset") {
      RAMET_ASSIGN(search.offset, number(name, value, UINT64_MAX));
    } else if (name == "_cursor") {
      const auto id = parse_uuid<ObjectId>(value);
      if (!id.ok()) return Fault(Issue::kInvalid, fmt::format("Invalid _cursor: '{}'", value));
      search.cursor = *id;
    } else if (name == "_sort") {
      RAMET_TRY(add_sort(value, search));
    } else if (name == "_total") {
      if (value != "none" && value != "accurate" && value != "estimate") {
        return Fault(Issue::kInvalid, fmt::format("Invalid _total: '{}'", value));
      }
      if (value != "none") search.total = Total::kAccurate;
    } else if (name == "_summary") {
      if (value != "count" && value != "false") {
        return Fault(Issue::kNotSupported, fmt::format("Unsupported _summary: '{}'", value));
      }
      search.count_only = value == "count";
    } else if (name == "_fields" || name == "_elements") {
      for (std::string& one : split_values(value)) search.elements.push_back(std::move(one));
    } else if (name == "_format" || name == "_pretty") {
      if (name == "_format" && value.find("json") == std::string::npos) {
        return Fault(Issue::kNotSupported, fmt::format("Unsupported _format: '{}'", value));
      }
    } else if (name == "_id") {
      if (!search.ids) search.ids.emplace();
      for (const std::string& one : split_values(value)) {
        // (What is no id names nothing.)
        if (const auto id = parse_uuid<ObjectId>(one); id.ok()) search.ids->push_back(*id);
      }
    } else if (name == "_lastUpdated") {
      if (!parse_comparison(value)) {
        return Fault(Issue::kInvalid, fmt::format("Invalid date in {}: '{}'", name, value));
      }
      search.last_updated.push_back(value);
    } else if (name == "_project") {
      search.project = value.starts_with("Project/") ? value.substr(8) : value;
    } else if (name.starts_with("_include") || name.starts_with("_revinclude") ||
               name == "_filter" || name == "_text" || name == "_content" || name == "_query" ||
               name == "_list") {
      return Fault(Issue::kNotSupported, fmt::format("Unsupported search parameter: {}", name));
    } else {
      RAMET_ASSIGN(SearchFilter filter, make_filter(type, name, value));
      search.filters.push_back(std::move(filter));
    }
  }
  return search;
}

Outcome<bool> matches(const Search& search, const Json& resource) {
  for (const SearchFilter& filter : search.filters) {
    if (!filter_matches(filter, resource)) return false;
  }
  if (!search.last_updated.empty()) {
    const auto span = parse_time(meta_text(resource, "lastUpdated"));
    for (const std::string& one : search.last_updated) {
      const auto comparison = parse_comparison(one);
      if (!span || !comparison || !holds(*comparison, *span)) return false;
    }
  }
  if (!search.ids) return true;
  const auto id = parse_uuid<ObjectId>(text_member(resource, "id"));
  return id.ok() && std::find(search.ids->begin(), search.ids->end(), *id) != search.ids->end();
}

Outcome<bool> matches_parameter(const Json& resource, const std::string& name,
                                const std::string& value) {
  RAMET_ASSIGN(const Search search,
               parse_search(text_member(resource, "resourceType"), {{name, value}}));
  return matches(search, resource);
}

}  // namespace ramet::serve::fhir
