#include "engine/container/transaction_impl.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "engine/container/catalog.h"
#include "engine/container/conflicts.h"
#include "engine/container/quota.h"
#include "engine/container/records.h"
#include "engine/expect.h"
#include "engine/store_impl.h"
#include "engine/tree/diff.h"
#include "engine/tree/persist.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// Where assertions are checked, so is what RecentChanges says, by a comparison.
#ifdef NDEBUG
constexpr bool kChecksTwice = false;
#else
constexpr bool kChecksTwice = true;
#endif

bool has_pending(std::span<const BlockRef> refs) {
  return std::any_of(refs.begin(), refs.end(),
                     [](const BlockRef& ref) { return ref.segment == kPendingSegment; });
}

}  // namespace

TransactionImpl::TransactionImpl(StoreImpl& store, std::unique_ptr<Pins::Writer> hold,
                                 ContainerId container, const Root& base, Sequence sequence,
                                 const ContainerPolicy& policy)
    : store_(store),
      hold_(std::move(hold)),
      context_(store.context()),
      container_(container),
      policy_(policy),
      base_(base),
      sequence_(sequence + 1),
      work_(std::in_place, context_, base),
      ingest_(store.blocks(), *store.index(), *hold_, store.options().inline_block_bytes,
              policy.compression) {}

TransactionImpl::~TransactionImpl() = default;

Result<Entry> TransactionImpl::lookup(std::string_view path) const {
  return reader().lookup(path);
}

Result<Entry> TransactionImpl::lookup(FolderId folder, std::string_view name) const {
  RAMET_ASSIGN(auto found, reader().find(folder, name));
  if (found) return std::move(*found);
  return Error(ErrorCode::kNotFound, fmt::format("there is no '{}'", printable(name)));
}

Result<ObjectInfo> TransactionImpl::object(ObjectId id) const {
  RAMET_ASSIGN(ObjectRecord record, reader().object(id));
  if (record.form == ContentForm::kOneBlock) {
    // Its name is the content's, and stands with the block alone.
    const BlockRef block = ingest_.resolved(record.extents.front().block);
    if (const ContentHash* name = ingest_.pending_name(block)) {
      record.info.content_id = *name;
    } else {
      RAMET_ASSIGN(const auto slot, store_.blocks().slot(block.segment, block.slot));
      record.info.content_id = slot.hash;
    }
  }
  return std::move(record.info);
}

Result<FolderInfo> TransactionImpl::folder(FolderId id) const { return reader().folder(id); }

Status TransactionImpl::list(FolderId folder, std::string_view after,
                             const std::function<bool(const Entry&)>& visit) const {
  return reader().list(folder, after, visit);
}

Status TransactionImpl::put(Bytes key, Bytes value, std::vector<BlockRef> refs) {
  RAMET_CHECK(!done_, "a transaction that was committed is not changed");
  for (BlockRef& ref : refs) ref = ingest_.resolved(ref);
  RAMET_TRY(work_->put(key, value, refs, sequence_));
  changed_ = true;
  only_removes_ = false;
  const size_t bytes = key.size() + value.size() + refs.size() * sizeof(BlockRef) + 96;
  if (!spilled_) {
    if (container_space_of(key) == ContainerSpace::kExtent) extent_bytes_ += value.size();
    operations_.push_back(Operation::put(std::move(key), std::move(value), std::move(refs)));
  }
  return grown(bytes);
}

Status TransactionImpl::erase(Bytes key) {
  RAMET_CHECK(!done_, "a transaction that was committed is not changed");
  RAMET_ASSIGN(const bool was_there, work_->erase(key, sequence_));
  if (!was_there) return ok();
  changed_ = true;
  const size_t bytes = key.size() + 96;
  if (!spilled_) operations_.push_back(Operation::erase(std::move(key)));
  return grown(bytes);
}

Status TransactionImpl::erase_range(const KeyRange& range) {
  RAMET_CHECK(!done_, "a transaction that was committed is not changed");
  RAMET_TRY(work_->erase_range(range.from, range.to, sequence_));
  changed_ = true;
  const size_t bytes = range.from.size() + range.to.size() + 96;
  if (!spilled_) operations_.push_back(Operation::erase_range(range.from, range.to));
  return grown(bytes);
}

Status TransactionImpl::graft(const KeyRange& range, const Root& source) {
  RAMET_CHECK(!done_, "a transaction that was committed is not changed");
  Tree part(context_, source);
  RAMET_TRY(part.keep_range(range.from, range.to, sequence_));
  if (part.empty()) return ok();
  RAMET_TRY(work_->graft(range.from, range.to, part.share(), sequence_));
  changed_ = true;
  grafted_ = true;
  only_removes_ = false;
  return grown(range.from.size() + range.to.size() + 96);
}

Status TransactionImpl::grown(size_t bytes) {
  operation_bytes_ += bytes;
  const StoreOptions& options = store_.options();
  if (operation_bytes_ >= options.transaction_bytes_max) return spill();
  // Few operations can change many nodes. (Deleting must work without room to spill.)
  const bool crowded = !only_removes_ && context_.dirty_bytes.load() >
                                             2 * static_cast<int64_t>(options.dirty_bytes_max);
  return crowded && operation_bytes_ >= options.transaction_bytes_max / 16 ? spill() : ok();
}

Status TransactionImpl::spill() {
  RAMET_TRY(ingest_.flush_pending());
  if (!spilled_) RAMET_TRY(resolve_working_copy());
  spilled_ = true;
  operations_.clear();
  operations_.shrink_to_fit();
  waiting_bodies_.clear();
  operation_bytes_ = 0;
  RAMET_ASSIGN(const Root written, write_copy(context_, work_->share(), sequence_));
  work_.emplace(context_, written);
  return ok();
}

// References that waited for the commit have their places now.
Status TransactionImpl::resolve_working_copy() {
  for (const Operation& operation : operations_) {
    if (operation.kind != OperationKind::kPut || !has_pending(operation.refs)) continue;
    Value value;
    RAMET_ASSIGN(const bool found, work_->get(operation.key, &value));
    if (!found || !has_pending(value.refs())) continue;
    std::vector<BlockRef> refs(value.refs().begin(), value.refs().end());
    for (BlockRef& ref : refs) ref = ingest_.resolved(ref);
    RAMET_TRY(work_->put(operation.key, value.bytes(), refs, sequence_));
  }
  return ok();
}

bool TransactionImpl::waits_to_commit() const {
  return only_removes_ || spilled_ || grafted_ ||
         extent_bytes_ > store_.options().long_content_bytes ||
         store_.checkpoint_is_far_behind();
}

Result<Sequence> TransactionImpl::commit() {
  CommitRequest request;
  RAMET_TRY(make_request(request));
  if (!changed_) return store_.visible().sequence;
  auto done = store_.commit(request, only_removes_);
  if (done.ok()) committed(*done, request.blocks);
  return done;
}

void TransactionImpl::commit_async(std::shared_ptr<TransactionImpl> self,
                                   Store::CommitHandler handler) {
  if (only_removes_ || !changed_) {
    auto done = commit();
    self.reset();
    return handler(std::move(done));
  }
  // Given back by the thread that made it, as soon as the commit has its place in the order: nobody
  // asks for it any more, and allocators take it badly if others give back all that is allocated.
  std::optional<Tree> work;
  CommitRequest request;
  Status status = make_request(request);
  if (!status.ok()) {
    self.reset();
    return handler(std::move(status).error());
  }
  request.prepare = [this, &work, once = std::move(request.prepare)](const HeadState& head,
                                                                     CommitRequest& commit) {
    Status prepared = once(head, commit);
    if (prepared.ok()) std::swap(work, work_);
    return prepared;
  };
  store_.commit_async(request, [self = std::move(self), handler = std::move(handler)](
                                   Result<Sequence> done,
                                   const std::vector<PendingBlock>& blocks) mutable {
    if (done.ok()) self->committed(*done, blocks);
    self.reset();
    handler(std::move(done));
  });
}

Result<Sequence> TransactionImpl::commit_as_new(const ContainerRecord& record, Bytes source_key,
                                                bool whole) {
  changed_ = true;
  if (whole && !spilled_) RAMET_TRY(spill());
  CommitRequest request;
  RAMET_TRY(make_request(request));
  request.prepare = [&](const HeadState& head, CommitRequest& commit) {
    return prepare_new(head, record, source_key, commit);
  };
  auto done = store_.commit(request, false);
  if (done.ok()) committed(*done, request.blocks);
  return done;
}

Status TransactionImpl::prepare_new(const HeadState& head, const ContainerRecord& record,
                                    const Bytes& source_key, CommitRequest& request) {
  request.trees.clear();
  RAMET_TRY(check_name_is_free(context_, head.catalog, record.name));
  request.trees.emplace_back();
  Operation entry =
      Operation::put_rooted(container_key(container_), encode_container(record), source_key);
  if (spilled_) {
    const Root written = work_->share();
    entry.root_of.clear();
    if (!written.empty()) {
      entry.root = written_root(written);
      request.leans_on.push_back({written.ref.segment, written.ref.slot});
    }
  } else {
    RAMET_ASSIGN(const auto source, get_root(context_, head.catalog, source_key));
    if (!source) return Error(ErrorCode::kNotFound, "what is cloned was dropped meanwhile");
    if (!same_root(source->root, base_)) {
      return Error(ErrorCode::kBusy, "what is cloned was changed meanwhile");
    }
  }
  auto& operations = request.trees.back().operations;
  operations.push_back(std::move(entry));
  operations.push_back(
      Operation::put(container_name_key(record.name), Bytes(container_.view())));
  append_expiry(operations, container_, {}, 0, record.expires);
  if (operations_.empty()) return ok();
  request.trees.push_back({container_key(container_), std::move(operations_)});
  for (Operation& operation : request.trees.back().operations) {
    for (BlockRef& ref : operation.refs) ref = ingest_.resolved(ref);
  }
  return ok();
}

Status TransactionImpl::make_request(CommitRequest& request) {
  RAMET_CHECK(!done_, "a transaction is committed once");
  RAMET_CHECK(open_writers_ == 0, "content writers must be put or destroyed before the commit");
  done_ = true;
  if (!changed_) return ok();
  if (spilled_ || grafted_) {
    RAMET_TRY(spill());
    hold_->refers_to_its_base();
  }
  for (const Operation& operation : operations_) hold_->refers_to(operation.refs);
  if (!spilled_ && extent_bytes_ > store_.options().long_content_bytes) {
    RAMET_TRY(write_long_content());
  }
  request.blocks = ingest_.take_pending();
  request.leans_on = ingest_.leans_on();
  request.prepare = [this](const HeadState& head, CommitRequest& commit) {
    return prepare(head, commit);
  };
  return ok();
}

// The extents of long content are not put by the commit, entry by entry, but written as nodes that
// it refers to. Else they would be dirty until the next checkpoint, and each copy of the object up
// to then would have to write them itself: copies cost the same at any time [INV-5].
Status TransactionImpl::write_long_content() {
  std::map<std::pair<Bytes, Bytes>, size_t> long_ones;  // bytes by range
  for (const Operation& operation : operations_) {
    if (operation.kind != OperationKind::kPut ||
        container_space_of(operation.key) != ContainerSpace::kExtent) {
      continue;
    }
    RAMET_ASSIGN(const ExtentKey key, decode_extent_key(operation.key));
    KeyRange range = extent_range(key.type, key.id, key.content);
    long_ones[{std::move(range.from), std::move(range.to)}] += operation.value.size();
  }
  std::erase_if(long_ones, [&](const auto& one) {
    return one.second <= store_.options().long_content_bytes;
  });
  if (long_ones.empty()) return ok();
  RAMET_TRY(ingest_.flush_pending());
  RAMET_TRY(resolve_working_copy());
  for (const auto& one : long_ones) {  // (clang 14 captures no structured bindings)
    const Bytes& from = one.first.first;
    const Bytes& to = one.first.second;
    Tree part(context_, work_->share());
    RAMET_TRY(part.keep_range(from, to, sequence_));
    std::erase_if(operations_, [&](const Operation& operation) {
      return (operation.kind == OperationKind::kPut || operation.kind == OperationKind::kErase) &&
             from <= operation.key && operation.key < to;
    });
    operations_.push_back(Operation::erase_range(from, to));
    if (part.empty()) continue;  // it was removed again, or moved to the id of what it replaces
    RAMET_ASSIGN(const Root written, write_copy(context_, part.share(), sequence_));
    RAMET_TRY(work_->erase_range(from, to, sequence_));
    RAMET_TRY(work_->graft(from, to, written, sequence_));
    operations_.push_back(Operation::graft(from, to, written_root(written)));
    lean_on(written.ref);
  }
  return ok();
}

void TransactionImpl::committed(Sequence sequence, const std::vector<PendingBlock>& blocks) {
  hold_->committed(sequence);
  ingest_.index_committed(blocks);
}

// Operations on what only others changed came to no change here. On top of their state they would
// undo what they did: bring back a name that they removed, or an old value.
void TransactionImpl::drop_unchanged(const std::set<Bytes>& theirs,
                                     std::vector<Operation>& operations) {
  if (theirs.empty()) return;
  std::erase_if(operations, [&](const Operation& operation) {
    if (operation.kind != OperationKind::kEraseRange) return theirs.contains(operation.key);
    // (A range is the content of one object, which only one of both can have changed.)
    const auto first = theirs.lower_bound(operation.key);
    return first != theirs.end() && *first < operation.to;
  });
}

Status TransactionImpl::prepare(const HeadState& head, CommitRequest& request) {
  request.trees.clear();
  const Bytes key = container_key(container_);
  RAMET_ASSIGN(const auto entry, get_root(context_, head.catalog, key));
  if (!entry) return Error(ErrorCode::kNotFound, "the container was dropped meanwhile");
  RAMET_ASSIGN(const ContainerRecord record, decode_container(entry->bytes));
  if (record.rolled_back >= sequence_) {
    return Error(ErrorCode::kBusy,
                 "the container was rolled back meanwhile; begin the transaction again");
  }
  if (expected_ && (std::max(entry->root.birth, record.rolled_back) != *expected_ ||
                    !same_root(base_, entry->root))) {
    return Error(ErrorCode::kBusy, "the container was changed meanwhile");
  }
  const bool is_apart = !spilled_ && !moved_folders_ && !same_root(base_, entry->root) &&
                        request.recent->are_apart(key, operations_, sequence_ - 1);
  std::set<Bytes> theirs;
  if (!is_apart || kChecksTwice) {
    const Status compared = check_conflicts(context_, base_, work_->share(), entry->root,
                                            moved_folders_, &theirs);
    RAMET_CHECK(!is_apart || compared.ok() || compared.error().code() != ErrorCode::kBusy,
                "transactions that conflict were taken to be apart");
    RAMET_TRY(compared);
  }
  request.trees.emplace_back();
  request.trees.back().tree = key;
  if (spilled_) {
    RAMET_TRY(prepare_spilled(entry->root, request));
    return check_growth(head, record, entry->root, request);
  }
  const size_t count = operations_.size();
  auto& operations = request.trees.back().operations;
  if (only_removes_) {  // it may be tried again with the reserve (StoreImpl::commit)
    operations = operations_;
  } else {
    operations = std::move(operations_);
  }
  drop_unchanged(theirs, operations);
  RAMET_CHECK(!is_apart || operations.size() == count,
              "transactions that touched the same entry were taken to be apart");
  for (Operation& operation : operations) {
    for (BlockRef& ref : operation.refs) ref = ingest_.resolved(ref);
  }
  return check_growth(head, record, entry->root, request);
}

// Under the queue's lock, against the state that this commit goes on top of: those who commit at
// once cannot exceed a quota together. Replay does not ask: what was committed stays.
Status TransactionImpl::check_growth(const HeadState& head, const ContainerRecord& record,
                                     const Root& before, const CommitRequest& request) {
  if (!has_quota(record)) return ok();
  const auto& operations = request.trees.back().operations;
  if (spilled_) {
    const auto& root = operations.back().root;
    return check_quota(record, before.summary, root ? root->summary : Summary{});
  }
  if (same_root(before, base_)) return check_quota(record, before.summary, work_->share().summary);
  // On top of what others did: as it will be applied.
  RAMET_ASSIGN(const Root catalog, apply_operations(context_, head.catalog, request.trees,
                                                    head.sequence + 1));
  RAMET_ASSIGN(const auto after, get_root(context_, catalog, request.trees.back().tree));
  RAMET_CHECK(after.has_value(), "a container stays where it was changed");
  return check_quota(record, before.summary, after->root.summary);
}

Status TransactionImpl::prepare_spilled(const Root& head, CommitRequest& request) {
  Root written = work_->share();
  if (!same_root(head, base_)) {
    RAMET_ASSIGN(written, rebased(head));
  }
  auto& operations = request.trees.back().operations;
  operations.push_back(Operation::erase_range({}, {}));
  if (written.empty()) return ok();
  operations.push_back(Operation::graft({}, {}, written_root(written)));
  request.leans_on.push_back({written.ref.segment, written.ref.slot});
  return ok();
}

// What others committed meanwhile on top of this transaction's changes, which are many: a spilled
// one waits for the lock with everybody behind it, so the cost must follow what the others did.
// (The changes do not touch each other: which goes on top of which makes no difference.)
Result<Root> TransactionImpl::rebased(const Root& head) {
  std::optional<Tree> tree(std::in_place, context_, work_->share());
  Status status = ok();
  size_t bytes = 0;
  RAMET_TRY(diff(context_, base_, head, [&](ByteView key, const Value*, const Value* after) {
    if (after == nullptr) {
      auto erased = tree->erase(key, sequence_);
      if (!erased.ok()) status = std::move(erased).error();
    } else {
      status = tree->put(key, after->bytes(), after->refs(), sequence_);
      bytes += key.size() + after->bytes().size() + 96;
    }
    if (status.ok() && bytes > store_.options().transaction_bytes_max) {
      bytes = 0;
      auto written = write_copy(context_, tree->share(), sequence_);
      if (written.ok()) {
        tree.emplace(context_, *written);
      } else {
        status = std::move(written).error();
      }
    }
    return status.ok();
  }));
  if (!status.ok()) return std::move(status).error();
  return write_copy(context_, tree->share(), sequence_);
}

}  // namespace ramet::engine

void ramet::expect_unchanged(Transaction& transaction, Sequence changed) {
  // (There is no other kind.)
  static_cast<engine::TransactionImpl&>(transaction).expect_unchanged(changed);
}
