// What the server counts, for Prometheus. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/store.h"
#include "format/result.h"

namespace ramet::serve {

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Counts requests for one thread: it knows where the figures of each operation are, so that a
  // request costs a few additions. Not thread-safe.
  class Recorder {
   public:
    ~Recorder();
    // `operation`: "s3.GetObject"; what stands before the dot is the face. Of more names than a few
    // hundred, the rest counts as "other".
    void request(std::string_view operation, int status, uint64_t nanoseconds, uint64_t bytes_in,
                 uint64_t bytes_out);

   private:
    friend class Metrics;
    struct Impl;
    explicit Recorder(std::unique_ptr<Impl> impl);
    const std::unique_ptr<Impl> impl_;
  };
  // Requires: the metrics outlive it.
  std::unique_ptr<Recorder> recorder();

  void connection_opened();
  void connection_closed();
  // Turned away: too many of them.
  void connection_refused();
  // Cut by the server: "header", "idle", "slow", "handshake", "stop", "gone".
  void connection_cut(std::string_view why);

  // Where the figures of the store come from; asked when somebody looks, once a second at most.
  void sample_store(std::function<Result<StoreInfo>()> source);
  void sample_lost_lines(std::function<uint64_t()> source);

  // The text format of Prometheus. May wait for the disk.
  std::string text();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace ramet::serve
