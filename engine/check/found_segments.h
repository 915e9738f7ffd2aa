// FoundSegments: tells of segments what the map knows and, where that cannot be read or is silent,
// what their files say. So a damaged or missing map costs nothing that can still be read.
//
// Thread-safe after survey().
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "engine/block/block_store.h"

namespace ramet::engine {

class FoundSegments : public SegmentDirectory {
 public:
  // `map` may be null: only the files tell. Both must outlive this.
  FoundSegments(BlockStore& blocks, SegmentDirectory* map) : blocks_(blocks), map_(map) {}

  // Lists the files: here, and nowhere else, a directory listing says what there is. A file whose
  // header says another segment than its name is taken for that one. kIoError.
  Status survey();
  // Segments whose file stands under another name.
  const std::set<SegmentNo>& displaced() const { return displaced_; }

  Result<std::optional<SegmentValue>> find(SegmentNo number) override;
  Result<std::vector<SlotEntry>> slots_of(SegmentNo number, uint32_t count) override;
  Result<std::vector<Hole>> holes_of(SegmentNo number) override;

  // Of every number that has a file.
  std::vector<SegmentNo> numbers() const;
  // The greatest number of which a file's header says that it is this store's; 0: there is none.
  SegmentNo last() const { return last_; }
  bool has_file(SegmentNo number, uint32_t generation) const;

 private:
  Result<std::optional<SegmentValue>> from_files(SegmentNo number);

  BlockStore& blocks_;
  SegmentDirectory* const map_;
  std::map<SegmentNo, std::set<uint32_t>> files_;  // generations
  SegmentNo last_ = 0;
  std::set<SegmentNo> displaced_;
  std::mutex mu_;
  std::map<SegmentNo, std::optional<SegmentValue>> told_;  // by files; guarded by mu_
};

}  // namespace ramet::engine
