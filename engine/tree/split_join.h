// Split and join of whole trees: what range operations are made of. Not for callers of the tree.
//
// Persistent: what is shared is copied, at most the nodes on the seam, O(log n) of them; the rest
// of both trees is shared with the results. (Blelloch, Ferizovic and Sun, "Just Join for Parallel
// Ordered Sets", SPAA 2016, for B+trees.)
#pragma once

#include "engine/tree/node_edit.h"

namespace ramet::engine {

// A tree on its own, in the middle of an operation. Nobody else edits through `child`.
struct Subtree {
  Child child;
  uint8_t level = 0;
  Bytes lower;  // no key is less

  bool empty() const { return child.ref.is_null() && !child.dirty; }
};

struct SplitTrees {
  Subtree left;   // keys < the split key
  Subtree right;  // keys >= it
};

// Requires: key at most kMaxSeparatorBytes. kCorruption or kIoError when a node on the way to the
// key can't be read; the tree is as it was.
Result<SplitTrees> split(TreeContext& context, Subtree tree, ByteView key);

// Requires: keys of left < separator <= keys of right. Fails as split() does.
Result<Subtree> join(TreeContext& context, Subtree left, ByteView separator, Subtree right);

enum class Edge : uint8_t { kFirst, kLast };

// Records a change at an edge of a tree: every pointer on the way to its first (last) leaf gets at
// least this birth. The leaf itself is not read. Whoever takes something out between two trees
// stamps both: the keys in between lead to one of these leaves afterwards, also those outside of
// what was taken that led to a leaf which is gone.
Status stamp(TreeContext& context, Subtree& tree, Edge edge, Sequence sequence);

}  // namespace ramet::engine
