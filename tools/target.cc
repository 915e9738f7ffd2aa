#include "tools/target.h"

#include <algorithm>

#include <fmt/format.h>

#include "tools/text.h"

namespace ramet::tools {

Status require_folder(const Entry& entry, std::string_view container, std::string_view path) {
  if (entry.is_folder()) return ok();
  return Error(ErrorCode::kFailedPrecondition,
               fmt::format("'{}:{}' is no folder", container, path));
}

Result<Target> resolve_target(const Transaction& transaction, const PathSpec& spec, bool several) {
  auto there = transaction.lookup(spec.path);
  if (!there.ok() && there.error().code() != ErrorCode::kNotFound) {
    return std::move(there).error().with_context(spec.to_string());
  }
  if (there.ok() && there->is_folder()) return Target{there->folder, spec.path, {}};
  if (spec.ends_in_slash || several) {
    if (!there.ok()) return std::move(there).error().with_context(spec.to_string());
    RAMET_TRY(require_folder(*there, spec.container, spec.path));
  }
  RAMET_ASSIGN(const Entry parent,
               with_context(transaction.lookup(spec.parent()), spec.to_string()));
  RAMET_TRY(require_folder(parent, spec.container, spec.parent()));
  return Target{parent.folder, std::string(spec.parent()), std::string(spec.name())};
}

Result<std::vector<PathSpec>> parse_sources_and_target(const std::vector<std::string>& texts) {
  std::vector<PathSpec> specs;
  for (const std::string& text : texts) {
    RAMET_ASSIGN(PathSpec spec, parse_path_spec(text));
    specs.push_back(std::move(spec));
  }
  return specs;
}

Result<FolderId> make_folders(Transaction& transaction, std::string_view path,
                              const Attributes& attributes) {
  FolderId at = kRootFolder;
  std::string walked;
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/' before each part
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(end);
    if (name.empty()) break;  // the root
    walked = join_path(walked, name);
    auto entry = transaction.lookup(at, name);
    if (entry.ok()) {
      if (!entry->is_folder()) {
        return Error(ErrorCode::kFailedPrecondition, fmt::format("'{}' is no folder", walked));
      }
      at = entry->folder;
      continue;
    }
    if (entry.error().code() != ErrorCode::kNotFound) return std::move(entry).error();
    RAMET_ASSIGN(at, transaction.create_folder(at, name, attributes));
  }
  return at;
}

}  // namespace ramet::tools
