#include "tools/serve/rest/json.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "format/utf8.h"
#include "tools/serve/http.h"

namespace ramet::serve::rest {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

}  // namespace

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += i + j <= bytes.size() ? kBase64[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

Result<std::string> from_base64(std::string_view text) {
  const auto broken = [] { return invalid("this is not base64 (RFC 4648, with padding)"); };
  if (text.size() % 4 != 0) return broken();
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t group = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_padding = i >= text.size() - padding;
    const size_t value = is_padding ? 0 : kBase64.find(text[i]);
    if (value == std::string_view::npos) return broken();
    group = group << 6 | static_cast<uint32_t>(value);
    if (i % 4 == 3) {
      for (int shift = 16; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(group >> shift & 255));
      }
      group = 0;
    }
  }
  out.resize(out.size() - padding);
  if (to_base64(out) != text) return broken();  // one text for the same bytes
  return out;
}

void set_name(Json& json, const std::string& key, std::string_view raw) {
  if (is_utf8(raw)) {
    json[key] = raw;
    return;
  }
  // The writer replaces what is wrong; so that `json` itself is right, it goes through it here.
  const std::string shown = to_text(Json(raw));
  json[key] = Json::parse(shown);
  json[key + "_bytes"] = to_base64(raw);
}

Json time_or_null(int64_t nanoseconds) {
  return nanoseconds == 0 ? Json(nullptr) : Json(iso_date(nanoseconds));
}

// --- Members -------------------------------------------------------------------------------------

Members::Members(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
  if (!json_.is_object()) {
    status_ = invalid((where_.empty() ? std::string("the body") : where_) +
                      " must be a JSON object");
  }
}

std::string Members::place(const std::string& name) const {
  return where_.empty() ? name : where_ + "." + name;
}

void Members::fail(const std::string& name, const std::string& what) {
  if (status_.ok()) status_ = invalid("'" + place(name) + "' " + what);
}

const Json* Members::find(const std::string& name) {
  known_.insert(name);
  if (!json_.is_object()) return nullptr;
  const auto found = json_.find(name);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

bool Members::has(const std::string& name) { return find(name) != nullptr; }

bool Members::is_null(const std::string& name) {
  known_.insert(name);
  return json_.is_object() && json_.contains(name) && json_.at(name).is_null();
}

const Json* Members::value(const std::string& name) { return find(name); }

std::string Members::text(const std::string& name, std::string fallback) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (value->is_string()) return value->get<std::string>();
  fail(name, "must be a string");
  return fallback;
}

std::string Members::required(const std::string& name) {
  std::string value = text(name);
  if (value.empty()) fail(name, "is missing or empty");
  return value;
}

bool Members::flag(const std::string& name, bool fallback) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  fail(name, "must be true or false");
  return fallback;
}

uint64_t Members::number(const std::string& name, uint64_t fallback, uint64_t max) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_number_unsigned() || value->get<uint64_t>() > max) {
    fail(name, max == UINT64_MAX ? "must be a whole number, 0 or more"
                                 : fmt::format("must be a whole number, 0 to {}", max));
    return fallback;
  }
  return value->get<uint64_t>();
}

int64_t Members::time(const std::string& name) {
  const std::string value = text(name);
  if (value.empty()) return 0;
  const auto parsed = parse_iso_date(value);
  if (!parsed) fail(name, "must be a time as in RFC 3339: 2026-11-22T13:40:03Z");
  return parsed.value_or(0);
}

std::vector<std::string> Members::texts(const std::string& name) {
  std::vector<std::string> out;
  const Json* value = find(name);
  if (value == nullptr) return out;
  if (!value->is_array()) {
    fail(name, "must be an array of strings");
    return out;
  }
  for (const Json& element : *value) {
    if (!element.is_string()) {
      fail(name, "must be an array of strings");
      return out;
    }
    out.push_back(element.get<std::string>());
  }
  return out;
}

size_t Members::choice(const std::string& name, const std::vector<std::string>& words,
                       size_t fallback) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  const std::string word = value->is_string() ? value->get<std::string>() : "";
  const auto found = std::find(words.begin(), words.end(), word);
  if (found != words.end()) return static_cast<size_t>(found - words.begin());
  fail(name, fmt::format("must be one of {}", fmt::join(words, ", ")));
  return fallback;
}

std::string Members::name(const std::string& name, bool is_required) {
  const bool has_bytes = has(name + "_bytes");
  std::string value = text(name);
  if (has_bytes) {
    auto bytes = from_base64(text(name + "_bytes"));
    if (bytes.ok()) value = std::move(*bytes);
    if (!bytes.ok()) fail(name + "_bytes", "must be base64");
  }
  if (is_required && value.empty()) fail(name, "is missing or empty");
  return value;
}

Status Members::done() {
  if (!status_.ok()) return status_;
  for (const auto& [name, value] : json_.items()) {
    if (!known_.contains(name)) return invalid("'" + place(name) + "' is not known");
  }
  return ok();
}

// --- values of the engine ------------------------------------------------------------------------

namespace {

void set_summary(Json& json, const Summary& summary) {
  json["objects"] = summary[SummaryColumn::kObjects];
  json["bytes"] = summary[SummaryColumn::kContentBytes];
  json["folders"] = summary[SummaryColumn::kFolders];
}

}  // namespace

Json container_json(const ContainerInfo& info) {
  Json json;
  json["id"] = to_uuid(info.id);
  set_name(json, "name", info.name);
  json["created"] = iso_date(info.created);
  json["changed"] = info.changed;
  set_summary(json, info.summary);
  json["flat"] = info.is_flat();
  set_name(json, "note", info.note);
  json["expires"] = time_or_null(info.expires);
  json["lineage"] = nullptr;
  if (info.lineage) {
    Json lineage;
    lineage["container"] = to_uuid(info.lineage->container);
    set_name(lineage, "name", info.lineage->name);
    set_name(lineage, "snapshot", info.lineage->snapshot);
    lineage["sequence"] = info.lineage->sequence;
    json["lineage"] = std::move(lineage);
  }
  return json;
}

Json snapshot_json(const SnapshotInfo& info) {
  Json json;
  set_name(json, "name", info.name);
  json["created"] = iso_date(info.created);
  json["sequence"] = info.sequence;
  set_summary(json, info.summary);
  set_name(json, "note", info.note);
  json["expires"] = time_or_null(info.expires);
  json["automatic"] = info.automatic;
  return json;
}

Json dropped_json(const DroppedInfo& info) {
  Json json;
  json["number"] = info.number;
  json["container"] = to_uuid(info.container);
  set_name(json, "name", info.name);
  if (!info.snapshot.empty()) set_name(json, "snapshot", info.snapshot);
  json["dropped"] = iso_date(info.dropped);
  json["kept_until"] = iso_date(info.kept_until);
  json["snapshots"] = info.snapshots;
  set_summary(json, info.summary);
  return json;
}

Json entry_json(const Entry& entry, std::string_view folder_path, bool flat) {
  Json json;
  set_name(json, "name", entry.name);
  set_name(json, "path", flat ? entry.name : std::string(folder_path) + "/" + entry.name);
  json["class"] = class_name(entry.entry_class);
  json["size"] = entry.size;
  json["id"] = entry.is_folder() ? to_uuid(entry.folder) : to_uuid(entry.object);
  return json;
}

Json attributes_json(const Attributes& attributes) {
  Json json;
  json["mode"] = fmt::format("{:o}", attributes.mode);
  json["uid"] = attributes.uid;
  json["gid"] = attributes.gid;
  json["modified"] = iso_date(attributes.modified);
  json["device"] = attributes.device;
  json["xattrs"] = Json::array();
  for (const Xattr& xattr : attributes.xattrs) {
    Json one;
    set_name(one, "name", xattr.name);
    one["value"] = to_base64(xattr.value);
    json["xattrs"].push_back(std::move(one));
  }
  return json;
}

Json lock_json(const ObjectLock& lock) {
  static constexpr std::array<const char*, 3> kModes = {"none", "governance", "compliance"};
  Json json;
  const auto mode = static_cast<size_t>(lock.mode);
  json["mode"] = mode < kModes.size() ? kModes[mode] : "none";
  json["retain_until"] = time_or_null(lock.retain_until);
  json["legal_hold"] = lock.legal_hold;
  return json;
}

std::string etag_of(const ObjectInfo& info) { return "\"" + info.content_id.to_hex() + "\""; }

Json standing_json(const Standing& standing) {
  Json json;
  json["state"] = state_name(standing.state);
  json["hidden"] = standing.hidden;
  json["title"] = standing.title.empty() ? Json(nullptr) : Json(standing.title);
  json["clone_rule"] = clone_rule_name(standing.clone_rule);
  json["archival"] = archival_name(standing.archival);
  json["sponsored"] = standing.sponsored;
  json["links"] = Json::array();
  for (const ObjectLink& link : standing.links) {
    Json one;
    one["target"] = to_uuid(link.target);
    one["container"] = link.container.is_null() ? Json(nullptr) : Json(to_uuid(link.container));
    one["required"] = link.required;
    json["links"].push_back(std::move(one));
  }
  return json;
}

Json object_json(const ObjectInfo& info, std::string_view path) {
  Json json;
  json["id"] = to_uuid(info.id);
  set_name(json, "name", info.name);
  set_name(json, "path", path);
  json["class"] = class_name(info.entry_class);
  json["size"] = info.size;
  json["content_id"] = info.content_id.to_hex();
  json["version"] = info.version;
  json["created"] = iso_date(info.created);
  json["links"] = info.links_count;
  if (info.entry_class == EntryClass::kSymlink) set_name(json, "target", info.target);
  const Metadata& metadata = info.metadata;
  set_name(json, "media_type", metadata.media_type);
  json["types"] = metadata.types;
  json["tags"] = metadata.tags;
  json["properties"] = Json::object();
  for (const Property& property : metadata.properties) {
    json["properties"][property.name] = property.value;
  }
  json["details"] = nullptr;
  if (!metadata.details.empty()) {
    Json details = Json::parse(metadata.details, nullptr, false);
    json["details"] = details.is_discarded() ? Json(metadata.details) : std::move(details);
  }
  json["attributes"] = attributes_json(info.attributes);
  json["lock"] = lock_json(info.lock);
  json["standing"] = standing_json(info.standing);
  return json;
}

Json folder_json(const FolderInfo& info, std::string_view path) {
  Json json;
  json["id"] = to_uuid(info.id);
  set_name(json, "name", info.name);
  set_name(json, "path", path);
  json["class"] = "folder";
  json["created"] = iso_date(info.created);
  json["attributes"] = attributes_json(info.attributes);
  return json;
}

Json clone_result_json(const CloneResult& result) {
  Json json;
  json["container"] = to_uuid(result.container);
  json["sequence"] = result.sequence;
  json["objects_created"] = result.objects_created;
  json["folders_created"] = result.folders_created;
  json["bytes_shared"] = result.bytes_shared;
  json["skipped"] = Json::array();
  for (const std::string& path : result.skipped) {
    Json one;
    set_name(one, "path", path);
    json["skipped"].push_back(std::move(one));
  }
  return json;
}

Status patch_metadata(const Json& json, const std::string& where, Metadata& metadata) {
  Members in(json, where);
  if (in.has("media_type") || in.is_null("media_type")) metadata.media_type = in.text("media_type");
  if (in.has("types") || in.is_null("types")) metadata.types = in.texts("types");
  if (in.has("tags") || in.is_null("tags")) metadata.tags = in.texts("tags");
  if (in.is_null("properties")) metadata.properties.clear();
  if (const Json* properties = in.value("properties")) {
    if (!properties->is_object()) in.fail("properties", "must be an object of strings");
    for (const auto& [name, value] : properties->items()) {
      if (value.is_null()) {
        const std::string gone = name;
        std::erase_if(metadata.properties, [&](const Property& one) { return one.name == gone; });
      } else if (value.is_string()) {
        set_property(metadata, name, value.get<std::string>());
      } else {
        in.fail("properties", "must be an object of strings");
      }
    }
  }
  if (in.is_null("details")) metadata.details.clear();
  if (const Json* details = in.value("details")) metadata.details = to_text(*details);
  return in.done();
}

Status patch_attributes(const Json& json, const std::string& where, Attributes& attributes) {
  Members in(json, where);
  if (const std::string mode = in.text("mode"); !mode.empty()) {
    // Permission bits alone, or with the type that it has: the class of an object stays.
    uint32_t bits = 0;
    const bool is_octal = mode.size() <= 7 && std::all_of(mode.begin(), mode.end(), [](char c) {
      return c >= '0' && c <= '7';
    });
    for (const char c : mode) bits = bits << 3 | static_cast<uint32_t>(c - '0');
    const uint32_t type = bits & 0170000u;
    if (!is_octal || (type != 0 && type != (attributes.mode & 0170000u))) {
      in.fail("mode", "must be octal permissions, such as 644");
    } else {
      attributes.mode = (attributes.mode & 0170000u) | (bits & 07777u);
    }
  }
  attributes.uid = static_cast<uint32_t>(in.number("uid", attributes.uid, UINT32_MAX));
  attributes.gid = static_cast<uint32_t>(in.number("gid", attributes.gid, UINT32_MAX));
  if (in.has("modified")) attributes.modified = in.time("modified");
  attributes.device = in.number("device", attributes.device);
  if (in.is_null("xattrs")) attributes.xattrs.clear();
  if (const Json* xattrs = in.value("xattrs")) {
    attributes.xattrs.clear();
    if (!xattrs->is_array()) in.fail("xattrs", "must be an array");
    for (const Json& element : xattrs->is_array() ? *xattrs : Json::array()) {
      Members one(element, in.place("xattrs"));
      Xattr xattr;
      xattr.name = one.name("name");
      auto value = from_base64(one.text("value"));
      if (value.ok()) xattr.value = std::move(*value);
      if (!value.ok()) one.fail("value", "must be base64");
      RAMET_TRY(one.done());
      attributes.xattrs.push_back(std::move(xattr));
    }
    std::sort(attributes.xattrs.begin(), attributes.xattrs.end(),
              [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  }
  return in.done();
}

Status patch_lock(const Json& json, const std::string& where, ObjectLock& lock) {
  Members in(json, where);
  lock.mode = static_cast<RetentionMode>(
      in.choice("mode", {"none", "governance", "compliance"}, static_cast<size_t>(lock.mode)));
  if (in.has("retain_until") || in.is_null("retain_until")) {
    lock.retain_until = in.time("retain_until");
  }
  lock.legal_hold = in.flag("legal_hold", lock.legal_hold);
  return in.done();
}

Status patch_standing(const Json& json, const std::string& where, Standing& standing) {
  Members in(json, where);
  if (in.has("archival")) {
    const auto archival = parse_archival(in.text("archival"));
    if (!archival) {
      in.fail("archival", "must be live, archival, archived, archiving or unarchiving");
    }
    standing.archival = archival.value_or(standing.archival);
  }
  standing.sponsored = in.flag("sponsored", standing.sponsored);
  return in.done();
}

}  // namespace ramet::serve::rest
