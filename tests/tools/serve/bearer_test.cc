// Goal: a request's credentials lead to who asks, wrong ones are slowed down and logged, and none
// of them is repeated anywhere. Method: requests made by hand, a store on a simulated disk.
#include "tools/serve/bearer.h"

#include <gtest/gtest.h>

#include "engine/no_wait.h"
#include "engine/store.h"
#include "io/env_sim.h"

namespace ramet::serve {
namespace {

TEST(BearerToken, IsTakenFromBothKindsOfCredentials) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bearer   abc"), "abc");
  EXPECT_EQ(bearer_token("Basic dXNlcjphYmM="), "abc");     // user:abc
  EXPECT_EQ(bearer_token("BASIC dXNlcjphYmM"), "abc");
  EXPECT_EQ(bearer_token("Basic OmE6Yg=="), "a:b");         // :a:b
  for (const char* none : {"", "Bearer", "Bearer ", "Basic", "Basic !!!!", "Basic dXNlcg==",
                           "Digest abc", "AWS4-HMAC-SHA256 Credential=x", "abc"}) {
    EXPECT_EQ(bearer_token(none), "") << none;
  }
  EXPECT_EQ(bearer_token("Bearer " + std::string(10'000, 'x')), "");
}

class BearerTest : public testing::Test {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.env = std::make_shared<io::SimEnv>(3);
    options.background = false;
    options.ballast_bytes = 1 << 20;
    ASSERT_TRUE(Store::create("/store", options).ok());
    store_ = std::move(*Store::open("/store", options));
    Principal alice;
    alice.name = "alice";
    const auto made = store_->access().create_principal(alice);
    ASSERT_TRUE(made.ok());
    secret_ = store_->access().create_token(made->id, "", {}, 0)->secret;
    LoginLimits limits;
    limits.failures = 2;
    limiter_ = std::make_unique<LoginLimiter>(limits, [this] { return now_; });
    failed_ = std::make_unique<FailedLogins>(store_->access());
    bearer_ = std::make_unique<BearerAuthenticator>(store_->access(), *limiter_, *failed_);
  }
  static Request request(const std::string& token, const std::string& peer = "192.0.2.1") {
    Request out;
    out.peer = peer;
    if (!token.empty()) out.fields.add("Authorization", "Bearer " + token);
    return out;
  }
  static std::string wrong() { return "rmt_" + std::string(43, 'A'); }
  ErrorCode refused(const Request& request) {
    const auto caller = bearer_->authenticate(request);
    EXPECT_FALSE(caller.ok());
    if (caller.ok()) return ErrorCode::kNotFound;
    EXPECT_EQ(caller.error().message().find("AAAA"), std::string::npos);
    return caller.error().code();
  }
  std::vector<AuditEntry> logged() {
    std::vector<AuditEntry> out;
    EXPECT_TRUE(store_->access().audit_log(0, [&](const AuditEntry& entry) {
                                  if (entry.action == "login.failed") out.push_back(entry);
                                  return true;
                                }).ok());
    return out;
  }

  uint64_t now_ = 1'000'000'000'000;
  std::unique_ptr<Store> store_;
  std::string secret_;
  std::unique_ptr<LoginLimiter> limiter_;
  std::unique_ptr<FailedLogins> failed_;
  std::unique_ptr<BearerAuthenticator> bearer_;
};

TEST_F(BearerTest, TheRightTokenIsWhoItBelongsTo) {
  const auto caller = bearer_->authenticate(request(secret_));
  ASSERT_TRUE(caller.ok()) << caller.error().to_string();
  EXPECT_EQ(caller->principal.name, "alice");
  const NoWaitScope no_wait;  // as on a connection's thread
  EXPECT_TRUE(bearer_->authenticate(request(secret_)).ok());
}

TEST_F(BearerTest, RequestsWithoutCredentialsAreRefusedAndNotCounted) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(refused(request("")), ErrorCode::kPermissionDenied);
  }
  EXPECT_EQ(limiter_->entries(), 0u);
  EXPECT_TRUE(failed_->write().ok());
  EXPECT_TRUE(logged().empty());
}

TEST_F(BearerTest, WrongOnesAreSlowedDownAndLoggedOnceForEachAddress) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(refused(request(wrong())), ErrorCode::kPermissionDenied);
  }
  EXPECT_EQ(refused(request(wrong())), ErrorCode::kBusy);
  EXPECT_EQ(bearer_->retry_after(request(wrong())), 1u);
  EXPECT_EQ(refused(request(secret_)), ErrorCode::kBusy);  // also the right one, from there
  EXPECT_TRUE(bearer_->authenticate(request(secret_, "192.0.2.2")).ok());
  EXPECT_EQ(bearer_->retry_after(request(secret_, "192.0.2.2")), 0u);
  now_ += 1'000'000'000;
  EXPECT_TRUE(bearer_->authenticate(request(secret_)).ok());
  EXPECT_TRUE(logged().empty());  // nothing waits for the disk meanwhile
  EXPECT_TRUE(failed_->write().ok());
  EXPECT_TRUE(failed_->write().ok());
  const auto entries = logged();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].from, "192.0.2.1");
  EXPECT_EQ(entries[0].detail, "3 times");
  EXPECT_EQ(entries[0].target.find("AAAA"), std::string::npos);
}

TEST_F(BearerTest, ManyAddressesMakeFewEntries) {
  for (int i = 0; i < 1000; ++i) failed_->note("192.0.2." + std::to_string(i), "");
  EXPECT_TRUE(failed_->write().ok());
  const auto entries = logged();
  ASSERT_EQ(entries.size(), 257u);
  EXPECT_EQ(entries.back().detail, "744 times, from other addresses");
}

}  // namespace
}  // namespace ramet::serve
