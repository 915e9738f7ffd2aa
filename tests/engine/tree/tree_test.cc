// Single changes: limits, isolation of versions, density, rooted values, and damage.
#include "engine/tree/tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/engine/tree/tree_fixture.h"

namespace ramet::engine {
namespace {

ErrorCode code_of(const Status& status) {
  return status.ok() ? ErrorCode{} : status.error().code();
}

template <typename T>
Status status_of(const Result<T>& result) {
  return result.ok() ? Status() : Status(result.error());
}

TEST(Tree, EmptyTreeHasNothing) {
  TestContext context;
  Tree tree(context.tree);
  EXPECT_TRUE(tree.empty());
  EXPECT_FALSE(must(tree.get("key", nullptr)));
  EXPECT_FALSE(must(tree.erase("key", 1)));
  expect_equals(context.tree, tree.share(), {});
  must(tree.erase_range("", "", 1));
  must(tree.keep_range("a", "b", 1));
  EXPECT_TRUE(tree.empty());
}

TEST(Tree, LimitsAreInclusiveAndBeyondThemNothingChanges) {
  TestContext context;
  Tree tree(context.tree);
  const std::string key(kMaxKeyBytes, 'k');
  const std::vector<BlockRef> refs(10, BlockRef{1, 2, 3});
  const std::string value(kMaxValueBytes - 160, 'v');
  must(tree.put(key, value, refs, 1));
  must(tree.put("", "", {}, 1));
  EXPECT_EQ(code_of(tree.put(key + "k", "", {}, 1)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(tree.put("v", value + "v", refs, 1)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(tree.put_root("r", std::string(kMaxValueBytes, 'r'), Root(), 1)),
            ErrorCode::kInvalidArgument);
  EXPECT_FALSE(must(tree.erase(key + "k", 1)));
  expect_equals(context.tree, tree.share(), {{key, {value, refs}}, {"", {"", {}}}});
  const Root written = must(persist(context.tree, tree.share(), 1));
  expect_equals(context.tree, written, {{key, {value, refs}}, {"", {"", {}}}});
}

TEST(Tree, ChangesOfACloneNeverShowInItsSource_INV5) {
  TestContext context;
  Tree source = numbered_tree(context.tree, 2000);
  const Root before = source.share();
  const Model model = read_all(context.tree, before);
  Tree clone(context.tree, before);
  for (uint64_t i = 0; i < 2000; i += 3) must(clone.put(number_key(i), "changed", {}, 2));
  for (uint64_t i = 1; i < 2000; i += 3) must(clone.erase(number_key(i), 2));
  expect_equals(context.tree, source.share(), model);
  const Model changed = read_all(context.tree, clone.share());
  for (uint64_t i = 0; i < 2000; i += 2) must(source.erase(number_key(i), 3));
  expect_equals(context.tree, clone.share(), changed);
  expect_equals(context.tree, before, model);
}

TEST(Tree, KeptValueOutlivesItsChange) {
  TestContext context;
  Tree tree = numbered_tree(context.tree, 100);
  Value value;
  ASSERT_TRUE(must(tree.get(number_key(50), &value)));
  must(tree.put(number_key(50), "another value", {}, 2));
  EXPECT_EQ(value.bytes(), "value");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(value.bytes().data()) % 8, 0u);
}

TEST(Tree, ErasingAnAbsentKeyDirtiesNothing) {
  TestContext context;
  const Root root = must(persist(context.tree, numbered_tree(context.tree, 1000).share(), 1));
  Tree tree(context.tree, root);
  EXPECT_FALSE(must(tree.erase("key 0000005x", 2)));
  EXPECT_EQ(tree.share().ref, root.ref);
  EXPECT_EQ(context.tree.dirty_bytes.load(), 0);
}

TEST(Tree, SequentialInsertsLeaveFullNodes) {
  TestContext context(8192);
  Tree tree = numbered_tree(context.tree, 50'000);
  TreeStatistics statistics;
  EXPECT_EQ(findings(context.tree, tree.share(), &statistics), "");
  EXPECT_GE(static_cast<double>(statistics.leaf_bytes),
            0.9 * 8192 * static_cast<double>(statistics.leaves));
  EXPECT_LE(statistics.leaves, 250u);
}

// Ids of one type ascend in the middle of the key space: other keys are behind them.
TEST(Tree, SequentialInsertsBeforeOtherKeysLeaveFullNodes) {
  TestContext context(8192);
  Tree tree(context.tree);
  for (uint64_t i = 0; i < 500; ++i) must(tree.put("z" + number_key(i), "value", {}, 1));
  for (uint64_t i = 0; i < 50'000; ++i) must(tree.put(number_key(i), "value", {}, 1));
  TreeStatistics statistics;
  EXPECT_EQ(findings(context.tree, tree.share(), &statistics), "");
  EXPECT_GE(static_cast<double>(statistics.leaf_bytes),
            0.9 * 8192 * static_cast<double>(statistics.leaves));
}

TEST(Tree, SequentialInsertsOfLongValuesLeaveFullNodes) {
  TestContext context(8192);
  Tree tree(context.tree);
  const std::string value(1900, 'v');  // four to a leaf
  for (uint64_t i = 0; i < 500; ++i) must(tree.put("z" + number_key(i), "value", {}, 1));
  for (uint64_t i = 0; i < 5'000; ++i) must(tree.put(number_key(i), value, {}, 1));
  TreeStatistics statistics;
  EXPECT_EQ(findings(context.tree, tree.share(), &statistics), "");
  EXPECT_LE(statistics.leaves, 5'000 / 4 + 10u);
}

TEST(Tree, RandomInsertsAndErasesKeepNodesHalfFull) {
  TestContext context(1024);
  Tree tree(context.tree);
  std::mt19937_64 random(5);
  std::vector<uint64_t> keys(20'000);
  for (uint64_t& key : keys) must(tree.put(number_key(key = random() % 1'000'000), "v", {}, 1));
  TreeStatistics statistics;
  EXPECT_EQ(findings(context.tree, tree.share(), &statistics), "");
  EXPECT_GE(static_cast<double>(statistics.leaf_bytes),
            0.6 * 1024 * static_cast<double>(statistics.leaves));
  std::shuffle(keys.begin(), keys.end(), random);
  for (size_t i = 0; i < 18'000; ++i) must(tree.erase(number_key(keys[i]), 2));
  statistics = {};
  EXPECT_EQ(findings(context.tree, tree.share(), &statistics), "");
  EXPECT_GE(static_cast<double>(statistics.leaf_bytes),
            0.45 * 1024 * static_cast<double>(statistics.leaves));
  EXPECT_LE(statistics.underfull, 1 + statistics.leaves / 20);
  for (const uint64_t key : keys) must(tree.erase(number_key(key), 3));
  EXPECT_TRUE(tree.empty());
  EXPECT_EQ(tree.share().birth, 3u);
  EXPECT_TRUE(tree.summary().is_zero());
}

// One key that breaks a long common prefix makes a node many times as big at once.
TEST(Tree, KeyThatBreaksALongPrefixSplitsTheNode) {
  TestContext context(8192);
  Tree tree(context.tree);
  Model model;
  const std::string prefix(1400, 'p');
  const auto put = [&](const std::string& key) {
    must(tree.put(key, "v", {}, 1));
    model[key] = {"v", {}};
  };
  for (int i = 1000; i < 1300; ++i) put(prefix + std::to_string(i));
  put("a");
  put("z");
  put(prefix.substr(0, 700) + "x");
  put(prefix.substr(0, 700) + "a");
  expect_equals(context.tree, tree.share(), model);
  expect_equals(context.tree, must(persist(context.tree, tree.share(), 1)), model);
  for (int i = 1000; i < 1300; ++i) {
    must(tree.erase(prefix + std::to_string(i), 2));
    model.erase(prefix + std::to_string(i));
  }
  expect_equals(context.tree, tree.share(), model);
}

// The first key of an inner node, a bound that nothing else moves, must go down for a lesser key;
// what its keys shared is then gone, and the node several times as big.
TEST(Tree, KeyBelowEveryBoundSplitsInnerNodesThatLoseTheirPrefix) {
  TestContext context(8192);
  Tree tree(context.tree);
  const std::string prefix(1400, 'p');
  Model model;
  // One value a leaf, so that the leaf itself has room for the lesser key.
  for (int i = 10'000; i < 10'150; ++i) {
    const std::string key = prefix + std::to_string(i), value(5000, 'v');
    must(tree.put(key, value, {}, 1));
    if (i >= 10'010) model[key] = {value, {}};
  }
  must(tree.keep_range(prefix + "10010", "", 2));
  expect_equals(context.tree, must(persist(context.tree, tree.share(), 2)), model);
  must(tree.put("a", "v", {}, 3));
  model["a"] = {"v", {}};
  expect_equals(context.tree, must(persist(context.tree, tree.share(), 3)), model);
}

TEST(Tree, BatchOutOfOrderIsRefusedWhole) {
  TestContext context;
  Tree tree(context.tree);
  const std::vector<Mutation> unsorted = {{"b", false, "1", {}, nullptr},
                                          {"a", false, "2", {}, nullptr}};
  EXPECT_EQ(code_of(tree.apply(unsorted, 1)), ErrorCode::kInvalidArgument);
  const std::vector<Mutation> twice = {{"a", false, "1", {}, nullptr},
                                       {"a", true, {}, {}, nullptr}};
  EXPECT_EQ(code_of(tree.apply(twice, 1)), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(tree.empty());
}

TEST(Tree, RootedValuesLeadToTheirTrees) {
  TestContext context;
  Tree container = numbered_tree(context.tree, 500);
  Tree catalog(context.tree);
  const Root first = container.share();
  must(catalog.put_root("one", "bytes of one", first, 2));
  must(catalog.put_root("clone", "bytes of clone", first, 2));
  must(catalog.put_root("empty", "", Root(), 2));
  must(catalog.put("plain", "not rooted", {}, 2));
  must(container.put(number_key(7), "changed", {}, 3));

  const auto one = must(catalog.get_root("one"));
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->bytes, "bytes of one");
  EXPECT_EQ(one->root.summary, first.summary);
  EXPECT_EQ(one->root.birth, first.birth);
  EXPECT_EQ(one->root.dirty, first.dirty) << "shared, not copied";
  expect_equals(context.tree, one->root, read_all(context.tree, first));
  EXPECT_TRUE(must(catalog.get_root("empty"))->root.empty());
  EXPECT_FALSE(must(catalog.get_root("none")).has_value());
  EXPECT_EQ(catalog.get_root("plain").error().code(), ErrorCode::kCorruption);

  // A rooted entry moves with its tree, and becomes an ordinary one.
  must(catalog.put_root("moved", one->bytes, one->root, 4));
  must(catalog.put("one", "no tree any more", {}, 4));
  EXPECT_EQ(must(catalog.get_root("moved"))->root.dirty, first.dirty);
  EXPECT_EQ(code_of(status_of(catalog.get_root("one"))), ErrorCode::kCorruption);
}

TEST(Tree, BatchesMayPutRoots) {
  TestContext context;
  const Root other = numbered_tree(context.tree, 10).share();
  Tree catalog(context.tree);
  const std::vector<Mutation> batch = {{"a", false, "own", {}, &other},
                                       {"b", false, "plain", {}, nullptr}};
  must(catalog.apply(batch, 1));
  EXPECT_EQ(must(catalog.get_root("a"))->bytes, "own");
  EXPECT_EQ(must(catalog.get_root("a"))->root.dirty, other.dirty);
}

class DamagedTree : public ::testing::Test {
 protected:
  // A clean tree of three levels; `leaf` holds number_key(1000).
  void SetUp() override {
    root = must(persist(context.tree, numbered_tree(context.tree, 3000).share(), 1));
    model = read_all(context.tree, root);
    leaf = leaf_of(number_key(1000));
    context.cache.clear();
  }

  BlockRef leaf_of(const std::string& key) {
    NodeHandle node = must(open_node(context.tree, root));
    while (node.level() > 1) node = must(open_child(context.tree, node, node.child_index(key)));
    return node.child_ref(node.child_index(key));
  }

  void damage(const BlockRef& ref) {
    context.store.damage(ref);
    context.cache.clear();
  }

  TestContext context;
  Root root;
  Model model;
  BlockRef leaf;
};

TEST_F(DamagedTree, ReadsAndWritesThroughTheDamageNameTheNode_INV4) {
  damage(leaf);
  Tree tree(context.tree, root);
  for (const Status& status :
       {tree.put(number_key(1000), "v", {}, 2), status_of(tree.erase(number_key(1000), 2))}) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kCorruption);
    EXPECT_NE(status.error().message().find(to_string(leaf)), std::string::npos);
  }
  EXPECT_EQ(tree.get(number_key(1000), nullptr).error().code(), ErrorCode::kCorruption);
  context.store.heal(leaf);
  expect_equals(context.tree, tree.share(), model);
}

TEST_F(DamagedTree, EverythingElseStaysWritable) {
  damage(leaf);
  Tree tree(context.tree, root);
  for (uint64_t i = 0; i < 3000; ++i) {
    const std::string key = number_key(i);
    if (leaf_of(key) == leaf) continue;
    ASSERT_TRUE(must(tree.erase(key, 2))) << "erasing beside the damage";
    model.erase(key);
  }
  context.store.heal(leaf);
  expect_equals(context.tree, tree.share(), model);
}

TEST_F(DamagedTree, FailedRangeOperationsChangeNothing) {
  damage(leaf);
  Tree tree(context.tree, root);
  const Root other = numbered_tree(context.tree, 10).share();
  EXPECT_EQ(code_of(tree.erase_range(number_key(1000), number_key(2000), 2)),
            ErrorCode::kCorruption);
  EXPECT_EQ(code_of(tree.keep_range(number_key(10), number_key(1000), 2)), ErrorCode::kCorruption);
  EXPECT_EQ(code_of(tree.graft(number_key(1000), number_key(1001), other, 2)),
            ErrorCode::kInvalidArgument);
  context.store.heal(leaf);
  EXPECT_EQ(tree.share().ref, root.ref);
  expect_equals(context.tree, tree.share(), model);
}

TEST_F(DamagedTree, RangeAroundTheDamageCanBeErased) {
  damage(leaf);
  Tree tree(context.tree, root);
  must(tree.erase_range(number_key(500), number_key(1500), 2));
  model.erase(model.lower_bound(number_key(500)), model.lower_bound(number_key(1500)));
  expect_equals(context.tree, tree.share(), model);
}

TEST_F(DamagedTree, IoErrorsArePassedOn) {
  context.store.fail(leaf);
  Tree tree(context.tree, root);
  EXPECT_EQ(code_of(tree.put(number_key(1000), "v", {}, 2)), ErrorCode::kIoError);
  EXPECT_EQ(tree.share().summary, root.summary);
}

TEST_F(DamagedTree, ReferenceWithAnotherChecksumIsNotServedFromTheCache_INV4) {
  expect_equals(context.tree, root, model);
  Root tampered = root;
  tampered.ref.checksum ^= 1;
  EXPECT_EQ(get(context.tree, tampered, number_key(1), nullptr).error().code(),
            ErrorCode::kCorruption);
}

TEST_F(DamagedTree, ReferenceToAnotherLevelIsCorruption) {
  Root tampered = root;
  tampered.ref = leaf;
  EXPECT_EQ(get(context.tree, tampered, number_key(1), nullptr).error().code(),
            ErrorCode::kCorruption);
}

}  // namespace
}  // namespace ramet::engine
