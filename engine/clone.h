// Cloning: select x identity x carry x target, one operation for every face (DESIGN 10).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/object.h"

namespace ramet {

enum class CloneIdentity : uint8_t {
  kKeep,   // objects keep their ids (the default of a whole-container clone)
  kFresh,  // every object gets a new id
};

enum class CloneExisting : uint8_t {
  kFail,     // a name (or, keeping ids, an object) that is already there fails the clone
  kSkip,     // it is left as it is and reported
  kReplace,  // objects are replaced, folders merged
};

struct CloneSpec {
  ContainerId source;
  std::string snapshot;  // of the source; empty: its head

  // Selection: empty means the whole container.
  std::vector<std::string> paths;

  // Target: a new container with this name (whole-container clones only) ...
  std::string new_container;
  // ... or a folder of an existing one. Missing folders of the path are created. With one
  // selected path, `target_name` may rename it on the way.
  ContainerId target;
  std::string target_folder;
  std::string target_name;

  CloneIdentity identity = CloneIdentity::kKeep;
  CloneExisting existing = CloneExisting::kFail;
  bool history = false;  // earlier versions and deletions come along (whole containers only)
  std::string note;
  int64_t expires = 0;  // of a new container: dropped from then on; 0: never
};

struct CloneResult {
  ContainerId container;        // the target
  Sequence sequence = 0;        // of the commit
  uint64_t objects_created = 0; // for a whole container: all of its objects
  uint64_t folders_created = 0;
  uint64_t bytes_shared = 0;    // logical content bytes that are shared, not copied
  std::vector<std::string> skipped;  // target paths that existed (kSkip)
};

}  // namespace ramet
