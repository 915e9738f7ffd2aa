#include "engine/container/reader.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr size_t kKeyNameBytesMax = 1024;
// Folders deeper than this are a loop of damaged parents.
constexpr int kDepthMax = 65536;

}  // namespace

std::string printable(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

Status check_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a name must have 1 to {} bytes, not {}: '{}'", kNameBytesMax,
                             name.size(), printable(name.substr(0, 64))));
  }
  if (name == "." || name == ".." || name.find('/') != name.npos || name.find('\0') != name.npos) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' cannot be a name", printable(name)));
  }
  return ok();
}

Status check_key_name(std::string_view name) {
  if (name.empty() || name.size() > kKeyNameBytesMax) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a key must have 1 to {} bytes, not {}: '{}'", kKeyNameBytesMax,
                             name.size(), printable(name.substr(0, 64))));
  }
  if (name.find('\0') != name.npos) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' cannot be a key", printable(name)));
  }
  return ok();
}

Result<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty()) continue;
    RAMET_TRY(check_name(name));
    names.emplace_back(name);
  }
  return names;
}

Result<Entry> decode_entry(ByteView key, ByteView value, FolderId* holder) {
  const bool removed = container_space_of(key) == ContainerSpace::kRemoved;
  RAMET_ASSIGN(DirentKey dirent, removed ? decode_removed_key(key) : decode_dirent_key(key));
  if (holder != nullptr) *holder = dirent.folder;
  RAMET_ASSIGN(const DirentValue decoded, decode_dirent_value(value));
  Entry entry;
  entry.entry_class = static_cast<EntryClass>(decoded.entry_class);
  entry.type = decoded.type;
  entry.size = decoded.size;
  entry.name = std::move(dirent.name);
  if (entry.is_folder()) {
    entry.folder = FolderId{dirent.id};
    if (entry.name.empty() || entry.name.back() != '/') {
      return Error(ErrorCode::kCorruption, "a folder's name does not end in '/'");
    }
    entry.name.pop_back();
  } else {
    entry.object = ObjectId{dirent.id};
    entry.name.resize(object_name_from_key(entry.name).size());
  }
  return entry;
}

Result<std::optional<Entry>> Reader::find(const FolderId& folder, std::string_view name) const {
  for (const bool as_folder : {false, true}) {
    const KeyRange range =
        dirent_range(folder, as_folder ? std::string(name) + "/" : object_name_in_key(name));
    Cursor cursor(context_, root_);
    RAMET_TRY(cursor.seek(range.from));
    if (!cursor.valid() || !range.contains(cursor.key())) continue;
    RAMET_ASSIGN(Entry entry, decode_entry(cursor.key(), cursor.value()));
    return std::optional<Entry>(std::move(entry));
  }
  return std::optional<Entry>();
}

Result<std::optional<Entry>> Reader::find_removed(const FolderId& folder,
                                                  std::string_view name) const {
  const KeyRange range = removed_range(folder, name);
  Cursor cursor(context_, root_);
  RAMET_TRY(cursor.seek(range.from));
  if (!cursor.valid() || !range.contains(cursor.key())) return std::optional<Entry>();
  RAMET_ASSIGN(Entry entry, decode_entry(cursor.key(), cursor.value()));
  return std::optional<Entry>(std::move(entry));
}

Result<Entry> Reader::lookup(std::string_view path) const {
  Entry at;
  at.entry_class = EntryClass::kFolder;
  at.folder = kRootFolder;
  if (flat_) {
    if (path.starts_with('/')) path.remove_prefix(1);
    if (path.empty()) return at;
    RAMET_ASSIGN(auto found, find(kRootFolder, path));
    if (found) return std::move(*found);
    return Error(ErrorCode::kNotFound, fmt::format("there is no '{}'", printable(path)));
  }
  RAMET_ASSIGN(const auto names, split_path(path));
  std::string walked;
  for (const std::string& name : names) {
    if (!at.is_folder()) {
      return Error(ErrorCode::kNotFound, fmt::format("'{}' is not a folder", printable(walked)));
    }
    walked += "/" + name;
    RAMET_ASSIGN(auto found, find(at.folder, name));
    if (!found) {
      return Error(ErrorCode::kNotFound, fmt::format("there is no '{}'", printable(walked)));
    }
    at = std::move(*found);
  }
  return at;
}

Status Reader::list(const FolderId& folder, std::string_view after,
                    const std::function<bool(const Entry&)>& visit) const {
  const KeyRange range = folder_range(folder);
  Bytes from = range.from;
  if (!after.empty()) {
    // A folder and a file sort apart: `after` may stand for either; both lie before its end.
    RAMET_ASSIGN(const auto entry, find(folder, after));
    const bool is_folder = entry && entry->is_folder();
    from =
        dirent_range(folder, is_folder ? std::string(after) + "/" : object_name_in_key(after)).to;
  }
  return walk_names(std::move(from), range, visit);
}

Status Reader::list_from(const FolderId& folder, std::string_view prefix, std::string_view from,
                         const std::function<bool(const Entry&)>& visit) const {
  return walk_names(dirent_prefix_range(folder, std::max(prefix, from)).from,
                    dirent_prefix_range(folder, prefix), visit);
}

Status Reader::list_removed(const FolderId& folder, std::string_view prefix,
                            std::string_view from,
                            const std::function<bool(const Entry&)>& visit) const {
  return walk_names(removed_prefix_range(folder, std::max(prefix, from)).from,
                    removed_prefix_range(folder, prefix), visit);
}

Status Reader::walk_names(Bytes from, const KeyRange& range,
                          const std::function<bool(const Entry&)>& visit) const {
  Cursor cursor(context_, root_);
  Status first_damage = ok();
  Status status = cursor.seek(from);
  for (;;) {
    if (!status.ok()) {
      if (status.error().code() == ErrorCode::kWouldWait) return status;
      if (first_damage.ok()) first_damage = status;
      if (!cursor.damaged()) return first_damage;
      status = cursor.skip_damaged();
      continue;
    }
    if (!cursor.valid() || !range.contains(cursor.key())) return first_damage;
    auto entry = decode_entry(cursor.key(), cursor.value());
    if (!entry.ok()) {
      if (first_damage.ok()) first_damage = Status(std::move(entry).error());
    } else if (!visit(*entry)) {
      return first_damage;
    }
    status = cursor.next();
  }
}

Result<TypeNumber> Reader::type_of(const ObjectId& id) const {
  Value value;
  RAMET_ASSIGN(const bool found, get(context_, root_, id_entry_key(id), &value));
  if (!found) return kFileType;  // objects of this type have no ID entry
  if (value.bytes().size() < sizeof(TypeNumber)) {
    return Error(ErrorCode::kCorruption, fmt::format("malformed type of object {}", to_uuid(id)));
  }
  return load<TypeNumber>(value.bytes().data());
}

Result<ObjectRecord> Reader::object(const ObjectId& id) const {
  auto found = find_object(id);
  if (found.ok() || found.error().code() == ErrorCode::kNotFound) return found;
  return std::move(found).error().with_context(fmt::format("object {}", to_uuid(id)));
}

Result<bool> Reader::has_object(const ObjectId& id) const {
  RAMET_ASSIGN(const bool is_file,
               get(context_, root_, object_key(kFileType, id), nullptr));
  return is_file ? Result<bool>(true) : get(context_, root_, id_entry_key(id), nullptr);
}

Result<ObjectRecord> Reader::find_object(const ObjectId& id) const {
  // Files first: most are, and then there is nothing else to look up.
  TypeNumber type = kFileType;
  Value value;
  RAMET_ASSIGN(bool found, get(context_, root_, object_key(type, id), &value));
  if (!found) {
    RAMET_ASSIGN(type, type_of(id));
    if (type != kFileType) {
      RAMET_ASSIGN(found, get(context_, root_, object_key(type, id), &value));
    }
  }
  if (!found) {
    return Error(ErrorCode::kNotFound, fmt::format("there is no object {}", to_uuid(id)));
  }
  return decode_object(id, type, value.bytes(), value.refs());
}

Result<ObjectRecord> Reader::object(const ObjectId& id, VersionNumber version) const {
  if (version == kCurrentVersion) return object(id);
  const auto not_found = [&] {
    return Error(ErrorCode::kNotFound,
                 fmt::format("object {} has no version {}", to_uuid(id), version));
  };
  auto current = find_object(id);
  if (current.ok() && current->info.version == version) return current;
  if (!current.ok() && current.error().code() != ErrorCode::kNotFound) return current;
  RAMET_ASSIGN(const TypeNumber type, type_of(id));
  Value value;
  RAMET_ASSIGN(const bool found, get(context_, root_, version_key(type, id, version), &value));
  if (!found) return not_found();
  RAMET_ASSIGN(ObjectRecord record, decode_object(id, type, value.bytes(), value.refs()));
  record.earlier = true;
  return record;
}

Status Reader::earlier_versions(const ObjectId& id,
                                const std::function<bool(ObjectRecord&)>& visit) const {
  RAMET_ASSIGN(const TypeNumber type, type_of(id));
  const KeyRange range = object_range(ContainerSpace::kVersion, type, id);
  Cursor cursor(context_, root_);
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(ObjectRecord record, decode_object(id, type, cursor.value(), cursor.refs()));
    record.earlier = true;
    if (!visit(record)) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

KeyRange Reader::extent_entries(const ObjectRecord& record) {
  const ObjectInfo& info = record.info;
  return record.earlier ? history_extent_range(info.type, info.id, info.version)
                        : extent_range(info.type, info.id, 0);
}

Result<bool> Reader::has_folder(const FolderId& id) const {
  if (id == kRootFolder) return true;
  return get(context_, root_, folder_key(id), nullptr);
}

Result<FolderInfo> Reader::folder(const FolderId& id) const {
  Value value;
  RAMET_ASSIGN(const bool found, get(context_, root_, folder_key(id), &value));
  if (found) return decode_folder(id, value.bytes());
  if (id != kRootFolder) {
    return Error(ErrorCode::kNotFound, fmt::format("there is no folder {}", to_uuid(id)));
  }
  FolderInfo info;  // a root folder whose attributes were never set
  info.attributes.mode = 040755;
  return info;
}

Result<std::string> Reader::path_of(const FolderId& id) const {
  std::vector<std::string> names;
  FolderId at = id;
  for (int depth = 0; at != kRootFolder; ++depth) {
    if (depth > kDepthMax) {
      return Error(ErrorCode::kCorruption, fmt::format("folder {} lies below itself", to_uuid(id)));
    }
    RAMET_ASSIGN(const FolderInfo info, folder(at));
    names.push_back(info.name);
    at = info.parent;
  }
  if (names.empty()) return std::string("/");
  std::string path;
  for (auto name = names.rbegin(); name != names.rend(); ++name) path += "/" + *name;
  return path;
}

Result<std::string> Reader::path_of(const ObjectRecord& record) const {
  RAMET_ASSIGN(std::string path, path_of(record.info.folder));
  if (path.back() != '/') path.push_back('/');
  return path + record.info.name;
}

Status Reader::extents(const ObjectRecord& record, uint64_t from, uint64_t to,
                       const std::function<bool(const Extent&)>& visit) const {
  Status status = walk_extents(record, from, to, visit);
  if (status.ok()) return status;
  return std::move(status).error().with_context(
      fmt::format("object {} ('{}')", to_uuid(record.info.id), printable(record.info.name)));
}

Status Reader::walk_tree(const ObjectRecord& record, uint64_t from,
                         const std::function<bool(const std::vector<Extent>&)>& visit) const {
  Cursor cursor(context_, root_from(record.extent_tree));
  RAMET_TRY(cursor.seek_first());
  if (!cursor.valid()) return ok();
  // The entries are as they stood under the object that had them first, or a version of it.
  Bytes seek(cursor.key());
  if (from > 0 && seek.size() > sizeof(uint64_t)) {
    seek.resize(seek.size() - sizeof(uint64_t));
    append_big_endian(seek, from + 1);
    RAMET_TRY(cursor.seek(seek));
  }
  while (cursor.valid()) {
    RAMET_ASSIGN(const auto extents, decode_extent_run(cursor.value(), cursor.refs()));
    if (!visit(extents)) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

Status Reader::walk_extents(const ObjectRecord& record, uint64_t from, uint64_t to,
                            const std::function<bool(const Extent&)>& visit) const {
  const auto hand_out = [&](const std::vector<Extent>& extents) {
    for (const Extent& extent : extents) {
      if (extent.end() <= from) continue;
      if (extent.offset >= to || !visit(extent)) return false;
    }
    return true;
  };
  if (record.form == ContentForm::kTree) return walk_tree(record, from, hand_out);
  if (record.form != ContentForm::kExtents) {
    hand_out(record.extents);
    return ok();
  }
  const ObjectInfo& info = record.info;
  const KeyRange range = extent_entries(record);
  Cursor cursor(context_, root_);
  RAMET_TRY(cursor.seek(record.earlier
                            ? history_extent_key(info.type, info.id, info.version, 0, from + 1)
                            : extent_seek_key(info.type, info.id, 0, from)));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const auto extents, decode_extent_run(cursor.value(), cursor.refs()));
    if (!hand_out(extents)) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

}  // namespace ramet::engine
