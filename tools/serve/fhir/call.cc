#include "tools/serve/fhir/call.h"

#include <functional>
#include <set>

#include <fmt/format.h>

#include "tools/serve/fhir/jobs.h"
#include "tools/serve/fhir/links.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/search.h"
#include "tools/serve/fhir/secrets.h"
#include "tools/serve/pause.h"

namespace ramet::serve::fhir {
namespace {

constexpr int kAttempts = 20;

// What nobody of the project writes: a linked project's resources, and what only the server does.
Outcome<void> check_place(const Call& call, const Place& place) {
  if (place.is_own || call.login.is_super_admin) return {};
  return Fault(Issue::kForbidden);
}

std::string etag_of(const Json& resource) {
  return "W/\"" + meta_text(resource, "versionId") + "\"";
}

void set_version_fields(Fields& fields, const Json& resource) {
  fields.set("ETag", etag_of(resource));
  if (const auto time = parse_iso_date(meta_text(resource, "lastUpdated"))) {
    fields.set("Last-Modified", http_date(*time));
  }
}

// The value of "return" in Prefer (RFC 7240).
std::string preferred_return(const Request& request) {
  const std::string_view prefer = request.fields.get("prefer");
  const size_t at = prefer.find("return=");
  if (at == std::string_view::npos) return {};
  std::string_view rest = prefer.substr(at + 7);
  return std::string(rest.substr(0, rest.find_first_of(";, ")));
}

}  // namespace

Shared::Shared(Services& all) : services(all), types(all.store), auth(all) {}
Shared::~Shared() = default;

std::vector<std::unique_lock<std::mutex>> Shared::hold(const std::vector<std::string>& conditions) {
  std::set<size_t> places;  // in one order for all
  for (const std::string& condition : conditions) {
    places.insert(std::hash<std::string>{}(condition) % conditions_.size());
  }
  std::vector<std::unique_lock<std::mutex>> out;
  for (const size_t place : places) out.emplace_back(conditions_[place]);
  return out;
}

std::string Call::base() const {
  return fmt::format("{}://{}/", request.tls ? "https" : "http", request.host());
}

std::optional<std::string> Call::param(std::string_view name) const {
  for (const auto& [key, value] : params) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Authorship Call::authorship(ContainerId container) const {
  Authorship by;
  if (!login.author.empty()) by.author = Json{{"reference", login.author}};
  by.project = container;
  by.keeps_meta = login.is_super_admin;
  return by;
}

void Call::audit(std::string action, std::string target, std::string detail) {
  AuditEntry entry;
  entry.principal = login.principal;
  entry.action = std::move(action);
  entry.target = std::move(target);
  entry.detail = std::move(detail);
  entry.from = request.peer;
  ignore_error(shared.services.access.audit(std::move(entry)), "what was done is done");
}

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Answer json_answer(int status, const Json& json) {
  Answer answer;
  answer.status = status;
  answer.body = dumped(json);
  return answer;
}

Answer outcome_answer(Issue issue, const std::string& diagnostics) {
  return json_answer(issue_status(issue), outcome_json(issue, diagnostics));
}

Answer fault_answer(const Fault& fault) {
  Answer answer = json_answer(issue_status(fault.issue), outcome_json(fault));
  if (fault.issue == Issue::kUnauthorized) answer.fields.set("WWW-Authenticate", "Bearer");
  if (fault.issue == Issue::kUnavailable || fault.issue == Issue::kTooManyRequests) {
    answer.fields.set("Retry-After", "1");
  }
  return answer;
}

Outcome<void> change(Shared& shared, ContainerId container, Attempt attempt) {
  for (int i = 0; i < kAttempts; ++i) {
    RAMET_ASSIGN(auto transaction, shared.store().begin(container));
    RAMET_TRY(attempt(*transaction));
    const auto done = transaction->commit();
    if (done.ok()) return {};
    if (done.error().code() != ErrorCode::kBusy) return done.error();
  }
  return Fault(Issue::kConflict, "others are changing the same; nothing was done");
}

Outcome<Found> find_resource(Call& call, std::string_view type, std::string_view id) {
  if (!is_known_type(type)) return Fault(Issue::kNotFound);
  const auto parsed = parse_uuid<ObjectId>(id);
  if (!parsed.ok()) return Fault(Issue::kNotFound);
  Found found;
  RAMET_ASSIGN(const TypeNumber number, call.types().number(type));
  RAMET_ASSIGN(found.place, find_place(call.shared, call.login, type, *parsed));
  RAMET_ASSIGN(found.view, call.store().view(found.place.container));
  auto info = found.view->record(number, *parsed);
  if (!info.ok() && info.error().code() == ErrorCode::kNotFound) return Fault(Issue::kGone);
  if (!info.ok()) return std::move(info).error();
  found.info = std::move(*info);
  return found;
}

void hide_extended(Json& resource) {
  const auto meta = resource.find("meta");
  if (meta == resource.end() || !meta->is_object()) return;
  for (const char* name : {"author", "onBehalfOf", "project", "account", "accounts",
                           "compartment"}) {
    meta->erase(name);
  }
}

Outcome<Json> shown_resource(Call& call, const RecordView& records, const RecordInfo& info,
                             bool is_extended) {
  Json resource = parse_document(info);
  RAMET_TRY(check_read(call.login, Interaction::kRead, resource, matches_parameter));
  const std::string type = text_member(resource, "resourceType");
  if (has_secrets(type)) {
    const auto kept = records.record_secret(info.type, info.id);
    if (kept.ok()) {
      show_secrets(call.login, *kept, resource);
    } else if (kept.error().code() != ErrorCode::kNotFound) {
      return kept.error();
    }
  }
  if (!is_extended) hide_extended(resource);
  return resource;
}

Outcome<Answer> read_answer(Call& call, const Found& found) {
  Answer answer;
  RAMET_ASSIGN(const std::string type, call.types().name(found.info.type));
  Json meta;  // for the fields
  if (sees_all(call.login, Interaction::kRead, type) && !has_secrets(type)) {
    answer.body = call.is_extended() ? found.info.document : plain_document(found.info);
    answer.fields.set("ETag", "W/\"" + to_uuid(found.info.version) + "\"");
    // (The document begins with what is needed: {"resourceType":..,"id":..,"meta":{..)
    constexpr std::string_view kTime = "\"lastUpdated\":\"";
    const size_t at = answer.body.find(kTime);
    if (at != std::string::npos) {
      const auto time = parse_iso_date(std::string_view(answer.body).substr(at + kTime.size(), 24));
      if (time) answer.fields.set("Last-Modified", http_date(*time));
    }
  } else {
    RAMET_ASSIGN(const Json resource,
                 shown_resource(call, *found.view, found.info, call.is_extended()));
    answer.body = dumped(resource);
    set_version_fields(answer.fields, resource);
  }
  if (call.request.fields.get("if-none-match") == answer.fields.get("etag")) {
    Answer same;
    same.status = 304;
    same.fields = std::move(answer.fields);
    return same;
  }
  return answer;
}

Answer resource_answer(Call& call, int status, const Json& resource) {
  Answer answer;
  answer.status = status;
  set_version_fields(answer.fields, resource);
  const std::string name = text_member(resource, "resourceType") + "/" +
                           text_member(resource, "id");
  if (status == 201) answer.fields.set("Location", call.fhir_base() + name);
  const std::string wanted = preferred_return(call.request);
  if (wanted == "minimal") return answer;
  if (wanted == "OperationOutcome") {
    answer.body = dumped(outcome_json(status == 201 ? Issue::kCreated : Issue::kOk));
    return answer;
  }
  // Who may write it may not see all of it, or nothing.
  Json shown = resource;
  if (!check_read(call.login, Interaction::kRead, shown, matches_parameter).ok()) return answer;
  if (!call.is_extended()) hide_extended(shown);
  answer.body = dumped(shown);
  return answer;
}

Outcome<Json> store_resource(Call& call, Transaction& transaction, ContainerId container,
                             Json resource, const Json& before,
                             std::unique_ptr<ContentWriter> content) {
  const std::string type = text_member(resource, "resourceType");
  const Interaction interaction = before.is_null() ? Interaction::kCreate : Interaction::kUpdate;
  RAMET_TRY(check_place(call, {container, container == call.login.project}));
  if (before.is_null()) {
    const auto id = resource.find("id");
    if (id == resource.end()) resource["id"] = to_uuid(transaction.new_record_id());
  }
  make_relative(call.fhir_base(), resource);
  RAMET_TRY(check_write(call.login, interaction, before, resource, matches_parameter));
  RAMET_ASSIGN(const TypeNumber number, call.types().number(type));
  RAMET_ASSIGN(const ObjectId id, parse_uuid<ObjectId>(text_member(resource, "id")));
  std::string kept;
  if (has_secrets(type) && !before.is_null()) {
    RAMET_ASSIGN(kept, transaction.record_secret(number, id));
  }
  RAMET_ASSIGN(auto secrets, split_secrets(call.login, kept, resource));
  Authorship by = call.authorship(container);
  RAMET_ASSIGN(const ContainerId system, system_container(call.shared));
  by.in_project = container != system;
  RAMET_ASSIGN(Json stored,
               write_resource(call.types(), transaction, std::move(resource), by,
                              before.is_null() ? std::string() : meta_text(before, "lastUpdated"),
                              std::move(secrets), std::move(content)));
  return stored;
}

}  // namespace ramet::serve::fhir
