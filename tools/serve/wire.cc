#include "tools/serve/wire.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace ramet::serve {
namespace {

namespace asio = boost::asio;

using Protocol = asio::generic::stream_protocol;
using Socket = asio::basic_stream_socket<Protocol, asio::io_context::executor_type>;

constexpr size_t kPartsMax = 64;         // of one call of the system
constexpr size_t kRecordBytes = 16384;   // the most that one TLS record takes

// A list of parts as Asio takes it: copied, it still points to the caller's.
class Parts {
 public:
  using value_type = asio::const_buffer;
  class const_iterator {
   public:
    using value_type = asio::const_buffer;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = value_type;
    using iterator_category = std::bidirectional_iterator_tag;
    const_iterator() = default;
    explicit const_iterator(const iovec* at) : at_(at) {}
    value_type operator*() const { return {at_->iov_base, at_->iov_len}; }
    const_iterator& operator++() { return ++at_, *this; }
    const_iterator operator++(int) { return const_iterator(at_++); }
    const_iterator& operator--() { return --at_, *this; }
    const_iterator operator--(int) { return const_iterator(at_--); }
    bool operator==(const const_iterator& other) const = default;

   private:
    const iovec* at_ = nullptr;
  };
  explicit Parts(std::span<const iovec> parts) : parts_(parts) {}
  const_iterator begin() const { return const_iterator(parts_.data()); }
  const_iterator end() const { return const_iterator(parts_.data() + parts_.size()); }

 private:
  std::span<const iovec> parts_;
};

}  // namespace

struct Wire::Impl {
  Socket socket;
  std::optional<asio::ssl::stream<Socket&>> tls;
  std::string record;  // small parts that go into one TLS record
};

Wire::Wire(asio::io_context& io, int fd, bool is_unix, std::shared_ptr<asio::ssl::context> tls)
    : impl_(new Impl{Socket(io), std::nullopt, {}}) {
  ErrorOf ignored;  // a socket that cannot be used shows at the first read
  impl_->socket.assign(Protocol(is_unix ? AF_UNIX : AF_INET, is_unix ? 0 : IPPROTO_TCP), fd,
                       ignored);
  if (!is_unix) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (tls != nullptr) impl_->tls.emplace(impl_->socket, *tls);
}

Wire::~Wire() = default;

bool Wire::is_tls() const { return impl_->tls.has_value(); }
int Wire::fd() const { return impl_->socket.native_handle(); }

Task<void> Wire::handshake(ErrorOf& ec) {
  return impl_->tls->async_handshake(asio::ssl::stream_base::server,
                                     asio::redirect_error(asio::use_awaitable, ec));
}

Task<size_t> Wire::read(std::span<char> into, ErrorOf& ec) {
  const auto buffer = asio::buffer(into.data(), into.size());
  auto token = asio::redirect_error(asio::use_awaitable, ec);
  if (impl_->tls) return impl_->tls->async_read_some(buffer, token);
  return impl_->socket.async_read_some(buffer, token);
}

Task<size_t> Wire::write(std::span<const iovec> parts, ErrorOf& ec) {
  auto token = asio::redirect_error(asio::use_awaitable, ec);
  if (!impl_->tls) {
    return impl_->socket.async_write_some(Parts(parts.first(std::min(parts.size(), kPartsMax))),
                                          token);
  }
  // One record for a header and a small body; what fills a record by itself is not copied.
  std::string& record = impl_->record;
  if (parts.size() == 1 || parts.front().iov_len >= kRecordBytes) {
    return impl_->tls->async_write_some(
        asio::const_buffer(parts.front().iov_base, parts.front().iov_len), token);
  }
  record.clear();
  for (const iovec& part : parts) {
    const size_t take = std::min(part.iov_len, kRecordBytes - record.size());
    record.append(static_cast<const char*>(part.iov_base), take);
    if (record.size() == kRecordBytes) break;
  }
  return impl_->tls->async_write_some(asio::buffer(record), token);
}

ssize_t Wire::try_write(std::span<const iovec> parts) {
  if (impl_->tls) return 0;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = std::min(parts.size(), kPartsMax);
  for (;;) {
    const ssize_t sent = ::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
  }
}

Task<void> Wire::finish(ErrorOf& ec) {
  auto token = asio::redirect_error(asio::use_awaitable, ec);
  if (impl_->tls) co_await impl_->tls->async_shutdown(token);
  ErrorOf ignored;  // gone already is as good
  impl_->socket.shutdown(Socket::shutdown_send, ignored);
}

void Wire::close() {
  ErrorOf ignored;  // the descriptor is gone either way
  impl_->socket.close(ignored);
}

}  // namespace ramet::serve
