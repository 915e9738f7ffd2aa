#include "engine/container/commit_queue.h"

#include <algorithm>
#include <bit>

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

CommitQueue::CommitQueue(TreeContext& context, CommitLog& log, io::Env& env, bool background)
    : context_(context), log_(log), env_(env), background_(background) {}

CommitQueue::~CommitQueue() {
  drain();
  {
    const std::lock_guard lock(mu_);
    stop_ = true;
    to_thread_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void CommitQueue::start(const HeadState& state, Epoch epoch) {
  std::lock_guard lock(mu_);
  applied_ = durable_ = state;
  publish(state);
  recent_.begin(state.sequence);
  epoch_ = epoch;
  id_sequence_ = state.id_sequence;
}

HeadState CommitQueue::applied() const {
  const std::lock_guard lock(mu_);
  return applied_;
}

HeadState CommitQueue::durable() const {
  std::lock_guard lock(published_mu_);
  return published_;
}

void CommitQueue::publish(const HeadState& state) {
  HeadState next = state;
  std::lock_guard lock(published_mu_);
  std::swap(published_, next);  // the former one is freed outside
  published_sequence_.store(state.sequence, std::memory_order_release);
}

std::optional<Error> CommitQueue::failure() {
  std::lock_guard lock(mu_);
  return failed() ? failure_ : std::nullopt;
}

// Transactions may meet a failed sync before any commit does, and never get as far as to one.
bool CommitQueue::failed() {
  if (failure_) return true;
  const auto lost = log_.sync_failure();
  if (!lost) return false;
  failure_ = Error(ErrorCode::kIoError,
                   "the store is read-only since a sync failed: " + lost->message());
  return true;
}

void CommitQueue::refuse(Error error) {
  std::lock_guard lock(mu_);
  if (!failure_) failure_ = std::move(error);
}

// A commit notes how far they went when it is queued: later than it took its own.
uint64_t CommitQueue::take_ids(uint64_t count) { return id_sequence_.fetch_add(count) + 1; }

Result<Sequence> CommitQueue::commit(CommitRequest& request) {
  Item item;
  std::unique_lock lock(mu_);
  if (failed()) return *failure_;
  RAMET_TRY(enqueue(request, item));
  if (request.trees.empty() && item.entry.sequence == 0) return await(applied_.sequence, lock);
  if (leading_) {
    lock.unlock();
    if (item.turn.wait() == Turn::kLead) {
      lock.lock();
      lead(lock, &item);
    }
  } else {
    leading_ = true;
    lead(lock, &item);
  }
  request.blocks = std::move(item.entry.blocks);
  if (item.error) return *item.error;
  return item.entry.sequence;
}

void CommitQueue::commit_async(CommitRequest& request, Done done) {
  auto item = std::make_unique<Item>();
  std::unique_lock lock(mu_);
  Status status = failed() ? Status(*failure_) : enqueue(request, *item);
  if (!status.ok()) {
    lock.unlock();
    done(std::move(status).error(), request.blocks);
    return;
  }
  if (request.trees.empty() && item->entry.sequence == 0) {
    const auto sequence = await(applied_.sequence, lock);
    lock.unlock();
    done(sequence, request.blocks);
    return;
  }
  item->done = std::move(done);
  item.release();  // the queue has it
  ++unfinished_;
  if (background_ && !thread_.joinable()) thread_ = std::thread([this] { run(); });
  if (leading_) return;
  leading_ = true;
  wants_thread_ = true;
  hand_over(lock, nullptr);
}

void CommitQueue::hand_over(std::unique_lock<std::mutex>& lock, Item* next) {
  if (wants_thread_ && !background_) return lead_for_others(lock);
  if (wants_thread_) to_thread_.notify_one();
  lock.unlock();
  if (next != nullptr) next->turn.tell(Turn::kLead);
}

void CommitQueue::lead_for_others(std::unique_lock<std::mutex>& lock) {
  while (std::exchange(wants_thread_, false)) {
    lead(lock, nullptr);
    lock.lock();
  }
  lock.unlock();
}

void CommitQueue::run() {
  std::unique_lock lock(mu_);
  for (;;) {
    to_thread_.wait(lock, [this] { return stop_ || wants_thread_; });
    if (!wants_thread_) return;
    lead_for_others(lock);
    lock.lock();
  }
}

void CommitQueue::finish(std::unique_ptr<Item> item) {
  if (item->error) {
    item->done(*item->error, item->entry.blocks);
  } else {
    item->done(item->entry.sequence, item->entry.blocks);
  }
}

void CommitQueue::drain() {
  std::unique_lock lock(mu_);
  changed_.wait(lock, [this] { return unfinished_ == 0; });
}

// Nothing had to be done in a state that may not be durable yet: it must be before that is said.
Result<Sequence> CommitQueue::await(Sequence sequence, std::unique_lock<std::mutex>& lock) {
  while (durable_.sequence < sequence) {
    if (failed()) return *failure_;
    if (applied_.sequence < sequence) {
      return Error(ErrorCode::kBusy, "a commit that this one relied on failed: try again");
    }
    // Somebody leads: else nothing would be applied that is not durable.
    changed_.wait(lock);
  }
  return durable_.sequence;
}

Status CommitQueue::enqueue(CommitRequest& request, Item& item) {
  request.recent = &recent_;
  if (request.prepare) RAMET_TRY(request.prepare(applied_, request));
  if (request.trees.empty()) return ok();
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
  recent_.note(record.sequence, record.trees);
  entry.payload = encode_commit(record);
  entry.chain = commit_chain(applied_.chain, entry.payload);

  item.state.sequence = entry.sequence;
  item.state.chain = entry.chain;
  item.state.id_sequence = record.id_sequence;
  applied_ = item.state;
  queue_.push_back(&item);
  return ok();
}

void CommitQueue::lead(std::unique_lock<std::mutex>& lock, const Item* own) {
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
  if (durable > 0) {
    durable_ = group[durable - 1]->state;
    durable_.position = log_.position();
    publish(durable_);
    group_stats_.commits += durable;
    ++group_stats_.groups[static_cast<size_t>(std::bit_width(durable - 1))];
  }
  if (!status.ok()) fail_queued(group, durable, status.error());
  // Who leads next first: the device waits for it. The others only when their group is durable
  // [QUEUE-1]; once told they are gone.
  hand_over(lock, pass_on());
  uint64_t finished = 0;
  for (Item* item : group) {
    if (item->done) {
      finish(std::unique_ptr<Item>(item));
      ++finished;
    } else if (item != own) {
      item->turn.tell(Turn::kDone);
    }
  }
  if (finished == 0) return;
  const std::lock_guard again(mu_);
  unfinished_ -= finished;
  changed_.notify_all();
}

CommitQueue::GroupStats CommitQueue::group_stats() const {
  const std::lock_guard lock(mu_);
  return group_stats_;
}

CommitQueue::Item* CommitQueue::pass_on() {
  changed_.notify_all();
  leading_ = !queue_.empty();
  if (!leading_) return nullptr;
  if (!queue_.front()->done) return queue_.front();
  wants_thread_ = true;
  return nullptr;
}

void CommitQueue::fail_queued(std::vector<Item*>& group, size_t durable, const Error& error) {
  for (size_t i = durable; i < group.size(); ++i) group[i]->error = error;
  for (Item* item : queue_) {
    item->error = Error(error).with_context("a commit queued before this one failed");
    group.push_back(item);
  }
  queue_.clear();
  applied_ = durable_;  // [QUEUE-2]
  // A voided range moved the log's end without a commit.
  applied_.position = durable_.position = log_.position();
  publish(durable_);
  if (log_.poisoned()) {  // [QUEUE-3]
    if (failure_) return;
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
  if (leading_ || !queue_.empty() || failed()) return ok();
  leading_ = true;
  lock.unlock();
  Status status = log_.write_synced_mark();
  lock.lock();
  if (log_.poisoned() && !failure_) {
    failure_ = Error(ErrorCode::kIoError, "the store is read-only since its log failed");
  }
  hand_over(lock, pass_on());
  return status;
}

}  // namespace ramet::engine
