// What env_posix and env_uring share: a File over a descriptor and an Env whose names, locks,
// clocks and random bytes come from plain system calls. Internal to io/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/env.h"
#include "io/unix_fd.h"

namespace ramet::io {

// Keeps the File contract with loops of plain calls; batches are runs of pwritev and single
// preads. Thread-safe as File is.
class PosixFile : public File {
 public:
  PosixFile(UnixFd fd, std::string path) : File(std::move(path)), fd_(std::move(fd)) {}

  Result<size_t> read(uint64_t offset, std::span<char> into) override;
  Result<bool> read_cached(uint64_t offset, std::span<char> into) override;
  Status read_batch(std::span<const ReadPiece> pieces) override;
  Status write(uint64_t offset, ByteView data) override;
  Status write_batch(std::span<const WritePiece> pieces) override;
  Status sync_data() override;
  void begin_write_back(uint64_t offset, uint64_t length) override;
  Status allocate(uint64_t offset, uint64_t length) override;
  Status punch_hole(uint64_t offset, uint64_t length) override;
  Status truncate(uint64_t length) override;
  Result<uint64_t> size() override;
  Result<uint64_t> allocated_bytes() override;

 protected:
  int fd() const { return fd_.get(); }

 private:
  UnixFd fd_;
};

// Everything of Env but name(), open() and open_bulk().
class PosixBaseEnv : public Env {
 public:
  Status create_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_directory(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<SpaceInfo> space(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, bool exclusive) override;
  int64_t now() override;
  uint64_t monotonic() override;
  void random(std::span<char> into) override;
};

// The lock behind PosixBaseEnv::lock(): an open file description lock (fcntl(2), F_OFD_SETLK),
// because those of plain F_SETLK never conflict inside one process and vanish when anybody closes
// any descriptor of the file.
Result<std::unique_ptr<FileLock>> take_posix_lock(const std::string& path, bool exclusive);

}  // namespace ramet::io
