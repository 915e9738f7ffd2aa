// Reading one state of a container tree: names, folders, objects, extents. Functions over an
// immutable root, used by views and transactions alike. Thread-safe; costs are O(log n) each
// unless a comment says otherwise. Errors name the object or path that they concern.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/container/records.h"
#include "engine/tree/query.h"
#include "format/keys.h"

namespace ramet::engine {

// Splits "/a/b/c" into its names; empty for the root folder. kInvalidArgument for "." and "..",
// names above 255 bytes and NUL bytes.
Result<std::vector<std::string>> split_path(std::string_view path);
// 1 to 255 bytes, no '/', no NUL, not "." or "..".
inline constexpr size_t kNameBytesMax = 255;  // of a name in a folder
Status check_name(std::string_view name);
// A name of a flat container: 1 to 1024 bytes, no NUL.
Status check_key_name(std::string_view name);
// How names are shown in error messages: control bytes escaped.
std::string printable(std::string_view name);

class Reader {
 public:
  // `flat`: the container has no folders, and names are whole keys.
  Reader(TreeContext& context, const Root& root, bool flat = false)
      : context_(context), root_(root), flat_(flat) {}

  // nullopt: no such name. `name` without a final '/'.
  Result<std::optional<Entry>> find(const FolderId& folder, std::string_view name) const;
  // kNotFound names the missing part.
  Result<Entry> lookup(std::string_view path) const;
  Status list(const FolderId& folder, std::string_view after,
              const std::function<bool(const Entry&)>& visit) const;
  // View::list_from() and View::list_removed().
  Status list_from(const FolderId& folder, std::string_view prefix, std::string_view from,
                   const std::function<bool(const Entry&)>& visit) const;
  Status list_removed(const FolderId& folder, std::string_view prefix, std::string_view from,
                      const std::function<bool(const Entry&)>& visit) const;
  // The REMOVED entry of a name.
  Result<std::optional<Entry>> find_removed(const FolderId& folder, std::string_view name) const;

  Result<ObjectRecord> object(const ObjectId& id) const;
  // That version, a deletion too. kNotFound.
  Result<ObjectRecord> object(const ObjectId& id, VersionNumber version) const;
  // Earlier ones, newest first, until `visit` returns false.
  Status earlier_versions(const ObjectId& id,
                          const std::function<bool(ObjectRecord&)>& visit) const;
  Result<FolderInfo> folder(const FolderId& id) const;
  Result<bool> has_object(const ObjectId& id) const;
  Result<bool> has_folder(const FolderId& id) const;
  Result<std::string> path_of(const FolderId& id) const;
  Result<std::string> path_of(const ObjectRecord& record) const;

  // Where the record's EXTENT entries are: those of an earlier version stand apart.
  static KeyRange extent_entries(const ObjectRecord& record);
  // Extents that touch [from, to), in order, until `visit` returns false.
  Status extents(const ObjectRecord& record, uint64_t from, uint64_t to,
                 const std::function<bool(const Extent&)>& visit) const;

  TreeContext& context() const { return context_; }
  const Root& root() const { return root_; }
  bool flat() const { return flat_; }

 private:
  Result<TypeNumber> type_of(const ObjectId& id) const;
  // Entries from this key on, to the end of the range; goes on behind damage.
  Status walk_names(Bytes from, const KeyRange& range,
                    const std::function<bool(const Entry&)>& visit) const;
  Result<ObjectRecord> find_object(const ObjectId& id) const;
  Status walk_tree(const ObjectRecord& record, uint64_t from,
                   const std::function<bool(const std::vector<Extent>&)>& visit) const;
  Status walk_extents(const ObjectRecord& record, uint64_t from, uint64_t to,
                      const std::function<bool(const Extent&)>& visit) const;

  TreeContext& context_;
  Root root_;
  bool flat_;
};

// Where the run of an EXTENT or HISTORY_EXTENT entry ends: keys of both end with it.
inline uint64_t end_of_run(ByteView key) {
  return load_big_endian<uint64_t>(key.data() + key.size() - sizeof(uint64_t));
}

// The Entry that a DIRENT or REMOVED entry stands for. kCorruption for malformed ones. `holder`
// receives the folder that the name stands in, unless null.
Result<Entry> decode_entry(ByteView key, ByteView value, FolderId* holder = nullptr);

}  // namespace ramet::engine
