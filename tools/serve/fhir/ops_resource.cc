// Create, read, update, patch and delete (http://hl7.org/fhir/R4/http.html).
#include <fmt/format.h>

#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/search.h"
#include "tools/serve/fhir/secrets.h"

namespace ramet::serve::fhir {
namespace {

Outcome<void> check_type(std::string_view type) {
  if (is_known_type(type)) return {};
  return Fault(Issue::kNotFound, fmt::format("Unknown resource type: {}", type));
}

// Where a new resource goes: the caller's project, or as a super admin says in meta.project; Users
// without a project belong to the server.
Outcome<ContainerId> place_of_new(Call& call, const Json& resource) {
  if (!call.login.is_super_admin) return call.login.project;
  const std::string project = meta_text(resource, "project");
  if (project.empty()) {
    if (text_member(resource, "resourceType") == "User" && !resource.contains("project")) {
      return system_container(call.shared);
    }
    return call.login.project;
  }
  const auto id = parse_uuid<ContainerId>(project);
  if (id.ok()) {
    RAMET_ASSIGN(const bool there, is_project(call.shared, *id));
    if (there) return *id;
  }
  return Fault(Issue::kInvalid, fmt::format("There is no project {}", project), "meta.project");
}

// The record as JSON, whole; null: it does not live there.
Outcome<Json> current(Call& call, const RecordView& records, std::string_view type, ObjectId id) {
  RAMET_ASSIGN(const TypeNumber number, call.types().number(type));
  auto info = records.record(number, id);
  if (info.ok()) return parse_document(*info);
  if (info.error().code() == ErrorCode::kNotFound) return Json(nullptr);
  return std::move(info).error();
}

// If-Match of a change. An etag may be weak, quoted or bare.
Outcome<void> check_if_match(const Call& call, const Json& before) {
  const auto wanted = call.request.fields.find("if-match");
  if (!wanted || *wanted == "*") return {};
  std::string_view tag = *wanted;
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') {
    tag = tag.substr(1, tag.size() - 2);
  }
  if (tag == meta_text(before, "versionId")) return {};
  return Fault(Issue::kPreconditionFailed);
}

// What conditional requests search by, without what has nothing to do with it.
Outcome<Search> condition_of(std::string_view type, const QueryParams& params) {
  RAMET_ASSIGN(Search search, parse_search(type, params));
  if (search.filters.empty() && !search.ids && search.last_updated.empty()) {
    return Fault(Issue::kInvalid, "a condition needs a search parameter");
  }
  return search;
}

// What a resource becomes; `before` null: there is none.
using Make = std::function<Outcome<Json>(const Transaction& transaction, const Json& before)>;

// One change.
Outcome<Answer> store_change(Call& call, ContainerId container, ObjectId id,
                             const Make& make,
                             bool may_create) {
  const std::string type = call.path[0];
  Answer answer;
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_ASSIGN(const Json before, current(call, transaction, type, id));
    if (before.is_null() && !may_create) return Fault(Issue::kNotFound);
    if (!before.is_null()) RAMET_TRY(check_if_match(call, before));
    RAMET_ASSIGN(Json resource, make(transaction, before));
    if (!before.is_null() && !has_secrets(type) && same_content(before, resource)) {
      answer = resource_answer(call, 200, before);
      return {};
    }
    RAMET_ASSIGN(const Json stored,
                 store_resource(call, transaction, container, std::move(resource), before));
    answer = resource_answer(call, before.is_null() ? 201 : 200, stored);
    return {};
  };
  RAMET_TRY(change(call.shared, container, attempt));
  return answer;
}

Outcome<Answer> create_in(Call& call, ContainerId container, const Search* condition) {
  Answer answer;
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    if (condition != nullptr) {
      RAMET_ASSIGN(const auto found, find_matches(call, transaction, *condition, 2));
      if (found.size() > 1) return Fault(Issue::kMultipleMatches);
      if (found.size() == 1) {
        RAMET_ASSIGN(const Json there, current(call, transaction, call.path[0], found[0]));
        answer = resource_answer(call, 200, there);
        return {};
      }
    }
    Json resource = call.input;
    resource.erase("id");
    if (call.new_id) resource["id"] = to_uuid(*call.new_id);
    RAMET_ASSIGN(const Json stored, store_resource(call, transaction, container,
                                                   std::move(resource), nullptr));
    answer = resource_answer(call, 201, stored);
    return {};
  };
  RAMET_TRY(change(call.shared, container, attempt));
  return answer;
}

}  // namespace

Outcome<Answer> create(Call& call) {
  RAMET_TRY(check_type(call.path[0]));
  RAMET_TRY(check_interaction(call.login, Interaction::kCreate, call.path[0]));
  RAMET_TRY(check_shape(call.input, call.path[0]));
  if (call.path[0] == "Project") {
    return Fault(Issue::kNotSupported, "projects are made by Project/$init");
  }
  RAMET_ASSIGN(const ContainerId container, place_of_new(call, call.input));
  const auto header = call.request.fields.find("if-none-exist");
  if (!header) return create_in(call, container, nullptr);
  std::string_view query = *header;
  if (const size_t mark = query.find('?'); mark != query.npos) query.remove_prefix(mark + 1);
  RAMET_ASSIGN(const QueryParams params, parse_query(query));
  RAMET_ASSIGN(const Search condition, condition_of(call.path[0], params));
  const auto held = call.shared.hold({call.path[0] + "?" + std::string(query)});
  return create_in(call, container, &condition);
}

Outcome<Answer> read(Call& call) {
  RAMET_TRY(check_interaction(call.login, Interaction::kRead, call.path[0]));
  RAMET_ASSIGN(const Found found, find_resource(call, call.path[0], call.path[1]));
  return read_answer(call, found);
}

Outcome<Answer> update(Call& call) {
  const std::string& type = call.path[0];
  RAMET_TRY(check_type(type));
  RAMET_TRY(check_interaction(call.login, Interaction::kUpdate, type));
  RAMET_TRY(check_shape(call.input, type));
  if (text_member(call.input, "id") != call.path[1]) {
    return Fault(Issue::kInvalid, "Incorrect resource ID", type + ".id");
  }
  const auto id = parse_uuid<ObjectId>(call.path[1]);
  if (!id.ok()) {
    // Nothing can be there; as a super admin one might want to make it.
    if (!call.login.is_super_admin) return Fault(Issue::kNotFound);
    return Fault(Issue::kInvalid, "an id that a client chooses must be a version-4 UUID",
                 type + ".id");
  }
  const Make make = [&](const Transaction&, const Json&) -> Outcome<Json> { return call.input; };
  auto place = find_place(call.shared, call.login, type, *id);
  // (What was deleted comes back.)
  if (place.ok()) return store_change(call, place->container, *id, make, true);
  if (place.error().issue != Issue::kNotFound) return std::move(place).error();
  if (!call.login.is_super_admin || type == "Project") return Fault(Issue::kNotFound);
  RAMET_ASSIGN(const ContainerId container, place_of_new(call, call.input));
  return store_change(call, container, *id, make, true);
}

Outcome<Answer> conditional_update(Call& call) {
  const std::string& type = call.path[0];
  RAMET_TRY(check_type(type));
  RAMET_TRY(check_interaction(call.login, Interaction::kUpdate, type));
  RAMET_TRY(check_shape(call.input, type));
  RAMET_ASSIGN(const Search condition, condition_of(type, call.params));
  RAMET_ASSIGN(const ContainerId container, place_of_new(call, call.input));
  const auto held = call.shared.hold({type + "?" + call.request.query});
  Answer answer;
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_ASSIGN(const auto found, find_matches(call, transaction, condition, 2));
    if (found.size() > 1) return Fault(Issue::kMultipleMatches);
    Json resource = call.input;
    const std::string said = text_member(resource, "id");
    Json before;
    if (found.size() == 1) {
      if (!said.empty() && said != to_uuid(found[0])) {
        return Fault(Issue::kInvalid, "the resource has another id than what matches");
      }
      RAMET_ASSIGN(before, current(call, transaction, type, found[0]));
      RAMET_TRY(check_if_match(call, before));
      resource["id"] = to_uuid(found[0]);
      if (!has_secrets(type) && same_content(before, resource)) {
        answer = resource_answer(call, 200, before);
        return {};
      }
    } else if (!said.empty()) {
      return Fault(Issue::kInvalid, "Cannot perform create as update with a client-assigned ID");
    }
    RAMET_ASSIGN(const Json stored,
                 store_resource(call, transaction, container, std::move(resource), before));
    answer = resource_answer(call, before.is_null() ? 201 : 200, stored);
    return {};
  };
  RAMET_TRY(change(call.shared, container, attempt));
  return answer;
}

Outcome<Answer> patch(Call& call) {
  const std::string& type = call.path[0];
  RAMET_TRY(check_interaction(call.login, Interaction::kUpdate, type));
  if (!call.input.is_array()) {
    return Fault(Issue::kInvalid, "Patch body must be an array of operations (RFC 6902)");
  }
  RAMET_ASSIGN(const Found found, find_resource(call, type, call.path[1]));
  const Make apply = [&](const Transaction& transaction, const Json&) -> Outcome<Json> {
    // What the caller sees is what it changes, secrets too; what it does not see stays.
    RAMET_ASSIGN(const RecordInfo info, transaction.record(found.info.type, found.info.id));
    RAMET_ASSIGN(const Json seen, shown_resource(call, transaction, info, true));
    try {
      Json patched = seen.patch(call.input);
      RAMET_TRY(check_shape(patched, type));
      if (text_member(patched, "id") != call.path[1]) {
        return Fault(Issue::kInvalid, "a patch cannot change the id");
      }
      return patched;
    } catch (const Json::exception& failure) {
      return Fault(Issue::kInvalid, failure.what());
    }
  };
  return store_change(call, found.place.container, found.info.id, apply, false);
}

Outcome<Answer> remove(Call& call) {
  const std::string& type = call.path[0];
  RAMET_TRY(check_interaction(call.login, Interaction::kDelete, type));
  auto found = find_resource(call, type, call.path[1]);
  if (!found.ok()) {
    if (found.error().issue == Issue::kGone) return outcome_answer(Issue::kOk);
    return std::move(found).error();
  }
  if (type == "Project") {
    return Fault(Issue::kNotSupported, "a project is removed by $expunge");
  }
  if (!found->place.is_own) return Fault(Issue::kForbidden);
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_ASSIGN(const Json before, current(call, transaction, type, found->info.id));
    if (before.is_null()) return {};
    RAMET_TRY(check_if_match(call, before));
    Json after = nullptr;
    RAMET_TRY(check_write(call.login, Interaction::kDelete, before, after, matches_parameter));
    RAMET_TRY(transaction.remove_record(found->info.type, found->info.id,
                                        transaction.new_record_id()));
    return {};
  };
  RAMET_TRY(change(call.shared, found->place.container, attempt));
  return outcome_answer(Issue::kOk);
}

}  // namespace ramet::serve::fhir
