// Writes a state out as a store of its own life: nodes, a map made anew from a full count, and the
// checkpoint frames. What is there already is not touched.
//
// Not thread-safe.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "engine/check/slot_counts.h"
#include "engine/container/checkpoint_record.h"
#include "engine/container/segment_map.h"
#include "format/superblock.h"

namespace ramet::engine {

struct NewCheckpoint {
  BlockStore& blocks;
  TreeContext& trees;
  SegmentMap& map;  // lends its context; what it knows is only asked about holes
  // Segments of earlier lives that the state may lead to.
  std::set<SegmentNo> segments;
  // Those that are written anew, without what nothing needs: their files are damaged.
  std::set<SegmentNo> copied;
  // Of these, those that must be: nothing finds them under the name they have.
  std::set<SegmentNo> displaced;
  // Slots that cannot be read.
  std::function<bool(const BlockRef&)> is_bad;
};

// Requires: begin_epoch() of a new life. `record` has sequence, chain, epoch, time and id_sequence;
// the rest is filled in. On success all of it is durable, and `superblock` names it. kOutOfSpace,
// kIoError; kCorruption if what the state needs cannot be read.
Status write_new_checkpoint(const NewCheckpoint& where, const Root& catalog,
                            CheckpointRecord& record, Superblock& superblock);

}  // namespace ramet::engine
