#include "engine/check/inspect_store.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "engine/block/segment_scan.h"
#include "engine/check/found_checkpoints.h"
#include "engine/tree/query.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// Lives that are tried for a segment whose header is damaged.
constexpr Epoch kEpochsTried = 4096;
// Lives whose frames are searched for where not even the first frame can be read, and in how much
// of the file: each byte costs a hash for each of them.
constexpr Epoch kEpochsSearched = 16;
constexpr uint64_t kSearchedBytes = 1u << 20;
constexpr uint64_t kMapSegmentBytesMax = 1u << 30;  // of map segments that are searched

}  // namespace

InspectedStore::InspectedStore(std::string path, const InspectOptions& options)
    : path_(std::move(path)), options_(options) {
  if (options_.env == nullptr) options_.env = io::default_env();
}

Result<std::unique_ptr<InspectedStore>> InspectedStore::open(const std::string& path,
                                                             const InspectOptions& options) {
  std::unique_ptr<InspectedStore> store(new InspectedStore(path, options));
  RAMET_ASSIGN(const bool there, store->env().exists(path));
  if (!there) return Error(ErrorCode::kNotFound, "there is no directory " + path);
  store->look_for_holder();
  RAMET_TRY(store->read_superblocks());
  if (store->superblocks_[0].is_missing && store->superblocks_[1].is_missing) {
    RAMET_ASSIGN(const bool segments, store->env().exists(store->segments_directory()));
    if (!segments) return Error(ErrorCode::kFailedPrecondition, path + " is not a Ramet store");
  }
  return store;
}

// A shared lock keeps writers away while it is looked at. (Where there is no file to lock nobody
// holds it, and nothing is written here to make one.)
void InspectedStore::look_for_holder() {
  const std::string file = path_ + "/lock";
  const auto there = env().exists(file);
  if (!there.ok() || !*there) return;
  auto lock = env().lock(file, false);
  if (lock.ok()) {
    lock_ = std::move(*lock);
  } else if (lock.error().code() == ErrorCode::kBusy) {
    holder_ = lock.error().message();
  }
}

Status InspectedStore::read_superblocks() {
  std::array<std::optional<Result<Superblock>>, 2> read;
  for (size_t i = 0; i < 2; ++i) {
    SuperblockFile& file = superblocks_[i];
    file.path = path_ + "/" + kSuperblockFileNames[i];
    auto bytes = io::read_file(env(), file.path);
    if (bytes.ok()) {
      file.bytes = std::move(*bytes);
      read[i] = decode_superblock(ByteView(file.bytes).substr(0, kSuperblockBytes));
    } else {
      file.is_missing = bytes.error().code() == ErrorCode::kNotFound;
      read[i] = Result<Superblock>(bytes.error());
    }
    if (read[i]->ok()) {
      file.superblock = **read[i];
    } else {
      file.damage = read[i]->error().message();
    }
  }
  newest_ = pick_newest(*read[0], *read[1]);
  if (!newest_->ok()) return ok();
  const Superblock& newest = *superblocks_[**newest_].superblock;
  identity_ = StoreIdentity{newest.store_id, newest.secret, newest.epoch,
                            kSuperblockFileNames[**newest_]};
  return ok();
}

Result<std::vector<InspectedFile>> InspectedStore::files() {
  if (files_) return *files_;
  RAMET_ASSIGN(const bool there, env().exists(segments_directory()));
  std::vector<std::string> names;
  if (there) {
    RAMET_ASSIGN(names, env().list(segments_directory()));
  }
  files_.emplace();
  for (const std::string& name : names) {
    const auto parsed = parse_segment_file_name(name);
    if (parsed.ok()) {
      files_->push_back({parsed->number, parsed->generation, segments_directory() + "/" + name});
    } else {
      foreign_.push_back(name);
    }
  }
  std::sort(files_->begin(), files_->end(), [](const InspectedFile& a, const InspectedFile& b) {
    return std::pair(a.number, a.generation) < std::pair(b.number, b.generation);
  });
  return *files_;
}

Result<std::optional<SegmentHeader>> InspectedStore::read_header(const InspectedFile& file,
                                                                 std::string& damage) {
  RAMET_ASSIGN(const auto opened, env().open(file.path, io::OpenMode::kRead));
  RAMET_ASSIGN(const uint64_t size, opened->size());
  Bytes bytes(std::min<uint64_t>(kSegmentHeaderBytes, size), '\0');
  const Status read = read_inside(*opened, 0, bytes);
  const auto header = read.ok() ? decode_segment_header(bytes)
                                : Result<SegmentHeader>(read.error());
  if (!header.ok()) {
    damage = header.error().message();
    return std::optional<SegmentHeader>();
  }
  if (header->segment != file.number) {
    damage = fmt::format("it says that it is segment {}", header->segment);
  } else if (header->generation != file.generation) {
    damage = fmt::format("it says that it is generation {}", header->generation);
  }
  return std::optional<SegmentHeader>(*header);
}

Result<StoreIdentity> InspectedStore::identity() {
  if (!identity_) RAMET_TRY(identity_from_headers());
  return *identity_;
}

// What most of the headers say: a file of another store may have come among them.
Status InspectedStore::identity_from_headers() {
  RAMET_ASSIGN(const auto files, this->files());
  std::map<std::pair<StoreId, Secret>, std::pair<uint64_t, Epoch>> seen;
  for (const InspectedFile& file : files) {
    std::string damage;
    const auto header = read_header(file, damage);
    if (!header.ok() || !header->has_value()) continue;
    auto& [times, epoch] = seen[{(*header)->store_id, (*header)->secret}];
    ++times;
    epoch = std::max(epoch, (*header)->epoch);
  }
  const auto best = std::max_element(seen.begin(), seen.end(), [](const auto& a, const auto& b) {
    return a.second.first < b.second.first;
  });
  if (best == seen.end()) {
    return Error(ErrorCode::kCorruption,
                 path_ + ": no superblock and no segment header can be read");
  }
  identity_ = StoreIdentity{best->first.first, best->first.second, best->second.second,
                            "segment headers"};
  return ok();
}

Result<RecoveredStore*> InspectedStore::trees() {
  if (trees_ != nullptr) return trees_.get();
  if (no_trees_) return *no_trees_;
  auto recovered = recover();
  if (!recovered.ok()) {
    const ErrorCode code = recovered.error().code();
    if (code != ErrorCode::kUnsupported) recovered = salvage(recovered.error());
  }
  if (!recovered.ok()) {
    no_trees_ = recovered.error();
    return *no_trees_;
  }
  trees_ = std::move(*recovered);
  last_ = nullptr;  // (what was loaded without the map)
  return trees_.get();
}

Result<std::unique_ptr<RecoveredStore>> InspectedStore::recover() {
  StoreOptions options;
  options.env = options_.env;
  options.read_only = true;
  options.node_cache_bytes = options_.node_cache_bytes;
  auto store = std::make_unique<RecoveredStore>(path_, options);
  RAMET_TRY(store->load_superblocks(false));
  RAMET_TRY(store->recover(false, !is_open_elsewhere()));
  return store;
}

// No superblock leads to a checkpoint: the newest one that stands in any map segment.
Result<std::unique_ptr<RecoveredStore>> InspectedStore::salvage(const Error& why) {
  RAMET_ASSIGN(const StoreIdentity who, identity());
  RAMET_ASSIGN(const auto files, this->files());
  Superblock found;
  std::optional<std::pair<Epoch, Sequence>> best;
  for (const InspectedFile& file : files) {
    const auto segment = load(file.number, file.generation);
    if (!segment.ok()) continue;
    const LoadedSegment& loaded = **segment;
    if (!loaded.is_map() || loaded.size > kMapSegmentBytesMax) continue;
    const auto consider = [&](const BlockRef& ref, const CheckpointRecord& record) {
      if (best && *best >= std::pair(record.epoch, record.sequence)) return;
      best = {record.epoch, record.sequence};
      found.checkpoint = ref;
    };
    ignore_error(each_checkpoint(loaded.segment->file(), loaded.size, file.number,
                                 loaded.identity().seed, consider),
                 "what was found before it counts");
  }
  if (!best) return why;
  found.store_id = who.id;
  found.secret = who.secret;
  found.epoch = std::max(who.newest_epoch, best->first);
  StoreOptions options;
  options.env = options_.env;
  options.read_only = true;
  options.node_cache_bytes = options_.node_cache_bytes;
  auto store = std::make_unique<RecoveredStore>(path_, options);
  RAMET_TRY(store->recover_from(found));
  salvaged_ = to_string(found.checkpoint);
  return store;
}

std::string InspectedStore::state_note() {
  if (!salvaged_.empty()) {
    return "no superblock leads to a checkpoint: as of the newest one that was found, at " +
           salvaged_ + "; the log behind it was not read";
  }
  std::string note;
  if (trees_ != nullptr && newest_->ok() &&
      trees_->superblocks().newest().checkpoint != superblocks_[**newest_].superblock->checkpoint) {
    note = "the newest checkpoint cannot be read: as of the one before";
  }
  if (is_open_elsewhere()) {
    note += note.empty() ? "the store is open: as of its last checkpoint" : "; the store is open";
  }
  if (!note.empty()) return note;
  if (trees_ != nullptr && trees_->damage()) {
    return "the log is damaged: as of the state before: " + trees_->damage()->message();
  }
  return {};
}

bool InspectedStore::is_state_damaged() {
  const std::string note = state_note();
  return !note.empty() && note != "the store is open: as of its last checkpoint";
}

// --- segments ------------------------------------------------------------------------------------

Result<std::shared_ptr<LoadedSegment>> InspectedStore::load(SegmentNo number,
                                                            std::optional<uint32_t> generation) {
  if (last_ != nullptr && last_->file.number == number && last_generation_ == generation) {
    return last_;
  }
  auto out = std::make_shared<LoadedSegment>();
  if (trees_ != nullptr) {
    const auto value = trees_->map().find(number);
    if (value.ok()) out->value = *value;
  }
  RAMET_ASSIGN(const auto files, this->files());
  const InspectedFile* chosen = nullptr;
  std::optional<uint32_t> wanted = generation;
  if (!wanted && out->value) wanted = out->value->generation;
  for (const InspectedFile& file : files) {
    if (file.number != number) continue;
    if (generation && file.generation != *generation) continue;
    // The one that counts; where it is not there, the newest.
    if (chosen == nullptr || !wanted || chosen->generation != *wanted) chosen = &file;
  }
  if (chosen == nullptr) {
    return Error(ErrorCode::kNotFound,
                 generation ? fmt::format("there is no file of segment {}, generation {}, in {}",
                                          number, *generation, segments_directory())
                            : fmt::format("there is no file of segment {} in {}", number,
                                          segments_directory()));
  }
  out->file = *chosen;
  RAMET_ASSIGN(auto file, env().open(chosen->path, io::OpenMode::kRead));
  RAMET_ASSIGN(out->size, file->size());
  RAMET_ASSIGN(out->header, read_header(*chosen, out->header_damage));
  RAMET_TRY(attach(*out, std::move(file)));
  last_ = out;
  last_generation_ = generation;
  return out;
}

Status InspectedStore::attach(LoadedSegment& out, std::unique_ptr<io::File> file) {
  RAMET_ASSIGN(const SegmentIdentity who, identify(out, *file));
  auto footer = who.stream == Stream::kMap ? Result<std::optional<Footer>>(std::optional<Footer>())
                                           : read_footer(*file, who.seed);
  const bool must = out.value && out.value->state == SegmentState::kSealed &&
                    out.value->generation == who.generation && who.stream != Stream::kMap;
  if (!footer.ok()) {
    out.footer_damage = footer.error().message();
  } else if (footer->has_value()) {
    out.footer = std::move(**footer);
  } else if (must) {
    out.footer_damage = "there is none at its end";
  }
  const bool counts = out.value && out.value->generation == who.generation;
  if (trees_ != nullptr && (counts || !out.value)) {  // as whoever reads the store sees it
    auto known = trees_->blocks().segment(who.number);
    if (known.ok() && (*known)->identity().generation == who.generation &&
        (*known)->identity().seed == who.seed) {
      out.segment = *known;
      out.table_from = who.stream == Stream::kMap           ? "offsets"
                       : out.segment->sealed()              ? "footer"
                       : out.segment->table_rebuilt()       ? "frames"
                       : out.value && out.value->slot_count ? "map"
                                                            : "frames";
      return ok();
    }
  }
  if (who.stream == Stream::kMap) {
    out.segment = Segment::attach(std::move(file), who, {}, out.size, 0);
    out.table_from = "offsets";
    return ok();
  }
  if (out.footer) {
    const uint64_t end = out.footer->end_offset;
    out.segment = Segment::attach(std::move(file), who, out.footer->slots, end, end);
    out.table_from = "footer";
    return ok();
  }
  auto scan = scan_frames(*file, who, {}, kSegmentHeaderBytes, true);
  if (!scan.ok()) {
    if (!out.footer_damage.empty()) out.footer_damage += "; ";
    out.footer_damage += "no slot table can be made: " + scan.error().message();
    scan = ScanResult{{}, out.size, {}};
  }
  out.segment = Segment::attach(std::move(file), who, std::move(scan->slots), scan->end, 0);
  out.segment->set_table_rebuilt();
  out.table_from = "frames";
  return ok();
}

Result<SegmentIdentity> InspectedStore::identify(LoadedSegment& out, io::File& file) {
  SegmentIdentity who;
  who.number = out.file.number;
  who.generation = out.file.generation;
  if (out.header) {
    // Also of a file that stands under another's name: its own header tells how to read it.
    who.stream = out.header->stream;
    who.epoch = out.header->epoch;
    who.seed = frame_seed(out.header->secret, out.header->segment, out.header->epoch);
    out.identity_from = "header";
    const auto store = identity();
    if (store.ok() && store->secret != out.header->secret) {
      out.header_damage = "it belongs to another store";
    }
    return who;
  }
  RAMET_ASSIGN(const StoreIdentity store, identity());
  if (out.value) {
    who.stream = static_cast<Stream>(out.value->stream);
    who.epoch = out.value->epoch;
    who.seed = frame_seed(store.secret, who.number, who.epoch);
    out.identity_from = "map";
    return who;
  }
  out.identity_from = "frames";
  return identify_by_frames(out, file);
}

// Epochs grow with segment numbers: the neighbours bound it.
std::pair<Epoch, Epoch> InspectedStore::epochs_around(SegmentNo number) {
  Epoch from = 1;
  Epoch to = identity_ ? identity_->newest_epoch : 1;
  const auto files = this->files();
  if (!files.ok()) return {from, to};
  const std::vector<InspectedFile> all = *files;
  const auto at = std::find_if(all.begin(), all.end(),
                               [&](const InspectedFile& file) { return file.number >= number; });
  const auto epoch_of = [this](const InspectedFile& file) -> Epoch {
    std::string damage;
    const auto header = read_header(file, damage);
    const bool good = header.ok() && header->has_value() && damage.empty() &&
                      (*header)->secret == identity_->secret;
    return good ? (*header)->epoch : 0;
  };
  for (auto before = std::make_reverse_iterator(at); before != all.rend(); ++before) {
    if (const Epoch epoch = epoch_of(*before)) {
      from = epoch;
      break;
    }
  }
  for (auto after = at; after != all.end(); ++after) {
    if (after->number == number) continue;
    if (const Epoch epoch = epoch_of(*after)) {
      to = epoch;
      break;
    }
  }
  return {from, std::max(from, to)};
}

Result<SegmentIdentity> InspectedStore::identify_by_frames(const LoadedSegment& out,
                                                           io::File& file) {
  RAMET_ASSIGN(const StoreIdentity store, identity());
  auto [from, to] = epochs_around(out.file.number);
  if (to - from >= kEpochsTried) from = to - kEpochsTried + 1;
  Bytes bytes(std::min(out.size, kSegmentHeaderBytes + kSearchedBytes), '\0');
  RAMET_TRY(read_inside(file, 0, bytes));
  Bytes trailer(std::min<uint64_t>(out.size, kFooterTrailerBytes), '\0');
  RAMET_TRY(read_inside(file, out.size - trailer.size(), trailer));
  const ByteView frames = ByteView(bytes).substr(
      std::min<size_t>(bytes.size(), kSegmentHeaderBytes));
  for (const bool search : {false, true}) {
    for (Epoch epoch = to; epoch >= from && epoch > 0; --epoch) {
      if (search && to - epoch >= kEpochsSearched && epoch - from >= kEpochsSearched) continue;
      const uint64_t seed = frame_seed(store.secret, out.file.number, epoch);
      const bool sealed = decode_footer_trailer(trailer, seed).ok();
      const bool first = decode_frame_header(frames, seed).ok();
      const size_t found = first             ? 0
                           : sealed || search ? search_frame(frames, 0, seed)
                                              : ByteView::npos;
      if (!sealed && found == ByteView::npos) continue;
      SegmentIdentity who{out.file.number, out.file.generation, Stream::kData, epoch, seed};
      if (found == ByteView::npos) return who;
      const auto header = decode_frame_header(frames.substr(found), seed);
      if (!header.ok()) return who;
      // Only in the map stream is a frame's slot its offset.
      const uint64_t offset = kSegmentHeaderBytes + found;
      const bool commit =
          header->kind == FrameKind::kCommit || header->kind == FrameKind::kSynced;
      who.stream = header->slot == offset / 8            ? Stream::kMap
                   : header->kind == FrameKind::kNode    ? Stream::kNode
                   : commit                              ? Stream::kCommit
                                                         : Stream::kData;
      return who;
    }
  }
  return Error(ErrorCode::kCorruption,
               fmt::format("{}: {}, and no frame tells which life it is of", out.file.path,
                           out.header_damage));
}

std::optional<Slot> InspectedStore::floor_of(SegmentNo number) {
  if (trees_ == nullptr) return std::nullopt;
  if (counts_ == nullptr) {
    counts_ = std::make_unique<RefCounts>(trees_->map().context(), trees_->map().durable(),
                                          trees_->context(), trees_->blocks());
  }
  const auto floor = counts_->floor(number);
  if (!floor.ok()) return std::nullopt;
  return *floor;
}

SlotState InspectedStore::state_of(const LoadedSegment& segment, Slot slot) {
  if (segment.is_map()) return {"of the map", std::nullopt};
  const auto entry = segment.segment->slot(slot);
  if (!entry.ok()) return {"gone", std::nullopt};
  const SegmentNo number = segment.file.number;
  const auto floor = floor_of(number);
  if (!floor || (segment.value && segment.value->generation != segment.file.generation)) {
    return {"unknown", std::nullopt};
  }
  if (!segment.value || slot >= segment.value->slot_count) {
    return {"newer than the checkpoint", std::nullopt};
  }
  const auto count = counts_->count({number, slot});
  if (!count.ok()) return {"unknown", std::nullopt};
  if (*count > 0) return {"live", *count};
  if (slot >= *floor) return {"not counted yet", 0};
  const auto pending = counts_->is_pending({number, slot});
  return {pending.ok() && *pending ? "dead, pending" : "dead", 0};
}

}  // namespace ramet::engine
