#include "tools/serve/shard.h"

#include <chrono>
#include <exception>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "tools/serve/connection.h"

namespace ramet::serve {

namespace asio = boost::asio;

int64_t steady_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Shard::Shard(ServerShared& shared)
    : shared_(shared),
      work_(io_.get_executor()),
      timer_(io_),
      recorder_(shared.metrics.recorder()) {
  last_tick_ = steady_now();
}

Shard::~Shard() { join(); }

void Shard::start() {
  asio::post(io_, [this] { tick(); });
  thread_ = std::thread([this] { io_.run(); });
}

void Shard::join() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] {
    ending_ = true;  // (a tick that is on its way already cannot be cancelled)
    work_.reset();
    timer_.cancel();
  });
  thread_.join();
  shared_.log.flush(log_buffer_);
}

void Shard::adopt(int fd, const Door& door, std::shared_ptr<asio::ssl::context> tls, bool refuse) {
  load_.fetch_add(1, std::memory_order_relaxed);
  asio::post(io_, [this, fd, &door, tls = std::move(tls), refuse]() mutable {
    begin(fd, door, std::move(tls), refuse);
  });
}

void Shard::begin(int fd, const Door& door, std::shared_ptr<asio::ssl::context> tls, bool refuse) {
  auto owned = std::make_unique<Connection>(*this, door, fd, std::move(tls), refuse);
  Connection& connection = *owned;
  connection.set_index(connections_.size());
  connections_.push_back(std::move(owned));
  asio::co_spawn(io_, connection.run(),
                 asio::bind_cancellation_slot(connection.cancel_slot(),
                                              [this, &connection](const std::exception_ptr&) {
                                                remove(connection);
                                              }));
}

void Shard::remove(Connection& connection) {
  const size_t index = connection.index();
  std::swap(connections_[index], connections_.back());
  connections_[index]->set_index(index);
  connections_.pop_back();
  load_.fetch_sub(1, std::memory_order_relaxed);
  shared_.metrics.connection_closed();
  if (shared_.connections.fetch_sub(1) == 1) {
    const std::lock_guard lock(shared_.mu);
    shared_.all_gone.notify_all();
  }
}

void Shard::stop(bool cut) {
  asio::post(io_, [this, cut] {
    for (const auto& connection : connections_) connection->stop(cut);
  });
}

void Shard::tick() {
  const int64_t now = steady_now();
  last_tick_.store(now, std::memory_order_relaxed);
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const int64_t second = std::chrono::duration_cast<std::chrono::seconds>(wall).count();
  if (second != date_second_) {
    date_second_ = second;
    date_ = http_date(second * 1'000'000'000);
  }
  polled_.clear();
  polled_connections_.clear();
  for (const auto& connection : connections_) {
    if (!connection->check(now)) continue;
    polled_.push_back({connection->fd(), POLLRDHUP, 0});
    polled_connections_.push_back(connection.get());
  }
  if (!polled_.empty()) look_for_gone_peers();
  shared_.log.flush(log_buffer_);
  arm();
}

// Handlers that take long: nobody reads from their connections, so nobody else would notice.
void Shard::look_for_gone_peers() {
  if (::poll(polled_.data(), polled_.size(), 0) <= 0) return;
  for (size_t i = 0; i < polled_.size(); ++i) {
    if (polled_[i].revents != 0) polled_connections_[i]->cut("gone");
  }
}

void Shard::arm() {
  if (ending_) return;
  timer_.expires_after(std::chrono::nanoseconds(shared_.limits.tick));
  timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) tick();
  });
}

}  // namespace ramet::serve
