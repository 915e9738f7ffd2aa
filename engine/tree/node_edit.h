// Steps that all changes to trees are made of: making a node editable, splitting one that is too
// big, merging two that are too small. Not for callers of the tree.
//
// Not thread-safe: they edit what the caller owns. A `Child& slot` stands in a node that may be
// edited [TREE-1], or belongs to the caller alone.
#pragma once

#include <vector>

#include "engine/tree/node_handle.h"

namespace ramet::engine {

// A node that follows another one: its lower bound and the pointer to it.
struct Part {
  Bytes separator;
  Child child;
};

// The shortest byte string s with left < s <= right. Requires: left < right.
ByteView shortest_separator(ByteView left, ByteView right);

// Makes the node behind the slot editable: loads it if it is clean, copies it if it is shared.
// Hands a graft mark of the slot down to the node's children. On failure nothing has changed.
Result<MutNode*> make_mutable(TreeContext& context, Child& slot, uint8_t level);

// Appends entries [begin, end) of a node, as its pointer `self` sees them.
void append_entries(MutNode& to, const NodeHandle& from, uint32_t begin, uint32_t end,
                    const Child& self, const ByteView* first_key = nullptr);

// What all entries or children of a node add up to.
Summary summary_of(const TreeContext& context, const MutNode& node);

// A node may be left as it is if it fits its target; it must have 2 (inner) or 1 (leaf) entries
// whatever their size.
bool overfull(const TreeContext& context, const MutNode& node);
// Too few children, or less than a third full.
bool underfull(const TreeContext& context, const NodeHandle& node);

// Splits the editable node behind the slot until every part fits; what follows it goes to `right`
// in order. Summaries and births are right afterwards if the slot's were before. `appending`: the
// node was filled from the left, so the left part may stay full.
void split_overfull(TreeContext& context, Child& slot, bool appending, std::vector<Part>* right);

// Where one of two neighbours of one level is underfull, merges them, or moves entries between
// them. If it returns true, `a` and then `right` stand in the place of both; else nothing has
// changed. A neighbour that can't be read is left alone: damage must not spread to its siblings.
bool rebalance(TreeContext& context, uint8_t level, Child& a, ByteView separator, const Child& b,
               std::vector<Part>* right);

}  // namespace ramet::engine
