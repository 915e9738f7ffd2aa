// Ballast: allocated space that is given up when the disk is full, so that dropping and one
// checkpoint still work. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "io/env.h"

namespace ramet::engine {

class Ballast {
 public:
  Ballast(std::shared_ptr<io::Env> env, std::string path, uint64_t bytes)
      : env_(std::move(env)), path_(std::move(path)), bytes_(bytes) {}

  // Takes the space if it is not held already and the disk has at least four times as much left.
  // Best effort: a store without ballast works, until the disk is full.
  void fill();
  // Gives the space back. False if there was none to give.
  bool release();
  uint64_t held_bytes();

 private:
  const std::shared_ptr<io::Env> env_;
  const std::string path_;
  const uint64_t bytes_;
  std::mutex mu_;
};

}  // namespace ramet::engine
