#include "engine/container/subtree_share.h"

#include <algorithm>
#include <numeric>

#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr size_t kObjectsAtOnce = 1u << 20;
// A transaction with a graft writes its working tree: not for a handful of entries.
constexpr uint64_t kRunsMin = 4;

KeyRange object_records(const ObjectId& first, const ObjectId& last) {
  return {object_key(kFileType, first), key_after(object_key(kFileType, last))};
}

KeyRange object_extents(const ObjectId& first, const ObjectId& last) {
  return {object_range(ContainerSpace::kExtent, kFileType, first).from,
          object_range(ContainerSpace::kExtent, kFileType, last).to};
}

}  // namespace

Result<bool> SubtreeShare::pays(const Reader& source, const FolderId& folder, uint64_t graft_min) {
  const uint64_t enough = kRunsMin * graft_min;
  std::vector<FolderId> folders{folder};
  uint64_t seen = 0;
  while (!folders.empty() && seen < enough) {
    const FolderId at = folders.back();
    folders.pop_back();
    RAMET_TRY(source.list(at, {}, [&](const Entry& entry) {
      if (entry.is_folder()) folders.push_back(entry.folder);
      return ++seen < enough;
    }));
  }
  return seen >= enough;
}

Status SubtreeShare::run(const FolderId& folder) {
  RAMET_TRY(walk(folder));
  std::sort(folders_.begin(), folders_.end(),
            [](const Folder& a, const Folder& b) { return a.id < b.id; });
  RAMET_TRY(share_folders(folders_));
  std::sort(objects_left_.begin(), objects_left_.end());
  objects_left_.erase(std::unique(objects_left_.begin(), objects_left_.end()),
                      objects_left_.end());
  return take_out_left();
}

Status SubtreeShare::walk(const FolderId& top) {
  folders_.push_back({top});
  for (size_t i = 0; i < folders_.size(); ++i) {
    if (i > source_.root().summary[SummaryColumn::kFolders]) {
      return Error(ErrorCode::kCorruption, "folders of the source hold each other");  // [INV-8]
    }
    const FolderId at = folders_[i].id;
    uint64_t entries = 0;
    Status status = ok();
    RAMET_TRY(source_.list(at, {}, [&](const Entry& entry) {
      ++entries;
      if (!entry.is_folder()) {
        objects_.push_back(entry.object);
        return true;
      }
      const auto there = target_.reader().has_folder(entry.folder);
      if (!there.ok()) {
        status = there.error();
      } else if (*there) {
        left_.push_back({at, entry});
      } else {
        folders_.push_back({entry.folder});
      }
      return status.ok();
    }));
    RAMET_TRY(status);
    folders_[i].entries = entries;
    if (objects_.size() >= kObjectsAtOnce) RAMET_TRY(share_objects());
  }
  return share_objects();
}

Status SubtreeShare::share_objects() {
  if (!std::is_sorted(objects_.begin(), objects_.end())) {
    std::sort(objects_.begin(), objects_.end());
  }
  objects_.erase(std::unique(objects_.begin(), objects_.end()), objects_.end());
  // Those with several names, and those that are not files.
  RAMET_TRY(set_aside(ContainerSpace::kLinkedBy));
  RAMET_TRY(set_aside(ContainerSpace::kId));
  RAMET_TRY(share_run(objects_));
  objects_.clear();
  return ok();
}

// Objects that have an entry in this space, which begins with their id.
Status SubtreeShare::set_aside(ContainerSpace space) {
  if (objects_.empty()) return ok();
  const bool is_id = space == ContainerSpace::kId;
  const KeyRange range{
      is_id ? id_entry_key(objects_.front()) : linked_by_range(objects_.front()).from,
      is_id ? key_after(id_entry_key(objects_.back())) : linked_by_range(objects_.back()).to};
  std::vector<ObjectId> aside;
  Cursor cursor(source_.context(), source_.root());
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    ObjectId id;
    if (is_id) {
      RAMET_ASSIGN(id, decode_id_entry_key(cursor.key()));
    } else {
      RAMET_ASSIGN(const LinkedByKey linked, decode_linked_by_key(cursor.key()));
      id = linked.target;
    }
    if ((aside.empty() || aside.back() != id) &&
        std::binary_search(objects_.begin(), objects_.end(), id)) {
      aside.push_back(id);
    }
    RAMET_TRY(cursor.next());
  }
  if (aside.empty()) return ok();
  std::vector<ObjectId> rest;
  rest.reserve(objects_.size() - aside.size());
  std::set_difference(objects_.begin(), objects_.end(), aside.begin(), aside.end(),
                      std::back_inserter(rest));
  objects_ = std::move(rest);
  objects_left_.insert(objects_left_.end(), aside.begin(), aside.end());
  return ok();
}

Status SubtreeShare::share_run(std::span<const ObjectId> ids) {
  if (ids.empty()) return ok();
  if (ids.size() < graft_min_) return copy_objects(ids);
  const KeyRange records = object_records(ids.front(), ids.back());
  RAMET_ASSIGN(const Summary theirs, of_source(records));
  RAMET_ASSIGN(const Summary ours, of_target(records));
  if (theirs[SummaryColumn::kObjects] == ids.size() && ours[SummaryColumn::kObjects] == 0) {
    RAMET_TRY(target_.graft(records, source_.root()));
    objects_shared_ += ids.size();
    content_bytes_ += theirs[SummaryColumn::kContentBytes];
    return target_.graft(object_extents(ids.front(), ids.back()), source_.root());
  }
  if (ids.size() == 1) return copy_objects(ids);
  const size_t half = ids.size() / 2;
  RAMET_TRY(share_run(ids.first(half)));
  return share_run(ids.subspan(half));
}

Status SubtreeShare::copy_objects(std::span<const ObjectId> ids) {
  RAMET_ASSIGN(const Summary ours, of_target(object_records(ids.front(), ids.back())));
  const bool may_be_there = ours[SummaryColumn::kObjects] > 0;
  Cursor cursor(source_.context(), source_.root());
  for (const ObjectId& id : ids) {
    const Bytes key = object_key(kFileType, id);
    if (!cursor.valid() || cursor.key() != key) RAMET_TRY(cursor.seek(key));
    bool there = false;
    if (may_be_there) {
      const Reader target = target_.reader();
      RAMET_ASSIGN(there, get(target.context(), target.root(), key, nullptr));
    }
    if (there || !cursor.valid() || cursor.key() != key) {
      objects_left_.push_back(id);  // (one that is missing: the caller meets that, too)
      continue;
    }
    RAMET_ASSIGN(const ObjectRecord record,
                 decode_object(id, kFileType, cursor.value(), cursor.refs()));
    RAMET_TRY(target_.put(key, Bytes(cursor.value()),
                          {cursor.refs().begin(), cursor.refs().end()}));
    if (record.form == ContentForm::kTree) RAMET_TRY(target_.share_tree(record.extent_tree));
    if (record.form == ContentForm::kExtents) RAMET_TRY(copy_range(object_extents(id, id)));
    ++objects_shared_;
    content_bytes_ += record.info.size;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

Status SubtreeShare::share_folders(std::span<const Folder> folders) {
  const KeyRange records{folder_key(folders.front().id), key_after(folder_key(folders.back().id))};
  const KeyRange names{folder_range(folders.front().id).from, folder_range(folders.back().id).to};
  const uint64_t entries = std::accumulate(
      folders.begin(), folders.end(), uint64_t{0},
      [](uint64_t sum, const Folder& folder) { return sum + folder.entries; });
  const bool is_long = entries + folders.size() >= graft_min_;
  if (is_long) {
    RAMET_ASSIGN(const Summary their_records, of_source(records));
    RAMET_ASSIGN(const Summary our_records, of_target(records));
    RAMET_ASSIGN(const Summary their_names, of_source(names));
    RAMET_ASSIGN(const Summary our_names, of_target(names));
    if (their_records[SummaryColumn::kFolders] == folders.size() &&
        our_records[SummaryColumn::kFolders] == 0 &&
        their_names[SummaryColumn::kEntries] == entries &&
        our_names[SummaryColumn::kEntries] == 0) {
      RAMET_TRY(target_.graft(records, source_.root()));
      return target_.graft(names, source_.root());
    }
  }
  if (!is_long || folders.size() == 1) {
    for (const Folder& folder : folders) {
      RAMET_TRY(copy_range({folder_key(folder.id), key_after(folder_key(folder.id))}));
      RAMET_TRY(copy_range(folder_range(folder.id)));
    }
    return ok();
  }
  const size_t half = folders.size() / 2;
  RAMET_TRY(share_folders(folders.first(half)));
  return share_folders(folders.subspan(half));
}

Status SubtreeShare::copy_range(const KeyRange& range) {
  Cursor cursor(source_.context(), source_.root());
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_TRY(target_.put(Bytes(cursor.key()), Bytes(cursor.value()),
                          {cursor.refs().begin(), cursor.refs().end()}));
    RAMET_TRY(cursor.next());
  }
  return ok();
}

// Their names came along with those of their folders.
Status SubtreeShare::take_out_left() {
  for (const Left& left : left_) {
    RAMET_TRY(target_.erase(dirent_key(left.folder, left.entry.name + "/", left.entry.folder)));
  }
  for (const ObjectId& id : objects_left_) {
    RAMET_ASSIGN(const ObjectRecord record, source_.object(id));
    Entry entry;
    entry.entry_class = record.info.entry_class;
    entry.type = record.info.type;
    entry.object = id;
    entry.size = record.info.size;
    const auto leave = [&](const FolderId& folder, const std::string& name) -> Status {
      if (!is_shared(folder)) return ok();
      entry.name = name;
      left_.push_back({folder, entry});
      return target_.erase(dirent_key(folder, name, id));
    };
    RAMET_TRY(leave(record.info.folder, record.info.name));
    const KeyRange range = linked_by_range(id);
    Cursor cursor(source_.context(), source_.root());
    RAMET_TRY(cursor.seek(range.from));
    while (cursor.valid() && range.contains(cursor.key())) {
      RAMET_ASSIGN(const LinkedByKey key, decode_linked_by_key(cursor.key()));
      RAMET_TRY(leave(FolderId{key.source}, key.name));
      RAMET_TRY(cursor.next());
    }
  }
  return ok();
}

Result<Summary> SubtreeShare::of_source(const KeyRange& range) const {
  return summarize(source_.context(), source_.root(), range.from, range.to);
}

Result<Summary> SubtreeShare::of_target(const KeyRange& range) const {
  const Reader target = target_.reader();
  return summarize(target.context(), target.root(), range.from, range.to);
}

bool SubtreeShare::is_shared(const FolderId& folder) const {
  const auto at = std::lower_bound(
      folders_.begin(), folders_.end(), folder,
      [](const Folder& known, const FolderId& id) { return known.id < id; });
  return at != folders_.end() && at->id == folder;
}

}  // namespace ramet::engine
