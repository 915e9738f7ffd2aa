// Readers of published versions, a writer and a checkpoint at the same time; for -fsanitize=thread.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "tests/engine/tree/tree_fixture.h"

namespace ramet::engine {
namespace {

// What a store publishes: a root, and what its entries must add up to.
class Published {
 public:
  void set(Root root) {
    const std::lock_guard lock(mutex_);
    root_ = std::move(root);
  }
  Root get() const {
    const std::lock_guard lock(mutex_);
    return root_;
  }

 private:
  mutable std::mutex mutex_;
  Root root_;
};

// Every version holds as many entries as its birth says, so a reader can tell a torn one.
TEST(TreeThreads, ReadersSeeWholeVersionsWhileOthersWriteAndPersist_INV3) {
  TestContext context(1024, 256 << 10);
  constexpr Sequence kVersions = 300;
  constexpr uint64_t kEach = 40;
  Published head;
  std::atomic<bool> done{false};
  head.set(Root());

  std::thread writer([&] {
    Tree tree(context.tree);
    std::mt19937_64 random(1);
    for (Sequence sequence = 1; sequence <= kVersions; ++sequence) {
      for (uint64_t i = 0; i < kEach; ++i) {
        const uint64_t n = (sequence - 1) * kEach + i;
        must(tree.put(number_key(n * 7919 % 12'000), std::to_string(sequence), {}, sequence));
      }
      if (sequence % 10 == 0) {
        // Ranges come and go without a trace.
        Tree part(context.tree, tree.share());
        must(part.keep_range(number_key(3000), number_key(6000), sequence));
        must(tree.erase_range(number_key(3000), number_key(6000), sequence));
        must(tree.graft(number_key(3000), number_key(6000), part.share(), sequence));
      }
      head.set(tree.share());
      if (sequence % 16 == 0) {
        tree.replace_persisted();
        head.set(tree.share());
      }
    }
    done = true;
  });
  std::thread checkpoint([&] {
    while (!done) {
      const Root root = head.get();
      const Root clean = must(persist(context.tree, root, root.birth));
      EXPECT_EQ(clean.summary, root.summary);
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> readers;
  for (unsigned r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      std::mt19937_64 random(r);
      while (!done) {
        const Root root = head.get();
        uint64_t entries = 0;
        Cursor cursor(context.tree, root);
        for (must(cursor.seek_first()); cursor.valid(); must(cursor.next())) ++entries;
        EXPECT_EQ(entries, root.birth * kEach);
        EXPECT_EQ(root.summary[SummaryColumn::kObjects], entries);
        for (int i = 0; i < 50 && entries > 0; ++i) {
          Value value;
          const uint64_t n = random() % entries;
          EXPECT_TRUE(must(get(context.tree, root, number_key(n * 7919 % 12'000), &value)));
          EXPECT_EQ(value.bytes(), std::to_string(n / kEach + 1));
        }
        const std::string from = number_key(random() % 12'000);
        uint64_t behind = 0;
        for (must(cursor.seek(from)); cursor.valid(); must(cursor.next())) ++behind;
        EXPECT_EQ(must(summarize(context.tree, root, from, ""))[SummaryColumn::kObjects], behind);
      }
    });
  }
  writer.join();
  checkpoint.join();
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(findings(context.tree, head.get()), "");
}

// Clones are dropped by readers while their source is written: the last reference may go anywhere.
TEST(TreeThreads, ClonesMayBeDroppedAnywhere_INV10) {
  TestContext context(512);
  Published head;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    Tree tree = numbered_tree(context.tree, 500);
    for (Sequence sequence = 1; sequence <= 3000; ++sequence) {
      must(tree.put(number_key(sequence * 31 % 500), "changed", {}, sequence));
      head.set(tree.share());
    }
    done = true;
  });
  std::vector<std::thread> cloners;
  for (unsigned c = 0; c < 2; ++c) {
    cloners.emplace_back([&, c] {
      std::vector<Tree> clones;
      for (Sequence sequence = 1; !done; ++sequence) {
        clones.emplace_back(context.tree, head.get());
        must(clones.back().put("clone " + std::to_string(c), "mine", {}, sequence));
        if (clones.size() > 5) clones.erase(clones.begin() + static_cast<long>(sequence % 5));
      }
      for (const Tree& clone : clones) EXPECT_EQ(findings(context.tree, clone.share()), "");
    });
  }
  writer.join();
  for (std::thread& cloner : cloners) cloner.join();
}

}  // namespace
}  // namespace ramet::engine
