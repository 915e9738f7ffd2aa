// The S3 face on a real store, without sockets: requests are signed as a client signs them, and
// handed to handle().
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>

#include "engine/access.h"
#include "tests/engine/store_fixture.h"
#include "tools/serve/log.h"
#include "tools/serve/metrics.h"
#include "tools/serve/s3/operations.h"
#include "tools/serve/s3/sigv4.h"
#include "tools/serve/services.h"

namespace ramet::serve::s3test {

// A body that comes in pieces, and may be cut.
class FakeBody : public Body {
 public:
  explicit FakeBody(std::string bytes) : bytes_(std::move(bytes)) {}
  size_t piece = 100'000;
  size_t cut_at = std::string::npos;  // from there on: kIoError
  Task<Result<size_t>> read(std::span<char> into) override {
    if (at_ >= cut_at) co_return Error(ErrorCode::kIoError, "the connection was cut");
    const size_t length =
        std::min({into.size(), piece, bytes_.size() - at_, cut_at - at_});
    std::copy_n(bytes_.data() + at_, length, into.data());
    at_ += length;
    co_return length;
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

struct Answer {
  int status = 0;
  Fields fields;
  std::string body;
  std::optional<uint64_t> length;
  std::string operation;
  std::string failed;  // why the body could not be sent
  // What stands between the first <NAME> and </NAME>.
  std::string xml(const std::string& name) const {
    const size_t from = body.find("<" + name + ">");
    if (from == std::string::npos) return "";
    const size_t begin = from + name.size() + 2;
    return body.substr(begin, body.find("</" + name + ">", begin) - begin);
  }
  std::vector<std::string> all(const std::string& name) const {
    std::vector<std::string> found;
    size_t at = 0;
    const std::string open = "<" + name + ">";
    while ((at = body.find(open, at)) != std::string::npos) {
      at += open.size();
      found.push_back(body.substr(at, body.find("</" + name + ">", at) - at));
    }
    return found;
  }
  std::string header(std::string_view name) const { return std::string(fields.get(name)); }
};

using Headers = std::vector<std::pair<std::string, std::string>>;

class S3Test : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Store::create(path_, ramet::test::store_options()).ok());
    auto opened = Store::open(path_, ramet::test::store_options());
    ASSERT_TRUE(opened.ok());
    store_ = std::move(*opened);
    add_principal("root", true);
    add_principal("ada");
    add_principal("bob", false, false);
    workers_ = std::make_unique<Workers>(2);
    start();
  }
  void TearDown() override {
    face_.reset();
    services_.reset();
    workers_.reset();
    EXPECT_TRUE(store_->close().ok());
  }
  void start() {
    face_.reset();
    services_ = std::make_unique<Services>(
        Services{*store_, store_->access(), *workers_, metrics_, *log_, FaceOptions{}});
    face_ = make_s3_face(*services_);
  }

  void add_principal(const std::string& name, bool super_admin = false, bool may_create = true) {
    Principal principal;
    principal.name = name;
    principal.super_admin = super_admin;
    principal.may_create = may_create;
    const auto made = access().create_principal(principal);
    ASSERT_TRUE(made.ok());
    const auto key = access().create_key(made->id, "test", Scope{}, 0);
    ASSERT_TRUE(key.ok());
    keys_[name] = *key;
  }
  AccessControl& access() { return store_->access(); }

  // As `who` would ask: `target` is the path as it is sent, with its query.
  Answer ask(const std::string& who, const std::string& method, const std::string& target,
             const std::string& body = "", const Headers& headers = {}) {
    FakeBody stream(body);
    return ask_with(who, method, target, stream, body.size(),
                    serve::to_hex(serve::digest_of(serve::Algorithm::kSha256, body)), headers);
  }
  Answer ask_with(const std::string& who, const std::string& method, const std::string& target,
                  Body& body, std::optional<uint64_t> length, const std::string& payload,
                  const Headers& headers) {
    Request request = make_request(method, target, headers);
    request.content_length = length;
    sign(request, who, payload);
    return send(request, body);
  }

  Request make_request(const std::string& method, const std::string& target,
                       const Headers& headers) const {
    Request request;
    request.method = method;
    const size_t question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string::npos) request.query = target.substr(question + 1);
    request.fields.add("Host", "s3.example.com");
    for (const auto& [name, value] : headers) request.fields.add(name, value);
    request.id = "request-1";
    request.peer = "192.0.2.7";
    request.received = now();
    return request;
  }

  // As most clients do: all fields are signed. Who has no key has one that nobody knows.
  void sign(Request& request, const std::string& who, const std::string& payload) const {
    const auto known = keys_.find(who);
    const std::string key = known != keys_.end() ? known->second.id : "RMTKAAAAAAAAAAAAAAAA";
    const std::string secret = known != keys_.end() ? known->second.secret : "unknown";
    std::string stamp = iso_date(request.received);
    std::erase_if(stamp, [](char c) { return c == '-' || c == ':'; });
    stamp = stamp.substr(0, 15) + "Z";
    request.fields.set("x-amz-date", stamp);
    request.fields.set("x-amz-content-sha256", payload);
    s3::Claim claim;
    claim.date = stamp.substr(0, 8);
    claim.region = "us-east-1";
    claim.timestamp = stamp;
    claim.payload = payload;
    std::vector<std::string> names;
    for (const auto& field : request.fields) {
      std::string name = field.name;
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    claim.signed_headers = names;
    const auto params = parse_query(request.query);
    const std::string text = s3::string_to_sign(
        claim, s3::canonical_request(request, params.ok() ? *params : QueryParams{}, claim,
                                     false));
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ";") + name;
    request.fields.set(
        "Authorization",
        fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}", key,
                    claim.scope(), list,
                    serve::to_hex(serve::hmac_sha256(
                        s3::make_signing_key(secret, claim.date, "us-east-1"),
                        text))));
  }

  Answer send(Request& request, Body& body) {
    boost::asio::io_context context;
    Answer answer;
    boost::asio::co_spawn(
        context,
        [&]() -> Task<void> {
          Response response = co_await face_->handle(request, body);
          answer.status = response.status;
          answer.fields = response.fields;
          answer.body = response.body;
          for (const SharedBytes& piece : response.parts) answer.body += piece.bytes;
          answer.length = response.length;
          answer.operation = response.operation;
          while (response.source != nullptr) {
            auto pieces = co_await response.source->next();
            if (!pieces.ok()) {
              answer.failed = pieces.error().to_string();
              break;
            }
            if (pieces->empty()) break;
            for (const SharedBytes& piece : *pieces) answer.body += piece.bytes;
          }
        },
        [](std::exception_ptr thrown) {
          if (thrown) std::rethrow_exception(thrown);
        });
    context.run();
    return answer;
  }

  // The S3 code of an error's XML; else the status.
  static std::string code(const Answer& answer) {
    const std::string name = answer.xml("Code");
    return name.empty() ? std::to_string(answer.status) : name;
  }
  // A bucket of ada's.
  void make_bucket(const std::string& name, const Headers& headers = {}) {
    const Answer made = ask("ada", "PUT", "/" + name, "", headers);
    ASSERT_EQ(made.status, 200) << made.body;
  }
  std::string get(const std::string& target) {
    const Answer answer = ask("ada", "GET", target);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.body;
  }
  ContainerId id_of(const std::string& bucket) { return store_->container(bucket)->id; }

  int64_t now() const {
    return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count() +
           later_;
  }

  ramet::test::TempDir dir_;
  const std::string path_ = dir_.path() + "/store";
  std::unique_ptr<Store> store_;
  std::map<std::string, AccessKey> keys_;
  std::unique_ptr<Workers> workers_;
  Metrics metrics_;
  std::unique_ptr<Log> log_ = Log::none();
  std::unique_ptr<Services> services_;
  std::unique_ptr<Face> face_;
  int64_t later_ = 0;  // nanoseconds that requests are ahead of the clock
};

}  // namespace ramet::serve::s3test
