#include "engine/recovered_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/block/segment_scan.h"
#include "engine/container/catalog.h"
#include "engine/container/summarize.h"
#include "format/superblock.h"

namespace ramet::engine {
namespace {

// So many numbers in a row without a file end the search for segments of a crashed life; no more
// are ever created before one of them is synced.
constexpr int kProbeMisses = 64;

}  // namespace

RecoveredStore::RecoveredStore(std::string path, const StoreOptions& options)
    : path_(std::move(path)), options_(options), env_(options_.env) {}

Status RecoveredStore::load_superblocks(bool for_writing) {
  RAMET_ASSIGN(const bool there, env_->exists(path_));
  if (!there) return Error(ErrorCode::kNotFound, "there is no directory " + path_);
  superblocks_ = std::make_unique<SuperblockStore>(env_, path_);
  RAMET_TRY(superblocks_->load());
  return check_features(superblocks_->newest().features, for_writing, path_);
}

void RecoveredStore::set_up(const Superblock& superblock) {
  BlockStoreConfig config;
  config.env = env_;
  config.directory = path_ + "/segments";
  config.store_id = superblock.store_id;
  config.secret = superblock.secret;
  config.newest_epoch = superblock.epoch;
  config.options = options_;
  blocks_ = std::make_unique<BlockStore>(std::move(config));
  cache_ = std::make_unique<NodeCache>(options_.node_cache_bytes);
  nodes_ = std::make_unique<NodeStreamStore>(*blocks_);
  context_.store = nodes_.get();
  context_.cache = cache_.get();
  context_.summarize = &summarize_entry;
  context_.node_bytes = options_.node_bytes;
  map_ = std::make_unique<SegmentMap>(*blocks_, *cache_);
  blocks_->set_directory(&directory());
}

Status RecoveredStore::recover_from(const Superblock& found) {
  set_up(found);
  return load_checkpoint(found);
}

Status RecoveredStore::recover(bool probe, bool with_log) {
  const Superblock& newest = superblocks_->newest();
  set_up(newest);
  Status loaded = load_checkpoint(newest);
  if (!loaded.ok() && loaded.error().code() == ErrorCode::kCorruption && superblocks_->other()) {
    loaded = load_checkpoint(*superblocks_->other());
    if (loaded.ok()) superblocks_->fall_back();
  }
  if (!loaded.ok() && loaded.error().code() == ErrorCode::kCorruption) {
    return std::move(loaded).error().with_context("no checkpoint can be read; run 'ramet fsck'");
  }
  RAMET_TRY(loaded);
  if (!with_log) return ok();
  const Superblock start = superblocks_->newest();
  if (start.state == ramet::StoreState::kInUse) return replay(start);
  // The last map may have gone on in a segment that it could not know yet.
  return probe ? register_crashed_segments() : ok();
}

Status RecoveredStore::load_checkpoint(const Superblock& superblock) {
  checkpoint_ = CheckpointRecord{};
  if (!superblock.checkpoint.is_null()) {
    auto bytes = blocks_->read_map(superblock.checkpoint);
    if (!bytes.ok() && !superblock.checkpoint_copy.is_null()) {
      bytes = blocks_->read_map(superblock.checkpoint_copy);
    }
    if (!bytes.ok()) {
      Error error = std::move(bytes).error();
      // A missing file is damage too: the superblock names it.
      const ErrorCode code = error.code() == ErrorCode::kNotFound ? ErrorCode::kCorruption
                                                                   : error.code();
      return Error(code, "checkpoint: " + error.message());
    }
    RAMET_ASSIGN(checkpoint_, decode_checkpoint(*bytes));
  }
  map_->reset(root_from(checkpoint_.map));
  state_ = HeadState{};
  state_.catalog = root_from(checkpoint_.catalog);
  state_.sequence = checkpoint_.sequence;
  state_.chain = checkpoint_.chain;
  state_.id_sequence = checkpoint_.id_sequence;
  state_.position = superblock.replay;
  next_segment_ = std::max(superblock.next_segment, checkpoint_.next_segment);
  return ok();
}

Status RecoveredStore::replay(const Superblock& superblock) {
  crashed_ = true;
  RAMET_TRY(register_crashed_segments());
  uncertain_from_[superblock.replay.segment] = superblock.replay.offset;
  const auto apply = [this](Sequence sequence, ByteView payload) -> Status {
    RAMET_ASSIGN(const CommitRecord record, decode_commit(payload));
    for (const SlotBound& bound : record.leans_on) {
      auto segment = blocks_->segment(bound.segment);
      if (!segment.ok() && may_be_over(segment.error())) return segment.error();
      if (!segment.ok() || (*segment)->slot_count() <= bound.slot) {
        return Error(ErrorCode::kCorruption,
                     fmt::format("commit {} leans on slot {} of segment {}, which is not there",
                                 sequence, bound.slot, bound.segment));
      }
    }
    RAMET_ASSIGN(state_.catalog, apply_operations(context_, state_.catalog, record.trees,
                                                  sequence));
    state_.id_sequence = std::max(state_.id_sequence, record.id_sequence);
    return ok();
  };
  RAMET_ASSIGN(const LogWalk walk, walk_log(*blocks_, superblock.replay, superblock.durable_end,
                                            apply));
  state_.sequence = walk.end.sequence;
  state_.chain = walk.end.chain;
  state_.position = walk.end;
  replayed_commits_ = walk.commits;
  replayed_bytes_ = walk.bytes;
  damage_ = walk.damage;
  old_logs_ = walk.segments;
  if (!damage_) RAMET_TRY(compare_with_map());
  for (const SegmentNo number : old_logs_) next_segment_ = std::max(next_segment_, number + 1);
  return ok();
}

// What the checkpoint had of the log was durable: where blocks of it are gone the log did not end,
// however well its end looks [LOG-4].
Status RecoveredStore::compare_with_map() {
  for (const SegmentNo number : old_logs_) {
    const auto value = directory().find(number);
    if (!value.ok() && may_be_over(value.error())) return value.error();
    const auto segment = blocks_->segment(number);
    if (!value.ok() || !*value || !segment.ok()) continue;
    if ((*segment)->slot_count() >= (*value)->slot_count) continue;
    damage_ = Error(ErrorCode::kCorruption,
                    fmt::format("log damaged behind commit {}: {} ends before blocks that were "
                                "durable; the store can be opened read-only; run 'ramet fsck'",
                                state_.sequence, (*segment)->file().path()));
    return ok();
  }
  return ok();
}

// Whoever opens for writing gives up what recovery did not find: not for a read that failed, which
// may succeed the next time [INV-7]. Whoever only reads takes what can be had.
bool RecoveredStore::may_be_over(const Error& error) const {
  return gives_up_what_is_lost() && error.code() == ErrorCode::kIoError;
}

Status RecoveredStore::register_crashed_segments() {
  for (const SegmentNo number : checkpoint_.open_segments) RAMET_TRY(register_crashed(number));
  // From where the checkpoint did not know any: the superblock may have been written anew since.
  int misses = 0;
  for (SegmentNo number = checkpoint_.next_segment;
       number < next_segment_ || misses < kProbeMisses; ++number) {
    RAMET_ASSIGN(const bool there, env_->exists(blocks_->path_of(number, 0)));
    if (!there) {
      ++misses;
      continue;
    }
    misses = 0;
    next_segment_ = std::max(next_segment_, number + 1);
    RAMET_TRY(register_crashed(number));
  }
  return ok();
}

Status RecoveredStore::register_crashed(SegmentNo number) {
  auto opened = env_->open(blocks_->path_of(number, 0), io::OpenMode::kRead);
  RAMET_ASSIGN(const auto value, directory().find(number));
  const bool was_synced = value && value->slot_count > 0;
  if (!opened.ok()) {
    if (opened.error().code() != ErrorCode::kNotFound) return opened.error();
    // Recorded as open before anything in it was synced; else whoever misses it says so.
    if (value && !was_synced) unsynced_segments_.push_back(number);
    return ok();
  }
  std::unique_ptr<io::File> file = std::move(opened).value();
  auto header = read_segment_header(*file, blocks_->secret(), number);
  if (!header.ok() && !was_synced) {
    if (may_be_over(header.error())) return std::move(header).error();
    // Without a valid header nothing in the file was ever synced.
    (value ? unsynced_segments_ : headless_files_).push_back(number);
    return ok();
  }
  if (!header.ok()) {  // damaged, but the map knows what it said
    header = SegmentHeader{};
    header->stream = static_cast<Stream>(value->stream);
    header->epoch = value->epoch;
  }
  if (header->stream == Stream::kCommit) {
    crashed_logs_.push_back(number);  // the walk of the log registers those that count
    return ok();
  }
  const SegmentIdentity who = blocks_->identity(number, 0, header->stream, header->epoch);
  if (header->stream == Stream::kMap) {
    RAMET_ASSIGN(const uint64_t size, file->size());
    blocks_->register_segment(Segment::attach(std::move(file), who, {}, size, 0));
    return ok();
  }
  auto footer = read_footer(*file, who.seed);
  if (!footer.ok() && may_be_over(footer.error())) return std::move(footer).error();
  if (footer.ok() && footer->has_value()) {
    const uint64_t end = (*footer)->end_offset;
    blocks_->register_segment(
        Segment::attach(std::move(file), who, std::move((*footer)->slots), end, end));
    return ok();
  }
  // What the checkpoint recorded was synced; behind it, everything up to the first bad frame.
  std::vector<SlotEntry> known;
  uint64_t from = kSegmentHeaderBytes;
  if (was_synced) {
    RAMET_ASSIGN(known, directory().slots_of(number, value->slot_count));
    for (const SlotEntry& slot : known) {
      if (!slot.is_gone()) from = std::max(from, slot.end());
    }
    uncertain_from_[number] = from;
  }
  RAMET_ASSIGN(ScanResult scan, scan_frames(*file, who, std::move(known), from, false));
  blocks_->register_segment(
      Segment::attach(std::move(file), who, std::move(scan.slots), scan.end, 0));
  return ok();
}

}  // namespace ramet::engine
