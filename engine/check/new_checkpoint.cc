#include "engine/check/new_checkpoint.h"

#include <algorithm>

#include "engine/check/tree_check.h"
#include "engine/container/checkpoint_frames.h"
#include "engine/space/compact.h"
#include "engine/tree/persist.h"
#include "engine/tree/tree.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

class Writer {
 public:
  Writer(const NewCheckpoint& where, CheckpointRecord& record)
      : where_(where), record_(record), maps_(where.map.context()), map_(maps_) {}

  Status run(const Root& catalog, Superblock& superblock) {
    RAMET_ASSIGN(const Root written, persist(where_.trees, catalog, record_.sequence));
    record_.catalog = written_root(written);
    RAMET_TRY(where_.blocks.sync(Stream::kNode));
    RAMET_TRY(where_.blocks.sync(Stream::kData));
    RAMET_TRY(where_.blocks.seal_open(BlockRef{}, record_.sequence));
    RAMET_TRY(count(written));
    for (const SegmentNo number : where_.copied) RAMET_TRY(copy(number));
    RAMET_TRY(write_map());
    RAMET_TRY(write_checkpoint_frames(where_.blocks, record_, superblock));
    return where_.blocks.sync_names();
  }

 private:
  // Every segment whose slots the map will know.
  std::set<SegmentNo> numbers() const {
    std::set<SegmentNo> out = where_.segments;
    for (const auto& segment : where_.blocks.own_segments()) out.insert(segment->number());
    return out;
  }

  Status count(const Root& catalog) {
    for (const SegmentNo number : numbers()) {
      const auto segment = where_.blocks.segment(number);
      if (!segment.ok()) {
        if (segment.error().code() == ErrorCode::kIoError) return segment.error();
        continue;
      }
      if ((*segment)->identity().stream == Stream::kMap) continue;
      counts_.add_segment(number, (*segment)->identity().stream == Stream::kNode,
                          (*segment)->slots(0, (*segment)->slot_count()));
    }
    TreeCheck check(where_.trees, &counts_, nullptr);
    if (!catalog.ref.is_null()) counts_.add(catalog.ref);
    RAMET_TRY(walk(check, catalog));
    return check.each_entry(
        catalog, [&](ByteView key, ByteView value, std::span<const BlockRef> refs) -> Status {
          const auto space = catalog_space_of(key);
          const bool rooted = space && (*space == CatalogSpace::kContainer ||
                                        *space == CatalogSpace::kSnapshot ||
                                        *space == CatalogSpace::kDrop ||
                                        *space == CatalogSpace::kNamedRoot);
          if (!rooted || refs.empty() || refs[0].is_null()) return ok();
          RAMET_ASSIGN(const auto decoded, decode_root_value(value));
          Root root;
          root.ref = refs[0];
          root.level = decoded.root.level;
          root.summary = decoded.root.summary;
          root.birth = decoded.root.birth;
          return walk(check, root);
        });
  }
  static Status walk(TreeCheck& check, const Root& root) {
    const auto found = check.check(root);
    return found.ok() ? ok() : Status(found.error());
  }

  // The next generation, without what nothing refers to and what cannot be read. Where something
  // that is needed cannot be read, it stays as it is.
  Status copy(SegmentNo number) {
    const auto source = where_.blocks.segment(number);
    if (!source.ok() || (*source)->identity().stream == Stream::kMap) return ok();
    const auto table = (*source)->slots(0, (*source)->slot_count());
    std::vector<Slot> dropped;
    uint64_t bytes = kSegmentHeaderBytes;
    for (Slot slot = 0; slot < table.size(); ++slot) {
      if (table[slot].is_gone()) continue;
      if (counts_.count(number, slot) == 0 || where_.is_bad({number, slot, 0})) {
        dropped.push_back(slot);
      } else {
        bytes += frame_span(kFrameHeaderBytes, table[slot].stored_len());
      }
    }
    // What an action that was cut short left under the next one's name stays.
    uint32_t generation = (*source)->identity().generation;
    for (bool taken = true; taken;) {
      RAMET_ASSIGN(taken, where_.blocks.env().exists(
                              where_.blocks.path_of(number, ++generation)));
    }
    auto next = compact(where_.blocks, **source, generation, dropped, bytes, record_.sequence);
    if (!next.ok()) {
      const bool may_stay = next.error().code() == ErrorCode::kCorruption &&
                            !where_.displaced.contains(number);
      return may_stay ? ok() : Status(next.error());
    }
    // Kept: what is only cached could be looked up anew, as it was.
    where_.blocks.register_segment(std::move(next).value());
    return ok();
  }

  Status put(const Bytes& key, const Bytes& value) {
    record_.map_bytes += key.size() + value.size();
    return map_.put(key, value, {}, record_.sequence);
  }

  Status write_map() {
    RAMET_TRY(where_.blocks.ensure_open(Stream::kMap));  // so that the map knows its own segment
    record_.next_segment = where_.blocks.next_segment();
    for (const SegmentNo number : numbers()) {
      const auto segment = where_.blocks.segment(number);
      if (!segment.ok()) continue;  // (count() has seen it)
      RAMET_TRY(put_segment(**segment));
    }
    RAMET_ASSIGN(const Root root, where_.map.persist(map_, record_.sequence));
    record_.map = written_root(root);
    return ok();
  }

  Status put_segment(const Segment& segment) {
    const SegmentIdentity& who = segment.identity();
    const bool of_map = who.stream == Stream::kMap;
    if (of_map && who.epoch != where_.blocks.epoch()) return ok();
    const Slot slots = of_map ? 0 : segment.slot_count();
    if (!of_map && slots == 0) return ok();  // a piece of log, or nothing
    SegmentValue value;
    value.generation = who.generation;
    value.stream = static_cast<uint8_t>(who.stream);
    value.state = segment.sealed() ? SegmentState::kSealed : SegmentState::kCrashClosed;
    value.epoch = who.epoch;
    value.length = segment.end();
    value.slot_count = slots;
    value.first_hole = slots;
    value.footer_offset = segment.footer_offset();
    value.last_sequence = record_.sequence;
    if (segment.sealed() && !segment.holes().empty()) {
      value.flags = kSegmentHasHoles;
      const auto old = where_.map.find(who.number);
      if (!old.ok() || !*old || ((*old)->flags & kSegmentPunchDue) != 0) {
        value.flags |= kSegmentPunchDue;
      }
      RAMET_TRY(put(holes_key(who.number), encode_holes(segment.holes())));
    }
    RAMET_TRY(put(segment_key(who.number), encode_segment_value(value)));
    if (of_map) return ok();
    const auto table = segment.slots(0, slots);
    for (uint32_t page = 0; !segment.sealed() && page * kSlotsPerPage < slots; ++page) {
      const Slot first = page * kSlotsPerPage;
      const auto some = std::span(table).subspan(first, std::min<size_t>(kSlotsPerPage,
                                                                         slots - first));
      RAMET_TRY(put(slots_key(who.number, page), encode_slots_page(some)));
    }
    return put_counts(who.number, table);
  }

  Status put_counts(SegmentNo number, const std::vector<SlotEntry>& table) {
    for (uint32_t page = 0; page * kCountsPerPage < table.size(); ++page) {
      std::vector<CountEntry> entries;
      const Slot first = page * kCountsPerPage;
      const Slot last = static_cast<Slot>(
          std::min<size_t>(table.size(), size_t{first} + kCountsPerPage));
      for (Slot slot = first; slot < last; ++slot) {
        const uint32_t count = counts_.count(number, slot);
        if (table[slot].is_gone() || count == 1) continue;
        entries.push_back({static_cast<uint16_t>(slot - first), 0, count});
      }
      if (!entries.empty()) RAMET_TRY(put(count_key(number, page), encode_count_page(entries)));
    }
    return ok();
  }

  const NewCheckpoint& where_;
  CheckpointRecord& record_;
  TreeContext& maps_;
  Tree map_;
  SlotCounts counts_;
};

}  // namespace

Status write_new_checkpoint(const NewCheckpoint& where, const Root& catalog,
                            CheckpointRecord& record, Superblock& superblock) {
  return Writer(where, record).run(catalog, superblock);
}

}  // namespace ramet::engine
