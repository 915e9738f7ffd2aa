// Cursors over damage: everything else stays readable, in both directions.
#include "engine/tree/cursor.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/engine/tree/tree_fixture.h"

namespace ramet::engine {
namespace {

class DamagedWalk : public ::testing::Test {
 protected:
  void SetUp() override {
    root = must(persist(context.tree, numbered_tree(context.tree, 3000).share(), 1));
    model = read_all(context.tree, root);
  }

  // The reference at `level` on the way to a key.
  BlockRef node_at(const std::string& key, uint8_t level) {
    NodeHandle node = must(open_node(context.tree, root));
    while (node.level() > level + 1) {
      node = must(open_child(context.tree, node, node.child_index(key)));
    }
    return node.child_ref(node.child_index(key));
  }

  void damage(const BlockRef& ref) {
    context.store.damage(ref);
    context.cache.clear();
  }

  // Walks everything; keys that were read, and the damaged ranges.
  std::set<std::string> walk(bool forward) {
    std::set<std::string> keys;
    Cursor cursor(context.tree, root);
    Status status = forward ? cursor.seek_first() : cursor.seek_last();
    while (cursor.valid() || cursor.damaged()) {
      if (cursor.damaged()) {
        EXPECT_FALSE(status.ok());
        EXPECT_NE(status.error().message().find(to_string(cursor.damaged_ref())),
                  std::string::npos);
        ranges.insert({cursor.damaged_from(), cursor.damaged_to()});
        status = cursor.skip_damaged();
        continue;
      }
      keys.insert(std::string(cursor.key()));
      status = forward ? cursor.next() : cursor.prev();
    }
    EXPECT_TRUE(status.ok());
    return keys;
  }

  std::set<std::string> expected_outside() {
    std::set<std::string> keys;
    for (const auto& [key, value] : model) {
      bool inside = false;
      for (const auto& [from, to] : ranges) inside |= key >= from && (to.empty() || key < to);
      if (!inside) keys.insert(key);
    }
    return keys;
  }

  TestContext context;
  Root root;
  Model model;
  std::set<std::pair<std::string, std::string>> ranges;
};

TEST_F(DamagedWalk, EverythingButDamagedLeavesIsRead) {
  for (const uint64_t at : {0, 1000, 1001, 1500, 2999}) damage(node_at(number_key(at), 0));
  const std::set<std::string> forward = walk(true);
  EXPECT_LT(forward.size(), model.size());
  EXPECT_GT(forward.size(), model.size() - 200);
  EXPECT_EQ(forward, expected_outside());
  EXPECT_EQ(walk(false), forward);
  EXPECT_EQ(expected_outside(), forward) << "the same ranges backwards";
}

TEST_F(DamagedWalk, EverythingButADamagedInnerNodeIsRead) {
  damage(node_at(number_key(1000), 1));
  const std::set<std::string> forward = walk(true);
  EXPECT_EQ(forward, expected_outside());
  EXPECT_EQ(ranges.size(), 1u);
  EXPECT_EQ(walk(false), forward);
}

TEST_F(DamagedWalk, DamagedRootLeavesNothing) {
  damage(root.ref);
  EXPECT_TRUE(walk(true).empty());
  EXPECT_TRUE(walk(false).empty());
  EXPECT_EQ(ranges, (std::set<std::pair<std::string, std::string>>{{"", ""}}));
}

TEST_F(DamagedWalk, SeekIntoTheDamageStandsAtIt) {
  const BlockRef leaf = node_at(number_key(1000), 0);
  damage(leaf);
  Cursor cursor(context.tree, root);
  EXPECT_EQ(cursor.seek(number_key(1000)).error().code(), ErrorCode::kCorruption);
  ASSERT_TRUE(cursor.damaged());
  EXPECT_EQ(cursor.damaged_ref(), leaf);
  const Bytes from = cursor.damaged_from(), to = cursor.damaged_to();
  EXPECT_LE(from, number_key(1000));
  must(cursor.skip_damaged());
  EXPECT_EQ(cursor.key(), model.lower_bound(to)->first);
  EXPECT_FALSE(cursor.seek_before(number_key(1000) + "x").ok());
  must(cursor.skip_damaged());
  EXPECT_EQ(cursor.key(), std::prev(model.lower_bound(from))->first);
  // A cursor at damage can go elsewhere.
  must(cursor.seek(number_key(5)));
  EXPECT_EQ(cursor.key(), number_key(5));
}

TEST_F(DamagedWalk, TurningAroundStandsOnTheNeighbour) {
  Cursor cursor(context.tree, root);
  must(cursor.seek(number_key(1500)));
  for (int i = 0; i < 100; ++i) must(cursor.next());
  for (int i = 0; i < 200; ++i) must(cursor.prev());
  EXPECT_EQ(cursor.key(), number_key(1400));
  must(cursor.next());
  EXPECT_EQ(cursor.key(), number_key(1401));
}

TEST_F(DamagedWalk, CursorPinsItsVersion) {
  Tree tree = numbered_tree(context.tree, 500);
  Cursor cursor(context.tree, tree.share());
  must(cursor.seek_first());
  for (uint64_t i = 0; i < 500; ++i) must(tree.erase(number_key(i), 2));
  uint64_t seen = 0;
  for (; cursor.valid(); must(cursor.next())) EXPECT_EQ(cursor.key(), number_key(seen++));
  EXPECT_EQ(seen, 500u);
}

}  // namespace
}  // namespace ramet::engine
