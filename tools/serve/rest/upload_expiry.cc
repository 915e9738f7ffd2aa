#include "tools/serve/rest/upload_expiry.h"

#include <algorithm>
#include <string>
#include <vector>

#include "engine/transaction.h"
#include "engine/view.h"
#include "tools/serve/rest/upload.h"
#include "tools/serve/staging.h"

namespace ramet::serve::rest {
namespace {

// When the upload was made, or its last piece came.
Result<int64_t> last_used(const View& view, const Entry& upload) {
  int64_t last = 0;
  Status status;
  RAMET_TRY(view.list(upload.folder, "", [&](const Entry& piece) {
    const auto object = view.object(piece.object);
    if (!object.ok()) {
      status = object.error();
      return false;
    }
    last = std::max(last, object->created);
    return true;
  }));
  RAMET_TRY(status);
  return last;
}

}  // namespace

Result<uint64_t> remove_resting_uploads(Store& store, int64_t before) {
  const auto container = store.container(std::string(kStagingContainer));
  if (!container.ok()) {
    if (container.error().code() == ErrorCode::kNotFound) return uint64_t{0};
    return container.error();
  }
  std::vector<Entry> found;
  {
    RAMET_ASSIGN(const auto view, store.view(container->id));
    const auto folder = view->lookup(kUploadFolder);
    if (!folder.ok()) {
      if (folder.error().code() == ErrorCode::kNotFound) return uint64_t{0};
      return folder.error();
    }
    RAMET_TRY(view->list(folder->folder, "", [&](const Entry& entry) {
      if (entry.is_folder()) found.push_back(entry);
      return true;
    }));
  }
  uint64_t removed = 0;
  for (const Entry& upload : found) {
    // A transaction that began before the look: what comes to the upload meanwhile makes it fail.
    RAMET_ASSIGN(const auto transaction, store.begin(container->id));
    RAMET_ASSIGN(const auto view, store.view(container->id));
    RAMET_ASSIGN(const int64_t last, last_used(*view, upload));
    if (last >= before) continue;
    RAMET_ASSIGN(const Entry parent, transaction->lookup(kUploadFolder));
    const Status gone = transaction->remove_tree(parent.folder, upload.name);
    if (!gone.ok() && gone.error().code() == ErrorCode::kNotFound) continue;
    RAMET_TRY(gone);
    const auto done = transaction->commit();
    if (done.ok()) {
      ++removed;
    } else if (done.error().code() != ErrorCode::kBusy) {
      return done.error();
    }
  }
  return removed;
}

}  // namespace ramet::serve::rest
