// The part of SimMachine that tests talk to: power, faults, clocks and raw bytes.
#include <algorithm>
#include <cerrno>

#include "io/errno_error.h"
#include "io/sim_machine.h"

namespace ramet::io {

int64_t SimMachine::now() {
  const std::lock_guard lock(mutex_);
  monotonic_ += clock_step_;
  return now_ += static_cast<int64_t>(clock_step_);
}

uint64_t SimMachine::monotonic() {
  const std::lock_guard lock(mutex_);
  now_ += static_cast<int64_t>(clock_step_);
  return monotonic_ += clock_step_;
}

void SimMachine::random(std::span<char> into) {
  const std::lock_guard lock(mutex_);
  for (char& byte : into) byte = static_cast<char>(id_random_.next() >> 56);
}

uint64_t SimMachine::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

uint64_t SimMachine::reads() const {
  const std::lock_guard lock(mutex_);
  return reads_;
}

std::vector<uint64_t> SimMachine::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

uint64_t SimMachine::digest() const {
  const std::lock_guard lock(mutex_);
  return digest_;
}

void SimMachine::power_cut(CutPolicy policy) {
  const std::lock_guard lock(mutex_);
  if (!powered_) return;
  powered_ = false;
  cut_policy_ = policy;
  note("power cut", {}, {});
  ++stats_.power_cuts;
}

void SimMachine::cut_power_at(uint64_t operation, CutPolicy policy) {
  const std::lock_guard lock(mutex_);
  cut_at_ = std::max<uint64_t>(operation, 1);
  cut_at_policy_ = policy;
}

bool SimMachine::powered() const {
  const std::lock_guard lock(mutex_);
  return powered_;
}

void SimMachine::restart() {
  const std::lock_guard lock(mutex_);
  disk_.settle(cut_policy_.value_or(CutPolicy::kKeepAll), cut_random_, tear_sectors_, stats_.cuts);
  cut_policy_.reset();
  cut_at_ = 0;
  powered_ = true;
  ++life_;
  locks_.clear();
  faults_.clear();
}

void SimMachine::set_sector_tearing(bool tear) {
  const std::lock_guard lock(mutex_);
  tear_sectors_ = tear;
}

void SimMachine::reseed(uint64_t seed) {
  const std::lock_guard lock(mutex_);
  SimRandom seeds(seed);
  id_random_ = SimRandom(seeds.next());
  cut_random_ = SimRandom(seeds.next());
  fault_random_ = SimRandom(seeds.next());
}

void SimMachine::inject(FaultRule rule) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(rule));
}

void SimMachine::clear_faults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

void SimMachine::set_capacity(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

Status SimMachine::flip_bit(const std::string& path, uint64_t offset, unsigned bit) {
  const std::lock_guard lock(mutex_);
  RAMET_ASSIGN(const SimInodeId file, disk_.find_file(path, "flip bit"));
  if (offset >= disk_.visible(file).length()) {
    return Error(ErrorCode::kInvalidArgument,
                 path + ": flip bit at " + std::to_string(offset) + ": behind the end of the file");
  }
  disk_.flip_bit(file, offset, bit);
  note("flip bit", path, {});
  ++stats_.bit_flips;
  return ok();
}

SimStats SimMachine::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void SimMachine::set_now(int64_t nanoseconds) {
  const std::lock_guard lock(mutex_);
  now_ = nanoseconds;
}

void SimMachine::set_clock_step(uint64_t nanoseconds) {
  const std::lock_guard lock(mutex_);
  clock_step_ = nanoseconds;
}

Result<Bytes> SimMachine::read_raw(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  RAMET_ASSIGN(const SimInodeId file, disk_.find_file(path, "read raw"));
  const SimImage& image = disk_.visible(file);
  Bytes bytes(image.length(), '\0');
  image.read(0, bytes);
  return bytes;
}

Status SimMachine::write_raw(const std::string& path, uint64_t offset, ByteView bytes) {
  const std::lock_guard lock(mutex_);
  RAMET_TRY(check_range(path, "write raw", offset, bytes.size()));
  RAMET_ASSIGN(const bool there, disk_.exists(path));
  SimInodeId file = 0;
  if (there) {
    RAMET_ASSIGN(file, disk_.find_file(path, "write raw"));
  } else {
    RAMET_ASSIGN(NameChange change, disk_.plan_create(path, false, "write raw"));
    file = disk_.apply_durably(std::move(change));
  }
  disk_.overwrite(file, offset, bytes);
  return ok();
}

std::vector<std::string> SimMachine::files() const {
  const std::lock_guard lock(mutex_);
  return disk_.files();
}

}  // namespace ramet::io
