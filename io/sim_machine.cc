#include "io/sim_machine.h"

#include <algorithm>
#include <cerrno>

#include "format/hash.h"
#include "io/errno_error.h"

namespace ramet::io {
namespace {

Error dead_error(const std::string& path, std::string_view what, const char* why) {
  return Error(ErrorCode::kIoError, path + ": " + std::string(what) + ": " + why);
}

}  // namespace

SimMachine::SimMachine(const SimMachine& other, uint64_t seed) {
  {
    const std::lock_guard lock(other.mutex_);
    disk_ = other.disk_;
    powered_ = other.powered_;
    cut_policy_ = other.cut_policy_;
    tear_sectors_ = other.tear_sectors_;
    capacity_ = other.capacity_;
    now_ = other.now_;
    monotonic_ = other.monotonic_;
    clock_step_ = other.clock_step_;
  }
  disk_.drop_handles();
  reseed(seed);
}

Status SimMachine::check_power(const std::string& path, std::string_view what) const {
  if (powered_) return ok();
  return dead_error(path, what, "the simulated power is off");
}

Status SimMachine::check_handle(const SimHandle& handle, std::string_view what,
                                bool to_write) const {
  RAMET_TRY(check_power(handle.path, what));
  if (handle.life != life_) {
    return dead_error(handle.path, what, "the file was opened before the simulated power cut");
  }
  if (to_write && !handle.writable) return errno_error(EBADF, handle.path, what);
  return ok();
}

void SimMachine::note(std::string_view what, const std::string& path, ByteView data) {
  digest_ = xxh3_seeded(what, digest_);
  digest_ = xxh3_seeded(path, digest_);
  digest_ = xxh3_seeded(data, digest_);
}

void SimMachine::pass_time(const std::string& path, uint64_t number) {
  constexpr int64_t kLatest = 7'258'118'400'000'000'000;  // the year 2200
  // (The sum of two such numbers may be more than there is.)
  const auto later = [](int64_t now, int64_t by) {
    if (by > 0) return by > kLatest - now ? kLatest : now + by;
    return by < -now ? int64_t{0} : now + by;
  };
  if (const FaultRule* slow = fired_rule(FaultKind::kSlow, path, number)) {
    ++stats_.slow_operations;
    stats_.slow_nanoseconds += static_cast<uint64_t>(slow->nanoseconds);
    monotonic_ += static_cast<uint64_t>(slow->nanoseconds);
    now_ = later(now_, slow->nanoseconds);
  }
  if (const FaultRule* jump = fired_rule(FaultKind::kClockJump, path, number)) {
    ++stats_.clock_jumps;
    now_ = later(now_, jump->nanoseconds);
  }
}

bool SimMachine::begin_operation(std::string_view what, const std::string& path, ByteView data) {
  ++operations_;
  note(what, path, data);
  pass_time(path, operations_);
  if (cut_at_ == 0 || operations_ < cut_at_) return false;
  note("power cut", path, {});
  powered_ = false;
  cut_policy_ = cut_at_policy_;
  cut_at_ = 0;
  ++stats_.power_cuts;
  return true;
}

Error SimMachine::power_failure(const std::string& path, std::string_view what) {
  return dead_error(path, what, "the simulated power failed");
}

const FaultRule* SimMachine::fired_rule(FaultKind kind, const std::string& path,
                                        uint64_t number) {
  for (FaultRule& rule : faults_) {
    if (rule.kind != kind || rule.times_max == 0) continue;
    if (path.find(rule.path_contains) == std::string::npos) continue;
    const bool hit = (rule.operation != 0 && rule.operation == number) ||
                     (rule.probability > 0 && fault_random_.chance(rule.probability));
    if (!hit) continue;
    --rule.times_max;
    return &rule;
  }
  return nullptr;
}

bool SimMachine::fires(FaultKind kind, const std::string& path, uint64_t number,
                       uint64_t& counter) {
  if (fired_rule(kind, path, number) == nullptr) return false;
  ++counter;
  const char code[] = {'f', static_cast<char>(kind)};
  note({code, sizeof code}, path, {});
  return true;
}

uint64_t SimMachine::free_pages() const {
  const uint64_t used = disk_.used_bytes();
  return used >= capacity_ ? 0 : (capacity_ - used) / kSimPageBytes;
}

Status SimMachine::change_names(NameChange change, const std::string& path, std::string_view what,
                                SimInodeId* created) {
  const bool cut = begin_operation(what, path);
  if (!cut && fires(FaultKind::kWriteError, path, operations_, stats_.write_errors)) {
    return errno_error(EIO, path, what);
  }
  change.under_way = cut;
  const SimInodeId inode = disk_.apply(std::move(change));
  if (cut) return power_failure(path, what);
  if (created != nullptr) *created = inode;
  return ok();
}

Result<SimHandle> SimMachine::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  const bool create = mode == OpenMode::kCreateExclusive;
  const std::string_view what = create ? "create" : "open";
  RAMET_TRY(check_power(path, what));
  SimHandle handle{0, life_, mode != OpenMode::kRead, path};
  if (create) {
    RAMET_ASSIGN(NameChange change, disk_.plan_create(path, false, what));
    RAMET_TRY(change_names(std::move(change), path, what, &handle.inode));
  } else {
    RAMET_ASSIGN(handle.inode, disk_.find_file(path, what));
  }
  disk_.open(handle.inode);
  return handle;
}

void SimMachine::close(const SimHandle& handle) {
  const std::lock_guard lock(mutex_);
  if (handle.life == life_) disk_.close(handle.inode);
}

Result<size_t> SimMachine::read(const SimHandle& handle, uint64_t offset, std::span<char> into) {
  const std::lock_guard lock(mutex_);
  const std::string what = describe_range("read", offset, into.size());
  RAMET_TRY(check_handle(handle, what, false));
  RAMET_TRY(check_range(handle.path, "read", offset, into.size()));
  if (into.empty()) return size_t{0};
  ++reads_;
  pass_time(handle.path, 0);
  if (fires(FaultKind::kReadError, handle.path, reads_, stats_.read_errors)) {
    return errno_error(EIO, handle.path, what);
  }
  const SimImage& image = disk_.visible(handle.inode);
  const uint64_t left = image.length() > offset ? image.length() - offset : 0;
  auto count = static_cast<size_t>(std::min<uint64_t>(into.size(), left));
  if (count > 0 && fires(FaultKind::kShortRead, handle.path, reads_, stats_.short_reads)) {
    count = static_cast<size_t>(fault_random_.below(count));
  }
  image.read(offset, into.first(count));
  note(what, handle.path, {into.data(), count});
  return count;
}

Status SimMachine::write(const SimHandle& handle, uint64_t offset, ByteView data) {
  const std::lock_guard lock(mutex_);
  return write_locked(handle, offset, data);
}

Status SimMachine::write_locked(const SimHandle& handle, uint64_t offset, ByteView data) {
  const std::string what = describe_range("write", offset, data.size());
  RAMET_TRY(check_handle(handle, what, true));
  RAMET_TRY(check_range(handle.path, "write", offset, data.size()));
  if (data.empty()) return ok();
  if (begin_operation(what, handle.path, data)) {
    disk_.write(handle.inode, offset, that_fits(handle.inode, offset, data), true);
    return power_failure(handle.path, what);
  }
  if (fires(FaultKind::kWriteError, handle.path, operations_, stats_.write_errors)) {
    const ByteView done = data.substr(0, fault_random_.below(data.size()));
    disk_.write(handle.inode, offset, that_fits(handle.inode, offset, done));
    return errno_error(EIO, handle.path, what);
  }
  if (fires(FaultKind::kOutOfSpace, handle.path, operations_, stats_.out_of_space)) {
    return errno_error(ENOSPC, handle.path, what);
  }
  return write_faulty(handle, offset, data);
}

// The faults of which the writer learns nothing.
Status SimMachine::write_faulty(const SimHandle& handle, uint64_t offset, ByteView data) {
  if (fires(FaultKind::kLostWrite, handle.path, operations_, stats_.lost_writes)) {
    disk_.grow(handle.inode, offset + data.size());
    return ok();
  }
  if (fires(FaultKind::kMisdirectedWrite, handle.path, operations_, stats_.misdirected_writes)) {
    disk_.grow(handle.inode, offset + data.size());
    return write_with_room(handle, another_offset(handle.inode, offset, data.size()), data);
  }
  if (fires(FaultKind::kBitFlip, handle.path, operations_, stats_.bit_flips)) {
    Bytes wrong(data);
    char& byte = wrong[fault_random_.below(wrong.size())];
    byte = static_cast<char>(byte ^ (1 << fault_random_.below(8)));
    return write_with_room(handle, offset, wrong);
  }
  return write_with_room(handle, offset, data);
}

ByteView SimMachine::that_fits(SimInodeId file, uint64_t offset, ByteView data) const {
  return data.substr(0, disk_.visible(file).prefix_that_fits(offset, data.size(), free_pages()));
}

uint64_t SimMachine::another_offset(SimInodeId file, uint64_t offset, uint64_t length) {
  const uint64_t end = std::max(disk_.visible(file).length(), offset + length);
  const uint64_t inside = offset % kSimSectorBytes;
  const uint64_t sectors = end / kSimSectorBytes;
  const uint64_t right = offset / kSimSectorBytes;
  if (sectors < 2) return offset + kSimSectorBytes;
  // Any sector of the file but the right one.
  const uint64_t wrong = (right + 1 + fault_random_.below(sectors - 1)) % sectors;
  return wrong * kSimSectorBytes + inside;
}

Status SimMachine::write_with_room(const SimHandle& handle, uint64_t offset, ByteView data) {
  const ByteView fits = that_fits(handle.inode, offset, data);
  disk_.write(handle.inode, offset, fits);
  if (fits.size() == data.size()) return ok();
  ++stats_.out_of_space;
  return errno_error(ENOSPC, handle.path, describe_range("write", offset, data.size()));
}

Status SimMachine::sync_data(const SimHandle& handle) {
  const std::lock_guard lock(mutex_);
  constexpr std::string_view kWhat = "sync data";
  RAMET_TRY(check_handle(handle, kWhat, false));
  begin_sync();
  if (begin_operation(kWhat, handle.path)) return power_failure(handle.path, kWhat);
  if (fires(FaultKind::kSyncError, handle.path, operations_, stats_.sync_errors)) {
    disk_.sync_with_error(handle.inode, fault_random_);
    return errno_error(EIO, handle.path, kWhat);
  }
  disk_.sync(handle.inode);
  return ok();
}

Status SimMachine::change_file(const SimHandle& handle, std::string_view what,
                               const std::function<void(bool)>& apply) {
  const bool cut = begin_operation(what, handle.path);
  if (!cut && fires(FaultKind::kWriteError, handle.path, operations_, stats_.write_errors)) {
    return errno_error(EIO, handle.path, what);
  }
  apply(cut);
  if (cut) return power_failure(handle.path, what);
  return ok();
}

Status SimMachine::allocate(const SimHandle& handle, uint64_t offset, uint64_t length) {
  const std::lock_guard lock(mutex_);
  const std::string what = describe_range("allocate", offset, length);
  RAMET_TRY(check_handle(handle, what, true));
  RAMET_TRY(check_range(handle.path, "allocate", offset, length));
  if (length == 0) return ok();
  const bool full = disk_.visible(handle.inode).pages_missing(offset, length) > free_pages();
  if (full || fires(FaultKind::kOutOfSpace, handle.path, operations_ + 1, stats_.out_of_space)) {
    if (full) ++stats_.out_of_space;
    if (begin_operation(what, handle.path)) return power_failure(handle.path, what);
    return errno_error(ENOSPC, handle.path, what);
  }
  return change_file(handle, what,
                     [&](bool cut) { disk_.reserve(handle.inode, offset, length, cut); });
}

Status SimMachine::punch_hole(const SimHandle& handle, uint64_t offset, uint64_t length) {
  const std::lock_guard lock(mutex_);
  const std::string what = describe_range("punch", offset, length);
  RAMET_TRY(check_handle(handle, what, true));
  RAMET_TRY(check_range(handle.path, "punch", offset, length));
  if (length == 0) return ok();
  return change_file(handle, what,
                     [&](bool cut) { disk_.punch(handle.inode, offset, length, cut); });
}

Status SimMachine::truncate(const SimHandle& handle, uint64_t length) {
  const std::lock_guard lock(mutex_);
  const std::string what = "truncate to " + std::to_string(length) + " bytes";
  RAMET_TRY(check_handle(handle, what, true));
  RAMET_TRY(check_range(handle.path, "truncate", length, 0));
  return change_file(handle, what, [&](bool cut) { disk_.truncate(handle.inode, length, cut); });
}

Result<uint64_t> SimMachine::size(const SimHandle& handle) {
  const std::lock_guard lock(mutex_);
  RAMET_TRY(check_handle(handle, "size", false));
  return disk_.visible(handle.inode).length();
}

Result<uint64_t> SimMachine::allocated_bytes(const SimHandle& handle) {
  const std::lock_guard lock(mutex_);
  RAMET_TRY(check_handle(handle, "allocated bytes", false));
  return disk_.visible(handle.inode).allocated_pages() * kSimPageBytes;
}

Status SimMachine::create_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  constexpr std::string_view kWhat = "create directory";
  RAMET_TRY(check_power(path, kWhat));
  RAMET_ASSIGN(NameChange change, disk_.plan_create(path, true, kWhat));
  return change_names(std::move(change), path, kWhat);
}

Status SimMachine::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  constexpr std::string_view kWhat = "sync directory";
  RAMET_TRY(check_power(path, kWhat));
  RAMET_ASSIGN(const SimInodeId directory, disk_.find_directory(path, kWhat));
  begin_sync();
  if (begin_operation(kWhat, path)) return power_failure(path, kWhat);
  if (fires(FaultKind::kSyncError, path, operations_, stats_.sync_errors)) {
    disk_.sync_directory_partly(directory, fault_random_);
    return errno_error(EIO, path, kWhat);
  }
  disk_.sync_directory(directory);
  return ok();
}

Status SimMachine::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const std::string what = "rename to " + to;
  RAMET_TRY(check_power(from, what));
  RAMET_ASSIGN(NameChange change, disk_.plan_rename(from, to));
  return change_names(std::move(change), from, what);
}

Status SimMachine::remove(const std::string& path, bool directory) {
  const std::lock_guard lock(mutex_);
  const std::string_view what = directory ? "remove directory" : "remove";
  RAMET_TRY(check_power(path, what));
  RAMET_ASSIGN(NameChange change, disk_.plan_remove(path, directory));
  return change_names(std::move(change), path, what);
}

Result<bool> SimMachine::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  RAMET_TRY(check_power(path, "exists"));
  return disk_.exists(path);
}

Result<std::vector<std::string>> SimMachine::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  RAMET_TRY(check_power(path, "list"));
  return disk_.list(path);
}

Result<SpaceInfo> SimMachine::space(const std::string& path) {
  const std::lock_guard lock(mutex_);
  RAMET_TRY(check_power(path, "space"));
  RAMET_TRY(disk_.find(path, "space"));
  return SpaceInfo{capacity_, free_pages() * kSimPageBytes};
}

Result<SimHandle> SimMachine::lock(const std::string& path, bool exclusive) {
  const std::lock_guard guard(mutex_);
  RAMET_TRY(check_power(path, "lock"));
  RAMET_ASSIGN(const bool there, disk_.exists(path));
  SimHandle handle{0, life_, true, path};
  if (there) {
    RAMET_ASSIGN(handle.inode, disk_.find_file(path, "lock"));
  } else {
    RAMET_ASSIGN(NameChange change, disk_.plan_create(path, false, "lock"));
    RAMET_TRY(change_names(std::move(change), path, "lock", &handle.inode));
  }
  Lock& held = locks_[handle.inode];
  if (held.exclusive) {
    return Error(ErrorCode::kBusy, path + ": lock: in use by process 1");
  }
  if (exclusive && held.shared > 0) {
    return Error(ErrorCode::kBusy, path + ": lock: in use by readers (shared locks)");
  }
  if (exclusive) {
    const Status written = write_locked(handle, 0, "1\n");
    // As on a real disk: the lock holds without its text where there is no room for it.
    if (!written.ok() && written.error().code() != ErrorCode::kOutOfSpace) return written.error();
    held.exclusive = true;
  } else {
    ++held.shared;
  }
  disk_.open(handle.inode);
  return handle;
}

void SimMachine::unlock(const SimHandle& handle, bool exclusive) {
  const std::lock_guard guard(mutex_);
  if (handle.life != life_) return;
  Lock& held = locks_[handle.inode];
  if (exclusive) {
    held.exclusive = false;
  } else {
    --held.shared;
  }
  disk_.close(handle.inode);
}

}  // namespace ramet::io
