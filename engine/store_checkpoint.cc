// Checkpoints, the background thread, and closing.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "engine/access/access_control.h"
#include "engine/container/checkpoint_frames.h"
#include "engine/store_impl.h"
#include "engine/tree/persist.h"

namespace ramet::engine {
namespace {

constexpr auto kIdleInterval = std::chrono::milliseconds(200);
// A checkpoint begins a new commit segment when the old one is at least this big, so that the
// space of the log before it comes back.
constexpr uint64_t kRollBytes = 1u << 20;
// Closed segments whose slot tables wait in memory for a checkpoint to record them.
constexpr size_t kOwnSegmentsMax = 64;
// The index's newest entries are written out at a checkpoint when there are this many.
constexpr uint64_t kIndexFlushEntries = 1u << 14;

}  // namespace

Status StoreImpl::checkpoint() {
  RAMET_TRY(check_open());
  if (options_.read_only) return Error(ErrorCode::kFailedPrecondition, "the store is read-only");
  return checkpoint_with_reserve(false);
}

Status StoreImpl::checkpoint_with_reserve(bool when_due) {
  Status status = checkpoint_now(false, when_due);
  if (status.ok() || status.error().code() != ErrorCode::kOutOfSpace) return status;
  if (!give_up_reserve()) return status;
  return checkpoint_now(false, when_due);
}

// The order of writes is what makes a crash at any point harmless: nodes, synced; the map that
// says where they are, and the checkpoint frame, synced; then one superblock, synced; only then is
// anything removed.
Status StoreImpl::checkpoint_now(bool closing, bool when_due) {
  std::lock_guard lock(checkpoint_mu_);
  if (when_due && !checkpoint_due()) return ok();
  if (auto failure = queue_->failure()) return *failure;
  // A second try would build on what a failed sync may have dropped: there is none [QUEUE-3].
  const auto watched = [this](Status status) {
    if (!status.ok() && (blocks_->sync_failed() || superblocks_->sync_failed())) {
      queue_->refuse(Error(ErrorCode::kIoError,
                           "the store is read-only since a checkpoint could not be made durable: " +
                               status.error().message()));
    }
    return status;
  };
  const HeadState state = queue_->durable();
  const uint64_t log_bytes = log_->bytes_written();
  if (log_bytes - log_bytes_at_checkpoint_ >= kRollBytes) log_->request_roll();
  CheckpointRecord record;
  record.sequence = state.sequence;
  record.chain = state.chain;
  record.epoch = blocks_->epoch();
  record.time = env_->now();
  record.id_sequence = state.id_sequence;
  RAMET_TRY(watched(write_trees(state, record)));
  if (closing) {
    RAMET_TRY(watched(log_->seal(BlockRef{})));
    RAMET_TRY(watched(blocks_->seal_open(BlockRef{}, state.sequence)));
  }
  RAMET_TRY(watched(record_segments(state, closing, record)));
  Superblock superblock = superblocks_->newest();
  superblock.epoch = blocks_->epoch();
  superblock.state = closing ? ramet::StoreState::kClean : ramet::StoreState::kInUse;
  superblock.replay = superblock.durable_end = state.position;
  RAMET_TRY(watched(write_checkpoint_frames(*blocks_, record, superblock)));
  RAMET_TRY(watched(superblocks_->write(superblock)));
  checkpoint_sequence_ = state.sequence;
  log_bytes_at_checkpoint_ = log_bytes;
  // A clean close leaves both superblocks at the same checkpoint, so that no log is needed.
  if (closing) RAMET_TRY(watched(superblocks_->write(superblocks_->newest())));
  queue_->let_go_of_persisted();
  space_->complete(superblocks_->newest().generation, state.sequence);
  dirty_floor_ = context_.dirty_bytes.load();
  trim_log(closing);
  release_recorded();
  space_->remove_leftovers(superblocks_->other() ? superblocks_->other()->generation
                                                 : superblocks_->newest().generation);
  if (closing || index_->pending() >= kIndexFlushEntries) {
    ignore_error(index_->flush(), "the index is a hint; it can be rebuilt");
  }
  return ok();
}

Status StoreImpl::write_trees(const HeadState& state, CheckpointRecord& record) {
  set_node_compression(state.catalog);
  RAMET_ASSIGN(const Root catalog, persist(context_, state.catalog, state.sequence));
  record.catalog = written_root(catalog);
  return blocks_->sync(Stream::kNode);
}

Status StoreImpl::record_segments(const HeadState& state, bool closing,
                                  CheckpointRecord& record) {
  const Sequence sequence = state.sequence;
  std::vector<Space::Recorded> recorded;
  RAMET_TRY(blocks_->ensure_open(Stream::kMap));  // so that the map knows its own segment
  // Before the list: what is made later has a greater number and is found by probing.
  record.next_segment = blocks_->next_segment();
  for (const auto& segment : blocks_->own_segments()) {
    const Stream stream = segment->identity().stream;
    // Others append and seal meanwhile: each fact is read once, and what is final first. (Map
    // segments never have a footer; nothing is appended to them after the close.)
    const bool closed = segment->closed() || (closing && stream == Stream::kMap);
    const SegmentState as = !closed             ? SegmentState::kOpen
                            : segment->sealed() ? SegmentState::kSealed
                                                : SegmentState::kCrashClosed;
    const Slot slots = as == SegmentState::kSealed ? segment->slot_count()
                                                   : segment->synced_slots();
    // The log is found through the superblock; only blocks in it need the map. (Slots of a group
    // that is being written are none yet: it may fail, and the segment go as an empty one.)
    if (stream == Stream::kCommit && slots == 0) continue;
    if (as == SegmentState::kOpen && (stream == Stream::kNode || stream == Stream::kData)) {
      record.open_segments.push_back(segment->number());
    }
    recorded.push_back({segment, slots});
    const auto known = recorded_.find(segment->number());
    if (known != recorded_.end() && known->second.state == as &&
        known->second.slots == slots) {
      continue;
    }
    RAMET_TRY(map_->record(*segment, as, slots, sequence));
    recorded_[segment->number()] = {slots, as};
  }
  RAMET_ASSIGN(const Root map, space_->count(record.catalog.ref, state.position, sequence,
                                             recorded, release_max_,
                                             closing || tidy_map_ ? tidy_room() : 0));
  record.map_bytes = space_->map_bytes();
  record.map = written_root(map);
  return ok();
}

// Bytes that writing the whole map may take.
uint64_t StoreImpl::tidy_room() {
  if (!reserve_used_) return UINT64_MAX;
  const auto space = env_->space(path_);
  return space.ok() ? space->available_bytes / 2 : 0;
}

void StoreImpl::trim_log(bool closing) {
  SegmentNo floor = superblocks_->newest().replay.segment;
  if (superblocks_->other()) {
    floor = std::min(floor, superblocks_->other()->replay.segment);
  }
  for (const auto& segment : blocks_->own_segments()) {
    if (segment->identity().stream != Stream::kCommit || segment->slot_count() != 0) continue;
    if (!closing && segment->number() >= floor) continue;
    if (!segment->closed()) continue;
    ignore_error(blocks_->remove(segment->number(), 0), "an old log segment may stay");
  }
}

void StoreImpl::release_recorded() {
  for (auto it = recorded_.begin(); it != recorded_.end();) {
    if (it->second.state == SegmentState::kOpen) {
      ++it;
      continue;
    }
    blocks_->release(it->first);
    it = recorded_.erase(it);
  }
}

// From now on what is left of the disk is for deleting.
void StoreImpl::use_reserve() {
  reserve_used_ = true;
  blocks_->refuse_data(true);
  log_->save_space(true);
}

bool StoreImpl::give_up_reserve() {
  use_reserve();
  return ballast_->release();
}

// What the ballast gave is for deleting: nothing else may take it before it is back.
Status StoreImpl::check_reserve(bool frees_space) {
  if (!reserve_used_ || frees_space) return ok();
  if (!ballast_->fill()) {
    return Error(ErrorCode::kOutOfSpace,
                 "the disk is full: only deleting works until there is room");
  }
  reserve_used_ = false;
  blocks_->refuse_data(false);
  log_->save_space(false);
  return ok();
}

uint64_t StoreImpl::dirty_bytes() {
  const int64_t dirty = context_.dirty_bytes.load();
  int64_t floor = dirty_floor_.load();
  while (dirty < floor && !dirty_floor_.compare_exchange_weak(floor, dirty)) {
  }
  return static_cast<uint64_t>(std::max<int64_t>(0, dirty - floor));
}

// What a checkpoint writes must find room: the fuller the disk, the less may gather; in the end
// the ballast takes it.
uint64_t StoreImpl::dirty_bytes_max() {
  const uint64_t always = ballast_->target() / 2;
  const uint64_t dirty = dirty_bytes();
  if (dirty <= always) return options_.dirty_bytes_max;
  // Every commit asks here, but only so much more makes a difference.
  const uint64_t asked = dirty_asked_.load();
  if (dirty >= asked && dirty - asked < always / 16) return dirty_max_.load();
  const auto space = env_->space(path_);
  if (!space.ok()) return options_.dirty_bytes_max;
  const uint64_t allowed =
      std::min(options_.dirty_bytes_max, std::max(always, space->available_bytes / 4));
  dirty_max_.store(allowed);
  dirty_asked_.store(dirty);
  return allowed;
}

bool StoreImpl::checkpoint_due() {
  if (queue_->durable().sequence == checkpoint_sequence_) return false;  // there is nothing new
  return dirty_bytes() > dirty_bytes_max() ||
         log_->bytes_written() - log_bytes_at_checkpoint_ > options_.replay_bytes_max ||
         blocks_->own_count() > kOwnSegmentsMax;
}

void StoreImpl::wake_maintenance() {
  std::lock_guard lock(maintenance_mu_);
  wake_.notify_one();
}

void StoreImpl::maintain() {
  ignore_error(rebuild_lost_index(), "the index is a hint; the next open tries again");
  if (reserve_used_) reclaim_in_background();  // what lives before used up comes back first
  Sequence marked = 0;
  Sequence seen = 0;
  std::unique_lock lock(maintenance_mu_);
  while (!stop_) {
    wake_.wait_for(lock, kIdleInterval);
    if (stop_) break;
    lock.unlock();
    if (checkpoint_due()) {
      // An error that matters (a failed sync) shows at the next commit; a full disk at the
      // commits that need room.
      ignore_error(checkpoint_with_reserve(true), "tried again when the next commit makes it due");
    }
    if (index_->merge_is_due()) ignore_error(index_->merge(), "the index is a hint");
    reclaim_in_background();
    ignore_error(access_->flush_last_used(), "a help for people; tried again");
    const Sequence now = queue_->durable().sequence;
    if (now == seen && now != marked && now > checkpoint_sequence_) {
      ignore_error(queue_->mark_idle(), "the mark is a help for recovery, not a promise");
      marked = now;
    }
    seen = now;
    lock.lock();
  }
}

void StoreImpl::stop_maintenance() {
  stopping_ = true;
  {
    std::lock_guard lock(maintenance_mu_);
    stop_ = true;
    wake_.notify_one();
  }
  if (maintenance_.joinable()) maintenance_.join();
}

Status StoreImpl::close() {
  if (closed_) return ok();
  if (queue_ != nullptr) queue_->drain();
  stop_maintenance();
  // (An open that failed on its way has begun nothing: the superblocks may still lead to the life
  // before, which needs its files [SPACE-1].)
  const bool begun = !options_.read_only && life_begun_;
  if (begun) {
    ignore_error(access_->flush_last_used(), "a help for people, not a promise");
    reclaim_before_close();
  }
  if (closed_.exchange(true)) return ok();
  Status status = ok();
  if (begun) {
    status = checkpoint_now(true);
    if (!status.ok() && status.error().code() == ErrorCode::kOutOfSpace && give_up_reserve()) {
      status = checkpoint_now(true);
    }
  }
  if (queue_ != nullptr) {
    queue_->refuse(Error(ErrorCode::kFailedPrecondition, "the store " + path_ + " is closed"));
  }
  lock_.reset();
  return status;
}

StoreImpl::StoreImpl(std::string path, StoreOptions options)
    : RecoveredStore(std::move(path), options),
      encoders_(std::max(1u, std::thread::hardware_concurrency()) - 1),
      block_cache_(options_.block_cache_bytes),
      access_(std::make_unique<AccessControlImpl>(*this)) {}

StatCache& StoreImpl::stat_cache() {
  std::call_once(stat_cache_once_,
                 [&] { stat_cache_ = std::make_unique<StatCache>(env_, path_ + "/cache"); });
  return *stat_cache_;
}

StoreImpl::~StoreImpl() {
  ignore_error(close(), "close() is there for whoever wants to know");
}

}  // namespace ramet::engine
