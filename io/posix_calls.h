// The plain system calls, each continued after EINTR and short transfers and with its errno made
// an Error. What env_posix and env_uring have in common; no state. Thread-safe.
// `path` is only for messages unless the function opens or changes names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/bytes.h"
#include "format/result.h"
#include "io/env.h"
#include "io/unix_fd.h"

namespace ramet::io {

// Opens with O_CLOEXEC; `extra_flags` are more O_ flags. A directory is an error (EISDIR).
Result<UnixFd> open_fd(const std::string& path, OpenMode mode, int extra_flags = 0);

// The contracts are those of the File functions of the same meaning (io/env.h).
Result<size_t> read_at(int fd, const std::string& path, uint64_t offset, std::span<char> into);
Status read_exactly_at(int fd, const std::string& path, uint64_t offset, std::span<char> into);
Status write_at(int fd, const std::string& path, uint64_t offset, ByteView data);
Status sync_data_of(int fd, const std::string& path);
void begin_write_back_of(int fd, uint64_t offset, uint64_t length);
Status allocate_range(int fd, const std::string& path, uint64_t offset, uint64_t length);
Status punch_range(int fd, const std::string& path, uint64_t offset, uint64_t length);
Status truncate_to(int fd, const std::string& path, uint64_t length);
Result<uint64_t> length_of(int fd, const std::string& path);
Result<uint64_t> allocated_bytes_of(int fd, const std::string& path);

// A run of pieces that lie one behind the other in the file: pieces [first, first + count).
struct WriteRun {
  uint64_t offset;
  uint64_t length;
  size_t first;
  size_t count;
};
// The pieces as runs, in their order; empty pieces inside a run add nothing.
std::vector<WriteRun> find_runs(std::span<const WritePiece> pieces);

// Writes one run with as few pwritev calls as possible, from byte `skip` of it, `length` bytes.
Status write_run(int fd, const std::string& path, std::span<const WritePiece> pieces,
                 const WriteRun& run, uint64_t skip, uint64_t length);
// Writes all pieces, run by run.
Status write_pieces(int fd, const std::string& path, std::span<const WritePiece> pieces);

}  // namespace ramet::io
