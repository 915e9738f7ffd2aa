#include "engine/container/reader.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr size_t kNameBytesMax = 255;
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
  RAMET_ASSIGN(DirentKey dirent, decode_dirent_key(key));
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
  }
  return entry;
}

Result<std::optional<Entry>> Reader::find(const FolderId& folder, std::string_view name) const {
  for (const bool as_folder : {false, true}) {
    const KeyRange range =
        dirent_range(folder, as_folder ? std::string(name) + "/" : std::string(name));
    Cursor cursor(context_, root_);
    RAMET_TRY(cursor.seek(range.from));
    if (!cursor.valid() || !range.contains(cursor.key())) continue;
    RAMET_ASSIGN(Entry entry, decode_entry(cursor.key(), cursor.value()));
    return std::optional<Entry>(std::move(entry));
  }
  return std::optional<Entry>();
}

Result<Entry> Reader::lookup(std::string_view path) const {
  RAMET_ASSIGN(const auto names, split_path(path));
  Entry at;
  at.entry_class = EntryClass::kFolder;
  at.folder = kRootFolder;
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
  Cursor cursor(context_, root_);
  Bytes from = range.from;
  if (!after.empty()) {
    // A folder and a file sort apart: `after` may stand for either; both lie before its end.
    RAMET_ASSIGN(const auto entry, find(folder, after));
    const bool is_folder = entry && entry->is_folder();
    from = dirent_range(folder, is_folder ? std::string(after) + "/" : std::string(after)).to;
  }
  Status first_damage = ok();
  Status status = cursor.seek(from);
  for (;;) {
    if (!status.ok()) {
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

Status Reader::walk_extents(const ObjectRecord& record, uint64_t from, uint64_t to,
                            const std::function<bool(const Extent&)>& visit) const {
  const auto hand_out = [&](const std::vector<Extent>& extents) {
    for (const Extent& extent : extents) {
      if (extent.end() <= from) continue;
      if (extent.offset >= to || !visit(extent)) return false;
    }
    return true;
  };
  if (record.form != ContentForm::kExtents) {
    hand_out(record.extents);
    return ok();
  }
  const ObjectInfo& info = record.info;
  const KeyRange range = extent_range(info.type, info.id, 0);
  Cursor cursor(context_, root_);
  RAMET_TRY(cursor.seek(extent_seek_key(info.type, info.id, 0, from)));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const auto extents, decode_extent_run(cursor.value(), cursor.refs()));
    if (!hand_out(extents)) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

}  // namespace ramet::engine
