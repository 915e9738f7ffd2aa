#include "tools/serve/fhir/projects.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/no_wait.h"
#include "tools/serve/fhir/call.h"
#include "tools/serve/fhir/links.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/secrets.h"

namespace ramet::serve::fhir {
namespace {

constexpr std::string_view kSuperAdminDocument = "fhir.super-admin";
constexpr std::string_view kSuperAdminName = "Super Admin";

bool is_not_found(const Fault& fault) { return fault.issue == Issue::kNotFound && !fault.waits; }

// Whether it lives in the container, or did.
Outcome<bool> knows(const RecordView& records, TypeNumber type, ObjectId id) {
  RAMET_ASSIGN(const bool lives, records.has_record(type, id));
  if (lives) return true;
  bool is_any = false;
  const Status status = records.record_versions(type, id, [&](const RecordInfo&) {
    is_any = true;
    return false;
  });
  if (!status.ok() && status.error().code() != ErrorCode::kNotFound) return status.error();
  return is_any;
}

Outcome<bool> knows_in(Shared& shared, ContainerId container, TypeNumber type, ObjectId id) {
  auto view = shared.store().view(container);
  if (!view.ok()) {
    // (Dropped meanwhile.)
    if (view.error().code() == ErrorCode::kNotFound) return false;
    return std::move(view).error();
  }
  return knows(**view, type, id);
}

// Containers of this face, the one of what belongs to no project included.
Outcome<std::vector<ContainerId>> all_containers(Shared& shared) {
  std::vector<ContainerId> out;
  RAMET_TRY(shared.store().containers({}, [&](const ContainerInfo& info) {
    if (info.form == ContainerForm::kRecords) out.push_back(info.id);
    return true;
  }));
  return out;
}

// Types of which a linked project shows none: they say who may do what in it.
bool is_shared_by_links(std::string_view type) {
  return write_guard(type) == TypeGuard::kMember && read_guard(type) == TypeGuard::kMember;
}

Authorship authored(ContainerId project, const Json& author) {
  Authorship by;
  by.author = author;
  by.project = project;
  return by;
}

// What patients see who get accounts: themselves, and what is about them.
Json default_patient_policy() {
  Json policy;
  policy["resourceType"] = "AccessPolicy";
  policy["name"] = "Default Patient Access Policy";
  Json rules = Json::array();
  rules.push_back({{"resourceType", "Patient"}, {"criteria", "Patient?_id=%patient.id"}});
  for (const char* type : {"AllergyIntolerance", "Appointment", "CarePlan", "CareTeam",
                           "Communication", "Condition", "Coverage", "DiagnosticReport",
                           "DocumentReference", "Encounter", "Goal", "Immunization",
                           "MedicationRequest", "Observation", "Procedure",
                           "QuestionnaireResponse", "ServiceRequest"}) {
    rules.push_back({{"resourceType", type},
                     {"criteria", fmt::format("{}?_compartment=%patient", type)},
                     {"readonly", true}});
  }
  for (const char* type : {"Organization", "Practitioner", "Questionnaire"}) {
    rules.push_back({{"resourceType", type}, {"readonly", true}});
  }
  policy["resource"] = std::move(rules);
  return policy;
}

Outcome<void> fill_project(Shared& shared, Transaction& transaction, const NewProject& wanted,
                           MadeProject& made) {
  const Authorship by = authored(made.id, wanted.author);
  Json policy_reference;
  if (wanted.has_defaults) {
    Json policy = default_patient_policy();
    policy["id"] = to_uuid(transaction.new_record_id());
    policy_reference = reference_to("AccessPolicy/" + policy["id"].get<std::string>(),
                                    policy["name"].get<std::string>());
    RAMET_TRY(write_resource(shared.types, transaction, std::move(policy), by, {}));
    NewClient client;
    client.name = wanted.name + " Default Client";
    client.fields["description"] = "Default client for " + wanted.name;
    client.is_admin = true;
    client.has_secret = false;
    RAMET_TRY(make_client(shared, transaction, made.id, wanted.name, client, wanted.author));
  }
  Json project = wanted.fields;
  project["resourceType"] = "Project";
  project["id"] = to_uuid(made.id);
  project["name"] = wanted.name;
  if (!wanted.owner.empty()) project["owner"] = reference_to(wanted.owner);
  if (!policy_reference.is_null()) project["defaultPatientAccessPolicy"] = policy_reference;
  std::optional<std::string> secrets;
  if (!wanted.secrets.empty()) secrets = wanted.secrets;
  RAMET_ASSIGN(made.project,
               write_resource(shared.types, transaction, std::move(project), by, {}, secrets));
  if (wanted.more) return wanted.more(transaction, made.id);
  return {};
}

// The project of the daemon's super administrators; made on first need.
Outcome<ContainerId> super_admin_project(Shared& shared) {
  RAMET_ASSIGN(const ContainerId system, system_container(shared));
  const auto find = [&]() -> Outcome<std::optional<ContainerId>> {
    RAMET_ASSIGN(const auto view, shared.store().view(system));
    auto text = view->document(kSuperAdminDocument);
    if (!text.ok()) {
      if (text.error().code() != ErrorCode::kNotFound) return std::move(text).error();
      return std::optional<ContainerId>();
    }
    const auto id = parse_uuid<ContainerId>(*text);
    if (!id.ok()) return std::optional<ContainerId>();
    RAMET_ASSIGN(const bool there, is_project(shared, *id));
    return there ? std::optional<ContainerId>(*id) : std::nullopt;
  };
  RAMET_ASSIGN(const auto found, find());
  if (found) return *found;
  if (NoWaitScope::active()) return Error(ErrorCode::kWouldWait, "a project is to be made");
  const std::lock_guard lock(shared.auth.making);
  RAMET_ASSIGN(const auto made_meanwhile, find());
  if (made_meanwhile) return *made_meanwhile;
  NewProject wanted;
  wanted.name = kSuperAdminName;
  wanted.fields["superAdmin"] = true;
  wanted.fields["strictMode"] = false;
  RAMET_ASSIGN(const MadeProject made, make_project(shared, wanted));
  const auto note = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_TRY(transaction.set_document(kSuperAdminDocument, to_uuid(made.id)));
    return {};
  };
  RAMET_TRY(change(shared, system, note));
  return made.id;
}

// The User and the membership of a principal; made on first need. Gives the membership.
Outcome<Json> super_admin_member(Shared& shared, const Principal& principal, ContainerId project) {
  const ObjectId user_id{principal.id.bytes};
  const std::string user_reference = reference_text("User", user_id);
  RAMET_ASSIGN(const ContainerId system, system_container(shared));
  const auto find = [&]() -> Outcome<Json> {
    RAMET_ASSIGN(const auto view, shared.store().view(project));
    return find_membership(shared, *view, "user", "User", user_id);
  };
  auto found = find();
  if (found.ok() || !is_not_found(found.error())) return found;
  if (NoWaitScope::active()) return Error(ErrorCode::kWouldWait, "a member is to be made");
  const std::lock_guard lock(shared.auth.making);
  found = find();
  if (found.ok() || !is_not_found(found.error())) return found;

  const std::string title = principal.title.empty() ? principal.name : principal.title;
  RAMET_ASSIGN(const TypeNumber user_type, shared.types.number("User"));
  const auto add_user = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_ASSIGN(const bool there, transaction.has_record(user_type, user_id));
    if (there) return {};
    Json user;
    user["resourceType"] = "User";
    user["id"] = to_uuid(user_id);
    user["firstName"] = title;
    user["lastName"] = principal.name;
    if (!principal.email.empty()) user["email"] = principal.email;
    Authorship by = authored(system, reference_to(user_reference));
    by.in_project = false;
    RAMET_TRY(write_resource(shared.types, transaction, std::move(user), by, {}));
    return {};
  };
  RAMET_TRY(change(shared, system, add_user));
  Json membership;
  const auto add_member = [&](Transaction& transaction) -> Outcome<void> {
    Json profile;
    profile["resourceType"] = "Practitioner";
    profile["id"] = to_uuid(transaction.new_record_id());
    profile["name"] = Json::array({Json({{"text", title}})});
    const std::string reference = "Practitioner/" + profile["id"].get<std::string>();
    const Json author = reference_to(reference, title);
    RAMET_TRY(write_resource(shared.types, transaction, std::move(profile),
                             authored(project, author), {}));
    RAMET_ASSIGN(membership,
                 make_membership(shared, transaction, project, kSuperAdminName,
                                 reference_to(user_reference, title), author, {{"admin", true}},
                                 author));
    return {};
  };
  RAMET_TRY(change(shared, project, add_member));
  return membership;
}

}  // namespace

Json reference_to(std::string_view reference, std::string_view display) {
  Json json;
  json["reference"] = reference;
  if (!display.empty()) json["display"] = display;
  return json;
}

std::string reference_text(std::string_view type, const ObjectId& id) {
  return fmt::format("{}/{}", type, to_uuid(id));
}

Outcome<ContainerId> system_container(Shared& shared) {
  for (int attempt = 0;; ++attempt) {
    auto found = shared.store().container(std::string(kSystemContainer));
    if (found.ok()) {
      if (found->form == ContainerForm::kRecords) return found->id;
      return Error(ErrorCode::kCorruption,
                   fmt::format("container '{}' holds no records: it was made by someone else",
                               kSystemContainer));
    }
    if (found.error().code() != ErrorCode::kNotFound) return std::move(found).error();
    auto made = shared.store().create_container(
        std::string(kSystemContainer), "what the FHIR face keeps of no project", {}, 0,
        ContainerForm::kRecords);
    if (made.ok()) return made->id;
    if (made.error().code() != ErrorCode::kAlreadyExists || attempt > 0) {
      return std::move(made).error();
    }
  }
}

Outcome<bool> is_project(Shared& shared, ContainerId container) {
  auto info = shared.store().container(container);
  if (!info.ok()) {
    if (info.error().code() == ErrorCode::kNotFound) return false;
    return std::move(info).error();
  }
  if (info->form != ContainerForm::kRecords) return false;
  RAMET_ASSIGN(const TypeNumber type, shared.types.number("Project"));
  auto view = shared.store().view(container);
  if (!view.ok()) {
    if (view.error().code() == ErrorCode::kNotFound) return false;
    return std::move(view).error();
  }
  RAMET_ASSIGN(const bool there, (*view)->has_record(type, project_resource(container)));
  return there;
}

Outcome<Place> find_place(Shared& shared, const Login& login, std::string_view type, ObjectId id) {
  if (type == "Project") {
    const ContainerId container = project_container(id);
    const bool is_linked = std::find(login.linked.begin(), login.linked.end(), container) !=
                           login.linked.end();
    if (container != login.project && !is_linked && !login.is_super_admin) {
      return Fault(Issue::kNotFound);
    }
    RAMET_ASSIGN(const bool there, is_project(shared, container));
    if (!there) return Fault(Issue::kNotFound);
    return Place{container, container == login.project || login.is_super_admin};
  }
  RAMET_ASSIGN(const TypeNumber number, shared.types.number(type));
  RAMET_ASSIGN(const bool in_own, knows_in(shared, login.project, number, id));
  if (in_own) return Place{login.project, true};
  if (login.is_super_admin) {
    RAMET_ASSIGN(const std::vector<ContainerId> holders,
                 shared.store().record_holders(number, id));
    if (!holders.empty()) return Place{holders.front(), true};
    // It may have been removed: what is gone is said to be, not to have never been.
    RAMET_ASSIGN(const std::vector<ContainerId> all, all_containers(shared));
    for (const ContainerId& one : all) {
      RAMET_ASSIGN(const bool known, knows_in(shared, one, number, id));
      if (known) return Place{one, true};
    }
    return Fault(Issue::kNotFound);
  }
  if (is_shared_by_links(type)) {
    for (const ContainerId& one : login.linked) {
      RAMET_ASSIGN(const bool there, knows_in(shared, one, number, id));
      if (there) return Place{one, false};
    }
  }
  return Fault(Issue::kNotFound);
}

Outcome<std::vector<ContainerId>> search_places(Shared& shared, const Login& login,
                                                std::string_view type,
                                                const std::optional<std::string>& project) {
  std::vector<ContainerId> out;
  if (project) {
    std::string_view text = *project;
    if (text.starts_with("Project/")) text.remove_prefix(8);
    const auto id = parse_uuid<ContainerId>(text);
    if (!id.ok()) return out;
    const bool is_linked = std::find(login.linked.begin(), login.linked.end(), *id) !=
                           login.linked.end();
    if (login.is_super_admin) {
      RAMET_ASSIGN(const bool there, is_project(shared, *id));
      if (there) out.push_back(*id);
    } else if (*id == login.project || (is_linked && is_shared_by_links(type))) {
      out.push_back(*id);
    }
    return out;
  }
  if (login.is_super_admin) return all_containers(shared);
  out.push_back(login.project);
  if (is_shared_by_links(type)) out.insert(out.end(), login.linked.begin(), login.linked.end());
  return out;
}

Outcome<std::vector<ContainerId>> all_projects(Shared& shared) {
  RAMET_ASSIGN(const std::vector<ContainerId> all, all_containers(shared));
  std::vector<ContainerId> out;
  for (const ContainerId& one : all) {
    RAMET_ASSIGN(const bool is_one, is_project(shared, one));
    if (is_one) out.push_back(one);
  }
  return out;
}

Outcome<Json> read_resource(Shared& shared, const RecordView& records, std::string_view type,
                            ObjectId id) {
  RAMET_ASSIGN(const TypeNumber number, shared.types.number(type));
  RAMET_ASSIGN(const RecordInfo info, records.record(number, id));
  return parse_document(info);
}

Outcome<Json> make_membership(Shared& shared, Transaction& transaction, ContainerId project,
                              std::string_view project_name, const Json& user,
                              const Json& profile, const Json& rest, const Json& author) {
  Json membership;
  membership["resourceType"] = "ProjectMembership";
  membership["id"] = to_uuid(transaction.new_record_id());
  membership["project"] =
      reference_to(reference_text("Project", project_resource(project)), project_name);
  membership["user"] = user;
  membership["profile"] = profile;
  for (const auto& [name, member] : rest.items()) membership[name] = member;
  return write_resource(shared.types, transaction, std::move(membership),
                        authored(project, author), {});
}

Outcome<Json> make_client(Shared& shared, Transaction& transaction, ContainerId project,
                          std::string_view project_name, const NewClient& wanted,
                          const Json& author) {
  Json client = wanted.fields;
  client["resourceType"] = "ClientApplication";
  client["id"] = to_uuid(transaction.new_record_id());
  if (!wanted.name.empty()) client["name"] = wanted.name;
  const std::string secret = new_client_secret();
  std::string kept = wanted.secrets;
  if (wanted.has_secret) kept = with_client_secret(kept, secret);
  const Json reference =
      reference_to("ClientApplication/" + client["id"].get<std::string>(), wanted.name);
  RAMET_ASSIGN(Json stored, write_resource(shared.types, transaction, std::move(client),
                                           authored(project, author), {},
                                           std::move(kept)));
  Json rest = Json::object();
  if (wanted.is_admin) rest["admin"] = true;
  if (!wanted.access_policy.is_null()) rest["accessPolicy"] = wanted.access_policy;
  if (!wanted.access.is_null()) rest["access"] = wanted.access;
  RAMET_TRY(make_membership(shared, transaction, project, project_name, reference, reference, rest,
                            author));
  if (wanted.has_secret) stored["secret"] = secret;
  return stored;
}

Outcome<Json> find_membership(Shared& shared, const RecordView& records, std::string_view field,
                              std::string_view type, ObjectId id) {
  RecordQuery query;
  RAMET_ASSIGN(query.type, shared.types.number("ProjectMembership"));
  RAMET_ASSIGN(const TypeNumber target, shared.types.number(type));
  query.field = field;
  query.target = RecordQuery::Target{target, id};
  std::vector<ObjectId> found;
  RAMET_TRY(records.find_records(query, [&](ByteView, const ObjectId& one) {
    found.push_back(one);
    return true;
  }));
  for (const ObjectId& one : found) {
    RAMET_ASSIGN(const RecordInfo info, records.record(query.type, one));
    Json membership = parse_document(info);
    const auto active = membership.find("active");
    if (active == membership.end() || *active != false) return membership;
  }
  return Fault(Issue::kNotFound);
}

Outcome<MadeProject> make_project(Shared& shared, const NewProject& wanted) {
  if (NoWaitScope::active()) return Error(ErrorCode::kWouldWait, "a project is to be made");
  MadeProject made;
  RAMET_ASSIGN(const ContainerInfo info,
               shared.store().create_container(std::string(kContainerPrefix) + random_uuid(), {},
                                               {}, 0, ContainerForm::kRecords));
  made.id = info.id;
  auto filled = change(shared, info.id, [&](Transaction& transaction) {
    return fill_project(shared, transaction, wanted, made);
  });
  if (!filled.ok()) {
    ignore_error(shared.store().drop_container(info.id, {.now = true}), "nobody could use it");
    return std::move(filled).error();
  }
  return made;
}

Outcome<Login> principal_login(Shared& shared, const Caller& caller) {
  Login login;
  RAMET_ASSIGN(login.project, super_admin_project(shared));
  RAMET_ASSIGN(const Json membership,
               super_admin_member(shared, caller.principal, login.project));
  login.is_super_admin = true;
  login.is_project_admin = true;
  login.project_name = kSuperAdminName;
  login.user = reference_text("User", ObjectId{caller.principal.id.bytes});
  login.profile = text_member(membership.value("profile", Json::object()), "reference");
  login.author = login.profile;
  RAMET_ASSIGN(login.membership, parse_uuid<ObjectId>(text_member(membership, "id")));
  login.client_id = caller.principal.name;
  login.principal = caller.principal.name;
  return login;
}

}  // namespace ramet::serve::fhir
