// Importing a directory tree: one transaction, in the order of the names.
#include "engine/import.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/content/content_id.h"
#include "engine/content/importer.h"
#include "engine/store_impl.h"

namespace ramet {
namespace engine {
namespace {

// What a transaction keeps of one file (Transaction::put_object).
constexpr size_t kXattrBytesMax = 8u << 10;

// Counts the source beside the import, so that a progress bar knows the end. Never in the way: the
// totals come when they come, and what is done soon needs none.
class Measure {
 public:
  Measure(const std::string& path, CopyProgress* progress) {
    if (progress == nullptr || !progress->wants_totals) return;
    thread_ = std::thread([this, path, progress] {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, kPatience, [this] { return stop_.load(); })) return;
      lock.unlock();
      uint64_t files = 0;
      uint64_t bytes = 0;
      if (!io::measure_source(path, stop_, &files, &bytes)) return;
      progress->files_total = files;
      progress->bytes_total = bytes;
    });
  }
  ~Measure() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }
  Measure(const Measure&) = delete;
  Measure& operator=(const Measure&) = delete;

 private:
  static constexpr auto kPatience = std::chrono::milliseconds(700);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Cuts, names and compresses its blocks, beside what other readers do.
ContentHash prepare_item(io::SourceItem& item, const ChunkerParams& params,
                         const BlockPreparer& preparer) {
  auto prepared = std::make_shared<PreparedBlocks>();
  const auto add = [&](const ContentHash& name, uint64_t offset, ByteView raw) {
    PreparedBlock& block = prepared->emplace_back();
    block.offset = offset;
    block.length = static_cast<uint32_t>(raw.size());
    block.name = name;
    preparer.compress(raw, block);
  };
  ContentIdBuilder builder(params, add);
  ByteView rest = item.bytes;
  for (const io::DataRange& range : item.ranges) {
    builder.write(range.offset, rest.substr(0, range.length));
    rest.remove_prefix(range.length);
  }
  const ContentHash id = builder.finish(item.size);
  item.prepared = std::move(prepared);
  return id;
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
  const BlockPreparer preparer(*working.store().index(), working.ingest().compression(), nullptr);
  const ChunkerParams params{working.store().options().chunk_average};
  source_options.digest = [params, &preparer](io::SourceItem& item) {
    return prepare_item(item, params, preparer);
  };
  StatCache* const cache = options.stat_cache ? &working.store().stat_cache() : nullptr;
  if (cache != nullptr && !target.is_new) {
    source_options.known = [cache](io::SourceItem& item) {
      const auto known = cache->find(stamp_of(item));
      if (!known) return false;
      item.digest = known->content;
      item.prepared = std::make_shared<const KnownFile>(*known);
      return true;
    };
  }
  RAMET_ASSIGN(const auto source, io::SourceTree::open(directory, source_options));
  const Measure measure(directory, options.progress);
  Importer importer(working, *source, directory, options, source_options.attempts, cache);
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
