#include "engine/container/partial_clone.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

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
               TransactionImpl& target, bool same_container, bool has_versions)
      : store_(store),
        spec_(spec),
        source_(source),
        target_(target),
        // In one container an object cannot be there twice under one id.
        fresh_(spec.identity == CloneIdentity::kFresh || same_container),
        has_versions_(has_versions),
        is_plain_(!spec.by_id ||
                  (is_plain(source.root().summary) && spec.not_held_by.empty())) {}

  Status run() {
    RAMET_TRY(select());
    if (held_ == 0) return ok();
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("{} objects are held where they must not be", held_));
  }

  CloneResult take_result() {
    std::sort(result_.existing.begin(), result_.existing.end());
    return std::move(result_);
  }

 private:
  Status select() {
    RAMET_ASSIGN(const FolderId into, target_folder());
    RAMET_ASSIGN(const auto names, split_path(spec_.target_folder));
    std::string into_path;  // as it is shown: empty for the root folder
    for (const std::string& name : names) into_path += "/" + name;
    const Pending root{kRootFolder, into, into_path};
    if (spec_.paths.empty() && spec_.objects.empty()) return clone_content(root);
    RAMET_ASSIGN(const bool shared, share_all(into));
    if (shared) return ok();
    RAMET_TRY(clone_listed(into));
    std::set<FolderId> selected;
    for (const std::string& path : spec_.paths) {
      RAMET_ASSIGN(const Entry entry, source_.lookup(path));
      if (spec_.by_id && entry.is_folder() && !selected.insert(entry.folder).second) continue;
      selected_path_ = path;
      if (entry.is_folder() && entry.folder == kRootFolder) {
        RAMET_TRY(clone_content(root));
        continue;
      }
      const std::string& name = spec_.target_name.empty() ? entry.name : spec_.target_name;
      RAMET_TRY(clone_entry(entry, name, root));
      RAMET_TRY(run_pending());
    }
    RAMET_TRY(run_pending());
    selected_path_.clear();
    return clone_linked(into);
  }

  // Nothing in it needs to be looked at before it is shared.
  static bool is_plain(const Summary& summary) {
    for (const SummaryColumn column :
         {SummaryColumn::kOpen, SummaryColumn::kHidden, SummaryColumn::kNotClonable,
          SummaryColumn::kArchival, SummaryColumn::kNotLive, SummaryColumn::kSponsored}) {
      if (summary[column] != 0) return false;
    }
    return true;
  }

  // What has the name of one goes out of its way.
  Result<FolderId> make_folders() {
    RAMET_ASSIGN(const auto names, split_path(spec_.target_folder));
    FolderId at = kRootFolder;
    Attributes attributes;
    attributes.mode = 040755;
    for (const std::string& name : names) {
      RAMET_TRY(target_.make_way(at, name));
      RAMET_ASSIGN(const auto found, target_.reader().find(at, name));
      if (found) {
        at = found->folder;
      } else {
        RAMET_ASSIGN(at, target_.create_folder(at, name, attributes));
      }
    }
    return at;
  }

  Result<FolderId> target_folder() {
    if (spec_.parents && spec_.by_id) return make_folders();
    if (spec_.parents) return target_.create_folders(spec_.target_folder);
    if (spec_.target_folder.empty()) return kRootFolder;
    RAMET_ASSIGN(const Entry entry, target_.lookup(spec_.target_folder));
    if (entry.is_folder()) return entry.folder;
    return Error(ErrorCode::kNotFound,
                 fmt::format("'{}' is not a folder", printable(spec_.target_folder)));
  }

  // All of the source into an empty container: every space of its tree as a whole, O(log n).
  Result<bool> share_all(const FolderId& into) {
    if (!spec_.by_id || !is_plain_ || has_versions_ || into != kRootFolder ||
        !spec_.objects.empty() || spec_.paths.size() != 1) {
      return false;
    }
    RAMET_ASSIGN(const Entry entry, source_.lookup(spec_.paths.front()));
    const Summary& there = target_.base().summary;
    const Summary& all = source_.root().summary;
    if (!entry.is_folder() || entry.folder != kRootFolder ||
        there[SummaryColumn::kObjects] != 0 || there[SummaryColumn::kFolders] != 0 ||
        all[SummaryColumn::kEntries] < store_.options().graft_entries_min) {
      return false;
    }
    for (const ContainerSpace space :
         {ContainerSpace::kObject, ContainerSpace::kId, ContainerSpace::kExtent,
          ContainerSpace::kDirent, ContainerSpace::kFolder, ContainerSpace::kLinkedBy}) {
      RAMET_TRY(target_.graft(space_range(space), source_.root()));
    }
    result_.objects_created = all[SummaryColumn::kObjects];
    result_.folders_created = all[SummaryColumn::kFolders];
    result_.bytes_shared = all[SummaryColumn::kContentBytes];
    return true;
  }

  Status clone_listed(const FolderId& into) {
    for (const ObjectId& id : spec_.objects) {
      if (!placed_.insert(id).second) continue;
      RAMET_TRY(clone_by_id(id, into, true));
    }
    return ok();
  }

  // Hidden objects that those that were cloned lead to, and what these lead to.
  Status clone_linked(const FolderId& into) {
    while (!links_.empty()) {
      const ObjectId id = links_.back().target;
      const bool required = links_.back().required;
      links_.pop_back();
      if (placed_.contains(id)) continue;
      const auto record = source_.object(id);
      if (!record.ok()) {
        if (record.error().code() == ErrorCode::kNotFound) continue;  // not in this container
        return record.error();
      }
      if (!record->info.standing.hidden && !required) continue;
      placed_.insert(id);
      const auto inside = hidden_.find(id);
      RAMET_TRY(clone_by_id(id, inside == hidden_.end() ? into : inside->second, true));
    }
    return ok();
  }

  void note(CloneRefusal refusal) const {
    if (spec_.refusals == nullptr || spec_.refusals->size() >= kCloneRefusalsMax) return;
    spec_.refusals->push_back(std::move(refusal));
  }

  // Counts and notes it; the others are looked at, too, so that all are told.
  Status check_holders(const ObjectId& id) {
    if (spec_.not_held_by.empty()) return ok();
    RAMET_ASSIGN(const auto holders, store_.holders(id, spec_.not_held_by));
    if (holders.empty()) return ok();
    ++held_;
    note({CloneRefusalReason::kHeld, id, holders.front(), selected_path_});
    return ok();
  }

  // Why it may not be cloned; nothing if it may.
  Status check_standing(const ObjectInfo& info) const {
    const auto refuse = [&](CloneRefusalReason reason, std::string_view why) {
      note({reason, info.id, {}, selected_path_});
      return Error(ErrorCode::kFailedPrecondition,
                   fmt::format("object {} ('{}') {}", to_uuid(info.id), printable(info.name), why));
    };
    const Standing& standing = info.standing;
    if (standing.clone_rule == CloneRule::kNever) {
      return refuse(CloneRefusalReason::kNeverCloned, "belongs to its container");
    }
    if (standing.state != ObjectState::kClosed &&
        standing.clone_rule != CloneRule::kCopiedWhileOpen) {
      return refuse(CloneRefusalReason::kNotClosed, "is not closed");
    }
    if (is_transition(standing.archival)) {
      return refuse(CloneRefusalReason::kTransition, "is being archived or unarchived");
    }
    if (spec_.only_live && standing.archival != Archival::kLive) {
      return refuse(CloneRefusalReason::kNotLive, "is not live");
    }
    if (spec_.no_sponsored && standing.sponsored) {
      return refuse(CloneRefusalReason::kSponsored, "is sponsored");
    }
    return ok();
  }

  // `wanted`: hidden or not.
  Status clone_by_id(const ObjectId& id, const FolderId& folder, bool wanted) {
    RAMET_ASSIGN(const ObjectRecord source_record, source_.object(id));
    const Standing& standing = source_record.info.standing;
    if (standing.hidden && !wanted) {
      placed_.erase(id);
      hidden_.emplace(id, folder);
      return ok();
    }
    RAMET_TRY(check_standing(source_record.info));
    if (!is_plain_) {
      for (const ObjectLink& link : standing.links) {
        if (link.container.is_null() || link.container == spec_.source) {
          links_.push_back(link);
        }
      }
    }
    ObjectRecord record = source_record;
    if (standing.state == ObjectState::kClosed) {
      const auto there = target_.reader().object(id);
      if (there.ok()) {
        // (Another selected folder may have brought it.)
        const Reader before(store_.context(), target_.base(), target_.policy().flat);
        if (before.object(id).ok()) result_.existing.push_back(id);
        return ok();
      }
      if (there.error().code() != ErrorCode::kNotFound) return there.error();
    } else {
      record.info.id = store_.new_id<ObjectId>();
    }
    RAMET_TRY(check_holders(id));
    return put_clone(source_record, record, folder, {});
  }

  // `name` empty: by its title.
  Status put_clone(const ObjectRecord& source_record, ObjectRecord& record, const FolderId& folder,
                   const std::string& name) {
    ObjectInfo& info = record.info;
    info.version = 0;  // its history is not carried along
    info.unversioned = false;
    info.lock = {};
    RAMET_TRY(target_.share_extents(source_.root(), source_record, record));
    info.folder = folder;
    info.links_count = 1;
    if (name.empty()) {
      const std::string title =
          info.standing.title.empty() ? std::string(info.name) : info.standing.title;
      RAMET_TRY(target_.give_name(folder, title, info, {}));
    } else {
      info.name = name;
    }
    RAMET_TRY(target_.put_new_object(record));
    ++result_.objects_created;
    result_.bytes_shared += info.size;
    return ok();
  }

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
    if (spec_.by_id && !entry.is_folder()) {
      if (!placed_.insert(entry.object).second) return ok();
      return clone_by_id(entry.object, folder, false);
    }
    if (!parent.is_new) {
      RAMET_ASSIGN(there, target_.reader().find(folder, name));
    }
    if (there && spec_.by_id) {
      if (there->is_folder()) {
        note({CloneRefusalReason::kFolderThere, {}, {}, selected_path_});
        return Error(ErrorCode::kFailedPrecondition,
                     fmt::format("the target has a folder '{}' already", printable(path)));
      }
      RAMET_TRY(target_.make_way(folder, name));
      there.reset();
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
    if (!there && !fresh_ && !is_small && is_plain_) {
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
    if (fresh_) record.info.created = store_.env().now();
    RAMET_TRY(put_clone(source_record, record, folder, name));
    if (has_more_names) cloned_.emplace(id, record.info.id);
    return ok();
  }

  StoreImpl& store_;
  const CloneSpec& spec_;
  const Reader& source_;
  TransactionImpl& target_;
  const bool fresh_;
  const bool has_versions_;  // of the source
  const bool is_plain_;
  // With by_id:
  std::set<ObjectId> placed_;           // cloned, or found in the target, one by one
  std::map<ObjectId, FolderId> hidden_;  // in selected folders: where they would go
  std::vector<ObjectLink> links_;       // of what was cloned; not followed yet
  std::string selected_path_;           // that is being cloned; empty: none
  uint64_t held_ = 0;                   // objects that `not_held_by` refuses
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
  if (target.policy().records != nullptr) {
    return Error(ErrorCode::kFailedPrecondition,
                 "the target holds records: those are cloned into a new container");
  }
  if (source.flat() != target.policy().flat) {
    return Error(ErrorCode::kFailedPrecondition,
                 "one of the two containers is flat (names are whole keys), the other has "
                 "folders");
  }
  RAMET_ASSIGN(const ContainerEntry container,
               find_container(store.context(), store.visible().catalog, spec.source));
  const bool has_versions = !own_setting(container.record, kVersioningSetting).empty() &&
                            own_setting(container.record, kVersioningSetting) != "off";
  PartialClone clone(store, spec, source, target, spec.source == spec.target, has_versions);
  RAMET_TRY(clone.run());
  CloneResult result = clone.take_result();
  result.container = spec.target;
  RAMET_ASSIGN(result.sequence, transaction->commit());
  return result;
}

}  // namespace ramet::engine
