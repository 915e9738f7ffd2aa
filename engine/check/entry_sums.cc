#include "engine/check/entry_sums.h"

#include <type_traits>

#include "engine/container/reader.h"
#include "engine/container/records.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// What is hashed, side by side and without gaps. Nothing here is stored.
struct NameSum {
  IdBytes target;
  IdBytes folder;
  uint64_t name;  // hash
};
struct ValueSum {
  IdBytes id;
  uint64_t size;
  uint64_t type;
  uint64_t entry_class;
};
struct IdSum {
  IdBytes id;
  uint64_t type;
};
static_assert(std::has_unique_object_representations_v<NameSum> &&
              std::has_unique_object_representations_v<ValueSum> &&
              std::has_unique_object_representations_v<IdSum>);

template <typename T>
uint64_t hash_of(const T& value) {
  return xxh3(ByteView(reinterpret_cast<const char*>(&value), sizeof value));
}

uint64_t hash_name(const IdBytes& target, const IdBytes& folder, ByteView name) {
  return hash_of(NameSum{target, folder, xxh3(name)});
}

uint64_t hash_value(const IdBytes& id, EntryClass entry_class, TypeNumber type, uint64_t size) {
  return hash_of(ValueSum{id, size, type, static_cast<uint64_t>(entry_class)});
}

uint64_t hash_id(const IdBytes& id, TypeNumber type) { return hash_of(IdSum{id, type}); }

Status add_dirent(ByteView key, ByteView value, EntrySums& sums) {
  FolderId holder;
  RAMET_ASSIGN(const Entry entry, decode_entry(key, value, &holder));
  if (entry.is_folder()) {
    sums.folders += hash_name(entry.folder.bytes, holder.bytes, entry.name);
    return ok();
  }
  sums.names += hash_name(entry.object.bytes, holder.bytes, entry.name);
  sums.values += hash_value(entry.object.bytes, entry.entry_class, entry.type, entry.size);
  return ok();
}

bool is_in_pieces(const ObjectRecord& record) {
  return record.form == ContentForm::kInline || record.form == ContentForm::kExtents ||
         record.form == ContentForm::kTree;
}

Status add_object(ByteView key, ByteView value, std::span<const BlockRef> refs, EntrySums& sums,
                  bool& in_pieces) {
  RAMET_ASSIGN(const ObjectKey object, decode_object_key(key));
  RAMET_ASSIGN(const ObjectRecord record, decode_object(object.id, object.type, value, refs));
  const ObjectInfo& info = record.info;
  in_pieces = is_in_pieces(record);
  if (record.part) return ok();  // it has no names, and its type stands in its key alone
  // (Objects of the commonest type have no ID entry.)
  if (object.type != kFileType) sums.ids -= hash_id(object.id.bytes, object.type);
  sums.values -= info.links_count *
                 hash_value(object.id.bytes, info.entry_class, info.type, info.size);
  if (!info.name.empty()) sums.names -= hash_name(object.id.bytes, info.folder.bytes, info.name);
  return ok();
}

}  // namespace

Status add_entry(ByteView key, ByteView value, std::span<const BlockRef> refs, EntrySums& sums,
                 bool& in_pieces) {
  const auto space = container_space_of(key);
  if (!space) return ok();  // of a later version: kept untouched
  switch (*space) {
    case ContainerSpace::kObject: return add_object(key, value, refs, sums, in_pieces);
    case ContainerSpace::kDirent: return add_dirent(key, value, sums);
    case ContainerSpace::kFolder: {
      RAMET_ASSIGN(const FolderId id, decode_folder_key(key));
      RAMET_ASSIGN(const FolderInfo info, decode_folder(id, value));
      if (id == kRootFolder) return ok();
      sums.folders -= hash_name(id.bytes, info.parent.bytes, info.name);
      return ok();
    }
    case ContainerSpace::kId: {
      RAMET_ASSIGN(const ObjectId id, decode_id_entry_key(key));
      if (value.size() < sizeof(TypeNumber)) {
        return Error(ErrorCode::kCorruption, "the type of an id is cut off");
      }
      sums.ids += hash_id(id.bytes, load<TypeNumber>(value.data()));
      return ok();
    }
    case ContainerSpace::kLinkedBy: {
      RAMET_ASSIGN(const LinkedByKey linked, decode_linked_by_key(key));
      sums.names -= hash_name(linked.target.bytes, linked.source, linked.name);
      return ok();
    }
    case ContainerSpace::kExtent: {
      in_pieces = true;
      RAMET_ASSIGN(const ExtentKey extent, decode_extent_key(key));
      RAMET_ASSIGN(const auto run, decode_extent_run(value, refs));
      if (!run.empty() && run.back().end() != extent.end) {
        return Error(ErrorCode::kCorruption, "a run of extents does not end where its key says");
      }
      return ok();
    }
    case ContainerSpace::kVersion: {
      RAMET_ASSIGN(const VersionKey version, decode_version_key(key));
      RAMET_ASSIGN(const ObjectRecord record,
                   decode_object(version.id, version.type, value, refs));
      in_pieces = is_in_pieces(record);
      return ok();
    }
    case ContainerSpace::kHistoryExtent: {
      in_pieces = true;
      RAMET_ASSIGN(const HistoryExtentKey extent, decode_history_extent_key(key));
      RAMET_ASSIGN(const auto run, decode_extent_run(value, refs));
      if (!run.empty() && run.back().end() != extent.end) {
        return Error(ErrorCode::kCorruption, "a run of extents does not end where its key says");
      }
      return ok();
    }
    case ContainerSpace::kRemoved: {
      const auto entry = decode_entry(key, value);
      return entry.ok() ? ok() : Status(entry.error());
    }
    case ContainerSpace::kDocument: {
      const auto document = decode_document_key(key);
      return document.ok() ? ok() : Status(document.error());
    }
    default: return ok();
  }
}

}  // namespace ramet::engine
