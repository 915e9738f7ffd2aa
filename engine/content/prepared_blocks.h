// Blocks that are named, and compressed where that pays, before their turn and on other threads,
// while Ingest stores those before them in order. What is not prepared is done when its turn comes,
// with the same result, so that the bytes on disk don't depend on threads [INV-9].
#pragma once

#include <optional>
#include <vector>

#include "engine/index/dedupe_index.h"
#include "engine/settings.h"
#include "format/hash.h"
#include "io/worker_pool.h"

namespace ramet::engine {

struct PreparedBlock {
  uint64_t offset = 0;  // in its content
  uint32_t length = 0;  // raw
  ContentHash name;
  bool tried = false;   // to compress it
  std::optional<Bytes> compressed;  // if tried: what is to be stored; none: it does not pay
};
using PreparedBlocks = std::vector<PreparedBlock>;

// Thread-safe.
class BlockPreparer {
 public:
  // `pool` may be null: then blocks_of() prepares nothing.
  BlockPreparer(DedupeIndex& index, Compression compression, io::WorkerPool* pool)
      : index_(index), compression_(compression), pool_(pool) {}

  // `block.name` is known. Compresses, unless the store seems to hold it, or it fails (then its
  // turn will tell why).
  void compress(ByteView raw, PreparedBlock& block) const;
  // Several beside each other, in their order; offsets are left 0. Empty when there are too few for
  // that to help.
  PreparedBlocks blocks_of(const std::vector<ByteView>& blocks) const;

 private:
  DedupeIndex& index_;
  const Compression compression_;
  io::WorkerPool* const pool_;
};

}  // namespace ramet::engine
