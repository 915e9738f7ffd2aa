// What callers see of objects and folders: plain values, no handles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/block_ref.h"
#include "format/hash.h"
#include "format/ids.h"
#include "format/summary.h"

namespace ramet {

// Interned type number of an object; names stand in the catalog. 1 is "file".
using TypeNumber = uint32_t;
inline constexpr TypeNumber kFileType = 1;
inline constexpr size_t kTypeNameBytesMax = 64;

// What a name leads to. Values are on disk (docs/format.md#values) and never change.
enum class EntryClass : uint8_t {
  kFile = 1,
  kFolder = 2,
  kSymlink = 3,
  kFifo = 4,
  kSocket = 5,
  kCharacterDevice = 6,
  kBlockDevice = 7,
  kRecord = 8,
};

// "file", "folder", "symlink", "fifo", "socket", "character device", "block device", "record";
// "unknown class" for any other value.
std::string_view class_name(EntryClass entry_class);

struct Xattr {
  std::string name;
  std::string value;
  friend bool operator==(const Xattr&, const Xattr&) = default;
};

// POSIX attributes of an object or folder. Times are nanoseconds since 1970.
struct Attributes {
  uint32_t mode = 0100644;  // type and permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t modified = 0;
  uint64_t device = 0;  // st_rdev of a device node
  std::vector<Xattr> xattrs;
  friend bool operator==(const Attributes&, const Attributes&) = default;
};

struct Property {
  std::string name;
  std::string value;
  friend bool operator==(const Property&, const Property&) = default;
};

// What people and faces say of an object beside its content. Text is UTF-8. All of it together is
// at most kMetadataBytesMax.
struct Metadata {
  std::string media_type;  // "text/plain; charset=utf-8"; empty: not said
  std::vector<std::string> types;
  std::vector<std::string> tags;
  // By name, ascending, each once. Names that begin with kContentProperty say something of the
  // content (a face's checksums) and go when the content changes.
  std::vector<Property> properties;
  std::string details;  // a JSON document; empty: none
  friend bool operator==(const Metadata&, const Metadata&) = default;
};
inline constexpr size_t kMetadataBytesMax = 8u << 10;
inline constexpr std::string_view kContentProperty = "content.";

// The value of a property; null if there is none. Valid as long as the metadata.
const std::string* find_property(const Metadata& metadata, std::string_view name);
// Sets it, keeping the order.
void set_property(Metadata& metadata, std::string name, std::string value);

// A text that belongs to an object and is too long for its metadata: 1 byte to
// kObjectDocumentBytesMax, any bytes. Clones share it. One whose name begins with kContentProperty
// goes when the content changes.
struct ObjectDocument {
  std::string name;  // 1 to 64 bytes
  uint32_t size = 0;
  BlockRef block;    // for the engine alone
  friend bool operator==(const ObjectDocument&, const ObjectDocument&) = default;
};
inline constexpr size_t kObjectDocumentBytesMax = 8u << 20;
inline constexpr size_t kObjectDocumentNameBytesMax = 64;
inline constexpr size_t kObjectDocumentsMax = 8;

// What keeps a version from being removed or replaced (write once, read many).
enum class RetentionMode : uint8_t { kNone = 0, kGovernance = 1, kCompliance = 2 };
struct ObjectLock {
  RetentionMode mode = RetentionMode::kNone;
  int64_t retain_until = 0;  // nanoseconds since 1970
  bool legal_hold = false;
  friend bool operator==(const ObjectLock&, const ObjectLock&) = default;
  // Whether it keeps the version at this time.
  bool holds(int64_t now) const {
    return legal_hold || (mode != RetentionMode::kNone && retain_until > now);
  }
};

// Whether its content, types, details and links may still change. Values are on disk, as those of
// the two below.
enum class ObjectState : uint8_t { kClosed = 0, kOpen = 1, kClosing = 2 };
// What a clone of a part of a container does with it.
enum class CloneRule : uint8_t {
  kShared = 0,           // the same object, once it is closed
  kNever = 1,            // it belongs to one container
  kCopiedWhileOpen = 2,  // a new object while it is open, the same one once it is closed
};
enum class Archival : uint8_t {
  kLive = 0,
  kArchival = 1,  // asked for; other copies are still live
  kArchived = 2,
  kArchiving = 3,    // these two: a transition
  kUnarchiving = 4,
};
// "closed", "open", "closing"; "shared", "never", "while-open"; "live", "archival", "archived",
// "archiving", "unarchiving".
std::string_view state_name(ObjectState state);
std::string_view clone_rule_name(CloneRule rule);
std::string_view archival_name(Archival archival);
std::optional<Archival> parse_archival(std::string_view name);
inline bool is_transition(Archival archival) {
  return archival == Archival::kArchiving || archival == Archival::kUnarchiving;
}

// To another object: a hidden one comes along when the object that links to it is cloned.
struct ObjectLink {
  ObjectId target;
  ContainerId container;  // null: wherever the link is
  bool required = false;  // comes along though it is not hidden
  friend bool operator==(const ObjectLink&, const ObjectLink&) = default;
};
inline constexpr size_t kLinksMax = 64;

// What an object is to clones, beside its content. Objects of files have the default.
struct Standing {
  ObjectState state = ObjectState::kClosed;
  bool hidden = false;
  CloneRule clone_rule = CloneRule::kShared;
  Archival archival = Archival::kLive;
  bool sponsored = false;  // by whoever runs the service
  std::vector<ObjectLink> links;
  // What people call it, of 1 to 1024 bytes of UTF-8, where that is not its name in the folder:
  // titles may repeat, and hold what names may not. Empty: its name.
  std::string title;
  friend bool operator==(const Standing&, const Standing&) = default;
};
inline constexpr size_t kObjectTitleBytesMax = 1024;

// Numbers the versions of one object, ascending. Gaps are where versions were removed.
using VersionNumber = uint64_t;
inline constexpr VersionNumber kCurrentVersion = ~VersionNumber{0};

struct ObjectInfo {
  ObjectId id;
  TypeNumber type = kFileType;
  EntryClass entry_class = EntryClass::kFile;
  uint64_t size = 0;  // bytes of content, holes included
  Attributes attributes;
  int64_t created = 0;
  std::string target;         // of a symbolic link
  uint32_t links_count = 1;   // names that lead here
  ContentHash content_id;     // docs/format.md#content; zero for empty content
  FolderId folder;            // of its first name
  std::string name;           // its first name
  Standing standing;
  Metadata metadata;
  std::vector<ObjectDocument> documents;  // by name, ascending
  ObjectLock lock;
  VersionNumber version = 0;  // 0: made where versions were never kept
  bool unversioned = false;   // made while versions were not kept: at most one such version stays
};

// One version of an object, the current one or an earlier one.
struct VersionInfo {
  ObjectInfo info;       // of a deletion: ids, name, `version` and `created` only
  bool current = false;  // the object as it is, or the deletion that it ends with
  bool deletion = false;
};

struct FolderInfo {
  FolderId id;  // null: the root folder
  FolderId parent;
  std::string name;  // without '/'; empty for the root folder
  Attributes attributes;
  int64_t created = 0;
};

// One name in a folder.
struct Entry {
  std::string name;  // without a final '/'
  EntryClass entry_class = EntryClass::kFile;
  TypeNumber type = kFileType;
  uint64_t size = 0;
  ObjectId object;  // null for a folder
  FolderId folder;  // null for anything else
  bool is_folder() const { return entry_class == EntryClass::kFolder; }
};

struct SnapshotInfo {
  std::string name;
  int64_t created = 0;
  Sequence sequence = 0;
  Summary summary;
  std::string note;
  int64_t expires = 0;     // dropped from then on, nanoseconds since 1970; 0: never
  bool automatic = false;  // made by a schedule or a rollback
};

struct LineageInfo {
  ContainerId container;
  std::string name;
  std::string snapshot;
  Sequence sequence = 0;
};

// What a container holds.
enum class ContainerForm : uint8_t {
  kFolders,  // objects that have names in folders
  kFlat,     // objects whose names are whole keys, of 1 to 1024 bytes, any but NUL; '/' is as any
  kRecords,  // records, which have no names (engine/record.h)
};

struct ContainerInfo {
  ContainerId id;
  std::string name;
  int64_t created = 0;
  Sequence changed = 0;  // number of the last commit that changed its content
  Summary summary;       // objects, content bytes, entries, folders, ...
  std::optional<LineageInfo> lineage;  // a label only
  std::string note;
  int64_t expires = 0;  // dropped from then on, nanoseconds since 1970; 0: never
  ContainerForm form = ContainerForm::kFolders;
  bool is_flat() const { return form == ContainerForm::kFlat; }
};

}  // namespace ramet
