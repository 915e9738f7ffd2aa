#include "tools/serve/dnanexus/call.h"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "tools/serve/dnanexus/object_json.h"
#include "tools/serve/pause.h"
#include "tools/serve/staging.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr int kAttempts = 50;
constexpr std::array<std::string_view, 5> kLevels = {"NONE", "VIEW", "UPLOAD", "CONTRIBUTE",
                                                     "ADMINISTER"};

Fault not_found(std::string_view what) {
  return Fault(Type::kResourceNotFound, fmt::format("\"{}\" is not a recognized ID", what));
}

Fault not_in(const ObjectRef& object, const ContainerId& container) {
  return Fault(Type::kResourceNotFound,
               fmt::format("\"{}\" could not be found in \"{}\"", to_text(object),
                           to_text(container)));
}

Fault too_little(AccessLevel least, const ContainerId& container) {
  return Fault(Type::kPermissionDenied, fmt::format("{} permission required in \"{}\" to perform "
                                                    "this action",
                                                    level_text(least), to_text(container)));
}

// Not what waits for uploads; and what holds records is another face's.
bool is_shown(const ContainerInfo& info) {
  return info.name != kStagingContainer && info.form != ContainerForm::kRecords;
}

}  // namespace

Json subject_json(const Call& call) {
  Json json;
  json["id"] = call.subject;
  return json;
}

Json fault_json(const Fault& fault) {
  Json json;
  json["error"] = Json{{"type", type_name(fault.type)}, {"message", fault.message}};
  json["statusCode"] = type_status(fault.type);
  return json;
}

std::string_view level_text(AccessLevel level) { return kLevels[static_cast<size_t>(level)]; }

Outcome<AccessLevel> parse_level_text(std::string_view text) {
  for (size_t i = 0; i < kLevels.size(); ++i) {
    if (kLevels[i] == text) return static_cast<AccessLevel>(i);
  }
  return Fault(Type::kInvalidInput,
               fmt::format("'{}' is no permission level: NONE, VIEW, UPLOAD, CONTRIBUTE or "
                           "ADMINISTER",
                           text));
}

std::string principal_text(const Principal& principal) {
  return (principal.kind == PrincipalKind::kGroup ? "org-" : "user-") + principal.name;
}

std::optional<std::string> principal_name(std::string_view text) {
  for (const std::string_view prefix : {"user-", "org-"}) {
    if (text.starts_with(prefix) && text.size() > prefix.size()) {
      return std::string(text.substr(prefix.size()));
    }
  }
  return std::nullopt;
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string Call::region_of(const ContainerAccess& rules) const {
  if (!rules.region.empty()) return rules.region;
  const std::string& own = shared.services.options.region;
  return own.find(':') == std::string::npos ? "aws:" + own : own;
}

Outcome<Project> Call::project(const ContainerId& id, AccessLevel least) {
  Project out;
  auto info = store().container(id);
  if (!info.ok()) {
    if (info.error().code() == ErrorCode::kNotFound) return not_found(to_text(id));
    return std::move(info).error();
  }
  out.info = std::move(*info);
  if (!is_shown(out.info)) return not_found(to_text(id));
  RAMET_ASSIGN(out.level, access().level(caller, id));
  if (out.level == AccessLevel::kNone) return not_found(to_text(id));
  if (out.level < least) return too_little(least, id);
  RAMET_ASSIGN(out.rules, access().container_access(id));
  return out;
}

Outcome<Project> Call::project(std::string_view text, AccessLevel least) {
  const auto id = parse_container(text);
  if (!id) return not_found(text);
  return project(*id, least);
}

Outcome<std::vector<ContainerId>> Call::containers_where(
    FunctionRef<bool(const ContainerAccess&)> wanted) {
  std::vector<ContainerId> all;
  RAMET_TRY(store().containers({}, [&](const ContainerInfo& info) {
    all.push_back(info.id);
    return true;
  }));
  std::vector<ContainerId> out;
  for (const ContainerId& id : all) {
    RAMET_ASSIGN(const ContainerAccess rules, access().container_access(id));
    if (wanted(rules)) out.push_back(id);
  }
  return out;
}

bool Call::is_admin_of(const PrincipalId& payer) const {
  const Scope& scope = caller.scope;
  if (!scope.account || !scope.containers.empty() || scope.most < AccessLevel::kContribute) {
    return false;
  }
  const auto& groups = caller.principal.groups;
  return caller.principal.super_admin || caller.principal.id == payer ||
         std::any_of(groups.begin(), groups.end(), [&](const Membership& one) {
           return one.group == payer && one.admin;
         });
}

Outcome<std::vector<Project>> Call::visible_projects() {
  std::vector<Project> out;
  RAMET_TRY(store().containers({}, [&](const ContainerInfo& info) {
    if (is_shown(info)) out.push_back({info, {}, AccessLevel::kNone});
    return true;
  }));
  for (Project& one : out) {
    RAMET_ASSIGN(one.level, access().level(caller, one.info.id));
  }
  std::erase_if(out, [](const Project& one) { return one.level == AccessLevel::kNone; });
  return out;
}

Outcome<ObjectRef> Call::subject_object() {
  const auto object = parse_object(subject);
  if (!object) return not_found(subject);
  return *object;
}

Outcome<Located> Call::locate_in(const ObjectRef& object, const ContainerId& container,
                                 AccessLevel least) {
  Located out;
  RAMET_ASSIGN(out.project, project(container, AccessLevel::kView));
  RAMET_ASSIGN(out.view, store().view(container));
  auto info = out.view->object(object.id);
  if (!info.ok()) {
    if (info.error().code() == ErrorCode::kNotFound) return not_in(object, container);
    return std::move(info).error();
  }
  out.info = std::move(*info);
  RAMET_ASSIGN(const ObjectClass its_class, class_of(store(), out.info.type));
  if (its_class != object.object_class) return not_in(object, container);
  if (out.project.level < least) return too_little(least, container);
  return out;
}

Outcome<Located> Call::locate(const ObjectRef& object, const std::optional<std::string>& hint,
                              AccessLevel least) {
  if (hint) {
    if (const auto container = parse_container(*hint)) {
      auto found = locate_in(object, *container, least);
      if (found.ok() || found.error().type != Type::kResourceNotFound) return found;
    }
  }
  if (seen.empty()) {
    RAMET_ASSIGN(const std::vector<Project> visible, visible_projects());
    for (const Project& one : visible) seen.push_back(one.info.id);
  }
  RAMET_ASSIGN(const auto holders, store().holders(object.id, seen));
  std::optional<Fault> refused;
  for (const ContainerId& holder : holders) {
    auto found = locate_in(object, holder, least);
    if (found.ok() || found.error().waits) return found;
    if (!refused || found.error().type != Type::kResourceNotFound) {
      refused = std::move(found).error();
    }
  }
  if (refused) return std::move(*refused);
  return not_found(to_text(object));
}

Outcome<Located> Call::locate_named(AccessLevel least) {
  RAMET_ASSIGN(const ObjectRef object, subject_object());
  RAMET_ASSIGN(const std::string text, in().some_text("project"));
  const auto container = parse_container(text);
  if (!container) return not_found(text);
  return locate_in(object, *container, least);
}

Outcome<Located> Call::locate_open(bool or_closed) {
  RAMET_ASSIGN(const ObjectRef object, subject_object());
  RAMET_ASSIGN(Located found, locate(object, std::nullopt, AccessLevel::kView));
  RAMET_ASSIGN(const auto holders, store().holders(object.id, seen));
  std::vector<Located> open;
  for (const ContainerId& holder : holders) {
    auto one = locate_in(object, holder, AccessLevel::kView);
    if (!one.ok() && one.error().type == Type::kResourceNotFound) continue;
    if (!one.ok()) return std::move(one).error();
    if (one->info.standing.state == ObjectState::kOpen) open.push_back(std::move(*one));
  }
  if (open.empty()) {
    if (or_closed) return found;
    return Fault(Type::kInvalidState,
                 fmt::format("\"{}\" is not in the open state", to_text(object)));
  }
  if (open.size() > 1) {
    std::erase_if(open, [](const Located& one) {
      const std::string* const home = find_property(one.info.metadata, kHomeProperty);
      return home == nullptr || *home != to_base62(one.project.info.id);
    });
    if (open.empty()) {
      return Fault(Type::kInvalidState,
                   fmt::format("\"{}\" is open in several projects, and was made in none of them",
                               to_text(object)));
    }
  }
  if (open.front().project.level >= AccessLevel::kUpload) return std::move(open.front());
  return too_little(AccessLevel::kUpload, open.front().project.info.id);
}

void Call::audit(std::string action, std::string target, std::string detail) {
  AuditEntry entry;
  entry.principal = caller.principal.name;
  entry.action = std::move(action);
  entry.target = std::move(target);
  entry.detail = std::move(detail);
  entry.from = request.peer;
  ignore_error(access().audit(std::move(entry)), "what was done is done");
}

Task<Outcome<void>> change(Call& call, ContainerId container, Attempt attempt, Weight weight) {
  using Begun = Outcome<std::unique_ptr<Transaction>>;
  const auto begin = [&]() -> Begun {
    // The transaction first: what it shares of the view was committed before it began to look.
    RAMET_ASSIGN(auto transaction, call.store().begin(container));
    RAMET_ASSIGN(const auto view, call.store().view(container));
    RAMET_TRY(attempt(*transaction, *view));
    return transaction;
  };
  for (int i = 0; i < kAttempts; ++i) {
    bool is_busy = false;
    if (weight == Weight::kSlow) {
      const auto whole = [&]() -> Outcome<void> {
        auto begun = begin();
        if (!begun.ok()) return std::move(begun).error();
        auto done = (*begun)->commit();
        is_busy = !done.ok() && done.error().code() == ErrorCode::kBusy;
        if (!done.ok()) return std::move(done).error();
        return {};
      };
      auto done = co_await call.workers().run(whole);
      if (!is_busy) co_return done;
    } else {
      auto begun = Workers::at_once(begin);
      if (!begun) begun = co_await call.workers().run(begin);
      if (!begun->ok()) co_return std::move(*begun).error();
      auto done = co_await call.workers().commit(call.store(), std::move(**begun));
      if (done.ok()) co_return Outcome<void>();
      if (done.error().code() != ErrorCode::kBusy) co_return std::move(done).error();
    }
    co_await pause_before(i);
  }
  co_return Fault(Type::kServiceUnavailable,
                  "the container is being changed by too many others; nothing was done");
}

}  // namespace ramet::serve::dnanexus
