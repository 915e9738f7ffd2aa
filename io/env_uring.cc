// The Env on io_uring. What was measured decides where a ring is used (medians, ext4 on a virtio
// disk, Linux 6.18; 300 pieces of 4 KiB):
//   reads that miss the page cache    ring 4.2 ms, one by one 18.0 ms: batches go to a ring
//   reads that hit it                 ring 0.26 ms, one by one 0.22 ms: single reads are pread
//   scattered buffered writes         the same either way
//   fdatasync                         0.10 ms; as IORING_OP_FSYNC 0.10 to 0.16 ms, because it
//                                     always goes through a kernel worker: sync_data() is plain
//   registered files                  no difference beside the transfer: not used
//   O_DIRECT, pieces of 8 MiB         registered buffers 2.1 GB/s read and 3.5 GB/s overwrite, the
//                                     caller's own aligned memory 1.1 GB/s read; page cache 2.1
//                                     read and 1.8 write. Beyond the end of a file 1.0, into space
//                                     that was allocated before 1.6 to 2.4
#include "io/bulk_file.h"

namespace ramet::io {
namespace {

class UringEnv : public PosixBaseEnv {
 public:
  std::string_view name() const override { return "uring"; }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    RAMET_ASSIGN(UnixFd fd, open_fd(path, mode));
    return std::unique_ptr<File>(std::make_unique<UringFile>(std::move(fd), path, resources_));
  }

  Result<std::unique_ptr<File>> open_bulk(const std::string& path, OpenMode mode) override {
    return BulkFile::open(path, mode, resources_);
  }

 private:
  std::shared_ptr<UringResources> resources_ = std::make_shared<UringResources>();
};

}  // namespace

Result<std::shared_ptr<Env>> make_uring_env() {
  RAMET_TRY(Ring::create(8));  // the rings themselves are made when they are needed
  return std::shared_ptr<Env>(std::make_shared<UringEnv>());
}

}  // namespace ramet::io
