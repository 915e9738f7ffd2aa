// Search as a request: GET Type?query and POST Type/_search.
#include <set>

#include <fmt/format.h>

#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/search.h"
#include "tools/serve/fhir/secrets.h"

namespace ramet::serve::fhir {
namespace {

std::string query_of(const QueryParams& params, const QueryParams& instead) {
  std::string out;
  const auto add = [&](const std::string& name, const std::string& value) {
    out += out.empty() ? "?" : "&";
    out += percent_encode(name, true) + "=" + percent_encode(value, true);
  };
  for (const auto& param : params) {
    const bool replaced = std::any_of(instead.begin(), instead.end(), [&](const auto& one) {
      return one.first == param.first;
    });
    if (!replaced) add(param.first, param.second);
  }
  for (const auto& [name, value] : instead) {
    if (!value.empty()) add(name, value);
  }
  return out;
}

// Members that were asked for; what makes it a resource stays.
void keep_elements(const std::vector<std::string>& elements, Json& resource) {
  std::set<std::string> kept{"resourceType", "id", "meta"};
  for (const std::string& element : elements) kept.insert(element.substr(0, element.find('.')));
  Json out = Json::object();
  for (auto& [name, member] : resource.items()) {
    if (kept.contains(name)) out[name] = std::move(member);
  }
  resource = std::move(out);
}

// The resource as it stands in the bundle.
Outcome<std::string> shown_hit(Call& call, const Search& search, SearchHit& hit) {
  const bool as_stored = hit.resource.is_null() && search.elements.empty() &&
                         !has_secrets(search.type);
  if (as_stored) return call.is_extended() ? hit.info.document : plain_document(hit.info);
  Json resource = std::move(hit.resource);
  if (resource.is_null()) resource = parse_document(hit.info);
  if (has_secrets(search.type)) {
    RAMET_ASSIGN(const auto view, call.store().view(hit.container));
    const auto kept = view->record_secret(hit.info.type, hit.info.id);
    if (kept.ok()) show_secrets(call.login, *kept, resource);
  }
  if (!search.elements.empty()) keep_elements(search.elements, resource);
  if (!call.is_extended()) hide_extended(resource);
  return dumped(resource);
}

}  // namespace

Outcome<Answer> search(Call& call) {
  const std::string& type = call.path[0];
  if (!is_known_type(type)) {
    return Fault(Issue::kNotFound, fmt::format("Unknown resource type: {}", type));
  }
  if (type == "Binary") {
    return Fault(Issue::kInvalid, "Cannot search on Binary resource type");
  }
  QueryParams params = call.params;
  if (call.request.method == "POST") {
    RAMET_ASSIGN(const QueryParams more, parse_query(call.body));
    params.insert(params.end(), more.begin(), more.end());
  }
  RAMET_ASSIGN(const Search search, parse_search(type, params));
  RAMET_ASSIGN(SearchResult result, run_search(call, search));
  const std::string url = call.fhir_base() + type;
  Json head;
  head["resourceType"] = "Bundle";
  head["type"] = "searchset";
  if (result.total) head["total"] = *result.total;
  Json links = Json::array();
  const auto link = [&](const char* relation, const QueryParams& instead) {
    links.push_back({{"relation", relation}, {"url", url + query_of(params, instead)}});
  };
  link("self", {});
  link("first", {{"_offset", ""}, {"_cursor", ""}});
  if (result.has_more && !result.hits.empty()) {
    if (search.sort.empty()) {
      link("next", {{"_offset", ""}, {"_cursor", to_uuid(result.hits.back().info.id)}});
    } else {
      link("next", {{"_offset", std::to_string(search.offset + result.hits.size())}});
    }
  }
  if (search.offset > 0) {
    const uint64_t before = search.offset > search.count ? search.offset - search.count : 0;
    link("previous", {{"_offset", before == 0 ? std::string() : std::to_string(before)}});
  }
  head["link"] = std::move(links);
  // (Documents go in as they are stored, so the bundle is put together as text.)
  std::string body = dumped(head);
  if (!result.hits.empty()) {
    body.pop_back();
    body += ",\"entry\":[";
    for (SearchHit& hit : result.hits) {
      if (body.back() != '[') body += ",";
      RAMET_ASSIGN(const std::string shown, shown_hit(call, search, hit));
      body += fmt::format("{{\"fullUrl\":\"{}/{}\",\"search\":{{\"mode\":\"match\"}},"
                          "\"resource\":", url, to_uuid(hit.info.id));
      body += shown;
      body += "}";
    }
    body += "]}";
  }
  Answer answer;
  answer.body = std::move(body);
  return answer;
}

}  // namespace ramet::serve::fhir
