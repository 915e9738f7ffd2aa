// Cloning: one operation for every face (DESIGN 10).
#include <algorithm>

#include <fmt/format.h>

#include "engine/container/catalog.h"
#include "engine/container/partial_clone.h"
#include "engine/container/record_clone.h"
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
  const bool of_records = !spec.types.empty() || !spec.without_types.empty() ||
                          !spec.ids.empty() || !spec.without_ids.empty() || spec.edit;
  if (of_records && (!new_container || spec.identity != CloneIdentity::kFresh)) {
    return Error(ErrorCode::kInvalidArgument,
                 "records are selected and changed in a clone that is a new container");
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
  if (spec.identity == CloneIdentity::kFresh) return clone_records(spec);
  return clone_whole(spec);
}

namespace {

struct RecordSource {
  ContainerEntry entry;
  Bytes key;  // of the catalog entry whose tree is cloned
  Root root;
  Sequence sequence = 0;  // of the state
  LineageInfo lineage;
  Compression compression;
};

Result<RecordSource> find_record_source(TreeContext& context, const HeadState& head,
                                        const CloneSpec& spec) {
  RecordSource source;
  RAMET_ASSIGN(source.entry, find_container(context, head.catalog, spec.source));
  const std::string& name = source.entry.record.name;
  if (source.entry.record.form != ContainerForm::kRecords) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("container '{}' holds no records: whole containers of files are "
                             "cloned with the ids of their objects", name));
  }
  source.key = container_key(spec.source);
  source.root = source.entry.root;
  source.sequence = head.sequence;
  source.lineage = {spec.source, name, spec.snapshot, head.sequence};
  if (!spec.snapshot.empty()) {
    RAMET_ASSIGN(const SnapshotEntry snapshot,
                 find_snapshot(context, head.catalog, source.entry, spec.snapshot));
    source.key = snapshot_key(spec.source, spec.snapshot);
    source.root = snapshot.root;
    source.lineage.sequence = snapshot.record.sequence;
  }
  RAMET_ASSIGN(source.compression,
               compression_of(context, head.catalog, &source.entry.record));
  return source;
}

// So often what changed meanwhile is begun anew. Then the clone is written out, as a whole: costs
// more, but leans on nothing that others change.
constexpr int kTriesMax = 8;

}  // namespace

// The clone is built as a transaction on the source's tree, in which the ids are those that it will
// show, and becomes a container in one commit: for a whole one a few hundred bytes [INV-5].
Result<CloneResult> StoreImpl::clone_records(const CloneSpec& spec) {
  RAMET_TRY(check_open());
  RAMET_TRY(check_label(spec.new_container, "a container's name"));
  RAMET_TRY(check_note(spec.note));
  for (int tries = 1;; ++tries) {
    auto hold = std::make_unique<Pins::Writer>(pins());
    const HeadState head = queue_->applied();
    RAMET_TRY(check_name_is_free(context_, head.catalog, spec.new_container));
    RAMET_ASSIGN(const RecordSource source, find_record_source(context_, head, spec));
    ContainerRecord record = source.entry.record;
    record.name = spec.new_container;
    record.created = env_->now();
    record.note = spec.note;
    record.expires = std::max<int64_t>(0, spec.expires);
    record.lineage = source.lineage;
    record.rolled_back = 0;
    put_setting(record.settings, std::string(kObjectLockSetting), std::nullopt);
    record.id_key = random_of_id();
    record.depth += 1;
    record.has_dead = true;  // it may be, while it is built
    const ContainerId id{IdCipher(record.id_key).encrypt(record.self).bytes};
    TransactionImpl transaction(*this, std::move(hold), id, source.root, source.sequence,
                                policy_of(record, source.compression, ciphers_));
    RAMET_TRY(build_record_clone(transaction, spec, source.entry.record, record));
    if (spec.edit) RAMET_TRY(spec.edit(transaction));
    const Summary summary = transaction.summary_now();
    auto done = transaction.commit_as_new(record, source.key, tries == kTriesMax);
    if (!done.ok() && done.error().code() == ErrorCode::kBusy && tries < kTriesMax) continue;
    if (!done.ok()) return std::move(done).error();
    CloneResult result;
    result.container = id;
    result.sequence = *done;
    result.objects_created = summary[SummaryColumn::kObjects];
    result.bytes_shared = summary[SummaryColumn::kContentBytes];
    return result;
  }
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
    RAMET_TRY(check_name_is_free(context_, head.catalog, record.name));
    if (source.record.form == ContainerForm::kRecords) {
      return Error(ErrorCode::kUnsupported,
                   fmt::format("container '{}' holds records, which get new ids in a clone",
                               source.record.name));
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
    record.form = source.record.form;
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
