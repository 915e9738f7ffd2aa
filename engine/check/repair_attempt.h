// RepairAttempt: one superblock, real or found, the state behind it, and what a repair makes of it.
//
// Not thread-safe; look() uses the threads of its run.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/check/catalog_mend.h"
#include "engine/check/check_run.h"
#include "engine/check/found_segments.h"
#include "engine/check/map_check.h"
#include "engine/check/orphans.h"
#include "engine/check/tree_mend.h"
#include "engine/recovered_store.h"
#include "engine/repair.h"
#include "engine/space/ref_counts.h"

namespace ramet::engine {

class RepairAttempt : public RecoveredStore {
 public:
  RepairAttempt(const std::string& path, const StoreOptions& store, const RepairOptions& options,
                CheckRun& run, const std::vector<Finding>& findings)
      : RecoveredStore(path, store), repair_(options), run_(run), findings_(findings) {}

  // In this order. Each: kIoError, kCancelled; begin() also what recovery refuses (kCorruption,
  // ...): then this is no start.
  // As the superblocks say; or from `found`.
  Status begin(const std::optional<Superblock>& found);

  // Reads all trees (and data, if that was asked for).
  Status look();

  // The newest superblock's checkpoint cannot be read.
  bool fell_back() const { return fell_back_; }
  bool is_whole() const { return damage_of_trees_ == 0 && !damage_ && !no_map_; }

  // Everything in memory; `report` gets what is done.
  Status mend(const std::function<void(const RepairStep&)>& report);

  // Writes what mend() made. Everything before the superblocks is beside what is there.
  Status apply();

  // How many containers, snapshots and objects the mended state has.
  Status sum_up(RepairReport& out);

  const std::set<SegmentNo>& copied() const { return copied_; }
  Sequence sequence() const { return sequence_; }
  MapCheck& map_check() { return *map_check_; }

  // Which files are to be written anew. A lost footer alone costs nothing: the map has the table.
  void choose_copies();
  const std::set<SegmentNo>& displaced() const { return found_->displaced(); }
  // Segments of which the generation that the map names is gone, and another one is there.
  const std::set<SegmentNo>& other_generations() const { return other_generations_; }

 protected:
  SegmentDirectory& directory() override;
  // What it takes for lost is lost for good: never for a read that failed [INV-7].
  bool gives_up_what_is_lost() const override { return true; }

 private:
  Epoch newest_epoch() const;

  Status make_durable();

  // Without `all` only those that a crashed life made behind the checkpoint, which recovery did not
  // find (their headers are damaged).
  Status add_found_segments(bool all);

  // No checkpoint leads to it: the newest one that stands in the segments, unless the log from its
  // beginning gives more.
  Status find_catalog();

  void say(Outcome outcome, std::string message);

  // --- the log behind damage ---------------------------------------------------------------------
  // Commits that were found whole behind the place where the log breaks off. What they say is
  // absolute, so that most of it holds without those that are lost.
  Status salvage_log();

  // Its blocks can be read from now on.
  Status register_salvaged(SegmentNo number, const SegmentValue& value);

  void apply_one_by_one(const CommitRecord& record, Sequence sequence);

  // --- containers --------------------------------------------------------------------------------
  struct Report {
    Bytes key;  // of the tree
    std::string text;
    FolderId folder;
  };

  Status mend_containers(TreeMend& mend);

  Result<Root> mend_root(TreeMend& mend, const RootedEntry& entry, const Root& root);

  // Blocks of lost records: the bytes are there, only not whose they are. They get a container of
  // their own, for nobody else may read what one container held.
  Status save_blocks();

  Result<Root> put_block(const Root& root, const std::string& name, const BlockRef& ref,
                         const ContentHash& hash, uint64_t size, const FolderId& folder);

  IdBytes new_id();

  // What was moved or lost stands in the container itself, too.
  Status write_reports();

  const RepairOptions& repair_;
  CheckRun& run_;
  const std::vector<Finding>& findings_;
  bool no_map_ = false;  // no checkpoint at all was found
  bool fell_back_ = false;
  bool changed_ = false;
  bool salvaged_ = false;  // commits were taken out of their order
  uint64_t damage_of_trees_ = 0;  // findings
  uint64_t lost_records_ = 0;
  // Objects whose pieces are not those that were written, in some tree at least.
  std::set<IdBytes> wrong_content_;
  BlockRef undo_;
  Sequence sequence_ = 0;
  Status directory_error_ = ok();
  std::unique_ptr<FoundSegments> found_;
  std::optional<MapCheck> map_check_;
  std::optional<TreeCheck> trees_;
  std::optional<RefCounts> counts_;
  std::optional<Orphans> orphans_;
  std::function<bool(const BlockRef&)> is_bad_;
  std::function<void(const RepairStep&)> report_;
  std::set<SegmentNo> copied_;
  std::set<SegmentNo> other_generations_;
  std::set<Bytes> uncertain_;
  Root catalog_;
  std::vector<Report> reports_;
};

}  // namespace ramet::engine
