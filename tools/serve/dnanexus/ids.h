// Ids as the DNAnexus API writes them: "file-" and 24 letters and digits. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "format/ids.h"

namespace ramet::serve::dnanexus {

enum class ObjectClass : uint8_t { kFile, kRecord, kApplet, kWorkflow, kDatabase };
std::string_view class_name(ObjectClass object_class);  // "file"
std::optional<ObjectClass> parse_class(std::string_view name);

// Whether the text has the form of an id of an object or a container; it may be nobody's.
bool is_object_id(std::string_view text);
bool is_container_id(std::string_view text);

struct ObjectRef {
  ObjectClass object_class = ObjectClass::kFile;
  ObjectId id;
  friend bool operator==(const ObjectRef&, const ObjectRef&) = default;
};
// nullopt: no id of an object, or 24 characters that no id of a store gives.
std::optional<ObjectRef> parse_object(std::string_view text);
std::string to_text(const ObjectRef& object);

// "project-..." or "container-...": both name a container of the store.
std::optional<ContainerId> parse_container(std::string_view text);
std::string to_text(const ContainerId& container);  // "project-..."

}  // namespace ramet::serve::dnanexus
