#include "tools/sim/subject.h"

#include <iterator>
#include <sstream>

#include "engine/store_impl.h"

namespace ramet::sim {
namespace {

constexpr size_t kViewsMax = 4;

}  // namespace

Error wrong(std::string what) { return {ErrorCode::kFailedPrecondition, std::move(what)}; }

std::vector<std::string> lines_of(const std::string& description) {
  std::vector<std::string> out;
  std::istringstream in(description);
  std::string container;
  std::string version;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(' ')) {
      container = line;
      version.clear();
    } else if (line.starts_with(" @")) {
      version = line;
    }
    // (How many names an object has is known only when all are read.)
    const std::string text = line.substr(0, line.find(" one of "));
    out.push_back(container + version + "|" + text);
  }
  return out;
}

Subject::Subject(uint64_t seed, StoreOptions options)
    : env_(std::make_shared<io::SimEnv>(seed)), options_(std::move(options)), workload_(seed) {
  options_.env = env_;
}

Status Subject::create() { return Store::create("/store", options_); }

Status Subject::open() {
  RAMET_ASSIGN(store_, Store::open("/store", options_));
  return ok();
}

Status Subject::step() {
  Workload before = workload_;
  const Status status = workload_.step(store_.get());
  last_ = workload_.last();
  if (status.ok()) {
    possible_.clear();
    return ok();
  }
  possible_.push_back(std::move(workload_));
  workload_ = std::move(before);
  workload_.reseed(++failures_ * 0x9E3779B97F4A7C15ull);  // another way
  return status;
}

Status Subject::close() {
  views_.clear();
  const Status status = store_->close();
  store_.reset();
  return status;
}

void Subject::abandon() {
  views_.clear();
  store_.reset();
}

Status Subject::hold_view(uint64_t choice) {
  if (views_.size() >= kViewsMax || workload_.model().empty()) return ok();
  auto container = workload_.model().begin();
  std::advance(container, static_cast<long>(choice % workload_.model().size()));
  const auto& snapshots = container->second.snapshots;
  const bool of_snapshot = choice % 3 == 0 && !snapshots.empty();
  RAMET_ASSIGN(const ContainerInfo info, store_->container(container->first));
  RAMET_ASSIGN(auto view, store_->view(info.id, of_snapshot ? snapshots.begin()->first : ""));
  const PathMap& shows = of_snapshot ? snapshots.begin()->second : container->second.paths;
  views_.push_back({std::move(view), describe(Model{{"", {shows, {}}}}).substr(1)});
  return ok();
}

Status Subject::check_state() const {
  const std::string is = describe(*store_);
  const std::string should = describe(workload_.model());
  if (is == should) return ok();
  return wrong("the store differs from the model\n" + first_difference(is, should));
}

Status Subject::check_recovered() {
  const std::string is = describe(*store_);
  const std::string should = describe(workload_.model());
  if (is != should) {
    for (Workload& one : possible_) {
      if (is != describe(one.model())) continue;
      workload_ = Workload(std::move(one));
      possible_.clear();
      return ok();
    }
    return wrong("what was recovered differs from the model\n" + first_difference(is, should));
  }
  possible_.clear();
  return ok();
}

Status Subject::check_view(uint64_t choice) {
  if (views_.empty()) return ok();
  const auto at = views_.begin() + static_cast<long>(choice % views_.size());
  const std::string shows = describe(*at->view);
  if (shows != at->shows) {
    return wrong("a view that is held changed\n" + first_difference(shows, at->shows));
  }
  views_.erase(at);
  return ok();
}

Status Subject::check_counts(bool idle) {
  const auto found = static_cast<engine::StoreImpl&>(*store_).recount_references();
  if (!found.ok()) return wrong("recount: " + found.error().to_string());
  std::string errors;
  for (const std::string& line : found->wrong) errors += "\n" + line;
  if (idle && found->pending > 0) {
    errors += "\n" + std::to_string(found->pending) + " dead nodes wait";
  }
  for (const std::string& name : found->unknown_files) {
    if (idle) errors += "\nleft over: " + name;
  }
  if (errors.empty()) return ok();
  return wrong("a recount differs from the counts" + errors);
}

void Subject::add_lines(std::vector<std::string>& lines) const {
  const auto add = [&](const Workload& workload) {
    for (std::string& line : lines_of(describe(workload.model()))) {
      lines.push_back(std::move(line));
    }
  };
  add(workload_);
  for (const Workload& one : possible_) add(one);
}

}  // namespace ramet::sim
