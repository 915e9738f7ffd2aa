// A ring: one io_uring (https://kernel.dk/io_uring.pdf, liburing(7)) with the bookkeeping that
// makes it safe to lend memory to the kernel: run() returns only when nothing is in flight.
// And a pool of rings, because a ring itself belongs to one thread at a time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "format/result.h"
#include "io/aligned_buffer.h"

struct io_uring;

namespace ramet::io {

enum class RingAction : uint8_t { kRead, kWrite, kSyncData };

struct RingOperation {
  RingAction action = RingAction::kRead;
  int fd = -1;
  uint64_t offset = 0;
  char* data = nullptr;        // written for kRead, only read for kWrite
  size_t length = 0;           // at most 1 GiB
  int registered = -1;         // index of the registered buffer that `data` lies in, or -1
  bool continue_short = true;  // go on after a short transfer; false: a short one completes
  bool submit_now = false;     // hand it to the kernel before next() is asked again
  uint64_t tag = 0;            // the caller's
  // Filled by run():
  size_t done = 0;  // bytes transferred
  int error = 0;    // errno of the failure, or 0
};

// Where operations come from and go to. Called only by run(), on the thread that called it.
class RingWork {
 public:
  virtual ~RingWork() = default;
  // Fills the next operation. False: none now; asked again after each completion. The run ends
  // when this is false and nothing is in flight.
  virtual bool next(RingOperation& operation) = 0;
  // Each operation of next() comes back once, in any order.
  virtual void complete(const RingOperation& operation) = 0;
};

// Not thread-safe; may move between threads while no run() is under way.
class Ring {
 public:
  // `depth`: operations in flight at most. kUnsupported if the kernel has no io_uring, if a
  // seccomp filter or sysctl forbids it, or if it misses an operation that run() uses; kIoError
  // otherwise (no memory).
  static Result<std::unique_ptr<Ring>> create(unsigned depth);
  ~Ring();

  // Runs the work to its end. Back-pressure: next() is not asked while `depth` operations are in
  // flight. EINTR, EAGAIN and (unless forbidden) short transfers are continued. Fails only when
  // io_uring itself does; operations that were not begun then come back with error ECANCELED,
  // nothing is in flight, and the ring is broken().
  Status run(RingWork& work);

  // Registers all buffers of the pool, once a ring; true if they are. False when the kernel
  // refuses (RLIMIT_MEMLOCK): transfers then simply use the buffers unregistered. The pool must
  // outlive the ring.
  bool register_buffers(AlignedBufferPool& pool);

  bool broken() const { return broken_; }

 private:
  struct Run;
  explicit Ring(unsigned depth);
  void submit(Run& run);
  void reap(Run& run);
  void finish(Run& run, size_t slot, int result);
  void prepare(size_t slot, RingOperation& operation);
  void fill(Run& run);
  void give_up(Run& run);

  std::unique_ptr<io_uring> ring_;
  std::vector<RingOperation> slots_;
  std::vector<size_t> free_slots_;
  bool initialized_ = false;
  bool registered_ = false;
  bool register_refused_ = false;
  bool broken_ = false;
};

// Rings for concurrent threads. Thread-safe; must outlive its leases.
class RingPool {
 public:
  // A ring on loan, or none (operator bool) when the system would not make one: the caller then
  // does without. Movable, not thread-safe.
  class Lease {
   public:
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    explicit operator bool() const { return ring_ != nullptr; }
    Ring* operator->() const { return ring_.get(); }
    Ring& operator*() const { return *ring_; }

   private:
    friend class RingPool;
    Lease(RingPool* pool, std::unique_ptr<Ring> ring) : pool_(pool), ring_(std::move(ring)) {}
    RingPool* pool_;
    std::unique_ptr<Ring> ring_;
  };

  RingPool(unsigned rings_max, unsigned depth) : rings_max_(rings_max), depth_(depth) {}

  // A free ring, else a new one, else (rings_max are out) waits for one. A thread must not hold
  // two.
  Lease take();

 private:
  void give_back(std::unique_ptr<Ring> ring);

  const unsigned rings_max_;
  const unsigned depth_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Ring>> free_;
  unsigned out_ = 0;  // on loan
};

}  // namespace ramet::io
