// Persisting: each dirty node once, nothing shared changes, and memory goes afterwards.
#include "engine/tree/persist.h"

#include <gtest/gtest.h>

#include "tests/engine/tree/tree_fixture.h"

namespace ramet::engine {
namespace {

uint64_t dirty_nodes(TreeContext& context, const Root& root) {
  TreeStatistics statistics;
  EXPECT_EQ(findings(context, root, &statistics), "");
  return statistics.dirty_nodes;
}

TEST(Persist, CleanAndEmptyRootsAreWrittenAlready) {
  TestContext context;
  EXPECT_TRUE(must(persist(context.tree, Root(), 1)).empty());
  const Root clean = must(persist(context.tree, numbered_tree(context.tree, 100).share(), 1));
  const size_t written = context.store.size();
  EXPECT_EQ(must(persist(context.tree, clean, 2)).ref, clean.ref);
  EXPECT_EQ(context.store.size(), written);
}

TEST(Persist, WritesEachNodeOnceAndOnlyWhatChanged) {
  TestContext context;
  Tree tree = numbered_tree(context.tree, 2000);
  const uint64_t nodes = dirty_nodes(context.tree, tree.share());
  const Root first = must(persist(context.tree, tree.share(), 1));
  EXPECT_EQ(context.store.size(), nodes);
  // Again, or after a clone: everything is known to be written.
  EXPECT_EQ(must(persist(context.tree, tree.share(), 1)).ref, first.ref);
  Tree clone(context.tree, tree.share());
  EXPECT_EQ(must(persist(context.tree, clone.share(), 1)).ref, first.ref);
  EXPECT_EQ(context.store.size(), nodes);
  // One change writes one path.
  must(clone.put(number_key(1), "new", {}, 2));
  const Root second = must(persist(context.tree, clone.share(), 2));
  EXPECT_EQ(context.store.size(), nodes + second.level + 1u);
  EXPECT_EQ(findings(context.tree, second), "");
}

TEST(Persist, InPlaceEditOfAPersistedNodeIsWrittenAgain) {
  TestContext context;
  Tree tree = numbered_tree(context.tree, 50);
  const Root first = must(persist(context.tree, tree.share(), 1));
  // Nobody shares the dirty nodes now, so they are edited where they are.
  const uint64_t copied = context.tree.counters.copied;
  must(tree.put(number_key(1), "new", {}, 2));
  EXPECT_EQ(context.tree.counters.copied, copied);
  const Root second = must(persist(context.tree, tree.share(), 2));
  EXPECT_NE(second.ref, first.ref);
  context.cache.clear();
  EXPECT_EQ(read_all(context.tree, first).at(number_key(1)).bytes, "value");
  EXPECT_EQ(read_all(context.tree, second).at(number_key(1)).bytes, "new");
}

// The whole state of a store: a catalog whose entries lead to containers, some of them clones.
TEST(Persist, NestedTreesAreWrittenOnceHoweverManyClonesShareThem) {
  TestContext context;
  Tree container = numbered_tree(context.tree, 1000);
  const uint64_t nodes = dirty_nodes(context.tree, container.share());
  Tree catalog(context.tree);
  for (int i = 0; i < 100; ++i) {
    must(catalog.put_root("clone " + std::to_string(i), "entry", container.share(), 2));
  }
  Tree changed(context.tree, container.share());
  must(changed.put(number_key(500), "changed", {}, 3));
  must(catalog.put_root("clone 50", "entry", changed.share(), 3));
  const uint64_t catalog_nodes = dirty_nodes(context.tree, catalog.share());

  const Root root = must(persist(context.tree, catalog.share(), 3));
  EXPECT_EQ(context.store.size(), nodes + catalog_nodes + changed.share().level + 1u);
  context.cache.clear();
  EXPECT_EQ(findings(context.tree, root), "");
  const auto one = must(get_root(context.tree, root, "clone 1"));
  const auto fifty = must(get_root(context.tree, root, "clone 50"));
  EXPECT_EQ(one->root.ref, must(get_root(context.tree, root, "clone 99"))->root.ref);
  expect_equals(context.tree, one->root, read_all(context.tree, container.share()));
  expect_equals(context.tree, fifty->root, read_all(context.tree, changed.share()));
  // A diff sees through the two representations of the same tree.
  size_t differences = 0;
  must(diff(context.tree, catalog.share(), root,
            [&](ByteView, const Value*, const Value*) { return ++differences, true; }));
  EXPECT_EQ(differences, 0u);
}

TEST(Persist, ReplacingFreesTheMemoryOfWhatWasWritten) {
  TestContext context;
  Tree tree = numbered_tree(context.tree, 5000);
  const Model model = read_all(context.tree, tree.share());
  must(persist(context.tree, tree.share(), 1));
  EXPECT_GT(context.tree.dirty_bytes.load(), 5000 * 16);
  tree.replace_persisted();
  EXPECT_EQ(context.tree.dirty_bytes.load(), 0);
  EXPECT_FALSE(tree.share().dirty);
  expect_equals(context.tree, tree.share(), model);
}

TEST(Persist, ReplacingKeepsWhatCameLaterAndItsSharing) {
  TestContext context;
  Tree container = numbered_tree(context.tree, 3000);
  Tree catalog(context.tree);
  must(catalog.put_root("a", "", container.share(), 1));
  must(catalog.put_root("b", "", container.share(), 1));
  must(persist(context.tree, catalog.share(), 1));
  // Two entries share a later version, which nobody has written.
  must(container.put(number_key(1500), "later", {}, 2));
  must(catalog.put_root("a", "", container.share(), 2));
  must(catalog.put_root("c", "", container.share(), 2));
  const Model later = read_all(context.tree, container.share());
  container = Tree(context.tree);

  catalog.replace_persisted();
  const auto a = must(catalog.get_root("a")), b = must(catalog.get_root("b")),
             c = must(catalog.get_root("c"));
  EXPECT_TRUE(a->root.dirty);
  EXPECT_EQ(a->root.dirty, c->root.dirty) << "copied once, shared as before";
  EXPECT_FALSE(b->root.dirty);
  EXPECT_EQ(dirty_nodes(context.tree, a->root), a->root.level + 1u) << "only the changed path";
  expect_equals(context.tree, a->root, later);
  const size_t before = context.store.size();
  const uint64_t catalog_nodes = dirty_nodes(context.tree, catalog.share());
  must(persist(context.tree, catalog.share(), 2));
  EXPECT_EQ(context.store.size(), before + a->root.level + 1u + catalog_nodes);
}

TEST(Persist, ReplacingLeavesSharedVersionsAlone) {
  TestContext context;
  Tree tree = numbered_tree(context.tree, 2000);
  must(persist(context.tree, tree.share(), 1));
  must(tree.put(number_key(7), "later", {}, 2));
  const Root published = tree.share();
  const MutNode* node = published.dirty.get();
  const Root replaced = replace_persisted(context.tree, published);
  EXPECT_EQ(published.dirty.get(), node);
  EXPECT_NE(replaced.dirty.get(), node);
  EXPECT_EQ(dirty_nodes(context.tree, replaced), published.level + 1u);
  EXPECT_GT(dirty_nodes(context.tree, published), published.level + 1u);
  EXPECT_EQ(read_all(context.tree, published), read_all(context.tree, replaced));
  // Nothing left to replace: the same nodes come back.
  EXPECT_EQ(replace_persisted(context.tree, replaced).dirty, replaced.dirty);
}

TEST(Persist, FullDiskFailsAndTheNextTryGoesOn) {
  TestContext context;
  Tree tree = numbered_tree(context.tree, 2000);
  const Model model = read_all(context.tree, tree.share());
  const uint64_t nodes = dirty_nodes(context.tree, tree.share());
  context.store.set_room(nodes / 2);
  const auto failed = persist(context.tree, tree.share(), 1);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), ErrorCode::kOutOfSpace);
  expect_equals(context.tree, tree.share(), model);
  must(tree.put("in between", "v", {}, 2));
  context.store.set_room(std::nullopt);
  const Root root = must(persist(context.tree, tree.share(), 2));
  EXPECT_LE(context.store.size(), nodes + 3u * (root.level + 1u)) << "not from the beginning";
  EXPECT_EQ(findings(context.tree, root), "");
}

TEST(Persist, SameHistoryGivesTheSameBytes_INV9) {
  std::vector<Bytes> runs[2];
  for (std::vector<Bytes>& run : runs) {
    TestContext context;
    Tree catalog(context.tree);
    for (uint64_t i = 0; i < 20; ++i) {
      Tree tree = numbered_tree(context.tree, 100 + i * 37);
      for (uint64_t k = 0; k < 100; k += 3) must(tree.erase(number_key(k), 2));
      must(tree.erase_range(number_key(40), number_key(60 + i), 3));
      must(catalog.put_root(number_key(i * 7919 % 20), "c", tree.share(), 3));
      if (i % 5 == 4) {
        must(persist(context.tree, catalog.share(), 3));
        catalog.replace_persisted();
      }
    }
    must(persist(context.tree, catalog.share(), 4));
    for (size_t slot = 0; slot < context.store.size(); ++slot) {
      run.push_back(context.store.bytes_at(slot));
    }
  }
  EXPECT_GT(runs[0].size(), 100u);
  EXPECT_TRUE(runs[0] == runs[1]);
}

TEST(Persist, WrittenNodesAreInTheCache) {
  TestContext context;
  const Root root = must(persist(context.tree, numbered_tree(context.tree, 2000).share(), 1));
  EXPECT_EQ(read_all(context.tree, root).size(), 2000u);
  EXPECT_EQ(context.store.loads(), 0u);
}

}  // namespace
}  // namespace ramet::engine
