#include "io/worker_pool.h"

#include <algorithm>

namespace ramet::io {

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::start_threads() {
  if (!threads_.empty()) return;
  for (unsigned i = 0; i < threads_max_; ++i) threads_.emplace_back([this] { work(); });
}

// One lock round per body: each body waits for a device, beside which that is nothing.
void WorkerPool::run_one(Job& job, std::unique_lock<std::mutex>& lock) {
  const size_t index = job.next++;
  ++job.running;
  if (job.next == job.count) jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
  lock.unlock();
  (*job.body)(index);
  lock.lock();
  --job.running;
  if (job.running == 0 && job.next == job.count) done_.notify_all();
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    run_one(*jobs_.front(), lock);
  }
}

void WorkerPool::run(size_t count, const std::function<void(size_t)>& body) {
  if (count == 0) return;
  Job job{&body, count};
  std::unique_lock lock(mutex_);
  start_threads();
  jobs_.push_back(&job);
  wake_.notify_all();
  while (job.next < job.count) run_one(job, lock);
  done_.wait(lock, [&job] { return job.running == 0; });
}

}  // namespace ramet::io
