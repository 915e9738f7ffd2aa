#include "tools/serve/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <random>
#include <thread>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "io/errno_error.h"
#include "tools/serve/shard.h"

namespace ramet::serve {
namespace {

namespace asio = boost::asio;

// So many more than allowed are told that they are too many; beyond, they are just closed.
constexpr size_t kRefusedMax = 256;
constexpr int kAcceptsAtOnce = 64;
constexpr int64_t kAliveWithin = 10'000'000'000;

std::string url_of(const Door& door) {
  if (door.address.is_unix()) return door.address.to_string();
  ListenAddress address = door.address;
  if (address.host.empty()) address.host = "0.0.0.0";
  return (door.tls ? "https://" : "http://") + address.to_string();
}

}  // namespace

struct Server::Impl {
  // A listening socket; accepts on the first shard's thread, and hands out to all of them.
  struct Listener {
    Listener(asio::io_context& io, int fd) : socket(io, fd), pause(io) {}
    asio::posix::stream_descriptor socket;
    asio::steady_timer pause;
  };

  Impl(ServerOptions with, Log& log, Metrics& metrics)
      : options(std::move(with)), shared(options.limits, log, metrics) {}

  Status listen();
  void wait_for_peer(size_t door);
  void accept_from(size_t door);
  void adopt(size_t door, int fd);
  void stop_listening();

  ServerOptions options;
  ServerShared shared;
  std::unique_ptr<Tls> tls;
  std::vector<std::unique_ptr<Shard>> shards;
  std::vector<std::unique_ptr<Listener>> listeners;  // as the doors
  std::vector<std::string> urls;
  bool stopped = false;
};

Status Server::Impl::listen() {
  for (Door& door : options.doors) {
    RAMET_ASSIGN(io::UnixFd fd, listen_at(door.address));
    const int own = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
    if (own < 0) return io::errno_error(errno, door.address.to_string(), "dup");
    listeners.push_back(std::make_unique<Listener>(shards.front()->io(), own));
    urls.push_back(url_of(door));
  }
  return ok();
}

void Server::Impl::wait_for_peer(size_t door) {
  Listener& listener = *listeners[door];
  listener.socket.async_wait(asio::posix::stream_descriptor::wait_read,
                             [this, door](const boost::system::error_code& ec) {
                               if (!ec && !shared.stopping) accept_from(door);
                             });
}

void Server::Impl::accept_from(size_t door) {
  Listener& listener = *listeners[door];
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    const int fd = ::accept4(listener.socket.native_handle(), nullptr, nullptr,
                             SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      adopt(door, fd);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    if (errno == EINTR || errno == ECONNABORTED) continue;
    // No descriptors or no memory: those who wait go on waiting, and it is tried again.
    shared.log.write(LogLevel::kError, "accept failed",
                     {{"error", io::errno_error(errno, urls[door], "accept").message()}});
    listener.pause.expires_after(std::chrono::milliseconds(100));
    listener.pause.async_wait([this, door](const boost::system::error_code& ec) {
      if (!ec && !shared.stopping) accept_from(door);
    });
    return;
  }
  wait_for_peer(door);
}

void Server::Impl::adopt(size_t door, int fd) {
  const size_t open = shared.connections.fetch_add(1);
  const bool refuse = open >= options.limits.connections_max;
  if (refuse) shared.metrics.connection_refused();
  if (open >= options.limits.connections_max + kRefusedMax) {
    shared.connections.fetch_sub(1);
    ::close(fd);
    return;
  }
  shared.metrics.connection_opened();
  const auto least = std::min_element(
      shards.begin(), shards.end(),
      [](const auto& a, const auto& b) { return a->load() < b->load(); });
  const Door& to = options.doors[door];
  (*least)->adopt(fd, to, to.tls ? tls->context() : nullptr, refuse);
}

// On the first shard's thread, behind which nothing accepts any more.
void Server::Impl::stop_listening() {
  std::mutex mu;
  std::condition_variable changed;
  bool done = false;
  asio::post(shards.front()->io(), [&] {
    for (const auto& listener : listeners) {
      boost::system::error_code ignored;  // it is closed either way
      listener->socket.close(ignored);
      listener->pause.cancel();
    }
    const std::lock_guard lock(mu);
    done = true;
    changed.notify_all();
  });
  std::unique_lock lock(mu);
  changed.wait(lock, [&] { return done; });
  for (const Door& door : options.doors) {
    if (door.address.is_unix()) ::unlink(door.address.unix_path.c_str());
  }
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Log& log, Metrics& metrics) {
  auto impl = std::make_unique<Impl>(std::move(options), log, metrics);
  std::random_device random;
  impl->shared.next_request = (static_cast<uint64_t>(random()) << 32) | random();
  const bool needs_tls = std::any_of(impl->options.doors.begin(), impl->options.doors.end(),
                                     [](const Door& door) { return door.tls; });
  if (needs_tls) {
    RAMET_ASSIGN(impl->tls, Tls::open(impl->options.tls));
  }
  size_t threads = impl->options.threads;
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  for (size_t i = 0; i < threads; ++i) {
    impl->shards.push_back(std::make_unique<Shard>(impl->shared));
  }
  RAMET_TRY(impl->listen());
  for (const auto& shard : impl->shards) shard->start();
  for (size_t i = 0; i < impl->listeners.size(); ++i) {
    asio::post(impl->shards.front()->io(), [raw = impl.get(), i] { raw->wait_for_peer(i); });
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::~Server() { stop(0); }

const std::vector<std::string>& Server::urls() const { return impl_->urls; }
uint16_t Server::port() const { return impl_->options.doors.front().address.port; }
size_t Server::connections() const { return impl_->shared.connections; }

Status Server::reload_tls() { return impl_->tls == nullptr ? ok() : impl_->tls->reload(); }

void Server::reload_changed_tls() {
  if (impl_->tls == nullptr || !impl_->tls->changed()) return;
  const Status loaded = impl_->tls->reload();
  if (loaded.ok()) {
    impl_->shared.log.write(LogLevel::kInfo, "the certificate was read again");
  } else {
    impl_->shared.log.write(LogLevel::kError, "the new certificate is not used",
                            {{"error", loaded.error().message()}});
  }
}

bool Server::is_alive() const {
  const int64_t now = steady_now();
  return std::all_of(impl_->shards.begin(), impl_->shards.end(), [&](const auto& shard) {
    return now - shard->last_tick() < kAliveWithin;
  });
}

bool Server::stop(int64_t grace_nanoseconds) {
  Impl& impl = *impl_;
  if (impl.stopped) return impl.shared.cut_while_stopping == 0;
  impl.stopped = true;
  impl.shared.stopping = true;
  impl.stop_listening();
  for (const auto& shard : impl.shards) shard->stop(false);
  std::unique_lock lock(impl.shared.mu);
  const auto none_left = [&] { return impl.shared.connections == 0; };
  if (!impl.shared.all_gone.wait_for(lock, std::chrono::nanoseconds(grace_nanoseconds),
                                     none_left)) {
    lock.unlock();
    for (const auto& shard : impl.shards) shard->stop(true);
    lock.lock();
    impl.shared.all_gone.wait(lock, none_left);
  }
  lock.unlock();
  for (const auto& shard : impl.shards) shard->join();
  impl.listeners.clear();
  return impl.shared.cut_while_stopping == 0;
}

}  // namespace ramet::serve
