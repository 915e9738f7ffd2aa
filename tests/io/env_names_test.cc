// Every sentence of io/env.h about names, locks, space, clocks and random bytes, over every
// implementation.
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "tests/io/env_fixture.h"

namespace ramet::test {
namespace {

using io::OpenMode;

class EnvNames : public EnvTest {};
INSTANTIATE_TEST_SUITE_P(All, EnvNames, testing::Values("posix", "uring", "sim"), env_test_name);

TEST_P(EnvNames, DirectoryIsCreatedOnceAndListedSorted) {
  ASSERT_OK(env().create_directory(path("d")));
  auto again = env().create_directory(path("d"));
  ASSERT_TRUE(fails_with(again, ErrorCode::kAlreadyExists));
  EXPECT_NE(again.error().message().find(path("d")), std::string::npos);
  EXPECT_NE(again.error().message().find("create directory"), std::string::npos);
  EXPECT_TRUE(fails_with(env().create_directory(path("x/y")), ErrorCode::kNotFound));
  for (const char* name : {"d/b", "d/a", "d/.hidden", "d/C"}) create(name);
  ASSERT_OK(env().create_directory(path("d/sub")));
  EXPECT_EQ(*env().list(path("d")), (std::vector<std::string>{".hidden", "C", "a", "b", "sub"}));
  EXPECT_TRUE(fails_with(env().list(path("none")), ErrorCode::kNotFound));
  EXPECT_TRUE(fails_with(env().list(path("d/a")), ErrorCode::kIoError));
}

TEST_P(EnvNames, ExistsTellsFilesAndDirectories) {
  create("file");
  EXPECT_TRUE(*env().exists(path("file")));
  EXPECT_TRUE(*env().exists(directory_));
  EXPECT_FALSE(*env().exists(path("none")));
  EXPECT_FALSE(*env().exists(path("none/none")));
  EXPECT_FALSE(*env().exists(path("file/none")));
}

TEST_P(EnvNames, RenameMovesAndReplaces) {
  ASSERT_OK(create("a")->write(0, "A"));
  ASSERT_OK(create("b")->write(0, "B"));
  ASSERT_OK(env().rename(path("a"), path("b")));
  EXPECT_FALSE(*env().exists(path("a")));
  EXPECT_EQ(*io::read_file(env(), path("b")), "A");
  ASSERT_OK(env().rename(path("b"), path("b")));
  EXPECT_EQ(*io::read_file(env(), path("b")), "A");
  ASSERT_OK(env().create_directory(path("d")));
  ASSERT_OK(env().rename(path("b"), path("d/c")));
  EXPECT_EQ(*io::read_file(env(), path("d/c")), "A");
  ASSERT_OK(env().rename(path("d"), path("e")));
  EXPECT_EQ(*io::read_file(env(), path("e/c")), "A");
}

TEST_P(EnvNames, RenameErrorsNameBothPaths) {
  auto missing = env().rename(path("none"), path("to"));
  ASSERT_TRUE(fails_with(missing, ErrorCode::kNotFound));
  EXPECT_NE(missing.error().message().find(path("none")), std::string::npos);
  EXPECT_NE(missing.error().message().find("rename to " + path("to")), std::string::npos);
  create("file");
  EXPECT_TRUE(fails_with(env().rename(path("file"), path("no/to")), ErrorCode::kNotFound));
  ASSERT_OK(env().create_directory(path("d")));
  create("d/inside");
  EXPECT_TRUE(fails_with(env().rename(path("file"), path("d")), ErrorCode::kIoError));
  EXPECT_TRUE(fails_with(env().rename(path("d"), path("file")), ErrorCode::kIoError));
  EXPECT_TRUE(fails_with(env().rename(path("d"), path("d/inside2")), ErrorCode::kIoError));
  ASSERT_OK(env().create_directory(path("e")));
  EXPECT_TRUE(fails_with(env().rename(path("e"), path("d")), ErrorCode::kIoError));  // not empty
  EXPECT_OK(env().rename(path("d"), path("e")));  // empty: replaced
  EXPECT_TRUE(*env().exists(path("e/inside")));
}

TEST_P(EnvNames, RemoveTakesFilesAndRemoveDirectoryEmptyDirectories) {
  create("file");
  ASSERT_OK(env().remove(path("file")));
  EXPECT_FALSE(*env().exists(path("file")));
  auto again = env().remove(path("file"));
  ASSERT_TRUE(fails_with(again, ErrorCode::kNotFound));
  EXPECT_NE(again.error().message().find("remove"), std::string::npos);

  ASSERT_OK(env().create_directory(path("d")));
  create("d/file");
  EXPECT_FALSE(env().remove(path("d")).ok());
  EXPECT_TRUE(fails_with(env().remove_directory(path("d")), ErrorCode::kIoError));
  EXPECT_TRUE(fails_with(env().remove_directory(path("d/file")), ErrorCode::kIoError));
  ASSERT_OK(env().remove(path("d/file")));
  ASSERT_OK(env().remove_directory(path("d")));
  EXPECT_TRUE(fails_with(env().remove_directory(path("d")), ErrorCode::kNotFound));
}

TEST_P(EnvNames, SyncDirectoryTakesDirectoriesOnly) {
  EXPECT_OK(env().sync_directory(directory_));
  create("file");
  EXPECT_OK(env().sync_directory(directory_));
  EXPECT_TRUE(fails_with(env().sync_directory(path("none")), ErrorCode::kNotFound));
  EXPECT_TRUE(fails_with(env().sync_directory(path("file")), ErrorCode::kIoError));
}

TEST_P(EnvNames, SpaceIsPlausible) {
  auto space = env().space(directory_);
  ASSERT_OK(space);
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_LE(space->available_bytes, space->total_bytes);
  EXPECT_TRUE(fails_with(env().space(path("none")), ErrorCode::kNotFound));
}

TEST_P(EnvNames, ClocksAdvance) {
  EXPECT_GT(env().now(), int64_t{1'600'000'000} * 1'000'000'000);  // this century
  uint64_t last = env().monotonic();
  for (int i = 0; i < 1000; ++i) {
    const uint64_t next = env().monotonic();
    ASSERT_GE(next, last);
    last = next;
  }
}

TEST_P(EnvNames, RandomFillsEveryLengthAndDoesNotRepeat) {
  env().random({});
  for (const size_t length : {1, 7, 16, 300, 100'000}) {
    Bytes first(length, '\0');
    Bytes second(length, '\0');
    env().random(first);
    env().random(second);
    if (length >= 16) {
      EXPECT_NE(first, second);
      EXPECT_NE(first, Bytes(length, '\0'));
      EXPECT_NE(first.substr(length - 16), Bytes(16, '\0'));
    }
  }
}

// --- Locks

TEST_P(EnvNames, ExclusiveLockWritesThePidAndKeepsOthersOut) {
  auto held = env().lock(path("lock"), true);
  ASSERT_OK(held);
  const std::string pid = GetParam() == "sim" ? "1" : std::to_string(getpid());
  EXPECT_EQ(*io::read_file(env(), path("lock")), pid + "\n");
  for (const bool exclusive : {true, false}) {  // of this very process
    auto second = env().lock(path("lock"), exclusive);
    ASSERT_TRUE(fails_with(second, ErrorCode::kBusy));
    EXPECT_NE(second.error().message().find("process " + pid), std::string::npos);
    EXPECT_NE(second.error().message().find(path("lock")), std::string::npos);
  }
  held = Error(ErrorCode::kCancelled, "released");
  EXPECT_OK(env().lock(path("lock"), true));
}

TEST_P(EnvNames, SharedLocksGoTogetherAndKeepTheTextOfTheFile) {
  ASSERT_OK(create("lock")->write(0, "4711\n"));
  auto one = env().lock(path("lock"), false);
  auto two = env().lock(path("lock"), false);
  ASSERT_OK(one);
  ASSERT_OK(two);
  EXPECT_EQ(*io::read_file(env(), path("lock")), "4711\n");
  auto exclusive = env().lock(path("lock"), true);
  ASSERT_TRUE(fails_with(exclusive, ErrorCode::kBusy));
  // The process of a former, exclusive holder must not be blamed.
  EXPECT_EQ(exclusive.error().message().find("4711"), std::string::npos);
  one = Error(ErrorCode::kCancelled, "released");
  EXPECT_TRUE(fails_with(env().lock(path("lock"), true), ErrorCode::kBusy));
  two = Error(ErrorCode::kCancelled, "released");
  EXPECT_OK(env().lock(path("lock"), true));
}

TEST_P(EnvNames, SharedLockCreatesTheFileIfMissing) {
  EXPECT_OK(env().lock(path("lock"), false));
  EXPECT_TRUE(*env().exists(path("lock")));
  EXPECT_TRUE(fails_with(env().lock(path("no/lock"), false), ErrorCode::kNotFound));
  EXPECT_TRUE(fails_with(env().lock(path("no/lock"), true), ErrorCode::kNotFound));
}

TEST_P(EnvNames, ReadingTheLockFileDoesNotReleaseTheLock) {
  auto held = env().lock(path("lock"), true);
  ASSERT_OK(held);
  ASSERT_OK(io::read_file(env(), path("lock")));  // opens and closes the file
  EXPECT_TRUE(fails_with(env().lock(path("lock"), true), ErrorCode::kBusy));
}

TEST_P(EnvNames, LockOfAnotherProcessIsBusyNamesItsPidAndEndsWithIt) {
  if (GetParam() == "sim") GTEST_SKIP() << "the simulated machine has one process";
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto held = env().lock(path("lock"), true);
    const char answer = held.ok() ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  auto second = env().lock(path("lock"), true);
  ASSERT_TRUE(fails_with(second, ErrorCode::kBusy));
  EXPECT_NE(second.error().message().find("process " + std::to_string(child)), std::string::npos)
      << second.error().message();
  ::kill(child, SIGKILL);  // it cannot release anything any more
  ::waitpid(child, nullptr, 0);
  EXPECT_OK(env().lock(path("lock"), true));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_P(EnvNames, ForkedChildThatDropsItsCopyLeavesTheLockToTheParent) {
  if (GetParam() == "sim") GTEST_SKIP() << "the simulated machine has one process";
  auto held = env().lock(path("lock"), true);
  ASSERT_OK(held);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    held = Error(ErrorCode::kCancelled, "released");  // runs the destructor
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(fails_with(env().lock(path("lock"), true), ErrorCode::kBusy));
  EXPECT_EQ(*io::read_file(env(), path("lock")), std::to_string(getpid()) + "\n");
}

TEST_P(EnvNames, OnlyOneOfManyThreadsGetsTheLock) {
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<io::FileLock>> held(8);
  for (auto& mine : held) {
    threads.emplace_back([&] {
      auto lock = env().lock(path("lock"), true);
      if (lock.ok()) mine = *std::move(lock);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::count_if(held.begin(), held.end(), [](const auto& l) { return l != nullptr; }), 1);
}

TEST_P(EnvNames, RefusedByPermissionsIsPermissionDenied) {
  if (GetParam() == "sim") GTEST_SKIP() << "the simulated disk has no permissions";
  create("file");
  ASSERT_EQ(::chmod(path("file").c_str(), 0), 0);
  ASSERT_EQ(::chmod(directory_.c_str(), 0555), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // root is refused nothing: become nobody
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    constexpr auto kDenied = ErrorCode::kPermissionDenied;
    const bool right = fails_with(env().open(path("file"), OpenMode::kRead), kDenied) &&
                       fails_with(env().open_bulk(path("file"), OpenMode::kRead), kDenied) &&
                       fails_with(env().open(path("new"), OpenMode::kCreateExclusive), kDenied) &&
                       fails_with(env().create_directory(path("new")), kDenied) &&
                       fails_with(env().remove(path("file")), kDenied) &&
                       fails_with(env().lock(path("new"), true), kDenied);
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  ::chmod(directory_.c_str(), 0755);
}

}  // namespace
}  // namespace ramet::test
