#include "engine/space/recount.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "engine/tree/cursor.h"
#include "format/keys.h"
#include "format/values.h"

namespace ramet::engine {
namespace {

Result<std::vector<BlockRef>> refs_of(TreeContext& trees, const BlockRef& ref) {
  RAMET_ASSIGN(NodeBuffer buffer, trees.store->load(ref));
  RAMET_ASSIGN(const CleanNodePtr node, CleanNode::open(std::move(buffer), ref));
  std::vector<BlockRef> out;
  for (const BlockRef& child : node->view().refs()) {
    if (!child.is_null()) out.push_back(child);
  }
  return out;
}

// Files of segments that neither the map nor this life knows.
Status find_strays(const std::map<SegmentNo, uint32_t>& generations, BlockStore& blocks,
                   Recount& out) {
  std::set<SegmentNo> own;
  for (const auto& segment : blocks.own_segments()) own.insert(segment->number());
  RAMET_ASSIGN(const auto names, blocks.env().list(blocks.directory()));
  for (const std::string& name : names) {
    const auto parsed = parse_segment_file_name(name);
    const auto known = parsed.ok() ? generations.find(parsed->number) : generations.end();
    if (known != generations.end() && known->second == parsed->generation) continue;
    if (parsed.ok() && own.contains(parsed->number)) continue;
    out.unknown_files.push_back(name);
  }
  return ok();
}

// What was given back reads as zeros.
Result<bool> holes_are_empty(const Segment& segment) {
  constexpr uint64_t kPiece = 1u << 20;
  for (const Hole& hole : segment.holes()) {
    const PunchRange range = punch_range(hole);
    for (uint64_t at = 0; at < range.length; at += kPiece) {
      Bytes bytes(std::min(kPiece, range.length - at), '\1');
      RAMET_ASSIGN(const size_t got, segment.file().read(range.offset + at, bytes));
      if (got < bytes.size() || bytes.find_first_not_of('\0') != Bytes::npos) return false;
    }
  }
  return true;
}

}  // namespace

Result<Recount> recount(TreeContext& maps, const Root& map, TreeContext& trees,
                        BlockStore& blocks, const BlockRef& catalog) {
  Recount out;
  RAMET_ASSIGN(const DeadSlots dead, find_dead(maps, map));
  out.pending = dead.pending.size();
  std::map<SlotId, uint32_t> expected;
  std::vector<BlockRef> stack;
  const auto visit = [&](const BlockRef& node) -> Status {
    RAMET_ASSIGN(const auto refs, refs_of(trees, node));
    stack.insert(stack.end(), refs.begin(), refs.end());
    return ok();
  };
  if (!catalog.is_null()) stack.push_back(catalog);
  for (const SlotId& id : dead.pending) {
    RAMET_ASSIGN(const uint64_t checksum, blocks.stored_checksum(id.segment, id.slot));
    RAMET_TRY(visit(BlockRef{id.segment, id.slot, checksum}));
  }
  while (!stack.empty()) {
    const BlockRef ref = stack.back();
    stack.pop_back();
    if (++expected[{ref.segment, ref.slot}] > 1) continue;
    RAMET_ASSIGN(const auto segment, blocks.segment(ref.segment));
    if (segment->identity().stream == Stream::kNode) RAMET_TRY(visit(ref));
  }
  RefCounts counts(maps, map, trees, blocks);
  std::map<SegmentNo, uint32_t> generations;
  const KeyRange range = space_range(MapSpace::kSegment);
  Cursor cursor(maps, map);
  RAMET_TRY(cursor.seek(range.from));
  for (; cursor.valid() && range.contains(cursor.key());) {
    RAMET_ASSIGN(const SegmentNo number, decode_segment_key(cursor.key()));
    RAMET_ASSIGN(const SegmentValue value, decode_segment_value(cursor.value()));
    RAMET_TRY(cursor.next());
    generations[number] = value.generation;
    if (static_cast<Stream>(value.stream) == Stream::kMap) continue;
    if (value.state == SegmentState::kCondemned) {
      const auto first = expected.lower_bound({number, 0});
      if (first != expected.end() && first->first.segment == number) {
        out.wrong.push_back(fmt::format("segment {} is condemned, but referred to", number));
        expected.erase(first, expected.lower_bound({number + 1, 0}));
      }
      continue;
    }
    RAMET_ASSIGN(const auto segment, blocks.segment(number));
    if ((value.flags & (kSegmentHasHoles | kSegmentPunchDue)) == kSegmentHasHoles) {
      RAMET_ASSIGN(const bool empty, holes_are_empty(*segment));
      if (!empty) out.wrong.push_back(fmt::format("segment {}: a hole has bytes", number));
    }
    RAMET_ASSIGN(const Slot floor, counts.floor(number));
    const auto table = segment->slots(0, value.slot_count);
    for (Slot slot = 0; slot < table.size(); ++slot) {
      const SlotId id{number, slot};
      const auto found = expected.find(id);
      const uint32_t should = found == expected.end() ? 0 : found->second;
      if (found != expected.end()) expected.erase(found);
      if (table[slot].is_gone()) {
        if (should != 0) {
          out.wrong.push_back(fmt::format("segment {} slot {} is gone, but {} references lead "
                                          "to it", number, slot, should));
        }
        continue;
      }
      ++out.slots;
      RAMET_ASSIGN(const uint32_t is, counts.count(id));
      if (is != should) {
        out.wrong.push_back(fmt::format("segment {} slot {}: count {}, references {} (floor {})",
                                        number, slot, is, should, floor));
      } else if (should == 0) {
        ++(slot < floor ? out.dead : out.uncounted);
      }
    }
  }
  RAMET_TRY(find_strays(generations, blocks, out));
  for (const auto& [id, count] : expected) {
    out.wrong.push_back(fmt::format("segment {} slot {} is unknown, but {} references lead to it",
                                    id.segment, id.slot, count));
  }
  return out;
}

}  // namespace ramet::engine
