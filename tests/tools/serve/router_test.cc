// Which face answers what; health, readiness and metrics.
#include "tools/serve/router.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/tools/serve/test_server.h"
#include "tools/serve/metrics_text.h"

namespace ramet::serve::test {
namespace {

class NamedFace final : public Face {
 public:
  explicit NamedFace(std::string name) : name_(std::move(name)) {}
  Task<Response> handle(Request& request, Body& /*body*/) override {
    co_return text_response(name_ + " " + request.path);
  }

 private:
  const std::string name_;
};

class RouterTest : public ::testing::Test {
 protected:
  Routes routes() {
    return {&rest_, &s3_, &dnanexus_, &fhir_, "s3.test", [this] { return ready_; },
            [](std::string_view token) { return token == "secret"; }};
  }
  Answer get(TestServer& server, const std::string& path, const std::string& fields = {},
             const std::string& host = "test") {
    return TestClient(server.port())
        .ask("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n");
  }

  NamedFace rest_{"rest"}, s3_{"s3"}, dnanexus_{"dnanexus"}, fhir_{"fhir"};
  Status ready_;
  Workers workers_{2};
  Metrics metrics_;
  TestServer server_{make_router(routes(), workers_, metrics_)};
  TestServer operators_{make_operator_router(routes(), workers_, metrics_)};
};

TEST_F(RouterTest, PathsLeadToTheirFaces) {
  for (const char* path : {"/v1", "/v1/containers", "/openapi.json"}) {
    EXPECT_EQ(get(server_, path).body, "rest " + std::string(path));
  }
  for (const char* path : {"/fhir/R4", "/fhir/R4/Patient/1", "/oauth2/token", "/auth/me",
                           "/admin/projects/x"}) {
    EXPECT_EQ(get(server_, path).body, "fhir " + std::string(path));
  }
  for (const char* path : {"/fhir", "/fhir/R4x", "/authx", "/admin", "/", "/v1x", "/bucket/key",
                           "/openapi.json/x", "/healthz/x",
                           "/metricsx", "/%76%31"}) {
    EXPECT_EQ(get(server_, path).body, "s3 " + std::string(path));
  }
}

TEST_F(RouterTest, HostsOfBucketsHaveAllPathsForThemselves) {
  for (const char* path : {"/v1", "/healthz", "/metrics", "/openapi.json"}) {
    EXPECT_EQ(get(server_, path, "", "bucket.s3.test").body, "s3 " + std::string(path));
    EXPECT_EQ(get(server_, path, "", "b.S3.Test:9440").body, "s3 " + std::string(path));
    EXPECT_NE(get(server_, path, "", "s3.test").body, "s3 " + std::string(path));
    EXPECT_NE(get(server_, path, "", "xs3.test").body, "s3 " + std::string(path));
  }
}

TEST_F(RouterTest, CallsOfTheDnanexusApiAreTold) {
  const auto post = [&](const std::string& path, const std::string& host = "test") {
    return TestClient(server_.port())
        .ask("POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 0\r\n\r\n")
        .body;
  };
  const std::string digits(24, '0');
  for (const std::string& path :
       {std::string("/system/whoami"), std::string("/file/new"), "/file-" + digits + "/close",
        "/project-" + digits + "/clone", std::string("/user-alice/describe"),
        std::string("/org-x/describe"), "/container-" + digits + "/listFolder"}) {
    EXPECT_EQ(post(path), "dnanexus " + path);
    EXPECT_EQ(get(server_, path).body, "s3 " + path);
    EXPECT_EQ(post(path + "?uploads").substr(0, 3), "s3 ");
    EXPECT_EQ(post(path, "bucket.s3.test"), "s3 " + path);
  }
  for (const char* path : {"/files/new", "/file", "/file/", "/file/new/more", "/filenew/x"}) {
    EXPECT_EQ(post(path), "s3 " + std::string(path));
  }
  EXPECT_EQ(get(server_, "/v1/transfers/token/name").body, "dnanexus /v1/transfers/token/name");
}

TEST_F(RouterTest, HealthNeedsNoCredentialsAndSaysLittle) {
  const Answer answer = get(server_, "/healthz");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "ok\n");
  EXPECT_EQ(TestClient(server_.port()).ask("PUT /healthz HTTP/1.1\r\nHost: t\r\n\r\n").status, 405);
}

TEST_F(RouterTest, ReadinessIsTheStores) {
  EXPECT_EQ(get(server_, "/readyz").status, 200);
  ready_ = Error(ErrorCode::kOutOfSpace, "the disk /srv is full");
  const Answer answer = get(server_, "/readyz");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body.find("/srv"), std::string::npos);
}

TEST_F(RouterTest, MetricsNeedAnOperatorsToken) {
  for (const char* fields : {"", "Authorization: Bearer wrong\r\n", "Authorization: Bearer \r\n",
                             "Authorization: Basic secret\r\n", "Authorization: secret\r\n"}) {
    const Answer answer = get(server_, "/metrics", fields);
    EXPECT_EQ(answer.status, 401) << fields;
    EXPECT_EQ(answer.body.find("ramet_requests"), std::string::npos);
    EXPECT_NE(answer.fields.get("www-authenticate"), "");
  }
  const Answer answer = get(server_, "/metrics", "Authorization: bearer secret\r\n");
  EXPECT_EQ(answer.status, 200);
  const auto parsed = MetricsText::parse(answer.body);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message();
}

TEST_F(RouterTest, TheOperatorsDoorHasMetricsAndNothingElse) {
  EXPECT_EQ(get(operators_, "/metrics").status, 200);
  EXPECT_EQ(get(operators_, "/healthz").status, 200);
  EXPECT_EQ(get(operators_, "/readyz").status, 200);
  EXPECT_EQ(get(operators_, "/v1").status, 404);
  EXPECT_EQ(get(operators_, "/bucket/key").status, 404);
}

TEST_F(RouterTest, WithoutAFaceNothingIsThere) {
  NoFace none;
  Routes none_but_rest;
  none_but_rest.rest = &none;
  TestServer server(make_router(none_but_rest, workers_, metrics_));
  EXPECT_EQ(get(server, "/v1").status, 404);
  EXPECT_EQ(get(server, "/bucket").status, 404);
  EXPECT_EQ(get(server, "/metrics", "Authorization: Bearer secret\r\n").status, 401);
}

}  // namespace
}  // namespace ramet::serve::test
