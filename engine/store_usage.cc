// Whose bytes a store's bytes are, and what dropping would free.
#include <map>

#include <fmt/format.h>

#include "engine/container/catalog.h"
#include "engine/space/accounting.h"
#include "engine/space/store_files.h"
#include "engine/store_impl.h"
#include "format/keys.h"

namespace ramet::engine {

// One checkpoint that stays readable, whatever is written and given back meanwhile.
struct StoreImpl::UsageBase {
  explicit UsageBase(StoreImpl& store) : reader(store.pins()), map_hold(*store.space_) {}

  const Pins::Reader reader;
  const Space::MapHold map_hold;
  BlockRef catalog;
  Root map;
  Sequence sequence = 0;
  uint64_t commits_behind = 0;
  StoreFiles files;
};

namespace {

// A container with all its snapshots, or a snapshot, in the catalog.
struct Found {
  ContainerEntry container;
  std::optional<SnapshotEntry> snapshot;
  std::map<Bytes, BlockRef> roots;  // by the keys of their catalog entries
};

Result<Found> find_entries(TreeContext& context, const Root& catalog, const UsageTarget& target) {
  Found found;
  RAMET_ASSIGN(found.container, find_container(context, catalog, target.container));
  if (!target.snapshot.empty()) {
    RAMET_ASSIGN(found.snapshot,
                 find_snapshot(context, catalog, found.container, target.snapshot));
    found.roots.emplace(snapshot_key(target.container, target.snapshot),
                        found.snapshot->root.ref);
    return found;
  }
  found.roots.emplace(container_key(target.container), found.container.root.ref);
  RAMET_TRY(each_snapshot(context, catalog, target.container, [&](const SnapshotEntry& entry) {
    found.roots.emplace(snapshot_key(target.container, entry.name), entry.root.ref);
    return ok();
  }));
  return found;
}

// What was made behind the checkpoint is not in its catalog.
Result<Found> find_target(TreeContext& context, const Root& catalog, const UsageTarget& target,
                          uint64_t commits_behind) {
  auto found = find_entries(context, catalog, target);
  if (found.ok() || found.error().code() != ErrorCode::kNotFound || commits_behind == 0) {
    return found;
  }
  return Error(ErrorCode::kFailedPrecondition,
               fmt::format("{} in the last checkpoint; {} commits are behind it, and a command "
                           "that writes makes the next one",
                           found.error().message(), commits_behind));
}

// `targets`, or all containers if there are none.
Result<std::vector<UsageTarget>> targets_or_all(TreeContext& context, const Root& catalog,
                                                const std::vector<UsageTarget>& targets) {
  std::vector<UsageTarget> out = targets;
  if (!out.empty()) return out;
  RAMET_TRY(each_container(context, catalog, {}, [&](const std::string&, ContainerId id) {
    out.push_back({id, {}});
    return Result<bool>(true);
  }));
  return out;
}

std::vector<BlockRef> values_of(const std::map<Bytes, BlockRef>& roots) {
  std::vector<BlockRef> out;
  for (const auto& [key, root] : roots) out.push_back(root);
  return out;
}

UsageLine line_of(const UsageTarget& target, const Found& found) {
  UsageLine line;
  line.target = target;
  line.container_name = found.container.record.name;
  const Root& root = found.snapshot ? found.snapshot->root : found.container.root;
  line.objects = root.summary[SummaryColumn::kObjects];
  line.logical_bytes = root.summary[SummaryColumn::kContentBytes];
  return line;
}

uint64_t sum_of_lines(const StoreUsage& usage) {
  uint64_t sum = usage.other_share_bytes + usage.catalog_bytes + usage.pending_bytes +
                 usage.dropped_bytes + usage.unused_bytes + usage.frame_bytes + usage.log_bytes +
                 usage.map_bytes + usage.leftover_bytes + usage.index_bytes +
                 usage.superblock_bytes + usage.ballast_bytes + usage.other_bytes;
  for (const UsageLine& line : usage.lines) sum += line.share_bytes;
  return sum;
}

}  // namespace

// The lock is held for this only, not while trees are walked: checkpoints go on, too.
Result<std::unique_ptr<StoreImpl::UsageBase>> StoreImpl::usage_base(bool with_files) {
  RAMET_TRY(check_open());
  if (!options_.read_only && queue_->durable().sequence != checkpoint_sequence_) {
    // (Not with the reserve: that is for deleting, not for asking.)
    ignore_error(checkpoint_now(false),
                 "on a full or failing disk: the figures say how far they reach");
  }
  std::lock_guard lock(checkpoint_mu_);
  auto base = std::make_unique<UsageBase>(*this);
  base->catalog = options_.read_only ? checkpoint_.catalog.ref : space_->catalog();
  base->map = map_->durable();
  base->sequence = checkpoint_sequence_;
  base->commits_behind = queue_->durable().sequence - base->sequence;
  if (with_files) {
    RAMET_ASSIGN(base->files, list_store_files(*blocks_, path_));
    base->files.punched = space_->punched();
  }
  return base;
}

Result<WouldFree> StoreImpl::would_free(const std::vector<UsageTarget>& targets,
                                        const UsageProgress& progress) {
  RAMET_ASSIGN(const auto base, usage_base(false));
  Accounting accounting(map_->context(), base->map, context_, *blocks_, progress);
  RAMET_TRY(accounting.begin(base->catalog));
  const Root& catalog = accounting.catalog();
  RAMET_ASSIGN(const auto wanted, targets_or_all(context_, catalog, targets));
  std::map<Bytes, BlockRef> roots;  // (a snapshot may be named beside its container)
  for (const UsageTarget& target : wanted) {
    RAMET_ASSIGN(const Found found,
                 find_target(context_, catalog, target, base->commits_behind));
    roots.insert(found.roots.begin(), found.roots.end());
  }
  RAMET_ASSIGN(const SlotSum freed, accounting.would_free(values_of(roots)));
  WouldFree out;
  out.bytes = freed.bytes;
  out.nodes = freed.nodes;
  out.blocks = freed.blocks;
  out.nodes_read = accounting.nodes_read();
  out.sequence = base->sequence;
  out.commits_behind = base->commits_behind;
  return out;
}

Result<StoreUsage> StoreImpl::usage(const std::vector<UsageTarget>& targets,
                                    const UsageProgress& progress) {
  RAMET_ASSIGN(const auto base, usage_base(true));
  Accounting accounting(map_->context(), base->map, context_, *blocks_, progress);
  RAMET_TRY(accounting.begin(base->catalog));
  const Root& catalog = accounting.catalog();
  RAMET_ASSIGN(const auto wanted, targets_or_all(context_, catalog, targets));
  StoreUsage usage;
  std::map<Bytes, size_t> line_of_key;
  for (const UsageTarget& target : wanted) {
    RAMET_ASSIGN(const Found found, find_target(context_, catalog, target, base->commits_behind));
    for (const auto& [key, root] : found.roots) {
      if (line_of_key.emplace(key, usage.lines.size()).second) continue;
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is named twice, or with a snapshot that it includes",
                               found.container.record.name));
    }
    UsageLine line = line_of(target, found);
    RAMET_ASSIGN(const SlotSum freed, accounting.would_free(values_of(found.roots)));
    line.exclusive_bytes = freed.bytes;
    usage.lines.push_back(std::move(line));
  }
  RAMET_TRY(accounting.share_out([&](ByteView key, uint64_t share) {
    const auto line = line_of_key.find(Bytes(key));
    const auto space = catalog_space_of(key);
    if (line != line_of_key.end()) {
      usage.lines[line->second].share_bytes += share;
    } else if (space == CatalogSpace::kContainer || space == CatalogSpace::kSnapshot) {
      usage.other_share_bytes += share;
    } else {
      usage.catalog_bytes += share;
    }
    return ok();
  }));
  usage.catalog_bytes += accounting.catalog_bytes();
  usage.pending_bytes = accounting.pending().bytes;
  usage.dropped_bytes = accounting.dropped().bytes;
  RAMET_TRY(add_store_files(base->files, map_->context(), base->map,
                            accounting.bytes_of_segments(), usage));
  usage.nodes_read = accounting.nodes_read();
  usage.sequence = base->sequence;
  usage.commits_behind = base->commits_behind;
  if (sum_of_lines(usage) != usage.total_bytes) {  // [ACCOUNT-2]
    return Error(ErrorCode::kCorruption,
                 fmt::format("the shares add up to {} bytes, but the files have {}; 'ramet fsck' "
                             "tells more", sum_of_lines(usage), usage.total_bytes));
  }
  return usage;
}

}  // namespace ramet::engine
