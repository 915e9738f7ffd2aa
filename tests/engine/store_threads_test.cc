// Writers, readers, clones and background checkpoints at once, on real files: every acknowledged
// commit is seen, no reader sees half of one [INV-3].
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine/store_impl.h"
#include "io/env.h"
#include "tests/support/temp_dir.h"

namespace ramet {
namespace {

constexpr int kWriters = 4;
constexpr int kCommits = 60;

StoreOptions small_options() {
  StoreOptions options;
  options.env = io::default_env();
  options.ballast_bytes = 1 << 20;
  options.dirty_bytes_max = 64 << 10;
  options.replay_bytes_max = 128 << 10;
  options.commit_segment_bytes = 64 << 10;
  options.node_segment_bytes = 256 << 10;
  options.data_segment_bytes = 256 << 10;
  options.transaction_bytes_max = 8 << 10;
  return options;
}

// Each commit puts two objects with the same content, so that half a commit would show.
bool put_pair(Store& store, ContainerId container, int n) {
  auto transaction = store.begin(container);
  if (!transaction.ok()) return false;
  for (const char* side : {"a", "b"}) {
    auto writer = (*transaction)->write_content();
    const std::string content(static_cast<size_t>(n) * 531 % 9000, static_cast<char>('a' + n % 26));
    if (!(*writer)->append(content + std::to_string(n)).ok()) return false;
    if (!(*transaction)
             ->put_object(kRootFolder, side + std::to_string(n), Attributes{}, std::move(*writer))
             .ok()) {
      return false;
    }
  }
  return (*transaction)->commit().ok();
}

bool pairs_are_whole(const View& view) {
  const uint64_t objects = view.summary()[SummaryColumn::kObjects];
  uint64_t entries = 0;
  bool fine = view.list(kRootFolder, {}, [&](const Entry& entry) {
    ++entries;
    return view.verify(entry.object).ok();
  }).ok();
  return fine && objects % 2 == 0 && entries == objects;
}

Status reclaimed(Store& store) {
  const auto done = store.reclaim({});
  return done.ok() ? Status() : Status(done.error());
}

// Everything is given back, and what is left is counted rightly [INV-11].
void expect_counted(Store& store) {
  ReclaimOptions all;
  all.until_idle = true;
  const auto done = store.reclaim(all);
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  const auto recount = static_cast<engine::StoreImpl&>(store).recount_references();
  ASSERT_TRUE(recount.ok()) << recount.error().to_string();
  EXPECT_EQ(recount->pending, 0u);
  for (const std::string& line : recount->wrong) ADD_FAILURE() << line;
}

TEST(StoreThreads, WritersReadersClonesAndCheckpointsAtOnce) {
  const test::TempDir temp;
  const std::string path = temp.path() + "/store";
  ASSERT_TRUE(Store::create(path, small_options()).ok());
  auto opened = Store::open(path, small_options());
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  Store& store = **opened;
  std::vector<ContainerId> containers;
  for (int i = 0; i < kWriters; ++i) {
    containers.push_back(store.create_container("c" + std::to_string(i))->id);
  }
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < kCommits; ++n) {
        if (!put_pair(store, containers[static_cast<size_t>(i)], n)) ++failures;
      }
    });
  }
  std::thread reader([&] {
    while (!stop) {
      for (const ContainerId id : containers) {
        const auto view = store.view(id);
        if (!view.ok() || !pairs_are_whole(**view)) ++failures;
      }
    }
  });
  std::thread cloner([&] {
    for (int n = 0; !stop && n < 100; ++n) {
      CloneSpec spec;
      spec.source = containers[static_cast<size_t>(n) % containers.size()];
      spec.new_container = "clone" + std::to_string(n);
      const auto made = store.clone(spec);
      if (!made.ok()) {
        ++failures;
        continue;
      }
      const auto view = store.view(made->container);
      if (!view.ok() || !pairs_are_whole(**view)) ++failures;
      if (n % 3 == 0 && !store.drop_container(made->container).ok()) ++failures;
      if (n % 7 == 0 && !store.checkpoint().ok()) ++failures;
      if (n % 5 == 0 && !store.reclaim({}).ok()) ++failures;
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  reader.join();
  cloner.join();
  EXPECT_EQ(failures, 0);
  expect_counted(store);
  ASSERT_TRUE(store.close().ok());
  opened->reset();
  auto again = Store::open(path, small_options());
  ASSERT_TRUE(again.ok()) << again.error().to_string();
  for (const ContainerId id : containers) {
    const auto view = (*again)->view(id);
    ASSERT_TRUE(view.ok());
    EXPECT_EQ((*view)->summary()[SummaryColumn::kObjects], 2u * kCommits);
    EXPECT_TRUE(pairs_are_whole(**view));
  }
}

// Transactions that spill write nodes that they share with each other and with a checkpoint.
TEST(StoreThreads, SpillsAndCheckpointsOverTheSameNodes) {
  const test::TempDir temp;
  StoreOptions options = small_options();
  options.transaction_bytes_max = 4 << 10;
  ASSERT_TRUE(Store::create(temp.file("store"), options).ok());
  auto opened = Store::open(temp.file("store"), options);
  ASSERT_TRUE(opened.ok());
  Store& store = **opened;
  const ContainerId container = store.create_container("c")->id;
  constexpr int kThreads = 3;
  constexpr int kRounds = 15;
  constexpr int kFiles = 40;
  std::atomic<int> committed{0};
  std::atomic<int> failures{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        auto transaction = store.begin(container);
        for (int i = 0; i < kFiles; ++i) {
          const std::string name = std::to_string((i * 7 + t) % 1000) + "-" + std::to_string(t) +
                                   "-" + std::to_string(round);
          if (!(*transaction)->put_object(kRootFolder, name, Attributes{}, nullptr).ok()) {
            ++failures;
          }
        }
        const auto done = (*transaction)->commit();
        if (done.ok()) ++committed;
        if (!done.ok() && done.error().code() != ErrorCode::kBusy) ++failures;
      }
    });
  }
  std::thread checkpointer([&] {
    for (int n = 0; !stop; ++n) {
      const Status done = n % 2 == 0 ? store.checkpoint() : reclaimed(store);
      if (done.ok()) continue;
      ++failures;
      ADD_FAILURE() << done.error().to_string();
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  checkpointer.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(committed, kThreads * kRounds);
  expect_counted(store);
  ASSERT_TRUE(store.close().ok());
  opened->reset();
  auto again = Store::open(temp.file("store"), options);
  ASSERT_TRUE(again.ok());
  const auto view = (*again)->view(container);
  uint64_t entries = 0;
  ASSERT_TRUE((*view)->list(kRootFolder, {}, [&](const Entry&) { return ++entries > 0; }).ok());
  EXPECT_EQ(entries, static_cast<uint64_t>(committed * kFiles));
}

}  // namespace
}  // namespace ramet
