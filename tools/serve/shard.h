// Shard: one thread of a server with its io_context and its connections. (Inside of the server.)
#pragma once

#include <poll.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "tools/serve/log.h"
#include "tools/serve/metrics.h"
#include "tools/serve/server.h"

namespace ramet::serve {

class Connection;

// What all threads of a server use.
struct ServerShared {
  ServerShared(const ServerLimits& given, Log& to, Metrics& counts)
      : limits(given), log(to), metrics(counts) {}

  const ServerLimits limits;
  Log& log;
  Metrics& metrics;
  std::atomic<bool> stopping{false};
  std::atomic<uint64_t> next_request{0};

  // Connections that are open, and how the last one is told of.
  std::atomic<size_t> connections{0};
  std::mutex mu;
  std::condition_variable all_gone;
  std::atomic<uint64_t> cut_while_stopping{0};
};

// Nanoseconds of the monotonic clock.
int64_t steady_now();

class Shard {
 public:
  explicit Shard(ServerShared& shared);
  // Requires: no connection is left.
  ~Shard();

  void start();
  // Ends the thread once nothing is left to do.
  void join();

  boost::asio::io_context& io() { return io_; }
  ServerShared& shared() { return shared_; }
  // Any thread: connections that it has or is about to have.
  size_t load() const { return load_.load(std::memory_order_relaxed); }
  int64_t last_tick() const { return last_tick_.load(std::memory_order_relaxed); }

  // Any thread. Takes a connected socket over; `refuse`: to say that there are too many.
  void adopt(int fd, const Door& door, std::shared_ptr<boost::asio::ssl::context> tls, bool refuse);
  // Any thread: idle connections end; all of them with `cut`.
  void stop(bool cut);

  // The thread's own:
  const std::string& date() const { return date_; }
  Log::Buffer& log_buffer() { return log_buffer_; }
  Metrics::Recorder& recorder() { return *recorder_; }

 private:
  void begin(int fd, const Door& door, std::shared_ptr<boost::asio::ssl::context> tls,
             bool refuse);
  void remove(Connection& connection);
  void tick();
  void look_for_gone_peers();
  void arm();

  ServerShared& shared_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer timer_;
  std::thread thread_;
  std::atomic<size_t> load_{0};
  std::atomic<int64_t> last_tick_{0};
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<pollfd> polled_;
  std::vector<Connection*> polled_connections_;
  Log::Buffer log_buffer_;
  const std::unique_ptr<Metrics::Recorder> recorder_;
  std::string date_;
  int64_t date_second_ = -1;
  bool ending_ = false;
};

}  // namespace ramet::serve
