#include "engine/space/ref_counts.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/planted.h"
#include "engine/tree/cursor.h"
#include "engine/tree/query.h"
#include "format/keys.h"
#include "format/values.h"

namespace ramet::engine {
namespace {

// CountEntry::reserved: a dead node whose references were not counted down yet.
constexpr uint16_t kPending = 1;

constexpr uint32_t page_of(Slot slot) { return slot / kCountsPerPage; }

Error contradiction(const SlotId& id, const char* what) {
  return Error(ErrorCode::kCorruption,
               fmt::format("segment {} slot {}: {}", id.segment, id.slot, what));
}

}  // namespace

Result<Slot> RefCounts::floor(SegmentNo segment) {
  const auto changed = new_floors_.find(segment);
  if (changed != new_floors_.end()) return changed->second.first;
  const auto known = floors_.find(segment);
  if (known != floors_.end()) return known->second;
  Slot floor = 0;
  Value value;
  RAMET_ASSIGN(const bool found, get(maps_, base_, segment_key(segment), &value));
  if (found) {
    RAMET_ASSIGN(const SegmentValue decoded, decode_segment_value(value.bytes()));
    floor = decoded.slot_count;
    const KeyRange range = segment_range(MapSpace::kUncounted, segment);
    Cursor cursor(maps_, base_);
    RAMET_TRY(cursor.seek(range.from));
    if (cursor.valid() && range.contains(cursor.key())) {
      RAMET_ASSIGN(const UncountedKey key, decode_uncounted_key(cursor.key()));
      floor = key.first;
    }
  }
  floors_[segment] = floor;
  return floor;
}

Result<RefCounts::Page> RefCounts::load_page(SegmentNo segment, uint32_t number) {
  RAMET_ASSIGN(const Slot floor, this->floor(segment));
  Page page;
  page.counts.assign(kCountsPerPage, 0);
  page.pending.assign(kCountsPerPage, 0);
  const Slot first = number * kCountsPerPage;
  for (uint32_t i = 0; i < kCountsPerPage && first + i < floor; ++i) page.counts[i] = 1;
  Value value;
  RAMET_ASSIGN(const bool found, get(maps_, base_, count_key(segment, number), &value));
  if (!found) return page;
  RAMET_ASSIGN(const auto entries, decode_count_page(value.bytes()));
  for (const CountEntry& entry : entries) {
    page.counts[entry.slot] = entry.count;
    page.pending[entry.slot] = (entry.reserved & kPending) != 0;
  }
  return page;
}

Result<RefCounts::Page*> RefCounts::page(const SlotId& id) {
  const std::pair key{id.segment, page_of(id.slot)};
  if (last_page_ != nullptr && last_key_ == key) return last_page_;
  auto it = pages_.find(key);
  if (it == pages_.end()) {
    RAMET_ASSIGN(Page loaded, load_page(id.segment, key.second));
    it = pages_.emplace(key, std::move(loaded)).first;
  }
  last_key_ = key;
  last_page_ = &it->second;
  return last_page_;
}

Result<uint32_t> RefCounts::count(const SlotId& id) {
  RAMET_ASSIGN(const Page* at, page(id));
  return at->counts[id.slot % kCountsPerPage];
}

Result<bool> RefCounts::is_pending(const SlotId& id) {
  RAMET_ASSIGN(const Page* at, page(id));
  return at->pending[id.slot % kCountsPerPage] != 0;
}

Result<bool> RefCounts::is_node(const BlockRef& ref) {
  RAMET_ASSIGN(const auto segment, blocks_.segment(ref.segment));
  return segment->identity().stream == Stream::kNode;
}

Status RefCounts::visit(const BlockRef& ref,
                        const std::function<Status(const BlockRef&)>& visit) {
  CleanNodePtr node = trees_.cache->find(ref);
  if (node == nullptr) {
    RAMET_ASSIGN(NodeBuffer buffer, trees_.store->load(ref));
    RAMET_ASSIGN(node, CleanNode::open(std::move(buffer), ref));  // not kept: read once
  }
  for (const BlockRef& child : node->view().refs()) {
    if (!child.is_null()) RAMET_TRY(visit(child));
  }
  return ok();
}

Status RefCounts::up(const BlockRef& ref) {
  std::vector<BlockRef> stack{ref};
  while (!stack.empty()) {
    const BlockRef at = stack.back();
    stack.pop_back();
    const SlotId id{at.segment, at.slot};
    RAMET_ASSIGN(Page* const page, this->page(id));
    uint32_t& count = page->counts[id.slot % kCountsPerPage];
    page->changed = true;
    if (count++ > 0) continue;
    RAMET_ASSIGN(const Slot floor, this->floor(id.segment));
    const bool was_dead = id.slot < floor;
    uint8_t& pending = page->pending[id.slot % kCountsPerPage];
    if (pending != 0) {  // what it refers to still counts [COUNT-3]
      pending = 0;
      continue;
    }
    RAMET_ASSIGN(const bool node, is_node(at));
    if (was_dead) revived_.push_back(id);
    if (node) {
      ++nodes_counted_;
      RAMET_TRY(visit(at, [&](const BlockRef& child) {
        stack.push_back(child);
        return ok();
      }));
    }
  }
  return ok();
}

Status RefCounts::down(const BlockRef& ref) {
  const SlotId id{ref.segment, ref.slot};
  RAMET_ASSIGN(Page* const page, this->page(id));
  const uint32_t i = id.slot % kCountsPerPage;
  if (page->counts[i] == 0) return contradiction(id, "more references go than ever came");
  page->changed = true;
  if (--page->counts[i] > 0) return ok();
  RAMET_ASSIGN(const bool node, is_node(ref));
  if (node) {
    page->pending[i] = 1;
    pending_.push_back(id);
    return ok();
  }
  return dead(id);
}

// Behind the floor it is settle() that finds it, when nothing can lead to it any more.
Status RefCounts::dead(const SlotId& id) {
  RAMET_ASSIGN(const Slot floor, this->floor(id.segment));
  if (id.slot < floor) died_.push_back(id);
  return ok();
}

Result<std::vector<BlockRef>> RefCounts::refs_of(const SlotId& node) {
  RAMET_ASSIGN(const uint64_t checksum, blocks_.stored_checksum(node.segment, node.slot));
  std::vector<BlockRef> refs;
  RAMET_TRY(visit(BlockRef{node.segment, node.slot, checksum}, [&](const BlockRef& child) {
    refs.push_back(child);
    return ok();
  }));
  return refs;
}

Status RefCounts::release_node(const SlotId& id) {
  {
    RAMET_ASSIGN(const Page* const page, this->page(id));
    if (page->pending[id.slot % kCountsPerPage] == 0) return ok();  // it came back
  }
  // Read as a whole before anything is counted down.
  const auto refs = refs_of(id);
  if (!refs.ok() && refs.error().code() == ErrorCode::kCorruption) {
    damaged_.push_back(id);
    return ok();
  }
  if (!refs.ok() && !planted(Bug::kSwallowedReadError)) return refs.error();
  for (const BlockRef& child : refs.ok() ? *refs : std::vector<BlockRef>{}) {
    RAMET_TRY(down(child));
  }
  RAMET_ASSIGN(Page* const page, this->page(id));
  page->pending[id.slot % kCountsPerPage] = 0;
  page->changed = true;
  ++nodes_released_;
  return dead(id);
}

Status RefCounts::release(std::vector<SlotId>& older, uint64_t nodes_max) {
  for (uint64_t n = 0; n < nodes_max; ++n) {
    std::vector<SlotId>& from = pending_.empty() ? older : pending_;
    if (from.empty()) break;
    const SlotId id = from.back();
    from.pop_back();
    RAMET_TRY(release_node(id));
  }
  return ok();
}

Status RefCounts::settle(const Segment& segment, Slot floor, Slot recorded) {
  const SegmentNo number = segment.number();
  RAMET_ASSIGN(const Slot from, this->floor(number));
  floor = std::max(from, std::min(floor, recorded));
  const auto table = segment.slots(from, floor);
  for (Slot slot = from; slot < floor; ++slot) {
    const SlotId id{number, slot};
    RAMET_ASSIGN(Page* const page, this->page(id));
    page->changed = true;
    uint32_t& count = page->counts[slot % kCountsPerPage];
    if (count > 0 || page->pending[slot % kCountsPerPage] != 0) continue;
    if (table[slot - from].is_gone()) {
      count = 1;  // never written: nothing to be said about it
    } else {
      died_.push_back(id);
    }
  }
  new_floors_[number] = {floor, recorded};
  return ok();
}

Status RefCounts::forget(SegmentNo segment, std::span<const Slot> slots) {
  for (const Slot slot : slots) {
    const SlotId id{segment, slot};
    RAMET_ASSIGN(Page* const page, this->page(id));
    const uint32_t i = slot % kCountsPerPage;
    if (page->counts[i] != 0 || page->pending[i] != 0) {
      return contradiction(id, "a slot was freed that something refers to");
    }
    page->counts[i] = 1;
    page->changed = true;
  }
  return ok();
}

Status RefCounts::write(Tree& map, Sequence sequence) {
  for (const auto& [key, page] : pages_) {
    if (!page.changed) continue;
    RAMET_ASSIGN(const Slot floor, this->floor(key.first));
    std::vector<CountEntry> entries;
    for (uint32_t i = 0; i < kCountsPerPage; ++i) {
      const uint32_t usual = key.second * kCountsPerPage + i < floor ? 1 : 0;
      if (page.counts[i] == usual && page.pending[i] == 0) continue;
      CountEntry entry;
      entry.slot = static_cast<uint16_t>(i);
      entry.reserved = page.pending[i] != 0 ? kPending : 0;
      entry.count = page.counts[i];
      entries.push_back(entry);
    }
    const Bytes at = count_key(key.first, key.second);
    if (entries.empty()) {
      RAMET_TRY(map.erase(at, sequence));
    } else {
      RAMET_TRY(map.put(at, encode_count_page(entries), {}, sequence));
    }
  }
  for (const auto& [segment, floor] : new_floors_) {
    const KeyRange range = segment_range(MapSpace::kUncounted, segment);
    RAMET_TRY(map.erase_range(range.from, range.to, sequence));
    if (floor.first >= floor.second) continue;
    UncountedValue value;
    value.end = floor.second;
    RAMET_TRY(map.put(uncounted_key(segment, floor.first), encode_uncounted_value(value), {},
                      sequence));
  }
  return ok();
}

Status RefCounts::erase(Tree& map, SegmentNo segment, Sequence sequence) {
  for (const MapSpace space : {MapSpace::kSegment, MapSpace::kSlots, MapSpace::kCount,
                               MapSpace::kUncounted, MapSpace::kHoles}) {
    const KeyRange range = segment_range(space, segment);
    RAMET_TRY(map.erase_range(range.from, range.to, sequence));
  }
  return ok();
}

Result<DeadSlots> find_dead(TreeContext& maps, const Root& map) {
  DeadSlots out;
  const KeyRange range = space_range(MapSpace::kCount);
  Cursor cursor(maps, map);
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const PageKey key, decode_count_key(cursor.key()));
    RAMET_ASSIGN(const auto entries, decode_count_page(cursor.value()));
    for (const CountEntry& entry : entries) {
      if (entry.count != 0) continue;
      const SlotId id{key.segment, key.page * kCountsPerPage + entry.slot};
      ((entry.reserved & kPending) != 0 ? out.pending : out.dead).push_back(id);
    }
    RAMET_TRY(cursor.next());
  }
  return out;
}

}  // namespace ramet::engine
