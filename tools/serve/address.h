// Where a server listens, and who is at the other end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "format/result.h"
#include "io/unix_fd.h"

struct sockaddr;

namespace ramet::serve {

// "127.0.0.1:9440", "[::1]:9440", "localhost:9440", ":9440" (every address) or "unix:/run/ramet".
struct ListenAddress {
  std::string host;  // empty: every address
  uint16_t port = 0;  // 0: the system chooses
  std::string unix_path;

  bool is_unix() const { return !unix_path.empty(); }
  // Nobody but this machine gets there.
  bool is_local() const;
  std::string to_string() const;
};

// kInvalidArgument names the text and what is wrong.
Result<ListenAddress> parse_listen_address(std::string_view text);

// A socket that listens, without blocking. `address.port` becomes the port that was chosen. A Unix
// socket that a dead process left behind is replaced, one that is answered at is not (kBusy), nor
// is a file that is no socket. kBusy: the port is taken; kPermissionDenied, kNotFound (no such host
// or directory), kIoError.
Result<io::UnixFd> listen_at(ListenAddress& address);

// A connected socket to such an address ("localhost" for an empty host), blocking.
Result<io::UnixFd> connect_to(const ListenAddress& address);

// The address of a connection's peer without the port: "127.0.0.1", "::1", "unix".
std::string peer_address(int fd);

}  // namespace ramet::serve
