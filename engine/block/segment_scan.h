// Finding out what is in a segment file: from its footer, or, where that is missing or damaged,
// from its frames [INV-2]. Pure reading; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/block/file_window.h"
#include "engine/block/segment.h"
#include "format/result.h"
#include "io/env.h"

namespace ramet::engine {

struct DamagedRange {
  uint64_t from = 0;
  uint64_t to = 0;
  std::string reason;
};

struct ScanResult {
  std::vector<SlotEntry> slots;  // index = slot; missing ones are gone entries
  uint64_t end = 0;              // behind the last whole frame
  std::vector<DamagedRange> damaged;
};

// Reads one frame, header and payload verified; the error says what is wrong with it. `*payload`
// is valid until the window moves, and stays as it was for a skip frame.
Result<FrameHeader> read_frame(FileWindow& window, uint64_t offset, uint64_t seed,
                               ByteView* payload);

// The first multiple of 8 from `from` (itself one) on at which a valid frame header stands, or the
// file's size.
Result<uint64_t> next_frame(FileWindow& window, uint64_t from, uint64_t seed);

// Reads the header of a segment file and checks that it is this store's (kFailedPrecondition if
// it belongs to another store) and this segment. kCorruption when it is damaged.
Result<SegmentHeader> read_segment_header(io::File& file, ByteView secret, SegmentNo number);

// The footer, when the file ends with a valid one; nullopt when there is none; kCorruption when
// there is a trailer but what it names does not check.
Result<std::optional<Footer>> read_footer(io::File& file, uint64_t seed);

// Reads every frame from `from` on, behind the slots already known. Payload checksums are
// verified and names computed from the bytes. With `past_damage`, goes on behind damage at the
// next valid frame (what it skipped is listed); otherwise stops at the first bad frame: the torn
// tail of a segment that was open when the power went.
Result<ScanResult> scan_frames(io::File& file, const SegmentIdentity& identity,
                               std::vector<SlotEntry> known, uint64_t from, bool past_damage);

}  // namespace ramet::engine
