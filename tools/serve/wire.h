// Wire: the bytes of one connection, plain or through TLS. Belongs to one io_context's thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>

#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>

#include "tools/serve/http.h"

namespace boost::asio::ssl {
class context;
}

namespace ramet::serve {

using ErrorOf = boost::system::error_code;

class Wire {
 public:
  // Takes a connected socket over. `tls`: null for plain bytes.
  Wire(boost::asio::io_context& io, int fd, bool is_unix,
       std::shared_ptr<boost::asio::ssl::context> tls);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  bool is_tls() const;
  int fd() const;

  // Requires: is_tls(). Call first.
  Task<void> handshake(ErrorOf& ec);
  // Some bytes; 0 with an error at the end.
  Task<size_t> read(std::span<char> into, ErrorOf& ec);
  // Some of the parts, in order.
  Task<size_t> write(std::span<const iovec> parts, ErrorOf& ec);
  // As much as goes without waiting: 0 if nothing does (always with TLS), -1 if the peer is gone.
  ssize_t try_write(std::span<const iovec> parts);

  // Says to the peer that nothing follows; with TLS, waits for its answer.
  Task<void> finish(ErrorOf& ec);
  // Whatever waits ends with an error.
  void close();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace ramet::serve
