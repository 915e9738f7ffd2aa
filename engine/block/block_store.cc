#include "engine/block/block_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/block/segment_scan.h"

namespace ramet::engine {
namespace {

// Slot tables of closed segments kept in memory; a table takes 40 bytes a slot.
constexpr uint64_t kSlotTableBytesMax = 32u << 20;

// Lives that are tried for a segment whose header is damaged; the number may be damaged too.
constexpr Epoch kEpochsTried = 1u << 20;
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
  if (!status.ok() && segment.sync_failed()) sync_failed_.store(true);
  return status;
}

Status BlockStore::sync_directory() {
  // Held meanwhile: whoever finds nothing to do must know that it is done.
  std::lock_guard lock(directory_mu_);
  if (!directory_dirty_.exchange(false)) return ok();
  const Status status = config_.env->sync_directory(config_.directory);
  if (status.ok()) return ok();
  directory_dirty_.store(true);
  sync_failed_.store(true);
  return Error(ErrorCode::kIoError, status.error().message());
}

Status BlockStore::sync(Stream stream) {
  StreamState& state = streams_[index_of(stream)];
  std::vector<std::shared_ptr<Segment>> todo;
  {
    std::lock_guard lock(state.mu);
    todo = state.unsynced;
    if (state.open) todo.push_back(state.open);
  }
  for (const auto& segment : todo) {
    if (!segment->sealed()) RAMET_TRY(noted(*segment, segment->sync()));
  }
  {
    std::lock_guard lock(state.mu);
    std::erase_if(state.unsynced, [&](const auto& segment) {
      return std::find(todo.begin(), todo.end(), segment) != todo.end();
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
  const auto cached = cache_.find(segment->number());
  if (cached != cache_.end()) {
    cache_bytes_ -= cached->second.bytes;
    recent_.erase(cached->second.position);
    cache_.erase(cached);
  }
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
    const auto it = cache_.find(number);
    if (it != cache_.end()) {
      cache_bytes_ -= it->second.bytes;
      recent_.erase(it->second.position);
      cache_.erase(it);
    }
  }
  return config_.env->remove(path_of(number, generation));
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
  {
    std::lock_guard lock(mu_);
    const auto own = own_.find(number);
    if (own != own_.end()) return own->second;
    const auto cached = cache_.find(number);
    if (cached != cache_.end()) {
      recent_.splice(recent_.begin(), recent_, cached->second.position);
      return cached->second.segment;
    }
  }
  // The map is read to find other segments; its own are found by their files.
  auto loaded = of_map ? attach_probed(number) : load_segment(number);
  if (!loaded.ok()) return loaded;
  std::shared_ptr<Segment> segment = std::move(loaded).value();
  std::lock_guard lock(mu_);
  // Made known meanwhile: what was loaded may be older than what it is.
  const auto own = own_.find(number);
  if (own != own_.end()) return own->second;
  const auto [it, added] = cache_.try_emplace(number);
  if (added) {
    recent_.push_front(number);
    it->second = {segment, recent_.begin(), segment->memory_bytes()};
    cache_bytes_ += it->second.bytes;
    trim_cache();
  }
  return segment;
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
  if (directory != nullptr) {
    auto found = directory->find(number);
    if (found.ok() && found->has_value()) return attach_known(number, **found);
    // Damage in the map must not cost what it describes: the file itself tells [INV-2].
  }
  return attach_probed(number);
}

Result<std::shared_ptr<Segment>> BlockStore::attach_known(SegmentNo number,
                                                          const SegmentValue& value) {
  const auto stream = static_cast<Stream>(value.stream);
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
  if (value.slot_count > 0 && directory_ != nullptr) {
    auto slots = directory_->slots_of(number, value.slot_count);
    if (slots.ok() && slots->size() == value.slot_count) {
      return Segment::attach(std::move(file), who, std::move(*slots), value.length, 0);
    }
  }
  RAMET_ASSIGN(ScanResult scan, scan_frames(*file, who, {}, kSegmentHeaderBytes, true));
  return Segment::attach(std::move(file), who, std::move(scan.slots), scan.end, 0);
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

Result<std::shared_ptr<Segment>> BlockStore::attach_probed(SegmentNo number) {
  RAMET_ASSIGN(auto file, config_.env->open(path_of(number, 0), io::OpenMode::kRead));
  auto header = read_segment_header(*file, secret(), number);
  if (!header.ok()) {
    if (header.error().code() != ErrorCode::kCorruption) return std::move(header).error();
    // A damaged header costs nothing: the frames tell which life they are of.
    auto guessed = header_from_frames(*file, number);
    if (!guessed.ok()) return std::move(header).error();
    header = std::move(guessed);
  }
  SegmentValue value{};
  value.generation = header->generation;
  value.stream = static_cast<uint8_t>(header->stream);
  value.epoch = header->epoch;
  return attach_known(number, value);
}

void BlockStore::release(SegmentNo number) {
  std::lock_guard lock(mu_);
  own_.erase(number);
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

Result<Bytes> BlockStore::read_map(const BlockRef& ref) {
  auto holder = find_or_load(ref.segment, true);
  if (!holder.ok()) return missing_is_damage(std::move(holder).error());
  RAMET_ASSIGN(auto stored, (*holder)->read_at_slot_offset(ref));
  return std::move(stored.payload);
}

}  // namespace ramet::engine
