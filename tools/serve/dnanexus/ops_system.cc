// Who somebody is, and what clients ask of the service itself.
#include <algorithm>

#include <fmt/format.h>

#include "format/hash.h"
#include "tools/serve/digest.h"
#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/object_json.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr int64_t kNanosecondsPerMs = 1'000'000;
constexpr int64_t kLoginLife = int64_t{30} * 24 * 3'600'000;  // milliseconds, if none is asked for
constexpr int64_t kLoginLifeMax = int64_t{3653} * 24 * 3'600'000;

// "Alice B. Clark": the last word is the last name, as far as such a thing can be told.
std::pair<std::string, std::string> names_of(const Principal& principal) {
  const std::string& title = principal.title;
  const size_t space = title.rfind(' ');
  if (title.empty()) return {principal.name, ""};
  if (space == std::string::npos) return {title, ""};
  return {title.substr(0, space), title.substr(space + 1)};
}

Json chosen(Json json, const DescribeFields& asked) {
  Json out = Json::object();
  for (auto& [name, value] : json.items()) {
    if (name == "id" || asked.has(name)) out[name] = std::move(value);
  }
  return out;
}

}  // namespace

Task<Answer> whoami(Call& call) {
  Json json;
  json["id"] = principal_text(call.caller.principal);
  co_return json;
}

Task<Answer> get_user_info(Call& call) {
  const Principal& principal = call.caller.principal;
  Json json;
  json["username"] = principal.name;
  const auto [first, last] = names_of(principal);
  json["first"] = first;
  json["last"] = last;
  json["email"] = principal.email;
  co_return json;
}

Task<Answer> greet(Call&) {
  Json json;
  json["messages"] = Json::array();
  json["update"] = Json{{"available", false}};
  co_return json;
}

Task<Answer> echo_headers(Call& call) {
  Json json = Json::object();
  for (const auto& field : call.request.fields) {
    if (same_name(field.name, "authorization")) continue;
    std::string name = field.name;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    json[name] = field.value;
  }
  co_return json;
}

// The password is one of the user's tokens: it gives another one, which /destroyAuthToken ends.
Task<Answer> new_auth_token(Call& call) {
  RAMET_CO_ASSIGN(std::string name, call.in().some_text("username"));
  RAMET_CO_ASSIGN(const std::string password, call.in().some_text("password"));
  RAMET_CO_ASSIGN(const auto asked, call.in().number("expires"));
  const int64_t expires = asked.value_or(now_ms() + kLoginLife);
  if (expires <= now_ms() || expires > now_ms() + kLoginLifeMax) {
    co_return wrong_type("expires", "a time within ten years from now");
  }
  if (const auto stripped = principal_name(name)) name = *stripped;
  Request shown;
  shown.peer = call.request.peer;
  shown.fields.add("authorization", "Bearer " + password);
  co_return co_await call.slow([&]() -> Answer {
    auto caller = call.shared.authenticator.authenticate(shown);
    const Fault wrong(Type::kUsernameOrPasswordError,
                      "the username and the password (a token of that user) do not match");
    if (!caller.ok()) {
      if (caller.error().code() == ErrorCode::kPermissionDenied) return wrong;
      if (caller.error().code() == ErrorCode::kBusy) {
        return Fault(Type::kRateLimitConditional, caller.error().message());
      }
      return std::move(caller).error();
    }
    if (caller->principal.name != name) return wrong;
    if (!caller->scope.account) {
      return Fault(Type::kPermissionDenied, "this token may not make others");
    }
    const AuditScope who(caller->principal.name, call.request.peer);
    RAMET_ASSIGN(const auto made,
                 call.access().create_token(caller->principal.id, "dx login", caller->scope,
                                            expires * kNanosecondsPerMs));
    Json json;
    json["access_token"] = made.secret;
    json["token_type"] = "Bearer";
    json["user_id"] = principal_text(caller->principal);
    return json;
  });
}

Task<Answer> destroy_auth_token(Call& call) {
  RAMET_CO_ASSIGN(const std::string signature, call.in().some_text("tokenSignature"));
  const std::string token = bearer_token(call.request.fields.get("authorization"));
  if (!equal_secretly(to_hex(digest_of(Algorithm::kSha256, token)), signature)) {
    co_return Fault(Type::kResourceNotFound,
                    "'tokenSignature' is not of the token that was shown; others are removed with "
                    "'ramet token remove'");
  }
  co_return co_await call.slow([&]() -> Answer {
    RAMET_TRY(call.access().remove_token(blake3(token)));
    Json json;
    json["tokenSignature"] = signature;
    return json;
  });
}

Task<Answer> describe_user(Call& call) {
  RAMET_CO_ASSIGN(const DescribeFields asked, DescribeFields::parse(call.input));
  co_return co_await call.quick([&]() -> Answer {
    const auto name = principal_name(call.subject);
    auto principal = call.access().principal(name.value_or(""));
    if (!principal.ok() || principal->kind == PrincipalKind::kGroup) {
      return Fault(Type::kResourceNotFound,
                   fmt::format("the user \"{}\" could not be found", call.subject));
    }
    const auto [first, last] = names_of(*principal);
    Json json;
    json["id"] = principal_text(*principal);
    json["class"] = "user";
    json["handle"] = principal->name;
    json["first"] = first;
    json["middle"] = "";
    json["last"] = last;
    if (principal->id == call.caller.principal.id || call.caller.principal.super_admin) {
      json["email"] = principal->email;
      json["billTo"] = principal_text(*principal);
    }
    return chosen(std::move(json), asked);
  });
}

Task<Answer> describe_org(Call& call) {
  RAMET_CO_ASSIGN(const DescribeFields asked, DescribeFields::parse(call.input));
  co_return co_await call.quick([&]() -> Answer {
    const auto name = principal_name(call.subject);
    auto group = call.access().principal(name.value_or(""));
    if (!group.ok() || group->kind != PrincipalKind::kGroup) {
      return Fault(Type::kResourceNotFound,
                   fmt::format("the organization \"{}\" could not be found", call.subject));
    }
    Json json;
    json["id"] = principal_text(*group);
    json["class"] = "org";
    json["handle"] = group->name;
    json["name"] = group->title.empty() ? group->name : group->title;
    bool may_know = call.caller.principal.super_admin;
    json["level"] = "NONE";
    for (const Membership& membership : call.caller.principal.groups) {
      if (membership.group != group->id) continue;
      json["level"] = membership.admin ? "ADMIN" : "MEMBER";
      may_know = true;
    }
    if (!may_know) return chosen(std::move(json), asked);
    json["spendingLimitReached"] = group->at_spending_limit;
    const int64_t expires = group->account_expires;
    json["expires"] = expires == 0 ? Json(nullptr) : Json(expires / kNanosecondsPerMs);
    return chosen(std::move(json), asked);
  });
}

// Programs that run are not kept here.
Task<Answer> find_nothing(Call&) {
  Json json;
  json["results"] = Json::array();
  json["next"] = nullptr;
  co_return json;
}

}  // namespace ramet::serve::dnanexus
