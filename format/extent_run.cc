#include "format/extent_run.h"

#include <fmt/format.h>

#include "format/frame.h"
#include "format/planted.h"
#include "format/varint.h"

namespace ramet {
namespace {

// The front of an EXTENT value.
struct DiskRun {
  uint64_t start = 0;
  uint32_t count = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(DiskRun) == 16);

constexpr size_t kEncodedExtentBytesMin = 3;

// What is wrong with an extent that begins at or behind `from`; null if nothing is.
const char* wrong_extent(const Extent& extent, uint64_t from) {
  if (extent.length == 0) return "an empty extent";
  const uint64_t from_end = planted(DecoderBug::kBlockOverrun) ? 0 : extent.length;
  if (extent.length > kBlockBytesMax || extent.offset_in_block > kBlockBytesMax - from_end) {
    return "an extent behind the end of any block";
  }
  if (extent.offset < from) return "extents overlap or are out of order";
  if (extent.offset > kContentBytesMax - extent.length) {
    return "an extent behind the end of any content";
  }
  if (extent.block.is_null()) return "an extent without a block";
  return nullptr;
}

size_t encoded_bytes(const Extent& extent, uint64_t gap) {
  return varint_size(gap) + varint_size(extent.length) + varint_size(extent.offset_in_block);
}

Error run_error(std::string_view what) {
  return Error(ErrorCode::kCorruption, fmt::format("extent run: {}", what));
}

}  // namespace

Status check_extents(std::span<const Extent> extents) {
  uint64_t from = 0;
  for (const Extent& extent : extents) {
    if (const char* wrong = wrong_extent(extent, from)) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("{} at {}", wrong, extent.offset));
    }
    from = extent.end();
  }
  return ok();
}

ExtentRun encode_extent_run(std::span<const Extent> extents) {
  ExtentRun run;
  DiskRun disk;
  disk.start = extents.empty() ? 0 : extents.front().offset;
  disk.count = static_cast<uint32_t>(extents.size());
  append(run.value, disk);
  run.refs.reserve(extents.size());
  uint64_t at = disk.start;
  for (const Extent& extent : extents) {
    RAMET_CHECK(wrong_extent(extent, at) == nullptr, "an extent that no reader accepts");
    append_varint(run.value, extent.offset - at);
    append_varint(run.value, extent.length);
    append_varint(run.value, extent.offset_in_block);
    run.refs.push_back(extent.block);
    at = extent.end();
  }
  run.end = at;
  return run;
}

Result<std::vector<Extent>> decode_extent_run(ByteView value, std::span<const BlockRef> refs) {
  if (value.size() < sizeof(DiskRun)) return run_error("cut off");
  const auto disk = load<DiskRun>(value.data());
  value.remove_prefix(sizeof disk);
  if (disk.count != refs.size()) {
    return run_error(fmt::format("{} extents with {} references", disk.count, refs.size()));
  }
  if (value.size() / kEncodedExtentBytesMin < disk.count) return run_error("cut off");
  if (disk.reserved != 0) return run_error("a reserved field that is not zero");
  if (disk.count == 0 && disk.start != 0) return run_error("a hole that does not begin at 0");
  std::vector<Extent> extents;
  extents.reserve(disk.count);
  uint64_t at = disk.start;
  for (const BlockRef& ref : refs) {
    RAMET_ASSIGN(const uint64_t gap, take_varint(&value));
    RAMET_ASSIGN(const uint64_t length, take_varint(&value));
    RAMET_ASSIGN(const uint64_t offset_in_block, take_varint(&value));
    if (at > kContentBytesMax || gap > kContentBytesMax - at || offset_in_block > kBlockBytesMax) {
      return run_error("an extent is out of range");
    }
    if (gap != 0 && extents.empty()) return run_error("a gap before the first extent");
    const Extent extent{at + gap, length, ref, static_cast<uint32_t>(offset_in_block)};
    if (const char* wrong = wrong_extent(extent, at)) return run_error(wrong);
    extents.push_back(extent);
    at = extent.end();
  }
  if (!value.empty()) return run_error("bytes behind the last extent");
  return extents;
}

std::vector<ExtentRun> pack_extents(std::span<const Extent> extents, size_t bytes_max) {
  std::vector<ExtentRun> runs;
  size_t first = 0;
  while (first < extents.size()) {
    size_t bytes = sizeof(DiskRun);
    size_t last = first;
    for (; last < extents.size(); ++last) {
      const uint64_t gap = last == first ? 0 : extents[last].offset - extents[last - 1].end();
      const size_t more = encoded_bytes(extents[last], gap) + sizeof(BlockRef);
      if (last > first && bytes + more > bytes_max) break;
      bytes += more;
    }
    runs.push_back(encode_extent_run(extents.subspan(first, last - first)));
    first = last;
  }
  return runs;
}

}  // namespace ramet
