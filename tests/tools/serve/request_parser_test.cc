// The request parser: what it takes, and everything by which requests could be smuggled.
#include "tools/serve/request_parser.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ramet::serve {
namespace {

struct Parsed {
  Refusal refusal;
  Request request;
  bool keep_alive = false, chunked = false;
};

Parsed parse(const std::string& text, const ParserLimits& limits = {}) {
  Parsed parsed;
  HeaderScan scan;
  const auto found = scan.look(text);
  if (found != HeaderScan::Found::kEnd) {
    parsed.refusal = {found == HeaderScan::Found::kBroken ? 400 : -1, "scan"};
    return parsed;
  }
  RequestParser parser(limits);
  parsed.refusal = parser.parse(std::string_view(text).substr(0, scan.length()), parsed.request);
  parsed.keep_alive = parser.keep_alive();
  parsed.chunked = parser.chunked();
  return parsed;
}

std::string get(const std::string& target, const std::string& fields = "Host: h\r\n") {
  return "GET " + target + " HTTP/1.1\r\n" + fields + "\r\n";
}

TEST(RequestParser, PathAndQueryStayAsTheyWereSent) {
  const Parsed parsed = parse(get("/a%20b/../c?x=%41&y=?"));
  ASSERT_FALSE(parsed.refusal) << parsed.refusal.why;
  EXPECT_EQ(parsed.request.method, "GET");
  EXPECT_EQ(parsed.request.path, "/a%20b/../c");
  EXPECT_EQ(parsed.request.query, "x=%41&y=?");
  EXPECT_EQ(parsed.request.host(), "h");
  EXPECT_TRUE(parsed.keep_alive);
}

TEST(RequestParser, AbsoluteTargetsGoBeforeTheHostField) {
  Parsed parsed = parse(get("http://bucket.test:80/key?a", "Host: other\r\n"));
  ASSERT_FALSE(parsed.refusal) << parsed.refusal.why;
  EXPECT_EQ(parsed.request.host(), "bucket.test:80");
  EXPECT_EQ(parsed.request.path, "/key");
  EXPECT_EQ(parsed.request.query, "a");
  parsed = parse(get("HTTPS://h?q"));
  EXPECT_EQ(parsed.request.path, "/");
  EXPECT_EQ(parsed.request.query, "q");
}

TEST(RequestParser, ValuesLoseTheWhiteSpaceAroundThem) {
  const Parsed parsed = parse(get("/", "Host: h\r\nx-a: \t b c \t\r\nX-Empty:\r\n"));
  ASSERT_FALSE(parsed.refusal) << parsed.refusal.why;
  EXPECT_EQ(parsed.request.fields.get("X-A"), "b c");
  EXPECT_EQ(parsed.request.fields.find("x-empty"), "");
}

TEST(RequestParser, OtherTargetsAreRefused) {
  for (const char* target : {"*", "h:80", "a/b", "ftp://h/", "http://", "http:///a", "/a#b",
                             "http://u@h/"}) {
    EXPECT_EQ(parse(get(target)).refusal.status, 400) << target;
  }
  EXPECT_EQ(parse("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n").refusal.status, 400);
}

TEST(RequestParser, BodiesHaveOneFraming) {
  struct Case {
    const char* fields;
    int status;
  };
  for (const Case& c : {Case{"Content-Length: 5\r\n", 0},
                        {"Transfer-Encoding: chunked\r\n", 0},
                        {"Transfer-Encoding: CHUNKED\r\n", 0},
                        {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
                        {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
                        {"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
                        {"Content-Length: 5\r\nContent-Length: 6\r\n", 400},
                        {"Content-Length: 5, 5\r\n", 400},
                        {"Content-Length: +5\r\n", 400},
                        {"Content-Length: -5\r\n", 400},
                        {"Content-Length: 0x5\r\n", 400},
                        {"Content-Length: 5 5\r\n", 400},
                        {"Content-Length:\r\n", 400},
                        {"Content-Length: 99999999999999999999999\r\n", 400},
                        {"Content-Length : 5\r\n", 400},
                        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
                        {"Transfer-Encoding : chunked\r\n", 400},
                        {"Transfer-Encoding: identity, chunked\r\n", 501},
                        {"Transfer-Encoding: xchunked\r\n", 501},
                        {"Transfer-Encoding: gzip\r\n", 501},
                        {"Transfer-Encoding:\r\n", 501}}) {
    const Parsed parsed =
        parse("POST / HTTP/1.1\r\nHost: h\r\n" + std::string(c.fields) + "\r\n");
    if (c.status == 501) {  // (a 400 is as good: what matters is that it is refused)
      EXPECT_TRUE(parsed.refusal.status == 501 || parsed.refusal.status == 400) << c.fields;
    } else {
      EXPECT_EQ(parsed.refusal.status, c.status) << c.fields << parsed.refusal.why;
    }
  }
  EXPECT_EQ(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").refusal.status, 400);
}

TEST(RequestParser, BrokenHeadersAreRefused) {
  for (const std::string& text :
       {std::string("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n"),   // obs-fold
        std::string("GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n"),      // a CR alone
        std::string("GET / HTTP/1.1\r\nHost: h\r\nA: b\nc: d\r\n\r\n"),   // an LF alone
        std::string("GET / HTTP/1.1\nHost: h\n\n"),
        std::string("GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n", 35),  // NUL
        std::string("GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: h\r\n: empty\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: h\r\na b: c\r\n\r\n"),
        std::string("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
        std::string("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"),
        std::string("GE(T / HTTP/1.1\r\nHost: h\r\n\r\n"),
        std::string("GET /\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\n\r\n"),                            // no Host
        std::string("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", 11)}) {  // TLS
    EXPECT_EQ(parse(text).refusal.status, 400) << ::testing::PrintToString(text);
  }
  for (const char* version : {"HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.1"}) {
    const int status =
        parse("GET / " + std::string(version) + "\r\nHost: h\r\n\r\n").refusal.status;
    EXPECT_TRUE(status == 505 || status == 400) << version << " " << status;
  }
}

TEST(RequestParser, LimitsAreKept) {
  const ParserLimits limits{3, 10};
  EXPECT_EQ(parse(get("/", "Host: h\r\na: 1\r\nb: 2\r\n"), limits).refusal.status, 0);
  EXPECT_EQ(parse(get("/", "Host: h\r\na: 1\r\nb: 2\r\nc: 3\r\n"), limits).refusal.status, 431);
  EXPECT_EQ(parse(get("/123456789"), limits).refusal.status, 0);
  EXPECT_EQ(parse(get("/1234567890"), limits).refusal.status, 414);
}

TEST(RequestParser, ConnectionsGoOnByVersion) {
  EXPECT_FALSE(parse(get("/", "Host: h\r\nConnection: close\r\n")).keep_alive);
  EXPECT_FALSE(parse(get("/", "Host: h\r\nConnection: x, Close\r\n")).keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

TEST(RequestParser, ContinueIsExpectedWhereABodyIsAnnounced) {
  const auto expects = [](const char* fields) {
    return parse("PUT / HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n");
  };
  EXPECT_TRUE(
      expects("Expect: 100-Continue\r\nContent-Length: 1\r\n").request.expects_continue);
  EXPECT_TRUE(
      expects("Expect: 100-continue\r\nContent-Length: 0\r\n").request.expects_continue);
  EXPECT_FALSE(expects("Expect: 100-continue\r\n").request.expects_continue);
  EXPECT_EQ(expects("Expect: more\r\nContent-Length: 1\r\n").refusal.status, 417);
}

// Wherever the bytes are cut, the header is found at the same place.
TEST(HeaderScan, PiecesOfAnySizeGiveTheSame) {
  const std::string header = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
  const std::string text = header + "\r\nrest";
  for (size_t step = 1; step <= text.size(); ++step) {
    HeaderScan scan;
    auto found = HeaderScan::Found::kMore;
    for (size_t size = step; found == HeaderScan::Found::kMore; size += step) {
      found = scan.look(std::string_view(text).substr(0, size));
    }
    EXPECT_EQ(found, HeaderScan::Found::kEnd) << step;
    EXPECT_EQ(scan.length(), header.size()) << step;
  }
}

struct Body {
  ChunkDecoder::Step step = ChunkDecoder::Step::kMore;
  std::string bytes;
  std::string rest;  // behind the body
};

// Gives the parser `step` bytes at a time, and room for as many.
Body decode(const std::string& chunks, size_t in_step, size_t out_step) {
  ChunkDecoder decoder;
  Body body;
  std::string pending;
  size_t given = 0;
  for (;;) {
    std::string out(out_step, '\0');
    const auto decoded = decoder.decode(pending, out);
    pending.erase(0, decoded.consumed);
    body.bytes += out.substr(0, decoded.produced);
    body.step = decoded.step;
    if (decoded.step == ChunkDecoder::Step::kEnd || decoded.step == ChunkDecoder::Step::kBroken) {
      break;
    }
    if (decoded.produced > 0 || decoded.consumed > 0) continue;
    if (given == chunks.size()) break;
    pending += chunks.substr(given, in_step);
    given = std::min(chunks.size(), given + in_step);
  }
  body.rest = pending + chunks.substr(given);
  return body;
}

RC_GTEST_PROP(ChunksProperty, AnyPiecesGiveTheBody, (const std::vector<std::string>& pieces)) {
  std::string text;
  std::string all;
  for (const std::string& piece : pieces) {
    if (piece.empty()) continue;
    text += fmt::format("{:X};ext=1\r\n", piece.size()) + piece + "\r\n";
    all += piece;
  }
  text += "0\r\nTrailer: t\r\n\r\nNEXT";
  const size_t in_step = *rc::gen::inRange<size_t>(1, 40);
  const size_t out_step = *rc::gen::inRange<size_t>(1, 40);
  const Body body = decode(text, in_step, out_step);
  RC_ASSERT(body.step == ChunkDecoder::Step::kEnd);
  RC_ASSERT(body.bytes == all);
  RC_ASSERT(body.rest == "NEXT");
}

TEST(Chunks, BrokenOnesAreFound) {
  for (const char* broken : {"x\r\n", "5\r\nhelloX", "5\r\nhello5\r\n", "-1\r\n",
                             "0x5\r\nhello\r\n", "FFFFFFFFFFFFFFFFF\r\n", "5 \nhello\r\n", "\r\n",
                             "5;\x01\r\nhello\r\n",
                             "0\r\nbad trailer\r\n\r\n"}) {
    EXPECT_EQ(decode(broken, 100, 100).step, ChunkDecoder::Step::kBroken) << broken;
  }
  EXPECT_EQ(decode("5\r\nhel", 100, 100).step, ChunkDecoder::Step::kMore);
}

}  // namespace
}  // namespace ramet::serve
