#include "io/bulk_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>

#include "io/errno_error.h"

namespace ramet::io {
namespace {

// In flight at most, a buffer's length each: enough for a fast device; two threads share a pool.
constexpr size_t kDirectDepth = 8;

uint64_t page_bytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

bool same_file(int a, int b) {
  struct stat first {};
  struct stat second {};
  return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

// What O_DIRECT wants offsets and lengths to be multiples of; 0: the file cannot do it. The
// kernel's own answer (statx, Linux 6.1) where the headers know the question; else a page, which
// satisfies every device there is. What it wants of addresses, buffers of the pool always have.
uint32_t direct_alignment_of(int fd) {
#ifdef STATX_DIOALIGN
  struct statx info {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 &&
      (info.stx_mask & STATX_DIOALIGN) != 0) {
    return info.stx_dio_mem_align <= kBufferAlignment ? info.stx_dio_offset_align : 0;
  }
#else
  static_cast<void>(fd);
#endif
  return 4096;
}

// Chunks of one direct transfer, each in a buffer of the pool: what both directions share. Aligned
// memory of the caller's is read into the same way: pinning its scattered pages for each transfer
// was measured to cost twice what the copy does.
class DirectTransfer : public RingWork {
 public:
  DirectTransfer(RingAction action, int fd, uint64_t begin, uint64_t end, AlignedBufferPool& pool,
                 bool registered)
      : action_(action),
        fd_(fd),
        position_(begin),
        end_(end),
        pool_(pool),
        registered_(registered),
        leases_(pool.count()) {}

  bool next(RingOperation& operation) final {
    if (stopped_ || position_ == end_ || in_flight_ == kDirectDepth) return false;
    // Waiting is safe only while this transfer holds no buffer that others may be waiting for.
    auto lease = in_flight_ == 0 ? pool_.take() : pool_.try_take();
    if (!lease) {
      stopped_ = in_flight_ == 0;  // no memory at all
      return false;
    }
    const auto length =
        static_cast<size_t>(std::min<uint64_t>(pool_.buffer_bytes(), end_ - position_));
    operation.action = action_;
    operation.fd = fd_;
    operation.offset = position_;
    operation.data = lease->bytes().data();
    operation.length = length;
    operation.registered = registered_ ? static_cast<int>(lease->index()) : -1;
    operation.continue_short = action_ == RingAction::kWrite;
    operation.submit_now = true;  // the device works while the next buffer is filled
    operation.tag = lease->index();
    fill_buffer(position_, lease->bytes().first(length));
    leases_[lease->index()].emplace(std::move(*lease));
    position_ += length;
    ++in_flight_;
    return true;
  }

  void complete(const RingOperation& operation) final {
    --in_flight_;
    finished(operation);
    leases_[operation.tag].reset();
  }

 protected:
  // Before a buffer is submitted (for writes: put the bytes in).
  virtual void fill_buffer(uint64_t offset, std::span<char> buffer) = 0;
  // After an operation came back; its buffer is still there.
  virtual void finished(const RingOperation& operation) = 0;
  void stop() { stopped_ = true; }

 private:
  const RingAction action_;
  const int fd_;
  uint64_t position_;  // where the next chunk begins
  const uint64_t end_;
  AlignedBufferPool& pool_;
  const bool registered_;
  std::vector<std::optional<AlignedBufferPool::Lease>> leases_;  // by buffer index
  size_t in_flight_ = 0;                                         // each holds one buffer
  bool stopped_ = false;
};

class DirectRead : public DirectTransfer {
 public:
  DirectRead(int fd, uint64_t begin, std::span<char> into, AlignedBufferPool& pool, bool registered)
      : DirectTransfer(RingAction::kRead, fd, begin, begin + into.size(), pool, registered),
        begin_(begin),
        into_(into) {}

  // Bytes read without a gap from the beginning.
  size_t prefix() const {
    return static_cast<size_t>(std::min<uint64_t>(first_missing_, begin_ + received_) - begin_);
  }

 protected:
  void fill_buffer(uint64_t /*offset*/, std::span<char> /*buffer*/) override {}

  void finished(const RingOperation& operation) override {
    const size_t got = operation.error == 0 ? operation.done : 0;
    if (got > 0) std::memcpy(into_.data() + (operation.offset - begin_), operation.data, got);
    received_ = std::max<uint64_t>(received_, operation.offset + got - begin_);
    if (got == operation.length) return;
    first_missing_ = std::min(first_missing_, operation.offset + got);
    stop();
  }

 private:
  const uint64_t begin_;
  const std::span<char> into_;
  uint64_t received_ = 0;  // end of the furthest chunk
  uint64_t first_missing_ = ~uint64_t{0};
};

// What the operations of one write did together.
struct WriteOutcome {
  uint64_t missing = 0;  // bytes that were not written yet
  int error = 0;         // the first
  void add(const RingOperation& operation) {
    missing -= operation.done;
    if (error == 0) error = operation.error;
  }
  bool is_complete() const { return error == 0 && missing == 0; }
};

class DirectWrite : public DirectTransfer {
 public:
  DirectWrite(int fd, std::span<const WritePiece> pieces, const WriteRun& run, uint64_t begin,
              uint64_t end, AlignedBufferPool& pool, bool registered)
      : DirectTransfer(RingAction::kWrite, fd, begin, end, pool, registered),
        piece_(pieces.subspan(run.first, run.count).begin()),
        outcome_{end - begin} {}

  const WriteOutcome& outcome() const { return outcome_; }

 protected:
  // Chunks are asked for in order, so one cursor over the pieces is enough.
  void fill_buffer(uint64_t offset, std::span<char> buffer) override {
    size_t done = 0;
    while (done < buffer.size()) {
      skip_to(offset + done);
      const uint64_t inside = offset + done - piece_->offset;
      const size_t count = std::min<size_t>(buffer.size() - done, piece_->data.size() - inside);
      std::memcpy(buffer.data() + done, piece_->data.data() + inside, count);
      done += count;
    }
  }

  void finished(const RingOperation& operation) override {
    outcome_.add(operation);
    if (operation.error != 0) stop();
  }

 private:
  void skip_to(uint64_t offset) {
    while (piece_->offset + piece_->data.size() <= offset) ++piece_;
  }

  std::span<const WritePiece>::iterator piece_;
  WriteOutcome outcome_;
};

// A direct write from aligned memory of the caller's. Who aligns it for this has huge pages behind
// it (advise_huge_pages()): pinning those costs next to nothing.
class BorrowedWrite : public RingWork {
 public:
  BorrowedWrite(int fd, uint64_t begin, ByteView bytes)
      : fd_(fd), begin_(begin), bytes_(bytes), outcome_{bytes.size()} {}

  bool next(RingOperation& operation) override {
    if (outcome_.error != 0 || next_ == bytes_.size() || in_flight_ == kDirectDepth) return false;
    operation.action = RingAction::kWrite;
    operation.fd = fd_;
    operation.offset = begin_ + next_;
    operation.data = const_cast<char*>(bytes_.data() + next_);
    operation.length = std::min(kBorrowedBytes, bytes_.size() - next_);
    next_ += operation.length;
    ++in_flight_;
    return true;
  }
  void complete(const RingOperation& operation) override {
    --in_flight_;
    outcome_.add(operation);
  }

  const WriteOutcome& outcome() const { return outcome_; }

 private:
  static constexpr size_t kBorrowedBytes = 1u << 20;
  const int fd_;
  const uint64_t begin_;
  const ByteView bytes_;
  size_t next_ = 0;
  size_t in_flight_ = 0;
  WriteOutcome outcome_;
};

}  // namespace

BulkFile::BulkFile(UnixFd fd, UnixFd direct, std::string path, uint32_t alignment,
                   std::shared_ptr<UringResources> resources)
    : UringFile(std::move(fd), std::move(path), std::move(resources)),
      direct_(std::move(direct)),
      alignment_(alignment),
      direct_works_(direct_.valid() && alignment != 0) {}

Result<std::unique_ptr<File>> BulkFile::open(const std::string& path, OpenMode mode,
                                             std::shared_ptr<UringResources> resources) {
  RAMET_ASSIGN(UnixFd fd, open_fd(path, mode));
  const OpenMode again = mode == OpenMode::kRead ? OpenMode::kRead : OpenMode::kReadWrite;
  UnixFd direct;
  uint32_t alignment = 0;
  auto opened = open_fd(path, again, O_DIRECT);
  // The name may have come to mean another file since.
  if (opened.ok() && same_file(fd.get(), opened->get())) {
    alignment = direct_alignment_of(opened->get());
    direct = *std::move(opened);
  }
  return std::unique_ptr<File>(
      new BulkFile(std::move(fd), std::move(direct), path, alignment, std::move(resources)));
}

BulkFile::Part BulkFile::direct_part(uint64_t offset, uint64_t length, uint64_t bytes_min) const {
  if (length < bytes_min || !direct_works_) return {};
  const uint64_t unit = std::max<uint64_t>(page_bytes(), alignment_);
  const Part part{align_up(offset, unit), (offset + length) / unit * unit};
  if (part.empty() || part.end - part.begin < bytes_min) return {};
  return part;
}

size_t BulkFile::read_direct(Part part, std::span<char> into) {
  auto ring = resources().rings.take();
  if (!ring) return 0;
  AlignedBufferPool& buffers = resources().buffers;
  DirectRead work(direct_.get(), part.begin, into, buffers, ring->register_buffers(buffers));
  ignore_error(ring->run(work), "what is missing is read through the cache, which reports");
  return work.prefix();
}

Result<size_t> BulkFile::read(uint64_t offset, std::span<char> into) {
  RAMET_TRY(check_range(path(), "read", offset, into.size()));
  const Part part = direct_read_part(offset, into.size());
  if (part.empty()) return UringFile::read(offset, into);

  const size_t head = static_cast<size_t>(part.begin - offset);
  RAMET_ASSIGN(size_t got, UringFile::read(offset, into.first(head)));
  if (got < head) return got;
  got += read_direct(part, into.subspan(head, static_cast<size_t>(part.end - part.begin)));
  RAMET_ASSIGN(const size_t rest, UringFile::read(offset + got, into.subspan(got)));
  return got + rest;
}

Status BulkFile::read_batch(std::span<const ReadPiece> pieces) {
  std::vector<ReadPiece> small;
  for (const ReadPiece& piece : pieces) {
    RAMET_TRY(check_range(path(), "read", piece.offset, piece.into.size()));
    if (direct_read_part(piece.offset, piece.into.size()).empty()) {
      small.push_back(piece);
      continue;
    }
    RAMET_ASSIGN(const size_t got, read(piece.offset, piece.into));
    if (got < piece.into.size()) {
      return short_read_error(path(), piece.offset, piece.into.size(), got);
    }
  }
  return UringFile::read_batch(small);
}

Result<bool> BulkFile::write_direct(std::span<const WritePiece> pieces, const WriteRun& run,
                                    Part part) {
  // The lock before the ring: who holds a ring never waits for a lock.
  const std::shared_lock lock(mixing_);
  auto ring = resources().rings.take();
  if (!ring) return false;
  const WritePiece& first = pieces[run.first];
  const char* const from = first.data.data() + (part.begin - first.offset);
  const auto run_on_ring = [&ring](auto&& work) {
    const bool ran = ring->run(work).ok();
    return std::pair(ran, work.outcome());
  };
  const bool borrows =
      run.count == 1 && reinterpret_cast<uintptr_t>(from) % kBufferAlignment == 0;
  AlignedBufferPool& buffers = resources().buffers;
  const auto [ran, outcome] =
      borrows ? run_on_ring(BorrowedWrite(direct_.get(), part.begin,
                                          ByteView(from, part.end - part.begin)))
              : run_on_ring(DirectWrite(direct_.get(), pieces, run, part.begin, part.end, buffers,
                                        ring->register_buffers(buffers)));
  if (ran && outcome.is_complete()) return true;
  // The file system took the flag but not the transfer.
  if (outcome.error == EINVAL || outcome.error == EOPNOTSUPP) direct_works_ = false;
  const bool refused = !ran || outcome.error == 0 || !direct_works_;
  if (refused) return false;
  return errno_error(outcome.error, path(),
                     describe_range("write", part.begin, part.end - part.begin));
}

Status BulkFile::write_buffered(std::span<const WritePiece> pieces, const WriteRun& run,
                                uint64_t skip, uint64_t length) {
  if (length == 0) return ok();
  const std::unique_lock lock(mixing_);
  return write_run(fd(), path(), pieces, run, skip, length);
}

Status BulkFile::write_mixed(std::span<const WritePiece> pieces, const WriteRun& run) {
  const Part part = direct_write_part(run.offset, run.length);
  if (part.empty()) return write_buffered(pieces, run, 0, run.length);
  RAMET_TRY(write_buffered(pieces, run, 0, part.begin - run.offset));
  RAMET_ASSIGN(const bool written, write_direct(pieces, run, part));
  const uint64_t done = (written ? part.end : part.begin) - run.offset;
  return write_buffered(pieces, run, done, run.length - done);
}

Status BulkFile::write(uint64_t offset, ByteView data) {
  RAMET_TRY(check_range(path(), "write", offset, data.size()));
  const WritePiece piece{offset, data};
  return write_mixed({&piece, 1}, {offset, data.size(), 0, 1});
}

Status BulkFile::write_batch(std::span<const WritePiece> pieces) {
  for (const WritePiece& piece : pieces) {
    RAMET_TRY(check_range(path(), "write", piece.offset, piece.data.size()));
  }
  std::vector<WritePiece> small;
  for (const WriteRun& run : find_runs(pieces)) {
    if (direct_write_part(run.offset, run.length).empty()) {
      const auto inside = pieces.subspan(run.first, run.count);
      small.insert(small.end(), inside.begin(), inside.end());
    } else {
      RAMET_TRY(write_mixed(pieces, run));
    }
  }
  if (small.empty()) return ok();
  const std::unique_lock lock(mixing_);
  return UringFile::write_batch(small);
}

Status BulkFile::allocate(uint64_t offset, uint64_t length) {
  const std::unique_lock lock(mixing_);
  return UringFile::allocate(offset, length);
}

Status BulkFile::punch_hole(uint64_t offset, uint64_t length) {
  const std::unique_lock lock(mixing_);
  return UringFile::punch_hole(offset, length);
}

Status BulkFile::truncate(uint64_t length) {
  const std::unique_lock lock(mixing_);
  return UringFile::truncate(length);
}

}  // namespace ramet::io
