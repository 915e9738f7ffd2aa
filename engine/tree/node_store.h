// NodeStore: where encoded tree nodes live. The block layer implements it (node stream of the
// store); tests use tests/support/memory_node_store.h.
#pragma once

#include <cstring>
#include <memory>
#include <utility>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/node.h"
#include "format/result.h"

namespace ramet::engine {

// Owned bytes of one encoded node, aligned to kNodeAlignment. Move-only.
class NodeBuffer {
 public:
  NodeBuffer() = default;
  // Uninitialized; fill through data().
  explicit NodeBuffer(size_t size)
      : bytes_(std::make_unique_for_overwrite<char[]>(size)), size_(size) {}
  static NodeBuffer copy_of(ByteView bytes) {
    NodeBuffer buffer(bytes.size());
    if (!bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
    return buffer;
  }

  char* data() { return bytes_.get(); }
  size_t size() const { return size_; }
  ByteView view() const { return {bytes_.get(), size_}; }

 private:
  static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= kNodeAlignment);
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
};

// Thread-safe: load() from any number of threads, store() from one at a time beside them.
class NodeStore {
 public:
  virtual ~NodeStore() = default;

  // The bytes of a node, decoded and with their checksum compared with the reference's [INV-4].
  // kCorruption (checksum, or the reference leads nowhere) or kIoError. The caller verifies the
  // structure.
  virtual Result<NodeBuffer> load(const BlockRef& ref) = 0;

  // Appends a node; the sequence is the last commit whose effects are in it. Nothing is durable
  // before the caller syncs, nor counted before the caller counts it. kIoError, kOutOfSpace.
  virtual Result<BlockRef> store(ByteView encoded, Sequence sequence) = 0;
};

}  // namespace ramet::engine
