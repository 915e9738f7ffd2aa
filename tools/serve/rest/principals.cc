// Users, service accounts, groups and their members, tokens, keys, and the audit log.
#include <algorithm>

#include <fmt/format.h>

#include "tools/serve/rest/handlers.h"

namespace ramet::serve::rest {
namespace {

Error missing(std::string_view what, std::string_view name) {
  return Error(ErrorCode::kNotFound, fmt::format("there is no {} '{}'", what, name));
}

Json principal_json(AccessControl& access, const Principal& principal) {
  Json json;
  json["id"] = to_uuid(principal.id);
  json["name"] = principal.name;
  json["kind"] = kind_name(principal.kind);
  json["title"] = principal.title;
  json["email"] = principal.email;
  json["super_admin"] = principal.super_admin;
  json["may_create"] = principal.may_create;
  json["disabled"] = principal.disabled;
  json["at_spending_limit"] = principal.at_spending_limit;
  json["account_expires"] = time_or_null(principal.account_expires);
  json["created"] = iso_date(principal.created);
  json["groups"] = Json::array();
  for (const Membership& membership : principal.groups) {
    const auto group = access.principal(membership.group);
    if (!group.ok()) continue;
    Json one;
    one["group"] = group->name;
    one["admin"] = membership.admin;
    json["groups"].push_back(std::move(one));
  }
  return json;
}

bool is_super(const Call& call) { return call.caller.principal.super_admin; }

bool is_group(const Principal& principal) { return principal.kind == PrincipalKind::kGroup; }

// By the name in the path. Users see themselves, super administrators everybody.
Result<Principal> find_user(Call& call) {
  RAMET_ASSIGN(const std::string name, call.param("user"));
  if (!is_super(call) && name != call.caller.principal.name) return missing("user", name);
  auto found = call.access().principal(name);
  if (!found.ok() || is_group(*found)) return missing("user", name);
  return found;
}

bool is_member(const Principal& principal, PrincipalId group, bool as_admin) {
  return std::any_of(principal.groups.begin(), principal.groups.end(), [&](const Membership& one) {
    return one.group == group && (one.admin || !as_admin);
  });
}

Result<Principal> find_group(Call& call) {
  RAMET_ASSIGN(const std::string name, call.param("group"));
  auto found = call.access().principal(name);
  if (!found.ok() || !is_group(*found)) return missing("group", name);
  if (!is_super(call) && !is_member(call.caller.principal, found->id, false)) {
    return missing("group", name);
  }
  return found;
}

Result<Json> group_json(AccessControl& access, const Principal& group) {
  Json json = principal_json(access, group);
  json.erase("groups");
  json.erase("super_admin");
  json["members"] = Json::array();
  RAMET_TRY(access.members(group.id, [&](const Principal& principal) {
    for (const Membership& membership : principal.groups) {
      if (membership.group != group.id) continue;
      Json one;
      one["user"] = principal.name;
      one["admin"] = membership.admin;
      json["members"].push_back(std::move(one));
    }
    return true;
  }));
  return json;
}

template <typename Wanted, typename Render>
Answer list_principals(Call& call, const std::string& key, const Wanted& wanted,
                       const Render& render) {
  RAMET_ASSIGN(const size_t limit, page_limit(call));
  const std::string after = call.text("after");
  std::vector<Principal> page;
  std::string next;
  RAMET_TRY(call.access().principals([&](const Principal& principal) {
    if (principal.name <= after || !wanted(principal)) return true;
    if (page.size() == limit) {
      next = page.back().name;
      return false;
    }
    page.push_back(principal);
    return true;
  }));
  Json list = Json::array();
  for (const Principal& principal : page) {
    RAMET_ASSIGN(Json one, render(principal));
    list.push_back(std::move(one));
  }
  Json json;
  json[key] = std::move(list);
  json["next"] = next.empty() ? Json(nullptr) : Json(next);
  return json_response(200, json);
}

// The members that PATCH may have; `full`: also those that only super administrators set.
Status patch_principal(Members& in, Principal& principal, bool full) {
  if (in.has("title")) principal.title = in.text("title");
  if (in.has("email")) principal.email = in.text("email");
  if (full) {
    if (!is_group(principal)) {
      principal.super_admin = in.flag("super_admin", principal.super_admin);
    }
    principal.may_create = in.flag("may_create", principal.may_create);
    principal.disabled = in.flag("disabled", principal.disabled);
    principal.at_spending_limit = in.flag("at_spending_limit", principal.at_spending_limit);
    if (in.has("account_expires") || in.is_null("account_expires")) {
      principal.account_expires = in.time("account_expires");
    }
  }
  return in.done();
}

Task<Answer> create_principal(Call& call, bool group) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    Principal principal;
    principal.name = in.required("name");
    principal.kind = group ? PrincipalKind::kGroup : PrincipalKind::kUser;
    if (!group && in.choice("kind", {"user", "service"}, 0) == 1) {
      principal.kind = PrincipalKind::kService;
    }
    RAMET_TRY(patch_principal(in, principal, true));
    RAMET_ASSIGN(const Principal made, call.access().create_principal(principal));
    Json out = principal_json(call.access(), made);
    if (group) {
      RAMET_ASSIGN(out, group_json(call.access(), made));
    }
    Response response = json_response(201, out);
    response.fields.set("Location",
                        fmt::format("/v1/{}/{}", group ? "groups" : "users", made.name));
    return response;
  });
}

// Whose secrets a request is about: ?principal or the member of that name, else the caller's own.
Result<Principal> secrets_owner(Call& call, const std::string& name) {
  if (name.empty() || name == call.caller.principal.name) return call.caller.principal;
  if (!is_super(call)) return missing("user", name);
  auto found = call.access().principal(name);
  if (!found.ok() || is_group(*found)) return missing("user", name);
  return found;
}

Json scope_json(const Scope& scope) {
  Json json;
  json["level"] = level_name(scope.most);
  json["containers"] = Json::array();
  for (const ContainerId& id : scope.containers) json["containers"].push_back(to_uuid(id));
  json["account"] = scope.account;
  return json;
}

// {"level", "containers", "account"}: never more than the secret that asks for it may do.
Result<Scope> read_scope(Call& call, const Json* json) {
  const Scope& own = call.caller.scope;
  Scope scope = own;
  if (json == nullptr) return scope;
  Members in(*json, "scope");
  const std::string level = in.text("level");
  const auto names = in.texts("containers");
  scope.account = in.flag("account", own.account);
  const bool confines = in.has("containers");
  RAMET_TRY(in.done());
  if (!level.empty()) {
    RAMET_ASSIGN(scope.most, parse_level(level));
  }
  if (confines) {
    scope.containers.clear();
    for (const std::string& name : names) {
      RAMET_ASSIGN(const Call::Other other, call.other_container(name));
      scope.containers.push_back(other.info.id);
    }
  }
  const bool within =
      own.containers.empty() ||
      (!scope.containers.empty() &&
       std::all_of(scope.containers.begin(), scope.containers.end(), [&](const ContainerId& id) {
         return std::find(own.containers.begin(), own.containers.end(), id) !=
                own.containers.end();
       }));
  if (scope.most > own.most || (scope.account && !own.account) || !within) {
    return call.refuse(403, ErrorCode::kPermissionDenied,
                       "a secret cannot be made for more than the one that asks for it");
  }
  return scope;
}

struct SecretRequest {
  Principal owner;
  std::string name;
  Scope scope;
  int64_t expires = 0;
};
Result<SecretRequest> read_secret(Call& call, const Json& json) {
  Members in(json);
  SecretRequest out;
  out.name = in.text("name");
  out.expires = in.time("expires");
  const std::string principal = in.text("principal");
  const Json* scope = in.value("scope");
  RAMET_TRY(in.done());
  RAMET_ASSIGN(out.owner, secrets_owner(call, principal));
  RAMET_ASSIGN(out.scope, read_scope(call, scope));
  return out;
}

void set_times(Json& json, int64_t created, int64_t expires, int64_t last_used) {
  json["created"] = iso_date(created);
  json["expires"] = time_or_null(expires);
  json["last_used"] = time_or_null(last_used);
}

Json token_json(const Token& token) {
  Json json;
  json["id"] = token.hash.to_hex();
  json["name"] = token.name;
  json["scope"] = scope_json(token.scope);
  set_times(json, token.created, token.expires, token.last_used);
  return json;
}

Json key_json(const AccessKey& key) {
  Json json;
  json["id"] = key.id;
  json["name"] = key.name;
  json["scope"] = scope_json(key.scope);
  set_times(json, key.created, key.expires, key.last_used);
  return json;
}

// Those whose secrets the caller may remove.
Result<std::vector<Principal>> owners(Call& call) {
  std::vector<Principal> all = {call.caller.principal};
  if (!is_super(call)) return all;
  RAMET_TRY(call.access().principals([&](const Principal& principal) {
    if (!is_group(principal)) all.push_back(principal);
    return true;
  }));
  return all;
}

}  // namespace

Task<Answer> get_me(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    Json json = principal_json(call.access(), call.caller.principal);
    json["scope"] = scope_json(call.caller.scope);
    return json_response(200, json);
  });
}

// --- users ---------------------------------------------------------------------------------------

Task<Answer> list_users(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    return list_principals(
        call, "users", [](const Principal& one) { return !is_group(one); },
        [&](const Principal& one) { return Result<Json>(principal_json(call.access(), one)); });
  });
}

Task<Answer> create_user(Call& call) { co_return co_await create_principal(call, false); }

Task<Answer> get_user(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Principal user, find_user(call));
    return json_response(200, principal_json(call.access(), user));
  });
}

Task<Answer> update_user(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(Principal user, find_user(call));
    Members in(json);
    if (!is_super(call)) {
      for (const char* name :
           {"super_admin", "may_create", "disabled", "at_spending_limit", "account_expires"}) {
        if (!in.has(name)) continue;
        return call.refuse(403, ErrorCode::kPermissionDenied,
                           fmt::format("'{}' is for super administrators to set", name));
      }
    }
    RAMET_TRY(patch_principal(in, user, is_super(call)));
    RAMET_TRY(call.access().update_principal(user));
    return json_response(200, principal_json(call.access(), user));
  });
}

Task<Answer> delete_user(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Principal user, find_user(call));
    if (user.id == call.caller.principal.id) {
      return call.refuse(409, ErrorCode::kFailedPrecondition, "nobody removes themselves");
    }
    RAMET_TRY(call.access().remove_principal(user.id));
    return empty_response();
  });
}

// --- groups --------------------------------------------------------------------------------------

Task<Answer> list_groups(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    return list_principals(
        call, "groups",
        [&](const Principal& one) {
          return is_group(one) &&
                 (is_super(call) || is_member(call.caller.principal, one.id, false));
        },
        [&](const Principal& one) { return group_json(call.access(), one); });
  });
}

Task<Answer> create_group(Call& call) { co_return co_await create_principal(call, true); }

Task<Answer> get_group(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Principal group, find_group(call));
    RAMET_ASSIGN(const Json json, group_json(call.access(), group));
    return json_response(200, json);
  });
}

Task<Answer> update_group(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(Principal group, find_group(call));
    Members in(json);
    RAMET_TRY(patch_principal(in, group, true));
    RAMET_TRY(call.access().update_principal(group));
    RAMET_ASSIGN(const Json out, group_json(call.access(), group));
    return json_response(200, out);
  });
}

Task<Answer> delete_group(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Principal group, find_group(call));
    RAMET_TRY(call.access().remove_principal(group.id));
    return empty_response();
  });
}

namespace {

// Puts a user into the group, or (without `admin`) takes it out.
Answer change_member(Call& call, std::optional<bool> admin) {
  RAMET_ASSIGN(const Principal group, find_group(call));
  if (!is_super(call) && !is_member(call.caller.principal, group.id, true)) {
    return call.refuse(403, ErrorCode::kPermissionDenied,
                       "this is for the group's administrators");
  }
  RAMET_ASSIGN(const std::string name, call.param("user"));
  auto user = call.access().principal(name);
  if (!user.ok() || is_group(*user)) return missing("user", name);
  const bool was = is_member(*user, group.id, false);
  if (!admin && !was) return missing("member", name);
  std::erase_if(user->groups, [&](const Membership& one) { return one.group == group.id; });
  if (admin) user->groups.push_back({group.id, *admin});
  std::sort(user->groups.begin(), user->groups.end(),
            [](const Membership& a, const Membership& b) { return a.group < b.group; });
  RAMET_TRY(call.access().update_principal(*user));
  if (!admin) return empty_response();
  Json json;
  json["user"] = name;
  json["admin"] = *admin;
  return json_response(was ? 200 : 201, json);
}

}  // namespace

Task<Answer> put_member(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call, true));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    const bool admin = in.flag("admin");
    RAMET_TRY(in.done());
    return change_member(call, admin);
  });
}

Task<Answer> delete_member(Call& call) {
  co_return co_await call.slow([&]() -> Answer { return change_member(call, std::nullopt); });
}

// --- secrets -------------------------------------------------------------------------------------

Task<Answer> list_tokens(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Principal owner, secrets_owner(call, call.text("principal")));
    Json list = Json::array();
    RAMET_TRY(call.access().tokens(owner.id, [&](const Token& token) {
      list.push_back(token_json(token));
      return true;
    }));
    Json json;
    json["tokens"] = std::move(list);
    return json_response(200, json);
  });
}

Task<Answer> create_token(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call, true));
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const SecretRequest request, read_secret(call, json));
    RAMET_ASSIGN(const AccessControl::NewToken made,
                 call.access().create_token(request.owner.id, request.name, request.scope,
                                            request.expires));
    Json out = token_json(made.token);
    out["secret"] = made.secret;
    Response response = json_response(201, out);
    response.fields.set("Cache-Control", "no-store");
    return response;
  });
}

Task<Answer> delete_token(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const std::string id, call.param("token"));
    RAMET_ASSIGN(const auto all, owners(call));
    for (const Principal& owner : all) {
      std::optional<ContentHash> found;
      RAMET_TRY(call.access().tokens(owner.id, [&](const Token& token) {
        if (token.hash.to_hex() == id) found = token.hash;
        return !found;
      }));
      if (!found) continue;
      RAMET_TRY(call.access().remove_token(*found));
      return empty_response();
    }
    return missing("token", id);
  });
}

Task<Answer> list_keys(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Principal owner, secrets_owner(call, call.text("principal")));
    Json list = Json::array();
    RAMET_TRY(call.access().keys(owner.id, [&](const AccessKey& key) {
      list.push_back(key_json(key));
      return true;
    }));
    Json json;
    json["keys"] = std::move(list);
    return json_response(200, json);
  });
}

Task<Answer> create_key(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call, true));
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const SecretRequest request, read_secret(call, json));
    RAMET_ASSIGN(const AccessKey made,
                 call.access().create_key(request.owner.id, request.name, request.scope,
                                          request.expires));
    Json out = key_json(made);
    out["secret"] = made.secret;
    Response response = json_response(201, out);
    response.fields.set("Cache-Control", "no-store");
    return response;
  });
}

Task<Answer> delete_key(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const std::string id, call.param("key"));
    RAMET_ASSIGN(const auto all, owners(call));
    for (const Principal& owner : all) {
      bool found = false;
      RAMET_TRY(call.access().keys(owner.id, [&](const AccessKey& key) {
        found = key.id == id;
        return !found;
      }));
      if (!found) continue;
      RAMET_TRY(call.access().remove_key(id));
      return empty_response();
    }
    return missing("key", id);
  });
}

// --- audit ---------------------------------------------------------------------------------------

Task<Answer> list_audit(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const size_t limit, page_limit(call));
    RAMET_ASSIGN(const uint64_t after, call.number("after", 0, INT64_MAX));
    Json list = Json::array();
    Json next;
    uint64_t last = after;
    RAMET_TRY(call.access().audit_log(after + 1, [&](const AuditEntry& entry) {
      if (list.size() == limit) {
        next = last;
        return false;
      }
      last = entry.number;
      Json one;
      one["number"] = entry.number;
      one["time"] = iso_date(entry.time);
      one["principal"] = entry.principal;
      one["action"] = entry.action;
      set_name(one, "target", entry.target);
      set_name(one, "detail", entry.detail);
      one["from"] = entry.from;
      list.push_back(std::move(one));
      return true;
    }));
    Json json;
    json["entries"] = std::move(list);
    json["next"] = std::move(next);
    return json_response(200, json);
  });
}

}  // namespace ramet::serve::rest
