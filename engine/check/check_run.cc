#include "engine/check/check_run.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

namespace ramet::engine {
namespace {

constexpr uint64_t kNap = 50'000'000;  // nanoseconds between looks whether it was cancelled

}  // namespace

bool stops_check(const Error& error) {
  return error.code() == ErrorCode::kIoError || error.code() == ErrorCode::kCancelled;
}

Pace::Pace(io::Env& env, uint64_t rate, std::function<void(uint64_t)> sleep)
    : env_(env),
      sleep_(sleep ? std::move(sleep)
                   : [](uint64_t nanoseconds) {
                       std::this_thread::sleep_for(std::chrono::nanoseconds(nanoseconds));
                     }),
      rate_(rate) {}

void Pace::take(uint64_t bytes, const std::function<bool()>& cancelled) {
  const uint64_t rate = rate_;
  if (rate == 0) return;
  const auto takes = static_cast<uint64_t>(static_cast<double>(bytes) /
                                           static_cast<double>(rate) * 1e9);
  uint64_t until = 0;
  {
    std::lock_guard lock(mu_);
    until = std::max(free_at_, env_.monotonic());
    free_at_ = until + takes;
  }
  for (uint64_t now = env_.monotonic(); now < until && !cancelled(); now = env_.monotonic()) {
    sleep_(std::min(until - now, kNap));
  }
}

Finding CheckRun::make(std::string_view code, std::string message) {
  Finding finding;
  finding.kind = &finding_kind(code);
  finding.message = std::move(message);
  return finding;
}

Finding CheckRun::make(const TreeProblem& problem) {
  Finding finding = make(problem.code, problem.message);
  finding.segment = problem.ref.segment;
  finding.slot = problem.ref.slot;
  return finding;
}

Finding CheckRun::make(SegmentNo number, const SegmentProblem& problem, const std::string& file) {
  Finding finding = make(problem.code, problem.message);
  finding.file = file;
  finding.offset = problem.offset;
  finding.segment = number;
  finding.slot = problem.slot;
  return finding;
}

void CheckRun::add(const Finding& finding) {
  std::lock_guard lock(mu_);
  switch (finding.kind->severity) {
    case Severity::kLost: ++lost_; break;
    case Severity::kDamage: ++damage_; break;
    case Severity::kHint: ++hints_; break;
  }
  report_(finding);
}

void CheckRun::add_file(std::string_view code, const std::string& file, uint64_t offset,
                        std::string message) {
  Finding finding = make(code, std::move(message));
  finding.file = file;
  finding.offset = offset;
  add(finding);
}

void CheckRun::expect(uint64_t bytes) {
  if (progress_ != nullptr) progress_->bytes_total += bytes;
}

Status CheckRun::did_read(uint64_t bytes) {
  bytes_ += bytes;
  if (progress_ != nullptr) progress_->bytes_done += bytes;
  if (pace_ != nullptr) pace_->take(bytes, [this] { return is_cancelled(); });
  return is_cancelled() ? Status(Error(ErrorCode::kCancelled, "interrupted")) : ok();
}

Status CheckRun::in_parallel(size_t count, const std::function<Status(size_t)>& one) const {
  std::atomic<size_t> next{0};
  std::mutex mu;
  Status failed = ok();
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) {
      Status status = one(i);
      if (status.ok()) continue;
      next = count;
      std::lock_guard lock(mu);
      if (failed.ok()) failed = std::move(status);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::min<size_t>(threads_, count); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return failed;
}

}  // namespace ramet::engine
