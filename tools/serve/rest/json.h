// JSON as the REST face reads and writes it. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/clone.h"
#include "engine/keep.h"
#include "engine/object.h"
#include "format/result.h"
#include "tools/serve/parse_json.h"

namespace ramet::serve::rest {

using Json = nlohmann::ordered_json;  // members stay in the order in which they were added

// One line, valid UTF-8 whatever is in it.
std::string to_text(const Json& json);
using serve::parse_json;

std::string to_base64(std::string_view bytes);                 // RFC 4648, with padding
Result<std::string> from_base64(std::string_view text);        // kInvalidArgument; strict
// Sets json[key] to a name or path. If it is not UTF-8, json[key] has U+FFFD for what is wrong and
// json[key + "_bytes"] has the exact bytes in base64.
void set_name(Json& json, const std::string& key, std::string_view raw);
// A time, or null for none (0).
Json time_or_null(int64_t nanoseconds);

// Reads the members of one JSON object, strictly: the first thing that is wrong (a type, something
// missing, a member that nobody asked for) is kept and told by done(). Values that were wrong read
// as empty meanwhile. Members that are null are as none, but for is_null().
class Members {
 public:
  // `where` is put before names in errors: "operations[3]". Borrows the JSON.
  explicit Members(const Json& json, std::string where = {});

  bool has(const std::string& name);      // and is not null
  bool is_null(const std::string& name);  // is there, as null
  std::string text(const std::string& name, std::string fallback = {});
  std::string required(const std::string& name);  // a text that is not empty
  bool flag(const std::string& name, bool fallback = false);
  uint64_t number(const std::string& name, uint64_t fallback = 0, uint64_t max = UINT64_MAX);
  int64_t time(const std::string& name);  // RFC 3339; 0: none
  std::vector<std::string> texts(const std::string& name);
  // One of these words, as its place among them.
  size_t choice(const std::string& name, const std::vector<std::string>& words, size_t fallback);
  // Text, or exact bytes in NAME_bytes (base64).
  std::string name(const std::string& name, bool is_required = true);
  // Any value; null if there is none. Borrows.
  const Json* value(const std::string& name);
  void fail(const std::string& name, const std::string& what);

  Status done();
  // Where a member stands, for errors.
  std::string place(const std::string& name) const;

 private:
  const Json* find(const std::string& name);

  const Json& json_;
  const std::string where_;
  std::set<std::string> known_;
  Status status_;
};

// --- values of the engine ------------------------------------------------------------------------

Json container_json(const ContainerInfo& info);
Json snapshot_json(const SnapshotInfo& info);
Json dropped_json(const DroppedInfo& info);
// `folder_path`: without a '/' at its end; the name alone in flat containers (`path` empty).
Json entry_json(const Entry& entry, std::string_view folder_path, bool flat);
Json object_json(const ObjectInfo& info, std::string_view path);
Json folder_json(const FolderInfo& info, std::string_view path);
Json attributes_json(const Attributes& attributes);
Json lock_json(const ObjectLock& lock);
Json standing_json(const Standing& standing);
Json clone_result_json(const CloneResult& result);
// '"<content id>"'.
std::string etag_of(const ObjectInfo& info);

// As the members of a PATCH (RFC 7396): what is not there stays, null empties.
Status patch_metadata(const Json& json, const std::string& where, Metadata& metadata);
Status patch_attributes(const Json& json, const std::string& where, Attributes& attributes);
// What whoever runs the service says of an object: "archival" and "sponsored".
Status patch_standing(const Json& json, const std::string& where, Standing& standing);
Status patch_lock(const Json& json, const std::string& where, ObjectLock& lock);

}  // namespace ramet::serve::rest
