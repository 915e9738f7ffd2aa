// What the tests of trees share: a context over an in-memory store, a model, and comparisons.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/tree/bulk_builder.h"
#include "engine/tree/cursor.h"
#include "engine/tree/diff.h"
#include "engine/tree/persist.h"
#include "engine/tree/tree.h"
#include "engine/tree/verify_tree.h"
#include "tests/support/memory_node_store.h"

namespace ramet::engine {

// Sums in several columns and a maximum that goes up and down.
inline Summary test_summary(ByteView key, ByteView value) {
  Summary summary;
  summary[SummaryColumn::kObjects] = 1;
  summary[SummaryColumn::kContentBytes] = value.size();
  summary[SummaryColumn::kEntryBytes] = key.size();
  summary[SummaryColumn::kRetainUntil] =
      value.size() < 2 ? 0 : 1 + static_cast<unsigned char>(value[1]);
  return summary;
}

struct TestContext {
  explicit TestContext(uint32_t node_bytes = 512, size_t cache_bytes = 64 << 20)
      : cache(cache_bytes) {
    tree.store = &store;
    tree.cache = &cache;
    tree.summarize = &test_summary;
    tree.node_bytes = node_bytes;
  }
  ~TestContext() { EXPECT_EQ(tree.dirty_bytes.load(), 0) << "dirty nodes were leaked"; }

  MemoryNodeStore store;
  NodeCache cache;
  TreeContext tree;
};

struct ModelValue {
  std::string bytes;
  std::vector<BlockRef> refs;
  friend bool operator==(const ModelValue&, const ModelValue&) = default;
};
using Model = std::map<std::string, ModelValue>;

inline ModelValue to_model(const Value& value) {
  return {std::string(value.bytes()), {value.refs().begin(), value.refs().end()}};
}

inline Summary fold(const Model& model, const std::string& from, const std::string& to) {
  Summary sum;
  for (auto i = model.lower_bound(from); i != model.end() && (to.empty() || i->first < to); ++i) {
    sum.combine(test_summary(i->first, i->second.bytes));
  }
  return sum;
}

inline Model read_all(TreeContext& context, const Root& root) {
  Model model;
  Cursor cursor(context, root);
  EXPECT_TRUE(cursor.seek_first().ok());
  while (cursor.valid()) {
    model[std::string(cursor.key())] = to_model(cursor.pinned_value());
    EXPECT_TRUE(cursor.next().ok());
  }
  return model;
}

// Findings as text; empty is good.
inline std::string findings(TreeContext& context, const Root& root,
                            TreeStatistics* statistics = nullptr) {
  std::string text;
  const Status status = verify_tree(
      context, root,
      [&](const TreeFinding& finding) {
        text += "level " + std::to_string(finding.level) + " " + to_string(finding.ref) + ": " +
                finding.message + "\n";
      },
      statistics);
  if (!status.ok()) text += status.error().to_string();
  return text;
}

// Everything that one version must give back.
inline void expect_equals(TreeContext& context, const Root& root, const Model& model) {
  EXPECT_EQ(findings(context, root), "");
  EXPECT_EQ(root.summary, fold(model, "", ""));
  EXPECT_EQ(root.empty(), model.empty());
  Cursor cursor(context, root);
  ASSERT_TRUE(cursor.seek_first().ok());
  for (const auto& [key, value] : model) {
    ASSERT_TRUE(cursor.valid()) << "ends before " << key;
    ASSERT_EQ(cursor.key(), key);
    ASSERT_EQ(cursor.value(), value.bytes);
    ASSERT_TRUE(std::equal(cursor.refs().begin(), cursor.refs().end(), value.refs.begin(),
                           value.refs.end()));
    ASSERT_TRUE(cursor.next().ok());
  }
  ASSERT_FALSE(cursor.valid()) << "goes on with " << cursor.key();
  ASSERT_TRUE(cursor.seek_last().ok());
  for (auto i = model.rbegin(); i != model.rend(); ++i) {
    ASSERT_TRUE(cursor.valid());
    ASSERT_EQ(cursor.key(), i->first);
    ASSERT_TRUE(cursor.prev().ok());
  }
  ASSERT_FALSE(cursor.valid());
}

// "key 000123": fixed width, so that order is number order.
inline std::string number_key(uint64_t n) {
  std::string digits = std::to_string(n);
  return "key " + std::string(9 - digits.size(), '0') + digits;
}

inline void must(const Status& status) { ASSERT_TRUE(status.ok()) << status.error().to_string(); }
template <typename T>
T must(Result<T> result) {
  if (result.ok()) return std::move(result).value();
  ADD_FAILURE() << result.error().to_string();
  return T{};
}

// A tree of keys number_key(0..n-1) with short values.
inline Tree numbered_tree(TreeContext& context, uint64_t n, Sequence sequence = 1) {
  Tree tree(context);
  for (uint64_t i = 0; i < n; ++i) must(tree.put(number_key(i), "value", {}, sequence));
  return tree;
}

}  // namespace ramet::engine
