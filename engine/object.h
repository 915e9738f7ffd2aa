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

// A piece of content that is not a hole.
// (format/values.h has the same as format-level Extent; this one is what callers see.)

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
  bool hidden = false;
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

struct ContainerInfo {
  ContainerId id;
  std::string name;
  int64_t created = 0;
  Sequence changed = 0;  // number of the last commit that changed its content
  Summary summary;       // objects, content bytes, entries, folders, ...
  std::optional<LineageInfo> lineage;  // a label only
  std::string note;
  int64_t expires = 0;  // dropped from then on, nanoseconds since 1970; 0: never
};

}  // namespace ramet
