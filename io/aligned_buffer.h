// Page-aligned buffers for O_DIRECT: the device reads and writes them without the page cache, and
// a ring can register them so that the kernel pins their pages once instead of with each transfer.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace ramet::io {

inline constexpr size_t kBufferAlignment = 4096;

// Anonymous memory, page-aligned and zeroed; backed by real pages only once touched.
class AlignedBuffer {
 public:
  // nullopt when the system gives no address space.
  static std::optional<AlignedBuffer> allocate(size_t bytes);
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;
  ~AlignedBuffer();

  char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  AlignedBuffer(char* data, size_t size) : data_(data), size_(size) {}
  char* data_;
  size_t size_;
};

// A hint: the system may put huge pages behind memory that was never touched. A device then reads
// and writes it with one page pinned where it would be hundreds.
void advise_huge_pages(std::span<char> memory);

// A fixed number of buffers of one size, cut from one AlignedBuffer, so that bulk transfers use
// bounded memory however many threads do them. Thread-safe; must outlive its leases.
class AlignedBufferPool {
 public:
  // A buffer on loan; returned when destroyed. Movable, not thread-safe.
  class Lease {
   public:
    Lease(Lease&& other) noexcept : pool_(other.pool_), index_(other.index_) {
      other.pool_ = nullptr;
    }
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (pool_ != nullptr) pool_->give_back(index_);
    }
    std::span<char> bytes() const { return pool_->buffer(index_); }
    // Its number, 0 .. count - 1: the index of the buffer where all were registered in order.
    unsigned index() const { return index_; }

   private:
    friend class AlignedBufferPool;
    Lease(AlignedBufferPool* pool, unsigned index) : pool_(pool), index_(index) {}
    AlignedBufferPool* pool_;
    unsigned index_;
  };

  AlignedBufferPool(unsigned count, size_t buffer_bytes);

  // Waits for a free buffer. Whoever already holds one must use try_take() instead, or two
  // holders could wait for each other. nullopt only when the system gave no memory.
  std::optional<Lease> take();
  std::optional<Lease> try_take();

  unsigned count() const { return count_; }
  size_t buffer_bytes() const { return buffer_bytes_; }
  // Makes the memory if it is not there yet; false if the system gives none.
  bool prepare();
  // Requires: index < count(), and that prepare() succeeded or a lease was handed out.
  std::span<char> buffer(unsigned index) const;

 private:
  // Both require mutex_.
  std::optional<Lease> pop();
  bool ensure_memory();

  void give_back(unsigned index);

  const unsigned count_;
  const size_t buffer_bytes_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::optional<AlignedBuffer> memory_;  // set once, before the first lease
  std::vector<unsigned> free_;
};

}  // namespace ramet::io
