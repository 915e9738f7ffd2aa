// Runs the program `ramet` as its users do, in a directory of its own.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/store.h"
#include "tests/support/temp_dir.h"
#include "tools/local_commands.h"

namespace ramet::test {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

inline std::string read_local(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_local(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Bytes that no chunker or codec finds anything in; the same for the same seed.
inline std::string noise(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(seed >> 56);
  }
  return bytes;
}

inline constexpr unsigned kNobody = 65534;

inline bool become_nobody() {
  return ::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0;
}

// Gives a tree away, so that a program run as nobody may work in it.
inline void give_to_nobody(const fs::path& root) {
  if (::geteuid() != 0) return;
  static_cast<void>(::lchown(root.c_str(), kNobody, kNobody));
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    EXPECT_EQ(::lchown(entry.path().c_str(), kNobody, kNobody), 0);
  }
}

// A store that this process holds as a daemon does: it runs the commands of others.
class HeldStore {
 public:
  // Null if the store cannot be opened.
  static std::shared_ptr<HeldStore> open(const std::string& path,
                                         serve::LocalDoor::Options options = {}) {
    auto store = Store::open(path, {});
    if (!store.ok()) return nullptr;
    std::shared_ptr<HeldStore> held(new HeldStore(std::move(*store)));
    auto door = tools::open_local_door(*held->store_, path, std::move(options));
    EXPECT_TRUE(door.ok()) << door.error().message();
    if (!door.ok()) return nullptr;
    held->door_ = std::move(*door);
    return held;
  }
  ~HeldStore() {
    if (door_ != nullptr) door_->stop(std::chrono::minutes(5));
    door_.reset();
    const Status closed = store_->close();
    EXPECT_TRUE(closed.ok()) << closed.error().message();
  }
  Store& store() { return *store_; }
  serve::LocalDoor& door() { return *door_; }

 private:
  explicit HeldStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  std::unique_ptr<Store> store_;
  std::unique_ptr<serve::LocalDoor> door_;
};

struct Ran {
  int exit_code = -1;  // -1: ended by `signal`
  int signal = 0;
  uint64_t memory_peak = 0;  // bytes resident at most
  std::string out;
  std::string err;

  // Of stdout; fails the test if it is no JSON document.
  Json json() const {
    Json parsed = Json::parse(out, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << out;
    return parsed;
  }
  Json error_json() const {
    Json parsed = Json::parse(err, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << err;
    return parsed.is_discarded() ? Json() : parsed["error"];
  }
};

// A program that was started and not waited for.
class Running {
 public:
  Running(pid_t pid, fs::path out, fs::path err, std::shared_ptr<HeldStore> held = nullptr)
      : pid_(pid), out_(out), err_(err), held_(std::move(held)) {}
  Running(Running&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)),
        out_(other.out_),
        err_(other.err_),
        held_(std::move(other.held_)) {}
  ~Running() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  Ran wait() {
    int status = 0;
    rusage usage{};
    EXPECT_EQ(::wait4(std::exchange(pid_, 0), &status, 0, &usage) > 0, true);
    held_.reset();
    Ran ran;
    ran.memory_peak = static_cast<uint64_t>(usage.ru_maxrss) << 10;
    if (WIFEXITED(status)) ran.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) ran.signal = WTERMSIG(status);
    if (!out_.empty()) ran.out = read_local(out_);
    ran.err = read_local(err_);
    return ran;
  }

 private:
  pid_t pid_;
  fs::path out_, err_;
  std::shared_ptr<HeldStore> held_;  // as long as it runs
};

// How a program is run.
struct How {
  std::string input;           // stdin
  std::string directory;       // to run in; empty: the test's own
  bool store = true;           // RAMET_STORE names the test's store
  int stdin_fd = -1;           // instead of `input`
  std::string stdout_path;     // instead of Ran::out
  int stdout_fd = -1;
  bool as_nobody = false;      // when this is root: without any right
};

class ProgramTest : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  ProgramTest() : store_(dir_.file("store")) {}

  Running start(const Words& words, const How& how) {
    return start_command(RAMET_PROGRAM, words, how);
  }

  Running start_command(const std::string& program, const Words& words, const How& how) {
    const std::string base = dir_.file("run-" + std::to_string(runs_++));
    write_local(base + ".in", how.input);
    write_local(base + ".err", "");
    const std::string out = how.stdout_path.empty() ? base + ".out" : how.stdout_path;
    if (how.stdout_path.empty()) write_local(out, "");
    std::vector<char*> argv = {const_cast<char*>(program.c_str())};
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const std::string directory = how.directory.empty() ? dir_.path() : how.directory;
    std::shared_ptr<HeldStore> held = hold_for(words, how);
    const pid_t pid = ::fork();
    if (pid == 0) {
      const int in = how.stdin_fd >= 0 ? how.stdin_fd : ::open((base + ".in").c_str(), O_RDONLY);
      ::dup2(in, 0);
      ::dup2(how.stdout_fd >= 0 ? how.stdout_fd : ::open(out.c_str(), O_WRONLY), 1);
      ::dup2(::open((base + ".err").c_str(), O_WRONLY), 2);
      for (int fd = 3; fd < 256; ++fd) ::close(fd);
      if (::chdir(directory.c_str()) != 0) ::_exit(99);
      if (how.as_nobody && ::geteuid() == 0 && !become_nobody()) ::_exit(97);
      ::unsetenv("RAMET_STORE");
      if (how.store) ::setenv("RAMET_STORE", store_.c_str(), 1);
      ::setenv("LC_ALL", "C", 1);
      ::execv(program.c_str(), argv.data());
      ::_exit(98);
    }
    EXPECT_GT(pid, 0);
    return Running(pid, how.stdout_path.empty() ? out : "", base + ".err", std::move(held));
  }

  Ran run(const Words& words, const How& how = {}) { return start(words, how).wait(); }

  // Must succeed; returns stdout.
  std::string done(const Words& words, const How& how = {}) {
    const Ran ran = run(words, how);
    EXPECT_EQ(ran.exit_code, 0) << ::testing::PrintToString(words) << "\n" << ran.err;
    EXPECT_EQ(ran.err, "") << ::testing::PrintToString(words);
    return ran.out;
  }
  Json done_json(Words words, const How& how = {}) {
    words.push_back("--json");
    const Ran ran = run(words, how);
    EXPECT_EQ(ran.exit_code, 0) << ::testing::PrintToString(words) << "\n" << ran.err;
    return ran.json();
  }
  // Must fail with the code, saying one line that begins "ramet: " and holds `text`.
  void fails(const Words& words, int exit_code, std::string_view text = {}, const How& how = {}) {
    const Ran ran = run(words, how);
    EXPECT_EQ(ran.exit_code, exit_code) << ::testing::PrintToString(words) << "\n" << ran.err;
    EXPECT_TRUE(ran.err.starts_with("ramet: ")) << ran.err;
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
    EXPECT_NE(ran.err.find(text), std::string::npos) << ran.err << "\nlacks: " << text;
  }

  // A store with a container "prod".
  void make_store() {
    done({"init", "-q"});
    done({"container", "create", "prod"});
  }
  void put(const std::string& path, const std::string& content) {
    How how;
    how.input = content;
    done({"put", "-q", "-p", "-", path}, how);
  }

  static void flip(const fs::path& path, size_t at) {
    std::string bytes = read_local(path);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    write_local(path, bytes);
  }
  // Flips a bit of what these bytes became on disk.
  void damage(const std::string& bytes) const {
    for (const auto& entry : fs::directory_iterator(fs::path(store_) / "segments")) {
      const size_t at = read_local(entry.path()).find(bytes);
      if (at != std::string::npos) return flip(entry.path(), at + 100);
    }
    FAIL() << "not in any segment";
  }

  // With RAMET_TEST_DOOR=1 in the environment all tests run a second way: whatever works on the
  // test's store is handed over to this process, which holds the store meanwhile. (Not what needs
  // the store for itself or reads its files alone, nor what is run as another user.)
  std::shared_ptr<HeldStore> hold_for(const Words& words, const How& how) {
    const char* wanted = ::getenv("RAMET_TEST_DOOR");
    if (wanted == nullptr || !holds_ || how.as_nobody) return nullptr;
    for (const std::string& word : words) {
      for (const char* alone : {"init", "fsck", "scrub", "scavenge", "inspect", "--store"}) {
        if (word == alone) return nullptr;
      }
    }
    std::shared_ptr<HeldStore> held = held_.lock();
    if (held == nullptr) held = HeldStore::open(store_);
    held_ = held;
    return held;
  }

  TempDir dir_;
  const std::string store_;
  int runs_ = 0;
  bool holds_ = true;  // false: commands of this test are never handed over by RAMET_TEST_DOOR
  std::weak_ptr<HeldStore> held_;
};

}  // namespace ramet::test
