// The REST face without a server: requests go to Face::handle() with a body from memory, over a
// store on real files and its own access control.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/env.h"
#include "tests/support/temp_dir.h"
#include "tools/serve/log.h"
#include "tools/serve/metrics.h"
#include "tools/serve/services.h"

namespace ramet::serve::test {

using Json = nlohmann::json;

class TextBody : public Body {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  Task<Result<size_t>> read(std::span<char> into) override {
    // In pieces of odd sizes, as they come from a network.
    const size_t size = std::min({into.size(), text_.size() - at_, size_t{65'521}});
    std::copy_n(text_.data() + at_, size, into.data());
    at_ += size;
    co_return size;
  }

 private:
  const std::string text_;
  size_t at_ = 0;
};

struct Got {
  int status = 0;
  Fields fields;
  std::string body;
  std::string operation;
  bool cut = false;  // the source ended in an error
  Json json() const { return Json::parse(body, nullptr, false); }
};

using Headers = std::vector<std::pair<std::string, std::string>>;

class RestTest : public testing::Test {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.env = io::default_env();
    options.ballast_bytes = 1 << 20;
    ASSERT_TRUE(Store::create(path_, options).ok());
    auto opened = Store::open(path_, options);
    ASSERT_TRUE(opened.ok());
    store_ = std::move(*opened);
    log_ = Log::none();
    start();
    Principal root;
    root.name = "root";
    root.super_admin = true;
    token_ = make_user(root);
  }

  void TearDown() override {
    stop();
    EXPECT_TRUE(store_->close().ok());
  }

  void start() {
    workers_ = std::make_unique<Workers>(2);
    services_.reset(new Services{*store_, store_->access(), *workers_, metrics_, *log_, {}});
    face_ = make_rest_face(*services_);
  }
  void stop() {
    face_.reset();
    workers_.reset();
  }

  // Gives the secret of a token.
  std::string make_user(const Principal& principal, const Scope& scope = {}) {
    const auto made = store_->access().create_principal(principal);
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    const auto token = store_->access().create_token(made->id, "test", scope, 0);
    EXPECT_TRUE(token.ok()) << token.error().to_string();
    return token->secret;
  }
  std::string make_user(const std::string& name) {
    Principal principal;
    principal.name = name;
    principal.may_create = false;
    return make_user(principal);
  }
  PrincipalId id_of(const std::string& name) { return store_->access().principal(name)->id; }

  // `parts`: how many parts of an endless body are read; 0: all of it.
  Got send(const std::string& token, const std::string& method, const std::string& target,
           std::string body = {}, const Headers& headers = {}, size_t parts = 0) {
    return send_to(*face_, token, method, target, std::move(body), headers, parts);
  }
  Got send_to(Face& face, const std::string& token, const std::string& method,
              const std::string& target, std::string body = {}, const Headers& headers = {},
              size_t parts = 0) {
    Request request;
    request.method = method;
    const size_t question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string::npos) request.query = target.substr(question + 1);
    for (const auto& [name, value] : headers) request.fields.add(name, value);
    if (!token.empty()) request.fields.add("Authorization", "Bearer " + token);
    request.id = "test-request";
    request.peer = "127.0.0.1";
    request.content_length = body.size();
    TextBody source(std::move(body));
    Got got;
    boost::asio::io_context context;
    auto done = boost::asio::co_spawn(
        context,
        [&]() -> Task<void> {
          Response response = co_await face.handle(request, source);
          got.status = response.status;
          got.fields = std::move(response.fields);
          got.body = std::move(response.body);
          for (const SharedBytes& bytes : response.parts) got.body += bytes.bytes;
          got.operation = response.operation;
          size_t count = 0;
          while (response.source && (parts == 0 || count++ < parts)) {
            auto part = co_await response.source->next();
            if (!part.ok()) got.cut = true;
            if (!part.ok() || part->empty()) break;
            for (const SharedBytes& bytes : *part) got.body += bytes.bytes;
          }
          if (response.source && response.length && parts == 0) {
            EXPECT_EQ(*response.length, got.body.size());
          }
        },
        boost::asio::use_future);
    context.run();
    done.get();
    return got;
  }
  Got get(const std::string& target, const Headers& headers = {}) {
    return send(token_, "GET", target, "", headers);
  }
  Got put(const std::string& target, std::string body, const Headers& headers = {}) {
    return send(token_, "PUT", target, std::move(body), headers);
  }
  Got post(const std::string& target, const Json& body, const Headers& headers = {}) {
    return send(token_, "POST", target, body.dump(), headers);
  }
  Got patch(const std::string& target, const Json& body) {
    return send(token_, "PATCH", target, body.dump());
  }
  Got remove(const std::string& target, const Headers& headers = {}) {
    return send(token_, "DELETE", target, "", headers);
  }
  // A container of root's.
  void make(const std::string& name, bool flat = false) {
    const Got made = post("/v1/containers", {{"name", name}, {"flat", flat}});
    ASSERT_EQ(made.status, 201) << made.body;
  }

  ramet::test::TempDir dir_;
  const std::string path_ = dir_.path() + "/store";
  std::unique_ptr<Store> store_;
  Metrics metrics_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Workers> workers_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<Face> face_;
  std::string token_;
};

}  // namespace ramet::serve::test
