// Tree nodes: the verifier that stands before everything that reads a node in place.
//
// Proves, of a node that verifies: keys ascend, every key is found and what lies between them is
// not, values are aligned and within limits, the references of the entries are those of the node,
// encoding the entries gives a node with the same ones (and settles), and a tree over it can be
// read and changed with results or errors, never a crash.
#include <set>

#include "engine/check/describe_key.h"
#include "engine/check/inspect_fields.h"
#include "engine/tree/clean_node.h"
#include "engine/tree/cursor.h"
#include "engine/tree/node_cache.h"
#include "engine/tree/tree.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/memory_node_store.h"

namespace ramet::fuzz {
namespace {

using engine::CleanNode;
using engine::CleanNodePtr;
using engine::NodeBuffer;

Result<CleanNodePtr> open(ByteView bytes) {
  return CleanNode::open(NodeBuffer::copy_of(bytes), BlockRef{1, 2, 3});
}

struct Entries {
  std::vector<Bytes> keys;
  std::vector<Summary> summaries;
};

Entries keys_of(const NodeView& view) {
  Entries out;
  for (uint32_t i = 0; i < view.count(); ++i) {
    out.keys.push_back(Bytes(view.prefix()) + Bytes(view.suffix(i)));
    if (!view.is_leaf()) out.summaries.push_back(view.summary(i));
  }
  return out;
}

void check_search(const CleanNode& node, const std::vector<Bytes>& keys) {
  bool exact = false;
  for (uint32_t i = 0; i < keys.size(); ++i) {
    RAMET_CHECK(node.lower_bound(keys[i], &exact) == i && exact, "a key that is not found");
    RAMET_CHECK(i == 0 || keys[i - 1] < keys[i], "keys that do not ascend");
    const Bytes after = keys[i] + '\0';
    const bool next_is = i + 1 < keys.size() && keys[i + 1] == after;
    RAMET_CHECK(node.lower_bound(after, &exact) == i + 1 && exact == next_is, "a key between");
    if (keys[i].empty()) continue;
    const ByteView before = ByteView(keys[i]).substr(0, keys[i].size() - 1);
    const uint32_t place = node.lower_bound(before, &exact);
    RAMET_CHECK(place <= i && (place == 0 || keys[place - 1] < before), "a key before");
    RAMET_CHECK(exact == (keys[place] == before), "a key that is or is not there");
  }
}

Result<Bytes> encode(const NodeView& view, const Entries& entries) {
  if (view.is_leaf()) {
    std::vector<LeafItem> items;
    for (uint32_t i = 0; i < view.count(); ++i) {
      items.push_back({entries.keys[i], view.value(i), view.value_refs(i)});
    }
    return encode_leaf(items);
  }
  std::vector<ChildItem> items;
  for (uint32_t i = 0; i < view.count(); ++i) {
    items.push_back({entries.keys[i], view.child(i), view.birth(i), view.grafted(i),
                     &entries.summaries[i]});
  }
  return encode_inner(view.level(), items);
}

bool same(const NodeView& a, const NodeView& b, uint32_t i) {
  if (a.is_leaf()) {
    const auto left = a.value_refs(i);
    const auto right = b.value_refs(i);
    return a.value(i) == b.value(i) &&
           std::equal(left.begin(), left.end(), right.begin(), right.end());
  }
  return a.child(i) == b.child(i) && a.birth(i) == b.birth(i) && a.grafted(i) == b.grafted(i) &&
         a.summary(i) == b.summary(i);
}

void check_entries(const NodeView& view) {
  RAMET_CHECK(view.count() >= 1 && view.level() <= kMaxNodeLevel, "a node of no entries");
  size_t refs = 0;
  for (uint32_t i = 0; i < view.count(); ++i) {
    if (!view.is_leaf()) {
      RAMET_CHECK(!view.child(i).is_null(), "a child that is not there");
      continue;
    }
    const ByteView value = view.value(i);
    Bytes key(view.prefix());
    key.append(view.suffix(i));
    ignore_error(Result<std::string>(engine::describe_value(key, value, view.value_refs(i)) +
                                     engine::describe_key(key)),
                 "any entry can be shown");
    RAMET_CHECK(value.empty() || reinterpret_cast<uintptr_t>(value.data()) % 8 == 0, "alignment");
    RAMET_CHECK(value.size() + sizeof(BlockRef) * view.value_refs(i).size() <= kMaxValueBytes,
                "a value that is too long");
    for (const BlockRef& ref : view.value_refs(i)) {
      RAMET_CHECK(refs < view.refs().size() && view.refs()[refs] == ref, "references");
      ++refs;
    }
  }
  RAMET_CHECK(!view.is_leaf() || refs == view.refs().size(), "references of no entry");
}

void check_written_again(const CleanNode& node, const Entries& entries) {
  const NodeView& view = node.view();
  const auto once = encode(view, entries);
  if (!once.ok()) {
    RAMET_CHECK(once.error().code() == ErrorCode::kInvalidArgument, "sorted keys are encoded");
    return;
  }
  const auto again = open(*once);
  RAMET_CHECK(again.ok(), "a node that was written does not verify");
  const NodeView& second = (*again)->view();
  RAMET_CHECK(second.count() == view.count() && second.level() == view.level(), "other entries");
  RAMET_CHECK(keys_of(second).keys == entries.keys, "other keys");
  for (uint32_t i = 0; i < view.count(); ++i) RAMET_CHECK(same(view, second, i), "other entries");
  const auto twice = encode(second, keys_of(second));
  RAMET_CHECK(twice.ok() && *twice == *once, "encoding again changes the bytes");
}

// A tree whose root is the node; children of an inner node are missing, or the node itself.
void walk_tree(ByteView bytes, const CleanNode& node, const Entries& entries) {
  engine::MemoryNodeStore store;
  engine::NodeCache cache(1u << 20);
  engine::TreeContext context;
  context.store = &store;
  context.cache = &cache;
  const auto ref = store.store(bytes, 1);
  engine::Root root;
  root.ref = *ref;
  root.level = node.view().level();

  engine::Cursor cursor(context, root);
  size_t seen = 0;
  Status status = cursor.seek_first();
  while (status.ok() && cursor.valid()) {
    RAMET_CHECK(cursor.key() == entries.keys[seen], "the cursor sees other keys");
    ++seen;
    status = cursor.next();
  }
  RAMET_CHECK(!node.view().is_leaf() || seen == entries.keys.size(), "the cursor lost entries");

  const Bytes& middle = entries.keys[entries.keys.size() / 2];
  {
    engine::Tree tree(context, root);
    const Status put = tree.put(middle, "new", {}, 2);
    engine::Value value;
    const auto found = tree.get(middle, &value);
    if (put.ok()) RAMET_CHECK(found.ok() && *found && value.bytes() == "new", "a lost put");
  }
  {
    engine::Tree tree(context, root);
    const Status erased = tree.erase_range(middle, {}, 2);
    engine::Value value;
    const auto found = tree.get(middle, &value);
    if (erased.ok()) RAMET_CHECK(!found.ok() || !*found, "what was erased is there");
  }
  {
    engine::Tree tree(context, root);
    ignore_error(tree.keep_range(middle, middle + "x", 2), "any result will do");
    ignore_error(tree.graft(middle + "y", middle + "z", root, 3), "any result will do");
  }
}

void look_at(ByteView bytes) {
  const auto node = open(bytes);
  if (!node.ok()) {
    RAMET_CHECK(node.error().code() == ErrorCode::kCorruption, "another error");
    return;
  }
  const NodeView& view = (*node)->view();
  check_entries(view);
  const Entries entries = keys_of(view);
  check_search(**node, entries.keys);
  check_written_again(**node, entries);
  walk_tree(bytes, **node, entries);
}

// Entries from the input, whatever they are: sorted ones must give a node, others an error.
void build(ByteView input) {
  Fields fields(input);
  const auto level = static_cast<uint8_t>(fields.take<uint8_t>() & 3);
  const Bytes prefix(fields.take_bytes(fields.take<uint8_t>()));
  std::vector<Bytes> keys;
  std::vector<ByteView> values;
  std::vector<std::vector<BlockRef>> refs;
  std::vector<Summary> summaries;
  while (!fields.empty() && keys.size() < 300) {
    const auto key_bytes = fields.take<uint8_t>();
    const auto shape = fields.take<uint8_t>();
    keys.push_back(prefix + Bytes(fields.take_bytes(key_bytes & 31)));
    values.push_back(fields.take_bytes(shape >> 2));
    refs.emplace_back(shape & 3, BlockRef{1u + shape, key_bytes, 7});
    summaries.emplace_back();
    summaries.back().columns[shape % kSummaryColumns] = key_bytes;
  }
  if (keys.empty()) return;
  std::vector<LeafItem> leaf;
  std::vector<ChildItem> inner;
  for (size_t i = 0; i < keys.size(); ++i) {
    leaf.push_back({keys[i], values[i], refs[i]});
    inner.push_back({keys[i], BlockRef{1, 2, 3}, i, (i & 4) != 0, &summaries[i]});
  }
  const bool sorted = std::adjacent_find(keys.begin(), keys.end(), std::greater_equal<>()) ==
                      keys.end();
  const auto bytes = level == 0 ? encode_leaf(leaf) : encode_inner(level, inner);
  if (!sorted) RAMET_CHECK(!bytes.ok(), "keys that are not sorted were encoded");
  if (!bytes.ok()) return;
  const auto node = open(*bytes);
  RAMET_CHECK(node.ok() && keys_of((*node)->view()).keys == keys, "a built node");
  look_at(*bytes);
}

}  // namespace

RAMET_FUZZ_TARGET(node) {
  look_at(input);
  build(input.substr(0, 16u << 10));
}

}  // namespace ramet::fuzz
