// Goal: a process that is killed at any moment loses nothing that it acknowledged, on real files
// and with the background thread running. Method: a child commits and reports each acknowledged
// commit through a pipe; the parent kills it, opens the store and looks.
//
// RAMET_KILLS: how many (default 200).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "engine/store.h"
#include "io/env.h"
#include "tests/support/temp_dir.h"

namespace ramet::sim {
namespace {

StoreOptions options() {
  StoreOptions options;
  options.env = io::default_env();
  options.ballast_bytes = 1 << 20;
  // Checkpoints and roll-overs within a few milliseconds.
  options.dirty_bytes_max = 64 << 10;
  options.replay_bytes_max = 256 << 10;
  options.commit_segment_bytes = 128 << 10;
  options.data_segment_bytes = 1 << 20;
  options.node_segment_bytes = 1 << 20;
  return options;
}

std::string content_of(uint64_t n) {
  std::mt19937_64 random(n);
  std::string out(n % 5 == 0 ? 100000 : n % 700, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// Commits objects "f<n>" from `first` on, a clone now and then, and reports each n.
[[noreturn]] void child(const std::string& directory, uint64_t first, int report) {
  auto store = Store::open(directory, options());
  if (!store.ok()) ::_exit(3);
  const auto info = (*store)->container("c");
  for (uint64_t n = first;; ++n) {
    auto transaction = (*store)->begin(info->id);
    auto writer = (*transaction)->write_content();
    bool fine = (*writer)->append(content_of(n)).ok();
    fine = fine && (*transaction)
                       ->put_object(kRootFolder, "f" + std::to_string(n), Attributes{},
                                    std::move(*writer))
                       .ok();
    fine = fine && (*transaction)->commit().ok();
    if (fine && n % 9 == 0) {
      CloneSpec spec;
      spec.source = info->id;
      spec.new_container = "clone" + std::to_string(n);
      fine = (*store)->clone(spec).ok();
    }
    if (!fine || ::write(report, &n, sizeof n) != sizeof n) ::_exit(4);
  }
}

// Every object up to `acknowledged` is whole; returns the greatest that is there.
uint64_t check(const std::string& directory, uint64_t acknowledged,
               const std::vector<uint64_t>& clones) {
  auto store = Store::open(directory, options());
  EXPECT_TRUE(store.ok()) << store.error().to_string();
  if (!store.ok()) return 0;
  const auto info = (*store)->container("c");
  const auto view = (*store)->view(info->id);
  const uint64_t objects = (*view)->summary()[SummaryColumn::kObjects];
  EXPECT_GE(objects, acknowledged);
  EXPECT_LE(objects, acknowledged + 1);
  for (uint64_t n = objects > 40 ? objects - 40 : 1; n <= objects; ++n) {
    const auto entry = (*view)->lookup("f" + std::to_string(n));
    EXPECT_TRUE(entry.ok()) << entry.error().to_string();
    if (!entry.ok()) continue;
    std::string bytes;
    const Status read = (*view)->stream(entry->object, [&](uint64_t, ByteView piece) {
      bytes.append(piece);
      return ok();
    });
    EXPECT_TRUE(read.ok()) << read.error().to_string();
    EXPECT_EQ(bytes, content_of(n)) << n;
  }
  for (const uint64_t n : clones) {
    EXPECT_TRUE((*store)->container("clone" + std::to_string(n)).ok()) << n;
  }
  return objects;
}

TEST(Kill, AProcessThatIsKilledLosesNothingAcknowledged) {
  const char* wanted = std::getenv("RAMET_KILLS");
  const int kills = wanted == nullptr ? 200 : std::atoi(wanted);
  const test::TempDir temp;
  const std::string directory = temp.path() + "/store";
  ASSERT_TRUE(Store::create(directory, options()).ok());
  {
    auto store = Store::open(directory, options());
    ASSERT_TRUE((*store)->create_container("c").ok());
    ASSERT_TRUE((*store)->close().ok());
  }
  std::mt19937_64 random(1);
  uint64_t there = 0;
  std::vector<uint64_t> clones;  // acknowledged
  for (int kill = 0; kill < kills; ++kill) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      ::close(ends[0]);
      child(directory, there + 1, ends[1]);
    }
    ::close(ends[1]);
    uint64_t acknowledged = there;
    const auto read_one = [&] {
      uint64_t n = 0;
      if (::read(ends[0], &n, sizeof n) != sizeof n) return false;
      acknowledged = n;
      if (n % 9 == 0) clones.push_back(n);
      return true;
    };
    // After some commits, at any moment of the next one; now and then while it opens.
    for (uint64_t wait = random() % 12; wait > 0 && read_one();) --wait;
    ::usleep(static_cast<useconds_t>(random() % 3000));
    ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
    while (read_one()) {
    }
    ::close(ends[0]);
    there = check(directory, acknowledged, clones);
    ASSERT_FALSE(HasFailure()) << "kill " << kill;
  }
  std::printf("%d kills, %llu commits\n", kills, static_cast<unsigned long long>(there));
}

}  // namespace
}  // namespace ramet::sim
