// TLS: handshakes, bodies through it, and certificates that are replaced while it runs.
#include "tools/serve/tls.h"

#include <openssl/ssl.h>

#include <fstream>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"
#include "tests/tools/serve/test_certificate.h"
#include "tests/tools/serve/test_server.h"
#include "tools/serve/fetch.h"

namespace ramet::serve::test {
namespace {

using ramet::test::TempDir;

struct FreeContext {
  void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
};
struct FreeSsl {
  void operator()(SSL* ssl) const { ::SSL_free(ssl); }
};

// A client that trusts everybody, and sees what it is shown.
class TlsClient {
 public:
  explicit TlsClient(uint16_t port, int version = TLS1_3_VERSION) : socket_(port) {
    context_.reset(::SSL_CTX_new(::TLS_client_method()));
    ::SSL_CTX_set_security_level(context_.get(), 0);  // so that what is too old can be tried
    ::SSL_CTX_set_min_proto_version(context_.get(), version);
    ::SSL_CTX_set_max_proto_version(context_.get(), version);
    static constexpr unsigned char kProtocols[] = "\x02h2\x08http/1.1";
    ::SSL_CTX_set_alpn_protos(context_.get(), kProtocols, sizeof kProtocols - 1);
    ssl_.reset(::SSL_new(context_.get()));
    ::SSL_set_fd(ssl_.get(), socket_.fd());
    connected_ = ::SSL_connect(ssl_.get()) == 1;
  }

  bool connected() const { return connected_; }
  long serial() const {
    X509* const certificate = ::SSL_get1_peer_certificate(ssl_.get());
    const long serial = ::ASN1_INTEGER_get(::X509_get0_serialNumber(certificate));
    ::X509_free(certificate);
    return serial;
  }
  std::string protocol() const {
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    ::SSL_get0_alpn_selected(ssl_.get(), &chosen, &size);
    return {reinterpret_cast<const char*>(chosen), size};
  }
  // All of a body of so many bytes.
  std::string get(const std::string& path, size_t body_bytes) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: t\r\n\r\n";
    if (::SSL_write(ssl_.get(), request.data(), static_cast<int>(request.size())) <= 0) return {};
    std::string text;
    size_t wanted = SIZE_MAX;
    while (text.size() < wanted) {
      char piece[16384];
      const int got = ::SSL_read(ssl_.get(), piece, sizeof piece);
      if (got <= 0) return {};
      text.append(piece, static_cast<size_t>(got));
      const size_t end = text.find("\r\n\r\n");
      if (end != std::string::npos) wanted = end + 4 + body_bytes;
    }
    return text.substr(text.find("\r\n\r\n") + 4);
  }

 private:
  TestClient socket_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  bool connected_ = false;
};

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() : files_{dir_.file("cert.pem"), dir_.file("key.pem")} {
    write_certificate(files_.certificate, files_.key, "first", 1);
  }

  static Task<Response> answer(Request& request, Body& /*body*/) {
    if (request.path != "/long") co_return text_response(request.tls ? "secure" : "plain");
    Response response;
    response.body = "begin";
    response.length = 5 + kParts * kPartBytes;
    response.source = std::make_unique<FunctionSource>(
        [left = kParts]() mutable -> Result<std::vector<SharedBytes>> {
          if (left-- == 0) return std::vector<SharedBytes>();
          const auto part = std::make_shared<std::string>(kPartBytes, 'x');
          return std::vector<SharedBytes>{{part, {part->data(), part->size()}}};
        });
    co_return response;
  }

  static constexpr size_t kParts = 30, kPartBytes = 100'000;
  TempDir dir_;
  const TlsFiles files_;
};

TEST_F(TlsTest, RequestsAreAnsweredThroughIt) {
  TestServer server(answer, test_limits(), files_);
  TlsClient client(server.port());
  ASSERT_TRUE(client.connected());
  EXPECT_EQ(client.protocol(), "http/1.1");
  EXPECT_EQ(client.get("/", 6), "secure");
  EXPECT_EQ(client.get("/", 6), "secure");
  const std::string body = client.get("/long", 5 + kParts * kPartBytes);
  EXPECT_TRUE(body == "begin" + std::string(kParts * kPartBytes, 'x'));
  EXPECT_EQ(client.get("/", 6), "secure");
}

TEST_F(TlsTest, WhatIsOlderThanTls12IsRefused) {
  TestServer server(answer, test_limits(), files_);
  EXPECT_TRUE(TlsClient(server.port(), TLS1_2_VERSION).connected());
  EXPECT_FALSE(TlsClient(server.port(), TLS1_1_VERSION).connected());
}

TEST_F(TlsTest, PlainTextToATlsPortIsCut) {
  TestServer server(answer, test_limits(), files_);
  TestClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  client.read_to_end();  // an alert, or nothing; but not for ever
  EXPECT_EQ(TlsClient(server.port()).get("/", 6), "secure");
}

TEST_F(TlsTest, AHandshakeThatIsNotFinishedIsCut) {
  ServerLimits limits = test_limits();
  limits.header_timeout = 100'000'000;
  TestServer server(answer, limits, files_);
  TestClient client(server.port());
  EXPECT_TRUE(client.is_ended());
}

TEST_F(TlsTest, ANewCertificateIsTakenWithoutEndingConnections) {
  TestServer server(answer, test_limits(), files_);
  TlsClient before(server.port());
  EXPECT_EQ(before.serial(), 1);
  write_certificate(files_.certificate, files_.key, "second", 2);
  ASSERT_TRUE(server.server().reload_tls().ok());
  EXPECT_EQ(TlsClient(server.port()).serial(), 2);
  EXPECT_EQ(before.get("/", 6), "secure");
}

TEST_F(TlsTest, ChangedFilesAreNoticed) {
  TestServer server(answer, test_limits(), files_);
  server.server().reload_changed_tls();
  EXPECT_EQ(TlsClient(server.port()).serial(), 1);
  // Replaced as tools do it: written beside, then renamed.
  write_certificate(dir_.file("new-cert"), dir_.file("new-key"), "second", 2);
  ASSERT_EQ(std::rename(dir_.file("new-key").c_str(), files_.key.c_str()), 0);
  ASSERT_EQ(std::rename(dir_.file("new-cert").c_str(), files_.certificate.c_str()), 0);
  server.server().reload_changed_tls();
  EXPECT_EQ(TlsClient(server.port()).serial(), 2);
}

TEST_F(TlsTest, ABrokenCertificateChangesNothing) {
  TestServer server(answer, test_limits(), files_);
  std::ofstream(files_.certificate, std::ios::trunc) << "nonsense";
  const Status reloaded = server.server().reload_tls();
  ASSERT_FALSE(reloaded.ok());
  EXPECT_NE(reloaded.error().message().find(files_.certificate), std::string::npos);
  EXPECT_EQ(TlsClient(server.port()).serial(), 1);
}

TEST_F(TlsTest, FilesThatDoNotFitAreNamed) {
  const std::string other_key = dir_.file("other.pem");
  write_certificate(dir_.file("other-cert.pem"), other_key, "other", 3);
  const auto mixed = Tls::open({files_.certificate, other_key});
  ASSERT_FALSE(mixed.ok());
  EXPECT_EQ(mixed.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(mixed.error().message().find(other_key), std::string::npos) << mixed.error().message();
  const auto missing = Tls::open({dir_.file("missing"), files_.key});
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message().find("missing"), std::string::npos);
  EXPECT_FALSE(Tls::open({files_.certificate, ""}).ok());
}

TEST_F(TlsTest, FetchChecksWhomItTalksTo) {
  TestServer server(answer, test_limits(), files_);
  const std::string authority = ":" + std::to_string(server.port()) + "/";
  FetchOptions options;
  EXPECT_EQ(fetch("https://127.0.0.1" + authority, options).error().code(),
            ErrorCode::kPermissionDenied);
  options.authorities = files_.certificate;
  for (const char* host : {"https://127.0.0.1", "https://localhost"}) {
    const auto fetched = fetch(host + authority, options);
    ASSERT_TRUE(fetched.ok()) << fetched.error().message();
    EXPECT_EQ(fetched->body, "secure");
  }
}

}  // namespace
}  // namespace ramet::serve::test
