#include "tools/serve/local_door.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "io/errno_error.h"

namespace ramet::serve {
namespace {

constexpr int kBacklog = 128;
constexpr time_t kRequestSeconds = 10;  // for a client to say what it wants
constexpr int kExitFailed = 8;          // docs/cli.md: input/output error
constexpr const char* kUnfinishedName = "daemon.sock.new";

void set_timeouts(int socket) {
  const timeval timeout{kRequestSeconds, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

// The descriptor itself, or another one of the same pipe or terminal that does not block
// (O_NONBLOCK
// belongs to what the client shares with others): whoever writes to a reader that does not read
// must stay able to end.
io::UnixFd without_blocking(io::UnixFd fd) {
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) return fd;
  if (!S_ISFIFO(status.st_mode) && ::isatty(fd.get()) == 0) return fd;
  const std::string path = fmt::format("/proc/self/fd/{}", fd.get());
  io::UnixFd own(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  return own.valid() ? std::move(own) : std::move(fd);
}

void refuse(int socket, ErrorCode code, std::string message) {
  ignore_error(send_message(socket, DoorMessage::kRefused,
                            encode(Refused{code, std::move(message)})),
               "the client has gone");
}

// Makes the directory this thread's own, or says where it is.
Result<std::string> enter(const io::UnixFd& directory, bool own_directories) {
  if (own_directories && ::unshare(CLONE_FS) == 0) {
    if (::fchdir(directory.get()) == 0) return std::string();
    return io::errno_error(errno, "the working directory", "enter");
  }
  std::error_code error;
  const std::string link = fmt::format("/proc/self/fd/{}", directory.get());
  std::string path = std::filesystem::read_symlink(link, error).string();
  if (error) return io::errno_error(error.value(), "the working directory", "readlink");
  return path;
}

}  // namespace

struct LocalDoor::Visit {
  LocalCommand command;
  io::UnixFd socket;
  std::thread thread;
  // Guarded by the door's mutex:
  bool is_running = false;  // its request was read: what comes now are signals
  bool is_over = false;
  bool client_gone = false;

  void ask_to_end(int number) {
    int none = 0;
    command.signal.compare_exchange_strong(none, number);
  }
};

LocalDoor::LocalDoor(Options options, Run run, SocketAddress address)
    : options_(std::move(options)), run_(std::move(run)), address_(std::move(address)) {}

Result<std::unique_ptr<LocalDoor>> LocalDoor::open(Options options, Run run) {
  RAMET_ASSIGN(SocketAddress address, SocketAddress::in(options.store, kDoorName));
  std::unique_ptr<LocalDoor> door(
      new LocalDoor(std::move(options), std::move(run), std::move(address)));
  RAMET_TRY(door->listen());
  return door;
}

LocalDoor::~LocalDoor() { stop(); }

// The socket gets its name when its mode is right and somebody listens.
Status LocalDoor::listen() {
  event_ = io::UnixFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_.valid()) return io::errno_error(errno, kDoorName, "eventfd");
  listener_ = io::UnixFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_.valid()) return io::errno_error(errno, kDoorName, "socket");
  RAMET_ASSIGN(const SocketAddress unfinished,
               SocketAddress::in(options_.store, kUnfinishedName));
  const char* path = unfinished.path().c_str();
  ::unlink(path);  // of a daemon that died just here
  RAMET_TRY(unfinished.bind(listener_.get()));
  if (::chmod(path, 0600) != 0 || ::listen(listener_.get(), kBacklog) != 0 ||
      ::rename(path, address_.path().c_str()) != 0) {
    const int number = errno;
    ::unlink(path);
    return io::errno_error(number, kDoorName, "listen");
  }
  watcher_ = std::thread([this] { watch(); });
  return ok();
}

void LocalDoor::wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof(one));
}

size_t LocalDoor::running() const {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const auto& visit : visits_) count += visit->is_running ? 1 : 0;
  return count;
}

void LocalDoor::stop(std::chrono::milliseconds grace) {
  const std::lock_guard one(stop_);
  if (!watcher_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    wake();
    const auto nobody = [this] { return visits_.empty(); };
    ended_.wait_for(lock, grace, nobody);
    for (const auto& visit : visits_) {
      visit->ask_to_end(SIGTERM);
      if (!visit->is_running) ::shutdown(visit->socket.get(), SHUT_RD);
    }
    ended_.wait(lock, nobody);
  }
  watcher_.join();
}

void LocalDoor::watch() {
  // Of the daemon's signals none is taken here, nor by the commands' threads; a pipe whose reader
  // has gone is an error of write() alone.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  for (;;) {
    std::vector<pollfd> polled = {{event_.get(), POLLIN, 0}};
    std::vector<Visit*> visits;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ && listener_.valid()) {
        ::unlink(address_.path().c_str());
        listener_.reset();
      }
      if (stopping_ && visits_.empty()) break;
      for (const auto& visit : visits_) {
        if (!visit->is_running || visit->client_gone) continue;
        polled.push_back({visit->socket.get(), POLLIN, 0});
        visits.push_back(visit.get());
      }
    }
    if (listener_.valid()) polled.push_back({listener_.get(), POLLIN, 0});
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    uint64_t events = 0;
    [[maybe_unused]] const ssize_t got = ::read(event_.get(), &events, sizeof(events));
    for (size_t i = 0; i < visits.size(); ++i) {
      if (polled[i + 1].revents != 0) look_at(*visits[i]);
    }
    if (listener_.valid() && polled.back().revents != 0) take_visitor();
    remove_ended();
  }
}

void LocalDoor::take_visitor() {
  io::UnixFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket.valid()) {
    // Too many open files: some time for those that run to close theirs.
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) ::usleep(50'000);
    return;
  }
  set_timeouts(socket.get());
  const auto peer = peer_of(socket.get());
  if (!peer.ok() || (peer->uid != ::geteuid() && peer->uid != 0)) {
    return refuse(socket.get(), ErrorCode::kPermissionDenied,
                  "the daemon that holds the store takes commands of its own user alone");
  }
  auto visit = std::make_unique<Visit>();
  visit->socket = std::move(socket);
  visit->command.peer = *peer;
  Visit& added = *visit;
  {
    const std::lock_guard lock(mutex_);
    if (visits_.size() >= options_.commands_max) {
      return refuse(visit->socket.get(), ErrorCode::kBusy,
                    fmt::format("the daemon that holds the store runs {} commands already, which "
                                "is its limit", visits_.size()));
    }
    visits_.push_back(std::move(visit));
  }
  try {
    added.thread = std::thread([this, &added] { serve(added); });
  } catch (const std::system_error& error) {
    refuse(added.socket.get(), ErrorCode::kBusy,
           fmt::format("the daemon that holds the store has no thread for it: {}", error.what()));
    const std::lock_guard lock(mutex_);
    added.is_over = true;
  }
}

// Signals that the client got, or its end.
void LocalDoor::look_at(Visit& visit) {
  std::array<char, 16> numbers;
  const ssize_t got = ::recv(visit.socket.get(), numbers.data(), numbers.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) return visit.ask_to_end(numbers[0]);
  visit.ask_to_end(SIGHUP);
  const std::lock_guard lock(mutex_);
  visit.client_gone = true;
}

void LocalDoor::remove_ended() {
  std::list<std::unique_ptr<Visit>> over;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = visits_.begin(); at != visits_.end();) {
      const auto next = std::next(at);
      if ((*at)->is_over) over.splice(over.end(), visits_, at);
      at = next;
    }
  }
  for (const auto& visit : over) {
    if (visit->thread.joinable()) visit->thread.join();
  }
  if (!over.empty()) ended_.notify_all();
}

void LocalDoor::serve(Visit& visit) {
  Status served = [&]() -> Status {
    try {
      return run_command(visit);
    } catch (const std::exception& error) {  // no memory
      return Error(ErrorCode::kIoError, fmt::format("the daemon: {}", error.what()));
    }
  }();
  if (!served.ok()) {
    refuse(visit.socket.get(), served.error().code(), served.error().message());
  }
  {
    const std::lock_guard lock(mutex_);
    visit.is_over = true;
  }
  wake();
}

// An error is what the client is refused with.
Status LocalDoor::run_command(Visit& visit) {
  const int socket = visit.socket.get();
  Hello hello;
  hello.program = options_.program;
  if (const char* zone = std::getenv("TZ"); zone != nullptr) hello.zone = zone;
  RAMET_TRY(send_message(socket, DoorMessage::kHello, encode(hello)));
  RAMET_ASSIGN(Received received, receive_message(socket));
  if (received.version != kDoorVersion || received.type != DoorMessage::kRequest) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("the daemon that holds the store is ramet {}, and understands no "
                             "command of another version", options_.program));
  }
  LocalCommand& command = visit.command;
  RAMET_ASSIGN(command.request, decode_request(received.payload));
  const auto open = static_cast<size_t>(std::popcount(command.request.streams & 7u));
  if (received.descriptors.size() != 1 + open) {
    return Error(ErrorCode::kIoError, "the daemon got fewer descriptors than were sent: too many "
                                      "files are open");
  }
  size_t next = 1;
  std::array<io::UnixFd*, 3> streams = {&command.in, &command.out, &command.err};
  for (size_t i = 0; i < streams.size(); ++i) {
    if ((command.request.streams >> i & 1u) == 0) continue;
    *streams[i] = std::move(received.descriptors[next++]);
    if (i > 0) *streams[i] = without_blocking(std::move(*streams[i]));
  }
  RAMET_ASSIGN(command.directory, enter(received.descriptors[0], options_.own_directories));
  received.descriptors.clear();
  {
    const std::lock_guard lock(mutex_);
    visit.is_running = true;
  }
  wake();
  const Done done{run_guarded(command)};
  // Before the client hears of it: who reads the other end of a pipe finds its end then.
  for (io::UnixFd* stream : streams) stream->reset();
  ignore_error(send_message(socket, DoorMessage::kDone, encode(done)), "the client has gone");
  return ok();
}

int LocalDoor::run_guarded(LocalCommand& command) const {
  std::string what;
  try {
    return run_(command);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "an unknown exception";
  }
  const std::string line = "ramet: the command ended unexpectedly: " + what + "\n";
  [[maybe_unused]] const ssize_t written =
      ::write(command.err.get(), line.data(), line.size());
  return kExitFailed;
}

}  // namespace ramet::serve
