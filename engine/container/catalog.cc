#include "engine/container/catalog.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {

Status check_label(const std::string& name, std::string_view what) {
  if (name.empty() || name.size() > 255) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} must have 1 to 255 bytes, not {}", what, name.size()));
  }
  const size_t bad = name.find_first_of(std::string_view("/:@\n\0", 5));
  if (bad != std::string::npos) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} must not contain '/', ':', '@', a newline or NUL (byte {})", what,
                             bad + 1));
  }
  return ok();
}

Status check_note(const std::string& note) {
  if (note.size() <= kNoteBytesMax) return ok();
  return Error(ErrorCode::kInvalidArgument, fmt::format("a note has at most {} bytes, not {}",
                                                        kNoteBytesMax, note.size()));
}

Status check_name_is_free(TreeContext& context, const Root& catalog, const std::string& name) {
  RAMET_ASSIGN(const bool found, get(context, catalog, container_name_key(name), nullptr));
  if (!found) return ok();
  return Error(ErrorCode::kAlreadyExists, fmt::format("there is a container '{}' already", name));
}

Result<ContainerEntry> find_container(TreeContext& context, const Root& catalog, ContainerId id) {
  RAMET_ASSIGN(auto found, get_root(context, catalog, container_key(id)));
  if (!found) {
    return Error(ErrorCode::kNotFound, fmt::format("there is no container {}", to_uuid(id)));
  }
  ContainerEntry entry;
  entry.id = id;
  RAMET_ASSIGN(entry.record, decode_container(found->bytes));
  entry.root = found->root;
  entry.bytes = Bytes(found->bytes);
  return entry;
}

Result<ContainerId> find_container_id(TreeContext& context, const Root& catalog,
                                      const std::string& name) {
  Value value;
  RAMET_ASSIGN(const bool found, get(context, catalog, container_name_key(name), &value));
  if (!found) return Error(ErrorCode::kNotFound, fmt::format("there is no container '{}'", name));
  if (value.bytes().size() != sizeof(ContainerId)) {
    return Error(ErrorCode::kCorruption, fmt::format("malformed name of container '{}'", name));
  }
  return ContainerId::from_bytes(value.bytes().data());
}

Result<SnapshotEntry> find_snapshot(TreeContext& context, const Root& catalog,
                                    const ContainerEntry& container, const std::string& name) {
  RAMET_ASSIGN(auto found, get_root(context, catalog, snapshot_key(container.id, name)));
  if (!found) {
    return Error(ErrorCode::kNotFound, fmt::format("container '{}' has no snapshot '{}'",
                                                   container.record.name, name));
  }
  SnapshotEntry entry;
  entry.name = name;
  RAMET_ASSIGN(entry.record, decode_snapshot(found->bytes));
  entry.root = found->root;
  entry.bytes = Bytes(found->bytes);
  return entry;
}

Status each_snapshot(TreeContext& context, const Root& catalog, ContainerId container,
                     const std::function<Status(const SnapshotEntry&)>& visit) {
  const KeyRange range = snapshot_range(container);
  Cursor cursor(context, catalog);
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const SnapshotKey key, decode_snapshot_key(cursor.key()));
    RAMET_ASSIGN(const RootedValue found, rooted_value(cursor.pinned_value()));
    SnapshotEntry entry;
    entry.name = key.name;
    RAMET_ASSIGN(entry.record, decode_snapshot(found.bytes));
    entry.root = found.root;
    entry.bytes = Bytes(found.bytes);
    RAMET_TRY(visit(entry));
    RAMET_TRY(cursor.next());
  }
  return ok();
}

Status each_container(TreeContext& context, const Root& catalog, std::string_view after,
                      const std::function<Result<bool>(const std::string&, ContainerId)>& visit) {
  const KeyRange range = space_range(CatalogSpace::kContainerName);
  Cursor cursor(context, catalog);
  RAMET_TRY(cursor.seek(after.empty() ? range.from : key_after(container_name_key(after))));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const Bytes name, decode_container_name_key(cursor.key()));
    const ByteView value = cursor.value();
    if (value.size() != sizeof(ContainerId)) {
      return Error(ErrorCode::kCorruption, fmt::format("malformed name of container '{}'", name));
    }
    RAMET_ASSIGN(const bool more, visit(name, ContainerId::from_bytes(value.data())));
    if (!more) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

Status each_drop(TreeContext& context, const Root& catalog, uint64_t from,
                 const std::function<Result<bool>(const DropEntry&)>& visit) {
  const KeyRange range = space_range(CatalogSpace::kDrop);
  Cursor cursor(context, catalog);
  RAMET_TRY(cursor.seek(drop_key(from)));
  while (cursor.valid() && range.contains(cursor.key())) {
    DropEntry entry;
    RAMET_ASSIGN(entry.number, decode_drop_key(cursor.key()));
    RAMET_ASSIGN(const RootedValue found, rooted_value(cursor.pinned_value()));
    RAMET_ASSIGN(entry.record, decode_drop(found.bytes));
    entry.root = found.root;
    entry.bytes = Bytes(found.bytes);
    RAMET_ASSIGN(const bool more, visit(entry));
    if (!more) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

void append_expiry(std::vector<Operation>& operations, ContainerId container, ByteView snapshot,
                   int64_t was, int64_t is) {
  if (was == is) return;
  const auto key = [&](int64_t time) {
    return expires_key(static_cast<uint64_t>(time), container, snapshot);
  };
  if (was > 0) operations.push_back(Operation::erase(key(was)));
  if (is > 0) operations.push_back(Operation::put(key(is), {}));
}

Result<std::vector<Setting>> store_settings(TreeContext& context, const Root& catalog) {
  const KeyRange range = space_range(CatalogSpace::kSetting);
  Cursor cursor(context, catalog);
  RAMET_TRY(cursor.seek(range.from));
  std::vector<Setting> out;
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(Bytes name, decode_setting_key(cursor.key()));
    RAMET_ASSIGN(std::string value, decode_setting(cursor.value()));
    out.push_back({std::move(name), std::move(value)});
    RAMET_TRY(cursor.next());
  }
  return out;
}

Result<SettingInfo> setting_of(TreeContext& context, const Root& catalog,
                               const ContainerRecord* container, std::string_view name) {
  const SettingSpec* spec = find_setting(name);
  RAMET_CHECK(spec != nullptr, "the engine asks for settings that there are");
  if (container != nullptr && spec->of_container()) {
    for (const Setting& setting : container->settings) {
      if (setting.name == name) {
        return SettingInfo{setting.name, setting.value, SettingSource::kContainer};
      }
    }
  }
  if (spec->of_store()) {
    Value value;
    RAMET_ASSIGN(const bool found, get(context, catalog, setting_key(name), &value));
    if (found) {
      RAMET_ASSIGN(std::string text, decode_setting(value.bytes()));
      return SettingInfo{std::string(name), std::move(text), SettingSource::kStore};
    }
  }
  return SettingInfo{std::string(name), std::string(spec->default_value), SettingSource::kDefault};
}

Result<Compression> compression_of(TreeContext& context, const Root& catalog,
                                   const ContainerRecord* container) {
  RAMET_ASSIGN(const SettingInfo info,
               setting_of(context, catalog, container, kCompressionSetting));
  auto compression = parse_compression(info.value);
  if (compression.ok()) return compression;
  return Error(ErrorCode::kUnsupported,
               fmt::format("compression is set to '{}', which came with a later version",
                           info.value));
}

ContainerInfo info_of(const ContainerEntry& entry) {
  ContainerInfo info;
  info.id = entry.id;
  info.name = entry.record.name;
  info.created = entry.record.created;
  info.changed = std::max(entry.root.birth, entry.record.rolled_back);
  info.summary = entry.root.summary;
  info.lineage = entry.record.lineage;
  info.note = entry.record.note;
  info.expires = entry.record.expires;
  info.form = entry.record.form;
  return info;
}

SnapshotInfo info_of(const SnapshotEntry& entry) {
  SnapshotInfo info;
  info.name = entry.name;
  info.created = entry.record.created;
  info.sequence = entry.record.sequence;
  info.summary = entry.root.summary;
  info.note = entry.record.note;
  info.expires = entry.record.expires;
  info.automatic = entry.record.automatic;
  return info;
}

}  // namespace ramet::engine
