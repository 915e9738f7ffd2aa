// MapCheck: what the map tells of segments and counts, against the files and against the
// references that were met.
//
// One call at a time; read_frames() uses all threads of the run.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/check/check_run.h"
#include "engine/check/roots_check.h"
#include "engine/check/slot_counts.h"
#include "engine/check/tree_check.h"
#include "engine/recovered_store.h"

namespace ramet::engine {

// Bytes that the nodes take which the last checkpoint counts: what reading every tree once will
// read. kCorruption if the map cannot be read.
Result<uint64_t> counted_node_bytes(RecoveredStore& store);

// How far the frames of a segment go that the map knows.
uint64_t frames_end(BlockStore& blocks, SegmentNo number, const SegmentValue& value);

class MapCheck {
 public:
  MapCheck(CheckRun& run, RecoveredStore& store) : run_(run), store_(store) {}

  // In this order. Each: kIoError and kCancelled only.
  // The map tree is checked as every tree is; then what it says of segments is remembered.
  Status load();
  // What the map does not tell of a segment (any more), but its file: for a repair.
  void add(SegmentNo number, const SegmentValue& value) { segments_[number] = value; }
  bool knows(SegmentNo number) const { return segments_.contains(number); }
  // Announces what the following will read: tables, nodes and, with `data`, all frames.
  void expect(bool data);
  // Each segment's file, header and footer. Their slots can be counted from here on.
  Status check_files();
  // Everything, also what is dead. `only`: of these segments; null: of all.
  Status read_frames(const std::set<SegmentNo>* only = nullptr);
  // All that the checkpoint holds, which is what the map counts; then what the log has added since.
  // Requires: `trees` adds to counts(), and is what `roots` reads by.
  Status count_trees(TreeCheck& trees, RootsCheck& roots);
  // The references in counts() against those that the map counts. `whole`: all were met, else
  // there may be more. Also tells of damaged frames that nothing needs.
  Status check_counts(bool whole);
  // Files that belong to nothing. `in_use`: by another process, which makes new ones.
  Status check_names(bool in_use);

  SlotCounts& counts() { return counts_; }
  // Whether read_frames() found the block damaged.
  bool is_bad(const BlockRef& ref) const {
    return !bad_slots_.empty() && bad_slots_.contains({ref.segment, ref.slot});
  }
  // Segments of which a file or a frame is not as it must be, as far as that was looked at.
  // With the codes of what was found.
  std::map<SegmentNo, std::set<std::string_view>> damaged_segments() const;
  // Of the map itself.
  bool is_damaged() const { return damaged_; }
  uint64_t segments() const { return segment_count_; }
  uint64_t nodes() const { return trees_ ? trees_->nodes() : 0; }  // of the map
  uint64_t slots() const { return slots_; }  // whose counts were compared

 private:
  void add_missing(SegmentNo number, const std::string& file);
  Status add_table(const Segment& segment);
  Status count_pending(TreeCheck& trees);

  CheckRun& run_;
  RecoveredStore& store_;
  std::unique_ptr<TreeCheck> trees_;
  bool damaged_ = false;
  bool announced_ = false;  // expect() was called
  bool leaks_ = false;      // what a damaged dead node holds cannot be told
  std::map<SegmentNo, SegmentValue> segments_;
  SlotCounts counts_;
  uint64_t segment_count_ = 0;
  uint64_t slots_ = 0;
  std::map<SegmentNo, std::set<std::string_view>> damaged_files_;
  std::mutex bad_mu_;  // guards the following two while frames are read
  std::vector<std::pair<SegmentNo, SegmentProblem>> bad_frames_;
  std::set<std::pair<SegmentNo, Slot>> bad_slots_;
};

}  // namespace ramet::engine
