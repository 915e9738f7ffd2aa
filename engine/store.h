// Store: a set of containers over one log. Open one for each directory and process.
// Thread-safe: any number of readers, and writers that batch into one commit stream. Views and
// transactions must be destroyed before close().
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/clone.h"
#include "engine/object.h"
#include "engine/options.h"
#include "engine/transaction.h"
#include "engine/view.h"
#include "format/result.h"

namespace ramet {

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
  // bytes; kInvalidArgument.
  virtual Result<ContainerInfo> create_container(const std::string& name,
                                                 const std::string& note = {}) = 0;
  virtual Result<ContainerInfo> container(const std::string& name) = 0;  // kNotFound
  virtual Result<ContainerInfo> container(ContainerId id) = 0;
  // In name order, starting behind `after`, until `visit` returns false.
  virtual Status containers(std::string_view after,
                            const std::function<bool(const ContainerInfo&)>& visit) = 0;
  virtual Status rename_container(ContainerId id, const std::string& name) = 0;
  // One commit, whatever it holds: its root moves to the drop queue. Snapshots of the container
  // are dropped with it. Works on a full disk.
  virtual Status drop_container(ContainerId id) = 0;

  virtual Result<SnapshotInfo> create_snapshot(ContainerId container, const std::string& name,
                                               const std::string& note = {}) = 0;
  virtual Status snapshots(ContainerId container,
                           const std::function<bool(const SnapshotInfo&)>& visit) = 0;
  virtual Status drop_snapshot(ContainerId container, const std::string& name) = 0;

  // The durable head (empty `snapshot`) or a snapshot, for reading.
  virtual Result<std::shared_ptr<const View>> view(ContainerId container,
                                                   const std::string& snapshot = {}) = 0;
  virtual Result<std::unique_ptr<Transaction>> begin(ContainerId container) = 0;

  // A whole container is O(1) [INV-5]; folders and objects into an existing container cost by
  // what is selected, and share every block. Atomic and durable when it returns.
  virtual Result<CloneResult> clone(const CloneSpec& spec) = 0;

  // What changed from one view to the other; cost by the difference, shared parts are skipped.
  virtual Status diff(const View& older, const View& newer,
                      const std::function<bool(const Difference&)>& visit) = 0;

  // Writes the trees out so that the log before can go. Concurrent commits go on.
  virtual Status checkpoint() = 0;
  virtual Result<StoreInfo> info() = 0;
};

}  // namespace ramet
