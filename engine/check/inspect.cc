// inspect: opening, the names of things, superblocks and the checkpoint.
#include "engine/inspect.h"

#include <charconv>

#include <fmt/format.h>

#include "engine/check/inspector.h"
#include "engine/log/superblock_store.h"

namespace ramet::engine {
namespace {

// Decimal, or hexadecimal behind "0x"; all of the text.
template <typename T>
std::optional<T> parse_number(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    base = 16;
  }
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Error no_place(std::string_view text, std::string_view kind) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' is no {}", printable(text.substr(0, 200)), kind));
}

}  // namespace

void InspectorImpl::damage(InspectOutput& out, std::string_view name, const std::string& words) {
  out.value(name, text_or_nothing(words));
  if (!words.empty()) found_damage_ = true;
}

void InspectorImpl::try_trees() {
  ignore_error(store_->trees(), "who needs them asks again; others say what the files say");
}

void InspectorImpl::put_state_note(InspectOutput& out) {
  const std::string note = store_->state_note();
  out.value("limited", text_or_nothing(note));
  if (store_->is_state_damaged()) found_damage_ = true;
}

Status InspectorImpl::superblock(InspectOutput& out) {
  const Result<size_t>& newest = store_->newest();
  out.value("store", name_value(store_->path()));
  out.value("open_elsewhere", store_->is_open_elsewhere());
  if (store_->is_open_elsewhere()) out.value("holder", name_value(store_->holder()));
  damage(out, "damage", newest.ok() ? "" : newest.error().message());
  {
    const Section list(out, "superblocks", InspectPart::kList);
    for (size_t i = 0; i < 2; ++i) {
      const SuperblockFile& file = store_->superblocks()[i];
      const Section one(out, "");
      out.value("file", name_value(file.path));
      out.value("file_length", file.is_missing ? InspectValue() : size_value(file.bytes.size()));
      out.value("counts", newest.ok() && *newest == i);
      damage(out, "damage", file.damage);
      if (file.superblock) put_superblock(out, *file.superblock);
    }
  }
  const auto trees = store_->trees();  // (may have a log to read: after what needs none)
  const auto who = store_->identity();
  if (!newest.ok() && who.ok()) {
    const Section part(out, "segments_say");
    out.value("store_id", text(to_uuid(who->id)));
    out.value("newest_epoch", number_value(who->newest_epoch));
  }
  const Section part(out, "checkpoint");
  put_state_note(out);
  damage(out, "damage", trees.ok() ? "" : trees.error().message());
  if (!trees.ok()) return ok();
  RecoveredStore& store = **trees;
  if (newest.ok() && store_->salvaged().empty()) {
    const Superblock& used = store.superblocks().newest();
    const Section copies(out, "copies", InspectPart::kTable);
    for (const BlockRef& ref : {used.checkpoint, used.checkpoint_copy}) {
      if (ref.is_null()) continue;
      const Section row(out, "");
      out.value("place", ref_value(ref));
      const auto bytes = store.blocks().read_map(ref);
      const auto record = bytes.ok() ? decode_checkpoint(*bytes)
                                     : Result<CheckpointRecord>(bytes.error());
      damage(out, "damage", record.ok() ? "" : record.error().message());
    }
  }
  put_checkpoint(out, store.checkpoint());
  out.value("replayed_commits", number_value(store.replayed_commits()));
  out.value("sequence_behind_the_log", number_value(store.state().sequence));
  return ok();
}

Result<Bytes> InspectorImpl::raw_superblock(size_t slot) {
  if (slot > 1) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("there are superblocks 0 and 1, but no {}", slot));
  }
  const SuperblockFile& file = store_->superblocks()[slot];
  if (file.is_missing) return Error(ErrorCode::kNotFound, file.damage);
  return file.bytes;
}

}  // namespace ramet::engine

namespace ramet {

std::string InspectPlace::to_string() const {
  return slot ? fmt::format("{}:{}", segment, *slot) : fmt::format("{}@{}", segment, offset);
}

Result<InspectPlace> parse_inspect_place(std::string_view text) {
  constexpr std::string_view kKind =
      "place in a segment: SEGMENT:SLOT (as 17:3) or SEGMENT@OFFSET (as 17@4096)";
  const size_t at = text.find_first_of(":@");
  if (at == text.npos) return engine::no_place(text, kKind);
  const auto segment = engine::parse_number<SegmentNo>(text.substr(0, at));
  if (!segment || *segment == 0) return engine::no_place(text, kKind);
  InspectPlace place;
  place.segment = *segment;
  if (text[at] == ':') {
    place.slot = engine::parse_number<Slot>(text.substr(at + 1));
    if (!place.slot) return engine::no_place(text, kKind);
    return place;
  }
  const auto offset = engine::parse_number<uint64_t>(text.substr(at + 1));
  if (!offset) return engine::no_place(text, kKind);
  place.offset = *offset;
  return place;
}

Result<InspectSegmentName> parse_inspect_segment(std::string_view text) {
  const auto file = parse_segment_file_name(text);
  if (file.ok()) return InspectSegmentName{file->number, file->generation};
  const auto number = engine::parse_number<SegmentNo>(text);
  if (!number || *number == 0) {
    return engine::no_place(text, "segment: give its number (as 17) or the name of its file "
                                  "(as 00000011.0)");
  }
  return InspectSegmentName{*number, std::nullopt};
}

Result<std::unique_ptr<Inspector>> Inspector::open(const std::string& path,
                                                   const InspectOptions& options) {
  RAMET_ASSIGN(auto store, engine::InspectedStore::open(path, options));
  return std::unique_ptr<Inspector>(new engine::InspectorImpl(std::move(store)));
}

}  // namespace ramet
