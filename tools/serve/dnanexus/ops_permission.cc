// Who may do what in a project.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tools/serve/dnanexus/handlers.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr std::string_view kPublic = "PUBLIC";

// "user-alice", "org-team", an e-mail address or "PUBLIC", which is the null id.
Outcome<PrincipalId> parse_member(Call& call, const std::string& text) {
  if (text == kPublic) return PrincipalId{};
  const Fault missing(Type::kResourceNotFound, fmt::format("\"{}\" could not be found", text));
  if (const auto name = principal_name(text)) {
    auto principal = call.access().principal(*name);
    if (principal.ok() && principal_text(*principal) == text) return principal->id;
    return missing;
  }
  if (text.find('@') == std::string::npos) {
    return wrong_type("invitee", "a user, an organization, an e-mail address or \"PUBLIC\"");
  }
  std::optional<PrincipalId> found;
  RAMET_TRY(call.access().principals([&](const Principal& one) {
    if (one.email == text && one.kind != PrincipalKind::kGroup) found = one.id;
    return !found;
  }));
  if (!found) return missing;
  return *found;
}

Outcome<std::map<PrincipalId, AccessLevel>> grants_on(Call& call, const ContainerId& container) {
  std::map<PrincipalId, AccessLevel> out;
  RAMET_TRY(call.access().grants(container, [&](const Grant& grant) {
    out[grant.principal] = grant.level;
    return true;
  }));
  return out;
}

}  // namespace

// What somebody has is never made less by it.
Task<Answer> invite(Call& call) {
  RAMET_CO_ASSIGN(const std::string invitee, call.in().some_text("invitee"));
  RAMET_CO_ASSIGN(const std::string text, call.in().some_text("level"));
  RAMET_CO_ASSIGN(const AccessLevel level, parse_level_text(text));
  if (level == AccessLevel::kNone) co_return wrong_type("level", "VIEW or more");
  if (invitee == kPublic && level != AccessLevel::kView) {
    co_return Fault(Type::kInvalidInput, "PUBLIC can be given VIEW alone");
  }
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Project project, call.subject_project(AccessLevel::kAdminister));
    RAMET_ASSIGN(const PrincipalId member, parse_member(call, invitee));
    RAMET_ASSIGN(const auto grants, grants_on(call, project.info.id));
    const auto has = grants.find(member);
    if (has == grants.end() || has->second < level) {
      RAMET_TRY(call.access().set_grant(project.info.id, member, level));
    }
    Json json = subject_json(call);
    json["state"] = "accepted";
    return json;
  });
}

Task<Answer> decrease_permissions(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Project project, call.subject_project(AccessLevel::kView));
    RAMET_ASSIGN(auto grants, grants_on(call, project.info.id));
    std::vector<std::pair<PrincipalId, AccessLevel>> wanted;
    for (const auto& [text, value] : call.input.items()) {
      if (text != kPublic && !principal_name(text)) continue;  // an unknown key
      AccessLevel level = AccessLevel::kNone;
      if (!value.is_null()) {
        if (!value.is_string()) return wrong_type(text, "a permission level or null");
        RAMET_ASSIGN(level, parse_level_text(value.get<std::string>()));
      }
      RAMET_ASSIGN(const PrincipalId member, parse_member(call, text));
      if (member != call.caller.principal.id && project.level < AccessLevel::kAdminister) {
        return Fault(Type::kPermissionDenied,
                     fmt::format("ADMINISTER permission required in \"{}\" for the permissions of "
                                 "others",
                                 call.subject));
      }
      const auto has = grants.find(member);
      const AccessLevel now = has == grants.end() ? AccessLevel::kNone : has->second;
      if (level > now) {
        return Fault(Type::kInvalidInput,
                     fmt::format("\"{}\" has {}, which is less than {}", text, level_text(now),
                                 level_text(level)));
      }
      if (level == now) continue;
      grants[member] = level;
      wanted.emplace_back(member, level);
    }
    const bool stays_managed =
        std::any_of(grants.begin(), grants.end(),
                    [](const auto& one) { return one.second == AccessLevel::kAdminister; });
    if (!wanted.empty() && !stays_managed && !call.caller.principal.super_admin) {
      return Fault(Type::kInvalidState,
                   fmt::format("nobody would have ADMINISTER in \"{}\"", call.subject));
    }
    for (const auto& [member, level] : wanted) {
      RAMET_TRY(call.access().set_grant(project.info.id, member, level));
    }
    return subject_json(call);
  });
}

Task<Answer> leave(Call& call) {
  call.input = Json::object();
  call.input[principal_text(call.caller.principal)] = nullptr;
  return decrease_permissions(call);
}

}  // namespace ramet::serve::dnanexus
