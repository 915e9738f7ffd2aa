// Containers and snapshots: each change is one commit.
#include "engine/store_impl.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/container/catalog.h"
#include "engine/container/transaction_impl.h"
#include "engine/container/view_impl.h"
#include "engine/no_wait.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

TreeOperations& catalog_operations(CommitRequest& request) {
  request.trees.clear();
  request.trees.emplace_back();
  return request.trees.back();
}

}  // namespace

std::array<uint8_t, 16> StoreImpl::random_of_id() {
  constexpr size_t kAtOnce = 256;
  const std::lock_guard lock(random_mu_);
  if (random_.empty()) {
    random_.resize(kAtOnce);
    env_->random({reinterpret_cast<char*>(random_.data()), kAtOnce * sizeof random_[0]});
  }
  const auto out = random_.back();
  random_.pop_back();
  return out;
}

Status StoreImpl::check_open() const {
  if (!closed_) return ok();
  return Error(ErrorCode::kFailedPrecondition, "the store " + path_ + " is closed");
}

bool StoreImpl::checkpoint_is_far_behind() {
  // In the background writers go on until the dirty nodes are twice what they should be.
  return !options_.background || dirty_bytes() > 2 * options_.dirty_bytes_max;
}

Status StoreImpl::before_commit(bool frees_space) {
  RAMET_TRY(check_open());
  if (options_.read_only) {
    return Error(ErrorCode::kFailedPrecondition, "the store was opened read-only");
  }
  RAMET_TRY(check_reserve(frees_space));
  if (checkpoint_due()) {
    if (checkpoint_is_far_behind()) {
      Status status = checkpoint_with_reserve(true);
      if (!status.ok() && !frees_space) return std::move(status).error();
    } else {
      wake_maintenance();
    }
  }
  return ok();
}

Result<Sequence> StoreImpl::commit(CommitRequest& request, bool frees_space) {
  if (NoWaitScope::active()) {
    return Error(ErrorCode::kWouldWait, "a commit waits until it is durable");
  }
  RAMET_TRY(before_commit(frees_space));
  auto done = queue_->commit(request);
  if (!done.ok() && done.error().code() == ErrorCode::kOutOfSpace && frees_space &&
      request.prepare && give_up_reserve()) {
    done = queue_->commit(request);
  }
  return done;
}

void StoreImpl::commit_async(CommitRequest& request, CommitQueue::Done done) {
  Status status = before_commit(false);
  if (!status.ok()) return done(std::move(status).error(), request.blocks);
  queue_->commit_async(request, std::move(done));
}

void StoreImpl::commit_async(std::unique_ptr<Transaction> transaction, CommitHandler handler) {
  std::shared_ptr<TransactionImpl> own(static_cast<TransactionImpl*>(transaction.release()));
  TransactionImpl& committing = *own;
  committing.commit_async(std::move(own), std::move(handler));
}

Result<ContainerInfo> StoreImpl::create_container(const std::string& name,
                                                  const std::string& note,
                                                  const std::vector<Setting>& settings,
                                                  int64_t expires, ContainerForm form) {
  RAMET_TRY(check_label(name, "a container's name"));
  RAMET_TRY(check_note(note));
  const auto id = new_id<ContainerId>();
  ContainerRecord record;
  record.name = name;
  record.created = env_->now();
  record.note = note;
  record.expires = std::max<int64_t>(0, expires);
  record.form = form;
  if (form == ContainerForm::kRecords) record.self = ObjectId{id.bytes};
  for (const Setting& setting : settings) {
    RAMET_ASSIGN(std::string text, check_setting(setting.name, setting.value, true));
    put_setting(record.settings, setting.name, std::move(text));
  }
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    RAMET_TRY(check_name_is_free(context_, head.catalog, name));
    auto& operations = catalog_operations(commit).operations;
    operations.push_back(Operation::put_rooted(container_key(id), encode_container(record), {}));
    operations.push_back(Operation::put(container_name_key(name), Bytes(id.view())));
    append_expiry(operations, id, {}, 0, record.expires);
    return ok();
  };
  RAMET_TRY(commit(request, false));
  return info_of(ContainerEntry{id, record, {}, {}});  // nothing that can fail once it is durable
}

Result<ContainerInfo> StoreImpl::container(const std::string& name) {
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  RAMET_ASSIGN(const ContainerId id, find_container_id(context_, head.catalog, name));
  RAMET_ASSIGN(const ContainerEntry entry, find_container(context_, head.catalog, id));
  return info_of(entry);
}

Result<ContainerInfo> StoreImpl::container(ContainerId id) {
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  RAMET_ASSIGN(const ContainerEntry entry, find_container(context_, visible().catalog, id));
  return info_of(entry);
}

Status StoreImpl::containers(std::string_view after,
                             const std::function<bool(const ContainerInfo&)>& visit) {
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  return each_container(context_, head.catalog, after,
                        [&](const std::string&, ContainerId id) -> Result<bool> {
                          RAMET_ASSIGN(const ContainerEntry entry,
                                       find_container(context_, head.catalog, id));
                          return visit(info_of(entry));
                        });
}

Status StoreImpl::rename_container(ContainerId id, const std::string& name) {
  RAMET_TRY(check_label(name, "a container's name"));
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    RAMET_ASSIGN(ContainerEntry entry, find_container(context_, head.catalog, id));
    if (entry.record.name == name) return ok();
    RAMET_TRY(check_name_is_free(context_, head.catalog, name));
    auto& operations = catalog_operations(commit).operations;
    operations.push_back(Operation::erase(container_name_key(entry.record.name)));
    operations.push_back(Operation::put(container_name_key(name), Bytes(id.view())));
    entry.record.name = name;
    operations.push_back(Operation::put_rooted(container_key(id), encode_container(entry.record),
                                               container_key(id)));
    return ok();
  };
  RAMET_TRY(commit(request, false));
  return ok();
}

Result<SnapshotInfo> StoreImpl::create_snapshot(ContainerId container, const std::string& name,
                                                const std::string& note) {
  return create_snapshot(container, name, SnapshotOptions{note, 0, false});
}

Result<SnapshotInfo> StoreImpl::create_snapshot(ContainerId container, const std::string& name,
                                                const SnapshotOptions& options) {
  RAMET_TRY(check_label(name, "a snapshot's name"));
  RAMET_TRY(check_note(options.note));
  SnapshotRecord record;
  record.created = env_->now();
  record.note = options.note;
  record.expires = std::max<int64_t>(0, options.expires);
  record.automatic = options.automatic;
  SnapshotInfo made;
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    RAMET_ASSIGN(const ContainerEntry entry, find_container(context_, head.catalog, container));
    const Bytes key = snapshot_key(container, name);
    RAMET_ASSIGN(const bool found, get(context_, head.catalog, key, nullptr));
    if (found) {
      return Error(ErrorCode::kAlreadyExists, fmt::format("container '{}' has a snapshot '{}'",
                                                          entry.record.name, name));
    }
    record.sequence = head.sequence;
    auto& operations = catalog_operations(commit).operations;
    operations.push_back(
        Operation::put_rooted(key, encode_snapshot(record), container_key(container)));
    append_expiry(operations, container, name, 0, record.expires);
    if (record.automatic) RAMET_TRY(append_retention(head, entry, record, operations));
    made = info_of(SnapshotEntry{name, record, entry.root, {}});
    return ok();
  };
  RAMET_TRY(commit(request, false));
  return made;
}

Status StoreImpl::snapshots(ContainerId container,
                            const std::function<bool(const SnapshotInfo&)>& visit) {
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  RAMET_TRY(find_container(context_, head.catalog, container));
  bool more = true;
  return each_snapshot(context_, head.catalog, container, [&](const SnapshotEntry& entry) {
    if (more) more = visit(info_of(entry));
    return ok();
  });
}

Result<std::shared_ptr<const View>> StoreImpl::view(ContainerId container,
                                                    const std::string& snapshot) {
  RAMET_TRY(check_open());
  auto hold = std::make_unique<Pins::Reader>(pins());  // before the state is looked at
  const HeadState head = visible();
  RAMET_ASSIGN(const ContainerEntry entry, find_container(context_, head.catalog, container));
  Root root = entry.root;
  Sequence sequence = head.sequence;
  if (!snapshot.empty()) {
    RAMET_ASSIGN(const SnapshotEntry found,
                 find_snapshot(context_, head.catalog, entry, snapshot));
    root = found.root;
    sequence = found.record.sequence;
  }
  return std::shared_ptr<const View>(
      std::make_shared<ViewImpl>(*this, std::move(hold), entry, root, sequence));
}

Result<std::vector<ContainerId>> StoreImpl::holders(ObjectId object,
                                                    std::span<const ContainerId> among) {
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  std::vector<ContainerId> out;
  for (const ContainerId& id : among) {
    const auto entry = find_container(context_, head.catalog, id);
    if (!entry.ok()) {
      if (entry.error().code() == ErrorCode::kNotFound) continue;
      return entry.error();
    }
    RAMET_ASSIGN(const bool has_it,
                 Reader(context_, entry->root, !entry->record.has_folders()).has_object(object));
    if (has_it) out.push_back(id);
  }
  return out;
}

Result<std::vector<ContainerId>> StoreImpl::record_holders(TypeNumber type, ObjectId id) {
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  std::vector<ContainerId> out;
  RAMET_TRY(each_container(
      context_, head.catalog, {}, [&](const std::string&, ContainerId container) -> Result<bool> {
        RAMET_ASSIGN(const ContainerEntry entry, find_container(context_, head.catalog, container));
        const auto space = record_space_of(entry.record, ciphers_);
        if (space == nullptr) return true;
        RAMET_ASSIGN(const bool lives, get(context_, entry.root,
                                           object_key(type, space->inner(id)), nullptr));
        if (lives) out.push_back(container);
        return true;
      }));
  return out;
}

Result<std::unique_ptr<Transaction>> StoreImpl::begin(ContainerId container) {
  RAMET_TRY(check_open());
  if (options_.read_only) {
    return Error(ErrorCode::kFailedPrecondition, "the store was opened read-only");
  }
  ignore_error(check_reserve(false), "a full disk shows when the transaction stores something");
  auto hold = std::make_unique<Pins::Writer>(pins());
  const HeadState head = visible();
  RAMET_ASSIGN(const ContainerEntry entry, find_container(context_, head.catalog, container));
  RAMET_ASSIGN(const Compression compression,
               compression_of(context_, head.catalog, &entry.record));
  return std::unique_ptr<Transaction>(
      std::make_unique<TransactionImpl>(*this, std::move(hold), container, entry.root,
                                        head.sequence, policy_of(entry.record, compression,
                                                  ciphers_)));
}

}  // namespace ramet::engine
