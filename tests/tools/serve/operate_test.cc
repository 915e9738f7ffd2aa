// Logs, metrics, options and addresses: what operators see and set.
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include "format/utf8.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/serve/test_server.h"
#include "tools/serve/metrics_text.h"
#include "tools/serve/notify.h"
#include "tools/serve/options.h"

namespace ramet::serve::test {
namespace {

using ramet::test::TempDir;

using Json = nlohmann::json;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<Json> lines_of(const std::string& path) {
  std::istringstream text(read_file(path));
  std::vector<Json> lines;
  for (std::string line; std::getline(text, line);) {
    lines.push_back(Json::parse(line, nullptr, false));
    EXPECT_FALSE(lines.back().is_discarded()) << line;
  }
  return lines;
}

TEST(LogTest, ARequestIsALineOfJson) {
  const TempDir dir;
  const std::string path = dir.file("log");
  {
    const auto log = Log::open({path, LogLevel::kInfo});
    ASSERT_TRUE(log.ok());
    Log::Buffer buffer;
    RequestLine line;
    line.id = "0123456789abcdef";
    line.peer = "127.0.0.1";
    line.method = "GET";
    line.path = "/a\"b\\\x01\xFF";
    line.query = "X-Amz-Signature=abc&x=1";
    line.operation = "s3.GetObject";
    line.principal = "ann";
    line.status = 200;
    line.bytes_out = 7;
    line.microseconds = 42;
    (*log)->request(buffer, line);
    (*log)->flush(buffer);
    (*log)->write(LogLevel::kDebug, "not told");
    (*log)->write(LogLevel::kWarning, "told", {{"why", "because"}});
  }
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["id"], "0123456789abcdef");
  EXPECT_EQ(lines[0]["path"], "/a\"b\\\x01\xEF\xBF\xBD");
  EXPECT_EQ(lines[0]["query"], "X-Amz-Signature=***&x=1");
  EXPECT_EQ(lines[0]["status"], 200);
  EXPECT_EQ(lines[0]["us"], 42);
  EXPECT_TRUE(parse_iso_date(lines[0]["time"].get<std::string>()));
  EXPECT_EQ(lines[1]["message"], "told");
  EXPECT_EQ(lines[1]["level"], "warning");
  EXPECT_EQ(lines[1]["why"], "because");
}

TEST(LogTest, FailuresInsideAreToldAtOnceAndAtLevelError) {
  const TempDir dir;
  const std::string path = dir.file("log");
  const auto log = Log::open({path, LogLevel::kError});
  ASSERT_TRUE(log.ok());
  Log::Buffer buffer;
  RequestLine line;
  line.status = 404;
  (*log)->request(buffer, line);
  line.status = 500;
  line.error = "why";
  (*log)->request(buffer, line);
  (*log)->sync();
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["error"], "why");
}

TEST(LogTest, AFileThatWasRenamedIsOpenedAnew) {
  const TempDir dir;
  const std::string path = dir.file("log");
  const auto log = Log::open({path, LogLevel::kInfo});
  ASSERT_TRUE(log.ok());
  (*log)->write(LogLevel::kInfo, "first");
  (*log)->sync();
  ASSERT_EQ(std::rename(path.c_str(), dir.file("log.1").c_str()), 0);
  (*log)->write(LogLevel::kInfo, "second");
  (*log)->sync();
  ASSERT_TRUE((*log)->reopen().ok());
  (*log)->write(LogLevel::kInfo, "third");
  (*log)->sync();
  EXPECT_EQ(lines_of(dir.file("log.1")).size(), 2u);
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["message"], "third");
}

TEST(LogTest, AFileThatCannotBeWrittenIsAnError) {
  const auto log = Log::open({"/missing/folder/log", LogLevel::kInfo});
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.error().code(), ErrorCode::kNotFound);
}

TEST(MaskedQuery, ValuesOfSecretsGo) {
  EXPECT_EQ(masked_query("a=1&X-Amz-Credential=AKIA%2Fx&b"), "a=1&X-Amz-Credential=***&b");
  EXPECT_EQ(masked_query("x-amz-signature=1&TOKEN=2&token"), "x-amz-signature=***&TOKEN=***&token");
  EXPECT_EQ(masked_query("X%2DAmz%2DSignature=1"), "X%2DAmz%2DSignature=***");
  EXPECT_EQ(masked_query("%zz=secret"), "%zz=***");
  EXPECT_EQ(masked_query("tokens=1&&"), "tokens=1&&");
  EXPECT_EQ(masked_query(""), "");
}

RC_GTEST_PROP(JsonStringProperty, AnyBytesAreAJsonString, (const std::string& bytes)) {
  std::string text;
  append_json_string(text, bytes);
  const Json parsed = Json::parse(text, nullptr, false);
  RC_ASSERT(parsed.is_string());
  if (is_utf8(bytes)) RC_ASSERT(parsed.get<std::string>() == bytes);
}

TEST(MetricsTest, FiguresOfTheStoreAreSampled) {
  Metrics metrics;
  int asked = 0;
  metrics.sample_store([&asked]() -> Result<StoreInfo> {
    ++asked;
    StoreInfo info;
    info.objects = 12;
    info.group_commits = 9;
    info.commit_groups[0] = 3;  // of one commit
    info.commit_groups[2] = 2;  // of three or four
    return info;
  });
  const auto first = MetricsText::parse(metrics.text());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->value("ramet_store_objects"), 12);
  EXPECT_EQ(first->value("ramet_commits_total"), 9);
  EXPECT_EQ(first->value("ramet_commit_group_size_count"), 5);
  EXPECT_EQ(first->value("ramet_commit_group_size_sum"), 9);
  metrics.text();
  metrics.text();
  EXPECT_LE(asked, 2);  // (two, if a second went by)
}

TEST(MetricsTest, NamesThatNeverEndAreCountedTogether) {
  Metrics metrics;
  const auto recorder = metrics.recorder();
  for (int i = 0; i < 2000; ++i) recorder->request("x.Op" + std::to_string(i), 200, 1, 0, 0);
  const auto parsed = MetricsText::parse(metrics.text());
  ASSERT_TRUE(parsed.ok());
  EXPECT_LT(parsed->samples("ramet_requests_total").size(), 500u);
  double all = 0;
  for (const Sample& sample : parsed->samples("ramet_requests_total")) all += sample.value;
  EXPECT_EQ(all, 2000);
}

TEST(MetricsTest, RatesAreWhatHappenedBetweenTwoLooks) {
  Metrics metrics;
  const auto recorder = metrics.recorder();
  recorder->request("s3.Get", 200, 50'000, 0, 10);
  const auto before = MetricsText::parse(metrics.text());
  for (int i = 0; i < 98; ++i) recorder->request("s3.Get", 200, 700'000, 0, 1000);
  for (int i = 0; i < 2; ++i) recorder->request("s3.Get", 404, 7'000'000'000, 0, 0);
  recorder->request("rest.Put", 200, 1000, 64, 0);
  const auto now = MetricsText::parse(metrics.text());
  ASSERT_TRUE(before.ok() && now.ok());
  const auto rates = operation_rates(*before, *now, 2);
  ASSERT_EQ(rates.size(), 2u);
  EXPECT_EQ(rates[0].operation, "Get");
  EXPECT_EQ(rates[0].requests, 50);
  EXPECT_EQ(rates[0].errors, 1);
  EXPECT_EQ(rates[0].bytes_out, 49'000);
  EXPECT_GT(rates[0].median, 0.0005);
  EXPECT_LE(rates[0].median, 0.001);
  EXPECT_GT(rates[0].p99, 5);
  EXPECT_EQ(rates[1].face, "rest");
  EXPECT_EQ(rates[1].bytes_in, 32);
}

TEST(MetricsTextTest, WhatIsNoMetricIsNamed) {
  for (const char* text : {"a{b=\"c\" 1\n", "a b\n", "a{b} 1\n", "a{b=\"c\n"}) {
    const auto parsed = MetricsText::parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kCorruption);
  }
  const auto parsed = MetricsText::parse("# HELP\n\na{b=\"c\\\"d\",e=\"\"} 1.5 123\na 2\n");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->samples("a").front().labels.find("b")->second, "c\"d");
  EXPECT_EQ(parsed->samples("a").back().value, 2);
}

TEST(Address, TextsAreTakenApart) {
  const auto four = parse_listen_address("127.0.0.1:9440");
  ASSERT_TRUE(four.ok());
  EXPECT_EQ(four->host, "127.0.0.1");
  EXPECT_EQ(four->port, 9440);
  EXPECT_TRUE(four->is_local());
  EXPECT_EQ(parse_listen_address("[::1]:0")->host, "::1");
  EXPECT_EQ(parse_listen_address("[::1]:0")->to_string(), "[::1]:0");
  EXPECT_TRUE(parse_listen_address("unix:/run/x")->is_local());
  EXPECT_FALSE(parse_listen_address(":9440")->is_local());
  EXPECT_FALSE(parse_listen_address("0.0.0.0:9440")->is_local());
  EXPECT_FALSE(parse_listen_address("[::]:9440")->is_local());
  EXPECT_FALSE(parse_listen_address("128.0.0.1:1")->is_local());
  for (const char* bad : {"", "9440", "host", "host:", "host:x", "host:65536", "::1:80", "unix:",
                          "host:-1", "host:80 "}) {
    EXPECT_EQ(parse_listen_address(bad).error().code(), ErrorCode::kInvalidArgument) << bad;
  }
}

TEST(Address, APortThatIsTakenIsBusy) {
  ListenAddress address{"127.0.0.1", 0, ""};
  const auto first = listen_at(address);
  ASSERT_TRUE(first.ok());
  EXPECT_NE(address.port, 0);
  EXPECT_EQ(listen_at(address).error().code(), ErrorCode::kBusy);
}

TEST(Address, ADeadSocketIsReplacedAndALiveOneIsNot) {
  const TempDir dir;
  ListenAddress address{"", 0, dir.file("socket")};
  {
    const auto first = listen_at(address);
    ASSERT_TRUE(first.ok()) << first.error().message();
    EXPECT_EQ(listen_at(address).error().code(), ErrorCode::kBusy);
  }
  EXPECT_TRUE(listen_at(address).ok());
  ListenAddress file{"", 0, dir.file("file")};
  std::ofstream(file.unix_path) << "precious";
  EXPECT_EQ(listen_at(file).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(read_file(file.unix_path), "precious");
}

ServeOptions parsed(std::string_view text) {
  ServeOptions options;
  const Status status = parse_serve_config(options, text, "f.toml");
  EXPECT_TRUE(status.ok()) << status.error().message();
  return options;
}

TEST(Options, AFileSetsWhatFlagsSet) {
  const ServeOptions options = parsed(
      "listen = ['127.0.0.1:1', 'unix:/run/ramet']\n"
      "threads = 3\nbody-max = '2G'\nidle-timeout = '5s'\ninsecure = true\n"
      "log-level = 'error'\nregion = 'eu-central-1'\ns3-domain = 's3.example'\nrate-min = 0\n");
  ASSERT_EQ(options.listen.size(), 2u);
  EXPECT_EQ(options.listen[1].unix_path, "/run/ramet");
  EXPECT_EQ(options.threads, 3u);
  EXPECT_EQ(options.limits.body_bytes_max, 2ull << 30);
  EXPECT_EQ(options.limits.idle_timeout, 5'000'000'000);
  EXPECT_TRUE(options.insecure);
  EXPECT_EQ(options.log.level, LogLevel::kError);
  EXPECT_EQ(options.faces.region, "eu-central-1");
  EXPECT_EQ(options.limits.rate_min, 0u);
}

TEST(Options, EveryOptionHasAnExampleInHelpThatItTakes) {
  for (const ServeOption& option : serve_option_table()) {
    EXPECT_NE(std::string(option.help), "");
    EXPECT_EQ(option.kind == ServeOption::Kind::kFlag, std::string(option.type).empty());
  }
}

TEST(Options, MistakesNameTheLine) {
  for (const auto& [text, message] : std::initializer_list<std::pair<const char*, const char*>>{
           {"threads = 1\nthread = 2\n", "f.toml:2: 'thread' is no option"},
           {"\n\nthreads = -1\n", "f.toml:3: threads: "},
           {"threads = 'many'\n", "f.toml:1: threads: "},
           {"threads = 1.5\n", "f.toml:1: threads: a text or a whole number is needed"},
           {"threads = true\n", "f.toml:1: threads: is more than true or false"},
           {"insecure = 'true'\n", "f.toml:1: insecure: true or false is needed"},
           {"listen = []\n", "f.toml:1: listen: the list is empty"},
           {"listen = [['a']]\n", "f.toml:1: listen: a list of texts is needed"},
           {"listen = 'nowhere'\n", "f.toml:1: listen: 'nowhere' is no HOST:PORT"},
           {"region = ['a', 'b']\n", "f.toml:1: region: a text or"},
           {"[server]\nthreads = 1\n", "f.toml:1: 'server' is no option"},
           {"log-level = 'loud'\n", "f.toml:1: log-level: 'loud' is none of"},
           {"idle-timeout = '0s'\n", "f.toml:1: idle-timeout: '0s' is no time at all"},
           {"threads = \n", "f.toml:1: "}}) {
    ServeOptions options;
    const Status status = parse_serve_config(options, text, "f.toml");
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(status.error().message().starts_with(message)) << status.error().message();
  }
}

TEST(Options, BeyondThisMachineTlsIsNeeded) {
  for (const char* address : {":9440", "0.0.0.0:1", "[::]:1", "192.0.2.1:1", "example.org:1"}) {
    ServeOptions options;
    ASSERT_TRUE(set_serve_option(options, "listen", {address}).ok());
    EXPECT_FALSE(check_serve_options(options).ok()) << address;
    options.insecure = true;
    EXPECT_TRUE(check_serve_options(options).ok()) << address;
    options.insecure = false;
    options.tls = {"cert", "key"};
    EXPECT_TRUE(check_serve_options(options).ok()) << address;
    ASSERT_TRUE(set_serve_option(options, "metrics-listen", {address}).ok());
    EXPECT_FALSE(check_serve_options(options).ok()) << address;
  }
  ServeOptions half;
  half.tls.key = "key";
  EXPECT_FALSE(check_serve_options(half).ok());
}

TEST(Notify, SystemdIsToldByADatagram) {
  const TempDir dir;
  const std::string path = dir.file("notify");
  const io::UnixFd socket(::socket(AF_UNIX, SOCK_DGRAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  notify_systemd("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
  notify_systemd("STOPPING=1");
  char text[64];
  const ssize_t got = ::recv(socket.get(), text, sizeof text, MSG_DONTWAIT);
  EXPECT_EQ(std::string(text, static_cast<size_t>(std::max<ssize_t>(got, 0))), "READY=1");
  EXPECT_LT(::recv(socket.get(), text, sizeof text, MSG_DONTWAIT), 0);
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  EXPECT_EQ(watchdog_interval(), 3'000'000'000);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(watchdog_interval(), 0);
  ::unsetenv("WATCHDOG_PID");
  ::unsetenv("WATCHDOG_USEC");
}

}  // namespace
}  // namespace ramet::serve::test
