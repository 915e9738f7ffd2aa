#include "engine/block/write_behind.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "format/check.h"
#include "io/aligned_buffer.h"

namespace ramet::engine {
namespace {

// Handed over and not written: one is under way, one waits.
constexpr size_t kPiecesMax = 2;
// Less than this is left to the system to write when it likes.
constexpr size_t kWriteBackBytes = 1u << 20;
// Pieces whose memory is kept for the next ones.
constexpr size_t kFreePiecesMax = kPiecesMax + 1;

}  // namespace

Bytes PieceMemory::take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return {};
  Bytes memory = std::move(free_.back());
  free_.pop_back();
  return memory;
}

void PieceMemory::give_back(Bytes memory) {
  memory.clear();
  const std::lock_guard lock(mutex_);
  if (free_.size() < kFreePiecesMax) free_.push_back(std::move(memory));
}

WriteBehind::WriteBehind(io::File& file, uint64_t end, const WriteBehindConfig& config)
    : file_(file), config_(config), written_(end) {
  gathered_.offset = end;
}

WriteBehind::~WriteBehind() { stop(); }

void WriteBehind::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

uint64_t WriteBehind::written() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

uint64_t WriteBehind::end() const {
  const std::lock_guard lock(mutex_);
  return gathered_.end();
}

void WriteBehind::set_end(uint64_t end) {
  const std::lock_guard lock(mutex_);
  RAMET_CHECK(pieces_.empty() && gathered_.bytes().empty() && end >= written_,
              "the log writes its own groups");
  written_ = gathered_.offset = end;
}

// The memory does not move while no more comes than a piece and an eighth, so that it mostly stays
// aligned.
void WriteBehind::begin_piece(uint64_t offset) {
  gathered_ = {offset, 0, config_.memory->take()};
  Bytes& memory = gathered_.memory;
  const size_t room = config_.piece_bytes + config_.piece_bytes / 8 + io::kBufferAlignment;
  if (memory.capacity() < room) {
    memory.reserve(room);
    io::advise_huge_pages({memory.data(), memory.capacity()});
  }
  gathered_.begin = (offset - reinterpret_cast<uintptr_t>(memory.data())) % io::kBufferAlignment;
  memory.resize(gathered_.begin);
}

std::optional<Error> WriteBehind::take_failure() {
  changed_.notify_all();  // (to be tried again)
  return std::exchange(failure_, std::nullopt);
}

Status WriteBehind::make_room() {
  std::unique_lock lock(mutex_);
  if (auto failure = take_failure()) return std::move(*failure);
  if (gathered_.bytes().size() < config_.piece_bytes) return ok();
  const uint64_t end = gathered_.end();
  lock.unlock();
  allocate_for(end);
  lock.lock();
  if (config_.background) {
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    changed_.wait(lock, [this] { return pieces_.size() < kPiecesMax || failure_; });
    if (auto failure = take_failure()) return std::move(*failure);
  } else if (pieces_.size() >= kPiecesMax) {
    RAMET_TRY(write_first(lock));
  }
  pieces_.push_back(std::move(gathered_));
  begin_piece(end);
  changed_.notify_all();
  return ok();
}

// Without room the write itself tells, of what really does not fit.
void WriteBehind::allocate_for(uint64_t end) {
  if (config_.pieces_allocated == 0 || end <= allocated_) return;
  const uint64_t begin = end - std::min<uint64_t>(end, config_.piece_bytes);
  const uint64_t wanted = begin + config_.pieces_allocated * uint64_t{config_.piece_bytes};
  const uint64_t target = std::max(end, std::min(wanted, config_.file_bytes_max));
  const uint64_t from = std::max(begin, allocated_);
  ignore_error(through_gate([&] { return file_.allocate(from, target - from); }),
               "it is for speed only");
  allocated_ = target;
}

Status WriteBehind::through_gate(const std::function<Status()>& write) {
  return config_.gate == nullptr ? write() : config_.gate->pass(write);
}

Status WriteBehind::write(const Piece& piece) {
  RAMET_TRY(through_gate([&] { return file_.write(piece.offset, piece.bytes()); }));
  // A sync that comes later then waits for the last of many only.
  const size_t length = piece.bytes().size();
  if (length >= kWriteBackBytes) file_.begin_write_back(piece.offset, length);
  return ok();
}

Status WriteBehind::write_first(std::unique_lock<std::mutex>& lock) {
  Piece& piece = pieces_.front();  // (a deque's elements stay where they are)
  writing_ = true;
  lock.unlock();
  const Status status = write(piece);
  lock.lock();
  writing_ = false;
  if (!status.ok()) return status;
  written_ = piece.end();
  config_.memory->give_back(std::move(piece.memory));
  pieces_.pop_front();  // [WRITE-1]
  return ok();
}

void WriteBehind::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || (!pieces_.empty() && !failure_); });
    if (ending_) return;
    const Status status = write_first(lock);
    if (!status.ok()) failure_ = status.error();
    changed_.notify_all();
  }
}

Status WriteBehind::flush() {
  std::unique_lock lock(mutex_);
  if (config_.background) {
    changed_.wait(lock, [this] { return pieces_.empty() || failure_; });
    if (auto failure = take_failure()) return std::move(*failure);
  } else {
    while (!pieces_.empty()) RAMET_TRY(write_first(lock));
  }
  if (gathered_.bytes().empty()) return ok();
  // Only the caller appends, so that it can be written without the lock.
  lock.unlock();
  RAMET_TRY(write(gathered_));
  lock.lock();
  written_ = gathered_.end();
  if (gathered_.memory.capacity() >= config_.piece_bytes) {
    config_.memory->give_back(std::exchange(gathered_.memory, Bytes()));
  }
  gathered_.memory.clear();
  gathered_.begin = 0;
  gathered_.offset = written_;
  return ok();
}

void WriteBehind::drop_unwritten() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !writing_; });
  for (Piece& piece : pieces_) config_.memory->give_back(std::move(piece.memory));
  pieces_.clear();
  gathered_.memory.clear();
  gathered_.begin = 0;
  gathered_.offset = written_;
  failure_.reset();
}

Result<bool> WriteBehind::read(uint64_t offset, std::span<char> into) const {
  const std::lock_guard lock(mutex_);
  if (offset < written_) return false;
  const auto behind = std::find_if(pieces_.begin(), pieces_.end(),
                                   [&](const Piece& piece) { return offset < piece.end(); });
  const Piece& piece = behind == pieces_.end() ? gathered_ : *behind;  // [WRITE-2]
  const uint64_t at = offset - piece.offset;
  const ByteView bytes = piece.bytes();
  if (at <= bytes.size() && into.size() <= bytes.size() - at) {
    std::memcpy(into.data(), bytes.data() + at, into.size());
    return true;
  }
  return Error(ErrorCode::kCorruption, "the frame ends behind the segment's end");
}

uint64_t WriteBehind::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = gathered_.memory.capacity();
  for (const Piece& piece : pieces_) sum += piece.memory.capacity();
  return sum;
}

}  // namespace ramet::engine
