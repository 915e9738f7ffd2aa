// The progress line on stderr: what was done, how fast, and how long it will take where that can
// be known.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/import.h"

namespace ramet::tools {

struct Caller;  // tools/caller.h

// Rates over the last seconds, from samples of running totals. Not thread-safe. Times are seconds
// of any clock that does not go back.
class RateMeter {
 public:
  static constexpr double kWindowSeconds = 10;
  static constexpr double kRateAfterSeconds = 0.5;  // of samples, before a rate is told
  static constexpr double kEtaAfterSeconds = 2;     // of samples, before an end is told

  void sample(double seconds, uint64_t bytes, uint64_t files);

  std::optional<double> bytes_per_second() const;
  std::optional<double> files_per_second() const;
  // What the slower of the two (bytes, files) will take at the rates of the window. None if a
  // total is not known (both are 0), nothing moved in the window, it was too short, or more is
  // done than was announced: no number is better than a made-up one.
  std::optional<double> seconds_left(uint64_t bytes_total, uint64_t files_total) const;

 private:
  struct Sample {
    double seconds;
    uint64_t bytes;
    uint64_t files;
  };
  double span() const;

  std::deque<Sample> samples_;
};

// What a progress line shows.
struct ProgressState {
  std::string label;
  double elapsed_seconds = 0;
  uint64_t bytes_done = 0, bytes_total = 0;  // totals: 0 if not known
  uint64_t files_done = 0, files_total = 0;
  std::optional<double> bytes_per_second;
  std::optional<double> files_per_second;  // shown when no bytes are counted
  std::optional<double> seconds_left;
};

// One line of at most `columns` columns, without control bytes: label, counts, percent and bar
// (only with a known total), rate, time left. What does not fit is left out from the right.
std::string render_progress(const ProgressState& state, size_t columns);

// Shows a line once the work has taken a second, and removes it in the end. Also watches for
// interrupts (tools/caller.h) and sets progress.cancel. Starts one thread; the counters are
// borrowed until the destructor.
class ProgressLine {
 public:
  // Draws on stderr when `visible` and stderr is a terminal.
  ProgressLine(std::string label, CopyProgress& progress, bool visible);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

 private:
  void watch();
  void draw(double elapsed);

  const std::string label_;
  CopyProgress& progress_;
  const Caller& caller_;  // of the thread that made it
  const bool visible_;
  RateMeter meter_;    // of the thread
  bool drawn_ = false; // of the thread
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace ramet::tools
