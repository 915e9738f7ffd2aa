#include "tools/serve/fhir/resource.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "tools/serve/fhir/links.h"
#include "tools/serve/fhir/values.h"
#include "tools/serve/http.h"

namespace ramet::serve::fhir {
namespace {

Outcome<void> check_texts(const Json& json, const std::string& where) {
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    if (text.find('\0') == std::string::npos) return {};
    return Fault(Issue::kInvalid, "a text holds NUL", where);
  }
  if (json.is_array()) {
    for (size_t i = 0; i < json.size(); ++i) {
      if (json[i].is_structured() || json[i].is_string()) {
        RAMET_TRY(check_texts(json[i], fmt::format("{}[{}]", where, i)));
      }
    }
    return {};
  }
  if (!json.is_object()) return {};
  for (const auto& [name, member] : json.items()) {
    if (name.find('\0') != std::string::npos) {
      return Fault(Issue::kInvalid, "a member's name holds NUL", where);
    }
    if (member.is_structured() || member.is_string()) {
      RAMET_TRY(check_texts(member, where.empty() ? name : where + "." + name));
    }
  }
  return {};
}

// Null, "", {} and [] say nothing.
bool is_empty(const Json& json) {
  return json.is_null() || (json.is_string() && json.get_ref<const std::string&>().empty()) ||
         (json.is_structured() && json.empty());
}

Json without_empty(const Json& json) {
  if (!json.is_structured()) return json;
  Json out = json.is_array() ? Json::array() : Json::object();
  if (json.is_array()) {
    for (const Json& one : json) out.push_back(without_empty(one));
    return out;
  }
  for (const auto& [name, member] : json.items()) {
    Json kept = without_empty(member);
    if (!is_empty(kept)) out[name] = std::move(kept);
  }
  return out;
}

// Behind `after`, whatever the clock says: versions have an order.
std::string now_behind(std::string_view after) {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                       std::chrono::system_clock::now().time_since_epoch()).count();
  std::string text = iso_date(now);
  if (text > after) return text;
  const auto before = parse_iso_date(after);
  return before ? iso_date(*before + 1'000'000) : text;
}

// In the order in which it is stored: what all see, then what extended readers alone see.
Json meta_of(const Json& resource, const ObjectId& version, const Authorship& by,
             std::string_view after) {
  Json meta = Json::object();
  meta["versionId"] = to_uuid(version);
  meta["lastUpdated"] = now_behind(after);
  Json extended = Json::object();
  if (const auto given = resource.find("meta"); given != resource.end()) {
    for (const auto& [name, member] : given->items()) {
      if (name == "versionId" || name == "lastUpdated" || name == "compartment") continue;
      if (!is_extended_member(name)) {
        meta[name] = member;
      } else if (by.keeps_meta || name == "account" || name == "accounts") {
        extended[name] = member;
      }
    }
  }
  if (!extended.contains("author") && !by.author.is_null()) extended["author"] = by.author;
  if (by.in_project) extended["project"] = to_uuid(by.project);
  Json compartment = Json::array();
  const auto belongs_to = [&](const std::string& reference) {
    for (const Json& one : compartment) {
      if (one["reference"] == reference) return;
    }
    compartment.push_back({{"reference", reference}});
  };
  if (by.in_project) belongs_to("Project/" + to_uuid(by.project));
  if (text_member(resource, "resourceType") == "Patient") {
    belongs_to("Patient/" + text_member(resource, "id"));
  } else if (const SearchParam* patient =
                 find_param(text_member(resource, "resourceType"), "patient")) {
    for (const Json* value : values_at(resource, *patient)) {
      const std::string reference = reference_of(*value);
      const auto parsed = parse_exact_reference(reference);
      if (parsed && parsed->type == "Patient") belongs_to(reference);
    }
  }
  for (const char* name : {"account", "accounts"}) {
    const auto given = extended.find(name);
    if (given == extended.end()) continue;
    const Json list = given->is_array() ? *given : Json::array({*given});
    for (const Json& one : list) {
      const std::string reference = reference_of(one);
      if (!reference.empty()) belongs_to(reference);
    }
  }
  for (auto& [name, member] : extended.items()) meta[name] = std::move(member);
  if (!compartment.empty()) meta["compartment"] = std::move(compartment);
  return meta;
}

}  // namespace

std::string text_member(const Json& json, std::string_view name) {
  if (!json.is_object()) return {};
  const auto found = json.find(std::string(name));
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string meta_text(const Json& resource, std::string_view name) {
  const auto meta = resource.find("meta");
  return meta == resource.end() ? std::string() : text_member(*meta, name);
}

Outcome<void> check_shape(const Json& resource, std::string_view type) {
  if (!resource.is_object()) {
    return Fault(Issue::kStructure, "a resource must be a JSON object");
  }
  const std::string own = text_member(resource, "resourceType");
  if (own.empty()) return Fault(Issue::kInvalid, "Missing resource type", "resourceType");
  if (!is_known_type(own)) {
    return Fault(Issue::kInvalid, fmt::format("Unknown resource type: {}", own), "resourceType");
  }
  if (!type.empty() && own != type) {
    return Fault(Issue::kInvalid, fmt::format("Incorrect resource type: expected {}, but found {}",
                                              type, own));
  }
  if (const auto id = resource.find("id"); id != resource.end() && !id->is_string()) {
    return Fault(Issue::kStructure, "an id must be a text", own + ".id");
  }
  if (const auto meta = resource.find("meta"); meta != resource.end() && !meta->is_object()) {
    return Fault(Issue::kStructure, "meta must be an object", own + ".meta");
  }
  return check_texts(resource, own);
}

Outcome<Json> write_resource(Types& types, Transaction& transaction, Json resource,
                             const Authorship& by, std::string_view after,
                             std::optional<std::string> secrets,
                             std::unique_ptr<ContentWriter> content) {
  const std::string type = text_member(resource, "resourceType");
  RecordPut put;
  RAMET_ASSIGN(put.type, types.number(type));
  RAMET_ASSIGN(put.id, parse_uuid<ObjectId>(text_member(resource, "id")));
  put.version = transaction.new_record_id();
  Json out = Json::object();
  out["resourceType"] = type;
  out["id"] = to_uuid(put.id);
  out["meta"] = meta_of(resource, put.version, by, after);
  for (auto& [name, member] : resource.items()) {
    if (name != "resourceType" && name != "id" && name != "meta" && !is_empty(member)) {
      out[name] = without_empty(member);
    }
  }
  Text text = text_of(out);
  if (text.text.size() > kRecordDocumentBytesMax) {
    return Fault(Issue::kTooLarge, fmt::format("a resource has at most {} bytes, not {}",
                                               kRecordDocumentBytesMax, text.text.size()));
  }
  put.fields = fields_of(type, out, text);
  for (const auto& link : text.links) {
    TypeNumber target = 0;
    if (link.kind == RecordLinkKind::kRecord) {
      RAMET_ASSIGN(target, types.number(link.type));
    }
    put.links.push_back({link.offset, link.kind, target});
  }
  put.document = std::move(text.text);
  put.optional_from = text.extended_from;
  put.optional_to = text.extended_to;
  put.secret = std::move(secrets);
  RAMET_TRY(transaction.write_record(put, std::move(content)));
  return out;
}

bool same_content(const Json& a, const Json& b) {
  const auto stripped = [](const Json& resource) {
    Json out = without_empty(resource);
    if (const auto meta = out.find("meta"); meta != out.end()) {
      for (const char* name : {"versionId", "lastUpdated", "author", "project", "compartment"}) {
        meta->erase(name);
      }
      if (meta->empty()) out.erase("meta");
    }
    // (The order of members means nothing.)
    return nlohmann::json::parse(out.dump(-1, ' ', false, Json::error_handler_t::replace));
  };
  return stripped(a) == stripped(b);
}

Json parse_document(const RecordInfo& info) {
  Json json = Json::parse(info.document, nullptr, false);
  return json.is_discarded() ? Json::object() : json;
}

std::string plain_document(const RecordInfo& info) {
  std::string out = info.document;
  out.erase(info.optional_from, info.optional_to - info.optional_from);
  return out;
}

}  // namespace ramet::serve::fhir
