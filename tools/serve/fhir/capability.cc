// What the server can do: CapabilityStatement (http://hl7.org/fhir/R4/capabilitystatement.html).
#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/search_table.h"

namespace ramet::serve::fhir {
namespace {

std::string_view kind_name(ParamKind kind) {
  switch (kind) {
    case ParamKind::kToken: return "token";
    case ParamKind::kReference: return "reference";
    case ParamKind::kDate:
    case ParamKind::kPeriod: return "date";
    case ParamKind::kUri: return "uri";
    default: return "string";
  }
}

Json resource_json(std::string_view type) {
  Json out;
  out["type"] = type;
  out["interaction"] = Json::array();
  for (const char* code : {"read", "vread", "update", "patch", "delete", "history-instance",
                           "create", "search-type"}) {
    if (type == "Binary" && std::string_view(code) == "search-type") continue;
    out["interaction"].push_back({{"code", code}});
  }
  out["versioning"] = "versioned-update";
  out["readHistory"] = true;
  out["updateCreate"] = true;
  out["conditionalCreate"] = true;
  out["conditionalUpdate"] = true;
  if (type == "Binary") return out;
  Json params = Json::array({{{"name", "_id"}, {"type", "token"}},
                             {{"name", "_lastUpdated"}, {"type", "date"}}});
  for (const SearchParam& param : search_params(type)) {
    params.push_back({{"name", param.name}, {"type", kind_name(param.kind)}});
  }
  out["searchParam"] = std::move(params);
  return out;
}

}  // namespace

Outcome<Answer> capabilities(Call& call) {
  Json out;
  out["resourceType"] = "CapabilityStatement";
  out["id"] = "ramet";
  out["status"] = "active";
  out["date"] = "2026-11-23";
  out["kind"] = "instance";
  out["software"]["name"] = "Ramet";
  out["implementation"]["description"] = "Ramet";
  out["implementation"]["url"] = call.fhir_base();
  out["fhirVersion"] = "4.0.1";
  out["format"] = Json::array({"json", "application/fhir+json"});
  out["patchFormat"] = Json::array({"application/json-patch+json"});
  Json rest;
  rest["mode"] = "server";
  rest["security"]["service"][0]["text"] = "OAuth2 client credentials at /oauth2/token, or Basic";
  for (const std::string_view type : known_types()) {
    rest["resource"].push_back(resource_json(type));
  }
  rest["interaction"] = Json::array({{{"code", "transaction"}}, {{"code", "batch"}}});
  rest["operation"] = Json::array(
      {{{"name", "clone"}, {"definition", "https://www.medplum.com/docs/api/fhir/operations/"
                                          "project-clone"}}});
  out["rest"] = Json::array({std::move(rest)});
  return json_answer(200, out);
}

}  // namespace ramet::serve::fhir
