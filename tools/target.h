// Where things go: the last argument of put, mv and clone, understood as cp and mv do.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/transaction.h"
#include "tools/path_spec.h"

namespace ramet::tools {

struct Target {
  FolderId folder;
  std::string folder_path;
  std::string name;  // of the new entry; empty: into the folder, under the source's own name
};

// A target that is a folder, or ends in '/', takes things in; else its last part is a new name.
// Several sources need a folder (kFailedPrecondition). kNotFound if the folder is missing.
Result<Target> resolve_target(const Transaction& transaction, const PathSpec& spec, bool several);

// "SOURCE... TARGET": at least two. The caller looks at containers and snapshots.
Result<std::vector<PathSpec>> parse_sources_and_target(const std::vector<std::string>& texts);

// kFailedPrecondition, naming the path, if the entry is not a folder.
Status require_folder(const Entry& entry, std::string_view container, std::string_view path);

// `mkdir -p`: creates what is missing with these attributes. kFailedPrecondition if a part of the
// path is no folder.
Result<FolderId> make_folders(Transaction& transaction, std::string_view path,
                              const Attributes& attributes);

}  // namespace ramet::tools
