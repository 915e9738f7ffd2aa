// How BlockStore finds a segment by its number: among its own, in the cache of those of earlier
// lives, or by its file, with the table of its footer, of the map, or of its frames.
#include <fmt/format.h>

#include "engine/block/block_store.h"
#include "engine/block/segment_scan.h"
#include "engine/no_wait.h"

namespace ramet::engine {
namespace {

// Lives that are tried for a segment whose header is damaged; the number may be damaged too.
constexpr Epoch kEpochsTried = 1u << 20;

}  // namespace

Result<std::shared_ptr<Segment>> BlockStore::segment(SegmentNo number) {
  return find_or_load(number, For::kAnything);
}

Result<std::shared_ptr<Segment>> BlockStore::find_or_load(SegmentNo number, For use) {
  std::shared_ptr<Segment> rebuilt;
  uint64_t replacements = 0;
  {
    std::lock_guard lock(mu_);
    replacements = replacements_;
    const auto own = own_.find(number);
    if (own != own_.end()) return own->second;
    const auto cached = cache_.find(number);
    if (cached != cache_.end() && cached->second.segment->table_rebuilt()) {
      // What kept its table from being read may have been a fault that is over.
      rebuilt = cached->second.segment;
    } else if (cached != cache_.end() &&
               (use == For::kReading || cached->second.segment->has_names())) {
      recent_.splice(recent_.begin(), recent_, cached->second.position);
      return cached->second.segment;
    }
  }
  if (NoWaitScope::active()) {
    return Error(ErrorCode::kWouldWait, "a segment's slot table must be read from the disk");
  }
  // The map is read to find other segments; its own are found by their files.
  auto loaded = rebuilt ? load_table_again(rebuilt)
                : use == For::kMap ? attach_probed(number)
                                   : load_segment(number);
  if (!loaded.ok()) return loaded;
  std::shared_ptr<Segment> segment = std::move(loaded).value();
  std::lock_guard lock(mu_);
  // Made known meanwhile: what was loaded may be older than what it is.
  const auto own = own_.find(number);
  if (own != own_.end()) return own->second;
  if (replacements != replacements_) {
    const auto now = cache_.find(number);
    if (now != cache_.end() && now->second.segment->has_names()) return now->second.segment;
    return segment;  // perhaps it was replaced: the next one to ask looks it up anew
  }
  const auto old = cache_.find(number);
  if (old != cache_.end() && segment != old->second.segment &&
      (old->second.segment == rebuilt || !old->second.segment->has_names())) {
    drop_cached(number);
  }
  if (!cache_.contains(number)) put_cached(segment);
  return segment;
}

void BlockStore::put_cached(std::shared_ptr<Segment> segment) {
  const SegmentNo number = segment->number();
  const uint64_t bytes = segment->memory_bytes();
  recent_.push_front(number);
  cache_.emplace(number, Cached{std::move(segment), recent_.begin(), bytes});
  cache_bytes_ += bytes;
  trim_cache();
}

void BlockStore::drop_cached(SegmentNo number) {
  const auto it = cache_.find(number);
  if (it == cache_.end()) return;
  cache_bytes_ -= it->second.bytes;
  recent_.erase(it->second.position);
  cache_.erase(it);
}

// Names go first, those that were not used for longest before others; then whole tables.
void BlockStore::trim_cache() {
  const auto is_over = [this] { return cache_bytes_ > config_.options.slot_table_bytes; };
  for (auto it = recent_.end(); it != recent_.begin() && is_over();) {
    Cached& cached = cache_.find(*--it)->second;
    const Segment& segment = *cached.segment;
    // (Those of the map have no table; one that was made of what could be read is not made twice.)
    if (!segment.has_names() || segment.table_rebuilt() ||
        segment.identity().stream == Stream::kMap) {
      continue;
    }
    cached.segment = cached.segment->without_names();
    cache_bytes_ -= cached.bytes;
    cached.bytes = cached.segment->memory_bytes();
    cache_bytes_ += cached.bytes;
  }
  while (cache_.size() > 1 && (is_over() || cache_.size() > config_.options.open_segments_max)) {
    const auto it = cache_.find(recent_.back());
    cache_bytes_ -= it->second.bytes;
    recent_.pop_back();
    cache_.erase(it);
  }
}

Result<std::shared_ptr<Segment>> BlockStore::load_segment(SegmentNo number) {
  SegmentDirectory* directory = nullptr;
  {
    std::lock_guard lock(mu_);
    directory = directory_;
  }
  if (directory == nullptr) return attach_probed(number);
  auto found = directory->find(number);
  if (found.ok() && found->has_value()) return attach_known(number, **found);
  // Damage in the map must not cost what it describes: the file itself tells [INV-2]. (Unless it
  // is of a later generation, whose name only the map knows: then the map's error counts.) What
  // lies in holes stands in its table, too: that is for reading what a reference leads to only.
  auto probed = attach_probed(number);
  if (!probed.ok() && !found.ok()) return std::move(found).error();
  if (probed.ok() && !found.ok()) (*probed)->set_table_rebuilt();
  return probed;
}

// The segment with its true table, if that can be read now; else as it is.
Result<std::shared_ptr<Segment>> BlockStore::load_table_again(
    const std::shared_ptr<Segment>& rebuilt) {
  SegmentDirectory* directory = nullptr;
  {
    std::lock_guard lock(mu_);
    directory = directory_;
  }
  if (directory == nullptr) return rebuilt;
  const auto value = directory->find(rebuilt->number());
  if (!value.ok() || !value->has_value()) return rebuilt;
  auto whole = attach_whole(rebuilt->number(), **value);
  if (!whole.ok() && whole.error().code() == ErrorCode::kNotFound) return whole;
  return whole.ok() && *whole != nullptr ? *whole : rebuilt;
}

// By its footer, or by what the map has of it; null if neither can be read.
Result<std::shared_ptr<Segment>> BlockStore::attach_whole(SegmentNo number,
                                                          const SegmentValue& value) {
  RAMET_ASSIGN(auto segment, attach_table(number, value));
  if (segment == nullptr || (value.flags & kSegmentHasHoles) == 0) return segment;
  auto holes = directory_->holes_of(number);
  if (!holes.ok()) return std::shared_ptr<Segment>();
  segment->set_holes(std::move(holes).value());
  return segment;
}

// Without its holes.
Result<std::shared_ptr<Segment>> BlockStore::attach_table(SegmentNo number,
                                                          const SegmentValue& value) {
  const auto stream = static_cast<Stream>(value.stream);
  if (value.state == SegmentState::kCondemned || value.state == SegmentState::kDeleted) {
    return Error(ErrorCode::kNotFound, fmt::format("segment {} was given up", number));
  }
  const SegmentIdentity who = identity(number, value.generation, stream, value.epoch);
  RAMET_ASSIGN(auto file,
               config_.env->open(path_of(number, value.generation), io::OpenMode::kRead));
  if (stream == Stream::kMap) {
    RAMET_ASSIGN(const uint64_t size, file->size());
    return Segment::attach(std::move(file), who, {}, size, 0);
  }
  auto footer = read_footer(*file, who.seed);
  if (footer.ok() && footer->has_value()) {
    const uint64_t end = (*footer)->end_offset;
    return Segment::attach(std::move(file), who, std::move((*footer)->slots), end, end);
  }
  const bool known = value.state != SegmentState::kOpen;  // else it was probed
  if (known && directory_ != nullptr) {
    auto slots = directory_->slots_of(number, value.slot_count);
    if (slots.ok() && slots->size() == value.slot_count) {
      return Segment::attach(std::move(file), who, std::move(*slots), value.length, 0);
    }
  }
  return std::shared_ptr<Segment>();
}

Result<std::shared_ptr<Segment>> BlockStore::attach_known(SegmentNo number,
                                                          const SegmentValue& value) {
  RAMET_ASSIGN(auto whole, attach_whole(number, value));
  if (whole != nullptr) return whole;
  const SegmentIdentity who = identity(number, value.generation,
                                       static_cast<Stream>(value.stream), value.epoch);
  RAMET_ASSIGN(auto file,
               config_.env->open(path_of(number, value.generation), io::OpenMode::kRead));
  RAMET_ASSIGN(ScanResult scan, scan_frames(*file, who, {}, kSegmentHeaderBytes, true));
  // What recovery did not accept does not exist, even if it can be read.
  if (value.state != SegmentState::kOpen && scan.slots.size() > value.slot_count) {
    scan.slots.resize(value.slot_count);
  }
  auto segment = Segment::attach(std::move(file), who, std::move(scan.slots), scan.end, 0);
  segment->set_table_rebuilt();
  return segment;
}

Result<SegmentHeader> BlockStore::header_from_frames(io::File& file, SegmentNo number) {
  char bytes[kFrameHeaderBytes];
  RAMET_ASSIGN(const size_t got, file.read(kSegmentHeaderBytes, bytes));
  const Epoch oldest = newest_epoch_ > kEpochsTried ? newest_epoch_ - kEpochsTried : 0;
  for (Epoch epoch = newest_epoch_; epoch > oldest && got == sizeof bytes; --epoch) {
    const auto frame = decode_frame_header(ByteView(bytes, sizeof bytes),
                                           frame_seed(config_.secret, number, epoch));
    if (!frame.ok()) continue;
    SegmentHeader header;
    header.epoch = epoch;
    header.segment = number;
    // Only in the map stream is the first frame's slot its offset.
    header.stream = frame->slot == kSegmentHeaderBytes / 8      ? Stream::kMap
                    : frame->kind == FrameKind::kNode           ? Stream::kNode
                    : frame->kind == FrameKind::kCommit         ? Stream::kCommit
                                                                : Stream::kData;
    return header;
  }
  return Error(ErrorCode::kCorruption, file.path() + ": no frame tells which life it is of");
}

Result<SegmentHeader> BlockStore::header_of(io::File& file, SegmentNo number) {
  auto header = read_segment_header(file, secret(), number);
  if (header.ok() || header.error().code() != ErrorCode::kCorruption) return header;
  // A damaged header costs nothing: the frames tell which life they are of.
  auto guessed = header_from_frames(file, number);
  return guessed.ok() ? std::move(guessed) : std::move(header);
}

Result<std::shared_ptr<Segment>> BlockStore::attach_probed(SegmentNo number) {
  RAMET_ASSIGN(auto file, config_.env->open(path_of(number, 0), io::OpenMode::kRead));
  RAMET_ASSIGN(const SegmentHeader header, header_of(*file, number));
  SegmentValue value{};
  value.generation = header.generation;
  value.stream = static_cast<uint8_t>(header.stream);
  value.epoch = header.epoch;
  return attach_known(number, value);
}

}  // namespace ramet::engine
