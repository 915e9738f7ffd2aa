// WriteBehind: the end of a file that grows. What is appended is gathered in memory and written in
// pieces while the caller makes the next ones; big pieces can so go past the page cache
// (io::Env::open_bulk()) without anybody waiting for the device.
//
// Thread-safe, but for what is said; one thread at a time appends, flushes and allocates.
//
// Invariants:
//   [WRITE-1] a byte is in memory until a write of it has returned without an error: reading never
//             depends on how far the writing is. Held by: write_first(). Checked: tests, any order.
//   [WRITE-2] pieces are written in their order, and end where frames do.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "format/bytes.h"
#include "format/result.h"
#include "io/env.h"

namespace ramet::engine {

// Memory of pieces that were written, for the next ones, whatever file they are of: what was never
// touched before costs the system more than the copy into it. Thread-safe.
class PieceMemory {
 public:
  // Empty; with what room there is.
  Bytes take();
  void give_back(Bytes memory);

 private:
  std::mutex mutex_;
  std::vector<Bytes> free_;  // guarded by mutex_
};

// Shut while what is left of the disk is for something else: what was appended then waits in
// memory, and is written when the gate is open again. Thread-safe.
class WriteGate {
 public:
  // When it returns with `shut`, nothing is being written any more.
  void set(bool shut) {
    const std::unique_lock lock(mutex_);
    shut_ = shut;
  }
  // Calls `write`, which returns a Status; kOutOfSpace while it is shut.
  template <typename Write>
  Status pass(const Write& write) {
    const std::shared_lock lock(mutex_);
    if (!shut_) return write();
    return Error(ErrorCode::kOutOfSpace,
                 "the disk is full: only deleting works until there is room");
  }

 private:
  std::shared_mutex mutex_;
  bool shut_ = false;  // guarded by mutex_
};

struct WriteBehindConfig {
  size_t piece_bytes = 8u << 20;  // io_uring's direct writes are at their best from here on
  // Space is asked for so many pieces at once: writing into what was allocated before is twice as
  // fast past the page cache, since the file's length does not change. 0: none is.
  unsigned pieces_allocated = 8;
  uint64_t file_bytes_max = UINT64_MAX;  // nothing is allocated behind this
  // On a thread of its own, which is there from the first whole piece on. Without it pieces are
  // written by the calls that find too many of them.
  bool background = true;
  std::shared_ptr<PieceMemory> memory = std::make_shared<PieceMemory>();
  std::shared_ptr<WriteGate> gate;  // null: always open
};

class WriteBehind {
 public:
  // `file` must outlive it; `end` is where it goes on.
  WriteBehind(io::File& file, uint64_t end, const WriteBehindConfig& config);
  // What was not written by then never is.
  ~WriteBehind();

  uint64_t end() const;
  uint64_t written() const;  // bytes before this are in the file
  // What is gathered and not written. For the log, which writes by itself; nothing may be gathered.
  void set_end(uint64_t end);

  // To be called before append(): hands a whole piece over, and waits while too many are on their
  // way. Tells of an earlier piece that could not be written: nothing is lost by that, and it is
  // tried again afterwards.
  Status make_room();
  // add(Bytes& buffer, uint64_t offset) appends to the buffer what begins at this offset.
  template <typename Add>
  void append(const Add& add) {
    const std::lock_guard lock(mutex_);
    add(gathered_.memory, gathered_.end());
  }
  // Everything appended has been written (not synced) when it returns ok(); else it is still here.
  Status flush();
  // Forgets what is not in the file yet; the end is then where it ends.
  void drop_unwritten();
  // Nothing will be appended any more: lets go of the thread. Requires: flush() was ok.
  void stop();

  // Copies what has not been written yet. False: the bytes from `offset` on are in the file.
  // kCorruption: they are neither there nor here.
  Result<bool> read(uint64_t offset, std::span<char> into) const;
  uint64_t memory_bytes() const;

 private:
  // Bytes of the file from `offset` on; those of the memory before `begin` are none of it: they are
  // there so that the address is that of the file modulo a page, as direct writes want it.
  struct Piece {
    uint64_t offset = 0;
    size_t begin = 0;
    Bytes memory;
    ByteView bytes() const { return ByteView(memory).substr(begin); }
    uint64_t end() const { return offset + memory.size() - begin; }
  };
  void begin_piece(uint64_t offset);  // in gathered_. Requires: mutex_
  void allocate_for(uint64_t end);
  Status through_gate(const std::function<Status()>& write);
  Status write(const Piece& piece);
  // Writes the first piece, without the lock. Requires: a piece; nobody else writes one.
  Status write_first(std::unique_lock<std::mutex>& lock);
  std::optional<Error> take_failure();  // Requires: mutex_
  void run();

  io::File& file_;
  const WriteBehindConfig config_;
  uint64_t allocated_ = 0;  // of the appending thread

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  uint64_t written_;
  std::deque<Piece> pieces_;  // from written_ on
  Piece gathered_;            // behind them
  bool writing_ = false;          // the first piece, without the lock
  std::optional<Error> failure_;  // of the first piece: the thread waits until somebody was told
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace ramet::engine
