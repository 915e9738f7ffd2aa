// Reading a long content: blocks that lie together in a segment are read at once, and while the
// caller uses some, other threads read, verify and name what comes next. Used by View::stream().
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/container/records.h"
#include "engine/content/ordered_work.h"

namespace ramet::engine {

// Threads of a store that may help with reading: all contents together take no more. Thread-safe.
class StreamHelpers {
 public:
  explicit StreamHelpers(unsigned count) : free_(count) {}
  // As many as there are, at most so many.
  unsigned take(unsigned wanted) {
    const std::lock_guard lock(mutex_);
    const unsigned taken = std::min(wanted, free_);
    free_ -= taken;
    return taken;
  }
  void give_back(unsigned count) {
    const std::lock_guard lock(mutex_);
    free_ += count;
  }

 private:
  std::mutex mutex_;
  unsigned free_;
};

// For one content. Used by one thread, which has others help.
class ContentStream {
 public:
  // `helpers` must outlive it; null: nobody helps.
  ContentStream(BlockStore& blocks, StreamHelpers* helpers) : blocks_(blocks), helpers_(helpers) {}
  ~ContentStream();
  ContentStream(const ContentStream&) = delete;
  ContentStream& operator=(const ContentStream&) = delete;

  // The whole block that the extent lies in, and its name; or why it cannot be read, which is the
  // last call.
  struct Block {
    ByteView raw;
    ContentHash name;
  };
  using Visit = std::function<Status(const Extent& extent, const Result<Block>& block)>;

  // The content's next extent. `visit` is called for it, or for those before it, sooner or later;
  // its first error is returned, and nothing may follow.
  Status add(const Extent& extent, const Visit& visit);
  // There are no more: visits what is left.
  Status finish(const Visit& visit);

 private:
  struct Batch {
    std::vector<Extent> extents;
    uint64_t bytes = 0;
    BlockMemory memory;
    std::vector<ContentHash> names;
    std::optional<Error> error;  // of the block behind those that were read
  };

  Status push(const Visit& visit);
  Status visit_first(const Visit& visit);
  void read(Batch& batch);

  BlockStore& blocks_;
  StreamHelpers* const helpers_;
  std::unique_ptr<Batch> filling_;
  uint64_t bytes_ = 0;  // of all extents so far
  unsigned taken_ = 0;  // helpers
  std::vector<std::thread> threads_;

  OrderedWork<Batch> reading_{[this](Batch& batch) { read(batch); }};
  std::vector<std::unique_ptr<Batch>> free_;
};

}  // namespace ramet::engine
