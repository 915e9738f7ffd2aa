// Ballast: allocated space that is given up when the disk is full, so that dropping and one
// checkpoint still work. What these write grows with the store (counts of its slots, above all),
// and so does the ballast. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "io/env.h"

namespace ramet::engine {

class Ballast {
 public:
  // `bytes_max`: never more; 0: none at all.
  Ballast(std::shared_ptr<io::Env> env, std::string path, uint64_t bytes_max);

  // What there should be: a 64th of the store, at least 4 MiB. True if that is more than before:
  // fill() takes it.
  bool size_for(uint64_t store_bytes);
  uint64_t target() const { return target_.load(); }
  // Takes the space if it is not held already and the disk has at least four times as much left.
  // False if it has not: then what there is belongs to dropping. (Where it cannot be had for other
  // reasons the store does without.)
  bool fill();
  // Gives the space back. False if there was none to give.
  bool release();
  uint64_t held_bytes();

 private:
  const std::shared_ptr<io::Env> env_;
  const std::string path_;
  const uint64_t bytes_max_;
  std::atomic<uint64_t> target_;
  std::mutex mu_;
};

}  // namespace ramet::engine
