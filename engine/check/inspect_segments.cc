// inspect: segments and frames.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/block/segment_scan.h"
#include "engine/check/inspector.h"
#include "format/codec.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kCommitBytesMax = 256u << 20;  // of a commit in several frames
constexpr uint64_t kWindowBytes = 4u << 20;

uint64_t stored_bytes(const SlotEntry& entry) {
  return frame_span(kFrameHeaderBytes, entry.stored_len());
}

Result<bool> is_zero(FileWindow& window, uint64_t from, uint64_t to) {
  while (from < to) {
    RAMET_ASSIGN(const ByteView bytes, window.at(from, std::min(kWindowBytes, to - from)));
    if (bytes.empty()) break;
    if (bytes.find_first_not_of('\0') != ByteView::npos) return false;
    from += bytes.size();
  }
  return true;
}

}  // namespace

// --- segments ------------------------------------------------------------------------------------

Status InspectorImpl::segments(InspectOutput& out) {
  try_trees();
  put_state_note(out);
  const auto trees = store_->trees();
  std::map<SegmentNo, SegmentValue> known;
  std::string map_damage = trees.ok() ? "" : trees.error().message();
  if (trees.ok()) {
    const Status listed = (*trees)->map().each([&](SegmentNo number, const SegmentValue& value) {
      known[number] = value;
      return true;
    });
    if (!listed.ok()) map_damage = listed.error().message();
  }
  damage(out, "map_damage", map_damage);
  RAMET_ASSIGN(const auto files, store_->files());
  const Section table(out, "segments", InspectPart::kTable);
  const auto row = [&](SegmentNo number, const LoadedSegment* loaded, const InspectedFile* file,
                       const SegmentValue* value, const std::string& wrong) {
    const Section part(out, "");
    out.value("segment", number);
    out.value("file", file == nullptr
                          ? InspectValue()
                          : text(segment_file_name(file->number, file->generation)));
    const auto stream = loaded != nullptr  ? loaded->identity().stream
                        : value != nullptr ? static_cast<Stream>(value->stream)
                                           : Stream{};
    out.value("stream", stream == Stream{} ? InspectValue() : text(stream_words(stream)));
    out.value("epoch", loaded != nullptr  ? InspectValue(loaded->identity().epoch)
                       : value != nullptr ? InspectValue(value->epoch)
                                          : InspectValue());
    out.value("file_length", loaded == nullptr ? InspectValue() : size_value(loaded->size));
    out.value("slots", loaded == nullptr || loaded->is_map()
                           ? InspectValue()
                           : number_value(loaded->segment->slot_count()));
    const bool counts = value != nullptr && (file == nullptr || value->generation ==
                                                                    file->generation);
    out.value("state", counts ? text(segment_state_name(value->state))
                       : trees.ok() ? text("not in the map")
                                    : InspectValue());
    damage(out, "damage", wrong);
  };
  std::set<SegmentNo> seen;
  for (const InspectedFile& file : files) {
    RAMET_TRY(check_stopped(out));
    seen.insert(file.number);
    const auto found = known.find(file.number);
    const SegmentValue* value = found == known.end() ? nullptr : &found->second;
    const auto loaded = store_->load(file.number, file.generation);
    if (!loaded.ok()) {
      if (loaded.error().code() == ErrorCode::kNotFound) continue;  // it has gone meanwhile
      row(file.number, nullptr, &file, value, loaded.error().message());
      continue;
    }
    std::string wrong = (*loaded)->header_damage;
    if (!wrong.empty()) wrong = "header: " + wrong;
    if (!(*loaded)->footer_damage.empty()) {
      wrong += (wrong.empty() ? "footer: " : "; footer: ") + (*loaded)->footer_damage;
    }
    row(file.number, loaded->get(), &file, value, wrong);
  }
  for (const auto& [number, value] : known) {
    if (seen.contains(number) || value.state == SegmentState::kDeleted ||
        value.state == SegmentState::kCondemned) {
      continue;
    }
    const bool may_lack = value.state == SegmentState::kOpen && value.slot_count == 0;
    row(number, nullptr, nullptr, &value, may_lack ? "" : "there is no such file");
  }
  return ok();
}

Status InspectorImpl::segment(SegmentNo number, const InspectSegmentOptions& options,
                              InspectOutput& out) {
  try_trees();
  RAMET_ASSIGN(const Loaded loaded, store_->load(number, options.generation));
  const LoadedSegment& segment = *loaded;
  put_state_note(out);
  out.value("segment", number_value(number));
  out.value("generation", number_value(segment.file.generation));
  out.value("file", name_value(segment.file.path));
  out.value("file_length", size_value(segment.size));
  out.value("stream", text(stream_words(segment.identity().stream)));
  out.value("epoch", number_value(segment.identity().epoch));
  out.value("known_by", text(segment.identity_from));
  out.value("slot_table_from", text(segment.table_from));
  RAMET_ASSIGN(const auto files, store_->files());
  std::vector<uint64_t> others;
  for (const InspectedFile& file : files) {
    if (file.number == number && file.generation != segment.file.generation) {
      others.push_back(file.generation);
    }
  }
  out.value("other_generations", others);
  {
    const Section part(out, "header");
    damage(out, "damage", segment.header_damage);
    if (segment.header) put_segment_header(out, *segment.header);
  }
  {
    const Section part(out, "map");
    const auto trees = store_->trees();
    damage(out, "damage", trees.ok() ? "" : trees.error().message());
    out.value("knows_it", segment.value.has_value());
    if (segment.value) {
      put_segment_value(out, *segment.value);
      const auto floor = store_->floor_of(number);
      out.value("floor", floor ? number_value(*floor) : InspectValue());
      const bool has_holes = (segment.value->flags & kSegmentHasHoles) != 0;
      if (has_holes && trees.ok()) {
        const auto holes = (*trees)->map().holes_of(number);
        damage(out, "holes_damage", holes.ok() ? "" : holes.error().message());
        if (holes.ok()) put_holes(out, *holes);
      }
    }
  }
  {
    const Section part(out, "footer");
    damage(out, "damage", segment.footer_damage);
    out.value("is_there", segment.footer.has_value());
    if (segment.footer) put_footer(out, *segment.footer);
    Bytes bytes(std::min<uint64_t>(segment.size, kFooterTrailerBytes), '\0');
    const Status read = read_inside(segment.segment->file(), segment.size - bytes.size(), bytes);
    const auto trailer = decode_footer_trailer(bytes, segment.identity().seed);
    if (read.ok() && trailer.ok()) {
      const Section trailer_part(out, "trailer");
      out.value("footer_offset", size_value(trailer->footer_offset));
      out.value("footer_len", size_value(trailer->footer_len));
    }
  }
  if (!segment.is_map()) put_slot_summary(segment, out);
  if (options.slots) RAMET_TRY(put_slots(segment, out));
  if (options.frames) RAMET_TRY(put_frames(segment, out));
  return ok();
}

void InspectorImpl::put_slot_summary(const LoadedSegment& segment, InspectOutput& out) {
  struct Sum {
    uint64_t slots = 0;
    uint64_t bytes = 0;
  };
  std::map<std::string_view, Sum> sums;
  const auto table = segment.segment->slots(0, segment.segment->slot_count());
  for (Slot slot = 0; slot < table.size(); ++slot) {
    Sum& sum = sums[store_->state_of(segment, slot).word];
    ++sum.slots;
    if (!table[slot].is_gone()) sum.bytes += stored_bytes(table[slot]);
  }
  out.value("slot_count", number_value(table.size()));
  const Section part(out, "slot_states", InspectPart::kTable);
  for (const auto& [word, sum] : sums) {
    const Section row(out, "");
    out.value("state", text(word));
    out.value("slots", number_value(sum.slots));
    out.value("stored_bytes", size_value(sum.bytes));
  }
}

Status InspectorImpl::put_slots(const LoadedSegment& segment, InspectOutput& out) {
  const auto table = segment.segment->slots(0, segment.segment->slot_count());
  const Section part(out, "slots", InspectPart::kTable);
  for (Slot slot = 0; slot < table.size(); ++slot) {
    if (slot % 1024 == 0) RAMET_TRY(check_stopped(out));
    const SlotEntry& entry = table[slot];
    const bool gone = entry.is_gone();
    const SlotState state = store_->state_of(segment, slot);
    const Section row(out, "");
    out.value("slot", number_value(slot));
    out.value("offset", gone ? InspectValue() : size_value(entry.offset()));
    out.value("kind", gone ? InspectValue() : text(frame_kind_name(entry.kind())));
    out.value("codec", gone ? InspectValue() : text(codec_name(entry.codec())));
    out.value("stored_len", gone ? InspectValue() : size_value(entry.stored_len()));
    out.value("count", state.count ? number_value(*state.count) : InspectValue());
    out.value("state", text(state.word));
    out.value("name", gone ? InspectValue() : hash_value(entry.hash));
  }
  return ok();
}

// From the header to the end of the file: each byte is in one line.
Status InspectorImpl::put_frames(const LoadedSegment& segment, InspectOutput& out) {
  const uint64_t seed = segment.identity().seed;
  const bool commits = segment.identity().stream == Stream::kCommit;
  FileWindow window(segment.segment->file(), segment.size, kWindowBytes);
  const Section part(out, "frames", InspectPart::kTable);
  const auto row = [&](uint64_t offset, uint64_t length, const FrameHeader* header,
                       std::string_view kind, const std::string& wrong) {
    const Section line(out, "");
    const bool has_slot = header != nullptr && header->slot != kNoSlot;
    out.value("offset", size_value(offset));
    out.value("length", size_value(length));
    out.value("kind", text(kind));
    out.value("slot", has_slot ? number_value(header->slot) : InspectValue());
    out.value("codec", header == nullptr ? InspectValue() : text(codec_name(header->codec)));
    out.value("stored_len", header == nullptr ? InspectValue() : size_value(header->stored_len));
    out.value("raw_len", header == nullptr ? InspectValue() : size_value(header->raw_len));
    out.value("sequence", header == nullptr ? InspectValue() : number_value(header->sequence));
    out.value("flags", text_or_nothing(header == nullptr ? "" : frame_flags(header->flags)));
    damage(out, "damage", wrong);
  };
  // The device fails: bad sectors are few, the next frame that the table knows may be read.
  std::set<uint64_t> known;
  for (const SlotEntry& entry : segment.segment->slots(0, segment.segment->slot_count())) {
    if (!entry.is_gone()) known.insert(entry.offset());
  }
  const auto unreadable = [&](uint64_t from, const std::string& why) {
    const auto next = known.upper_bound(from);
    const uint64_t to = next != known.end() ? std::min(*next, segment.size)
                                            : std::min(align_up(from + 1, kGroupBytes),
                                                       segment.size);
    row(from, to - from, nullptr, "unreadable", why);
    return to;
  };
  uint64_t at = kSegmentHeaderBytes;
  while (at < segment.size) {
    RAMET_TRY(check_stopped(out));
    // What lies far ahead must not keep this frame from being read.
    FileWindow narrow(segment.segment->file(), segment.size, kFrameHeaderBytesMax);
    auto bytes = window.at(at, kFrameHeaderBytesMax);
    const bool wide = bytes.ok();
    if (!wide) bytes = narrow.at(at, kFrameHeaderBytesMax);
    if (!bytes.ok()) {
      at = unreadable(at, bytes.error().message());
      continue;
    }
    const auto header = decode_frame_header(*bytes, seed);
    if (header.ok()) {
      ByteView payload;
      const auto whole = read_frame(wide ? window : narrow, at, seed, &payload);
      const uint64_t length = std::min(frame_span(*header), segment.size - at);
      row(at, length, &*header, frame_kind_name(header->kind),
          whole.ok() ? "" : whole.error().message());
      at += length;
      if (header->kind == FrameKind::kFooter && segment.size - at == kFooterTrailerBytes) {
        row(at, kFooterTrailerBytes, nullptr, "trailer", "");
        break;
      }
      continue;
    }
    const uint64_t boundary = align_up(at, kGroupBytes);
    const bool padding = commits && boundary > at && boundary - at < kFrameHeaderBytes;
    uint64_t next = std::min(boundary, segment.size);
    if (!padding) {
      const auto found = next_frame(window, at + kFrameAlignment, seed);
      if (!found.ok()) {
        at = unreadable(at, found.error().message());
        continue;
      }
      next = *found;
    }
    const auto zero = is_zero(window, at, next);
    const bool unused = zero.ok() && *zero && (padding || next == segment.size);
    // What a crash tore was never acknowledged.
    const bool torn = next == segment.size && !segment.footer &&
                      (segment.is_map() || at >= segment.segment->end());
    row(at, next - at, nullptr, unused ? "zeros" : torn ? "behind the end" : "no frame",
        unused || torn ? "" : header.error().message());
    at = next;
  }
  return ok();
}

Status InspectorImpl::raw_segment(SegmentNo number, std::optional<uint32_t> generation,
                                  const std::function<Status(ByteView)>& sink) {
  try_trees();
  RAMET_ASSIGN(const auto files, store_->files());
  if (!generation) {  // (also of a file that nothing can be made of)
    const auto loaded = store_->load(number);
    for (const InspectedFile& file : files) {
      if (file.number == number) generation = file.generation;
    }
    if (loaded.ok()) generation = (*loaded)->file.generation;
  }
  for (const InspectedFile& one : files) {
    if (one.number != number || one.generation != generation) continue;
    RAMET_ASSIGN(const auto file, store_->env().open(one.path, io::OpenMode::kRead));
    RAMET_ASSIGN(const uint64_t size, file->size());
    FileWindow window(*file, size, kWindowBytes);
    for (uint64_t at = 0; at < size;) {
      RAMET_ASSIGN(const ByteView bytes, window.at(at, kWindowBytes));
      RAMET_TRY(sink(bytes));
      at += bytes.size();
    }
    return ok();
  }
  return Error(ErrorCode::kNotFound, fmt::format("there is no file of segment {} in {}", number,
                                                 store_->segments_directory()));
}

// --- frames --------------------------------------------------------------------------------------

Result<InspectorImpl::FramePlace> InspectorImpl::locate(const InspectPlace& place) {
  try_trees();
  FramePlace at;
  RAMET_ASSIGN(at.segment, store_->load(place.segment));
  const LoadedSegment& segment = *at.segment;
  if (place.slot && segment.is_map()) {
    at.slot = place.slot;
    at.offset = uint64_t{*place.slot} * 8;
  } else if (place.slot) {
    const auto entry = segment.segment->slot(*place.slot);
    if (!entry.ok()) {
      const Slot slots = segment.segment->slot_count();
      return Error(ErrorCode::kNotFound,
                   *place.slot < slots
                       ? fmt::format("slot {} of segment {} is gone: its space was given back, or "
                                     "it was never written", *place.slot, place.segment)
                       : fmt::format("segment {} has {} slots, and no slot {}", place.segment,
                                     slots, *place.slot));
    }
    at.slot = place.slot;
    at.entry = *entry;
    at.offset = entry->offset();
  } else {
    at.offset = place.offset;
    const auto table = segment.segment->slots(0, segment.segment->slot_count());
    for (Slot slot = 0; slot < table.size(); ++slot) {
      if (table[slot].is_gone() || table[slot].offset() != at.offset) continue;
      at.slot = slot;
      at.entry = table[slot];
    }
  }
  const bool inside = at.offset >= kSegmentHeaderBytes && at.offset < segment.size;
  if (inside && at.offset % kFrameAlignment == 0) return at;
  return Error(ErrorCode::kInvalidArgument,
               inside ? fmt::format("no frame begins at {} of segment {}: it is no multiple of 8",
                                    at.offset, place.segment)
                      : fmt::format("frames of segment {} lie between {} and {}, not at {}",
                                    place.segment, kSegmentHeaderBytes, segment.size, at.offset));
}

// Says what is around.
Error InspectorImpl::no_frame_at(const FramePlace& at, const Error& why) {
  const LoadedSegment& segment = *at.segment;
  if (why.code() == ErrorCode::kIoError) return why;
  std::string around;
  const auto table = segment.segment->slots(0, segment.segment->slot_count());
  for (Slot slot = 0; slot < table.size() && !at.slot; ++slot) {
    const SlotEntry& entry = table[slot];
    if (entry.is_gone() || at.offset < entry.offset() || at.offset >= entry.end()) continue;
    around = fmt::format("; slot {} is from {} to {}", slot, entry.offset(), entry.end());
  }
  FileWindow window(segment.segment->file(), segment.size, kWindowBytes);
  const auto next = next_frame(window, at.offset + kFrameAlignment, segment.identity().seed);
  if (next.ok()) {
    around += *next < segment.size ? fmt::format("; the next frame is at {}", *next)
                                   : std::string("; no frame follows");
  }
  return Error(ErrorCode::kCorruption,
               fmt::format("no frame can be read at {} of segment {}{} ({}): {}{}", at.offset,
                           segment.file.number,
                           at.slot ? fmt::format(", slot {}", *at.slot) : std::string(),
                           segment.file.path, why.message(), around));
}

Result<InspectorImpl::ReadFrame> InspectorImpl::read(const FramePlace& at) {
  const LoadedSegment& segment = *at.segment;
  FileWindow window(segment.segment->file(), segment.size, kFrameHeaderBytesMax);
  RAMET_ASSIGN(const ByteView bytes, window.at(at.offset, kFrameHeaderBytesMax));
  const auto header = decode_frame_header(bytes, segment.identity().seed);
  if (!header.ok()) return no_frame_at(at, header.error());
  ReadFrame out;
  out.header = *header;
  if (header->kind == FrameKind::kSkip) return out;
  RAMET_ASSIGN(const ByteView payload, window.at(at.offset + header->header_len,
                                                 header->stored_len));
  out.payload.assign(payload);
  const Status checked = check_payload(*header, out.payload);
  if (!checked.ok()) out.payload_damage = checked.error().message();
  return out;
}

Status InspectorImpl::frame(const InspectPlace& place, InspectOutput& out) {
  RAMET_ASSIGN(const FramePlace at, locate(place));
  RAMET_ASSIGN(const ReadFrame frame, read(at));
  const LoadedSegment& segment = *at.segment;
  put_state_note(out);
  out.value("segment", number_value(segment.file.number));
  out.value("file", name_value(segment.file.path));
  out.value("stream", text(stream_words(segment.identity().stream)));
  out.value("epoch", number_value(segment.identity().epoch));
  out.value("offset", size_value(at.offset));
  out.value("length", size_value(frame_span(frame.header)));
  put_frame_header(out, frame.header);
  damage(out, "damage", frame.payload_damage);
  const bool has_slot = frame.header.kind == FrameKind::kBlock ||
                        frame.header.kind == FrameKind::kNode;
  if (has_slot && !segment.is_map()) {
    const Section part(out, "slot_table");
    const bool same = at.slot && *at.slot == frame.header.slot;
    damage(out, "damage",
           same ? ""
           : at.slot ? fmt::format("the table has slot {} here", *at.slot)
                     : std::string("no slot of the table is here"));
    if (same) {
      const SlotState state = store_->state_of(segment, *at.slot);
      out.value("state", text(state.word));
      out.value("count", state.count ? number_value(*state.count) : InspectValue());
      out.value("name", hash_value(at.entry->hash));
    }
  }
  return put_contents(at, frame, out);
}

// A commit may span frames.
Result<Bytes> InspectorImpl::whole_commit(const FramePlace& at, const ReadFrame& first) {
  Bytes joined = first.payload;
  FrameHeader header = first.header;
  FramePlace next = at;
  while ((header.flags & kFrameLastOfCommit) == 0) {
    next.offset += frame_span(header);
    next.slot = {};
    if (next.offset >= at.segment->size || joined.size() > kCommitBytesMax) {
      return Error(ErrorCode::kCorruption, "the commit's last frame is not there");
    }
    RAMET_ASSIGN(const ReadFrame frame, read(next));
    if (frame.header.kind != FrameKind::kCommit || frame.header.sequence != header.sequence ||
        !frame.payload_damage.empty()) {
      return Error(ErrorCode::kCorruption,
                   fmt::format("the commit does not go on at {}", next.offset));
    }
    header = frame.header;
    joined += frame.payload;
  }
  return joined;
}

Status InspectorImpl::put_contents(const FramePlace& at, const ReadFrame& frame,
                                   InspectOutput& out) {
  if (!frame.payload_damage.empty()) return ok();
  switch (frame.header.kind) {
    case FrameKind::kBlock: {
      const Section part(out, "block");
      const auto raw = decode_payload(frame.header.codec, frame.payload, frame.header.raw_len);
      damage(out, "damage", raw.ok() ? "" : raw.error().message());
      if (!raw.ok()) return ok();
      const ContentHash name = blake3(*raw);
      out.value("name", hash_value(name));
      const bool known = at.entry && !at.entry->hash.is_zero();
      damage(out, "name_damage",
             known && at.entry->hash != name ? "the slot table has another name" : "");
      return ok();
    }
    case FrameKind::kNode: {
      const Section part(out, "node");
      const auto node = load_node(at, frame);
      damage(out, "damage", node.ok() ? "" : node.error().message());
      if (!node.ok()) return ok();
      out.value("level", number_value((*node)->view().level()));
      out.value("count", number_value((*node)->view().count()));
      return ok();
    }
    case FrameKind::kCommit: {
      const Section part(out, "commit");
      const auto joined = whole_commit(at, frame);
      const auto record = joined.ok() ? decode_commit(*joined)
                                      : Result<CommitRecord>(joined.error());
      if (!record.ok()) {
        // A frame in the middle of a commit is not damaged.
        out.value("unreadable", text(record.error().message() +
                                     "; a commit may have begun in a frame before"));
        return ok();
      }
      put_commit(out, *record);
      return ok();
    }
    case FrameKind::kCheckpoint: {
      const Section part(out, "checkpoint");
      const auto record = decode_checkpoint(frame.payload);
      damage(out, "damage", record.ok() ? "" : record.error().message());
      if (record.ok()) put_checkpoint(out, *record);
      return ok();
    }
    case FrameKind::kFooter: {
      const Section part(out, "footer");
      const auto footer = decode_footer(frame.payload);
      damage(out, "damage", footer.ok() ? "" : footer.error().message());
      if (footer.ok()) put_footer(out, *footer);
      return ok();
    }
    case FrameKind::kSkip:
    case FrameKind::kSynced: return ok();
  }
  return ok();
}

Result<Bytes> InspectorImpl::raw_frame(const InspectPlace& place) {
  RAMET_ASSIGN(const FramePlace at, locate(place));
  const auto frame = read(at);
  if (!frame.ok() && !at.entry) return frame.error();
  // (What a skip frame leads over means nothing, and may be 2 GiB of a hole.)
  uint64_t length = !frame.ok()                              ? stored_bytes(*at.entry)
                    : frame->header.kind == FrameKind::kSkip ? frame->header.header_len
                                                             : frame_span(frame->header);
  length = std::min(length, at.segment->size - at.offset);
  Bytes bytes(length, '\0');
  RAMET_TRY(read_inside(at.segment->segment->file(), at.offset, bytes));
  return bytes;
}

Result<Bytes> InspectorImpl::raw_payload(const InspectPlace& place, bool decoded) {
  RAMET_ASSIGN(const FramePlace at, locate(place));
  RAMET_ASSIGN(ReadFrame frame, read(at));
  if (!decoded) return std::move(frame.payload);
  if (!frame.payload_damage.empty()) {
    return Error(ErrorCode::kCorruption, place.to_string() + ": " + frame.payload_damage);
  }
  return with_context(decode_payload(frame.header.codec, frame.payload, frame.header.raw_len),
                      place.to_string());
}

}  // namespace ramet::engine
