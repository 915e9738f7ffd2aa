#include "engine/log/commit_log.h"

#include <algorithm>

#include <fmt/format.h>

#include "format/commit_generated.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kFirstAllocation = 64u << 10;
constexpr uint64_t kAllocationMax = 4u << 20;
// How much is filled with zeros at once, and for groups of which size that pays.
constexpr size_t kFirstFill = 16u << 10;
constexpr size_t kFillMax = 256u << 10;
constexpr size_t kFilledForMax = 64u << 10;
// A commit's payload is cut into frames of at most this size.
constexpr size_t kCommitFrameBytes = 8u << 20;

struct PlacedSlot {
  Slot slot;
  SlotEntry entry;
};

// The bytes of one group, which begins at `offset` of its segment.
Bytes build_group(std::span<LogEntry* const> entries, uint64_t seed, uint64_t offset,
                  std::vector<PlacedSlot>& slots) {
  Bytes out;
  for (const LogEntry* entry : entries) {
    for (const PendingBlock& block : entry->blocks) {
      slots.push_back({block.placed.slot,
                       SlotEntry::make(offset + out.size(),
                                       static_cast<uint32_t>(block.stored.size()), block.codec,
                                       FrameKind::kBlock, block.hash)});
      append_frame(out, seed, FrameKind::kBlock, block.codec, 0, block.placed.slot,
                   entry->sequence, block.stored, block.raw_len);
    }
  }
  for (const LogEntry* entry : entries) {
    ByteView rest = entry->payload;
    do {
      const ByteView part = rest.substr(0, kCommitFrameBytes);
      rest.remove_prefix(part.size());
      uint8_t flags = 0;
      if (rest.empty()) {
        flags = kFrameLastOfCommit;
        if (entry == entries.back()) flags |= kFrameLastOfGroup;
      }
      append_frame(out, seed, FrameKind::kCommit, Codec::kNone, flags, kNoSlot, entry->sequence,
                   part, static_cast<uint32_t>(part.size()));
    } while (!rest.empty());
  }
  append_skip(out, seed, align_up(out.size(), kGroupBytes) - out.size());
  return out;
}

}  // namespace

bool verify_commit(ByteView payload) {
  // Tables are bounded by the payload's bytes (each takes 8 at least, and the verifier looks at one
  // as often as something leads to it); depth as deep as the schema goes.
  constexpr flatbuffers::uoffset_t kDepthMax = 16;
  const auto tables_max = static_cast<flatbuffers::uoffset_t>(payload.size() / 8 + 1);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(payload.data()), payload.size(),
                                 kDepthMax, tables_max);
  return fb::VerifyCommitBuffer(verifier);
}

uint64_t commit_chain(uint64_t previous, ByteView payload) {
  return xxh3_seeded(payload, previous);
}

CommitLog::CommitLog(BlockStore& blocks, uint64_t segment_bytes)
    : blocks_(blocks), segment_bytes_(segment_bytes) {}

Status CommitLog::begin(Sequence sequence, uint64_t chain) {
  RAMET_ASSIGN(auto segment, blocks_.create_segment(Stream::kCommit, 0));
  RAMET_TRY(segment->file().sync_data());
  RAMET_TRY(blocks_.sync_directory());
  std::lock_guard lock(mu_);
  current_ = planned_ = std::move(segment);
  planned_end_ = kSegmentHeaderBytes;
  position_.segment = current_->number();
  position_.offset = kSegmentHeaderBytes;
  position_.sequence = sequence;
  position_.chain = chain;
  allocated_ = filled_ = 0;
  next_allocation_ = kFirstAllocation;
  next_fill_ = kFirstFill;
  return ok();
}

Status CommitLog::place(LogEntry& entry, uint64_t bytes) {
  std::lock_guard lock(mu_);
  for (const PendingBlock& block : entry.blocks) bytes += block.stored.size() + 48;
  bytes = align_up(bytes + 128, kGroupBytes);
  const bool used = planned_end_ > kSegmentHeaderBytes;
  if (planned_->slot_count() + entry.blocks.size() > kSegmentSlotsMax ||
      (used && (roll_requested_ || planned_end_ + bytes > segment_bytes_))) {
    RAMET_ASSIGN(auto next, next_segment(bytes));
    planned_ = next;
    successors_.push_back(std::move(next));
    planned_end_ = kSegmentHeaderBytes;
    roll_requested_ = false;
  }
  planned_end_ += bytes;
  entry.segment = planned_;
  for (PendingBlock& block : entry.blocks) {
    block.placed = BlockRef{planned_->number(), planned_->reserve_slot(), xxh3(block.stored)};
  }
  return ok();
}

// A segment that follows the planned one, with room for its first group. What is made is kept
// when that fails: a number for each attempt would go beyond what recovery looks for.
Result<std::shared_ptr<Segment>> CommitLog::next_segment(uint64_t bytes) {
  if (spare_ != nullptr && planned_ != current_) {
    blocks_.discard(spare_);  // its header says that it follows the current one
    spare_ = nullptr;
  }
  std::shared_ptr<Segment> next = std::move(spare_);
  spare_ = nullptr;
  if (next == nullptr) {
    RAMET_ASSIGN(next, blocks_.create_segment(Stream::kCommit, planned_->number()));
  }
  // Its first bytes must not fail for lack of space once the old segment is sealed [LOG-3].
  Status status = next->file().allocate(0, kSegmentHeaderBytes + bytes);
  if (status.ok()) return next;
  if (planned_ == current_) {
    spare_ = std::move(next);
  } else {
    blocks_.discard(next);
  }
  return std::move(status).error();
}

void CommitLog::request_roll() {
  std::lock_guard lock(mu_);
  roll_requested_ = true;
}

void CommitLog::abandon_placements() {
  std::lock_guard lock(mu_);
  for (size_t i = 0; i < successors_.size(); ++i) {
    if (i == 0 && spare_ == nullptr) {
      spare_ = successors_[i];
      spare_->drop_reserved();
    } else {
      blocks_.discard(successors_[i]);
    }
  }
  successors_.clear();
  planned_ = current_;
  current_->drop_reserved();
  planned_end_ = position_.offset;
}

LogPosition CommitLog::position() const {
  std::lock_guard lock(mu_);
  return position_;
}

uint64_t CommitLog::bytes_written() const {
  std::lock_guard lock(mu_);
  return bytes_written_;
}

Status CommitLog::write_groups(std::span<LogEntry* const> entries, size_t* durable) {
  *durable = 0;
  RAMET_CHECK(!poisoned_, "a poisoned log is never written");
  std::vector<SlotBound> bounds;
  for (const LogEntry* entry : entries) {
    bounds.insert(bounds.end(), entry->leans_on.begin(), entry->leans_on.end());
  }
  Status synced = blocks_.sync(bounds);
  if (synced.ok() && blocks_.sync_failed()) {
    synced = Error(ErrorCode::kIoError, "an earlier sync failed");
  }
  if (!synced.ok()) {
    // A failed write of data left nothing acknowledged; a failed sync can't be told from it here.
    poisoned_ = synced.error().code() != ErrorCode::kOutOfSpace;
    return synced;
  }
  while (!entries.empty()) {
    const auto& segment = entries.front()->segment;
    size_t count = 1;
    while (count < entries.size() && entries[count]->segment == segment) ++count;
    if (segment != current_) RAMET_TRY(switch_to(segment));
    RAMET_TRY(write_group(entries.first(count)));
    *durable += count;
    entries = entries.subspan(count);
  }
  return ok();
}

Status CommitLog::switch_to(const std::shared_ptr<Segment>& next) {
  const std::shared_ptr<Segment> old = current_;
  Status status = next->file().sync_data();
  if (status.ok()) status = blocks_.sync_directory();
  if (status.ok()) status = old->seal(next->number(), BlockRef{}, position().sequence);
  if (!status.ok()) {
    poisoned_ = status.error().code() != ErrorCode::kOutOfSpace;
    return status;
  }
  std::lock_guard lock(mu_);
  current_ = next;
  std::erase(successors_, next);
  position_.segment = next->number();
  position_.offset = kSegmentHeaderBytes;
  allocated_ = filled_ = 0;
  next_allocation_ = kFirstAllocation;
  next_fill_ = kFirstFill;
  return ok();
}

Status CommitLog::reserve(uint64_t end) {
  if (end <= allocated_) return ok();
  const uint64_t from = std::max<uint64_t>(allocated_, kSegmentHeaderBytes);
  uint64_t target = save_space_.load() ? end : std::max(end, from + next_allocation_);
  Status status = current_->file().allocate(from, target - from);
  if (!status.ok() && status.error().code() == ErrorCode::kOutOfSpace && target > end) {
    target = end;
    status = current_->file().allocate(from, target - from);
  }
  if (!status.ok()) return status;
  allocated_ = target;
  next_allocation_ = std::min(next_allocation_ * 2, kAllocationMax);
  return ok();
}

// Zeros where the next groups will stand, made durable by this one's sync. To write into space that
// is only allocated makes a file system note, at each sync, that it is in use now; to write over
// what was written does not, and such a sync takes half the time
// (bench/results/2026-11-22-commits.md).
// Recovery sees no difference: allocated space reads as zeros, too. What fails here fails nobody.
void CommitLog::fill_ahead(uint64_t end, size_t group_bytes) {
  filled_ = std::max(filled_, end);
  if (filled_ >= end + group_bytes || group_bytes > kFilledForMax || save_space_.load()) return;
  const uint64_t to = std::min(filled_ + next_fill_, allocated_);
  if (to <= filled_) return;
  if (!current_->file().write(filled_, Bytes(to - filled_, '\0')).ok()) return;
  filled_ = to;
  next_fill_ = std::min(next_fill_ * 2, kFillMax);
}

Status CommitLog::write_group(std::span<LogEntry* const> entries) {
  const uint64_t offset = position_.offset;  // only the leader changes it
  std::vector<PlacedSlot> slots;
  const Bytes group = build_group(entries, current_->identity().seed, offset, slots);
  RAMET_TRY(reserve(offset + group.size()));  // [LOG-3]
  Status status = current_->file().write(offset, group);
  if (!status.ok()) return void_range(offset, group.size(), std::move(status).error());
  fill_ahead(offset + group.size(), group.size());
  status = current_->file().sync_data();
  if (!status.ok()) {
    poisoned_ = true;
    return status;
  }
  for (const PlacedSlot& placed : slots) {
    current_->set_slot(placed.slot, placed.entry);
    current_->mark_synced(placed.slot + 1);
  }
  current_->set_end(offset + group.size());
  std::lock_guard lock(mu_);
  position_.offset = offset + group.size();
  position_.sequence = entries.back()->sequence;
  position_.chain = entries.back()->chain;
  bytes_written_ += group.size();
  planned_end_ = std::max(planned_end_, planned_ == current_ ? position_.offset : 0);
  return ok();
}

Status CommitLog::void_range(uint64_t offset, uint64_t bytes, Error cause) {
  // Part of the group may stand in the file: it must never be read as a commit.
  Status status =
      current_->file().write(offset, skip_header(current_->identity().seed, bytes));
  if (status.ok()) status = current_->file().sync_data();
  if (!status.ok()) {
    poisoned_ = true;
    return std::move(cause).with_context("the log cannot be written, nor the failed group voided");
  }
  current_->set_end(offset + bytes);
  std::lock_guard lock(mu_);
  position_.offset = offset + bytes;
  return cause;
}

Status CommitLog::write_synced_mark() {
  if (poisoned_ || current_ == nullptr || current_->sealed()) return ok();
  const LogPosition at = position();
  Bytes mark;
  append_frame(mark, current_->identity().seed, FrameKind::kSynced, Codec::kNone,
               kFrameLastOfGroup, kNoSlot, at.sequence, {}, 0);
  append_skip(mark, current_->identity().seed, kGroupBytes - mark.size());
  RAMET_TRY(reserve(at.offset + mark.size()));
  // The mark proves something only about commits that are durable already: if it fails, nothing
  // is lost, and the next group goes over it. But a sync that failed once proves nothing later.
  RAMET_TRY(current_->file().write(at.offset, mark));
  Status status = current_->file().sync_data();
  if (!status.ok()) poisoned_ = true;
  return status;
}

Status CommitLog::seal(const BlockRef& checkpoint) {
  if (spare_ != nullptr) {
    blocks_.discard(spare_);
    spare_ = nullptr;
  }
  if (poisoned_ || current_ == nullptr || current_->sealed()) return ok();
  Status status = current_->seal(0, checkpoint, position().sequence);
  if (!status.ok()) poisoned_ = status.error().code() != ErrorCode::kOutOfSpace;
  return status;
}

}  // namespace ramet::engine
