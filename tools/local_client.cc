#include "tools/local_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "io/errno_error.h"
#include "io/unix_fd.h"
#include "tools/caller.h"
#include "tools/serve/local_protocol.h"
#include "tools/signals.h"

namespace ramet::tools {
namespace {

constexpr int kFullMilliseconds = 20;  // between tries when too many clients wait to be let in

// What a command may ask of its environment.
bool is_passed_on(std::string_view name) {
  if (name.starts_with("RAMET_") || name.starts_with("LC_")) return true;
  for (const char* one : {"COLUMNS", "TERM", "NO_COLOR", "TZ", "LANG"}) {
    if (name == one) return true;
  }
  return false;
}

std::map<std::string, std::string> environment_of_process() {
  std::map<std::string, std::string> found;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view variable = *at;
    const size_t end = variable.find('=');
    if (end == variable.npos || !is_passed_on(variable.substr(0, end))) continue;
    found.emplace(variable.substr(0, end), variable.substr(end + 1));
  }
  return found;
}

Error interrupted_error() { return {ErrorCode::kCancelled, "interrupted"}; }

// A connection to a daemon; not valid: there is none.
Result<io::UnixFd> connect_to_daemon(const std::string& store) {
  const auto address = serve::SocketAddress::in(store, serve::kDoorName);
  if (!address.ok()) return io::UnixFd();  // opening the store says what is wrong
  io::UnixFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return io::errno_error(errno, serve::kDoorName, "socket");
  for (;;) {
    const int error = address->connect(socket.get());
    if (error == 0) break;
    // No socket, a dead daemon's, or one that is not for this user: the store's own lock decides.
    if (error != EAGAIN && error != EINTR) return io::UnixFd();
    if (interrupted()) return interrupted_error();
    ::poll(nullptr, 0, kFullMilliseconds);
  }
  const int flags = ::fcntl(socket.get(), F_GETFL);
  ::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK);
  return socket;
}

Status check_daemon(const serve::Peer& daemon) {
  if (daemon.uid == ::geteuid() || daemon.uid == 0) return ok();
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("a daemon of another user (process {}, user {}) holds the store: run "
                           "this as that user", daemon.pid, daemon.uid));
}

// Waits until something comes from the daemon. True: a signal came before, for the first time.
bool wait_for_daemon(int socket, bool& signal_seen) {
  std::array<pollfd, 2> polled = {{{socket, POLLIN, 0}, {process_signal_event(), POLLIN, 0}}};
  if (signal_seen) polled[1].fd = -1;
  while (::poll(polled.data(), polled.size(), -1) < 0) {
  }
  if (polled[1].revents == 0) return false;
  signal_seen = true;
  return true;
}

Result<serve::Hello> receive_hello(int socket) {
  bool signal_seen = false;
  if (wait_for_daemon(socket, signal_seen)) return interrupted_error();
  RAMET_ASSIGN(const serve::Received received, serve::receive_message(socket));
  if (received.version != serve::kDoorVersion) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("the daemon that holds the store speaks version {} of daemon.sock, "
                             "this program version {}: use the ramet that was started as daemon",
                             received.version, serve::kDoorVersion));
  }
  if (received.type == serve::DoorMessage::kRefused) {
    RAMET_ASSIGN(const serve::Refused refused, serve::decode_refused(received.payload));
    return Error(refused.code, refused.message);
  }
  return serve::decode_hello(received.payload);
}

Status send_request(const Context& context, int socket, const serve::Hello& hello) {
  serve::LocalRequest request;
  request.arguments = context.arguments;
  request.environment = environment_of_process();
  request.umask = context.caller.umask();
  const char* zone = std::getenv("TZ");
  const bool same_zone = zone == nullptr ? !hello.zone : hello.zone == std::string(zone);
  if (!same_zone) request.zone = offsets_of_this_zone();
  const io::UnixFd here(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!here.valid()) return io::errno_error(errno, "the working directory", "open");
  std::vector<int> descriptors = {here.get()};
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) < 0) continue;
    request.streams |= 1u << fd;
    descriptors.push_back(fd);
  }
  return serve::send_message(socket, serve::DoorMessage::kRequest, encode(request), descriptors);
}

// Passes signals on until the command has ended.
Result<int> wait_for_end(int socket, const serve::Peer& daemon) {
  for (bool signal_seen = false; wait_for_daemon(socket, signal_seen);) {
    const auto number = static_cast<char>(process_signal().load());
    // If it has gone, that is seen when its answer is read.
    [[maybe_unused]] const ssize_t sent = ::send(socket, &number, 1, MSG_NOSIGNAL);
  }
  const auto received = serve::receive_message(socket);
  if (!received.ok() && received.error().code() == ErrorCode::kCancelled) {
    return Error(ErrorCode::kIoError,
                 fmt::format("the daemon that ran the command (process {}) ended before the "
                             "command did: what was committed by then is in the store",
                             daemon.pid));
  }
  RAMET_TRY(received);
  if (received->type == serve::DoorMessage::kRefused) {
    RAMET_ASSIGN(const serve::Refused refused, serve::decode_refused(received->payload));
    return Error(refused.code, refused.message);
  }
  RAMET_ASSIGN(const serve::Done done, serve::decode_done(received->payload));
  return int{done.exit_code};
}

}  // namespace

Result<std::optional<int>> hand_over(Context& context, const std::string& store) {
  RAMET_ASSIGN(const io::UnixFd socket, connect_to_daemon(store));
  if (!socket.valid()) return std::optional<int>();
  RAMET_ASSIGN(const serve::Peer daemon, serve::peer_of(socket.get()));
  RAMET_TRY(check_daemon(daemon));
  const auto hello = receive_hello(socket.get());
  if (!hello.ok()) {
    // It was about to end: nothing was begun, and the store's lock decides.
    if (hello.error().code() == ErrorCode::kCancelled && !interrupted()) {
      return std::optional<int>();
    }
    return hello.error();
  }
  const Status sent = send_request(context, socket.get(), *hello);
  // One that refuses to listen has said why.
  if (!sent.ok() && sent.error().code() != ErrorCode::kCancelled) return sent.error();
  RAMET_ASSIGN(const int exit_code, wait_for_end(socket.get(), daemon));
  return std::optional<int>(exit_code);
}

Status require_no_daemon(Context& context, const std::string& store) {
  RAMET_ASSIGN(const io::UnixFd socket, connect_to_daemon(store));
  if (!socket.valid()) return ok();
  RAMET_ASSIGN(const serve::Peer daemon, serve::peer_of(socket.get()));
  return context.fail(ErrorCode::kBusy,
                      fmt::format("a daemon (process {}) holds the store, and this command needs "
                                  "it for itself", daemon.pid),
                      fmt::format("stop the daemon first: 'kill {}'", daemon.pid));
}

serve::UtcOffsets offsets_of_this_zone() {
  constexpr int64_t kFrom = -2'208'988'800;  // 1900
  constexpr int64_t kTo = 7'258'118'400;     // 2200
  constexpr int64_t kStep = 13 * 86'400;     // shorter than any zone kept an offset, Ramadan's too
  const auto offset_at = [](int64_t seconds) {
    const std::time_t time = seconds;
    std::tm tm{};
    ::localtime_r(&time, &tm);
    return static_cast<int32_t>(tm.tm_gmtoff);
  };
  ::tzset();
  serve::UtcOffsets found = {{kFrom, offset_at(kFrom)}};
  for (int64_t at = kFrom; at < kTo; at += kStep) {
    const int32_t before = found.back().offset;
    const int32_t after = offset_at(at + kStep);
    if (after == before) continue;
    int64_t low = at;  // has `before`
    int64_t high = at + kStep;
    while (high - low > 1) {
      const int64_t middle = low + (high - low) / 2;
      (offset_at(middle) == before ? low : high) = middle;
    }
    found.push_back({high, offset_at(high)});
    at = high - kStep;  // there may be another change before the step's end
  }
  return found;
}

}  // namespace ramet::tools
