// The plain model that stores are compared with: containers as maps of paths, clones by copying.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/store.h"

namespace ramet::sim {

// What a path leads to. Of folders only the mode counts.
struct ModelEntry {
  std::string content;
  std::string target;  // of a symbolic link
  uint32_t mode = 040755;
  int64_t modified = 0;
  uint64_t object = 0;  // paths of one container with the same number are names of one object
};

// Paths of one container. Folders end in '/'.
using PathMap = std::map<std::string, ModelEntry>;

struct ModelContainer {
  PathMap paths;
  std::map<std::string, PathMap> snapshots;
};

using Model = std::map<std::string, ModelContainer>;

// One text for everything that can be seen; equal texts, equal states.
std::string describe(const Model& model);
// The same for a store: every container and snapshot, every name, every attribute, every byte.
// Any error or damage becomes part of the text, so that it never compares equal.
std::string describe(Store& store, const std::string& except = {});
// The same for one view.
std::string describe(const View& view);
// The first line in which two descriptions differ, for messages.
std::string first_difference(const std::string& is, const std::string& should);

}  // namespace ramet::sim
