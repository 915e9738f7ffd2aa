#include "io/env_sim.h"

#include "io/errno_error.h"
#include "io/sim_machine.h"

namespace ramet::io {
namespace {

class SimFile : public File {
 public:
  SimFile(std::shared_ptr<SimMachine> machine, SimHandle handle)
      : File(handle.path), machine_(std::move(machine)), handle_(std::move(handle)) {}
  ~SimFile() override { machine_->close(handle_); }

  Result<size_t> read(uint64_t offset, std::span<char> into) override {
    return machine_->read(handle_, offset, into);
  }

  Status read_batch(std::span<const ReadPiece> pieces) override {
    for (const ReadPiece& piece : pieces) {
      RAMET_ASSIGN(const size_t got, machine_->read(handle_, piece.offset, piece.into));
      if (got < piece.into.size()) {
        return short_read_error(path(), piece.offset, piece.into.size(), got);
      }
    }
    return ok();
  }

  Status write(uint64_t offset, ByteView data) override {
    return machine_->write(handle_, offset, data);
  }

  Status write_batch(std::span<const WritePiece> pieces) override {
    for (const WritePiece& piece : pieces) {
      RAMET_TRY(machine_->write(handle_, piece.offset, piece.data));
    }
    return ok();
  }

  Status sync_data() override { return machine_->sync_data(handle_); }
  Status allocate(uint64_t offset, uint64_t length) override {
    return machine_->allocate(handle_, offset, length);
  }
  Status punch_hole(uint64_t offset, uint64_t length) override {
    return machine_->punch_hole(handle_, offset, length);
  }
  Status truncate(uint64_t length) override { return machine_->truncate(handle_, length); }
  Result<uint64_t> size() override { return machine_->size(handle_); }
  Result<uint64_t> allocated_bytes() override { return machine_->allocated_bytes(handle_); }

 private:
  std::shared_ptr<SimMachine> machine_;
  SimHandle handle_;
};

class SimLock : public FileLock {
 public:
  SimLock(std::shared_ptr<SimMachine> machine, SimHandle handle, bool exclusive)
      : machine_(std::move(machine)), handle_(std::move(handle)), exclusive_(exclusive) {}
  ~SimLock() override { machine_->unlock(handle_, exclusive_); }

 private:
  std::shared_ptr<SimMachine> machine_;
  SimHandle handle_;
  bool exclusive_;
};

}  // namespace

SimEnv::SimEnv(uint64_t seed) : machine_(std::make_shared<SimMachine>(seed)) {}
SimEnv::SimEnv(std::shared_ptr<SimMachine> machine) : machine_(std::move(machine)) {}

Result<std::unique_ptr<File>> SimEnv::open(const std::string& path, OpenMode mode) {
  RAMET_ASSIGN(SimHandle handle, machine_->open(path, mode));
  return std::unique_ptr<File>(std::make_unique<SimFile>(machine_, std::move(handle)));
}

Result<std::unique_ptr<FileLock>> SimEnv::lock(const std::string& path, bool exclusive) {
  RAMET_ASSIGN(SimHandle handle, machine_->lock(path, exclusive));
  return std::unique_ptr<FileLock>(
      std::make_unique<SimLock>(machine_, std::move(handle), exclusive));
}

Status SimEnv::create_directory(const std::string& path) {
  return machine_->create_directory(path);
}
Status SimEnv::sync_directory(const std::string& path) { return machine_->sync_directory(path); }
Status SimEnv::rename(const std::string& from, const std::string& to) {
  return machine_->rename(from, to);
}
Status SimEnv::remove(const std::string& path) { return machine_->remove(path, false); }
Status SimEnv::remove_directory(const std::string& path) { return machine_->remove(path, true); }
Result<bool> SimEnv::exists(const std::string& path) { return machine_->exists(path); }
Result<std::vector<std::string>> SimEnv::list(const std::string& path) {
  return machine_->list(path);
}
Result<SpaceInfo> SimEnv::space(const std::string& path) { return machine_->space(path); }
int64_t SimEnv::now() { return machine_->now(); }
uint64_t SimEnv::monotonic() { return machine_->monotonic(); }
void SimEnv::random(std::span<char> into) { machine_->random(into); }

uint64_t SimEnv::operations() const { return machine_->operations(); }
uint64_t SimEnv::reads() const { return machine_->reads(); }
std::vector<uint64_t> SimEnv::syncs() const { return machine_->syncs(); }
uint64_t SimEnv::digest() const { return machine_->digest(); }
void SimEnv::power_cut(CutPolicy policy) { machine_->power_cut(policy); }
void SimEnv::cut_power_at(uint64_t operation, CutPolicy policy) {
  machine_->cut_power_at(operation, policy);
}
bool SimEnv::powered() const { return machine_->powered(); }
void SimEnv::restart() { machine_->restart(); }
void SimEnv::set_sector_tearing(bool tear) { machine_->set_sector_tearing(tear); }
void SimEnv::reseed(uint64_t seed) { machine_->reseed(seed); }
void SimEnv::inject(FaultRule rule) { machine_->inject(std::move(rule)); }
void SimEnv::clear_faults() { machine_->clear_faults(); }
void SimEnv::set_capacity(uint64_t bytes) { machine_->set_capacity(bytes); }
Status SimEnv::flip_bit(const std::string& path, uint64_t offset, unsigned bit) {
  return machine_->flip_bit(path, offset, bit);
}
SimStats SimEnv::stats() const { return machine_->stats(); }
void SimEnv::set_now(int64_t nanoseconds) { machine_->set_now(nanoseconds); }
void SimEnv::set_clock_step(uint64_t nanoseconds) { machine_->set_clock_step(nanoseconds); }

std::shared_ptr<SimEnv> SimEnv::clone_disk(uint64_t seed) const {
  return std::shared_ptr<SimEnv>(new SimEnv(std::make_shared<SimMachine>(*machine_, seed)));
}

Result<Bytes> SimEnv::read_raw(const std::string& path) const { return machine_->read_raw(path); }
Status SimEnv::write_raw(const std::string& path, uint64_t offset, ByteView bytes) {
  return machine_->write_raw(path, offset, bytes);
}
std::vector<std::string> SimEnv::files() const { return machine_->files(); }

}  // namespace ramet::io
