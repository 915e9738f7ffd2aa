#include "engine/content/ingest.h"

#include <algorithm>

#include "engine/container/operations.h"

namespace ramet::engine {

Result<StoredBlock> Ingest::put(ByteView raw, const PreparedBlock* prepared) {
  RAMET_CHECK(raw.size() <= kBlockBytesMax, "blocks are at most 16 MiB");
  RAMET_CHECK(prepared == nullptr || prepared->length == raw.size(), "another block's name");
  const ContentHash name = prepared != nullptr ? prepared->name : blake3(raw);
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
  EncodedBlock encoded;
  RAMET_TRY(encode(raw, prepared, encoded));
  stats_.new_stored_bytes += encoded.stored.size();
  if (!flushed_ && pending_bytes_ + raw.size() <= inline_bytes_) {
    const auto index = static_cast<uint32_t>(pending_.size());
    PendingBlock block;
    block.stored = Bytes(encoded.stored);
    block.codec = encoded.codec;
    block.raw_len = encoded.raw_len;
    block.hash = name;
    block.placed = BlockRef{kPendingSegment, index, xxh3(block.stored)};
    pending_names_.emplace(name, index);
    pending_bytes_ += raw.size();
    pending_.push_back(std::move(block));
    return StoredBlock{pending_.back().placed, name};
  }
  RAMET_TRY(flush_pending());
  RAMET_ASSIGN(const BlockRef ref, write(encoded, name));
  return StoredBlock{ref, name};
}

Result<std::optional<BlockRef>> Ingest::find(const ContentHash& name, ByteView raw) {
  std::optional<BlockRef> found;
  index_.lookup(name.prefix(), [&](SegmentNo segment, Slot slot) {
    // Before it is looked at: what is condemned may be gone any moment [PINS-1].
    if (!pins_.pin(segment, slot) || !blocks_.is_known(segment)) return true;
    // The index is a hint: only the slot table's full name counts, if it is the true table.
    const auto holder = blocks_.segment(segment);
    if (!holder.ok() || (*holder)->table_rebuilt()) return true;
    const auto entry = (*holder)->slot(slot);
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
    const BlockRef ref{segment, slot, checksum};
    if (blocks_.verifies_hits() && !blocks_.read(ref).ok()) return true;
    found = ref;
    return false;
  });
  if (found && blocks_.is_volatile(*found)) lean_on(*found);
  return found;
}

Status Ingest::encode(ByteView raw, const PreparedBlock* prepared, EncodedBlock& block) const {
  block.raw_len = static_cast<uint32_t>(raw.size());
  block.stored = raw;
  if (compression_.level == 0) return ok();
  if (prepared != nullptr && prepared->tried) {
    if (!prepared->compressed) return ok();
    block.codec = Codec::kZstd;
    block.stored = *prepared->compressed;
    return ok();
  }
  RAMET_ASSIGN(auto compressed, compress_if_it_pays(raw, compression_.level));
  if (!compressed) return ok();
  block.codec = Codec::kZstd;
  block.compressed = std::move(*compressed);
  block.stored = block.compressed;
  return ok();
}

Result<BlockRef> Ingest::write(const EncodedBlock& block, const ContentHash& name) {
  RAMET_ASSIGN(const BlockRef ref,
               blocks_.append(Stream::kData, FrameKind::kBlock, block.codec, block.stored,
                              block.raw_len, name, 0));
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
    EncodedBlock encoded;
    encoded.codec = block.codec;
    encoded.raw_len = block.raw_len;
    encoded.stored = block.stored;
    RAMET_ASSIGN(const BlockRef ref, write(encoded, block.hash));
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

const ContentHash* Ingest::pending_name(const BlockRef& ref) const {
  if (ref.segment != kPendingSegment || ref.slot >= pending_.size()) return nullptr;
  return &pending_[ref.slot].hash;
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
