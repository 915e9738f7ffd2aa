#include "engine/space/space.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/planted.h"
#include "engine/tree/bulk_builder.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"
#include "format/values.h"

namespace ramet::engine {
StreamMarks Space::stream_ends() {
  StreamMarks ends;
  const auto node = blocks_.stream_end(Stream::kNode);
  const auto data = blocks_.stream_end(Stream::kData);
  ends.node = {node.first, node.second};
  ends.data = {data.first, data.second};
  return ends;
}

// How far a segment's slots have got every reference that they get by themselves.
Status Space::settle(RefCounts& counts, const Recorded& recorded, const StreamMarks& marks,
                     const LogPosition& end, std::set<SegmentNo>& unsettled) {
  const Segment& segment = *recorded.segment;
  const SegmentNo number = segment.number();
  Slot floor = 0;
  const auto before = [&](const StreamMark& mark) {
    if (number < mark.segment) return segment.slot_count();
    return number == mark.segment ? mark.slot : Slot{0};
  };
  switch (segment.identity().stream) {
    case Stream::kNode: floor = before(marks.node); break;
    case Stream::kData: floor = before(marks.data); break;
    case Stream::kCommit: {
      if (number < end.segment) floor = segment.slot_count();
      if (number != end.segment) break;
      const auto table = segment.slots(0, recorded.slots);
      while (floor < table.size() &&
             (table[floor].is_gone() || table[floor].offset() < end.offset)) {
        ++floor;
      }
      break;
    }
    case Stream::kMap: return ok();
  }
  RAMET_TRY(counts.settle(segment, floor, recorded.slots));
  RAMET_ASSIGN(floor, counts.floor(number));
  if (floor < segment.slot_count()) unsettled.insert(number);
  return ok();
}

Status Space::apply(const Change& change, Tree& map, RefCounts& counts, Sequence sequence) {
  Value value;
  const Bytes key = segment_key(change.segment);
  RAMET_ASSIGN(const bool found, map.get(key, &value));
  if (!found) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("the map does not know segment {}", change.segment));
  }
  RAMET_ASSIGN(SegmentValue segment, decode_segment_value(value.bytes()));
  RAMET_TRY(counts.forget(change.segment, change.dropped));
  if (change.next == nullptr) {
    segment.state = SegmentState::kCondemned;
  } else if (change.punch) {
    segment.flags |= kSegmentHasHoles | kSegmentPunchDue;
    RAMET_TRY(map.put(holes_key(change.segment), encode_holes(change.next->holes()), {}, sequence));
  } else {
    for (const MapSpace space : {MapSpace::kSlots, MapSpace::kHoles}) {
      const KeyRange range = segment_range(space, change.segment);
      RAMET_TRY(map.erase_range(range.from, range.to, sequence));
    }
    segment.flags = 0;
    segment.state = SegmentState::kSealed;
    segment.generation = change.next->identity().generation;
    segment.footer_offset = change.next->footer_offset();
    segment.length = change.next->end();
  }
  if (change.next != nullptr && !change.dropped.empty()) {
    segment.first_hole = std::min(segment.first_hole, change.dropped.front());
  }
  return map.put(key, encode_segment_value(segment), {}, sequence);
}

// Its holes were given back.
Status Space::mark_punched(Tree& map, SegmentNo number, Sequence sequence) {
  Value value;
  RAMET_ASSIGN(const bool found, map.get(segment_key(number), &value));
  if (!found) return ok();
  RAMET_ASSIGN(SegmentValue segment, decode_segment_value(value.bytes()));
  segment.flags &= static_cast<uint16_t>(~kSegmentPunchDue);
  return map.put(segment_key(number), encode_segment_value(segment), {}, sequence);
}

Result<Root> Space::count(const BlockRef& catalog, const LogPosition& end, Sequence sequence,
                          const std::vector<Recorded>& segments, uint64_t release_max,
                          uint64_t tidy_max) {
  // A file whose name came back after its entry was gone would never be found again.
  if (!gone_.empty()) RAMET_TRY(blocks_.sync_names());
  try_.emplace();
  Try& now = *try_;
  now.catalog = catalog;
  now.ends = stream_ends();
  now.counts = std::make_unique<RefCounts>(map_.context(), map_.durable(), trees_, blocks_);
  now.map.emplace(map_.fork());
  RefCounts& counts = *now.counts;
  const auto down = [&] { return catalog_.is_null() ? ok() : counts.down(catalog_); };
  if (planted(Bug::kDecrementFirst)) {
    RAMET_TRY(down());
    now.older = pending_;
    RAMET_TRY(counts.release(now.older, release_max));
  }
  if (!catalog.is_null()) RAMET_TRY(counts.up(catalog));
  if (!planted(Bug::kDecrementFirst)) RAMET_TRY(down());  // [COUNT-2]
  const StreamMarks marks = pins_.settled(sequence, now.ends);
  std::set<SegmentNo> open;
  for (const Recorded& recorded : segments) {
    open.insert(recorded.segment->number());
    RAMET_TRY(settle(counts, recorded, marks, end, now.unsettled));
  }
  for (const SegmentNo number : unsettled_) {
    if (open.contains(number)) continue;
    const auto segment = blocks_.segment(number);
    if (!segment.ok() || (*segment)->table_rebuilt()) {  // [SPACE-2]
      now.unsettled.insert(number);
      continue;
    }
    RAMET_TRY(settle(counts, {*segment, (*segment)->slot_count()}, marks, end, now.unsettled));
  }
  now.older = pending_;
  RAMET_TRY(counts.release(now.older, release_max));
  for (const Change& change : changes_) RAMET_TRY(apply(change, *now.map, counts, sequence));
  RAMET_TRY(counts.write(*now.map, sequence));
  for (const SegmentNo number : gone_) RAMET_TRY(RefCounts::erase(*now.map, number, sequence));
  for (const SegmentNo number : punched_) RAMET_TRY(mark_punched(*now.map, number, sequence));
  if (tidy_max > 0 && !blocks_.keeps_files()) RAMET_TRY(tidy(sequence, tidy_max));
  RAMET_ASSIGN(now.written, map_.persist(*now.map, sequence));
  return now.written;
}

// The map's nodes are not counted. When its segments get many, or hold much more than the map, all
// of it is written anew, and what stands in older ones is not needed any more.
Status Space::tidy(Sequence sequence, uint64_t bytes_max) {
  constexpr uint64_t kWasteMin = 16u << 20;  // and as much as the map has
  constexpr size_t kSegmentsMax = 8;  // (each life begins one) while the map is small:
  constexpr uint64_t kSmallMap = 4u << 20;
  constexpr size_t kSegmentsMaxOfAny = 256;
  if (map_holds_ > 0) return ok();  // the next checkpoint tries again
  Try& now = *try_;
  const SegmentNo current = blocks_.stream_end(Stream::kMap).first;
  uint64_t bytes = 0;
  KeyRange range = space_range(MapSpace::kSegment);
  Cursor cursor(map_.context(), now.map->share());
  RAMET_TRY(cursor.seek(range.from));
  std::vector<SegmentValue> values;
  for (; cursor.valid() && range.contains(cursor.key());) {
    RAMET_ASSIGN(const SegmentNo number, decode_segment_key(cursor.key()));
    RAMET_ASSIGN(const SegmentValue value, decode_segment_value(cursor.value()));
    RAMET_TRY(cursor.next());
    if (static_cast<Stream>(value.stream) != Stream::kMap || number >= current ||
        value.state == SegmentState::kCondemned || busy_.contains(number)) {
      continue;
    }
    Change old;
    old.segment = number;
    old.old_generation = value.generation;
    old.freed = value.length;
    now.old_maps.push_back(std::move(old));
    values.push_back(value);
    bytes += value.length;
  }
  const uint64_t waste = bytes - std::min(bytes, map_bytes_);
  const bool much = waste >= std::max(kWasteMin, map_bytes_);
  const bool many = now.old_maps.size() >= (map_bytes_ < kSmallMap ? kSegmentsMax
                                                                    : kSegmentsMaxOfAny);
  // Nodes are never more than what all segments hold.
  RAMET_ASSIGN(const auto open, blocks_.segment(current));
  if ((!much && !many) || bytes + open->end() > bytes_max) {
    now.old_maps.clear();
    return ok();
  }
  for (size_t i = 0; i < values.size(); ++i) {
    values[i].state = SegmentState::kCondemned;
    RAMET_TRY(now.map->put(segment_key(now.old_maps[i].segment), encode_segment_value(values[i]),
                           {}, sequence));
  }
  BulkBuilder builder(map_.context(), sequence);
  Cursor all(map_.context(), now.map->share());
  RAMET_TRY(all.seek({}));
  now.map_bytes = 0;
  while (all.valid()) {
    *now.map_bytes += all.key().size() + all.value().size();
    RAMET_TRY(builder.add(all.key(), all.value(), {}));
    RAMET_TRY(all.next());
  }
  RAMET_ASSIGN(const Root whole, builder.finish());
  now.map.emplace(map_.context(), whole);
  return ok();
}

void Space::complete(uint64_t number, Sequence sequence) {
  Try& now = *try_;
  map_.adopt(*now.map, now.written);
  catalog_ = now.catalog;
  counted_ends_ = now.ends;
  map_bytes_ = now.map_bytes.value_or(map_bytes_);
  pins_.complete(number, sequence, now.ends, now.counts->died(), now.counts->revived());
  pending_ = std::move(now.older);
  pending_.insert(pending_.end(), now.counts->pending().begin(), now.counts->pending().end());
  damaged_.insert(damaged_.end(), now.counts->damaged().begin(), now.counts->damaged().end());
  unsettled_ = std::move(now.unsettled);
  stats_.nodes_counted += now.counts->nodes_counted();
  stats_.nodes_released += now.counts->nodes_released();
  for (Change& old : now.old_maps) {
    busy_.insert(old.segment);
    changes_.push_back(std::move(old));
  }
  for (const Change& change : changes_) {
    Leftover leftover;
    leftover.since = number;
    leftover.segment = change.segment;
    leftover.generation = change.old_generation;
    leftover.whole = change.next == nullptr;
    if (change.punch) leftover.punch = change.next;
    leftovers_.push_back(std::move(leftover));
    stats_.bytes_freed += change.freed;
    if (change.next == nullptr) {
      ++stats_.deleted;
      continue;  // its slots stay condemned until the file is gone
    }
    ++(change.punch ? stats_.punched : stats_.compacted);
    blocks_.replace(change.next);
    pins_.forget(change.segment, change.dropped);
    if (!change.punch) busy_.erase(change.segment);
  }
  changes_.clear();
  for (const SegmentNo segment : gone_) busy_.erase(segment);
  for (const SegmentNo segment : punched_) busy_.erase(segment);
  gone_.clear();
  punched_.clear();
  rolled_ = false;
  try_.reset();
}

void Space::abandon(std::span<const SegmentNo> segments) {
  for (const SegmentNo number : segments) {
    if (!busy_.insert(number).second) continue;
    changes_.emplace_back().segment = number;
  }
}

// False: it could not be done now.
bool Space::remove_leftover(const Leftover& leftover) {
  if (blocks_.keeps_files()) return false;
  if (leftover.punch != nullptr) {
    if (!blocks_.punch_holes(*leftover.punch).ok()) return false;
    punched_.push_back(leftover.segment);
    return true;
  }
  if (!leftover.whole) {
    ignore_error(blocks_.env().remove(blocks_.path_of(leftover.segment, leftover.generation)),
                 "the next life finds it again");
    return true;
  }
  const Status removed = blocks_.remove(leftover.segment, leftover.generation);
  if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return false;
  pins_.forget_segment(leftover.segment);
  gone_.push_back(leftover.segment);
  return true;
}

void Space::remove_leftovers(uint64_t older) {
  std::erase_if(leftovers_, [&](const Leftover& leftover) {
    return leftover.since <= older && remove_leftover(leftover);  // [SPACE-1]
  });
}

// Files that an earlier life left: other generations of segments that the map knows (an action was
// cut short), and old log (its removal was not durable yet when the power went). Both superblocks
// were written when this life began, by when the map was as it is [SPACE-1]. (At once: an action
// may make a file of that name.)
Status Space::remove_strays(const std::map<SegmentNo, uint32_t>& generations,
                            SegmentNo unused_below) {
  if (blocks_.keeps_files()) return ok();
  std::set<SegmentNo> own;
  for (const auto& segment : blocks_.own_segments()) own.insert(segment->number());
  RAMET_ASSIGN(const auto names, blocks_.env().list(blocks_.directory()));
  for (const std::string& name : names) {
    const auto parsed = parse_segment_file_name(name);
    if (!parsed.ok() || own.contains(parsed->number)) continue;
    const auto known = generations.find(parsed->number);
    // (What is condemned goes by itself; an older generation that came back beside it does not.)
    if (known == generations.end() && busy_.contains(parsed->number)) continue;
    if (known == generations.end() && parsed->number >= unused_below) continue;
    if (known != generations.end() && known->second == parsed->generation) continue;
    const bool waits = std::any_of(leftovers_.begin(), leftovers_.end(), [&](const auto& other) {
      return other.punch == nullptr && other.segment == parsed->number &&
             other.generation == parsed->generation;
    });
    if (waits) continue;
    ignore_error(blocks_.env().remove(blocks_.path_of(parsed->number, parsed->generation)),
                 "the next life finds it again");
  }
  return ok();
}

Status Space::load(SegmentNo unused_below) {
  if (loaded_) return ok();
  RAMET_ASSIGN(DeadSlots dead, find_dead(map_.context(), map_.durable()));
  std::set<SegmentNo> condemned;
  std::map<SegmentNo, uint32_t> generations;
  std::vector<SegmentNo> to_punch;
  RAMET_TRY(map_.each([&](SegmentNo number, const SegmentValue& value) {
    if (value.state == SegmentState::kCondemned) {
      condemned.insert(number);
      if (busy_.insert(number).second) {
        Leftover leftover;
        leftover.segment = number;
        leftover.generation = value.generation;
        leftover.whole = true;
        leftovers_.push_back(std::move(leftover));
      }
    } else if ((value.flags & kSegmentPunchDue) != 0) {
      to_punch.push_back(number);
    }
    generations[number] = value.generation;
    return true;
  }));
  for (const SegmentNo number : to_punch) {
    const auto segment = blocks_.segment(number);
    if (!segment.ok() || (*segment)->table_rebuilt()) continue;  // the next life tries again
    if (!busy_.insert(number).second) continue;
    Leftover leftover;
    leftover.segment = number;
    leftover.punch = *segment;
    leftovers_.push_back(std::move(leftover));
  }
  RAMET_TRY(remove_strays(generations, unused_below));
  KeyRange range = space_range(MapSpace::kUncounted);
  Cursor cursor(map_.context(), map_.durable());
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const UncountedKey key, decode_uncounted_key(cursor.key()));
    unsettled_.insert(key.segment);
    RAMET_TRY(cursor.next());
  }
  std::erase_if(dead.pending, [&](const SlotId& id) {
    return std::find(damaged_.begin(), damaged_.end(), id) != damaged_.end();
  });
  if (!planted(Bug::kCountLostAcrossRecovery)) pending_ = std::move(dead.pending);
  std::erase_if(dead.dead, [&](const SlotId& id) { return condemned.contains(id.segment); });
  pins_.begin(dead.dead);
  loaded_ = true;
  return ok();
}

void Space::retry_damaged() {
  pending_.insert(pending_.end(), damaged_.begin(), damaged_.end());
  damaged_.clear();
}

bool Space::has_uncounted() {
  if (pins_.has_writers()) return false;
  const StreamMarks ends = stream_ends();
  const auto moved = [](const StreamMark& is, const StreamMark& was) {
    return is.slot > 0 && is != was;
  };
  return moved(ends.node, counted_ends_.node) || moved(ends.data, counted_ends_.data);
}

bool Space::has_work() const {
  // (Leftovers wait until a repair is accepted: no checkpoint makes them go.)
  const bool leftovers = !leftovers_.empty() && !blocks_.keeps_files();
  return !pending_.empty() || !changes_.empty() || leftovers || !gone_.empty() ||
         !punched_.empty();
}

SpaceStats Space::stats() const {
  SpaceStats stats = stats_;
  stats.pending = pending_.size();
  stats.damaged = damaged_.size();
  return stats;
}

}  // namespace ramet::engine
