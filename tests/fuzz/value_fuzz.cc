// Packed values: dirents, roots, the map's pages, extent runs, varints.
//
// Proves: each decoder refuses what its encoder does not write (format/values.h promises so), what
// it accepts keeps the format's bounds, and memory is a small multiple of the input.
#include "format/values.h"
#include "tests/fuzz/fuzz.h"

namespace ramet::fuzz {
namespace {

void look_at_extents(ByteView value) {
  // As many references as the run says; others must be refused.
  const uint32_t count = value.size() < 12 ? 0 : load<uint32_t>(value.data() + 8);
  const std::vector<BlockRef> refs(count <= 4096 ? count : 1, BlockRef{1, 2, 3});
  const auto extents = decode_extent_run(value, refs);
  if (!extents.ok()) return;
  RAMET_CHECK(extents->size() == refs.size(), "an extent for each reference");
  uint64_t end = 0;
  for (const Extent& extent : *extents) {
    RAMET_CHECK(extent.length > 0 && extent.offset >= end, "extents that overlap");
    RAMET_CHECK(uint64_t{extent.offset_in_block} + extent.length <= kBlockBytesMax,
                "an extent behind its block");
    RAMET_CHECK(extent.end() > extent.offset && extent.end() <= kContentBytesMax,
                "an extent behind any content");
    end = extent.end();
  }
  RAMET_CHECK(check_extents(*extents).ok(), "extents that no writer would write");
  const ExtentRun run = encode_extent_run(*extents);
  RAMET_CHECK(run.value == value && run.refs == refs, "a run that is not written so");
  auto more = refs;
  more.push_back(BlockRef{1, 2, 3});
  RAMET_CHECK(!decode_extent_run(value, more).ok(), "a reference too many");
  std::vector<Extent> joined;
  for (const ExtentRun& piece : pack_extents(*extents, 64)) {
    const auto part = decode_extent_run(piece.value, piece.refs);
    RAMET_CHECK(part.ok() && !part->empty() && part->back().end() == piece.end, "a packed run");
    joined.insert(joined.end(), part->begin(), part->end());
  }
  RAMET_CHECK(joined == *extents, "packing changes extents");
}

void look_at_holes(ByteView bytes) {
  const auto holes = decode_holes(bytes);
  if (!holes.ok()) return;
  uint64_t end = 0;
  for (const Hole& hole : *holes) {
    RAMET_CHECK(hole.length >= kFrameHeaderBytes && hole.offset >= end, "holes in disorder");
    end = hole.offset + hole.length;
    RAMET_CHECK(end <= kSegmentBytesMax, "a hole behind any segment");
  }
  RAMET_CHECK(encode_holes(*holes) == bytes, "holes that are not written so");
}

void look_at_varints(ByteView bytes) {
  while (!bytes.empty()) {
    const ByteView before = bytes;
    const auto value = take_varint(&bytes);
    if (!value.ok()) {
      RAMET_CHECK(bytes == before, "a failed take took something");
      return;
    }
    Bytes again;
    append_varint(again, *value);
    RAMET_CHECK(again == before.substr(0, before.size() - bytes.size()), "a longer form");
    RAMET_CHECK(varint_size(*value) == again.size(), "another size");
  }
}

}  // namespace

RAMET_FUZZ_TARGET(value) {
  look_at_extents(input);
  look_at_holes(input);
  look_at_varints(input);
  check_canonical(input, decode_dirent_value, encode_dirent_value);
  check_canonical(input, decode_segment_value, encode_segment_value);
  check_canonical(input, decode_slots_page, [](const auto& v) { return encode_slots_page(v); });
  check_canonical(input, decode_count_page, [](const auto& v) { return encode_count_page(v); });
  check_canonical(input, decode_uncounted_value, encode_uncounted_value);
  const auto root = decode_root_value(input);
  if (root.ok()) {
    // Columns at the end that are zero are written by none, and read all the same.
    Bytes again;
    append_root_value(again, root->root);
    RAMET_CHECK(root->bytes <= input.size() && again.size() <= root->bytes, "bytes from nowhere");
    RAMET_CHECK(ByteView(again).substr(2) == input.substr(2, again.size() - 2) &&
                    root->root.level == static_cast<uint8_t>(input[0]),
                "a root that is not written so");
    const auto settled = decode_root_value(again);
    RAMET_CHECK(settled.ok() && settled->root == root->root, "a root that changes when written");
  }
  const auto segment = decode_segment_value(input);
  RAMET_CHECK(!segment.ok() || segment->slot_count <= kSegmentSlotsMax, "too many slots");
}

}  // namespace ramet::fuzz
