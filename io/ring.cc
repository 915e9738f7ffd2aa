// ThreadSanitizer sees neither the kernel's side of the rings nor what it writes into buffers.
// That needs no suppression: a ring and the memory lent to it are used by the one thread that
// holds the lease, and leases change threads under RingPool's mutex.
#include "io/ring.h"

#include <liburing.h>
#include <time.h>

#include <cerrno>
#include <system_error>

namespace ramet::io {
namespace {

constexpr int kSubmitAttempts = 2000;  // of a millisecond each, when the kernel has no memory

void nap() {
  const timespec millisecond{0, 1'000'000};
  ::nanosleep(&millisecond, nullptr);
}

std::string errno_text(int number) { return std::generic_category().message(number); }

Error init_error(int number) {
  std::string why = "io_uring is not available: " + errno_text(number);
  if (number == ENOSYS) why += " (the kernel has none, or a seccomp filter hides it)";
  if (number == EPERM) why += " (forbidden by kernel.io_uring_disabled or a seccomp filter)";
  const bool unsupported =
      number == ENOSYS || number == EPERM || number == EACCES || number == EINVAL;
  return Error(unsupported ? ErrorCode::kUnsupported : ErrorCode::kIoError, std::move(why));
}

// Operations that run() submits; an old kernel has io_uring without some of them.
Status check_operations(io_uring* ring) {
  io_uring_probe* probe = io_uring_get_probe_ring(ring);
  if (probe == nullptr) {
    return Error(ErrorCode::kUnsupported, "io_uring is too old here: it cannot be probed");
  }
  const std::pair<int, const char*> needed[] = {
      {IORING_OP_READ, "READ"},
      {IORING_OP_WRITE, "WRITE"},
      {IORING_OP_READ_FIXED, "READ_FIXED"},
      {IORING_OP_WRITE_FIXED, "WRITE_FIXED"},
      {IORING_OP_FSYNC, "FSYNC"},
  };
  Status status = ok();
  for (const auto& [operation, name] : needed) {
    if (status.ok() && io_uring_opcode_supported(probe, operation) == 0) {
      status = Error(ErrorCode::kUnsupported,
                     std::string("io_uring is too old here: it has no operation ") + name);
    }
  }
  io_uring_free_probe(probe);
  return status;
}

}  // namespace

struct Ring::Run {
  RingWork& work;
  std::vector<size_t> again;  // slots to submit once more
  size_t in_flight = 0;       // slots in use
  int failed_submits = 0;
  int fatal = 0;  // errno of io_uring itself
};

Ring::Ring(unsigned depth) : ring_(std::make_unique<io_uring>()), slots_(depth) {
  for (size_t i = depth; i > 0; --i) free_slots_.push_back(i - 1);
}

Ring::~Ring() {
  if (initialized_) io_uring_queue_exit(ring_.get());
}

Result<std::unique_ptr<Ring>> Ring::create(unsigned depth) {
  std::unique_ptr<Ring> ring(new Ring(depth));
  // COOP_TASKRUN (Linux 5.19): completions wait for the next system call of this thread instead
  // of interrupting it; measured a third faster for buffered writes. Older kernels say EINVAL.
  int result = io_uring_queue_init(depth, ring->ring_.get(), IORING_SETUP_COOP_TASKRUN);
  if (result == -EINVAL) result = io_uring_queue_init(depth, ring->ring_.get(), 0);
  if (result < 0) return init_error(-result);
  ring->initialized_ = true;
  RAMET_TRY(check_operations(ring->ring_.get()));
  return ring;
}

bool Ring::register_buffers(AlignedBufferPool& pool) {
  if (registered_ || register_refused_) return registered_;
  if (!pool.prepare()) return false;
  std::vector<iovec> vectors;
  for (unsigned i = 0; i < pool.count(); ++i) {
    vectors.push_back({pool.buffer(i).data(), pool.buffer(i).size()});
  }
  registered_ = io_uring_register_buffers(ring_.get(), vectors.data(),
                                          static_cast<unsigned>(vectors.size())) == 0;
  register_refused_ = !registered_;
  return registered_;
}

void Ring::prepare(size_t slot, RingOperation& operation) {
  io_uring_sqe* sqe = io_uring_get_sqe(ring_.get());
  RAMET_CHECK(sqe != nullptr, "a ring has as many submission entries as slots");
  char* data = operation.data + operation.done;
  const auto length = static_cast<unsigned>(operation.length - operation.done);
  const uint64_t offset = operation.offset + operation.done;
  switch (operation.action) {
    case RingAction::kRead:
      if (operation.registered >= 0) {
        io_uring_prep_read_fixed(sqe, operation.fd, data, length, offset, operation.registered);
      } else {
        io_uring_prep_read(sqe, operation.fd, data, length, offset);
      }
      break;
    case RingAction::kWrite:
      if (operation.registered >= 0) {
        io_uring_prep_write_fixed(sqe, operation.fd, data, length, offset, operation.registered);
      } else {
        io_uring_prep_write(sqe, operation.fd, data, length, offset);
      }
      break;
    case RingAction::kSyncData:
      io_uring_prep_fsync(sqe, operation.fd, IORING_FSYNC_DATASYNC);
      break;
  }
  io_uring_sqe_set_data64(sqe, slot);
}

void Ring::fill(Run& run) {
  for (const size_t slot : run.again) prepare(slot, slots_[slot]);
  run.again.clear();
  while (!free_slots_.empty()) {
    RingOperation operation;
    if (!run.work.next(operation)) break;
    operation.done = 0;
    operation.error = 0;
    const size_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = operation;
    ++run.in_flight;
    prepare(slot, slots_[slot]);
    // What fails here stays queued, and is submitted (and its error seen) with the rest.
    if (operation.submit_now) io_uring_submit(ring_.get());
  }
}

void Ring::submit(Run& run) {
  const int result = io_uring_submit_and_wait(ring_.get(), 1);
  if (result >= 0) {
    run.failed_submits = 0;
    return;
  }
  if (result == -EINTR) return;
  // EAGAIN, ENOMEM: no memory for requests now. EBUSY: completions must be taken first.
  const bool passing = result == -EAGAIN || result == -EBUSY || result == -ENOMEM;
  if (passing && ++run.failed_submits < kSubmitAttempts) {
    nap();
    return;
  }
  run.fatal = -result;
}

void Ring::finish(Run& run, size_t slot, int result) {
  RingOperation& operation = slots_[slot];
  const bool transfer = operation.action != RingAction::kSyncData;
  if (result == -EINTR || result == -EAGAIN) {
    run.again.push_back(slot);
    return;
  }
  if (result < 0) {
    operation.error = -result;
  } else if (transfer) {
    operation.done += static_cast<size_t>(result);
    const bool more = operation.done < operation.length;
    if (more && result > 0 && operation.continue_short) {
      run.again.push_back(slot);
      return;
    }
    // 0 is the end of the file for a read; a write of something that writes nothing has failed.
    if (more && result == 0 && operation.action == RingAction::kWrite) operation.error = EIO;
  }
  free_slots_.push_back(slot);
  --run.in_flight;
  const RingOperation finished = operation;
  run.work.complete(finished);
}

void Ring::reap(Run& run) {
  io_uring_cqe* completion = nullptr;
  while (io_uring_peek_cqe(ring_.get(), &completion) == 0 && completion != nullptr) {
    const size_t slot = io_uring_cqe_get_data64(completion);
    const int result = completion->res;
    io_uring_cqe_seen(ring_.get(), completion);
    finish(run, slot, result);
  }
}

// The kernel takes no more. What it already has must come back before its memory may be used
// again; what it has not is handed back, and the ring, whose queue still holds it, is thrown away.
void Ring::give_up(Run& run) {
  broken_ = true;
  std::vector<bool> queued(slots_.size(), false);
  const unsigned waiting = io_uring_sq_ready(ring_.get());
  const io_uring_sq& queue = ring_->sq;
  for (unsigned i = 0; i < waiting; ++i) {
    const unsigned entry = (queue.sqe_tail - waiting + i) & queue.ring_mask;
    queued[queue.sqes[entry].user_data] = true;
  }
  size_t queued_count = waiting;
  while (run.in_flight > queued_count + run.again.size()) {
    reap(run);
    nap();  // any system call lets finished operations be posted
  }
  for (const size_t slot : run.again) queued[slot] = true;
  run.again.clear();
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    if (!queued[slot]) continue;
    slots_[slot].error = ECANCELED;
    free_slots_.push_back(slot);
    --run.in_flight;
    run.work.complete(slots_[slot]);
  }
}

Status Ring::run(RingWork& work) {
  RAMET_CHECK(!broken_, "a broken ring is not used again");
  Run run{work, {}, 0, 0, 0};
  fill(run);
  while (run.in_flight > 0) {
    submit(run);
    if (run.fatal != 0) {
      give_up(run);
      return Error(ErrorCode::kIoError, "io_uring submit: " + errno_text(run.fatal));
    }
    reap(run);
    fill(run);
  }
  return ok();
}

RingPool::Lease::~Lease() {
  if (pool_ != nullptr && ring_ != nullptr) pool_->give_back(std::move(ring_));
}

RingPool::Lease RingPool::take() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (!free_.empty()) {
      std::unique_ptr<Ring> ring = std::move(free_.back());
      free_.pop_back();
      ++out_;
      return Lease(this, std::move(ring));
    }
    if (out_ < rings_max_) {
      ++out_;
      lock.unlock();
      auto made = Ring::create(depth_);
      if (made.ok()) return Lease(this, std::move(*made));
      lock.lock();
      --out_;
      // Rings of others will come back; with none out there is nothing to wait for.
      if (out_ == 0 && free_.empty()) {
        returned_.notify_all();  // nor for those who waited for this attempt
        return Lease(this, nullptr);
      }
      if (!free_.empty()) continue;
    }
    returned_.wait(lock);
  }
}

void RingPool::give_back(std::unique_ptr<Ring> ring) {
  {
    const std::lock_guard lock(mutex_);
    --out_;
    if (!ring->broken()) free_.push_back(std::move(ring));
  }
  returned_.notify_one();
}

}  // namespace ramet::io
