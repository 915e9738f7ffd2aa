#include "tools/access_names.h"

#include "tools/text.h"

namespace ramet::tools {

const std::vector<std::string> kSwitch = {"on", "off"};
const std::vector<std::string> kLevels = {"view", "upload", "contribute", "administer"};

Result<Principal> principal_named(Context& context, Session& session, const std::string& name) {
  auto found = session.store().access().principal(name);
  if (!found.ok() && found.error().code() == ErrorCode::kNotFound) {
    context.hint = "'ramet user list' and 'ramet group list' show what there is";
  }
  return found;
}

Result<PrincipalId> grantee_named(Context& context, Session& session, const std::string& name) {
  if (name == kEveryoneName) return PrincipalId{};
  RAMET_ASSIGN(const Principal found, principal_named(context, session, name));
  return found.id;
}

Result<ContainerInfo> container_named(Session& session, const std::string& name) {
  RAMET_ASSIGN(const PathSpec spec, parse_path_spec(name));
  if (spec.has_path || !spec.snapshot.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}': expected the name of a container", name));
  }
  return session.container(spec.container);
}

const std::string& AccessNames::of(PrincipalId id) {
  std::string& name = principals_[id];
  if (name.empty() && id.is_null()) name = kEveryoneName;
  if (name.empty()) {
    const auto found = session_.store().access().principal(id);
    name = found.ok() ? found->name : to_uuid(id);
  }
  return name;
}

const std::string& AccessNames::of(ContainerId id) {
  std::string& name = containers_[id];
  if (name.empty()) {
    const auto found = session_.store().container(id);
    name = found.ok() ? found->name : to_uuid(id);
  }
  return name;
}

std::optional<bool> switch_of(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text == "on");
}

std::string time_or(int64_t time, const char* otherwise) {
  return time == 0 ? otherwise : short_time(time);
}

void set_time(Json& json, const std::string& key, int64_t time) {
  json[key] = time == 0 ? Json() : Json(iso_time(time));
}

}  // namespace ramet::tools
