#include "engine/container/segment_map.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/tree/cursor.h"
#include "engine/tree/persist.h"
#include "format/keys.h"

namespace ramet::engine {

SegmentMap::SegmentMap(BlockStore& blocks, NodeCache& cache) : nodes_(blocks) {
  context_.store = &nodes_;
  context_.cache = &cache;
}

void SegmentMap::reset(const Root& root) {
  std::lock_guard lock(mu_);
  root_ = durable_ = root;
  recorded_.clear();
}

Root SegmentMap::root() {
  std::lock_guard lock(mu_);
  return root_;
}

Result<std::optional<SegmentValue>> SegmentMap::find(SegmentNo number) {
  Tree tree(context_, root());
  Value value;
  RAMET_ASSIGN(const bool found, tree.get(segment_key(number), &value));
  if (!found) return std::optional<SegmentValue>();
  RAMET_ASSIGN(const SegmentValue decoded, decode_segment_value(value.bytes()));
  return std::optional<SegmentValue>(decoded);
}

Result<std::vector<SlotEntry>> SegmentMap::slots_of(SegmentNo number, uint32_t count) {
  std::vector<SlotEntry> out;
  Tree tree(context_, root());
  for (uint32_t page = 0; out.size() < count; ++page) {
    Value value;
    RAMET_ASSIGN(const bool found, tree.get(slots_key(number, page), &value));
    if (!found) {
      return Error(ErrorCode::kCorruption,
                   fmt::format("the map lacks slots {} and up of segment {}", out.size(), number));
    }
    RAMET_ASSIGN(const auto slots, decode_slots_page(value.bytes()));
    out.insert(out.end(), slots.begin(), slots.end());
    if (slots.size() < kSlotsPerPage) break;
  }
  if (out.size() < count) {
    return Error(ErrorCode::kCorruption, fmt::format("the map has {} of {} slots of segment {}",
                                                     out.size(), count, number));
  }
  out.resize(count);
  return out;
}

Result<std::vector<Hole>> SegmentMap::holes_of(SegmentNo number) {
  Tree tree(context_, root());
  Value value;
  RAMET_ASSIGN(const bool found, tree.get(holes_key(number), &value));
  if (!found) {
    return Error(ErrorCode::kCorruption, fmt::format("the map lacks the holes of segment {}",
                                                     number));
  }
  return decode_holes(value.bytes());
}

Status SegmentMap::each(const std::function<bool(SegmentNo, const SegmentValue&)>& visit) {
  const KeyRange range = space_range(MapSpace::kSegment);
  Cursor cursor(context_, root());
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const SegmentNo number, decode_segment_key(cursor.key()));
    RAMET_ASSIGN(const SegmentValue value, decode_segment_value(cursor.value()));
    if (!visit(number, value)) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

Status SegmentMap::put_slots(Tree& tree, const Segment& segment, Slot count, Sequence sequence) {
  const auto known = recorded_.find(segment.number());
  const Slot from = known == recorded_.end() ? 0 : known->second;
  if (from == count) return ok();
  for (uint32_t page = from / kSlotsPerPage; page * kSlotsPerPage < count; ++page) {
    const Slot first = page * kSlotsPerPage;
    const auto slots = segment.slots(first, std::min(count, first + kSlotsPerPage));
    RAMET_TRY(tree.put(slots_key(segment.number(), page), encode_slots_page(slots), {}, sequence));
  }
  return ok();
}

Status SegmentMap::record(const Segment& segment, SegmentState state, Slot slots,
                          Sequence sequence) {
  const SegmentIdentity& who = segment.identity();
  SegmentValue value;
  value.generation = who.generation;
  value.stream = static_cast<uint8_t>(who.stream);
  value.state = state;
  value.epoch = who.epoch;
  value.footer_offset = state == SegmentState::kSealed ? segment.footer_offset() : 0;
  value.slot_count = slots;
  value.first_hole = value.slot_count;
  value.last_sequence = sequence;
  value.length = segment.end();
  Tree tree(context_, root());
  const bool needs_none = state == SegmentState::kSealed || who.stream == Stream::kMap;
  if (needs_none) {
    if (recorded_.contains(who.number)) {
      const KeyRange range = segment_range(MapSpace::kSlots, who.number);
      RAMET_TRY(tree.erase_range(range.from, range.to, sequence));
    }
  } else {
    RAMET_TRY(put_slots(tree, segment, value.slot_count, sequence));
  }
  RAMET_TRY(tree.put(segment_key(who.number), encode_segment_value(value), {}, sequence));
  // Only now: what failed is not in the tree, and is to be written the next time.
  if (needs_none) {
    recorded_.erase(who.number);
  } else {
    recorded_[who.number] = value.slot_count;
  }
  std::lock_guard lock(mu_);
  root_ = tree.share();
  return ok();
}

Result<Root> SegmentMap::persist(const Tree& fork, Sequence sequence) {
  return ramet::engine::persist(context_, fork.share(), sequence);
}

void SegmentMap::adopt(const Tree& fork, const Root& persisted) {
  durable_ = persisted;
  std::lock_guard lock(mu_);
  root_ = replace_persisted(context_, fork.share());
}

}  // namespace ramet::engine
