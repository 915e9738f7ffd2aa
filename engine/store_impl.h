// StoreImpl: puts the parts together. Lifetimes: env > blocks > cache, trees > map, log > queue.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/container/checkpoint_record.h"
#include "engine/container/commit_queue.h"
#include "engine/container/node_stores.h"
#include "engine/container/segment_map.h"
#include "engine/index/dedupe_index.h"
#include "engine/log/commit_log.h"
#include "engine/log/recovery.h"
#include "engine/log/superblock_store.h"
#include "engine/space/ballast.h"
#include "engine/store.h"

namespace ramet::engine {

// What one leaf entry adds to summaries (docs/format.md#trees): catalog entries add what their
// trees hold, container entries by their key space.
Summary summarize_entry(ByteView key, ByteView value);

class StoreImpl : public Store {
 public:
  StoreImpl(std::string path, StoreOptions options);
  ~StoreImpl() override;

  Status open();

  Status close() override;
  Result<ContainerInfo> create_container(const std::string& name,
                                         const std::string& note) override;
  Result<ContainerInfo> container(const std::string& name) override;
  Result<ContainerInfo> container(ContainerId id) override;
  Status containers(std::string_view after,
                    const std::function<bool(const ContainerInfo&)>& visit) override;
  Status rename_container(ContainerId id, const std::string& name) override;
  Status drop_container(ContainerId id) override;
  Result<SnapshotInfo> create_snapshot(ContainerId container, const std::string& name,
                                       const std::string& note) override;
  Status snapshots(ContainerId container,
                   const std::function<bool(const SnapshotInfo&)>& visit) override;
  Status drop_snapshot(ContainerId container, const std::string& name) override;
  Result<std::shared_ptr<const View>> view(ContainerId container,
                                           const std::string& snapshot) override;
  Result<std::unique_ptr<Transaction>> begin(ContainerId container) override;
  Result<CloneResult> clone(const CloneSpec& spec) override;
  Status diff(const View& older, const View& newer,
              const std::function<bool(const Difference&)>& visit) override;
  Status checkpoint() override;
  Result<StoreInfo> info() override;

  // --- for the engine's own parts ------------------------------------------------------------
  // Commits, starts what became due, and retries once with the ballast given up if the request
  // frees space and the disk is full.
  Result<Sequence> commit(CommitRequest& request, bool frees_space);
  TreeContext& context() { return context_; }
  BlockStore& blocks() { return *blocks_; }
  DedupeIndex* index() { return index_.get(); }
  CommitQueue& queue() { return *queue_; }
  io::Env& env() { return *env_; }
  const StoreOptions& options() const { return options_; }
  // Ids are taken from the store's sequence; random bits from the env.
  template <typename AnyId>
  AnyId new_id() {
    std::array<uint8_t, 16> random;
    env_->random({reinterpret_cast<char*>(random.data()), random.size()});
    return make_id<AnyId>(queue_->take_ids(1), random);
  }
  // kFailedPrecondition after close().
  Status check_open() const;
  // The state that readers see.
  HeadState visible() const { return queue_->durable(); }

 private:
  // store_open.cc
  Status open_locked();
  Status load_checkpoint(const Superblock& superblock);
  Status recover(const Superblock& superblock);
  Status register_crashed_segments();
  Status register_crashed(SegmentNo number);
  Status begin_life();
  void remove_old_logs();
  void index_recovered_blocks();
  Status rebuild_lost_index();

  // store_checkpoint.cc
  // `when_due`: unless another thread's made it unnecessary.
  Status checkpoint_now(bool closing, bool when_due = false);
  Status checkpoint_with_reserve(bool when_due);
  Status write_trees(const HeadState& state, CheckpointRecord& record);
  Status record_segments(Sequence sequence, bool closing, CheckpointRecord& record);
  Status write_frames(const CheckpointRecord& record, Superblock& superblock);
  void trim_log(bool closing);
  void release_recorded();
  Status count_segments(StoreInfo& info);
  // Bytes that a checkpoint would write: dirty nodes but for those that it cannot get rid of
  // (working copies, old states that views hold).
  uint64_t dirty_bytes();
  bool checkpoint_due();
  void maintain();  // body of the background thread
  void stop_maintenance();
  void wake_maintenance();
  bool give_up_reserve();
  Status check_reserve(bool frees_space);

  Result<CloneResult> clone_whole(const CloneSpec& spec);

  const std::string path_;
  StoreOptions options_;
  std::shared_ptr<io::Env> env_;
  std::unique_ptr<io::FileLock> lock_;
  std::unique_ptr<SuperblockStore> superblocks_;
  std::unique_ptr<BlockStore> blocks_;
  std::unique_ptr<NodeCache> cache_;
  std::unique_ptr<NodeStreamStore> nodes_;
  TreeContext context_;
  std::unique_ptr<SegmentMap> map_;
  std::unique_ptr<CommitLog> log_;
  std::unique_ptr<CommitQueue> queue_;
  std::unique_ptr<DedupeIndex> index_;
  std::unique_ptr<Ballast> ballast_;

  // What recovery found; set while opening.
  CheckpointRecord checkpoint_;
  HeadState state_;
  SegmentNo next_segment_ = 1;
  bool crashed_ = false;
  bool index_whole_ = false;  // it was found with everything that it once knew
  StoreId store_id_;
  Epoch epoch_ = 0;
  std::optional<Error> damage_;
  uint64_t replayed_commits_ = 0;
  uint64_t replayed_bytes_ = 0;
  uint64_t open_nanoseconds_ = 0;
  std::vector<SegmentNo> old_logs_;      // commit segments that the walk went through
  std::vector<SegmentNo> crashed_logs_;  // commit segments of the crashed life

  std::mutex checkpoint_mu_;  // one checkpoint at a time
  // How the map has each own segment; guarded by checkpoint_mu_.
  struct Recorded {
    Slot slots = 0;
    SegmentState state = SegmentState::kOpen;
  };
  std::map<SegmentNo, Recorded> recorded_;
  std::atomic<uint64_t> log_bytes_at_checkpoint_{0};
  std::atomic<int64_t> dirty_floor_{0};  // dirty bytes that the last checkpoint left, or less
  std::atomic<Sequence> checkpoint_sequence_{0};

  std::thread maintenance_;
  std::mutex maintenance_mu_;
  std::condition_variable wake_;
  bool stop_ = false;          // guarded by maintenance_mu_
  std::atomic<bool> stopping_{false};
  std::atomic<bool> reserve_used_{false};  // the ballast was given up and is not back yet
  std::atomic<bool> closed_{false};
};

}  // namespace ramet::engine
