// Goal: answers that are kept are handed out for the state and the caller they were made for, as
// long as there is room for them.
#include "tools/serve/answer_cache.h"

#include <gtest/gtest.h>

#include "tests/tools/serve/rest_fixture.h"

namespace ramet::serve::test {
namespace {

Response make(std::string body, const std::string& part = {}) {
  Response response;
  response.fields.add("ETag", "\"1\"");
  response.length = body.size() + part.size();
  response.operation = "test.Get";
  response.body = std::move(body);
  if (!part.empty()) {
    const auto owner = std::make_shared<const std::string>(part);
    response.parts.push_back({owner, *owner});
  }
  return response;
}

std::string text_of(const std::optional<Response>& response) {
  if (!response) return "(none)";
  std::string text = response->body;
  for (const SharedBytes& part : response->parts) text += part.bytes;
  return text;
}

class NoSource : public BodySource {
  Task<Result<std::vector<SharedBytes>>> next() override {
    co_return std::vector<SharedBytes>();
  }
};

TEST(AnswerCacheTest, HandsOutWhatWasPutForThisKeyAndState) {
  AnswerCache cache(1 << 20);
  const StateStamp now{7, 3};
  EXPECT_EQ(text_of(cache.find("k", now)), "(none)");
  cache.put("k", now, make("ab", "cd"));
  const auto found = cache.find("k", now);
  EXPECT_EQ(text_of(found), "abcd");
  EXPECT_EQ(found->length, 4u);
  EXPECT_EQ(found->fields.get("etag"), "\"1\"");
  EXPECT_EQ(found->operation, "test.Get");
  EXPECT_EQ(text_of(cache.find("K", now)), "(none)");
  EXPECT_EQ(text_of(cache.find("k", {8, 3})), "(none)");
  EXPECT_EQ(text_of(cache.find("k", {7, 4})), "(none)");
  cache.put("k", {8, 3}, make("new"));
  EXPECT_EQ(text_of(cache.find("k", {8, 3})), "new");
  EXPECT_EQ(text_of(cache.find("k", now)), "(none)");
  EXPECT_EQ(text_of(found), "abcd");  // who has it keeps it
}

TEST(AnswerCacheTest, KeepsNothingThatIsNotWholeOrSmall) {
  AnswerCache cache(4 << 20);
  const StateStamp now{1, 1};
  Response more = make("ab");
  more.source = std::make_unique<NoSource>();
  cache.put("k", now, more);
  cache.put("l", now, make(std::string(AnswerCache::kBodyBytesMax + 1, 'x')));
  EXPECT_EQ(text_of(cache.find("k", now)), "(none)");
  EXPECT_EQ(text_of(cache.find("l", now)), "(none)");
}

TEST(AnswerCacheTest, ThoseAskedForLeastRecentlyGoFirst) {
  AnswerCache cache(1 << 20);  // 64 KiB for each of 16 parts
  const StateStamp now{1, 1};
  cache.put("hot", now, make(std::string(8 << 10, 'h')));
  size_t left = 0;
  for (int i = 0; i < 1000; ++i) {
    cache.put("k" + std::to_string(i), now, make(std::string(8 << 10, 'x')));
    ASSERT_EQ(text_of(cache.find("hot", now)).size(), 8u << 10) << i;
  }
  for (int i = 0; i < 1000; ++i) left += cache.find("k" + std::to_string(i), now) ? 1 : 0;
  EXPECT_GT(left, 16u * 4);
  EXPECT_LE(left, (1u << 20) / (8u << 10));
}

TEST_F(RestTest, WhatWasAnsweredBeforeIsAnsweredNoMoreOnceItChanged) {
  make("c");
  const std::string url = "/v1/containers/c/content/k";
  ASSERT_EQ(put(url, "one").status, 201);
  const std::string ada = make_user("ada");
  const ContainerId id = store_->container(std::string("c"))->id;
  const auto grant = [&](AccessLevel level) {
    ASSERT_TRUE(store_->access().set_grant(id, id_of("ada"), level).ok());
  };
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(get(url).body, "one");
    EXPECT_EQ(send(ada, "GET", url).status, 404);
    grant(AccessLevel::kView);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(send(ada, "GET", url).body, "one");
    EXPECT_EQ(send(ada, "HEAD", url).body, "");
    EXPECT_EQ(send(ada, "GET", url, "", {{"Range", "bytes=1-1"}}).body, "n");
    EXPECT_EQ(send(ada, "GET", url, "", {{"If-None-Match", "*"}}).status, 304);
    EXPECT_EQ(send(ada, "GET", url).body, "one");
    grant(AccessLevel::kNone);
  }
  grant(AccessLevel::kView);
  EXPECT_EQ(send(ada, "GET", url).body, "one");
  Principal other = *store_->access().principal("ada");
  other.disabled = true;
  ASSERT_TRUE(store_->access().update_principal(other).ok());
  EXPECT_EQ(send(ada, "GET", url).status, 401);
  ASSERT_EQ(put(url, "two").status, 200);
  EXPECT_EQ(get(url).body, "two");
  ASSERT_EQ(patch("/v1/containers/c", {{"name", "d"}}).status, 200);
  EXPECT_EQ(get(url).status, 404);
  EXPECT_EQ(get("/v1/containers/d/content/k").body, "two");
  ASSERT_EQ(remove("/v1/containers/d/objects/k").status, 204);
  EXPECT_EQ(get("/v1/containers/d/content/k").status, 404);
}

TEST_F(RestTest, AnswersOfOneSecretAreNotThoseOfAnotherOfTheSamePrincipal) {
  make("c");
  make("d");
  const std::string url = "/v1/containers/c/content/k";
  ASSERT_EQ(put(url, "one").status, 201);
  Scope scope;
  scope.containers = {store_->container(std::string("d"))->id};
  const auto confined =
      store_->access().create_token(id_of("root"), "confined", scope, 0);
  ASSERT_TRUE(confined.ok());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(get(url).body, "one");
    EXPECT_EQ(send(confined->secret, "GET", url).status, 404);
  }
}

}  // namespace
}  // namespace ramet::serve::test
