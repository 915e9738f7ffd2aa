// What importing and exporting trees have in common: attributes between their two forms, the list
// of problems, progress.
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/import.h"
#include "io/tree_attributes.h"

namespace ramet::engine {

inline Attributes attributes_from_tree(io::TreeAttributes&& from, bool owners) {
  Attributes to;
  to.mode = from.mode;
  to.uid = owners ? from.uid : 0;
  to.gid = owners ? from.gid : 0;
  to.modified = from.modified;
  to.device = from.device;
  to.xattrs.reserve(from.xattrs.size());
  for (io::TreeXattr& xattr : from.xattrs) {
    to.xattrs.push_back({std::move(xattr.name), std::move(xattr.value)});
  }
  return to;
}

inline io::TreeAttributes attributes_to_tree(Attributes&& from) {
  io::TreeAttributes to;
  to.mode = from.mode;
  to.uid = from.uid;
  to.gid = from.gid;
  to.modified = from.modified;
  to.device = from.device;
  to.xattrs.reserve(from.xattrs.size());
  for (Xattr& xattr : from.xattrs) {
    to.xattrs.push_back({std::move(xattr.name), std::move(xattr.value)});
  }
  return to;
}

// The problems of a copy; keeps a bounded number and counts the rest. Thread-safe.
class ProblemList {
 public:
  void add(std::string path, std::string reason) {
    const std::lock_guard lock(mutex_);
    if (problems_.size() < kCopyProblemsMax) {
      problems_.push_back({std::move(path), std::move(reason)});
    } else {
      ++left_out_;
    }
  }
  // Hands them over.
  void report(CopyReport& report) {
    const std::lock_guard lock(mutex_);
    report.problems = std::move(problems_);
    report.problems_left_out = left_out_;
  }

 private:
  std::mutex mutex_;
  std::vector<CopyProblem> problems_;
  uint64_t left_out_ = 0;
};

// Thread-safe; does nothing without a CopyProgress.
class ProgressCounter {
 public:
  explicit ProgressCounter(CopyProgress* progress) : progress_(progress) {}

  bool cancelled() const { return progress_ != nullptr && progress_->cancel; }
  void add_bytes(uint64_t bytes) const {
    if (progress_ != nullptr) progress_->bytes_done += bytes;
  }
  void take_back_bytes(uint64_t bytes) const {
    if (progress_ != nullptr) progress_->bytes_done -= bytes;
  }
  void add_file() const {
    if (progress_ != nullptr) ++progress_->files_done;
  }

 private:
  CopyProgress* progress_;
};

}  // namespace ramet::engine
