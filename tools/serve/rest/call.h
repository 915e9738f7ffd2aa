// One request on its way through the REST face, and what handlers share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/access.h"
#include "engine/store.h"
#include "tools/serve/bearer.h"
#include "tools/serve/http.h"
#include "tools/serve/login_limiter.h"
#include "tools/serve/outcome.h"
#include "tools/serve/rest/json.h"
#include "tools/serve/rest/routes.h"
#include "tools/serve/services.h"
#include "tools/serve/staging.h"

namespace ramet::serve::rest {

class Jobs;     // jobs.h
class Changes;  // changes.h

// What all requests of the face share. Thread-safe.
struct Rest {
  explicit Rest(Services& all);
  ~Rest();

  Services& services;
  LoginLimiter limiter;
  FailedLogins failed_logins;
  BearerAuthenticator authenticator;
  Staging staging;
  std::unique_ptr<Changes> changes;
  std::unique_ptr<Jobs> jobs;  // goes first: its thread looks at the others
};

struct Call {
  Rest& rest;
  Request& request;
  Body& body;
  const Route* route = nullptr;
  PathParams params;
  QueryParams query;
  Caller caller;
  // Of routes with {container}.
  ContainerInfo container;
  ContainerAccess rules;
  AccessLevel level = AccessLevel::kNone;
  // The status of the error that is returned next; 0: as its code says.
  int status = 0;

  Store& store() { return rest.services.store; }
  Workers& workers() { return rest.services.workers; }
  AccessControl& access() { return rest.services.access; }

  std::string_view raw_param(std::string_view name) const;  // percent-encoded
  Result<std::string> param(std::string_view name) const;   // decoded; no NUL

  bool has(std::string_view name) const;
  std::string text(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;  // of one that may come again
  Result<uint64_t> number(std::string_view name, uint64_t fallback, uint64_t max) const;
  Result<bool> flag(std::string_view name) const;  // "?now", "?now=true"

  // An error that becomes this status.
  Error refuse(int with_status, ErrorCode code, std::string message) {
    status = with_status;
    return {code, std::move(message)};
  }
  // The level that a part of a route asks for beyond its own: 403 names it.
  Status require(AccessLevel least, std::string_view what);
  // What removes something (also by replacing it): kContribute, or kAdminister if it is protected.
  Status require_removal(std::string_view what);

  // Another container and the caller's level in it. 404 for what it may not see.
  struct Other {
    ContainerInfo info;
    ContainerAccess rules;
    AccessLevel level = AccessLevel::kNone;
  };
  Result<Other> other_container(std::string_view name_or_id);

  // Notes it in the audit log; a failure to do so is not the caller's.
  void audit(std::string action, std::string target, std::string detail = {});

  // Calls `work`, which returns a Result, here if it need not wait for the disk, else on a worker.
  template <typename Work>
  Task<std::invoke_result_t<Work&>> quick(Work work) {
    return workers().run_quick([this, work = std::move(work)]() mutable {
      status = 0;
      return work();
    });
  }
  // The same on a worker always: for what writes without a transaction.
  template <typename Work>
  Task<std::invoke_result_t<Work&>> slow(Work work) {
    co_return co_await workers().run([this, &work] {
      const AuditScope who(caller.principal.name, request.peer);
      return work();
    });
  }
};

// --- answers -------------------------------------------------------------------------------------

Response json_response(int status, const Json& json);
Response empty_response(int status = 204);
// RFC 9457. `code`: an ErrorCode's name, or nothing if the status says all.
Response problem(const Request& request, int status, std::string_view code, std::string detail);
Response problem(const Request& request, const Error& error, int status = 0);
// 200..507 for an error's code.
int status_of(ErrorCode code);
std::string_view status_text(int status);

// The request's JSON body; an empty one is {} if `may_be_empty`. 413, 415.
Task<Result<Json>> read_json(Call& call, bool may_be_empty = false);

// How many entries of a list one answer may have: ?limit, 1 to 10,000.
Result<size_t> page_limit(const Call& call, size_t fallback = 1000);

// --- containers ----------------------------------------------------------------------------------

// By id, or by name; never the staging container. kNotFound.
Result<ContainerInfo> find_container(Store& store, std::string_view name_or_id);

// --- paths ---------------------------------------------------------------------------------------

// A place in a container. In a flat one `path` is the key itself; else it is "" for the root folder
// and "/a/b" for what is below.
struct Place {
  bool flat = false;
  std::string path;
  bool is_root() const { return path.empty(); }
  std::string name() const;    // its last part, or the key
  std::string parent() const;  // "" or "/a"; "" in flat containers
  // What View::lookup() takes.
  std::string lookup_path() const { return flat ? "/" + path : path; }
};
// From the undecoded rest of a URL's path. kInvalidArgument: empty names, "." and "..", NUL, '/'
// in a name, longer than names are. `to_create`: names must be UTF-8.
Result<Place> place_of_url(bool flat, std::string_view raw, bool may_be_root, bool to_create);
// The same from text of a JSON document or query: "/a/b" or "a/b", or the key.
Result<Place> place_of_text(bool flat, std::string_view text, bool may_be_root, bool to_create);

// --- reading, now or as of a time ----------------------------------------------------------------

struct Seen {
  std::shared_ptr<const View> view;
  // Set where the container keeps versions: what was current at this time is looked for.
  std::optional<int64_t> at;
};
// By ?as-of; the head without it. kNotFound: no snapshot.
Result<Seen> seen(Call& call);

// An object as it is to be shown: its version may be an earlier one.
struct Found {
  Entry entry;
  ObjectInfo object;      // of anything but folders
  VersionNumber version = kCurrentVersion;  // for reading
  bool current = true;
};
// By path, ?version and the time of `seen`. kNotFound.
Result<Found> find(Call& call, const Seen& where, const Place& place);
// One version of an object.
Result<Found> find_version(Call& call, const Seen& where, Entry entry);

// --- changing ------------------------------------------------------------------------------------

// Begins a transaction on the call's container, lets `build` fill it, and commits; again if others
// changed the same meanwhile. `build` may be called several times. 409 after too many attempts.
using Build = std::function<Status(Transaction&)>;
enum class Weight : uint8_t {
  kQuick,  // may be built on the connection's thread
  kSlow,   // commits or builds by waiting: removals, much content
};
// `attempts`: 0: the usual number. (Requires a Build with a name: g++ 12 destroys one that is made
// from a lambda within a co_await twice.)
Task<Result<Sequence>> change(Call& call, const Build& build, Weight weight = Weight::kQuick,
                              int attempts = 0);

// The folder that a place is in; with `make`, missing ones are made.
Result<FolderId> parent_folder(Transaction& transaction, const Place& place, bool make);
// What stands there; nothing if nothing does.
Result<std::optional<Entry>> entry_at(const Transaction& transaction, const Place& place);
// If-Match and If-None-Match against the state that a transaction sees: 412.
Status check_match(Call& call, const std::optional<ObjectInfo>& there);

}  // namespace ramet::serve::rest
