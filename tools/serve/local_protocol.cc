#include "tools/serve/local_protocol.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "io/errno_error.h"

namespace ramet::serve {
namespace {

struct Header {
  uint32_t magic = kDoorMagic;
  uint32_t version = kDoorVersion;
  uint32_t type = 0;
  uint32_t length = 0;
};
static_assert(sizeof(Header) == 16);

void append_text(Bytes& out, std::string_view text) {
  append(out, static_cast<uint32_t>(text.size()));
  out += text;
}

// Takes a payload apart. After the first thing that is missing, all is 0 and empty.
class Decoder {
 public:
  explicit Decoder(ByteView payload) : left_(payload) {}

  template <typename T>
  T number() {
    T value{};
    const ByteView bytes = take(sizeof(T));
    if (bytes.size() == sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  std::string text() { return std::string(take(number<uint32_t>())); }
  // How many elements follow; each takes one byte or more.
  uint32_t count() {
    const auto count = number<uint32_t>();
    if (count > left_.size()) wrong_ = true;
    return wrong_ ? 0 : count;
  }
  template <typename T>
  Result<T> finish(T value) const {
    if (wrong_ || !left_.empty()) {
      return Error(ErrorCode::kCorruption, "a message at daemon.sock is not as it must be");
    }
    return value;
  }

 private:
  ByteView take(size_t size) {
    if (wrong_ || size > left_.size()) {
      wrong_ = true;
      return {};
    }
    const ByteView taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }

  ByteView left_;
  bool wrong_ = false;
};

Error socket_error(int number, const char* what) {
  if (number == EPIPE || number == ECONNRESET) {
    return {ErrorCode::kCancelled, "the other end of daemon.sock has gone"};
  }
  return io::errno_error(number, kDoorName, what);
}

// Fills `into`; takes descriptors that come with it.
Status receive_all(int socket, char* into, size_t size, std::vector<io::UnixFd>& descriptors) {
  while (size > 0) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kDoorDescriptorsMax * sizeof(int))> control;
    iovec piece{into, size};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return socket_error(errno, "receive");
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr;
         one = CMSG_NXTHDR(&message, one)) {
      if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
      const size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(one) + i * sizeof(int), sizeof(int));
        descriptors.emplace_back(fd);
      }
    }
    if (got == 0) return socket_error(EPIPE, "receive");
    into += got;
    size -= static_cast<size_t>(got);
  }
  return ok();
}

}  // namespace

Bytes encode(const Hello& hello) {
  Bytes out;
  append_text(out, hello.program);
  append(out, static_cast<uint8_t>(hello.zone.has_value()));
  append_text(out, hello.zone.value_or(""));
  return out;
}

Result<Hello> decode_hello(ByteView payload) {
  Decoder decoder(payload);
  Hello hello;
  hello.program = decoder.text();
  const bool has_zone = decoder.number<uint8_t>() != 0;
  std::string zone = decoder.text();
  if (has_zone) hello.zone = std::move(zone);
  return decoder.finish(std::move(hello));
}

Bytes encode(const Refused& refused) {
  Bytes out;
  append(out, static_cast<uint32_t>(refused.code));
  append_text(out, refused.message);
  return out;
}

Result<Refused> decode_refused(ByteView payload) {
  Decoder decoder(payload);
  Refused refused;
  refused.code = static_cast<ErrorCode>(decoder.number<uint32_t>());
  refused.message = decoder.text();
  return decoder.finish(std::move(refused));
}

Bytes encode(const LocalRequest& request) {
  Bytes out;
  append(out, static_cast<uint32_t>(request.arguments.size()));
  for (const std::string& argument : request.arguments) append_text(out, argument);
  append(out, static_cast<uint32_t>(request.environment.size()));
  for (const auto& [name, value] : request.environment) {
    append_text(out, name);
    append_text(out, value);
  }
  append(out, request.umask);
  append(out, request.streams);
  append(out, static_cast<uint8_t>(request.zone.has_value()));
  const UtcOffsets none;
  const UtcOffsets& zone = request.zone ? *request.zone : none;
  append(out, static_cast<uint32_t>(zone.size()));
  for (const UtcOffset& one : zone) {
    append(out, one.from);
    append(out, one.offset);
  }
  return out;
}

Result<LocalRequest> decode_request(ByteView payload) {
  Decoder decoder(payload);
  LocalRequest request;
  for (uint32_t left = decoder.count(); left > 0; --left) {
    request.arguments.push_back(decoder.text());
  }
  for (uint32_t left = decoder.count(); left > 0; --left) {
    std::string name = decoder.text();
    request.environment[std::move(name)] = decoder.text();
  }
  request.umask = decoder.number<uint32_t>();
  request.streams = decoder.number<uint32_t>();
  const bool has_zone = decoder.number<uint8_t>() != 0;
  UtcOffsets zone;
  for (uint32_t left = decoder.count(); left > 0; --left) {
    UtcOffset one;
    one.from = decoder.number<int64_t>();
    one.offset = decoder.number<int32_t>();
    zone.push_back(one);
  }
  if (has_zone) request.zone = std::move(zone);
  return decoder.finish(std::move(request));
}

Bytes encode(const Done& done) {
  Bytes out;
  append(out, done.exit_code);
  return out;
}

Result<Done> decode_done(ByteView payload) {
  Decoder decoder(payload);
  Done done;
  done.exit_code = decoder.number<int32_t>();
  return decoder.finish(done);
}

Status send_message(int socket, DoorMessage type, ByteView payload,
                    std::span<const int> descriptors) {
  Header header;
  header.type = static_cast<uint32_t>(type);
  header.length = static_cast<uint32_t>(payload.size());
  Bytes bytes;
  append(bytes, header);
  bytes += payload;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kDoorDescriptorsMax * sizeof(int))> control{};
  bool first = true;  // the descriptors go with the first byte
  for (ByteView left = bytes; !left.empty();) {
    iovec piece{const_cast<char*>(left.data()), left.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (first && !descriptors.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
      cmsghdr* rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
      std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    }
    const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return socket_error(errno, "send");
    first = false;
    left.remove_prefix(static_cast<size_t>(sent));
  }
  return ok();
}

Result<Received> receive_message(int socket) {
  Received received;
  Header header;
  RAMET_TRY(receive_all(socket, reinterpret_cast<char*>(&header), sizeof(header),
                        received.descriptors));
  if (header.magic != kDoorMagic || header.length > kDoorPayloadMax) {
    return Error(ErrorCode::kCorruption, "what comes from daemon.sock is no message of ramet's");
  }
  received.version = header.version;
  received.type = static_cast<DoorMessage>(header.type);
  received.payload.resize(header.length);
  RAMET_TRY(receive_all(socket, received.payload.data(), header.length, received.descriptors));
  return received;
}

Result<Peer> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return io::errno_error(errno, kDoorName, "SO_PEERCRED");
  }
  return Peer{credentials.pid, credentials.uid, credentials.gid};
}

namespace {

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace

Result<SocketAddress> SocketAddress::in(const std::string& directory, const std::string& name) {
  SocketAddress address;
  address.directory_ =
      io::UnixFd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!address.directory_.valid()) return io::errno_error(errno, directory, "open");
  address.path_ = fmt::format("/proc/self/fd/{}/{}", address.directory_.get(), name);
  return address;
}

Status SocketAddress::bind(int socket) const {
  const sockaddr_un address = unix_address(path_);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return io::errno_error(errno, kDoorName, "bind");
  }
  return ok();
}

int SocketAddress::connect(int socket) const {
  const sockaddr_un address = unix_address(path_);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return 0;
  }
  return errno;
}

}  // namespace ramet::serve
