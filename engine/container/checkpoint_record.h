// The checkpoint frame's payload as a value.
#pragma once

#include <vector>

#include "engine/container/operations.h"

namespace ramet::engine {

struct CheckpointRecord {
  Sequence sequence = 0;
  uint64_t chain = 0;
  Epoch epoch = 0;
  int64_t time = 0;
  uint64_t id_sequence = 0;
  SegmentNo next_segment = 1;
  WrittenRoot catalog;
  WrittenRoot map;
  std::vector<SegmentNo> open_segments;  // node and data segments that had no footer yet
  uint64_t map_bytes = 0;  // keys and values of the map when it was last written as a whole
};

Bytes encode_checkpoint(const CheckpointRecord& record);
// kCorruption for anything malformed [INV-8].
Result<CheckpointRecord> decode_checkpoint(ByteView payload);

}  // namespace ramet::engine
