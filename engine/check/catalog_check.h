// The catalog: which trees a store has, and what the catalog's entries contradict each other about.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/check/tree_check.h"
#include "engine/tree/root.h"

namespace ramet::engine {

// A root and where it stands.
struct NamedTree {
  std::string container;  // its name; of a dropped one with " (dropped)" behind it
  std::string snapshot;   // empty: the container's head
  Root root;
};

// `what`: the entry, in words.
using ReportCatalog = std::function<void(const std::string& what, std::string message)>;

// Reads the catalog's entries as far as they can be read, through `trees`. Returns the trees of
// containers, snapshots and dropped things, in key order. kIoError and kCancelled only.
// Thread-safe.
Result<std::vector<NamedTree>> check_catalog_entries(TreeCheck& trees, TreeContext& context,
                                                     const Root& catalog,
                                                     const ReportCatalog& report);

}  // namespace ramet::engine
