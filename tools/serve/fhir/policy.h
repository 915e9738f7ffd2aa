// AccessPolicy: what a member may do within its project. Without one, everything. Rules are taken
// from the stored resource; one that says what is not supported here refuses, and is never ignored
// (docs/fhir.md#access-policies). Pure; thread-safe once made.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/fhir/errors.h"

namespace ramet::serve::fhir {

enum class Interaction : uint8_t {
  kCreate,
  kRead,
  kVersionRead,
  kUpdate,  // patches, too
  kDelete,
  kHistory,
  kSearch,
};
std::string_view interaction_name(Interaction interaction);  // "create", "vread", ...

// One rule of AccessPolicy.resource.
struct PolicyRule {
  std::string type;  // "*": any
  // Parameters of a search that the resource must match: "Observation?status=final".
  std::vector<std::pair<std::string, std::string>> criteria;
  bool is_readonly = false;
  std::optional<std::vector<std::string>> interactions;  // none: all
  std::vector<std::string> hidden_fields;    // members of the top level, or "a.b"
  std::vector<std::string> readonly_fields;  // the same
};

// Whether a resource has this parameter with this value; a parameter that there is not, or that is
// not understood, is a Fault. (search.h has one.)
using MatchParameter = std::function<Outcome<bool>(const Json& resource, const std::string& name,
                                                   const std::string& value)>;

// An AccessPolicy as a member has it: "%name" in its criteria stands for what its parameters say,
// as "profile" for "Practitioner/UUID".
struct PolicySource {
  Json policy;
  std::vector<std::pair<std::string, std::string>> parameters;
};

class Policy {
 public:
  // All of them hold together: what one of them allows is allowed. kForbidden: one has what is not
  // supported here, which the text names.
  static Outcome<std::shared_ptr<const Policy>> make(const std::vector<PolicySource>& sources);

  // Whether any rule may allow it, whatever the resource holds.
  bool allows_type(Interaction interaction, std::string_view type) const;
  // The first rule that allows it for this resource; null: none does.
  Outcome<const PolicyRule*> rule_for(Interaction interaction, const Json& resource,
                                      const MatchParameter& match) const;
  // Whether every resource of the type is allowed as it is, so that none has to be looked at.
  bool allows_all(Interaction interaction, std::string_view type) const;
  // Whether some rule hides this member of the type.
  bool hides(std::string_view type, std::string_view member) const;

 private:
  std::vector<PolicyRule> rules_;
};

// Takes hidden fields out of what is handed out.
void hide_fields(const PolicyRule& rule, Json& resource);
// What a member writes where fields are hidden from it or read-only: these stay as in `before`
// (null: there are none).
void keep_fields(const PolicyRule& rule, const Json& before, Json& resource);

// --- what every write and read asks, whatever the policy ----------------------------------------

struct Login;  // auth.h

// Who may write, or read, resources of a type at all within a project.
enum class TypeGuard : uint8_t { kMember, kProjectAdmin, kSuperAdmin };
TypeGuard write_guard(std::string_view type);
TypeGuard read_guard(std::string_view type);

// kForbidden: the login may not do this with any resource of the type. Nothing has to be read for
// it.
Outcome<void> check_interaction(const Login& login, Interaction interaction, std::string_view type);
// Whether the login may read this resource, of its own project or a linked one: kNotFound, as if it
// were not there. Hidden fields are taken out of it.
Outcome<void> check_read(const Login& login, Interaction interaction, Json& resource,
                         const MatchParameter& match);
// For a write in its own project: what was there (null: a create) must be allowed as well as what
// it becomes (null: a delete). Fields that are hidden from it, or read-only, are put back into
// `resource` as they were. kForbidden; kNotFound: what it may not see either.
Outcome<void> check_write(const Login& login, Interaction interaction, const Json& before,
                          Json& resource, const MatchParameter& match);
// Whether check_read() allows every resource of the type, and leaves it as it is: then documents
// can be sent without a look at them.
bool sees_all(const Login& login, Interaction interaction, std::string_view type);
// Whether some field of the type may be hidden: then searches by it must not tell what it holds.
bool may_search_by(const Login& login, std::string_view type, std::string_view first_member);

}  // namespace ramet::serve::fhir
