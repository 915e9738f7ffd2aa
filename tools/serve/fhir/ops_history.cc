// History and versions of a resource (http://hl7.org/fhir/R4/http.html#history).
#include <charconv>

#include <fmt/format.h>

#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/search.h"

namespace ramet::serve::fhir {
namespace {

constexpr uint64_t kHistoryMax = 1000;

Outcome<uint64_t> number_param(const Call& call, std::string_view name, uint64_t fallback) {
  const auto text = call.param(name);
  if (!text) return fallback;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error == std::errc() && end == text->data() + text->size()) return value;
  return Fault(Issue::kInvalid, fmt::format("Invalid {}: '{}'", name, *text));
}

// Where the resource is, or was.
Outcome<std::shared_ptr<const View>> view_of(Call& call, std::string_view type, ObjectId id) {
  RAMET_ASSIGN(const Place place, find_place(call.shared, call.login, type, id));
  RAMET_ASSIGN(auto view, call.store().view(place.container));
  return view;
}

}  // namespace

Outcome<Answer> history(Call& call) {
  const std::string& type = call.path[0];
  RAMET_TRY(check_interaction(call.login, Interaction::kHistory, type));
  const auto id = parse_uuid<ObjectId>(call.path[1]);
  if (!is_known_type(type) || !id.ok()) return Fault(Issue::kNotFound);
  RAMET_ASSIGN(const uint64_t asked, number_param(call, "_count", kHistoryMax));
  RAMET_ASSIGN(const uint64_t offset, number_param(call, "_offset", 0));
  const uint64_t count = std::min(asked, kHistoryMax);
  RAMET_ASSIGN(const TypeNumber number, call.types().number(type));
  RAMET_ASSIGN(const auto view, view_of(call, type, *id));
  Json entries = Json::array();
  uint64_t seen = 0;
  std::optional<Fault> failed;
  const std::string url = call.fhir_base() + type + "/" + call.path[1];
  const Status listed = view->record_versions(number, *id, [&](const RecordInfo& info) {
    if (seen++ < offset || entries.size() == count) return true;
    Json entry;
    entry["fullUrl"] = url;
    entry["request"]["method"] = info.deletion ? "DELETE" : "GET";
    entry["request"]["url"] = fmt::format("{}/{}/_history/{}", type, call.path[1],
                                          to_uuid(info.version));
    if (info.deletion) {
      entry["response"]["status"] = "410";
      entry["response"]["outcome"] = outcome_json(Issue::kGone);
      entry["response"]["lastModified"] = iso_date(info.created);
    } else {
      auto resource = shown_resource(call, *view, info, call.is_extended());
      if (!resource.ok()) {
        if (resource.error().issue == Issue::kNotFound) return true;
        failed = std::move(resource).error();
        return false;
      }
      entry["response"]["status"] = "200";
      entry["response"]["outcome"] = outcome_json(Issue::kOk);
      entry["response"]["etag"] = "W/\"" + to_uuid(info.version) + "\"";
      entry["resource"] = std::move(*resource);
    }
    entries.push_back(std::move(entry));
    return true;
  });
  if (failed) return std::move(*failed);
  if (!listed.ok()) return listed.error();
  Json bundle;
  bundle["resourceType"] = "Bundle";
  bundle["type"] = "history";
  bundle["total"] = seen;
  if (!entries.empty()) bundle["entry"] = std::move(entries);
  return json_answer(200, bundle);
}

Outcome<Answer> read_version(Call& call) {
  const std::string& type = call.path[0];
  RAMET_TRY(check_interaction(call.login, Interaction::kVersionRead, type));
  const auto id = parse_uuid<ObjectId>(call.path[1]);
  const auto version = parse_uuid<ObjectId>(call.path[3]);
  if (!is_known_type(type) || !id.ok() || !version.ok()) return Fault(Issue::kNotFound);
  RAMET_ASSIGN(const TypeNumber number, call.types().number(type));
  Found found;
  RAMET_ASSIGN(found.view, view_of(call, type, *id));
  RAMET_ASSIGN(found.info, found.view->record_version(number, *id, *version));
  if (found.info.deletion) return Fault(Issue::kGone);
  return read_answer(call, found);
}

}  // namespace ramet::serve::fhir
