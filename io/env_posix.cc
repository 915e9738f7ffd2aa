// The Env of plain calls. Single transfers are pread and pwrite; a batch of many reads that the
// page cache does not hold is spread over a few threads, because that is what a device needs to
// be fast and a kernel without io_uring offers no other way.
#include <sys/uio.h>

#include <cerrno>
#include <mutex>
#include <optional>

#include "io/errno_error.h"
#include "io/posix_base.h"
#include "io/posix_calls.h"
#include "io/worker_pool.h"

namespace ramet::io {
namespace {

constexpr unsigned kThreads = 8;   // they wait rather than compute: more than there are cores
constexpr size_t kPoolPieces = 4;  // fewer cold pieces are read one after the other

// Reads what the page cache holds of the piece without waiting for a device; returns how much.
// File systems that don't know RWF_NOWAIT give 0.
size_t cached_part(int fd, const ReadPiece& piece) {
  iovec vector{piece.into.data(), piece.into.size()};
  const ssize_t got = ::preadv2(fd, &vector, 1, static_cast<off_t>(piece.offset), RWF_NOWAIT);
  return got > 0 ? static_cast<size_t>(got) : 0;
}

class PooledFile : public PosixFile {
 public:
  PooledFile(UnixFd fd, std::string path, std::shared_ptr<WorkerPool> pool)
      : PosixFile(std::move(fd), std::move(path)), pool_(std::move(pool)) {}

  Status read_batch(std::span<const ReadPiece> pieces) override {
    if (pieces.size() < kPoolPieces) return PosixFile::read_batch(pieces);
    std::vector<Cold> cold;
    for (const ReadPiece& piece : pieces) {
      // First: offset -1 would mean "the current position" to preadv2.
      RAMET_TRY(check_range(path(), "read", piece.offset, piece.into.size()));
      const size_t done = cached_part(fd(), piece);
      if (done < piece.into.size()) cold.push_back({&piece, done});
    }
    if (cold.size() >= kPoolPieces) return read_in_pool(cold);
    for (const Cold& rest : cold) RAMET_TRY(finish(rest));
    return ok();
  }

 private:
  struct Cold {
    const ReadPiece* piece;
    size_t done;
  };

  Status finish(const Cold& rest) {
    RAMET_ASSIGN(const size_t got, read_at(fd(), path(), rest.piece->offset + rest.done,
                                           rest.piece->into.subspan(rest.done)));
    const size_t wanted = rest.piece->into.size();
    if (rest.done + got == wanted) return ok();
    return short_read_error(path(), rest.piece->offset, wanted, rest.done + got);
  }

  Status read_in_pool(const std::vector<Cold>& cold) {
    std::mutex mutex;
    std::optional<Error> first;
    pool_->run(cold.size(), [&](size_t i) {
      Status status = finish(cold[i]);
      if (status.ok()) return;
      const std::lock_guard lock(mutex);
      if (!first) first = std::move(status).error();
    });
    if (first) return *std::move(first);
    return ok();
  }

  std::shared_ptr<WorkerPool> pool_;
};

class PosixEnv : public PosixBaseEnv {
 public:
  std::string_view name() const override { return "posix"; }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    RAMET_ASSIGN(UnixFd fd, open_fd(path, mode));
    return std::unique_ptr<File>(std::make_unique<PooledFile>(std::move(fd), path, pool_));
  }

 private:
  // Shared with the files: they may outlive the Env.
  std::shared_ptr<WorkerPool> pool_ = std::make_shared<WorkerPool>(kThreads);
};

}  // namespace

std::shared_ptr<Env> make_posix_env() { return std::make_shared<PosixEnv>(); }

}  // namespace ramet::io
