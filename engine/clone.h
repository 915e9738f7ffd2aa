// Cloning: select x identity x carry x target, one operation for every face (DESIGN 10).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/object.h"

namespace ramet {

class Transaction;

enum class CloneIdentity : uint8_t {
  kKeep,   // objects keep their ids (the default of a whole-container clone)
  kFresh,  // every object gets a new id; a new container of records always does this
};

enum class CloneExisting : uint8_t {
  kFail,     // a name (or, keeping ids, an object) that is already there fails the clone
  kSkip,     // it is left as it is and reported
  kReplace,  // objects are replaced, folders merged
};

// Why an object, or a folder, keeps a clone by ids from being made.
enum class CloneRefusalReason : uint8_t {
  kNotClosed,
  kNeverCloned,  // CloneRule::kNever
  kTransition,   // it is being archived or unarchived
  kNotLive,      // with only_live
  kSponsored,    // with no_sponsored
  kHeld,         // by one of `not_held_by`: these are told all, up to kCloneRefusalsMax
  kFolderThere,  // the target has a folder of this name
};
struct CloneRefusal {
  CloneRefusalReason reason = CloneRefusalReason::kNotClosed;
  ObjectId object;     // null for a folder
  ContainerId holder;  // kHeld
  std::string folder;  // the selected path that led to it; empty: none, it is one of `objects`
};
inline constexpr size_t kCloneRefusalsMax = 1000;

struct CloneSpec {
  ContainerId source;
  std::string snapshot;  // of the source; empty: its head

  // Selection: empty means the whole container.
  std::vector<std::string> paths;
  // Beside it, or alone: objects by id, straight into the target folder. `by_id` below.
  std::vector<ObjectId> objects;

  // Records, which are cloned into a new container. What of them comes along: those of `types`
  // (none given: of all), without those of `without_types`; of these, `ids` (none given: all),
  // without `without_ids`; ids are the source's, and ones that there are not are passed over. The
  // record that stands for the container (docs/architecture.md#records) always does. As soon as
  // anything is selected or left out, files of records come along exactly with what refers to
  // them, or if they are listed; none of `without_ids` does.
  std::vector<TypeNumber> types, without_types;
  std::vector<ObjectId> ids, without_ids;
  // Changes the clone in the same commit, by the ids that it shows. It may be called several times,
  // each time on a transaction that begins anew; it must not commit it. An error ends the clone.
  // Containers of records alone.
  std::function<Status(Transaction&)> edit;

  // Target: a new container with this name (whole-container clones only) ...
  std::string new_container;
  // ... or a folder of an existing one. Missing folders of the path are created. With one
  // selected path, `target_name` may rename it on the way.
  ContainerId target;
  std::string target_folder;
  std::string target_name;

  CloneIdentity identity = CloneIdentity::kKeep;
  CloneExisting existing = CloneExisting::kFail;
  // Objects are told apart by their ids alone, and keep them (docs/architecture.md#titles): each is
  // cloned once, however often it is selected, and first as one of `objects`. One that the target
  // has is left as it is and reported; names that are taken become titles. All must be closed, or
  // their CloneRule says otherwise. Hidden ones come along if they are listed, or if one that comes
  // along links to them (others, if the link says that it requires them): where they stand in a
  // selected folder, else to the target folder. Selected folders must be new in the target.
  // Requires: another container as the target.
  bool by_id = false;
  bool only_live = false;  // with by_id: archived objects are refused; transitions always are
  bool no_sponsored = false;  // with by_id: sponsored objects are refused
  std::vector<ContainerId> not_held_by;  // with by_id: so are new ones that one of these holds
  // Filled where the clone fails for what objects are (kFailedPrecondition); null: nobody asks.
  std::vector<CloneRefusal>* refusals = nullptr;
  bool parents = true;  // missing folders of target_folder are made; else kNotFound
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
  std::vector<ObjectId> existing;    // with by_id: what the target had already, ascending
};

}  // namespace ramet
