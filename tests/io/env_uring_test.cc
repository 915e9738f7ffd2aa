// The parts under env_uring: rings, their pool, the buffers; and machines that forbid io_uring,
// which a seccomp filter in a child process imitates.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <set>
#include <thread>

#include "io/ring.h"
#include "io/unix_fd.h"
#include "io/worker_pool.h"
#include "tests/io/env_fixture.h"

namespace ramet::test {
namespace {

using io::Ring;
using io::RingAction;
using io::RingOperation;
using io::RingPool;

bool uring_missing(std::string& why) {
  auto ring = Ring::create(4);
  if (!ring.ok()) why = ring.error().to_string();
  return !ring.ok();
}

#define SKIP_WITHOUT_URING()                                 \
  do {                                                       \
    std::string ramet_why;                                   \
    if (uring_missing(ramet_why)) GTEST_SKIP() << ramet_why; \
  } while (false)

// From now on the system call fails with the errno, for this process and all it starts.
bool forbid(long call, uint32_t number) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{4, filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Runs the body in a child; true if it returned true there.
bool in_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = -1;
  ::waitpid(child, &status, 0);
  return status == 0;
}

TEST(UringForbidden, MakeSaysUnsupportedWithTheReason) {
  for (const int number : {ENOSYS, EPERM}) {
    EXPECT_TRUE(in_child([number] {
      if (!forbid(SYS_io_uring_setup, static_cast<uint32_t>(number))) return false;
      auto env = io::make_uring_env();
      return fails_with(env, ErrorCode::kUnsupported) &&
             env.error().message().find("io_uring is not available") != std::string::npos;
    }));
  }
}

TEST(UringForbidden, DefaultEnvIsPosixAndSaysWhyOnce) {
  EXPECT_TRUE(in_child([] {
    ::unsetenv("RAMET_IO");
    if (!forbid(SYS_io_uring_setup, EPERM)) return false;
    std::string why;
    return io::default_env(&why)->name() == "posix" && why.starts_with("posix: io_uring") &&
           why.find("seccomp") != std::string::npos && why.find('\n') == std::string::npos;
  }));
  EXPECT_TRUE(in_child([] {
    ::setenv("RAMET_IO", "uring", 1);
    if (!forbid(SYS_io_uring_setup, EPERM)) return false;
    std::string why;
    return io::default_env(&why)->name() == "posix" &&
           why.find("RAMET_IO asked for uring") != std::string::npos;
  }));
}

TEST(DefaultEnv, EnvironmentVariableChooses) {
  EXPECT_TRUE(in_child([] {
    ::setenv("RAMET_IO", "posix", 1);
    std::string why;
    return io::default_env(&why)->name() == "posix" && why == "posix: chosen by RAMET_IO";
  }));
  EXPECT_TRUE(in_child([] {
    ::setenv("RAMET_IO", "nonsense", 1);
    std::string why;
    return io::default_env(&why) != nullptr && why.starts_with("RAMET_IO=nonsense is ignored");
  }));
  EXPECT_NE(io::default_env(), nullptr);
}

TEST(DefaultEnv, IsUringWhereTheKernelOffersIt) {
  SKIP_WITHOUT_URING();
  EXPECT_TRUE(in_child([] {
    ::unsetenv("RAMET_IO");
    std::string why;
    return io::default_env(&why)->name() == "uring" && why == "uring: the kernel offers it";
  }));
}

// A ring that dies while files use it: they go on by plain calls.
TEST(UringForbidden, FilesGoOnWithoutRingsWhenTheKernelTakesThemAway) {
  SKIP_WITHOUT_URING();
  for (const long call : {SYS_io_uring_setup, SYS_io_uring_enter}) {
    EXPECT_TRUE(in_child([call] {
      const TempDir directory;
      auto env = io::make_uring_env();
      if (!env.ok() || !forbid(call, EIO)) return false;
      auto file = (*env)->open_bulk(directory.file("f"), io::OpenMode::kCreateExclusive);
      const Bytes data = pattern(3'000'001, 1);
      if (!file.ok() || !(*file)->write(5, data).ok()) return false;
      std::vector<io::WritePiece> writes;
      for (size_t i = 0; i < 20; ++i) writes.push_back({4'000'000 + i * 100, "scattered"});
      if (!(*file)->write_batch(writes).ok()) return false;
      Bytes into(3'000'001, '\0');
      const auto got = (*file)->read(5, into);
      std::vector<io::ReadPiece> reads;
      Bytes small(20 * 9, '\0');
      for (size_t i = 0; i < 20; ++i) {
        reads.push_back({4'000'000 + i * 100, std::span(small).subspan(i * 9, 9)});
      }
      return got.ok() && into == data && (*file)->read_batch(reads).ok() &&
             small.substr(19 * 9) == "scattered";
    }));
  }
}

// Runs `count` operations made by `make`; collects what comes back.
class TestWork : public io::RingWork {
 public:
  TestWork(size_t count, std::function<RingOperation(size_t)> make)
      : count_(count), make_(std::move(make)) {}
  bool next(RingOperation& operation) override {
    if (begun_ == count_) return false;
    operation = make_(begun_);
    operation.tag = begun_++;
    most_in_flight_ = std::max(most_in_flight_, begun_ - completed_.size());
    return true;
  }
  void complete(const RingOperation& operation) override { completed_.push_back(operation); }

  size_t most_in_flight() const { return most_in_flight_; }
  const std::vector<RingOperation>& completed() const { return completed_; }

 private:
  size_t count_;
  std::function<RingOperation(size_t)> make_;
  size_t begun_ = 0;
  size_t most_in_flight_ = 0;
  std::vector<RingOperation> completed_;
};

TEST(RingTest, EveryOperationComesBackOnceAndDepthIsTheMostInFlight) {
  SKIP_WITHOUT_URING();
  const TempDir directory;
  const io::UnixFd fd(::open(directory.file("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  auto ring = Ring::create(8);
  ASSERT_OK(ring);
  const Bytes data = pattern(1000 * 100, 1);
  TestWork writes(1000, [&](size_t i) {
    return RingOperation{.action = RingAction::kWrite,
                         .fd = fd.get(),
                         .offset = i * 100,
                         .data = const_cast<char*>(data.data()) + i * 100,
                         .length = 100};
  });
  ASSERT_OK((*ring)->run(writes));
  EXPECT_EQ(writes.completed().size(), 1000u);
  EXPECT_LE(writes.most_in_flight(), 8u);
  std::set<uint64_t> tags;
  for (const RingOperation& operation : writes.completed()) {
    EXPECT_EQ(operation.error, 0);
    EXPECT_EQ(operation.done, 100u);
    tags.insert(operation.tag);
  }
  EXPECT_EQ(tags.size(), 1000u);

  TestWork sync(
      1, [&](size_t) { return RingOperation{.action = RingAction::kSyncData, .fd = fd.get()}; });
  ASSERT_OK((*ring)->run(sync));
  EXPECT_EQ(sync.completed().at(0).error, 0);

  Bytes into(data.size(), '\0');
  TestWork reads(1000, [&](size_t i) {
    return RingOperation{.action = RingAction::kRead,
                         .fd = fd.get(),
                         .offset = i * 100,
                         .data = into.data() + i * 100,
                         .length = 100};
  });
  ASSERT_OK((*ring)->run(reads));
  EXPECT_EQ(into, data);
}

TEST(RingTest, ShortTransfersAreContinuedUnlessForbidden) {
  SKIP_WITHOUT_URING();
  auto ring = Ring::create(4);
  ASSERT_OK(ring);
  for (const bool continue_short : {true, false}) {
    int ends[2];  // a pipe gives what is there, however much was asked for
    ASSERT_EQ(::pipe(ends), 0);
    const io::UnixFd from(ends[0]);
    const io::UnixFd to(ends[1]);
    ASSERT_EQ(::write(to.get(), "0123456789", 10), 10);
    std::thread later([&] {
      ::usleep(20'000);
      if (!continue_short) return;
      EXPECT_EQ(::write(to.get(), "abcdefghij", 10), 10);
    });
    Bytes into(20, '.');
    TestWork work(1, [&](size_t) {
      return RingOperation{.action = RingAction::kRead,
                           .fd = from.get(),
                           .data = into.data(),
                           .length = 20,
                           .continue_short = continue_short};
    });
    EXPECT_OK((*ring)->run(work));
    later.join();
    EXPECT_EQ(work.completed().at(0).done, continue_short ? 20u : 10u);
    EXPECT_EQ(into, continue_short ? "0123456789abcdefghij" : "0123456789..........");
  }
}

TEST(RingTest, ErrorsAndEndOfFileComeBackWithTheirOperation) {
  SKIP_WITHOUT_URING();
  const TempDir directory;
  const io::UnixFd fd(::open(directory.file("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::pwrite(fd.get(), "0123456789", 10, 0), 10);
  auto ring = Ring::create(4);
  ASSERT_OK(ring);
  Bytes into(3 * 100, '\0');
  TestWork work(3, [&](size_t i) {
    return RingOperation{.action = RingAction::kRead,
                         .fd = i == 1 ? -1 : fd.get(),
                         .offset = i == 2 ? 50u : 4u,
                         .data = into.data() + i * 100,
                         .length = 100};
  });
  ASSERT_OK((*ring)->run(work));
  ASSERT_EQ(work.completed().size(), 3u);
  for (const RingOperation& operation : work.completed()) {
    EXPECT_EQ(operation.error, operation.tag == 1 ? EBADF : 0);
    EXPECT_EQ(operation.done, operation.tag == 0 ? 6u : 0u);
  }
}

TEST(RingTest, RingThatFailsHandsAllOperationsBackAndIsBroken) {
  SKIP_WITHOUT_URING();
  EXPECT_TRUE(in_child([] {
    auto ring = Ring::create(4);
    if (!ring.ok() || !forbid(SYS_io_uring_enter, EIO)) return false;
    Bytes into(100, '\0');
    TestWork work(3, [&](size_t) {
      return RingOperation{.action = RingAction::kRead, .fd = 0, .data = into.data(), .length = 9};
    });
    const Status status = (*ring)->run(work);
    if (status.ok() || !(*ring)->broken() || work.completed().size() != 3) return false;
    for (const auto& operation : work.completed()) {
      if (operation.error != ECANCELED) return false;
    }
    return true;
  }));
}

TEST(RingPoolTest, ManyThreadsShareFewRings) {
  SKIP_WITHOUT_URING();
  RingPool pool(2, 4);
  std::atomic<int> out = 0;
  std::atomic<int> most = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        auto lease = pool.take();
        ASSERT_TRUE(static_cast<bool>(lease));
        const int now = ++out;
        int before = most;
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        TestWork nothing(0, {});
        EXPECT_OK(lease->run(nothing));
        --out;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 2);
}

TEST(AlignedBufferPoolTest, BuffersAreAlignedDistinctAndComeBack) {
  io::AlignedBufferPool pool(3, 8192);
  std::set<char*> seen;
  {
    auto one = pool.take();
    auto two = pool.take();
    auto three = pool.try_take();
    ASSERT_TRUE(one && two && three);
    EXPECT_FALSE(pool.try_take());
    for (const auto* lease : {&*one, &*two, &*three}) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(lease->bytes().data()) % 4096, 0u);
      EXPECT_EQ(lease->bytes().size(), 8192u);
      EXPECT_EQ(lease->bytes().data(), pool.buffer(lease->index()).data());
      seen.insert(lease->bytes().data());
    }
    EXPECT_EQ(seen.size(), 3u);
    std::thread waiter([&] { EXPECT_TRUE(pool.take()); });
    one.reset();
    waiter.join();
  }
  EXPECT_TRUE(pool.try_take());
}

TEST(WorkerPoolTest, EveryBodyRunsOnceWhoeverCalls) {
  io::WorkerPool pool(3);
  pool.run(0, [](size_t) { FAIL(); });
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&pool] {
      for (const size_t count : {1, 2, 100}) {
        std::vector<std::atomic<int>> runs(count);
        pool.run(count, [&](size_t i) { ++runs[i]; });
        for (const auto& run : runs) EXPECT_EQ(run, 1);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace ramet::test
