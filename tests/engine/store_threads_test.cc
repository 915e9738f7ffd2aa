// Writers, readers, clones and background checkpoints at once, on real files: every acknowledged
// commit is seen, no reader sees half of one [INV-3].
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <string>
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

std::unique_ptr<Store> open_new(const std::string& path, const StoreOptions& options) {
  EXPECT_TRUE(Store::create(path, options).ok());
  auto opened = Store::open(path, options);
  RAMET_CHECK(opened.ok(), "the store cannot be opened");
  return std::move(*opened);
}

bool put_in(Transaction& transaction, FolderId folder, const std::string& name, ByteView content) {
  auto writer = transaction.write_content();
  return writer.ok() && (*writer)->append(content).ok() &&
         transaction.put_object(folder, name, Attributes{}, std::move(*writer)).ok();
}

// Each commit puts two objects with the same content, so that half a commit would show.
bool put_pair(Store& store, ContainerId container, int n) {
  auto transaction = store.begin(container);
  if (!transaction.ok()) return false;
  for (const char* side : {"a", "b"}) {
    const std::string content(static_cast<size_t>(n) * 531 % 9000, static_cast<char>('a' + n % 26));
    const std::string number = std::to_string(n);
    if (!put_in(**transaction, kRootFolder, side + number, content + number)) return false;
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
  auto opened = open_new(path, small_options());
  Store& store = *opened;
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
  opened.reset();
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
  auto opened = open_new(temp.file("store"), options);
  Store& store = *opened;
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
  opened.reset();
  auto again = Store::open(temp.file("store"), options);
  ASSERT_TRUE(again.ok());
  const auto view = (*again)->view(container);
  uint64_t entries = 0;
  ASSERT_TRUE((*view)->list(kRootFolder, {}, [&](const Entry&) { return ++entries > 0; }).ok());
  EXPECT_EQ(entries, static_cast<uint64_t>(committed * kFiles));
}

bool put_one(Store& store, ContainerId container, std::string_view folder, int n) {
  auto transaction = store.begin(container);
  if (!transaction.ok()) return false;
  const auto at = (*transaction)->create_folders(folder);
  const std::string content(static_cast<size_t>(n) * 977 % 20000, static_cast<char>('a' + n % 26));
  const std::string number = std::to_string(n);
  if (!at.ok() || !put_in(**transaction, *at, number, content + number)) return false;
  if (n > 40) {
    ignore_error((*transaction)->remove(*at, std::to_string(n - 40)), "it may have been busy");
  }
  const auto done = (*transaction)->commit();
  return done.ok() || done.error().code() == ErrorCode::kBusy;
}

// The clone takes nodes of the source as they are, while the source lets go of them, and puts them
// into a tree that somebody else changes, too.
TEST(StoreThreads, FoldersAreClonedFromAndIntoWhatOthersChange) {
  const test::TempDir temp;
  StoreOptions options = small_options();
  options.graft_entries_min = 4;
  options.node_bytes = 1 << 10;
  auto opened = open_new(temp.file("store"), options);
  Store& store = *opened;
  const ContainerId source = store.create_container("source")->id;
  for (int n = 0; n < 60; ++n) ASSERT_TRUE(put_one(store, source, "/d/e", n));
  std::mutex mutex;
  ContainerId target = store.create_container("t")->id;  // guarded by mutex
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    for (int n = 60; !stop; ++n) failures += put_one(store, source, "/d/e", n) ? 0 : 1;
  });
  threads.emplace_back([&] {
    for (int n = 0; !stop; ++n) {
      ContainerId into;
      {
        const std::lock_guard lock(mutex);
        into = target;
      }
      failures += put_one(store, into, "/mine", n) ? 0 : 1;
    }
  });
  threads.emplace_back([&] {
    for (int n = 0; !stop; ++n) {
      failures += (n % 2 == 0 ? store.checkpoint() : reclaimed(store)).ok() ? 0 : 1;
    }
  });
  int cloned = 0;
  std::vector<ContainerId> all;
  for (int n = 0; n < 60; ++n) {
    const ContainerId into = store.create_container("target" + std::to_string(n))->id;
    {
      const std::lock_guard lock(mutex);
      target = into;
    }
    CloneSpec spec;
    spec.source = source;
    spec.paths = {"/d"};
    spec.target = into;
    const auto made = store.clone(spec);
    if (!made.ok()) {
      EXPECT_EQ(made.error().code(), ErrorCode::kBusy) << made.error().to_string();
      continue;
    }
    ++cloned;
    all.push_back(into);
    if (all.size() > 20) {
      EXPECT_TRUE(store.drop_container(all.front()).ok());
      all.erase(all.begin());
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_GT(cloned, 10);
  ASSERT_TRUE(store.drop_container(source).ok());
  expect_counted(store);
  for (const ContainerId id : all) {
    const auto view = *store.view(id);
    const auto folder = view->lookup("/d/e");
    ASSERT_TRUE(folder.ok());
    uint64_t entries = 0;
    ASSERT_TRUE(view->list(folder->folder, {}, [&](const Entry& entry) {
      const Status whole = view->verify(entry.object);
      EXPECT_TRUE(whole.ok()) << whole.error().to_string();
      return ++entries > 0;
    }).ok());
    EXPECT_GE(entries, 40u);
  }
  ASSERT_TRUE(store.close().ok());
}

// Chains of puts, each of which hands over the next one when it is durable, beside committers that
// wait: every handler is called once, and what it was told is durable is there after a reopening.
TEST(StoreThreads, CommitsThatNobodyWaitsForAreHandedBackOnce) {
  const test::TempDir temp;
  auto opened = open_new(temp.file("store"), small_options());
  Store& store = *opened;
  constexpr uint64_t kChains = 12;
  constexpr int kLinks = 40;
  struct Chain {
    ContainerId container;
    std::atomic<int> called{0};
    std::atomic<int> committed{0};
  };
  std::vector<Chain> chains(kChains);
  for (Chain& chain : chains) {
    chain.container = store.create_container(std::to_string(&chain - chains.data()))->id;
  }
  const std::function<void(Chain&, int)> hand_over = [&](Chain& chain, int n) {
    auto transaction = store.begin(chain.container);
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(put_in(**transaction, kRootFolder, std::to_string(n),
                       std::string(static_cast<size_t>(n) * 300, 'x')));
    store.commit_async(std::move(*transaction), [&, n](Result<Sequence> done) {
      ++chain.called;
      if (done.ok()) ++chain.committed;
      if (n + 1 < kLinks) hand_over(chain, n + 1);
    });
  };
  const ContainerId waiting = store.create_container("waiting")->id;
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < chains.size(); i += 2) hand_over(chains[i], 0);
    });
  }
  threads.emplace_back([&] {
    for (int n = 0; n < 40; ++n) failures += put_pair(store, waiting, n) ? 0 : 1;
  });
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(store.close().ok());
  EXPECT_EQ(failures, 0);
  for (const Chain& chain : chains) EXPECT_EQ(chain.called, chain.committed);
  // What was handed over before close() was committed; each chain ended there or at its end.
  opened.reset();
  auto again = Store::open(temp.file("store"), small_options());
  ASSERT_TRUE(again.ok());
  int committed = 0;
  for (const Chain& chain : chains) {
    const auto view = (*again)->view(chain.container);
    EXPECT_EQ((*view)->summary()[SummaryColumn::kObjects],
              static_cast<uint64_t>(chain.committed.load()));
    committed += chain.committed;
  }
  EXPECT_EQ(committed, kLinks * static_cast<int>(kChains));
  auto refused = (*again)->begin(waiting);
  ASSERT_TRUE((*again)->close().ok());
  bool told = false;
  ASSERT_TRUE((*refused)->create_folder(kRootFolder, "late", {}).ok());
  auto& impl = static_cast<engine::StoreImpl&>(**again);
  ASSERT_TRUE(impl.pins().has_writers());
  (*again)->commit_async(std::move(*refused), [&](Result<Sequence> done) {
    told = true;
    EXPECT_FALSE(impl.pins().has_writers()) << "the transaction is gone before";
    EXPECT_FALSE(done.ok());
  });
  EXPECT_TRUE(told);
}

// Two records of a commit have the same document; a clone of them is of one moment, however fast
// they change, and whoever never stops writing does not keep a clone from being made.
TEST(StoreThreads, RecordsAreClonedWhileTheyChange) {
  const test::TempDir temp;
  const auto store = open_new(temp.path() + "/s", small_options());
  const ContainerId source =
      store->create_container("source", {}, {}, 0, ContainerForm::kRecords)->id;
  const TypeNumber type = *store->intern_type("a type");
  std::array<ObjectId, 2> ids;
  const auto write = [&](int n) {
    auto transaction = store->begin(source);
    if (!transaction.ok()) return false;
    for (ObjectId& id : ids) {
      RecordPut put;
      put.type = type;
      if (n == 0) id = (*transaction)->new_record_id();
      put.id = id;
      put.version = (*transaction)->new_record_id();
      put.document = "version " + std::to_string(n) + std::string(n % 7 * 1000, '.');
      if (!(*transaction)->write_record(put).ok()) return false;
    }
    return (*transaction)->commit().ok();
  };
  ASSERT_TRUE(write(0));
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int n = 1; !stop; ++n) EXPECT_TRUE(write(n));
  });
  for (int i = 0; i < 30; ++i) {
    CloneSpec spec;
    spec.source = source;
    spec.new_container = "clone" + std::to_string(i);
    spec.identity = CloneIdentity::kFresh;
    const auto cloned = store->clone(spec);
    ASSERT_TRUE(cloned.ok()) << cloned.error().to_string();
    std::set<std::string> documents;
    EXPECT_TRUE((*store->view(cloned->container))->records(type, {}, [&](const RecordInfo& info) {
      documents.insert(info.document);
      return true;
    }).ok());
    EXPECT_EQ(documents.size(), 1u);
    EXPECT_EQ(cloned->objects_created, 2u);
    if (i % 3 != 0) continue;
    EXPECT_TRUE(store->drop_container(cloned->container).ok());
  }
  stop = true;
  writer.join();
  EXPECT_TRUE(store->close().ok());
}

}  // namespace
}  // namespace ramet
