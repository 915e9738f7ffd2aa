// Which parts of a resource's JSON name resources of this server: what a clone has to rewrite.
// docs/fhir.md lists the cases and why each is as it is. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/record.h"
#include "tools/serve/fhir/errors.h"

namespace ramet::serve::fhir {

// The id of a resource in a text.
struct IdPlace {
  size_t offset = 0;  // of 36 characters, a version-4 UUID in lower case
  std::string_view type;  // of the resource; borrowed from the text, or from what was asked with
};

// Where the value of a member `name` names resources; `inside` is the type of the resource that it
// stands in. For `id` and `project` the whole value is one.
std::vector<IdPlace> ids_in(std::string_view name, std::string_view value,
                            std::string_view inside);

// "Type/UUID" at the beginning of a text, nothing or '/', '?', '#' behind it. nullopt: it is none.
struct Reference {
  std::string_view type;
  ObjectId id;
};
std::optional<Reference> parse_reference(std::string_view text);
// The same for nothing behind it.
std::optional<Reference> parse_exact_reference(std::string_view text);

// Makes URLs of this server (what begins with `base`) relative where they would be links then.
void make_relative(std::string_view base, Json& json);

// The resource as it is stored: its JSON on one line, with the places of all ids.
struct Text {
  std::string text;
  struct Link {
    RecordLinkKind kind = RecordLinkKind::kRecord;
    uint32_t offset = 0;
    std::string type;  // kRecord
  };
  std::vector<Link> links;
  // From the comma before meta.author to the end of meta's members: what extended readers alone
  // see. Both 0: nothing.
  uint32_t extended_from = 0;
  uint32_t extended_to = 0;
};
// Members of `meta` that extended readers alone see; they stand behind all others.
bool is_extended_member(std::string_view name);
Text text_of(const Json& resource);

}  // namespace ramet::serve::fhir
