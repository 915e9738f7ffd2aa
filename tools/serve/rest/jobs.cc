#include "tools/serve/rest/jobs.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "tools/serve/rest/handlers.h"
#include "tools/serve/rest/put.h"
#include "tools/serve/rest/usage.h"

namespace ramet::serve::rest {
namespace {

constexpr size_t kKeptMax = 256;
constexpr size_t kWaitingMax = 64;
constexpr int64_t kKeptFor = 86'400'000'000'000;

std::string_view state_name(Job::State state) {
  switch (state) {
    case Job::State::kWaiting: return "waiting";
    case Job::State::kRunning: return "running";
    case Job::State::kDone: return "done";
    case Job::State::kFailed: return "failed";
    case Job::State::kCancelled: return "cancelled";
  }
  return "";
}

// Reads and compares all content of a view; says what is damaged.
Result<Json> verify(const View& view, CopyProgress& progress) {
  progress.files_total = view.summary()[SummaryColumn::kObjects];
  progress.bytes_total = view.summary()[SummaryColumn::kContentBytes];
  constexpr size_t kListedMax = 1000;
  Json damaged = Json::array();
  uint64_t damaged_count = 0;
  Status status;
  RAMET_TRY(view.objects([&](const ObjectInfo& info) {
    if (progress.cancel) {
      status = Error(ErrorCode::kCancelled, "the job was cancelled");
      return false;
    }
    const Status verified = view.verify(info.id);
    ++progress.files_done;
    progress.bytes_done += info.size;
    if (verified.ok()) return true;
    if (verified.error().code() != ErrorCode::kCorruption) {
      status = verified;
      return false;
    }
    if (++damaged_count <= kListedMax) {
      Json one;
      one["id"] = to_uuid(info.id);
      const auto path = view.path_of(info.id);
      set_name(one, "path", path.ok() ? *path : info.name);
      one["reason"] = verified.error().message();
      damaged.push_back(std::move(one));
    }
    return true;
  }));
  RAMET_TRY(status);
  Json json;
  json["objects"] = progress.files_done.load();
  json["bytes"] = progress.bytes_done.load();
  json["damaged"] = damaged_count;
  json["damaged_objects"] = std::move(damaged);
  return json;
}

Result<Json> reclaim(Store& store, bool dry_run, bool drop_now, CopyProgress& progress) {
  ReclaimOptions options;
  options.dry_run = dry_run;
  options.now = drop_now;
  options.until_idle = true;
  options.progress = &progress;
  RAMET_ASSIGN(const ReclaimReport report, store.reclaim(options));
  Json json;
  json["bytes_freed"] = report.bytes_freed;
  json["steps"] = report.steps;
  json["nodes_released"] = report.nodes_released;
  json["nodes_pending"] = report.nodes_pending;
  json["nodes_damaged"] = report.nodes_damaged;
  json["drops_waiting"] = report.drops_waiting;
  json["segments"] = report.actions.size();
  json["out_of_space"] = report.out_of_space;
  json["idle"] = report.idle;
  return json;
}

// What a job of this kind is to do; asks for what the caller needs for it.
Result<std::function<Result<Json>(CopyProgress&)>> work_of(Call& call, const std::string& kind,
                                                           Members& in) {
  Store& store = call.store();
  if (kind == "usage") {
    RAMET_ASSIGN(UsageRequest request, read_usage(call, in));
    return std::function<Result<Json>(CopyProgress&)>(
        [&store, request](CopyProgress& progress) {
          return usage_result(store, request, [&](uint64_t nodes) {
            progress.files_done = nodes;
            return !progress.cancel.load();
          });
        });
  }
  if (kind == "verify") {
    const std::string name = in.required("container");
    const std::string snapshot = in.text("snapshot");
    RAMET_TRY(in.done());
    RAMET_ASSIGN(const Call::Other other, call.other_container(name));
    RAMET_ASSIGN(auto view, store.view(other.info.id, snapshot));
    return std::function<Result<Json>(CopyProgress&)>(
        [view = std::move(view)](CopyProgress& progress) { return verify(*view, progress); });
  }
  const bool dry_run = kind == "reclaim" && in.flag("dry_run");
  const bool drop_now = kind == "reclaim" && in.flag("now");
  RAMET_TRY(in.done());
  if (!call.caller.principal.super_admin || !call.caller.scope.account) {
    return call.refuse(403, ErrorCode::kPermissionDenied,
                       "jobs of the whole store are for super administrators");
  }
  if (kind == "checkpoint") {
    return std::function<Result<Json>(CopyProgress&)>([&store](CopyProgress&) -> Result<Json> {
      RAMET_TRY(store.checkpoint());
      return Json::object();
    });
  }
  if (dry_run && drop_now) {
    return Error(ErrorCode::kInvalidArgument, "'now' does not go with 'dry_run'");
  }
  return std::function<Result<Json>(CopyProgress&)>(
      [&store, dry_run, drop_now](CopyProgress& progress) {
        return reclaim(store, dry_run, drop_now, progress);
      });
}

// The caller's own; super administrators see all.
Result<std::shared_ptr<Job>> find_job(Call& call) {
  RAMET_ASSIGN(const std::string text, call.param("job"));
  const bool digits = text.size() < 19 && text.find_first_not_of("0123456789") == text.npos;
  const auto job = digits ? call.rest.jobs->find(std::stoull(text)) : nullptr;
  if (job == nullptr ||
      (job->owner != call.caller.principal.id && !call.caller.principal.super_admin)) {
    return Error(ErrorCode::kNotFound, fmt::format("there is no job '{}'", text));
  }
  return job;
}

}  // namespace

Jobs::Jobs() : thread_([this] { run(); }) {}

Jobs::~Jobs() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (running_) running_->progress.cancel = true;
    queue_.clear();
  }
  wake_.notify_all();
  thread_.join();
}

void Jobs::set_tick(std::function<void()> tick) {
  const std::lock_guard lock(mutex_);
  tick_ = std::move(tick);
}

Result<std::shared_ptr<Job>> Jobs::add(std::shared_ptr<Job> job) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kWaitingMax) {
      return Error(ErrorCode::kBusy, "too many jobs are waiting: try again later");
    }
    job->number = next_number_++;
    job->created = now_nanoseconds();
    prune(job->created);
    jobs_.emplace(job->number, job);
    queue_.push_back(job);
  }
  wake_.notify_all();
  return job;
}

std::shared_ptr<Job> Jobs::find(uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(number);
  return found == jobs_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Job>> Jobs::list() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Job>> all;
  for (auto at = jobs_.rbegin(); at != jobs_.rend(); ++at) all.push_back(at->second);
  return all;
}

void Jobs::cancel(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex_);
  job->progress.cancel = true;
  if (job->state != Job::State::kWaiting) return;
  job->state = Job::State::kCancelled;
  job->finished = now_nanoseconds();
  job->work = {};
  std::erase(queue_, job);
}

Json Jobs::json(const Job& job) {
  const std::lock_guard lock(mutex_);
  Json json;
  json["id"] = job.number;
  json["kind"] = job.kind;
  json["state"] = state_name(job.state);
  json["owner"] = job.owner_name;
  json["created"] = iso_date(job.created);
  json["started"] = time_or_null(job.started);
  json["finished"] = time_or_null(job.finished);
  Json progress;
  progress["items_done"] = job.progress.files_done.load();
  progress["items_total"] = job.progress.files_total.load();
  progress["bytes_done"] = job.progress.bytes_done.load();
  progress["bytes_total"] = job.progress.bytes_total.load();
  json["progress"] = std::move(progress);
  json["result"] = job.state == Job::State::kDone ? job.result : Json(nullptr);
  json["error"] = nullptr;
  if (job.error) {
    Json error;
    error["code"] = error_code_name(job.error->code());
    error["detail"] = job.error->message();
    json["error"] = std::move(error);
  }
  return json;
}

// Requires: the mutex.
void Jobs::prune(int64_t now) {
  for (auto at = jobs_.begin(); at != jobs_.end();) {
    const Job& job = *at->second;
    const bool old = job.finished != 0 &&
                     (job.finished < now - kKeptFor || jobs_.size() > kKeptMax);
    at = old ? jobs_.erase(at) : std::next(at);
  }
}

void Jobs::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty()) {
      wake_.wait_for(lock, std::chrono::seconds(1));
      if (queue_.empty() && tick_ && !stopping_) {
        const auto tick = tick_;
        lock.unlock();
        tick();
        lock.lock();
      }
      continue;
    }
    running_ = std::move(queue_.front());
    queue_.pop_front();
    Job& job = *running_;
    job.state = Job::State::kRunning;
    job.started = now_nanoseconds();
    auto work = std::exchange(job.work, {});
    lock.unlock();
    auto result = work(job.progress);
    work = {};  // with the views that it holds
    lock.lock();
    job.finished = now_nanoseconds();
    if (result.ok()) {
      job.state = Job::State::kDone;
      job.result = std::move(*result);
    } else {
      job.state = result.error().code() == ErrorCode::kCancelled ? Job::State::kCancelled
                                                                 : Job::State::kFailed;
      job.error = result.error();
    }
    running_.reset();
  }
}

Result<std::shared_ptr<Job>> start_job(Call& call, const std::string& kind,
                                       std::function<Result<Json>(CopyProgress&)> work) {
  auto job = std::make_shared<Job>();
  job->kind = kind;
  job->owner = call.caller.principal.id;
  job->owner_name = call.caller.principal.name;
  job->work = std::move(work);
  return call.rest.jobs->add(std::move(job));
}

Response job_response(Call& call, const Job& job, int status) {
  Response response = json_response(status, call.rest.jobs->json(job));
  response.fields.set("Location", fmt::format("/v1/jobs/{}", job.number));
  return response;
}

Task<Answer> list_jobs(Call& call) {
  Json list = Json::array();
  for (const auto& job : call.rest.jobs->list()) {
    if (job->owner != call.caller.principal.id && !call.caller.principal.super_admin) continue;
    list.push_back(call.rest.jobs->json(*job));
  }
  Json json;
  json["jobs"] = std::move(list);
  co_return json_response(200, json);
}

Task<Answer> create_job(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  co_return co_await call.slow([&]() -> Answer {
    Members in(json);
    const std::vector<std::string> kinds = {"verify", "reclaim", "checkpoint", "usage"};
    if (!in.has("kind")) in.fail("kind", "is missing");
    const std::string kind = kinds[in.choice("kind", kinds, 0)];
    RAMET_ASSIGN(auto work, work_of(call, kind, in));
    RAMET_ASSIGN(const auto job, start_job(call, kind, std::move(work)));
    return job_response(call, *job, 202);
  });
}

Task<Answer> get_job(Call& call) {
  RAMET_CO_ASSIGN(const auto job, find_job(call));
  co_return json_response(200, call.rest.jobs->json(*job));
}

Task<Answer> cancel_job(Call& call) {
  RAMET_CO_ASSIGN(const auto job, find_job(call));
  call.rest.jobs->cancel(job);
  co_return json_response(200, call.rest.jobs->json(*job));
}

}  // namespace ramet::serve::rest
