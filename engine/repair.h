// Repair: what fsck finds, mended as far as it can be, without changing a byte that is there.
//
// A repair writes what differs beside what it found, then a new checkpoint, then the superblocks;
// what it replaces stays: until accept_repair() nothing at all is removed from the store, so that
// undo_repair() brings the former state back, bit for bit. What cannot be saved is named, object by
// object; what is left of it is put under "lost+found" in its container.
//
// All functions take the store for themselves (kBusy if a process has it open), are not to be
// called for one store at a time by several threads, and may be run again after a crash.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "format/ids.h"
#include "format/result.h"
#include "io/env.h"

namespace ramet {

struct CopyProgress;  // engine/import.h

// Where what is left of objects is put, in the root folder of their container.
inline constexpr std::string_view kLostAndFound = "lost+found";

enum class Outcome : uint8_t {
  kMended,  // as it was: nothing of it is lost
  kOlder,   // as it was at an earlier commit, in part or as a whole: what changed since is lost
  kMoved,   // what is left of it is in lost+found
  kLost,    // nothing of it could be saved
};
std::string_view outcome_name(Outcome outcome);  // "mended", "older", "moved", "lost"

// One thing that a repair does, or would do.
struct RepairStep {
  Outcome outcome = Outcome::kMended;
  std::string container;  // name; empty: it is about the store
  std::string snapshot;
  std::string path;       // of the object or folder, as far as it is known
  std::string saved_as;   // kMoved: its path now
  std::optional<IdBytes> id;
  std::string message;    // what was wrong, and what is done
};

struct RepairOptions {
  std::shared_ptr<io::Env> env;  // null: the default
  bool apply = false;     // else nothing is written: a plan
  bool data = false;      // reads every block, too
  // Believes no superblock, map, footer or catalog's totals: rebuilds the store from its segments.
  // Needed when both superblocks are lost; reads everything.
  bool scavenge = false;
  unsigned threads = 0;   // 0: one for each processor
  uint64_t node_cache_bytes = 64u << 20;
  CopyProgress* progress = nullptr;  // its `cancel` ends it with kCancelled; nothing is changed
};

struct RepairReport {
  uint64_t mended = 0, older = 0, moved = 0, lost = 0;  // steps
  bool is_whole() const { return older + moved + lost == 0; }
  uint64_t sequence = 0;     // the last commit that is in the state
  uint64_t containers = 0, snapshots = 0, objects = 0;  // that it has
  uint64_t segments = 0;     // copied, because their files are damaged
  bool applied = false;      // something was written
};

// Finds what is wrong and calls `report` for each step, in order. With `apply`: everything that was
// written is durable when it returns; before the superblocks are written (the last thing) a crash
// leaves the store as it was. Nothing to mend: nothing is written, and there is nothing to undo.
// kNotFound, kFailedPrecondition (no store; an earlier repair was neither accepted nor undone),
// kBusy, kCorruption (not even a segment's header can be read), kOutOfSpace, kIoError, kCancelled.
Result<RepairReport> repair(const std::string& path, const RepairOptions& options,
                            const std::function<void(const RepairStep&)>& report);

struct RepairState {
  bool can_undo = false;      // a repair was applied, and not accepted yet
  uint64_t commits_since = 0; // that undoing it would lose
};
Result<RepairState> repair_state(const std::string& path, std::shared_ptr<io::Env> env = nullptr);

// The store is again what it was before the repair: superblocks bit for bit, and none of the files
// that were made since. kFailedPrecondition: there is nothing to undo, or commits were made since
// and `discard_commits` is not set.
Status undo_repair(const std::string& path, bool discard_commits,
                   std::shared_ptr<io::Env> env = nullptr);

// The repair is for good: what it replaced may be given back from now on (by whoever next has the
// store open for writing). kFailedPrecondition: there is none.
Status accept_repair(const std::string& path, std::shared_ptr<io::Env> env = nullptr);

}  // namespace ramet
