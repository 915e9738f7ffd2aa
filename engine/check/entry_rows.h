// EntryRows: what the entries of a container say of objects, folders and names, each by itself.
// What cannot be read is not there; that they agree is not checked. Memory: some 400 bytes for each
// object of the container.
//
// Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/check/hash_id.h"
#include "engine/check/tree_check.h"
#include "engine/container/records.h"

namespace ramet::engine {

struct EntryName {
  FolderId folder;
  std::string name;  // without a final '/'
  friend bool operator==(const EntryName&, const EntryName&) = default;
  friend bool operator<(const EntryName& a, const EntryName& b);
};

// Of a DIRENT entry.
struct NameRow {
  IdBytes id{};  // of what it leads to
  bool is_folder = false;
  Bytes value;
};

// Of an OBJECT entry.
struct ObjectRow {
  TypeNumber type = kFileType;
  EntryName first;
  uint32_t links_count = 0;
  bool has_bad_blocks = false;
  bool in_entries = false;       // its extents are
  Bytes dirent_value;            // that its names should have
  std::vector<EntryName> names;  // that lead to it
  std::set<EntryName> linked;    // that it knows, besides the first
};

// Of a FOLDER entry, or of a folder that others speak of.
struct FolderRow {
  EntryName place;
  bool has_record = false;
  std::vector<EntryName> names;  // that lead to it
  bool is_known() const { return has_record || !names.empty(); }
};

struct EntryRows {
  // All but the names in `objects` and `folders`. `is_bad`: a block that cannot be read. kIoError,
  // kCancelled.
  Status load(TreeCheck& check, const Root& root,
              const std::function<bool(const BlockRef&)>& is_bad);
  ObjectRow& add_object(const ObjectRecord& record, bool has_bad_blocks);

  bool is_folder(const FolderId& id) const;
  // Where that leads to nowhere, from the folder on that is not known.
  std::string path_of(const FolderId& folder) const;
  std::string path_of(const EntryName& name) const;
  // The name as it leads to this id; null if none does.
  const NameRow* name_of(const EntryName& name, const IdBytes& id) const;

  std::unordered_map<IdBytes, ObjectRow, HashId> objects;
  std::unordered_map<IdBytes, FolderRow, HashId> folders;
  std::multimap<EntryName, NameRow> names;  // (some containers let names repeat)
  std::set<EntryName> taken;                // names, also those that were given since
  std::set<IdBytes> parents;                // folders that names are in
  std::map<IdBytes, std::set<EntryName>> linked;  // further names, by object
  std::map<IdBytes, TypeNumber> types;            // of ID entries
  std::map<IdBytes, TypeNumber> extents_of;       // objects that have EXTENT entries
  std::set<IdBytes> bad_extents;                  // objects; some of these are bad

 private:
  void add(ByteView key, ByteView value, std::span<const BlockRef> refs, bool is_bad);
};

}  // namespace ramet::engine
