// AccessEntries: reads all entries of access control and says where they do not agree, and what
// would make them: for fsck and for repairs. Nothing that it does gives anybody more access.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/access.h"
#include "format/bytes.h"
#include "format/keys.h"

namespace ramet::engine {

// Not thread-safe. Keeps the keys of all entries but the audit log's.
class AccessEntries {
 public:
  // An entry of one of these spaces; others are passed over. kCorruption: it cannot be decoded (and
  // does not count).
  Status add(ByteView key, ByteView value);
  // A container that there is, or that can be taken back.
  void add_container(const ContainerId& id) { containers_.insert(id); }

  struct Fix {
    Bytes key;
    bool erases = false;
    Bytes value;  // to be put
    std::string what;
  };
  // What is wrong, and mends it; once everything was added. Later ones count on those before.
  std::vector<Fix> fixes() const;

 private:
  bool is_group(const PrincipalId& id) const;

  std::map<PrincipalId, Principal> principals_;
  std::map<Bytes, PrincipalId> secrets_;  // key -> of whom
  std::map<Bytes, GrantKey> grants_;
  std::map<Bytes, ContainerId> accesses_;
  std::map<Bytes, std::set<std::pair<Bytes, Bytes>>> leading_;  // what should lead to each
  std::set<std::pair<Bytes, Bytes>> found_;  // what leads somewhere
  std::set<ContainerId> containers_;
};

}  // namespace ramet::engine
