// One call of the FHIR face on its way, and what its handlers share.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "tools/function_ref.h"
#include "tools/serve/fhir/auth.h"
#include "tools/serve/fhir/errors.h"
#include "tools/serve/fhir/projects.h"
#include "tools/serve/fhir/resource.h"
#include "tools/serve/fhir/types.h"
#include "tools/serve/services.h"

namespace ramet::serve::fhir {

class Jobs;  // jobs.h

// What all calls of the face share. Thread-safe.
struct Shared {
  explicit Shared(Services& all);
  ~Shared();
  Store& store() { return services.store; }

  Services& services;
  Types types;
  AuthState auth;
  std::unique_ptr<Jobs> jobs;

  // Held while something is made unless it is there: of several with one condition, the first one
  // makes it. `conditions`: a type and a query each. Waits.
  std::vector<std::unique_lock<std::mutex>> hold(const std::vector<std::string>& conditions);

 private:
  std::array<std::mutex, 64> conditions_;  // by hash
};

struct Call {
  Shared& shared;
  Request& request;
  std::vector<std::string> path;  // behind /fhir/R4 (or the root, for others): decoded
  QueryParams params;
  std::string body;               // whole
  Json input;                     // of a JSON body; null: there is none
  Login login;
  // In a batch, whose other entries name it: the id that a new resource gets.
  std::optional<ObjectId> new_id = {};

  Store& store() { return shared.services.store; }
  Types& types() { return shared.types; }
  Workers& workers() { return shared.services.workers; }
  // Meta's extended members are shown.
  bool is_extended() const { return request.fields.get("x-medplum") == "extended"; }
  // "http://host:port/": of the daemon, and with "fhir/R4/".
  std::string base() const;
  std::string fhir_base() const { return base() + "fhir/R4/"; }
  // The first parameter of this name.
  std::optional<std::string> param(std::string_view name) const;
  // Who writes to a container.
  Authorship authorship(ContainerId container) const;
  // Notes it in the audit log.
  void audit(std::string action, std::string target, std::string detail = {});

  template <typename Work>
  Task<std::invoke_result_t<Work&>> quick(Work work) {
    return workers().run_quick(std::move(work));
  }
};

// What a call gives: JSON, mostly. Made before anything is committed, so that nothing can fail
// behind that.
struct Answer {
  int status = 200;
  std::string body;  // empty: none
  std::string media_type = "application/fhir+json; charset=utf-8";
  Fields fields = {};
  // Instead of the body: content of a file, with its status and fields.
  std::shared_ptr<Response> content = {};
};
Answer json_answer(int status, const Json& json);
Answer outcome_answer(Issue issue, const std::string& diagnostics = {});
Answer fault_answer(const Fault& fault);
std::string dumped(const Json& json);

// Waits where it has to; called on a worker, or first where nothing may wait if it only reads.
using CallHandler = Outcome<Answer> (*)(Call&);

// Runs `attempt` on new transactions on a container until one commits; waits. What it notes must
// begin anew each time. kConflict after too many.
using Attempt = FunctionRef<Outcome<void>(Transaction&)>;
Outcome<void> change(Shared& shared, ContainerId container, Attempt attempt);

// --- resources -----------------------------------------------------------------------------------

// A resource that was found, as the login may see it.
struct Found {
  Place place;
  RecordInfo info;
  std::shared_ptr<const View> view;
};
// kNotFound, kGone, kForbidden; with what policies hide still in it.
Outcome<Found> find_resource(Call& call, std::string_view type, std::string_view id);
// As JSON, without what the login must not see, with the secrets that it may see. `info` is of a
// record of this container's view or transaction.
Outcome<Json> shown_resource(Call& call, const RecordView& records, const RecordInfo& info,
                             bool is_extended);
// A resource with the fields that every answer of one has: ETag, Last-Modified, Location for 201.
// Honours "Prefer: return=".
Answer resource_answer(Call& call, int status, const Json& resource);
// The whole path of a read: a document that nothing has to be taken out of is sent as it is stored.
Outcome<Answer> read_answer(Call& call, const Found& found);
// Of the extended members of meta.
void hide_extended(Json& resource);

// Creates a resource (with its own id if it has one: as the caller must have checked) or replaces
// the one that is there, by all rules: policies, secrets, what the server says in meta. Null
// `before`: a new one. Gives it as it is stored.
Outcome<Json> store_resource(Call& call, Transaction& transaction, ContainerId container,
                             Json resource, const Json& before,
                             std::unique_ptr<ContentWriter> content = nullptr);

}  // namespace ramet::serve::fhir
