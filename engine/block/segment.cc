#include "engine/block/segment.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/no_wait.h"

namespace ramet::engine {
namespace {

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
                                                 const SegmentHeader& header,
                                                 const WriteBehindConfig& writing) {
  // The log syncs each of its groups: nothing of it goes past the page cache.
  RAMET_ASSIGN(auto file, identity.stream == Stream::kCommit
                              ? env.open(path, io::OpenMode::kCreateExclusive)
                              : env.open_bulk(path, io::OpenMode::kCreateExclusive));
  Status status = file->write(0, encode_segment_header(header));
  if (!status.ok()) {
    ignore_error(env.remove(path), "the write's error is the one to report");
    return std::move(status).error();
  }
  std::shared_ptr<Segment> segment(new Segment(identity, std::move(file)));
  segment->writer_ = std::make_unique<WriteBehind>(*segment->file_, kSegmentHeaderBytes, writing);
  return segment;
}

std::shared_ptr<Segment> Segment::attach(std::unique_ptr<io::File> file,
                                         const SegmentIdentity& identity,
                                         std::vector<SlotEntry> slots, uint64_t end,
                                         uint64_t footer_offset) {
  std::shared_ptr<Segment> segment(new Segment(identity, std::move(file)));
  segment->slots_ = std::move(slots);
  // A file that was cut off anywhere: frames, and holes, are whole multiples.
  segment->settled_end_ = end / kFrameAlignment * kFrameAlignment;
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

std::shared_ptr<Segment> Segment::without_names() const {
  RAMET_CHECK(settled_.load() && has_names(), "a segment that may still grow");
  std::shared_ptr<Segment> same(new Segment(identity_, file_));
  same->places_.emplace(slots_);
  same->table_rebuilt_ = table_rebuilt_;
  same->holes_ = holes_;
  same->settled_end_ = end();
  same->synced_slots_ = synced_slots();
  same->footer_offset_ = footer_offset();
  same->closed_ = true;
  same->settled_ = true;
  return same;
}

uint64_t Segment::memory_bytes() const {
  std::lock_guard lock(mu_);
  return sizeof(Segment) + slots_.capacity() * sizeof(SlotEntry) +
         (writer_ ? writer_->memory_bytes() : 0) + (places_ ? places_->memory_bytes() : 0);
}

Slot Segment::slot_count() const {
  if (places_) return places_->size();
  const auto lock = lock_unless_settled();
  return static_cast<Slot>(slots_.size());
}

uint64_t Segment::end() const {
  return settled_.load(std::memory_order_acquire) ? settled_end_ : writer_->end();
}

Error Segment::no_slot(Slot slot) const {
  return Error(ErrorCode::kNotFound,
               fmt::format("segment {} has no slot {} (file {})", number(), slot, file_->path()));
}

Result<SlotEntry> Segment::slot(Slot slot) const {
  RAMET_CHECK(has_names(), "names were let go of");
  const auto lock = lock_unless_settled();
  if (slot >= slots_.size() || slots_[slot].is_gone()) return no_slot(slot);
  return slots_[slot];
}

std::optional<SlotPlaces::Place> Segment::find_place(Slot slot) const {
  if (places_) return places_->find(slot);
  if (slot >= slots_.size() || slots_[slot].is_gone()) return std::nullopt;
  return SlotPlaces::Place{slots_[slot].offset(), slots_[slot].stored_len()};
}

Result<SlotPlaces::Place> Segment::place(Slot slot) const {
  const auto lock = lock_unless_settled();
  const auto found = find_place(slot);
  if (!found) return no_slot(slot);
  return *found;
}

std::vector<SlotEntry> Segment::slots(Slot first, Slot last) const {
  RAMET_CHECK(has_names(), "names were let go of");
  std::lock_guard lock(mu_);
  last = std::min(last, static_cast<Slot>(slots_.size()));
  if (first >= last) return {};
  return {slots_.begin() + first, slots_.begin() + last};
}

Error Segment::damaged(const BlockRef& ref, uint64_t offset, const Error& cause) const {
  const bool says_nothing =
      cause.code() == ErrorCode::kIoError || cause.code() == ErrorCode::kWouldWait;
  return Error(says_nothing ? cause.code() : ErrorCode::kCorruption,
               fmt::format("segment {} slot {} ({} at offset {}): {}", ref.segment, ref.slot,
                           file_->path(), offset, cause.message()));
}

Status Segment::read_bytes(uint64_t offset, std::span<char> into) const {
  if (!settled_.load(std::memory_order_acquire)) {
    RAMET_ASSIGN(const bool done, writer_->read(offset, into));
    if (done) return ok();
  } else if (offset >= settled_end_) {
    return Error(ErrorCode::kCorruption, "the frame ends behind the segment's end");
  }
  if (NoWaitScope::active()) {
    RAMET_ASSIGN(const bool cached, file_->read_cached(offset, into));
    if (cached) return ok();
    return Error(ErrorCode::kWouldWait, "it must be read from the disk");
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
  const uint64_t written =
      settled_.load(std::memory_order_acquire) ? settled_end_ : writer_->written();
  const auto lock = lock_unless_settled();
  uint64_t begin = 0;
  uint64_t end = 0;
  size_t count = 0;
  for (; count < refs.size(); ++count) {
    const BlockRef& ref = refs[count];
    if (ref.segment != number()) break;
    const auto at = find_place(ref.slot);
    if (!at) break;
    if (count == 0) begin = end = at->offset;
    const uint64_t next = at->offset + frame_span(kFrameHeaderBytes, at->stored_len);
    if (at->offset != end || next > written || next - begin > kRunBytesMax) break;
    end = next;
  }
  return count;
}

Status Segment::read_run(std::span<const BlockRef> refs, Bytes& memory,
                         const std::function<Status(const FrameHeader&, ByteView)>& visit) const {
  RAMET_ASSIGN(const auto first, place(refs.front().slot));
  RAMET_ASSIGN(const auto last, place(refs.back().slot));
  const uint64_t begin = first.offset;
  const uint64_t length = last.offset + kFrameHeaderBytes + last.stored_len - begin;
  if (memory.size() < length) memory.resize(length);
  RAMET_TRY(read_bytes(begin, std::span<char>(memory).first(length)));
  for (const BlockRef& ref : refs) {
    RAMET_ASSIGN(const auto at, place(ref.slot));
    const ByteView frame =
        ByteView(memory).substr(at.offset - begin, kFrameHeaderBytes + at.stored_len);
    RAMET_ASSIGN(const FrameHeader header, check_frame(ref, at.offset, frame));
    RAMET_TRY(visit(header, frame.substr(kFrameHeaderBytes)));
  }
  return ok();
}

Result<Segment::Stored> Segment::read(const BlockRef& ref) const {
  RAMET_ASSIGN(const auto at, place(ref.slot));
  return read_frame(ref, at.offset, at.stored_len);
}

Result<FrameHeader> Segment::read_header(Slot slot) const {
  RAMET_ASSIGN(const auto at, place(slot));
  char bytes[kFrameHeaderBytes];
  RAMET_TRY(read_bytes(at.offset, bytes));
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
  RAMET_TRY(writer_->make_room());
  BlockRef ref{number(), slot_count(), 0};
  SlotEntry entry;
  writer_->append([&](Bytes& buffer, uint64_t offset) {
    if (offset_slots) ref.slot = static_cast<Slot>(offset / 8);
    ref.checksum = ramet::append_frame(buffer, identity_.seed, kind, codec, 0, ref.slot, sequence,
                                       stored, raw_len);
    entry = SlotEntry::make(offset, static_cast<uint32_t>(stored.size()), codec, kind, hash);
  });
  if (offset_slots) return ref;
  std::lock_guard lock(mu_);
  slots_.push_back(entry);
  return ref;
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
    RAMET_TRY(writer_->flush());
    count = slot_count();
  }
  RAMET_TRY(sync_file());
  Slot seen = synced_slots_.load();
  while (seen < count && !synced_slots_.compare_exchange_weak(seen, count)) {
  }
  return ok();
}

void Segment::drop_unwritten() {
  std::lock_guard append_lock(append_mu_);
  writer_->drop_unwritten();
  const uint64_t written = writer_->written();
  std::lock_guard lock(mu_);
  while (!slots_.empty() &&
         slots_.back().offset() + frame_span(kFrameHeaderBytes, slots_.back().stored_len()) >
             written) {
    slots_.pop_back();
  }
  RAMET_CHECK(slots_.size() >= synced_slots(), "[WRITE-2] what was synced was written");
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
  settled_end_ = footer.end_offset;
  writer_->stop();
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
  writer_->set_end(end);
}

void Segment::mark_synced(Slot end) {
  synced_slots_.store(std::max(end, synced_slots()), std::memory_order_release);
}

void Segment::drop_reserved() {
  std::lock_guard lock(mu_);
  while (slots_.size() > synced_slots() && slots_.back().is_gone()) slots_.pop_back();
}

}  // namespace ramet::engine
