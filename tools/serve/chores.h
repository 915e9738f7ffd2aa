// Chores: what a daemon does by itself from time to time, one at a time, on a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tools/serve/log.h"

namespace ramet::serve {

struct Chore {
  std::string name;
  std::chrono::seconds every;
  std::function<Status()> run;
};

// Each runs first when a minute has passed, or its interval if that is shorter, and then again and
// again. What fails is logged and tried the next time. Thread-safe.
class Chores {
 public:
  Chores(std::vector<Chore> chores, Log& log);
  // Waits for the one that runs.
  ~Chores();
  Chores(const Chores&) = delete;
  Chores& operator=(const Chores&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  void work();

  const std::vector<Chore> chores_;
  Log& log_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace ramet::serve
