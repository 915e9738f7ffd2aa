#include "engine/check/entry_rows.h"

#include <algorithm>
#include <tuple>

#include "engine/container/reader.h"
#include "format/keys.h"

namespace ramet::engine {

bool operator<(const EntryName& a, const EntryName& b) {
  return std::tie(a.folder.bytes, a.name) < std::tie(b.folder.bytes, b.name);
}

Status EntryRows::load(TreeCheck& check, const Root& root,
                       const std::function<bool(const BlockRef&)>& is_bad) {
  folders[kRootFolder.bytes].has_record = true;
  return check.each_entry(
      root, [&](ByteView key, ByteView value, std::span<const BlockRef> refs) -> Status {
        const bool bad = std::any_of(refs.begin(), refs.end(), [&](const BlockRef& ref) {
          return !ref.is_null() && is_bad(ref);
        });
        add(key, value, refs, bad);
        return ok();
      });
}

void EntryRows::add(ByteView key, ByteView value, std::span<const BlockRef> refs, bool is_bad) {
  const auto space = container_space_of(key);
  if (!space) return;
  switch (*space) {
    case ContainerSpace::kObject: {
      const auto id = decode_object_key(key);
      if (!id.ok()) return;
      const auto record = decode_object(id->id, id->type, value, refs);
      if (record.ok()) add_object(*record, is_bad);
      return;
    }
    case ContainerSpace::kExtent: {
      const auto id = decode_extent_key(key);
      if (!id.ok()) return;
      extents_of.emplace(id->id.bytes, id->type);
      if (is_bad) bad_extents.insert(id->id.bytes);
      return;
    }
    case ContainerSpace::kFolder: {
      const auto id = decode_folder_key(key);
      if (!id.ok()) return;
      const auto info = decode_folder(*id, value);
      if (!info.ok() || *id == kRootFolder) return;
      FolderRow& row = folders[id->bytes];
      row.has_record = true;
      row.place = {info->parent, info->name};
      return;
    }
    case ContainerSpace::kDirent: {
      const auto dirent = decode_dirent_key(key);
      const auto entry = decode_entry(key, value);
      if (!dirent.ok() || !entry.ok()) return;
      const EntryName name{dirent->folder, entry->name};
      taken.insert(name);
      parents.insert(dirent->folder.bytes);
      names.emplace(name, NameRow{dirent->id, entry->is_folder(), Bytes(value)});
      return;
    }
    case ContainerSpace::kLinkedBy: {
      const auto key_of = decode_linked_by_key(key);
      if (!key_of.ok()) return;
      linked[key_of->target.bytes].insert({FolderId{key_of->source}, key_of->name});
      return;
    }
    case ContainerSpace::kId: {
      const auto id = decode_id_entry_key(key);
      if (id.ok() && value.size() >= sizeof(TypeNumber)) {
        types[id->bytes] = ramet::load<TypeNumber>(value.data());
      }
      return;
    }
    default: return;
  }
}

ObjectRow& EntryRows::add_object(const ObjectRecord& record, bool has_bad_blocks) {
  ObjectRow& row = objects[record.info.id.bytes];
  row.type = record.info.type;
  row.first = {record.info.folder, record.info.name};
  row.links_count = record.info.links_count;
  row.has_bad_blocks = has_bad_blocks;
  row.in_entries = record.form == ContentForm::kExtents;
  row.dirent_value = encode_dirent(record.info);
  return row;
}

bool EntryRows::is_folder(const FolderId& id) const {
  const auto row = folders.find(id.bytes);
  return row != folders.end() && row->second.is_known();
}

std::string EntryRows::path_of(const FolderId& folder) const {
  constexpr int kDepthMax = 4096;
  std::string path;
  FolderId at = folder;
  for (int depth = 0; !at.is_null(); ++depth) {
    const auto found = folders.find(at.bytes);
    const bool known = found != folders.end() && found->second.is_known();
    if (!known || depth > kDepthMax) return "(folder " + to_uuid(at) + ")" + path;
    const EntryName& place =
        found->second.has_record ? found->second.place : found->second.names.front();
    path = "/" + printable(place.name) + path;
    at = place.folder;
  }
  return path;
}

std::string EntryRows::path_of(const EntryName& name) const {
  return path_of(name.folder) + "/" + printable(name.name);
}

const NameRow* EntryRows::name_of(const EntryName& name, const IdBytes& id) const {
  const auto [first, last] = names.equal_range(name);
  for (auto it = first; it != last; ++it) {
    if (it->second.id == id) return &it->second;
  }
  return nullptr;
}

}  // namespace ramet::engine
