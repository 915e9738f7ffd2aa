// Ingest: stores the content blocks of one transaction: cut elsewhere, named here, deduplicated
// against the store and within the transaction, and either kept to travel with the commit or
// written to the data stream. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/index/dedupe_index.h"
#include "engine/log/commit_log.h"
#include "engine/transaction.h"

namespace ramet::engine {

struct StoredBlock {
  BlockRef ref;  // pending (kPendingSegment) while the block travels with the commit
  ContentHash name;
};

class Ingest {
 public:
  // Content of up to `inline_bytes` in all travels with the commit.
  Ingest(BlockStore& blocks, DedupeIndex& index, uint64_t inline_bytes)
      : blocks_(blocks), index_(index), inline_bytes_(inline_bytes) {}

  // Stores a block of at most 16 MiB, or finds it.
  Result<StoredBlock> put(ByteView raw);

  // Writes what waits for the commit to the data stream. Its pending references must then be
  // replaced: resolved() says by what.
  Status flush_pending();
  // The place of a pending reference after flush_pending(); pending ones stay as they are.
  BlockRef resolved(const BlockRef& ref) const;
  bool has_pending() const { return !pending_.empty(); }

  // What the commit takes along, and what it leans on.
  std::vector<PendingBlock> take_pending();
  std::vector<SlotBound> leans_on() const;
  void lean_on(const BlockRef& ref);
  // Makes committed blocks findable.
  void index_committed(const std::vector<PendingBlock>& blocks);

  const IngestStats& stats() const { return stats_; }

 private:
  Result<std::optional<BlockRef>> find(const ContentHash& name, ByteView raw);
  Result<BlockRef> write(ByteView raw, const ContentHash& name);

  BlockStore& blocks_;
  DedupeIndex& index_;
  const uint64_t inline_bytes_;
  std::vector<PendingBlock> pending_;
  uint64_t pending_bytes_ = 0;
  bool flushed_ = false;
  std::vector<BlockRef> resolved_;  // by pending index, after flush_pending()
  std::map<ContentHash, uint32_t> pending_names_;
  std::map<SegmentNo, Slot> leans_on_;
  IngestStats stats_;
};

}  // namespace ramet::engine
