// What entries add to summaries (docs/format.md#trees).
#include "engine/container/summarize.h"

#include "engine/container/records.h"
#include "format/keys.h"

namespace ramet::engine {

Summary summarize_entry(ByteView key, ByteView value) {
  Summary summary;
  if (catalog_space_of(key) == CatalogSpace::kContainer) {
    // Containers add what their trees hold, so that the whole store is counted too.
    const auto root = decode_root_value(value);
    return root.ok() ? root->root.summary : summary;
  }
  const auto space = container_space_of(key);
  if (!space) return summary;
  switch (*space) {
    case ContainerSpace::kObject: return object_summary(value);
    case ContainerSpace::kDirent: {
      summary[SummaryColumn::kEntries] = 1;
      const auto dirent = decode_dirent_value(value);
      if (dirent.ok()) summary[SummaryColumn::kEntryBytes] = dirent->size;
      return summary;
    }
    case ContainerSpace::kVersion: return version_summary(value);
    case ContainerSpace::kFolder:
      summary[SummaryColumn::kFolders] = 1;
      return summary;
    default: return summary;
  }
}

}  // namespace ramet::engine
