// Output, tables and JSON: what arrives at the file descriptor.
#include "tools/output.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "format/utf8.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

// Collects what is written to one end of a pipe (less than the pipe holds).
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(fds_, O_CLOEXEC), 0); }
  ~Pipe() {
    close_reader();
    ::close(fds_[1]);
  }
  int writer() const { return fds_[1]; }
  void close_reader() {
    if (fds_[0] >= 0) ::close(fds_[0]);
    fds_[0] = -1;
  }
  std::string text() {
    std::string text(64 << 10, '\0');
    const ssize_t got = ::read(fds_[0], text.data(), text.size());
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }

 private:
  int fds_[2] = {-1, -1};
};

TEST(Output, WritesEverythingInOrder) {
  Pipe pipe;
  Output out(pipe.writer());
  out.write("a");
  out.print("{}-{}\n", 1, "b");
  EXPECT_TRUE(out.flush().ok());
  EXPECT_EQ(pipe.text(), "a1-b\n");
}

TEST(Output, ClosedPipeIsRememberedAndNothingMoreIsWritten) {
  ::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.close_reader();
  Output out(pipe.writer());
  out.write("x");
  const Status status = out.flush();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kCancelled);
  EXPECT_TRUE(out.reader_is_gone());
  EXPECT_TRUE(out.failed());
  out.write("y");
  EXPECT_FALSE(out.flush().ok());
}

TEST(Output, FullDeviceIsReportedAsOutOfSpace) {
  const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (fd < 0) GTEST_SKIP() << "no /dev/full here";
  {
    Output out(fd);
    out.write("x");
    const Status status = out.flush();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kOutOfSpace);
    EXPECT_FALSE(out.reader_is_gone());
  }
  ::close(fd);
}

TEST(Table, ColumnsAreAlignedByCharactersNotBytes) {
  Pipe pipe;
  Output out(pipe.writer());
  {
    Table table(out, "lrl");
    table.row({"\xC3\xBC", "1", "x"});
    table.row({"abc", "1000", "y"});
  }
  EXPECT_TRUE(out.flush().ok());
  EXPECT_EQ(pipe.text(), "\xC3\xBC       1  x\nabc  1000  y\n");
}

TEST(Table, EmptyLastCellLeavesNoSpaces) {
  Pipe pipe;
  Output out(pipe.writer());
  {
    Table table(out, "ll");
    table.row({"a", ""});
  }
  EXPECT_TRUE(out.flush().ok());
  EXPECT_EQ(pipe.text(), "a\n");
}

TEST(JsonArray, EmptyAndFilledArraysAreDocuments) {
  for (const size_t count : {0u, 1u, 3u}) {
    Pipe pipe;
    Output out(pipe.writer());
    {
      JsonArray array(out);
      for (size_t i = 0; i < count; ++i) array.add({{"i", i}});
    }
    EXPECT_TRUE(out.flush().ok());
    const Json json = Json::parse(pipe.text(), nullptr, false);
    ASSERT_TRUE(json.is_array());
    EXPECT_EQ(json.size(), count);
  }
}

TEST(SetName, Utf8NamesStandAlone) {
  Json json;
  set_name(json, "name", "gr\xC3\xBC\xC3\x9F\n");
  EXPECT_EQ(json["name"], "gr\xC3\xBC\xC3\x9F\n");
  EXPECT_FALSE(json.contains("name_bytes"));
}

TEST(SetName, OtherNamesComeWithTheirBytes) {
  Json json;
  set_name(json, "name", "a\xFF");
  EXPECT_EQ(json["name"], "a\xEF\xBF\xBD");
  EXPECT_EQ(json["name_bytes"], "Yf8=");
}

RC_GTEST_PROP(JsonProperty, AnyNameGivesAValidDocument, (const std::string& name)) {
  Json json;
  set_name(json, "name", name);
  const std::string text = compact_json(json);
  RC_ASSERT(is_utf8(text));
  RC_ASSERT(text.find('\n') == std::string::npos);
  const Json parsed = Json::parse(text, nullptr, false);
  RC_ASSERT(!parsed.is_discarded());
  RC_ASSERT(parsed["name"].get<std::string>() == to_utf8(name));
}

TEST(TextStyle, NullAndPlainPrintRawBytes) {
  TextStyle style;
  EXPECT_EQ(style.name("a\nb"), "a\nb");
  style.quote = true;
  EXPECT_EQ(style.name("a\nb"), "\"a\\nb\"");
  style.null = true;
  EXPECT_EQ(style.name("a\nb"), "a\nb");
  EXPECT_EQ(style.end(), '\0');
}

}  // namespace
}  // namespace ramet::tools
