// verify_tree() finds what is wrong, and forged trees - every node sound, their composition not -
// neither crash nor hang anything [INV-8].
#include "engine/tree/verify_tree.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>
#include <set>

#include "tests/engine/tree/tree_fixture.h"

namespace ramet::engine {
namespace {

using Kind = TreeFinding::Kind;

std::set<Kind> kinds(TreeContext& context, const Root& root) {
  std::set<Kind> found;
  must(verify_tree(context, root, [&](const TreeFinding& finding) { found.insert(finding.kind); }));
  return found;
}

class ForgedTree : public ::testing::Test {
 protected:
  struct Kid {
    std::string key;
    BlockRef ref;
    uint64_t objects = 1;
    Sequence birth = 1;
  };

  BlockRef leaf(const std::vector<std::string>& keys) {
    std::vector<LeafItem> items;
    for (const std::string& key : keys) items.push_back({key, "", {}});
    return must(context.store.store(must(encode_leaf(items)), 1));
  }
  BlockRef inner(uint8_t level, const std::vector<Kid>& kids) {
    std::vector<ChildItem> items;
    std::vector<Summary> summaries(kids.size());
    for (size_t i = 0; i < kids.size(); ++i) {
      summaries[i][SummaryColumn::kObjects] = kids[i].objects;
      items.push_back({kids[i].key, kids[i].ref, kids[i].birth, false, &summaries[i]});
    }
    return must(context.store.store(must(encode_inner(level, items)), 1));
  }
  Root root(uint8_t level, const BlockRef& ref, uint64_t objects) {
    Root result{ref, nullptr, level, {}, 1};
    result.summary[SummaryColumn::kObjects] = objects;
    return result;
  }

  ForgedTree() {
    context.tree.summarize = [](ByteView, ByteView) {
      Summary summary;
      summary[SummaryColumn::kObjects] = 1;
      return summary;
    };
  }
  TestContext context;
};

TEST_F(ForgedTree, SoundTreeHasNoFindings) {
  const BlockRef top = inner(1, {{"", leaf({"a", "b"}), 2}, {"c", leaf({"c"})}});
  EXPECT_EQ(kinds(context.tree, root(1, top, 3)), std::set<Kind>{});
}

TEST_F(ForgedTree, WrongSummariesAndBirthsAreFound) {
  const BlockRef top = inner(1, {{"", leaf({"a", "b"}), 7}, {"c", leaf({"c"}), 1, 99}});
  EXPECT_EQ(kinds(context.tree, root(1, top, 3)), (std::set<Kind>{Kind::kSummary, Kind::kBirth}));
}

TEST_F(ForgedTree, KeysOutsideOfTheirBoundsAreFound) {
  const BlockRef top = inner(1, {{"", leaf({"a", "x"}), 2}, {"c", leaf({"b", "c"}), 2}});
  EXPECT_EQ(kinds(context.tree, root(1, top, 4)), std::set<Kind>{Kind::kOrder});
}

TEST_F(ForgedTree, MissingNodesAndOnlyChildrenAreFound) {
  const BlockRef top = inner(1, {{"", BlockRef{7, 999, 1}, 1}});
  EXPECT_EQ(kinds(context.tree, root(1, top, 1)), (std::set<Kind>{Kind::kUnreadable, Kind::kFill}));
}

TEST_F(ForgedTree, DamageIsReportedAndTheRestChecked) {
  const Root sound = must(persist(context.tree, numbered_tree(context.tree, 2000).share(), 1));
  TreeStatistics whole, rest;
  EXPECT_EQ(findings(context.tree, sound, &whole), "");
  context.store.damage(BlockRef{7, 3, 0});
  context.store.damage(BlockRef{7, 5, 0});
  context.cache.clear();
  size_t unreadable = 0;
  must(verify_tree(
      context.tree, sound,
      [&](const TreeFinding& finding) {
        EXPECT_EQ(finding.kind, Kind::kUnreadable) << finding.message;
        EXPECT_FALSE(finding.ref.is_null());
        ++unreadable;
      },
      &rest));
  EXPECT_EQ(unreadable, 2u);
  EXPECT_EQ(rest.leaves + rest.inner_nodes + 2, whole.leaves + whole.inner_nodes);
}

// Every child of a node is the same node: 2^40 ways to one leaf.
TEST_F(ForgedTree, NodesThatHangInManyPlacesEndEarly) {
  BlockRef below = leaf({"m"});
  for (uint8_t level = 1; level <= 40; ++level) {
    const std::string middle(1, static_cast<char>('a' + level % 20));
    below = inner(level, {{"", below}, {middle, below}});
  }
  const Root top = root(40, below, 1);
  EXPECT_FALSE(kinds(context.tree, top).empty());
  size_t steps = 0;
  Cursor cursor(context.tree, top);
  Status status = cursor.seek_first();
  for (; (cursor.valid() || cursor.damaged()) && steps < 100'000; ++steps) {
    status = cursor.valid() ? cursor.next() : cursor.skip_damaged();
  }
  EXPECT_LT(steps, 10'000u);
  BlockRef other = leaf({"n"});
  for (uint8_t level = 1; level <= 40; ++level) {
    const std::string middle(1, static_cast<char>('b' + level % 20));
    other = inner(level, {{"", other}, {middle, other}});
  }
  const Status differs = diff(context.tree, top, root(40, other, 1),
                              [](ByteView, const Value*, const Value*) { return true; });
  EXPECT_FALSE(differs.ok());
}

// Random sound nodes that refer to each other at random; every operation gives a result.
class Forger {
 public:
  explicit Forger(uint64_t seed) : random_(seed) {}

  void run() {
    for (int i = 0; i < 8; ++i) refs_[0].push_back(random_leaf());
    const uint8_t top = static_cast<uint8_t>(1 + random_() % 5);
    for (uint8_t level = 1; level <= top; ++level) {
      for (int i = 0; i < 5; ++i) refs_[level].push_back(random_inner(level));
    }
    Root root{pick(refs_[top]), nullptr, top, {}, random_() % 9};
    for (int i = 0; i < 40; ++i) step(root);
  }

 private:
  std::string key() {
    std::string key;
    for (size_t n = random_() % 4; n > 0; --n) key.push_back(static_cast<char>(random_() % 5));
    return key;
  }
  BlockRef pick(const std::vector<BlockRef>& refs) { return refs[random_() % refs.size()]; }

  BlockRef random_leaf() {
    std::set<std::string> keys;
    for (size_t n = 1 + random_() % 12; n > 0; --n) keys.insert(key());
    std::vector<LeafItem> items;
    const std::string value(random_() % 60, 'v');
    for (const std::string& each : keys) items.push_back({each, value, {}});
    return must(context_.store.store(must(encode_leaf(items)), 1));
  }
  BlockRef random_inner(uint8_t level) {
    std::set<std::string> keys;
    for (size_t n = 1 + random_() % 6; n > 0; --n) keys.insert(key());
    std::vector<ChildItem> items;
    const Summary summary{};
    for (const std::string& each : keys) {
      items.push_back({each, pick(refs_[level - 1]), random_() % 9, random_() % 4 == 0, &summary});
    }
    return must(context_.store.store(must(encode_inner(level, items)), 1));
  }

  void step(const Root& root) {
    TreeContext& context = context_.tree;
    Tree tree(context, root);
    for (int i = 0; i < 10; ++i) {
      std::string from = key(), to = key();
      const std::string value(random_() % 300, 'n');
      switch (random_() % 8) {
        case 0:
        case 1: ignore_error(tree.put(from, value, {}, 10), "may find the forgery"); break;
        case 2:
        case 3: ignore_error(tree.erase(from, 10), "may find the forgery"); break;
        case 4: ignore_error(tree.erase_range(from, to, 10), "may find the forgery"); break;
        case 5: ignore_error(tree.keep_range(from, to, 10), "may find the forgery"); break;
        case 6: ignore_error(tree.graft(from, to, root, 10), "may find the forgery"); break;
        default: ignore_error(persist(context, tree.share(), 10), "may find the forgery"); break;
      }
      if (random_() % 10 == 0) tree.replace_persisted();
    }
    read(tree.share(), root);
    ignore_error(persist(context, tree.share(), 10), "may find the forgery");
  }

  void read(const Root& a, const Root& b) {
    TreeContext& context = context_.tree;
    const std::string from = key(), to = key();
    must(verify_tree(context, a, [](const TreeFinding&) {}));
    ignore_error(summarize(context, a, from, to), "may find the forgery");
    ignore_error(newest_birth(context, a, from, to), "may find the forgery");
    ignore_error(diff(context, a, b, [](ByteView, const Value*, const Value*) { return true; }),
                 "may find the forgery");
    Cursor cursor(context, a);
    const bool forward = random_() % 2 == 0;
    Status status = forward ? cursor.seek(from) : cursor.seek_before(from);
    for (int i = 0; i < 5000 && (cursor.valid() || cursor.damaged()); ++i) {
      status = cursor.damaged() ? cursor.skip_damaged() : forward ? cursor.next() : cursor.prev();
    }
  }

  TestContext context_{256};
  std::mt19937_64 random_;
  std::vector<BlockRef> refs_[8];
};

RC_GTEST_PROP(ForgedTreeProperty, EveryOperationGivesAResult, (uint64_t seed)) {
  Forger(seed).run();
}

}  // namespace
}  // namespace ramet::engine
