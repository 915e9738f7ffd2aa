#include "tools/serve/fhir/jobs.h"

#include <chrono>

#include <fmt/format.h>

#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/secrets.h"

namespace ramet::serve::fhir {
namespace {

constexpr size_t kActiveMax = 64;
constexpr const char* kContainer = "@container";  // beside the AsyncJob, as its secret

std::string now_text() {
  return iso_date(std::chrono::duration_cast<std::chrono::nanoseconds>(
                      std::chrono::system_clock::now().time_since_epoch())
                      .count());
}

// The thread begins with the first job.
Jobs& jobs_of(Shared& shared) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (shared.jobs == nullptr) shared.jobs = std::make_unique<Jobs>();
  return *shared.jobs;
}

Json parameters_of(const char* name, const Json& resource) {
  Json parameter;
  parameter["name"] = name;
  parameter["resource"] = resource;
  Json out;
  out["resourceType"] = "Parameters";
  out["parameter"] = Json::array({std::move(parameter)});
  return out;
}

// What it came to, in its AsyncJob.
void finish(Json& job, const Outcome<Json>& outcome) {
  job["status"] = outcome.ok() ? "completed" : "error";
  job["transactionTime"] = now_text();
  auto copy = outcome;
  job["output"] = outcome.ok() ? parameters_of("return", copy.value())
                               : parameters_of("outcome", outcome_json(outcome.error()));
}

// Fails only where the daemon is about to end, or the disk: then the status is found out by the
// container.
Outcome<void> write_end(Shared& shared, ContainerId project, TypeNumber type, ObjectId id,
                        const Outcome<Json>& outcome) {
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    auto info = transaction.record(type, id);
    if (!info.ok()) {
      if (info.error().code() == ErrorCode::kNotFound) return {};  // deleted meanwhile
      return std::move(info).error();
    }
    Json job = parse_document(*info);
    Authorship by;
    by.project = project;
    by.keeps_meta = true;  // it stays whose it is
    const std::string before = meta_text(job, "lastUpdated");
    finish(job, outcome);
    RAMET_TRY(write_resource(shared.types, transaction, std::move(job), by, before));
    return {};
  };
  return change(shared, project, attempt);
}

// The AsyncJob of work that no process does any more, by whether its container is there.
Outcome<void> find_end(Shared& shared, const std::string& kept, Json& job) {
  const Json secrets = Json::parse(kept, nullptr, false);
  const std::string name = secrets.is_object() ? text_member(secrets, kContainer) : std::string();
  auto info = shared.store().container(name);
  if (info.ok()) {
    RAMET_ASSIGN(const auto view, shared.store().view(info->id));
    RAMET_ASSIGN(const Json project,
                 read_resource(shared, *view, "Project", project_resource(info->id)));
    finish(job, project);
    return {};
  }
  if (info.error().code() == ErrorCode::kWouldWait) return std::move(info).error();
  finish(job, Fault(Issue::kUnavailable, "the server ended before this was done; nothing was"));
  return {};
}

}  // namespace

Jobs::Jobs() : thread_([this] { run(); }) {}

Jobs::~Jobs() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  wake_.notify_all();
  thread_.join();
}

bool Jobs::reserve(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (active_.size() >= kActiveMax) return false;
  active_.insert(id);
  return true;
}

void Jobs::release(const std::string& id) {
  const std::lock_guard lock(mutex_);
  active_.erase(id);
}

void Jobs::start(const std::string& id, std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace_back(id, std::move(work));
  }
  wake_.notify_all();
}

bool Jobs::is_active(const std::string& id) {
  const std::lock_guard lock(mutex_);
  return active_.contains(id);
}

void Jobs::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    auto [id, work] = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = {};
    lock.lock();
    active_.erase(id);
  }
}

Outcome<Answer> start_job(Call& call, const std::string& container, JobWork work) {
  Shared& shared = call.shared;
  Jobs& jobs = jobs_of(shared);
  const ContainerId project = call.login.project;
  RAMET_ASSIGN(const TypeNumber type, shared.types.number("AsyncJob"));
  RAMET_ASSIGN(const ObjectId id, parse_uuid<ObjectId>(random_uuid()));
  const std::string text = to_uuid(id);
  if (!jobs.reserve(text)) return Fault(Issue::kUnavailable, "too many jobs are waiting");

  Json job;
  job["resourceType"] = "AsyncJob";
  job["id"] = text;
  job["status"] = "accepted";
  job["requestTime"] = now_text();
  job["request"] = call.base() + std::string(call.request.path).substr(1);
  Json kept;
  kept[kContainer] = container;
  const Authorship by = call.authorship(project);
  const auto attempt = [&](Transaction& transaction) -> Outcome<void> {
    RAMET_TRY(write_resource(shared.types, transaction, job, by, {}, kept.dump()));
    return {};
  };
  const std::string status_url = fmt::format("{}job/{}/status", call.fhir_base(), text);
  Answer answer = outcome_answer(Issue::kAccepted, status_url);
  answer.fields.set("Content-Location", status_url);
  auto written = change(shared, project, attempt);
  if (!written.ok()) {
    jobs.release(text);
    return std::move(written).error();
  }
  jobs.start(text, [&shared, project, type, id, its_work = std::move(work)] {
    const Outcome<Json> outcome = its_work();
    const auto ended = write_end(shared, project, type, id, outcome);
    if (!ended.ok()) {
      // (Asked for it, find_end() tells.)
    }
  });
  return answer;
}

Outcome<Answer> job_status(Call& call) {
  RAMET_TRY(check_interaction(call.login, Interaction::kRead, "AsyncJob"));
  // Before the look at the resource: it is written before the job stops being active.
  const bool is_active = jobs_of(call.shared).is_active(call.path[1]);
  RAMET_ASSIGN(const Found found, find_resource(call, "AsyncJob", call.path[1]));
  RAMET_ASSIGN(Json job, shown_resource(call, *found.view, found.info, call.is_extended()));
  if (text_member(job, "status") == "accepted") {
    if (is_active) {
      Answer answer = json_answer(202, job);
      const std::string url = fmt::format("{}job/{}/status", call.fhir_base(), call.path[1]);
      answer.fields.set("Content-Location", url);
      answer.fields.set("Retry-After", "1");
      return answer;
    }
    RAMET_ASSIGN(const std::string kept,
                 found.view->record_secret(found.info.type, found.info.id));
    RAMET_TRY(find_end(call.shared, kept, job));
  }
  return json_answer(200, job);
}

}  // namespace ramet::serve::fhir
