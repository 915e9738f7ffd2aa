// What is known about one name in a store, as text and as JSON: shared by ls, tree and stat.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/view.h"
#include "tools/output.h"

namespace ramet::tools {

// An entry with its attributes, whichever kind it is.
struct EntryDetails {
  Attributes attributes;
  int64_t created = 0;
  uint64_t links_count = 1;
  std::string target;      // of a symbolic link
  ContentHash content_id;  // zero for what has no content
};
Result<EntryDetails> read_details(const View& view, const Entry& entry);

// Names of users and groups of this machine, each looked up once. Not thread-safe.
class OwnerNames {
 public:
  std::string user(uint32_t uid);
  std::string group(uint32_t gid);

 private:
  std::map<uint32_t, std::string> users_;
  std::map<uint32_t, std::string> groups_;
};

// "name", or "name/" for a folder.
std::string listed_name(const Entry& entry, const TextStyle& style);

// name, path, class, size, id.
Json entry_json(const Entry& entry, std::string_view path);
// Adds mode, owner, times, links, target, content id.
void add_details(Json& json, const Entry& entry, const EntryDetails& details);

}  // namespace ramet::tools
