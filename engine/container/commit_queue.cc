#include "engine/container/commit_queue.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/tree/persist.h"

namespace ramet::engine {
namespace {

// Bounds of one group; a single commit may be bigger.
constexpr size_t kGroupCommitsMax = 4096;
constexpr size_t kGroupPayloadMax = 4u << 20;

size_t expected_bytes(const std::vector<TreeOperations>& trees) {
  size_t bytes = 256;
  for (const TreeOperations& tree : trees) {
    bytes += 64 + tree.tree.size();
    for (const Operation& operation : tree.operations) {
      bytes += 96 + operation.key.size() + operation.value.size() + operation.to.size() +
               operation.root_of.size() + operation.refs.size() * sizeof(BlockRef);
    }
  }
  return bytes;
}

}  // namespace

CommitQueue::CommitQueue(TreeContext& context, CommitLog& log, io::Env& env)
    : context_(context), log_(log), env_(env) {}

void CommitQueue::start(const HeadState& state, Epoch epoch) {
  std::lock_guard lock(mu_);
  applied_ = durable_ = state;
  publish(state);
  epoch_ = epoch;
  id_sequence_ = state.id_sequence;
}

HeadState CommitQueue::durable() const {
  std::lock_guard lock(published_mu_);
  return published_;
}

void CommitQueue::publish(const HeadState& state) {
  HeadState next = state;
  std::lock_guard lock(published_mu_);
  std::swap(published_, next);  // the former one is freed outside
}

std::optional<Error> CommitQueue::failure() const {
  std::lock_guard lock(mu_);
  return failure_;
}

void CommitQueue::refuse(Error error) {
  std::lock_guard lock(mu_);
  if (!failure_) failure_ = std::move(error);
}

uint64_t CommitQueue::take_ids(uint64_t count) {
  std::lock_guard lock(mu_);
  const uint64_t first = id_sequence_ + 1;
  id_sequence_ += count;
  return first;
}

Result<Sequence> CommitQueue::commit(CommitRequest& request) {
  Item item;
  std::unique_lock lock(mu_);
  if (failure_) return *failure_;
  RAMET_TRY(enqueue(request, item));
  if (item.done) return await(applied_.sequence, lock);
  while (!item.done) {
    if (leading_) {
      changed_.wait(lock);
    } else {
      lead(lock);
    }
  }
  request.blocks = std::move(item.entry.blocks);
  if (item.error) return *item.error;
  return item.entry.sequence;
}

// Nothing had to be done in a state that may not be durable yet: it must be before that is said.
Result<Sequence> CommitQueue::await(Sequence sequence, std::unique_lock<std::mutex>& lock) {
  while (durable_.sequence < sequence) {
    if (failure_) return *failure_;
    if (applied_.sequence < sequence) {
      return Error(ErrorCode::kBusy, "a commit that this one relied on failed: try again");
    }
    if (leading_) {
      changed_.wait(lock);
    } else {
      lead(lock);
    }
  }
  return durable_.sequence;
}

Status CommitQueue::enqueue(CommitRequest& request, Item& item) {
  if (request.prepare) RAMET_TRY(request.prepare(applied_, request));
  if (request.trees.empty()) {
    item.done = true;
    return ok();
  }
  LogEntry& entry = item.entry;
  entry.sequence = applied_.sequence + 1;
  entry.blocks = std::move(request.blocks);
  entry.leans_on = request.leans_on;
  RAMET_TRY(log_.place(entry, expected_bytes(request.trees)));
  std::vector<BlockRef> placed;
  placed.reserve(entry.blocks.size());
  for (const PendingBlock& block : entry.blocks) placed.push_back(block.placed);
  resolve_pending(request.trees, placed);
  RAMET_ASSIGN(item.state.catalog,
               apply_operations(context_, applied_.catalog, request.trees, entry.sequence));

  CommitRecord record;
  record.sequence = entry.sequence;
  record.epoch = epoch_;
  record.time = env_.now();
  record.previous_chain = applied_.chain;
  record.synced_through = durable_.sequence;
  record.id_sequence = id_sequence_;
  record.leans_on = entry.leans_on;
  record.trees = std::move(request.trees);
  entry.payload = encode_commit(record);
  entry.chain = commit_chain(applied_.chain, entry.payload);

  item.state.sequence = entry.sequence;
  item.state.chain = entry.chain;
  item.state.id_sequence = id_sequence_;
  applied_ = item.state;
  queue_.push_back(&item);
  return ok();
}

void CommitQueue::lead(std::unique_lock<std::mutex>& lock) {
  leading_ = true;
  std::vector<Item*> group;
  std::vector<LogEntry*> entries;
  size_t bytes = 0;
  while (!queue_.empty() && group.size() < kGroupCommitsMax && bytes < kGroupPayloadMax) {
    group.push_back(queue_.front());
    entries.push_back(&queue_.front()->entry);
    bytes += queue_.front()->entry.payload.size();
    queue_.pop_front();
  }
  size_t durable = 0;
  lock.unlock();
  const Status status = log_.write_groups(entries, &durable);
  lock.lock();
  for (size_t i = 0; i < durable; ++i) group[i]->done = true;  // [QUEUE-1]
  if (durable > 0) {
    durable_ = group[durable - 1]->state;
    durable_.position = log_.position();
    publish(durable_);
  }
  if (!status.ok()) fail_queued(group, durable, status.error());
  leading_ = false;
  changed_.notify_all();
}

void CommitQueue::fail_queued(const std::vector<Item*>& group, size_t durable,
                              const Error& error) {
  for (size_t i = durable; i < group.size(); ++i) {
    group[i]->error = error;
    group[i]->done = true;
  }
  for (Item* item : queue_) {
    item->error = Error(error).with_context("a commit queued before this one failed");
    item->done = true;
  }
  queue_.clear();
  applied_ = durable_;  // [QUEUE-2]
  // A voided range moved the log's end without a commit.
  applied_.position = durable_.position = log_.position();
  publish(durable_);
  if (log_.poisoned() && !failure_) {  // [QUEUE-3]
    failure_ = Error(ErrorCode::kIoError,
                     "the store is read-only since its log could not be made durable: " +
                         error.message());
    return;
  }
  log_.abandon_placements();
}

void CommitQueue::let_go_of_persisted() {
  std::lock_guard lock(mu_);
  const bool same = applied_.sequence == durable_.sequence;
  if (same) applied_.catalog = Root{};  // the last reference is moved in, so the most is freed
  durable_.catalog = replace_persisted(context_, std::move(durable_.catalog));
  if (same) {
    applied_.catalog = durable_.catalog;
  } else {
    applied_.catalog = replace_persisted(context_, std::move(applied_.catalog));
  }
  publish(durable_);
}

Status CommitQueue::mark_idle() {
  std::unique_lock lock(mu_);
  if (leading_ || !queue_.empty() || failure_) return ok();
  leading_ = true;
  lock.unlock();
  Status status = log_.write_synced_mark();
  lock.lock();
  leading_ = false;
  if (log_.poisoned() && !failure_) {
    failure_ = Error(ErrorCode::kIoError, "the store is read-only since its log failed");
  }
  changed_.notify_all();
  return status;
}

}  // namespace ramet::engine
