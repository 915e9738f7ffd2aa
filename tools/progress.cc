#include "tools/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include <fmt/format.h>

#include "tools/caller.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

constexpr double kShowAfterSeconds = 1;
constexpr auto kTick = std::chrono::milliseconds(50);
constexpr int kTicksPerDraw = 4;
constexpr size_t kBarColumns = 24;

size_t terminal_columns(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
  return size.ws_col;
}

void to_stderr(int fd, std::string_view text) {
  // A progress line that cannot be written is no reason to stop.
  [[maybe_unused]] const ssize_t ignored = ::write(fd, text.data(), text.size());
}

std::string files_text(const ProgressState& state) {
  if (state.files_total == 0 && state.files_done == 0) return {};
  if (state.files_total == 0) return count_of(state.files_done, "file", "files");
  return fmt::format("{} of {}", with_commas(state.files_done),
                     count_of(state.files_total, "file", "files"));
}

std::string bytes_text(const ProgressState& state) {
  if (state.bytes_total == 0 && state.bytes_done == 0) return {};
  if (state.bytes_total == 0) return human_bytes(state.bytes_done);
  return fmt::format("{} of {}", human_bytes(state.bytes_done), human_bytes(state.bytes_total));
}

// Of bytes where they are known, else of files.
std::optional<double> share_done(const ProgressState& state) {
  const bool by_bytes = state.bytes_total != 0;
  const uint64_t total = by_bytes ? state.bytes_total : state.files_total;
  const uint64_t done = by_bytes ? state.bytes_done : state.files_done;
  if (total == 0 || done > total) return std::nullopt;
  return static_cast<double>(done) / static_cast<double>(total);
}

std::string bar(double share) {
  const auto filled = static_cast<size_t>(share * static_cast<double>(kBarColumns));
  return "[" + std::string(filled, '#') + std::string(kBarColumns - filled, '.') + "]";
}

std::string rate_text(const ProgressState& state) {
  if (state.bytes_per_second && state.bytes_done != 0) {
    return human_bytes(static_cast<uint64_t>(*state.bytes_per_second)) + "/s";
  }
  if (state.files_per_second && state.files_done != 0) {
    return with_commas(static_cast<uint64_t>(*state.files_per_second)) + " files/s";
  }
  return {};
}

// Whole seconds: nobody knows more.
std::string left_text(double seconds) {
  return seconds < 59.5 ? fmt::format("{:.0f} s left", std::max(1.0, seconds))
                        : human_duration(seconds) + " left";
}

}  // namespace

void RateMeter::sample(double seconds, uint64_t bytes, uint64_t files) {
  samples_.push_back({seconds, bytes, files});
  while (samples_.size() > 2 && seconds - samples_[1].seconds >= kWindowSeconds) {
    samples_.pop_front();
  }
}

double RateMeter::span() const {
  return samples_.size() < 2 ? 0 : samples_.back().seconds - samples_.front().seconds;
}

std::optional<double> RateMeter::bytes_per_second() const {
  if (span() < kRateAfterSeconds || samples_.back().bytes < samples_.front().bytes) return {};
  return static_cast<double>(samples_.back().bytes - samples_.front().bytes) / span();
}

std::optional<double> RateMeter::files_per_second() const {
  if (span() < kRateAfterSeconds || samples_.back().files < samples_.front().files) return {};
  return static_cast<double>(samples_.back().files - samples_.front().files) / span();
}

std::optional<double> RateMeter::seconds_left(uint64_t bytes_total, uint64_t files_total) const {
  if (span() < kEtaAfterSeconds || (bytes_total == 0 && files_total == 0)) return {};
  double left = 0;
  const auto consider = [&](uint64_t total, uint64_t done, std::optional<double> rate) {
    if (total == 0 || done == total) return true;
    if (done > total || !rate || *rate <= 0) return false;
    left = std::max(left, static_cast<double>(total - done) / *rate);
    return true;
  };
  const Sample& last = samples_.back();
  if (!consider(bytes_total, last.bytes, bytes_per_second())) return {};
  if (!consider(files_total, last.files, files_per_second())) return {};
  return left;
}

std::string render_progress(const ProgressState& state, size_t columns) {
  std::vector<std::string> parts = {state.label};
  const auto add = [&](std::string part) {
    if (!part.empty()) parts.push_back(std::move(part));
  };
  if (const auto share = share_done(state)) {
    add(fmt::format("{} {:3.0f}%", bar(*share), *share * 100));
  }
  add(bytes_text(state));
  add(files_text(state));
  add(rate_text(state));
  add(state.seconds_left ? left_text(*state.seconds_left)
                         : human_duration(state.elapsed_seconds));
  std::string line;
  for (const std::string& part : parts) {
    const std::string more = line.empty() ? part : "  " + part;
    if (line.size() + more.size() > columns) break;
    line += more;
  }
  return line;
}

ProgressLine::ProgressLine(std::string label, CopyProgress& progress, bool visible)
    : label_(std::move(label)),
      progress_(progress),
      caller_(current_caller()),
      visible_(visible && ::isatty(caller_.err) != 0) {
  progress_.wants_totals = visible_;
  thread_ = std::thread([this] { watch(); });
}

ProgressLine::~ProgressLine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void ProgressLine::watch() {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  std::unique_lock lock(mutex_);
  for (int tick = 0; !stopping_; ++tick) {
    if (caller_.interrupted()) progress_.cancel = true;
    if (visible_ && tick % kTicksPerDraw == 0) {
      const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
      meter_.sample(elapsed, progress_.bytes_done, progress_.files_done);
      if (elapsed >= kShowAfterSeconds) draw(elapsed);
    }
    wake_.wait_for(lock, kTick, [this] { return stopping_; });
  }
  if (drawn_) to_stderr(caller_.err, "\r\x1b[K");
}

void ProgressLine::draw(double elapsed) {
  ProgressState state;
  state.label = label_;
  state.elapsed_seconds = elapsed;
  state.bytes_done = progress_.bytes_done;
  state.bytes_total = progress_.bytes_total;
  state.files_done = progress_.files_done;
  state.files_total = progress_.files_total;
  state.bytes_per_second = meter_.bytes_per_second();
  state.files_per_second = meter_.files_per_second();
  state.seconds_left = meter_.seconds_left(state.bytes_total, state.files_total);
  const size_t columns = terminal_columns(caller_.err) - 1;
  to_stderr(caller_.err, "\r" + render_progress(state, columns) + "\x1b[K");
  drawn_ = true;
}

}  // namespace ramet::tools
