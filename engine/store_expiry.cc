// Containers and snapshots that expire: from their time on they are dropped by whoever has the
// store open for writing, as if by hand.
#include <fmt/format.h>

#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// Expired things that one step drops.
constexpr int kExpiredMax = 64;

// What expires first, if its time has come.
Result<std::optional<ExpiresKey>> first_expired(TreeContext& context, const Root& catalog,
                                                int64_t now) {
  const KeyRange range = space_range(CatalogSpace::kExpires);
  Cursor cursor(context, catalog);
  RAMET_TRY(cursor.seek(range.from));
  if (!cursor.valid() || !range.contains(cursor.key())) return std::optional<ExpiresKey>();
  RAMET_ASSIGN(ExpiresKey key, decode_expires_key(cursor.key()));
  if (now < 0 || key.time > static_cast<uint64_t>(now)) return std::optional<ExpiresKey>();
  return std::optional(std::move(key));
}

}  // namespace

Status StoreImpl::set_expiry(ContainerId container, const std::string& snapshot,
                             int64_t expires) {
  if (expires < 0) return Error(ErrorCode::kInvalidArgument, "nothing expires before 1970");
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    RAMET_ASSIGN(ContainerEntry entry, find_container(context_, head.catalog, container));
    std::vector<Operation> operations;
    if (snapshot.empty()) {
      append_expiry(operations, container, {}, entry.record.expires, expires);
      entry.record.expires = expires;
      operations.push_back(Operation::put_rooted(container_key(container),
                                                 encode_container(entry.record),
                                                 container_key(container)));
    } else {
      RAMET_ASSIGN(SnapshotEntry found, find_snapshot(context_, head.catalog, entry, snapshot));
      append_expiry(operations, container, snapshot, found.record.expires, expires);
      found.record.expires = expires;
      const Bytes key = snapshot_key(container, snapshot);
      operations.push_back(Operation::put_rooted(key, encode_snapshot(found.record), key));
    }
    commit.trees.push_back({{}, std::move(operations)});
    return ok();
  };
  RAMET_TRY(commit(request, false));
  return ok();
}

// The catalog's EXPIRES entries only say where to look: what counts is the time in the record.
Status StoreImpl::append_expired_drop(const HeadState& head, const ExpiresKey& key,
                                      std::vector<Operation>& operations) {
  const auto entry = find_container(context_, head.catalog, key.container);
  if (!entry.ok()) {
    return entry.error().code() == ErrorCode::kNotFound ? ok() : Status(entry.error());
  }
  if (key.snapshot.empty()) {
    if (static_cast<uint64_t>(entry->record.expires) != key.time) return ok();
    if (!check_no_locks(*entry).ok()) return ok();  // it stays, and does not expire any more
    return append_container_drop(head, *entry, {}, operations);
  }
  const auto snapshot = find_snapshot(context_, head.catalog, *entry, key.snapshot);
  if (!snapshot.ok()) {
    return snapshot.error().code() == ErrorCode::kNotFound ? ok() : Status(snapshot.error());
  }
  if (static_cast<uint64_t>(snapshot->record.expires) != key.time) return ok();
  return append_snapshot_drop(head, 0, *entry, *snapshot, {}, operations);
}

Result<bool> StoreImpl::drop_expired() {
  bool found = false;
  for (int i = 0; i < kExpiredMax; ++i) {
    {
      const Pins::Reader hold(pins());
      RAMET_ASSIGN(const auto first,
                   first_expired(context_, visible().catalog, env_->now()));
      if (!first) break;
    }
    CommitRequest request;
    request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
      commit.trees.clear();
      RAMET_ASSIGN(const auto first, first_expired(context_, head.catalog, env_->now()));
      if (!first) return ok();
      std::vector<Operation> operations;
      RAMET_TRY(append_expired_drop(head, *first, operations));
      operations.push_back(Operation::erase(
          expires_key(first->time, first->container, first->snapshot)));
      commit.trees.push_back({{}, std::move(operations)});
      return ok();
    };
    RAMET_TRY(commit(request, true));
    found = true;
  }
  return found;
}

}  // namespace ramet::engine
