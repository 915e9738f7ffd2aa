// Creating and opening a store.
#include <algorithm>

#include <fmt/format.h>

#include "engine/store_impl.h"

namespace ramet {

namespace {

// Names that a directory may hold and still count as empty: an attempt that was cut short leaves
// these folders, empty, and superblocks under their first names; a daemon that died, its socket.
Result<bool> harmless(io::Env& env, const std::string& path, const std::string& name) {
  if (name == "lost+found" || name == "daemon.sock") return true;
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
  for (const char* superblock : kSuperblockFileNames) {
    if (std::find(names.begin(), names.end(), superblock) == names.end()) continue;
    return Error(ErrorCode::kAlreadyExists, path + " is a Ramet store already");
  }
  for (const std::string& name : names) {
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
Status StoreImpl::open() {
  const uint64_t begun = env_->monotonic();
  // Before a lock file is made in a foreign directory.
  RAMET_TRY(load_superblocks(!options_.read_only));
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
  RAMET_TRY(load_superblocks(!options_.read_only));  // as they are now
  RAMET_TRY(recover(!options_.read_only));
  checkpoint_sequence_ = checkpoint_.sequence;
  blocks_->keep_files(!superblocks_->newest().undo.is_null());
  space_ = std::make_unique<Space>(*blocks_, context_, *map_);
  log_ = std::make_unique<CommitLog>(*blocks_, options_.commit_segment_bytes);
  queue_ = std::make_unique<CommitQueue>(context_, *log_, *env_, options_.background);
  ballast_ = std::make_unique<Ballast>(env_, path_ + "/ballast", options_.ballast_bytes);
  const Superblock& newest = superblocks_->newest();
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
  set_node_compression(state_.catalog);
  return begin_life();
}

Status StoreImpl::make_durable() {
  RAMET_TRY(superblocks_->write_again());
  // What recovery read may still be only in the page cache of a process that died [INV-1]. (What
  // a checkpoint refers to in the map stream was synced before its superblock was written.)
  for (const auto& segment : blocks_->own_segments()) {
    if (segment->identity().stream == Stream::kMap) {
      RAMET_TRY(segment->file().sync_data());
    } else {
      RAMET_TRY(blocks_->write_again(*segment, uncertain_from_[segment->number()]));
      RAMET_TRY(blocks_->cut_allocated(*segment));
    }
  }
  uncertain_from_.clear();
  return ok();
}

Status StoreImpl::begin_life() {
  Status durable = make_durable();  // (needs room only where nothing is written in place)
  if (!durable.ok() && durable.error().code() == ErrorCode::kOutOfSpace && give_up_reserve()) {
    durable = make_durable();
  }
  RAMET_TRY(durable);
  space_->begin(checkpoint_.catalog.ref, checkpoint_.map_bytes);
  space_->abandon(unsynced_segments_);
  if (replayed_commits_ > 0) space_->pins().replayed(state_.sequence);
  const Epoch epoch = superblocks_->newest().epoch + 1;
  epoch_ = epoch;
  blocks_->begin_epoch(epoch, next_segment_);
  Status begun = log_->begin(state_.sequence, state_.chain);
  if (!begun.ok() && begun.error().code() == ErrorCode::kOutOfSpace && give_up_reserve()) {
    begun = log_->begin(state_.sequence, state_.chain);
  }
  RAMET_TRY(begun);
  state_.position = log_->position();
  queue_->start(state_, epoch);
  if (crashed_) {
    index_recovered_blocks();
    RAMET_TRY(checkpoint_with_reserve(false));
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
  life_begun_ = true;
  // An earlier life may have used it: this one must not take what it left.
  if (!ballast_->fill()) use_reserve();
  return ok();
}

void StoreImpl::remove_old_logs() {
  for (const SegmentNo number : headless_files_) {
    ignore_error(blocks_->remove(number, 0), "the next open finds it again");
  }
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
