// InspectedStore: a store's files for inspect, whatever state they are in: which superblock counts,
// which segment files there are, each with the best slot table that can be had, and the trees, if a
// checkpoint can be found. Reads only.
//
// Not thread-safe.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/block/segment.h"
#include "engine/inspect.h"
#include "engine/recovered_store.h"
#include "engine/space/ref_counts.h"

namespace ramet::engine {

struct SuperblockFile {
  std::string path;
  Bytes bytes;  // as far as they can be read
  bool is_missing = false;
  std::optional<Superblock> superblock;
  std::string damage;  // why there is none
};

// What all frames of the store depend on.
struct StoreIdentity {
  StoreId id;
  Secret secret{};
  Epoch newest_epoch = 0;  // that is known of
  std::string from;        // "superblock.0", or "segment headers"
};

struct InspectedFile {
  SegmentNo number = 0;
  uint32_t generation = 0;
  std::string path;
};

// A segment as its file has it.
struct LoadedSegment {
  InspectedFile file;
  uint64_t size = 0;
  std::optional<SegmentHeader> header;
  std::string header_damage;
  std::string identity_from;          // "header", "map" or "frames"
  std::optional<SegmentValue> value;  // what the map says
  std::string table_from;             // "footer", "map" or "frames"; "offsets" of a map segment
  std::optional<Footer> footer;
  std::string footer_damage;          // why there is none although there should be
  std::shared_ptr<Segment> segment;   // with that table

  const SegmentIdentity& identity() const { return segment->identity(); }
  bool is_map() const { return identity().stream == Stream::kMap; }
};

// What the counts say of a slot.
struct SlotState {
  std::string_view word;  // "live", "dead", "dead, pending", "not counted yet", "gone", ...
  std::optional<uint32_t> count;
};

class InspectedStore {
 public:
  // As Inspector::open().
  static Result<std::unique_ptr<InspectedStore>> open(const std::string& path,
                                                      const InspectOptions& options);

  const std::string& path() const { return path_; }
  io::Env& env() { return *options_.env; }
  std::string segments_directory() const { return path_ + "/segments"; }
  const std::array<SuperblockFile, 2>& superblocks() const { return superblocks_; }
  // Which of them counts; the error says why none does.
  const Result<size_t>& newest() const { return *newest_; }
  bool is_open_elsewhere() const { return !holder_.empty(); }
  const std::string& holder() const { return holder_; }  // who has it open, in words

  // kCorruption: neither superblock nor any segment header can be read.
  Result<StoreIdentity> identity();
  // Catalog and map of the state behind the log; of the last checkpoint if the store is open
  // elsewhere, or if no superblock leads to one that can be read (salvaged() tells).
  Result<RecoveredStore*> trees();
  // Where the checkpoint was found that no superblock led to; empty: the usual way.
  const std::string& salvaged() const { return salvaged_; }
  // How the state is limited, in words; empty: it is the whole one.
  std::string state_note();
  // It is because of damage.
  bool is_state_damaged();

  // Every segment file by number and generation. kIoError.
  Result<std::vector<InspectedFile>> files();
  // Names of files in the folder that are none.
  const std::vector<std::string>& foreign_files() const { return foreign_; }
  // kNotFound: no such file. kCorruption: nothing tells to which store or life it belongs. Without
  // a generation the one that counts (or the newest there is).
  Result<std::shared_ptr<LoadedSegment>> load(SegmentNo number,
                                              std::optional<uint32_t> generation = {});
  // The slot in words. Of a segment that no map speaks of: "unknown".
  SlotState state_of(const LoadedSegment& segment, Slot slot);
  // Slots before it are counted; nullopt: not known.
  std::optional<Slot> floor_of(SegmentNo number);

 private:
  InspectedStore(std::string path, const InspectOptions& options);
  Status read_superblocks();
  void look_for_holder();
  Status identity_from_headers();
  Result<std::unique_ptr<RecoveredStore>> recover();
  Result<std::unique_ptr<RecoveredStore>> salvage(const Error& why);
  Status attach(LoadedSegment& out, std::unique_ptr<io::File> file);
  Result<SegmentIdentity> identify(LoadedSegment& out, io::File& file);
  Result<SegmentIdentity> identify_by_frames(const LoadedSegment& out, io::File& file);
  std::pair<Epoch, Epoch> epochs_around(SegmentNo number);
  Result<std::optional<SegmentHeader>> read_header(const InspectedFile& file, std::string& damage);

  const std::string path_;
  InspectOptions options_;
  std::array<SuperblockFile, 2> superblocks_;
  std::optional<Result<size_t>> newest_;
  std::unique_ptr<io::FileLock> lock_;
  std::string holder_;
  std::optional<StoreIdentity> identity_;
  std::unique_ptr<RecoveredStore> trees_;
  std::optional<Error> no_trees_;
  std::string salvaged_;
  std::optional<std::vector<InspectedFile>> files_;
  std::vector<std::string> foreign_;
  std::unique_ptr<RefCounts> counts_;
  std::shared_ptr<LoadedSegment> last_;  // segments are looked at one after the other
  std::optional<uint32_t> last_generation_;
};

}  // namespace ramet::engine
