// Tokens for client applications (RFC 6749, 4.4), and who one is.
#include <fmt/format.h>

#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/links.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/secrets.h"

namespace ramet::serve::fhir {
namespace {

constexpr size_t kScopeBytesMax = 256;

// What clients of OAuth read instead of an OperationOutcome (RFC 6749, 5.2).
Answer token_refused(std::string_view error, std::string_view description) {
  Json json;
  json["error"] = error;
  json["error_description"] = description;
  Answer answer = json_answer(400, json);
  answer.media_type = "application/json";
  return answer;
}

std::string first_of(const QueryParams& form, std::string_view name) {
  for (const auto& [key, value] : form) {
    if (key == name) return value;
  }
  return {};
}

// A resource that the login is about (its profile, its membership), as its project's members see
// it; only the reference where it does not stand in the project.
Outcome<Json> own_resource(Call& call, const std::string& reference) {
  const auto parsed = parse_exact_reference(reference);
  Json bare;
  bare["reference"] = reference;
  if (!parsed) return bare;
  RAMET_ASSIGN(const auto view, call.store().view(call.login.project));
  RAMET_ASSIGN(const TypeNumber number, call.types().number(parsed->type));
  auto info = view->record(number, parsed->id);
  if (info.ok()) {
    // (Whatever its policy says: everybody may know who they are.)
    Json resource = parse_document(*info);
    if (!call.is_extended()) hide_extended(resource);
    return resource;
  }
  if (info.error().code() != ErrorCode::kNotFound) return std::move(info).error();
  bare["resourceType"] = parsed->type;
  bare["id"] = to_uuid(parsed->id);
  return bare;
}

// The rules of all policies of the membership, as one; null: it has none.
Outcome<Json> own_policy(Call& call, const Json& membership) {
  if (call.login.policy == nullptr) return Json(nullptr);
  Json based_on = Json::array();
  if (membership.contains("accessPolicy")) based_on.push_back(membership["accessPolicy"]);
  if (const auto list = membership.find("access"); list != membership.end() && list->is_array()) {
    for (const Json& one : *list) {
      if (one.is_object() && one.contains("policy")) based_on.push_back(one["policy"]);
    }
  }
  RAMET_ASSIGN(const auto view, call.store().view(call.login.project));
  Json rules = Json::array();
  for (const Json& reference : based_on) {
    const std::string text = text_member(reference, "reference");
    const auto parsed = parse_exact_reference(text);
    if (!parsed) continue;
    auto policy = read_resource(call.shared, *view, "AccessPolicy", parsed->id);
    if (!policy.ok()) return std::move(policy).error();
    const auto found = policy->find("resource");
    if (found == policy->end() || !found->is_array()) continue;
    for (const Json& rule : *found) rules.push_back(rule);
  }
  Json out;
  out["resourceType"] = "AccessPolicy";
  out["basedOn"] = std::move(based_on);
  out["resource"] = std::move(rules);
  return out;
}

}  // namespace

Outcome<Answer> token(Call& call) {
  auto form = parse_query(call.body);
  if (!form.ok()) return token_refused("invalid_request", "The body is no form");
  const std::string grant = first_of(*form, "grant_type");
  if (grant.empty()) return token_refused("invalid_request", "Missing grant_type");
  if (grant != "client_credentials") {
    return token_refused("unsupported_grant_type", "Only client_credentials is supported");
  }
  ClientSecret client{first_of(*form, "client_id"), first_of(*form, "client_secret")};
  const std::string_view field = call.request.fields.get("authorization");
  if (client.secret.empty() && !field.empty()) {
    auto basic = basic_credentials(field);
    if (!basic) return token_refused("invalid_request", "Invalid authorization header");
    client = std::move(*basic);
  }
  if (client.id.empty()) return token_refused("invalid_request", "Missing client_id");
  if (client.secret.empty()) return token_refused("invalid_request", "Missing client_secret");
  auto login = login_of_client(call.shared, call.request.peer, client.id, client.secret);
  if (!login.ok()) {
    const Fault& fault = login.error();
    if (fault.waits) return std::move(login).error();
    if (fault.issue == Issue::kUnauthorized) return token_refused("invalid_request", fault.text);
    if (fault.issue == Issue::kForbidden) return token_refused("access_denied", fault.text);
    return std::move(login).error();
  }
  std::string scope = first_of(*form, "scope");
  if (scope.empty()) scope = "openid";
  if (scope.size() > kScopeBytesMax) return token_refused("invalid_scope", "Invalid scope");
  RAMET_ASSIGN(const AccessToken made,
               make_access_token(call.shared, *login, client.secret, scope, call.base()));
  Json json;
  json["token_type"] = "Bearer";
  json["expires_in"] = kTokenSeconds;
  json["scope"] = scope;
  json["access_token"] = made.text;
  json["project"] = reference_to(reference_text("Project", project_resource(login->project)),
                                 login->project_name);
  json["profile"] = reference_to(login->profile);
  call.login = std::move(*login);  // for the log
  Answer answer = json_answer(200, json);
  answer.media_type = "application/json";
  answer.fields.set("Pragma", "no-cache");
  return answer;
}

Outcome<Answer> me(Call& call) {
  const Login& login = call.login;
  Json json;
  Json project;
  project["resourceType"] = "Project";
  project["id"] = to_uuid(login.project);
  project["name"] = login.project_name;
  project["strictMode"] = login.is_strict;
  if (login.is_super_admin) project["superAdmin"] = true;
  if (!login.features.empty()) project["features"] = login.features;
  json["project"] = std::move(project);

  Json membership;
  if (login.membership) {
    RAMET_ASSIGN(membership,
                 own_resource(call, reference_text("ProjectMembership", *login.membership)));
    Json shown;
    shown["resourceType"] = "ProjectMembership";
    shown["id"] = to_uuid(*login.membership);
    for (const char* name : {"user", "profile", "admin"}) {
      if (membership.contains(name)) shown[name] = membership[name];
    }
    json["membership"] = std::move(shown);
  }
  RAMET_ASSIGN(json["profile"], own_resource(call, login.profile));
  json["config"]["resourceType"] = "UserConfiguration";
  json["config"]["menu"] = Json::array();
  if (membership.is_object()) {
    RAMET_ASSIGN(Json policy, own_policy(call, membership));
    if (!policy.is_null()) json["accessPolicy"] = std::move(policy);
  }
  Answer answer = json_answer(200, json);
  answer.media_type = "application/json; charset=utf-8";
  return answer;
}

Outcome<Answer> userinfo(Call& call) {
  const Login& login = call.login;
  RAMET_ASSIGN(const Json profile, own_resource(call, login.profile));
  Json json;
  json["sub"] = login.profile.substr(login.profile.find('/') + 1);
  json["profile"] = login.profile;
  json["fhirUser"] = call.fhir_base() + login.profile;
  if (const auto name = profile.find("name"); name != profile.end()) {
    if (name->is_string()) {
      json["name"] = *name;
    } else if (name->is_array() && !name->empty() && (*name)[0].is_object()) {
      std::string text = text_member((*name)[0], "text");
      if (text.empty()) text = text_member((*name)[0], "family");
      if (!text.empty()) json["name"] = text;
    }
  }
  Answer answer = json_answer(200, json);
  answer.media_type = "application/json; charset=utf-8";
  return answer;
}

}  // namespace ramet::serve::fhir
