// Quoting, sizes and times, as text.
#include "format/utf8.h"
#include "tools/text.h"

#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ramet::tools {
namespace {

TEST(QuoteName, PlainNamesStayAsTheyAre) {
  EXPECT_EQ(quote_name("a b.txt"), "a b.txt");
  EXPECT_EQ(quote_name("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
  EXPECT_EQ(quote_name("\xF0\x9F\x8C\xB1"), "\xF0\x9F\x8C\xB1");
}

TEST(QuoteName, ControlBytesAreEscapedInQuotes) {
  EXPECT_EQ(quote_name("a\nb"), "\"a\\nb\"");
  EXPECT_EQ(quote_name("\t\r\x01\x1B\x7F"), "\"\\t\\r\\001\\033\\177\"");
  EXPECT_EQ(quote_name("a\"b\\"), "\"a\\\"b\\\\\"");
}

TEST(QuoteName, BytesThatAreNotUtf8AreEscapedInOctal) {
  EXPECT_EQ(quote_name("a\xFF"), "\"a\\377\"");
  EXPECT_EQ(quote_name("\xC0\x80"), "\"\\300\\200\"");          // overlong
  EXPECT_EQ(quote_name("\xED\xA0\x80"), "\"\\355\\240\\200\"");  // a surrogate
  EXPECT_EQ(quote_name("\xC3"), "\"\\303\"");                    // cut off
}

TEST(QuoteName, InvisibleCharactersThatMisleadAreEscaped) {
  EXPECT_EQ(quote_name("a\xE2\x80\xAE"), "\"a\\342\\200\\256\"");  // right-to-left override
  EXPECT_EQ(quote_name("\xC2\x9B"), "\"\\302\\233\"");             // C1: control sequence
}

TEST(QuoteName, EmptyNamesAndSpacesAtAnEndAreShown) {
  EXPECT_EQ(quote_name(""), "\"\"");
  EXPECT_EQ(quote_name(" a"), "\" a\"");
  EXPECT_EQ(quote_name("a "), "\"a \"");
}

RC_GTEST_PROP(QuoteNameProperty, OutputIsOneLineOfUtf8WithoutControls, (const std::string& name)) {
  const std::string quoted = quote_name(name);
  RC_ASSERT(is_utf8(quoted));
  for (const char c : quoted) RC_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
}

RC_GTEST_PROP(QuoteNameProperty, DifferentNamesLookDifferent,
              (const std::string& a, const std::string& b)) {
  if (a != b) RC_ASSERT(quote_name(a) != quote_name(b));
}

RC_GTEST_PROP(Utf8Property, AnyBytesBecomeUtf8AndUtf8Stays, (const std::string& bytes)) {
  const std::string text = to_utf8(bytes);
  RC_ASSERT(is_utf8(text));
  RC_ASSERT(to_utf8(text) == text);
  if (is_utf8(bytes)) RC_ASSERT(text == bytes);
}

TEST(Base64, MatchesTheVectorsOfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xFF\xFE\xFD"), "//79");
}

TEST(HumanBytes, ScaleWithOneDecimalBelowTen) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(10 * 1024), "10 KiB");
  EXPECT_EQ(human_bytes(1048575), "1.0 MiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16 EiB");
  EXPECT_EQ(short_bytes(999), "999");
  EXPECT_EQ(short_bytes(1536), "1.5K");
  EXPECT_EQ(short_bytes(5ull << 40), "5.0T");
}

TEST(WithCommas, GroupsOfThree) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(12345678), "12,345,678");
  EXPECT_EQ(count_of(1, "file", "files"), "1 file");
  EXPECT_EQ(count_of(0, "file", "files"), "0 files");
}

TEST(HumanDuration, UnitsFollowTheSize) {
  EXPECT_EQ(human_duration(0), "0 s");
  EXPECT_EQ(human_duration(-1), "0 s");
  EXPECT_EQ(human_duration(0.00042), "0.42 ms");
  EXPECT_EQ(human_duration(0.12), "120 ms");
  EXPECT_EQ(human_duration(0.9999), "1.0 s");
  EXPECT_EQ(human_duration(12.34), "12.3 s");
  EXPECT_EQ(human_duration(59.99), "1:00");
  EXPECT_EQ(human_duration(125), "2:05");
  EXPECT_EQ(human_duration(3723), "1:02:03");
}

TEST(ModeText, ShowsTypePermissionsAndSpecialBits) {
  EXPECT_EQ(mode_text(0100644), "-rw-r--r--");
  EXPECT_EQ(mode_text(040755), "drwxr-xr-x");
  EXPECT_EQ(mode_text(0120777), "lrwxrwxrwx");
  EXPECT_EQ(mode_text(041777), "drwxrwxrwt");
  EXPECT_EQ(mode_text(0104755), "-rwsr-xr-x");
  EXPECT_EQ(mode_text(0102644), "-rw-r-Sr--");
  EXPECT_EQ(mode_text(020660), "crw-rw----");
  EXPECT_EQ(mode_text(0), "?---------");
}

TEST(IsoTime, KeepsNanosecondsAlsoBefore1970) {
  EXPECT_EQ(iso_time(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(iso_time(1'000'000'001), "1970-01-01T00:00:01.000000001Z");
  EXPECT_EQ(iso_time(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(iso_time(1795245572'123456789), "2026-11-21T07:19:32.123456789Z");
}

TEST(EscapeMessage, IsOneLineWithoutControlBytes) {
  EXPECT_EQ(escape_message("a\n\x1B\xFF\"b\""), "a\\n\\033\\377\"b\"");
}

}  // namespace
}  // namespace ramet::tools
