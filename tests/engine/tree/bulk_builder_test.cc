// Bulk load: the same tree as by puts, but full and clean, in bounded memory.
#include "engine/tree/bulk_builder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "tests/engine/tree/tree_fixture.h"

namespace ramet::engine {
namespace {

RC_GTEST_PROP(BulkProperty, AnySortedInputGivesASoundTree, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  TestContext context(random() % 2 == 0 ? 256 : 1024);
  Model model;
  for (size_t n = random() % 600; n > 0; --n) {
    std::string key = random() % 50 == 0 ? std::string(random() % kMaxKeyBytes, 'x') : "";
    key += number_key(random() % 10'000);
    key.resize(std::min(key.size(), kMaxKeyBytes));
    ModelValue value;
    value.bytes.resize(random() % 100 == 0 ? random() % 8000 : random() % 40, 'v');
    value.refs.resize(random() % 3, BlockRef{1, 2, random()});
    model[key] = value;
  }
  BulkBuilder builder(context.tree, 3);
  for (const auto& [key, value] : model) must(builder.add(key, value.bytes, value.refs));
  const Root root = must(builder.finish());
  RC_ASSERT(builder.entries() == model.size());
  RC_ASSERT(builder.nodes_written() == context.store.size());
  RC_ASSERT(!root.dirty);
  RC_ASSERT(findings(context.tree, root) == "");
  RC_ASSERT(read_all(context.tree, root) == model);
  RC_ASSERT(root.summary == fold(model, "", ""));
  // And it can be changed like any other.
  Tree tree(context.tree, root);
  for (int i = 0; i < 50; ++i) {
    const std::string key = number_key(random() % 10'000);
    must(tree.put(key, "put", {}, 4));
    model[key] = {"put", {}};
  }
  RC_ASSERT(findings(context.tree, tree.share()) == "");
  RC_ASSERT(read_all(context.tree, tree.share()) == model);
}

TEST(BulkBuilder, NodesAreFull) {
  TestContext context(8192);
  BulkBuilder builder(context.tree, 1);
  for (uint64_t i = 0; i < 100'000; ++i) must(builder.add(number_key(i), "value", {}));
  TreeStatistics statistics;
  EXPECT_EQ(findings(context.tree, must(builder.finish()), &statistics), "");
  EXPECT_GE(static_cast<double>(statistics.leaf_bytes),
            0.98 * 8192 * static_cast<double>(statistics.leaves));
  EXPECT_EQ(statistics.underfull, 0u);
}

TEST(BulkBuilder, MemoryIsBoundedWhateverTheSize) {
  TestContext context(8192);
  BulkBuilder builder(context.tree, 1);
  for (uint64_t i = 0; i < 200'000; ++i) {
    must(builder.add(number_key(i), "value", {}));
    if (i % 1000 == 0) {
      ASSERT_LE(context.tree.dirty_bytes.load(), 1 << 20);
    }
  }
  EXPECT_EQ(must(builder.finish()).summary[SummaryColumn::kObjects], 200'000u);
}

TEST(BulkBuilder, UnsortedAndTooLongInputIsRefused) {
  TestContext context;
  BulkBuilder builder(context.tree, 1);
  must(builder.add("b", "", {}));
  for (const std::string& key :
       {std::string("b"), std::string("a"), std::string(kMaxKeyBytes + 1, 'z')}) {
    const Status status = builder.add(key, "", {});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(BulkBuilder, FullDiskIsPassedOn) {
  TestContext context;
  context.store.set_room(3);
  BulkBuilder builder(context.tree, 1);
  Status status;
  for (uint64_t i = 0; i < 10'000 && status.ok(); ++i) status = builder.add(number_key(i), "", {});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kOutOfSpace);
}

TEST(BulkBuilder, NothingAddedIsAnEmptyTree) {
  TestContext context;
  BulkBuilder builder(context.tree, 9);
  const Root root = must(builder.finish());
  EXPECT_TRUE(root.empty());
  EXPECT_EQ(root.birth, 9u);
  EXPECT_EQ(context.store.size(), 0u);
}

}  // namespace
}  // namespace ramet::engine
