// The certificate and key of a server, and how they are replaced while it runs.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "format/result.h"

namespace boost::asio::ssl {
class context;
}

namespace ramet::serve {

struct TlsFiles {
  std::string certificate;  // PEM: the server's own first, then those between it and the root
  std::string key;          // PEM, without a password
  bool any() const { return !certificate.empty() || !key.empty(); }
};

// Thread-safe. A connection keeps the context with which it began.
class Tls {
 public:
  // TLS 1.2 at least, ALPN http/1.1. kInvalidArgument names the file, and what is wrong with it.
  static Result<std::unique_ptr<Tls>> open(const TlsFiles& files);
  ~Tls();

  std::shared_ptr<boost::asio::ssl::context> context() const;
  // Reads the files again. An error changes nothing.
  Status reload();
  // The files were changed since they were read last (by their times, sizes and inodes).
  bool changed() const;

 private:
  explicit Tls(const TlsFiles& files) : files_(files) {}

  const TlsFiles files_;
  mutable std::mutex mu_;
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::string seen_;  // what the files looked like
};

}  // namespace ramet::serve
