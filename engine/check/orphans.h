// Orphans: what stands in the segments and is not reached any more because what led to it cannot
// be read: subtrees below damaged nodes, blocks of lost records; and older copies of nodes, which
// nobody needs but which hold what a damaged one held.
//
// How it tells: the map counts the references to each slot. One that more references lead to than
// were met is needed by something that cannot be read. Without a map, all that was not reached may
// be needed.
//
// Reads all node segments once, when it is first asked. Memory: some 200 bytes for each node that
// was not reached. Not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/check/slot_counts.h"
#include "engine/space/ref_counts.h"
#include "engine/tree/context.h"
#include "engine/tree/root.h"
#include "format/keys.h"

namespace ramet::engine {

class Orphans {
 public:
  // A subtree whose keys lie between `from` and `to`.
  struct Subtree {
    Root root;
    Bytes from, to;
  };
  // An entry as a node that is not needed any more (or the log) has it.
  struct OldEntry {
    Bytes value;
    std::vector<BlockRef> refs;
    Sequence sequence = 0;  // of the checkpoint that wrote it
  };

  // `reached`: references met from all roots that can be read, for every slot there is. `counts`:
  // of the map; null if it cannot be read.
  Orphans(TreeContext& trees, BlockStore& blocks, const SlotCounts& reached, RefCounts* counts,
          std::vector<SegmentNo> segments)
      : trees_(trees),
        blocks_(blocks),
        reached_(reached),
        counts_(counts),
        segments_(std::move(segments)) {}

  // Nodes of `level` with keys of [from, to) (empty `to`: the end), in order, none over another;
  // of several for the same keys the newest that is not newer than `birth`; then it is `*ambiguous`
  // which of them it was. What is returned is claimed, with all that only it leads to.
  // `of_catalog`: nodes of the catalog, else of containers.
  Result<std::vector<Subtree>> subtrees(bool of_catalog, ByteView from, ByteView to,
                                        uint8_t level, Sequence birth, bool* ambiguous);
  // What older copies of leaves say of keys of [from, to): the newest of each.
  Result<std::map<Bytes, OldEntry>> older(ByteView from, ByteView to);
  // Roots of trees (of any level) whose keys lie in a container, that nothing leads to, the newest
  // first.
  Result<std::vector<Root>> container_roots();
  // The newest tree of catalog entries that nothing leads to; empty if there is none. `written`:
  // the number of the last commit that it has.
  Result<Root> catalog_root(Sequence* written);
  // The greatest commit number that any of them was written with.
  Result<Sequence> newest();
  bool has_counts() const { return counts_ != nullptr; }
  // Blocks that are needed, says the map, by something that was not met.
  Result<std::vector<BlockRef>> blocks();
  // Whether the map says that more references lead to the slot than were met.
  bool is_needed(const BlockRef& ref);
  // A reference was met after all.
  void claim(const BlockRef& ref) { ++claimed_[{ref.segment, ref.slot}]; }
  // The same of a tree, with all references in it.
  Status claim_tree(const BlockRef& root);
  // A read that failed, of what the answers hang on: then they are not to be trusted.
  const Status& failure() const { return failure_; }

 private:
  struct Node {
    BlockRef ref;
    uint8_t level = 0;
    Bytes first, last;   // keys of the node itself
    Sequence written = 0;  // number of the last commit when it was written
    Sequence birth = 0;  // the greatest below; 0 for a leaf
    Summary summary;
    bool needed = false;
    bool below_another = false;  // another one that was not reached leads to it
  };
  Status load();
  Status load_segment(SegmentNo number);
  Status load_node(SegmentNo number, Slot slot, bool needed);
  Root root_of(const Node& node) const;

  TreeContext& trees_;
  BlockStore& blocks_;
  const SlotCounts& reached_;
  RefCounts* const counts_;
  const std::vector<SegmentNo> segments_;
  std::map<std::pair<SegmentNo, Slot>, uint32_t> claimed_;
  Status failure_ = ok();
  bool loaded_ = false;
  std::vector<Node> nodes_;  // by the last key
  std::map<std::pair<SegmentNo, Slot>, size_t> index_;  // of nodes_
  std::set<std::pair<SegmentNo, Slot>> entered_;        // by claim_tree()
  std::vector<BlockRef> data_;
};

}  // namespace ramet::engine
