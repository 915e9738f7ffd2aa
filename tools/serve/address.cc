#include "tools/serve/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "io/errno_error.h"

namespace ramet::serve {
namespace {

using io::errno_error;
using io::UnixFd;

constexpr int kBacklog = 4096;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> resolve(const ListenAddress& address, bool passive) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  addrinfo* list = nullptr;
  const std::string port = std::to_string(address.port);
  const int failed = ::getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(),
                                   port.c_str(), &hints, &list);
  if (failed != 0) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{}: {}", address.to_string(), ::gai_strerror(failed)));
  }
  return Addresses(list);
}

Result<sockaddr_un> unix_address(const ListenAddress& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.unix_path.size() >= sizeof name.sun_path) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: the path of a socket has at most {} bytes",
                             address.to_string(), sizeof name.sun_path - 1));
  }
  std::memcpy(name.sun_path, address.unix_path.data(), address.unix_path.size());
  return name;
}

Error bind_error(const ListenAddress& address) {
  if (errno == EADDRINUSE) {
    return {ErrorCode::kBusy, address.to_string() + ": another process listens there"};
  }
  return errno_error(errno, address.to_string(), "bind");
}

uint16_t port_of(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return 0;
  if (name.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(name).sin_port);
  if (name.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6&>(name).sin6_port);
  return 0;
}

// Takes a socket away that nobody answers at any more.
Status remove_dead_socket(const ListenAddress& address, const sockaddr_un& name) {
  struct stat found {};
  if (::lstat(address.unix_path.c_str(), &found) != 0) return ok();
  if (!S_ISSOCK(found.st_mode)) {
    return Error(ErrorCode::kAlreadyExists, address.to_string() + ": is there, and is no socket");
  }
  const UnixFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) {
    return Error(ErrorCode::kBusy, address.to_string() + ": another process listens there");
  }
  if (errno != ECONNREFUSED) return errno_error(errno, address.to_string(), "connect");
  if (::unlink(address.unix_path.c_str()) != 0) {
    return errno_error(errno, address.to_string(), "unlink");
  }
  return ok();
}

Result<UnixFd> listen_at_unix(const ListenAddress& address) {
  RAMET_ASSIGN(const sockaddr_un name, unix_address(address));
  RAMET_TRY(remove_dead_socket(address, name));
  UnixFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error(errno, address.to_string(), "socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return bind_error(address);
  }
  if (::listen(fd.get(), kBacklog) != 0) return errno_error(errno, address.to_string(), "listen");
  return fd;
}

}  // namespace

bool ListenAddress::is_local() const {
  if (is_unix() || host == "localhost" || host == "::1") return true;
  in_addr four{};
  return ::inet_pton(AF_INET, host.c_str(), &four) == 1 && ntohl(four.s_addr) >> 24 == 127;
}

std::string ListenAddress::to_string() const {
  if (is_unix()) return "unix:" + unix_path;
  const bool six = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", six ? "[" : "", host, six ? "]" : "", port);
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto wrong = [&](std::string_view what) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' {}", text, what));
  };
  ListenAddress address;
  if (text.starts_with("unix:")) {
    address.unix_path = text.substr(5);
    if (address.unix_path.empty()) return wrong("names no path");
    return address;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("is no HOST:PORT, nor unix:PATH");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong("needs brackets around its IPv6 address: [::1]:9440");
  }
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) {
    return wrong("has no port from 0 to 65535 behind its last colon");
  }
  address.host = host;
  return address;
}

Result<UnixFd> listen_at(ListenAddress& address) {
  if (address.is_unix()) return listen_at_unix(address);
  RAMET_ASSIGN(const Addresses found, resolve(address, true));
  // Every address: IPv6 first, which takes IPv4 along.
  const addrinfo* at = found.get();
  for (const addrinfo* one = at; address.host.empty() && one != nullptr; one = one->ai_next) {
    if (one->ai_family == AF_INET6) at = one;
  }
  const int kind = at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK;
  UnixFd fd(::socket(at->ai_family, kind, at->ai_protocol));
  if (!fd.valid()) return errno_error(errno, address.to_string(), "socket");
  const int on = 1;
  const int off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // connections in TIME_WAIT
  if (at->ai_family == AF_INET6 && address.host.empty()) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(fd.get(), at->ai_addr, at->ai_addrlen) != 0) return bind_error(address);
  if (::listen(fd.get(), kBacklog) != 0) return bind_error(address);
  address.port = port_of(fd.get());
  return fd;
}

Result<UnixFd> connect_to(const ListenAddress& address) {
  if (address.is_unix()) {
    RAMET_ASSIGN(const sockaddr_un name, unix_address(address));
    UnixFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
      return errno_error(errno, address.to_string(), "connect");
    }
    return fd;
  }
  RAMET_ASSIGN(const Addresses found, resolve(address, false));
  int failed = 0;
  for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) {
    UnixFd fd(::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol));
    if (::connect(fd.get(), at->ai_addr, at->ai_addrlen) == 0) return fd;
    failed = errno;
  }
  return errno_error(failed, address.to_string(), "connect");
}

std::string peer_address(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return "?";
  char text[INET6_ADDRSTRLEN] = {};
  if (name.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(name).sin_addr, text, sizeof text);
    return text;
  }
  if (name.ss_family == AF_INET6) {
    const in6_addr& six = reinterpret_cast<sockaddr_in6&>(name).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&six)) {  // IPv4 that came to a socket for both
      ::inet_ntop(AF_INET, &six.s6_addr[12], text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &six, text, sizeof text);
    }
    return text;
  }
  return "unix";
}

}  // namespace ramet::serve
