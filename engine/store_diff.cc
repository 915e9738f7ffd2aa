// What changed between two states of containers, by path (cost by the difference).
#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "engine/container/view_impl.h"
#include "engine/store_impl.h"
#include "engine/tree/diff.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// Gathers what the trees say about names, objects and folders, then tells it by path. Memory
// grows with the difference.
class Differ {
 public:
  Differ(TreeContext& context, const Reader& older, const Reader& newer)
      : context_(context), older_(older), newer_(newer) {}

  Status gather() {
    Status status = ok();
    RAMET_TRY(ramet::engine::diff(context_, older_.root(), newer_.root(),
                   [&](ByteView key, const Value* before, const Value* after) {
                     status = add(key, before, after);
                     return status.ok();
                   }));
    return status;
  }

  Status tell(const std::function<bool(const Difference&)>& visit) {
    RAMET_TRY(name_changes());
    RAMET_TRY(object_changes());
    RAMET_TRY(folder_changes());
    std::sort(found_.begin(), found_.end(), [](const Difference& a, const Difference& b) {
      return std::tie(a.path, a.kind) < std::tie(b.path, b.kind);
    });
    join_replaced();
    for (const Difference& difference : found_) {
      if (!visit(difference)) break;
    }
    return ok();
  }

 private:
  // One name that leads to another object than before is a change of content, for people.
  void join_replaced() {
    std::vector<Difference> joined;
    for (Difference& difference : found_) {
      if (!joined.empty() && joined.back().path == difference.path &&
          joined.back().kind == Difference::Kind::kAdded &&
          difference.kind == Difference::Kind::kRemoved &&
          joined.back().entry_class == difference.entry_class &&
          difference.entry_class != EntryClass::kFolder) {
        joined.back().kind = Difference::Kind::kContent;
        joined.back().old_size = difference.old_size;
      } else {
        joined.push_back(std::move(difference));
      }
    }
    found_ = std::move(joined);
  }

  // A name that is only on one side.
  struct NameChange {
    FolderId folder;
    Entry entry;
  };

  Status add(ByteView key, const Value* before, const Value* after) {
    const auto space = container_space_of(key);
    if (space == ContainerSpace::kDirent) {
      if (before != nullptr && after != nullptr) return ok();  // the object changed
      RAMET_ASSIGN(const DirentKey dirent, decode_dirent_key(key));
      const Value* value = before != nullptr ? before : after;
      RAMET_ASSIGN(Entry entry, decode_entry(key, value->bytes()));
      auto& list = before != nullptr ? removed_ : added_;
      list[dirent.id].push_back({dirent.folder, std::move(entry)});
    } else if (space == ContainerSpace::kObject && before != nullptr && after != nullptr) {
      RAMET_ASSIGN(const ObjectKey object, decode_object_key(key));
      objects_.push_back(object.id);
    } else if (space == ContainerSpace::kFolder && before != nullptr && after != nullptr) {
      RAMET_ASSIGN(const FolderId folder, decode_folder_key(key));
      folders_.push_back(folder);
    }
    return ok();
  }

  static Result<std::string> path_in(const Reader& reader, const NameChange& change) {
    RAMET_ASSIGN(std::string path, reader.path_of(change.folder));
    if (path.back() != '/') path.push_back('/');
    return path + change.entry.name;
  }

  Status name_changes() {
    for (auto& [id, added] : added_) {
      auto& removed = removed_[id];
      while (!added.empty() && !removed.empty()) {
        RAMET_TRY(add_rename(removed.back(), added.back()));
        added.pop_back();
        removed.pop_back();
      }
      for (const NameChange& change : added) RAMET_TRY(add_name(change, true));
    }
    for (const auto& [id, removed] : removed_) {
      for (const NameChange& change : removed) RAMET_TRY(add_name(change, false));
    }
    return ok();
  }

  Status add_rename(const NameChange& from, const NameChange& to) {
    Difference difference;
    difference.kind = Difference::Kind::kRenamed;
    RAMET_ASSIGN(difference.old_path, path_in(older_, from));
    RAMET_ASSIGN(difference.path, path_in(newer_, to));
    difference.entry_class = to.entry.entry_class;
    difference.old_size = from.entry.size;
    difference.new_size = to.entry.size;
    found_.push_back(std::move(difference));
    return ok();
  }

  Status add_name(const NameChange& change, bool added) {
    Difference difference;
    difference.kind = added ? Difference::Kind::kAdded : Difference::Kind::kRemoved;
    RAMET_ASSIGN(difference.path, path_in(added ? newer_ : older_, change));
    difference.entry_class = change.entry.entry_class;
    (added ? difference.new_size : difference.old_size) = change.entry.size;
    found_.push_back(std::move(difference));
    return ok();
  }

  // Everything of an object but its names.
  static bool same_attributes(const ObjectInfo& a, const ObjectInfo& b) {
    return a.attributes == b.attributes && a.hidden == b.hidden;
  }

  static bool same_content(const ObjectRecord& a, const ObjectRecord& b) {
    return a.info.size == b.info.size && a.form == b.form && a.extents == b.extents &&
           a.info.content_id == b.info.content_id && a.info.target == b.info.target;
  }

  Status object_changes() {
    for (const ObjectId& id : objects_) {
      RAMET_ASSIGN(const ObjectRecord before, older_.object(id));
      RAMET_ASSIGN(const ObjectRecord after, newer_.object(id));
      Difference difference;
      if (!same_content(before, after)) {
        difference.kind = Difference::Kind::kContent;
      } else if (!same_attributes(before.info, after.info)) {
        difference.kind = Difference::Kind::kAttributes;
      } else {
        continue;  // only names changed
      }
      RAMET_ASSIGN(difference.path, newer_.path_of(after));
      difference.entry_class = after.info.entry_class;
      difference.old_size = before.info.size;
      difference.new_size = after.info.size;
      found_.push_back(std::move(difference));
    }
    return ok();
  }

  Status folder_changes() {
    for (const FolderId& id : folders_) {
      RAMET_ASSIGN(const FolderInfo before, older_.folder(id));
      RAMET_ASSIGN(const FolderInfo after, newer_.folder(id));
      if (before.attributes == after.attributes) continue;
      Difference difference;
      difference.kind = Difference::Kind::kAttributes;
      RAMET_ASSIGN(difference.path, newer_.path_of(id));
      difference.entry_class = EntryClass::kFolder;
      found_.push_back(std::move(difference));
    }
    return ok();
  }

  TreeContext& context_;
  const Reader& older_;
  const Reader& newer_;
  std::map<IdBytes, std::vector<NameChange>> added_;
  std::map<IdBytes, std::vector<NameChange>> removed_;
  std::vector<ObjectId> objects_;
  std::vector<FolderId> folders_;
  std::vector<Difference> found_;
};

}  // namespace

Status StoreImpl::diff(const View& older, const View& newer,
                       const std::function<bool(const Difference&)>& visit) {
  Differ differ(context_, static_cast<const ViewImpl&>(older).reader(),
                static_cast<const ViewImpl&>(newer).reader());
  RAMET_TRY(differ.gather());
  return differ.tell(visit);
}

}  // namespace ramet::engine
