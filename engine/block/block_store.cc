#include "engine/block/block_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/block/segment_scan.h"

namespace ramet::engine {
namespace {

// Slot tables of closed segments kept in memory; a table takes 40 bytes a slot.
constexpr uint64_t kSlotTableBytesMax = 96u << 20;

// Lives that are tried for a segment whose header is damaged; the number may be damaged too.
constexpr Epoch kEpochsTried = 1u << 20;
// Buffer of write_again().
constexpr uint64_t kWriteAgainBytes = 1u << 20;
// Damaged slots that are remembered.
constexpr size_t kDamagedMax = 1u << 16;

// What a reference names and no table or directory holds is damage, not absence.
Error missing_is_damage(Error error) {
  if (error.code() != ErrorCode::kNotFound) return error;
  return Error(ErrorCode::kCorruption, error.message());
}

constexpr size_t index_of(Stream stream) { return static_cast<size_t>(stream); }

}  // namespace

BlockStore::BlockStore(BlockStoreConfig config)
    : config_(std::move(config)), newest_epoch_(config_.newest_epoch) {}
BlockStore::~BlockStore() = default;

void BlockStore::set_directory(SegmentDirectory* directory) {
  std::lock_guard lock(mu_);
  directory_ = directory;
}

void BlockStore::begin_epoch(Epoch epoch, SegmentNo next_segment) {
  epoch_ = epoch;
  std::lock_guard lock(create_mu_);
  next_segment_ = next_segment;
}

std::string BlockStore::path_of(SegmentNo number, uint32_t generation) const {
  const auto other = paths_.find({number, generation});
  if (other != paths_.end()) return other->second;
  return segment_path(config_.directory, number, generation);
}

SegmentIdentity BlockStore::identity(SegmentNo number, uint32_t generation, Stream stream,
                                     Epoch epoch) const {
  return {number, generation, stream, epoch, frame_seed(config_.secret, number, epoch)};
}

uint64_t BlockStore::segment_bytes_max(Stream stream) const {
  switch (stream) {
    case Stream::kCommit: return config_.options.commit_segment_bytes;
    case Stream::kNode: return config_.options.node_segment_bytes;
    case Stream::kData: return config_.options.data_segment_bytes;
    case Stream::kMap: return config_.options.map_segment_bytes;
  }
  return config_.options.data_segment_bytes;
}

SegmentNo BlockStore::next_segment() {
  std::lock_guard lock(create_mu_);
  return next_segment_;
}

Result<std::shared_ptr<Segment>> BlockStore::create_segment(Stream stream, SegmentNo previous) {
  // Held until the segment is registered: whoever reads next_segment() knows all below it.
  std::lock_guard lock(create_mu_);
  for (;;) {
    const SegmentNo number = next_segment_++;
    SegmentHeader header;
    header.store_id = config_.store_id;
    header.secret = config_.secret;
    header.epoch = epoch_;
    header.segment = number;
    header.generation = 0;
    header.stream = stream;
    header.previous = previous;
    header.created_at = config_.env->now();
    auto made = Segment::create(*config_.env, path_of(number, 0),
                                identity(number, 0, stream, epoch_), header);
    if (made.ok()) {
      directory_dirty_.store(true);
      register_segment(*made);
      return made;
    }
    // A life that crashed left a file with this number behind; numbers are never used twice.
    if (made.error().code() == ErrorCode::kAlreadyExists) continue;
    // Recovery looks for segments no further than a few numbers behind the last one.
    --next_segment_;
    return made;
  }
}

Result<BlockRef> BlockStore::append(Stream stream, FrameKind kind, Codec codec, ByteView stored,
                                    uint32_t raw_len, const ContentHash& hash,
                                    Sequence sequence) {
  if (stream == Stream::kData && refuse_data_.load()) {
    return Error(ErrorCode::kOutOfSpace,
                 "the disk is full: only deleting works until there is room");
  }
  StreamState& state = streams_[index_of(stream)];
  std::lock_guard lock(state.mu);
  const uint64_t need = kFrameHeaderBytes + stored.size() + 8;
  if (state.open && state.open->end() > kSegmentHeaderBytes &&
      (state.open->closed() || state.open->end() + need > segment_bytes_max(stream) ||
       state.open->slot_count() >= kSegmentSlotsMax)) {
    // The map stream has no footers: its slots are offsets. Sealed already: there was no room for
    // the next segment.
    if (stream != Stream::kMap && !state.open->closed()) {
      RAMET_TRY(noted(*state.open, state.open->seal(0, BlockRef{}, sequence)));
    }
    RAMET_ASSIGN(auto next, create_segment(stream, state.open->number()));
    if (stream == Stream::kMap) state.open->close();
    state.unsynced.push_back(std::move(state.open));
    state.open = std::move(next);
  }
  if (!state.open) {
    RAMET_ASSIGN(state.open, create_segment(stream, 0));
  }
  if (stream == Stream::kMap) return state.open->append_at_offset(kind, stored, sequence);
  return state.open->append(kind, codec, stored, raw_len, hash, sequence);
}

Status BlockStore::ensure_open(Stream stream) {
  StreamState& state = streams_[index_of(stream)];
  std::lock_guard lock(state.mu);
  if (state.open) return ok();
  RAMET_ASSIGN(state.open, create_segment(stream, 0));
  return ok();
}

Status BlockStore::noted(const Segment& segment, Status status) {
  if (!status.ok() && segment.sync_failed()) note_sync_failure(status.error());
  return status;
}

void BlockStore::note_sync_failure(const Error& error) {
  std::lock_guard lock(failure_mu_);
  if (!sync_failure_) sync_failure_ = error;
  sync_failed_.store(true);
}

std::optional<Error> BlockStore::sync_failure() const {
  if (!sync_failed()) return std::nullopt;
  std::lock_guard lock(failure_mu_);
  return sync_failure_;
}

Status BlockStore::sync_directory() {
  // Held meanwhile: whoever finds nothing to do must know that it is done.
  std::lock_guard lock(directory_mu_);
  if (!directory_dirty_.exchange(false)) return ok();
  const Status status = config_.env->sync_directory(config_.directory);
  if (status.ok()) return ok();
  directory_dirty_.store(true);
  const Error error(ErrorCode::kIoError, status.error().message());
  note_sync_failure(error);
  return error;
}

Status BlockStore::sync(Stream stream) {
  StreamState& state = streams_[index_of(stream)];
  std::vector<std::shared_ptr<Segment>> unsynced;
  {
    std::lock_guard lock(state.mu);
    unsynced = state.unsynced;
    if (state.open) unsynced.push_back(state.open);
  }
  for (const auto& segment : unsynced) {
    if (!segment->sealed()) RAMET_TRY(noted(*segment, segment->sync()));
  }
  {
    std::lock_guard lock(state.mu);
    std::erase_if(state.unsynced, [&](const auto& segment) {
      return std::find(unsynced.begin(), unsynced.end(), segment) != unsynced.end();
    });
  }
  return sync_directory();
}

Status BlockStore::sync(const std::vector<SlotBound>& bounds) {
  for (const SlotBound& bound : bounds) {
    std::shared_ptr<Segment> segment;
    {
      std::lock_guard lock(mu_);
      const auto it = own_.find(bound.segment);
      if (it == own_.end()) continue;  // of an earlier life: durable
      segment = it->second;
    }
    if (segment->synced_slots() <= bound.slot) RAMET_TRY(noted(*segment, segment->sync()));
  }
  return sync_directory();
}

bool BlockStore::is_volatile(const BlockRef& ref) {
  std::lock_guard lock(mu_);
  const auto it = own_.find(ref.segment);
  return it != own_.end() && it->second->synced_slots() <= ref.slot;
}

void BlockStore::register_segment(std::shared_ptr<Segment> segment) {
  std::lock_guard lock(mu_);
  drop_cached(segment->number());
  own_[segment->number()] = std::move(segment);
}

size_t BlockStore::own_count() {
  std::lock_guard lock(mu_);
  return own_.size();
}

std::vector<std::shared_ptr<Segment>> BlockStore::own_segments() {
  std::lock_guard lock(mu_);
  std::vector<std::shared_ptr<Segment>> out;
  out.reserve(own_.size());
  for (const auto& [number, segment] : own_) out.push_back(segment);
  return out;
}

Status BlockStore::remove(SegmentNo number, uint32_t generation) {
  {
    std::lock_guard lock(mu_);
    own_.erase(number);
    drop_cached(number);
  }
  if (keep_files_) return ok();
  return config_.env->remove(path_of(number, generation));
}

Result<std::shared_ptr<Segment>> BlockStore::create_generation(const Segment& source,
                                                               uint32_t generation) {
  const SegmentIdentity& who = source.identity();
  SegmentHeader header;
  header.store_id = config_.store_id;
  header.secret = config_.secret;
  header.epoch = who.epoch;
  header.segment = who.number;
  header.generation = generation;
  header.stream = who.stream;
  header.created_at = config_.env->now();
  return Segment::create(*config_.env, path_of(who.number, generation),
                         identity(who.number, generation, who.stream, who.epoch), header);
}

Result<std::shared_ptr<Segment>> BlockStore::with_holes(const Segment& source,
                                                        std::vector<Hole> holes) {
  const SegmentIdentity& who = source.identity();
  RAMET_ASSIGN(auto file,
               config_.env->open(path_of(who.number, who.generation), io::OpenMode::kRead));
  auto same = Segment::attach(std::move(file), who, source.slots(0, source.slot_count()),
                              source.end(), source.footer_offset());
  same->set_holes(std::move(holes));
  return same;
}

Result<bool> BlockStore::can_punch(const Segment& segment) {
  const SegmentIdentity& who = segment.identity();
  RAMET_ASSIGN(auto file,
               config_.env->open(path_of(who.number, who.generation), io::OpenMode::kReadWrite));
  RAMET_ASSIGN(const uint64_t size, file->size());
  const Status tried = file->punch_hole(align_up(size, 4096) + 4096, 4096);
  if (tried.ok()) return true;
  if (tried.error().code() == ErrorCode::kUnsupported) return false;
  return tried.error();
}

// The skip frame first: whoever reads the frames one after the other finds the next one by it.
// Until it is there the dead frames do as well, and behind half of a hole a scan finds its way.
Status BlockStore::punch_holes(const Segment& segment) {
  const SegmentIdentity& who = segment.identity();
  RAMET_ASSIGN(auto file,
               config_.env->open(path_of(who.number, who.generation), io::OpenMode::kReadWrite));
  for (const Hole& hole : segment.holes()) {
    RAMET_TRY(file->write(hole.offset, skip_header(who.seed, hole.length)));
  }
  RAMET_TRY(file->sync_data());
  for (const Hole& hole : segment.holes()) {
    const PunchRange range = punch_range(hole);
    if (range.length > 0) RAMET_TRY(file->punch_hole(range.offset, range.length));
  }
  return file->sync_data();
}

Status BlockStore::write_again(const Segment& segment, uint64_t from) {
  const SegmentIdentity& who = segment.identity();
  RAMET_ASSIGN(auto file,
               config_.env->open(path_of(who.number, who.generation), io::OpenMode::kReadWrite));
  RAMET_ASSIGN(const uint64_t size, file->size());
  const uint64_t end = segment.sealed() ? size : std::min(size, segment.end());
  FileWindow window(*file, end, kWriteAgainBytes);
  for (uint64_t at = from; at < end;) {
    RAMET_ASSIGN(const ByteView bytes, window.at(at, kWriteAgainBytes));
    RAMET_TRY(file->write(at, bytes));
    at += bytes.size();
  }
  return file->sync_data();
}

void BlockStore::replace(std::shared_ptr<Segment> segment) {
  std::lock_guard lock(mu_);
  ++replacements_;
  const SegmentNo number = segment->number();
  own_.erase(number);
  drop_cached(number);
  recent_.push_front(number);
  const uint64_t bytes = segment->memory_bytes();
  cache_.emplace(number, Cached{std::move(segment), recent_.begin(), bytes});
  cache_bytes_ += bytes;
  trim_cache();
}

std::pair<SegmentNo, Slot> BlockStore::stream_end(Stream stream) {
  StreamState& state = streams_[index_of(stream)];
  std::lock_guard lock(state.mu);
  if (state.open) return {state.open->number(), state.open->slot_count()};
  return {next_segment(), 0};
}

Status BlockStore::roll(Stream stream, Sequence last_sequence) {
  StreamState& state = streams_[index_of(stream)];
  std::lock_guard lock(state.mu);
  if (!state.open) return ok();
  if (!state.open->closed()) {
    RAMET_TRY(noted(*state.open, state.open->seal(0, BlockRef{}, last_sequence)));
  }
  state.unsynced.push_back(std::move(state.open));
  state.open = nullptr;
  return ok();
}

void BlockStore::discard(const std::shared_ptr<Segment>& segment) {
  ignore_error(remove(segment->number(), segment->identity().generation),
               "an empty file that stays is found and closed by the next recovery");
}

Status BlockStore::seal_open(const BlockRef& checkpoint, Sequence last_sequence) {
  for (const Stream stream : {Stream::kData, Stream::kNode}) {
    StreamState& state = streams_[index_of(stream)];
    std::lock_guard lock(state.mu);
    if (!state.open) continue;
    Status status = ok();
    if (!state.open->closed()) {
      status = noted(*state.open, state.open->seal(0, checkpoint, last_sequence));
    }
    // Without room for a footer the map keeps the slot table, as after a crash.
    if (!status.ok() && status.error().code() != ErrorCode::kOutOfSpace) return status;
    state.open->close();
    state.open = nullptr;
  }
  return sync_directory();
}

Result<std::shared_ptr<Segment>> BlockStore::segment(SegmentNo number) {
  return find_or_load(number, false);
}

Result<std::shared_ptr<Segment>> BlockStore::find_or_load(SegmentNo number, bool of_map) {
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
    } else if (cached != cache_.end()) {
      recent_.splice(recent_.begin(), recent_, cached->second.position);
      return cached->second.segment;
    }
  }
  // The map is read to find other segments; its own are found by their files.
  auto loaded = rebuilt ? load_table_again(rebuilt)
                : of_map ? attach_probed(number)
                         : load_segment(number);
  if (!loaded.ok()) return loaded;
  std::shared_ptr<Segment> segment = std::move(loaded).value();
  std::lock_guard lock(mu_);
  // Made known meanwhile: what was loaded may be older than what it is.
  const auto own = own_.find(number);
  if (own != own_.end()) return own->second;
  if (replacements != replacements_) {
    const auto now = cache_.find(number);
    if (now != cache_.end()) return now->second.segment;
    return segment;  // perhaps it was replaced: the next one to ask looks it up anew
  }
  if (rebuilt && rebuilt != segment) {
    const auto old = cache_.find(number);
    if (old != cache_.end() && old->second.segment == rebuilt) drop_cached(number);
  }
  const auto [it, added] = cache_.try_emplace(number);
  if (added) {
    recent_.push_front(number);
    it->second = {segment, recent_.begin(), segment->memory_bytes()};
    cache_bytes_ += it->second.bytes;
    trim_cache();
  }
  return segment;
}

void BlockStore::drop_cached(SegmentNo number) {
  const auto it = cache_.find(number);
  if (it == cache_.end()) return;
  cache_bytes_ -= it->second.bytes;
  recent_.erase(it->second.position);
  cache_.erase(it);
}

void BlockStore::trim_cache() {
  while (cache_.size() > 1 && (cache_bytes_ > kSlotTableBytesMax ||
                               cache_.size() > config_.options.open_segments_max)) {
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

void BlockStore::release(SegmentNo number) {
  {
    std::lock_guard lock(mu_);
    own_.erase(number);
  }
  // Its commit may have synced it by its bound: then nobody calls sync() for its stream, and the
  // open file would keep its space when the segment is removed.
  for (StreamState& state : streams_) {
    std::lock_guard lock(state.mu);
    std::erase_if(state.unsynced, [&](const auto& segment) {
      return segment->number() == number &&
             (segment->sealed() || segment->synced_slots() >= segment->slot_count());
    });
  }
}

Result<uint64_t> BlockStore::stored_checksum(SegmentNo number, Slot slot) {
  RAMET_ASSIGN(const auto holder, segment(number));
  RAMET_ASSIGN(const FrameHeader header, holder->read_header(slot));
  return header.payload_checksum;
}

Result<SlotEntry> BlockStore::slot(SegmentNo number, Slot slot) {
  RAMET_ASSIGN(const auto holder, segment(number));
  return holder->slot(slot);
}

void BlockStore::note_damage(const BlockRef& ref) {
  std::lock_guard lock(mu_);
  if (damaged_.size() < kDamagedMax) damaged_.emplace(ref.segment, ref.slot);
}

bool BlockStore::is_known(SegmentNo number) {
  SegmentDirectory* directory = nullptr;
  {
    std::lock_guard lock(mu_);
    if (own_.contains(number)) return true;
    directory = directory_;
  }
  if (directory == nullptr) return false;
  // Open, and not of this life: nothing in it was ever made durable.
  const auto found = directory->find(number);
  return found.ok() && found->has_value() &&
         ((*found)->state == SegmentState::kSealed ||
          (*found)->state == SegmentState::kCrashClosed);
}

bool BlockStore::is_damaged(SegmentNo number, Slot slot) {
  std::lock_guard lock(mu_);
  return damaged_.contains({number, slot});
}

Result<Bytes> BlockStore::read(const BlockRef& ref) {
  auto holder = segment(ref.segment);
  if (!holder.ok()) {
    return missing_is_damage(std::move(holder).error())
        .with_context(fmt::format("segment {} slot {}", ref.segment, ref.slot));
  }
  auto stored = (*holder)->read(ref);
  if (!stored.ok()) {
    Error error = missing_is_damage(std::move(stored).error());
    if (error.code() == ErrorCode::kCorruption) note_damage(ref);
    return error;
  }
  if (stored->header.codec == Codec::kNone) return std::move(stored->payload);
  auto raw = decode_payload(stored->header.codec, stored->payload, stored->header.raw_len);
  return with_context(std::move(raw), fmt::format("segment {} slot {}", ref.segment, ref.slot));
}

Status BlockStore::read_many(std::span<const BlockRef> refs, BlockMemory& memory) {
  memory.blocks_.clear();
  memory.decoded_.clear();
  memory.runs_used_ = 0;
  while (memory.blocks_.size() < refs.size()) {
    const auto rest = refs.subspan(memory.blocks_.size());
    const auto holder = segment(rest.front().segment);
    const size_t count = holder.ok() ? (*holder)->run_length(rest) : 0;
    if (count > 0) {
      if (memory.runs_used_ == memory.runs_.size()) memory.runs_.emplace_back();
      Bytes& run = memory.runs_[memory.runs_used_++];
      const size_t before = memory.blocks_.size();
      const Status read = (*holder)->read_run(
          rest.first(count), run, [&](const FrameHeader& header, ByteView stored) -> Status {
            if (header.codec == Codec::kNone) {
              memory.blocks_.push_back(stored);
              return ok();
            }
            RAMET_ASSIGN(auto raw, decode_payload(header.codec, stored, header.raw_len));
            memory.blocks_.push_back(memory.decoded_.emplace_back(std::move(raw)));
            return ok();
          });
      ignore_error(read, "the one that failed is read by itself, which says what is wrong");
      if (memory.blocks_.size() > before) continue;
    }
    RAMET_ASSIGN(auto raw, this->read(rest.front()));
    memory.blocks_.push_back(memory.decoded_.emplace_back(std::move(raw)));
  }
  return ok();
}

Result<Bytes> BlockStore::read_map(const BlockRef& ref) {
  auto holder = find_or_load(ref.segment, true);
  if (!holder.ok()) return missing_is_damage(std::move(holder).error());
  RAMET_ASSIGN(auto stored, (*holder)->read_at_slot_offset(ref));
  return std::move(stored.payload);
}

}  // namespace ramet::engine
