// StoreImpl: puts the parts together. Lifetimes: env > blocks > cache, trees > map, log > queue.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/block/block_cache.h"
#include "engine/block/block_store.h"
#include "engine/container/catalog.h"
#include "engine/container/record_space.h"
#include "engine/content/content_stream.h"
#include "engine/content/stat_cache.h"
#include "engine/index/dedupe_index.h"
#include "engine/log/commit_log.h"
#include "engine/recovered_store.h"
#include "engine/space/ballast.h"
#include "engine/space/recount.h"
#include "engine/space/space.h"
#include "engine/store.h"
#include "format/keys.h"
#include "io/worker_pool.h"

namespace ramet::engine {

class AccessControlImpl;

class StoreImpl : public Store, private RecoveredStore {
 public:
  StoreImpl(std::string path, StoreOptions options);
  ~StoreImpl() override;

  Status open();

  Status close() override;
  Result<ContainerInfo> create_container(const std::string& name, const std::string& note,
                                         const std::vector<Setting>& settings, int64_t expires,
                                         ContainerForm form) override;
  Result<ContainerInfo> container(const std::string& name) override;
  Result<ContainerInfo> container(ContainerId id) override;
  Status containers(std::string_view after,
                    const std::function<bool(const ContainerInfo&)>& visit) override;
  Status rename_container(ContainerId id, const std::string& name) override;
  Status drop_container(ContainerId id, const DropOptions& options) override;
  Result<SnapshotInfo> create_snapshot(ContainerId container, const std::string& name,
                                       const std::string& note) override;
  Result<SnapshotInfo> create_snapshot(ContainerId container, const std::string& name,
                                       const SnapshotOptions& options) override;
  Status snapshots(ContainerId container,
                   const std::function<bool(const SnapshotInfo&)>& visit) override;
  Status drop_snapshot(ContainerId container, const std::string& name,
                       const DropOptions& options) override;
  Status dropped(const std::function<bool(const DroppedInfo&)>& visit) override;
  Result<UndeleteResult> undelete(DropNumber number, const std::string& as) override;
  Result<RollbackResult> rollback(ContainerId container, const std::string& snapshot) override;
  Result<PruneReport> prune_snapshots(ContainerId container,
                                      const PruneOptions& options) override;
  Status set_expiry(ContainerId container, const std::string& snapshot, int64_t expires) override;
  Status set_setting(std::optional<ContainerId> container, const std::string& name,
                     const std::optional<std::string>& value) override;
  Result<std::vector<SettingInfo>> settings(std::optional<ContainerId> container) override;
  Result<std::shared_ptr<const View>> view(ContainerId container,
                                           const std::string& snapshot) override;
  Result<TypeNumber> intern_type(std::string_view name) override;
  Result<std::string> type_name(TypeNumber number) override;
  Result<std::vector<ContainerId>> holders(ObjectId object,
                                           std::span<const ContainerId> among) override;
  Result<std::vector<ContainerId>> record_holders(TypeNumber type, ObjectId id) override;
  Result<std::unique_ptr<Transaction>> begin(ContainerId container) override;
  void commit_async(std::unique_ptr<Transaction> transaction, CommitHandler handler) override;
  AccessControl& access() override;
  Result<CloneResult> clone(const CloneSpec& spec) override;
  Status diff(const View& older, const View& newer,
              const std::function<bool(const Difference&)>& visit, DiffStats* stats) override;
  Status checkpoint() override;
  Result<ReclaimReport> reclaim(const ReclaimOptions& options) override;
  std::shared_ptr<void> verify_hits() override { return blocks_->verify_hits(); }
  Sequence visible_sequence() const override { return queue_->durable_sequence(); }
  Result<StoreInfo> info() override;
  Result<WouldFree> would_free(const std::vector<UsageTarget>& targets,
                               const UsageProgress& progress) override;
  Result<StoreUsage> usage(const std::vector<UsageTarget>& targets,
                           const UsageProgress& progress) override;

  // --- for the engine's own parts ------------------------------------------------------------
  // Commits, starts what became due, and retries once with the ballast given up if the request
  // frees space and the disk is full.
  Result<Sequence> commit(CommitRequest& request, bool frees_space);
  // The next commit waits for a checkpoint.
  bool checkpoint_is_far_behind();
  // Without waiting for the sync (CommitQueue::commit_async); for what does not free space.
  void commit_async(CommitRequest& request, CommitQueue::Done done);
  TreeContext& context() { return context_; }
  BlockStore& blocks() { return *blocks_; }
  DedupeIndex* index() { return index_.get(); }
  CommitQueue& queue() { return *queue_; }
  // Of the last checkpoint; concurrent ones wait.
  Result<Recount> recount_references();
  // For imports; opened by the first one.
  StatCache& stat_cache();
  // Threads that compress; null where everything runs in the calls themselves.
  io::WorkerPool* encoders() { return options_.background ? &encoders_ : nullptr; }
  BlockCache& block_cache() { return block_cache_; }
  IdCiphers& ciphers() { return ciphers_; }
  // Threads that read ahead; null in the same case.
  StreamHelpers* stream_helpers() { return options_.background ? &stream_helpers_ : nullptr; }
  io::Env& env() { return *env_; }
  const StoreOptions& options() const { return options_; }
  Pins& pins() { return space_->pins(); }
  // Ids are taken from the store's sequence; random bits from the env.
  template <typename AnyId>
  AnyId new_id() {
    return make_id<AnyId>(queue_->take_ids(1), random_of_id());
  }
  // kFailedPrecondition after close().
  Status check_open() const;
  // The state that readers see.
  HeadState visible() const { return queue_->durable(); }

 private:
  // Why nothing can be committed now; starts, or does, what became due.
  Status before_commit(bool frees_space);
  // From the env, many at once: a system call for each would be a tenth of what an object costs.
  std::array<uint8_t, 16> random_of_id();
  // store_open.cc
  Status open_locked();
  Status make_durable();
  Status begin_life();
  void remove_old_logs();
  void index_recovered_blocks();
  Status rebuild_lost_index();

  // store_checkpoint.cc
  // `when_due`: unless another thread's made it unnecessary.
  Status checkpoint_now(bool closing, bool when_due = false);
  Status checkpoint_with_reserve(bool when_due);
  // By the store's setting in this state.
  void set_node_compression(const Root& catalog);
  Status write_trees(const HeadState& state, CheckpointRecord& record);
  Status record_segments(const HeadState& state, bool closing, CheckpointRecord& record);
  // store_drop.cc; they append what drops a thing to the operations on the catalog. `n` keeps
  // the snapshots of one commit apart.
  Status append_container_drop(const HeadState& head, const ContainerEntry& entry,
                               const DropOptions& options, std::vector<Operation>& operations);
  Status append_snapshot_drop(const HeadState& head, uint64_t n, const ContainerEntry& container,
                              const SnapshotEntry& snapshot, const DropOptions& options,
                              std::vector<Operation>& operations);
  Status undelete_container(const HeadState& head, const DropEntry& entry, const std::string& as,
                            std::vector<Operation>& operations, UndeleteResult& result);
  Status undelete_snapshot(const HeadState& head, const DropEntry& entry, const std::string& as,
                           std::vector<Operation>& operations, UndeleteResult& result);
  // kPermissionDenied: locks of its objects still hold (kObjectLockSetting).
  Status check_no_locks(const ContainerEntry& entry);
  // How long what was dropped can be taken back, in nanoseconds.
  Result<int64_t> drop_grace(const HeadState& head);
  bool is_nearly_full();
  // Whether the oldest entry of the drop queue may be released; `now`: whatever its age.
  Result<bool> drop_is_due(bool now);
  // Releases the oldest entries that are due; false if there are none.
  Result<bool> release_drops(bool now);

  // store_prune.cc
  Result<RetentionPolicy> retention_of(const HeadState& head, const ContainerRecord& record);
  Result<PruneReport> plan_prune(const HeadState& head, const ContainerEntry& entry,
                                 const PruneOptions& options);
  // What the container's own policy drops beside a new automatic snapshot.
  Status append_retention(const HeadState& head, const ContainerEntry& entry,
                          const SnapshotRecord& added, std::vector<Operation>& operations);

  // store_types.cc. nullopt: it was never interned.
  Result<std::optional<TypeNumber>> find_type(std::string_view name);

  // store_expiry.cc
  Status append_expired_drop(const HeadState& head, const ExpiresKey& key,
                             std::vector<Operation>& operations);
  // Drops what has expired, some of it at once; false if there was nothing.
  Result<bool> drop_expired();

  // store_reclaim.cc
  Result<bool> let_go(const ReclaimOptions& options);
  struct ReclaimPace {
    bool paused = false;
    uint64_t copy_rate = 0;  // bytes a second; 0: no limit
  };
  ReclaimPace reclaim_pace();
  uint64_t bytes_copied();
  bool has_uncounted();
  bool is_worth_reclaiming();
  uint64_t nodes_in_need();
  using Moment = std::chrono::steady_clock::time_point;
  Status sleep_for_rate(const ReclaimOptions& options, Moment begun, uint64_t copied);
  void reclaim_in_background();
  void reclaim_before_close();
  Result<std::vector<SpaceAction>> reclaim_plan();
  Status reclaim_checkpoint(const ReclaimOptions& options, ReclaimReport& report);
  Status release_step(const ReclaimOptions& options, ReclaimReport& report, bool* more);
  Status act(const std::vector<SpaceAction>& plan, size_t& next, const ReclaimOptions& options,
             ReclaimReport& report);
  Status reclaim_step(const ReclaimOptions& options, ReclaimReport& report, bool* more);
  Status reclaim_until_idle(const ReclaimOptions& options, ReclaimReport& report);

  uint64_t tidy_room();
  void trim_log(bool closing);
  void release_recorded();
  Status count_segments(StoreInfo& info);
  void add_life_stats(StoreInfo& info);
  // Bytes that a checkpoint would write: dirty nodes but for those that it cannot get rid of
  // (working copies, old states that views hold).
  uint64_t dirty_bytes();
  uint64_t dirty_bytes_max();
  bool checkpoint_due();
  void maintain();  // body of the background thread
  void stop_maintenance();
  void wake_maintenance();
  void use_reserve();
  bool give_up_reserve();
  Status check_reserve(bool frees_space);

  Result<CloneResult> clone_whole(const CloneSpec& spec);
  Result<CloneResult> clone_records(const CloneSpec& spec);

  // store_usage.cc
  struct UsageBase;
  Result<std::unique_ptr<UsageBase>> usage_base(bool with_files);

  std::unique_ptr<io::FileLock> lock_;
  std::unique_ptr<Space> space_;
  std::unique_ptr<CommitLog> log_;
  std::unique_ptr<CommitQueue> queue_;
  std::unique_ptr<DedupeIndex> index_;
  std::unique_ptr<Ballast> ballast_;
  io::WorkerPool encoders_;
  BlockCache block_cache_;
  IdCiphers ciphers_;
  StreamHelpers stream_helpers_{std::max(2u, std::thread::hardware_concurrency()) - 1};
  const std::unique_ptr<AccessControlImpl> access_;
  std::once_flag stat_cache_once_;
  std::unique_ptr<StatCache> stat_cache_;

  bool life_begun_ = false;  // both superblocks are of this life
  bool index_whole_ = false;  // it was found with everything that it once knew
  StoreId store_id_;
  Epoch epoch_ = 0;
  uint64_t open_nanoseconds_ = 0;

  std::mutex checkpoint_mu_;  // one checkpoint at a time
  // How the map has each own segment; guarded by checkpoint_mu_.
  struct Recorded {
    Slot slots = 0;
    SegmentState state = SegmentState::kOpen;
  };
  std::map<SegmentNo, Recorded> recorded_;
  std::mutex reclaim_mu_;     // one call of reclaim() at a time; taken before checkpoint_mu_
  SpaceStats reclaim_began_;  // guarded by checkpoint_mu_
  std::mutex space_seen_mu_;
  SpaceStats space_seen_;     // guarded by space_seen_mu_: for info()
  uint64_t release_max_ = 0;  // dead nodes that the next checkpoint releases
  bool tidy_map_ = false;     // the next checkpoint may write the whole map anew
  std::atomic<uint64_t> log_bytes_at_checkpoint_{0};
  std::mutex types_mu_;
  std::map<std::string, TypeNumber, std::less<>> types_;  // those that were asked for; types_mu_
  std::mutex random_mu_;
  std::vector<std::array<uint8_t, 16>> random_;  // guarded by random_mu_; each is used once
  std::atomic<uint64_t> dirty_max_{0};     // what the disk allowed when it was asked last,
  std::atomic<uint64_t> dirty_asked_{0};   // and how many dirty bytes there were
  std::atomic<int64_t> dirty_floor_{0};  // dirty bytes that the last checkpoint left, or less
  std::atomic<Sequence> checkpoint_sequence_{0};

  uint64_t reclaimed_at_ = 0;  // the maintenance thread's: checkpoint with nothing left to do
  uint64_t reclaim_due_ = 0;   // and when it looks again, by the monotonic clock

  std::thread maintenance_;
  std::mutex maintenance_mu_;
  std::condition_variable wake_;
  bool stop_ = false;          // guarded by maintenance_mu_
  std::atomic<bool> stopping_{false};
  std::atomic<bool> reserve_used_{false};  // the ballast was given up and is not back yet
  std::atomic<bool> closed_{false};
};

}  // namespace ramet::engine
