// The superblock: where everything begins (docs/format.md#superblock). Two files, 4096 bytes
// each, written in turn with a growing generation. All functions are pure and thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/features.h"
#include "format/frame.h"
#include "format/ids.h"
#include "format/result.h"

namespace ramet {

inline constexpr uint32_t kSuperblockBytes = 4096;
inline constexpr const char* kSuperblockFileNames[2] = {"superblock.0", "superblock.1"};

// A place between two groups of the commit stream, as it is on disk: the group that starts at
// `offset` of `segment` follows commit number `sequence`, whose chain value is `chain`.
struct LogPosition {
  SegmentNo segment = 0;  // 0: no position
  uint32_t reserved = 0;
  uint64_t offset = 0;
  Sequence sequence = 0;
  uint64_t chain = 0;

  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};
static_assert(sizeof(LogPosition) == 32 && std::is_trivially_copyable_v<LogPosition>);
static_assert(offsetof(LogPosition, offset) == 8);
static_assert(offsetof(LogPosition, sequence) == 16);
static_assert(offsetof(LogPosition, chain) == 24);

// Values are on disk and never change.
enum class StoreState : uint32_t {
  kClean = 0,
  kInUse = 1,  // open for writing, or the last writer crashed
};

// In memory; encode_superblock() gives the bytes.
struct Superblock {
  FeatureFlags features;
  StoreId store_id;
  Secret secret{};
  uint64_t generation = 0;  // grows by one with every superblock written
  Epoch epoch = 0;
  StoreState state = StoreState::kClean;
  SegmentNo next_segment = 1;  // numbers from here on were never used when this was written
  BlockRef checkpoint;         // a frame of the map stream; null only before the first
  BlockRef checkpoint_copy;    // a second copy of that frame, in another place
  LogPosition replay;          // the first group to replay
  LogPosition durable_end;     // the log was durable up to here when this was written
  BlockRef undo;               // the checkpoint that a repair replaced, or null
  int64_t written_at = 0;      // nanoseconds since 1970, for people only

  friend bool operator==(const Superblock&, const Superblock&) = default;
};

// Exactly kSuperblockBytes, the check included. Requires: offsets of log positions are multiples of
// kGroupBytes (as every group's is).
Bytes encode_superblock(const Superblock& superblock);

// kCorruption: another length, magic or check, or values that no version 1 program writes.
// kUnsupported: written by a later version, or with features that must be known to read.
// Whether this program may also write: check_features(superblock.features, true, name).
Result<Superblock> decode_superblock(ByteView bytes);

// Which of the two superblock files counts (0 or 1): the valid one with the greater generation.
// The other one is the one to write next. Fails when neither is valid (with both reasons; the code
// they share, else kIoError if one could not be read, else kCorruption) and when one of them
// was written by a later version (kUnsupported): the other may lead into a past that moved on.
Result<size_t> pick_newest(const Result<Superblock>& first, const Result<Superblock>& second);

}  // namespace ramet
