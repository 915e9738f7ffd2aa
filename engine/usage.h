// Usage: whose bytes a store's bytes are (docs/architecture.md#whose-bytes). Plain values.
//
// Stored bytes are what blocks and nodes take in segment files: frame header, payload as stored
// (compressed or not) and padding. Logical bytes are content as if nothing were shared.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "format/block_ref.h"
#include "format/ids.h"

namespace ramet {

// A container with all its snapshots, or one snapshot alone.
struct UsageTarget {
  ContainerId container;
  std::string snapshot;  // empty: the container
};

// Called for every tree node that is read, without any lock; false ends the call with kCancelled.
using UsageProgress = std::function<bool(uint64_t nodes_read)>;

// What dropping some containers and snapshots together would free.
struct WouldFree {
  uint64_t bytes = 0;  // stored bytes that nothing else reaches
  uint64_t nodes = 0;  // tree nodes among what is freed,
  uint64_t blocks = 0;  // and blocks of content
  uint64_t nodes_read = 0;
  Sequence sequence = 0;        // of the checkpoint that was looked at
  uint64_t commits_behind = 0;  // newer commits, which these figures do not know
};

struct UsageLine {
  UsageTarget target;
  std::string container_name;
  uint64_t objects = 0;          // of the container's head, or of the snapshot
  uint64_t logical_bytes = 0;    // the same
  uint64_t exclusive_bytes = 0;  // stored bytes that only the target reaches
  uint64_t share_bytes = 0;      // its fair share of all that it reaches
};

// Bytes of a store directory: every one of them is in exactly one line.
struct StoreUsage {
  std::vector<UsageLine> lines;
  uint64_t other_share_bytes = 0;  // shares of containers and snapshots that are not in `lines`
  uint64_t catalog_bytes = 0;      // nodes of the catalog
  uint64_t pending_bytes = 0;      // dead nodes that wait to be followed, and what they alone hold
  uint64_t dropped_bytes = 0;      // what dropped containers and snapshots alone hold
  uint64_t unused_bytes = 0;       // blocks and nodes that are dead, or that no checkpoint counted
  uint64_t frame_bytes = 0;        // headers, footers and unused ends of node and data segments
  uint64_t log_bytes = 0;          // commit segments but for live blocks in them
  uint64_t map_bytes = 0;          // map segments: slots, counts, checkpoints
  uint64_t leftover_bytes = 0;     // segment files, and holes in them, that are about to go
  uint64_t index_bytes = 0;
  uint64_t superblock_bytes = 0;
  uint64_t ballast_bytes = 0;
  uint64_t other_bytes = 0;        // lock, scrub's state, stat cache, and files of nobody
  uint64_t total_bytes = 0;        // sum of all lines above: the lengths of all files but holes
  uint64_t hole_bytes = 0;         // of the files' lengths, given back to the file system
  uint64_t allocated_bytes = 0;    // what the device has set aside for these files
  uint64_t nodes_read = 0;
  Sequence sequence = 0;        // of the checkpoint that was looked at
  uint64_t commits_behind = 0;  // newer commits, which these figures do not know
};

}  // namespace ramet
