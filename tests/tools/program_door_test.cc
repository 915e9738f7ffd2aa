// The program while a daemon holds the store: every command does what it does without one. The
// daemon is this process (HeldStore), or a child when it is to die. All other tests of the program
// run this way, too, as test_tools_door.
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/tools/program.h"
#include "tools/serve/local_door.h"
#include "tools/serve/local_protocol.h"

namespace ramet::test {
namespace {

using serve::LocalCommand;
using serve::LocalDoor;

constexpr int kTries = 3000;  // of 10 ms each: nothing here is expected to need them

bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < kTries; ++i) {
    if (holds()) return true;
    ::usleep(10'000);
  }
  return false;
}

class DoorTest : public ProgramTest {
 protected:
  DoorTest() { holds_ = false; }

  void SetUp() override { make_store(); }

  HeldStore& hold(LocalDoor::Options options = {}) {
    held_store_ = HeldStore::open(store_, std::move(options));
    EXPECT_NE(held_store_, nullptr);
    return *held_store_;
  }
  void let_go() { held_store_.reset(); }

  static bool waits_for_nobody(const LocalDoor& door) {
    return eventually([&] { return door.running() == 0; });
  }

  // The text with "STORE" for a store's name where a path ends in it.
  static std::string generic(std::string text, const std::string& store) {
    for (const std::string& before : {std::string("/"), std::string("-of-")}) {
      const std::string name = before + store;
      for (size_t at = 0; (at = text.find(name, at)) != text.npos; ++at) {
        text.replace(at, name.size(), before + "STORE");
      }
    }
    return text;
  }

  std::shared_ptr<HeldStore> held_store_;
};

// A door without a store behind it, whose commands are this function.
class PlainDoorTest : public DoorTest {
 protected:
  std::unique_ptr<LocalDoor> open_door(LocalDoor::Run run) {
    LocalDoor::Options options;
    options.store = store_;
    options.program = "test";
    auto door = LocalDoor::open(std::move(options), std::move(run));
    EXPECT_TRUE(door.ok()) << door.error().message();
    return door.ok() ? std::move(*door) : nullptr;
  }
};

TEST_F(DoorTest, CommandsEndAndSayWhatTheyDoWithoutADaemon) {
  const std::string other = dir_.file("other");
  write_local(dir_.file("one"), "first content");
  write_local(dir_.file("noise"), noise(300'000, 5));
  fs::create_directories(dir_.file("tree/deep"));
  write_local(dir_.file("tree/deep/f"), "in a tree");
  done({"init", "-q", other});
  done({"container", "create", "prod", "--store", other});
  const std::vector<Words> flow = {
      {"mkdir", "prod:/a"},
      {"mkdir", "prod:/a"},
      {"put", "-q", "one", "noise", "prod:/a/"},
      {"put", "-q", "missing", "prod:/a/"},
      {"cat", "prod:/a/one"},
      {"cat", "prod:/a"},
      {"ls", "prod:/a"},
      {"ls", "prod:/nothing"},
      {"ls", "prod:/nothing", "--json"},
      {"ls", "nowhere:/"},
      {"ls", "--no-such-option"},
      {"ls", "--help"},
      {"snapshot", "create", "prod@s"},
      {"clone", "-q", "prod", "test"},
      {"clone", "-q", "prod", "test"},
      {"rm", "test:/a/one"},
      {"rm", "test:/a"},
      {"mv", "test:/a/noise", "test:/moved"},
      {"diff", "prod", "test"},
      {"diff", "-q", "--exit-code", "prod", "test"},
      {"diff", "--exit-code", "prod@s", "prod"},
      {"import", "-q", "tree", "prod:/t"},
      {"import", "-q", "tree", "--create", "new:/t"},
      {"import", "-q", "no-such-tree", "prod:/t"},
      {"tree", "new"},
      {"export", "-q", "new", "out-of-STORE"},
      {"export", "-q", "new", "out-of-STORE"},
      {"export", "-q", "--overwrite", "new", "out-of-STORE"},
      {"get", "-q", "prod:/a/noise", "got-of-STORE"},
      {"get", "-q", "prod:/nothing", "got-of-STORE"},
      {"du", "prod"},
      {"du", "-s", "prod", "test", "--json"},
      {"config", "prod", "quota-bytes", "1K"},
      {"put", "-q", "noise", "prod:/more"},
      {"config", "prod", "quota-bytes"},
      {"config", "prod", "no-such-setting", "1"},
      {"container", "list", "-q"},
      {"container", "drop", "test"},
      {"undelete", "test"},
      {"undelete", "nothing"},
      {"expire", "test", "--never"},
      {"rollback", "prod@s"},
      {"rollback", "prod@nothing"},
      {"snapshot", "prune", "prod", "--keep-last", "1", "--dry-run", "-q"},
      {"verify", "-q"},
      {"put", "--verify-hits", "-q", "noise", "test:/again"},
      {"__complete", "--", "ls", "te"},
      {"completion", "bash"},
  };
  hold();
  for (const Words& words : flow) {
    Words here = words;
    Words there = words;
    for (size_t i = 0; i < words.size(); ++i) {
      const size_t mark = words[i].find("STORE");
      if (mark == std::string::npos) continue;
      here[i].replace(mark, 5, "store");
      there[i].replace(mark, 5, "other");
    }
    How how;
    const Ran with = run(here, how);
    there.insert(there.begin(), {"--store", other});
    const Ran without = run(there, how);
    const std::string shown = ::testing::PrintToString(words);
    EXPECT_EQ(with.exit_code, without.exit_code) << shown << "\n" << with.err << without.err;
    EXPECT_EQ(generic(with.out, "store"), generic(without.out, "other")) << shown;
    EXPECT_EQ(generic(with.err, "store"), generic(without.err, "other")) << shown;
  }
  EXPECT_EQ(read_local(dir_.file("got-of-store")), read_local(dir_.file("noise")));
  EXPECT_EQ(read_local(dir_.file("out-of-store/t/deep/f")), "in a tree");
}

TEST_F(DoorTest, InfoAndUsageAreOfTheOpenStore) {
  put("prod:/f", noise(1 << 20, 1));
  const Json before = done_json({"info"});
  hold();
  const Json info = done_json({"info"});
  EXPECT_EQ(info["id"], before["id"]);
  EXPECT_EQ(info["store"], store_);
  EXPECT_EQ(info["objects"], 1);
  EXPECT_FALSE(info["read_only"].get<bool>());
  // (What the store gives back by itself between the two is not in both: then once more.)
  Json usage;
  uint64_t total = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    usage = done_json({"du", "--shared"});
    total = 0;
    for (const auto& entry : fs::recursive_directory_iterator(store_)) {
      if (entry.is_regular_file()) total += entry.file_size();
    }
    if (usage["total_bytes"] == total) break;
  }
  EXPECT_EQ(usage["total_bytes"], total);
}

class DoorDirectoryTest : public DoorTest, public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(OwnDirectories, DoorDirectoryTest, ::testing::Bool());

TEST_P(DoorDirectoryTest, RelativePathsAreTheClients) {
  LocalDoor::Options options;
  options.own_directories = GetParam();
  hold(std::move(options));
  How how;
  how.directory = dir_.file("elsewhere");
  fs::create_directories(how.directory + "/tree/sub");
  write_local(how.directory + "/file", "theirs");
  write_local(how.directory + "/tree/sub/f", "deep");
  write_local(dir_.file("file"), "not this one");
  done({"put", "-q", "file", "prod:/"}, how);
  EXPECT_EQ(done({"cat", "prod:/file"}), "theirs");
  done({"put", "-q", "../file", "prod:/other"}, how);
  EXPECT_EQ(done({"cat", "prod:/other"}), "not this one");
  done({"get", "-q", "prod:/other"}, how);  // into "."
  EXPECT_EQ(read_local(how.directory + "/other"), "not this one");
  done({"import", "-q", "./tree", "prod:/t"}, how);
  done({"export", "-q", "prod:/t", "out"}, how);
  EXPECT_EQ(read_local(how.directory + "/out/sub/f"), "deep");
  fails({"put", "tree", "prod:/x"}, 4, "ramet import", how);
  // Its store, too.
  How inside;
  inside.store = false;
  inside.directory = store_ + "/segments";
  EXPECT_EQ(done({"cat", "prod:/file"}, inside), "theirs");
  inside.directory = dir_.path();
  EXPECT_EQ(done({"cat", "--store", "store", "prod:/file"}, inside), "theirs");
}

TEST_P(DoorDirectoryTest, FilesOfTheClientAlone) {
  LocalDoor::Options options;
  options.own_directories = GetParam();
  hold(std::move(options));
  const auto shell = [&](const std::string& script, const How& how = {}) {
    const Ran ran = start_command("/bin/bash", {"-c", script, RAMET_PROGRAM}, how).wait();
    EXPECT_EQ(ran.exit_code, 0) << script << "\n" << ran.err;
    return ran.out;
  };
  EXPECT_EQ(shell("\"$0\" put -q <(printf substituted) prod:/p && \"$0\" cat prod:/p"),
            "substituted");
  EXPECT_EQ(shell("\"$0\" get -q prod:/p /dev/stdout | cat"), "substituted");
  EXPECT_EQ(shell("\"$0\" get -q prod:/p /dev/stdout > redirected && cat redirected"),
            "substituted");
  EXPECT_EQ(shell("{ \"$0\" get -q prod:/p >(cat); } | cat"), "substituted");
  EXPECT_EQ(shell("printf x | \"$0\" put -q /dev/stdin prod:/q && \"$0\" cat prod:/q"), "x");
  EXPECT_EQ(shell("printf y | \"$0\" put -q /proc/self/fd/0 prod:/q && \"$0\" cat prod:/q"), "y");
  EXPECT_EQ(shell("ln -s /dev/fd/0 link && printf z | \"$0\" put -q link prod:/q && "
                  "\"$0\" cat prod:/q"), "z");
  EXPECT_EQ(shell("cd /dev && printf w | \"$0\" put -q fd/0 prod:/q && "
                  "\"$0\" cat prod:/q"), "w");
  EXPECT_EQ(shell("mkfifo pipe && (printf v > pipe &) && \"$0\" put -q pipe prod:/q && "
                  "\"$0\" cat prod:/q"), "v");
  EXPECT_EQ(shell("(\"$0\" get -q prod:/q pipe &) && cat pipe"), "v");
  EXPECT_EQ(shell("\"$0\" get prod:/q - | \"$0\" put -q - prod:/r && \"$0\" cat prod:/r"), "v");
}

TEST_F(DoorTest, WhatIsMadeHasTheClientsUserAndMask) {
  hold();
  const Ran ran = start_command("/bin/bash", {"-c", "umask 027; \"$0\" mkdir prod:/d && "
                                              "printf x | \"$0\" put -q - prod:/d/f",
                                              RAMET_PROGRAM}, {}).wait();
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(done_json({"stat", "prod:/d"})[0]["mode"], "40750");
  EXPECT_EQ(done_json({"stat", "prod:/d/f"})[0]["mode"], "100640");
  EXPECT_EQ(done_json({"stat", "prod:/d/f"})[0]["uid"], ::getuid());
}

TEST_F(DoorTest, TimesAreInTheClientsZone) {
  put("prod:/f", "x");
  const auto shown = [&](const std::string& zone) {
    const Ran ran = start_command("/usr/bin/env", {"TZ=" + zone, RAMET_PROGRAM, "stat", "prod:/f"},
                                  {}).wait();
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    return ran.out;
  };
  const std::vector<std::string> zones = {"UTC", "XYZ-5:45", "Europe/Berlin", "America/St_Johns",
                                          "EST5EDT", "NZST-12NZDT,M9.5.0,M4.1.0/3"};
  std::vector<std::string> without;
  for (const std::string& zone : zones) without.push_back(shown(zone));
  EXPECT_NE(without[1].find("+0545"), std::string::npos) << without[1];
  hold();
  for (size_t i = 0; i < zones.size(); ++i) EXPECT_EQ(shown(zones[i]), without[i]) << zones[i];
}

TEST_F(DoorTest, TheLocaleIsTheClients) {
  hold();
  done({"mkdir", "prod:/d"});
  const Ran utf8 = start_command("/usr/bin/env", {"LC_ALL=C.UTF-8", RAMET_PROGRAM, "tree", "prod"},
                                 {}).wait();
  EXPECT_NE(utf8.out.find("└── d"), std::string::npos) << utf8.out;
  EXPECT_NE(done({"tree", "prod"}).find("`-- d"), std::string::npos);
}

TEST_F(DoorTest, StreamsThatAreClosedStayClosed) {
  hold();
  done({"mkdir", "prod:/d"});
  const auto shell = [&](const std::string& script) {
    return start_command("/bin/bash", {"-c", script, RAMET_PROGRAM}, {}).wait();
  };
  EXPECT_EQ(shell("\"$0\" ls prod >&-").exit_code, 8);
  EXPECT_EQ(shell("\"$0\" ls prod <&-").out, "d/\n");
  EXPECT_EQ(shell("\"$0\" put - prod:/f <&-").exit_code, 8);
  EXPECT_EQ(shell("\"$0\" ls prod:/nothing 2>&-").exit_code, 3);
}

TEST_F(DoorTest, AReaderThatHasGoneEndsTheClientByItsSignal) {
  put("prod:/big", noise(4 << 20, 9));
  HeldStore& held = hold();
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  How how;
  how.stdout_fd = fds[1];
  Running writing = start({"cat", "prod:/big"}, how);
  ::close(fds[1]);
  char some[100];
  EXPECT_GT(::read(fds[0], some, sizeof(some)), 0);
  ::close(fds[0]);
  const Ran ran = writing.wait();
  EXPECT_EQ(ran.signal, SIGPIPE);
  EXPECT_EQ(ran.err, "");
  EXPECT_TRUE(waits_for_nobody(held.door()));
}

TEST_F(DoorTest, AReaderThatDoesNotReadCanBeInterrupted) {
  put("prod:/big", noise(4 << 20, 9));
  HeldStore& held = hold();
  for (const int signal : {SIGINT, SIGTERM, SIGKILL}) {
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    How how;
    how.stdout_fd = fds[1];
    Running writing = start({"cat", "prod:/big"}, how);
    ::close(fds[1]);
    pollfd readable{fds[0], POLLIN, 0};
    ASSERT_EQ(::poll(&readable, 1, -1), 1);
    ASSERT_EQ(::kill(writing.pid(), signal), 0);
    const Ran ran = writing.wait();
    if (signal == SIGKILL) {
      EXPECT_EQ(ran.signal, SIGKILL);
    } else {
      EXPECT_EQ(ran.exit_code, 130) << ran.err;
      EXPECT_EQ(ran.err, "ramet: interrupted\n");
    }
    EXPECT_TRUE(waits_for_nobody(held.door()));
    ::close(fds[0]);
  }
}

// Either way in which a client ends before its command leaves nothing of it.
TEST_F(DoorTest, InterruptedImportsAndPutsLeaveNothingBehind) {
  for (int i = 0; i < 12; ++i) {
    fs::create_directories(dir_.file("tree"));
    write_local(dir_.file("tree/big" + std::to_string(i)), noise(8 << 20, 100 + i));
  }
  HeldStore& held = hold();
  for (const int signal : {SIGINT, SIGHUP, SIGKILL}) {
    Running importing = start({"import", "--create", dir_.file("tree"), "other:/"}, {});
    ASSERT_TRUE(eventually([&] { return held.door().running() == 1; }));
    ASSERT_EQ(::kill(importing.pid(), signal), 0);
    const Ran ran = importing.wait();
    if (ran.exit_code == 0) {  // it was faster
      done({"container", "drop", "other"});
      continue;
    }
    if (signal == SIGKILL) {
      EXPECT_EQ(ran.signal, SIGKILL);
      EXPECT_TRUE(waits_for_nobody(held.door()));
      if (run({"container", "drop", "other"}).exit_code == 0) continue;
    } else {
      EXPECT_EQ(ran.exit_code, 130) << ran.err;
      EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
    }
    EXPECT_EQ(done({"container", "list", "-q"}), "prod\n");
  }
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  How how;
  how.stdin_fd = fds[0];
  Running putting = start({"put", "-", "prod:/f"}, how);
  ::close(fds[0]);
  ASSERT_EQ(::write(fds[1], "half", 4), 4);
  ASSERT_TRUE(eventually([&] { return held.door().running() == 1; }));
  ASSERT_EQ(::kill(putting.pid(), SIGINT), 0);
  EXPECT_EQ(putting.wait().exit_code, 130);
  ::close(fds[1]);
  EXPECT_EQ(done({"ls", "prod"}), "");
}

TEST_F(DoorTest, ManyCommandsAtOnce) {
  HeldStore& held = hold();
  constexpr int kMany = 50;
  std::vector<Running> running;
  for (int i = 0; i < kMany; ++i) {
    How how;
    how.input = noise(10'000, 1000 + i);
    running.push_back(start({"put", "-q", "-", "prod:/f" + std::to_string(i)}, how));
  }
  for (Running& one : running) {
    const Ran ran = one.wait();
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
  }
  running.clear();
  for (int i = 0; i < kMany; ++i) {
    running.push_back(start({"cat", "prod:/f" + std::to_string(i)}, {}));
  }
  for (int i = 0; i < kMany; ++i) EXPECT_EQ(running[i].wait().out, noise(10'000, 1000 + i)) << i;
  EXPECT_TRUE(waits_for_nobody(held.door()));
}

TEST_F(DoorTest, MoreThanTheLimitAreBusy) {
  LocalDoor::Options options;
  options.commands_max = 1;
  HeldStore& held = hold(std::move(options));
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  How how;
  how.stdin_fd = fds[0];
  Running putting = start({"put", "-q", "-", "prod:/f"}, how);
  ::close(fds[0]);
  ASSERT_TRUE(eventually([&] { return held.door().running() == 1; }));
  fails({"ls", "prod"}, 5, "limit");
  ::close(fds[1]);
  EXPECT_EQ(putting.wait().exit_code, 0);
  ASSERT_TRUE(eventually([&] { return run({"ls", "prod"}).exit_code == 0; }));
}

TEST_F(DoorTest, WhatReadsFilesAloneWorksBesideADaemon) {
  put("prod:/f", noise(100'000, 3));
  hold();
  const Ran fsck = run({"fsck", "--data", "--json"});
  EXPECT_EQ(fsck.exit_code, 0) << fsck.err;
  EXPECT_TRUE(fsck.json()["open_elsewhere"].get<bool>());
  EXPECT_EQ(fsck.json()["findings"].size(), 0u);
  EXPECT_EQ(run({"scrub", "-q"}).exit_code, 0);
  EXPECT_EQ(run({"inspect", "segment"}).exit_code, 0);
}

TEST_F(DoorTest, WhatNeedsTheStoreForItselfNamesTheDaemon) {
  hold();
  const std::string process = "process " + std::to_string(::getpid());
  for (const Words& words : {Words{"fsck", "--plan"}, Words{"fsck", "--apply"},
                             Words{"fsck", "--undo"}, Words{"fsck", "--accept"},
                             Words{"scavenge"}, Words{"scavenge", "--dry-run"}}) {
    fails(words, 8, process);
    fails(words, 8, "daemon");
  }
  fails({"init"}, 4, "store already");
  let_go();
  EXPECT_EQ(run({"fsck", "--plan"}).exit_code, 0);
}

TEST_F(DoorTest, CompletionAsksTheDaemon) {
  put("prod:/folder/file", "x");
  hold();
  EXPECT_EQ(done({"__complete", "--", "ls", "pr"}), "prod\n");
  EXPECT_EQ(done({"__complete", "--", "cat", "prod:/folder/f"}), "prod:/folder/file\n");
  EXPECT_EQ(done({"__complete", "--", "--store", store_, "container", "show", ""}), "prod\n");
}

TEST_F(DoorTest, TheSocketIsTheUsersAloneAndGoesWithTheDaemon) {
  const fs::path socket = fs::path(store_) / "daemon.sock";
  hold();
  struct stat status {};
  ASSERT_EQ(::stat(socket.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  let_go();
  EXPECT_FALSE(fs::exists(socket));
  EXPECT_FALSE(fs::exists(socket.string() + ".new"));
}

TEST_F(DoorTest, StoresMayHaveLongPaths) {
  std::string directory = dir_.path();
  for (int i = 0; i < 4; ++i) directory += "/" + std::string(60, static_cast<char>('a' + i));
  fs::create_directories(directory);
  const std::string path = directory + "/store";
  done({"init", "-q", path});
  const auto held = HeldStore::open(path);
  ASSERT_NE(held, nullptr);
  done({"--store", path, "container", "create", "c"});
  EXPECT_EQ(done({"--store", path, "container", "list", "-q"}), "c\n");
}

TEST_F(DoorTest, StoppingInterruptsWhatStillRuns) {
  HeldStore& held = hold();
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  How how;
  how.stdin_fd = fds[0];
  Running putting = start({"put", "-q", "-", "prod:/f"}, how);
  ::close(fds[0]);
  ASSERT_TRUE(eventually([&] { return held.door().running() == 1; }));
  held.door().stop(std::chrono::milliseconds(10));
  EXPECT_EQ(putting.wait().exit_code, 130);
  ::close(fds[1]);
  fails({"ls", "prod"}, 5, std::to_string(::getpid()));  // by the store's own lock
  let_go();
  EXPECT_EQ(done({"ls", "prod"}), "");
}

// A terminal of 60 columns; what is written to it.
TEST_F(DoorTest, TheProgressLineIsDrawnOnTheClientsTerminal) {
  HeldStore& held = hold();
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(::grantpt(terminal), 0);
  ASSERT_EQ(::unlockpt(terminal), 0);
  winsize size{};
  size.ws_row = 24;
  size.ws_col = 60;
  ASSERT_EQ(::ioctl(terminal, TIOCSWINSZ, &size), 0);
  const std::string name = ::ptsname(terminal);
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  How how;
  how.stdin_fd = fds[0];
  Running putting = start_command(
      "/bin/bash", {"-c", "exec \"$0\" put - prod:/f > \"$1\" 2>&1", RAMET_PROGRAM, name}, how);
  ::close(fds[0]);
  ASSERT_EQ(::write(fds[1], "some", 4), 4);
  std::string shown;
  const auto read_until = [&](const std::string& text) {
    while (shown.find(text) == std::string::npos) {
      pollfd readable{terminal, POLLIN, 0};
      if (::poll(&readable, 1, 30'000) != 1) return false;
      char bytes[512];
      const ssize_t got = ::read(terminal, bytes, sizeof(bytes));
      if (got <= 0) return false;
      shown.append(bytes, static_cast<size_t>(got));
    }
    return true;
  };
  EXPECT_TRUE(read_until("storing  4 B")) << shown;
  ::close(fds[1]);
  EXPECT_EQ(putting.wait().exit_code, 0);
  EXPECT_TRUE(read_until("\r\x1b[K")) << shown;
  EXPECT_TRUE(read_until("stored 1 file")) << shown;
  EXPECT_TRUE(waits_for_nobody(held.door()));
  ::close(terminal);
}

TEST_F(PlainDoorTest, ASecondSignalEndsTheClientAtOnce) {
  std::atomic<int> seen{0};
  std::atomic<bool> may_end{false};
  auto door = open_door([&](LocalCommand& command) {
    while (!may_end) {
      seen = command.signal.load();
      ::usleep(1000);
    }
    return 0;
  });
  Running client = start({"ls", "prod"}, {});
  ASSERT_TRUE(eventually([&] { return door->running() == 1; }));
  ASSERT_EQ(::kill(client.pid(), SIGTERM), 0);
  ASSERT_TRUE(eventually([&] { return seen == SIGTERM; }));
  ASSERT_EQ(::kill(client.pid(), SIGINT), 0);
  EXPECT_EQ(client.wait().signal, SIGINT);
  may_end = true;
  EXPECT_TRUE(waits_for_nobody(*door));
}

TEST_F(PlainDoorTest, TheClientsEndIsAnInterrupt) {
  std::atomic<int> seen{0};
  auto door = open_door([&](LocalCommand& command) {
    while (command.signal == 0) ::usleep(1000);
    seen = command.signal.load();
    return 0;
  });
  Running client = start({"ls", "prod"}, {});
  ASSERT_TRUE(eventually([&] { return door->running() == 1; }));
  ASSERT_EQ(::kill(client.pid(), SIGKILL), 0);
  EXPECT_EQ(client.wait().signal, SIGKILL);
  EXPECT_TRUE(waits_for_nobody(*door));
  EXPECT_EQ(seen, SIGHUP);
}

TEST_F(PlainDoorTest, ACommandThatThrowsEndsAlone) {
  auto door = open_door([&](LocalCommand& command) -> int {
    if (command.request.arguments.back() == "prod:/throw") throw std::runtime_error("out of luck");
    if (command.request.arguments.back() == "prod:/odd") throw 7;
    return 42;
  });
  fails({"ls", "prod:/throw"}, 8, "out of luck");
  fails({"ls", "prod:/odd"}, 8, "unexpectedly");
  EXPECT_EQ(run({"ls", "prod"}).exit_code, 42);
}

TEST_F(PlainDoorTest, ArgumentsAndEnvironmentComeAsTheyAre) {
  serve::LocalRequest seen;
  auto door = open_door([&](LocalCommand& command) {
    seen = command.request;
    return 0;
  });
  const Words odd = {"ls", "[a,b]", "", "\x01", "\xFF\xFE", "a\nb", std::string(100'000, 'x'),
                     "++"};
  Words words = {"RAMET_ODD=\xFF=1", "OTHER=secret", "COLUMNS=33", "LC_ALL=C", RAMET_PROGRAM};
  words.insert(words.end(), odd.begin(), odd.end());
  EXPECT_EQ(start_command("/usr/bin/env", words, {}).wait().exit_code, 0);
  door.reset();  // (the thread that wrote it was heard of through another process alone)
  EXPECT_EQ(seen.arguments, odd);
  EXPECT_EQ(seen.environment.at("RAMET_ODD"), "\xFF=1");
  EXPECT_EQ(seen.environment.at("RAMET_STORE"), store_);
  EXPECT_EQ(seen.environment.at("COLUMNS"), "33");
  EXPECT_EQ(seen.environment.count("OTHER"), 0u);
}

TEST_F(PlainDoorTest, GarbageAndVersionsAreRefused) {
  auto door = open_door([](LocalCommand&) { return 0; });
  const auto connected = [&] {
    auto address = serve::SocketAddress::in(store_, serve::kDoorName);
    EXPECT_TRUE(address.ok());
    io::UnixFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(address->connect(socket.get()), 0);
    const auto hello = serve::receive_message(socket.get());
    EXPECT_TRUE(hello.ok() && hello->type == serve::DoorMessage::kHello);
    return socket;
  };
  const auto refused = [&](const std::string& bytes) {
    const io::UnixFd socket = connected();
    EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    const auto answer = serve::receive_message(socket.get());
    if (!answer.ok()) return answer.error().message();
    EXPECT_EQ(answer->type, serve::DoorMessage::kRefused);
    return serve::decode_refused(answer->payload)->message;
  };
  const auto message = [](uint32_t version, uint32_t type, uint32_t length, std::string payload) {
    Bytes bytes;
    append(bytes, serve::kDoorMagic);
    append(bytes, version);
    append(bytes, type);
    append(bytes, length);
    return bytes + payload;
  };
  EXPECT_NE(refused(std::string(64, 'x')), "");
  EXPECT_NE(refused(message(2, 3, 3, "abc")).find("another version"), std::string::npos);
  EXPECT_NE(refused(message(1, 3, 3, "abc")).find("not as it must be"), std::string::npos);
  EXPECT_NE(refused(message(1, 3, UINT32_MAX, "")).find("no message"), std::string::npos);
  serve::LocalRequest request;
  request.arguments = {"ls"};
  request.streams = 7;  // and none comes with it
  const Bytes payload = encode(request);
  EXPECT_NE(refused(message(1, 3, static_cast<uint32_t>(payload.size()), payload))
                .find("descriptors"), std::string::npos);
  for (size_t cut = 1; cut < payload.size(); ++cut) {
    EXPECT_FALSE(serve::decode_request(ByteView(payload).substr(0, cut)).ok()) << cut;
  }
  connected();  // and gone
  EXPECT_EQ(run({"ls", "prod"}).exit_code, 0);
  EXPECT_TRUE(waits_for_nobody(*door));
}

// Forks a daemon that is no more than `body`; waits until its socket is there.
class Child {
 public:
  Child(const std::string& store, const std::function<void()>& body) : pid_(::fork()) {
    if (pid_ == 0) {
      body();
      ::_exit(0);
    }
    EXPECT_TRUE(eventually([&] { return fs::exists(store + "/daemon.sock"); }));
  }
  ~Child() { kill(); }
  pid_t pid() const { return pid_; }
  void kill() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_;
};

TEST_F(PlainDoorTest, ADaemonThatDiesMidwayIsReported) {
  const std::string begun = dir_.file("begun");
  Child daemon(store_, [&] {
    auto door = open_door([&](LocalCommand&) {
      write_local(begun, "");
      for (;;) ::pause();
      return 0;
    });
    for (;;) ::pause();
  });
  Running client = start({"ls", "prod"}, {});
  ASSERT_TRUE(eventually([&] { return fs::exists(begun); }));
  const std::string process = "process " + std::to_string(daemon.pid());
  daemon.kill();
  const Ran ran = client.wait();
  EXPECT_EQ(ran.exit_code, 8);
  EXPECT_NE(ran.err.find(process), std::string::npos) << ran.err;
  // What it left behind is in nobody's way, and the next daemon replaces it.
  EXPECT_TRUE(fs::exists(store_ + "/daemon.sock"));
  EXPECT_EQ(done({"ls", "prod"}), "");
  EXPECT_EQ(run({"fsck"}).exit_code, 0);
  done_json({"du", "--shared"});
  fails({"init"}, 4, "store already");
  hold();
  done({"mkdir", "prod:/d"});
}

TEST_F(PlainDoorTest, ADaemonOfAnotherVersionIsNamedAsSuch) {
  Child daemon(store_, [&] {
    auto address = serve::SocketAddress::in(store_, serve::kDoorName);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (!address.ok() || !address->bind(socket).ok() || ::listen(socket, 8) != 0) ::_exit(1);
    for (;;) {
      const int client = ::accept(socket, nullptr, nullptr);
      Bytes bytes;
      append(bytes, serve::kDoorMagic);
      append(bytes, uint32_t{99});
      append(bytes, uint32_t{1});
      append(bytes, uint32_t{3});
      bytes += "???";
      if (::write(client, bytes.data(), bytes.size()) < 0) ::_exit(1);
    }
  });
  ASSERT_TRUE(eventually([&] { return run({"ls", "prod"}).exit_code == 4; }));
  fails({"ls", "prod"}, 4, "version 99");
}

TEST_F(PlainDoorTest, OtherUsersAreRefusedOnBothEnds) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs another user";
  give_to_nobody(store_);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0777), 0);
  std::atomic<int> runs{0};
  How nobody;
  nobody.as_nobody = true;
  {
    auto door = open_door([&](LocalCommand&) {
      ++runs;
      return 0;
    });
    const Ran ran = run({"ls", "prod"}, nobody);  // may not open the socket: the lock decides
    if (ran.exit_code == 98) GTEST_SKIP() << "nobody may not run " << RAMET_PROGRAM;
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    ASSERT_EQ(::chmod((store_ + "/daemon.sock").c_str(), 0666), 0);
    fails({"ls", "prod"}, 8, "own user", nobody);
    EXPECT_EQ(runs, 0);
    EXPECT_EQ(run({"ls", "prod"}).exit_code, 0);
    EXPECT_EQ(runs, 1);
  }
  Child daemon(store_, [&] {
    if (!become_nobody()) ::_exit(1);
    auto door = open_door([](LocalCommand&) { return 0; });
    for (;;) ::pause();
  });
  fails({"ls", "prod"}, 8, "user 65534");
  EXPECT_EQ(run({"ls", "prod"}, nobody).exit_code, 0);
}

}  // namespace
}  // namespace ramet::test
