// The content id of an object while its extents become known in order (docs/format.md#content):
// it guards the composition, which the checksums of blocks cannot [INV-12]. Not thread-safe.
#pragma once

#include <optional>

#include "format/hash.h"

namespace ramet::engine {

class ContentHasher {
 public:
  ContentHasher() : hasher_("ramet 2026-11-21 content id v1") {}

  void add_block(const ContentHash& name, uint64_t offset_in_block, uint64_t length) {
    if (pieces_ == 0 && offset_in_block == 0) {
      first_ = name;
      first_length_ = length;
    }
    add(name, offset_in_block, length);
  }
  void add_hole(uint64_t length) {
    if (length > 0) add(ContentHash{}, 0, length);
  }

  // Requires: the pieces add up to `size`. `block_raw_len`: of the first block, whose name is the
  // id only if the content is all of it.
  ContentHash finish(uint64_t size, uint64_t block_raw_len) const {
    if (size == 0) return ContentHash{};
    if (pieces_ == 1 && first_ && first_length_ == size && block_raw_len == size) return *first_;
    return hasher_.finish();
  }

 private:
  void add(const ContentHash& name, uint64_t offset_in_block, uint64_t length) {
    Bytes bytes(name.view());
    append(bytes, offset_in_block);
    append(bytes, length);
    hasher_.update(bytes);
    ++pieces_;
  }

  Blake3Hasher hasher_;
  uint64_t pieces_ = 0;
  std::optional<ContentHash> first_;
  uint64_t first_length_ = 0;
};

}  // namespace ramet::engine
