// The file behind env_uring's open_bulk(): big aligned parts go past the page cache (O_DIRECT),
// many in flight on a ring; the rest goes through it. Internal to io/.
//
// Mixing both on one file stays correct because of the kernel's rules (open(2), NOTES on
// O_DIRECT) and one of ours:
//   - a direct write first writes out and drops the cached pages of its range, a direct read first
//     writes out the dirty ones: so later calls see what earlier ones wrote, whichever path each
//     took;
//   - direct parts begin and end on multiples of the page size, so no page is written both ways
//     by one call;
//   - a buffered write never runs beside a direct write of the same BulkFile (mixing_): a page
//     group of the cache that spans both ranges and is dirtied while the direct write is under
//     way could not be dropped and would show stale bytes.
#pragma once

#include <atomic>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string>

#include "io/aligned_buffer.h"
#include "io/posix_base.h"
#include "io/posix_calls.h"
#include "io/ring.h"

namespace ramet::io {

// What the files of one UringEnv share; it outlives the Env while a file is open. The buffers
// are declared before the rings, which hold them registered and so must go first.
struct UringResources {
  AlignedBufferPool buffers{16, size_t{1} << 20};
  RingPool rings{16, 64};
  // Smaller transfers go through the page cache, whose read-ahead and write-behind work while the
  // caller does something else; a direct one waits for the device.
  uint64_t direct_read_bytes_min = 1u << 20;
  uint64_t direct_write_bytes_min = 4u << 20;
};

// A file as of open_fd() that does its small and scattered batches on a ring.
class UringFile : public PosixFile {
 public:
  UringFile(UnixFd fd, std::string path, std::shared_ptr<UringResources> resources)
      : PosixFile(std::move(fd), std::move(path)), resources_(std::move(resources)) {}

  Status read_batch(std::span<const ReadPiece> pieces) override;
  Status write_batch(std::span<const WritePiece> pieces) override;

 protected:
  UringResources& resources() { return *resources_; }

 private:
  std::shared_ptr<UringResources> resources_;
};

class BulkFile : public UringFile {
 public:
  // Opens the file a second time with O_DIRECT; where the file system refuses, everything goes
  // through the page cache, silently.
  static Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                            std::shared_ptr<UringResources> resources);

  Result<size_t> read(uint64_t offset, std::span<char> into) override;
  Status read_batch(std::span<const ReadPiece> pieces) override;
  Status write(uint64_t offset, ByteView data) override;
  Status write_batch(std::span<const WritePiece> pieces) override;
  Status allocate(uint64_t offset, uint64_t length) override;
  Status punch_hole(uint64_t offset, uint64_t length) override;
  Status truncate(uint64_t length) override;

 private:
  BulkFile(UnixFd fd, UnixFd direct, std::string path, uint32_t alignment,
           std::shared_ptr<UringResources> resources);

  // The part of a range that goes past the page cache; empty if it is smaller than `bytes_min`, or
  // if O_DIRECT was refused.
  struct Part {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool empty() const { return begin >= end; }
  };
  Part direct_part(uint64_t offset, uint64_t length, uint64_t bytes_min) const;
  Part direct_read_part(uint64_t offset, uint64_t length) {
    return direct_part(offset, length, resources().direct_read_bytes_min);
  }
  Part direct_write_part(uint64_t offset, uint64_t length) {
    return direct_part(offset, length, resources().direct_write_bytes_min);
  }

  // Reads the part into `into`; returns the bytes read, fewer where the file ends or where direct
  // reads are refused or fail: the buffered path then goes on from there and has the last word.
  size_t read_direct(Part part, std::span<char> into);
  // False when O_DIRECT or the ring refused; nothing is known about the part's bytes then.
  Result<bool> write_direct(std::span<const WritePiece> pieces, const WriteRun& run, Part part);
  Status write_mixed(std::span<const WritePiece> pieces, const WriteRun& run);
  Status write_buffered(std::span<const WritePiece> pieces, const WriteRun& run, uint64_t skip,
                        uint64_t length);

  UnixFd direct_;
  const uint32_t alignment_;  // of direct offsets and lengths
  std::atomic<bool> direct_works_;
  std::shared_mutex mixing_;  // shared: a direct write; exclusive: any other change
};

}  // namespace ramet::io
