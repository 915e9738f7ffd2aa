// Jobs: what was asked to be answered at once ("Prefer: respond-async") and goes on behind that,
// one after the other on a thread of their own. What becomes of one stands in an AsyncJob, which is
// a resource as any other; this here only knows which ones wait or run. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "tools/serve/fhir/errors.h"

namespace ramet::serve::fhir {

struct Answer;  // call.h
struct Call;
struct Shared;

class Jobs {
 public:
  Jobs();
  ~Jobs();  // waits for the one that runs; those that wait never begin
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // Keeps a place for a job, so that nothing is written down for one that there is no room for.
  // False: too many wait.
  bool reserve(const std::string& id);
  // Gives the place back; or uses it.
  void release(const std::string& id);
  void start(const std::string& id, std::function<void()> work);
  // From reserve() until its work has returned.
  bool is_active(const std::string& id);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::set<std::string> active_;
  std::deque<std::pair<std::string, std::function<void()>>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

// What a job does: gives the resource that the call would have answered with.
using JobWork = std::function<Outcome<Json>()>;
// Makes an AsyncJob in the caller's project for this call, and starts it. `container`: the name of
// the container that is there once the work is done, by which that is known whatever happens to
// this process meanwhile. 202 with Content-Location. kUnavailable: too many wait.
Outcome<Answer> start_job(Call& call, const std::string& container, JobWork work);

}  // namespace ramet::serve::fhir
