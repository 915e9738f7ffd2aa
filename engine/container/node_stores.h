// The two places where tree nodes live: the node stream (catalog and containers) and the map
// stream (the map tree). Thread-safe as NodeStore asks.
#pragma once

#include <atomic>

#include "engine/block/block_store.h"
#include "engine/settings.h"
#include "engine/tree/node_store.h"
#include "format/codec.h"

namespace ramet::engine {

class NodeStreamStore : public NodeStore {
 public:
  explicit NodeStreamStore(BlockStore& blocks) : blocks_(blocks) {}
  Result<NodeBuffer> load(const BlockRef& ref) override {
    RAMET_ASSIGN(const Bytes bytes, blocks_.read(ref));
    return NodeBuffer::copy_of(bytes);
  }
  Result<BlockRef> store(ByteView encoded, Sequence sequence) override {
    const auto raw_len = static_cast<uint32_t>(encoded.size());
    if (level_ != 0) {
      RAMET_ASSIGN(const auto compressed, compress_if_it_pays(encoded, level_));
      if (compressed) {
        return blocks_.append(Stream::kNode, FrameKind::kNode, Codec::kZstd, *compressed, raw_len,
                              {}, sequence);
      }
    }
    return blocks_.append(Stream::kNode, FrameKind::kNode, Codec::kNone, encoded, raw_len, {},
                          sequence);
  }

  // Nodes are shared by containers: the store's own setting says whether they are compressed, and
  // the level is always the same, since each is written and read one at a time.
  void set_compression(Compression compression) {
    level_ = compression.level == 0 ? 0 : kZstdLevelDefault;
  }

 private:
  BlockStore& blocks_;
  std::atomic<int> level_{0};
};

class MapStreamStore : public NodeStore {
 public:
  explicit MapStreamStore(BlockStore& blocks) : blocks_(blocks) {}
  Result<NodeBuffer> load(const BlockRef& ref) override {
    RAMET_ASSIGN(const Bytes bytes, blocks_.read_map(ref));
    return NodeBuffer::copy_of(bytes);
  }
  Result<BlockRef> store(ByteView encoded, Sequence sequence) override {
    return blocks_.append(Stream::kMap, FrameKind::kNode, Codec::kNone, encoded,
                          static_cast<uint32_t>(encoded.size()), {}, sequence);
  }

 private:
  BlockStore& blocks_;
};

}  // namespace ramet::engine
