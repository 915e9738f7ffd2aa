// Range operations, sharing, queries and diffs touch O(log n) nodes: asserted by counting them.
#include <gtest/gtest.h>

#include "tests/engine/tree/tree_fixture.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kEntries = 100'000;

class BigTree : public ::testing::Test {
 protected:
  void SetUp() override {
    BulkBuilder builder(context.tree, 5);
    for (uint64_t i = 0; i < kEntries; ++i) must(builder.add(number_key(i), "value", {}));
    root = must(builder.finish());
    must(verify_tree(
        context.tree, root, [](const TreeFinding&) {}, &statistics));
    ASSERT_GT(statistics.leaves, 2000u);
    ASSERT_GE(root.level, 4) << "deep enough to tell log n from n";
  }

  // Nodes touched in whatever way since the last call.
  uint64_t touched() {
    const TreeCounters& c = context.tree.counters;
    const uint64_t now = c.visited + c.copied + c.decoded + c.loaded;
    return now - std::exchange(before_, now);
  }
  // What one operation at two places may touch: a few nodes a level.
  uint64_t bound() const { return 20u * (root.level + 1u); }

  TestContext context{512};
  Root root;
  TreeStatistics statistics;

 private:
  uint64_t before_ = 0;
};

TEST_F(BigTree, SharingTouchesNothing_INV5) {
  Tree tree(context.tree, root);
  must(tree.put("a", "b", {}, 6));
  const int64_t bytes = context.tree.dirty_bytes.load();
  touched();
  std::vector<Root> clones;
  for (int i = 0; i < 1000; ++i) clones.push_back(tree.share());
  EXPECT_EQ(touched(), 0u);
  EXPECT_EQ(context.tree.dirty_bytes.load(), bytes);
}

TEST_F(BigTree, FirstChangeOfACloneCopiesOnePath) {
  Tree tree(context.tree, root);
  touched();
  must(tree.put(number_key(kEntries / 2), "new", {}, 6));
  EXPECT_LE(touched(), 3u * (root.level + 1u));
  touched();
  must(tree.put(number_key(kEntries / 2), "newer", {}, 6));
  EXPECT_EQ(touched(), 0u) << "edited in place";
  const Root shared = tree.share();
  must(tree.put(number_key(kEntries / 2), "newest", {}, 7));
  EXPECT_EQ(touched(), root.level + 1u) << "copied, because shared";
}

TEST_F(BigTree, EraseRangeTouchesOnlyItsEdges) {
  for (const uint64_t half : {1, 10, 1000, 49'000}) {
    Tree tree(context.tree, root);
    touched();
    must(tree.erase_range(number_key(50'000 - half), number_key(50'000 + half), 6));
    EXPECT_LE(touched(), bound()) << half;
    EXPECT_EQ(findings(context.tree, tree.share()), "");
    EXPECT_EQ(tree.summary()[SummaryColumn::kObjects], kEntries - 2 * half);
    touched();
  }
}

TEST_F(BigTree, KeepRangeTouchesOnlyItsEdges) {
  for (const uint64_t half : {1, 10, 1000, 49'000}) {
    Tree tree(context.tree, root);
    touched();
    must(tree.keep_range(number_key(50'000 - half), number_key(50'000 + half), 6));
    EXPECT_LE(touched(), bound()) << half;
    EXPECT_EQ(findings(context.tree, tree.share()), "");
    EXPECT_EQ(tree.summary()[SummaryColumn::kObjects], 2 * half);
    touched();
  }
}

TEST_F(BigTree, GraftTouchesOnlyItsEdgesWhateverTheHeights) {
  for (const uint64_t half : {1, 10, 1000, 49'000}) {
    const std::string from = number_key(50'000 - half), to = number_key(50'000 + half);
    Tree outside(context.tree, root), inside(context.tree, root);
    must(outside.erase_range(from, to, 6));
    must(inside.keep_range(from, to, 6));
    touched();
    must(outside.graft(from, to, inside.share(), 7));
    EXPECT_LE(touched(), bound()) << half;
    EXPECT_EQ(findings(context.tree, outside.share()), "");
    EXPECT_EQ(outside.summary(), root.summary);
    touched();
    must(diff(context.tree, root, outside.share(),
              [](ByteView, const Value*, const Value*) { return ADD_FAILURE(), true; }));
    EXPECT_LE(touched(), 4 * bound()) << "the rest is still shared with the original";
  }
}

TEST_F(BigTree, QueriesTouchTwoPaths) {
  const std::string from = number_key(12'345), to = number_key(87'654);
  touched();
  EXPECT_EQ(must(summarize(context.tree, root, from, to))[SummaryColumn::kObjects], 75'309u);
  EXPECT_LE(touched(), 4u * (root.level + 1u));
  EXPECT_EQ(must(newest_birth(context.tree, root, from, to)), 5u);
  EXPECT_LE(touched(), 4u * (root.level + 1u));
}

TEST_F(BigTree, DiffFollowsTheDifference) {
  Tree tree(context.tree, root);
  touched();
  size_t found = 0;
  const auto counting = [&](ByteView, const Value*, const Value*) { return ++found, true; };
  must(diff(context.tree, root, tree.share(), counting));
  EXPECT_EQ(touched(), 0u);
  must(tree.put(number_key(777), "new", {}, 6));
  must(tree.erase(number_key(55'555), 6));
  must(tree.put(number_key(99'000) + "x", "added", {}, 6));
  touched();
  must(diff(context.tree, root, tree.share(), counting));
  EXPECT_EQ(found, 3u);
  EXPECT_LE(touched(), 3 * 4u * (root.level + 1u));
}

TEST_F(BigTree, DiffOfDifferentHeightsStillSkipsWhatIsShared) {
  // A low tree that shares the middle of the high one.
  Tree part(context.tree, root);
  must(part.keep_range(number_key(40'000), number_key(40'500), 6));
  ASSERT_LT(part.share().level, root.level);
  Tree with_rest(context.tree, part.share());
  must(with_rest.put(number_key(40'250), "changed", {}, 7));
  touched();
  size_t found = 0;
  must(diff(context.tree, part.share(), with_rest.share(),
            [&](ByteView, const Value*, const Value*) { return ++found, true; }));
  EXPECT_EQ(found, 1u);
  // Against the whole, everything outside is reported, and the inside is skipped.
  found = 0;
  touched();
  Tree small_hole(context.tree, root);
  must(small_hole.erase_range("", number_key(99'000), 6));
  must(diff(context.tree, small_hole.share(), root,
            [&](ByteView, const Value*, const Value*) { return ++found, found < 50; }));
  EXPECT_EQ(found, 50u) << "false stops";
  EXPECT_LE(touched(), 2 * bound());
}

TEST_F(BigTree, GraftMarksItsRangeAsChanged) {
  const std::string from = number_key(20'000), to = number_key(80'000);
  Tree tree(context.tree, root);
  must(tree.erase_range(from, to, 8));
  BulkBuilder builder(context.tree, 1);
  for (uint64_t i = 20'000; i < 80'000; ++i) must(builder.add(number_key(i), "new", {}));
  must(tree.graft(from, to, must(builder.finish()), 9));
  const Root grafted = must(persist(context.tree, tree.share(), 9));
  tree = Tree(context.tree, grafted);
  for (const uint64_t at : {20'000, 20'001, 40'404, 60'000, 79'999}) {
    const std::string key = number_key(at);
    EXPECT_GE(must(newest_birth(context.tree, grafted, key, key + '\0')), 9u) << at;
    must(tree.put(key, "newer", {}, 10));
  }
  for (const uint64_t at : {20'500, 33'333, 60'500}) {
    const std::string key = number_key(at);
    EXPECT_EQ(must(newest_birth(context.tree, tree.share(), key, key + '\0')), 9u) << at;
  }
  EXPECT_EQ(must(newest_birth(context.tree, tree.share(), number_key(100), number_key(200))), 5u)
      << "outside of the graft nothing counts as changed";
  EXPECT_EQ(findings(context.tree, tree.share()), "");
}

TEST_F(BigTree, RefusedGraftsChangeNothing) {
  Tree tree(context.tree, root);
  const Root other = numbered_tree(context.tree, 10).share();
  const auto code = [&](const std::string& from, const std::string& to) {
    const Status status = tree.graft(from, to, other, 6);
    return status.ok() ? ErrorCode{} : status.error().code();
  };
  EXPECT_EQ(code("", ""), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(code("z", ""), ErrorCode::kInvalidArgument) << "keys before the range";
  EXPECT_EQ(code("", "a"), ErrorCode::kInvalidArgument) << "keys behind the range";
  EXPECT_EQ(code("b", "a"), ErrorCode::kInvalidArgument) << "no range";
  EXPECT_EQ(tree.share().ref, root.ref);
  must(tree.erase_range("", "", 6));
  must(tree.graft("", "", other, 7));
  EXPECT_EQ(tree.share().birth, 7u);
  EXPECT_EQ(read_all(context.tree, tree.share()), read_all(context.tree, other));
}

TEST_F(BigTree, BoundsLongerThanAnyKeyWork) {
  Tree tree(context.tree);
  const std::string longest(kMaxKeyBytes, 'k');
  must(tree.put(longest, "v", {}, 1));
  must(tree.put("l", "v", {}, 1));
  must(tree.put("a", "v", {}, 1));
  const std::string behind = longest + std::string(100, '\0');
  must(tree.erase_range(behind, behind + "x", 2));
  EXPECT_EQ(read_all(context.tree, tree.share()).size(), 3u);
  Tree clone(context.tree, tree.share());
  must(clone.keep_range(behind, "", 2));
  EXPECT_EQ(read_all(context.tree, clone.share()).size(), 1u);
  must(tree.erase_range("b", behind, 2));
  EXPECT_EQ(read_all(context.tree, tree.share()), (Model{{"a", {"v", {}}}, {"l", {"v", {}}}}));
}

TEST_F(BigTree, EmptyRangesChangeNothing) {
  Tree tree(context.tree, root);
  must(tree.erase_range("x", "x", 6));
  must(tree.erase_range("y", "x", 6));
  must(tree.erase_range("zzz", "", 6));
  must(tree.keep_range("", "", 6));
  EXPECT_EQ(tree.share().ref, root.ref);
  EXPECT_EQ(tree.share().birth, 5u);
  must(tree.keep_range("zzz", "", 6));
  EXPECT_TRUE(tree.empty());
  EXPECT_EQ(must(newest_birth(context.tree, tree.share(), "a", "b")), 6u);
}

}  // namespace
}  // namespace ramet::engine
