#include "engine/block/block_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/block/file_window.h"
#include "io/open_files.h"

namespace ramet::engine {
namespace {

// File handles kept for reading, unless the options say otherwise.
constexpr uint64_t kHandlesMax = 8192;
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
    : config_(std::move(config)), newest_epoch_(config_.newest_epoch) {
  uint32_t& handles = config_.options.open_segments_max;
  if (handles != 0) return;
  handles = static_cast<uint32_t>(std::clamp<uint64_t>(io::open_files_max() / 2, 4, kHandlesMax));
}
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

WriteBehindConfig BlockStore::writing(Stream stream) const {
  WriteBehindConfig config;
  config.piece_bytes = config_.options.write_piece_bytes;
  config.file_bytes_max = segment_bytes_max(stream);
  // The map's segments are never closed by a footer, and so would keep what they do not use.
  if (stream == Stream::kMap) config.pieces_allocated = 0;
  config.background = config_.options.background;
  config.memory = piece_memory_;
  return config;
}

SegmentNo BlockStore::next_segment() {
  std::lock_guard lock(create_mu_);
  return next_segment_;
}

Result<std::shared_ptr<Segment>> BlockStore::create_segment(Stream stream, SegmentNo previous) {
  // Held until the segment is registered: whoever reads next_segment() knows all below it.
  std::lock_guard lock(create_mu_);
  WriteBehindConfig config = writing(stream);
  if (stream == Stream::kData) config.gate = data_gate_;
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
                                identity(number, 0, stream, epoch_), header, config);
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
                         identity(who.number, generation, who.stream, who.epoch), header,
                         writing(who.stream));
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

Status BlockStore::cut_allocated(const Segment& segment) {
  const SegmentIdentity& who = segment.identity();
  const bool has_footer = who.stream == Stream::kData || who.stream == Stream::kNode;
  if (!has_footer || segment.sealed() || keep_files_) return ok();
  RAMET_ASSIGN(const uint64_t size, segment.file().size());
  if (size <= segment.end()) return ok();
  RAMET_ASSIGN(auto file,
               config_.env->open(path_of(who.number, who.generation), io::OpenMode::kReadWrite));
  return file->truncate(segment.end());
}

void BlockStore::replace(std::shared_ptr<Segment> segment) {
  std::lock_guard lock(mu_);
  ++replacements_;
  const SegmentNo number = segment->number();
  own_.erase(number);
  drop_cached(number);
  put_cached(std::move(segment));
}

std::pair<SegmentNo, Slot> BlockStore::stream_end(Stream stream) {
  StreamState& state = streams_[index_of(stream)];
  std::lock_guard lock(state.mu);
  if (state.open) return {state.open->number(), state.open->slot_count()};
  return {next_segment(), 0};
}

Result<bool> BlockStore::roll(Stream stream, Sequence last_sequence, bool nobody_writes) {
  StreamState& state = streams_[index_of(stream)];
  std::lock_guard lock(state.mu);
  if (!state.open) return false;
  if (!state.open->closed()) {
    if (stream == Stream::kData && refuse_data_.load() && state.open->has_unwritten()) {
      if (!nobody_writes) return false;
      state.open->drop_unwritten();
    }
    RAMET_TRY(noted(*state.open, state.open->seal(0, BlockRef{}, last_sequence)));
  }
  state.unsynced.push_back(std::move(state.open));
  state.open = nullptr;
  return true;
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
    // (What never got into the file would be missing behind its end.)
    if (!status.ok()) state.open->drop_unwritten();
    state.open->close();
    state.open = nullptr;
  }
  return sync_directory();
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
  RAMET_ASSIGN(const auto holder, find_or_load(number, For::kReading));
  RAMET_ASSIGN(const FrameHeader header, holder->read_header(slot));
  return header.payload_checksum;
}

Result<uint32_t> BlockStore::raw_length(const BlockRef& ref) {
  RAMET_ASSIGN(const auto holder, find_or_load(ref.segment, For::kReading));
  RAMET_ASSIGN(const FrameHeader header, holder->read_header(ref.slot));
  return header.raw_len;
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
  auto holder = find_or_load(ref.segment, For::kReading);
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
    const auto holder = find_or_load(rest.front().segment, For::kReading);
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
  auto holder = find_or_load(ref.segment, For::kMap);
  if (!holder.ok()) return missing_is_damage(std::move(holder).error());
  RAMET_ASSIGN(auto stored, (*holder)->read_at_slot_offset(ref));
  return std::move(stored.payload);
}

}  // namespace ramet::engine
