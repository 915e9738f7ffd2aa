// Importing a directory tree: one transaction, in the order of the names.
#include "engine/import.h"

#include <atomic>
#include <thread>

#include "engine/content/content_id.h"
#include "engine/content/importer.h"
#include "engine/store_impl.h"

namespace ramet {
namespace engine {
namespace {

// What a transaction keeps of one file (Transaction::put_object).
constexpr size_t kXattrBytesMax = 8u << 10;

// Counts the source beside the import, so that a progress bar knows the end. Never in the way:
// the totals come when they come.
class Measure {
 public:
  Measure(const std::string& path, CopyProgress* progress) {
    if (progress == nullptr) return;
    thread_ = std::thread([this, path, progress] {
      uint64_t files = 0;
      uint64_t bytes = 0;
      if (!io::measure_source(path, stop_, &files, &bytes)) return;
      progress->files_total = files;
      progress->bytes_total = bytes;
    });
  }
  ~Measure() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  Measure(const Measure&) = delete;
  Measure& operator=(const Measure&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

ContentHash content_id_of(const io::SourceItem& item, const ChunkerParams& params) {
  ContentIdBuilder builder(params);
  ByteView rest = item.bytes;
  for (const io::DataRange& range : item.ranges) {
    builder.write(range.offset, rest.substr(0, range.length));
    rest.remove_prefix(range.length);
  }
  return builder.finish(item.size);
}

Result<Importer::Target> make_target(TransactionImpl& transaction, std::string_view path) {
  Importer::Target target;
  const auto there = transaction.lookup(path);
  RAMET_ASSIGN(target.folder, transaction.create_folders(path));
  target.set_attributes = !there.ok() || target.folder == kRootFolder;
  target.is_new = true;
  if (there.ok()) {
    RAMET_TRY(transaction.list(target.folder, {},
                               [&](const Entry&) { return target.is_new = false; }));
  }
  return target;
}

}  // namespace

Result<CopyReport> import_with(Store& store, ContainerId container, const std::string& directory,
                               std::string_view target_path, const ImportOptions& options,
                               io::SourceOptions source_options) {
  RAMET_ASSIGN(const auto transaction, store.begin(container));
  auto& working = static_cast<TransactionImpl&>(*transaction);
  RAMET_ASSIGN(const Importer::Target target, make_target(working, target_path));
  source_options.threads = options.threads;
  source_options.xattrs = options.xattrs;
  source_options.xattr_bytes_max = kXattrBytesMax;
  if (!target.is_new) {
    // Then much may be there already: readers find out, beside each other.
    const ChunkerParams params{working.store().options().chunk_average};
    source_options.digest = [params](const io::SourceItem& item) {
      return content_id_of(item, params);
    };
  }
  RAMET_ASSIGN(const auto source, io::SourceTree::open(directory, source_options));
  const Measure measure(directory, options.progress);
  Importer importer(working, *source, directory, options, source_options.attempts);
  RAMET_ASSIGN(CopyReport report, importer.run(target));
  RAMET_ASSIGN(report.sequence, transaction->commit());
  return report;
}

}  // namespace engine

Result<CopyReport> import_tree(Store& store, ContainerId container, const std::string& directory,
                               std::string_view target, const ImportOptions& options) {
  return engine::import_with(store, container, directory, target, options, {});
}

}  // namespace ramet
