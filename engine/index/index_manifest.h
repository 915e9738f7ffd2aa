// The manifest of the dedupe index: which runs count (docs/format.md#dedupe-index). Two slots in
// separate files are written in turn; the valid one with the greater generation counts. Pure and
// thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "format/block_ref.h"
#include "format/bytes.h"
#include "format/result.h"

namespace ramet::engine {

// A run, and which content of its file is meant. As it is on disk.
struct RunIdentity {
  uint64_t number = 0;        // 1 and up
  uint64_t entries = 0;       // 1 and up
  uint64_t header_check = 0;  // of the run's header, which has the salt of all its pages
  friend bool operator==(const RunIdentity&, const RunIdentity&) = default;
};
static_assert(sizeof(RunIdentity) == 24 && std::is_trivially_copyable_v<RunIdentity>);

inline constexpr size_t kManifestRunsMax = 1024;
inline constexpr size_t kManifestForgottenMax = 65536;
inline constexpr uint64_t kManifestBytesMax =
    72 + kManifestRunsMax * sizeof(RunIdentity) + kManifestForgottenMax * sizeof(SegmentNo) + 8;

struct IndexManifest {
  uint64_t generation = 0;        // grows by at least one with every manifest written
  uint64_t next_run = 1;          // run numbers from here on were not in use when this was written
  std::vector<RunIdentity> runs;  // the newest first
  std::vector<SegmentNo> forgotten;  // ascending: segments that are gone, in whatever run
  friend bool operator==(const IndexManifest&, const IndexManifest&) = default;
};

// Requires: at most kManifestRunsMax runs and kManifestForgottenMax segments.
Bytes encode_index_manifest(const IndexManifest& manifest);

// Bytes behind the manifest are ignored (an older, longer one may have stood there). kCorruption
// on any inconsistency; kUnsupported for a later version. Memory is bounded by the input [INV-8].
Result<IndexManifest> decode_index_manifest(ByteView bytes);

// "manifest.0", "manifest.1".
const char* manifest_name(size_t slot);

}  // namespace ramet::engine
