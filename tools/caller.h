// Who runs a command, and from where: its standard streams, environment, user and time zone, and
// whether it was asked to end. In the program that is the process; in a daemon it is the process
// that handed the command over (tools/serve/local_door.h), and then nothing here may be taken from
// the daemon's own.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>

#include "format/result.h"
#include "tools/serve/utc_offsets.h"

namespace ramet {
class Store;
}

namespace ramet::tools {

// Thread-safe but for filling it.
struct Caller {
  // What another process says of itself.
  struct Elsewhere {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    mode_t umask = 0;
    std::map<std::string, std::string> environment;
    std::optional<serve::UtcOffsets> zone;  // none: it has this process's
  };

  explicit Caller(const std::atomic<int>& asked) : signal(asked) {}

  // This process.
  static Caller& process();

  int in = STDIN_FILENO;
  int out = STDOUT_FILENO;
  int err = STDERR_FILENO;
  // The signal that asked for an end, or 0.
  const std::atomic<int>& signal;
  // Of a command that was handed over: where it came from, and the open store that it works on.
  std::optional<Elsewhere> elsewhere;
  std::string directory;   // its working directory, if that is not also this thread's
  Store* store = nullptr;
  std::string store_path;  // absolute

  bool interrupted() const { return signal.load() != 0; }
  // A variable of its environment; none if it is not set or empty.
  std::optional<std::string> variable(const std::string& name) const;
  uid_t uid() const;
  gid_t gid() const;
  mode_t umask() const;
  // An absolute path, or one from this thread's working directory.
  std::string from_here(const std::string& path) const;
  // The path by which this thread finds the file that `path` is for the caller: the same, unless it
  // begins at another working directory, or leads through what each process has of its own
  // (/dev/stdout, /dev/fd/63, /proc/self; /dev/tty), symbolic links included. kUnsupported if the
  // caller's cannot be reached from here.
  Result<std::string> local_path(const std::string& path) const;
  // True if the path leads to a descriptor of the caller or the like, which is no name that a file
  // could be given.
  bool is_own(const std::string& path) const;
};

// Whose command this thread runs; the process, unless a CallerScope says otherwise. Threads that a
// command starts and that ask make a scope of their own.
Caller& current_caller();

class CallerScope {
 public:
  explicit CallerScope(Caller& caller);
  ~CallerScope();
  CallerScope(const CallerScope&) = delete;
  CallerScope& operator=(const CallerScope&) = delete;

 private:
  Caller* const before_;
};

// Writes all of it to a descriptor of the caller; one that does not block is waited for until the
// command is interrupted. 0, or what errno was (ECANCELED after an interrupt).
int write_stream(int fd, const char* bytes, size_t size);

}  // namespace ramet::tools
