// Containers, their settings, and who may do what in them.
#include <algorithm>

#include <fmt/format.h>

#include "tools/serve/rest/handlers.h"

namespace ramet::serve::rest {
namespace {

constexpr size_t kLookedAtMax = 20'000;  // containers that one list looks at

std::string container_etag(const ContainerInfo& info) {
  return fmt::format("\"{}\"", info.changed);
}

Response container_response(int status, const ContainerInfo& info, AccessLevel level) {
  Json json = container_json(info);
  json["level"] = level_name(level);
  Response response = json_response(status, json);
  response.fields.set("ETag", container_etag(info));
  return response;
}

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

// {"name": "value"}; null unsets, where that means something.
struct SettingChange {
  std::string name;
  std::optional<std::string> value;
};
Result<std::vector<SettingChange>> read_settings(const Json& json) {
  if (!json.is_object()) return invalid("the settings must be a JSON object of strings");
  std::vector<SettingChange> changes;
  for (const auto& [name, value] : json.items()) {
    if (value.is_null()) {
      RAMET_TRY(check_setting_name(name, true));
      changes.push_back({name, std::nullopt});
      continue;
    }
    if (!value.is_string()) return invalid("the setting '" + name + "' must be a string or null");
    RAMET_ASSIGN(std::string checked, check_setting(name, value.get<std::string>(), true));
    changes.push_back({name, std::move(checked)});
  }
  return changes;
}

Result<Json> settings_json(Store& store, ContainerId id) {
  static constexpr std::array<const char*, 3> kSources = {"default", "store", "container"};
  RAMET_ASSIGN(const auto settings, store.settings(id));
  Json json = Json::object();
  for (const SettingInfo& setting : settings) {
    Json one;
    one["value"] = setting.value;
    one["source"] = kSources[static_cast<size_t>(setting.source)];
    json[setting.name] = std::move(one);
  }
  return json;
}

Json access_json(const ContainerAccess& access) {
  Json json;
  json["restricted"] = access.is_restricted;
  json["protected"] = access.is_protected;
  json["region"] = access.region;
  json["bill_to"] = access.bill_to;
  json["sponsor"] = access.sponsor;
  json["data_access_request"] = access.data_access_request;
  json["contains_phi"] = access.contains_phi;
  json["download_restricted"] = access.is_download_restricted;
  return json;
}

Result<PrincipalId> grantee(Call& call) {
  RAMET_ASSIGN(const std::string name, call.param("principal"));
  if (name == kEveryoneName) return PrincipalId{};
  RAMET_ASSIGN(const Principal principal, call.access().principal(name));
  return principal.id;
}

}  // namespace

Task<Answer> list_containers(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const size_t limit, page_limit(call));
    const std::string prefix = call.text("prefix");
    Json list = Json::array();
    std::string next;
    std::string last = call.text("after");
    size_t looked_at = 0;
    Status status;
    // Names before the prefix are passed over at once.
    const std::string from = std::max(last, prefix);
    const auto visit = [&](const ContainerInfo& info) {
      if (!info.name.starts_with(prefix)) return info.name < prefix;
      if (list.size() == limit || ++looked_at > kLookedAtMax) {
        next = last;
        return false;
      }
      last = info.name;
      if (info.name == kStagingContainer) return true;
      const auto level = call.access().level(call.caller, info.id);
      if (!level.ok()) {
        status = level.error();
        return false;
      }
      if (*level == AccessLevel::kNone) return true;
      Json json = container_json(info);
      json["level"] = level_name(*level);
      list.push_back(std::move(json));
      return true;
    };
    // `after` itself is left out, but a container that is named as the prefix is one of them.
    if (!prefix.empty() && from == prefix && last < prefix) {
      const auto same = call.store().container(prefix);
      if (!same.ok() && same.error().code() == ErrorCode::kWouldWait) return same.error();
      if (same.ok()) visit(*same);
    }
    RAMET_TRY(call.store().containers(from, visit));
    RAMET_TRY(status);
    Json json;
    json["containers"] = std::move(list);
    json["next"] = nullptr;
    if (!next.empty()) set_name(json, "next", next);
    return json_response(200, json);
  });
}

Task<Answer> create_container(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    const std::string name = in.required("name");
    const std::string note = in.text("note");
    const bool flat = in.flag("flat");
    const int64_t expires = in.time("expires");
    const Json* settings = in.value("settings");
    RAMET_TRY(in.done());
    if (!call.caller.principal.may_create && !call.caller.principal.super_admin) {
      return call.refuse(403, ErrorCode::kPermissionDenied, "this user may not create containers");
    }
    if (name == kStagingContainer) return invalid("this name is the store's own");
    std::vector<Setting> values;
    if (settings != nullptr) {
      RAMET_ASSIGN(const auto changes, read_settings(*settings));
      for (const SettingChange& change : changes) {
        if (change.value) values.push_back({change.name, *change.value});
      }
    }
    RAMET_ASSIGN(const ContainerInfo info,
                 call.store().create_container(
                     name, note, values, expires,
                     flat ? ContainerForm::kFlat : ContainerForm::kFolders));
    const Status granted = call.access().set_grant(info.id, call.caller.principal.id,
                                                   AccessLevel::kAdminister);
    if (!granted.ok()) {
      ignore_error(call.store().drop_container(info.id, {.now = true}), "nobody could use it");
      return granted.error();
    }
    call.audit("container.create", name);
    Response response = container_response(201, info, AccessLevel::kAdminister);
    response.fields.set("Location", "/v1/containers/" + to_uuid(info.id));
    return response;
  });
}

Task<Answer> get_container(Call& call) {
  if (check_conditions(call.request, container_etag(call.container), 0) ==
      Condition::kNotModified) {
    Response response = empty_response(304);
    response.fields.set("ETag", container_etag(call.container));
    co_return response;
  }
  co_return container_response(200, call.container, call.level);
}

Task<Answer> update_container(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    const std::string name = in.text("name");
    const bool sets_expiry = in.has("expires") || in.is_null("expires");
    const int64_t expires = in.time("expires");
    std::vector<SettingChange> changes;
    if (const Json* settings = in.value("settings")) {
      RAMET_ASSIGN(changes, read_settings(*settings));
    }
    RAMET_TRY(in.done());
    Store& store = call.store();
    const ContainerId id = call.container.id;
    // First what alone may fail for somebody else's doing, so that nothing is done by half.
    if (!name.empty() && name != call.container.name) {
      if (name == kStagingContainer) return invalid("this name is the store's own");
      RAMET_TRY(store.rename_container(id, name));
      call.audit("container.rename", call.container.name, name);
    }
    if (sets_expiry) RAMET_TRY(store.set_expiry(id, "", expires));
    for (const SettingChange& change : changes) {
      RAMET_TRY(store.set_setting(id, change.name, change.value));
    }
    RAMET_ASSIGN(const ContainerInfo info, store.container(id));
    return container_response(200, info, call.level);
  });
}

Task<Answer> drop_container(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    DropOptions options;
    RAMET_ASSIGN(options.now, call.flag("now"));
    RAMET_TRY(call.store().drop_container(call.container.id, options));
    call.audit("container.drop", call.container.name, options.now ? "now" : "");
    return empty_response();
  });
}

Task<Answer> get_settings(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const Json json, settings_json(call.store(), call.container.id));
    return json_response(200, json);
  });
}

Task<Answer> update_settings(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const auto changes, read_settings(json));
    for (const SettingChange& change : changes) {
      RAMET_TRY(call.store().set_setting(call.container.id, change.name, change.value));
      call.audit("container.setting", call.container.name, change.name);
    }
    RAMET_ASSIGN(const Json now, settings_json(call.store(), call.container.id));
    return json_response(200, now);
  });
}

Task<Answer> get_access(Call& call) { co_return json_response(200, access_json(call.rules)); }

Task<Answer> put_access(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    ContainerAccess access;
    access.is_restricted = in.flag("restricted");
    access.is_protected = in.flag("protected");
    access.region = in.text("region");
    access.bill_to = in.text("bill_to");
    access.sponsor = in.text("sponsor");
    access.data_access_request = in.text("data_access_request");
    access.contains_phi = in.flag("contains_phi");
    access.is_download_restricted = in.flag("download_restricted");
    RAMET_TRY(in.done());
    RAMET_TRY(call.access().set_container_access(call.container.id, access));
    return json_response(200, access_json(access));
  });
}

Task<Answer> list_grants(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    std::vector<Grant> grants;
    RAMET_TRY(call.access().grants(call.container.id, [&](const Grant& grant) {
      grants.push_back(grant);
      return true;
    }));
    Json list = Json::array();
    for (const Grant& grant : grants) {
      Json one;
      one["principal"] = kEveryoneName;
      if (!grant.principal.is_null()) {
        const auto principal = call.access().principal(grant.principal);
        if (!principal.ok()) {
          if (principal.error().code() != ErrorCode::kNotFound) return principal.error();
          continue;  // it was just removed
        }
        one["principal"] = principal->name;
      }
      one["level"] = level_name(grant.level);
      list.push_back(std::move(one));
    }
    Json json;
    json["grants"] = std::move(list);
    return json_response(200, json);
  });
}

Task<Answer> put_grant(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    const std::string word = in.required("level");
    RAMET_TRY(in.done());
    RAMET_ASSIGN(const AccessLevel level, parse_level(word));
    RAMET_ASSIGN(const PrincipalId principal, grantee(call));
    RAMET_TRY(call.access().set_grant(call.container.id, principal, level));
    RAMET_ASSIGN(const std::string name, call.param("principal"));
    Json now;
    now["principal"] = name;
    now["level"] = level_name(level);
    return json_response(200, now);
  });
}

Task<Answer> delete_grant(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const PrincipalId principal, grantee(call));
    RAMET_TRY(call.access().set_grant(call.container.id, principal, AccessLevel::kNone));
    return empty_response();
  });
}

}  // namespace ramet::serve::rest
