// CommitQueue: the one apply order of a store, and group commit.
//
// Definitions: the *applied* state holds every commit that was accepted, the *durable* state those
// whose group was synced. Each state is one immutable catalog root, so a reader sees all
// containers of one moment [INV-3].
//
// How it works: a committer applies its operations to the applied state under the lock, queues
// its log entry, and waits. Whoever finds no leader takes all that is queued, writes and syncs it
// as a group without the lock, and publishes the state behind it. So whoever arrives while a sync
// runs joins the next one. Those who do not want to wait leave a function to be called; their
// groups are written by a thread of the queue where nobody waits.
//
// Invariants:
//   [QUEUE-1] a commit returns success only when its group is durable (INV-1). Held by: lead().
//   [QUEUE-2] a failed group resets the applied state to the durable one and fails everything
//             queued behind it: nothing stands on what never was. Held by: fail_queued().
//   [QUEUE-3] a failed sync ends all writing (INV-7, fsync can't be retried). Held by: lead().
//
// Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/container/operations.h"
#include "engine/container/recent_changes.h"
#include "engine/log/commit_log.h"
#include "engine/tree/tree.h"

namespace ramet::engine {

// One state of the whole store.
struct HeadState {
  Root catalog;
  Sequence sequence = 0;
  uint64_t chain = 0;
  uint64_t id_sequence = 0;
  LogPosition position;  // behind the group that made it durable
};

struct CommitRequest {
  // For `prepare`: what the commits up to the applied state touched. Set by the queue.
  const RecentChanges* recent = nullptr;
  // Called under the lock with the applied state: checks the request's conditions and fills (or
  // replaces) `trees`. May be called again after a failure. Null: `trees` is filled already.
  // Empty `trees` afterwards: nothing to do.
  std::function<Status(const HeadState& applied, CommitRequest& request)> prepare;
  std::vector<TreeOperations> trees;
  std::vector<PendingBlock> blocks;  // `placed` is set once the commit is durable
  std::vector<SlotBound> leans_on;
};

class CommitQueue {
 public:
  // `background`: it may have a thread of its own, which begins with the first commit_async().
  CommitQueue(TreeContext& context, CommitLog& log, io::Env& env, bool background);
  // Waits as drain() does.
  ~CommitQueue();
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // The state that recovery arrived at; commits of this life carry `epoch`.
  void start(const HeadState& state, Epoch epoch);

  // Returns the commit's number when it is durable. See Transaction::commit() for errors.
  Result<Sequence> commit(CommitRequest& request);

  // The same without waiting: returns once the commit has its place in the order (`prepare` is not
  // called later), or has failed. `done` is called once, with what commit() would have returned and
  // the request's blocks: by this thread if it failed at once, else by whichever thread wrote its
  // group, without a lock. Who waits for the disk in it holds up every commit behind.
  using Done = std::function<void(Result<Sequence>, const std::vector<PendingBlock>&)>;
  void commit_async(CommitRequest& request, Done done);
  // Returns when every `done` so far has returned. Not from one of them.
  void drain();

  HeadState durable() const;
  // With what is not durable yet: for what is committed on top of it.
  HeadState applied() const;
  // durable().sequence, or for a moment less; without a lock.
  Sequence durable_sequence() const { return published_sequence_.load(std::memory_order_acquire); }
  struct GroupStats {
    uint64_t commits = 0;                  // that are durable, of this life
    std::array<uint64_t, 13> groups{};     // of up to 1, 2, 4, ..., 4096 commits
  };
  GroupStats group_stats() const;
  // Why the queue refuses commits, if it does.
  std::optional<Error> failure();

  // Takes `count` new id sequence numbers; returns the first. Commits note how far they went.
  uint64_t take_ids(uint64_t count);

  // After a checkpoint: lets go of dirty nodes that are on disk now.
  void let_go_of_persisted();
  // Writes the synced mark if nobody is committing.
  Status mark_idle();
  // Refuses commits from now on, with this error.
  void refuse(Error error);

 private:
  // What a committer that waits is told, once, by whoever led before. (std::atomic::wait would
  // yield the processor again and again first.)
  class Turn {
   public:
    enum Told : uint8_t {
      kNothing,
      kLead,  // it is the first of those that wait, and writes their group
      kDone,
    };
    Told wait() {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return told_ != kNothing; });
      return told_;
    }
    // Told under the lock: who was told may be gone right behind it.
    void tell(Told told) {
      const std::lock_guard lock(mutex_);
      told_ = told;
      changed_.notify_one();
    }

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    Told told_ = kNothing;
  };

  struct Item {  // (on the stack of who waits, or on the heap)
    LogEntry entry;
    HeadState state;  // after it
    std::optional<Error> error;
    Turn turn;
    Done done;  // set: nobody waits, and the item is its own owner
  };
  Status enqueue(CommitRequest& request, Item& item);
  Result<Sequence> await(Sequence sequence, std::unique_lock<std::mutex>& lock);
  // Requires: leading_, for the caller, whose item (if it waits for one) is the first in the queue.
  // Lets go of the lock.
  void lead(std::unique_lock<std::mutex>& lock, const Item* own);
  // Lets go of the lock, and has the next group written: by who waits for it, or by the thread.
  void hand_over(std::unique_lock<std::mutex>& lock, Item* next);
  // Writes groups whose first commit nobody waits for. Lets go of the lock.
  void lead_for_others(std::unique_lock<std::mutex>& lock);
  void run();  // the thread
  static void finish(std::unique_ptr<Item> item);
  // Adds those that wait to the group.
  void fail_queued(std::vector<Item*>& group, size_t durable, const Error& error);
  // Ends leading: who leads next, if anybody who waits does. Requires: mu_.
  Item* pass_on();

  TreeContext& context_;
  CommitLog& log_;
  io::Env& env_;

  void publish(const HeadState& state);  // Requires: mu_
  bool failed();                         // Requires: mu_; `failure_` says why

  // Readers take this one alone: they never wait for what is done under the other [INV-3].
  mutable std::mutex published_mu_;
  HeadState published_;  // guarded by published_mu_; equal to durable_
  // Set behind it: what is read after this number is that state or a later one.
  std::atomic<Sequence> published_sequence_{0};

  mutable std::mutex mu_;  // taken before published_mu_
  std::condition_variable changed_;
  // Guarded by mu_:
  HeadState applied_;
  HeadState durable_;
  RecentChanges recent_;  // up to applied_
  Epoch epoch_ = 0;
  std::atomic<uint64_t> id_sequence_{0};
  std::deque<Item*> queue_;
  GroupStats group_stats_;
  bool leading_ = false;
  bool wants_thread_ = false;  // leading_, but nobody does: the first in the queue does not wait
  uint64_t unfinished_ = 0;    // of commit_async()
  bool stop_ = false;
  std::optional<Error> failure_;
  std::condition_variable to_thread_;
  std::thread thread_;
  const bool background_;
};

}  // namespace ramet::engine
