#include "tools/serve/fetch.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

#include <fmt/format.h>

#include "io/errno_error.h"
#include "tools/serve/address.h"
#include "tools/serve/http.h"

namespace ramet::serve {
namespace {

struct Target {
  ListenAddress address;
  bool tls = false;
  std::string path = "/";
};

Result<Target> parse_url(const std::string& url) {
  const auto wrong = [&] {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is neither http://HOST:PORT/PATH, https://... nor "
                             "unix:SOCKET:/PATH",
                             url));
  };
  Target target;
  std::string_view rest = url;
  if (rest.starts_with("unix:")) {
    rest.remove_prefix(5);
    const size_t colon = rest.rfind(":/");
    target.address.unix_path = rest.substr(0, colon);
    if (colon != std::string_view::npos) target.path = rest.substr(colon + 1);
    if (target.address.unix_path.empty()) return wrong();
    return target;
  }
  target.tls = rest.starts_with("https://");
  if (!target.tls && !rest.starts_with("http://")) return wrong();
  rest.remove_prefix(target.tls ? 8 : 7);
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string authority(rest.substr(0, slash));
  if (slash < rest.size()) target.path = rest.substr(slash);
  if (authority.empty()) return wrong();
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.find(':', bracket == std::string::npos ? 0 : bracket);
  if (colon == std::string::npos) authority += target.tls ? ":443" : ":80";
  RAMET_ASSIGN(target.address, parse_listen_address(authority));
  return target;
}

struct FreeContext {
  void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
};
struct FreeSsl {
  void operator()(SSL* ssl) const { ::SSL_free(ssl); }
};

Error tls_error(ErrorCode code, const std::string& url, const char* what) {
  char text[256] = "the connection was cut";
  if (const unsigned long number = ::ERR_get_error(); number != 0) {
    ::ERR_error_string_n(number, text, sizeof text);
  }
  return {code, fmt::format("{}: {}: {}", url, what, text)};
}

// A connection, plain or through TLS.
class Stream {
 public:
  static Result<std::unique_ptr<Stream>> open(const Target& target, const std::string& url,
                                              const FetchOptions& options) {
    auto stream = std::make_unique<Stream>();
    RAMET_ASSIGN(stream->fd_, connect_to(target.address));
    const timeval patience{options.timeout_seconds, 0};
    ::setsockopt(stream->fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(stream->fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (target.tls) RAMET_TRY(stream->begin_tls(target, url, options));
    return stream;
  }

  // -1: failed; 0: the end.
  ssize_t read(char* into, size_t size) {
    if (ssl_ == nullptr) return ::recv(fd_.get(), into, size, 0);
    const int got = ::SSL_read(ssl_.get(), into, static_cast<int>(size));
    if (got > 0) return got;
    return ::SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
  }
  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const int size = static_cast<int>(bytes.size());
      const ssize_t sent = ssl_ == nullptr
                               ? ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)
                               : ::SSL_write(ssl_.get(), bytes.data(), size);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

 private:
  Status begin_tls(const Target& target, const std::string& url, const FetchOptions& options) {
    ::ERR_clear_error();
    context_.reset(::SSL_CTX_new(::TLS_client_method()));
    ::SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    ::SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    const bool trusts =
        options.authorities.empty()
            ? ::SSL_CTX_set_default_verify_paths(context_.get()) == 1
            : ::SSL_CTX_load_verify_locations(context_.get(), options.authorities.c_str(),
                                              nullptr) == 1;
    if (!trusts) return tls_error(ErrorCode::kInvalidArgument, url, "whom to trust");
    ssl_.reset(::SSL_new(context_.get()));
    ::SSL_set_tlsext_host_name(ssl_.get(), target.address.host.c_str());
    X509_VERIFY_PARAM* const verify = ::SSL_get0_param(ssl_.get());
    if (::X509_VERIFY_PARAM_set1_ip_asc(verify, target.address.host.c_str()) != 1) {
      ::ERR_clear_error();
      ::SSL_set1_host(ssl_.get(), target.address.host.c_str());
    }
    ::SSL_set_fd(ssl_.get(), fd_.get());
    if (::SSL_connect(ssl_.get()) == 1) return ok();
    const bool trusted = ::SSL_get_verify_result(ssl_.get()) == X509_V_OK;
    return tls_error(trusted ? ErrorCode::kIoError : ErrorCode::kPermissionDenied, url,
                     "TLS handshake");
  }

  io::UnixFd fd_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

// (HTTP/1.0 is asked for, so that the body is not chunked and ends with the connection.)
Result<Fetched> parse_response(const std::string& url, const std::string& text) {
  const size_t end = text.find("\r\n\r\n");
  Fetched fetched;
  const bool http = text.starts_with("HTTP/1.") && end != std::string::npos && text.size() > 12;
  if (http) std::from_chars(text.data() + 9, text.data() + 12, fetched.status);
  if (fetched.status == 0) return Error(ErrorCode::kIoError, url + ": no HTTP response came");
  fetched.body = text.substr(end + 4);
  return fetched;
}

}  // namespace

Result<Fetched> fetch(const std::string& url, const FetchOptions& options) {
  RAMET_ASSIGN(const Target target, parse_url(url));
  RAMET_ASSIGN(const auto stream, Stream::open(target, url, options));
  std::string request = "GET " + target.path + " HTTP/1.0\r\nHost: " +
                        (target.address.is_unix() ? "localhost" : target.address.to_string()) +
                        "\r\nConnection: close\r\n";
  if (!options.token.empty()) request += "Authorization: Bearer " + options.token + "\r\n";
  request += "\r\n";
  if (!stream->write(request)) return io::errno_error(errno, url, "send");
  std::string text;
  for (;;) {
    char piece[16384];
    const ssize_t got = stream->read(piece, sizeof piece);
    if (got < 0) return io::errno_error(errno, url, "receive");
    if (got == 0) break;
    text.append(piece, static_cast<size_t>(got));
    if (text.size() > options.body_bytes_max) {
      return Error(ErrorCode::kIoError, url + ": the response is too long");
    }
  }
  return parse_response(url, text);
}

}  // namespace ramet::serve
