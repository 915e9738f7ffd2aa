// OrderedWork: batches that are made in an order, worked on by whoever is free, and taken in their
// order again, so that what threads do beside each other never shows [INV-9].
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace ramet::engine {

// One thread pushes, one takes (it may be the same), any number help. Thread-safe.
template <typename Batch>
class OrderedWork {
 public:
  // `work` is called once for each batch that is taken, on some thread.
  explicit OrderedWork(std::function<void(Batch&)> work) : work_(std::move(work)) {}

  void push(std::unique_ptr<Batch> batch) {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(batch)});
    came_.notify_all();
  }
  // No more will come.
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    came_.notify_all();
  }
  // Nor is what nobody works on yet wanted any more, but by take().
  void stop() {
    const std::lock_guard lock(mutex_);
    ended_ = stopped_ = true;
    came_.notify_all();
  }

  // The next batch in order, worked on: by the caller itself if nobody else has begun. Waits for
  // one to be pushed; null after the last.
  std::unique_ptr<Batch> take() {
    std::unique_lock lock(mutex_);
    came_.wait(lock, [this] { return ended_ || !queue_.empty(); });
    if (queue_.empty()) return nullptr;
    Slot& first = queue_.front();
    if (!first.claimed) work_on(first, lock);
    done_.wait(lock, [&first] { return first.done; });
    auto batch = std::move(first.batch);
    queue_.pop_front();
    return batch;
  }
  // Pushed and not taken. Of the thread that does both.
  size_t size() {
    const std::lock_guard lock(mutex_);
    return queue_.size();
  }

  // Works until the end: what a helping thread does.
  void help() {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto next = std::find_if(queue_.begin(), queue_.end(),
                                     [](const Slot& slot) { return !slot.claimed; });
      if (next != queue_.end() && !stopped_) {
        work_on(*next, lock);
      } else if (ended_) {
        return;
      } else {
        came_.wait(lock);
      }
    }
  }

 private:
  struct Slot {
    std::unique_ptr<Batch> batch;
    bool claimed = false;
    bool done = false;  // only then may it leave the queue
  };
  // (Slots of a deque stay where they are.)
  void work_on(Slot& slot, std::unique_lock<std::mutex>& lock) {
    slot.claimed = true;
    lock.unlock();
    work_(*slot.batch);
    lock.lock();
    slot.done = true;
    done_.notify_one();
  }

  const std::function<void(Batch&)> work_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::condition_variable done_;
  // Guarded by mutex_:
  std::deque<Slot> queue_;
  bool ended_ = false;
  bool stopped_ = false;
};

}  // namespace ramet::engine
