// How a store is created and opened. All sizes are bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace ramet::io {
class Env;
}

namespace ramet {

struct StoreOptions {
  // Null: io::default_env(). Tests pass io::SimEnv.
  std::shared_ptr<io::Env> env;
  // Opens without writing a byte; any number of read-only openers, and no writer beside them.
  bool read_only = false;
  // Runs checkpoints and idle work on a thread of the store's own. Off: they run inside the call
  // that makes them due, so that one seed gives one history (simulation).
  bool background = true;

  uint64_t node_cache_bytes = 64ull << 20;    // verified tree nodes, shared by all containers
  uint64_t block_cache_bytes = 64ull << 20;   // blocks that View::read() meets again
  uint64_t slot_table_bytes = 96ull << 20;    // of closed segments: 4.2 bytes for each block that
                                              // is read, 40 for each that is deduplicated against
  uint64_t index_bytes = 64ull << 20;         // dedupe index: newest entries, filters, windows
  uint64_t dirty_bytes_max = 64ull << 20;     // dirty nodes in memory before a checkpoint
  uint64_t replay_bytes_max = 256ull << 20;   // log and data behind a checkpoint before the next
  uint64_t transaction_bytes_max = 16ull << 20;  // a bigger transaction spills its nodes to disk
  uint64_t long_content_bytes = 64ull << 10;  // content whose extents take more in a commit is
                                              // written as nodes of its own before it: what copies
                                              // share is on disk from the beginning
  uint64_t graft_entries_min = 512;           // clones of folders share nodes of the source's tree
                                              // from so many neighbouring entries on, not less
  uint64_t commit_segment_bytes = 64ull << 20;
  uint64_t node_segment_bytes = 256ull << 20;
  uint64_t data_segment_bytes = 256ull << 20;
  uint64_t map_segment_bytes = 16ull << 20;
  uint64_t write_piece_bytes = 8ull << 20;    // segments are written in pieces of this, of which up
                                              // to three are in memory; from 4 MiB on past the page
                                              // cache where the system can
  // How long what was dropped can be taken back, at least, in nanoseconds; the store's setting
  // "drop-grace" goes before it. 0: its space may be given back at once.
  int64_t drop_grace = 600'000'000'000;
  // Content that is found to be stored already is read before anything leans on it, so that what
  // has become damaged since is stored anew. Costs a read of each such block.
  bool verify_hits = false;
  // Given up when the disk is full, so that dropping works: a 64th of the store, but at least 4 MiB
  // (if this is not less) and at most this.
  uint64_t ballast_bytes = 64ull << 20;
  uint64_t inline_block_bytes = 64ull << 10;  // a commit with no more new content than this
                                              // keeps it in the commit stream: one sync
  uint32_t chunk_average = 16u << 10;         // content-defined chunking; a power of two
  uint32_t node_bytes = 8u << 10;
  uint32_t open_segments_max = 0;             // file handles kept for reading; 0: half of what the
                                              // process may have open, at most 8192
};

}  // namespace ramet
