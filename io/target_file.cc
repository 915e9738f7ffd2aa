// TargetFile: one file of a target tree while it is written.
#include <fcntl.h>

#include <cerrno>

#include "io/posix_calls.h"
#include "io/target_tree.h"

namespace ramet::io {
namespace {

constexpr size_t kBufferBytes = 1u << 20;
// Pieces of at least this size are written as they come.
constexpr size_t kDirectBytes = 16u << 10;
// The device is told to begin when so much more was written.
constexpr uint64_t kWriteBackBytes = 8u << 20;

}  // namespace

TargetFile::~TargetFile() {
  if (committed_ || !fd_.valid()) return;
  fd_.reset();
  static_cast<void>(::unlinkat(folder_fd_->get(), name_meanwhile_.c_str(), 0));
}

Status TargetFile::write(uint64_t offset, ByteView bytes) {
  if (!buffer_->empty() &&
      (offset != buffer_at_ + buffer_->size() || buffer_->size() + bytes.size() > kBufferBytes)) {
    RAMET_TRY(flush());
  }
  end_ = offset + bytes.size();
  if (buffer_->empty() && bytes.size() >= kDirectBytes) return write_through(offset, bytes);
  if (buffer_->empty()) buffer_at_ = offset;
  buffer_->append(bytes);
  return ok();
}

Status TargetFile::flush() {
  if (buffer_->empty()) return ok();
  const Status written = write_through(buffer_at_, *buffer_);
  buffer_->clear();
  return written;
}

Status TargetFile::write_through(uint64_t offset, ByteView bytes) {
  const Status written = write_at(fd_.get(), folder_->path() + "/" + name_, offset, bytes);
  const uint64_t end = offset + bytes.size();
  if (tree_->options_.write_back && end - handed_over_ >= kWriteBackBytes) {
    begin_write_back_of(fd_.get(), handed_over_, end - handed_over_);
    handed_over_ = end;
  }
  return written;
}

Status TargetFile::commit(uint64_t size, const TreeAttributes& attributes, Notes* notes) {
  RAMET_TRY(flush());
  if (end_ < size && ::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
    return tree_->error(folder_, name_, errno, "set the size");
  }
  const int failed = tree_->set_attributes({fd_.get(), false, -1, {}}, attributes, notes);
  if (failed != 0) return tree_->error(folder_, name_, failed, "set the attributes");
  // Network file systems report the failure of earlier writes when a descriptor is closed.
  const int last = ::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0);
  if (last >= 0 && ::close(last) != 0 && errno != EINTR) {
    return tree_->error(folder_, name_, errno, "close");
  }
  const Status settled =
      tree_->settle(folder_, folder_fd_->get(), name_meanwhile_, name_);
  committed_ = settled.ok();
  return settled;
}

}  // namespace ramet::io
