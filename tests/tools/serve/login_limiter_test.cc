// Goal: whoever fails often waits, longer each time, and nobody else does. Method: a clock that the
// tests set.
#include "tools/serve/login_limiter.h"

#include <gtest/gtest.h>

namespace ramet::serve {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

class LoginLimiterTest : public testing::Test {
 protected:
  static LoginLimits limits() {
    LoginLimits limits;
    limits.failures = 3;
    limits.refill = 10 * kSecond;
    limits.wait_first = kSecond;
    limits.wait_max = 8 * kSecond;
    limits.entries_max = 100;
    return limits;
  }
  uint64_t wait(const std::string& peer, const std::string& credential = {}) {
    return limiter_.must_wait(peer, credential).value_or(0);
  }
  void fail(int times, const std::string& peer, const std::string& credential = {}) {
    for (int i = 0; i < times; ++i) limiter_.failed(peer, credential);
  }

  uint64_t now_ = 1000 * kSecond;
  LoginLimiter limiter_{limits(), [this] { return now_; }};
};

TEST_F(LoginLimiterTest, AFewFailuresAreFree) {
  fail(3, "192.0.2.1");
  EXPECT_EQ(wait("192.0.2.1"), 0u);
  fail(1, "192.0.2.1");
  EXPECT_EQ(wait("192.0.2.1"), kSecond);
  EXPECT_EQ(wait("192.0.2.2"), 0u);
}

TEST_F(LoginLimiterTest, EachFurtherFailureWaitsTwiceAsLongUpToALimit) {
  fail(3, "192.0.2.1");
  for (const uint64_t expected : {1, 2, 4, 8, 8, 8}) {
    fail(1, "192.0.2.1");
    EXPECT_EQ(wait("192.0.2.1"), expected * kSecond);
  }
  now_ += 8 * kSecond - 1;
  EXPECT_EQ(wait("192.0.2.1"), 1u);
  now_ += 1;
  EXPECT_EQ(wait("192.0.2.1"), 0u);
}

TEST_F(LoginLimiterTest, TriesComeBackAndAllIsForgottenInTheEnd) {
  fail(4, "192.0.2.1");
  now_ += 10 * kSecond;  // one try
  fail(1, "192.0.2.1");
  EXPECT_EQ(wait("192.0.2.1"), 0u);
  fail(1, "192.0.2.1");
  EXPECT_EQ(wait("192.0.2.1"), 2 * kSecond);
  now_ += 40 * kSecond;
  fail(3, "192.0.2.1");
  EXPECT_EQ(wait("192.0.2.1"), 0u);
  fail(1, "192.0.2.1");
  EXPECT_EQ(wait("192.0.2.1"), kSecond);
}

TEST_F(LoginLimiterTest, ACredentialIsSlowedDownFromAllAddresses) {
  for (int i = 0; i < 4; ++i) limiter_.failed("192.0.2." + std::to_string(i), "KEY");
  EXPECT_EQ(wait("198.51.100.1", "KEY"), kSecond);
  EXPECT_EQ(wait("198.51.100.1", "OTHER"), 0u);
  EXPECT_EQ(wait("192.0.2.1"), 0u);
}

TEST_F(LoginLimiterTest, WhoWasRightBeforeGoesOnWhileOthersFail) {
  limiter_.succeeded("192.0.2.1", "mine");
  fail(10, "192.0.2.1", "theirs");  // behind the same address
  EXPECT_GT(wait("192.0.2.1", "theirs"), 0u);
  EXPECT_GT(wait("192.0.2.1", "new"), 0u);
  EXPECT_EQ(wait("192.0.2.1", "mine"), 0u);
  fail(10, "198.51.100.1", "mine");  // the same id from elsewhere
  EXPECT_GT(wait("198.51.100.1", "mine"), 0u);
  EXPECT_EQ(wait("192.0.2.1", "mine"), 0u);
  fail(1, "192.0.2.1", "mine");
  EXPECT_GT(wait("192.0.2.1", "mine"), 0u);
}

TEST_F(LoginLimiterTest, AddressesOfOneNetworkCountAsOne) {
  EXPECT_EQ(limited_as("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(limited_as("2001:db8:1:2::9"), limited_as("2001:db8:1:2:3:4:5:6"));
  EXPECT_NE(limited_as("2001:db8:1:3::9"), limited_as("2001:db8:1:2::9"));
  EXPECT_EQ(limited_as("::ffff:192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(limited_as("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(limited_as("local"), "local");
  for (int i = 0; i < 4; ++i) limiter_.failed("2001:db8::" + std::to_string(i + 1), "");
  EXPECT_GT(wait("2001:db8::ff"), 0u);
}

TEST_F(LoginLimiterTest, MemoryIsBoundedAndTheLatestStay) {
  for (int i = 0; i < 10'000; ++i) {
    limiter_.failed("192.0.2." + std::to_string(i), "KEY" + std::to_string(i));
  }
  EXPECT_EQ(limiter_.entries(), 200u);
  fail(4, "192.0.2.9999");
  EXPECT_GT(wait("192.0.2.9999"), 0u);
}

TEST_F(LoginLimiterTest, ExtremeLimitsDoNotOverflow) {
  LoginLimits extreme;
  extreme.failures = 0;
  extreme.refill = 0;
  extreme.wait_first = 1;
  extreme.wait_max = UINT64_MAX / 4;
  extreme.entries_max = 0;
  LoginLimiter limiter(extreme, [this] { return now_; });
  for (int i = 0; i < 200; ++i) limiter.failed("a", "");
  EXPECT_EQ(limiter.must_wait("a", ""), 1u);  // (none is left of none: each begins anew)
}

}  // namespace
}  // namespace ramet::serve
