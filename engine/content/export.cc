// Exporting a folder of a view as plain files.
#include <map>

#include <fmt/format.h>

#include "engine/container/reader.h"
#include "engine/import.h"
#include "io/plain_target.h"

namespace ramet {
namespace {

using io::plain::TargetAttributes;
using io::plain::TargetDirectory;

constexpr size_t kBatch = 1024;

class Exporter {
 public:
  Exporter(const View& view, const ExportOptions& options) : view_(view), options_(options) {}

  Result<CopyReport> run(const Entry& source, const std::string& directory) {
    RAMET_ASSIGN(const TargetDirectory root, TargetDirectory::open_root(directory));
    root_ = &root;
    if (!source.is_folder()) {
      RAMET_TRY(export_object(root, {}, source));
      return std::move(report_);
    }
    RAMET_TRY(check_target(root, source.folder));
    pending_.push_back({{}, source.folder});
    while (!pending_.empty()) {
      Pending at = std::move(pending_.back());
      pending_.pop_back();
      RAMET_TRY(export_folder(at));
      done_.push_back(std::move(at));
    }
    // Attributes of folders come last, the deepest first: making names in them changes times.
    for (auto at = done_.rbegin(); at != done_.rend(); ++at) RAMET_TRY(finish_folder(*at));
    return std::move(report_);
  }

 private:
  struct Pending {
    std::vector<std::string> names;
    FolderId folder;
  };

  void problem(const std::string& path, const Error& error) {
    report_.problems.push_back({path, error.message()});
  }

  TargetAttributes target_attributes(const Attributes& from) const {
    TargetAttributes to;
    to.mode = from.mode;
    to.uid = from.uid;
    to.gid = from.gid;
    to.modified = from.modified;
    to.owners = options_.owners;
    if (options_.xattrs) {
      for (const Xattr& xattr : from.xattrs) to.xattrs.emplace_back(xattr.name, xattr.value);
    }
    return to;
  }

  // Nothing is written when a name is in the way.
  Status check_target(const TargetDirectory& root, const FolderId& folder) {
    if (options_.overwrite) return ok();
    Status status = ok();
    RAMET_TRY(view_.list(folder, {}, [&](const Entry& entry) {
      const auto there = root.exists(entry.name);
      if (!there.ok()) {
        status = there.error();
      } else if (*there) {
        status = Error(ErrorCode::kAlreadyExists,
                       fmt::format("{}/{} exists already", root.path(),
                                   engine::printable(entry.name)));
      }
      return status.ok();
    }));
    return status;
  }

  Status check_cancelled() const {
    if (options_.progress != nullptr && options_.progress->cancel) {
      return Error(ErrorCode::kCancelled, "the export was stopped");
    }
    return ok();
  }

  Status export_folder(const Pending& at) {
    RAMET_ASSIGN(const TargetDirectory directory, io::plain::open_below(*root_, at.names));
    std::vector<Pending> folders;
    std::string after;
    for (;;) {
      std::vector<Entry> batch;
      const Status listed = view_.list(at.folder, after, [&](const Entry& entry) {
        batch.push_back(entry);
        return batch.size() < kBatch;
      });
      if (!listed.ok()) problem(directory.path(), listed.error());
      for (const Entry& entry : batch) {
        RAMET_TRY(check_cancelled());
        if (entry.is_folder()) {
          RAMET_TRY(make_folder(directory, at, entry, folders));
        } else {
          RAMET_TRY(export_object(directory, at.names, entry));
        }
      }
      if (batch.size() < kBatch) break;
      after = batch.back().name;
    }
    for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
      pending_.push_back(std::move(*folder));
    }
    return ok();
  }

  Status make_folder(const TargetDirectory& directory, const Pending& at, const Entry& entry,
                     std::vector<Pending>& folders) {
    const auto made = directory.make_directory(entry.name, options_.overwrite);
    if (!made.ok()) {
      problem(directory.path() + "/" + entry.name, made.error());
      return ok();
    }
    ++report_.folders;
    Pending next{at.names, entry.folder};
    next.names.push_back(entry.name);
    folders.push_back(std::move(next));
    return ok();
  }

  Status finish_folder(const Pending& at) {
    RAMET_ASSIGN(const TargetDirectory directory, io::plain::open_below(*root_, at.names));
    const auto info = view_.folder(at.folder);
    if (!info.ok()) {
      problem(directory.path(), info.error());
      return ok();
    }
    // A root folder whose attributes nobody set has no time to give.
    if (info->attributes.modified == 0 && at.folder == kRootFolder) return ok();
    const Status status = directory.finish(target_attributes(info->attributes), options_.sync);
    if (!status.ok()) problem(directory.path(), status.error());
    return ok();
  }

  Status export_object(const TargetDirectory& directory, const std::vector<std::string>& names,
                       const Entry& entry) {
    const std::string path = directory.path() + "/" + entry.name;
    if (options_.overwrite) {
      const Status removed = directory.remove(entry.name);
      if (!removed.ok()) {
        problem(path, removed.error());
        return ok();
      }
    }
    const auto info = view_.object(entry.object);
    if (!info.ok()) {
      problem(path, info.error());
      return ok();
    }
    if (info->links_count > 1) {
      const auto known = exported_.find(entry.object);
      if (known != exported_.end()) {
        RAMET_ASSIGN(const TargetDirectory from,
                     io::plain::open_below(*root_, known->second.first));
        const Status linked =
            directory.make_hard_link(entry.name, from, known->second.second);
        if (!linked.ok()) problem(path, linked.error());
        ++report_.hard_links;
        return ok();
      }
    }
    const Status status = make_object(directory, entry, *info);
    if (!status.ok()) {
      if (status.error().code() == ErrorCode::kOutOfSpace ||
          status.error().code() == ErrorCode::kCancelled) {
        return status;
      }
      problem(path, status.error());
      return ok();
    }
    if (info->links_count > 1) exported_.emplace(entry.object, std::pair(names, entry.name));
    return ok();
  }

  Status make_object(const TargetDirectory& directory, const Entry& entry,
                     const ObjectInfo& info) {
    const TargetAttributes attributes = target_attributes(info.attributes);
    switch (info.entry_class) {
      case EntryClass::kSymlink:
        ++report_.symlinks;
        return directory.make_link(entry.name, info.target, attributes);
      case EntryClass::kFifo:
      case EntryClass::kSocket:
      case EntryClass::kCharacterDevice:
      case EntryClass::kBlockDevice:
        ++report_.others;
        return directory.make_special(entry.name, info.attributes.device, attributes);
      default: return make_file(directory, entry, info, attributes);
    }
  }

  Status make_file(const TargetDirectory& directory, const Entry& entry, const ObjectInfo& info,
                   const TargetAttributes& attributes) {
    RAMET_ASSIGN(const TargetDirectory::File file, directory.make_file(entry.name));
    uint64_t end = 0;
    const auto sink = [&](uint64_t offset, ByteView bytes) -> Status {
      RAMET_TRY(check_cancelled());
      end = offset + bytes.size();
      if (options_.progress != nullptr) options_.progress->bytes_done += bytes.size();
      return file.write(offset, bytes);
    };
    const Status content = view_.stream(entry.object, sink);
    if (!content.ok()) {
      // What was written is not what was stored: better no file than a wrong one.
      ignore_error(directory.remove(entry.name), "the content's error is the one to report");
      return content;
    }
    if (end < info.size) RAMET_TRY(file.set_size(info.size));
    RAMET_TRY(file.finish(attributes, options_.sync));
    ++report_.files;
    report_.bytes += info.size;
    if (options_.progress != nullptr) ++options_.progress->files_done;
    return ok();
  }

  const View& view_;
  const ExportOptions& options_;
  const TargetDirectory* root_ = nullptr;
  std::vector<Pending> pending_;
  std::vector<Pending> done_;
  // Where the first name of an object with several was exported.
  std::map<ObjectId, std::pair<std::vector<std::string>, std::string>> exported_;
  CopyReport report_;
};

}  // namespace

Result<CopyReport> export_tree(const View& view, std::string_view source,
                               const std::string& directory, const ExportOptions& options) {
  RAMET_ASSIGN(const Entry entry, view.lookup(source));
  if (options.progress != nullptr && entry.folder == kRootFolder && entry.is_folder()) {
    options.progress->files_total = view.summary()[SummaryColumn::kEntries];
    options.progress->bytes_total = view.summary()[SummaryColumn::kEntryBytes];
  }
  return Exporter(view, options).run(entry, directory);
}

}  // namespace ramet
