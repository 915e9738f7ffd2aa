#include "engine/space/ballast.h"

namespace ramet::engine {
namespace {

// Another user of the disk may fill it at any time; leave it room before taking ours.
constexpr uint64_t kFreeFactor = 4;

}  // namespace

void Ballast::fill() {
  std::lock_guard lock(mu_);
  if (bytes_ == 0) return;
  auto file = env_->open(path_, io::OpenMode::kReadWrite);
  if (!file.ok() && file.error().code() == ErrorCode::kNotFound) {
    file = env_->open(path_, io::OpenMode::kCreateExclusive);
  }
  if (!file.ok()) return;
  const auto size = (*file)->size();
  if (!size.ok() || *size >= bytes_) return;
  const auto space = env_->space(path_);
  if (!space.ok() || space->available_bytes < bytes_ * kFreeFactor) return;
  if (!(*file)->allocate(0, bytes_).ok()) {
    ignore_error((*file)->truncate(0), "part of a ballast is none; the next fill() tries again");
  }
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
