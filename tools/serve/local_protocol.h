// What the command line and a daemon say to each other over STORE/daemon.sock (a Unix stream
// socket), so that a command runs where the store is open:
//
//   daemon -> client   Hello, or Refused and the end
//   client -> daemon   Request, with descriptors (SCM_RIGHTS): the working directory, then those of
//                      standard input, output and error that are open
//   client -> daemon   for each signal that it got, one byte: its number
//   daemon -> client   Done, with the exit code; or Refused, if the command cannot be run
//
// A message is a header of 16 bytes (magic, version, type, length: 4 bytes each) and its payload.
// Numbers are as the machine has them: both ends are on one. The header never changes; the version
// counts for all that follows.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/bytes.h"
#include "format/result.h"
#include "io/unix_fd.h"
#include "tools/serve/utc_offsets.h"

namespace ramet::serve {

inline constexpr const char* kDoorName = "daemon.sock";
inline constexpr uint32_t kDoorMagic = 0x526D7444;  // "DtmR" in memory
inline constexpr uint32_t kDoorVersion = 1;
inline constexpr uint32_t kDoorPayloadMax = 32u << 20;  // more than a command line can have
inline constexpr size_t kDoorDescriptorsMax = 4;

enum class DoorMessage : uint32_t { kHello = 1, kRefused = 2, kRequest = 3, kDone = 4 };

struct Hello {
  std::string program;              // the daemon's version, for people
  std::optional<std::string> zone;  // its TZ
};

struct Refused {
  ErrorCode code = ErrorCode::kBusy;
  std::string message;
};

struct LocalRequest {
  std::vector<std::string> arguments;  // without the program's name
  std::map<std::string, std::string> environment;
  uint32_t umask = 0;
  uint32_t streams = 0;                // bit 0, 1, 2: standard input, output, error is open
  std::optional<UtcOffsets> zone;      // if its TZ is not the daemon's
};

struct Done {
  int32_t exit_code = 0;
};

Bytes encode(const Hello& hello);
Bytes encode(const Refused& refused);
Bytes encode(const LocalRequest& request);
Bytes encode(const Done& done);
// kCorruption: it is not what encode() gave.
Result<Hello> decode_hello(ByteView payload);
Result<Refused> decode_refused(ByteView payload);
Result<LocalRequest> decode_request(ByteView payload);
Result<Done> decode_done(ByteView payload);

struct Received {
  uint32_t version = 0;
  DoorMessage type = DoorMessage::kHello;
  Bytes payload;
  std::vector<io::UnixFd> descriptors;  // with FD_CLOEXEC
};

// Both wait as long as the socket does (SO_SNDTIMEO, SO_RCVTIMEO), and never raise SIGPIPE.
// kIoError;
// kCancelled: the other end has gone; kCorruption: this is no message. Payloads of other versions
// come as they are.
Status send_message(int socket, DoorMessage type, ByteView payload,
                    std::span<const int> descriptors = {});
Result<Received> receive_message(int socket);

// Whom a connected socket leads to; for the client's end: who began to listen.
struct Peer {
  pid_t pid = 0;  // 0: a process that cannot be seen from here
  uid_t uid = 0;
  gid_t gid = 0;
};
Result<Peer> peer_of(int socket);

// The address of a socket's name in a directory, however long the directory's path is (an address
// holds 107 bytes). Keep it while the address is used.
class SocketAddress {
 public:
  // kNotFound and as open(2) else.
  static Result<SocketAddress> in(const std::string& directory, const std::string& name);
  const std::string& path() const { return path_; }
  Status bind(int socket) const;
  // What errno is then; 0: connected.
  int connect(int socket) const;

 private:
  io::UnixFd directory_;  // O_PATH
  std::string path_;
};

}  // namespace ramet::serve
