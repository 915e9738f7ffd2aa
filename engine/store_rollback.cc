// Rolling a container back to one of its snapshots.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "engine/container/quota.h"
#include "engine/store_impl.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr std::string_view kKeptPrefix = "before-rollback-";

// A name that no snapshot of the container has: one more than the greatest number.
Result<std::string> name_to_keep(TreeContext& context, const Root& catalog, ContainerId id) {
  uint64_t greatest = 0;
  RAMET_TRY(each_snapshot(context, catalog, id, [&](const SnapshotEntry& entry) {
    const std::string_view name = entry.name;
    if (!name.starts_with(kKeptPrefix)) return ok();
    uint64_t number = 0;
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + kKeptPrefix.size(), end, number);
    const bool is_number = parsed.ec == std::errc() && parsed.ptr == end;
    if (is_number && number < UINT64_MAX) greatest = std::max(greatest, number);
    return ok();
  }));
  return fmt::format("{}{}", kKeptPrefix, greatest + 1);
}

}  // namespace

// A clone forward: the head becomes a snapshot, then the snapshot's root becomes the head, both as
// they are at this place in the log [INV-5].
Result<RollbackResult> StoreImpl::rollback(ContainerId container, const std::string& snapshot) {
  RollbackResult result;
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    RAMET_ASSIGN(ContainerEntry entry, find_container(context_, head.catalog, container));
    RAMET_ASSIGN(const SnapshotEntry target,
                 find_snapshot(context_, head.catalog, entry, snapshot));
    RAMET_TRY(check_no_locks(entry));
    RAMET_TRY(check_quota(entry.record, entry.root.summary, target.root.summary));
    RAMET_ASSIGN(result.kept, name_to_keep(context_, head.catalog, container));
    SnapshotRecord kept;
    kept.created = env_->now();
    kept.sequence = head.sequence;
    kept.note = fmt::format("the state before a rollback to '{}'", snapshot);
    kept.automatic = true;
    entry.record.rolled_back = head.sequence + 1;
    std::vector<Operation> operations;
    operations.push_back(Operation::put_rooted(snapshot_key(container, result.kept),
                                               encode_snapshot(kept), container_key(container)));
    operations.push_back(Operation::put_rooted(container_key(container),
                                               encode_container(entry.record),
                                               snapshot_key(container, snapshot)));
    commit.trees.push_back({{}, std::move(operations)});
    return ok();
  };
  RAMET_ASSIGN(result.sequence, commit(request, false));
  return result;
}

}  // namespace ramet::engine
