#include "engine/content/ingest.h"

#include <algorithm>

#include "engine/container/operations.h"

namespace ramet::engine {

Result<StoredBlock> Ingest::put(ByteView raw) {
  RAMET_CHECK(raw.size() <= kBlockBytesMax, "blocks are at most 16 MiB");
  const ContentHash name = blake3(raw);
  ++stats_.blocks;
  stats_.content_bytes += raw.size();
  const auto waiting = pending_names_.find(name);
  if (waiting != pending_names_.end()) {
    return StoredBlock{pending_[waiting->second].placed, name};
  }
  RAMET_ASSIGN(const auto known, find(name, raw));
  if (known) return StoredBlock{*known, name};
  ++stats_.new_blocks;
  stats_.new_block_bytes += raw.size();
  if (!flushed_ && pending_bytes_ + raw.size() <= inline_bytes_) {
    const auto index = static_cast<uint32_t>(pending_.size());
    PendingBlock block;
    block.stored = Bytes(raw);
    block.raw_len = static_cast<uint32_t>(raw.size());
    block.hash = name;
    block.placed = BlockRef{kPendingSegment, index, xxh3(raw)};
    pending_names_.emplace(name, index);
    pending_bytes_ += raw.size();
    pending_.push_back(std::move(block));
    return StoredBlock{pending_.back().placed, name};
  }
  RAMET_TRY(flush_pending());
  RAMET_ASSIGN(const BlockRef ref, write(raw, name));
  return StoredBlock{ref, name};
}

Result<std::optional<BlockRef>> Ingest::find(const ContentHash& name, ByteView raw) {
  std::optional<BlockRef> found;
  index_.lookup(name.prefix(), [&](SegmentNo segment, Slot slot) {
    // The index is a hint: only the slot table's full name counts.
    const auto entry = blocks_.slot(segment, slot);
    if (!entry.ok() || entry->kind() != FrameKind::kBlock || entry->hash != name) return true;
    if (blocks_.is_damaged(segment, slot)) return true;  // storing it again heals
    uint64_t checksum = 0;
    if (entry->codec() == Codec::kNone) {
      if (entry->stored_len() != raw.size()) return true;
      checksum = xxh3(raw);
    } else {
      const auto stored = blocks_.stored_checksum(segment, slot);
      if (!stored.ok()) return true;
      checksum = *stored;
    }
    found = BlockRef{segment, slot, checksum};
    return false;
  });
  if (found && blocks_.is_volatile(*found)) lean_on(*found);
  return found;
}

Result<BlockRef> Ingest::write(ByteView raw, const ContentHash& name) {
  RAMET_ASSIGN(const BlockRef ref,
               blocks_.append(Stream::kData, FrameKind::kBlock, Codec::kNone, raw,
                              static_cast<uint32_t>(raw.size()), name, 0));
  index_.insert(name.prefix(), ref.segment, ref.slot);
  lean_on(ref);
  return ref;
}

void Ingest::lean_on(const BlockRef& ref) {
  const auto [it, added] = leans_on_.emplace(ref.segment, ref.slot);
  if (!added) it->second = std::max(it->second, ref.slot);
}

Status Ingest::flush_pending() {
  flushed_ = true;
  while (resolved_.size() < pending_.size()) {
    const PendingBlock& block = pending_[resolved_.size()];
    RAMET_ASSIGN(const BlockRef ref, write(block.stored, block.hash));
    resolved_.push_back(ref);
  }
  pending_.clear();
  pending_names_.clear();
  pending_bytes_ = 0;
  return ok();
}

BlockRef Ingest::resolved(const BlockRef& ref) const {
  if (ref.segment != kPendingSegment || ref.slot >= resolved_.size()) return ref;
  return resolved_[ref.slot];
}

std::vector<PendingBlock> Ingest::take_pending() {
  pending_names_.clear();
  pending_bytes_ = 0;
  return std::move(pending_);
}

std::vector<SlotBound> Ingest::leans_on() const {
  std::vector<SlotBound> out;
  for (const auto& [segment, slot] : leans_on_) out.push_back({segment, slot});
  return out;
}

void Ingest::index_committed(const std::vector<PendingBlock>& blocks) {
  for (const PendingBlock& block : blocks) {
    index_.insert(block.hash.prefix(), block.placed.segment, block.placed.slot);
  }
}

}  // namespace ramet::engine
