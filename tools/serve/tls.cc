#include "tools/serve/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <boost/asio/ssl/context.hpp>
#include <fmt/format.h>

namespace ramet::serve {
namespace {

namespace ssl = boost::asio::ssl;

std::string describe(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return "gone";
  return fmt::format("{}:{}:{}:{}.{}", found.st_dev, found.st_ino, found.st_size,
                     found.st_mtim.tv_sec, found.st_mtim.tv_nsec);
}

std::string describe(const TlsFiles& files) {
  return describe(files.certificate) + "/" + describe(files.key);
}

Error tls_error(const std::string& path, std::string_view what) {
  char text[256] = "no reason given";
  if (const unsigned long code = ::ERR_get_error(); code != 0) {
    ::ERR_error_string_n(code, text, sizeof text);
  }
  ::ERR_clear_error();
  return {ErrorCode::kInvalidArgument, fmt::format("{}: {}: {}", path, what, text)};
}

// Chooses http/1.1 if it is offered; else nothing is agreed on (RFC 7301 3.2).
int choose_protocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned offered_size, void* /*none*/) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (::SSL_select_next_proto(&chosen, out_size, kOurs, sizeof kOurs - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// A key with a password would make OpenSSL ask at the terminal.
int no_password(char* /*into*/, int /*size*/, int /*writing*/, void* /*none*/) { return -1; }

Result<std::shared_ptr<ssl::context>> load(const TlsFiles& files) {
  ::ERR_clear_error();
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  if (::SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1) {
    return tls_error(files.certificate, "setting up TLS");
  }
  ::SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Memory of idle connections goes back; what is to be written may have moved meanwhile.
  ::SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  ::SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);
  ::SSL_CTX_set_default_passwd_cb(native, no_password);
  if (::SSL_CTX_use_certificate_chain_file(native, files.certificate.c_str()) != 1) {
    return tls_error(files.certificate, "reading the certificate");
  }
  if (::SSL_CTX_use_PrivateKey_file(native, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return tls_error(files.key, "reading the key");
  }
  if (::SSL_CTX_check_private_key(native) != 1) {
    return tls_error(files.key, "the key does not belong to the certificate");
  }
  return context;
}

}  // namespace

Result<std::unique_ptr<Tls>> Tls::open(const TlsFiles& files) {
  if (files.certificate.empty() || files.key.empty()) {
    return Error(ErrorCode::kInvalidArgument, "TLS needs both a certificate and a key");
  }
  auto tls = std::unique_ptr<Tls>(new Tls(files));
  RAMET_TRY(tls->reload());
  return tls;
}

Tls::~Tls() = default;

std::shared_ptr<ssl::context> Tls::context() const {
  const std::lock_guard lock(mu_);
  return context_;
}

Status Tls::reload() {
  std::string seen = describe(files_);  // before: what changes meanwhile is read again
  auto loaded = load(files_);
  const std::lock_guard lock(mu_);
  seen_ = std::move(seen);  // (what is broken is not tried again before it changes)
  RAMET_TRY(loaded);
  context_ = std::move(*loaded);
  return ok();
}

bool Tls::changed() const {
  const std::lock_guard lock(mu_);
  return describe(files_) != seen_;
}

}  // namespace ramet::serve
