#include "engine/check/segment_check.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/block/segment_scan.h"
#include "format/codec.h"

namespace ramet::engine {
namespace {

constexpr int kUnreadableMax = 64;  // frames in a row: then it is the device, not a place on it
constexpr uint64_t kPageBytes = 4096;  // reads of whole ones may go past the cache

class FrameCheck {
 public:
  FrameCheck(const Segment& segment, const FrameTable& table, const FrameCheckOptions& options,
             const ReportSegment& report)
      : segment_(segment), options_(options), report_(report), table_(table),
        file_(options.file != nullptr ? *options.file : segment.file()) {}

  Result<uint64_t> run() {
    RAMET_ASSIGN(const uint64_t size, file_.size());
    const uint64_t end = segment_.end();
    if (size < end && options_.from <= size && size < options_.to) {
      report_({"segment-missing", size, {}, fmt::format("it ends at {} of {}", size, end)});
    }
    RAMET_TRY(check_holes());
    // What lies behind the range is another call's to read.
    FileWindow window(file_, std::min(size, end), options_.window_bytes, options_.to, kPageBytes);
    FileWindow narrow(file_, std::min(size, end), 0, 0);
    if (options_.memory != nullptr) window.take_memory(std::move(*options_.memory));
    auto read = walk(window, narrow, std::min({size, end, options_.to}));
    if (options_.memory != nullptr) *options_.memory = window.give_memory();
    RAMET_ASSIGN(const uint64_t at, read);
    return size < end && at >= size ? end : at;
  }

 private:
  Result<uint64_t> walk(FileWindow& window, FileWindow& narrow, uint64_t to) {
    uint64_t reported = options_.from;
    uint64_t at = options_.from;
    while (at < to) {
      auto next = frame(window, at);
      if (!next.ok() && next.error().code() == ErrorCode::kIoError && options_.reads_past_errors) {
        next = frame_by_itself(narrow, at);
      }
      RAMET_ASSIGN(at, next);
      if (options_.progress && at - reported >= options_.window_bytes) {
        RAMET_TRY(options_.progress(at - reported));
        reported = at;
      }
    }
    if (options_.progress && at > reported) RAMET_TRY(options_.progress(at - reported));
    return at;
  }

  // Where a window cannot be read, a frame in it may be.
  Result<uint64_t> frame_by_itself(FileWindow& narrow, uint64_t at) {
    auto next = frame(narrow, at);
    if (next.ok()) {
      unreadable_ = 0;
      return next;
    }
    if (next.error().code() != ErrorCode::kIoError || ++unreadable_ > kUnreadableMax) return next;
    report_({"frame-damaged", at, table_.at(at), next.error().message()});
    return std::min(table_.next(at), narrow.file_size());
  }

  // What was given back reads as zeros, behind a skip frame.
  Status check_holes() {
    constexpr uint64_t kPiece = 1u << 20;
    if (options_.holes_due) return ok();
    for (const Hole& hole : segment_.holes()) {
      if (hole.offset < options_.from || hole.offset >= options_.to) continue;
      const PunchRange range = punch_range(hole);
      for (uint64_t at = 0; at < range.length; at += kPiece) {
        Bytes bytes(std::min(kPiece, range.length - at), '\1');
        RAMET_ASSIGN(const size_t got, file_.read(range.offset + at, bytes));
        if (got < bytes.size() || bytes.find_first_not_of('\0') != Bytes::npos) {
          report_({"hole-filled", range.offset + at, {}, "a range that was given back has bytes"});
          break;
        }
      }
    }
    return ok();
  }

  // Where the next frame begins.
  Result<uint64_t> frame(FileWindow& window, uint64_t at) {
    const bool commits = segment_.identity().stream == Stream::kCommit;
    const auto& holes = segment_.holes();
    const auto hole = std::find_if(holes.begin(), holes.end(),
                                   [&](const Hole& one) { return one.offset == at; });
    const bool in_hole = hole != holes.end();
    if (in_hole && options_.holes_due) return hole->offset + hole->length;
    ByteView payload;
    auto header = read_frame(window, at, segment_.identity().seed, &payload);
    if (!header.ok()) {
      if (header.error().code() == ErrorCode::kIoError) return std::move(header).error();
      if (in_hole) {
        report_({"frame-damaged", at, {}, "no skip frame leads over a hole"});
        return hole->offset + hole->length;
      }
      return bad_frame(window, at, commits, header.error().message());
    }
    if (header->kind == FrameKind::kFooter) return window.file_size();
    if (in_hole && (header->kind != FrameKind::kSkip || frame_span(*header) != hole->length)) {
      report_({"frame-damaged", at, {}, "no skip frame leads over a hole"});
      return hole->offset + hole->length;
    }
    const uint64_t next = at + frame_span(*header);
    if (header->kind == FrameKind::kSkip) {
      // In the map stream nothing is ever voided: what keeps two copies apart is zeros.
      if (segment_.identity().stream == Stream::kMap) {
        RAMET_TRY(check_zeros(window, at + header->header_len, next));
      }
      return next;
    }
    const uint64_t used = uint64_t{header->header_len} + header->stored_len;
    if (header->kind == FrameKind::kBlock || header->kind == FrameKind::kNode) {
      check_slot(at, *header, payload);
    }
    RAMET_TRY(check_zeros(window, at + used, next));
    return next;
  }

  void check_slot(uint64_t at, const FrameHeader& header, ByteView payload) {
    if (segment_.identity().stream == Stream::kMap) {
      if (uint64_t{header.slot} * 8 != at) {
        report_({"slot-table", at, header.slot, "a frame in the map says another place"});
      }
      return;
    }
    const std::vector<SlotEntry>& slots = table_.slots();
    const bool known = header.slot < slots.size() && !slots[header.slot].is_gone() &&
                       slots[header.slot].offset() == at;
    if (!known) {
      const auto should = table_.at(at);
      if (!should && !segment_.sealed()) return;  // written, never committed
      report_({"slot-table", at, should,
               fmt::format("the frame is slot {}, which the table has elsewhere", header.slot)});
      return;
    }
    const SlotEntry& entry = slots[header.slot];
    if (entry.stored_len() != header.stored_len || entry.codec() != header.codec ||
        entry.kind() != header.kind) {
      report_({"slot-table", at, header.slot, "the table says another length, codec or kind"});
      return;
    }
    if (!options_.names || header.kind != FrameKind::kBlock) return;
    Bytes raw;
    if (header.codec != Codec::kNone) {
      auto decoded = decode_payload(header.codec, payload, header.raw_len);
      if (!decoded.ok()) {
        report_({"frame-damaged", at, header.slot, decoded.error().message()});
        return;
      }
      raw = std::move(*decoded);
      payload = raw;
    }
    if (blake3(payload) != entry.hash) {
      report_({"slot-table", at, header.slot, "the block is not the one that the table names"});
    }
  }

  // Behind a frame that cannot be read: the table says where the next one is, or a search does.
  Result<uint64_t> bad_frame(FileWindow& window, uint64_t at, bool commits,
                             const std::string& message) {
    if (const auto slot = table_.at(at)) {
      report_({"frame-damaged", at, *slot, message});
      return table_.slots()[*slot].end();
    }
    if (commits && at % kGroupBytes != 0) {
      // A few zeros up to the boundary, where no header fits.
      const uint64_t boundary = align_up(at, kGroupBytes);
      if (boundary - at < kFrameHeaderBytes) {
        RAMET_TRY(check_zeros(window, at, boundary));
        return boundary;
      }
    }
    const uint64_t next = next_known(window, at);
    // A segment that was allocated ahead and never closed ends in zeros.
    if (segment_.identity().stream != Stream::kMap && !segment_.sealed()) {
      RAMET_ASSIGN(const bool empty, is_zero(window, at, next));
      if (empty) return next;
    }
    report_({"frame-damaged", at, {}, message});
    return next;
  }

  // The next frame that the table knows, or any that can be read, or the end.
  uint64_t next_known(FileWindow& window, uint64_t at) {
    const uint64_t limit = std::min(table_.next(at), window.file_size());
    uint64_t from = at + 8;
    while (from + kFrameHeaderBytes <= limit) {
      const auto bytes = window.at(from, std::min(options_.window_bytes, limit - from));
      if (!bytes.ok() || bytes->size() < kFrameHeaderBytes) break;
      const size_t found = search_frame(*bytes, 0, segment_.identity().seed);
      if (found != ByteView::npos) return from + found;
      if (from + bytes->size() >= limit) break;
      from += align_up(bytes->size() - kFrameHeaderBytes - 7, 8);
    }
    return limit;
  }

  Result<bool> is_zero(FileWindow& window, uint64_t from, uint64_t to) {
    while (from < to) {
      const uint64_t length = std::min(options_.window_bytes, to - from);
      RAMET_ASSIGN(const ByteView bytes, window.at(from, length));
      if (bytes.empty()) break;
      if (bytes.find_first_not_of('\0') != ByteView::npos) return false;
      from += bytes.size();
    }
    return true;
  }
  Status check_zeros(FileWindow& window, uint64_t from, uint64_t to) {
    RAMET_ASSIGN(const bool zero, is_zero(window, from, std::min(to, window.file_size())));
    if (!zero) report_({"frame-damaged", from, {}, "bytes between two frames are not zero"});
    return ok();
  }

  const Segment& segment_;
  const FrameCheckOptions& options_;
  const ReportSegment& report_;
  const FrameTable& table_;
  io::File& file_;
  int unreadable_ = 0;  // frames in a row
};

}  // namespace

Status check_segment_file(BlockStore& blocks, SegmentNo number, const SegmentValue& value,
                          const ReportSegment& report) {
  const auto stream = static_cast<Stream>(value.stream);
  const SegmentIdentity who = blocks.identity(number, value.generation, stream, value.epoch);
  RAMET_ASSIGN(const auto file, blocks.env().open(blocks.path_of(number, value.generation),
                                                  io::OpenMode::kRead));
  const auto header = read_segment_header(*file, blocks.secret(), number);
  if (!header.ok()) {
    if (header.error().code() == ErrorCode::kIoError) return header.error();
    report({"segment-header", 0, {}, header.error().message()});
  } else if (header->stream != stream || header->epoch != value.epoch ||
             header->generation != value.generation) {
    report({"segment-header", 0, {}, "it says another stream, epoch or generation"});
  }
  RAMET_ASSIGN(const uint64_t size, file->size());
  if (value.state != SegmentState::kSealed) {
    if (value.state == SegmentState::kCrashClosed && size < value.length) {
      report({"segment-missing", size, {},
              fmt::format("it ends at {}, of {} bytes", size, value.length)});
    }
    return ok();
  }
  if (stream == Stream::kMap) return ok();
  const auto footer = read_footer(*file, who.seed);
  if (!footer.ok() || !footer->has_value()) {
    if (!footer.ok() && footer.error().code() == ErrorCode::kIoError) return footer.error();
    report({"segment-footer", value.footer_offset, {},
            footer.ok() ? "there is none at its end" : footer.error().message()});
    if (size < value.length) {
      report({"segment-missing", size, {},
              fmt::format("it ends at {}, but had frames up to {}", size, value.length)});
    }
  } else if ((*footer)->end_offset != value.footer_offset ||
             (*footer)->slots.size() != value.slot_count) {
    report({"segment-footer", (*footer)->end_offset, {},
            fmt::format("it has {} slots up to {}, the map {} up to {}", (*footer)->slots.size(),
                        (*footer)->end_offset, value.slot_count, value.footer_offset)});
  }
  return ok();
}

FrameTable::FrameTable(const Segment& segment) : slots_(segment.slots(0, segment.slot_count())) {
  for (Slot slot = 0; slot < slots_.size(); ++slot) {
    if (!slots_[slot].is_gone()) by_offset_.emplace_back(slots_[slot].offset(), slot);
  }
  std::sort(by_offset_.begin(), by_offset_.end());
}

std::optional<Slot> FrameTable::at(uint64_t offset) const {
  const auto found = std::lower_bound(by_offset_.begin(), by_offset_.end(),
                                      std::pair<uint64_t, Slot>(offset, 0));
  if (found == by_offset_.end() || found->first != offset) return std::nullopt;
  return found->second;
}

uint64_t FrameTable::next(uint64_t offset) const {
  const auto found = std::lower_bound(by_offset_.begin(), by_offset_.end(),
                                      std::pair<uint64_t, Slot>(offset + 1, 0));
  return found == by_offset_.end() ? UINT64_MAX : found->first;
}

Result<uint64_t> check_frames(const Segment& segment, const FrameTable& table,
                              const FrameCheckOptions& options, const ReportSegment& report) {
  return FrameCheck(segment, table, options, report).run();
}

}  // namespace ramet::engine
