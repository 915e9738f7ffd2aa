// Uploads: the parts of files that are still open. A part is an object of the staging container,
// "files/CONTAINER/OBJECT/00001"; closing the file shares the blocks of its parts, in the order of
// their numbers, in one transaction. Parts may come in any order, and again: the last one counts.
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tools/serve/dnanexus/parts.h"
#include "tools/serve/staging.h"

namespace ramet::serve::dnanexus {

// A file and where it is open.
struct OpenFile {
  ContainerId container;
  ObjectId object;
  friend auto operator<=>(const OpenFile&, const OpenFile&) = default;
};

class Uploads {
 public:
  Uploads(Store& store, Workers& workers)
      : store_(store), workers_(workers), staging_(store, workers) {}

  // A URL was handed out for this part: until it came, or the daemon ends, it is awaited.
  void expect(const OpenFile& file, uint32_t index);
  // Those that were awaited last, ascending.
  std::vector<uint32_t> awaited(const OpenFile& file);

  // Stores a part, durably, if it has this size and MD5 (32 hexadecimal digits; empty: any).
  // kInvalidArgument: it has not, and nothing was stored.
  Task<Status> store(const OpenFile& file, const Part& part, Body& body);

  // Those that came, ascending. Waits.
  Result<std::vector<Part>> parts(const OpenFile& file);
  // The same, and appends their content in this order. The transaction must have begun before.
  Result<std::vector<Part>> append_to(ContentWriter& writer, const OpenFile& file);
  // Removes them: the file is closed, or gone.
  Task<Status> forget(OpenFile file);

  // Removes parts of files that are not open any more, whoever closed or removed them. Waits.
  Status sweep();

  // A secret of the store that signs URLs; made when it is first asked for. Waits.
  Result<Bytes> key();

 private:
  struct Staged {
    std::shared_ptr<const View> view;
    std::vector<std::pair<Part, ObjectId>> parts;
  };
  Result<Staged> staged(const OpenFile& file);
  Result<bool> is_open(const std::string& container, const std::string& object);

  Store& store_;
  Workers& workers_;
  Staging staging_;
  std::mutex mutex_;
  struct Awaited {
    uint64_t since = 0;  // ascending with each call of expect()
    std::set<uint32_t> parts;
  };
  std::map<OpenFile, Awaited> awaited_;  // guarded by mutex_, as the two below
  uint64_t expected_ = 0;
  Bytes key_;                                       // the same; empty: not read yet
};

}  // namespace ramet::serve::dnanexus
