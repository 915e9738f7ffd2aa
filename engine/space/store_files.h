// StoreFiles: the files of a store directory with their lengths, at one moment, and the lines of
// StoreUsage that they make up.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/tree/context.h"
#include "engine/tree/root.h"
#include "engine/usage.h"

namespace ramet::engine {

struct StoreFile {
  std::string name;  // in its directory
  uint64_t length = 0;
  uint64_t allocated = 0;
};

struct SegmentFile {
  SegmentNo number = 0;
  uint32_t generation = 0;
  StoreFile file;
  // Of segments that this life knows by itself.
  std::optional<Stream> stream;
  uint64_t frames_end = 0;
};

struct StoreFiles {
  std::vector<StoreFile> top;      // directly in the store's directory
  std::vector<StoreFile> index;
  std::vector<StoreFile> foreign;  // among the segments, with other names
  std::set<SegmentNo> punched;     // whose holes were given back, though the map does not say so
  std::vector<SegmentFile> segments;
};

// Lists the directory and asks every file for its length: some 10 us each. Under the checkpoint
// lock, so that the segment files are those of one checkpoint; others may come, grow and go
// meanwhile, and count as they are found. Directories do not count.
Result<StoreFiles> list_store_files(BlockStore& blocks, const std::string& store);

// Adds the files to the lines of `usage` that they belong to, to total_bytes and allocated_bytes.
// `map`: of the same checkpoint. `taken`: bytes of each segment that other lines have already.
// kCorruption if there are more than the segment has.
Status add_store_files(const StoreFiles& files, TreeContext& maps, const Root& map,
                       const std::map<SegmentNo, uint64_t>& taken, StoreUsage& usage);

}  // namespace ramet::engine
