// /class-xxxx/clone and listProjects: the inputs, rules and errors of the API's page "Cloning",
// around one engine call (CloneSpec::by_id).
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "tools/serve/content_rules.h"
#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/object_json.h"
#include "tools/serve/dnanexus/paths.h"
#include "tools/serve/pause.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr int kAttempts = 50;
constexpr int64_t kNanosecondsPerMs = 1'000'000;

struct CloneInput {
  ContainerId source;
  ContainerId target;
  std::vector<ObjectRef> objects;
  std::vector<std::string> folders;
  std::string destination;
  bool parents = false;
};

// What can be said of it without looking at anything.
Outcome<CloneInput> read_clone(const Call& call) {
  const Input in(call.input);
  CloneInput out;
  RAMET_ASSIGN(const auto objects, in.texts("objects"));
  RAMET_ASSIGN(const auto folders, in.texts("folders"));
  if (!objects && !folders) {
    return Fault(Type::kInvalidInput, "expected 'objects' or 'folders' to be given");
  }
  RAMET_ASSIGN(const std::string project, in.some_text("project"));
  if (project == call.subject) {
    return Fault(Type::kInvalidInput, "expected 'project' to be another than the source container");
  }
  RAMET_ASSIGN(out.parents, in.flag("parents", false));
  if (in.has("destination")) {
    RAMET_ASSIGN(const std::string destination, in.some_text("destination"));
    RAMET_ASSIGN(out.destination, normal_folder(destination, "destination"));
  }
  std::map<std::string, std::string> names;
  for (const std::string& text : folders.value_or(std::vector<std::string>())) {
    RAMET_ASSIGN(const std::string path, normal_folder(text, "folders"));
    const auto [other, is_new] = names.emplace(folder_name(path), path);
    if (is_new) {
      out.folders.push_back(shown_folder(path));
    } else if (other->second != path) {
      return Fault(Type::kInvalidInput,
                   fmt::format("the folders \"{}\" and \"{}\" have the same name", other->second,
                               path));
    }
  }
  const auto target = parse_container(project);
  if (!target) {
    return Fault(Type::kInvalidType,
                 fmt::format("'project': \"{}\" is not a container ID", project));
  }
  const auto source = parse_container(call.subject);
  if (!source) {
    return Fault(Type::kResourceNotFound, fmt::format("there is no \"{}\"", call.subject));
  }
  if (*target == *source) {
    return Fault(Type::kInvalidInput, "expected 'project' to be another than the source container");
  }
  out.source = *source;
  out.target = *target;
  for (const std::string& text : objects.value_or(std::vector<std::string>())) {
    const auto object = parse_object(text);
    if (!object) {
      return Fault(Type::kResourceNotFound,
                   fmt::format("\"{}\" could not be found in \"{}\"", text, call.subject));
    }
    out.objects.push_back(*object);
  }
  return out;
}

// A container that there is, whatever the caller may do in it.
Outcome<Project> any_project(Call& call, const ContainerId& id) {
  Project out;
  auto info = call.store().container(id);
  if (!info.ok()) {
    if (info.error().code() == ErrorCode::kNotFound) {
      return Fault(Type::kResourceNotFound, fmt::format("there is no \"{}\"", to_text(id)));
    }
    return std::move(info).error();
  }
  out.info = std::move(*info);
  RAMET_ASSIGN(out.level, call.access().level(call.caller, id));
  RAMET_ASSIGN(out.rules, call.access().container_access(id));
  return out;
}

bool is_third_party_sponsored(const ContainerAccess& rules) {
  return !rules.sponsor.empty() && rules.sponsor != rules.bill_to;
}

Fault denied(std::string message) { return Fault(Type::kPermissionDenied, std::move(message)); }

// What both containers say, before any object is looked at.
Outcome<void> check_containers(Call& call, const CloneInput& input, const Project& source,
                               const Project& target) {
  if (source.level < AccessLevel::kView) {
    return denied(fmt::format("VIEW permission required in \"{}\"", to_text(input.source)));
  }
  if (target.level < AccessLevel::kUpload) {
    return denied(fmt::format("UPLOAD permission required in \"{}\"", to_text(input.target)));
  }
  if (call.region_of(source.rules) != call.region_of(target.rules)) {
    std::string why = fmt::format("\"{}\" is in the region {}, \"{}\" in {}", to_text(input.source),
                                  call.region_of(source.rules), to_text(input.target),
                                  call.region_of(target.rules));
    if (!input.objects.empty()) return Fault(Type::kInvalidInput, std::move(why));
    return denied(std::move(why));
  }
  RAMET_TRY(check_may_go(source.rules, target.rules));
  const std::string& billed = target.rules.bill_to;
  const auto principal = call.access().principal(billed);
  if (!principal.ok()) return {};
  if (principal->account_expires != 0 &&
      principal->account_expires / kNanosecondsPerMs <= now_ms()) {
    return Fault(Type::kOrgExpired, fmt::format("\"{}\", which \"{}\" is billed to, has expired",
                                                principal_text(*principal),
                                                to_text(input.target)));
  }
  if (principal->at_spending_limit && billed != source.rules.bill_to) {
    return Fault(Type::kSpendingLimitExceeded,
                 fmt::format("\"{}\", which \"{}\" is billed to, has reached its spending limit",
                             principal_text(*principal), to_text(input.target)));
  }
  return {};
}

Outcome<std::string> object_text(Call& call, const View& view, const ObjectId& id) {
  RAMET_ASSIGN(const ObjectInfo info, view.object(id));
  RAMET_ASSIGN(const ObjectClass object_class, class_of(call.store(), info.type));
  return to_text(ObjectRef{object_class, id});
}

// The engine's reasons in the API's words.
Fault refused(Call& call, const CloneInput& input, const std::vector<CloneRefusal>& refusals,
              Error error) {
  if (refusals.empty()) return Fault(std::move(error));
  const CloneRefusal& first = refusals.front();
  const auto view = call.store().view(input.source);
  const auto text_of = [&](const ObjectId& id) {
    if (view.ok()) {
      auto text = object_text(call, **view, id);
      if (text.ok()) return *text;
    }
    return to_uuid(id);
  };
  const std::string where =
      first.folder.empty() ? "" : fmt::format(" in folder \"{}\"", first.folder);
  const auto state = [&](std::string_view why) {
    return Fault(Type::kInvalidState,
                 fmt::format("Cannot clone one or more objects{} as {} (\"{}\")", where, why,
                             text_of(first.object)));
  };
  switch (first.reason) {
    case CloneRefusalReason::kNotClosed: return state("they are not in the closed state");
    case CloneRefusalReason::kNeverCloned:
      return state("they are database objects, which are moved and not cloned");
    case CloneRefusalReason::kTransition: return state("they are being archived or unarchived");
    case CloneRefusalReason::kNotLive:
      return state("they are not in the live state, and the source project and destination "
                   "project belong to different billTo orgs");
    case CloneRefusalReason::kSponsored:
      return state("they are sponsored by the service, and the destination by a third party");
    case CloneRefusalReason::kFolderThere:
      return Fault(Type::kInvalidState,
                   fmt::format("If cloned, a folder would conflict with the route of an existing "
                               "folder: \"{}\"",
                               first.folder));
    case CloneRefusalReason::kHeld: break;
  }
  Json list = Json::array();
  for (const CloneRefusal& refusal : refusals) {
    list.push_back(Json{{"id", text_of(refusal.object)}, {"project", to_text(refusal.holder)}});
  }
  return Fault(Type::kInvalidState,
               "One or more objects are already third-party sponsored in another project",
               Json{{"alreadySponsored", std::move(list)}});
}

// One attempt. `is_busy`: others changed the target meanwhile; to be done again.
Answer clone_once(Call& call, const CloneInput& input, bool& is_busy) {
  RAMET_ASSIGN(const Project source, any_project(call, input.source));
  RAMET_ASSIGN(const Project target, any_project(call, input.target));
  RAMET_TRY(check_containers(call, input, source, target));
  CloneSpec spec;
  spec.by_id = true;
  spec.source = input.source;
  spec.target = input.target;
  spec.paths = input.folders;
  spec.target_folder = input.destination;
  spec.parents = input.parents;
  spec.only_live = source.rules.bill_to != target.rules.bill_to;
  {
    RAMET_ASSIGN(const auto view, call.store().view(input.source));
    for (const ObjectRef& object : input.objects) {
      auto text = object_text(call, *view, object.id);
      if (!text.ok() && text.error().type != Type::kResourceNotFound) {
        return std::move(text).error();
      }
      if (!text.ok() || *text != to_text(object)) {
        return Fault(Type::kResourceNotFound,
                     fmt::format("\"{}\" could not be found in \"{}\"", to_text(object),
                                 call.subject));
      }
      spec.objects.push_back(object.id);
    }
    for (const std::string& folder : input.folders) {
      const std::string path = folder == "/" ? "" : folder;
      RAMET_TRY(open_folder(*view, path, input.source));
    }
    RAMET_ASSIGN(const auto there, call.store().view(input.target));
    if (!input.parents) RAMET_TRY(open_folder(*there, input.destination, input.target));
  }
  if (is_third_party_sponsored(target.rules)) {
    spec.no_sponsored = true;
    RAMET_ASSIGN(spec.not_held_by, call.containers_where([](const ContainerAccess& rules) {
                   return is_third_party_sponsored(rules);
                 }));
    std::erase(spec.not_held_by, input.target);
  }
  std::vector<CloneRefusal> refusals;
  spec.refusals = &refusals;
  Json json;
  json["id"] = call.subject;
  json["project"] = to_text(input.target);
  json["exists"] = Json::array();
  if (spec.paths.empty() && spec.objects.empty()) return json;  // (an empty list selects nothing)
  auto result = call.store().clone(spec);
  if (!result.ok()) {
    is_busy = result.error().code() == ErrorCode::kBusy;
    return refused(call, input, refusals, std::move(result).error());
  }
  if (!result->existing.empty()) {
    RAMET_ASSIGN(const auto view, call.store().view(input.source));
    for (const ObjectId& id : result->existing) {
      auto text = object_text(call, *view, id);
      if (!text.ok()) {  // removed from the source since
        RAMET_ASSIGN(const auto there, call.store().view(input.target));
        text = object_text(call, *there, id);
      }
      if (text.ok()) json["exists"].push_back(*text);
    }
  }
  call.audit("container.clone", target.info.name,
             fmt::format("from {}: {} objects, {} folders", source.info.name,
                         result->objects_created, result->folders_created));
  return json;
}

}  // namespace

Task<Answer> clone(Call& call) {
  RAMET_CO_ASSIGN(const CloneInput input, read_clone(call));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    bool is_busy = false;
    const auto once = [&] { return clone_once(call, input, is_busy); };
    auto answer = co_await call.slow(once);
    if (!is_busy) co_return answer;
    co_await pause_before(attempt);
  }
  co_return Fault(Type::kServiceUnavailable,
                  "the destination is being changed by too many others; nothing was cloned");
}

Task<Answer> list_projects(Call& call) {
  RAMET_CO_ASSIGN(const auto org, call.in().text("archivalInfoForOrg"));
  const auto list = [&]() -> Answer {
    RAMET_ASSIGN(const ObjectRef object, call.subject_object());
    std::optional<Principal> group;
    if (org) {
      auto found = call.access().principal(principal_name(*org).value_or(""));
      if (!found.ok() || found->kind != PrincipalKind::kGroup || !call.is_admin_of(found->id)) {
        return Fault(Type::kPermissionDenied,
                     fmt::format("only an ADMIN of \"{}\" is told what is archived", *org));
      }
      group = std::move(*found);
    }
    RAMET_ASSIGN(const std::vector<Project> visible, call.visible_projects());
    std::map<ContainerId, AccessLevel> levels;
    std::vector<ContainerId> ids;
    for (const Project& one : visible) {
      levels[one.info.id] = one.level;
      ids.push_back(one.info.id);
    }
    if (group) {  // and those that the org pays for
      RAMET_ASSIGN(const auto paid, call.containers_where([&](const ContainerAccess& rules) {
                     return rules.bill_to == group->name;
                   }));
      for (const ContainerId& id : paid) {
        if (!levels.contains(id)) ids.push_back(id);
      }
    }
    RAMET_ASSIGN(const auto holders, call.store().holders(object.id, ids));
    Json json = Json::object();
    Json live = Json::array();
    bool is_seen = false;
    for (const ContainerId& id : holders) {
      RAMET_ASSIGN(const auto view, call.store().view(id));
      const auto info = view->object(object.id);
      if (!info.ok() && info.error().code() == ErrorCode::kNotFound) continue;
      if (!info.ok()) return Fault(info.error());
      RAMET_ASSIGN(const ObjectClass object_class, class_of(call.store(), info->type));
      if (object_class != object.object_class) continue;
      is_seen = true;
      const auto level = levels.find(id);
      if (level != levels.end()) json[to_text(id)] = level_text(level->second);
      if (info->standing.archival == Archival::kLive) live.push_back(to_text(id));
    }
    if (!is_seen) {
      return Fault(Type::kResourceNotFound,
                   fmt::format("the object \"{}\" could not be found", call.subject));
    }
    if (group) json["liveProjects"] = std::move(live);
    return json;
  };
  if (org) co_return co_await call.slow(list);
  co_return co_await call.quick(list);
}

}  // namespace ramet::serve::dnanexus
