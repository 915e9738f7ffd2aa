// Cloning: one operation for every face (DESIGN 10).
#include <algorithm>

#include <fmt/format.h>

#include "engine/container/catalog.h"
#include "engine/container/partial_clone.h"
#include "engine/container/transaction_impl.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

Status check_spec(const CloneSpec& spec) {
  const bool whole = spec.paths.empty() && spec.objects.empty();
  const bool new_container = !spec.new_container.empty();
  if (new_container == !spec.target.is_null()) {
    return Error(ErrorCode::kInvalidArgument,
                 "a clone needs either the name of a new container or an existing target");
  }
  if (new_container && !whole) {
    return Error(ErrorCode::kInvalidArgument,
                 "selected folders and objects are cloned into an existing container");
  }
  if (!spec.objects.empty() && !spec.by_id) {
    return Error(ErrorCode::kInvalidArgument, "objects are selected by their ids with by_id alone");
  }
  if (spec.by_id && (new_container || spec.identity == CloneIdentity::kFresh ||
                     spec.source == spec.target || !spec.target_name.empty())) {
    return Error(ErrorCode::kInvalidArgument,
                 "objects that are told apart by their ids keep them, in another container");
  }
  if (!spec.target_name.empty() && spec.paths.size() != 1) {
    return Error(ErrorCode::kInvalidArgument,
                 "a new name for the clone needs exactly one selected path");
  }
  if (new_container && spec.identity == CloneIdentity::kFresh) {
    return Error(ErrorCode::kUnsupported,
                 "whole containers are cloned with the ids of their objects");
  }
  return ok();
}

// What a clone does not take along is erased from its tree, O(log n); where there is none of it,
// nothing is written.
Status append_left_out(TreeContext& context, const CloneSpec& spec, const Root& source, Bytes tree,
                       std::vector<TreeOperations>& trees) {
  std::vector<ContainerSpace> spaces{ContainerSpace::kAudit, ContainerSpace::kDocument};
  if (!spec.history) {
    spaces.insert(spaces.end(), {ContainerSpace::kVersion, ContainerSpace::kHistoryExtent,
                                 ContainerSpace::kRemoved});
  }
  TreeOperations left_out{std::move(tree), {}};
  for (const ContainerSpace space : spaces) {
    const KeyRange range = space_range(space);
    Cursor cursor(context, source);
    RAMET_TRY(cursor.seek(range.from));
    if (!cursor.valid() || !range.contains(cursor.key())) continue;
    left_out.operations.push_back(Operation::erase_range(range.from, range.to));
  }
  if (!left_out.operations.empty()) trees.push_back(std::move(left_out));
  return ok();
}

}  // namespace

Result<CloneResult> StoreImpl::clone(const CloneSpec& spec) {
  RAMET_TRY(check_spec(spec));
  if (spec.new_container.empty()) return clone_part(*this, spec);
  return clone_whole(spec);
}

// The new container's catalog entry shares the source's root, as it is at this place in the log:
// one commit of a few hundred bytes, whatever the source holds [INV-5].
Result<CloneResult> StoreImpl::clone_whole(const CloneSpec& spec) {
  RAMET_TRY(check_label(spec.new_container, "a container's name"));
  RAMET_TRY(check_note(spec.note));
  CloneResult result;
  result.container = new_id<ContainerId>();
  ContainerRecord record;
  record.name = spec.new_container;
  record.created = env_->now();
  record.note = spec.note;
  record.expires = std::max<int64_t>(0, spec.expires);
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    RAMET_ASSIGN(const ContainerEntry source,
                 find_container(context_, head.catalog, spec.source));
    RAMET_ASSIGN(const bool used,
                 get(context_, head.catalog, container_name_key(record.name), nullptr));
    if (used) {
      return Error(ErrorCode::kAlreadyExists,
                   fmt::format("there is a container '{}' already", record.name));
    }
    LineageInfo lineage{spec.source, source.record.name, spec.snapshot, head.sequence};
    Root root = source.root;
    Bytes shared = container_key(spec.source);
    if (!spec.snapshot.empty()) {
      RAMET_ASSIGN(const SnapshotEntry snapshot,
                   find_snapshot(context_, head.catalog, source, spec.snapshot));
      root = snapshot.root;
      lineage.sequence = snapshot.record.sequence;
      shared = snapshot_key(spec.source, spec.snapshot);
    }
    record.lineage = lineage;
    record.settings = source.record.settings;
    put_setting(record.settings, std::string(kObjectLockSetting), std::nullopt);
    record.flat = source.record.flat;
    result.objects_created = root.summary[SummaryColumn::kObjects];
    result.folders_created = root.summary[SummaryColumn::kFolders];
    result.bytes_shared = root.summary[SummaryColumn::kContentBytes];
    commit.trees.emplace_back();
    auto& operations = commit.trees.back().operations;
    operations.push_back(Operation::put_rooted(container_key(result.container),
                                               encode_container(record), std::move(shared)));
    operations.push_back(
        Operation::put(container_name_key(record.name), Bytes(result.container.view())));
    append_expiry(operations, result.container, {}, 0, record.expires);
    return append_left_out(context_, spec, root, container_key(result.container), commit.trees);
  };
  RAMET_ASSIGN(result.sequence, commit(request, false));
  return result;
}

}  // namespace ramet::engine
