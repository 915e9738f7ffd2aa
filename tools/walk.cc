#include "tools/walk.h"

#include <memory>
#include <utility>

#include "tools/path_spec.h"
#include "tools/session.h"

namespace ramet::tools {
namespace {

constexpr size_t kPageEntries = 512;

struct Frame {
  Frame(const View& view, FolderId folder, std::string folder_path)
      : reader(view, folder), path(std::move(folder_path)) {}
  FolderReader reader;
  std::string path;
};

}  // namespace

const Entry* FolderReader::next() {
  if (at_ == page_.size()) fill();
  return at_ == page_.size() ? nullptr : &page_[at_++];
}

bool FolderReader::is_last() {
  if (at_ < page_.size()) return false;
  if (complete_) return true;
  // The page ended exactly here: look for one more, and keep what next() gave where it is.
  bool more = false;
  const Status status =
      view_.list(folder_, page_.back().name, [&](const Entry&) { return !(more = true); });
  if (!status.ok() && status_.ok()) status_ = status;
  complete_ = !more;
  return complete_;
}

void FolderReader::fill() {
  if (complete_) return;
  const std::string after = page_.empty() ? std::string() : page_.back().name;
  std::vector<Entry> page;
  const Status status = view_.list(folder_, after, [&](const Entry& entry) {
    page.push_back(entry);
    return page.size() < kPageEntries;
  });
  if (!status.ok() && status_.ok()) status_ = status;
  complete_ = page.size() < kPageEntries;
  if (page.empty()) return;  // keeps the last page, whose entry the caller may still look at
  page_ = std::move(page);
  at_ = 0;
}

Status walk(const View& view, FolderId folder, const std::string& path,
            const WalkVisitor& visitor) {
  Status damage;
  std::vector<std::unique_ptr<Frame>> frames;
  frames.push_back(std::make_unique<Frame>(view, folder, path));
  while (!frames.empty()) {
    RAMET_TRY(check_interrupted());
    Frame& frame = *frames.back();
    const Entry* entry = frame.reader.next();
    if (entry == nullptr) {
      if (damage.ok() && !frame.reader.status().ok()) damage = frame.reader.status();
      const std::string left = std::move(frame.path);
      frames.pop_back();
      if (!frames.empty() && visitor.leave) RAMET_TRY(visitor.leave(left, frames.size()));
      continue;
    }
    const std::string entry_path = join_path(frame.path, entry->name);
    const bool is_last = frame.reader.is_last();
    RAMET_ASSIGN(const WalkStep step,
                 visitor.enter({*entry, entry_path, frames.size(), is_last}));
    if (step == WalkStep::kStop) return damage;
    if (entry->is_folder() && step == WalkStep::kContinue) {
      frames.push_back(std::make_unique<Frame>(view, entry->folder, entry_path));
    }
  }
  return damage;
}

}  // namespace ramet::tools
