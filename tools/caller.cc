#include "tools/caller.h"

#include <poll.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "tools/signals.h"

namespace ramet::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kLinksMax = 40;  // as the kernel follows
constexpr int kPollMilliseconds = 100;

thread_local Caller* current = nullptr;

void push_front(std::deque<std::string>& parts, const std::string& path) {
  const fs::path split(path);
  std::deque<std::string> found;
  for (const fs::path& part : split.relative_path()) found.push_back(part.string());
  parts.insert(parts.begin(), found.begin(), found.end());
}

// What follows "/proc/self" or "/proc/thread-self" on the way that `path` leads, as far as that is
// without further symbolic links; none if it does not lead there.
std::optional<std::string> behind_proc_self(const std::string& path) {
  std::error_code error;
  std::deque<std::string> parts;
  push_front(parts, path);
  fs::path at = path.starts_with('/') ? fs::path("/") : fs::current_path(error);
  for (int links = 0; !parts.empty() && !error;) {
    const std::string part = parts.front();
    parts.pop_front();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      at = at.parent_path();
      continue;
    }
    const fs::path next = at / part;
    if (next == "/proc/self" || next == "/proc/thread-self") {
      std::string rest;
      for (const std::string& left : parts) rest += "/" + left;
      return rest;
    }
    at = next;
    if (!fs::is_symlink(fs::symlink_status(next, error)) || error) continue;
    if (++links > kLinksMax) break;
    const fs::path target = fs::read_symlink(next, error);
    at = target.is_absolute() ? fs::path("/") : next.parent_path();
    push_front(parts, target.string());
  }
  return std::nullopt;
}

}  // namespace

Caller& Caller::process() {
  static Caller self(process_signal());
  return self;
}

std::optional<std::string> Caller::variable(const std::string& name) const {
  if (elsewhere) {
    const auto found = elsewhere->environment.find(name);
    if (found == elsewhere->environment.end() || found->second.empty()) return std::nullopt;
    return found->second;
  }
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

uid_t Caller::uid() const { return elsewhere ? elsewhere->uid : ::getuid(); }
gid_t Caller::gid() const { return elsewhere ? elsewhere->gid : ::getgid(); }

mode_t Caller::umask() const {
  if (elsewhere) return elsewhere->umask;
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return mask;
}

std::string Caller::from_here(const std::string& path) const {
  if (directory.empty() || path.starts_with('/')) return path;
  return path.empty() || path == "." ? directory : directory + "/" + path;
}

Result<std::string> Caller::local_path(const std::string& path) const {
  if (!elsewhere) return path;
  std::string found = from_here(path);
  if (found == "/dev/tty") {  // this process's would be another one, or none
    for (int fd : {err, out, in}) {
      if (::isatty(fd) != 0) return fmt::format("/proc/self/fd/{}", fd);
    }
  }
  const auto rest = behind_proc_self(found);
  if (!rest) return found;
  if (elsewhere->pid <= 0) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{}: the daemon cannot look into the process that named it", path));
  }
  return fmt::format("/proc/{}{}", elsewhere->pid, *rest);
}

bool Caller::is_own(const std::string& path) const {
  return behind_proc_self(from_here(path)).has_value();
}

Caller& current_caller() { return current != nullptr ? *current : Caller::process(); }

CallerScope::CallerScope(Caller& caller) : before_(current) { current = &caller; }
CallerScope::~CallerScope() { current = before_; }

int write_stream(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd, bytes, size);
    if (written >= 0) {
      bytes += written;
      size -= static_cast<size_t>(written);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return errno;
    if (current_caller().interrupted()) return ECANCELED;
    pollfd poll{fd, POLLOUT, 0};
    ::poll(&poll, 1, kPollMilliseconds);
  }
  return 0;
}

}  // namespace ramet::tools
