#include "tools/serve/dnanexus/paths.h"

#include <fmt/format.h>

namespace ramet::serve::dnanexus {
namespace {

constexpr uint32_t kFolderMode = 040755;

}  // namespace

Outcome<std::string> normal_folder(std::string_view text, std::string_view key) {
  if (!text.starts_with('/')) return wrong_type(key, "a nonempty string starting with \"/\"");
  std::string out;
  while (!text.empty()) {
    text.remove_prefix(1);
    const size_t end = std::min(text.find('/'), text.size());
    const std::string_view name = text.substr(0, end);
    text.remove_prefix(end);
    if (name.empty()) continue;
    bool is_name = name != "." && name != "..";
    for (const char c : name) {
      is_name = is_name && static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
    }
    if (!is_name) {
      return wrong_type(key, "a path without \".\", \"..\" and control characters");
    }
    out += '/';
    out += name;
  }
  return out;
}

Outcome<std::string> folder_input(const Input& in, std::string_view key,
                                  std::string_view otherwise) {
  RAMET_ASSIGN(const auto text, in.text(key));
  return normal_folder(text ? *text : otherwise, key);
}

std::string parent_folder(std::string_view path) {
  return std::string(path.substr(0, path.rfind('/')));
}
std::string folder_name(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

Fault no_folder(std::string_view path, const ContainerId& container) {
  return Fault(Type::kResourceNotFound,
               fmt::format("Folder \"{}\" does not exist in project \"{}\"", shown_folder(path),
                           to_text(container)));
}

Outcome<void> each_below(const View& view, const FolderId& top, bool recurse,
                         FunctionRef<void(const Entry&)> visit) {
  std::vector<FolderId> pending{top};
  while (!pending.empty()) {
    const FolderId at = pending.back();
    pending.pop_back();
    RAMET_TRY(view.list(at, {}, [&](const Entry& entry) {
      if (!entry.is_folder()) {
        visit(entry);
      } else if (recurse) {
        pending.push_back(entry.folder);
      }
      return true;
    }));
  }
  return {};
}

Outcome<FolderId> make_folder(Transaction& transaction, const FolderId& parent,
                              const std::string& name) {
  auto there = transaction.lookup(parent, name);
  if (there.ok() && there->is_folder()) return there->folder;
  if (!there.ok() && there.error().code() != ErrorCode::kNotFound) return std::move(there).error();
  RAMET_TRY(transaction.make_way(parent, name));
  Attributes attributes;
  attributes.mode = kFolderMode;
  RAMET_ASSIGN(const FolderId made, transaction.create_folder(parent, name, attributes));
  return made;
}

Outcome<FolderId> make_folders(Transaction& transaction, std::string_view path) {
  FolderId at = kRootFolder;
  while (!path.empty()) {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    RAMET_ASSIGN(at, make_folder(transaction, at, std::string(path.substr(0, end))));
    path.remove_prefix(end);
  }
  return at;
}

}  // namespace ramet::serve::dnanexus
