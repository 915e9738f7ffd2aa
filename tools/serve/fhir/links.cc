#include "tools/serve/fhir/links.h"

#include <algorithm>
#include <array>

#include "tools/serve/fhir/types.h"

namespace ramet::serve::fhir {
namespace {

bool is_id(std::string_view text) { return parse_uuid<ObjectId>(text).ok(); }

// "Type/UUID" from the beginning on; the length of it, or 0.
size_t reference_length(std::string_view text, std::string_view* type) {
  const size_t slash = text.find('/');
  if (slash == text.npos || text.size() < slash + 1 + kUuidTextBytes) return 0;
  *type = text.substr(0, slash);
  if (!is_known_type(*type) || !is_id(text.substr(slash + 1, kUuidTextBytes))) return 0;
  return slash + 1 + kUuidTextBytes;
}

bool ends_reference(std::string_view rest) {
  return rest.empty() || rest[0] == '/' || rest[0] == '?' || rest[0] == '#';
}

// Every "Type/UUID" in a search or a rule: "Observation?subject=Patient/...&_compartment=...".
std::vector<IdPlace> references_in(std::string_view text) {
  std::vector<IdPlace> out;
  for (size_t slash = text.find('/'); slash != text.npos; slash = text.find('/', slash + 1)) {
    size_t begin = slash;
    while (begin > 0 && std::isalpha(static_cast<unsigned char>(text[begin - 1])) != 0) --begin;
    std::string_view type;
    const size_t length = reference_length(text.substr(begin), &type);
    if (length > 0) out.push_back({begin + length - kUuidTextBytes, type});
  }
  return out;
}

// Members whose value may be "Type/UUID".
bool is_referring(std::string_view name) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"reference", "url", "fullUrl", "endpoint", "valueUrl", "valueUri", "recipients"});
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

class Writer {
 public:
  Text take() && { return std::move(out_); }

  void value(const Json& json, std::string_view inside) {
    if (json.is_object()) {
      object(json, inside, false);
    } else if (json.is_array()) {
      out_.text.push_back('[');
      bool first = true;
      for (const Json& one : json) {
        if (!first) out_.text.push_back(',');
        first = false;
        value(one, inside);
      }
      out_.text.push_back(']');
    } else {
      out_.text += dumped(json);
    }
  }

  void resource(const Json& json) {
    const auto type = json.find("resourceType");
    object(json, type != json.end() && type->is_string()
                     ? std::string_view(type->get_ref<const std::string&>())
                     : std::string_view(), true);
  }

 private:
  static std::string dumped(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  void object(const Json& json, std::string_view inside, bool is_top) {
    // A resource in a resource (contained, an entry of a Bundle) has an id of its own.
    const auto type = json.find("resourceType");
    if (type != json.end() && type->is_string()) inside = type->get_ref<const std::string&>();
    const bool is_resource = type != json.end();
    out_.text.push_back('{');
    bool first = true;
    for (const auto& [name, member] : json.items()) {
      if (!first) out_.text.push_back(',');
      first = false;
      out_.text += dumped(Json(name));
      out_.text.push_back(':');
      if (is_top && name == "meta" && member.is_object()) {
        meta(member, inside);
      } else if (member.is_string()) {
        text(name, member, inside, is_resource);
      } else if (member.is_array()) {
        strings(name, member, inside);
      } else {
        value(member, inside);
      }
    }
    out_.text.push_back('}');
  }

  // The members that all see, then the others.
  void meta(const Json& json, std::string_view inside) {
    out_.text.push_back('{');
    bool first = true;
    for (const bool extended : {false, true}) {
      const auto begin = static_cast<uint32_t>(out_.text.size());
      for (const auto& [name, member] : json.items()) {
        if (is_extended_member(name) != extended) continue;
        if (!first) out_.text.push_back(',');
        first = false;
        out_.text += dumped(Json(name)) + ":";
        if (name == "versionId" && member.is_string() &&
            is_id(member.get_ref<const std::string&>())) {
          out_.links.push_back({RecordLinkKind::kVersion,
                                static_cast<uint32_t>(out_.text.size()) + 1, {}});
          out_.text += dumped(member);
        } else if (member.is_string()) {
          text(name, member, inside, false);
        } else {
          value(member, inside);
        }
      }
      if (extended && out_.text.size() > begin) {
        out_.extended_from = begin;
        out_.extended_to = static_cast<uint32_t>(out_.text.size());
      }
    }
    out_.text.push_back('}');
  }

  void strings(const std::string& name, const Json& list, std::string_view inside) {
    out_.text.push_back('[');
    bool first = true;
    for (const Json& one : list) {
      if (!first) out_.text.push_back(',');
      first = false;
      if (one.is_string()) {
        text(name, one, inside, false);
      } else {
        value(one, inside);
      }
    }
    out_.text.push_back(']');
  }

  void text(const std::string& name, const Json& json, std::string_view inside, bool is_resource) {
    const auto& plain = json.get_ref<const std::string&>();
    const std::string written = dumped(json);
    // (What needs escapes holds no reference, or none that could be found again.)
    const bool may_link = written.size() == plain.size() + 2 && (name != "id" || is_resource);
    if (may_link) {
      for (const IdPlace& place : ids_in(name, plain, inside)) {
        out_.links.push_back({RecordLinkKind::kRecord,
                              static_cast<uint32_t>(out_.text.size() + 1 + place.offset),
                              std::string(place.type)});
      }
    }
    out_.text += written;
  }

  Text out_;
};

}  // namespace

std::optional<Reference> parse_reference(std::string_view text) {
  std::string_view type;
  const size_t length = reference_length(text, &type);
  if (length == 0 || !ends_reference(text.substr(length))) return std::nullopt;
  return Reference{type, *parse_uuid<ObjectId>(text.substr(length - kUuidTextBytes,
                                                           kUuidTextBytes))};
}

std::optional<Reference> parse_exact_reference(std::string_view text) {
  const auto reference = parse_reference(text);
  if (!reference || text.size() != reference->type.size() + 1 + kUuidTextBytes) return std::nullopt;
  return reference;
}

std::vector<IdPlace> ids_in(std::string_view name, std::string_view value,
                            std::string_view inside) {
  if (name == "id" || name == "project") {
    if (!is_id(value)) return {};
    return {{0, name == "id" ? inside : std::string_view("Project")}};
  }
  if (name == "criteria") return references_in(value);
  if (!is_referring(name)) return {};
  std::string_view type;
  const size_t length = reference_length(value, &type);
  if (length == 0 || !ends_reference(value.substr(length))) return {};
  return {{length - kUuidTextBytes, type}};
}

void make_relative(std::string_view base, Json& json) {
  if (!json.is_structured()) return;
  for (auto& [name, member] : json.items()) {
    if (!member.is_string()) {
      make_relative(base, member);
      continue;
    }
    const auto& text = member.get_ref<const std::string&>();
    if (!text.starts_with(base)) continue;
    std::string rest = text.substr(base.size());
    if (is_referring(name) && parse_reference(rest)) member = std::move(rest);
  }
}

bool is_extended_member(std::string_view name) {
  return name == "author" || name == "onBehalfOf" || name == "project" || name == "account" ||
         name == "accounts" || name == "compartment";
}

Text text_of(const Json& resource) {
  Writer writer;
  writer.resource(resource);
  return std::move(writer).take();
}

}  // namespace ramet::serve::fhir
