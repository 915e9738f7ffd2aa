// The HTTP/1.1 server: sockets, framing, limits, TLS. What is answered is the handlers' business.
//
// One io_context for each thread; a connection belongs to one of them from its first byte to its
// last, so that nothing about it needs a lock. Handlers run there too: what waits for the disk goes
// to Workers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "format/result.h"
#include "tools/serve/address.h"
#include "tools/serve/http.h"
#include "tools/serve/tls.h"

namespace ramet::serve {

class Log;      // log.h
class Metrics;  // metrics.h

// Times in nanoseconds, sizes in bytes.
struct ServerLimits {
  size_t header_bytes_max = 64u << 10;   // beyond: 431
  size_t fields_max = 200;               // beyond: 431
  size_t target_bytes_max = 16u << 10;   // beyond: 414
  uint64_t body_bytes_max = 5ull << 40;  // beyond: 413
  size_t connections_max = 20'000;       // beyond: 503
  // A header must be complete this long after its first byte; a TLS handshake as well.
  int64_t header_timeout = 20'000'000'000;
  // A connection on which nothing is asked.
  int64_t idle_timeout = 120'000'000'000;
  // In the middle of a body (either way) without a single byte.
  int64_t stall_timeout = 60'000'000'000;
  // A body must come (or be taken) at this rate in bytes a second on average, but for this long at
  // its begin. Only the time counts during which the peer is waited for. 0: no rate.
  uint64_t rate_min = 1024;
  int64_t rate_grace = 60'000'000'000;
  // So much of a body that a handler did not read is read and thrown away, so that the connection
  // can go on.
  uint64_t drain_bytes_max = 1u << 20;
  // How often deadlines are looked at.
  int64_t tick = 250'000'000;
};

// A place where a server listens, and who answers there.
struct Door {
  ListenAddress address;
  bool tls = false;
  Handler handler;
};

struct ServerOptions {
  std::vector<Door> doors;
  TlsFiles tls;        // needed where a door has TLS
  size_t threads = 0;  // 0: one for each processor
  ServerLimits limits;
};

class Server {
 public:
  // Listens and answers from now on. Requires: log and metrics outlive it. Errors: of listen_at()
  // and Tls::open().
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Log& log, Metrics& metrics);
  // Stops without grace.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // "http://127.0.0.1:9440", "https://...", "unix:PATH", as in the options, with the ports that the
  // system chose.
  const std::vector<std::string>& urls() const;
  // Of the first door.
  uint16_t port() const;

  // Reads certificate and key again; new connections have them. An error changes nothing.
  Status reload_tls();
  // The same if the files were changed; says so in the log. Any thread, now and then.
  void reload_changed_tls();

  // True if each thread came around within the last few seconds.
  bool is_alive() const;
  size_t connections() const;

  // Accepts nothing more, ends idle connections, lets requests that run be answered for so long at
  // most, cuts the rest, and waits until the last handler has returned. Returns whether nothing was
  // cut. Idempotent. Not from a handler.
  bool stop(int64_t grace_nanoseconds);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace ramet::serve
