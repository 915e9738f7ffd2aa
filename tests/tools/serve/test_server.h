// A server in this process with a handler of the test's, on a port that the system chose, and a
// client that sees every byte. Sockets give up after a while, so that no test hangs.
#pragma once

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "tools/serve/address.h"
#include "tools/serve/log.h"
#include "tools/serve/metrics.h"
#include "tools/serve/server.h"

namespace ramet::serve::test {

inline constexpr int kGiveUpSeconds = 60;

// Deadlines are far away unless a test is about them; they are looked at often.
inline ServerLimits test_limits() {
  ServerLimits limits;
  limits.tick = 20'000'000;
  return limits;
}

class TestServer {
 public:
  explicit TestServer(Handler handler, const ServerLimits& limits = test_limits(),
                      const TlsFiles& tls = {}, size_t threads = 2)
      : log_(Log::none()) {
    ServerOptions options;
    options.doors.push_back({{"127.0.0.1", 0, ""}, tls.any(), std::move(handler)});
    options.tls = tls;
    options.threads = threads;
    options.limits = limits;
    auto started = Server::start(std::move(options), *log_, metrics_);
    EXPECT_TRUE(started.ok()) << (started.ok() ? "" : started.error().message());
    if (started.ok()) server_ = std::move(*started);
  }

  Server& server() { return *server_; }
  uint16_t port() const { return server_->port(); }
  Metrics& metrics() { return metrics_; }
  // The value of a line of /metrics: metric("ramet_connections"); -1: there is no such line.
  double metric(const std::string& name) {
    const std::string text = "\n" + metrics_.text();
    const size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }

 private:
  std::unique_ptr<Log> log_;
  Metrics metrics_;
  std::unique_ptr<Server> server_;
};

struct Answer {
  int status = 0;  // 0: none came
  std::string head;
  Fields fields;
  std::string body;
  bool complete = false;  // all that was promised came
};

// A connection. Not thread-safe.
class TestClient {
 public:
  explicit TestClient(uint16_t port) {
    auto connected = connect_to({"127.0.0.1", port, ""});
    EXPECT_TRUE(connected.ok()) << (connected.ok() ? "" : connected.error().message());
    if (connected.ok()) fd_ = std::move(*connected);
    const timeval give_up{kGiveUpSeconds, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &give_up, sizeof give_up);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &give_up, sizeof give_up);
  }

  int fd() const { return fd_.get(); }

  // False: the peer takes no more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  void end_sending() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }

  // Reads something more; false at the end (or when the other side reset the connection).
  bool receive() {
    char piece[65536];
    const ssize_t got = ::recv(fd_.get(), piece, sizeof piece, 0);
    if (got <= 0) {
      EXPECT_FALSE(got < 0 && errno == EAGAIN) << "nothing came for " << kGiveUpSeconds << " s";
      return false;
    }
    received_.append(piece, static_cast<size_t>(got));
    return true;
  }
  // Reads until so many bytes are there that answer() did not take; false: the end came before.
  bool receive_at_least(size_t bytes) {
    while (received_.size() < bytes) {
      if (!receive()) return false;
    }
    return true;
  }
  std::string take(size_t bytes) {
    std::string taken = received_.substr(0, bytes);
    received_.erase(0, bytes);
    return taken;
  }
  std::string read_to_end() {
    while (receive()) {
    }
    return std::exchange(received_, {});
  }
  // The server has ended the connection, and nothing came before.
  bool is_ended() { return received_.empty() && !receive(); }

  // The next response, which may be one to HEAD.
  Answer answer(bool to_head = false) {
    Answer answer;
    size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return answer;
    }
    answer.head = take(end + 4);
    parse_head(answer);
    const bool bodiless = to_head || answer.status < 200 || answer.status == 204 ||
                          answer.status == 304;
    if (bodiless) {
      answer.complete = true;
    } else if (const auto length = answer.fields.find("content-length")) {
      const size_t size = std::stoull(std::string(*length));
      answer.complete = receive_at_least(size);
      answer.body = take(size);
    } else if (same_name(answer.fields.get("transfer-encoding"), "chunked")) {
      take_chunks(answer);
    } else {
      answer.body = read_to_end();
      answer.complete = true;
    }
    return answer;
  }

  Answer ask(std::string_view request, bool to_head = false) {
    send(request);
    return answer(to_head);
  }
  Answer get(const std::string& target) {
    return ask("GET " + target + " HTTP/1.1\r\nHost: test\r\n\r\n");
  }

 private:
  static void parse_head(Answer& answer) {
    std::string_view rest = answer.head;
    const auto next_line = [&rest] {
      const size_t end = rest.find("\r\n");
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end + 2);
      return line;
    };
    const std::string_view first = next_line();
    EXPECT_TRUE(first.starts_with("HTTP/1.1 ")) << first;
    answer.status = first.size() > 12 ? std::stoi(std::string(first.substr(9, 3))) : -1;
    for (std::string_view line = next_line(); !line.empty(); line = next_line()) {
      const size_t colon = std::min(line.find(": "), line.size());
      answer.fields.add(std::string(line.substr(0, colon)),
                        std::string(line.substr(std::min(colon + 2, line.size()))));
    }
  }
  void take_chunks(Answer& answer) {
    for (;;) {
      size_t end = 0;
      while ((end = received_.find("\r\n")) == std::string::npos) {
        if (!receive()) return;
      }
      size_t size = 0;
      std::from_chars(received_.data(), received_.data() + end, size, 16);
      take(end + 2);
      if (!receive_at_least(size + 2)) return;
      answer.body += take(size);
      EXPECT_EQ(take(2), "\r\n");
      answer.complete = size == 0;
      if (size == 0) return;
    }
  }

  io::UnixFd fd_;
  std::string received_;
};

// A response with a text.
inline Response text_response(std::string text, int status = 200) {
  Response response;
  response.status = status;
  response.body = std::move(text);
  response.operation = "test.Text";
  return response;
}

// A body from a function that makes parts.
class FunctionSource final : public BodySource {
 public:
  using Next = std::function<Result<std::vector<SharedBytes>>()>;
  explicit FunctionSource(Next next) : next_(std::move(next)) {}
  Task<Result<std::vector<SharedBytes>>> next() override { co_return next_(); }

 private:
  const Next next_;
};

}  // namespace ramet::serve::test
