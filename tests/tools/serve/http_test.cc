// What faces see of HTTP: fields, escapes, queries, dates, ranges, conditions.
#include "format/utf8.h"
#include "tools/serve/http.h"

#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ramet::serve {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kExample = 784111777 * kSecond;  // RFC 9110's "Sun, 06 Nov 1994 08:49:37 GMT"

TEST(Fields, NamesCompareWithoutCase) {
  Fields fields;
  fields.add("Content-Type", "text/plain");
  fields.add("x-a", "1");
  fields.add("X-A", "2");
  EXPECT_EQ(fields.get("content-type"), "text/plain");
  EXPECT_EQ(fields.get("X-a"), "1");
  EXPECT_EQ(fields.find("content-typ"), std::nullopt);
  EXPECT_EQ(fields.get("missing"), "");
}

TEST(Fields, SetReplacesAllOfAName) {
  Fields fields;
  fields.add("x-a", "1");
  fields.add("b", "2");
  fields.add("X-A", "3");
  fields.set("x-A", "4");
  fields.set("c", "5");
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields.begin()->value, "4");
  EXPECT_EQ(fields.get("c"), "5");
  fields.erase("X-a");
  EXPECT_EQ(fields.find("x-a"), std::nullopt);
  EXPECT_EQ(fields.size(), 2u);
}

TEST(Percent, DecodesEveryByteAndRefusesBrokenEscapes) {
  EXPECT_EQ(*percent_decode("/a%20b%2F%00+"), std::string("/a b/\0+", 7));
  EXPECT_EQ(*percent_decode("a+b%2B", true), "a b+");
  EXPECT_EQ(*percent_decode("%e2%82%AC"), "\xE2\x82\xAC");
  for (const char* broken : {"%", "%2", "a%zz", "%2g", "%%20", "% 1", "%-1"}) {
    const auto decoded = percent_decode(broken);
    ASSERT_FALSE(decoded.ok()) << broken;
    EXPECT_EQ(decoded.error().code(), ErrorCode::kInvalidArgument) << broken;
  }
}

TEST(Percent, EncodesAllButUnreservedCharacters) {
  EXPECT_EQ(percent_encode("a-z_A.9~/ +\xC3\xA4"), "a-z_A.9~/%20%2B%C3%A4");
  EXPECT_EQ(percent_encode("a/b", true), "a%2Fb");
}

RC_GTEST_PROP(PercentProperty, AnyBytesComeBack, (const std::string& bytes, bool slash)) {
  RC_ASSERT(*percent_decode(percent_encode(bytes, slash)) == bytes);
}

TEST(Query, PairsKeepTheirOrderAndEmptyValues) {
  const auto params = parse_query("list-type=2&prefix=a%2Fb&acl&&x=1+2&x=&=v");
  ASSERT_TRUE(params.ok());
  const QueryParams expected = {{"list-type", "2"}, {"prefix", "a/b"}, {"acl", ""},
                                {"x", "1 2"},       {"x", ""},         {"", "v"}};
  EXPECT_EQ(*params, expected);
  EXPECT_TRUE(parse_query("")->empty());
  EXPECT_EQ(parse_query("a=%4").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(parse_query("%4=a").error().code(), ErrorCode::kInvalidArgument);
}

TEST(Utf8, OverlongFormsSurrogatesAndWhatIsTooHighAreNone) {
  for (const char* good : {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                           "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80",
                           "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << ::testing::PrintToString(good);
  }
  for (const char* bad : {"\x80", "\xBF", "\xC0\xAF", "\xC1\xBF", "\xC2", "\xC2\x41",
                          "\xE0\x80\xAF",
                          "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xE2\x82",
                          "\xF0\x80\x80\xAF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xFE", "\xFF", "a\xE2\x82"}) {
    EXPECT_FALSE(is_utf8(bad)) << ::testing::PrintToString(bad);
  }
}

TEST(HttpDate, AllThreeFormsOfTheExampleAreOneMoment) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), kExample);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), kExample);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), kExample);
  EXPECT_EQ(http_date(kExample), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(kExample + 999'999'999), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
}

TEST(HttpDate, WhatIsNoDateIsNone) {
  for (const char* bad : {"", "0", "Sun, 06 Nov 1994 08:49:37", "Sun, 6 Nov 1994 08:49:37 GMT",
                          "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
                          "Sun, 06 Nov 1994 08:49:37 GMT ", "sun, 06 nov 1994 08:49:37 GMT",
                          "Sun, 06 Nov 1994 08:49:37 PST", "1994-11-06T08:49:37Z"}) {
    EXPECT_EQ(parse_http_date(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(parse_http_date("Fri, 31 Dec 9999 23:59:59 GMT"),
            std::numeric_limits<int64_t>::max());
}

TEST(IsoDate, OffsetsAndFractionsAreTaken) {
  EXPECT_EQ(iso_date(kExample + 123'456'789), "1994-11-06T08:49:37.123Z");
  EXPECT_EQ(parse_iso_date("1994-11-06T08:49:37Z"), kExample);
  EXPECT_EQ(parse_iso_date("1994-11-06t08:49:37.5z"), kExample + kSecond / 2);
  EXPECT_EQ(parse_iso_date("1994-11-06T10:19:37.123456789999+01:30"), kExample + 123'456'789);
  EXPECT_EQ(parse_iso_date("1994-11-06T03:49:37-05:00"), kExample);
  EXPECT_EQ(iso_date(-1), "1969-12-31T23:59:59.999Z");
  for (const char* bad : {"", "1994-11-06", "1994-11-06T08:49:37", "1994-13-06T08:49:37Z",
                          "1994-11-31T08:49:37Z", "1994-11-06T08:49:61Z", "1994-11-06T08:49:37.Z",
                          "1994-11-06T08:49:37+1:00", "1994-11-06T08:49:37Zx",
                          "1994-11-06 08:49:37Z"}) {
    EXPECT_EQ(parse_iso_date(bad), std::nullopt) << bad;
  }
}

RC_GTEST_PROP(DateProperty, MomentsComeBack, ()) {
  // 1700 to 2260: what 64 bits of nanoseconds hold in whole.
  const int64_t second = *rc::gen::inRange<int64_t>(-8'520'336'000, 9'151'488'000);
  const int64_t milli = *rc::gen::inRange<int64_t>(0, 1000);
  const int64_t moment = second * kSecond + milli * 1'000'000;
  RC_ASSERT(parse_http_date(http_date(moment)) == second * kSecond);
  RC_ASSERT(parse_iso_date(iso_date(moment)) == moment);
}

struct RangeCase {
  const char* field;
  uint64_t from, length;
};

TEST(Range, OneRangeIsFoundInItsContent) {
  for (const RangeCase& c : {RangeCase{"bytes=0-0", 0, 1}, {"bytes=0-99", 0, 100},
                             {"bytes=10-", 10, 90}, {"bytes=90-1000", 90, 10},
                             {"bytes=-10", 90, 10},
                             {"bytes=-1000", 0, 100}, {"Bytes = 5-6", 5, 2},
                             {"bytes=0-99999999999999999999999999", 0, 100}}) {
    const auto range = parse_range(c.field, 100);
    ASSERT_TRUE(range) << c.field;
    EXPECT_TRUE(range->satisfiable) << c.field;
    EXPECT_EQ(range->from, c.from) << c.field;
    EXPECT_EQ(range->length, c.length) << c.field;
  }
}

TEST(Range, BehindTheContentNothingCanBeSent) {
  for (const char* field : {"bytes=100-", "bytes=100-200", "bytes=-0",
                            "bytes=99999999999999999999999999-"}) {
    const auto range = parse_range(field, 100);
    ASSERT_TRUE(range) << field;
    EXPECT_FALSE(range->satisfiable) << field;
  }
  EXPECT_FALSE(parse_range("bytes=0-", 0)->satisfiable);
  EXPECT_FALSE(parse_range("bytes=-1", 0)->satisfiable);
}

TEST(Range, WhatIsNotUnderstoodIsIgnored) {
  for (const char* field : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "lines=1-2",
                            "bytes=0-1,5-6", "bytes=1--2", "bytes=+1-2", "bytes=0x1-2"}) {
    EXPECT_FALSE(parse_range(field, 100)) << field;
  }
}

Request request_with(const char* method, std::initializer_list<Fields::Field> fields) {
  Request request;
  request.method = method;
  for (const auto& field : fields) request.fields.add(field.name, field.value);
  return request;
}

Condition check(const char* method, std::initializer_list<Fields::Field> fields,
                std::string_view etag = "\"abc\"", int64_t modified = kExample) {
  return check_conditions(request_with(method, fields), etag, modified);
}

constexpr const char* kBefore = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr const char* kAt = "Sun, 06 Nov 1994 08:49:37 GMT";

TEST(Conditions, NoneOfThemMeansGo) { EXPECT_EQ(check("GET", {}), Condition::kGo); }

TEST(Conditions, IfMatchComparesStrongly) {
  EXPECT_EQ(check("PUT", {{"If-Match", "\"abc\""}}), Condition::kGo);
  EXPECT_EQ(check("PUT", {{"If-Match", "\"x\", \"abc\""}}), Condition::kGo);
  EXPECT_EQ(check("PUT", {{"If-Match", "abc"}}), Condition::kGo);
  EXPECT_EQ(check("PUT", {{"If-Match", "*"}}), Condition::kGo);
  EXPECT_EQ(check("PUT", {{"If-Match", "\"x\""}}), Condition::kFailed);
  EXPECT_EQ(check("PUT", {{"If-Match", "W/\"abc\""}}), Condition::kFailed);
  EXPECT_EQ(check("PUT", {{"If-Match", "*"}}, ""), Condition::kFailed);
  EXPECT_EQ(check("GET", {{"If-Match", "\"x,abc\""}}), Condition::kFailed);
  EXPECT_EQ(check("GET", {{"If-Match", "\"a\""}, {"if-match", "\"abc\""}}), Condition::kGo);
}

TEST(Conditions, IfNoneMatchComparesWeakly) {
  EXPECT_EQ(check("GET", {{"If-None-Match", "W/\"abc\""}}), Condition::kNotModified);
  EXPECT_EQ(check("HEAD", {{"If-None-Match", "\"a\",\"abc\""}}), Condition::kNotModified);
  EXPECT_EQ(check("PUT", {{"If-None-Match", "\"abc\""}}), Condition::kFailed);
  EXPECT_EQ(check("PUT", {{"If-None-Match", "*"}}), Condition::kFailed);
  EXPECT_EQ(check("PUT", {{"If-None-Match", "*"}}, ""), Condition::kGo);
  EXPECT_EQ(check("GET", {{"If-None-Match", "\"x\""}}), Condition::kGo);
}

TEST(Conditions, DatesCountInWholeSeconds) {
  EXPECT_EQ(check("GET", {{"If-Modified-Since", kAt}}, "\"a\"", kExample + 5),
            Condition::kNotModified);
  EXPECT_EQ(check("GET", {{"If-Modified-Since", kBefore}}), Condition::kGo);
  EXPECT_EQ(check("PUT", {{"If-Modified-Since", kAt}}), Condition::kGo);
  EXPECT_EQ(check("PUT", {{"If-Unmodified-Since", kAt}}, "\"a\"", kExample + 5), Condition::kGo);
  EXPECT_EQ(check("PUT", {{"If-Unmodified-Since", kBefore}}), Condition::kFailed);
  EXPECT_EQ(check("PUT", {{"If-Unmodified-Since", "yesterday"}}), Condition::kGo);
  EXPECT_EQ(check("PUT", {{"If-Unmodified-Since", kBefore}}, ""), Condition::kGo);
}

TEST(Conditions, TagsGoBeforeDates) {
  EXPECT_EQ(check("GET", {{"If-None-Match", "\"x\""}, {"If-Modified-Since", kAt}}), Condition::kGo);
  EXPECT_EQ(check("PUT", {{"If-Match", "\"abc\""}, {"If-Unmodified-Since", kBefore}}),
            Condition::kGo);
  EXPECT_EQ(check("GET", {{"If-Match", "\"x\""}, {"If-None-Match", "\"abc\""}}),
            Condition::kFailed);
}

}  // namespace
}  // namespace ramet::serve
