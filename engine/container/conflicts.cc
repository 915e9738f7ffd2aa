#include "engine/container/conflicts.h"

#include <fmt/format.h>

#include "engine/container/reader.h"
#include "engine/tree/cursor.h"
#include "engine/tree/diff.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

Error conflict(const std::string& what) {
  return Error(ErrorCode::kBusy, "the container was changed meanwhile: " + what +
                                     "; begin the transaction again");
}

class Checker {
 public:
  Checker(TreeContext& context, const Root& base, const Root& work, bool moved_folders,
          std::set<Bytes>* theirs)
      : context_(context),
        base_(base),
        work_(work),
        moved_folders_(moved_folders),
        theirs_(theirs) {}

  Status check(ByteView key, const Value* before, const Value* after) {
    RAMET_TRY(check_key(key, before, after));
    const auto space = container_space_of(key);
    if (space == ContainerSpace::kDirent && after != nullptr) return check_dirent(key);
    if (space == ContainerSpace::kFolder) return check_folder(key, before, after);
    if (space == ContainerSpace::kObject) {
      RAMET_ASSIGN(const ObjectKey object, decode_object_key(key));
      return check_object(object.id, object.type, after == nullptr);
    }
    if (space == ContainerSpace::kVersion) {
      RAMET_ASSIGN(const VersionKey version, decode_version_key(key));
      return check_object(version.id, version.type, false, true);
    }
    if (space == ContainerSpace::kLinkedBy) {
      RAMET_ASSIGN(const LinkedByKey linked, decode_linked_by_key(key));
      return check_names(linked, after == nullptr);
    }
    return ok();
  }

 private:
  Status check_key(ByteView key, const Value* before, const Value* after) {
    Value mine;
    RAMET_ASSIGN(const bool found, get(context_, work_, key, &mine));
    const bool as_base = before == nullptr ? !found : found && same_value(mine, *before);
    if (as_base) {
      if (theirs_ != nullptr) theirs_->emplace(key);
      return ok();
    }
    // (Who says that something was removed must have removed it.)
    if (after == nullptr && !found) return conflict("both removed the same entry");
    const bool as_head = after != nullptr && found && same_value(mine, *after);
    return as_head ? ok() : Status(conflict("both changed the same entry"));
  }

  // An object is one thing with its content and its names: others changed a part of it, so this
  // transaction may have changed none. Equal values prove nothing: two that each add a name, from
  // the same count, come to the same record, and together to a wrong one.
  Status check_object(const ObjectId& id, TypeNumber type, bool there_gone,
                      bool has_versions = false) {
    const Bytes key = object_key(type, id);
    Value was, is;
    RAMET_ASSIGN(const bool in_base, get(context_, base_, key, &was));
    RAMET_ASSIGN(const bool in_work, get(context_, work_, key, &is));
    if (!in_base && !in_work && !has_versions) return ok();  // new there
    if (in_base && !in_work && there_gone) return conflict("both removed the same object");
    bool changed = in_base != in_work || !same_value(was, is);
    for (const KeyRange& range : {extent_range(type, id, 0), linked_by_range(id),
                                  object_range(ContainerSpace::kVersion, type, id)}) {
      if (changed) break;
      RAMET_ASSIGN(changed, differs(context_, base_, work_, range.from, range.to));
    }
    return changed ? Status(conflict("both changed the same object")) : ok();
  }

  Status check_names(const LinkedByKey& key, bool there_gone) {
    const auto object = Reader(context_, base_).object(key.target);
    if (object.ok()) return check_object(key.target, object->info.type, there_gone);
    // New there: not known here.
    return object.error().code() == ErrorCode::kNotFound ? ok() : Status(object.error());
  }

  // Somebody added a name: it must be free here, and its folder must still exist.
  Status check_dirent(ByteView key) {
    RAMET_ASSIGN(const DirentKey dirent, decode_dirent_key(key));
    const Reader work(context_, work_);
    const bool is_folder = !dirent.name.empty() && dirent.name.back() == '/';
    const std::string name = is_folder ? dirent.name.substr(0, dirent.name.size() - 1)
                                       : std::string(object_name_from_key(dirent.name));
    RAMET_ASSIGN(const auto mine, work.find(dirent.folder, name));
    if (mine) {
      const IdBytes& id = mine->is_folder() ? mine->folder.bytes : mine->object.bytes;
      // As it was before, it is what they put the other one in the place of.
      RAMET_ASSIGN(const bool untouched, get(context_, base_, own_key(dirent, *mine), nullptr));
      if (id != dirent.id && !untouched) {
        return conflict(fmt::format("both made '{}'", printable(name)));
      }
    }
    RAMET_ASSIGN(const bool there, work.has_folder(dirent.folder));
    if (there) return ok();
    // One that is new there was not removed here.
    RAMET_ASSIGN(const bool was_there, Reader(context_, base_).has_folder(dirent.folder));
    return was_there ? Status(conflict("a folder was removed here and filled there")) : ok();
  }

  // The dirent that leads from the same folder and name to what this transaction sees there.
  static Bytes own_key(const DirentKey& theirs, const Entry& mine) {
    if (mine.is_folder()) return dirent_key(theirs.folder, mine.name + "/", mine.folder);
    return dirent_key(theirs.folder, mine.name, mine.object);
  }

  Status check_folder(ByteView key, const Value* before, const Value* after) {
    RAMET_ASSIGN(const FolderId id, decode_folder_key(key));
    if (after == nullptr) {
      // (What was in it before, they removed with it.)
      const KeyRange range = folder_range(id);
      Cursor cursor(context_, work_);
      RAMET_TRY(cursor.seek(range.from));
      if (!cursor.valid() || !range.contains(cursor.key())) return ok();
      RAMET_ASSIGN(const bool changed, differs(context_, base_, work_, range.from, range.to));
      return changed ? Status(conflict("a folder was filled here and removed there")) : ok();
    }
    if (before == nullptr || !moved_folders_) return ok();
    RAMET_ASSIGN(const FolderInfo was, decode_folder(id, before->bytes()));
    RAMET_ASSIGN(const FolderInfo is, decode_folder(id, after->bytes()));
    // Two moves that are each harmless can make a loop together.
    if (was.parent != is.parent) return conflict("both moved folders");
    return ok();
  }

  TreeContext& context_;
  const Root& base_;
  const Root& work_;
  const bool moved_folders_;
  std::set<Bytes>* const theirs_;
};

}  // namespace

Status check_conflicts(TreeContext& context, const Root& base, const Root& work, const Root& head,
                       bool work_moved_folders, std::set<Bytes>* theirs) {
  if (same_root(base, head)) return ok();
  Checker checker(context, base, work, work_moved_folders, theirs);
  Status status = ok();
  RAMET_TRY(diff(context, base, head, [&](ByteView key, const Value* before, const Value* after) {
    status = checker.check(key, before, after);
    return status.ok();
  }));
  return status;
}

}  // namespace ramet::engine
