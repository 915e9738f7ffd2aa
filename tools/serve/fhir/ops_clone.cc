// $clone: a new project that is a copy of another one (docs/fhir.md#clone). One commit, however
// large the project is: it is there with all that was asked for, or not at all.
#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "engine/no_wait.h"
#include "format/hash.h"
#include "tools/serve/content_rules.h"
#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/jobs.h"
#include "tools/serve/fhir/secrets.h"

namespace ramet::serve::fhir {
namespace {

constexpr size_t kNameBytesMax = 1024;
constexpr size_t kListMax = 100'000;  // ids that are listed
constexpr size_t kKeyBytesMax = 255;
// For a commit of another request to become durable: 10 s in all.
constexpr int kLooks = 2000;
constexpr std::chrono::milliseconds kLookAgain{5};
constexpr std::string_view kRequestDocument = "fhir.clone-request";
constexpr std::string_view kDefaultClient = " Default Client";

// What is about the project it was made in, not about its content.
constexpr auto kNeverCloned = std::to_array<std::string_view>(
    {"Login", "AsyncJob", "AuditEvent", "JsonWebKey", "DomainConfiguration",
     "PasswordChangeRequest", "UserSecurityRequest", "BulkDataExport"});

// The body of the call.
struct CloneInput {
  std::string name;  // empty: as the source is called
  std::vector<std::string> types;
  std::vector<std::string> ids, without_ids;
};

// All that is needed, so that it can be done later and elsewhere.
struct CloneOrder {
  CloneSpec spec;
  std::string name;
  std::string owner;         // a reference
  std::string request_hash;  // with an Idempotency-Key: of what was asked; empty: there is none
  ContainerAccess rules;
  AuditEntry audit;
};

Outcome<std::vector<std::string>> read_texts(const Json& input, const std::string& name) {
  std::vector<std::string> out;
  const auto found = input.find(name);
  if (found == input.end() || found->is_null()) return out;
  if (!found->is_array()) {
    return Fault(Issue::kStructure, fmt::format("{} must be an array of strings", name), name);
  }
  if (found->size() > kListMax) {
    return Fault(Issue::kInvalid, fmt::format("{} has more than {} elements", name, kListMax),
                 name);
  }
  for (size_t i = 0; i < found->size(); ++i) {
    const Json& one = (*found)[i];
    if (!one.is_string()) {
      return Fault(Issue::kStructure, fmt::format("{} must be an array of strings", name),
                   fmt::format("{}[{}]", name, i));
    }
    out.push_back(one.get<std::string>());
  }
  return out;
}

Outcome<CloneInput> read_input(const Json& json) {
  CloneInput out;
  if (json.is_null()) return out;
  if (!json.is_object()) return Fault(Issue::kStructure, "the body must be a JSON object");
  // What is misspelt would be thought to leave something out.
  constexpr std::array<std::string_view, 4> kKnown = {"name", "resourceTypes", "includeIds",
                                                      "excludeIds"};
  for (const auto& [name, member] : json.items()) {
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
      return Fault(Issue::kNotSupported,
                   fmt::format("Unknown parameter '{}': the body is a JSON object of name, "
                               "resourceTypes, includeIds and excludeIds",
                               name),
                   name);
    }
  }
  if (const auto name = json.find("name"); name != json.end() && !name->is_null()) {
    if (!name->is_string()) return Fault(Issue::kStructure, "name must be a string", "name");
    out.name = name->get<std::string>();
    if (out.name.size() > kNameBytesMax || out.name.find('\0') != std::string::npos) {
      return Fault(Issue::kInvalid,
                   fmt::format("name has at most {} bytes, and no NUL", kNameBytesMax), "name");
    }
  }
  RAMET_ASSIGN(out.types, read_texts(json, "resourceTypes"));
  for (size_t i = 0; i < out.types.size(); ++i) {
    if (is_known_type(out.types[i])) continue;
    return Fault(Issue::kInvalid, fmt::format("Unknown resource type: {}", out.types[i]),
                 fmt::format("resourceTypes[{}]", i));
  }
  RAMET_ASSIGN(out.ids, read_texts(json, "includeIds"));
  RAMET_ASSIGN(out.without_ids, read_texts(json, "excludeIds"));
  return out;
}

// Texts that are no ids are of nothing.
std::vector<ObjectId> ids_of(const std::vector<std::string>& texts) {
  std::vector<ObjectId> out;
  for (const std::string& text : texts) {
    const auto id = parse_uuid<ObjectId>(text);
    if (id.ok()) out.push_back(*id);
  }
  return out;
}

Outcome<void> select(Types& types, const CloneInput& input, CloneSpec& spec) {
  if (!input.types.empty()) {
    for (const std::string& name : input.types) {
      RAMET_ASSIGN(const TypeNumber number, types.number(name));
      spec.types.push_back(number);
    }
    RAMET_ASSIGN(const TypeNumber project, types.number("Project"));
    spec.types.push_back(project);
  }
  for (const std::string_view name : kNeverCloned) {
    RAMET_ASSIGN(const TypeNumber number, types.number(name));
    spec.without_types.push_back(number);
  }
  spec.ids = ids_of(input.ids);
  // A list in which nothing is known selects nothing, not everything.
  if (!input.ids.empty()) spec.ids.push_back(project_resource(spec.source));
  spec.without_ids = ids_of(input.without_ids);
  return {};
}

// --- what is different in the clone --------------------------------------------------------------

Outcome<std::vector<Json>> all_of(Types& types, const RecordView& records, std::string_view type) {
  RAMET_ASSIGN(const TypeNumber number, types.number(type));
  std::vector<Json> out;
  RAMET_TRY(records.records(number, {}, [&](const RecordInfo& info) {
    out.push_back(parse_document(info));
    return true;
  }));
  return out;
}

// Writes it again as it is in the clone by now; it stays whose it was.
Outcome<Json> rewrite(Types& types, Transaction& transaction, ContainerId project, Json resource) {
  Authorship by;
  by.project = project;
  by.keeps_meta = true;
  const std::string before = meta_text(resource, "lastUpdated");
  return write_resource(types, transaction, std::move(resource), by, before);
}

Outcome<void> rename_members(Types& types, Transaction& transaction, ContainerId project,
                             const std::string& name) {
  RAMET_ASSIGN(std::vector<Json> memberships, all_of(types, transaction, "ProjectMembership"));
  for (Json& membership : memberships) {
    Json reference = membership.value("project", Json::object());
    if (!reference.is_object()) reference = Json::object();
    if (!reference.contains("reference")) {
      reference["reference"] = reference_text("Project", project_resource(project));
    }
    reference["display"] = name;
    membership["project"] = std::move(reference);
    RAMET_TRY(rewrite(types, transaction, project, std::move(membership)));
  }
  RAMET_ASSIGN(std::vector<Json> clients, all_of(types, transaction, "ClientApplication"));
  for (Json& client : clients) {
    if (!text_member(client, "name").ends_with(kDefaultClient)) continue;
    client["name"] = name + std::string(kDefaultClient);
    client["description"] = "Default client for " + name;
    RAMET_TRY(rewrite(types, transaction, project, std::move(client)));
  }
  return {};
}

// By the ids that the clone shows. Gives its Project.
Outcome<Json> edit_clone(Types& types, Transaction& transaction, const CloneOrder& order) {
  RAMET_ASSIGN(std::vector<Json> projects, all_of(types, transaction, "Project"));
  if (projects.size() != 1) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("the clone has {} Projects, not one", projects.size()));
  }
  Json project = std::move(projects.front());
  RAMET_ASSIGN(const ContainerId id, parse_uuid<ContainerId>(text_member(project, "id")));
  if (!order.name.empty()) project["name"] = order.name;
  project["owner"] = reference_to(order.owner);
  // Who may see every project is not handed on by copying one.
  project.erase("superAdmin");
  RAMET_ASSIGN(Json stored, rewrite(types, transaction, id, std::move(project)));
  if (!order.name.empty()) RAMET_TRY(rename_members(types, transaction, id, order.name));
  if (!order.request_hash.empty()) {
    RAMET_TRY(transaction.set_document(kRequestDocument, order.request_hash));
  }
  return stored;
}

// --- doing it ------------------------------------------------------------------------------------

// The Project that the same request with the same Idempotency-Key made before. nullopt: none.
Outcome<std::optional<Json>> find_done(Shared& shared, const CloneOrder& order) {
  if (order.request_hash.empty()) return std::optional<Json>();
  auto info = shared.store().container(order.spec.new_container);
  if (!info.ok()) {
    if (info.error().code() == ErrorCode::kNotFound) return std::optional<Json>();
    return std::move(info).error();
  }
  RAMET_ASSIGN(const auto view, shared.store().view(info->id));
  auto before = view->document(kRequestDocument);
  if (!before.ok() && before.error().code() != ErrorCode::kNotFound) {
    return std::move(before).error();
  }
  if (!before.ok() || *before != order.request_hash) {
    return Fault(Issue::kBusinessRule, "the Idempotency-Key was used for another request");
  }
  RAMET_ASSIGN(Json project,
               read_resource(shared, *view, "Project", project_resource(info->id)));
  return std::optional<Json>(std::move(project));
}

// Gives the Project as it is stored.
Outcome<Json> perform(Shared& shared, CloneOrder order) {
  const AuditScope who(order.audit.principal, order.audit.from);
  Json project;
  std::optional<Fault> failed;
  order.spec.edit = [&](Transaction& transaction) -> Status {
    failed.reset();
    auto edited = edit_clone(shared.types, transaction, order);
    if (edited.ok()) {
      project = std::move(*edited);
      return ok();
    }
    failed = std::move(edited).error();
    return Error(ErrorCode::kCancelled, "the clone could not be changed");
  };
  auto done = shared.store().clone(order.spec);
  if (!done.ok()) {
    if (failed) return std::move(*failed);
    if (done.error().code() == ErrorCode::kAlreadyExists) {
      // Made meanwhile by the same request; names are taken before the commit is durable and seen.
      for (int i = 0; i < kLooks; ++i) {
        RAMET_ASSIGN(auto before, find_done(shared, order));
        if (before) return std::move(*before);
        std::this_thread::sleep_for(kLookAgain);
      }
    }
    return std::move(done).error();
  }
  if (order.rules != ContainerAccess{}) {
    const Status furnished =
        shared.services.access.set_container_access(done->container, order.rules);
    if (!furnished.ok()) {
      ignore_error(shared.store().drop_container(done->container, {.now = true}),
                   "without its rules it must not be there");
      return furnished.error();
    }
  }
  order.audit.target = to_uuid(done->container);
  ignore_error(shared.services.access.audit(order.audit), "what was done is done");
  return project;
}

// The Idempotency-Key: a clone's container is named by it, so there can be only one.
Outcome<void> read_key(const Call& call, CloneOrder& order) {
  const auto key = call.request.fields.find("idempotency-key");
  if (!key) {
    order.spec.new_container = std::string(kContainerPrefix) + random_uuid();
    return {};
  }
  if (key->empty() || key->size() > kKeyBytesMax) {
    return Fault(Issue::kInvalid,
                 fmt::format("an Idempotency-Key has 1 to {} bytes", kKeyBytesMax));
  }
  const std::string whose = fmt::format("{} {}\n{}\n{}", to_uuid(call.login.project),
                                        call.login.user, to_uuid(order.spec.source), *key);
  order.spec.new_container =
      std::string(kContainerPrefix) + "once-" + blake3(whose).to_hex().substr(0, 32);
  const Json input = call.input.is_null() ? Json::object() : call.input;
  order.request_hash = blake3(dumped(input)).to_hex();
  return {};
}

bool wants_async(const Request& request) {
  for (const auto& field : request.fields) {
    if (!same_name(field.name, "prefer")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find_first_of(",;"), rest.size());
      std::string_view one = rest.substr(0, end);
      while (one.starts_with(' ')) one.remove_prefix(1);
      while (one.ends_with(' ')) one.remove_suffix(1);
      if (one == "respond-async") return true;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return false;
}

}  // namespace

Outcome<Answer> clone_project(Call& call) {
  if (NoWaitScope::active()) return Error(ErrorCode::kWouldWait, "a clone waits");
  // Before anything is said of whether there is such a project.
  if (!call.login.is_super_admin) return Fault(Issue::kForbidden);
  const auto source = parse_uuid<ContainerId>(call.path[1]);
  if (!source.ok()) return Fault(Issue::kNotFound);
  RAMET_ASSIGN(const CloneInput input, read_input(call.input));
  CloneOrder order;
  order.spec.source = *source;
  order.spec.identity = CloneIdentity::kFresh;
  order.name = input.name;
  order.owner = call.login.user;
  RAMET_TRY(read_key(call, order));
  order.audit.principal = call.login.principal;
  order.audit.action = "fhir.clone";
  order.audit.detail = "of " + to_uuid(*source);
  order.audit.from = call.request.peer;

  // (Also if the source has gone since: whoever asks again is told the same.)
  RAMET_ASSIGN(auto before, find_done(call.shared, order));
  if (before) return resource_answer(call, 201, *before);
  RAMET_ASSIGN(const bool there, is_project(call.shared, *source));
  if (!there) return Fault(Issue::kNotFound);
  RAMET_ASSIGN(const ContainerAccess rules,
               call.shared.services.access.container_access(*source));
  const auto kept_rules = rules_of_clone(rules);
  if (!kept_rules.ok()) {
    return Fault(Issue::kForbidden, kept_rules.error().message());
  }
  order.rules = *kept_rules;
  RAMET_TRY(select(call.types(), input, order.spec));

  if (wants_async(call.request)) {
    Shared& shared = call.shared;
    return start_job(call, order.spec.new_container,
                     [&shared, order] { return perform(shared, order); });
  }
  RAMET_ASSIGN(const Json project, perform(call.shared, std::move(order)));
  return resource_answer(call, 201, project);
}

}  // namespace ramet::serve::fhir
