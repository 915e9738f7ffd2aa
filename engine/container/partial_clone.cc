#include "engine/container/partial_clone.h"

#include <map>
#include <optional>

#include <fmt/format.h>

#include "engine/container/catalog.h"
#include "engine/container/subtree_share.h"
#include "engine/container/transaction_impl.h"
#include "engine/container/view_impl.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr size_t kBatch = 1024;

class PartialClone {
 public:
  PartialClone(StoreImpl& store, const CloneSpec& spec, const Reader& source,
               TransactionImpl& target, bool same_container)
      : store_(store),
        spec_(spec),
        source_(source),
        target_(target),
        // In one container an object cannot be there twice under one id.
        fresh_(spec.identity == CloneIdentity::kFresh || same_container) {}

  Status run() {
    RAMET_ASSIGN(const FolderId into, target_.create_folders(spec_.target_folder));
    RAMET_ASSIGN(const auto names, split_path(spec_.target_folder));
    std::string into_path;  // as it is shown: empty for the root folder
    for (const std::string& name : names) into_path += "/" + name;
    const Pending root{kRootFolder, into, into_path};
    if (spec_.paths.empty()) return clone_content(root);
    for (const std::string& path : spec_.paths) {
      RAMET_ASSIGN(const Entry entry, source_.lookup(path));
      if (entry.is_folder() && entry.folder == kRootFolder) {
        RAMET_TRY(clone_content(root));
        continue;
      }
      const std::string& name = spec_.target_name.empty() ? entry.name : spec_.target_name;
      RAMET_TRY(clone_entry(entry, name, root));
      RAMET_TRY(run_pending());
    }
    return run_pending();
  }

  CloneResult take_result() { return std::move(result_); }

 private:
  // A folder of the source, and the one of the target that takes its content.
  struct Pending {
    FolderId source;
    FolderId target;
    std::string path;       // of the target, for reports
    bool is_new = false;    // nothing is in it but what was cloned
    bool is_small = false;  // too little is below it to be shared
  };

  Status clone_content(const Pending& folder) {
    pending_.push_back(folder);
    return run_pending();
  }

  Status run_pending() {
    while (!pending_.empty()) {
      const Pending at = std::move(pending_.back());
      pending_.pop_back();
      if (++folders_seen_ > (source_.root().summary[SummaryColumn::kFolders] + 1) *
                                std::max<size_t>(1, spec_.paths.size())) {
        return Error(ErrorCode::kCorruption, "folders of the source hold each other");  // [INV-8]
      }
      std::string after;
      for (;;) {
        std::vector<Entry> batch;
        RAMET_TRY(source_.list(at.source, after, [&](const Entry& entry) {
          batch.push_back(entry);
          return batch.size() < kBatch;
        }));
        for (const Entry& entry : batch) {
          RAMET_TRY(clone_entry(entry, entry.name, at));
        }
        if (batch.size() < kBatch) break;
        after = batch.back().name;
      }
    }
    return ok();
  }

  Status clone_entry(const Entry& entry, const std::string& name, const Pending& parent) {
    const FolderId folder = parent.target;
    const std::string path = parent.path + "/" + name;
    std::optional<Entry> there;
    if (!parent.is_new) {
      RAMET_ASSIGN(there, target_.reader().find(folder, name));
    }
    if (there && !(entry.is_folder() && there->is_folder() &&
                   spec_.existing == CloneExisting::kReplace)) {
      if (spec_.existing == CloneExisting::kFail) {
        return Error(ErrorCode::kAlreadyExists,
                     fmt::format("the target has '{}' already", printable(path)));
      }
      if (spec_.existing == CloneExisting::kSkip) {
        result_.skipped.push_back(path);
        return ok();
      }
      RAMET_TRY(target_.remove_tree(folder, name));
    }
    if (!entry.is_folder()) return clone_object(entry.object, folder, name, path);
    bool is_small = parent.is_small;
    if (!there && !fresh_ && !is_small) {
      RAMET_ASSIGN(const bool pays, SubtreeShare::pays(source_, entry.folder,
                                                       store_.options().graft_entries_min));
      is_small = !pays;
      RAMET_ASSIGN(const bool has_it, target_.reader().has_folder(entry.folder));
      if (pays && !has_it) return share_folder(entry.folder, folder, name);
    }
    FolderId made;
    if (there && there->is_folder()) {
      made = there->folder;
    } else {
      RAMET_ASSIGN(const FolderInfo info, source_.folder(entry.folder));
      RAMET_ASSIGN(made, target_.create_folder(folder, name, info.attributes));
      ++result_.folders_created;
    }
    pending_.push_back({entry.folder, made, path, !there, is_small});
    return ok();
  }

  Status share_folder(const FolderId& id, const FolderId& parent, const std::string& name) {
    RAMET_TRY(check_name(name));
    SubtreeShare share(source_, target_, store_.options().graft_entries_min);
    RAMET_TRY(share.run(id));
    RAMET_ASSIGN(FolderInfo info, source_.folder(id));
    info.parent = parent;
    info.name = name;
    RAMET_TRY(target_.put(folder_key(id), encode_folder(info)));
    RAMET_TRY(target_.put(dirent_key(parent, name + "/", id), encode_folder_dirent()));
    result_.folders_created += share.folders();
    result_.objects_created += share.objects();
    result_.bytes_shared += share.content_bytes();
    for (const SubtreeShare::Left& left : share.left()) {
      RAMET_ASSIGN(const std::string path, target_.reader().path_of(left.folder));
      RAMET_TRY(clone_entry(left.entry, left.entry.name, {left.folder, left.folder, path, true}));
    }
    return ok();
  }

  Status clone_object(const ObjectId& id, const FolderId& folder, const std::string& name,
                      const std::string& path) {
    // A second name of an object that was cloned already is a second name of the clone.
    const auto known = cloned_.find(id);
    if (known != cloned_.end()) return target_.link(known->second, folder, name);
    RAMET_ASSIGN(const ObjectRecord source_record, source_.object(id));
    ObjectRecord record = source_record;
    record.info.version = 0;  // its history is not carried along
    record.info.unversioned = false;
    record.info.lock = {};
    const bool has_more_names = record.info.links_count > 1;
    if (fresh_) {
      record.info.id = store_.new_id<ObjectId>();
    } else {
      const auto there = target_.reader().object(id);
      if (there.ok()) {
        if (spec_.existing == CloneExisting::kFail) {
          return Error(ErrorCode::kAlreadyExists,
                       fmt::format("the target holds object {} already", to_uuid(id)));
        }
        result_.skipped.push_back(path);
        return ok();
      }
      if (there.error().code() != ErrorCode::kNotFound) return there.error();
    }
    RAMET_TRY(target_.share_extents(source_.root(), source_record, record));
    record.info.created = fresh_ ? store_.env().now() : record.info.created;
    record.info.folder = folder;
    record.info.name = name;
    record.info.links_count = 1;
    RAMET_TRY(target_.put_new_object(record));
    if (has_more_names) cloned_.emplace(id, record.info.id);
    ++result_.objects_created;
    result_.bytes_shared += record.info.size;
    return ok();
  }

  StoreImpl& store_;
  const CloneSpec& spec_;
  const Reader& source_;
  TransactionImpl& target_;
  const bool fresh_;
  std::vector<Pending> pending_;
  uint64_t folders_seen_ = 0;
  std::map<ObjectId, ObjectId> cloned_;  // only objects with several names
  CloneResult result_;
};

}  // namespace

Result<CloneResult> clone_part(StoreImpl& store, const CloneSpec& spec) {
  // First: its hold keeps until a checkpoint has counted what is taken from the view.
  RAMET_ASSIGN(auto transaction, store.begin(spec.target));
  RAMET_ASSIGN(const auto view, store.view(spec.source, spec.snapshot));
  const Reader& source = static_cast<const ViewImpl&>(*view).reader();
  auto& target = static_cast<TransactionImpl&>(*transaction);
  if (source.flat() != target.policy().flat) {
    return Error(ErrorCode::kFailedPrecondition,
                 "one of the two containers is flat (names are whole keys), the other has "
                 "folders");
  }
  PartialClone clone(store, spec, source, target, spec.source == spec.target);
  RAMET_TRY(clone.run());
  CloneResult result = clone.take_result();
  result.container = spec.target;
  RAMET_ASSIGN(result.sequence, transaction->commit());
  return result;
}

}  // namespace ramet::engine
