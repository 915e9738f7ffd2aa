#include "engine/check/container_check.h"

#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "engine/check/hash_id.h"
#include "engine/container/reader.h"
#include "engine/container/records.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

struct ObjectRow {
  ObjectInfo info;
  uint32_t names = 0;  // that lead here
};

struct FolderRow {
  FolderInfo info;
  bool named = false;
};

class EntryCheck {
 public:
  EntryCheck(TreeCheck& trees, const Root& root,
             const std::function<void(const EntryProblem&)>& report)
      : trees_(trees), root_(root), report_(report) {}

  Status run() {
    RAMET_TRY(each(ContainerSpace::kObject, ContainerSpace::kFolder, ContainerSpace::kLinkedBy));
    folders_[kRootFolder.bytes].named = true;
    RAMET_TRY(each(ContainerSpace::kDirent, ContainerSpace::kId, ContainerSpace::kId));
    for (const auto& [id, row] : objects_) finish(id, row);
    for (const auto& [id, row] : folders_) {
      if (row.named) continue;
      problem("object-unnamed", path_of(FolderId{id}), id, "no name leads to this folder");
    }
    for (const auto& [target, folder, name] : linked_) {
      problem("entry-mismatch", path_in(FolderId{folder}, name), target,
              "is listed as a further name of an object, but does not lead to it");
    }
    return ok();
  }

 private:
  Status each(ContainerSpace a, ContainerSpace b, ContainerSpace c) {
    return trees_.each_entry(
        root_, [&](ByteView key, ByteView value, std::span<const BlockRef> refs) -> Status {
          const auto space = container_space_of(key);
          if (space && (*space == a || *space == b || *space == c)) entry(*space, key, value, refs);
          return ok();
        });
  }

  // (What cannot be decoded was reported by TreeCheck.)
  void entry(ContainerSpace space, ByteView key, ByteView value, std::span<const BlockRef> refs) {
    switch (space) {
      case ContainerSpace::kObject: {
        const auto id = decode_object_key(key);
        if (!id.ok()) return;
        auto record = decode_object(id->id, id->type, value, refs);
        if (record.ok()) objects_[id->id.bytes].info = std::move(record->info);
        return;
      }
      case ContainerSpace::kFolder: {
        const auto id = decode_folder_key(key);
        if (!id.ok()) return;
        auto info = decode_folder(*id, value);
        if (info.ok()) folders_[id->bytes].info = std::move(*info);
        return;
      }
      case ContainerSpace::kLinkedBy: {
        auto linked = decode_linked_by_key(key);
        if (linked.ok()) linked_.emplace(linked->target.bytes, linked->source, linked->name);
        return;
      }
      case ContainerSpace::kDirent: return dirent(key, value);
      case ContainerSpace::kId: {
        const auto id = decode_id_entry_key(key);
        if (!id.ok() || value.size() < sizeof(TypeNumber)) return;
        const auto object = objects_.find(id->bytes);
        if (object != objects_.end() &&
            object->second.info.type == load<TypeNumber>(value.data())) {
          return;
        }
        problem("entry-mismatch", "", id->bytes, "the type of an id leads to no object");
        return;
      }
      default: return;
    }
  }

  void dirent(ByteView key, ByteView value) {
    const auto entry = decode_entry(key, value);
    const auto dirent = decode_dirent_key(key);
    if (!entry.ok() || !dirent.ok()) return;
    const std::string path = path_in(dirent->folder, entry->name);
    if (entry->is_folder()) {
      const auto folder = folders_.find(dirent->id);
      if (folder == folders_.end()) {
        problem("object-lost", path + "/", dirent->id, "the folder's attributes cannot be read");
        return;
      }
      if (folder->second.info.parent != dirent->folder ||
          folder->second.info.name != entry->name) {
        problem("entry-mismatch", path + "/", dirent->id,
                fmt::format("the folder says that it is '{}'", path_of(FolderId{dirent->id})));
      }
      folder->second.named = true;
      return;
    }
    const auto object = objects_.find(dirent->id);
    if (object == objects_.end()) {
      problem("object-lost", path, dirent->id, "the object cannot be read");
      return;
    }
    const ObjectInfo& info = object->second.info;
    ++object->second.names;
    if (info.entry_class != entry->entry_class || info.type != entry->type ||
        info.size != entry->size) {
      problem("entry-mismatch", path, dirent->id,
              "the name and the object say other sizes or types");
    }
    if (info.folder == dirent->folder && info.name == entry->name) return;
    const auto linked = linked_.find({dirent->id, dirent->folder.bytes, Bytes(entry->name)});
    if (linked == linked_.end()) {
      problem("entry-mismatch", path, dirent->id, "the object does not know of this name");
      return;
    }
    linked_.erase(linked);
  }

  void finish(const IdBytes& id, const ObjectRow& row) {
    const std::string path = path_in(row.info.folder, row.info.name);
    if (row.names == 0) {
      problem("object-unnamed", path, id, "no name leads to this object");
    } else if (row.names != row.info.links_count) {
      problem("entry-mismatch", path, id,
              fmt::format("{} names lead to the object, which counts {}", row.names,
                          row.info.links_count));
    }
  }

  std::string path_in(const FolderId& folder, ByteView name) const {
    return path_of(folder) + "/" + printable(name);
  }
  std::string path_of(const FolderId& folder) const {
    constexpr int kDepthMax = 4096;
    std::string path;
    FolderId at = folder;
    for (int depth = 0; !at.is_null(); ++depth) {
      const auto found = folders_.find(at.bytes);
      if (found == folders_.end() || depth > kDepthMax) {
        return "(folder " + to_uuid(at) + ")" + path;
      }
      path = "/" + printable(found->second.info.name) + path;
      at = found->second.info.parent;
    }
    return path;
  }
  void problem(std::string_view code, std::string path, const IdBytes& id, std::string message) {
    report_({code, std::move(path), id, std::move(message)});
  }

  TreeCheck& trees_;
  const Root& root_;
  const std::function<void(const EntryProblem&)>& report_;
  std::unordered_map<IdBytes, ObjectRow, HashId> objects_;
  std::unordered_map<IdBytes, FolderRow, HashId> folders_;
  std::set<std::tuple<IdBytes, IdBytes, Bytes>> linked_;
};

}  // namespace

Status check_entries(TreeCheck& trees, const Root& root,
                     const std::function<void(const EntryProblem&)>& report) {
  return EntryCheck(trees, root, report).run();
}

}  // namespace ramet::engine
