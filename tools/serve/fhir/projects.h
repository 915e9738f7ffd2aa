// Projects as containers: which container a login works in, and how projects come to be. A Project
// and its container have the same id; what belongs to no project stands in the container ".fhir".
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store.h"
#include "tools/serve/fhir/auth.h"
#include "tools/serve/fhir/errors.h"

namespace ramet::serve::fhir {

inline constexpr std::string_view kSystemContainer = ".fhir";
inline constexpr std::string_view kContainerPrefix = "fhir-";  // names of projects' containers

// A Reference to it, with what people see.
Json reference_to(std::string_view reference, std::string_view display = {});
// "Type/UUID".
std::string reference_text(std::string_view type, const ObjectId& id);

inline ObjectId project_resource(ContainerId project) { return ObjectId{project.bytes}; }
inline ContainerId project_container(ObjectId resource) { return ContainerId{resource.bytes}; }

// The container of what belongs to no project; it is made on first need. Waits, as all below.
Outcome<ContainerId> system_container(Shared& shared);

// Whether a container is a project of this face: its Project is in it.
Outcome<bool> is_project(Shared& shared, ContainerId container);

// Where a resource is, or was until it was removed, that the login may look for: its own project,
// linked ones, and for super admins every project and what belongs to none. kNotFound.
struct Place {
  ContainerId container;
  bool is_own = true;  // false: a linked project's, where nothing may be written
};
Outcome<Place> find_place(Shared& shared, const Login& login, std::string_view type, ObjectId id);
// Where a search looks: the login's own project and linked ones; of super admins every project, and
// what belongs to none. Narrowed by `project`, the id of one.
Outcome<std::vector<ContainerId>> search_places(Shared& shared, const Login& login,
                                                std::string_view type,
                                                const std::optional<std::string>& project);
// Every project, as it is.
Outcome<std::vector<ContainerId>> all_projects(Shared& shared);

// A resource as it is stored in a container. kNotFound.
Outcome<Json> read_resource(Shared& shared, const RecordView& records, std::string_view type,
                            ObjectId id);

// What a new project consists of.
struct NewProject {
  std::string name;
  Json fields = Json::object();  // more of the Project: strictMode, features, ...
  std::string secrets;           // as secrets.h keeps them
  std::string owner;             // a reference to a User; empty: none
  Json author;                   // a Reference, or null
  // "<name> Default Client", an admin without a secret, and a policy for patients.
  bool has_defaults = false;
  // More of its first content, in the same commit; called anew with each attempt.
  std::function<Outcome<void>(Transaction&, ContainerId)> more;
};
struct MadeProject {
  ContainerId id;
  Json project;
};
// Makes its container, empty, and fills it in a second commit; if that fails, it goes again. So a
// project is there with all of this, or is no project (is_project()).
Outcome<MadeProject> make_project(Shared& shared, const NewProject& wanted);

// A client application and its membership, in a transaction on its project's container.
struct NewClient {
  Json fields = Json::object();  // of the ClientApplication, beside its name
  std::string name;
  std::string secrets;      // others of its fields, as secrets.h keeps them
  bool has_secret = true;   // a new one; false: none, until $rotate-secret makes one
  bool is_admin = false;
  Json access_policy;  // a Reference, or null
  Json access;         // as ProjectMembership.access, or null
};
// Gives the ClientApplication with its secret, which is told this once.
Outcome<Json> make_client(Shared& shared, Transaction& transaction, ContainerId project,
                          std::string_view project_name, const NewClient& wanted,
                          const Json& author);
// A membership; `rest`: more of it (admin, accessPolicy, ...).
Outcome<Json> make_membership(Shared& shared, Transaction& transaction, ContainerId project,
                              std::string_view project_name, const Json& user,
                              const Json& profile, const Json& rest, const Json& author);
// The first membership by a reference that is its `user` or `profile`. kNotFound.
Outcome<Json> find_membership(Shared& shared, const RecordView& records, std::string_view field,
                              std::string_view type, ObjectId id);

// The login of a principal of the daemon that is a super admin: a member of the project "Super
// Admin", which is made on first need, as are its User (whose id is the principal's) and
// membership.
Outcome<Login> principal_login(Shared& shared, const Caller& caller);

}  // namespace ramet::serve::fhir
