#include "tools/serve/chores.h"

#include <algorithm>

namespace ramet::serve {

Chores::Chores(std::vector<Chore> chores, Log& log)
    : chores_(std::move(chores)), log_(log), thread_([this] { work(); }) {}

Chores::~Chores() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

void Chores::work() {
  std::vector<Clock::time_point> due;
  for (const Chore& chore : chores_) {
    due.push_back(Clock::now() + std::min(chore.every, std::chrono::seconds(60)));
  }
  std::unique_lock lock(mutex_);
  while (!stopping_ && !due.empty()) {
    const auto next = std::min_element(due.begin(), due.end());
    if (wake_.wait_until(lock, *next, [this] { return stopping_; })) return;
    const Chore& chore = chores_[static_cast<size_t>(next - due.begin())];
    lock.unlock();
    const Status done = chore.run();
    if (!done.ok()) {
      log_.write(LogLevel::kWarning, "a chore failed",
                 {{"chore", chore.name}, {"error", done.error().message()}});
    }
    lock.lock();
    *next = Clock::now() + chore.every;
  }
}

}  // namespace ramet::serve
