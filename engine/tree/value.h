// Value: what a tree keeps under a key: bytes and an ordered list of references.
#pragma once

#include <span>

#include "engine/tree/node_handle.h"
#include "format/values.h"

namespace ramet::engine {

// Pins what it shows: valid as long as it exists, whatever happens to the tree. While it pins a
// dirty leaf, the next change of that leaf copies it; so don't keep Values longer than needed.
// Immutable but for assignment; copies are cheap.
class Value {
 public:
  Value() = default;

  // Aligned to 8 in memory, so that packed structs and FlatBuffers are read in place.
  ByteView bytes() const { return bytes_; }
  // A rooted value whose tree is dirty has the null reference at 0 and a node().
  std::span<const BlockRef> refs() const { return refs_; }
  const NodePtr& node() const { return node_; }

  // Entry i of a leaf. Requires: the leaf is not edited while the Value exists [TREE-1].
  static Value of(const NodeHandle& leaf, uint32_t i) {
    Value value;
    value.bytes_ = leaf.value(i);
    value.refs_ = leaf.refs(i);
    value.node_ = leaf.ref_node(i);
    value.dirty_pin_ = NodePtr(leaf.dirty());
    value.clean_pin_ = leaf.clean();
    return value;
  }

 private:
  ByteView bytes_;
  std::span<const BlockRef> refs_;
  NodePtr node_;
  NodePtr dirty_pin_;
  CleanNodePtr clean_pin_;
};

// Equal bytes and references. A dirty reference equals the clean one it was persisted as.
bool same_value(const Value& a, const Value& b);

// A rooted value: an entry whose reference 0 is the root of another tree.
struct RootedValue {
  Root root;       // of the other tree
  ByteView bytes;  // the entry's own bytes, behind the RootValue; points into `value`
  Value value;
};

// Takes a value apart. kCorruption if it does not begin with a RootValue.
Result<RootedValue> rooted_value(Value value);

}  // namespace ramet::engine
