// The two places where tree nodes live: the node stream (catalog and containers) and the map
// stream (the map tree). Thread-safe as NodeStore asks.
#pragma once

#include "engine/block/block_store.h"
#include "engine/tree/node_store.h"

namespace ramet::engine {

class NodeStreamStore : public NodeStore {
 public:
  explicit NodeStreamStore(BlockStore& blocks) : blocks_(blocks) {}
  Result<NodeBuffer> load(const BlockRef& ref) override {
    RAMET_ASSIGN(const Bytes bytes, blocks_.read(ref));
    return NodeBuffer::copy_of(bytes);
  }
  Result<BlockRef> store(ByteView encoded, Sequence sequence) override {
    return blocks_.append(Stream::kNode, FrameKind::kNode, Codec::kNone, encoded,
                          static_cast<uint32_t>(encoded.size()), {}, sequence);
  }

 private:
  BlockStore& blocks_;
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
