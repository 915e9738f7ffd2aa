// Administering projects: making them, their clients, bots and members.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "engine/no_wait.h"
#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/links.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/secrets.h"
#include "tools/serve/fhir/values.h"

namespace ramet::serve::fhir {
namespace {

constexpr size_t kNameBytesMax = 1024;

constexpr std::string_view kBotSource =
    "import { BotEvent, MedplumClient } from '@medplum/core';\n"
    "\n"
    "export async function handler(medplum: MedplumClient, event: BotEvent): Promise<any> {\n"
    "}\n";

bool is_not_found(const Fault& fault) { return fault.issue == Issue::kNotFound && !fault.waits; }

// The project that the path names, for those who administer it.
Outcome<ContainerId> administered(Call& call, std::string_view text) {
  const auto id = parse_uuid<ContainerId>(text);
  if (!call.login.is_super_admin) {
    if (!call.login.is_project_admin) return Fault(Issue::kForbidden);
    if (!id.ok() || *id != call.login.project) return Fault(Issue::kNotFound);
    return *id;
  }
  if (!id.ok()) return Fault(Issue::kNotFound);
  RAMET_ASSIGN(const bool there, is_project(call.shared, *id));
  if (!there) return Fault(Issue::kNotFound);
  return *id;
}

Outcome<void> check_members(const Json& input, std::initializer_list<std::string_view> known) {
  if (!input.is_object()) return Fault(Issue::kStructure, "the body must be a JSON object");
  for (const auto& [name, member] : input.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return Fault(Issue::kNotSupported, fmt::format("Unknown parameter '{}'", name), name);
    }
  }
  return {};
}

// A text; empty if it is not given and need not be.
Outcome<std::string> read_text(const Json& input, const std::string& name, bool required,
                               std::string_view missing = {}) {
  const auto found = input.find(name);
  const bool is_given = found != input.end() && !found->is_null() && *found != "";
  if (!is_given) {
    if (!required) return std::string();
    return Fault(Issue::kInvalid,
                 missing.empty() ? fmt::format("{} is required", name) : std::string(missing),
                 name);
  }
  if (!found->is_string()) {
    return Fault(Issue::kStructure, fmt::format("{} must be a string", name));
  }
  const auto text = found->get<std::string>();
  if (text.size() <= kNameBytesMax && text.find('\0') == std::string::npos) return text;
  return Fault(Issue::kInvalid, fmt::format("{} has at most {} bytes, and no NUL", name,
                                            kNameBytesMax), name);
}

Outcome<bool> read_flag(const Json& input, const std::string& name) {
  const auto found = input.find(name);
  if (found == input.end() || found->is_null()) return false;
  if (found->is_boolean()) return found->get<bool>();
  return Fault(Issue::kStructure, fmt::format("{} must be true or false", name), name);
}

// accessPolicy and access of a membership that is to be made: policies of this project.
struct Access {
  Json policy;  // null: none, as below
  Json list;
};
Outcome<void> check_policy(Call& call, const RecordView& records, const Json& reference,
                           std::string_view where) {
  const std::string text = text_member(reference, "reference");
  const auto parsed = parse_exact_reference(text);
  if (parsed && parsed->type == "AccessPolicy") {
    RAMET_ASSIGN(const TypeNumber number, call.types().number("AccessPolicy"));
    RAMET_ASSIGN(const bool there, records.has_record(number, parsed->id));
    if (there) return {};
  }
  return Fault(Issue::kInvalid, "there is no such AccessPolicy in the project", std::string(where));
}
Outcome<Access> read_access(Call& call, const RecordView& records, const Json& input) {
  Access out;
  if (const auto found = input.find("accessPolicy"); found != input.end() && !found->is_null()) {
    RAMET_TRY(check_policy(call, records, *found, "accessPolicy"));
    out.policy = *found;
  }
  if (const auto found = input.find("access"); found != input.end() && !found->is_null()) {
    if (!found->is_array()) return Fault(Issue::kStructure, "access must be an array", "access");
    for (const Json& one : *found) {
      if (!one.is_object() || !one.contains("policy")) {
        return Fault(Issue::kStructure, "an access has a policy", "access");
      }
      RAMET_TRY(check_policy(call, records, one["policy"], "access.policy"));
    }
    out.list = *found;
  }
  return out;
}

Json membership_rest(const Access& access, bool is_admin) {
  Json rest = Json::object();
  if (is_admin) rest["admin"] = true;
  if (!access.policy.is_null()) rest["accessPolicy"] = access.policy;
  if (!access.list.is_null()) rest["access"] = access.list;
  return rest;
}

Json author_of(const Call& call) {
  return call.login.author.empty() ? Json(nullptr) : reference_to(call.login.author);
}

Outcome<std::string> name_of_project(Call& call, const RecordView& records, ContainerId project) {
  RAMET_ASSIGN(const Json json,
               read_resource(call.shared, records, "Project", project_resource(project)));
  return text_member(json, "name");
}

// --- users ---------------------------------------------------------------------------------------

// The User with this address in a container. kNotFound.
Outcome<Json> find_user(Call& call, const RecordView& records, const std::string& email) {
  RecordQuery query;
  RAMET_ASSIGN(query.type, call.types().number("User"));
  query.field = "email";
  query.from = token_value(email);
  query.to = query.from + '\0';
  std::vector<ObjectId> found;
  RAMET_TRY(records.find_records(query, [&](ByteView, const ObjectId& id) {
    found.push_back(id);
    return true;
  }));
  for (const ObjectId& id : found) {
    RAMET_ASSIGN(const RecordInfo info, records.record(query.type, id));
    Json user = parse_document(info);
    if (text_member(user, "email") == email) return user;  // (values in the index may be cut)
  }
  return Fault(Issue::kNotFound);
}

struct Person {
  std::string first_name, last_name, email;
  std::string title() const {
    if (first_name.empty() || last_name.empty()) return first_name + last_name;
    return first_name + " " + last_name;
  }
};

Outcome<Json> add_user(Call& call, Transaction& transaction, ContainerId container,
                       bool in_project, const Person& person) {
  if (!person.email.empty()) {
    auto found = find_user(call, transaction, person.email);
    if (found.ok() || !is_not_found(found.error())) return found;
  }
  Json user;
  user["resourceType"] = "User";
  user["id"] = to_uuid(transaction.new_record_id());
  if (!person.first_name.empty()) user["firstName"] = person.first_name;
  if (!person.last_name.empty()) user["lastName"] = person.last_name;
  if (!person.email.empty()) user["email"] = person.email;
  Authorship by = call.authorship(container);
  by.in_project = in_project;
  if (in_project) {
    user["project"] = reference_to(reference_text("Project", project_resource(container)));
  }
  return write_resource(call.types(), transaction, std::move(user), by, {});
}

// A User that belongs to no project: the one with the address, or a new one.
Outcome<Json> global_user(Call& call, const Person& person) {
  RAMET_ASSIGN(const ContainerId system, system_container(call.shared));
  Json user;
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_ASSIGN(user, add_user(call, transaction, system, false, person));
    return {};
  };
  RAMET_TRY(change(call.shared, system, attempt));
  return user;
}

// A profile and a membership for a user.
Outcome<Json> add_member(Call& call, Transaction& transaction, ContainerId project,
                         std::string_view project_name, const Json& user,
                         std::string_view profile_type, const Person& person, const Json& rest) {
  Json profile;
  profile["resourceType"] = profile_type;
  profile["id"] = to_uuid(transaction.new_record_id());
  Json name;
  if (!person.first_name.empty()) name["given"] = Json::array({person.first_name});
  if (!person.last_name.empty()) name["family"] = person.last_name;
  if (!name.is_null()) profile["name"] = Json::array({std::move(name)});
  if (!person.email.empty()) {
    profile["telecom"] = Json::array(
        {Json({{"system", "email"}, {"use", "work"}, {"value", person.email}})});
  }
  const std::string reference =
      fmt::format("{}/{}", profile_type, profile["id"].get<std::string>());
  RAMET_TRY(write_resource(call.types(), transaction, std::move(profile),
                           call.authorship(project), {}));
  return make_membership(call.shared, transaction, project, project_name,
                         reference_to("User/" + text_member(user, "id"), person.title()),
                         reference_to(reference, person.title()), rest, author_of(call));
}

std::string folded_address(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return text;
}

// What "Parameters" say, as an object of their names.
Outcome<Json> plain_input(const Json& input) {
  if (text_member(input, "resourceType") != "Parameters") return input;
  Json out = Json::object();
  const auto list = input.find("parameter");
  if (list == input.end()) return out;
  if (!list->is_array()) return Fault(Issue::kStructure, "parameter must be an array", "parameter");
  for (const Json& one : *list) {
    const std::string name = text_member(one, "name");
    if (name.empty()) return Fault(Issue::kStructure, "a parameter has a name", "parameter");
    for (const auto& [member, value] : one.items()) {
      if (member.starts_with("value")) out[name] = value;
    }
  }
  return out;
}

// Who is to own a new project; null: nobody was named.
Outcome<Json> read_owner(Call& call, const Json& input) {
  RAMET_ASSIGN(const std::string email, read_text(input, "ownerEmail", false));
  if (const auto owner = input.find("owner"); owner != input.end() && !owner->is_null()) {
    const std::string text =
        owner->is_string() ? owner->get<std::string>() : text_member(*owner, "reference");
    const auto parsed = parse_exact_reference(text);
    if (!parsed || parsed->type != "User") {
      return Fault(Issue::kInvalid, "the owner must be a User", "owner");
    }
    RAMET_ASSIGN(const ContainerId system, system_container(call.shared));
    RAMET_ASSIGN(const auto view, call.store().view(system));
    auto user = read_resource(call.shared, *view, "User", parsed->id);
    if (user.ok() || !is_not_found(user.error())) return user;
    return Fault(Issue::kInvalid, "there is no such User", "owner");
  }
  if (email.empty()) return Json(nullptr);
  Person person;
  person.email = folded_address(email);
  return global_user(call, person);
}

Outcome<std::string> role_of(const Json& project, const Json& membership) {
  const std::string user = text_member(membership.value("user", Json::object()), "reference");
  const std::string owner = text_member(project.value("owner", Json::object()), "reference");
  if (!user.empty() && user == owner) return std::string("owner");
  const auto admin = membership.find("admin");
  return std::string(admin != membership.end() && *admin == true ? "admin" : "member");
}

}  // namespace

Outcome<Answer> admin_project(Call& call) {
  RAMET_ASSIGN(const ContainerId id, administered(call, call.path[2]));
  RAMET_ASSIGN(const auto view, call.store().view(id));
  RAMET_ASSIGN(const TypeNumber type, call.types().number("Project"));
  RAMET_ASSIGN(const RecordInfo info, view->record(type, project_resource(id)));
  RAMET_ASSIGN(const Json project, shown_resource(call, *view, info, call.is_extended()));
  Json out;
  out["project"]["id"] = to_uuid(id);
  for (const char* name : {"name", "secret", "site"}) {
    if (project.contains(name)) out["project"][name] = project[name];
  }
  Json members = Json::array();
  RAMET_ASSIGN(const TypeNumber memberships, call.types().number("ProjectMembership"));
  std::vector<Json> all;
  RAMET_TRY(view->records(memberships, {}, [&](const RecordInfo& one) {
    all.push_back(parse_document(one));
    return true;
  }));
  for (const Json& one : all) {
    Json member;
    member["id"] = text_member(one, "id");
    for (const char* name : {"user", "profile"}) {
      if (one.contains(name)) member[name] = one[name];
    }
    RAMET_ASSIGN(member["role"], role_of(project, one));
    members.push_back(std::move(member));
  }
  out["members"] = std::move(members);
  Answer answer = json_answer(200, out);
  answer.media_type = "application/json; charset=utf-8";
  return answer;
}

Outcome<Answer> admin_client(Call& call) {
  RAMET_ASSIGN(const ContainerId project, administered(call, call.path[2]));
  RAMET_TRY(check_members(call.input,
                          {"name", "description", "status", "redirectUri", "redirectUris",
                           "launchUri", "pkceOptional", "identityProvider", "jwksUri",
                           "defaultScope", "allowedOrigin", "accessTokenLifetime",
                           "refreshTokenLifetime", "accessPolicy", "access", "resourceType"}));
  NewClient wanted;
  RAMET_ASSIGN(wanted.name, read_text(call.input, "name", true, "Client name is required"));
  Json fields = call.input;
  fields["resourceType"] = "ClientApplication";
  for (const char* name : {"accessPolicy", "access"}) fields.erase(name);
  RAMET_TRY(check_shape(fields, "ClientApplication"));
  RAMET_ASSIGN(auto kept, split_secrets(call.login, {}, fields));
  wanted.secrets = kept.value_or("");
  wanted.fields = std::move(fields);
  Answer answer;
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_ASSIGN(Access access, read_access(call, transaction, call.input));
    wanted.access_policy = std::move(access.policy);
    wanted.access = std::move(access.list);
    RAMET_ASSIGN(const std::string name, name_of_project(call, transaction, project));
    RAMET_ASSIGN(const Json client, make_client(call.shared, transaction, project, name, wanted,
                                                author_of(call)));
    answer = resource_answer(call, 201, client);
    return {};
  };
  RAMET_TRY(change(call.shared, project, attempt));
  call.audit("fhir.client", answer.fields.get("location").empty()
                                ? to_uuid(project)
                                : std::string(answer.fields.get("location")));
  return answer;
}

Outcome<Answer> admin_bot(Call& call) {
  RAMET_ASSIGN(const ContainerId project, administered(call, call.path[2]));
  RAMET_TRY(check_members(call.input, {"name", "description", "runtimeVersion", "category",
                                       "accessPolicy", "access", "resourceType"}));
  RAMET_ASSIGN(const std::string bot_name,
               read_text(call.input, "name", true, "Bot name is required"));
  Json fields = call.input;
  fields["resourceType"] = "Bot";
  for (const char* name : {"accessPolicy", "access"}) fields.erase(name);
  RAMET_TRY(check_shape(fields, "Bot"));
  Answer answer;
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_ASSIGN(const Access access, read_access(call, transaction, call.input));
    RAMET_ASSIGN(const std::string name, name_of_project(call, transaction, project));
    const Authorship by = call.authorship(project);
    Json binary;
    binary["resourceType"] = "Binary";
    binary["id"] = to_uuid(transaction.new_record_id());
    binary["contentType"] = "text/typescript";
    const std::string url = "Binary/" + binary["id"].get<std::string>();
    RAMET_ASSIGN(auto content, transaction.write_content());
    RAMET_TRY(content->append(kBotSource));
    RAMET_TRY(write_resource(call.types(), transaction, std::move(binary), by, {}, {},
                             std::move(content)));
    Json bot = fields;
    bot["id"] = to_uuid(transaction.new_record_id());
    bot["sourceCode"] = {{"contentType", "text/typescript"}, {"title", "index.ts"}, {"url", url}};
    const Json reference = reference_to("Bot/" + bot["id"].get<std::string>(), bot_name);
    RAMET_ASSIGN(const Json stored,
                 write_resource(call.types(), transaction, std::move(bot), by, {}));
    RAMET_TRY(make_membership(call.shared, transaction, project, name, reference, reference,
                              membership_rest(access, false), author_of(call)));
    answer = resource_answer(call, 201, stored);
    return {};
  };
  RAMET_TRY(change(call.shared, project, attempt));
  return answer;
}

Outcome<Answer> admin_invite(Call& call) {
  RAMET_ASSIGN(const ContainerId project, administered(call, call.path[2]));
  const Json& input = call.input;
  RAMET_TRY(check_members(input, {"resourceType", "firstName", "lastName", "email", "sendEmail",
                                  "admin", "accessPolicy", "access", "scope", "externalId",
                                  "membership"}));
  RAMET_ASSIGN(const std::string type, read_text(input, "resourceType", true));
  if (type != "Practitioner" && type != "Patient" && type != "RelatedPerson") {
    return Fault(Issue::kInvalid,
                 "resourceType must be Practitioner, Patient or RelatedPerson", "resourceType");
  }
  Person person;
  RAMET_ASSIGN(person.first_name, read_text(input, "firstName", true));
  RAMET_ASSIGN(person.last_name, read_text(input, "lastName", true));
  RAMET_ASSIGN(const std::string email, read_text(input, "email", false));
  RAMET_ASSIGN(const std::string external, read_text(input, "externalId", false));
  RAMET_ASSIGN(const std::string scope, read_text(input, "scope", false));
  RAMET_ASSIGN(const bool sends, read_flag(input, "sendEmail"));
  if (sends) {
    return Fault(Issue::kNotSupported, "no e-mail is sent from here; ask with sendEmail: false",
                 "sendEmail");
  }
  if (!scope.empty() && scope != "project" && scope != "server") {
    return Fault(Issue::kInvalid, "scope must be project or server", "scope");
  }
  person.email = folded_address(email);
  if (person.email.empty() && external.empty()) {
    return Fault(Issue::kInvalid, "Either email or externalId is required", "email");
  }
  // What is said of the membership may be in an object of its own.
  Json of_membership = input.value("membership", Json::object());
  RAMET_TRY(check_members(of_membership, {"admin", "accessPolicy", "access"}));
  for (const char* name : {"admin", "accessPolicy", "access"}) {
    if (input.contains(name) && !of_membership.contains(name)) of_membership[name] = input[name];
  }
  RAMET_ASSIGN(const bool is_admin, read_flag(of_membership, "admin"));

  const bool is_global = scope.empty() ? type == "Practitioner" : scope == "server";
  Json user;
  if (is_global) {
    RAMET_ASSIGN(user, global_user(call, person));
  }
  Answer answer;
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_ASSIGN(const Access access, read_access(call, transaction, of_membership));
    RAMET_ASSIGN(const std::string name, name_of_project(call, transaction, project));
    Json its_user = user;
    if (!is_global) {
      RAMET_ASSIGN(its_user, add_user(call, transaction, project, true, person));
    }
    RAMET_ASSIGN(const ObjectId user_id, parse_uuid<ObjectId>(text_member(its_user, "id")));
    const auto member = find_membership(call.shared, transaction, "user", "User", user_id);
    if (member.ok()) {
      return Fault(Issue::kConflict, "User is already a member of this project");
    }
    if (!is_not_found(member.error())) return member.error();
    Json rest = membership_rest(access, is_admin);
    if (!external.empty()) rest["externalId"] = external;
    RAMET_ASSIGN(const Json membership, add_member(call, transaction, project, name, its_user,
                                                   type, person, rest));
    answer = resource_answer(call, 200, membership);
    return {};
  };
  RAMET_TRY(change(call.shared, project, attempt));
  return answer;
}

Outcome<Answer> init_project(Call& call) {
  if (NoWaitScope::active()) return Error(ErrorCode::kWouldWait, "a project is to be made");
  if (!call.login.is_super_admin) return Fault(Issue::kForbidden);
  RAMET_ASSIGN(const Json input, plain_input(call.input));
  RAMET_TRY(check_members(input, {"name", "owner", "ownerEmail"}));
  NewProject wanted;
  RAMET_ASSIGN(wanted.name, read_text(input, "name", true, "Project name is required"));
  RAMET_ASSIGN(const Json owner, read_owner(call, input));
  wanted.author = author_of(call);
  wanted.has_defaults = true;
  if (!owner.is_null()) {
    wanted.owner = "User/" + text_member(owner, "id");
    wanted.more = [&](Transaction& transaction, ContainerId project) -> Outcome<void> {
      Person person;
      person.first_name = text_member(owner, "firstName");
      person.last_name = text_member(owner, "lastName");
      person.email = text_member(owner, "email");
      RAMET_TRY(add_member(call, transaction, project, wanted.name, owner, "Practitioner", person,
                           {{"admin", true}}));
      return {};
    };
  }
  RAMET_ASSIGN(const MadeProject made, make_project(call.shared, wanted));
  call.audit("fhir.project", to_uuid(made.id));
  return resource_answer(call, 201, made.project);
}

Outcome<Answer> rotate_secret(Call& call) {
  const auto id = parse_uuid<ObjectId>(call.path[1]);
  if (!id.ok()) return Fault(Issue::kNotFound);
  if (!call.login.is_super_admin && !call.login.is_project_admin) return Fault(Issue::kForbidden);
  RAMET_ASSIGN(const Found found, find_resource(call, "ClientApplication", call.path[1]));
  if (!found.place.is_own) return Fault(Issue::kForbidden);
  const std::string secret = new_client_secret();
  Answer answer;
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_ASSIGN(const RecordInfo info, transaction.record(found.info.type, *id));
    RAMET_ASSIGN(const std::string kept, transaction.record_secret(found.info.type, *id));
    Json client = parse_document(info);
    const std::string before = meta_text(client, "lastUpdated");
    RAMET_ASSIGN(Json stored,
                 write_resource(call.types(), transaction, std::move(client),
                                call.authorship(found.place.container), before,
                                with_client_secret(kept, secret)));
    stored["secret"] = secret;
    answer = resource_answer(call, 200, stored);
    return {};
  };
  RAMET_TRY(change(call.shared, found.place.container, attempt));
  call.audit("fhir.rotate-secret", call.path[1]);
  return answer;
}

Outcome<Answer> expunge(Call& call) {
  if (NoWaitScope::active()) return Error(ErrorCode::kWouldWait, "what is dropped is written");
  if (!call.login.is_super_admin) return Fault(Issue::kForbidden);
  const std::string& type = call.path[0];
  const auto everything = call.param("everything");
  if (everything && *everything != "true" && *everything != "false") {
    return Fault(Issue::kInvalid, "everything must be true or false", "everything");
  }
  const bool all = everything == "true";
  if (type == "Project") {
    const auto id = parse_uuid<ContainerId>(call.path[1]);
    if (!id.ok()) return Fault(Issue::kNotFound);
    RAMET_ASSIGN(const bool there, is_project(call.shared, *id));
    if (!there) return Fault(Issue::kNotFound);
    if (!all) {
      return Fault(Issue::kNotSupported,
                   "a project goes with all that is in it, or not at all: everything=true");
    }
    if (*id == call.login.project) {
      return Fault(Issue::kBusinessRule, "nobody expunges the project that they are a member of");
    }
    RAMET_TRY(call.store().drop_container(*id));
    call.audit("fhir.expunge", "Project/" + call.path[1]);
    return outcome_answer(Issue::kOk);
  }
  if (all) {
    return Fault(Issue::kNotSupported, "everything=true is for projects alone", "everything");
  }
  if (!is_known_type(type)) return Fault(Issue::kNotFound);
  const auto id = parse_uuid<ObjectId>(call.path[1]);
  if (!id.ok()) return Fault(Issue::kNotFound);
  RAMET_ASSIGN(const Place place, find_place(call.shared, call.login, type, *id));
  RAMET_ASSIGN(const TypeNumber number, call.types().number(type));
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_TRY(transaction.expunge_record(number, *id));
    return {};
  };
  RAMET_TRY(change(call.shared, place.container, attempt));
  call.audit("fhir.expunge", type + "/" + call.path[1]);
  return outcome_answer(Issue::kOk);
}

}  // namespace ramet::serve::fhir
