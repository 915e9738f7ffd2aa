// Jobs: what takes longer than a request, on a thread of its own, one after the other. Results are
// kept for a day, at most some hundred; nothing of it survives the daemon. Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/import.h"
#include "format/ids.h"
#include "format/result.h"
#include "tools/serve/rest/json.h"
#include "tools/serve/http.h"

namespace ramet::serve::rest {

struct Call;

struct Job {
  enum class State : uint8_t { kWaiting, kRunning, kDone, kFailed, kCancelled };

  uint64_t number = 0;
  std::string kind;
  PrincipalId owner;
  std::string owner_name;
  int64_t created = 0;
  // What it does; sees progress.cancel. Gives the result.
  std::function<Result<Json>(CopyProgress& progress)> work;
  CopyProgress progress;  // of files and bytes, as the kind counts them

  // Under the mutex of Jobs.
  State state = State::kWaiting;
  int64_t started = 0;
  int64_t finished = 0;
  Json result;
  std::optional<Error> error;
};

class Jobs {
 public:
  Jobs();
  ~Jobs();  // cancels what runs, and waits for it
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // kBusy: too many wait.
  Result<std::shared_ptr<Job>> add(std::shared_ptr<Job> job);
  std::shared_ptr<Job> find(uint64_t number);
  std::vector<std::shared_ptr<Job>> list();  // newest first
  void cancel(const std::shared_ptr<Job>& job);
  Json json(const Job& job);
  // Called by the thread about every second while no job runs; set once, before the first job.
  void set_tick(std::function<void()> tick);

 private:
  void run();
  void prune(int64_t now);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<uint64_t, std::shared_ptr<Job>> jobs_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::shared_ptr<Job> running_;
  std::function<void()> tick_;
  uint64_t next_number_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

// As the call's; and the answer that says where it stands.
Result<std::shared_ptr<Job>> start_job(Call& call, const std::string& kind,
                                       std::function<Result<Json>(CopyProgress&)> work);
Response job_response(Call& call, const Job& job, int status);

}  // namespace ramet::serve::rest
