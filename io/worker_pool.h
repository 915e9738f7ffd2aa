// A few threads that wait for the device on behalf of a batch: env_posix's way to have more than
// one read in flight.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ramet::io {

// Thread-safe; several run() calls share the threads. The threads start with the first run() and
// end in the destructor, which must not be called while a run() is under way. A forked child has
// none of them and must not call run().
class WorkerPool {
 public:
  explicit WorkerPool(unsigned threads) : threads_max_(threads) {}
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Calls body(0) .. body(count - 1), each once, in any order, from the pool's threads and the
  // calling one; returns after the last. `body` must not call run() of the same pool.
  void run(size_t count, const std::function<void(size_t)>& body);

 private:
  struct Job {
    const std::function<void(size_t)>* body;
    size_t count;
    size_t next = 0;     // guarded by mutex_, as all of Job
    size_t running = 0;  // bodies that were begun and have not returned
  };

  void start_threads();
  void work();
  // Runs one body of the job. Requires: the lock is held and job.next < job.count.
  void run_one(Job& job, std::unique_lock<std::mutex>& lock);

  const unsigned threads_max_;
  std::mutex mutex_;
  std::condition_variable wake_;  // a job came, or the end
  std::condition_variable done_;  // a job's last body returned
  std::deque<Job*> jobs_;         // those with bodies that were not begun
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

}  // namespace ramet::io
