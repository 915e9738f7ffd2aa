#include "engine/check/entry_mend.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "engine/container/reader.h"
#include "engine/content/extent_hasher.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

class EntryMend {
 public:
  EntryMend(const EntryMendContext& context, const Root& root, const std::vector<Gap>& gaps)
      : context_(context), gaps_(gaps), root_(root), writer_(context, root, rows_) {}

  Result<MendedEntries> run() {
    RAMET_TRY(rows_.load(context_.check, root_, context_.is_bad));
    RAMET_TRY(bring_back_older());
    RAMET_TRY(mend_folders());
    RAMET_TRY(mend_objects());
    RAMET_TRY(save_old_objects());
    if (!writer_.text().empty() && writer_.lost_and_found().is_null()) {
      RAMET_TRY(writer_.make_lost_and_found());
    }
    MendedEntries out;
    out.root = writer_.result();
    out.text = writer_.text();
    out.lost_and_found = writer_.lost_and_found();
    out.lost_records = lost_;
    return out;
  }

 private:
  // --- what older copies of lost nodes hold ------------------------------------------------------
  Status bring_back_older() {
    for (const Gap& gap : gaps_) {
      if (gap.closed || gap.level > 0) continue;
      const Bytes to = gap.key.empty() ? gap.to : key_after(gap.key);
      RAMET_ASSIGN(const auto older,
                   context_.orphans.older(gap.key.empty() ? gap.from : gap.key, to));
      for (const auto& [key, entry] : older) RAMET_TRY(consider(key, entry));
    }
    return ok();
  }

  Status consider(const Bytes& key, const Orphans::OldEntry& old) {
    const auto space = container_space_of(key);
    RAMET_ASSIGN(const bool there, writer_.get(key, nullptr));
    if (there || !space) return ok();
    if (*space == ContainerSpace::kFolder) {
      const auto id = decode_folder_key(key);
      if (!id.ok() || *id == kRootFolder) return ok();
      const auto info = decode_folder(*id, old.value);
      if (!info.ok()) return ok();
      const EntryName place{info->parent, info->name};
      if (rows_.name_of(place, id->bytes) == nullptr) return ok();
      RAMET_TRY(writer_.put(key, old.value, {}));
      FolderRow& row = rows_.folders[id->bytes];
      row.has_record = true;
      row.place = place;
      writer_.say(Outcome::kOlder, rows_.path_of(*id), id->bytes,
                  fmt::format("the folder's attributes are lost; they are those of commit {}",
                              old.sequence));
      return ok();
    }
    if (*space == ContainerSpace::kExtent) {
      const auto id = decode_extent_key(key);
      if (id.ok()) old_extents_[id->id.bytes].emplace(key, old);
      return ok();
    }
    if (*space != ContainerSpace::kObject) return ok();
    const auto id = decode_object_key(key);
    if (!id.ok()) return ok();
    auto record = decode_object(id->id, id->type, old.value, old.refs);
    if (!record.ok()) return ok();
    const NameRow* dirent = rows_.name_of({record->info.folder, record->info.name}, id->id.bytes);
    const bool fits = dirent != nullptr && dirent->value == encode_dirent(record->info);
    // Its blocks are those that are needed and to which nothing else leads: it is the record that
    // was lost, and not an earlier one with other content.
    bool is_it = fits && std::all_of(old.refs.begin(), old.refs.end(), [&](const BlockRef& ref) {
                   return context_.orphans.is_needed(ref) && !context_.is_bad(ref);
                 });
    if (is_it && record->form == ContentForm::kExtents) {
      const auto content = hash_extents(*record);
      is_it = content.ok() && *content == record->info.content_id;
    }
    if (!is_it) {
      old_objects_.emplace(id->id.bytes, std::move(*record));
      return ok();
    }
    for (const BlockRef& ref : old.refs) context_.orphans.claim(ref);
    RAMET_TRY(writer_.put(key, old.value, old.refs));
    rows_.add_object(*record, false);
    writer_.say(
        Outcome::kOlder, rows_.path_of(EntryName{record->info.folder, record->info.name}),
        id->id.bytes,
        fmt::format("its record is lost; its content is what it was, its attributes and times are "
                    "those of commit {}", old.sequence));
    return ok();
  }

  // --- folders -----------------------------------------------------------------------------------
  Status mend_folders() {
    for (const auto& [name, dirent] : rows_.names) {
      if (!dirent.is_folder) continue;
      rows_.folders[dirent.id].names.push_back(name);
    }
    // (Names change while it is mended: the list first.)
    std::vector<IdBytes> all;
    for (const IdBytes& parent : rows_.parents) rows_.folders.try_emplace(parent);
    for (const auto& [id, row] : rows_.folders) all.push_back(id);
    std::sort(all.begin(), all.end());
    for (const IdBytes& id : all) {
      if (FolderId{id} != kRootFolder) RAMET_TRY(mend_folder(FolderId{id}));
    }
    for (const IdBytes& id : all) {
      if (FolderId{id} != kRootFolder) RAMET_TRY(attach_to_root(FolderId{id}));
    }
    return ok();
  }

  Status mend_folder(const FolderId& id) {
    FolderRow& row = rows_.folders[id.bytes];
    const bool had_record = row.has_record;
    // One name is right; the record's, if there is one that fits.
    const auto right = std::find(row.names.begin(), row.names.end(), row.place);
    EntryName place = row.place;
    if (!row.names.empty() && (!had_record || right == row.names.end())) place = row.names[0];
    for (const EntryName& name : row.names) {
      if (name == place) continue;
      RAMET_TRY(writer_.erase_name(name, id.bytes, true));
      writer_.say(Outcome::kMended, rows_.path_of(name) + "/", id.bytes,
                  "a second name of a folder is removed");
    }
    if (row.names.empty()) {
      const bool fits = had_record && !place.name.empty() && rows_.is_folder(place.folder) &&
                        !rows_.taken.contains(place);
      if (!fits) {
        const EntryName was = place;
        RAMET_ASSIGN(place, writer_.name_in_lost_and_found(had_record ? was.name : to_uuid(id)));
        writer_.say(Outcome::kMoved, had_record ? rows_.path_of(was) + "/" : "", id.bytes,
                    had_record ? "no name led to the folder, and its place is taken or gone"
                               : "the folder's name and attributes are lost",
                    rows_.path_of(place) + "/");
      } else {
        writer_.say(Outcome::kMended, rows_.path_of(place) + "/", id.bytes,
                    "the folder's name was lost");
      }
      RAMET_TRY(writer_.put_folder_name(place, id));
    }
    if (had_record && place == row.place) return ok();
    if (had_record && !row.names.empty()) {
      writer_.say(Outcome::kMended, rows_.path_of(place) + "/", id.bytes,
                  "the folder said another name than the one that leads to it");
    }
    RAMET_TRY(put_folder_record(id, place));
    if (!had_record && !row.names.empty()) {
      writer_.say(Outcome::kOlder, rows_.path_of(place) + "/", id.bytes,
                  "the folder's attributes are lost; they are made anew");
    }
    return ok();
  }

  Status put_folder_record(const FolderId& id, const EntryName& place) {
    FolderInfo info;
    Value value;
    RAMET_ASSIGN(const bool there, writer_.get(folder_key(id), &value));
    bool whole = false;
    if (there) {
      const auto old = decode_folder(id, value.bytes());
      whole = old.ok();
      if (whole) info = *old;
    }
    if (!whole) {
      info.attributes.mode = 040755;
      info.attributes.modified = info.created = context_.now;
    }
    info.id = id;
    info.parent = place.folder;
    info.name = place.name;
    FolderRow& row = rows_.folders[id.bytes];
    row.has_record = true;
    row.place = place;
    return writer_.put(folder_key(id), encode_folder(info), {});
  }

  // What leads in circles, or to nowhere, is found again below lost+found.
  Status attach_to_root(const FolderId& id) {
    std::set<IdBytes> seen;
    FolderId at = id;
    while (at != kRootFolder && !attached_.contains(at.bytes)) {
      const auto row = rows_.folders.find(at.bytes);
      if (row == rows_.folders.end() || !seen.insert(at.bytes).second) break;
      at = row->second.place.folder;
    }
    if (at == kRootFolder || attached_.contains(at.bytes)) {
      attached_.insert(seen.begin(), seen.end());
      return ok();
    }
    const EntryName was = rows_.folders[id.bytes].place;
    RAMET_TRY(writer_.erase_name(was, id.bytes, true));
    RAMET_ASSIGN(const EntryName place, writer_.name_in_lost_and_found(was.name));
    RAMET_TRY(writer_.put_folder_name(place, id));
    RAMET_TRY(put_folder_record(id, place));
    writer_.say(Outcome::kMoved, was.name + "/", id.bytes, "its folder leads to nowhere",
                rows_.path_of(place) + "/");
    return ok();
  }

  // --- objects -----------------------------------------------------------------------------------
  Status mend_objects() {
    for (const auto& [name, dirent] : rows_.names) {
      if (dirent.is_folder) continue;
      const auto object = rows_.objects.find(dirent.id);
      if (object != rows_.objects.end()) {
        object->second.names.push_back(name);
      } else {
        lost_names_[dirent.id].push_back(name);
      }
    }
    for (auto& [target, names] : rows_.linked) {
      const auto object = rows_.objects.find(target);
      if (object != rows_.objects.end()) {
        object->second.linked = names;
        continue;
      }
      for (const EntryName& name : names) RAMET_TRY(writer_.erase_link(target, name));
    }
    std::vector<IdBytes> all;
    for (const auto& [id, row] : rows_.objects) all.push_back(id);
    std::sort(all.begin(), all.end());
    for (const IdBytes& id : all) RAMET_TRY(mend_object(ObjectId{id}));
    for (const auto& [id, type] : rows_.types) {
      const auto object = rows_.objects.find(id);
      if (object != rows_.objects.end() && object->second.type == type) continue;
      RAMET_TRY(writer_.erase(id_entry_key(ObjectId{id})));
    }
    for (const auto& [id, names] : lost_names_) RAMET_TRY(lost_object(ObjectId{id}, names));
    for (const auto& [id, type] : rows_.extents_of) {
      const auto object = rows_.objects.find(id);
      if (object != rows_.objects.end() && object->second.in_entries) continue;
      RAMET_TRY(writer_.erase_extents(ObjectId{id}, type));
    }
    return ok();
  }

  // The names that lead to it and those that it knows of become the same ones.
  Status mend_object(const ObjectId& id) {
    ObjectRow& row = rows_.objects[id.bytes];
    if (context_.wrong_content.contains(id.bytes) && !row.has_bad_blocks) {
      RAMET_ASSIGN(const bool whole, is_whole(id, row.type));
      row.has_bad_blocks = !whole;
    }
    if (row.in_entries && !row.has_bad_blocks) RAMET_TRY(check_extents_of(id, row));
    std::set<EntryName> names(row.names.begin(), row.names.end());
    std::set<EntryName> known = row.linked;
    if (!row.first.name.empty()) known.insert(row.first);
    for (const EntryName& name : known) {
      const bool fits = rows_.is_folder(name.folder) && !rows_.taken.contains(name);
      if (names.contains(name) || !fits) continue;
      names.insert(name);
      RAMET_TRY(writer_.put_name(name, id, row.dirent_value));
      writer_.say(Outcome::kMended, rows_.path_of(name), id.bytes,
                  "the name was lost; the object knew it");
    }
    for (const EntryName& name : names) {
      const NameRow* dirent = rows_.name_of(name, id.bytes);
      if (dirent == nullptr || dirent->value == row.dirent_value) continue;
      RAMET_TRY(writer_.put_name(name, id, row.dirent_value));
      writer_.say(Outcome::kMended, rows_.path_of(name), id.bytes,
                  "the name said another size or type than the object");
    }
    Value value;
    RAMET_ASSIGN(const bool there, writer_.get(object_key(row.type, id), &value));
    if (!there) return ok();
    RAMET_ASSIGN(ObjectRecord record, decode_object(id, row.type, value.bytes(), value.refs()));
    if (row.type != kFileType && !rows_.types.contains(id.bytes)) {
      RAMET_TRY(writer_.put_type(id, row.type));
      rows_.types[id.bytes] = row.type;
    }
    if (row.has_bad_blocks) return move_what_is_left(std::move(record), row, names);
    if (names.empty()) {
      RAMET_ASSIGN(
          const EntryName place,
          writer_.name_in_lost_and_found(row.first.name.empty() ? to_uuid(id) : row.first.name));
      writer_.say(Outcome::kMoved, row.first.name.empty() ? "" : rows_.path_of(row.first), id.bytes,
                  "no name led to the object, and its place is taken or gone",
                  rows_.path_of(place));
      RAMET_TRY(writer_.put_name(place, id, row.dirent_value));
      names.insert(place);
    }
    const EntryName first = names.contains(row.first) ? row.first : *names.begin();
    std::set<EntryName> further = names;
    further.erase(first);
    for (const EntryName& name : row.linked) {
      if (!further.contains(name)) RAMET_TRY(writer_.erase_link(id.bytes, name));
    }
    for (const EntryName& name : further) {
      if (row.linked.contains(name)) continue;
      RAMET_TRY(writer_.put(linked_by_key(id, name.folder, name.name), {}, {}));
    }
    if (first == row.first && row.links_count == names.size()) return ok();
    record.info.folder = first.folder;
    record.info.name = first.name;
    record.info.links_count = static_cast<uint32_t>(names.size());
    return writer_.put_record(record);
  }

  // The pieces of an object that has EXTENT entries: are all there, are they the right ones?
  Status check_extents_of(const ObjectId& id, ObjectRow& row) {
    if (rows_.bad_extents.contains(id.bytes)) {
      row.has_bad_blocks = true;
      return ok();
    }
    // (What was found may be of another version than the rest, also where the totals agree.)
    if (gaps_.empty()) return ok();
    RAMET_ASSIGN(const bool whole, is_whole(id, row.type));
    if (whole) return ok();
    const auto old = old_extents_.find(id.bytes);
    if (old != old_extents_.end()) {
      const EntryWriter::Mark before = writer_.mark();
      for (const auto& [key, entry] : old->second) {
        RAMET_TRY(writer_.put(key, entry.value, entry.refs));
      }
      RAMET_ASSIGN(const bool now, is_whole(id, row.type));
      if (now) {
        for (const auto& [key, entry] : old->second) {
          for (const BlockRef& ref : entry.refs) context_.orphans.claim(ref);
        }
        writer_.say(Outcome::kMended, rows_.path_of(row.first), id.bytes,
                    "a part of its map of blocks was lost; an older copy of it was found");
        return ok();
      }
      writer_.go_back(before);
    }
    row.has_bad_blocks = true;
    return ok();
  }

  Result<bool> is_whole(const ObjectId& id, TypeNumber type) {
    Value value;
    RAMET_ASSIGN(const bool there, writer_.get(object_key(type, id), &value));
    if (!there) return false;
    RAMET_ASSIGN(const ObjectRecord record, decode_object(id, type, value.bytes(), value.refs()));
    // (These have no id but what the block itself says.)
    if (record.form == ContentForm::kOneBlock || record.form == ContentForm::kEmpty) return true;
    const auto content = hash_extents(record);
    return content.ok() && *content == record.info.content_id;
  }

  Result<ContentHash> hash_extents(const ObjectRecord& record) {
    const Reader reader(context_.trees, writer_.share());
    ExtentHasher hasher;
    bool whole = true;
    RAMET_TRY(reader.extents(record, 0, record.info.size, [&](const Extent& extent) {
      const auto slot = context_.blocks.slot(extent.block.segment, extent.block.slot);
      return whole = slot.ok() && !context_.is_bad(extent.block) && hasher.add(extent, slot->hash);
    }));
    if (!whole) return Error(ErrorCode::kCorruption, "a piece is missing");
    if (hasher.end() > record.info.size) {
      return Error(ErrorCode::kCorruption, "longer than it says");
    }
    return hasher.finish(record.info.size, 0);
  }

  // Its content is not whole any more: it must not stand where a whole one is expected.
  Status move_what_is_left(ObjectRecord record, const ObjectRow& row,
                           const std::set<EntryName>& names, const std::string& also = {}) {
    const ObjectId id = record.info.id;
    const EntryName was = names.empty() ? row.first : *names.begin();
    const std::string path = rows_.path_of(was);
    std::vector<Extent> left;
    uint64_t bytes = 0;
    const Reader reader(context_.trees, writer_.share());
    ignore_error(reader.extents(record, 0, record.info.size,
                                [&](const Extent& extent) {
                                  if (context_.is_bad(extent.block)) return true;
                                  if (!left.empty() && extent.offset < left.back().end()) {
                                    return true;
                                  }
                                  // (They may be of another version of the object.)
                                  if (extent.offset >= record.info.size) return true;
                                  left.push_back(extent);
                                  left.back().length =
                                      std::min(extent.length, record.info.size - extent.offset);
                                  bytes += left.back().length;
                                  return true;
                                }),
                 "what can be had of it is what counts");
    for (const EntryName& name : names) RAMET_TRY(writer_.erase_name(name, id.bytes, false));
    for (const EntryName& name : row.linked) RAMET_TRY(writer_.erase_link(id.bytes, name));
    RAMET_ASSIGN(const EntryName place,
                 writer_.name_in_lost_and_found(was.name.empty() ? to_uuid(id) : was.name));
    const uint64_t size = record.info.size;
    RAMET_TRY(put_content(record, left));
    record.info.folder = place.folder;
    record.info.name = place.name;
    record.info.links_count = 1;
    RAMET_TRY(writer_.put_record(record));
    RAMET_TRY(writer_.put_name(place, id, encode_dirent(record.info)));
    writer_.say(
        Outcome::kMoved, path, id.bytes,
        also + (left.empty()
                    ? fmt::format("none of its {} bytes can be read", size)
                    : fmt::format("{} of its {} bytes can be read; the others read as zeros", bytes,
                                  size)),
        rows_.path_of(place));
    return ok();
  }

  Status put_content(ObjectRecord& record, const std::vector<Extent>& extents) {
    const ObjectInfo& info = record.info;
    RAMET_TRY(writer_.erase_extents(info.id, info.type));
    record.extents.clear();
    if (extents.empty()) {
      record.info.size = 0;
      record.info.content_id = ContentHash{};
      record.form = ContentForm::kEmpty;
      return ok();
    }
    ExtentHasher hasher;
    for (const Extent& extent : extents) {
      RAMET_ASSIGN(const SlotEntry slot,
                   context_.blocks.slot(extent.block.segment, extent.block.slot));
      hasher.add(extent, slot.hash);
    }
    record.info.content_id = hasher.finish(record.info.size, 0);
    if (extents.size() <= kInlineExtents) {
      record.form = ContentForm::kInline;
      record.extents = extents;
      return ok();
    }
    record.form = ContentForm::kExtents;
    for (const ExtentRun& run : pack_extents(extents)) {
      RAMET_TRY(writer_.put(extent_key(info.type, info.id, 0, run.end), run.value, run.refs));
    }
    return ok();
  }

  // Names lead to a record that is gone. Its map of blocks may be there.
  Status lost_object(const ObjectId& id, const std::vector<EntryName>& names) {
    const auto extents = rows_.extents_of.find(id.bytes);
    if (extents != rows_.extents_of.end()) {
      const NameRow* dirent = rows_.name_of(names.front(), id.bytes);
      const auto value = dirent == nullptr ? Result<DirentValue>(DirentValue{})
                                           : decode_dirent_value(dirent->value);
      ObjectRecord record;
      record.info.id = id;
      record.info.type = extents->second;
      record.info.size = value.ok() ? value->size : 0;
      record.info.attributes.mode = 0100600;
      record.info.attributes.modified = record.info.created = context_.now;
      record.form = ContentForm::kExtents;
      ObjectRow& row = rows_.objects[id.bytes];
      row.type = record.info.type;
      row.first = names.front();
      row.in_entries = true;
      return move_what_is_left(std::move(record), row, {names.begin(), names.end()},
                               "its attributes are lost; ");
    }
    for (const EntryName& name : names) RAMET_TRY(writer_.erase_name(name, id.bytes, false));
    if (old_objects_.contains(id.bytes)) return ok();  // what is found of it is saved behind this
    ++lost_;
    for (const EntryName& name : names) {
      writer_.say(Outcome::kLost, rows_.path_of(name), id.bytes,
                  "its record is lost: what it was, and which blocks are its content");
    }
    return ok();
  }

  // Older records whose objects have none: not what was there last, but what was there.
  Status save_old_objects() {
    for (auto& [id, record] : old_objects_) {
      const auto names = lost_names_.find(id);
      if (rows_.objects.contains(id) || names == lost_names_.end()) continue;
      const EntryName was = names->second.front();
      const bool whole =
          std::none_of(record.extents.begin(), record.extents.end(),
                       [&](const Extent& extent) { return context_.is_bad(extent.block); });
      if (!whole || record.form == ContentForm::kExtents) {
        ++lost_;
        writer_.say(Outcome::kLost, rows_.path_of(was), id,
                    "its record is lost, and of an older one the content");
        continue;
      }
      RAMET_ASSIGN(const EntryName place, writer_.name_in_lost_and_found(was.name));
      record.info.folder = place.folder;
      record.info.name = place.name;
      record.info.links_count = 1;
      for (const Extent& extent : record.extents) context_.orphans.claim(extent.block);
      RAMET_TRY(writer_.put_record(record));
      RAMET_TRY(writer_.put_name(place, ObjectId{id}, encode_dirent(record.info)));
      if (record.info.type != kFileType) {
        RAMET_TRY(writer_.put_type(ObjectId{id}, record.info.type));
      }
      writer_.say(Outcome::kMoved, rows_.path_of(was), id,
                  "its record is lost; an older version of the object was found",
                  rows_.path_of(place));
    }
    return ok();
  }

  const EntryMendContext& context_;
  const std::vector<Gap>& gaps_;
  const Root root_;
  EntryRows rows_;
  EntryWriter writer_;
  uint64_t lost_ = 0;
  std::set<IdBytes> attached_;  // folders that are known to hang below the root
  std::map<IdBytes, std::vector<EntryName>> lost_names_;
  std::map<IdBytes, ObjectRecord> old_objects_;
  std::map<IdBytes, std::map<Bytes, Orphans::OldEntry>> old_extents_;
};

}  // namespace

Result<MendedEntries> mend_entries(const EntryMendContext& context, const Root& root,
                                   const std::vector<Gap>& gaps) {
  return EntryMend(context, root, gaps).run();
}

}  // namespace ramet::engine
