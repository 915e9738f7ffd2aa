// One segment file against what is known of it: header, footer, every frame, the bytes between
// frames, holes.
//
// Thread-safe: one call for one segment each.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/block/file_window.h"

namespace ramet::engine {

struct SegmentProblem {
  std::string_view code;  // of finding_kinds()
  uint64_t offset = 0;
  std::optional<Slot> slot;
  std::string message;
};

using ReportSegment = std::function<void(const SegmentProblem&)>;

// Header, footer and length of a segment that the map knows. kNotFound: the file is not there.
// `value` as the map has it; `sealed`: it must have a footer.
Status check_segment_file(BlockStore& blocks, SegmentNo number, const SegmentValue& value,
                          const ReportSegment& report);

// Where the frames of a closed or durable segment lie. Made once for a segment, so that many calls
// of check_frames() share it. Immutable: thread-safe.
class FrameTable {
 public:
  explicit FrameTable(const Segment& segment);

  const std::vector<SlotEntry>& slots() const { return slots_; }
  // The slot whose frame begins there.
  std::optional<Slot> at(uint64_t offset) const;
  // The first known frame behind `offset`; UINT64_MAX if there is none.
  uint64_t next(uint64_t offset) const;

 private:
  std::vector<SlotEntry> slots_;
  std::vector<std::pair<uint64_t, Slot>> by_offset_;  // ascending
};

struct FrameCheckOptions {
  bool names = true;  // blocks are decoded, and their BLAKE3 names compared
  bool holes_due = false;  // its holes may not have been given back yet
  // Frames that begin in [from, to): `from` is where a frame begins, kSegmentHeaderBytes or more.
  uint64_t from = kSegmentHeaderBytes;
  uint64_t to = UINT64_MAX;
  // A frame that the device does not give (kIoError) is damaged, and what follows is read; else
  // that ends the check. Where nothing can be read any more, it does in any case.
  bool reads_past_errors = false;
  // Another handle of the segment's file to read with; null: the segment's own. Borrowed.
  io::File* file = nullptr;
  // Memory that the call may use, and leaves for the next one; may be null. Borrowed.
  Bytes* memory = nullptr;
  // Bytes that one read asks for.
  uint64_t window_bytes = 8u << 20;
  // Called for each stretch that was read; kCancelled (or another error) ends the check.
  std::function<Status(uint64_t bytes)> progress;
};

// Reads every frame in the range of a closed or durable segment, up to its end, and the holes that
// begin there. A slot whose frame cannot be read is reported as "frame-damaged" with its slot:
// whoever knows the counts says what is lost. Returns where the first frame behind the range
// begins: the segment's end if there is none. kIoError if the device fails otherwise than by wrong
// bytes.
Result<uint64_t> check_frames(const Segment& segment, const FrameTable& table,
                              const FrameCheckOptions& options, const ReportSegment& report);

}  // namespace ramet::engine
