// Folders by path, in the words of the API. Functions over a view or a transaction.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/transaction.h"
#include "tools/function_ref.h"
#include "tools/serve/dnanexus/errors.h"
#include "tools/serve/dnanexus/ids.h"
#include "tools/serve/dnanexus/input.h"

namespace ramet::serve::dnanexus {

// "/a/b", "" for the root folder, of what begins with '/': "//" is "/", one at the end is nothing.
// InvalidInput for anything else, for "." and "..", and for control characters. `key` names it.
Outcome<std::string> normal_folder(std::string_view text, std::string_view key);
// The input's folder under this key. Absent: `otherwise`.
Outcome<std::string> folder_input(const Input& in, std::string_view key,
                                  std::string_view otherwise);

// As the API shows it: "/" for the root folder.
inline std::string shown_folder(std::string_view path) {
  return path.empty() ? std::string("/") : std::string(path);
}
std::string parent_folder(std::string_view path);  // of "/a/b": "/a"; of "/a": ""
std::string folder_name(std::string_view path);    // of "/a/b": "b"

Fault no_folder(std::string_view path, const ContainerId& container);

// ResourceNotFound: there is none, or it is no folder.
template <typename State>
Outcome<FolderId> open_folder(const State& state, std::string_view path,
                              const ContainerId& container) {
  if (path.empty()) return kRootFolder;
  auto entry = state.lookup(path);
  if (entry.ok() && entry->is_folder()) return entry->folder;
  if (entry.ok() || entry.error().code() == ErrorCode::kNotFound) return no_folder(path, container);
  return std::move(entry).error();
}

// Calls `visit` with every object in a folder, and below it if `recurse`.
Outcome<void> each_below(const View& view, const FolderId& top, bool recurse,
                         FunctionRef<void(const Entry&)> visit);

// Makes one that is not there; what has its name keeps its title.
Outcome<FolderId> make_folder(Transaction& transaction, const FolderId& parent,
                              const std::string& name);
// With all that is missing above it.
Outcome<FolderId> make_folders(Transaction& transaction, std::string_view path);

}  // namespace ramet::serve::dnanexus
