#include "tools/serve/dnanexus/object_json.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tools/serve/dnanexus/parts.h"
#include "tools/serve/parse_json.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr std::string_view kLinkKey = "$dnanexus_link";

// Fields that a description has only if it is asked for them.
constexpr std::array<std::string_view, 5> kExtraFields = {"properties", "details", "parts",
                                                          "checksumType", "drive"};

Json texts(const std::vector<std::string>& list) {
  Json json = Json::array();
  for (const std::string& one : list) json.push_back(one);
  return json;
}

Fault bad_link(std::string_view why) {
  return Fault(Type::kInvalidInput, fmt::format("a '$dnanexus_link' {}", why));
}

Outcome<Link> parse_link(const Json& value) {
  Link out;
  const Json* id = &value;
  const Json* project = nullptr;
  if (value.is_object()) {
    if (value.contains("id")) {
      id = &value["id"];
      if (value.contains("project")) project = &value["project"];
    } else {
      return bad_link("must have an 'id'");
    }
  }
  if (!id->is_string()) return bad_link("must be the ID of an object, or a hash with one");
  out.text = id->get<std::string>();
  const auto object = parse_object(out.text);
  if (!object) return bad_link(fmt::format("names '{}', which is no ID of an object", out.text));
  out.link.target = object->id;
  if (project != nullptr) {
    const auto container =
        project->is_string() ? parse_container(project->get<std::string>()) : std::nullopt;
    if (!container) return bad_link("has a 'project' that is no ID of one");
    out.link.container = *container;
  }
  return out;
}

Outcome<void> collect_links(const Json& json, std::vector<Link>& out, std::set<std::string>& seen) {
  if (json.is_object() && json.contains(kLinkKey)) {
    if (json.size() != 1) return bad_link("must be the only key of its hash");
    RAMET_ASSIGN(Link link, parse_link(json[std::string(kLinkKey)]));
    if (seen.insert(link.text + to_base62(link.link.container)).second) {
      out.push_back(std::move(link));
    }
    return {};
  }
  if (!json.is_structured()) return {};
  for (const Json& one : json) RAMET_TRY(collect_links(one, out, seen));
  return {};
}

Json parts_json(const std::vector<Part>& parts) {
  Json json = Json::object();
  for (const Part& part : parts) {
    Json one;
    one["size"] = part.size;
    if (!part.md5.empty()) one["md5"] = part.md5;
    one["state"] = "complete";
    json[std::to_string(part.index)] = std::move(one);
  }
  return json;
}

}  // namespace

Outcome<ObjectClass> class_of(Store& store, TypeNumber type) {
  if (type == kFileType) return ObjectClass::kFile;
  RAMET_ASSIGN(const std::string name, store.type_name(type));
  return parse_class(name).value_or(ObjectClass::kRecord);
}

Outcome<TypeNumber> type_of(Store& store, ObjectClass object_class) {
  RAMET_ASSIGN(const TypeNumber type, store.intern_type(class_name(object_class)));
  return type;
}

Json parse_kept(std::string_view text) {
  if (text.empty() || text == "{}") return Json::object();
  auto json = parse_json(text);
  return json.ok() && json->is_structured() ? std::move(*json) : Json::object();
}

const std::string& title_of(const ObjectInfo& info) {
  return info.standing.title.empty() ? info.name : info.standing.title;
}

Result<std::string> details_of(const View& view, const ObjectInfo& info) {
  RAMET_ASSIGN(std::string text, long_text(view, info, kDetailsName, info.metadata.details));
  return text.empty() ? std::string("{}") : text;
}

bool is_users_property(std::string_view name) {
  return !name.starts_with(kContentProperty) && !name.starts_with(kOwnProperty);
}

Outcome<DescribeFields> DescribeFields::parse(const Json& asked) {
  DescribeFields out;
  if (asked.is_boolean() || asked.is_null()) return out;
  if (!asked.is_object()) return wrong_type("describe", "a boolean or a hash");
  const Input in(asked);
  RAMET_ASSIGN(const Json* const fields, in.object("fields"));
  RAMET_ASSIGN(out.defaults_, in.flag("defaultFields", fields == nullptr));
  if (fields != nullptr) {
    for (const auto& [name, wanted] : fields->items()) {
      if (!wanted.is_boolean()) return wrong_type("fields." + name, "a boolean");
      (wanted.get<bool>() ? out.named_ : out.left_out_).insert(name);
    }
  }
  for (const std::string_view name : {"properties", "details", "parts", "folders", "permissions",
                                      "appCaches"}) {
    RAMET_ASSIGN(const bool wanted, in.flag(name, false));
    if (wanted) out.named_.insert(std::string(name));
  }
  return out;
}

bool DescribeFields::has(std::string_view name) const {
  const std::string text(name);
  if (left_out_.contains(text)) return false;
  if (named_.contains(text)) return true;
  return defaults_ && std::find(kExtraFields.begin(), kExtraFields.end(), name) ==
                          kExtraFields.end();
}

Outcome<std::vector<Link>> links_in(const Json& details) {
  std::vector<Link> out;
  std::set<std::string> seen;
  RAMET_TRY(collect_links(details, out, seen));
  return out;
}

Outcome<Json> object_json(Store& store, const View& view, const ObjectInfo& info,
                          const DescribeFields& fields, const Json* open_parts) {
  RAMET_ASSIGN(const ObjectClass object_class, class_of(store, info.type));
  const bool is_file = object_class == ObjectClass::kFile;
  const Metadata& metadata = info.metadata;
  const Standing& standing = info.standing;
  Json json;
  json["id"] = to_text({object_class, info.id});
  const auto put = [&](const char* name, auto&& value) {
    if (fields.has(name)) json[name] = std::forward<decltype(value)>(value);
  };
  put("project", to_text(view.container()));
  put("class", class_name(object_class));
  put("sponsored", standing.sponsored);
  put("name", title_of(info));
  put("types", texts(metadata.types));
  put("state", state_name(standing.state));
  put("hidden", standing.hidden);
  put("tags", texts(metadata.tags));
  if (fields.has("folder")) {
    std::string folder = "/";
    if (!view.flat() && !info.folder.is_null()) {
      RAMET_ASSIGN(folder, view.path_of(info.folder));
    }
    json["folder"] = std::move(folder);
  }
  put("created", to_ms(info.created));
  put("modified", to_ms(info.attributes.modified));
  if (fields.has("createdBy")) {
    const std::string* const by = find_property(metadata, kCreatedByProperty);
    Json created_by;
    created_by["user"] = "user-" + (by == nullptr ? std::string("ramet") : *by);
    json["createdBy"] = std::move(created_by);
  }
  if (is_file) {
    put("media", metadata.media_type.empty() ? std::string("application/octet-stream")
                                             : metadata.media_type);
    put("archivalState", archival_name(standing.archival));
    if (standing.state == ObjectState::kClosed) put("size", info.size);
    if (fields.has("parts")) {
      if (standing.state != ObjectState::kClosed) {
        json["parts"] = open_parts == nullptr ? Json::object() : *open_parts;
      } else {
        auto parts = parts_of(view, info);
        if (!parts.ok() && parts.error().code() == ErrorCode::kCorruption) {
          parts = std::vector<Part>{{1, info.size, {}}};  // (another face may have written it)
        }
        if (!parts.ok()) return std::move(parts).error();
        json["parts"] = parts_json(*parts);
      }
    }
  }
  if (fields.has("properties")) {
    Json properties = Json::object();
    for (const Property& property : metadata.properties) {
      if (is_users_property(property.name)) properties[property.name] = property.value;
    }
    json["properties"] = std::move(properties);
  }
  if (fields.has("details") || fields.has("links")) {
    RAMET_ASSIGN(const std::string text, details_of(view, info));
    Json details = parse_kept(text);
    if (fields.has("links")) {
      Json links = Json::array();
      const auto found = links_in(details);
      if (found.ok()) {
        auto copy = found;
        std::set<std::string> told;
        for (const Link& link : *copy) {
          if (told.insert(link.text).second) links.push_back(link.text);
        }
      }
      json["links"] = std::move(links);
    }
    if (fields.has("details")) json["details"] = std::move(details);
  }
  if (!is_file) {
    const std::string* const inlined = find_property(metadata, kSpecName);
    RAMET_ASSIGN(const std::string text,
                 long_text(view, info, kSpecName, inlined == nullptr ? std::string() : *inlined));
    const Json spec = parse_kept(text);
    for (const auto& [name, value] : spec.items()) {
      if (fields.has(name) && !json.contains(name)) json[name] = value;
    }
  }
  return json;
}

}  // namespace ramet::serve::dnanexus
