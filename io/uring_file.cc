#include <cerrno>
#include <optional>

#include "io/bulk_file.h"
#include "io/errno_error.h"

namespace ramet::io {
namespace {

// Fewer are done by plain calls: a ring's two steps (submit, complete) pay from a few on.
constexpr size_t kRingPieces = 4;
constexpr size_t kOperationBytesMax = 1u << 30;

// A list of operations, run to the first failure.
class Batch : public RingWork {
 public:
  void reserve(size_t count) { operations_.reserve(count); }
  void add(const RingOperation& operation) { operations_.push_back(operation); }

  bool next(RingOperation& operation) override {
    if (failed_ || next_ == operations_.size()) return false;
    operation = operations_[next_++];
    return true;
  }

  void complete(const RingOperation& operation) override {
    if (operation.error == 0 && operation.done == operation.length) return;
    if (!failed_) failed_ = operation;
  }

  const std::optional<RingOperation>& failed() const { return failed_; }

 private:
  std::vector<RingOperation> operations_;
  size_t next_ = 0;
  std::optional<RingOperation> failed_;
};

// False: no ring could do it, so the caller does it by plain calls.
bool run_on_ring(UringResources& resources, Batch& batch) {
  auto ring = resources.rings.take();
  return ring && ring->run(batch).ok();
}

}  // namespace

Status UringFile::read_batch(std::span<const ReadPiece> pieces) {
  Batch batch;
  batch.reserve(pieces.size());
  bool small = true;
  for (const ReadPiece& piece : pieces) {
    RAMET_TRY(check_range(path(), "read", piece.offset, piece.into.size()));
    small = small && piece.into.size() <= kOperationBytesMax;
    if (piece.into.empty()) continue;
    batch.add({.action = RingAction::kRead,
               .fd = fd(),
               .offset = piece.offset,
               .data = piece.into.data(),
               .length = piece.into.size()});
  }
  if (pieces.size() < kRingPieces || !small || !run_on_ring(resources(), batch)) {
    return PosixFile::read_batch(pieces);
  }
  const auto& failed = batch.failed();
  if (!failed) return ok();
  if (failed->error == 0) {
    return short_read_error(path(), failed->offset, failed->length, failed->done);
  }
  return errno_error(failed->error, path(), describe_range("read", failed->offset, failed->length));
}

Status UringFile::write_batch(std::span<const WritePiece> pieces) {
  // Pieces that lie one behind the other are one pwritev, which no ring can beat; scattered ones
  // gain from it where the cache must first read the pages that they change.
  const bool scattered = find_runs(pieces).size() >= kRingPieces;
  Batch batch;
  batch.reserve(pieces.size());
  bool small = true;
  for (const WritePiece& piece : pieces) {
    RAMET_TRY(check_range(path(), "write", piece.offset, piece.data.size()));
    small = small && piece.data.size() <= kOperationBytesMax;
    if (piece.data.empty()) continue;
    batch.add({.action = RingAction::kWrite,
               .fd = fd(),
               .offset = piece.offset,
               .data = const_cast<char*>(piece.data.data()),
               .length = piece.data.size()});
  }
  if (!scattered || !small || !run_on_ring(resources(), batch)) {
    return PosixFile::write_batch(pieces);
  }
  const auto& failed = batch.failed();
  if (!failed) return ok();
  return errno_error(failed->error, path(),
                     describe_range("write", failed->offset, failed->length));
}

}  // namespace ramet::io
