// Walking the folders of a view, depth first, in the order in which they are listed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/view.h"

namespace ramet::tools {

// Lists a folder in pages, so that memory stays bounded however many names it holds and callers
// may do other work with the view between two names. Not thread-safe; borrows the view.
class FolderReader {
 public:
  FolderReader(const View& view, FolderId folder) : view_(view), folder_(folder) {}

  // The next entry, or null at the end. Valid until the next call. Damaged parts are passed over.
  const Entry* next();
  // Whether the entry that next() gave is the last one.
  bool is_last();
  // The first error that listing met.
  const Status& status() const { return status_; }

 private:
  void fill();

  const View& view_;
  const FolderId folder_;
  std::vector<Entry> page_;
  size_t at_ = 0;
  bool complete_ = false;
  Status status_;
};

enum class WalkStep : uint8_t {
  kContinue,    // into folders
  kSkipFolder,  // not into this one
  kStop,        // the walk ends here, without an error
};

// One name that the walk came to.
struct WalkItem {
  const Entry& entry;
  const std::string& path;  // "/a/b" in the container
  size_t depth;             // 1: directly in the folder where the walk began
  bool is_last;             // of its folder
};

struct WalkVisitor {
  // For each name, a folder before what is in it.
  std::function<Result<WalkStep>(const WalkItem&)> enter;
  // After the last name of each folder that was walked (not the first one); may be empty.
  std::function<Status(const std::string& path, size_t depth)> leave;
};

// Walks everything below a folder whose path is `path`. Memory is bounded by the depth. An error
// of the visitor ends the walk and is returned; of damaged folders the rest is walked, and the
// first such error is returned in the end.
Status walk(const View& view, FolderId folder, const std::string& path,
            const WalkVisitor& visitor);

}  // namespace ramet::tools
