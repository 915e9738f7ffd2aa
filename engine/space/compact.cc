#include "engine/space/compact.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/planted.h"

namespace ramet::engine {
namespace {

Status copy_slots(const Segment& source, std::span<const Slot> dropped, Segment& target) {
  const auto table = source.slots(0, source.slot_count());
  auto next_dropped = dropped.begin();
  for (Slot slot = 0; slot < table.size(); ++slot) {
    const bool drop = next_dropped != dropped.end() && *next_dropped == slot;
    if (drop) ++next_dropped;
    if (drop || table[slot].is_gone()) {
      target.reserve_slot();
      continue;
    }
    RAMET_ASSIGN(const FrameHeader header, source.read_header(slot));
    const BlockRef ref{source.number(), slot, header.payload_checksum};
    RAMET_ASSIGN(const Segment::Stored stored, source.read(ref));
    RAMET_ASSIGN(const BlockRef copied,
                 target.append(header.kind, header.codec, stored.payload, header.raw_len,
                               table[slot].hash, header.sequence));
    if (copied != ref) {
      return Error(ErrorCode::kCorruption,
                   fmt::format("segment {} slot {} changed while it was copied", ref.segment,
                               ref.slot));
    }
  }
  return ok();
}

// What the new file holds is what the old one does [INV-12].
Status compare(const Segment& source, const Segment& target) {
  const auto table = target.slots(0, target.slot_count());
  for (Slot slot = 0; slot < table.size(); ++slot) {
    if (table[slot].is_gone()) continue;
    RAMET_ASSIGN(const FrameHeader header, source.read_header(slot));
    RAMET_TRY(target.read(BlockRef{source.number(), slot, header.payload_checksum}));
  }
  return ok();
}

}  // namespace

Result<std::shared_ptr<Segment>> compact(BlockStore& blocks, const Segment& source,
                                         uint32_t generation, std::span<const Slot> dropped,
                                         uint64_t bytes_after, Sequence last_sequence) {
  const SegmentIdentity& who = source.identity();
  RAMET_CHECK(source.closed() && std::is_sorted(dropped.begin(), dropped.end()) &&
                  generation > who.generation,
              "only closed segments are compacted");
  const std::string path = blocks.path_of(who.number, generation);
  RAMET_ASSIGN(const bool left_over, blocks.env().exists(path));
  if (left_over) RAMET_TRY(blocks.env().remove(path));
  RAMET_ASSIGN(const auto target, blocks.create_generation(source, generation));
  // Before anything is written: a full disk is found out now [INV-1].
  Status status = target->file().allocate(0, bytes_after);
  if (status.ok()) status = copy_slots(source, dropped, *target);
  if (status.ok()) status = target->seal(0, BlockRef{}, last_sequence);
  if (status.ok()) status = compare(source, *target);
  if (status.ok() && !planted(Bug::kSwappedBeforeSync)) status = blocks.sync_names();
  if (status.ok()) return target;
  ignore_error(blocks.env().remove(path), "replaced by the next attempt");
  return std::move(status).error();
}

}  // namespace ramet::engine
