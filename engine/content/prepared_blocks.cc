#include "engine/content/prepared_blocks.h"

#include <algorithm>

#include "format/codec.h"
#include "format/hash_many.h"

namespace ramet::engine {
namespace {

constexpr size_t kBlocksMin = 4;  // fewer are not worth waking threads
constexpr size_t kBlocksTogether = 8;  // that one thread names at once

}  // namespace

void BlockPreparer::compress(ByteView raw, PreparedBlock& block) const {
  if (compression_.level == 0) return;
  bool seems_known = false;
  index_.lookup(block.name.prefix(), [&](SegmentNo, Slot) {
    seems_known = true;
    return false;
  });
  if (seems_known) return;
  auto compressed = compress_if_it_pays(raw, compression_.level);
  if (!compressed.ok()) return;
  block.tried = true;
  block.compressed = std::move(*compressed);
}

PreparedBlocks BlockPreparer::blocks_of(const std::vector<ByteView>& blocks) const {
  PreparedBlocks out;
  if (pool_ == nullptr || blocks.size() < kBlocksMin) return out;
  out.resize(blocks.size());
  std::vector<ContentHash> names(blocks.size());
  pool_->run((blocks.size() + kBlocksTogether - 1) / kBlocksTogether, [&](size_t group) {
    const size_t begin = group * kBlocksTogether;
    const size_t count = std::min(kBlocksTogether, blocks.size() - begin);
    blake3_many(std::span(blocks).subspan(begin, count), std::span(names).subspan(begin, count));
    for (size_t i = begin; i < begin + count; ++i) {
      out[i].length = static_cast<uint32_t>(blocks[i].size());
      out[i].name = names[i];
      compress(blocks[i], out[i]);
    }
  });
  return out;
}

}  // namespace ramet::engine
