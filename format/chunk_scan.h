// Scans for cut points of mulcdc-v1 (format/chunker.h), one for each set of vector instructions,
// that give the same numbers bit for bit. Internal to the chunker; tests and benchmarks compare
// them.
#pragma once

#include <span>

#include "format/chunker.h"

namespace ramet {

struct ChunkScan {
  static constexpr size_t kBlock = 64;   // positions of a block
  static constexpr size_t kWindow = 32;  // bytes that the hash of a position covers
  static constexpr size_t kBefore = 32;  // bytes before the first window that may be read

  const char* name;
  // The first of blocks * kBlock positions, whose windows begin at window, window+1, ..., whose
  // hash has only zeros under the mask; their number if none has.
  // Reads kBefore bytes before `window` and up to blocks * kBlock + kWindow - 1 bytes from it on.
  size_t (*find)(const char* window, size_t blocks, uint32_t mask);
};

// Those that this processor can run, the fastest first; the last one runs everywhere.
std::span<const ChunkScan> chunk_scans();

// next_cut() by one of them.
size_t next_cut_by(const ChunkScan& scan, ByteView data, bool last, const ChunkerParams& params);

}  // namespace ramet
