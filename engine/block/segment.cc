#include "engine/block/segment.h"

#include <algorithm>

#include <fmt/format.h>

namespace ramet::engine {
namespace {

constexpr size_t kFlushBytes = 1u << 20;
// So much is read at once of what lies together.
constexpr uint64_t kRunBytesMax = 2u << 20;
// In which file systems give space back.
constexpr uint64_t kFileBlockBytes = 4096;

}  // namespace

std::string segment_path(const std::string& directory, SegmentNo number, uint32_t generation) {
  return directory + "/" + segment_file_name(number, generation);
}

Result<std::shared_ptr<Segment>> Segment::create(io::Env& env, const std::string& path,
                                                 const SegmentIdentity& identity,
                                                 const SegmentHeader& header) {
  RAMET_ASSIGN(auto file, env.open(path, io::OpenMode::kCreateExclusive));
  Status status = file->write(0, encode_segment_header(header));
  if (!status.ok()) {
    ignore_error(env.remove(path), "the write's error is the one to report");
    return std::move(status).error();
  }
  return std::shared_ptr<Segment>(new Segment(identity, std::move(file)));
}

std::shared_ptr<Segment> Segment::attach(std::unique_ptr<io::File> file,
                                         const SegmentIdentity& identity,
                                         std::vector<SlotEntry> slots, uint64_t end,
                                         uint64_t footer_offset) {
  std::shared_ptr<Segment> segment(new Segment(identity, std::move(file)));
  segment->slots_ = std::move(slots);
  // A file that was cut off anywhere: frames, and holes, are whole multiples.
  segment->written_ = end / kFrameAlignment * kFrameAlignment;
  segment->synced_slots_ = static_cast<Slot>(segment->slots_.size());
  segment->footer_offset_ = footer_offset;
  segment->closed_ = true;
  segment->settled_ = true;
  return segment;
}

PunchRange punch_range(const Hole& hole) {
  const uint64_t from = align_up(hole.offset + kFrameHeaderBytes, kFileBlockBytes);
  const uint64_t to = (hole.offset + hole.length) / kFileBlockBytes * kFileBlockBytes;
  return to > from ? PunchRange{from, to - from} : PunchRange{};
}

uint64_t punched_bytes(std::span<const Hole> holes) {
  uint64_t sum = 0;
  for (const Hole& hole : holes) sum += punch_range(hole).length;
  return sum;
}

void Segment::set_holes(std::vector<Hole> holes) {
  holes_ = std::move(holes);
  std::lock_guard lock(mu_);
  for (SlotEntry& slot : slots_) {
    if (slot.is_gone()) continue;
    const auto after = std::upper_bound(
        holes_.begin(), holes_.end(), slot.offset(),
        [](uint64_t offset, const Hole& hole) { return offset < hole.offset; });
    if (after == holes_.begin()) continue;
    const Hole& hole = *std::prev(after);
    if (slot.offset() < hole.offset + hole.length) slot = SlotEntry::gone();
  }
}

uint64_t Segment::memory_bytes() const {
  std::lock_guard lock(mu_);
  return sizeof(Segment) + slots_.capacity() * sizeof(SlotEntry) + buffer_.capacity();
}

Slot Segment::slot_count() const {
  const auto lock = lock_unless_settled();
  return static_cast<Slot>(slots_.size());
}

uint64_t Segment::end() const {
  const auto lock = lock_unless_settled();
  return written_ + buffer_.size();
}

Result<SlotEntry> Segment::slot(Slot slot) const {
  const auto lock = lock_unless_settled();
  if (slot >= slots_.size() || slots_[slot].is_gone()) {
    return Error(ErrorCode::kNotFound, fmt::format("segment {} has no slot {} (file {})",
                                                   number(), slot, file_->path()));
  }
  return slots_[slot];
}

std::vector<SlotEntry> Segment::slots(Slot first, Slot last) const {
  std::lock_guard lock(mu_);
  last = std::min(last, static_cast<Slot>(slots_.size()));
  if (first >= last) return {};
  return {slots_.begin() + first, slots_.begin() + last};
}

Error Segment::damaged(const BlockRef& ref, uint64_t offset, const Error& cause) const {
  return Error(cause.code() == ErrorCode::kIoError ? ErrorCode::kIoError : ErrorCode::kCorruption,
               fmt::format("segment {} slot {} ({} at offset {}): {}", ref.segment, ref.slot,
                           file_->path(), offset, cause.message()));
}

Status Segment::read_bytes(uint64_t offset, std::span<char> into) const {
  {
    const auto lock = lock_unless_settled();
    if (offset >= written_) {
      const uint64_t at = offset - written_;
      if (at > buffer_.size() || into.size() > buffer_.size() - at) {
        return Error(ErrorCode::kCorruption, "the frame ends behind the segment's end");
      }
      std::memcpy(into.data(), buffer_.data() + at, into.size());
      return ok();
    }
  }
  RAMET_ASSIGN(const size_t got, file_->read(offset, into));
  if (got == into.size()) return ok();
  // Bytes that did not come although they are there say nothing of them [INV-7].
  RAMET_ASSIGN(const uint64_t size, file_->size());
  if (size >= offset + into.size()) {
    return Error(ErrorCode::kIoError, file_->path() + ": fewer bytes came than were asked for");
  }
  return Error(ErrorCode::kCorruption, "the file ends inside the frame");
}

Result<Segment::Stored> Segment::read_frame(const BlockRef& ref, uint64_t offset,
                                            uint32_t stored_len) const {
  Bytes bytes(kFrameHeaderBytes + stored_len, '\0');
  const Status status = read_bytes(offset, bytes);
  if (!status.ok()) return damaged(ref, offset, status.error());
  RAMET_ASSIGN(const FrameHeader header, check_frame(ref, offset, bytes));
  bytes.erase(0, kFrameHeaderBytes);
  return Stored{header, std::move(bytes)};
}

Result<FrameHeader> Segment::check_frame(const BlockRef& ref, uint64_t offset,
                                         ByteView frame) const {
  auto header = decode_frame_header(frame, identity_.seed);
  if (!header.ok()) return damaged(ref, offset, header.error());
  const ByteView payload = frame.substr(kFrameHeaderBytes);
  if (header->payload_checksum != ref.checksum || header->slot != ref.slot ||
      header->stored_len != payload.size() || header->header_len != kFrameHeaderBytes) {
    return damaged(ref, offset,
                   Error(ErrorCode::kCorruption, "another frame than the reference names"));
  }
  const Status status = check_payload(*header, payload);
  if (!status.ok()) return damaged(ref, offset, status.error());
  return header;
}

size_t Segment::run_length(std::span<const BlockRef> refs) const {
  const auto lock = lock_unless_settled();
  uint64_t begin = 0;
  uint64_t end = 0;
  size_t count = 0;
  for (; count < refs.size(); ++count) {
    const BlockRef& ref = refs[count];
    if (ref.segment != number() || ref.slot >= slots_.size() || slots_[ref.slot].is_gone()) break;
    const SlotEntry& entry = slots_[ref.slot];
    if (count == 0) begin = end = entry.offset();
    const uint64_t next = entry.offset() + frame_span(kFrameHeaderBytes, entry.stored_len());
    if (entry.offset() != end || next > written_ || next - begin > kRunBytesMax) break;
    end = next;
  }
  return count;
}

Status Segment::read_run(std::span<const BlockRef> refs, Bytes& memory,
                         const std::function<Status(const FrameHeader&, ByteView)>& visit) const {
  RAMET_ASSIGN(const SlotEntry first, slot(refs.front().slot));
  RAMET_ASSIGN(const SlotEntry last, slot(refs.back().slot));
  const uint64_t begin = first.offset();
  const uint64_t length = last.offset() + kFrameHeaderBytes + last.stored_len() - begin;
  if (memory.size() < length) memory.resize(length);
  RAMET_TRY(read_bytes(begin, std::span<char>(memory).first(length)));
  for (const BlockRef& ref : refs) {
    RAMET_ASSIGN(const SlotEntry entry, slot(ref.slot));
    const ByteView frame = ByteView(memory).substr(entry.offset() - begin,
                                                   kFrameHeaderBytes + entry.stored_len());
    RAMET_ASSIGN(const FrameHeader header, check_frame(ref, entry.offset(), frame));
    RAMET_TRY(visit(header, frame.substr(kFrameHeaderBytes)));
  }
  return ok();
}

Result<Segment::Stored> Segment::read(const BlockRef& ref) const {
  RAMET_ASSIGN(const SlotEntry entry, slot(ref.slot));
  return read_frame(ref, entry.offset(), entry.stored_len());
}

Result<FrameHeader> Segment::read_header(Slot slot) const {
  RAMET_ASSIGN(const SlotEntry entry, this->slot(slot));
  char bytes[kFrameHeaderBytes];
  RAMET_TRY(read_bytes(entry.offset(), bytes));
  return decode_frame_header(ByteView(bytes, sizeof bytes), identity_.seed);
}

Result<Segment::Stored> Segment::read_at_slot_offset(const BlockRef& ref) const {
  const uint64_t offset = uint64_t{ref.slot} * 8;
  char header_bytes[kFrameHeaderBytes];
  Status status = read_bytes(offset, header_bytes);
  if (!status.ok()) return damaged(ref, offset, status.error());
  auto header = decode_frame_header(ByteView(header_bytes, sizeof header_bytes), identity_.seed);
  if (!header.ok()) return damaged(ref, offset, header.error());
  return read_frame(ref, offset, header->stored_len);
}

Result<BlockRef> Segment::append(FrameKind kind, Codec codec, ByteView stored, uint32_t raw_len,
                                 const ContentHash& hash, Sequence sequence) {
  return append_frame(kind, codec, stored, raw_len, hash, sequence, false);
}

Result<BlockRef> Segment::append_at_offset(FrameKind kind, ByteView stored, Sequence sequence) {
  return append_frame(kind, Codec::kNone, stored, static_cast<uint32_t>(stored.size()), {},
                      sequence, true);
}

Result<BlockRef> Segment::append_frame(FrameKind kind, Codec codec, ByteView stored,
                                       uint32_t raw_len, const ContentHash& hash,
                                       Sequence sequence, bool offset_slots) {
  std::lock_guard append_lock(append_mu_);
  RAMET_CHECK(!closed(), "append to a closed segment");
  // Before anything is added, so that a full disk leaves everything as it was.
  if (buffer_.size() >= kFlushBytes) RAMET_TRY(flush());
  std::lock_guard lock(mu_);
  const uint64_t offset = written_ + buffer_.size();
  const Slot slot = offset_slots ? static_cast<Slot>(offset / 8) : static_cast<Slot>(slots_.size());
  const uint64_t checksum = ramet::append_frame(buffer_, identity_.seed, kind, codec, 0, slot,
                                                sequence, stored, raw_len);
  if (!offset_slots) {
    slots_.push_back(
        SlotEntry::make(offset, static_cast<uint32_t>(stored.size()), codec, kind, hash));
  }
  return BlockRef{number(), slot, checksum};
}

Status Segment::flush() {
  // Only the holder of append_mu_ changes buffer_, so it can be written without mu_.
  if (buffer_.empty()) return ok();
  RAMET_TRY(file_->write(written_, buffer_));
  // A sync that comes later then waits for the last of many only.
  if (buffer_.size() >= kFlushBytes) file_->begin_write_back(written_, buffer_.size());
  std::lock_guard lock(mu_);
  written_ += buffer_.size();
  buffer_.clear();
  return ok();
}

Status Segment::sync_file() {
  Status status = ok();
  if (sync_failed()) {
    status = Error(ErrorCode::kIoError, "an earlier sync failed");  // [SEG-3]
  } else {
    status = file_->sync_data();
  }
  if (status.ok()) return status;
  sync_failed_.store(true, std::memory_order_release);
  // Of any other code it could be taken for a write that can be tried again.
  return Error(ErrorCode::kIoError,
               fmt::format("sync of {}: {}", file_->path(), status.error().message()));
}

Status Segment::sync() {
  Slot count = 0;
  {
    std::lock_guard append_lock(append_mu_);
    RAMET_TRY(flush());
    count = slot_count();
  }
  RAMET_TRY(sync_file());
  Slot seen = synced_slots_.load();
  while (seen < count && !synced_slots_.compare_exchange_weak(seen, count)) {
  }
  return ok();
}

Status Segment::seal(SegmentNo next_segment, const BlockRef& checkpoint, Sequence last_sequence) {
  RAMET_TRY(sync());
  std::lock_guard append_lock(append_mu_);
  Footer footer;
  footer.next_segment = next_segment;
  footer.checkpoint = checkpoint;
  footer.end_offset = end();
  footer.last_sequence = last_sequence;
  footer.slots = slots(0, slot_count());
  Bytes bytes;
  append_footer(bytes, identity_.seed, footer);
  RAMET_TRY(file_->allocate(footer.end_offset, bytes.size()));
  Status status = file_->write(footer.end_offset, bytes);
  if (status.ok()) status = file_->truncate(footer.end_offset + bytes.size());
  if (!status.ok()) {
    if (identity_.stream != Stream::kCommit) return status;
    // What got there could be taken for a footer that names a segment which is not there.
    Status voided = file_->write(footer.end_offset, skip_header(identity_.seed, bytes.size()));
    if (voided.ok()) voided = sync_file();
    if (voided.ok()) return status;
    return Error(ErrorCode::kIoError, status.error().message());
  }
  RAMET_TRY(sync_file());
  synced_slots_.store(slot_count(), std::memory_order_release);
  footer_offset_.store(footer.end_offset, std::memory_order_release);
  close();
  settled_.store(true, std::memory_order_release);
  return ok();
}

Slot Segment::reserve_slot() {
  std::lock_guard lock(mu_);
  slots_.push_back(SlotEntry::gone());
  return static_cast<Slot>(slots_.size() - 1);
}

void Segment::set_slot(Slot slot, const SlotEntry& entry) {
  std::lock_guard lock(mu_);
  RAMET_CHECK(slot < slots_.size() && slots_[slot].is_gone(), "[SEG-1] a slot is set once");
  slots_[slot] = entry;
}

void Segment::set_end(uint64_t end) {
  std::lock_guard lock(mu_);
  RAMET_CHECK(buffer_.empty() && end >= written_, "the log writes its own groups");
  written_ = end;
}

void Segment::mark_synced(Slot end) {
  synced_slots_.store(std::max(end, synced_slots()), std::memory_order_release);
}

void Segment::drop_reserved() {
  std::lock_guard lock(mu_);
  while (slots_.size() > synced_slots() && slots_.back().is_gone()) slots_.pop_back();
}

}  // namespace ramet::engine
