// Retention of snapshots: the rules are engine/retention.h's; what they drop goes to the drop
// queue.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "engine/store_impl.h"

namespace ramet::engine {
namespace {

RetentionItem item_of(const SnapshotRecord& record) { return {record.created, record.sequence}; }

}  // namespace

Result<RetentionPolicy> StoreImpl::retention_of(const HeadState& head,
                                                const ContainerRecord& record) {
  RAMET_ASSIGN(const SettingInfo setting,
               setting_of(context_, head.catalog, &record, kKeepSetting));
  return parse_retention(setting.value);
}

Result<PruneReport> StoreImpl::plan_prune(const HeadState& head, const ContainerEntry& entry,
                                          const PruneOptions& options) {
  PruneReport report;
  report.policy = options.policy;
  bool only_automatic = options.only_automatic;
  if (report.policy.empty()) {
    RAMET_ASSIGN(report.policy, retention_of(head, entry.record));
    only_automatic = true;
    if (report.policy.empty()) {
      return Error(ErrorCode::kFailedPrecondition,
                   fmt::format("container '{}' has no setting 'keep', and no rule was given",
                               entry.record.name));
    }
  }
  std::vector<RetentionItem> items;
  RAMET_TRY(each_snapshot(context_, head.catalog, entry.id, [&](const SnapshotEntry& snapshot) {
    if (only_automatic && !snapshot.record.automatic) return ok();
    report.snapshots.push_back({info_of(snapshot), 0});
    items.push_back(item_of(snapshot.record));
    return ok();
  }));
  const std::vector<uint8_t> kept = retained(items, report.policy);
  for (size_t i = 0; i < kept.size(); ++i) {
    report.snapshots[i].kept_by = kept[i];
    if (kept[i] == 0) ++report.dropped;
  }
  std::stable_sort(report.snapshots.begin(), report.snapshots.end(),
                   [](const PrunedSnapshot& a, const PrunedSnapshot& b) {
                     return std::tuple(a.info.created, a.info.sequence) >
                            std::tuple(b.info.created, b.info.sequence);
                   });
  return report;
}

Result<PruneReport> StoreImpl::prune_snapshots(ContainerId container,
                                               const PruneOptions& options) {
  RAMET_TRY(check_open());
  if (options.dry_run) {
    const Pins::Reader hold(pins());
    const HeadState head = visible();
    RAMET_ASSIGN(const ContainerEntry entry, find_container(context_, head.catalog, container));
    return plan_prune(head, entry, options);
  }
  PruneReport report;
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    RAMET_ASSIGN(const ContainerEntry entry, find_container(context_, head.catalog, container));
    RAMET_ASSIGN(report, plan_prune(head, entry, options));
    std::vector<Operation> operations;
    uint64_t n = 0;
    for (const PrunedSnapshot& pruned : report.snapshots) {
      if (pruned.kept_by != 0) continue;
      RAMET_ASSIGN(const SnapshotEntry snapshot,
                   find_snapshot(context_, head.catalog, entry, pruned.info.name));
      RAMET_TRY(append_snapshot_drop(head, n++, entry, snapshot, {}, operations));
    }
    if (!operations.empty()) commit.trees.push_back({{}, std::move(operations)});
    return ok();
  };
  RAMET_TRY(commit(request, true));
  return report;
}

Status StoreImpl::append_retention(const HeadState& head, const ContainerEntry& entry,
                                   const SnapshotRecord& added,
                                   std::vector<Operation>& operations) {
  RAMET_ASSIGN(const RetentionPolicy policy, retention_of(head, entry.record));
  if (policy.empty()) return ok();
  std::vector<SnapshotEntry> snapshots;
  std::vector<RetentionItem> items;
  RAMET_TRY(each_snapshot(context_, head.catalog, entry.id, [&](const SnapshotEntry& snapshot) {
    if (!snapshot.record.automatic) return ok();
    snapshots.push_back(snapshot);
    items.push_back(item_of(snapshot.record));
    return ok();
  }));
  items.push_back(item_of(added));
  const std::vector<uint8_t> kept = retained(items, policy);
  uint64_t n = 0;
  for (size_t i = 0; i < snapshots.size(); ++i) {
    if (kept[i] != 0) continue;
    RAMET_TRY(append_snapshot_drop(head, n++, entry, snapshots[i], {}, operations));
  }
  return ok();
}

}  // namespace ramet::engine
