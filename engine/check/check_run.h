// CheckRun: what the parts of one check share: its findings, progress, cancellation and threads.
// TreeProblem, SegmentProblem and EntryProblem become Findings here or by whoever knows the place.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/check/segment_check.h"
#include "engine/check/tree_check.h"
#include "engine/fsck.h"
#include "engine/import.h"

namespace ramet::engine {

// Errors that end a check: all others are findings.
bool stops_check(const Error& error);

// Keeps what several threads read to a rate. Thread-safe.
class Pace {
 public:
  // `rate`: bytes a second; 0: any. `sleep` waits so many nanoseconds; null: the thread sleeps.
  Pace(io::Env& env, uint64_t rate, std::function<void(uint64_t)> sleep);
  void set_rate(uint64_t rate) { rate_ = rate; }
  uint64_t rate() const { return rate_; }
  // So much was read: returns when all that was taken before it is paid for, or `cancelled` says
  // true.
  void take(uint64_t bytes, const std::function<bool()>& cancelled);

 private:
  io::Env& env_;
  const std::function<void(uint64_t)> sleep_;
  std::atomic<uint64_t> rate_;
  std::mutex mu_;
  uint64_t free_at_ = 0;  // by env.monotonic(); guarded by mu_
};

class CheckRun {
 public:
  // `threads`: at least 1. `progress` and `pace` may be null. `report` is called by one thread at a
  // time.
  CheckRun(unsigned threads, CopyProgress* progress, std::function<void(const Finding&)> report,
           Pace* pace = nullptr)
      : threads_(threads), progress_(progress), report_(std::move(report)), pace_(pace) {}
  CheckRun(const CheckRun&) = delete;
  CheckRun& operator=(const CheckRun&) = delete;

  // Requires: a code of finding_kinds().
  static Finding make(std::string_view code, std::string message);
  static Finding make(const TreeProblem& problem);
  // `file`: its path; may be empty.
  static Finding make(SegmentNo number, const SegmentProblem& problem, const std::string& file);
  void add(const Finding& finding);
  void add_file(std::string_view code, const std::string& file, uint64_t offset,
                std::string message);
  // Findings so far.
  uint64_t lost() const { return lost_; }
  uint64_t damage() const { return damage_; }
  uint64_t hints() const { return hints_; }

  bool is_cancelled() const { return progress_ != nullptr && progress_->cancel; }
  // More bytes will be read.
  void expect(uint64_t bytes);
  // They were. kCancelled once the check was cancelled.
  Status did_read(uint64_t bytes);
  uint64_t bytes_read() const { return bytes_; }

  // Calls `one` for each number below `count`, in ascending order, on all threads. The first error
  // ends it.
  Status in_parallel(size_t count, const std::function<Status(size_t)>& one) const;

 private:
  const unsigned threads_;
  CopyProgress* const progress_;
  const std::function<void(const Finding&)> report_;
  Pace* const pace_;
  std::mutex mu_;  // held while reporting
  std::atomic<uint64_t> lost_{0}, damage_{0}, hints_{0};
  std::atomic<uint64_t> bytes_{0};
};

}  // namespace ramet::engine
