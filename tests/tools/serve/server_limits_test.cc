// What the server refuses or cuts: too long, too slow, too many. Deadlines are short here, so that
// the test need not wait; that they are not missed is all that is asked for.
#include <sys/resource.h>

#include <atomic>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/tools/serve/test_server.h"

namespace ramet::serve::test {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

Task<Response> fine(Request& /*request*/, Body& /*body*/) { co_return text_response("fine"); }

Task<Response> take_all(Request& /*request*/, Body& body) {
  const auto all = co_await read_all(body, 64u << 20);
  if (all.ok()) co_return text_response(std::to_string(all->size()));
  co_return text_response(all.error().message(), 413);
}

std::string cuts(const std::string& why) {
  return "ramet_connections_cut_total{reason=\"" + why + "\"}";
}

TEST(ServerLimits, AHeaderThatComesByDropsIsCut) {
  ServerLimits limits = test_limits();
  limits.header_timeout = 200 * kMillisecond;
  TestServer server(fine, limits);
  TestClient client(server.port());
  client.send("GET / HTTP/1.1\r\n");
  // Each byte is in time; together they are not.
  while (client.send("x")) ::usleep(20'000);
  EXPECT_TRUE(client.is_ended());
  EXPECT_EQ(server.metric(cuts("header")), 1);
}

TEST(ServerLimits, AnIdleConnectionIsEnded) {
  ServerLimits limits = test_limits();
  limits.idle_timeout = 100 * kMillisecond;
  TestServer server(fine, limits);
  TestClient silent(server.port());
  EXPECT_TRUE(silent.is_ended());
  TestClient asked_once(server.port());
  EXPECT_EQ(asked_once.get("/").body, "fine");
  EXPECT_TRUE(asked_once.is_ended());
  EXPECT_EQ(server.metric(cuts("idle")), 2);
}

TEST(ServerLimits, ABodyThatStandsStillIsCut) {
  ServerLimits limits = test_limits();
  limits.stall_timeout = 100 * kMillisecond;
  TestServer server(take_all, limits);
  TestClient client(server.port());
  client.send("PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nsome");
  EXPECT_TRUE(client.is_ended());
  EXPECT_EQ(server.metric(cuts("slow")), 1);
}

TEST(ServerLimits, ABodyThatComesByDropsIsCut) {
  ServerLimits limits = test_limits();
  limits.rate_min = 1u << 20;
  limits.rate_grace = 200 * kMillisecond;
  TestServer server(take_all, limits);
  TestClient client(server.port());
  client.send("PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n");
  while (client.send("x")) ::usleep(20'000);
  EXPECT_TRUE(client.is_ended());
  EXPECT_EQ(server.metric(cuts("slow")), 1);
}

TEST(ServerLimits, APeerThatDoesNotReadIsCut) {
  ServerLimits limits = test_limits();
  limits.stall_timeout = 200 * kMillisecond;
  TestServer server(
      [](Request&, Body&) -> Task<Response> {
        co_return text_response(std::string(64u << 20, 'x'));
      },
      limits);
  TestClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  while (server.metric(cuts("slow")) != 1) ::usleep(1000);
  EXPECT_FALSE(client.answer().complete);
}

TEST(ServerLimits, AHeaderOfAGigabyteIsRefusedEarly) {
  TestServer server(fine);
  TestClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: t\r\nx-long: ");
  const std::string piece(64u << 10, 'x');
  uint64_t sent = 0;
  char byte = 0;
  while (sent < 1u << 30 && ::recv(client.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0 &&
         client.send(piece)) {
    sent += piece.size();
  }
  EXPECT_LT(sent, 256u << 20);
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 431);
  EXPECT_EQ(answer.fields.get("connection"), "close");
}

TEST(ServerLimits, LongTargetsAndManyFieldsAreRefused) {
  TestServer server(fine);
  EXPECT_EQ(TestClient(server.port()).get("/" + std::string(20'000, 'x')).status, 414);
  std::string fields;
  for (int i = 0; i < 300; ++i) fields += "x-" + std::to_string(i) + ": v\r\n";
  EXPECT_EQ(
      TestClient(server.port()).ask("GET / HTTP/1.1\r\nHost: t\r\n" + fields + "\r\n").status, 431);
}

TEST(ServerLimits, BodiesLongerThanAllowedAreRefused) {
  ServerLimits limits = test_limits();
  limits.body_bytes_max = 1000;
  TestServer server(take_all, limits);
  TestClient client(server.port());
  EXPECT_EQ(client.ask("PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\n\r\n").status, 413);
  EXPECT_TRUE(client.is_ended());
  TestClient chunked(server.port());
  const Answer answer =
      chunked.ask("PUT / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                  std::string(1001, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(answer.status, 413);
  EXPECT_TRUE(chunked.is_ended());
  TestClient exact(server.port());
  EXPECT_EQ(exact.ask("PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n" +
                      std::string(1000, 'x'))
                .body,
            "1000");
}

TEST(ServerLimits, EndlessLinesBeforeChunksAreRefused) {
  TestServer server(take_all);
  TestClient client(server.port());
  client.send("PUT / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5;");
  client.send(std::string(200'000, 'x'));
  EXPECT_EQ(client.answer().status, 413);
}

TEST(ServerLimits, TooManyConnectionsAreToldSo) {
  ServerLimits limits = test_limits();
  limits.connections_max = 2;
  TestServer server(fine, limits);
  TestClient first(server.port());
  EXPECT_EQ(first.get("/").status, 200);
  TestClient second(server.port());
  EXPECT_EQ(second.get("/").status, 200);
  TestClient third(server.port());
  const Answer answer = third.answer();
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(third.is_ended());
  first.close();
  while (server.server().connections() > 1) ::usleep(1000);
  EXPECT_EQ(TestClient(server.port()).get("/").status, 200);
  EXPECT_EQ(server.metric("ramet_connections_refused_total"), 1);
}

TEST(ServerLimits, TenThousandIdleConnectionsAreKeptAndOthersAnswered) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  // Both ends are of this process.
  const size_t count = std::min<size_t>(10'000, (files.rlim_cur - 200) / 2);
  TestServer server(fine);
  std::vector<TestClient> idle;
  idle.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    idle.emplace_back(server.port());
    ASSERT_GE(idle.back().fd(), 0) << i;
  }
  while (server.server().connections() < count) ::usleep(1000);
  TestClient busy(server.port());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(busy.get("/").body, "fine");
  for (const size_t i : {size_t{0}, count / 2, count - 1}) {
    EXPECT_EQ(idle[i].get("/").body, "fine") << i;
  }
  EXPECT_TRUE(server.server().stop(60'000 * kMillisecond));
  EXPECT_TRUE(idle[1].is_ended());
}

}  // namespace
}  // namespace ramet::serve::test
