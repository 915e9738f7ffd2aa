// One call of the DNAnexus API on its way, and what its handlers share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/access.h"
#include "engine/store.h"
#include "tools/function_ref.h"
#include "tools/serve/bearer.h"
#include "tools/serve/dnanexus/errors.h"
#include "tools/serve/dnanexus/ids.h"
#include "tools/serve/dnanexus/input.h"
#include "tools/serve/dnanexus/uploads.h"
#include "tools/serve/login_limiter.h"
#include "tools/serve/services.h"

namespace ramet::serve::dnanexus {

// What all calls of the face share. Thread-safe.
struct Shared {
  explicit Shared(Services& all)
      : services(all),
        failed_logins(all.access),
        authenticator(all.access, limiter, failed_logins),
        uploads(all.store, all.workers) {}

  Services& services;
  LoginLimiter limiter;
  FailedLogins failed_logins;
  BearerAuthenticator authenticator;
  Uploads uploads;
};

// A container as somebody sees it.
struct Project {
  ContainerInfo info;
  ContainerAccess rules;
  AccessLevel level = AccessLevel::kNone;
};

// An object in one of the containers that hold it.
struct Located {
  Project project;
  std::shared_ptr<const View> view;
  ObjectInfo info;
};

struct Call {
  Shared& shared;
  Request& request;
  std::string subject;  // the first part of the path: "file-...", "project-...", "system", "record"
  Json input;           // an object, but for setDetails
  Caller caller;
  std::vector<ContainerId> seen;  // of visible_projects(), once locate() needed them

  Store& store() { return shared.services.store; }
  AccessControl& access() { return shared.services.access; }
  Workers& workers() { return shared.services.workers; }
  Input in() const { return Input(input); }

  // --- containers. Wait, as all below; to be called in work. -------------------------------------
  // ResourceNotFound for what there is not, and for what the caller may not see at all;
  // PermissionDenied for too little.
  Outcome<Project> project(const ContainerId& id, AccessLevel least);
  // The same by the text of an id.
  Outcome<Project> project(std::string_view text, AccessLevel least);
  // The container that the URL names.
  Outcome<Project> subject_project(AccessLevel least) { return project(subject, least); }
  // Where its content is said to be; what nobody said is the daemon's own region, which the API
  // calls "aws:us-east-1".
  std::string region_of(const ContainerAccess& rules) const;
  // Containers whose rules are so, whether the caller may see them or not.
  Outcome<std::vector<ContainerId>> containers_where(
      FunctionRef<bool(const ContainerAccess&)> wanted);
  // Whether the caller is this principal, or an ADMIN of this org, or may do everything; and shows
  // a token that is good for all of it.
  bool is_admin_of(const PrincipalId& payer) const;
  // Every container that the caller may VIEW, by name, without its rules.
  Outcome<std::vector<Project>> visible_projects();

  // --- objects -----------------------------------------------------------------------------------
  // The object that the URL names: InvalidInput would be a wrong id there, ResourceNotFound one
  // that is nowhere the caller may look.
  Outcome<ObjectRef> subject_object();
  // In `hint` if it is there and the caller may see that, else in another container.
  Outcome<Located> locate(const ObjectRef& object, const std::optional<std::string>& hint,
                          AccessLevel least);
  // In this container alone.
  Outcome<Located> locate_in(const ObjectRef& object, const ContainerId& container,
                             AccessLevel least);
  // What the input's `project` says; it must say it.
  Outcome<Located> locate_named(AccessLevel least);
  // Where the object is worked on that the URL names and that is open: its home, or the only place
  // that there is. Also if it is closed meanwhile, if `or_closed`. InvalidState.
  Outcome<Located> locate_open(bool or_closed = false);

  // Notes it in the audit log.
  void audit(std::string action, std::string target, std::string detail = {});

  // Work that reads: here if it need not wait, else on a worker.
  template <typename Work>
  Task<std::invoke_result_t<Work&>> quick(Work work) {
    return workers().run_quick(std::move(work));
  }
  // Work that writes without a transaction, or much.
  template <typename Work>
  Task<std::invoke_result_t<Work&>> slow(Work work) {
    co_return co_await workers().run([this, &work] {
      const AuditScope who(caller.principal.name, request.peer);
      return work();
    });
  }
};

using Answer = Outcome<Json>;
using CallHandler = Task<Answer> (*)(Call&);

// Runs `attempt` on new transactions until one commits. What it notes must begin anew each time;
// the view is of a state that is no older than the transaction. ServiceUnavailable after too many.
using Attempt = FunctionRef<Outcome<void>(Transaction&, const View&)>;
enum class Weight : uint8_t {
  kQuick,
  kSlow,  // builds or commits by waiting: removals, much content
};
Task<Outcome<void>> change(Call& call, ContainerId container, Attempt attempt,
                           Weight weight = Weight::kQuick);

int64_t now_ms();  // since 1970
// {"id": the call's subject}: what most calls answer.
Json subject_json(const Call& call);
// An error as it stands among the results of a call for many: {"error": ..., "statusCode": ...}.
Json fault_json(const Fault& fault);

std::string_view level_text(AccessLevel level);  // "NONE" to "ADMINISTER"
Outcome<AccessLevel> parse_level_text(std::string_view text);  // InvalidInput
// "user-alice", "org-team": of a principal, and back. nullopt: neither.
std::string principal_text(const Principal& principal);
std::optional<std::string> principal_name(std::string_view text);

}  // namespace ramet::serve::dnanexus
