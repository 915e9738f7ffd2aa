#include "engine/space/ballast.h"

#include <algorithm>

namespace ramet::engine {
namespace {

// Another user of the disk may fill it at any time; leave it room before taking ours.
constexpr uint64_t kFreeFactor = 4;
constexpr uint64_t kBytesMin = 4u << 20;
constexpr uint64_t kPart = 64;

}  // namespace

Ballast::Ballast(std::shared_ptr<io::Env> env, std::string path, uint64_t bytes_max)
    : env_(std::move(env)),
      path_(std::move(path)),
      bytes_max_(bytes_max),
      target_(std::min(kBytesMin, bytes_max)) {}

bool Ballast::size_for(uint64_t store_bytes) {
  const uint64_t want = std::min(bytes_max_, std::max(kBytesMin, store_bytes / kPart));
  if (want <= target()) return false;
  target_.store(want);
  return true;
}

bool Ballast::fill() {
  std::lock_guard lock(mu_);
  const uint64_t bytes = target();
  if (bytes == 0) return true;
  auto file = env_->open(path_, io::OpenMode::kReadWrite);
  if (!file.ok() && file.error().code() == ErrorCode::kNotFound) {
    file = env_->open(path_, io::OpenMode::kCreateExclusive);
  }
  if (!file.ok()) return file.error().code() != ErrorCode::kOutOfSpace;
  const auto size = (*file)->size();
  if (!size.ok() || *size >= bytes) return true;
  const auto space = env_->space(path_);
  if (!space.ok()) return true;
  if (space->available_bytes < bytes * kFreeFactor) return false;
  const Status taken = (*file)->allocate(0, bytes);
  if (taken.ok()) return true;
  ignore_error((*file)->truncate(*size), "the next fill() tries again");
  return taken.error().code() != ErrorCode::kOutOfSpace;
}

bool Ballast::release() {
  std::lock_guard lock(mu_);
  auto file = env_->open(path_, io::OpenMode::kReadWrite);
  if (!file.ok()) return false;
  const auto size = (*file)->size();
  if (!size.ok() || *size == 0) return false;
  return (*file)->truncate(0).ok();
}

uint64_t Ballast::held_bytes() {
  std::lock_guard lock(mu_);
  auto file = env_->open(path_, io::OpenMode::kRead);
  if (!file.ok()) return 0;
  const auto size = (*file)->size();
  return size.ok() ? *size : 0;
}

}  // namespace ramet::engine
