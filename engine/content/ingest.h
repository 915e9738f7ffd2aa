// Ingest: stores the content blocks of one transaction: cut elsewhere, named here, deduplicated
// against the store and within the transaction (by the name of the raw bytes, however they are
// stored), compressed where that pays, and either kept to travel with the commit or written to the
// data stream. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/content/prepared_blocks.h"
#include "engine/index/dedupe_index.h"
#include "engine/log/commit_log.h"
#include "engine/settings.h"
#include "engine/space/pins.h"
#include "engine/transaction.h"

namespace ramet::engine {

struct StoredBlock {
  BlockRef ref;  // pending (kPendingSegment) while the block travels with the commit
  ContentHash name;
};

// How a block is stored: compressed if that pays.
struct EncodedBlock {
  Codec codec = Codec::kNone;
  uint32_t raw_len = 0;
  ByteView stored;  // of `compressed` or a prepared block, or the raw bytes themselves
  Bytes compressed;

  EncodedBlock() = default;
  EncodedBlock(const EncodedBlock&) = delete;  // `stored` looks into it
  EncodedBlock& operator=(const EncodedBlock&) = delete;
};

class Ingest {
 public:
  // Content of up to `inline_bytes` in all (raw) travels with the commit.
  // What it finds it pins.
  Ingest(BlockStore& blocks, DedupeIndex& index, Pins::Writer& pins, uint64_t inline_bytes,
         Compression compression)
      : blocks_(blocks),
        index_(index),
        pins_(pins),
        inline_bytes_(inline_bytes),
        compression_(compression) {}

  Compression compression() const { return compression_; }

  // Stores a block of at most 16 MiB, or finds it. `prepared`: what was done for it already, or
  // null.
  Result<StoredBlock> put(ByteView raw, const PreparedBlock* prepared);

  // Writes what waits for the commit to the data stream. Its pending references must then be
  // replaced: resolved() says by what.
  Status flush_pending();
  // The place of a pending reference after flush_pending(); pending ones stay as they are.
  BlockRef resolved(const BlockRef& ref) const;
  // The name of a block that still waits; null: it does not.
  const ContentHash* pending_name(const BlockRef& ref) const;
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
  Status encode(ByteView raw, const PreparedBlock* prepared, EncodedBlock& block) const;
  Result<BlockRef> write(const EncodedBlock& block, const ContentHash& name);

  BlockStore& blocks_;
  DedupeIndex& index_;
  Pins::Writer& pins_;
  const uint64_t inline_bytes_;
  const Compression compression_;
  std::vector<PendingBlock> pending_;
  uint64_t pending_bytes_ = 0;
  bool flushed_ = false;
  std::vector<BlockRef> resolved_;  // by pending index, after flush_pending()
  std::map<ContentHash, uint32_t> pending_names_;
  std::map<SegmentNo, Slot> leans_on_;
  IngestStats stats_;
};

}  // namespace ramet::engine
