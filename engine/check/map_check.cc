#include "engine/check/map_check.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/space/ref_counts.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

bool is_needed(const SegmentValue& value) {
  return value.state != SegmentState::kCondemned && value.state != SegmentState::kDeleted;
}

}  // namespace

// (The map is written behind what it says of its own segment.)
uint64_t frames_end(BlockStore& blocks, SegmentNo number, const SegmentValue& value) {
  const bool of_map = static_cast<Stream>(value.stream) == Stream::kMap;
  if (value.state == SegmentState::kSealed) return value.footer_offset;
  if (!of_map || value.state == SegmentState::kOpen) return value.length;
  const auto segment = blocks.segment(number);
  return segment.ok() ? (*segment)->end() : value.length;
}

Result<uint64_t> counted_node_bytes(RecoveredStore& store) {
  std::vector<SegmentNo> numbers;
  RAMET_TRY(store.map().each([&](SegmentNo number, const SegmentValue& value) {
    if (is_needed(value) && static_cast<Stream>(value.stream) == Stream::kNode) {
      numbers.push_back(number);
    }
    return true;
  }));
  uint64_t bytes = 0;
  for (const SegmentNo number : numbers) {
    RefCounts counts(store.map().context(), store.map().durable(), store.context(),
                     store.blocks());
    RAMET_ASSIGN(const auto segment, store.blocks().segment(number));
    const auto table = segment->slots(0, segment->slot_count());
    for (Slot slot = 0; slot < table.size(); ++slot) {
      if (table[slot].is_gone()) continue;
      RAMET_ASSIGN(const uint32_t count, counts.count({number, slot}));
      if (count > 0) bytes += table[slot].stored_len();
    }
  }
  return bytes;
}

// The map tree is checked as every tree is; then what it says of segments.
Status MapCheck::load() {
  trees_ = std::make_unique<TreeCheck>(store_.map().context(), nullptr, nullptr);
  const Root map = store_.map().durable();
  RAMET_ASSIGN(const auto found, trees_->check(map));
  if (found.damaged) {
    RAMET_TRY(trees_->explain(map, [&](const TreeProblem& problem) {
      Finding finding = CheckRun::make(problem);
      finding.kind = &finding_kind("map-damaged");
      run_.add(finding);
    }));
  }
  damaged_ = found.damaged;
  RAMET_TRY(trees_->each_entry(
      map, [&](ByteView key, ByteView value, std::span<const BlockRef>) -> Status {
        if (map_space_of(key) != MapSpace::kSegment) return ok();
        const auto number = decode_segment_key(key);
        const auto segment = decode_segment_value(value);
        if (number.ok() && segment.ok()) {
          segments_[*number] = *segment;
        } else {
          run_.add(CheckRun::make("map-damaged", "an entry of a segment cannot be decoded"));
        }
        return ok();
      }));
  return ok();
}

std::map<SegmentNo, std::set<std::string_view>> MapCheck::damaged_segments() const {
  auto out = damaged_files_;
  for (const auto& [number, problem] : bad_frames_) out[number].insert(problem.code);
  return out;
}

void MapCheck::expect(bool data) {
  announced_ = true;
  for (const auto& [number, value] : segments_) {
    if (!is_needed(value)) continue;
    run_.expect(uint64_t{value.slot_count} * sizeof(SlotEntry));
    const uint64_t end = frames_end(store_.blocks(), number, value);
    if (data && end > kSegmentHeaderBytes) run_.expect(end - kSegmentHeaderBytes);
  }
  for (const auto& segment : store_.blocks().own_segments()) {
    if (segments_.contains(segment->number())) continue;
    run_.expect(uint64_t{segment->slot_count()} * sizeof(SlotEntry));
    if (data) run_.expect(segment->end() - kSegmentHeaderBytes);
  }
  // (Where the map is damaged the total is too low, and no end is told.)
  const auto nodes = counted_node_bytes(store_);
  if (nodes.ok()) run_.expect(*nodes);
}

Status MapCheck::check_files() {
  BlockStore& blocks = store_.blocks();
  std::set<SegmentNo> own;
  for (const auto& segment : blocks.own_segments()) own.insert(segment->number());
  for (const auto& [number, value] : segments_) {
    if (!is_needed(value)) continue;
    ++segment_count_;
    // Open in the checkpoint, and nothing of it was durable: a crash may have taken the file.
    const bool may_lack = value.state == SegmentState::kOpen && value.slot_count == 0;
    const std::string file = blocks.path_of(number, value.generation);
    const auto tell = [&, number = number](const SegmentProblem& problem) {
      if (may_lack) return;
      damaged_files_[number].insert(problem.code);
      run_.add(CheckRun::make(number, problem, file));
    };
    const Status checked = check_segment_file(blocks, number, value, tell);
    if (!checked.ok()) {
      if (checked.error().code() != ErrorCode::kNotFound) return checked;
      if (!may_lack) add_missing(number, file);
      continue;
    }
    if (static_cast<Stream>(value.stream) == Stream::kMap) continue;
    const auto segment = blocks.segment(number);
    if (!segment.ok()) {
      if (stops_check(segment.error())) return segment.error();
      if (!may_lack) add_missing(number, file);
      continue;
    }
    RAMET_TRY(add_table(**segment));
  }
  for (const SegmentNo number : own) {
    if (segments_.contains(number)) continue;
    ++segment_count_;
    const auto segment = blocks.segment(number);
    if (!segment.ok() || (*segment)->identity().stream == Stream::kMap) continue;
    RAMET_TRY(add_table(**segment));
  }
  return ok();
}

// What the file is too short for is not there.
Status MapCheck::add_table(const Segment& segment) {
  auto table = segment.slots(0, segment.slot_count());
  RAMET_ASSIGN(const uint64_t size, segment.file().size());
  for (SlotEntry& slot : table) {
    if (!slot.is_gone() && slot.offset() + kFrameHeaderBytes + slot.stored_len() > size) {
      slot = SlotEntry::gone();
    }
  }
  counts_.add_segment(segment.number(), segment.identity().stream == Stream::kNode, table);
  return run_.did_read(table.size() * sizeof(SlotEntry));
}

void MapCheck::add_missing(SegmentNo number, const std::string& file) {
  Finding finding = CheckRun::make("segment-missing", "there is no such file");
  finding.file = file;
  finding.segment = number;
  run_.add(finding);
}

// Everything, also what is dead.
Status MapCheck::read_frames(const std::set<SegmentNo>* only) {
  BlockStore& blocks = store_.blocks();
  std::vector<std::pair<SegmentNo, bool>> segments;  // holes are due
  for (const auto& [number, value] : segments_) {
    if (!is_needed(value) || (only != nullptr && !only->contains(number))) continue;
    segments.emplace_back(number, (value.flags & kSegmentPunchDue) != 0);
  }
  for (const auto& segment : blocks.own_segments()) {
    if (segments_.contains(segment->number())) continue;
    if (only != nullptr && !only->contains(segment->number())) continue;
    segments.emplace_back(segment->number(), false);
  }
  return run_.in_parallel(segments.size(), [&](size_t i) -> Status {
    const auto [number, due] = segments[i];
    const auto segment = blocks.segment(number);
    if (!segment.ok()) return stops_check(segment.error()) ? Status(segment.error()) : ok();
    FrameCheckOptions frames;
    frames.holes_due = due;
    frames.progress = [this](uint64_t bytes) { return run_.did_read(bytes); };
    const FrameTable table(**segment);
    const auto report = [&, number = number](const SegmentProblem& problem) {
      std::lock_guard lock(bad_mu_);
      bad_frames_.emplace_back(number, problem);
      if (problem.slot) bad_slots_.insert({number, *problem.slot});
    };
    const auto end = check_frames(**segment, table, frames, report);
    return end.ok() ? ok() : Status(end.error());
  });
}

Status MapCheck::count_trees(TreeCheck& trees, RootsCheck& roots) {
  const bool replayed = store_.replayed_commits() > 0;
  const Root checkpoint = root_from(store_.checkpoint().catalog);
  if (!checkpoint.ref.is_null()) counts_.add(checkpoint.ref);
  RAMET_TRY(roots.check(checkpoint, !replayed));
  if (trees_ != nullptr) RAMET_TRY(count_pending(trees));
  trees.stop_counting();
  return replayed ? roots.check(store_.state().catalog, true) : ok();
}

Status MapCheck::count_pending(TreeCheck& trees) {
  auto dead = find_dead(store_.map().context(), store_.map().durable());
  if (!dead.ok()) return stops_check(dead.error()) ? Status(dead.error()) : ok();
  for (const SlotId& id : dead->pending) {
    if (announced_) {  // the nodes that have counts were
      const auto slot = store_.blocks().slot(id.segment, id.slot);
      if (slot.ok()) run_.expect(slot->stored_len());
    }
    const auto checksum = store_.blocks().stored_checksum(id.segment, id.slot);
    if (!checksum.ok() || !trees.count_pending({id.segment, id.slot, *checksum})) leaks_ = true;
  }
  return ok();
}

Status MapCheck::check_counts(bool whole) {
  // Damaged frames: those that something needs were told where they are missed.
  for (const auto& [number, problem] : bad_frames_) {
    const bool live = problem.slot && counts_.count(number, *problem.slot) > 0;
    if (live && problem.code == "frame-damaged") continue;
    run_.add(CheckRun::make(number, problem, ""));
  }
  if (damaged_) return ok();  // what it said of counts is not known
  for (const auto& [number, value] : segments_) {
    if (!is_needed(value) || static_cast<Stream>(value.stream) == Stream::kMap) continue;
    // One for each segment: it remembers every count that it was asked for.
    RefCounts counts(store_.map().context(), store_.map().durable(), store_.context(),
                     store_.blocks());
    const Slot slots = std::min(counts_.slots(number), value.slot_count);
    for (Slot slot = 0; slot < slots; ++slot) {
      if (counts_.is_gone(number, slot)) continue;
      ++slots_;
      const auto is = counts.count({number, slot});
      if (!is.ok()) {
        if (stops_check(is.error())) return is.error();
        run_.add(CheckRun::make("map-damaged", is.error().message()));
        return ok();
      }
      const uint32_t should = counts_.count(number, slot);
      // Beyond what could be read there may be more references.
      if (*is == should || (*is > should && (!whole || leaks_))) continue;
      Finding finding = CheckRun::make(*is > should ? "count-high" : "count-low",
                                       fmt::format("count {}, references {}", *is, should));
      finding.segment = number;
      finding.slot = slot;
      run_.add(finding);
    }
  }
  return ok();
}

Status MapCheck::check_names(bool in_use) {
  BlockStore& blocks = store_.blocks();
  RAMET_ASSIGN(const auto names, blocks.env().list(blocks.directory()));
  std::set<SegmentNo> own;
  for (const auto& segment : blocks.own_segments()) own.insert(segment->number());
  const Superblock& superblock = store_.superblocks().newest();
  for (const std::string& name : names) {
    const auto parsed = parse_segment_file_name(name);
    if (parsed.ok()) {
      if (own.contains(parsed->number)) continue;
      const auto known = segments_.find(parsed->number);
      if (known != segments_.end()) continue;  // also a generation that is about to go
      // Of a life that goes on, the log that the superblocks lead to, and map segments.
      if (in_use || parsed->number >= superblock.replay.segment ||
          parsed->number >= store_.checkpoint().next_segment) {
        continue;
      }
    }
    run_.add_file("file-unknown", blocks.directory() + "/" + name, 0,
                  parsed.ok() ? "no checkpoint knows this segment" : "not the name of a segment");
  }
  return ok();
}

}  // namespace ramet::engine
