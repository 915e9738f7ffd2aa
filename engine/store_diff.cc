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

// Paths of folders in one state; each folder is looked up once.
class FolderPaths {
 public:
  explicit FolderPaths(const Reader& reader) : reader_(reader) {}

  // Ends in '/'.
  Result<std::string> of(const FolderId& id) {
    std::vector<std::pair<FolderId, std::string>> unknown;  // from the folder upwards
    FolderId at = id;
    while (at != kRootFolder && !known_.contains(at)) {
      if (unknown.size() > known_.size() + kChainMax) {
        return Error(ErrorCode::kCorruption,
                     fmt::format("folder {} lies below itself", to_uuid(id)));
      }
      RAMET_ASSIGN(FolderInfo info, reader_.folder(at));
      ++lookups_;
      unknown.emplace_back(at, std::move(info.name));
      at = info.parent;
    }
    std::string path = at == kRootFolder ? "/" : known_[at];
    for (auto it = unknown.rbegin(); it != unknown.rend(); ++it) {
      path += it->second + "/";
      known_[it->first] = path;
    }
    return path;
  }
  uint64_t lookups() const { return lookups_; }

 private:
  static constexpr size_t kChainMax = 1 << 16;

  const Reader& reader_;
  std::map<FolderId, std::string> known_;
  uint64_t lookups_ = 0;
};

// Gathers what the trees say about names, objects and folders, then tells it by path. Memory
// grows with the difference.
class Differ {
 public:
  Differ(TreeContext& context, const Reader& older, const Reader& newer)
      : context_(context),
        older_(older),
        newer_(newer),
        older_paths_(older),
        newer_paths_(newer) {}

  Status gather() {
    Status status = ok();
    RAMET_TRY(ramet::engine::diff(context_, older_.root(), newer_.root(),
                   [&](ByteView key, const Value* before, const Value* after) {
                     status = add(key, before, after);
                     return status.ok();
                   }));
    return status;
  }

  uint64_t lookups() const { return older_paths_.lookups() + newer_paths_.lookups(); }

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
      RAMET_ASSIGN(const ObjectRecord was,
                   decode_object(object.id, object.type, before->bytes(), before->refs()));
      RAMET_ASSIGN(ObjectRecord is,
                   decode_object(object.id, object.type, after->bytes(), after->refs()));
      add_object(was, std::move(is));
    } else if (space == ContainerSpace::kFolder && before != nullptr && after != nullptr) {
      RAMET_ASSIGN(const FolderId folder, decode_folder_key(key));
      RAMET_ASSIGN(const FolderInfo was, decode_folder(folder, before->bytes()));
      RAMET_ASSIGN(const FolderInfo is, decode_folder(folder, after->bytes()));
      if (was.attributes != is.attributes) folders_.push_back(folder);
    }
    return ok();
  }

  static Result<std::string> path_in(FolderPaths& paths, const NameChange& change) {
    RAMET_ASSIGN(std::string path, paths.of(change.folder));
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
    RAMET_ASSIGN(difference.old_path, path_in(older_paths_, from));
    RAMET_ASSIGN(difference.path, path_in(newer_paths_, to));
    difference.entry_class = to.entry.entry_class;
    difference.old_size = from.entry.size;
    difference.new_size = to.entry.size;
    found_.push_back(std::move(difference));
    return ok();
  }

  Status add_name(const NameChange& change, bool added) {
    Difference difference;
    difference.kind = added ? Difference::Kind::kAdded : Difference::Kind::kRemoved;
    RAMET_ASSIGN(difference.path, path_in(added ? newer_paths_ : older_paths_, change));
    difference.entry_class = change.entry.entry_class;
    (added ? difference.new_size : difference.old_size) = change.entry.size;
    found_.push_back(std::move(difference));
    return ok();
  }

  // Everything of an object but its names.
  static bool same_attributes(const ObjectInfo& a, const ObjectInfo& b) {
    return a.attributes == b.attributes && a.standing == b.standing &&
           a.metadata == b.metadata && a.documents == b.documents && a.lock == b.lock;
  }

  static bool same_content(const ObjectRecord& a, const ObjectRecord& b) {
    return a.info.size == b.info.size && a.form == b.form && a.extents == b.extents &&
           a.info.content_id == b.info.content_id && a.info.target == b.info.target;
  }

  void add_object(const ObjectRecord& was, ObjectRecord is) {
    ObjectChange change;
    if (!same_content(was, is)) {
      change.difference.kind = Difference::Kind::kContent;
    } else if (!same_attributes(was.info, is.info)) {
      change.difference.kind = Difference::Kind::kAttributes;
    } else {
      return;  // only names changed
    }
    change.folder = is.info.folder;
    change.difference.path = std::move(is.info.name);
    change.difference.entry_class = is.info.entry_class;
    change.difference.old_size = was.info.size;
    change.difference.new_size = is.info.size;
    objects_.push_back(std::move(change));
  }

  Status object_changes() {
    for (ObjectChange& change : objects_) {
      RAMET_ASSIGN(const std::string folder, newer_paths_.of(change.folder));
      change.difference.path.insert(0, folder);
      found_.push_back(std::move(change.difference));
    }
    return ok();
  }

  Status folder_changes() {
    for (const FolderId& id : folders_) {
      Difference difference;
      difference.kind = Difference::Kind::kAttributes;
      RAMET_ASSIGN(difference.path, newer_paths_.of(id));
      if (id != kRootFolder) difference.path.pop_back();
      difference.entry_class = EntryClass::kFolder;
      found_.push_back(std::move(difference));
    }
    return ok();
  }

  // An object that is in both states; the path is its name until its folder's is known.
  struct ObjectChange {
    FolderId folder;
    Difference difference;
  };

  TreeContext& context_;
  const Reader& older_;
  const Reader& newer_;
  FolderPaths older_paths_;
  FolderPaths newer_paths_;
  std::map<IdBytes, std::vector<NameChange>> added_;
  std::map<IdBytes, std::vector<NameChange>> removed_;
  std::vector<ObjectChange> objects_;
  std::vector<FolderId> folders_;
  std::vector<Difference> found_;
};

}  // namespace

Status StoreImpl::diff(const View& older, const View& newer,
                       const std::function<bool(const Difference&)>& visit, DiffStats* stats) {
  const uint64_t opened = context_.counters.visited;
  const uint64_t read = context_.counters.loaded;
  Differ differ(context_, static_cast<const ViewImpl&>(older).reader(),
                static_cast<const ViewImpl&>(newer).reader());
  RAMET_TRY(differ.gather());
  RAMET_TRY(differ.tell(visit));
  if (stats != nullptr) {
    stats->nodes_opened = context_.counters.visited - opened;
    stats->nodes_read = context_.counters.loaded - read;
    stats->lookups = differ.lookups();
  }
  return ok();
}

}  // namespace ramet::engine
