#include "io/aligned_buffer.h"

#include <sys/mman.h>

#include <utility>

#include "format/bytes.h"
#include "format/check.h"

namespace ramet::io {

void advise_huge_pages(std::span<char> memory) {
  const uint64_t begin = align_up(reinterpret_cast<uintptr_t>(memory.data()), kBufferAlignment);
  const uint64_t end = reinterpret_cast<uintptr_t>(memory.data() + memory.size()) /
                       kBufferAlignment * kBufferAlignment;
  if (begin >= end) return;
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // it may be refused
}

std::optional<AlignedBuffer> AlignedBuffer::allocate(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return std::nullopt;
  advise_huge_pages({static_cast<char*>(memory), bytes});
  return AlignedBuffer(static_cast<char*>(memory), bytes);
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

AlignedBufferPool::AlignedBufferPool(unsigned count, size_t buffer_bytes)
    : count_(count), buffer_bytes_(buffer_bytes) {
  RAMET_CHECK(buffer_bytes % kBufferAlignment == 0, "buffers of a pool are whole pages");
}

bool AlignedBufferPool::ensure_memory() {
  if (memory_) return true;
  memory_ = AlignedBuffer::allocate(count_ * buffer_bytes_);
  if (!memory_) return false;
  for (unsigned i = count_; i > 0; --i) free_.push_back(i - 1);
  return true;
}

bool AlignedBufferPool::prepare() {
  const std::lock_guard lock(mutex_);
  return ensure_memory();
}

std::optional<AlignedBufferPool::Lease> AlignedBufferPool::pop() {
  const unsigned index = free_.back();
  free_.pop_back();
  return Lease(this, index);
}

std::optional<AlignedBufferPool::Lease> AlignedBufferPool::take() {
  std::unique_lock lock(mutex_);
  if (!ensure_memory()) return std::nullopt;
  returned_.wait(lock, [this] { return !free_.empty(); });
  return pop();
}

std::optional<AlignedBufferPool::Lease> AlignedBufferPool::try_take() {
  const std::lock_guard lock(mutex_);
  if (!ensure_memory() || free_.empty()) return std::nullopt;
  return pop();
}

void AlignedBufferPool::give_back(unsigned index) {
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(index);
  }
  returned_.notify_one();
}

std::span<char> AlignedBufferPool::buffer(unsigned index) const {
  return {memory_->data() + index * buffer_bytes_, buffer_bytes_};
}

}  // namespace ramet::io
