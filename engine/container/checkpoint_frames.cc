#include "engine/container/checkpoint_frames.h"

namespace ramet::engine {
namespace {

// The two copies stand at least this far apart.
constexpr size_t kCopyDistance = 4096;

}  // namespace

Status write_checkpoint_frames(BlockStore& blocks, const CheckpointRecord& record,
                               Superblock& superblock) {
  const Bytes payload = encode_checkpoint(record);
  const auto append = [&](FrameKind kind, ByteView bytes) {
    return blocks.append(Stream::kMap, kind, Codec::kNone, bytes,
                         static_cast<uint32_t>(bytes.size()), {}, record.sequence);
  };
  RAMET_ASSIGN(superblock.checkpoint, append(FrameKind::kCheckpoint, payload));
  RAMET_TRY(append(FrameKind::kSkip, Bytes(kCopyDistance, '\0')));
  RAMET_ASSIGN(superblock.checkpoint_copy, append(FrameKind::kCheckpoint, payload));
  RAMET_TRY(blocks.sync(Stream::kMap));
  superblock.next_segment = record.next_segment;
  return ok();
}

}  // namespace ramet::engine
