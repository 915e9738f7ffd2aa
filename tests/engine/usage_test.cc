// Accounting beside writers, clones, drops and reclaim on threads, on real files: the sums are
// exact each time, and what is told of a container that nobody touches never changes.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "engine/store.h"
#include "io/env.h"
#include "tests/support/temp_dir.h"

namespace ramet {
namespace {

StoreOptions small_options() {
  StoreOptions options;
  options.env = io::default_env();
  options.ballast_bytes = 1 << 20;
  options.node_cache_bytes = 64 << 10;
  options.dirty_bytes_max = 64 << 10;
  options.replay_bytes_max = 128 << 10;
  options.commit_segment_bytes = 64 << 10;
  options.node_segment_bytes = 64 << 10;
  options.data_segment_bytes = 64 << 10;
  options.map_segment_bytes = 64 << 10;
  options.node_bytes = 1 << 10;
  return options;
}

Status put(Store& store, ContainerId container, const std::string& name, size_t size, int seed) {
  RAMET_ASSIGN(auto transaction, store.begin(container));
  RAMET_ASSIGN(auto writer, transaction->write_content());
  std::string content(size, '\0');
  uint64_t x = static_cast<uint64_t>(seed) * 2654435761u + 1;
  for (char& c : content) c = static_cast<char>((x = x * 6364136223846793005u + 1) >> 56);
  RAMET_TRY(writer->append(content));
  RAMET_TRY(transaction->put_object(kRootFolder, name, Attributes{}, std::move(writer)));
  const auto committed = transaction->commit();
  return committed.ok() ? ok() : Status(committed.error());
}

TEST(UsageThreads, FiguresAreExactWhileOthersWriteCloneDropAndReclaim) {
  const test::TempDir temp;
  const std::string path = temp.path() + "/store";
  ASSERT_TRUE(Store::create(path, small_options()).ok());
  auto opened = Store::open(path, small_options());
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  Store& store = **opened;
  const ContainerId still = store.create_container("still")->id;
  const ContainerId busy = store.create_container("busy")->id;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(put(store, still, "s" + std::to_string(i), 3000, i).ok());
    ASSERT_TRUE(put(store, busy, "b" + std::to_string(i), 2000, 1000 + i).ok());
  }
  const auto alone = store.would_free({{still, {}}});
  ASSERT_TRUE(alone.ok()) << alone.error().to_string();
  EXPECT_GT(alone->bytes, 100 * 3000u);

  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  std::atomic<int> rounds{0};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      if (!put(store, busy, "b" + std::to_string(i % 130), 1500, 5000 + i).ok()) ++failures;
      ++rounds;
    }
  });
  std::thread cloner([&] {
    for (int i = 0; !stop; ++i) {
      CloneSpec spec;
      spec.source = busy;
      spec.new_container = "k" + std::to_string(i);
      const auto made = store.clone(spec);
      if (!made.ok() || !put(store, made->container, "own", 800, i).ok() ||
          !store.drop_container(made->container).ok()) {
        ++failures;
      }
      if (i % 5 == 0 && !store.reclaim({}).ok()) ++failures;
    }
  });
  for (int i = 0; i < 25; ++i) {
    const int seen = rounds;
    const auto usage = store.usage({{still, {}}, {busy, {}}});
    EXPECT_TRUE(usage.ok()) << usage.error().to_string();
    if (!usage.ok()) break;
    EXPECT_EQ(usage->lines[0].exclusive_bytes, alone->bytes);
    EXPECT_EQ(usage->lines[0].share_bytes, alone->bytes);
    const auto again = store.would_free({{still, {}}});
    EXPECT_TRUE(again.ok()) << again.error().to_string();
    EXPECT_EQ(again.ok() ? again->bytes : 0, alone->bytes);
    while (rounds == seen) std::this_thread::yield();  // commits go on
  }
  stop = true;
  writer.join();
  cloner.join();
  EXPECT_EQ(failures, 0);
  ASSERT_TRUE(store.close().ok());
  opened = Error(ErrorCode::kNotFound, "closed");

  StoreOptions options = small_options();
  options.read_only = true;
  auto quiet = Store::open(path, options);
  ASSERT_TRUE(quiet.ok());
  const auto usage = (*quiet)->usage({});
  ASSERT_TRUE(usage.ok()) << usage.error().to_string();
  uint64_t lengths = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) lengths += entry.file_size();
  }
  EXPECT_EQ(usage->total_bytes + usage->hole_bytes, lengths);
  EXPECT_EQ(usage->commits_behind, 0u);
}

}  // namespace
}  // namespace ramet
