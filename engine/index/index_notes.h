// IndexNotes: what went wrong inside the index, which is never an error of its callers [IX-3],
// kept for a log. Thread-safe; keeps the first 32 until they are taken, and counts all.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "format/result.h"

namespace ramet::engine {

class IndexNotes {
 public:
  void add(const Error& error) {
    std::lock_guard lock(mutex_);
    ++count_;
    if (notes_.size() < kNotesMax) notes_.push_back(error.to_string());
  }
  std::vector<std::string> take() {
    std::lock_guard lock(mutex_);
    return std::exchange(notes_, {});
  }
  uint64_t count() const {
    std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  static constexpr size_t kNotesMax = 32;
  mutable std::mutex mutex_;
  std::vector<std::string> notes_;
  uint64_t count_ = 0;
};

}  // namespace ramet::engine
