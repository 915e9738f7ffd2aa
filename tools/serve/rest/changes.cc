#include "tools/serve/rest/changes.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "tools/serve/rest/diff.h"
#include "tools/serve/rest/handlers.h"
#include "tools/serve/rest/put.h"

namespace ramet::serve::rest {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(200);
constexpr int kPollsPerSign = 75;        // of life: 15 seconds
constexpr size_t kEventsMax = 10'000;    // of one step; more: the subscriber reads anew

SharedBytes shared(std::string text) {
  SharedBytes out;
  auto owner = std::make_shared<const std::string>(std::move(text));
  out.bytes = *owner;
  out.owner = std::move(owner);
  return out;
}

// Server-sent events (HTML, 9.2): one for each difference, and one "mark" behind those of a step,
// whose id is where to resume.
class Feed : public BodySource {
 public:
  Feed(Rest& rest, Caller caller, ContainerId container, Changes::Point from, std::string begin)
      : rest_(rest),
        caller_(std::move(caller)),
        container_(container),
        at_(std::move(from)),
        ready_(std::move(begin)) {}

  Task<Result<std::vector<SharedBytes>>> next() override {
    while (ready_.empty()) {
      if (over_) co_return std::vector<SharedBytes>{};
      if (!first_) {
        boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, kPoll);
        co_await timer.async_wait(boost::asio::use_awaitable);
      }
      first_ = false;
      auto changed = co_await rest_.services.workers.run_quick(
          [this] { return rest_.services.store.container(container_); });
      if (!changed.ok()) {
        if (changed.error().code() != ErrorCode::kNotFound) {
          co_return std::move(changed).error();
        }
        // Dropped: an end that a subscriber can tell from a cut.
        ready_ = "event: end\ndata: {\"reason\":\"the container is gone\"}\n\n";
        over_ = true;
        break;
      }
      if (changed->changed == at_.changed && !stale_) {
        if (++polls_ % kPollsPerSign == 0) ready_ = ": alive\n\n";
        continue;
      }
      const Status stepped = co_await rest_.services.workers.run([this] { return step(); });
      if (!stepped.ok()) co_return stepped.error();
    }
    std::vector<SharedBytes> parts;
    parts.push_back(shared(std::exchange(ready_, {})));
    co_return parts;
  }

 private:
  Status step() {
    // Who lost its rights meanwhile learns no more.
    RAMET_ASSIGN(const AccessLevel level, rest_.services.access.level(caller_, container_));
    if (level < AccessLevel::kView) {
      ready_ = "event: end\ndata: {\"reason\":\"the container is gone\"}\n\n";
      over_ = true;
      return ok();
    }
    RAMET_ASSIGN(Changes::Point newest, rest_.changes->newest(container_));
    std::string events;
    size_t count = 0;
    RAMET_TRY(rest_.services.store.diff(*at_.view, *newest.view, [&](const Difference& one) {
      if (++count > kEventsMax) return false;
      events += "event: change\ndata: " + to_text(difference_json(one)) + "\n\n";
      return true;
    }));
    if (count > kEventsMax) {
      events = fmt::format("event: reset\ndata: {{\"reason\":\"more than {} changes\"}}\n\n",
                           kEventsMax);
    }
    events += fmt::format("id: {0}\nevent: mark\ndata: {{\"changed\":{0}}}\n\n", newest.changed);
    rest_.changes->keep(container_, newest);
    at_ = std::move(newest);
    stale_ = false;
    ready_ = std::move(events);
    return ok();
  }

  Rest& rest_;
  const Caller caller_;
  const ContainerId container_;
  Changes::Point at_;
  std::string ready_;
  bool first_ = true;
  bool stale_ = true;  // the first step is taken without anything having changed since
  bool over_ = false;
  int polls_ = 0;
};

}  // namespace

Result<Changes::Point> Changes::newest(ContainerId container) {
  // The view and its number belong together if the number stood still meanwhile.
  for (;;) {
    RAMET_ASSIGN(const ContainerInfo before, store_.container(container));
    {
      const std::lock_guard lock(mutex_);
      const auto found = points_.find(container);
      if (found != points_.end() && !found->second.empty() &&
          found->second.back().changed == before.changed) {
        found->second.back().seen = now_nanoseconds();
        return found->second.back();
      }
    }
    RAMET_ASSIGN(auto view, store_.view(container));
    RAMET_ASSIGN(const ContainerInfo after, store_.container(container));
    if (before.changed != after.changed) continue;
    return Point{after.changed, std::move(view), now_nanoseconds()};
  }
}

void Changes::keep(ContainerId container, const Point& point) {
  std::vector<std::shared_ptr<const View>> gone;  // let go outside the lock
  const std::lock_guard lock(mutex_);
  auto& points = points_[container];
  if (!points.empty() && points.back().changed >= point.changed) return;
  points.push_back(point);
  while (points.size() > kPointsMax) {
    gone.push_back(std::move(points.front().view));
    points.pop_front();
  }
}

Result<Changes::Point> Changes::kept(ContainerId container, Sequence changed) {
  const std::lock_guard lock(mutex_);
  const auto found = points_.find(container);
  if (found != points_.end()) {
    for (Point& point : found->second) {
      if (point.changed != changed) continue;
      point.seen = now_nanoseconds();
      return point;
    }
  }
  return Error(ErrorCode::kNotFound, "this state is not kept any more");
}

void Changes::prune() {
  std::vector<std::shared_ptr<const View>> gone;
  const int64_t oldest = now_nanoseconds() - kAgeMax;
  const std::lock_guard lock(mutex_);
  for (auto at = points_.begin(); at != points_.end();) {
    auto& points = at->second;
    std::erase_if(points, [&](Point& point) {
      if (point.seen >= oldest) return false;
      gone.push_back(std::move(point.view));
      return true;
    });
    at = points.empty() ? points_.erase(at) : std::next(at);
  }
}

Task<Answer> watch_changes(Call& call) {
  const auto last = call.request.fields.find("last-event-id");
  struct Begin {
    Changes::Point point;
    std::string events;
  };
  auto begun = co_await call.slow([&]() -> Result<Begin> {
    Begin begin;
    Changes& changes = *call.rest.changes;
    if (last && !last->empty()) {
      const bool digits = last->size() < 19 &&
                          last->find_first_not_of("0123456789") == std::string_view::npos;
      if (digits) {
        auto kept = changes.kept(call.container.id, std::stoull(std::string(*last)));
        if (kept.ok()) {
          begin.point = std::move(*kept);
          return begin;
        }
      }
      begin.events = "event: reset\ndata: {\"reason\":\"the state to resume from is gone\"}\n\n";
    } else if (const std::string since = call.text("since"); !since.empty()) {
      if (!since.starts_with('@')) {
        return Error(ErrorCode::kInvalidArgument, "'since' must be a snapshot: @name");
      }
      RAMET_ASSIGN(begin.point.view, call.store().view(call.container.id, since.substr(1)));
      return begin;
    }
    RAMET_ASSIGN(begin.point, changes.newest(call.container.id));
    changes.keep(call.container.id, begin.point);
    return begin;
  });
  if (!begun.ok()) co_return std::move(begun).error();
  Response response;
  response.fields.set("Content-Type", "text/event-stream");
  response.fields.set("Cache-Control", "no-store");
  response.fields.set("X-Accel-Buffering", "no");
  response.source = std::make_unique<Feed>(call.rest, call.caller, call.container.id,
                                           std::move(begun->point), std::move(begun->events));
  co_return response;
}

}  // namespace ramet::serve::rest
