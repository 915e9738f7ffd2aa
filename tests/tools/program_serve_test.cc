// `ramet serve` and `ramet top` as programs: starting, answering, reloading, ending.
#include <signal.h>
#include <sys/wait.h>

#include <string>

#include <gtest/gtest.h>

#include "tests/tools/program.h"
#include "tools/serve/fetch.h"

namespace ramet::test {
namespace {

class ServeProgramTest : public ProgramTest {
 protected:
  ServeProgramTest() { make_store(); }

  // Starts a daemon on ports that the system chooses, and waits until it answers.
  Running serve(Words words = {}) {
    Words all = {"serve", "--json", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"};
    all.insert(all.end(), words.begin(), words.end());
    How how;
    how.stdout_path = dir_.file("serving-" + std::to_string(daemons_++));
    write_local(how.stdout_path, "");
    Running daemon = start(all, how);
    Json line;
    while (!line.contains("serving")) {
      siginfo_t ended{};  // (it is still there to be waited for afterwards)
      ::waitid(P_PID, static_cast<id_t>(daemon.pid()), &ended, WEXITED | WNOHANG | WNOWAIT);
      if (ended.si_pid != 0) {
        ADD_FAILURE() << "the daemon ended before it served";
        return daemon;
      }
      ::usleep(5000);
      const std::string text = read_local(how.stdout_path);
      if (text.ends_with('\n')) line = Json::parse(text);
    }
    url_ = line["serving"]["urls"][0];
    metrics_url_ = line["serving"]["metrics_url"];
    EXPECT_EQ(line["serving"]["pid"], daemon.pid());
    return daemon;
  }
  int status_of(const std::string& url) {
    const auto fetched = serve::fetch(url, {});
    return fetched.ok() ? fetched->status : -1;
  }
  static Ran end(Running& daemon) {
    ::kill(daemon.pid(), SIGTERM);
    return daemon.wait();
  }

  int daemons_ = 0;
  std::string url_, metrics_url_;
};

TEST_F(ServeProgramTest, ItAnswersUntilItIsToldToEnd) {
  Running daemon = serve({"--pid-file", dir_.file("pid"), "--log", dir_.file("log")});
  EXPECT_EQ(status_of(url_ + "/healthz"), 200);
  EXPECT_EQ(status_of(url_ + "/readyz"), 200);
  EXPECT_EQ(status_of(url_ + "/metrics"), 401);
  EXPECT_EQ(status_of(metrics_url_ + "/metrics"), 200);
  EXPECT_EQ(read_local(dir_.file("pid")), std::to_string(daemon.pid()) + "\n");
  const Ran ran = end(daemon);
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(status_of(url_ + "/healthz"), -1);
  EXPECT_FALSE(fs::exists(dir_.file("pid")));
  EXPECT_NE(read_local(dir_.file("log")).find("\"path\":\"/healthz\""), std::string::npos);
  done({"ls", "prod:/"});  // the store was closed, and opens
}

TEST_F(ServeProgramTest, AStoreHasOneDaemonAndAPortOneListener) {
  Running daemon = serve();
  fails({"serve", "--listen", "127.0.0.1:0"}, 5);
  const std::string port = url_.substr(url_.rfind(':') + 1);
  done({"init", "-q", dir_.file("other")});
  fails({"serve", dir_.file("other"), "--listen", "127.0.0.1:" + port}, 5,
        "another process listens there");
  EXPECT_EQ(end(daemon).exit_code, 0);
}

TEST_F(ServeProgramTest, AHangupOpensTheLogAnewAndEndsNothing) {
  Running daemon = serve({"--log", dir_.file("log")});
  fs::rename(dir_.file("log"), dir_.file("log.1"));
  ::kill(daemon.pid(), SIGHUP);
  while (!fs::exists(dir_.file("log"))) ::usleep(5000);
  EXPECT_EQ(status_of(url_ + "/healthz"), 200);
  EXPECT_EQ(end(daemon).exit_code, 0);
  EXPECT_NE(read_local(dir_.file("log")).find("reloaded"), std::string::npos);
}

// Each thread of a daemon may be in another folder: that of the command it carries out.
TEST_F(ServeProgramTest, AStoreByARelativePathServesCommandsFromAnywhere) {
  Running daemon = serve({"store"});
  How elsewhere;
  elsewhere.directory = "/";
  elsewhere.input = std::string(300'000, 'a') + std::string(300'000, 'b');
  for (int i = 0; i < 3; ++i) {
    done({"put", "-q", "-", "prod:/" + std::to_string(i)}, elsewhere);
  }
  done({"rm", "prod:/0"}, elsewhere);
  done({"reclaim", "--until-idle"}, elsewhere);
  EXPECT_EQ(done({"cat", "prod:/2"}, elsewhere), elsewhere.input);
  EXPECT_EQ(end(daemon).exit_code, 0);
  EXPECT_EQ(done({"cat", "prod:/1"}), elsewhere.input);
}

TEST_F(ServeProgramTest, FlagsGoBeforeTheFile) {
  write_local(dir_.file("config"), "listen = 'nowhere.invalid:1'\nlog = '" + dir_.file("log") +
                                       "'\nlog-level = 'info'\n");
  Running daemon = serve({"--config", dir_.file("config"), "--log-level", "off"});
  EXPECT_EQ(status_of(url_ + "/healthz"), 200);
  EXPECT_EQ(end(daemon).exit_code, 0);
  EXPECT_EQ(read_local(dir_.file("log")), "");
}

TEST_F(ServeProgramTest, MistakesAreToldBeforeAnythingStarts) {
  fails({"serve", "--listen", ":9440"}, 2, "unencrypted");
  fails({"serve", "--idle-timeout", "soon"}, 2, "idle-timeout");
  write_local(dir_.file("config"), "threads = 2\nhtreads = 2\n");
  fails({"serve", "--config", dir_.file("config")}, 2, "config:2: 'htreads' is no option");
  fails({"serve", "--config", dir_.file("missing")}, 3, "missing");
  fails({"serve", "--tls-certificate", dir_.file("missing"), "--tls-key", dir_.file("missing"),
         "--listen", "127.0.0.1:0"},
        2, "missing");
  How how;
  how.store = false;
  fails({"serve", dir_.file("nowhere"), "--listen", "127.0.0.1:0"}, 3, {}, how);
}

TEST_F(ServeProgramTest, TopShowsWhatTheDaemonDoes) {
  Running daemon = serve();
  const Json json = done_json({"top", "--once", "--url", metrics_url_ + "/metrics"});
  EXPECT_FALSE(json["read_only"]);
  EXPECT_EQ(json["operations"][0]["operation"], "Metrics");
  EXPECT_NE(done({"top", "--once", "--url", metrics_url_ + "/metrics"}).find("server.Metrics"),
            std::string::npos);
  fails({"top", "--once", "--url", url_ + "/metrics"}, 8, "token");
  fails({"top", "--once", "--url", "ftp://x"}, 2);
  EXPECT_EQ(end(daemon).exit_code, 0);
}

}  // namespace
}  // namespace ramet::test
