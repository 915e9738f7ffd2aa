// ExtentHasher: the content id of an object by its extents and the names of their blocks
// (docs/format.md#content); what lies between the extents is holes. Not thread-safe.
#pragma once

#include "engine/content/content_hasher.h"
#include "format/extent_run.h"

namespace ramet::engine {

class ExtentHasher {
 public:
  // In order. False: it begins before the end of the one before, and is left out.
  bool add(const Extent& extent, const ContentHash& name) {
    if (extent.offset < end_) return false;
    hasher_.add_hole(extent.offset - end_);
    hasher_.add_block(name, extent.offset_in_block, extent.length);
    end_ = extent.end();
    return true;
  }
  // Where the last extent ends.
  uint64_t end() const { return end_; }

  // Requires: end() <= size. `block_raw_len`: as for ContentHasher::finish().
  ContentHash finish(uint64_t size, uint64_t block_raw_len) {
    hasher_.add_hole(size - end_);
    end_ = size;
    return hasher_.finish(size, block_raw_len);
  }

 private:
  ContentHasher hasher_;
  uint64_t end_ = 0;
};

}  // namespace ramet::engine
