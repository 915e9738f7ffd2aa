// What is read of a file's state, and when a comparison of two states proves something.
#include "io/tree_attributes.h"

#include <gtest/gtest.h>
#include <time.h>

#include "tests/support/temp_dir.h"
#include "tests/support/tree_files.h"

namespace ramet::io {
namespace {

using test::TempDir;
using test::write_bytes;

constexpr int64_t kSecond = 1'000'000'000;

int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

TEST(TreeAttributes, AStateSettlesWhenTheClockOfFileTimesHasMovedOn) {
  FileState state;
  state.changed = now();
  EXPECT_GT(unsettled_ns(state), 0);
  EXPECT_LE(unsettled_ns(state), kSecond / 50);
  state.changed = now() - kSecond;
  EXPECT_EQ(unsettled_ns(state), 0);
  state.changed = now() + 100 * kSecond;  // another machine's clock: waiting would not help
  EXPECT_EQ(unsettled_ns(state), 0);
}

TEST(TreeAttributes, EveryChangeShowsInTheState) {
  const TempDir dir;
  const std::string path = dir.file("f");
  write_bytes(path, "content");
  FileState before;
  ASSERT_EQ(read_state(AT_FDCWD, path.c_str(), &before), 0);
  EXPECT_TRUE(same_state(before, before));
  const std::vector<std::function<void()>> changes = {
      [&] { write_bytes(path, "Content"); },
      [&] { write_bytes(path, "more", 7); },
      [&] { test::set_size(path, 3); },
      [&] { ASSERT_EQ(::chmod(path.c_str(), 0600), 0); },
      [&] { test::set_time(path, 1, 2); },
      [&] { ASSERT_EQ(::link(path.c_str(), dir.file("link").c_str()), 0); },
      [&] {
        write_bytes(dir.file("other"), "content");
        ASSERT_EQ(::rename(dir.file("other").c_str(), path.c_str()), 0);
      },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    const timespec tick{0, 25'000'000};
    ::nanosleep(&tick, nullptr);
    changes[i]();
    FileState after;
    ASSERT_EQ(read_state(AT_FDCWD, path.c_str(), &after), 0);
    EXPECT_FALSE(same_state(before, after)) << i;
    before = after;
  }
  EXPECT_EQ(read_state(AT_FDCWD, dir.file("missing").c_str(), &before), ENOENT);
}

}  // namespace
}  // namespace ramet::io
