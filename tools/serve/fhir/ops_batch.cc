// Batches and transactions (http://hl7.org/fhir/R4/http.html#transaction). Entries are carried out
// in the order of the specification (deletions, creations, changes, reads) and answered in theirs.
// A transaction is one commit of one project: all of it or nothing. A batch of nothing else is
// tried as one commit, too, which costs as much as one of its entries alone; if anything in it
// fails, or it has others, each entry is carried out by itself.
#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "tools/serve/digest.h"
#include "tools/serve/fhir/dispatch.h"
#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/search.h"
#include "tools/serve/fhir/secrets.h"

namespace ramet::serve::fhir {
namespace {

constexpr size_t kEntriesMax = 10000;

struct Entry {
  size_t place = 0;  // in the bundle
  std::string method;
  std::string url;       // without a leading '/'
  Json resource;
  std::string full_url;
  Json request;          // Bundle.entry.request
};

int order_of(const std::string& method) {
  constexpr std::array<std::string_view, 5> kOrder = {"DELETE", "POST", "PUT", "PATCH", "GET"};
  const auto found = std::find(kOrder.begin(), kOrder.end(), method);
  return static_cast<int>(found - kOrder.begin());
}

// Replaces references to urn:uuid and conditional ones by what they came to be.
void resolve(const std::map<std::string, std::string>& resolved, Json& json) {
  if (json.is_structured()) {
    for (auto& [name, member] : json.items()) {
      if (member.is_string()) {
        const auto& text = member.get_ref<const std::string&>();
        if (!text.starts_with("urn:uuid:") && !text.starts_with("urn:oid:")) continue;
        const auto found = resolved.find(text);
        if (found != resolved.end()) member = found->second;
      } else {
        resolve(resolved, member);
      }
    }
  }
}

Outcome<std::vector<Entry>> read_entries(Call& call) {
  const auto list = call.input.find("entry");
  if (list == call.input.end() || !list->is_array()) {
    return Fault(Issue::kInvalid, "Missing bundle entries");
  }
  if (list->size() > kEntriesMax) {
    return Fault(Issue::kTooLarge, fmt::format("a bundle has at most {} entries, not {}",
                                               kEntriesMax, list->size()));
  }
  std::vector<Entry> out;
  for (size_t i = 0; i < list->size(); ++i) {
    Json& json = (*list)[i];
    Entry entry;
    entry.place = i;
    if (json.is_object()) {
      entry.full_url = text_member(json, "fullUrl");
      if (const auto request = json.find("request"); request != json.end()) {
        entry.request = *request;
        entry.method = text_member(*request, "method");
        entry.url = text_member(*request, "url");
      }
      if (const auto resource = json.find("resource"); resource != json.end()) {
        entry.resource = std::move(*resource);
      }
    }
    const std::string base = call.fhir_base();
    if (entry.url.starts_with(base)) entry.url.erase(0, base.size());
    while (entry.url.starts_with('/')) entry.url.erase(0, 1);
    out.push_back(std::move(entry));
  }
  return out;
}

// The JSON patch of a PATCH entry: a Binary with base64, or the patch itself.
Outcome<Json> patch_of(const Json& resource) {
  if (resource.is_array()) return resource;
  if (text_member(resource, "resourceType") == "Binary") {
    const auto bytes = from_base64(text_member(resource, "data"));
    Json patch = bytes ? Json::parse(*bytes, nullptr, false) : Json(Json::value_t::discarded);
    if (patch.is_array()) return patch;
  }
  return Fault(Issue::kInvalid, "a PATCH entry needs a Binary with a JSON patch as data");
}

Json response_of(const Answer& answer) {
  Json out;
  Json& response = out["response"];
  response["status"] = std::to_string(answer.status);
  if (const auto etag = answer.fields.find("etag")) response["etag"] = std::string(*etag);
  if (const auto location = answer.fields.find("location")) {
    response["location"] = std::string(*location);
  }
  Json body = answer.body.empty() ? Json() : Json::parse(answer.body, nullptr, false);
  if (body.is_object() && text_member(body, "resourceType") == "OperationOutcome") {
    response["outcome"] = std::move(body);
  } else {
    Issue issue = answer.status == 201 ? Issue::kCreated : Issue::kOk;
    if (answer.status == 304) issue = Issue::kNotModified;
    response["outcome"] = outcome_json(issue);
    if (body.is_object()) out["resource"] = std::move(body);
  }
  return out;
}

// One entry as if it had come by itself.
Answer carry_out(Call& call, Entry& entry, const std::optional<ObjectId>& new_id) {
  Request request = call.request;
  request.method = entry.method;
  for (const char* name : {"if-none-exist", "if-match", "if-none-match", "prefer",
                           "idempotency-key"}) {
    request.fields.erase(name);
  }
  const auto header = [&](const char* member, const char* name) {
    const std::string value = text_member(entry.request, member);
    if (!value.empty()) request.fields.set(name, value);
  };
  header("ifNoneExist", "If-None-Exist");
  header("ifMatch", "If-Match");
  header("ifNoneMatch", "If-None-Match");
  const size_t mark = entry.url.find('?');
  request.path = "/fhir/R4/" + entry.url.substr(0, mark);
  request.query = mark == std::string::npos ? "" : entry.url.substr(mark + 1);
  Call one{call.shared, request, {}, {}, {}, nullptr, call.login, new_id};
  if (entry.method == "PATCH") {
    auto patch = patch_of(entry.resource);
    if (!patch.ok()) return fault_answer(patch.error());
    one.input = std::move(*patch);
  } else {
    one.input = std::move(entry.resource);
  }
  auto answer = dispatch_entry(one);
  return answer.ok() ? std::move(*answer) : fault_answer(answer.error());
}

// --- all in one commit ---------------------------------------------------------------------------

// Whether it is a change of the caller's own project that needs nothing looked up but by its own id
// or by a condition there.
bool is_plain(const Call& call, const Entry& entry) {
  if (entry.method == "DELETE") {
    const size_t slash = entry.url.find('/');
    return slash != std::string::npos && is_known_type(entry.url.substr(0, slash)) &&
           parse_uuid<ObjectId>(entry.url.substr(slash + 1)).ok();
  }
  if (!entry.resource.is_object() || entry.url.find('?') != std::string::npos) return false;
  const std::string type = text_member(entry.resource, "resourceType");
  if (!is_known_type(type) || type == "Binary" || type == "Project" || type == "User") return false;
  const std::string project = meta_text(entry.resource, "project");
  if (!project.empty() && project != to_uuid(call.login.project)) return false;
  if (!check_shape(entry.resource, type).ok()) return false;
  if (entry.method == "POST") return entry.url == type;
  return entry.method == "PUT" && entry.url == type + "/" + text_member(entry.resource, "id") &&
         parse_uuid<ObjectId>(text_member(entry.resource, "id")).ok();
}

// All entries in one transaction on the caller's project.
class AllAtOnce {
 public:
  AllAtOnce(Call& call, std::vector<Entry>& entries) : call_(call), entries_(entries) {
    for (size_t i = 0; i < entries.size(); ++i) order_.push_back(i);
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
      return order_of(entries[a].method) < order_of(entries[b].method);
    });
  }

  // Whether it can be done so; else `why` names the entry that cannot.
  Outcome<bool> is_possible(std::string* why) {
    for (const Entry& entry : entries_) {
      *why = fmt::format("entry {} ({} {})", entry.place, entry.method, entry.url);
      if (!is_plain(call_, entry)) return false;
      if (entry.method == "POST") continue;
      // It may be of another project's.
      const size_t slash = entry.url.find('/');
      RAMET_ASSIGN(const ObjectId id, parse_uuid<ObjectId>(entry.url.substr(slash + 1)));
      auto place = find_place(call_.shared, call_.login, entry.url.substr(0, slash), id);
      if (place.ok()) {
        if (place->container != call_.login.project) return false;
      } else if (place.error().issue != Issue::kNotFound) {
        return std::move(place).error();
      } else if (!call_.login.is_super_admin) {
        return false;
      }
    }
    return true;
  }

  Outcome<std::vector<Json>> run() {
    std::vector<std::string> conditions;
    for (const Entry& entry : entries_) {
      const std::string condition = text_member(entry.request, "ifNoneExist");
      if (!condition.empty()) conditions.push_back(entry.url + "?" + condition);
    }
    const auto held = call_.shared.hold(conditions);
    RAMET_TRY(change(call_.shared, call_.login.project,
                     [&](Transaction& transaction) { return attempt(transaction); }));
    return std::move(responses_);
  }

 private:
  Outcome<void> attempt(Transaction& transaction) {
    responses_.assign(entries_.size(), nullptr);
    resolved_.clear();
    std::vector<std::optional<Json>> found(entries_.size());
    for (const size_t at : order_) {
      const Entry& entry = entries_[at];
      if (entry.method != "POST") continue;
      const std::string type = text_member(entry.resource, "resourceType");
      if (const std::string condition = text_member(entry.request, "ifNoneExist");
          !condition.empty()) {
        RAMET_ASSIGN(found[at], existing(transaction, type, condition));
      }
      if (entry.full_url.empty()) continue;
      resolved_[entry.full_url] =
          type + "/" + (found[at] ? text_member(*found[at], "id")
                                  : to_uuid(transaction.new_record_id()));
    }
    for (const size_t at : order_) {
      auto answer = found[at] ? Outcome<Answer>(resource_answer(call_, 200, *found[at]))
                              : carry_out_in(transaction, entries_[at]);
      if (!answer.ok()) return std::move(answer).error();
      responses_[entries_[at].place] = response_of(*answer);
    }
    return {};
  }

  // What a condition finds; nullopt: nothing.
  Outcome<std::optional<Json>> existing(Transaction& transaction, const std::string& type,
                                        std::string_view condition) {
    if (const size_t mark = condition.find('?'); mark != condition.npos) {
      condition.remove_prefix(mark + 1);
    }
    RAMET_ASSIGN(const QueryParams params, parse_query(condition));
    RAMET_ASSIGN(const Search search, parse_search(type, params));
    RAMET_ASSIGN(const auto ids, find_matches(call_, transaction, search, 2));
    if (ids.size() > 1) return Fault(Issue::kMultipleMatches);
    if (ids.empty()) return std::optional<Json>();
    RAMET_ASSIGN(Json there, read_resource(call_.shared, transaction, type, ids[0]));
    return std::optional<Json>(std::move(there));
  }

  Outcome<Answer> carry_out_in(Transaction& transaction, const Entry& entry) {
    if (entry.method == "DELETE") return remove_in(transaction, entry);
    Json resource = entry.resource;
    resolve(resolved_, resource);
    const std::string type = text_member(resource, "resourceType");
    RAMET_TRY(check_interaction(call_.login, entry.method == "POST" ? Interaction::kCreate
                                                                    : Interaction::kUpdate,
                                type));
    Json before;
    if (entry.method == "POST") {
      resource.erase("id");
      const auto id = resolved_.find(entry.full_url);
      if (id != resolved_.end()) resource["id"] = id->second.substr(type.size() + 1);
    } else {
      RAMET_ASSIGN(before, read_if_there(transaction, type, text_member(resource, "id")));
      const std::string wanted = text_member(entry.request, "ifMatch");
      if (!wanted.empty() && wanted != "W/\"" + meta_text(before, "versionId") + "\"") {
        return Fault(Issue::kPreconditionFailed);
      }
      if (!before.is_null() && !has_secrets(type) && same_content(before, resource)) {
        return resource_answer(call_, 200, before);
      }
    }
    RAMET_ASSIGN(const Json stored, store_resource(call_, transaction, call_.login.project,
                                                   std::move(resource), before));
    return resource_answer(call_, before.is_null() ? 201 : 200, stored);
  }

  Outcome<Json> read_if_there(Transaction& transaction, std::string_view type,
                              std::string_view id) {
    RAMET_ASSIGN(const ObjectId parsed, parse_uuid<ObjectId>(id));
    auto there = read_resource(call_.shared, transaction, type, parsed);
    if (there.ok()) return std::move(*there);
    if (there.error().issue == Issue::kNotFound) return Json(nullptr);
    return std::move(there).error();
  }

  Outcome<Answer> remove_in(Transaction& transaction, const Entry& entry) {
    const size_t slash = entry.url.find('/');
    const std::string type = entry.url.substr(0, slash);
    RAMET_TRY(check_interaction(call_.login, Interaction::kDelete, type));
    RAMET_ASSIGN(const Json before, read_if_there(transaction, type, entry.url.substr(slash + 1)));
    if (before.is_null()) return outcome_answer(Issue::kOk);
    Json after = nullptr;
    RAMET_TRY(check_write(call_.login, Interaction::kDelete, before, after, matches_parameter));
    RAMET_ASSIGN(const TypeNumber number, call_.types().number(type));
    RAMET_ASSIGN(const ObjectId id, parse_uuid<ObjectId>(entry.url.substr(slash + 1)));
    RAMET_TRY(transaction.remove_record(number, id, transaction.new_record_id()));
    return outcome_answer(Issue::kOk);
  }

  Call& call_;
  std::vector<Entry>& entries_;
  std::vector<size_t> order_;
  std::map<std::string, std::string> resolved_;  // full URLs
  std::vector<Json> responses_;
};

}  // namespace

Outcome<Answer> batch(Call& call) {
  if (text_member(call.input, "resourceType") != "Bundle") {
    return Fault(Issue::kInvalid, "Not a bundle");
  }
  const std::string type = text_member(call.input, "type");
  if (type != "batch" && type != "transaction") {
    return Fault(Issue::kInvalid, fmt::format("Unrecognized bundle type: {}", type));
  }
  RAMET_ASSIGN(std::vector<Entry> entries, read_entries(call));
  Json bundle;
  bundle["resourceType"] = "Bundle";
  bundle["type"] = type + "-response";
  std::optional<std::vector<Json>> responses;
  std::string why;
  AllAtOnce whole(call, entries);
  RAMET_ASSIGN(const bool possible, whole.is_possible(&why));
  if (type == "transaction" && !possible) {
    return Fault(Issue::kNotSupported,
                 fmt::format("a transaction takes creates, updates and deletions of one project: "
                             "not {}", why));
  }
  if (possible) {
    auto done = whole.run();
    if (done.ok()) {
      responses = std::move(*done);
    } else if (type == "transaction") {
      return std::move(done).error();
    }
  }
  if (!responses) {
    responses.emplace(entries.size());
    std::map<std::string, std::string> resolved;
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return order_of(a.method) < order_of(b.method);
    });
    // What is new for certain gets its id now, whichever entry comes first.
    RAMET_ASSIGN(const auto ids, call.store().begin(call.login.project));
    std::map<size_t, ObjectId> new_ids;
    for (const Entry& entry : entries) {
      if (entry.method != "POST" || entry.full_url.empty() || !is_known_type(entry.url) ||
          !text_member(entry.request, "ifNoneExist").empty()) {
        continue;
      }
      new_ids[entry.place] = ids->new_record_id();
      resolved[entry.full_url] = entry.url + "/" + to_uuid(new_ids[entry.place]);
    }
    for (Entry& entry : entries) {
      resolve(resolved, entry.resource);
      if (const auto found = resolved.find(entry.url); found != resolved.end()) {
        entry.url = found->second;
      }
      const auto new_id = new_ids.find(entry.place);
      const Answer answer =
          carry_out(call, entry, new_id == new_ids.end() ? std::optional<ObjectId>()
                                                         : std::optional(new_id->second));
      Json response = response_of(answer);
      if (answer.status < 300 && !entry.full_url.empty()) {
        if (const auto resource = response.find("resource"); resource != response.end()) {
          resolved[entry.full_url] =
              text_member(*resource, "resourceType") + "/" + text_member(*resource, "id");
        }
      }
      (*responses)[entry.place] = std::move(response);
    }
  }
  bundle["entry"] = Json::array();
  for (Json& response : *responses) bundle["entry"].push_back(std::move(response));
  return json_answer(200, bundle);
}

}  // namespace ramet::serve::fhir
