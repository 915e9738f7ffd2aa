// Searching: from a query's parameters to the resources that match (http://hl7.org/fhir/R4/search).
// What a parameter means is in search_table.h; what is not supported is said, never ignored.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/view.h"
#include "tools/serve/fhir/call.h"
#include "tools/serve/fhir/search_table.h"
#include "tools/serve/http.h"

namespace ramet::serve::fhir {

struct SearchFilter {
  std::string name;      // as it was sent, with its modifier
  const SearchParam* param = nullptr;  // of the table
  std::string modifier;  // "exact", "not", "Patient"; empty: none
  std::vector<std::string> values;  // any of them
};

enum class Total : uint8_t { kNone, kAccurate };

struct Search {
  std::string type;
  std::vector<SearchFilter> filters;         // all of them
  std::optional<std::vector<ObjectId>> ids;  // _id
  std::vector<std::string> last_updated;     // with prefixes; all of them
  std::optional<std::string> project;        // _project
  uint64_t count = 20;
  uint64_t offset = 0;
  std::optional<ObjectId> cursor;  // begins behind it
  struct Sort {
    const SearchParam* param = nullptr;  // null: _lastUpdated
    bool descending = false;
    bool by_id = false;
  };
  std::vector<Sort> sort;
  Total total = Total::kNone;
  bool count_only = false;            // _summary=count
  std::vector<std::string> elements;  // members that are shown; empty: all
};
inline constexpr uint64_t kSearchCountMax = 1000;

// Faults name the parameter.
Outcome<Search> parse_search(std::string_view type, const QueryParams& params);
// Whether a resource is what the search asks for, but for _project.
Outcome<bool> matches(const Search& search, const Json& resource);
// The same for one parameter: what policies ask (MatchParameter).
Outcome<bool> matches_parameter(const Json& resource, const std::string& name,
                                const std::string& value);

struct SearchHit {
  ContainerId container;
  RecordInfo info;
  Json resource;  // as the login may see it; null: as it is stored
};
struct SearchResult {
  std::vector<SearchHit> hits;
  std::optional<uint64_t> total;
  bool has_more = false;
};
Outcome<SearchResult> run_search(Call& call, const Search& search);
// In one container by a transaction or view: at most `most` ids of what the login may see. For
// conditional creates and updates, which must see what they decide by.
Outcome<std::vector<ObjectId>> find_matches(Call& call, const RecordView& records,
                                            const Search& search, size_t most);

}  // namespace ramet::serve::fhir
