// The server on the wire: framing, keep-alive, bodies, errors. Limits: server_limits_test.cc.
#include "tools/serve/server.h"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/tools/serve/test_server.h"

namespace ramet::serve::test {
namespace {

constexpr size_t kBodyMax = 64u << 20;

std::string upload(const std::string& target, const std::string& fields, const std::string& body) {
  return "PUT " + target + " HTTP/1.1\r\nHost: test\r\n" + fields + "\r\n" + body;
}

std::string sized(size_t bytes) { return "Content-Length: " + std::to_string(bytes) + "\r\n"; }

std::string pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 31 % 26);
  return text;
}

// The path as the answer.
Task<Response> tell_path(Request& request, Body& /*body*/) {
  co_return text_response(request.method + " " + request.path);
}

// The body as the answer, or why there is none.
Task<Response> echo(Request& /*request*/, Body& body) {
  const auto all = co_await read_all(body, kBodyMax);
  if (all.ok()) co_return text_response(*all);
  co_return text_response(all.error().message(), 400);
}

std::unique_ptr<BodySource> pieces(std::vector<std::string> texts) {
  auto rest = std::make_shared<std::vector<std::string>>(std::move(texts));
  return std::make_unique<FunctionSource>([rest]() -> Result<std::vector<SharedBytes>> {
    if (rest->empty()) return std::vector<SharedBytes>();
    const auto text = std::make_shared<std::string>(std::move(rest->front()));
    rest->erase(rest->begin());
    if (*text == "FAIL") return Error(ErrorCode::kCorruption, "damaged");
    return std::vector<SharedBytes>{{text, {text->data(), text->size()}}};
  });
}

Handler from_source(std::vector<std::string> texts, std::optional<uint64_t> length) {
  return [texts, length](Request&, Body&) -> Task<Response> {
    Response response = text_response("");
    response.source = pieces(texts);
    response.length = length;
    co_return response;
  };
}

TEST(ServerTest, AConnectionAnswersOneRequestAfterTheOther) {
  TestServer server(tell_path);
  TestClient client(server.port());
  for (const char* path : {"/a", "/b", "/c"}) {
    const Answer answer = client.get(path);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "GET " + std::string(path));
    EXPECT_EQ(answer.fields.get("x-request-id").size(), 16u);
    EXPECT_TRUE(parse_http_date(answer.fields.get("date"))) << answer.head;
  }
}

TEST(ServerTest, EachRequestHasAnIdOfItsOwn) {
  TestServer server(tell_path);
  TestClient client(server.port());
  const std::string first(client.get("/").fields.get("x-request-id"));
  EXPECT_NE(first, client.get("/").fields.get("x-request-id"));
}

TEST(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server(tell_path);
  TestClient client(server.port());
  std::string all;
  for (int i = 0; i < 300; ++i) {
    all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: test\r\n\r\n";
  }
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 300; ++i) EXPECT_EQ(client.answer().body, "GET /" + std::to_string(i));
}

TEST(ServerTest, PipelinedBodiesAreNotMixedUp) {
  TestServer server(echo);
  TestClient client(server.port());
  ASSERT_TRUE(client.send(upload("/", sized(3), "one") +
                          upload("/", "Transfer-Encoding: chunked\r\n", "3\r\ntwo\r\n0\r\n\r\n") +
                          upload("/", sized(0), "") + upload("/", sized(5), "three")));
  for (const char* body : {"one", "two", "", "three"}) EXPECT_EQ(client.answer().body, body);
}

TEST(ServerTest, CloseIsAsItIsAskedFor) {
  TestServer server(tell_path);
  TestClient client(server.port());
  const Answer answer = client.ask("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer.fields.get("connection"), "close");
  EXPECT_TRUE(client.is_ended());
  TestClient old(server.port());
  EXPECT_EQ(old.ask("GET / HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_TRUE(old.is_ended());
  TestClient kept(server.port());
  EXPECT_EQ(kept.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").fields.get("connection"),
            "keep-alive");
  EXPECT_EQ(kept.get("/").status, 200);
}

TEST(ServerTest, BodiesOfAnyLengthComeIn) {
  TestServer server(echo);
  TestClient client(server.port());
  for (const size_t size : {1u, 4095u, 4096u, 70'000u, 3u << 20}) {
    const std::string body = pattern(size);
    const Answer answer = client.ask(upload("/", sized(size), body));
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.body == body) << size;
  }
}

TEST(ServerTest, ChunkedBodiesComeIn) {
  TestServer server(echo);
  TestClient client(server.port());
  const std::string long_one = pattern(300'000);
  const std::string size = fmt::format("{:x}", long_one.size());
  const Answer answer = client.ask(
      upload("/", "Transfer-Encoding: chunked\r\n",
             "5;a=b\r\nhello\r\n" + size + "\r\n" + long_one +
                 "\r\n0\r\nt: x\r\n\r\n"));
  EXPECT_TRUE(answer.body == "hello" + long_one);
  EXPECT_EQ(client.ask(upload("/", sized(2), "ok")).body, "ok");
}

TEST(ServerTest, BrokenChunksAreToldAndEndTheConnection) {
  TestServer server(echo);
  TestClient client(server.port());
  const Answer answer = client.ask(
      upload("/", "Transfer-Encoding: chunked\r\n",
             "5\r\nhelloXX0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.fields.get("connection"), "close");
  EXPECT_TRUE(client.is_ended());
}

TEST(ServerTest, ContinueIsSentWhenTheBodyIsRead) {
  TestServer server(echo);
  TestClient client(server.port());
  ASSERT_TRUE(client.send(upload("/", "Expect: 100-continue\r\n" + sized(4), "")));
  EXPECT_EQ(client.answer().status, 100);
  EXPECT_EQ(client.ask("body").body, "body");
  // Who sends the body without waiting is told nothing.
  EXPECT_EQ(client.ask(upload("/", "Expect: 100-continue\r\n" + sized(4), "fast")).body, "fast");
  // An empty one is waited for, too.
  ASSERT_TRUE(client.send(upload("/", "Expect: 100-continue\r\n" + sized(0), "")));
  EXPECT_EQ(client.answer().status, 100);
  EXPECT_EQ(client.answer().status, 200);
}

TEST(ServerTest, WhoMayNotSendIsNotToldToContinue) {
  TestServer server(tell_path);
  TestClient client(server.port());
  ASSERT_TRUE(client.send(upload("/", "Expect: 100-continue\r\n" + sized(4), "")));
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.fields.get("connection"), "close");
  EXPECT_TRUE(client.is_ended());
}

TEST(ServerTest, HeadTellsTheLengthAndSendsNothing) {
  TestServer server(from_source({"abc", "def"}, 6));
  TestClient client(server.port());
  const Answer answer = client.ask("HEAD / HTTP/1.1\r\nHost: t\r\n\r\n", true);
  EXPECT_EQ(answer.fields.get("content-length"), "6");
  EXPECT_EQ(client.get("/").body, "abcdef");  // nothing of the first one's stood before
}

TEST(ServerTest, SourcesGoOutWithALengthOrInChunks) {
  TestServer known(from_source({"abc", "", "def"}, 6));
  EXPECT_EQ(TestClient(known.port()).get("/").body, "abcdef");
  TestServer sized_one(from_source({"abc", "def"}, 6));
  TestClient client(sized_one.port());
  Answer answer = client.get("/");
  EXPECT_EQ(answer.body, "abcdef");
  EXPECT_EQ(answer.fields.get("content-length"), "6");
  TestServer unknown(from_source({"abc", "def"}, std::nullopt));
  TestClient chunks(unknown.port());
  answer = chunks.get("/");
  EXPECT_EQ(answer.fields.get("transfer-encoding"), "chunked");
  EXPECT_EQ(answer.body, "abcdef");
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(chunks.get("/").body, "abcdef");
  TestClient old(unknown.port());
  EXPECT_EQ(old.ask("GET / HTTP/1.0\r\n\r\n").body, "abcdef");
}

TEST(ServerTest, EmptySourcesAreEmptyBodies) {
  TestServer known(from_source({}, 0));
  TestClient client(known.port());
  EXPECT_EQ(client.get("/").fields.get("content-length"), "0");
  TestServer unknown(from_source({}, std::nullopt));
  EXPECT_TRUE(TestClient(unknown.port()).get("/").complete);
}

TEST(ServerTest, ASourceThatFailsBeforeItsFirstByteIsA500) {
  for (const Handler& handler :
       {from_source({"FAIL"}, 100), from_source({}, 100), from_source({"too long"}, 3)}) {
    TestServer server(handler);
    TestClient client(server.port());
    const Answer answer = client.get("/");
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.body.find("damaged"), std::string::npos);
    EXPECT_EQ(client.get("/").status, 500);  // and the connection goes on
  }
}

TEST(ServerTest, ASourceThatFailsLaterCutsTheConnection) {
  for (const Handler& handler :
       {from_source({"abc", "FAIL"}, 100), from_source({"abc"}, 100),
        from_source({"abc", "FAIL"}, std::nullopt), from_source({"abc", "defg"}, 6)}) {
    TestServer server(handler);
    TestClient client(server.port());
    const Answer answer = client.get("/");
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.complete);
    EXPECT_TRUE(client.is_ended());
  }
}

TEST(ServerTest, AnExceptionIsA500WithTheIdAndNothingElse) {
  TestServer server([](Request& request, Body&) -> Task<Response> {
    if (request.path == "/throw") throw std::runtime_error("the secret inside");
    co_return text_response("fine");
  });
  TestClient client(server.port());
  const Answer answer = client.get("/throw");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.fields.get("content-type"), "application/problem+json");
  EXPECT_NE(answer.body.find(answer.fields.get("x-request-id")), std::string::npos);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  EXPECT_EQ(client.get("/").body, "fine");
}

TEST(ServerTest, FieldsThatWouldSplitAResponseAreNotSent) {
  TestServer server([](Request&, Body&) -> Task<Response> {
    Response response = text_response("body");
    response.fields.add("x-a", "1\r\nSet-Cookie: evil");
    co_return response;
  });
  const Answer answer = TestClient(server.port()).get("/");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.head.find("evil"), std::string::npos);
}

TEST(ServerTest, ASmallBodyThatIsNotReadIsThrownAway) {
  TestServer server(tell_path);
  TestClient client(server.port());
  const std::string body = pattern(500'000);
  EXPECT_EQ(client.ask(upload("/a", sized(body.size()), body)).body, "PUT /a");
  const std::string size = fmt::format("{:x}", body.size());
  EXPECT_EQ(client
                .ask(upload("/b", "Transfer-Encoding: chunked\r\n",
                            size + "\r\n" + body + "\r\n0\r\n\r\n"))
                .body,
            "PUT /b");
  EXPECT_EQ(client.get("/c").body, "GET /c");
}

TEST(ServerTest, ALongBodyThatIsNotReadEndsTheConnection) {
  TestServer server(tell_path);
  TestClient client(server.port());
  ASSERT_TRUE(client.send(upload("/a", sized(2u << 20), "begin")));
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.fields.get("connection"), "close");
  EXPECT_TRUE(client.is_ended());
}

TEST(ServerTest, RequestsThatTwoReadersWouldCutDifferentlyAreNotAnswered) {
  std::atomic<int> calls{0};
  TestServer server([&calls](Request&, Body&) -> Task<Response> {
    ++calls;
    co_return text_response("answered");
  });
  const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: t\r\n\r\n";
  for (const std::string& fields :
       {std::string("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        std::string("Content-Length: 0\r\nContent-Length: 5\r\n"),
        std::string("Transfer-Encoding: xchunked\r\n"),
        std::string("Transfer-Encoding\r\n : chunked\r\n"),
        std::string("A: b\r\n Content-Length: 5\r\n"), std::string("A: b\nContent-Length: 5\r\n"),
        std::string("A: b\r\rContent-Length: 5\r\n"), std::string("A: \0\r\n", 6)}) {
    TestClient client(server.port());
    client.send("POST / HTTP/1.1\r\nHost: t\r\n" + fields + "\r\n0\r\n\r\n" + hidden);
    const Answer answer = client.answer();
    EXPECT_TRUE(answer.status == 400 || answer.status == 501) << fields << answer.status;
    EXPECT_EQ(answer.fields.get("connection"), "close");
    EXPECT_TRUE(client.is_ended()) << fields;
  }
  EXPECT_EQ(calls, 0);
}

TEST(ServerTest, StarAndAuthorityTargetsAreRefused) {
  TestServer server(tell_path);
  EXPECT_EQ(TestClient(server.port()).ask("OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n").status, 400);
  EXPECT_EQ(TestClient(server.port()).ask("CONNECT t:1 HTTP/1.1\r\nHost: t\r\n\r\n").status, 400);
  EXPECT_EQ(TestClient(server.port()).ask("GET http://t/abs HTTP/1.1\r\nHost: t\r\n\r\n").body,
            "GET /abs");
}

TEST(ServerTest, AnUploadThatIsCutIsAnErrorForItsHandler) {
  std::atomic<int> failed{0};
  std::atomic<int> handled{0};
  TestServer server([&](Request& request, Body& body) -> Task<Response> {
    const auto all = co_await read_all(body, kBodyMax);
    if (!all.ok() && all.error().code() == ErrorCode::kIoError) ++failed;
    ++handled;
    co_return text_response(request.path);
  });
  for (const std::string& request :
       {upload("/", sized(10'000), "only this"),
        upload("/", "Transfer-Encoding: chunked\r\n", "100\r\nonly this")}) {
    TestClient client(server.port());
    ASSERT_TRUE(client.send(request));
    client.end_sending();
    EXPECT_TRUE(client.is_ended());  // no answer: it could be taken for one to all of it
  }
  server.server().stop(0);
  EXPECT_EQ(handled, 2);
  EXPECT_EQ(failed, 2);
}

// A body without end whose parts are counted while somebody holds them.
class CountedParts {
 public:
  static constexpr size_t kPartBytes = 1u << 20;

  std::unique_ptr<BodySource> source(uint64_t parts) {
    return std::make_unique<FunctionSource>(
        [this, left = parts]() mutable -> Result<std::vector<SharedBytes>> {
          if (left == 0) return std::vector<SharedBytes>();
          --left;
          ++made_;
          const int64_t now = ++alive_;
          int64_t most = most_.load();
          while (now > most && !most_.compare_exchange_weak(most, now)) {
          }
          const std::shared_ptr<const void> owner(&bytes_, [this](const void*) { --alive_; });
          return std::vector<SharedBytes>{{owner, {bytes_.data(), bytes_.size()}}};
        });
  }
  uint64_t made() const { return made_; }
  int64_t alive() const { return alive_; }
  int64_t most() const { return most_; }

 private:
  const std::string bytes_ = pattern(kPartBytes);
  std::atomic<uint64_t> made_{0};
  std::atomic<int64_t> alive_{0};
  std::atomic<int64_t> most_{0};
};

TEST(ServerTest, APeerThatDoesNotReadHoldsUpTheSource) {
  constexpr uint64_t kParts = 1024;  // 1 GiB
  CountedParts counted;
  TestServer server([&](Request&, Body&) -> Task<Response> {
    Response response;
    response.source = counted.source(kParts);
    response.length = kParts * CountedParts::kPartBytes;
    co_return response;
  });
  TestClient client(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n"));
  // Until the sockets are full: then nothing more is made, however long the peer sleeps.
  for (uint64_t before = UINT64_MAX; before != counted.made();) {
    before = counted.made();
    ::usleep(300'000);
  }
  EXPECT_LT(counted.made(), 64u);
  EXPECT_LE(counted.most(), 2);
  uint64_t received = 0;
  while (received < kParts * CountedParts::kPartBytes && client.receive()) {
    received += client.take(SIZE_MAX).size();
  }
  EXPECT_GT(received, kParts * CountedParts::kPartBytes);  // with the head
  EXPECT_EQ(counted.made(), kParts);
  EXPECT_LE(counted.most(), 2);
}

TEST(ServerTest, ADownloadThatIsCutLetsGoOfItsSource) {
  CountedParts counted;
  TestServer server([&](Request&, Body&) -> Task<Response> {
    Response response;
    response.source = counted.source(UINT64_MAX);
    co_return response;
  });
  TestClient client(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n"));
  ASSERT_TRUE(client.receive_at_least(5u << 20));
  client.close();
  while (server.server().connections() > 0) ::usleep(1000);
  EXPECT_EQ(counted.alive(), 0);
}

// Set when a coroutine's frame goes.
struct Gone {
  std::atomic<bool>& flag;
  ~Gone() { flag = true; }
};

Task<void> sleep_for(std::chrono::milliseconds time) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, time);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

TEST(ServerTest, AHandlerIsCancelledWhenItsPeerHasGone) {
  std::atomic<bool> begun{false};
  std::atomic<bool> gone{false};
  TestServer server([&](Request&, Body&) -> Task<Response> {
    const Gone mark{gone};
    begun = true;
    for (;;) co_await sleep_for(std::chrono::hours(1));
  });
  TestClient client(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n"));
  while (!begun) ::usleep(1000);
  client.close();
  while (!gone) ::usleep(1000);
  while (server.server().connections() > 0) ::usleep(1000);
}

TEST(ServerTest, StoppingAnswersWhatRunsAndEndsWhatIsIdle) {
  std::atomic<bool> begun{false};
  std::atomic<bool> go_on{false};
  TestServer server([&](Request&, Body&) -> Task<Response> {
    begun = true;
    while (!go_on) co_await sleep_for(std::chrono::milliseconds(5));
    co_return text_response("answered");
  });
  TestClient idle(server.port());
  TestClient busy(server.port());
  ASSERT_TRUE(busy.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n"));
  while (!begun) ::usleep(1000);
  std::thread stopping([&] { EXPECT_TRUE(server.server().stop(60'000'000'000)); });
  EXPECT_TRUE(idle.is_ended());
  go_on = true;
  const Answer answer = busy.answer();
  EXPECT_EQ(answer.body, "answered");
  EXPECT_EQ(answer.fields.get("connection"), "close");
  EXPECT_TRUE(busy.is_ended());
  stopping.join();
  EXPECT_FALSE(connect_to({"127.0.0.1", server.port(), ""}).ok());
}

TEST(ServerTest, StoppingWithoutGraceCutsWhatRuns) {
  std::atomic<bool> begun{false};
  std::atomic<bool> gone{false};
  TestServer server([&](Request&, Body&) -> Task<Response> {
    const Gone mark{gone};
    begun = true;
    for (;;) co_await sleep_for(std::chrono::hours(1));
  });
  TestClient client(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n"));
  while (!begun) ::usleep(1000);
  EXPECT_FALSE(server.server().stop(0));
  EXPECT_TRUE(gone);
  EXPECT_TRUE(client.is_ended());
}

TEST(ServerTest, RequestsAreCountedByOperationAndStatus) {
  TestServer server(tell_path);
  {
    TestClient client(server.port());
    client.get("/");
    client.get("/");
    client.ask(upload("/", sized(4), "body"));
    client.ask("nonsense\r\n\r\n");
  }
  while (server.server().connections() > 0) ::usleep(1000);
  EXPECT_EQ(server.metric("ramet_requests_total{face=\"test\",operation=\"Text\",status=\"200\"}"),
            3);
  EXPECT_EQ(server.metric(
                "ramet_requests_total{face=\"server\",operation=\"Refuse\",status=\"400\"}"),
            1);
  EXPECT_EQ(server.metric("ramet_request_seconds_count{face=\"test\",operation=\"Text\"}"), 3);
  EXPECT_EQ(server.metric("ramet_response_bytes_total{face=\"test\",operation=\"Text\"}"), 15);
  EXPECT_EQ(server.metric("ramet_connections"), 0);
  EXPECT_EQ(server.metric("ramet_connections_total"), 1);
}

}  // namespace
}  // namespace ramet::serve::test
