// Compaction: a closed segment's next generation, without the slots that are dead.
#pragma once

#include <memory>
#include <span>

#include "engine/block/block_store.h"

namespace ramet::engine {

// Writes another generation of the segment beside it (a greater number than its own): the frames
// of all slots but `dropped`, bit by bit as they were (each verified while it is read, and again
// as it stands in the new file), and a footer. Every slot keeps its number, so no reference
// changes. Synced, its name too. What an unfinished attempt left under that name is replaced.
// kCorruption if a frame is damaged: then the old generation must stay. `bytes_after`: what it
// will take, allocated first (kOutOfSpace). After any failure nothing is left.
Result<std::shared_ptr<Segment>> compact(BlockStore& blocks, const Segment& source,
                                         uint32_t generation, std::span<const Slot> dropped,
                                         uint64_t bytes_after, Sequence last_sequence);

}  // namespace ramet::engine
