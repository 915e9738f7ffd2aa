// Importing a directory tree: one transaction, files in the order of their names.
#include "engine/import.h"

#include <map>

#include <fmt/format.h>

#include "engine/container/transaction_impl.h"
#include "engine/content/content_writer.h"
#include "io/plain_source.h"

namespace ramet {
namespace {

using engine::ContentWriterImpl;
using engine::ObjectRecord;
using engine::TransactionImpl;
using io::plain::FileStatus;
using io::plain::SourceDirectory;
using io::plain::SourceTree;

// A file that changes while it is read is read so often before it is given up.
constexpr int kAttempts = 3;

Attributes attributes_of(const FileStatus& status, const io::plain::XattrList& xattrs,
                         const ImportOptions& options) {
  Attributes attributes;
  attributes.mode = status.mode;
  if (options.owners) {
    attributes.uid = status.uid;
    attributes.gid = status.gid;
  }
  attributes.modified = status.modified;
  attributes.device = status.special_device;
  if (options.xattrs) {
    for (const auto& [name, value] : xattrs) attributes.xattrs.push_back({name, value});
  }
  return attributes;
}

class Importer {
 public:
  Importer(TransactionImpl& transaction, const SourceTree& tree, const ImportOptions& options)
      : transaction_(transaction), tree_(tree), options_(options) {}

  Result<CopyReport> run(FolderId target, bool set_root_attributes) {
    pending_.push_back({{}, target});
    bool first = true;
    while (!pending_.empty()) {
      Pending at = std::move(pending_.back());
      pending_.pop_back();
      auto directory = tree_.directory(at.names);
      if (!directory.ok()) {
        if (first) return std::move(directory).error();
        problem(joined(at.names), directory.error());
        continue;
      }
      if (first && set_root_attributes) RAMET_TRY(set_folder(*directory, at.folder));
      first = false;
      RAMET_TRY(import_directory(*directory, at));
    }
    report_.ingest = transaction_.ingest_stats();
    return std::move(report_);
  }

 private:
  struct Pending {
    std::vector<std::string> names;  // from the root of the tree
    FolderId folder;
  };

  static std::string joined(const std::vector<std::string>& names) {
    std::string path;
    for (const std::string& name : names) path += "/" + name;
    return path;
  }

  // Failures of the source are reported and the rest goes on; failures of the store end it.
  void problem(std::string path, const Error& error) {
    report_.problems.push_back({std::move(path), error.message()});
  }

  Status check_cancelled() const {
    if (options_.progress != nullptr && options_.progress->cancel) {
      return Error(ErrorCode::kCancelled, "the import was stopped; nothing was stored");
    }
    return ok();
  }

  void count(uint64_t bytes, bool file) {
    if (options_.progress == nullptr) return;
    options_.progress->bytes_done += bytes;
    if (file) ++options_.progress->files_done;
  }

  Status set_folder(const SourceDirectory& directory, const FolderId& folder) {
    RAMET_ASSIGN(const FileStatus status, directory.status());
    io::plain::XattrList xattrs;
    if (options_.xattrs) {
      auto read = directory.xattrs();
      if (read.ok()) {
        xattrs = std::move(*read);
      } else {
        problem(directory.path(), read.error());
      }
    }
    const Attributes attributes = attributes_of(status, xattrs, options_);
    RAMET_ASSIGN(const FolderInfo info, transaction_.folder(folder));
    if (info.attributes == attributes) return ok();
    return transaction_.set_attributes(folder, attributes);
  }

  Status import_directory(const SourceDirectory& directory, const Pending& at) {
    auto names = directory.names();
    if (!names.ok()) {
      problem(directory.path(), names.error());
      return ok();
    }
    std::vector<Pending> folders;
    for (const std::string& name : *names) {
      RAMET_TRY(check_cancelled());
      auto status = directory.status(name);
      if (!status.ok()) {
        problem(directory.path() + "/" + name, status.error());
        continue;
      }
      RAMET_TRY(import_name(directory, at, name, *status, folders));
    }
    // The first one next, so that folders are visited in the order of their names.
    for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
      pending_.push_back(std::move(*folder));
    }
    return ok();
  }

  Status import_name(const SourceDirectory& directory, const Pending& at,
                     const std::string& name, const FileStatus& status,
                     std::vector<Pending>& folders) {
    RAMET_ASSIGN(const auto there, transaction_.reader().find(at.folder, name));
    const EntryClass entry_class = engine::class_of_mode(status.mode);
    if (there && there->is_folder() != (entry_class == EntryClass::kFolder)) {
      report_.problems.push_back({directory.path() + "/" + name,
                                  there->is_folder() ? "the target has a folder of this name"
                                                     : "the target has this name, and no folder"});
      return ok();
    }
    switch (entry_class) {
      case EntryClass::kFolder: return import_folder(directory, at, name, there, folders);
      case EntryClass::kFile: return import_file(directory, at, name, status);
      case EntryClass::kSymlink: return import_link(directory, at, name, status);
      default: return import_special(directory, at, name, status);
    }
  }

  Status import_folder(const SourceDirectory& directory, const Pending& at,
                       const std::string& name, const std::optional<Entry>& there,
                       std::vector<Pending>& folders) {
    auto opened = directory.directory(name);
    if (!opened.ok()) {
      problem(directory.path() + "/" + name, opened.error());
      // An unreadable folder is kept, empty, with what lstat tells of it.
      auto status = directory.status(name);
      if (status.ok() && !there) {
        RAMET_TRY(transaction_.create_folder(at.folder, name,
                                             attributes_of(*status, {}, options_)));
        ++report_.folders;
      }
      return ok();
    }
    FolderId folder;
    if (there) {
      folder = there->folder;
    } else {
      Attributes attributes;
      attributes.mode = 040755;
      RAMET_ASSIGN(folder, transaction_.create_folder(at.folder, name, attributes));
    }
    RAMET_TRY(set_folder(*opened, folder));
    ++report_.folders;
    Pending next{at.names, folder};
    next.names.push_back(name);
    folders.push_back(std::move(next));
    return ok();
  }

  Status import_link(const SourceDirectory& directory, const Pending& at, const std::string& name,
                     const FileStatus& status) {
    auto target = directory.link_target(name);
    if (!target.ok()) {
      problem(directory.path() + "/" + name, target.error());
      return ok();
    }
    RAMET_ASSIGN(const bool linked, link_to_known(at.folder, name, status));
    if (linked) return ok();
    ObjectRecord record;
    record.info.attributes = attributes_of(status, name_xattrs(directory, name), options_);
    record.info.target = std::move(*target);
    ++report_.symlinks;
    return put(at.folder, name, std::move(record), status);
  }

  Status import_special(const SourceDirectory& directory, const Pending& at,
                        const std::string& name, const FileStatus& status) {
    RAMET_ASSIGN(const bool linked, link_to_known(at.folder, name, status));
    if (linked) return ok();
    ObjectRecord record;
    record.info.attributes = attributes_of(status, name_xattrs(directory, name), options_);
    ++report_.others;
    return put(at.folder, name, std::move(record), status);
  }

  io::plain::XattrList name_xattrs(const SourceDirectory& directory, const std::string& name) {
    if (!options_.xattrs) return {};
    auto xattrs = directory.xattrs(name);
    if (xattrs.ok()) return std::move(*xattrs);
    problem(directory.path() + "/" + name, xattrs.error());
    return {};
  }

  Status import_file(const SourceDirectory& directory, const Pending& at, const std::string& name,
                     const FileStatus& listed) {
    const std::string path = directory.path() + "/" + name;
    RAMET_ASSIGN(const bool linked, link_to_known(at.folder, name, listed));
    if (linked) return ok();
    for (int attempt = 1; attempt <= kAttempts; ++attempt) {
      ObjectRecord record;
      FileStatus status;
      Status source = ok();
      RAMET_TRY(read_file(directory, name, record, status, source));
      if (source.ok()) {
        ++report_.files;
        report_.bytes += record.info.size;
        count(0, true);
        return put(at.folder, name, std::move(record), status);
      }
      if (source.error().code() != ErrorCode::kFailedPrecondition || attempt == kAttempts) {
        problem(path, source.error());
      } else {
        continue;
      }
      break;
    }
    return ok();
  }

  // Reads a file into `record`. `source` is what went wrong with the file; the result what went
  // wrong with the store.
  Status read_file(const SourceDirectory& directory, const std::string& name,
                   ObjectRecord& record, FileStatus& status, Status& source) {
    const auto give_up = [&](Error error) {
      source = std::move(error);
      return ok();
    };
    auto file = directory.file(name);
    if (!file.ok()) return give_up(std::move(file).error());
    auto before = file->status();
    if (!before.ok()) return give_up(std::move(before).error());
    io::plain::XattrList xattrs;
    if (options_.xattrs) {
      auto read = file->xattrs();
      if (!read.ok()) return give_up(std::move(read).error());
      xattrs = std::move(*read);
    }
    auto content = transaction_.write_content();
    if (!content.ok()) return std::move(content).error();
    auto& writer = static_cast<ContentWriterImpl&>(**content);
    Status store = ok();
    Status read = file->read(
        *before,
        [&](ByteView bytes) -> Status {
          store = writer.append(bytes);
          if (store.ok()) store = check_cancelled();
          count(bytes.size(), false);
          return store;
        },
        [&](uint64_t length) -> Status { return store = writer.hole(length); });
    RAMET_TRY(store);
    if (!read.ok()) return give_up(std::move(read).error());
    auto after = file->status();
    if (!after.ok()) return give_up(std::move(after).error());
    if (!before->same_content(*after)) {
      return give_up(Error(ErrorCode::kFailedPrecondition,
                           directory.path() + "/" + name +
                               ": changed while it was read; it was left out"));
    }
    RAMET_TRY(writer.finish(record));
    status = *before;
    record.info.attributes = attributes_of(status, xattrs, options_);
    return ok();
  }

  // A second name of something that this import stored already.
  Result<bool> link_to_known(const FolderId& folder, const std::string& name,
                             const FileStatus& status) {
    if (status.links < 2) return false;
    const auto known = known_.find({status.device, status.inode});
    if (known == known_.end()) return false;
    RAMET_ASSIGN(const auto there, transaction_.reader().find(folder, name));
    if (there) {
      if (there->object == known->second) return true;
      RAMET_TRY(transaction_.remove(folder, name));
    }
    RAMET_TRY(transaction_.link(known->second, folder, name));
    ++report_.hard_links;
    return true;
  }

  static bool same(const ObjectRecord& a, const ObjectRecord& b) {
    return a.info.size == b.info.size && a.info.attributes == b.info.attributes &&
           a.info.target == b.info.target && a.form == b.form && a.extents == b.extents &&
           (a.form == engine::ContentForm::kOneBlock || a.info.content_id == b.info.content_id);
  }

  Status put(const FolderId& folder, const std::string& name, ObjectRecord record,
             const FileStatus& status) {
    const auto remember = [&](const ObjectId& id) {
      if (status.links > 1) known_.emplace(std::pair(status.device, status.inode), id);
    };
    RAMET_ASSIGN(const auto there, transaction_.reader().find(folder, name));
    if (there) {
      RAMET_ASSIGN(const ObjectRecord old, transaction_.reader().object(there->object));
      if (same(old, record)) {
        ++report_.unchanged;
        remember(old.info.id);
        return transaction_.discard_content(record);
      }
      // A name that shares its object with others must not change them.
      if (old.info.links_count > 1) RAMET_TRY(transaction_.remove(folder, name));
    }
    auto id = transaction_.put_prepared(folder, name, std::move(record));
    if (!id.ok()) {
      if (id.error().code() != ErrorCode::kInvalidArgument) return std::move(id).error();
      problem(name, id.error());  // what the object model cannot hold
      return ok();
    }
    remember(*id);
    return ok();
  }

  TransactionImpl& transaction_;
  const SourceTree& tree_;
  const ImportOptions& options_;
  std::vector<Pending> pending_;
  std::map<std::pair<uint64_t, uint64_t>, ObjectId> known_;  // only files with several names
  CopyReport report_;
};

// What there is to do, for a progress bar that tells the truth.
void measure(const SourceTree& tree, CopyProgress& progress) {
  std::vector<std::vector<std::string>> pending{{}};
  uint64_t files = 0;
  uint64_t bytes = 0;
  while (!pending.empty() && !progress.cancel) {
    const std::vector<std::string> names = std::move(pending.back());
    pending.pop_back();
    const auto directory = tree.directory(names);
    if (!directory.ok()) continue;
    const auto list = directory->names();
    if (!list.ok()) continue;
    for (const std::string& name : *list) {
      const auto status = directory->status(name);
      if (!status.ok()) continue;
      const EntryClass entry_class = engine::class_of_mode(status->mode);
      if (entry_class == EntryClass::kFolder) {
        pending.push_back(names);
        pending.back().push_back(name);
      } else if (entry_class == EntryClass::kFile) {
        ++files;
        bytes += std::min(status->size, status->allocated_bytes);
      }
    }
  }
  progress.files_total = files;
  progress.bytes_total = bytes;
}

}  // namespace

Result<CopyReport> import_tree(Store& store, ContainerId container, const std::string& directory,
                               std::string_view target, const ImportOptions& options) {
  RAMET_ASSIGN(const SourceTree tree, SourceTree::open(directory));
  if (options.progress != nullptr) measure(tree, *options.progress);
  RAMET_ASSIGN(auto transaction, store.begin(container));
  auto& working = static_cast<TransactionImpl&>(*transaction);
  const auto there = working.lookup(target);
  const bool is_new = !there.ok() || there->folder == kRootFolder;
  RAMET_ASSIGN(const FolderId folder, working.create_folders(target));
  Importer importer(working, tree, options);
  RAMET_ASSIGN(CopyReport report, importer.run(folder, is_new));
  RAMET_ASSIGN(report.sequence, transaction->commit());
  return report;
}

}  // namespace ramet
