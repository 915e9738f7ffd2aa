// The plain model that crashes are compared with: containers as maps of paths, clones by copying.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/store.h"

namespace ramet::sim {

// Paths of one container. Folders end in '/' and have no content.
using PathMap = std::map<std::string, std::string>;

struct ModelContainer {
  PathMap paths;
  std::map<std::string, PathMap> snapshots;
};

using Model = std::map<std::string, ModelContainer>;

// One text for everything that can be seen; equal texts, equal states.
std::string describe(const Model& model);
// The same for a store: every container and snapshot, every name, every byte. Any error or
// damage becomes part of the text, so that it never compares equal.
std::string describe(Store& store);

}  // namespace ramet::sim
