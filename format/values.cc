#include "format/values.h"

#include <fmt/format.h>

namespace ramet {
namespace {

Error value_error(const char* name, std::string_view what) {
  return Error(ErrorCode::kCorruption, fmt::format("{} value: {}", name, what));
}

// A value that is exactly one packed struct.
template <typename T>
Result<T> decode_packed(ByteView bytes, const char* name) {
  if (bytes.size() != sizeof(T)) {
    return value_error(name, fmt::format("{} bytes instead of {}", bytes.size(), sizeof(T)));
  }
  return load<T>(bytes.data());
}

template <typename T>
Bytes encode_packed(const T& value) {
  Bytes out;
  append(out, value);
  return out;
}

// Pages of entries in ascending order of `slot`, below kCountsPerPage.
template <typename Entry>
const char* wrong_order(std::span<const Entry> entries) {
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].slot >= kCountsPerPage) return "a slot of another page";
    if (i > 0 && entries[i].slot <= entries[i - 1].slot) return "slots out of order";
  }
  return nullptr;
}

const char* wrong_hole(std::span<const Hole> holes) {
  uint64_t end = 0;
  for (const Hole& hole : holes) {
    if (hole.offset < end + (end > 0 ? 1 : 0)) return "holes out of order";
    if (hole.offset % kFrameAlignment != 0 || hole.length % kFrameAlignment != 0 ||
        hole.length < kFrameHeaderBytes || hole.length > kSkipBytesMax) {
      return "a hole of no whole frames";
    }
    if (hole.offset > kSegmentBytesMax || hole.length > kSegmentBytesMax - hole.offset) {
      return "a hole behind the end of any segment";
    }
    end = hole.offset + hole.length;
  }
  return nullptr;
}

template <typename Entry>
Bytes encode_page(std::span<const Entry> entries) {
  RAMET_CHECK(wrong_order(entries) == nullptr, "a page that no reader accepts");
  return Bytes(reinterpret_cast<const char*>(entries.data()), entries.size_bytes());
}

template <typename Entry>
Result<std::vector<Entry>> decode_page(ByteView bytes, size_t entries_max, const char* name) {
  if (bytes.size() % sizeof(Entry) != 0 || bytes.size() / sizeof(Entry) > entries_max) {
    return value_error(name, fmt::format("a page of {} bytes", bytes.size()));
  }
  std::vector<Entry> entries(bytes.size() / sizeof(Entry));
  if (!entries.empty()) std::memcpy(entries.data(), bytes.data(), bytes.size());
  return entries;
}

template <typename Entry>
Result<std::vector<Entry>> decode_ordered_page(ByteView bytes, const char* name) {
  RAMET_ASSIGN(auto entries, decode_page<Entry>(bytes, kCountsPerPage, name));
  if (const char* wrong = wrong_order(std::span<const Entry>(entries))) {
    return value_error(name, wrong);
  }
  return entries;
}

// The front of a rooted value.
struct DiskRoot {
  uint8_t level = 0;
  uint8_t columns = 0;
  uint16_t reserved16 = 0;
  uint32_t reserved32 = 0;
  uint64_t birth = 0;
};
static_assert(sizeof(DiskRoot) == 16 && offsetof(DiskRoot, birth) == 8);

}  // namespace

Bytes encode_dirent_value(const DirentValue& value) {
  RAMET_CHECK(value.entry_class >= 1 && value.entry_class <= kEntryClassMax,
              "a dirent of a class that no reader knows");
  Bytes out;
  out.push_back(static_cast<char>(value.entry_class));
  out.push_back(static_cast<char>(value.flags));
  append_varint(out, value.type);
  append_varint(out, value.size);
  return out;
}

Result<DirentValue> decode_dirent_value(ByteView bytes) {
  if (bytes.size() < 2) return value_error("DIRENT", "cut off");
  DirentValue out;
  out.entry_class = static_cast<uint8_t>(bytes[0]);
  out.flags = static_cast<uint8_t>(bytes[1]);
  if (out.entry_class < 1 || out.entry_class > kEntryClassMax) {
    return value_error("DIRENT", fmt::format("class {}", out.entry_class));
  }
  bytes.remove_prefix(2);
  RAMET_ASSIGN(const uint64_t type, take_varint(&bytes));
  if (type > 0xFFFFFFFF) return value_error("DIRENT", "type out of range");
  out.type = static_cast<uint32_t>(type);
  RAMET_ASSIGN(out.size, take_varint(&bytes));
  if (!bytes.empty()) return value_error("DIRENT", "bytes behind the size");
  return out;
}

void append_root_value(Bytes& out, const RootValue& value) {
  RAMET_CHECK(value.level <= kTreeLevelMax, "a tree that is too high");
  DiskRoot disk;
  disk.level = value.level;
  disk.columns = static_cast<uint8_t>(value.summary.used_columns());
  disk.birth = value.birth;
  append(out, disk);
  for (const uint64_t column : value.summary.used()) append(out, column);
}

Result<DecodedRootValue> decode_root_value(ByteView bytes) {
  if (bytes.size() < sizeof(DiskRoot)) return value_error("rooted", "cut off");
  const auto disk = load<DiskRoot>(bytes.data());
  if (disk.level > kTreeLevelMax) {
    return value_error("rooted", fmt::format("a tree of level {}", disk.level));
  }
  if (disk.columns > kSummaryColumns) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("rooted value: {} summary columns; this program knows {}",
                             disk.columns, kSummaryColumns));
  }
  if (disk.reserved16 != 0 || disk.reserved32 != 0) {
    return value_error("rooted", "a reserved field that is not zero");
  }
  DecodedRootValue out;
  out.bytes = sizeof disk + disk.columns * sizeof(uint64_t);
  if (bytes.size() < out.bytes) return value_error("rooted", "cut off");
  out.root.level = disk.level;
  out.root.birth = disk.birth;
  std::memcpy(out.root.summary.columns.data(), bytes.data() + sizeof disk,
              out.bytes - sizeof disk);
  return out;
}

std::string_view segment_state_name(SegmentState state) {
  switch (state) {
    case SegmentState::kOpen: return "open";
    case SegmentState::kSealed: return "sealed";
    case SegmentState::kCrashClosed: return "closed by a crash";
    case SegmentState::kCondemned: return "condemned";
    case SegmentState::kDeleted: return "deleted";
  }
  return "unknown state";
}

Bytes encode_segment_value(const SegmentValue& value) {
  RAMET_CHECK(value.state >= SegmentState::kOpen && value.state <= SegmentState::kDeleted,
              "a segment in no state");
  RAMET_CHECK(value.stream >= static_cast<uint8_t>(Stream::kCommit) &&
                  value.stream <= static_cast<uint8_t>(Stream::kMap),
              "a segment of no stream");
  RAMET_CHECK(value.slot_count <= kSegmentSlotsMax, "a segment with too many slots");
  return encode_packed(value);
}

Result<SegmentValue> decode_segment_value(ByteView bytes) {
  RAMET_ASSIGN(const auto value, decode_packed<SegmentValue>(bytes, "SEGMENT"));
  if (value.state < SegmentState::kOpen || value.state > SegmentState::kDeleted) {
    return value_error("SEGMENT", fmt::format("state {}", static_cast<int>(value.state)));
  }
  if (value.stream < static_cast<uint8_t>(Stream::kCommit) ||
      value.stream > static_cast<uint8_t>(Stream::kMap)) {
    return value_error("SEGMENT", fmt::format("stream {}", value.stream));
  }
  if (value.slot_count > kSegmentSlotsMax) {
    return value_error("SEGMENT", fmt::format("{} slots", value.slot_count));
  }
  return value;
}

Bytes encode_slots_page(std::span<const SlotEntry> slots) {
  RAMET_CHECK(!slots.empty() && slots.size() <= kSlotsPerPage, "a page with too many slots");
  return Bytes(reinterpret_cast<const char*>(slots.data()), slots.size_bytes());
}

Result<std::vector<SlotEntry>> decode_slots_page(ByteView bytes) {
  RAMET_ASSIGN(auto slots, decode_page<SlotEntry>(bytes, kSlotsPerPage, "SLOTS"));
  if (slots.empty()) return value_error("SLOTS", "an empty page");
  for (const SlotEntry& slot : slots) {
    Status status = check_slot_entry(slot, kSegmentBytesMax);
    if (!status.ok()) return std::move(status).error().with_context("SLOTS value");
  }
  return slots;
}

Bytes encode_count_page(std::span<const CountEntry> entries) { return encode_page(entries); }
Result<std::vector<CountEntry>> decode_count_page(ByteView bytes) {
  return decode_ordered_page<CountEntry>(bytes, "COUNT");
}

Bytes encode_holes(std::span<const Hole> holes) {
  RAMET_CHECK(!holes.empty() && holes.size() <= kHolesMax && wrong_hole(holes) == nullptr,
              "holes that no reader accepts");
  return Bytes(reinterpret_cast<const char*>(holes.data()), holes.size_bytes());
}
Result<std::vector<Hole>> decode_holes(ByteView bytes) {
  RAMET_ASSIGN(auto holes, decode_page<Hole>(bytes, kHolesMax, "HOLES"));
  if (holes.empty()) return value_error("HOLES", "an empty list");
  if (const char* wrong = wrong_hole(holes)) return value_error("HOLES", wrong);
  return holes;
}

Bytes encode_uncounted_value(const UncountedValue& value) { return encode_packed(value); }
Result<UncountedValue> decode_uncounted_value(ByteView bytes) {
  return decode_packed<UncountedValue>(bytes, "UNCOUNTED");
}

}  // namespace ramet
