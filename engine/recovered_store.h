// RecoveredStore: what the files of a store directory say. The newest superblock whose checkpoint
// can be read, that checkpoint's trees, and behind it the commits of the log, applied in memory.
// Reads only, and takes no lock: StoreImpl begins with it, fsck looks through it.
//
// Not thread-safe but for what its parts are.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/container/checkpoint_record.h"
#include "engine/container/commit_queue.h"
#include "engine/container/node_stores.h"
#include "engine/container/segment_map.h"
#include "engine/log/recovery.h"
#include "engine/log/superblock_store.h"
#include "engine/tree/node_cache.h"

namespace ramet::engine {

class RecoveredStore {
 public:
  RecoveredStore(std::string path, const StoreOptions& options);
  virtual ~RecoveredStore() = default;
  RecoveredStore(const RecoveredStore&) = delete;
  RecoveredStore& operator=(const RecoveredStore&) = delete;

  // kNotFound (no such directory), kFailedPrecondition (not a store), kCorruption (neither
  // superblock is valid), kUnsupported (features).
  Status load_superblocks(bool for_writing);
  // Goes on to checkpoint and log. kCorruption: no checkpoint can be read. A log that is damaged is
  // no error: damage() tells, and the state is the one before it. `probe`: looks for segments of a
  // crashed life also after a clean close, as who wants to write must. Without `with_log`: only the
  // checkpoint, as while another process writes. Call once.
  Status recover(bool probe, bool with_log = true);
  // Instead of both: from a checkpoint that no superblock leads to. Of `found` counts what tells
  // the store (id, secret, epoch) and its checkpoint. superblocks() must not be called then.
  Status recover_from(const Superblock& found);

  const std::string& path() const { return path_; }
  SuperblockStore& superblocks() { return *superblocks_; }
  BlockStore& blocks() { return *blocks_; }
  SegmentMap& map() { return *map_; }
  TreeContext& context() { return context_; }
  const CheckpointRecord& checkpoint() const { return checkpoint_; }
  // The state behind the log: what readers of the store would see.
  const HeadState& state() const { return state_; }
  // Why the log could not be read to its end.
  const std::optional<Error>& damage() const { return damage_; }
  uint64_t replayed_commits() const { return replayed_commits_; }

 protected:
  // What tells of segments: the map, unless a repair knows better.
  virtual SegmentDirectory& directory() { return *map_; }
  void set_up(const Superblock& superblock);
  // Whether what recovery does not find is given up.
  virtual bool gives_up_what_is_lost() const { return !options_.read_only; }
  Status load_checkpoint(const Superblock& superblock);
  Status replay(const Superblock& superblock);
  Status compare_with_map();
  Status register_crashed_segments();
  Status register_crashed(SegmentNo number);
  bool may_be_over(const Error& error) const;

  const std::string path_;
  StoreOptions options_;
  std::shared_ptr<io::Env> env_;
  std::unique_ptr<SuperblockStore> superblocks_;
  std::unique_ptr<BlockStore> blocks_;
  std::unique_ptr<NodeCache> cache_;
  std::unique_ptr<NodeStreamStore> nodes_;
  TreeContext context_;
  std::unique_ptr<SegmentMap> map_;

  CheckpointRecord checkpoint_;
  HeadState state_;
  SegmentNo next_segment_ = 1;
  bool crashed_ = false;
  std::optional<Error> damage_;
  uint64_t replayed_commits_ = 0;
  uint64_t replayed_bytes_ = 0;
  std::vector<SegmentNo> old_logs_;      // commit segments that the walk went through
  std::vector<SegmentNo> unsynced_segments_;  // of the crashed life, that lost all they had
  std::vector<SegmentNo> headless_files_;     // nothing in them was ever synced
  std::vector<SegmentNo> crashed_logs_;  // commit segments of the crashed life
  // Where in a segment of the crashed life begins what nobody knows to be durable (else: at 0).
  std::map<SegmentNo, uint64_t> uncertain_from_;
};

}  // namespace ramet::engine
