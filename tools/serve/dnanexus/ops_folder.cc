// Folders: listed, made, renamed, and moved about with objects.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/object_json.h"
#include "tools/serve/dnanexus/paths.h"

namespace ramet::serve::dnanexus {
namespace {

Fault folder_there(std::string_view path) {
  return Fault(Type::kInvalidState,
               fmt::format("A folder would conflict with the route of an existing folder: \"{}\"",
                           path));
}

Outcome<void> add_folders(const View& view, const FolderId& folder, const std::string& path,
                          Json& out) {
  std::vector<std::string> names;
  // By what is less: the names in this folder, or all folders of the container.
  RAMET_ASSIGN(const Summary here, view.folder_summary(folder));
  if (here[SummaryColumn::kEntries] < view.summary()[SummaryColumn::kFolders]) {
    RAMET_TRY(view.list(folder, {}, [&](const Entry& entry) {
      if (entry.is_folder()) names.push_back(entry.name);
      return true;
    }));
  } else {
    RAMET_TRY(view.folders([&](const FolderInfo& info) {
      if (info.parent == folder) names.push_back(info.name);
      return true;
    }));
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) out.push_back(path + "/" + name);
  return {};
}

Outcome<void> add_objects(Call& call, const View& view, const FolderId& folder,
                          const std::optional<DescribeFields>& describe, bool hidden, Json& out) {
  std::vector<Entry> entries;
  RAMET_TRY(view.list(folder, {}, [&](const Entry& entry) {
    if (is_shown(entry.entry_class)) entries.push_back(entry);
    return true;
  }));
  const bool some_are_hidden = view.summary()[SummaryColumn::kHidden] != 0;
  for (const Entry& entry : entries) {
    RAMET_ASSIGN(const ObjectClass object_class, class_of(call.store(), entry.type));
    Json one;
    one["id"] = to_text(ObjectRef{object_class, entry.object});
    if (describe || (some_are_hidden && !hidden)) {
      RAMET_ASSIGN(const ObjectInfo info, view.object(entry.object));
      if (info.standing.hidden && !hidden) continue;
      if (describe) {
        RAMET_ASSIGN(one["describe"], object_json(call.store(), view, info, *describe));
      }
    }
    out.push_back(std::move(one));
  }
  return {};
}

// Where a folder goes.
struct FolderMove {
  std::string from;  // path
  std::string to;
};

// Moves or renames one.
Outcome<void> move_folder(Transaction& transaction, const FolderMove& move,
                          const ContainerId& container) {
  if (move.from == move.to) return {};
  if (move.to.starts_with(move.from + "/")) {
    return Fault(Type::kInvalidState,
                 fmt::format("\"{}\" would be moved below itself", move.from));
  }
  RAMET_TRY(open_folder(transaction, move.from, container));
  RAMET_ASSIGN(const FolderId from, open_folder(transaction, parent_folder(move.from), container));
  RAMET_ASSIGN(const FolderId to, open_folder(transaction, parent_folder(move.to), container));
  const std::string name = folder_name(move.to);
  auto there = transaction.lookup(to, name);
  if (there.ok()) {
    if (there->is_folder()) return folder_there(move.to);
    RAMET_TRY(transaction.make_way(to, name));
  } else if (there.error().code() != ErrorCode::kNotFound) {
    return std::move(there).error();
  }
  RAMET_TRY(transaction.rename(from, folder_name(move.from), to, name));
  return {};
}

}  // namespace

Task<Answer> list_folder(Call& call) {
  const Input in = call.in();
  RAMET_CO_ASSIGN(const std::string path, folder_input(in, "folder", "/"));
  RAMET_CO_ASSIGN(const auto only, in.text("only"));
  RAMET_CO_ASSIGN(const bool hidden, in.flag("includeHidden", false));
  const std::string which = only.value_or("all");
  if (which != "all" && which != "folders" && which != "objects") {
    co_return wrong_type("only", "\"all\", \"folders\" or \"objects\"");
  }
  std::optional<DescribeFields> describe;
  if (in.has("describe") && call.input["describe"] != false) {
    RAMET_CO_ASSIGN(describe, DescribeFields::parse(call.input["describe"]));
  }
  // (However many there are: not on the connection's thread.)
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(const Project project, call.subject_project(AccessLevel::kView));
    RAMET_ASSIGN(const auto view, call.store().view(project.info.id));
    RAMET_ASSIGN(const FolderId folder, open_folder(*view, path, project.info.id));
    Json json;
    if (which != "folders") {
      json["objects"] = Json::array();
      RAMET_TRY(add_objects(call, *view, folder, describe, hidden, json["objects"]));
    }
    if (which != "objects") {
      json["folders"] = Json::array();
      RAMET_TRY(add_folders(*view, folder, path, json["folders"]));
    }
    return json;
  });
}

Task<Answer> new_folder(Call& call) {
  const Input in = call.in();
  if (!in.has("folder")) co_return wrong_type("folder", "a nonempty string starting with \"/\"");
  RAMET_CO_ASSIGN(const std::string path, folder_input(in, "folder", "/"));
  RAMET_CO_ASSIGN(const bool parents, in.flag("parents", false));
  const auto check = [&] { return call.subject_project(AccessLevel::kUpload); };
  RAMET_CO_ASSIGN(const Project project, co_await call.quick(check));
  const ContainerId id = project.info.id;
  RAMET_CO_TRY(co_await change(
      call, id, [&](Transaction& transaction, const View&) -> Outcome<void> {
        if (parents) {
          RAMET_TRY(make_folders(transaction, path));
          return {};
        }
        if (path.empty()) return folder_there("/");
        RAMET_ASSIGN(const FolderId parent, open_folder(transaction, parent_folder(path), id));
        const auto there = transaction.lookup(parent, folder_name(path));
        if (there.ok() && there->is_folder()) return folder_there(path);
        RAMET_TRY(make_folder(transaction, parent, folder_name(path)));
        return {};
      }));
  co_return subject_json(call);
}

Task<Answer> rename_folder(Call& call) {
  const Input in = call.in();
  RAMET_CO_ASSIGN(const std::string text, in.some_text("folder"));
  FolderMove move;
  RAMET_CO_ASSIGN(move.from, normal_folder(text, "folder"));
  if (move.from.empty()) co_return wrong_type("folder", "another folder than \"/\"");
  if (in.has("newpath")) {
    RAMET_CO_ASSIGN(const std::string to, in.some_text("newpath"));
    RAMET_CO_ASSIGN(move.to, normal_folder(to, "newpath"));
  } else {
    RAMET_CO_ASSIGN(const std::string name, in.some_text("name"));
    if (name.find('/') != std::string::npos) co_return wrong_type("name", "a name without \"/\"");
    RAMET_CO_ASSIGN(const std::string plain, normal_folder("/" + name, "name"));
    move.to = parent_folder(move.from) + plain;
  }
  if (move.to.empty()) co_return folder_there("/");
  const auto check = [&] { return call.subject_project(AccessLevel::kContribute); };
  RAMET_CO_ASSIGN(const Project project, co_await call.quick(check));
  const ContainerId id = project.info.id;
  RAMET_CO_TRY(co_await change(
      call, id,
      [&](Transaction& transaction, const View&) { return move_folder(transaction, move, id); }));
  co_return subject_json(call);
}

Task<Answer> move_content(Call& call) {
  const Input in = call.in();
  RAMET_CO_ASSIGN(const auto objects, in.texts("objects"));
  RAMET_CO_ASSIGN(const auto folders, in.texts("folders"));
  if (!objects && !folders) {
    co_return Fault(Type::kInvalidInput, "expected 'objects' or 'folders' to be given");
  }
  RAMET_CO_ASSIGN(const std::string destination_text, in.some_text("destination"));
  RAMET_CO_ASSIGN(const std::string destination, normal_folder(destination_text, "destination"));
  std::vector<ObjectRef> refs;
  std::set<std::string> seen;
  for (const std::string& text : objects.value_or(std::vector<std::string>())) {
    const auto object = parse_object(text);
    if (!object) co_return Fault(Type::kInvalidInput, fmt::format("\"{}\" is no object ID", text));
    if (seen.insert(text).second) refs.push_back(*object);
  }
  std::vector<FolderMove> moves;
  std::set<std::string> names;
  for (const std::string& text : folders.value_or(std::vector<std::string>())) {
    RAMET_CO_ASSIGN(const std::string path, normal_folder(text, "folders"));
    if (path.empty()) co_return wrong_type("folders", "folders other than \"/\"");
    if (!seen.insert(path).second) continue;
    if (!names.insert(folder_name(path)).second) {
      co_return Fault(Type::kInvalidInput,
                      fmt::format("two of the folders have the name \"{}\"", folder_name(path)));
    }
    moves.push_back({path, destination + "/" + folder_name(path)});
  }
  const auto check = [&] { return call.subject_project(AccessLevel::kContribute); };
  RAMET_CO_ASSIGN(const Project project, co_await call.quick(check));
  const ContainerId id = project.info.id;
  RAMET_CO_TRY(co_await change(
      call, id, [&](Transaction& transaction, const View&) -> Outcome<void> {
        RAMET_ASSIGN(const FolderId to, open_folder(transaction, destination, id));
        // Objects first: one that is in a moved folder, too, was asked for by itself.
        for (const ObjectRef& object : refs) {
          auto info = transaction.object(object.id);
          if (!info.ok() && info.error().code() != ErrorCode::kNotFound) {
            return std::move(info).error();
          }
          if (!info.ok()) {
            return Fault(Type::kResourceNotFound,
                         fmt::format("\"{}\" could not be found in \"{}\"", to_text(object),
                                     call.subject));
          }
          if (info->folder == to) continue;
          RAMET_TRY(transaction.place_object(object.id, to, title_of(*info)));
        }
        for (const FolderMove& move : moves) RAMET_TRY(move_folder(transaction, move, id));
        return {};
      }));
  co_return subject_json(call);
}

}  // namespace ramet::serve::dnanexus
