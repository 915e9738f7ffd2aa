// Records of the catalog and of containers, between their FlatBuffers and plain values. Pure; all
// decoders give kCorruption for malformed bytes and never crash [INV-8].
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/container/operations.h"
#include "engine/object.h"
#include "engine/settings.h"
#include "format/id_cipher.h"
#include "format/result.h"
#include "format/values.h"

namespace ramet::engine {

// The part of a container's catalog entry behind its RootValue.
struct ContainerRecord {
  std::string name;
  int64_t created = 0;
  std::optional<LineageInfo> lineage;
  std::string note;
  std::vector<Setting> settings;  // by name, ascending
  int64_t expires = 0;       // 0: never
  Sequence rolled_back = 0;  // the last commit that rolled it back; 0: none
  ContainerForm form = ContainerForm::kFolders;
  // Of a container of records (fb::RecordSpace).
  IdCipherKey id_key{};  // null: ids are shown as they are
  ObjectId self;
  uint32_t depth = 0;
  bool has_dead = false;
  std::vector<TypeNumber> left_out;  // ascending
  bool has_folders() const { return form == ContainerForm::kFolders; }
};

// The value of an ORIGIN entry.
struct OriginRecord {
  IdCipherKey id_key{};
  std::vector<TypeNumber> types;  // of which its clone left something out, ascending
  bool leaves_out(TypeNumber type) const {
    return std::binary_search(types.begin(), types.end(), type);
  }
};

struct SnapshotRecord {
  int64_t created = 0;
  Sequence sequence = 0;
  std::string note;
  int64_t expires = 0;     // 0: never
  bool automatic = false;  // made by a schedule or a rollback
};

// A dropped container or snapshot on its way out.
struct DropRecord {
  ContainerId container;
  std::string container_name;
  std::string snapshot;  // empty: the container itself
  int64_t dropped = 0;
  Bytes record;  // the catalog entry as it was
};

Bytes encode_container(const ContainerRecord& record);
Result<ContainerRecord> decode_container(ByteView bytes);
// Sets or, without a value, removes one of a list that is in name order.
void put_setting(std::vector<Setting>& settings, const std::string& name,
                 const std::optional<std::string>& value);
// What the container itself says, or the default: for settings that only containers have.
std::string_view own_setting(const ContainerRecord& record, std::string_view name);
// The value of a SETTING entry: one of the store's own.
Bytes encode_setting(std::string_view value);
Result<std::string> decode_setting(ByteView bytes);
// The value of a TYPE and of a TYPE_NAME entry.
struct TypeRecord {
  TypeNumber number = 0;
  std::string name;
};
Bytes encode_type(const TypeRecord& type);
Result<TypeRecord> decode_type(ByteView bytes);
Bytes encode_snapshot(const SnapshotRecord& record);
Result<SnapshotRecord> decode_snapshot(ByteView bytes);
Bytes encode_drop(const DropRecord& record);
Result<DropRecord> decode_drop(ByteView bytes);

// Where an object's content is.
enum class ContentForm : uint8_t {
  kEmpty,
  kOneBlock,   // reference 0 is all of it
  kInline,     // `extents` in the record
  kExtents,    // EXTENT entries
  kTree,       // a tree of EXTENT entries, those of some object, that several records lead to
};

// So many extents stand in the object's record; more go to EXTENT entries.
inline constexpr size_t kInlineExtents = 8;

// What makes an object a record (fb::RecordPart).
struct RecordPart {
  ObjectId version;
  uint32_t depth = 0;
  uint32_t optional_from = 0;
  uint32_t optional_to = 0;
  Bytes body;  // empty: it is the document kRecordBodyDocument
};
inline constexpr std::string_view kRecordBodyDocument = "@record";

// The value of an OBJECT entry. `info.content_id` is zero where the name of the only block stands
// for it (kOneBlock): the slot table knows it.
struct ObjectRecord {
  ObjectInfo info;
  ContentForm form = ContentForm::kEmpty;
  std::vector<Extent> extents;  // kOneBlock and kInline
  WrittenRoot extent_tree;      // kTree
  bool deletion = false;        // VERSION only: the name was removed then
  bool earlier = false;         // it stands in VERSION, and its extents in HISTORY_EXTENT
  std::optional<RecordPart> part;  // of records (engine/record.h)
};

// Encodes and decodes ORIGIN values.
Bytes encode_origin(const OriginRecord& origin);
Result<OriginRecord> decode_origin(ByteView bytes);

struct EncodedRecord {
  Bytes value;
  std::vector<BlockRef> refs;
};

EncodedRecord encode_object(const ObjectRecord& record);
Result<ObjectRecord> decode_object(ObjectId id, TypeNumber type, ByteView value,
                                   std::span<const BlockRef> refs);

// What an OBJECT value adds to summaries; one object for malformed bytes. And a VERSION value.
Summary object_summary(ByteView value);
Summary version_summary(ByteView value);

Bytes encode_folder(const FolderInfo& info);
Result<FolderInfo> decode_folder(FolderId id, ByteView value);

// The value of each DIRENT entry that leads to the object, or to a folder.
Bytes encode_dirent(const ObjectInfo& info);
Bytes encode_folder_dirent();

// The class that a POSIX mode says (kFile for 0).
EntryClass class_of_mode(uint32_t mode);
// The same of an object of this type: what is no file is a record.
EntryClass class_of(TypeNumber type, uint32_t mode);

}  // namespace ramet::engine
