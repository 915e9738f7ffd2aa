// The drop queue: what was dropped stays in it for a grace, can be taken back until it is
// released, and only then begins to lose its blocks.
//
// The clock only lengthens how long something stays that nothing reaches any more. The queue is
// released in its order, and an entry is due once its time is the grace away from the clock's, on
// whichever side: a clock that was put back keeps nothing longer than twice the grace.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/access/access_change.h"
#include "engine/quantity.h"
#include "engine/store_impl.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// Dropped roots that one step lets go of.
constexpr size_t kDropsMax = 256;

// Nanoseconds between two times, whichever is the later; UINT64_MAX at most.
uint64_t distance(int64_t a, int64_t b) {
  return a < b ? static_cast<uint64_t>(b) - static_cast<uint64_t>(a)
               : static_cast<uint64_t>(a) - static_cast<uint64_t>(b);
}

bool is_due(const DropRecord& record, int64_t now, int64_t grace) {
  return grace <= 0 || distance(record.dropped, now) >= static_cast<uint64_t>(grace);
}

int64_t later(int64_t time, int64_t by) {
  int64_t sum = 0;
  return __builtin_add_overflow(time, by, &sum) ? INT64_MAX : sum;
}

Error taken(const std::string& what) {
  return Error(ErrorCode::kAlreadyExists, what);
}

// Moves the root of a catalog entry to the drop queue, or nowhere. `n` keeps the keys of one
// commit apart.
void append_drop(std::vector<Operation>& operations, const HeadState& head, uint64_t n, Bytes key,
                 const DropRecord& record, const DropOptions& options) {
  if (!options.now) {
    const DropNumber number = (head.sequence + 1) * kDropPartsMax + n;
    operations.push_back(Operation::put_rooted(drop_key(number), encode_drop(record), key));
  }
  operations.push_back(Operation::erase(std::move(key)));
}

}  // namespace

Status StoreImpl::append_snapshot_drop(const HeadState& head, uint64_t n,
                                       const ContainerEntry& container,
                                       const SnapshotEntry& snapshot, const DropOptions& options,
                                       std::vector<Operation>& operations) {
  if (n >= kDropPartsMax) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("container '{}' has too many snapshots to drop them at once",
                             container.record.name));
  }
  DropRecord record;
  record.container = container.id;
  record.container_name = container.record.name;
  record.snapshot = snapshot.name;
  record.dropped = env_->now();
  record.record = snapshot.bytes;
  append_drop(operations, head, n, snapshot_key(container.id, snapshot.name), record, options);
  append_expiry(operations, container.id, snapshot.name, snapshot.record.expires, 0);
  return ok();
}

Status StoreImpl::append_container_drop(const HeadState& head, const ContainerEntry& entry,
                                        const DropOptions& options,
                                        std::vector<Operation>& operations) {
  DropRecord record;
  record.container = entry.id;
  record.container_name = entry.record.name;
  record.dropped = env_->now();
  record.record = entry.bytes;
  append_drop(operations, head, 0, container_key(entry.id), record, options);
  operations.push_back(Operation::erase(container_name_key(entry.record.name)));
  append_expiry(operations, entry.id, {}, entry.record.expires, 0);
  // (What can be taken back comes with what was granted on it: see release_drops().)
  if (options.now) {
    RAMET_TRY(append_access_removal(context_, head.catalog, entry.id, operations));
  }
  uint64_t n = 0;
  return each_snapshot(context_, head.catalog, entry.id, [&](const SnapshotEntry& snapshot) {
    return append_snapshot_drop(head, ++n, entry, snapshot, options, operations);
  });
}

Status StoreImpl::check_no_locks(const ContainerEntry& entry) {
  if (own_setting(entry.record, kObjectLockSetting) == "off") return ok();
  const Summary& summary = entry.root.summary;
  if (summary[SummaryColumn::kLegalHolds] == 0 &&
      summary[SummaryColumn::kRetainUntil] <= static_cast<uint64_t>(env_->now())) {
    return ok();
  }
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("'{}' holds locked objects", entry.record.name));
}

Status StoreImpl::drop_container(ContainerId id, const DropOptions& options) {
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    RAMET_ASSIGN(const ContainerEntry entry, find_container(context_, head.catalog, id));
    RAMET_TRY(check_no_locks(entry));
    std::vector<Operation> operations;
    RAMET_TRY(append_container_drop(head, entry, options, operations));
    commit.trees.push_back({{}, std::move(operations)});
    return ok();
  };
  RAMET_TRY(commit(request, true));
  return ok();
}

Status StoreImpl::drop_snapshot(ContainerId container, const std::string& name,
                                const DropOptions& options) {
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    RAMET_ASSIGN(const ContainerEntry entry, find_container(context_, head.catalog, container));
    RAMET_ASSIGN(const SnapshotEntry snapshot,
                 find_snapshot(context_, head.catalog, entry, name));
    std::vector<Operation> operations;
    RAMET_TRY(append_snapshot_drop(head, 0, entry, snapshot, options, operations));
    commit.trees.push_back({{}, std::move(operations)});
    return ok();
  };
  RAMET_TRY(commit(request, true));
  return ok();
}

// --- what can be taken back ----------------------------------------------------------------------

Status StoreImpl::dropped(const std::function<bool(const DroppedInfo&)>& visit) {
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  RAMET_ASSIGN(const int64_t grace, drop_grace(head));
  std::vector<DroppedInfo> found;
  std::set<ContainerId> containers;  // in the queue
  std::optional<size_t> last;        // container of `found`: its snapshots follow it
  RAMET_TRY(each_drop(context_, head.catalog, 0, [&](const DropEntry& entry) -> Result<bool> {
    const bool is_container = entry.record.snapshot.empty();
    if (!is_container && last && entry.is_with(found[*last].number)) {
      ++found[*last].snapshots;
      return true;
    }
    if (is_container) {
      last = found.size();
      containers.insert(entry.record.container);
    }
    found.push_back({entry.number, entry.record.container, entry.record.container_name,
                     entry.record.snapshot, entry.record.dropped,
                     later(entry.record.dropped, grace), 0, entry.root.summary});
    return true;
  }));
  for (const DroppedInfo& info : found) {
    if (!info.snapshot.empty() && !containers.contains(info.container)) {
      // Where its container is gone for good there is nothing to put it back into.
      RAMET_ASSIGN(const bool there,
                   get(context_, head.catalog, container_key(info.container), nullptr));
      if (!there) continue;
    }
    if (!visit(info)) break;
  }
  return ok();
}

Result<UndeleteResult> StoreImpl::undelete(DropNumber number, const std::string& as) {
  if (!as.empty()) RAMET_TRY(check_label(as, "a name"));
  UndeleteResult result;
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    result = UndeleteResult{};
    std::optional<DropEntry> entry;
    RAMET_TRY(each_drop(context_, head.catalog, number, [&](const DropEntry& first) {
      if (first.number == number) entry = first;
      return Result<bool>(false);
    }));
    if (!entry) {
      return Error(ErrorCode::kNotFound,
                   "what was dropped is not there any more: it was taken back, or its space was "
                   "given back");
    }
    result.container = entry->record.container;
    result.snapshot = entry->record.snapshot;
    std::vector<Operation> operations;
    RAMET_TRY(entry->record.snapshot.empty()
                  ? undelete_container(head, *entry, as, operations, result)
                  : undelete_snapshot(head, *entry, as, operations, result));
    commit.trees.push_back({{}, std::move(operations)});
    return ok();
  };
  RAMET_ASSIGN(result.sequence, commit(request, false));
  return result;
}

Status StoreImpl::undelete_container(const HeadState& head, const DropEntry& entry,
                                     const std::string& as, std::vector<Operation>& operations,
                                     UndeleteResult& result) {
  const int64_t now = env_->now();
  const ContainerId id = entry.record.container;
  RAMET_ASSIGN(ContainerRecord record, decode_container(entry.record.record));
  if (!as.empty()) record.name = as;
  if (record.expires <= now) record.expires = 0;
  result.name = record.name;
  RAMET_ASSIGN(const bool used,
               get(context_, head.catalog, container_name_key(record.name), nullptr));
  if (used) return taken(fmt::format("there is a container '{}' already", record.name));
  const auto take_back = [&](Bytes key, Bytes value, uint64_t number) {
    operations.push_back(
        Operation::put_rooted(std::move(key), std::move(value), drop_key(number)));
    operations.push_back(Operation::erase(drop_key(number)));
  };
  take_back(container_key(id), encode_container(record), entry.number);
  operations.push_back(Operation::put(container_name_key(record.name), Bytes(id.view())));
  append_expiry(operations, id, {}, 0, record.expires);
  return each_drop(context_, head.catalog, entry.number + 1,
                   [&](const DropEntry& with) -> Result<bool> {
    if (!with.is_with(entry.number)) return false;
    RAMET_ASSIGN(SnapshotRecord snapshot, decode_snapshot(with.record.record));
    if (snapshot.expires <= now) snapshot.expires = 0;
    take_back(snapshot_key(id, with.record.snapshot), encode_snapshot(snapshot), with.number);
    append_expiry(operations, id, with.record.snapshot, 0, snapshot.expires);
    ++result.snapshots;
    return true;
  });
}

Status StoreImpl::undelete_snapshot(const HeadState& head, const DropEntry& entry,
                                    const std::string& as, std::vector<Operation>& operations,
                                    UndeleteResult& result) {
  const ContainerId id = entry.record.container;
  const auto container = find_container(context_, head.catalog, id);
  if (!container.ok()) {
    if (container.error().code() != ErrorCode::kNotFound) return container.error();
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("container '{}' of snapshot '{}' was dropped, too",
                             entry.record.container_name, entry.record.snapshot));
  }
  RAMET_ASSIGN(SnapshotRecord record, decode_snapshot(entry.record.record));
  if (record.expires <= env_->now()) record.expires = 0;
  result.name = container->record.name;
  if (!as.empty()) result.snapshot = as;
  const Bytes key = snapshot_key(id, result.snapshot);
  RAMET_ASSIGN(const bool used, get(context_, head.catalog, key, nullptr));
  if (used) {
    return taken(fmt::format("container '{}' has a snapshot '{}' already", result.name,
                             result.snapshot));
  }
  operations.push_back(
      Operation::put_rooted(key, encode_snapshot(record), drop_key(entry.number)));
  operations.push_back(Operation::erase(drop_key(entry.number)));
  append_expiry(operations, id, result.snapshot, 0, record.expires);
  return ok();
}

// --- release -------------------------------------------------------------------------------------

Result<int64_t> StoreImpl::drop_grace(const HeadState& head) {
  RAMET_ASSIGN(const SettingInfo setting,
               setting_of(context_, head.catalog, nullptr, kDropGraceSetting));
  if (setting.source == SettingSource::kDefault) return options_.drop_grace;
  return parse_duration(setting.value);
}

// With less room than the next segments take, what could be taken back stands in the way.
bool StoreImpl::is_nearly_full() {
  if (reserve_used_) return true;
  const auto space = env_->space(path_);
  if (!space.ok()) return false;
  return space->available_bytes < 4 * ballast_->target() + options_.commit_segment_bytes +
                                      options_.node_segment_bytes + options_.data_segment_bytes +
                                      options_.map_segment_bytes;
}

Result<bool> StoreImpl::drop_is_due(bool now) {
  bool due = false;
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  RAMET_ASSIGN(const int64_t grace, drop_grace(head));
  RAMET_TRY(each_drop(context_, head.catalog, 0, [&](const DropEntry& first) {
    due = now || is_due(first.record, env_->now(), grace) || is_nearly_full();
    return Result<bool>(false);
  }));
  return due;
}

// The next checkpoint counts their roots down.
Result<bool> StoreImpl::release_drops(bool now) {
  RAMET_ASSIGN(const bool any, drop_is_due(now));
  if (!any) return false;
  const bool at_once = now || is_nearly_full();
  bool found = false;
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    std::vector<Operation> operations;
    RAMET_ASSIGN(const int64_t grace, drop_grace(head));
    const auto release = [&](const DropEntry& entry) -> Result<bool> {
      if (!at_once && !is_due(entry.record, env_->now(), grace)) return false;
      operations.push_back(Operation::erase(drop_key(entry.number)));
      if (entry.record.snapshot.empty()) {
        RAMET_TRY(append_access_removal(context_, head.catalog, entry.record.container,
                                        operations));
      }
      return operations.size() < kDropsMax;
    };
    RAMET_TRY(each_drop(context_, head.catalog, 0, release));
    found = !operations.empty();
    if (found) commit.trees.push_back({{}, std::move(operations)});
    return ok();
  };
  RAMET_TRY(commit(request, true));
  return found;
}

}  // namespace ramet::engine
