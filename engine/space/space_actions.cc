// What can be done about the dead slots of closed segments, and doing it.
#include <algorithm>
#include <tuple>

#include "engine/space/compact.h"
#include "engine/space/space.h"

namespace ramet::engine {
namespace {

// A segment is compacted when at least this part of it is dead: 1/10.
constexpr uint64_t kDeadPart = 10;
// An open segment is closed when a quarter of it is dead, and at least this much.
constexpr uint64_t kRollDeadBytes = 4u << 20;

// What goes into one hole: this much, or a sixteenth of a segment if those are small.
constexpr uint64_t kHoleBytes = 256u << 10;

uint64_t span_of(const SlotEntry& slot) {
  return slot.is_gone() ? 0 : slot.end() - slot.offset();
}

}  // namespace

uint64_t Space::hole_bytes_min(Stream stream) const {
  constexpr uint64_t kFileBlock = 4096;
  return std::max(kFileBlock, std::min(kHoleBytes, blocks_.segment_bytes_max(stream) / 16));
}

// Ranges that punching the segment would leave empty: those that it has, and between two live
// frames what is wide enough, the widest first. `live`: by offset.
std::vector<Hole> Space::choose_holes(const Segment& segment, const FrameRanges& live) const {
  const uint64_t wide = hole_bytes_min(segment.identity().stream);
  const auto& old = segment.holes();
  struct Gap {
    Hole hole;
    bool had_one = false;
  };
  std::vector<Gap> gaps;
  auto next_old = old.begin();
  uint64_t from = kSegmentHeaderBytes;
  const auto add = [&](uint64_t to) {
    Gap gap{{from, to - from}, next_old != old.end() && next_old->offset < to};
    while (next_old != old.end() && next_old->offset < to) ++next_old;
    if (gap.had_one || punch_range(gap.hole).length >= wide) gaps.push_back(gap);
  };
  for (const auto& [offset, end] : live) {
    if (offset > from) add(offset);
    from = end;
  }
  if (segment.end() > from) add(segment.end());
  std::stable_sort(gaps.begin(), gaps.end(), [](const Gap& a, const Gap& b) {
    if (a.had_one != b.had_one) return a.had_one;
    return a.hole.length > b.hole.length;
  });
  if (gaps.size() > kHolesMax) gaps.resize(kHolesMax);
  std::vector<Hole> holes;
  for (const Gap& gap : gaps) {
    if (gap.hole.length > kSkipBytesMax) return old;  // no frame skips so much
    holes.push_back(gap.hole);
  }
  std::sort(holes.begin(), holes.end(),
            [](const Hole& a, const Hole& b) { return a.offset < b.offset; });
  return holes;
}

Result<std::optional<SpaceAction>> Space::judge(SegmentNo number, const SegmentValue& value) {
  const std::optional<SpaceAction> nothing;
  const auto found = blocks_.segment(number);
  if (!found.ok() || (*found)->table_rebuilt()) return nothing;  // [SPACE-2]
  const Segment& segment = **found;
  const auto table = segment.slots(0, segment.slot_count());
  const std::vector<Slot> free = pins_.free(number);
  FrameRanges live;
  uint64_t rest = kSegmentHeaderBytes;
  auto next = free.begin();
  for (Slot slot = 0; slot < table.size(); ++slot) {
    const bool is_free = next != free.end() && *next == slot;
    if (is_free) ++next;
    if (table[slot].is_gone() || is_free) continue;
    live.emplace_back(table[slot].offset(), table[slot].end());
    rest += span_of(table[slot]);
  }
  std::sort(live.begin(), live.end());
  SpaceAction action;
  action.segment = number;
  action.stream = static_cast<Stream>(value.stream);
  const uint64_t had = punched_bytes(segment.holes());
  action.bytes_before = segment.end() - std::min(segment.end(), had);
  if (live.empty()) {
    action.kind = SpaceAction::Kind::kDelete;
    return std::optional(action);
  }
  uint64_t left = action.bytes_before;  // if what is wide enough is punched
  if (can_punch_) {
    action.holes = choose_holes(segment, live);
    left = segment.end() - std::min(segment.end(), punched_bytes(action.holes));
  }
  // What the rest wastes still is copied around at once. (A commit segment holds commits too,
  // which need not be copied.)
  if (left - std::min(left, rest) >= left / kDeadPart + kSegmentHeaderBytes) {
    action.kind = SpaceAction::Kind::kCompact;
    action.bytes_after = rest;
    action.holes.clear();
    return std::optional(action);
  }
  if (action.bytes_before - std::min(left, action.bytes_before) < hole_bytes_min(action.stream)) {
    return nothing;
  }
  action.kind = SpaceAction::Kind::kPunch;
  action.bytes_after = left;
  return std::optional(action);
}

Result<std::vector<SpaceAction>> Space::plan(SegmentNo log_floor) {
  std::vector<SpaceAction> out;
  if (!loaded_ || blocks_.keeps_files()) return out;
  std::set<SegmentNo> own;
  for (const auto& segment : blocks_.own_segments()) own.insert(segment->number());
  std::vector<std::pair<SegmentNo, SegmentValue>> candidates;
  const auto dead = pins_.dead();
  stored_bytes_ = 0;
  RAMET_TRY(map_.each([&](SegmentNo number, const SegmentValue& value) {
    stored_bytes_ += value.length;
    const auto stream = static_cast<Stream>(value.stream);
    const bool closed = value.state == SegmentState::kSealed ||
                        value.state == SegmentState::kCrashClosed;
    if (!closed || stream == Stream::kMap || own.contains(number) || busy_.contains(number) ||
        unsettled_.contains(number) || (stream == Stream::kCommit && number >= log_floor)) {
      return true;
    }
    const auto found = dead.find(number);
    const bool empty = value.slot_count == 0;  // recovery accepted nothing of it
    if (empty || (found != dead.end() && found->second.free > 0)) {
      candidates.emplace_back(number, value);
    }
    return true;
  }));
  if (!punch_tried_ && !candidates.empty()) {
    const auto segment = blocks_.segment(candidates.front().first);
    if (segment.ok()) {
      RAMET_ASSIGN(can_punch_, blocks_.can_punch(**segment));
      punch_tried_ = true;
    }
  }
  for (const auto& [number, value] : candidates) {
    RAMET_ASSIGN(const auto action, judge(number, value));
    if (action) out.push_back(*action);
  }
  std::stable_sort(out.begin(), out.end(), [](const SpaceAction& a, const SpaceAction& b) {
    const bool a_copies = a.bytes_copied() > 0;
    const bool b_copies = b.bytes_copied() > 0;
    if (a_copies != b_copies) return b_copies;
    return a.bytes_after * b.bytes_before < b.bytes_after * a.bytes_before;
  });
  return out;
}

Status Space::act(const SpaceAction& action, Sequence sequence) {
  RAMET_ASSIGN(const auto source, blocks_.segment(action.segment));
  if (source->table_rebuilt()) {  // [SPACE-2]
    return Error(ErrorCode::kFailedPrecondition, "its slot table cannot be read any more");
  }
  Change change;
  change.segment = action.segment;
  change.old_generation = source->identity().generation;
  change.dropped = pins_.condemn(action.segment);
  const auto table = source->slots(0, source->slot_count());
  uint64_t live = 0;
  for (const SlotEntry& slot : table) live += slot.is_gone() ? 0 : 1;
  std::erase_if(change.dropped, [&](Slot slot) {
    return slot >= table.size() || table[slot].is_gone();
  });
  if (action.kind == SpaceAction::Kind::kPunch) {
    auto next = blocks_.with_holes(*source, action.holes);
    if (!next.ok()) {
      pins_.spare(action.segment);
      return std::move(next).error();
    }
    const auto after = (*next)->slots(0, (*next)->slot_count());
    std::vector<Slot> dropped;
    for (Slot slot = 0; slot < table.size(); ++slot) {
      if (!table[slot].is_gone() && after[slot].is_gone()) dropped.push_back(slot);
    }
    if (!std::includes(change.dropped.begin(), change.dropped.end(), dropped.begin(),
                       dropped.end())) {
      pins_.spare(action.segment);
      return Error(ErrorCode::kFailedPrecondition, "the segment is wanted again");
    }
    change.dropped = std::move(dropped);
    change.next = std::move(next).value();
    change.punch = true;
    change.freed = action.bytes_before - action.bytes_after;
  } else if (action.kind == SpaceAction::Kind::kDelete) {
    if (change.dropped.size() != live) {
      pins_.spare(action.segment);
      return Error(ErrorCode::kFailedPrecondition, "the segment is wanted again");
    }
    change.freed = action.bytes_before;
  } else {
    auto next = compact(blocks_, *source, change.old_generation + 1, change.dropped,
                        action.bytes_after, sequence);
    if (!next.ok()) {
      pins_.spare(action.segment);
      return std::move(next).error();
    }
    change.next = std::move(next).value();
    const uint64_t after = change.next->end();
    stats_.bytes_copied += after;
    change.freed = action.bytes_before - std::min(action.bytes_before, after);
  }
  busy_.insert(action.segment);
  changes_.push_back(std::move(change));
  return ok();
}

Status Space::roll_where_it_pays(Sequence sequence) {
  if (!loaded_) return ok();
  const auto dead = pins_.dead();
  for (const Stream stream : {Stream::kNode, Stream::kData}) {
    const SegmentNo number = blocks_.stream_end(stream).first;
    const auto found = dead.find(number);
    if (found == dead.end() || found->second.free == 0) continue;
    RAMET_ASSIGN(const auto segment, blocks_.segment(number));
    const auto table = segment->slots(0, segment->slot_count());
    uint64_t free_bytes = 0;
    for (const Slot slot : pins_.free(number)) {
      if (slot < table.size()) free_bytes += span_of(table[slot]);
    }
    if (free_bytes < std::min(kRollDeadBytes, blocks_.segment_bytes_max(stream) / 4)) continue;
    if (free_bytes < segment->end() / 4) continue;
    RAMET_ASSIGN(const bool rolled, blocks_.roll(stream, sequence, !pins_.has_writers()));
    rolled_ = rolled_ || rolled;
  }
  return ok();
}

}  // namespace ramet::engine
