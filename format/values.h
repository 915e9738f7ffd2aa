// The packed values of tree entries (docs/format.md#values): dirents, the map tree's pages, and
// the RootValue that rooted catalog entries begin with. Extent runs are in extent_run.h; the other
// values are FlatBuffers. All functions are pure and thread-safe; every decode refuses with
// kCorruption what its encode can't give, and allocates no more than a small multiple of its
// input [INV-8].
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/extent_run.h"
#include "format/frame.h"
#include "format/result.h"
#include "format/segment_layout.h"
#include "format/summary.h"
#include "format/varint.h"

namespace ramet {

// --- container tree ------------------------------------------------------------------------------

// What a name leads to, beside the id in its key.
struct DirentValue {
  uint8_t entry_class = 1;  // 1 file, 2 folder, 3 symlink, 4 fifo, 5 socket, 6 character device,
                            // 7 block device, 8 record
  uint8_t flags = 0;
  uint32_t type = 0;  // interned type number of the object; 0 for a folder
  uint64_t size = 0;  // content bytes of the object, so that a listing needs no second look-up
  friend bool operator==(const DirentValue&, const DirentValue&) = default;
};
inline constexpr uint8_t kEntryClassMax = 8;

// Requires: entry_class in 1..kEntryClassMax.
Bytes encode_dirent_value(const DirentValue& value);
Result<DirentValue> decode_dirent_value(ByteView bytes);

// --- catalog -------------------------------------------------------------------------------------

// What a rooted value begins with; the root node is the entry's reference 0 (null: empty tree).
struct RootValue {
  uint8_t level = 0;   // 0: the root is a leaf
  uint64_t birth = 0;  // number of the last commit that changed anything in the tree
  Summary summary;
  friend bool operator==(const RootValue&, const RootValue&) = default;
};

// A tree of 2^64 entries has fewer levels than this, whatever its nodes hold.
inline constexpr uint8_t kTreeLevelMax = 63;

// Appends 16 to 112 bytes, always a multiple of 8; trailing zero columns are left out.
// Requires: level <= kTreeLevelMax.
void append_root_value(Bytes& out, const RootValue& value);

struct DecodedRootValue {
  RootValue root;
  size_t bytes = 0;  // taken from the front; the FlatBuffer of the entry follows
};
// Trailing zero columns are read, too. kUnsupported: more columns than this version has.
Result<DecodedRootValue> decode_root_value(ByteView bytes);

// --- map -----------------------------------------------------------------------------------------

// Values are on disk and never change.
enum class SegmentState : uint8_t {
  kOpen = 1,
  kSealed = 2,       // its slot table is in the footer
  kCrashClosed = 3,  // no footer: its slot table is in SLOTS pages (map segments need none)
  kCondemned = 4,
  kDeleted = 5,
};
// "open", "sealed", ...; "unknown state" for values that are none.
std::string_view segment_state_name(SegmentState state);

// Bits of SegmentValue::flags.
inline constexpr uint16_t kSegmentHasHoles = 1;  // HOLES tells them
inline constexpr uint16_t kSegmentPunchDue = 2;  // their bytes may not have been given back yet

// SEGMENT, as it is on disk.
struct SegmentValue {
  uint32_t generation = 0;
  uint8_t stream = 0;  // a Stream; one byte here
  SegmentState state = SegmentState::kOpen;
  uint16_t flags = 0;  // kSegmentHasHoles, kSegmentPunchDue
  Epoch epoch = 0;
  uint64_t length = 0;  // bytes of the file
  uint32_t slot_count = 0;
  Slot first_hole = 0;  // the lowest slot that is gone; slot_count or more: none
  uint64_t footer_offset = 0;  // 0: no footer
  Sequence last_sequence = 0;
  uint64_t live_bytes = 0;
  uint64_t reserved = 0;
  friend bool operator==(const SegmentValue&, const SegmentValue&) = default;
};
static_assert(sizeof(SegmentValue) == 64 && std::is_trivially_copyable_v<SegmentValue>);
static_assert(std::has_unique_object_representations_v<SegmentValue>);  // no padding
static_assert(offsetof(SegmentValue, stream) == 4 && offsetof(SegmentValue, state) == 5);
static_assert(offsetof(SegmentValue, flags) == 6 && offsetof(SegmentValue, epoch) == 8);
static_assert(offsetof(SegmentValue, length) == 16 && offsetof(SegmentValue, slot_count) == 24);
static_assert(offsetof(SegmentValue, first_hole) == 28);
static_assert(offsetof(SegmentValue, footer_offset) == 32);
static_assert(offsetof(SegmentValue, last_sequence) == 40);
static_assert(offsetof(SegmentValue, live_bytes) == 48 && offsetof(SegmentValue, reserved) == 56);

// Requires: a state and stream of the enums; at most kSegmentSlotsMax slots.
Bytes encode_segment_value(const SegmentValue& value);
// Allocating by slot_count of what this gives is bounded (kSegmentSlotsMax).
Result<SegmentValue> decode_segment_value(ByteView bytes);

// SLOTS: page p holds the slots p * kSlotsPerPage and up of a segment without a footer.
inline constexpr uint32_t kSlotsPerPage = 64;
// Requires: 1 to kSlotsPerPage entries.
Bytes encode_slots_page(std::span<const SlotEntry> slots);
// Each entry passes check_slot_entry() with the greatest possible end.
Result<std::vector<SlotEntry>> decode_slots_page(ByteView bytes);

// COUNT: page p speaks of the slots p * kCountsPerPage and up; `slot` counts from
// there. Entries are in ascending order of slots.
inline constexpr uint32_t kCountsPerPage = 256;

// A slot whose reference count isn't 1. Count 0 is state zero.
struct CountEntry {
  uint16_t slot = 0;
  uint16_t reserved = 0;
  uint32_t count = 0;
  friend bool operator==(const CountEntry&, const CountEntry&) = default;
};
static_assert(sizeof(CountEntry) == 8);
// Requires: slots ascending and below kCountsPerPage.
Bytes encode_count_page(std::span<const CountEntry> entries);
Result<std::vector<CountEntry>> decode_count_page(ByteView bytes);

// HOLES: ranges of a closed segment's file that hold frames of dead slots only: every slot that its
// table (footer, SLOTS) puts there is gone.
struct Hole {
  uint64_t offset = 0;  // of the first of these frames, at which a skip frame stands at last
  uint64_t length = 0;  // up to the next frame that is alive, or the end of the frames
  friend bool operator==(const Hole&, const Hole&) = default;
};
static_assert(sizeof(Hole) == 16);
inline constexpr uint32_t kHolesMax = 128;  // of a segment
// Requires: 1 to kHolesMax of them, ascending, apart, of whole frames.
Bytes encode_holes(std::span<const Hole> holes);
Result<std::vector<Hole>> decode_holes(ByteView bytes);

// UNCOUNTED, as it is on disk: slots from the key's `first` up to `end` (exclusive) belong to a
// running ingest.
struct UncountedValue {
  Slot end = 0;
  uint32_t reserved = 0;
  uint64_t owner = 0;
  friend bool operator==(const UncountedValue&, const UncountedValue&) = default;
};
static_assert(sizeof(UncountedValue) == 16 && offsetof(UncountedValue, owner) == 8);
Bytes encode_uncounted_value(const UncountedValue& value);
Result<UncountedValue> decode_uncounted_value(ByteView bytes);

}  // namespace ramet
