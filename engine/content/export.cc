// Exporting a folder of a view as a directory tree: a few threads, each in a folder of its own as
// far as there are so many (two that create names in one folder wait for each other).
//
// Work is a stack of folders. A worker takes the newest, lists a batch of it, puts the folder back
// if there is more, and makes what the batch names; folders among them go on the stack. So the
// stack holds a bounded number of folders for each level of the tree, however many there are. A
// folder's attributes are set when nothing below it is open any more.
#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "engine/container/reader.h"
#include "engine/content/tree_copy.h"
#include "engine/import.h"
#include "io/target_tree.h"

namespace ramet {
namespace engine {
namespace {

constexpr size_t kBatchEntries = 256;
constexpr unsigned kThreadsMax = 16;
constexpr size_t kShelfLocks = 64;

struct ExportFolder {
  std::shared_ptr<ExportFolder> above;  // null: the top
  FolderId id;
  io::TargetFolderPtr target;
  std::string after;             // name that was listed last
  std::atomic<size_t> open{1};   // workers that are in it, or will be, and folders below
  ~ExportFolder() {
    // One by one: a chain of destructors as deep as the tree would overflow the stack.
    auto up = std::move(above);
    while (up != nullptr && up.use_count() == 1) up = std::move(up->above);
  }
};
using ExportFolderPtr = std::shared_ptr<ExportFolder>;

class Exporter {
 public:
  Exporter(const View& view, const ExportOptions& options, io::TargetTree& target)
      : view_(view), options_(options), target_(target), progress_(options.progress) {}

  Status run(const Entry& source);
  CopyReport report();

 private:
  void work();
  bool take(ExportFolderPtr* folder);
  void put_back(ExportFolderPtr folder);
  void stop(Error error);
  Status check_stopped() const;

  Status export_batch(const ExportFolderPtr& folder, Bytes* buffer);
  Status export_entry(const ExportFolderPtr& folder, const Entry& entry, Bytes* buffer);
  Status enter(const ExportFolderPtr& folder, const Entry& entry);
  Status leave(ExportFolderPtr folder);
  void finish(const ExportFolder& folder);
  Status export_object(const io::TargetFolderPtr& folder, const Entry& entry, Bytes* buffer);
  // The object of a flat container: its key is taken for a path, as far as a file system can have
  // it; a part like "..", or a folder where a file is, is reported and left out.
  Status export_key(const Entry& entry, Bytes* buffer);
  Result<io::TargetFolderPtr> folder_of_key(std::vector<std::string> folders);
  void leave_key_folders(size_t depth);
  Status export_linked(const io::TargetFolderPtr& folder, const std::string& name,
                       ObjectInfo& info, Bytes* buffer);
  Status make(const io::TargetFolderPtr& folder, const std::string& name, ObjectInfo& info,
              const std::string& path, Bytes* buffer);
  Status make_file(const io::TargetFolderPtr& folder, const std::string& name, ObjectInfo& info,
                   io::Notes* notes, Bytes* buffer);
  void count(const ObjectInfo& info);
  // What concerns one name is reported; what will fail for every other too ends the export.
  Status report_failure(const std::string& path, Error error);

  const View& view_;
  const ExportOptions& options_;
  io::TargetTree& target_;
  const ProgressCounter progress_;
  ProblemList problems_;
  std::atomic<uint64_t> files_{0};
  std::atomic<uint64_t> folders_{0};
  std::atomic<uint64_t> symlinks_{0};
  std::atomic<uint64_t> hard_links_{0};
  std::atomic<uint64_t> others_{0};
  std::atomic<uint64_t> bytes_{0};
  // One at a time puts an object with several names on the shelf.
  std::array<std::mutex, kShelfLocks> shelf_locks_;

  // The folders of the key before, which often are the next one's too. (Flat containers are
  // exported by one thread, in the order of keys.)
  std::vector<std::pair<std::string, io::TargetFolderPtr>> key_folders_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<ExportFolderPtr> stack_;  // guarded by the mutex, as what follows
  size_t busy_ = 0;                     // workers that may still add folders
  std::optional<Error> error_;
  std::atomic<bool> stopped_{false};
};

std::string path_of(const io::TargetFolderPtr& folder, const std::string& name) {
  const std::string path = folder->path();
  return path.back() == '/' ? path + name : path + "/" + name;
}

// --- workers -------------------------------------------------------------------------------------

Status Exporter::run(const Entry& source) {
  if (!source.is_folder()) {
    Bytes buffer;
    RAMET_TRY(export_object(target_.root(), source, &buffer));
    return target_.remove_shelf();
  }
  auto top = std::make_shared<ExportFolder>();
  top->id = source.folder;
  top->target = target_.root();
  stack_.push_back(std::move(top));
  unsigned threads = options_.threads;
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  threads = view_.flat() ? 1 : std::min(threads, kThreadsMax);
  std::vector<std::thread> workers;
  for (unsigned i = 1; i < threads; ++i) workers.emplace_back([this] { work(); });
  work();
  for (std::thread& worker : workers) worker.join();
  stack_.clear();
  leave_key_folders(0);
  if (error_) return std::move(*error_);
  return ok();
}

void Exporter::work() {
  Bytes buffer;
  ExportFolderPtr folder;
  while (take(&folder)) {
    Status done = export_batch(folder, &buffer);
    if (done.ok()) done = leave(std::move(folder));
    if (!done.ok()) stop(std::move(done).error());
    const std::lock_guard lock(mutex_);
    --busy_;
    if (busy_ == 0 && stack_.empty()) wake_.notify_all();
  }
}

bool Exporter::take(ExportFolderPtr* folder) {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return stopped_ || !stack_.empty() || busy_ == 0; });
  if (stopped_ || stack_.empty()) return false;
  *folder = std::move(stack_.back());
  stack_.pop_back();
  ++busy_;
  return true;
}

void Exporter::put_back(ExportFolderPtr folder) {
  const std::lock_guard lock(mutex_);
  stack_.push_back(std::move(folder));
  wake_.notify_one();
}

void Exporter::stop(Error error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  stopped_ = true;
  wake_.notify_all();
}

Status Exporter::check_stopped() const {
  if (progress_.cancelled() || stopped_) {
    return Error(ErrorCode::kCancelled, "the export was stopped");
  }
  return ok();
}

// --- folders -------------------------------------------------------------------------------------

Status Exporter::export_batch(const ExportFolderPtr& folder, Bytes* buffer) {
  std::vector<Entry> batch;
  const Status listed = view_.list(folder->id, folder->after, [&](const Entry& entry) {
    batch.push_back(entry);
    return batch.size() < kBatchEntries;
  });
  if (!listed.ok()) problems_.add(folder->target->path(), listed.error().message());
  if (batch.size() == kBatchEntries) {
    folder->after = batch.back().name;
    ++folder->open;
    put_back(folder);
  }
  for (const Entry& entry : batch) RAMET_TRY(export_entry(folder, entry, buffer));
  return ok();
}

Status Exporter::export_entry(const ExportFolderPtr& folder, const Entry& entry, Bytes* buffer) {
  RAMET_TRY(check_stopped());
  if (view_.flat()) return export_key(entry, buffer);
  if (!entry.is_folder()) return export_object(folder->target, entry, buffer);
  const Status entered = enter(folder, entry);
  if (entered.ok()) return ok();
  return report_failure(path_of(folder->target, entry.name), entered.error());
}

Status Exporter::enter(const ExportFolderPtr& folder, const Entry& entry) {
  auto below = std::make_shared<ExportFolder>();
  RAMET_ASSIGN(below->target, target_.create_folder(folder->target, entry.name));
  below->id = entry.folder;
  below->above = folder;
  ++folder->open;
  ++folders_;
  put_back(std::move(below));
  return ok();
}

// Sets the attributes of the folder, and of those above it, if this was the last look at them.
Status Exporter::leave(ExportFolderPtr folder) {
  while (folder != nullptr && --folder->open == 0) {
    // The top has what waits to be linked in it.
    if (folder->above == nullptr) RAMET_TRY(target_.remove_shelf());
    finish(*folder);
    folder = std::move(folder->above);
  }
  return ok();
}

void Exporter::finish(const ExportFolder& folder) {
  const bool is_top = folder.above == nullptr;
  if (is_top && !target_.root_was_empty()) return;
  auto info = view_.folder(folder.id);
  if (!info.ok()) {
    problems_.add(folder.target->path(), info.error().message());
    return;
  }
  // Those of a container's root may never have been set.
  Attributes never_set;
  never_set.mode = 040755;
  if (is_top && info->attributes == never_set) return;
  io::Notes notes;
  const Status done = target_.finish_folder(
      folder.target, attributes_to_tree(std::move(info->attributes)), &notes);
  if (!done.ok()) problems_.add(folder.target->path(), done.error().message());
  for (std::string& note : notes) problems_.add(folder.target->path(), std::move(note));
}

// --- objects -------------------------------------------------------------------------------------

Status Exporter::export_object(const io::TargetFolderPtr& folder, const Entry& entry,
                               Bytes* buffer) {
  auto info = view_.object(entry.object);
  Status done = ok();
  if (!info.ok()) {
    done = std::move(info).error();
  } else if (info->links_count > 1) {
    done = export_linked(folder, entry.name, *info, buffer);
  } else {
    done = make(folder, entry.name, *info, path_of(folder, entry.name), buffer);
  }
  if (done.ok()) return ok();
  return report_failure(path_of(folder, entry.name), std::move(done).error());
}

Result<io::TargetFolderPtr> Exporter::folder_of_key(std::vector<std::string> folders) {
  size_t same = 0;
  while (same < folders.size() && same < key_folders_.size() &&
         key_folders_[same].first == folders[same]) {
    ++same;
  }
  leave_key_folders(same);
  for (; same < folders.size(); ++same) {
    const auto& above = same == 0 ? target_.root() : key_folders_.back().second;
    RAMET_ASSIGN(auto made, target_.create_folder(above, folders[same]));
    key_folders_.emplace_back(std::move(folders[same]), std::move(made));
  }
  return key_folders_.empty() ? target_.root() : key_folders_.back().second;
}

void Exporter::leave_key_folders(size_t depth) {
  Attributes attributes;
  attributes.mode = 040755;
  while (key_folders_.size() > depth) {
    const io::TargetFolderPtr folder = std::move(key_folders_.back().second);
    key_folders_.pop_back();
    io::Notes notes;
    io::TreeAttributes folder_attributes = attributes_to_tree(Attributes(attributes));
    const Status done =
        target_.finish_folder(folder, std::move(folder_attributes), &notes);
    if (!done.ok()) problems_.add(folder->path(), done.error().message());
  }
}

Status Exporter::export_key(const Entry& entry, Bytes* buffer) {
  const std::string path = path_of(target_.root(), entry.name);
  // "a//b" and "/a" would lead to the same files as other keys.
  const bool is_folder = entry.name.ends_with('/');
  std::string_view key = entry.name;
  if (is_folder) key.remove_suffix(1);
  std::vector<std::string> parts;
  for (size_t at = 0; at <= key.size();) {
    const size_t slash = std::min(key.find('/', at), key.size());
    const std::string_view part = key.substr(at, slash - at);
    const Status valid = check_name(part);
    if (!valid.ok()) return report_failure(path, valid.error());
    parts.emplace_back(part);
    at = slash + 1;
  }
  Entry file = entry;
  if (!is_folder) {
    file.name = parts.back();
    parts.pop_back();
  }
  const auto folder = folder_of_key(std::move(parts));
  if (!folder.ok()) return report_failure(path, folder.error());
  return is_folder ? ok() : export_object(*folder, file, buffer);
}

Status Exporter::report_failure(const std::string& path, Error error) {
  RAMET_TRY(check_stopped());
  if (error.code() == ErrorCode::kOutOfSpace) return error;
  problems_.add(path, error.message());
  return ok();
}

// An object with several names is made on the shelf and linked to each of them: nothing needs to
// be remembered of objects and names.
Status Exporter::export_linked(const io::TargetFolderPtr& folder, const std::string& name,
                               ObjectInfo& info, Bytes* buffer) {
  RAMET_ASSIGN(const auto shelf, target_.shelf());
  const std::string on_shelf = to_uuid(info.id);
  {
    const std::lock_guard lock(shelf_locks_[std::hash<ObjectId>()(info.id) % kShelfLocks]);
    const Status linked = target_.create_link(shelf, on_shelf, folder, name);
    if (linked.ok()) {
      ++hard_links_;
      if (info.entry_class == EntryClass::kFile) progress_.add_file();
      progress_.add_bytes(info.size);
      return ok();
    }
    if (linked.error().code() == ErrorCode::kNotFound) {
      RAMET_TRY(make(shelf, on_shelf, info, path_of(folder, name), buffer));
    } else if (linked.error().code() != ErrorCode::kUnsupported) {
      return linked;
    }
  }
  const Status linked = target_.create_link(shelf, on_shelf, folder, name);
  if (linked.ok() || linked.error().code() != ErrorCode::kUnsupported) return linked;
  problems_.add(path_of(folder, name), "written as a file of its own: " + linked.error().message());
  RAMET_ASSIGN(ObjectInfo again, view_.object(info.id));
  return make(folder, name, again, path_of(folder, name), buffer);
}

Status Exporter::make(const io::TargetFolderPtr& folder, const std::string& name,
                      ObjectInfo& info, const std::string& path, Bytes* buffer) {
  io::Notes notes;
  Status made = ok();
  switch (info.entry_class) {
    case EntryClass::kSymlink:
      made = target_.create_symlink(folder, name, info.target,
                                    attributes_to_tree(std::move(info.attributes)), &notes);
      break;
    case EntryClass::kFifo:
    case EntryClass::kSocket:
    case EntryClass::kCharacterDevice:
    case EntryClass::kBlockDevice:
      made = target_.create_other(folder, name, attributes_to_tree(std::move(info.attributes)),
                                  &notes);
      break;
    default: made = make_file(folder, name, info, &notes, buffer);
  }
  for (std::string& note : notes) problems_.add(path, std::move(note));
  if (made.ok()) count(info);
  return made;
}

Status Exporter::make_file(const io::TargetFolderPtr& folder, const std::string& name,
                           ObjectInfo& info, io::Notes* notes, Bytes* buffer) {
  io::TreeAttributes attributes = attributes_to_tree(std::move(info.attributes));
  RAMET_ASSIGN(const auto file, target_.create_file(folder, name, attributes, buffer));
  uint64_t counted = 0;
  Status written = ok();
  if (info.size > 0) {
    written = view_.stream(info.id, [&](uint64_t offset, ByteView bytes) -> Status {
      RAMET_TRY(check_stopped());
      counted += bytes.size();
      progress_.add_bytes(bytes.size());
      return file->write(offset, bytes);
    });
  }
  if (written.ok()) written = file->commit(info.size, attributes, notes);
  if (written.ok()) {
    progress_.add_bytes(info.size - counted);  // holes
  } else {
    progress_.take_back_bytes(counted);
  }
  return written;
}

void Exporter::count(const ObjectInfo& info) {
  switch (info.entry_class) {
    case EntryClass::kSymlink: ++symlinks_; return;
    case EntryClass::kFifo:
    case EntryClass::kSocket:
    case EntryClass::kCharacterDevice:
    case EntryClass::kBlockDevice: ++others_; return;
    default: break;
  }
  ++files_;
  bytes_ += info.size;
  progress_.add_file();
}

CopyReport Exporter::report() {
  CopyReport report;
  report.files = files_;
  report.folders = folders_;
  report.symlinks = symlinks_;
  report.hard_links = hard_links_;
  report.others = others_;
  report.bytes = bytes_;
  problems_.report(report);
  return report;
}

// Nothing is written where something would be in the way: below the first level all is new.
Status check_free(const View& view, const Entry& source, const io::TargetTree& target) {
  Status status = ok();
  const auto check = [&](const Entry& entry) {
    // What else is wrong with a name is reported when it is made.
    const Status free = target.check_free(entry.name);
    if (!free.ok() && free.error().code() == ErrorCode::kAlreadyExists) status = free;
    return status.ok();
  };
  if (!source.is_folder()) {
    check(source);
    return status;
  }
  if (target.root_was_empty()) return ok();
  const Status listed = view.list(source.folder, {}, check);
  // Damage is reported by the export itself.
  ignore_error(listed, "what can be listed was checked, the rest is not written");
  return status;
}

}  // namespace
}  // namespace engine

Result<CopyReport> export_tree(const View& view, std::string_view source,
                               const std::string& directory, const ExportOptions& options) {
  RAMET_ASSIGN(const Entry entry, view.lookup(source));
  if (options.progress != nullptr && entry.is_folder() && entry.folder == kRootFolder) {
    options.progress->bytes_total = view.summary()[SummaryColumn::kEntryBytes];
  }
  io::TargetOptions target_options;
  target_options.owners = options.owners;
  target_options.xattrs = options.xattrs;
  target_options.overwrite = options.overwrite;
  target_options.write_back = options.sync;
  RAMET_ASSIGN(const auto target, io::TargetTree::open(directory, target_options));
  if (!options.overwrite) RAMET_TRY(engine::check_free(view, entry, *target));
  engine::Exporter exporter(view, options, *target);
  Status done = exporter.run(entry);
  if (done.ok() && options.sync) done = target->sync();
  if (done.ok()) return exporter.report();
  ignore_error(target->remove_shelf(), "the first failure is the one to report");
  return std::move(done).error();
}

}  // namespace ramet
