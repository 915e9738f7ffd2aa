// SimMachine: what is behind a SimEnv and its files: the disk, power, faults, locks and clocks,
// under one mutex. Internal to the simulated Env; env_sim.h describes the behaviour.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/env_sim.h"
#include "io/sim_disk.h"
#include "io/sim_random.h"

namespace ramet::io {

// An open file of a machine: dead once `life` is not the machine's any more.
struct SimHandle {
  SimInodeId inode = 0;
  uint64_t life = 0;
  bool writable = false;
  std::string path;
};

class SimMachine {
 public:
  explicit SimMachine(uint64_t seed) { reseed(seed); }
  // A clone, as SimEnv::clone_disk().
  SimMachine(const SimMachine& other, uint64_t seed);

  Result<SimHandle> open(const std::string& path, OpenMode mode);
  void close(const SimHandle& handle);
  Result<size_t> read(const SimHandle& handle, uint64_t offset, std::span<char> into);
  Status write(const SimHandle& handle, uint64_t offset, ByteView data);
  Status sync_data(const SimHandle& handle);
  Status allocate(const SimHandle& handle, uint64_t offset, uint64_t length);
  Status punch_hole(const SimHandle& handle, uint64_t offset, uint64_t length);
  Status truncate(const SimHandle& handle, uint64_t length);
  Result<uint64_t> size(const SimHandle& handle);
  Result<uint64_t> allocated_bytes(const SimHandle& handle);

  Status create_directory(const std::string& path);
  Status sync_directory(const std::string& path);
  Status rename(const std::string& from, const std::string& to);
  Status remove(const std::string& path, bool directory);
  Result<bool> exists(const std::string& path);
  Result<std::vector<std::string>> list(const std::string& path);
  Result<SpaceInfo> space(const std::string& path);
  Result<SimHandle> lock(const std::string& path, bool exclusive);
  void unlock(const SimHandle& handle, bool exclusive);

  int64_t now();
  uint64_t monotonic();
  void random(std::span<char> into);

  uint64_t operations() const;
  uint64_t reads() const;
  std::vector<uint64_t> syncs() const;
  uint64_t digest() const;
  void power_cut(CutPolicy policy);
  void cut_power_at(uint64_t operation, CutPolicy policy);
  bool powered() const;
  void restart();
  void set_sector_tearing(bool tear);
  void reseed(uint64_t seed);
  void inject(FaultRule rule);
  void clear_faults();
  void set_capacity(uint64_t bytes);
  Status flip_bit(const std::string& path, uint64_t offset, unsigned bit);
  SimStats stats() const;
  void set_now(int64_t nanoseconds);
  void set_clock_step(uint64_t nanoseconds);
  Result<Bytes> read_raw(const std::string& path) const;
  Status write_raw(const std::string& path, uint64_t offset, ByteView bytes);
  std::vector<std::string> files() const;

 private:
  struct Lock {
    uint64_t shared = 0;
    bool exclusive = false;
  };

  // All below require mutex_.
  Status check_power(const std::string& path, std::string_view what) const;
  Status check_handle(const SimHandle& handle, std::string_view what, bool to_write) const;
  // Counts an operation; true if the power fails during it. `data` is what it writes.
  bool begin_operation(std::string_view what, const std::string& path, ByteView data = {});
  void begin_sync() { syncs_.push_back(operations_ + 1); }
  // What is slow takes its time, and the wall clock jumps.
  void pass_time(const std::string& path, uint64_t number);
  // Makes it part of the digest.
  void note(std::string_view what, const std::string& path, ByteView data);
  Error power_failure(const std::string& path, std::string_view what);
  // The rule that fires now, or null.
  const FaultRule* fired_rule(FaultKind kind, const std::string& path, uint64_t number);
  bool fires(FaultKind kind, const std::string& path, uint64_t number, uint64_t& counter);
  uint64_t free_pages() const;
  Status change_names(NameChange change, const std::string& path, std::string_view what,
                      SimInodeId* created = nullptr);
  Status write_locked(const SimHandle& handle, uint64_t offset, ByteView data);
  Status write_faulty(const SimHandle& handle, uint64_t offset, ByteView data);
  Status write_with_room(const SimHandle& handle, uint64_t offset, ByteView data);
  // The beginning of the data that there is room for.
  ByteView that_fits(SimInodeId file, uint64_t offset, ByteView data) const;
  uint64_t another_offset(SimInodeId file, uint64_t offset, uint64_t length);
  // A change of a file other than a write: `apply` gets whether the power fails during it.
  Status change_file(const SimHandle& handle, std::string_view what,
                     const std::function<void(bool)>& apply);

  mutable std::mutex mutex_;
  SimDisk disk_;
  SimRandom id_random_{0};     // random()
  SimRandom cut_random_{0};    // what survives
  SimRandom fault_random_{0};  // what fails: apart, so that faults don't change the rest
  bool powered_ = true;
  std::optional<CutPolicy> cut_policy_;  // of the cut that restart() has to settle
  uint64_t cut_at_ = 0;                  // 0: never
  CutPolicy cut_at_policy_ = CutPolicy::kRandom;
  uint64_t life_ = 1;  // grows with each restart
  bool tear_sectors_ = false;
  uint64_t operations_ = 0;
  uint64_t reads_ = 0;
  std::vector<uint64_t> syncs_;
  uint64_t digest_ = 0;
  uint64_t capacity_ = std::numeric_limits<int64_t>::max();
  std::vector<FaultRule> faults_;
  SimStats stats_;
  std::map<SimInodeId, Lock> locks_;
  int64_t now_ = 1'800'000'000'000'000'000;  // in 2027
  uint64_t monotonic_ = 1'000'000'000;
  uint64_t clock_step_ = 1'000;
};

}  // namespace ramet::io
