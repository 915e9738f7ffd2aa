#include "tools/sim/batch.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "format/bytes.h"
#include "format/hash.h"

namespace ramet::sim {
namespace {

using Clock = std::chrono::steady_clock;

// What a thread is doing, for the signal handler and whoever watches for hangs.
struct Worker {
  std::atomic<uint64_t> seed{0};  // 0: nothing
  std::atomic<uint64_t> step{0};
  uint64_t seen_seed = 0;  // of the watcher
  uint64_t seen_step = 0;
  Clock::time_point seen_at;
};

thread_local Worker* this_worker = nullptr;
// Of the whole process, for the handler: made before any thread.
std::string replay_rest;

std::string rest_of_command(const BatchOptions& options) {
  return fmt::format(" --steps {} --faults {} --verbose", options.steps,
                     to_text(options.faults));
}

// Only what may be called in a signal handler.
void say_in_handler(const char* text, size_t length) {
  while (length > 0) {
    const ssize_t written = ::write(STDOUT_FILENO, text, length);
    if (written <= 0) return;
    text += written;
    length -= static_cast<size_t>(written);
  }
}
void say_in_handler(std::string_view text) { say_in_handler(text.data(), text.size()); }
void say_in_handler(uint64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0);
  say_in_handler(digits + at, sizeof digits - at);
}

void say_failure(uint64_t seed, uint64_t step, std::string_view what) {
  say_in_handler("failed: seed ");
  say_in_handler(seed);
  say_in_handler(" step ");
  say_in_handler(step);
  say_in_handler(": ");
  say_in_handler(what);
  say_in_handler("\nreplay: ramet-sim --seed ");
  say_in_handler(seed);
  say_in_handler(replay_rest);
  say_in_handler("\n");
}

void crash_handler(int signal) {
  const Worker* worker = this_worker;
  if (worker != nullptr) say_failure(worker->seed, worker->step, "the process crashed");
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

class Batch {
 public:
  explicit Batch(const BatchOptions& options)
      : options_(options), next_(options.first_seed), digests_(options.seeds) {}

  BatchReport run() {
    replay_rest = rest_of_command(options_);
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
      std::signal(signal, crash_handler);
    }
    const Clock::time_point begun = Clock::now();
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < std::max(1u, options_.jobs); ++i) {
      workers_.push_back(std::make_unique<Worker>());
    }
    running_ = workers_.size();
    for (const auto& worker : workers_) {
      threads.emplace_back([this, &worker = *worker] { work(worker); });
    }
    watch();
    for (std::thread& thread : threads) thread.join();
    report_.total.digest = xxh3({reinterpret_cast<const char*>(digests_.data()),
                                 digests_.size() * sizeof(uint64_t)});
    report_.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    return report_;
  }

 private:
  void work(Worker& worker) {
    this_worker = &worker;
    for (;;) {
      SimulationOptions options;
      {
        const std::lock_guard lock(mutex_);
        const bool done = report_.failed_seed || next_ - options_.first_seed >= options_.seeds;
        if (done) {
          --running_;
          ended_.notify_all();
          return;
        }
        options.seed = next_++;
      }
      options.steps = options_.steps;
      options.faults = options_.faults;
      options.step = &worker.step;
      if (options_.verbose) options.say = [](const std::string& text) { fmt::print("{}\n", text); };
      worker.step = 0;
      worker.seed = options.seed;
      const SimulationReport report = simulate(options);
      worker.seed = 0;
      add(options.seed, report);
    }
  }

  void add(uint64_t seed, const SimulationReport& report) {
    const std::lock_guard lock(mutex_);
    digests_[seed - options_.first_seed] = report.digest;
    SimulationReport& total = report_.total;
    for (size_t i = 0; i < kFaults; ++i) total.faults[i] += report.faults[i];
    total.failures += report.failures;
    total.recoveries += report.recoveries;
    total.comparisons += report.comparisons;
    total.damage_named += report.damage_named;
    total.operations += report.operations;
    total.liveness_operations = std::max(total.liveness_operations, report.liveness_operations);
    if (report.failure.empty()) {
      ++report_.seeds;
      if (!report_.failed_seed) total.step += report.step;
    } else if (!report_.failed_seed || seed < *report_.failed_seed) {
      report_.failed_seed = seed;
      total.failure = report.failure;
      total.step = report.step;
    }
  }

  // Until all threads have ended; a step that takes too long ends the process.
  void watch() {
    std::unique_lock lock(mutex_);
    while (running_ > 0) {
      ended_.wait_for(lock, std::chrono::seconds(1));
      const Clock::time_point now = Clock::now();
      for (const auto& worker : workers_) {
        const uint64_t seed = worker->seed;
        const uint64_t step = worker->step;
        if (seed == 0 || seed != worker->seen_seed || step != worker->seen_step) {
          worker->seen_seed = seed;
          worker->seen_step = step;
          worker->seen_at = now;
        } else if (now - worker->seen_at > std::chrono::seconds(options_.seconds_per_step)) {
          say_failure(seed, step, "it hangs");
          std::_Exit(1);
        }
      }
    }
  }

  const BatchOptions& options_;
  std::mutex mutex_;
  std::condition_variable ended_;
  uint64_t next_;
  size_t running_ = 0;
  std::vector<uint64_t> digests_;
  std::vector<std::unique_ptr<Worker>> workers_;
  BatchReport report_;
};

}  // namespace

BatchReport run_batch(const BatchOptions& options) { return Batch(options).run(); }

std::string replay_command(const BatchOptions& options, uint64_t seed) {
  return fmt::format("ramet-sim --seed {}{}", seed, rest_of_command(options));
}

}  // namespace ramet::sim
