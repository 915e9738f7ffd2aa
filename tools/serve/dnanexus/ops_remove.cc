// What is removed: objects, and folders with all that is in them. Hidden objects go with the last
// visible one that leads to them.
#include <map>
#include <set>

#include <fmt/format.h>

#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/object_json.h"
#include "tools/serve/dnanexus/paths.h"

namespace ramet::serve::dnanexus {
namespace {

// Removing takes CONTRIBUTE; ADMINISTER where the project is protected.
Outcome<Project> removable_project(Call& call) {
  RAMET_ASSIGN(Project project, call.subject_project(AccessLevel::kContribute));
  if (!project.rules.is_protected || project.level == AccessLevel::kAdminister) return project;
  return Fault(Type::kPermissionDenied,
               fmt::format("\"{}\" is protected: ADMINISTER permission is required to remove "
                           "from it",
                           call.subject));
}

// Hidden objects that only removed ones led to. Looks at all objects of the container, but only
// where there are hidden ones and one that is removed leads to some.
Outcome<std::set<ObjectId>> orphaned_by(const View& view, const std::set<ObjectId>& removed) {
  std::set<ObjectId> out;
  if (view.summary()[SummaryColumn::kHidden] == 0) return out;
  const auto links_of = [&](const ObjectInfo& info, auto&& visit) {
    for (const ObjectLink& link : info.standing.links) {
      if (link.container.is_null() || link.container == view.container()) visit(link.target);
    }
  };
  std::vector<ObjectId> pending;
  for (const ObjectId& id : removed) {
    const auto info = view.object(id);
    if (!info.ok() && info.error().code() == ErrorCode::kNotFound) continue;
    if (!info.ok()) return Fault(info.error());
    links_of(*info, [&](const ObjectId& target) { pending.push_back(target); });
  }
  while (!pending.empty()) {
    const ObjectId id = pending.back();
    pending.pop_back();
    if (removed.contains(id) || out.contains(id)) continue;
    const auto info = view.object(id);
    if (!info.ok() && info.error().code() != ErrorCode::kNotFound) return Fault(info.error());
    if (!info.ok() || !info->standing.hidden) continue;
    out.insert(id);
    links_of(*info, [&](const ObjectId& target) { pending.push_back(target); });
  }
  if (out.empty()) return out;
  // What visible objects that stay lead to, stays.
  std::map<ObjectId, std::vector<ObjectId>> links;
  RAMET_TRY(view.objects([&](const ObjectInfo& info) {
    if (removed.contains(info.id) || info.standing.links.empty()) return true;
    const bool stays = !info.standing.hidden;
    links_of(info, [&](const ObjectId& target) {
      if (stays) {
        pending.push_back(target);
      } else {
        links[info.id].push_back(target);
      }
    });
    return true;
  }));
  std::set<ObjectId> reached;
  while (!pending.empty()) {
    const ObjectId id = pending.back();
    pending.pop_back();
    if (!reached.insert(id).second) continue;
    out.erase(id);
    const auto further = links.find(id);
    if (further == links.end()) continue;
    pending.insert(pending.end(), further->second.begin(), further->second.end());
  }
  return out;
}

// All names of an object.
Outcome<void> remove_object(Transaction& transaction, const ObjectId& id) {
  for (;;) {
    auto info = transaction.object(id);
    if (!info.ok()) {
      if (info.error().code() == ErrorCode::kNotFound) return {};
      return std::move(info).error();
    }
    RAMET_TRY(transaction.remove(info->folder, info->name));
  }
}

Outcome<void> remove_orphans(Transaction& transaction, const View& view,
                             const std::set<ObjectId>& removed) {
  RAMET_ASSIGN(const std::set<ObjectId> orphans, orphaned_by(view, removed));
  for (const ObjectId& id : orphans) RAMET_TRY(remove_object(transaction, id));
  return {};
}

}  // namespace

Task<Answer> remove_objects(Call& call) {
  const Input in = call.in();
  RAMET_CO_ASSIGN(const auto objects, in.texts("objects"));
  if (!objects) co_return wrong_type("objects", "an array of nonempty strings");
  RAMET_CO_ASSIGN(const bool force, in.flag("force", false));
  std::set<ObjectId> ids;
  for (const std::string& text : *objects) {
    const auto object = parse_object(text);
    if (!object) co_return Fault(Type::kInvalidInput, fmt::format("\"{}\" is no object ID", text));
    ids.insert(object->id);
  }
  const auto check = [&] { return removable_project(call); };
  RAMET_CO_ASSIGN(const Project project, co_await call.quick(check));
  if (ids.empty()) co_return subject_json(call);
  const auto remove = [&](Transaction& transaction, const View& view) -> Outcome<void> {
    std::set<ObjectId> removed;
    for (const std::string& text : *objects) {
      const ObjectId id = parse_object(text)->id;
      const auto info = transaction.object(id);
      if (info.ok()) {
        RAMET_TRY(remove_object(transaction, id));
        removed.insert(id);
      } else if (info.error().code() != ErrorCode::kNotFound) {
        return Fault(info.error());
      } else if (!force && !removed.contains(id)) {
        return Fault(Type::kResourceNotFound,
                     fmt::format("\"{}\" could not be found in \"{}\"", text, call.subject));
      }
    }
    return remove_orphans(transaction, view, removed);
  };
  constexpr size_t kFew = 64;
  const Weight weight = ids.size() > kFew ? Weight::kSlow : Weight::kQuick;
  RAMET_CO_TRY(co_await change(call, project.info.id, remove, weight));
  co_return subject_json(call);
}

Task<Answer> remove_folder(Call& call) {
  const Input in = call.in();
  RAMET_CO_ASSIGN(const std::string text, in.some_text("folder"));
  RAMET_CO_ASSIGN(const std::string path, normal_folder(text, "folder"));
  RAMET_CO_ASSIGN(const bool recurse, in.flag("recurse", false));
  RAMET_CO_ASSIGN(const bool force, in.flag("force", false));
  const auto check = [&] { return removable_project(call); };
  RAMET_CO_ASSIGN(const Project project, co_await call.quick(check));
  const ContainerId id = project.info.id;
  const auto remove = [&](Transaction& transaction, const View& view) -> Outcome<void> {
    auto folder = open_folder(transaction, path, id);
    if (!folder.ok()) {
      if (force && folder.error().type == Type::kResourceNotFound) return {};
      return std::move(folder).error();
    }
    if (!recurse) {
      bool is_empty = true;
      RAMET_TRY(transaction.list(*folder, {}, [&](const Entry&) { return is_empty = false; }));
      if (!is_empty) {
        return Fault(Type::kInvalidState,
                     fmt::format("\"{}\" is not empty, and 'recurse' is not set",
                                 shown_folder(path)));
      }
      if (path.empty()) return Fault(Type::kInvalidState, "the root folder cannot be removed");
    }
    std::set<ObjectId> removed;
    if (view.summary()[SummaryColumn::kHidden] != 0) {
      auto there = open_folder(view, path, id);
      if (there.ok()) {
        RAMET_TRY(each_below(view, *there, true,
                             [&](const Entry& entry) { removed.insert(entry.object); }));
      }
    }
    if (!path.empty()) {
      RAMET_ASSIGN(const FolderId parent, open_folder(transaction, parent_folder(path), id));
      RAMET_TRY(transaction.remove_tree(parent, folder_name(path)));
    } else {
      std::vector<std::string> names;
      RAMET_TRY(transaction.list(kRootFolder, {}, [&](const Entry& entry) {
        names.push_back(entry.name);
        return true;
      }));
      for (const std::string& name : names) {
        RAMET_TRY(transaction.remove_tree(kRootFolder, name));
      }
    }
    return remove_orphans(transaction, view, removed);
  };
  RAMET_CO_TRY(co_await change(call, id, remove, Weight::kSlow));
  Json json = subject_json(call);
  json["completed"] = true;
  co_return json;
}

}  // namespace ramet::serve::dnanexus
