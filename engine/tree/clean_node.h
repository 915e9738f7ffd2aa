// CleanNode: one node as it is on disk, verified, immutable, in memory.
#pragma once

#include <memory>
#include <string>

#include "engine/tree/key_search.h"
#include "engine/tree/node_store.h"
#include "format/node.h"

namespace ramet::engine {

class CleanNode;
// Whoever holds one pins the node's bytes; the cache may forget it meanwhile.
using CleanNodePtr = std::shared_ptr<const CleanNode>;

// Thread-safe: immutable.
class CleanNode {
 public:
  // Verifies the bytes: kCorruption names the reference and the rule that is broken.
  static Result<CleanNodePtr> open(NodeBuffer buffer, const BlockRef& ref);

  const NodeView& view() const { return view_; }
  const BlockRef& ref() const { return ref_; }
  ByteView encoded() const { return buffer_.view(); }
  // What it takes in memory, for the cache's bound.
  size_t memory_bytes() const {
    return sizeof(*this) + buffer_.size() + view_.count() * sizeof(uint32_t);
  }

  // Index of the first key >= `key`, count() if there is none; *exact: it is equal.
  uint32_t lower_bound(ByteView key, bool* exact) const {
    const ByteView prefix = view_.prefix();
    if (const int order = compare_prefix(prefix, key); order != 0) {
      *exact = false;
      return order < 0 ? view_.count() : 0;
    }
    return lower_bound_suffix(heads_.get(), view_.count(), key.substr(prefix.size()), exact,
                              [this](uint32_t i) { return view_.suffix(i); });
  }

  // Use open().
  CleanNode(NodeBuffer buffer, const BlockRef& ref, const NodeView& view);

 private:
  NodeBuffer buffer_;
  BlockRef ref_;
  NodeView view_;
  std::unique_ptr<uint32_t[]> heads_;
};

}  // namespace ramet::engine
