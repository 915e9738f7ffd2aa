// SimDisk: the file system under SimEnv. It keeps what programs see and what would survive a
// power cut apart, and decides what survives one. Knows nothing of faults, handles' modes, locks
// or clocks (sim_machine.h). A value type: a copy shares bytes until one side changes them. Not
// thread-safe.
//
// The model:
//   - A file has a *visible* and a *durable* image and, between them, its unsynced changes in
//     their order. sync() makes the durable image what is visible where changes touched it.
//   - At a power cut each unsynced change is, independently of the others, lost or kept; a write
//     may also be torn: any subset of its 512-byte sectors lands. A sector that lands holds what
//     it held right after that write, earlier writes to it included (the cache keeps one copy of
//     a page); of several that land, the last one wins. So bytes never appear that were never
//     written there, and nothing synced is ever taken back except by a later change.
//   - The length that a write gives the file is kept or lost by its own coin; truncation and
//     allocation are one with theirs. The last kept one is the length; what is behind it is gone.
//   - Creating, renaming and removing a name are changes of directories. Each is atomic and
//     durable once all directories it touches were synced (two, for a rename across). At a cut
//     each is lost or kept; one that builds on a lost one (the same name, the same file, or the
//     directory that it happens in) is lost too, since no file system reorders those. A file
//     without a durable name is gone, its synced bytes too; syncing a file never makes its name
//     durable.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "format/bytes.h"
#include "format/result.h"
#include "io/sim_image.h"
#include "io/sim_random.h"

namespace ramet::io {

enum class CutPolicy : uint8_t {
  kLoseAll,  // nothing unsynced survives
  kKeepAll,  // everything does, but for the operation that was under way
  kRandom    // each change by the coin
};

// What became of unsynced changes at power cuts.
struct CutStats {
  uint64_t writes_lost = 0;
  uint64_t writes_kept = 0;
  uint64_t writes_torn = 0;
  uint64_t sectors_torn = 0;
  uint64_t name_changes_lost = 0;
  uint64_t name_changes_kept = 0;
};

using SimInodeId = uint64_t;  // never used twice; 0 is none

struct SimChange {
  enum class Kind : uint8_t { kWrite, kGrow, kTruncate, kPunch, kReserve };
  Kind kind = Kind::kWrite;
  uint64_t offset = 0;
  uint64_t length = 0;
  std::shared_ptr<const Bytes> data;  // of a write
  uint64_t length_before = 0;         // of the file
  uint64_t length_after = 0;
  bool under_way = false;  // the power failed during it
};

// One creation, rename or removal, checked and ready to be applied.
struct NameChange {
  struct Assignment {
    SimInodeId directory = 0;
    std::string name;
    SimInodeId now = 0;     // 0: the name goes away (or stands for what is to be created)
    SimInodeId before = 0;  // 0: there was no such name
  };
  enum class Creates : uint8_t { kNothing, kFile, kDirectory };
  std::vector<Assignment> assignments;
  Creates creates = Creates::kNothing;
  std::set<SimInodeId> unsynced_directories;
  bool under_way = false;
};

class SimDisk {
 public:
  SimDisk();

  // Names. `what` is the operation, for messages; errors as Env's.
  Result<SimInodeId> find(const std::string& path, std::string_view what) const;
  Result<SimInodeId> find_file(const std::string& path, std::string_view what) const;
  Result<SimInodeId> find_directory(const std::string& path, std::string_view what) const;
  Result<bool> exists(const std::string& path) const;
  Result<std::vector<std::string>> list(const std::string& path) const;
  // Paths of all visible files, sorted, each beginning with '/'.
  std::vector<std::string> files() const;
  Result<NameChange> plan_create(const std::string& path, bool directory,
                                 std::string_view what) const;
  Result<NameChange> plan_remove(const std::string& path, bool directory) const;
  Result<NameChange> plan_rename(const std::string& from, const std::string& to) const;
  // Requires: planned on this state. Returns the inode created, or 0.
  SimInodeId apply(NameChange change);
  // The same, durable at once, whatever is unsynced besides.
  SimInodeId apply_durably(NameChange change);
  void sync_directory(SimInodeId directory);
  // A sync that fails: each of the directory's changes may have become durable.
  void sync_directory_partly(SimInodeId directory, SimRandom& random);

  // Open files stay readable after their names are gone, until the last close().
  void open(SimInodeId file);
  void close(SimInodeId file);

  // Content. Requires: the inode exists and is a file.
  const SimImage& visible(SimInodeId file) const { return inode(file).visible; }
  void write(SimInodeId file, uint64_t offset, ByteView data, bool under_way = false);
  void grow(SimInodeId file, uint64_t length);  // the length only
  void truncate(SimInodeId file, uint64_t length, bool under_way = false);
  void punch(SimInodeId file, uint64_t offset, uint64_t length, bool under_way = false);
  void reserve(SimInodeId file, uint64_t offset, uint64_t length, bool under_way = false);
  void sync(SimInodeId file);
  // A failed sync, as on Linux: each unsynced write landed, or stays visible though it counts as
  // clean and will never be written, or is dropped and the old bytes show again.
  void sync_with_error(SimInodeId file, SimRandom& random);
  // Changes the bytes behind the model's back, visible and durable; grows the file if needed.
  void overwrite(SimInodeId file, uint64_t offset, ByteView data);
  // Inverts a bit of what is visible, and of what is durable there.
  void flip_bit(SimInodeId file, uint64_t offset, unsigned bit);

  // All unsynced changes get their fate, what is lost becomes invisible, handles are forgotten.
  void settle(CutPolicy policy, SimRandom& random, bool tear_sectors, CutStats& stats);

  // Bytes that visible and open files occupy. May exceed any limit after a cut brought removed
  // files or punched ranges back.
  uint64_t used_bytes() const { return used_pages_ * kSimPageBytes; }
  // Forgets handles: a copy has none.
  void drop_handles();

 private:
  struct Inode {
    bool directory = false;
    bool counted = true;  // in used_pages_
    bool named = false;   // has a visible name
    uint64_t handles = 0;
    SimImage visible;
    SimImage durable;
    std::vector<SimChange> unsynced;
    std::map<std::string, SimInodeId> entries;  // visible
    std::map<std::string, SimInodeId> durable_entries;
  };
  struct Place {  // a name that may or may not exist
    SimInodeId directory = 0;
    std::string name;
    SimInodeId inode = 0;
  };

  Inode& inode(SimInodeId id) { return inodes_.at(id); }
  const Inode& inode(SimInodeId id) const { return inodes_.at(id); }
  Result<Place> place_of(const std::string& path, std::string_view what) const;
  bool is_inside(SimInodeId inner, SimInodeId outer) const;
  void change(SimInodeId file, SimChange change);
  void make_durable(const NameChange& change);
  void finish_synced(SimInodeId directory);
  void settle_file(Inode& file, CutPolicy policy, SimRandom& random, double keep, bool tear_sectors,
                   CutStats& stats);
  void settle_names(CutPolicy policy, SimRandom& random, double keep, CutStats& stats);
  void release_if_unused(Inode& file);
  void collect();
  void mark(SimInodeId id, std::set<SimInodeId>& live) const;

  std::map<SimInodeId, Inode> inodes_;
  std::vector<NameChange> unsynced_names_;  // in their order
  SimInodeId next_inode_ = 2;               // 1 is the root
  uint64_t used_pages_ = 0;
  size_t collect_at_ = 64;  // inodes; bounds the rest that nothing refers to
};

}  // namespace ramet::io
