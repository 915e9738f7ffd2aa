// Checkpoints, the background thread, and closing.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

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
// The two copies of a checkpoint frame stand at least this far apart.
constexpr size_t kCopyDistance = 4096;

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
  RAMET_TRY(watched(record_segments(state.sequence, closing, record)));
  Superblock superblock = superblocks_->newest();
  superblock.epoch = blocks_->epoch();
  superblock.state = closing ? ramet::StoreState::kClean : ramet::StoreState::kInUse;
  superblock.replay = superblock.durable_end = state.position;
  RAMET_TRY(watched(write_frames(record, superblock)));
  RAMET_TRY(watched(superblocks_->write(superblock)));
  checkpoint_sequence_ = state.sequence;
  log_bytes_at_checkpoint_ = log_bytes;
  // A clean close leaves both superblocks at the same checkpoint, so that no log is needed.
  if (closing) RAMET_TRY(watched(superblocks_->write(superblocks_->newest())));
  queue_->let_go_of_persisted();
  map_->let_go_of_persisted();
  dirty_floor_ = context_.dirty_bytes.load();
  trim_log(closing);
  release_recorded();
  if (closing || index_->pending() >= kIndexFlushEntries) {
    ignore_error(index_->flush(), "the index is a hint; it can be rebuilt");
  }
  return ok();
}

Status StoreImpl::write_trees(const HeadState& state, CheckpointRecord& record) {
  RAMET_ASSIGN(const Root catalog, persist(context_, state.catalog, state.sequence));
  record.catalog = written_root(catalog);
  return blocks_->sync(Stream::kNode);
}

Status StoreImpl::record_segments(Sequence sequence, bool closing, CheckpointRecord& record) {
  RAMET_TRY(blocks_->ensure_open(Stream::kMap));  // so that the map knows its own segment
  // Before the list: what is made later has a greater number and is found by probing.
  record.next_segment = blocks_->next_segment();
  for (const auto& segment : blocks_->own_segments()) {
    const Stream stream = segment->identity().stream;
    // The log is found through the superblock; only blocks in it need the map.
    if (stream == Stream::kCommit && segment->slot_count() == 0) continue;
    // Map segments never have a footer; nothing is appended to them after the close.
    const bool closed = segment->closed() || (closing && stream == Stream::kMap);
    const SegmentState state = segment->sealed() ? SegmentState::kSealed
                               : closed          ? SegmentState::kCrashClosed
                                                 : SegmentState::kOpen;
    if (state == SegmentState::kOpen && (stream == Stream::kNode || stream == Stream::kData)) {
      record.open_segments.push_back(segment->number());
    }
    const Slot slots = segment->synced_slots();
    const auto known = recorded_.find(segment->number());
    if (known != recorded_.end() && known->second.state == state &&
        known->second.slots == slots) {
      continue;
    }
    RAMET_TRY(map_->record(*segment, state, sequence));
    recorded_[segment->number()] = {slots, state};
  }
  RAMET_ASSIGN(const Root map, map_->persist(sequence));
  record.map = written_root(map);
  return ok();
}

Status StoreImpl::write_frames(const CheckpointRecord& record, Superblock& superblock) {
  const Bytes payload = encode_checkpoint(record);
  const auto append = [&](FrameKind kind, ByteView bytes) {
    return blocks_->append(Stream::kMap, kind, Codec::kNone, bytes,
                           static_cast<uint32_t>(bytes.size()), {}, record.sequence);
  };
  RAMET_ASSIGN(superblock.checkpoint, append(FrameKind::kCheckpoint, payload));
  RAMET_TRY(append(FrameKind::kSkip, Bytes(kCopyDistance, '\0')));
  RAMET_ASSIGN(superblock.checkpoint_copy, append(FrameKind::kCheckpoint, payload));
  RAMET_TRY(blocks_->sync(Stream::kMap));
  superblock.next_segment = record.next_segment;
  return ok();
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

bool StoreImpl::give_up_reserve() {
  reserve_used_ = true;
  blocks_->refuse_data(true);
  return ballast_->release();
}

// What the ballast gave is for deleting: nothing else may take it before it is back.
Status StoreImpl::check_reserve(bool frees_space) {
  if (!reserve_used_ || frees_space) return ok();
  ballast_->fill();
  if (options_.ballast_bytes > 0 && ballast_->held_bytes() < options_.ballast_bytes) {
    return Error(ErrorCode::kOutOfSpace,
                 "the disk is full: only deleting works until there is room");
  }
  reserve_used_ = false;
  blocks_->refuse_data(false);
  return ok();
}

uint64_t StoreImpl::dirty_bytes() {
  const int64_t dirty = context_.dirty_bytes.load();
  int64_t floor = dirty_floor_.load();
  while (dirty < floor && !dirty_floor_.compare_exchange_weak(floor, dirty)) {
  }
  return static_cast<uint64_t>(std::max<int64_t>(0, dirty - floor));
}

bool StoreImpl::checkpoint_due() {
  if (queue_->durable().sequence == checkpoint_sequence_) return false;  // there is nothing new
  return dirty_bytes() > options_.dirty_bytes_max ||
         log_->bytes_written() - log_bytes_at_checkpoint_ > options_.replay_bytes_max ||
         blocks_->own_count() > kOwnSegmentsMax;
}

void StoreImpl::wake_maintenance() {
  std::lock_guard lock(maintenance_mu_);
  wake_.notify_one();
}

void StoreImpl::maintain() {
  ignore_error(rebuild_lost_index(), "the index is a hint; the next open tries again");
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
  if (closed_.exchange(true)) return ok();
  stop_maintenance();
  Status status = ok();
  if (!options_.read_only && log_ != nullptr && log_->begun()) {
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
    : path_(std::move(path)), options_(std::move(options)), env_(options_.env) {}

StoreImpl::~StoreImpl() {
  ignore_error(close(), "close() is there for whoever wants to know");
}

}  // namespace ramet::engine
