// inspect: blocks by their names, and the dedupe index.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/check/inspector.h"
#include "engine/index/index_run.h"

namespace ramet::engine {
namespace {

constexpr size_t kDigitsMin = 4;
constexpr size_t kDigitsMax = 64;
constexpr size_t kCandidatesNamed = 8;
constexpr size_t kFoundMax = 100'000;  // places of one name, and candidates of a short prefix

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

}  // namespace

// Every segment that may hold blocks, as far as it is known.
std::vector<SegmentNo> InspectorImpl::numbers() {
  std::vector<SegmentNo> out;
  const auto files = store_->files();
  if (!files.ok()) return out;
  for (const InspectedFile& file : *files) {
    if (out.empty() || out.back() != file.number) out.push_back(file.number);
  }
  return out;
}

Result<std::vector<InspectorImpl::Found>> InspectorImpl::find_by_hash(std::string_view digits) {
  std::vector<Found> found;
  std::set<ContentHash> names;
  unread_segments_.clear();
  for (const SegmentNo number : numbers()) {
    const auto loaded = store_->load(number);
    if (!loaded.ok()) {
      found_damage_ = true;
      unread_segments_.push_back(number);
      continue;
    }
    const Segment& segment = *(*loaded)->segment;
    const auto table = segment.slots(0, segment.slot_count());
    for (Slot slot = 0; slot < table.size(); ++slot) {
      const SlotEntry& entry = table[slot];
      if (entry.is_gone() || entry.kind() != FrameKind::kBlock) continue;
      // Two digits a byte: the first bytes rule nearly all of them out.
      const std::string hex = entry.hash.to_hex();
      if (!std::string_view(hex).starts_with(digits)) continue;
      if (found.size() >= kFoundMax) {
        return Error(ErrorCode::kInvalidArgument,
                     fmt::format("too many blocks begin with {}: give more digits", digits));
      }
      names.insert(entry.hash);
      found.push_back({number, slot, entry});
    }
  }
  if (names.size() > 1) {
    std::string list;
    size_t named = 0;
    for (const ContentHash& name : names) {
      if (++named > kCandidatesNamed) break;
      list += (list.empty() ? "" : ", ") + name.to_hex().substr(0, digits.size() + 8);
    }
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} blocks begin with {}: {}{}", names.size(), digits, list,
                             names.size() > kCandidatesNamed ? ", ..." : ""));
  }
  if (found.empty()) {
    return Error(ErrorCode::kNotFound, fmt::format("no block that begins with {} is stored{}",
                                                   digits,
                                                   unread_segments_.empty()
                                                       ? ""
                                                       : ", as far as can be read"));
  }
  return found;
}

Result<std::vector<InspectorImpl::Found>> InspectorImpl::find_blocks(std::string_view name) {
  try_trees();
  std::string digits(name);
  std::transform(digits.begin(), digits.end(), digits.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  if (digits.size() >= kDigitsMin && digits.size() <= kDigitsMax && is_hex(digits)) {
    return find_by_hash(digits);
  }
  const auto place = parse_inspect_place(name);
  if (!place.ok()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' names no block: give {} to {} hexadecimal digits of its BLAKE3 "
                             "name, or SEGMENT:SLOT", printable(name.substr(0, 200)), kDigitsMin,
                             kDigitsMax));
  }
  RAMET_ASSIGN(const FramePlace at, locate(*place));
  if (at.segment->is_map()) {
    return std::vector<Found>{{place->segment, place->slot.value_or(
                                                   static_cast<Slot>(at.offset / 8)), {}}};
  }
  if (!at.slot) {
    return Error(ErrorCode::kNotFound,
                 place->to_string() + ": no block or node of the slot table begins here");
  }
  return std::vector<Found>{{place->segment, *at.slot, *at.entry}};
}

void InspectorImpl::put_found(const Found& found, InspectOutput& out) {
  out.value("place", text(fmt::format("{}:{}", found.segment, found.slot)));
  const auto loaded = store_->load(found.segment);
  if (!loaded.ok()) {
    damage(out, "damage", loaded.error().message());
    return;
  }
  const SlotEntry& entry = found.entry;
  out.value("file", name_value((*loaded)->file.path));
  out.value("offset", size_value(entry.offset()));
  out.value("kind", text(frame_kind_name(entry.kind())));
  out.value("codec", text(codec_name(entry.codec())));
  out.value("stored_len", size_value(entry.stored_len()));
  const auto frame = read({*loaded, entry.offset(), found.slot, entry});
  std::string wrong = frame.ok() ? frame->payload_damage : frame.error().message();
  out.value("raw_len", frame.ok() ? size_value(frame->header.raw_len) : InspectValue());
  if (wrong.empty() && entry.kind() == FrameKind::kBlock) {
    const auto raw = raw_payload({found.segment, found.slot, 0}, true);
    if (!raw.ok()) {
      wrong = raw.error().message();
    } else if (blake3(*raw) != entry.hash) {
      wrong = "the bytes have another name than the slot table says";
    }
  }
  const SlotState state = store_->state_of(**loaded, found.slot);
  out.value("state", text(state.word));
  out.value("reference_count", state.count ? number_value(*state.count) : InspectValue());
  out.value("readable", wrong.empty());
  damage(out, "damage", wrong);
}

Status InspectorImpl::block(std::string_view name, InspectOutput& out) {
  RAMET_ASSIGN(const auto found, find_blocks(name));
  if (found.front().entry.is_gone() || found.front().entry.kind() != FrameKind::kBlock) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}:{} is no block: see 'ramet inspect node'", found.front().segment,
                             found.front().slot));
  }
  put_state_note(out);
  out.value("name", hash_value(found.front().entry.hash));
  out.value("segments_not_read", unread_segments_);
  const Section list(out, "stored", InspectPart::kList);
  for (const Found& one : found) {
    RAMET_TRY(check_stopped(out));
    const Section part(out, "");
    put_found(one, out);
  }
  return ok();
}

// The first copy that can be read; else the first.
Result<Bytes> InspectorImpl::raw_block(std::string_view name, bool decoded) {
  RAMET_ASSIGN(const auto found, find_blocks(name));
  std::optional<Error> first;
  for (const bool whole : {true, false}) {
    for (const Found& one : found) {
      const InspectPlace place{one.segment, one.slot, 0};
      if (whole) {
        const auto raw = raw_payload(place, true);
        if (!raw.ok() && !first) first = raw.error();
        if (!raw.ok()) continue;
      }
      auto bytes = raw_payload(place, decoded);
      if (bytes.ok()) return bytes;
      if (!first) first = bytes.error();
    }
  }
  return *first;
}

// --- index ---------------------------------------------------------------------------------------

Status InspectorImpl::index(bool list_entries, InspectOutput& out) {
  const std::string directory = store_->path() + "/index";
  RAMET_ASSIGN(const bool there, store_->env().exists(directory));
  try_trees();
  out.value("directory", name_value(directory));
  out.value("is_there", there);
  std::vector<std::string> names;
  if (there) {
    RAMET_ASSIGN(names, store_->env().list(directory));
  }
  std::optional<IndexManifest> newest;
  size_t newest_slot = 0;
  std::array<std::optional<Result<IndexManifest>>, 2> manifests;
  for (size_t slot = 0; slot < 2; ++slot) {
    const auto bytes = io::read_file(store_->env(), directory + "/" + manifest_name(slot));
    manifests[slot] = bytes.ok() ? decode_index_manifest(*bytes)
                                 : Result<IndexManifest>(bytes.error());
    if (!manifests[slot]->ok()) continue;
    const IndexManifest& manifest = **manifests[slot];
    if (newest && newest->generation >= manifest.generation) continue;
    newest = manifest;
    newest_slot = slot;
  }
  {
    const Section table(out, "manifests", InspectPart::kTable);
    for (size_t slot = 0; slot < 2; ++slot) {
      const auto& manifest = *manifests[slot];
      const bool is_there = std::find(names.begin(), names.end(), manifest_name(slot)) !=
                            names.end();
      const Section row(out, "");
      out.value("file", text(manifest_name(slot)));
      out.value("counts", newest.has_value() && newest_slot == slot);
      out.value("generation", manifest.ok() ? number_value(manifest->generation) : InspectValue());
      out.value("next_run", manifest.ok() ? number_value(manifest->next_run) : InspectValue());
      out.value("runs", manifest.ok() ? number_value(manifest->runs.size()) : InspectValue());
      out.value("forgotten",
                manifest.ok() ? number_value(manifest->forgotten.size()) : InspectValue());
      damage(out, "damage", manifest.ok() || !is_there ? "" : manifest.error().message());
    }
  }
  if (!newest) {
    out.value("note", text("no manifest can be read: the index is made anew by whoever opens the "
                           "store for writing"));
    return ok();
  }
  out.value("forgotten_segments",
            std::vector<uint64_t>(newest->forgotten.begin(), newest->forgotten.end()));
  const std::set<SegmentNo> forgotten(newest->forgotten.begin(), newest->forgotten.end());
  std::map<SegmentNo, std::vector<SlotEntry>> tables;  // of one segment at a time
  const auto verdict = [&](const IndexEntry& entry) -> std::string_view {
    if (forgotten.contains(entry.segment)) return "forgotten";
    if (!tables.contains(entry.segment)) {
      constexpr size_t kTablesMax = 256;
      if (tables.size() >= kTablesMax) tables.clear();
      const auto loaded = store_->load(entry.segment);
      const bool has = loaded.ok() && !(*loaded)->is_map();
      tables[entry.segment] = has ? (*loaded)->segment->slots(0, (*loaded)->segment->slot_count())
                                  : std::vector<SlotEntry>();
    }
    const auto& table = tables[entry.segment];
    if (table.empty()) return "stale: no such segment";
    if (entry.slot >= table.size() || table[entry.slot].is_gone()) return "stale: the slot is gone";
    return table[entry.slot].hash.prefix() == entry.prefix ? "leads to its block"
                                                           : "stale: another block";
  };
  std::set<std::string> expected{manifest_name(0), manifest_name(1)};
  for (const RunIdentity& identity : newest->runs) expected.insert(run_name(identity.number));
  {
    const Section table(out, "other_files", InspectPart::kTable);
    for (const std::string& name : names) {
      if (expected.contains(name)) continue;
      const Section row(out, "");
      out.value("file", name_value(name));
    }
  }
  const Section list(out, "runs", InspectPart::kList);
  for (const RunIdentity& identity : newest->runs) {
    RAMET_TRY(check_stopped(out));
    const std::string file = run_name(identity.number);
    const Section part(out, "");
    out.value("file", text(file));
    out.value("number", number_value(identity.number));
    out.value("entries_of_manifest", number_value(identity.entries));
    out.value("header_check", check_value(identity.header_check));
    auto run = IndexRun::open(store_->env(), directory + "/" + file, identity);
    damage(out, "damage", run.ok() ? "" : run.error().message());
    if (!run.ok()) continue;
    const RunHeader& header = (*run)->header();
    out.value("file_length", size_value(header.file_bytes()));
    out.value("windows", number_value(header.windows));
    out.value("filter_pages", number_value(header.filter_pages));
    out.value("sample_pages", number_value(header.sample_pages));
    const Status verified = (*run)->verify();
    damage(out, "pages_damage", verified.ok() ? "" : verified.error().message());
    std::map<std::string_view, uint64_t> verdicts;
    RunScanner scanner(*run);
    std::optional<Section> table;
    if (list_entries) table.emplace(out, "entries", InspectPart::kTable);
    uint64_t seen = 0;
    std::string failed;
    for (;; ++seen) {
      if (seen % 1024 == 0) RAMET_TRY(check_stopped(out));
      IndexEntry entry;
      const auto more = scanner.next(&entry);
      if (!more.ok()) failed = more.error().message();
      if (!more.ok() || !*more) break;
      const std::string_view words = verdict(entry);
      ++verdicts[words];
      if (!list_entries) continue;
      const Section row(out, "");
      ContentHash prefix;
      store(prefix.bytes.data(), entry.prefix);
      out.value("prefix", text(prefix.to_hex().substr(0, 16)));
      out.value("place", text(fmt::format("{}:{}", entry.segment, entry.slot)));
      out.value("verdict", text(words));
    }
    table.reset();
    damage(out, "entries_damage", failed);
    out.value("entries_read", number_value(seen));
    const Section sums(out, "verdicts", InspectPart::kTable);
    for (const auto& [words, count] : verdicts) {
      const Section row(out, "");
      out.value("verdict", text(words));
      out.value("entries", number_value(count));
    }
  }
  return ok();
}

Result<Bytes> InspectorImpl::raw_index() {
  Result<Bytes> best = Error(ErrorCode::kNotFound, "there is no valid manifest of the index in " +
                                                       store_->path() + "/index");
  uint64_t generation = 0;
  for (size_t slot = 0; slot < 2; ++slot) {
    auto bytes = io::read_file(store_->env(), store_->path() + "/index/" + manifest_name(slot));
    if (!bytes.ok()) continue;
    const auto manifest = decode_index_manifest(*bytes);
    if (!manifest.ok() || (best.ok() && manifest->generation <= generation)) continue;
    generation = manifest->generation;
    best = std::move(bytes);
  }
  return best;
}

}  // namespace ramet::engine
