// SimEnv: a machine with a disk in memory, for tests that prove what survives. Deterministic: the
// same seed and the same calls, in the same order, give the same results, bytes and times.
//
// It keeps what was written and what was synced apart, at sectors of 512 bytes and for each
// directory entry; io/sim_disk.h states the model precisely. The power can fail at any operation,
// and seeded faults can be injected.
//
// Thread-safe: one mutex guards the whole machine. (With several threads the order of their calls,
// and so the outcome, is theirs.)
//
// A test of recovery at every cut point:
//   for (uint64_t n = 1; n <= operations_of_a_whole_run; ++n) {
//     auto env = std::make_shared<SimEnv>(seed);
//     env->cut_power_at(n);
//     ... run the workload until it fails, remembering what was acknowledged ...
//     for (uint64_t outcome = 0; outcome < 10; ++outcome) {
//       auto machine = env->clone_disk(outcome);   // dead, too
//       machine->restart();                        // decides what survived, by the clone's seed
//       ... open the store on `machine`, compare ...
//     }
//   }
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "io/env.h"
#include "io/sim_disk.h"

namespace ramet::io {

enum class FaultKind : uint8_t {
  kReadError,         // a read fails: kIoError
  kShortRead,         // a read gets fewer bytes, as if the file ended there
  kWriteError,        // a write (or allocate, truncate, punch) fails: kIoError; of a write, any
                      // beginning may have been done
  kSyncError,         // sync_data or sync_directory fails: kIoError. Each unsynced write of the
                      // file landed, or stays visible but will never be written, or is dropped at
                      // once; all count as clean, as after a failed fsync on Linux
  kOutOfSpace,        // a write or allocate fails: kOutOfSpace, nothing done
  kLostWrite,         // a write succeeds, can be synced, and is never there (the length is)
  kMisdirectedWrite,  // a write succeeds, but its bytes are somewhere else in the file
  kBitFlip,           // a write succeeds, but one bit of it is stored wrong
  kSlow,              // an operation or a read takes `nanoseconds` longer, by both clocks
  kClockJump          // now() jumps by `nanoseconds`, forward or back, when an operation or a read
                      // begins; monotonic() does not. Never to before 1970 or behind 2200
};

// A rule fires on each operation of its kind whose path contains `path_contains` and that is
// either operation number `operation` or hit by `probability`. Reads have numbers of their own:
// for kReadError and kShortRead `operation` means the number of the read, see reads(); for the
// other kinds it never means a read.
struct FaultRule {
  FaultKind kind = FaultKind::kReadError;
  double probability = 0;
  uint64_t operation = 0;  // exact number; 0: none
  std::string path_contains = {};
  uint64_t times_max = std::numeric_limits<uint64_t>::max();  // how often it may fire
  int64_t nanoseconds = 0;  // kSlow: how much longer; kClockJump: how far, negative for back
};

// How often what happened; a test that injects a fault checks that it fired.
struct SimStats {
  uint64_t read_errors = 0;
  uint64_t short_reads = 0;
  uint64_t write_errors = 0;
  uint64_t sync_errors = 0;
  uint64_t out_of_space = 0;  // injected, or for lack of capacity
  uint64_t lost_writes = 0;
  uint64_t misdirected_writes = 0;
  uint64_t bit_flips = 0;  // injected, or by flip_bit()
  uint64_t slow_operations = 0;  // and reads
  uint64_t slow_nanoseconds = 0;
  uint64_t clock_jumps = 0;
  uint64_t power_cuts = 0;
  CutStats cuts;
};

class SimMachine;

class SimEnv : public Env {
 public:
  // An empty disk with a root directory, without limit of capacity.
  explicit SimEnv(uint64_t seed);

  // Env. Paths begin at the root with or without '/'. lock() gives pid 1.
  std::string_view name() const override { return "sim"; }
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status create_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_directory(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<SpaceInfo> space(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, bool exclusive) override;
  // A clock that advances by the step (1 microsecond) with each call of either.
  int64_t now() override;
  uint64_t monotonic() override;
  void random(std::span<char> into) override;

  // --- Power. Operations are numbered from 1: each write (each piece of a batch), sync_data,
  // allocate, truncate, punch_hole, creation (of a file, directory or lock file), rename, removal
  // and sync_directory that got as far as the disk; one of no bytes, or refused for its
  // arguments, doesn't count.

  // Operations so far, and reads so far (each piece of a batch is one).
  uint64_t operations() const;
  uint64_t reads() const;
  // The numbers of those operations that were a sync_data or sync_directory, in order.
  std::vector<uint64_t> syncs() const;
  // A hash over all operations and reads so far, in their order, with paths, ranges, bytes and
  // what went wrong. Equal digests, equal histories: a replay is checked with it.
  uint64_t digest() const;
  // The power fails now: everything but the clocks, random() and the helpers below fails with
  // kIoError until restart(), and all open files for ever.
  void power_cut(CutPolicy policy);
  // The power fails during the operation of that number (or the next one, if it is past). A
  // change that is cut counts as unsynced, and under kKeepAll too it may be torn; a sync that is
  // cut has done nothing of its own, what the policy then keeps is what it got done.
  void cut_power_at(uint64_t operation, CutPolicy policy = CutPolicy::kRandom);
  bool powered() const;
  // Power again. After a cut this is where the generator and the policy decide what survived, so
  // that clones of a dead machine show different outcomes. Without a cut before: kKeepAll, then
  // the same. Locks are free, faults and a pending cut are gone, the numbering goes on.
  void restart();
  // Whether a write may also land with a sector half old and half new. Default: no.
  void set_sector_tearing(bool tear);
  // Starts all generators anew.
  void reseed(uint64_t seed);

  // --- Faults.
  void inject(FaultRule rule);
  void clear_faults();
  // Bytes that files may occupy, in pages of 4096; may be set below what they occupy now.
  void set_capacity(uint64_t bytes);
  // Inverts bit 0..7 of a byte at rest: visible, and durable too. kInvalidArgument behind the
  // end of the file.
  Status flip_bit(const std::string& path, uint64_t offset, unsigned bit);
  SimStats stats() const;

  // --- Time.
  void set_now(int64_t nanoseconds);
  void set_clock_step(uint64_t nanoseconds);

  // A second machine in the same state, dead or alive, with its own seed and a counter at 0; its
  // disk shares bytes with this one until either changes them. Locks, open files, faults, a
  // pending cut and statistics stay behind.
  std::shared_ptr<SimEnv> clone_disk(uint64_t seed) const;

  // --- For tests: no faults, no counting, also without power.
  Result<Bytes> read_raw(const std::string& path) const;
  // Writes visibly and durably; creates the file (durably) if its directory is there.
  Status write_raw(const std::string& path, uint64_t offset, ByteView bytes);
  // Paths of all files, sorted, each beginning with '/'.
  std::vector<std::string> files() const;

 private:
  explicit SimEnv(std::shared_ptr<SimMachine> machine);
  std::shared_ptr<SimMachine> machine_;  // shared with open files
};

}  // namespace ramet::io
