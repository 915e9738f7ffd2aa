// What superblocks could say, found in the segments alone: every segment's header repeats the
// store's id and secret, checkpoint frames stand in the map stream, and the log behind one is
// known by its chain.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/container/checkpoint_record.h"
#include "format/superblock.h"
#include "io/env.h"

namespace ramet::engine {

struct FoundStore {
  // Who the store is: id, secret, the newest epoch and the first unused number. No checkpoint.
  Superblock identity;
  // One for each checkpoint that can be read, the newest first, with the replay position if the
  // log goes on behind it. What hangs below them was not looked at. The last one may be without a
  // checkpoint: the log from its first commit on.
  std::vector<Superblock> checkpoints;
  uint64_t segments = 0;  // whose headers told
};

// Reads the headers of all segment files, the map stream and the log. `identity`: of superblocks
// that could be read; null: the segments tell. kCorruption: no segment's header can be read (or
// none is of that store). kFailedPrecondition: there are no segments.
Result<FoundStore> find_checkpoints(const std::shared_ptr<io::Env>& env, const std::string& path,
                                    const Superblock* identity);

// Every checkpoint frame of a map segment that is whole, in order, also behind damage. What cannot
// be read is passed over: the first kIoError comes at the end, or where there is no way behind it.
Status each_checkpoint(
    io::File& file, uint64_t size, SegmentNo number, uint64_t seed,
    const std::function<void(const BlockRef& ref, const CheckpointRecord& record)>& visit);

}  // namespace ramet::engine
