#include "engine/container/checkpoint_record.h"

#include "format/checkpoint_generated.h"
#include "engine/container/fb_roots.h"

namespace ramet::engine {

Bytes encode_checkpoint(const CheckpointRecord& record) {
  flatbuffers::FlatBufferBuilder builder(512);
  const auto catalog = encode_root(builder, record.catalog);
  const auto map = encode_root(builder, record.map);
  const auto open = builder.CreateVector(record.open_segments);
  builder.Finish(fb::CreateCheckpoint(builder, record.sequence, record.chain, record.epoch,
                                      record.time, record.id_sequence, record.next_segment,
                                      catalog, map, open, record.map_bytes));
  return Bytes(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
}

Result<CheckpointRecord> decode_checkpoint(ByteView payload) {
  const Bytes aligned(payload);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(aligned.data()), aligned.size());
  if (!fb::VerifyCheckpointBuffer(verifier)) {
    return Error(ErrorCode::kCorruption, "the checkpoint's payload is malformed");
  }
  const fb::Checkpoint* table = fb::GetCheckpoint(aligned.data());
  CheckpointRecord record;
  record.sequence = table->sequence();
  record.chain = table->chain();
  record.epoch = table->epoch();
  record.time = table->time();
  record.id_sequence = table->id_sequence();
  record.next_segment = table->next_segment();
  record.map_bytes = table->map_bytes();
  if (table->catalog() != nullptr) record.catalog = decode_root(*table->catalog());
  if (table->map() != nullptr) record.map = decode_root(*table->map());
  if (table->open_segments() != nullptr) {
    record.open_segments.assign(table->open_segments()->begin(), table->open_segments()->end());
  }
  return record;
}

}  // namespace ramet::engine
