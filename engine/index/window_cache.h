// WindowCache: verified windows of index runs in memory, bounded. Thread-safe. Sets of four pages
// with a hand each that gives a second chance; what is evicted follows from the order of calls.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/index/index_page.h"

namespace ramet::engine {

class WindowCache {
 public:
  // Keeps at most about `bytes`; a set of four pages at least.
  explicit WindowCache(uint64_t bytes);

  // Null if it isn't there. Run numbers are never used twice while an index is open.
  std::shared_ptr<const IndexPage> find(uint64_t run, uint64_t window);
  void insert(uint64_t run, uint64_t window, std::shared_ptr<const IndexPage> page);
  uint64_t memory_bytes() const;

 private:
  static constexpr size_t kWays = 4;
  static constexpr size_t kLocks = 64;
  struct Place {
    uint64_t run = 0;
    uint64_t window = 0;
    std::shared_ptr<const IndexPage> page;
    bool used = false;  // since the hand last passed
  };
  struct Set {
    std::array<Place, kWays> places;
    size_t hand = 0;
  };
  size_t set_of(uint64_t run, uint64_t window) const;

  std::vector<Set> sets_;  // a power of two
  mutable std::array<std::mutex, kLocks> locks_;
};

}  // namespace ramet::engine
