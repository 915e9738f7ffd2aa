// Writing a checkpoint's frame into the map stream: twice, apart, so that what damages one of them
// leaves the other.
#pragma once

#include "engine/block/block_store.h"
#include "engine/container/checkpoint_record.h"
#include "format/superblock.h"

namespace ramet::engine {

// Both copies, synced; the superblock, which is not written, then leads to them. kIoError,
// kOutOfSpace.
Status write_checkpoint_frames(BlockStore& blocks, const CheckpointRecord& record,
                               Superblock& superblock);

}  // namespace ramet::engine
