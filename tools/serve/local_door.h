// LocalDoor: where a daemon that holds a store takes commands from the command line of this machine
// (tools/local_client.h), over STORE/daemon.sock. No network, and nobody but the daemon's own user
// and root: the socket has mode 0600, and the peer's user is asked of the kernel.
//
// Each command runs on a thread of its own with the working directory of whoever handed it over,
// and writes to the descriptors that came with it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "format/result.h"
#include "io/unix_fd.h"
#include "tools/serve/local_protocol.h"

namespace ramet::serve {

// A command that was handed over.
struct LocalCommand {
  LocalRequest request;
  Peer peer;
  // Standard input, output and error; not valid: the client has none. Output and error do not block
  // if they are pipes or terminals.
  io::UnixFd in, out, err;
  // The working directory, if this system gives a thread none of its own; else empty: it is this
  // thread's, and that of threads which it starts.
  std::string directory;
  // The signal that asked the command for an end: one that the client got, SIGHUP when it has gone,
  // SIGTERM when the daemon ends; 0: none did.
  std::atomic<int> signal{0};
};

// Thread-safe.
class LocalDoor {
 public:
  struct Options {
    std::string store;           // its directory
    std::string program;         // the version, for people
    size_t commands_max = 256;   // that run at once; more are refused (kBusy)
    bool own_directories = true; // false: as if threads could have none
  };
  // Runs a command on a thread of its own and returns the exit code. What it throws ends the
  // command alone.
  using Run = std::function<int(LocalCommand&)>;

  // Takes commands from now on. To be called by whoever holds the store's lock: a socket that is
  // there is one that a daemon left behind, and is replaced. kPermissionDenied, kIoError: the file
  // system has no sockets.
  static Result<std::unique_ptr<LocalDoor>> open(Options options, Run run);
  // stop() at once.
  ~LocalDoor();
  LocalDoor(const LocalDoor&) = delete;
  LocalDoor& operator=(const LocalDoor&) = delete;

  // Takes no more commands and removes the socket; gives those that run so long to end by
  // themselves, then interrupts them; returns when the last one has ended. May be called again.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(0));
  // Commands that are being run.
  size_t running() const;

 private:
  struct Visit;

  LocalDoor(Options options, Run run, SocketAddress address);
  Status listen();
  void watch();
  void take_visitor();
  void look_at(Visit& visit);
  void remove_ended();
  void serve(Visit& visit);
  Status run_command(Visit& visit);
  int run_guarded(LocalCommand& command) const;
  void wake() const;

  const Options options_;
  const Run run_;
  const SocketAddress address_;
  io::UnixFd event_;     // wakes the watching thread
  io::UnixFd listener_;  // of the watching thread
  std::mutex stop_;      // one stop() at a time
  mutable std::mutex mutex_;
  std::condition_variable ended_;                // a visit was removed
  std::list<std::unique_ptr<Visit>> visits_;     // guarded; changed by the watching thread alone
  bool stopping_ = false;                        // guarded
  std::thread watcher_;
};

}  // namespace ramet::serve
