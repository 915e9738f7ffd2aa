// What `ramet info` shows.
#include "engine/container/catalog.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// Entries of one space of the catalog, by walking them.
Result<uint64_t> count_space(TreeContext& context, const Root& catalog, CatalogSpace space) {
  const KeyRange range = space_range(space);
  Cursor cursor(context, catalog);
  RAMET_TRY(cursor.seek(range.from));
  uint64_t entries = 0;
  while (cursor.valid() && range.contains(cursor.key())) {
    ++entries;
    RAMET_TRY(cursor.next());
  }
  return entries;
}

}  // namespace

Status StoreImpl::count_segments(StoreInfo& info) {
  std::map<SegmentNo, std::pair<uint32_t, Stream>> segments;
  RAMET_TRY(map_->each([&](SegmentNo number, const SegmentValue& value) {
    segments[number] = {value.generation, static_cast<Stream>(value.stream)};
    return true;
  }));
  for (const auto& segment : blocks_->own_segments()) {
    segments[segment->number()] = {segment->identity().generation, segment->identity().stream};
  }
  for (const auto& [number, known] : segments) {
    auto file = env_->open(blocks_->path_of(number, known.first), io::OpenMode::kRead);
    if (!file.ok()) continue;  // removed since, or damage that fsck reports
    RAMET_ASSIGN(const uint64_t bytes, (*file)->allocated_bytes());
    ++info.segments;
    info.segment_bytes += bytes;
    switch (known.second) {
      case Stream::kCommit: info.commit_bytes += bytes; break;
      case Stream::kNode: info.node_bytes += bytes; break;
      case Stream::kData: info.data_bytes += bytes; break;
      case Stream::kMap: info.map_bytes += bytes; break;
    }
  }
  return ok();
}

// What was counted since the store was opened.
void StoreImpl::add_life_stats(StoreInfo& info) {
  const auto groups = queue_->group_stats();
  info.group_commits = groups.commits;
  info.commit_groups = groups.groups;
  const auto nodes = cache_->stats();
  info.node_cache_hits = nodes.hits;
  info.node_cache_misses = nodes.misses;
  const auto blocks = block_cache_.stats();
  info.block_cache_bytes = blocks.bytes;
  info.block_cache_hits = blocks.hits;
  info.block_cache_misses = blocks.misses;
  info.oldest_pin_checkpoints = pins().epochs_held();
  if (space_ == nullptr) return;
  // Who writes a checkpoint holds the lock for as long as that takes.
  const std::unique_lock lock(checkpoint_mu_, std::try_to_lock);
  const std::lock_guard seen(space_seen_mu_);
  if (lock.owns_lock()) space_seen_ = space_->stats();
  info.reclaim_bytes_freed = space_seen_.bytes_freed;
  info.reclaim_bytes_copied = space_seen_.bytes_copied;
  info.reclaim_nodes_pending = space_seen_.pending;
}

Result<StoreInfo> StoreImpl::info() {
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  StoreInfo info;
  info.id = store_id_;
  info.epoch = epoch_;
  info.sequence = head.sequence;
  info.checkpoint_sequence = checkpoint_sequence_;
  info.io = std::string(env_->name());
  info.read_only = options_.read_only;
  if (options_.read_only) info.read_only_reason = "opened read-only";
  if (damage_) info.read_only_reason = damage_->message();
  if (const auto failure = queue_->failure()) {
    info.read_only = true;
    info.read_only_reason = failure->message();
  }
  RAMET_ASSIGN(info.containers, count_space(context_, head.catalog, CatalogSpace::kContainer));
  RAMET_ASSIGN(info.snapshots, count_space(context_, head.catalog, CatalogSpace::kSnapshot));
  RAMET_ASSIGN(info.dropped, count_space(context_, head.catalog, CatalogSpace::kDrop));
  info.logical_bytes = head.catalog.summary[SummaryColumn::kContentBytes];
  info.objects = head.catalog.summary[SummaryColumn::kObjects];
  RAMET_TRY(count_segments(info));
  info.index_bytes = index_->stats().file_bytes;
  info.ballast_bytes = ballast_->held_bytes();
  const auto space = env_->space(path_);
  if (space.ok()) info.disk_available = space->available_bytes;
  info.dirty_bytes = static_cast<uint64_t>(std::max<int64_t>(0, context_.dirty_bytes.load()));
  info.node_cache_bytes = cache_->stats().bytes;
  info.replayed_commits = replayed_commits_;
  info.open_nanoseconds = open_nanoseconds_;
  info.log_bytes_since_checkpoint = log_->bytes_written() - log_bytes_at_checkpoint_;
  add_life_stats(info);
  return info;
}

}  // namespace ramet::engine
