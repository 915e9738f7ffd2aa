// Creating, opening and recovering a store.
#include <algorithm>

#include <fmt/format.h>

#include "engine/block/segment_scan.h"
#include "engine/store_impl.h"

namespace ramet {

namespace {

// Names that a directory may hold and still count as empty: an attempt that was cut short leaves
// these folders, empty, and superblocks under their first names.
Result<bool> harmless(io::Env& env, const std::string& path, const std::string& name) {
  if (name == "lost+found") return true;
  for (const char* superblock : kSuperblockFileNames) {
    if (name == std::string(superblock) + engine::SuperblockStore::kUnfinishedSuffix) return true;
  }
  if (name != "segments" && name != "index") return false;
  const auto names = env.list(path + "/" + name);
  return names.ok() && names->empty();
}

Status make_directory(io::Env& env, const std::string& path) {
  Status made = env.create_directory(path);
  if (!made.ok() && made.error().code() == ErrorCode::kAlreadyExists) return ok();
  return made;
}

// The directory that holds `path`.
std::string parent_of(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

StoreOptions with_env(StoreOptions options) {
  if (options.env == nullptr) options.env = io::default_env();
  return options;
}

}  // namespace

Status Store::create(const std::string& path, const StoreOptions& given) {
  const StoreOptions options = with_env(given);
  io::Env& env = *options.env;
  RAMET_TRY(make_directory(env, path));
  RAMET_ASSIGN(const auto names, env.list(path));
  for (const std::string& name : names) {
    if (name == kSuperblockFileNames[0] || name == kSuperblockFileNames[1]) {
      return Error(ErrorCode::kAlreadyExists, path + " is a Ramet store already");
    }
    RAMET_ASSIGN(const bool fine, harmless(env, path, name));
    if (!fine) {
      return Error(ErrorCode::kFailedPrecondition,
                   path + " is not empty (it holds '" + name + "'); a store needs a directory "
                   "of its own");
    }
  }
  RAMET_TRY(make_directory(env, path + "/segments"));
  RAMET_TRY(make_directory(env, path + "/index"));
  RAMET_TRY(env.sync_directory(path));
  RAMET_TRY(env.sync_directory(parent_of(path)));
  Superblock first;
  env.random({reinterpret_cast<char*>(first.store_id.bytes.data()), 16});
  first.store_id.bytes[6] = static_cast<uint8_t>((first.store_id.bytes[6] & 0x0F) | 0x40);
  first.store_id.bytes[8] = static_cast<uint8_t>((first.store_id.bytes[8] & 0x3F) | 0x80);
  env.random({reinterpret_cast<char*>(first.secret.data()), first.secret.size()});
  first.written_at = env.now();
  // The superblocks come last: before them the directory is no store.
  engine::SuperblockStore superblocks(options.env, path);
  return superblocks.create(first);
}

Result<std::unique_ptr<Store>> Store::open(const std::string& path, const StoreOptions& options) {
  auto store = std::make_unique<engine::StoreImpl>(path, with_env(options));
  RAMET_TRY(store->open());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace ramet

namespace ramet::engine {
namespace {

// So many numbers in a row without a file end the search for segments of a crashed life; no more
// are ever created before one of them is synced.
constexpr int kProbeMisses = 64;

}  // namespace

Status StoreImpl::open() {
  const uint64_t begun = env_->monotonic();
  RAMET_ASSIGN(const bool there, env_->exists(path_));
  if (!there) return Error(ErrorCode::kNotFound, "there is no directory " + path_);
  superblocks_ = std::make_unique<SuperblockStore>(env_, path_);
  RAMET_TRY(superblocks_->load());  // before a lock file is made in a foreign directory
  auto lock = env_->lock(path_ + "/lock", !options_.read_only);
  if (!lock.ok()) {
    // A store on read-only media has no lock to take, and no writer either.
    if (!options_.read_only || lock.error().code() != ErrorCode::kPermissionDenied) {
      return std::move(lock).error();
    }
  } else {
    lock_ = std::move(lock).value();
  }
  RAMET_TRY(open_locked());
  open_nanoseconds_ = env_->monotonic() - begun;
  if (options_.background && !options_.read_only) {
    maintenance_ = std::thread([this] { maintain(); });
  } else if (!options_.read_only) {
    ignore_error(rebuild_lost_index(), "the index is a hint; the next open tries again");
  }
  return ok();
}

Status StoreImpl::open_locked() {
  RAMET_ASSIGN(const auto candidates, superblocks_->load());
  const Superblock& newest = *candidates[0];
  RAMET_TRY(check_features(newest.features, !options_.read_only, path_));
  BlockStoreConfig config;
  config.env = env_;
  config.directory = path_ + "/segments";
  config.store_id = newest.store_id;
  config.secret = newest.secret;
  config.newest_epoch = newest.epoch;
  config.options = options_;
  blocks_ = std::make_unique<BlockStore>(std::move(config));
  cache_ = std::make_unique<NodeCache>(options_.node_cache_bytes);
  nodes_ = std::make_unique<NodeStreamStore>(*blocks_);
  context_.store = nodes_.get();
  context_.cache = cache_.get();
  context_.summarize = &summarize_entry;
  context_.node_bytes = options_.node_bytes;
  map_ = std::make_unique<SegmentMap>(*blocks_, *cache_);
  log_ = std::make_unique<CommitLog>(*blocks_, options_.commit_segment_bytes);
  queue_ = std::make_unique<CommitQueue>(context_, *log_, *env_);
  ballast_ = std::make_unique<Ballast>(env_, path_ + "/ballast", options_.ballast_bytes);

  Status loaded = ok();
  const Superblock* used = nullptr;
  for (const auto& candidate : candidates) {
    if (!candidate) continue;
    loaded = load_checkpoint(*candidate);
    if (loaded.ok()) {
      used = &*candidate;
      break;
    }
    if (loaded.error().code() != ErrorCode::kCorruption) return loaded;
  }
  if (used == nullptr) {
    return std::move(loaded).error().with_context("no checkpoint can be read; run 'ramet fsck'");
  }
  const Superblock start = *used;
  if (used != &*candidates[0]) superblocks_->fall_back();
  if (start.state == ramet::StoreState::kInUse) {
    RAMET_TRY(recover(start));
  }
  queue_->start(state_, newest.epoch);
  index_ = std::make_unique<DedupeIndex>(*env_, path_ + "/index", options_.read_only,
                                         IndexOptions{.memory_bytes = options_.index_bytes});
  // Before anything is put into it.
  const IndexStats found = index_->stats();
  index_whole_ = found.notes == 0 && (found.runs > 0 || found.table_entries > 0);
  store_id_ = newest.store_id;
  epoch_ = newest.epoch;
  if (options_.read_only) return ok();
  if (damage_) return *damage_;
  return begin_life();
}

Status StoreImpl::load_checkpoint(const Superblock& superblock) {
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
  blocks_->set_directory(map_.get());
  state_ = HeadState{};
  state_.catalog = root_from(checkpoint_.catalog);
  state_.sequence = checkpoint_.sequence;
  state_.chain = checkpoint_.chain;
  state_.id_sequence = checkpoint_.id_sequence;
  state_.position = superblock.replay;
  checkpoint_sequence_ = checkpoint_.sequence;
  next_segment_ = std::max(superblock.next_segment, checkpoint_.next_segment);
  return ok();
}

Status StoreImpl::recover(const Superblock& superblock) {
  crashed_ = true;
  RAMET_TRY(register_crashed_segments());
  const auto apply = [this](Sequence sequence, ByteView payload) -> Status {
    RAMET_ASSIGN(const CommitRecord record, decode_commit(payload));
    for (const SlotBound& bound : record.leans_on) {
      auto segment = blocks_->segment(bound.segment);
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
  for (const SegmentNo number : old_logs_) next_segment_ = std::max(next_segment_, number + 1);
  return ok();
}

Status StoreImpl::register_crashed_segments() {
  for (const SegmentNo number : checkpoint_.open_segments) RAMET_TRY(register_crashed(number));
  SegmentNo number = next_segment_;
  for (int misses = 0; misses < kProbeMisses; ++number) {
    RAMET_ASSIGN(const bool there, env_->exists(blocks_->path_of(number, 0)));
    if (!there) {
      ++misses;
      continue;
    }
    misses = 0;
    next_segment_ = number + 1;
    RAMET_TRY(register_crashed(number));
  }
  return ok();
}

Status StoreImpl::register_crashed(SegmentNo number) {
  auto opened = env_->open(blocks_->path_of(number, 0), io::OpenMode::kRead);
  if (!opened.ok()) {
    // Recorded as open before anything in it was synced.
    return opened.error().code() == ErrorCode::kNotFound ? ok() : Status(opened.error());
  }
  std::unique_ptr<io::File> file = std::move(opened).value();
  const auto header = read_segment_header(*file, blocks_->secret(), number);
  // Without a valid header nothing in the file was ever synced; the map and the log tell if
  // something was, when they miss it.
  if (!header.ok()) return ok();
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
  if (footer.ok() && footer->has_value()) {
    const uint64_t end = (*footer)->end_offset;
    blocks_->register_segment(
        Segment::attach(std::move(file), who, std::move((*footer)->slots), end, end));
    return ok();
  }
  // What the checkpoint recorded was synced; behind it, everything up to the first bad frame.
  std::vector<SlotEntry> known;
  uint64_t from = kSegmentHeaderBytes;
  RAMET_ASSIGN(const auto value, map_->find(number));
  if (value && value->slot_count > 0) {
    RAMET_ASSIGN(known, map_->slots_of(number, value->slot_count));
    for (const SlotEntry& slot : known) {
      if (!slot.is_gone()) from = std::max(from, slot.end());
    }
  }
  RAMET_ASSIGN(ScanResult scan, scan_frames(*file, who, std::move(known), from, false));
  blocks_->register_segment(
      Segment::attach(std::move(file), who, std::move(scan.slots), scan.end, 0));
  return ok();
}

Status StoreImpl::begin_life() {
  // What recovery read may still be only in the page cache of a process that died [INV-1].
  for (const auto& segment : blocks_->own_segments()) RAMET_TRY(segment->file().sync_data());
  const Epoch epoch = superblocks_->newest().epoch + 1;
  epoch_ = epoch;
  blocks_->begin_epoch(epoch, next_segment_);
  RAMET_TRY(log_->begin(state_.sequence, state_.chain));
  state_.position = log_->position();
  queue_->start(state_, epoch);
  if (crashed_) {
    index_recovered_blocks();
    RAMET_TRY(checkpoint_now(false));
  } else {
    Superblock superblock = superblocks_->newest();
    superblock.epoch = epoch;
    superblock.state = ramet::StoreState::kInUse;
    superblock.next_segment = blocks_->next_segment();
    superblock.replay = superblock.durable_end = state_.position;
    RAMET_TRY(superblocks_->write(superblock));
  }
  // The other one as well, so that no superblock leads into an earlier life [INV-13].
  RAMET_TRY(superblocks_->write(superblocks_->newest()));
  remove_old_logs();
  ballast_->fill();
  return ok();
}

void StoreImpl::remove_old_logs() {
  for (const SegmentNo number : crashed_logs_) {
    if (std::find(old_logs_.begin(), old_logs_.end(), number) == old_logs_.end()) {
      ignore_error(blocks_->remove(number, 0), "a log segment that holds nothing may stay");
    }
  }
  for (const SegmentNo number : old_logs_) {
    const auto segment = blocks_->segment(number);
    if (!segment.ok()) continue;
    if ((*segment)->slot_count() == 0) {
      ignore_error(blocks_->remove(number, 0), "a log segment that holds nothing may stay");
    } else {
      blocks_->release(number);
    }
  }
  old_logs_.clear();
  crashed_logs_.clear();
}

// An index that lost its files (or a part of them) is made anew from the slot tables.
Status StoreImpl::rebuild_lost_index() {
  if (index_whole_) return ok();
  std::vector<SegmentNo> segments;
  RAMET_TRY(map_->each([&](SegmentNo number, const SegmentValue& value) {
    const auto stream = static_cast<Stream>(value.stream);
    if (stream == Stream::kData || stream == Stream::kCommit) segments.push_back(number);
    return true;
  }));
  if (segments.empty()) return ok();
  RAMET_ASSIGN(auto rebuild, index_->rebuild_begin());
  for (const SegmentNo number : segments) {
    if (stopping_) return Error(ErrorCode::kCancelled, "the store is being closed");
    const auto segment = blocks_->segment(number);
    if (!segment.ok()) continue;  // damage costs its dedupe, no more
    const auto slots = (*segment)->slots(0, (*segment)->slot_count());
    for (size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].is_gone() || slots[i].kind() != FrameKind::kBlock) continue;
      RAMET_TRY(rebuild->insert(slots[i].hash.prefix(), number, static_cast<Slot>(i)));
    }
  }
  return rebuild->finish();  // (the next life finds it whole, or rebuilds it again)
}

void StoreImpl::index_recovered_blocks() {
  for (const auto& segment : blocks_->own_segments()) {
    if (!segment->closed()) continue;
    const auto slots = segment->slots(0, segment->slot_count());
    for (size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].is_gone() || slots[i].kind() != FrameKind::kBlock) continue;
      index_->insert(slots[i].hash.prefix(), segment->number(), static_cast<Slot>(i));
    }
  }
}

}  // namespace ramet::engine
