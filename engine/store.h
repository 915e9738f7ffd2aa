// Store: a set of containers over one log. Open one for each directory and process.
// Thread-safe: any number of readers, and writers that batch into one commit stream. Views and
// transactions must be destroyed before close().
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/clone.h"
#include "engine/keep.h"
#include "engine/object.h"
#include "engine/options.h"
#include "engine/settings.h"
#include "engine/transaction.h"
#include "engine/usage.h"
#include "engine/view.h"
#include "format/result.h"

namespace ramet {

class AccessControl;  // engine/access.h

// What `ramet info` prints. Bytes are of the device unless a line says otherwise.
struct StoreInfo {
  StoreId id;
  uint64_t epoch = 0;
  Sequence sequence = 0;           // last durable commit
  Sequence checkpoint_sequence = 0;
  std::string io;                  // "uring", "posix", "sim"
  bool read_only = false;
  std::string read_only_reason;    // empty unless an error or the caller made it so
  uint64_t containers = 0;
  uint64_t snapshots = 0;
  uint64_t dropped = 0;            // entries of the drop queue
  uint64_t logical_bytes = 0;      // content of all containers as if nothing were shared
  uint64_t objects = 0;            // of all containers
  uint64_t segments = 0;
  uint64_t segment_bytes = 0;      // allocated, by stream:
  uint64_t commit_bytes = 0, node_bytes = 0, data_bytes = 0, map_bytes = 0;
  uint64_t index_bytes = 0;
  uint64_t ballast_bytes = 0;
  uint64_t disk_available = 0;
  uint64_t dirty_bytes = 0;        // memory
  uint64_t node_cache_bytes = 0;   // memory
  uint64_t replayed_commits = 0;   // at the last open
  uint64_t open_nanoseconds = 0;   // how long the last open took
  uint64_t log_bytes_since_checkpoint = 0;
  // Since it was opened:
  uint64_t group_commits = 0;      // commits that are durable,
  // and the groups in which they were synced: those of up to 1, 2, 4, ..., 4096 commits.
  std::array<uint64_t, 13> commit_groups{};
  uint64_t node_cache_hits = 0, node_cache_misses = 0;
  uint64_t block_cache_bytes = 0;  // memory
  uint64_t block_cache_hits = 0, block_cache_misses = 0;
  // Checkpoints since the oldest reader or transaction that keeps space from being given back
  // began.
  uint64_t oldest_pin_checkpoints = 0;
  // Giving space back, as of the last moment when no checkpoint was being written:
  uint64_t reclaim_bytes_freed = 0, reclaim_bytes_copied = 0;
  uint64_t reclaim_nodes_pending = 0;
};

// Giving space back happens in the background of whoever has the store open for writing.
struct CopyProgress;  // engine/import.h

struct ReclaimOptions {
  // Says what would be done until idle, and gives nothing back. (It does follow what was dropped
  // before, by which nothing goes yet: a run from there on does exactly what was said.)
  bool dry_run = false;
  bool until_idle = false;  // go on until nothing is left to do; else one bounded step
  // Releases what was dropped though it could still be taken back. Not with `dry_run`, which takes
  // nothing away: kInvalidArgument.
  bool now = false;
  uint64_t nodes_max = 4096;         // dead tree nodes that a step follows
  uint64_t copy_bytes_max = 64 << 20;  // that a step copies when it compacts segments
  // Bytes a second that are copied on average; 0: no limit. Sleeps between steps.
  uint64_t copy_rate = 0;
  // Filled while it goes: files are dead nodes followed and known, and bytes those given back and,
  // once it is known, those to be given back in all. Its `cancel` ends the call between two steps,
  // with kCancelled; what was given back stays so.
  CopyProgress* progress = nullptr;
};

struct ReclaimAction {
  enum class Kind : uint8_t {
    kDelete,   // the whole segment goes
    kPunch,    // wide dead ranges become holes of its file
    kCompact,  // what is alive is copied, and the former file goes
  };
  Kind kind = Kind::kDelete;
  SegmentNo segment = 0;
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  friend bool operator==(const ReclaimAction&, const ReclaimAction&) = default;
};

struct ReclaimReport {
  std::vector<ReclaimAction> actions;  // done, or with dry_run to be done
  uint64_t steps = 0;
  uint64_t nodes_released = 0;  // dead tree nodes that were followed
  uint64_t nodes_pending = 0;   // that wait
  uint64_t nodes_damaged = 0;   // that could not be read: what they held stays until a repair
  uint64_t bytes_freed = 0;
  uint64_t drops_waiting = 0;   // dropped things that can still be taken back, and are kept
  bool out_of_space = false;    // something was left since there was no room for a copy
  bool idle = false;            // nothing is left to do now
  bool paused = false;          // the store's setting 'reclaim' keeps the background from it
};

// One difference between two roots, by path.
struct Difference {
  enum class Kind : uint8_t { kAdded, kRemoved, kContent, kAttributes, kRenamed };
  Kind kind = Kind::kAdded;
  std::string path;       // in the newer state (kRemoved: in the older)
  std::string old_path;   // kRenamed only
  EntryClass entry_class = EntryClass::kFile;
  uint64_t old_size = 0;
  uint64_t new_size = 0;
};

// What a comparison cost, by counters of the whole store: exact where nothing else runs.
struct DiffStats {
  uint64_t nodes_opened = 0;  // tree nodes that were looked into to find the difference
  uint64_t nodes_read = 0;    // from disk, these and those that lookups of paths needed
  uint64_t lookups = 0;       // of folders, for paths
};

class Store {
 public:
  // Makes a new store in `path` (created if missing; must be empty: kAlreadyExists, or
  // kFailedPrecondition if it holds something else). Durable when it returns.
  static Status create(const std::string& path, const StoreOptions& options);
  // Opens or recovers. kNotFound (no such directory), kFailedPrecondition (not a store), kBusy
  // (another process holds it: the message names its pid), kCorruption (damage before the end of
  // the log: names file and offset; read-only opening still works), kUnsupported (features).
  static Result<std::unique_ptr<Store>> open(const std::string& path,
                                             const StoreOptions& options);
  // Closes without a report if close() was not called.
  virtual ~Store() = default;
  // Writes a checkpoint and marks the store clean. Idempotent. Whatever it returns, calls after it
  // fail with kFailedPrecondition.
  virtual Status close() = 0;

  // Container names: 1 to 255 bytes, any but '/', ':', '@', NUL and newline; notes: at most 4096
  // bytes; settings as set_setting() takes them; kInvalidArgument. Its form stays.
  virtual Result<ContainerInfo> create_container(const std::string& name,
                                                 const std::string& note = {},
                                                 const std::vector<Setting>& settings = {},
                                                 int64_t expires = 0,
                                                 ContainerForm form = ContainerForm::kFolders) = 0;
  virtual Result<ContainerInfo> container(const std::string& name) = 0;  // kNotFound
  virtual Result<ContainerInfo> container(ContainerId id) = 0;
  // In name order, starting behind `after`, until `visit` returns false.
  virtual Status containers(std::string_view after,
                            const std::function<bool(const ContainerInfo&)>& visit) = 0;
  virtual Status rename_container(ContainerId id, const std::string& name) = 0;
  // One commit, whatever it holds: its root moves to the drop queue. Snapshots of the container
  // are dropped with it. Works on a full disk.
  virtual Status drop_container(ContainerId id, const DropOptions& options = {}) = 0;

  virtual Result<SnapshotInfo> create_snapshot(ContainerId container, const std::string& name,
                                               const std::string& note = {}) = 0;
  virtual Result<SnapshotInfo> create_snapshot(ContainerId container, const std::string& name,
                                               const SnapshotOptions& options) = 0;
  virtual Status snapshots(ContainerId container,
                           const std::function<bool(const SnapshotInfo&)>& visit) = 0;
  virtual Status drop_snapshot(ContainerId container, const std::string& name,
                               const DropOptions& options = {}) = 0;

  // What can be taken back, oldest first, until `visit` returns false.
  virtual Status dropped(const std::function<bool(const DroppedInfo&)>& visit) = 0;
  // Takes a container (with the snapshots that were dropped with it) or a snapshot back as it was,
  // under its old id and its old name, or `as`. One commit. What has expired meanwhile does not
  // expire any more. kNotFound: it was taken back, or its space was given back; kAlreadyExists: the
  // name is taken; kFailedPrecondition: the snapshot's container is dropped, too.
  virtual Result<UndeleteResult> undelete(DropNumber number, const std::string& as = {}) = 0;

  // Makes the container's head equal to its snapshot; the former head is kept as a new automatic
  // snapshot "before-rollback-N". One commit of a few hundred bytes, whatever they hold. Objects
  // keep their ids. Transactions that began before fail with kBusy. kNotFound, kQuotaExceeded.
  virtual Result<RollbackResult> rollback(ContainerId container, const std::string& snapshot) = 0;

  // Drops those snapshots of a container that a policy does not keep, in one commit. The same
  // options with `dry_run` say what that would do to the present state. kFailedPrecondition: no
  // policy is given and the container has none.
  virtual Result<PruneReport> prune_snapshots(ContainerId container,
                                              const PruneOptions& options) = 0;

  // When a container (empty `snapshot`) or snapshot expires: from then on whoever has the store
  // open for writing drops it, and it can be taken back as anything else. 0: never.
  virtual Status set_expiry(ContainerId container, const std::string& snapshot,
                            int64_t expires) = 0;

  // Sets a value of a container, or of the store (no `container`); no `value`: unsets it, so that
  // the one behind it holds again. One commit, none if nothing changes. kInvalidArgument names
  // what is wrong and what is allowed (engine/settings.h). Clones take over their source's values;
  // transactions that began before go on as they began.
  virtual Status set_setting(std::optional<ContainerId> container, const std::string& name,
                             const std::optional<std::string>& value) = 0;
  // What is in effect, by name: every known setting of the container (or of the store), and values
  // of later versions that are kept.
  virtual Result<std::vector<SettingInfo>> settings(std::optional<ContainerId> container) = 0;

  // The durable head (empty `snapshot`) or a snapshot, for reading.
  virtual Result<std::shared_ptr<const View>> view(ContainerId container,
                                                   const std::string& snapshot = {}) = 0;
  // Types of objects are numbers, which stand for names: the same one for the same name, for ever.
  // A new name, of 1 to 64 bytes of UTF-8 without control characters, gets the next number, in a
  // commit of its own; durable when it returns. kInvalidArgument.
  virtual Result<TypeNumber> intern_type(std::string_view name) = 0;
  virtual Result<std::string> type_name(TypeNumber number) = 0;  // kNotFound
  // Those of these containers that hold the object, in one state and in the order given; ones that
  // there are not are left out. A few look-ups for each, whatever they hold.
  virtual Result<std::vector<ContainerId>> holders(ObjectId object,
                                                   std::span<const ContainerId> among) = 0;
  // The containers in which such a record lives, in one state: by the id that it has there. A
  // look-up for each container of records in the store.
  virtual Result<std::vector<ContainerId>> record_holders(TypeNumber type, ObjectId id) = 0;
  virtual Result<std::unique_ptr<Transaction>> begin(ContainerId container) = 0;
  // Transaction::commit() for servers: does not wait for the sync. The handler is called once with
  // what commit() would have returned, after the transaction was destroyed: by this thread when it
  // failed at once, else by the one that made the commit durable. It must not wait for anything,
  // and may begin and commit other transactions. Where Transaction::waits_to_commit() it waits all
  // the same. close() waits for what was handed over before.
  using CommitHandler = std::function<void(Result<Sequence>)>;
  virtual void commit_async(std::unique_ptr<Transaction> transaction, CommitHandler handler) = 0;

  // Principals, their secrets and grants, and the audit log. Lives as long as the store is open.
  virtual AccessControl& access() = 0;

  // A whole container is O(1) [INV-5], and selecting types of records O(log n); other selections
  // cost by what is selected (or left out, of records), and share every block. Atomic and durable
  // when it returns.
  virtual Result<CloneResult> clone(const CloneSpec& spec) = 0;

  // What changed from one view to the other; cost by the difference, shared parts are skipped.
  // In order of paths. `*stats`, if given, is filled.
  virtual Status diff(const View& older, const View& newer,
                      const std::function<bool(const Difference&)>& visit,
                      DiffStats* stats = nullptr) = 0;

  // While what it returns lives, content that is found to be stored already is read before anything
  // leans on it, as with StoreOptions::verify_hits: for all transactions. To be gone before the
  // store is.
  virtual std::shared_ptr<void> verify_hits() = 0;

  // Writes the trees out so that the log before can go. Concurrent commits go on.
  virtual Status checkpoint() = 0;
  // Gives back what nothing reaches any more: follows dropped roots, deletes segments in which all
  // is dead, and copies those that are partly dead into a next generation. Beside readers and
  // writers; what they still need stays.
  virtual Result<ReclaimReport> reclaim(const ReclaimOptions& options) = 0;
  // The number of the newest commit that a look-up or view begun now sees at least. From memory,
  // for whoever keeps answers: as long as the number from before an answer was looked up stays, and
  // AccessControl::generation() with it, a new look-up would find the same.
  virtual Sequence visible_sequence() const = 0;
  virtual Result<StoreInfo> info() = 0;

  // Accounting. Both work on the newest checkpoint, and make one first where the store is open for
  // writing; commits, checkpoints and reclaim go on meanwhile. Bytes of what is given back anyway
  // count as gone. kNotFound names a target that is not there (kFailedPrecondition: not in the
  // checkpoint yet); a damaged node is kCorruption, and then there are no figures at all.
  //
  // What dropping all targets together (none: all containers) would free. Costs by what that is,
  // not by the size of the store.
  virtual Result<WouldFree> would_free(const std::vector<UsageTarget>& targets,
                                       const UsageProgress& progress = {}) = 0;
  // Every byte of the store directory, with lines of their own for the targets (none: for all
  // containers, by name); a target must not include another one (kInvalidArgument). Reads each
  // tree node once, those that a target holds alone twice, and no content; memory: some 12 bytes
  // for each block, 20 for each node.
  virtual Result<StoreUsage> usage(const std::vector<UsageTarget>& targets,
                                   const UsageProgress& progress = {}) = 0;
};

}  // namespace ramet
