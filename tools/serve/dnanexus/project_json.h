// What a project is beside a container: what only this API knows of it, kept in the container's
// document "dnanexus.project"; and projects as the API describes them. Thread-safe; may wait.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store.h"
#include "tools/serve/dnanexus/call.h"
#include "tools/serve/dnanexus/object_json.h"

namespace ramet::serve::dnanexus {

inline constexpr std::string_view kProjectDocument = "dnanexus.project";

// What is kept. All of it is the users', who may put anything in it.
struct ProjectDocument {
  std::string name;       // as people call it, where the container has another one
  std::string container;  // the container's name then: who renamed it since gave it that name
  std::string created_by;  // a principal's name
  int64_t modified = 0;    // milliseconds; 0: never
  uint64_t version = 0;    // counts the updates
  std::vector<std::string> tags;
  Json properties = Json::object();
  Json rest = Json::object();  // fields that are kept and told: summary, description, flags, ...
};
ProjectDocument parse_project_document(std::string_view text);  // empty for what is none
std::string to_text(const ProjectDocument& document);           // at most 64 KiB, or it is refused
// Of a state; empty if there is none.
Outcome<ProjectDocument> project_document(const View& view);

// What people call it.
std::string project_name(const ContainerInfo& info, const ProjectDocument& document);
// A name for a new container, as near to this one as names may be; `taken`: that one is.
std::string container_name_for(std::string_view name, bool taken);

// Takes over the fields of /project/new and /project/update that are kept or told, and those that
// stand in the container's rules. InvalidInput.
Outcome<void> read_project_fields(const Input& in, ProjectDocument& document,
                                  ContainerAccess& rules);

Outcome<Json> project_json(Call& call, const Project& project, const DescribeFields& fields);

// The paths of all folders, "/" first, in order.
Outcome<std::vector<std::string>> folder_paths(const View& view);

}  // namespace ramet::serve::dnanexus
