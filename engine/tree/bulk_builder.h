// BulkBuilder: a tree from sorted entries, its nodes full, written out as it goes.
#pragma once

#include <span>
#include <vector>

#include "engine/tree/context.h"
#include "engine/tree/mut_node.h"
#include "engine/tree/root.h"

namespace ramet::engine {

// Not thread-safe. Memory is bounded by two nodes a level, whatever the number of entries. The
// nodes go through the context's NodeStore (in the order in which they fill) and not into the
// cache. Abandoning a builder leaves written nodes that nothing refers to.
class BulkBuilder {
 public:
  // `sequence`: the birth of everything in the tree, and what the nodes are stored with. Where the
  // commit's number isn't known yet, use a lower one: graft() marks it later.
  BulkBuilder(TreeContext& context, Sequence sequence) : context_(context), sequence_(sequence) {}

  // Requires: ascending unique keys (else kInvalidArgument). Limits are those of Tree::put().
  // After a failure the builder can't be used any more.
  Status add(ByteView key, ByteView bytes, std::span<const BlockRef> refs);

  // Writes what is left: all nodes but the last ones of each level are full, and none is less than
  // about a third full. The root is clean (empty() if nothing was added). Call once.
  Result<Root> finish();

  uint64_t entries() const { return entries_; }
  uint64_t nodes_written() const { return nodes_written_; }

 private:
  // A level's node under construction, and the full one before it, which is only written when the
  // next one is full too, so that the last two can share their entries evenly.
  struct Level {
    NodePtr previous;
    Bytes previous_lower;
    NodePtr current;
    Bytes current_lower;
    Summary previous_summary, current_summary;
  };

  MutNode& current(uint8_t level) { return *levels_[level].current.edit(); }
  Status add_child(uint8_t level, ByteView key, Child child);
  // Begins a new node on a level whose current one is full; the one before is written.
  Status turn(uint8_t level, ByteView lower);
  Status write(uint8_t level, const NodePtr& node, ByteView lower, const Summary& summary);
  Status finish_level(uint8_t level);
  Result<BlockRef> store(const MutNode& node);
  Level& level_at(uint8_t level);

  TreeContext& context_;
  Sequence sequence_;
  std::vector<Level> levels_;
  Bytes last_key_;
  uint64_t entries_ = 0;
  uint64_t nodes_written_ = 0;
};

}  // namespace ramet::engine
