// BlockStore: where blocks and nodes lie. Appends to the node, data and map streams, reads by
// reference, knows every segment of this life and finds older ones through a SegmentDirectory.
//
// Thread-safe. It does not deduplicate, does not decide what is live, and does not write the
// commit stream (engine/log does, into segments that it registers here).
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/block/segment.h"
#include "engine/options.h"
#include "format/codec.h"
#include "format/ids.h"
#include "format/values.h"

namespace ramet::engine {

// What the map tree knows of segments of earlier lives. Implemented by the checkpointer.
class SegmentDirectory {
 public:
  virtual ~SegmentDirectory() = default;
  virtual Result<std::optional<SegmentValue>> find(SegmentNo number) = 0;
  // The slots of a segment that has no footer (closed by a crash).
  virtual Result<std::vector<SlotEntry>> slots_of(SegmentNo number, uint32_t count) = 0;
  // Of a segment whose flags say that it has some.
  virtual Result<std::vector<Hole>> holes_of(SegmentNo number) = 0;
};

struct BlockStoreConfig {
  std::shared_ptr<io::Env> env;
  std::string directory;  // of the segment files
  StoreId store_id;
  Secret secret{};
  Epoch newest_epoch = 0;  // as the superblocks know it
  StoreOptions options;
};

// How far one segment must be durable: slots up to `slot`, inclusive.
struct SlotBound {
  SegmentNo segment = 0;
  Slot slot = 0;
};

// Decoded payloads, and the memory that they lie in, to be used again and again. Not thread-safe.
class BlockMemory {
 public:
  const std::vector<ByteView>& blocks() const { return blocks_; }

 private:
  friend class BlockStore;
  std::vector<ByteView> blocks_;
  std::deque<Bytes> runs_;  // as read
  size_t runs_used_ = 0;
  std::deque<Bytes> decoded_;  // (which stay where they are)
};

class BlockStore {
 public:
  explicit BlockStore(BlockStoreConfig config);
  ~BlockStore();

  // The directory must outlive the store or be replaced; null: probe files instead.
  void set_directory(SegmentDirectory* directory);
  // Begins a life: new segments get this epoch and numbers from `next_segment` on.
  void begin_epoch(Epoch epoch, SegmentNo next_segment);
  Epoch epoch() const { return epoch_; }
  // Every segment below this number is registered, recorded in the directory, or gone.
  SegmentNo next_segment();

  // Appends to the open segment of a stream, rolling over to a new segment when it is full.
  // `stored` is what goes to disk (`raw_len` bytes when decoded). Readable at once; durable after
  // sync() of the stream or of the bound. kOutOfSpace leaves everything as it was.
  Result<BlockRef> append(Stream stream, FrameKind kind, Codec codec, ByteView stored,
                          uint32_t raw_len, const ContentHash& hash, Sequence sequence);

  // While set, the data stream takes nothing (kOutOfSpace), and what it took is not written: what
  // is left of the disk is for deleting. Waits for a write of it that is under way.
  void refuse_data(bool refuse) {
    refuse_data_.store(refuse);
    data_gate_->set(refuse);
  }
  // Makes the stream's open segment if there is none yet.
  Status ensure_open(Stream stream);

  // Everything appended to the stream before the call is durable, new files' names included.
  Status sync(Stream stream);
  // The same for single slots; a bound that is durable already costs nothing.
  Status sync(const std::vector<SlotBound>& bounds);
  // A sync failed once, here or in a roll-over: nothing more may be called durable.
  bool sync_failed() const { return sync_failed_.load(); }
  // What the first one said.
  std::optional<Error> sync_failure() const;
  // True when the slot may vanish with the power (a segment of this life, not yet synced).
  bool is_volatile(const BlockRef& ref);

  // The decoded payload, verified [INV-4]. Damage: kCorruption naming segment, slot and file.
  Result<Bytes> read(const BlockRef& ref);
  // The same of several, in their order; what lies together in a segment is read at once. They stay
  // valid in `memory` until its next use. Returns the first failure; those before it were read.
  Status read_many(std::span<const BlockRef> refs, BlockMemory& memory);
  // The payload of a frame in the map stream.
  Result<Bytes> read_map(const BlockRef& ref);
  Result<SlotEntry> slot(SegmentNo segment, Slot slot);
  // The bytes of a block before it was compressed; reads its frame's header.
  Result<uint32_t> raw_length(const BlockRef& ref);
  // Whether the segment is of this life, or the directory has it and does not give it up.
  bool is_known(SegmentNo segment);
  // StoreOptions::verify_hits.
  bool verifies_hits() const { return config_.options.verify_hits || hit_verifiers_ != 0; }
  // As if it were on while what it returns lives. Thread-safe.
  std::shared_ptr<void> verify_hits() {
    ++hit_verifiers_;
    return {this, [this](void*) { --hit_verifiers_; }};
  }
  // Whether reading the slot failed a check since the store was opened.
  bool is_damaged(SegmentNo segment, Slot slot);
  // The checksum that a reference to the slot carries, from its frame header.
  Result<uint64_t> stored_checksum(SegmentNo segment, Slot slot);

  // --- segments ------------------------------------------------------------------------------
  // Takes the next free number and makes its file in the stream; `previous` as in the header.
  Result<std::shared_ptr<Segment>> create_segment(Stream stream, SegmentNo previous);
  // Finds and opens a segment by number. It has its names (Segment::has_names()).
  Result<std::shared_ptr<Segment>> segment(SegmentNo number);
  // What the header of a segment's file says, or, where that is damaged, what its frames tell: then
  // the generation is not known and 0.
  Result<SegmentHeader> header_of(io::File& file, SegmentNo number);
  // While set, nothing is removed and no range given back: a repair can still be undone.
  void keep_files(bool keep) { keep_files_.store(keep); }
  bool keeps_files() const { return keep_files_.load(); }
  // Makes a segment known (recovery, commit log). Kept until close.
  void register_segment(std::shared_ptr<Segment> segment);
  // Segments of this life and those recovery registered, in number order.
  std::vector<std::shared_ptr<Segment>> own_segments();
  size_t own_count();
  // Forgets a segment and removes its file (unless files are kept). What refers to it must be
  // gone.
  Status remove(SegmentNo number, uint32_t generation);
  // Lets go of a closed segment that the directory knows by now (bounds memory).
  void release(SegmentNo number);
  // Gives up a segment of this life that nothing was written to.
  void discard(const std::shared_ptr<Segment>& segment);
  // Makes the file of another generation of a segment; lookups do not find it before replace().
  Result<std::shared_ptr<Segment>> create_generation(const Segment& source, uint32_t generation);
  // The same generation of a closed segment once more, with these holes; lookups do not find it
  // before replace(). Changes nothing on disk.
  Result<std::shared_ptr<Segment>> with_holes(const Segment& source, std::vector<Hole> holes);
  // Whether the file system gives ranges of files back: tried on one of no bytes.
  Result<bool> can_punch(const Segment& segment);
  // Gives the bytes in its holes back. Nothing may lead there, from either superblock.
  // After any error it may be tried again.
  Status punch_holes(const Segment& segment);
  // Makes what an earlier life wrote from `from` on durable, by writing it once more: when a sync
  // has failed, the system may take pages for clean that it never wrote, and a sync alone then
  // does nothing. The same bytes at the same place: a power cut in between takes nothing.
  Status write_again(const Segment& segment, uint64_t from);
  // Gives back what a data or node segment of an earlier life has behind its last frame, which was
  // allocated ahead and would stay for good (unless files are kept). Not durable: it may be cut
  // again.
  Status cut_allocated(const Segment& segment);
  // The names of files made so far are durable.
  Status sync_names() {
    directory_dirty_.store(true);
    return sync_directory();
  }
  // Puts another generation, or the same with other holes, in the place of a closed segment; who
  // holds the old one keeps it.
  void replace(std::shared_ptr<Segment> segment);
  // Where the stream goes on: what is appended from now on stands there or behind.
  std::pair<SegmentNo, Slot> stream_end(Stream stream);
  // A stream's segment is rolled over at this size.
  uint64_t segment_bytes_max(Stream stream) const;
  // The stream's open segment takes no more, so that it can be compacted. What of the data stream
  // waits in memory while it is refused is forgotten for that, if `nobody_writes`; else false, and
  // the segment goes on. (No transaction: nobody refers to it, and nothing comes to it any more.)
  Result<bool> roll(Stream stream, Sequence last_sequence, bool nobody_writes);
  // Writes footers to all open data and node segments (at a clean close). Where there is no room,
  // what was never written is forgotten: nothing that is durable refers to it.
  Status seal_open(const BlockRef& checkpoint, Sequence last_sequence);
  // The directory that holds the segment files is synced if a file was created since.
  Status sync_directory();
  const std::string& directory() const { return config_.directory; }
  std::string path_of(SegmentNo number, uint32_t generation) const;
  // The file of a segment stands under another name (two were swapped): for a repair. Before use.
  void set_path(SegmentNo number, uint32_t generation, const std::string& path) {
    paths_[{number, generation}] = path;
  }

  SegmentIdentity identity(SegmentNo number, uint32_t generation, Stream stream,
                           Epoch epoch) const;
  io::Env& env() { return *config_.env; }
  ByteView secret() const {
    return {reinterpret_cast<const char*>(config_.secret.data()), config_.secret.size()};
  }

 private:
  struct StreamState {
    std::mutex mu;  // appends to the stream, one at a time
    std::shared_ptr<Segment> open;
    std::vector<std::shared_ptr<Segment>> unsynced;  // rolled over, not yet synced
  };
  // What a lookup of a segment is for.
  enum class For { kReading, kAnything, kMap };
  Result<std::shared_ptr<Segment>> find_or_load(SegmentNo number, For use);
  WriteBehindConfig writing(Stream stream) const;
  Result<std::shared_ptr<Segment>> load_segment(SegmentNo number);
  Result<std::shared_ptr<Segment>> load_table_again(const std::shared_ptr<Segment>& rebuilt);
  Result<std::shared_ptr<Segment>> attach_whole(SegmentNo number, const SegmentValue& value);
  Result<std::shared_ptr<Segment>> attach_table(SegmentNo number, const SegmentValue& value);
  Result<std::shared_ptr<Segment>> attach_known(SegmentNo number, const SegmentValue& value);
  Result<std::shared_ptr<Segment>> attach_probed(SegmentNo number);
  Result<SegmentHeader> header_from_frames(io::File& file, SegmentNo number);
  void drop_cached(SegmentNo number);  // Requires: mu_
  void trim_cache();                   // Requires: mu_
  void put_cached(std::shared_ptr<Segment> segment);  // Requires: mu_; not there yet
  void note_damage(const BlockRef& ref);
  // Remembers a failed sync of the segment.
  Status noted(const Segment& segment, Status status);
  void note_sync_failure(const Error& error);

  std::atomic<int> hit_verifiers_{0};
  BlockStoreConfig config_;
  const std::shared_ptr<PieceMemory> piece_memory_ = std::make_shared<PieceMemory>();
  const Epoch newest_epoch_;
  std::map<std::pair<SegmentNo, uint32_t>, std::string> paths_;
  Epoch epoch_ = 0;
  std::mutex create_mu_;         // taken before mu_
  SegmentNo next_segment_ = 1;   // guarded by create_mu_
  std::mutex directory_mu_;  // held while the directory is synced
  std::atomic<bool> directory_dirty_{false};
  std::atomic<bool> sync_failed_{false};  // sync_failure_ is set
  mutable std::mutex failure_mu_;
  std::optional<Error> sync_failure_;  // guarded by failure_mu_
  std::atomic<bool> refuse_data_{false};
  const std::shared_ptr<WriteGate> data_gate_ = std::make_shared<WriteGate>();
  std::atomic<bool> keep_files_{false};
  std::array<StreamState, 5> streams_;

  std::mutex mu_;
  // Guarded by mu_:
  SegmentDirectory* directory_ = nullptr;
  std::map<SegmentNo, std::shared_ptr<Segment>> own_;
  struct Cached {
    std::shared_ptr<Segment> segment;
    std::list<SegmentNo>::iterator position;
    uint64_t bytes;
  };
  std::unordered_map<SegmentNo, Cached> cache_;
  std::list<SegmentNo> recent_;  // front: used last
  uint64_t cache_bytes_ = 0;
  uint64_t replacements_ = 0;  // what was looked up before one of them may be out of date
  std::set<std::pair<SegmentNo, Slot>> damaged_;
};

}  // namespace ramet::engine
