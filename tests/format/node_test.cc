// Nodes: what is encoded is read back in place; whatever else is offered is refused.
#include "format/node.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <memory>
#include <random>

#include "tests/support/golden.h"

namespace ramet {
namespace {

// A copy of bytes in memory that nodes may be read from, with nothing behind its end that ASan
// would let pass.
class Aligned {
 public:
  explicit Aligned(ByteView bytes)
      : memory_(std::make_unique<char[]>(bytes.size())), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), memory_.get());
  }
  ByteView view() const { return {memory_.get(), size_}; }
  char* data() { return memory_.get(); }

 private:
  std::unique_ptr<char[]> memory_;
  size_t size_;
};

struct Entry {
  std::string value;
  std::vector<BlockRef> refs;
};
using Entries = std::map<std::string, Entry>;

Bytes encode(const Entries& entries) {
  std::vector<LeafItem> items;
  for (const auto& [key, entry] : entries) items.push_back({key, entry.value, entry.refs});
  auto encoded = encode_leaf(items);
  EXPECT_TRUE(encoded.ok());
  return std::move(encoded).value();
}

struct Kid {
  BlockRef ref;
  Sequence birth = 0;
  bool grafted = false;
  Summary summary;
};
using Kids = std::map<std::string, Kid>;

Bytes encode(uint8_t level, const Kids& kids) {
  std::vector<ChildItem> items;
  for (const auto& [key, kid] : kids) {
    items.push_back({key, kid.ref, kid.birth, kid.grafted, &kid.summary});
  }
  auto encoded = encode_inner(level, items);
  EXPECT_TRUE(encoded.ok());
  return std::move(encoded).value();
}

std::string key_at(const NodeView& node, uint32_t i) {
  return std::string(node.prefix()) + std::string(node.suffix(i));
}

// Touches everything that a reader could, so that sanitizers see a view that lies.
uint64_t read_everything(const NodeView& node) {
  uint64_t sum = node.refs().size();
  for (uint32_t i = 0; i < node.count(); ++i) {
    for (const char c : key_at(node, i)) sum += static_cast<unsigned char>(c);
    if (node.is_leaf()) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(node.value(i).data()) % 8, 0u);
      for (const char c : node.value(i)) sum += static_cast<unsigned char>(c);
      for (const BlockRef& ref : node.value_refs(i)) sum += ref.slot;
    } else {
      sum += node.child(i).slot + node.birth(i) + node.grafted(i);
      for (const uint64_t column : node.summary(i).columns) sum += column;
    }
  }
  return sum;
}

ErrorCode code_of(const Result<NodeView>& result) {
  return result.ok() ? ErrorCode{} : result.error().code();
}

Entries sample_entries() {
  Entries entries;
  for (int i = 0; i < 20; ++i) {
    Entry entry{std::string(static_cast<size_t>(i * 3), static_cast<char>('a' + i)), {}};
    for (uint32_t r = 0; r < static_cast<uint32_t>(i % 3); ++r) {
      entry.refs.push_back({1, 10u * static_cast<uint32_t>(i) + r, 77});
    }
    entries["shared/prefix/" + std::to_string(100 + i)] = entry;
  }
  return entries;
}

Kids sample_kids() {
  Kids kids;
  for (uint32_t i = 0; i < 12; ++i) {
    Kid kid{{2, i, i * 5ull}, 100 + i, i % 4 == 1, {}};
    kid.summary.columns[0] = i;
    kid.summary.columns[3] = i * 1000;
    kids["k" + std::to_string(10 + i)] = kid;
  }
  return kids;
}

TEST(Node, LeafIsReadBackAsItWasEncoded) {
  const Entries entries = sample_entries();
  const Aligned bytes(encode(entries));
  const auto node = NodeView::open(bytes.view());
  ASSERT_TRUE(node.ok()) << node.error().to_string();
  EXPECT_TRUE(node->is_leaf());
  EXPECT_EQ(node->prefix(), "shared/prefix/1");
  ASSERT_EQ(node->count(), entries.size());
  uint32_t i = 0;
  for (const auto& [key, entry] : entries) {
    EXPECT_EQ(key_at(*node, i), key);
    EXPECT_EQ(node->value(i), entry.value);
    const auto refs = node->value_refs(i);
    EXPECT_EQ(std::vector<BlockRef>(refs.begin(), refs.end()), entry.refs);
    ++i;
  }
}

TEST(Node, InnerNodeIsReadBackAsItWasEncoded) {
  const Kids kids = sample_kids();
  const Aligned bytes(encode(3, kids));
  const auto node = NodeView::open(bytes.view());
  ASSERT_TRUE(node.ok()) << node.error().to_string();
  EXPECT_EQ(node->level(), 3);
  EXPECT_EQ(node->columns(), 4) << "trailing zero columns are left out";
  uint32_t i = 0;
  for (const auto& [key, kid] : kids) {
    EXPECT_EQ(key_at(*node, i), key);
    EXPECT_EQ(node->child(i), kid.ref);
    EXPECT_EQ(node->refs()[i], kid.ref);
    EXPECT_EQ(node->birth(i), kid.birth);
    EXPECT_EQ(node->grafted(i), kid.grafted);
    EXPECT_EQ(node->summary(i), kid.summary);
    ++i;
  }
}

TEST(Node, EmptyKeysAndValuesAreValues) {
  const Aligned bytes(encode(Entries{{"", {"", {}}}, {std::string(1, '\0'), {"", {{}}}}}));
  const auto node = NodeView::open(bytes.view());
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(key_at(*node, 0), "");
  EXPECT_EQ(node->value(0), "");
  EXPECT_EQ(node->value_refs(1).size(), 1u);
  EXPECT_TRUE(node->value_refs(1)[0].is_null()) << "the root of an empty tree";
}

TEST(Node, GoldenV1BytesNeverChange) {
  testing::expect_golden("v1/node_leaf.hex", encode(sample_entries()));
  testing::expect_golden("v1/node_inner.hex", encode(1, sample_kids()));
  for (const char* name : {"v1/node_leaf.hex", "v1/node_inner.hex"}) {
    const Aligned bytes(testing::golden_bytes(name));
    const auto node = NodeView::open(bytes.view());
    ASSERT_TRUE(node.ok());
    EXPECT_GT(read_everything(*node), 0u);
  }
}

TEST(Node, GreatestEntryFits) {
  const std::string key(kMaxKeyBytes, 'k');
  const std::vector<BlockRef> refs(100, BlockRef{1, 2, 3});
  const Entry entry{std::string(kMaxValueBytes - 16 * refs.size(), 'v'), refs};
  const Aligned bytes(encode(Entries{{key, entry}}));
  const auto node = NodeView::open(bytes.view());
  ASSERT_TRUE(node.ok()) << node.error().to_string();
  EXPECT_EQ(node->value(0).size() + node->value_refs(0).size_bytes(), kMaxValueBytes);
}

TEST(Node, TooLongToEncodeIsAnErrorAndNoCrash) {
  const std::string value(12000, 'v');
  const std::vector<LeafItem> items = {{"a", value, {}}, {"b", value, {}}, {"c", value, {}},
                                       {"d", value, {}}, {"e", value, {}}, {"f", value, {}}};
  const auto encoded = encode_leaf(items);
  ASSERT_FALSE(encoded.ok());
  EXPECT_EQ(encoded.error().code(), ErrorCode::kInvalidArgument);
}

TEST(Node, UnsortedKeysAreNotEncoded) {
  const std::vector<LeafItem> swapped = {{"prefix/b", "", {}}, {"p", "", {}}, {"prefix/c", "", {}}};
  ASSERT_FALSE(encode_leaf(swapped).ok());
  EXPECT_EQ(encode_leaf(swapped).error().code(), ErrorCode::kCorruption);
  const std::vector<LeafItem> twice = {{"a", "", {}}, {"a", "", {}}};
  EXPECT_FALSE(encode_leaf(twice).ok());
}

TEST(Node, BreakingALimitIsCorruption) {
  // Encoding checks nothing but order and size, so it can make what the verifier must refuse.
  const auto refused = [](const Result<Bytes>& encoded) {
    ASSERT_TRUE(encoded.ok());
    const Aligned bytes(*encoded);
    EXPECT_EQ(code_of(NodeView::open(bytes.view())), ErrorCode::kCorruption);
  };
  const std::string long_key(kMaxKeyBytes + 1, 'k');
  const std::string long_value(kMaxValueBytes + 1, 'v');
  const std::vector<BlockRef> refs(kMaxValueBytes / 16 + 1);
  const Summary summary{};
  const std::vector<LeafItem> key = {{long_key, "", {}}}, value = {{"k", long_value, {}}},
                              many_refs = {{"k", "", refs}};
  refused(encode_leaf(key));
  refused(encode_leaf(value));
  refused(encode_leaf(many_refs));
  const std::string too_long_separator(kMaxSeparatorBytes + 1, 's');
  const std::vector<ChildItem> separator = {{too_long_separator, {1, 1, 1}, 0, false, &summary}};
  refused(encode_inner(1, separator));
  const std::vector<ChildItem> null_child = {{"", {}, 0, false, &summary}};
  refused(encode_inner(1, null_child));
  const std::vector<ChildItem> too_high = {{"", {1, 1, 1}, 0, false, &summary}};
  refused(encode_inner(kMaxNodeLevel + 1, too_high));
  const std::vector<ChildItem> long_separator = {
      {ByteView(too_long_separator).substr(1), {1, 1, 1}, 0, false, &summary}};
  const Aligned bytes(*encode_inner(1, long_separator));
  EXPECT_TRUE(NodeView::open(bytes.view()).ok());
}

TEST(Node, EveryShorterOrEmptyBufferIsRefused) {
  for (const Bytes& whole : {encode(sample_entries()), encode(1, sample_kids())}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      const Aligned bytes(ByteView(whole).substr(0, size));
      const auto node = NodeView::open(bytes.view());
      // What was cut off may have been padding.
      if (node.ok()) read_everything(*node);
      EXPECT_TRUE(size >= 64 || code_of(node) == ErrorCode::kCorruption) << size;
    }
  }
}

TEST(Node, EverySingleBitFlipIsRefusedOrHarmless) {
  for (const Bytes& whole : {encode(sample_entries()), encode(1, sample_kids())}) {
    size_t refused = 0;
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
      Aligned bytes(whole);
      bytes.data()[bit / 8] = static_cast<char>(bytes.data()[bit / 8] ^ (1 << bit % 8));
      const auto node = NodeView::open(bytes.view());
      if (node.ok()) {
        read_everything(*node);
      } else {
        ++refused;
      }
    }
    EXPECT_GT(refused, 0u);
  }
}

Entries random_entries(std::mt19937_64& random) {
  Entries entries;
  const size_t n = 1 + random() % 60;
  const std::string prefix(random() % 40, 'p');
  for (size_t i = 0; i < n; ++i) {
    std::string key = prefix;
    for (size_t k = random() % 12; k > 0; --k) key.push_back(static_cast<char>(random() % 4));
    Entry entry{std::string(random() % 50, static_cast<char>(random())), {}};
    entry.refs.resize(random() % 3, BlockRef{5, 6, random()});
    entries[key] = entry;
  }
  return entries;
}

RC_GTEST_PROP(NodeProperty, LeavesAreReadBackAndWithinTheirEstimate, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const Entries entries = random_entries(random);
  const Bytes encoded = encode(entries);
  RC_ASSERT(encoded == encode(entries));
  const Aligned bytes(encoded);
  const auto node = NodeView::open(bytes.view());
  RC_ASSERT(node.ok());
  RC_ASSERT(node->count() == entries.size());
  uint32_t i = 0;
  size_t estimate = kNodeOverheadBytes + node->prefix().size();
  for (const auto& [key, entry] : entries) {
    RC_ASSERT(key_at(*node, i) == key);
    RC_ASSERT(node->value(i) == entry.value);
    const auto refs = node->value_refs(i);
    RC_ASSERT(std::equal(refs.begin(), refs.end(), entry.refs.begin(), entry.refs.end()));
    estimate += kLeafEntryOverheadBytes + node->suffix(i).size() + align_up(entry.value.size(), 8) +
                16 * entry.refs.size();
    ++i;
  }
  RC_ASSERT(encoded.size() <= estimate);
}

RC_GTEST_PROP(NodeProperty, DamagedNodesGiveAResultOrAnError, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const Bytes whole = random() % 2 == 0 ? encode(random_entries(random)) : encode(2, sample_kids());
  for (int round = 0; round < 50; ++round) {
    Bytes damaged = whole;
    for (size_t flips = 1 + random() % 8; flips > 0; --flips) {
      const size_t at = random() % damaged.size();
      switch (random() % 4) {
        case 0: damaged[at] = static_cast<char>(random()); break;
        case 1: damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8)); break;
        case 2: damaged[at] = '\xFF'; break;
        default: damaged.resize(std::max<size_t>(1, at)); break;
      }
    }
    const Aligned bytes(damaged);
    const auto node = NodeView::open(bytes.view());
    if (node.ok()) read_everything(*node);
  }
}

TEST(Node, CommonPrefixCountsBytes) {
  EXPECT_EQ(common_prefix("", "abc"), 0u);
  EXPECT_EQ(common_prefix("abc", "abc"), 3u);
  EXPECT_EQ(common_prefix("12345678abcdefgh", "12345678abcXefgh"), 11u);
  EXPECT_EQ(common_prefix("1234567", "1234568"), 6u);
  EXPECT_EQ(common_prefix("12345678", "123456789"), 8u);
}

}  // namespace
}  // namespace ramet
