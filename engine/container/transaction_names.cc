// Names, folders and objects of a transaction.
#include <algorithm>

#include <fmt/format.h>

#include "engine/container/metadata.h"
#include "engine/container/transaction_impl.h"
#include "engine/content/content_writer.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "engine/tree/persist.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr size_t kTargetBytesMax = 4095;
// EXTENT entries, of about 50 blocks each, from which on a copy shares the tree that they are in.
constexpr size_t kEntriesCopied = 16;
// Attributes must leave room in a tree's value; greater ones are not stored piecemeal.
constexpr size_t kXattrBytesMax = 8u << 10;

Error exists(std::string_view name) {
  return Error(ErrorCode::kAlreadyExists, fmt::format("'{}' exists already", printable(name)));
}

}  // namespace

Status check_attributes(const Attributes& attributes, std::string_view name) {
  size_t bytes = 0;
  for (const Xattr& xattr : attributes.xattrs) bytes += xattr.name.size() + xattr.value.size() + 32;
  if (bytes <= kXattrBytesMax) return ok();
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' has {} bytes of extended attributes; at most {} are kept",
                           printable(name), bytes, kXattrBytesMax));
}

Status TransactionImpl::check_entry_name(const FolderId& folder, std::string_view name) const {
  if (policy_.records != nullptr) {
    return Error(ErrorCode::kFailedPrecondition,
                 "the container holds records, which have no names");
  }
  if (!policy_.flat) return check_name(name);
  if (folder != kRootFolder) {
    return Error(ErrorCode::kNotFound, "the container is flat: it has no folders");
  }
  return check_key_name(name);
}

Status TransactionImpl::check_parent(const FolderId& folder) const {
  RAMET_ASSIGN(const bool found, reader().has_folder(folder));
  if (found) return ok();
  return Error(ErrorCode::kNotFound, fmt::format("there is no folder {}", to_uuid(folder)));
}

Status TransactionImpl::check_free(const FolderId& folder, std::string_view name) const {
  RAMET_ASSIGN(const auto found, reader().find(folder, name));
  return found ? Status(exists(name)) : ok();
}

Result<FolderId> TransactionImpl::create_folder(FolderId parent, std::string_view name,
                                                const Attributes& attributes) {
  if (policy_.flat) {
    return Error(ErrorCode::kFailedPrecondition, "the container is flat: it has no folders");
  }
  RAMET_TRY(check_name(name));
  RAMET_TRY(check_attributes(attributes, name));
  RAMET_TRY(check_parent(parent));
  RAMET_TRY(check_free(parent, name));
  FolderInfo info;
  info.id = store_.new_id<FolderId>();
  info.parent = parent;
  info.name = std::string(name);
  info.attributes = attributes;
  info.created = store_.env().now();
  if (info.attributes.modified == 0) info.attributes.modified = info.created;
  RAMET_TRY(put(folder_key(info.id), encode_folder(info)));
  RAMET_TRY(put(dirent_key(parent, info.name + "/", info.id), encode_folder_dirent()));
  return info.id;
}

Result<FolderId> TransactionImpl::create_folders(std::string_view path) {
  RAMET_ASSIGN(const auto names, split_path(path));
  FolderId at = kRootFolder;
  Attributes attributes;
  attributes.mode = 040755;
  for (const std::string& name : names) {
    RAMET_ASSIGN(const auto found, reader().find(at, name));
    if (!found) {
      RAMET_ASSIGN(at, create_folder(at, name, attributes));
    } else if (found->is_folder()) {
      at = found->folder;
    } else {
      return Error(ErrorCode::kAlreadyExists,
                   fmt::format("'{}' is there and not a folder", printable(name)));
    }
  }
  return at;
}

Result<std::unique_ptr<ContentWriter>> TransactionImpl::write_content() {
  return std::unique_ptr<ContentWriter>(
      std::make_unique<ContentWriterImpl>(*this, store_.new_id<ObjectId>()));
}

Result<ObjectId> TransactionImpl::put_object(FolderId folder, std::string_view name,
                                             const Attributes& attributes,
                                             std::unique_ptr<ContentWriter> content) {
  ObjectInit init;
  init.attributes = attributes;
  return put_object(folder, name, init, std::move(content));
}

Result<ObjectId> TransactionImpl::put_object(FolderId folder, std::string_view name,
                                             const ObjectInit& init,
                                             std::unique_ptr<ContentWriter> content) {
  ObjectRecord record;
  record.info.attributes = init.attributes;
  record.info.metadata = init.metadata;
  record.info.lock = init.lock;
  record.info.standing = init.standing;
  record.info.standing.title.clear();
  if (content != nullptr) {
    auto* writer = static_cast<ContentWriterImpl*>(content.get());
    RAMET_TRY(writer->finish(record));
  }
  const auto put = put_prepared(folder, name, record);
  // The caller may go on and commit: entries of an object that is not there would stay.
  if (!put.ok()) RAMET_TRY(discard_content(record));
  return put;
}

Result<ObjectId> TransactionImpl::put_symlink(FolderId folder, std::string_view name,
                                              std::string_view target,
                                              const Attributes& attributes) {
  if (target.empty() || target.size() > kTargetBytesMax) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a link's target must have 1 to {} bytes, not {}", kTargetBytesMax,
                             target.size()));
  }
  ObjectRecord record;
  record.info.attributes = attributes;
  record.info.attributes.mode = 0120000 | (attributes.mode & 07777);
  record.info.target = std::string(target);
  return put_prepared(folder, name, std::move(record));
}

Result<ObjectId> TransactionImpl::put_prepared(FolderId folder, std::string_view name,
                                               ObjectRecord record) {
  RAMET_TRY(check_entry_name(folder, name));
  RAMET_TRY(check_attributes(record.info.attributes, name));
  RAMET_TRY(check_metadata(record.info.metadata, name));
  RAMET_TRY(check_standing(record.info.standing, name));
  RAMET_TRY(check_parent(folder));
  ObjectInfo& info = record.info;
  if (info.lock != ObjectLock{} && !policy_.locks) {
    return Error(ErrorCode::kFailedPrecondition,
                 "the container has no locks: its setting 'object-lock' is off");
  }
  const int64_t now = store_.env().now();
  if (info.attributes.modified == 0) info.attributes.modified = now;
  info.entry_class = class_of_mode(info.attributes.mode);
  if (info.entry_class == EntryClass::kFolder) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}': an object cannot have a folder's mode", printable(name)));
  }
  RAMET_ASSIGN(const auto found, reader().find(folder, name));
  if (!found) {
    info.created = now;
    info.folder = folder;
    info.name = std::string(name);
    RAMET_TRY(begin_versions(record));
    RAMET_TRY(put_new_object(record));
    return info.id;
  }
  if (found->is_folder()) return exists(name);
  // The same object with new content: all its names see it.
  RAMET_ASSIGN(const ObjectRecord old, reader().object(found->object));
  if (old.info.type != kFileType) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("'{}' is a record, which has no content", printable(name)));
  }
  RAMET_TRY(replace_version(old, record));
  if (record.form == ContentForm::kExtents) RAMET_TRY(move_extents(info.id, old.info.id));
  info.id = old.info.id;
  info.created = old.info.created;
  info.folder = old.info.folder;
  info.name = old.info.name;
  info.links_count = old.info.links_count;
  info.standing = old.info.standing;
  info.documents = old.info.documents;
  drop_content_documents(info.documents);
  RAMET_TRY(put_record(record));
  RAMET_TRY(put_dirents(record));
  return info.id;
}

Status TransactionImpl::discard_content(const ObjectRecord& record) {
  if (record.form != ContentForm::kExtents) return ok();
  return erase_range(extent_range(kFileType, record.info.id, 0));
}

Status TransactionImpl::put_record(const ObjectRecord& record) {
  EncodedRecord encoded = encode_object(record);
  return put(object_key(record.info.type, record.info.id), std::move(encoded.value),
             std::move(encoded.refs));
}

Status TransactionImpl::put_new_object(const ObjectRecord& record) {
  RAMET_TRY(put_record(record));
  if (record.info.type != kFileType) {
    Bytes type;
    append(type, record.info.type);
    RAMET_TRY(put(id_entry_key(record.info.id), std::move(type)));
  }
  return put_dirent({record.info.folder, record.info.name}, record);
}

Status TransactionImpl::put_dirent(const Name& name, const ObjectRecord& record) {
  return put(dirent_key(name.folder, name.name, record.info.id), encode_dirent(record.info));
}

Result<std::vector<TransactionImpl::Name>> TransactionImpl::names_of(
    const ObjectRecord& record) const {
  std::vector<Name> names{{record.info.folder, record.info.name}};
  if (record.info.links_count <= 1) return names;
  const KeyRange range = linked_by_range(record.info.id);
  Cursor cursor(context_, work_->share());
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(LinkedByKey key, decode_linked_by_key(cursor.key()));
    names.push_back({FolderId{key.source}, std::move(key.name)});
    RAMET_TRY(cursor.next());
  }
  return names;
}

Status TransactionImpl::put_dirents(const ObjectRecord& record) {
  RAMET_ASSIGN(const auto names, names_of(record));
  for (const Name& name : names) RAMET_TRY(put_dirent(name, record));
  return ok();
}

Status TransactionImpl::move_extents(const ObjectId& from, const ObjectId& to) {
  return move_entries(extent_range(kFileType, from, 0),
                      [&](uint64_t end) { return extent_key(kFileType, to, 0, end); });
}

void TransactionImpl::lean_on(const BlockRef& ref) {
  if (store_.blocks().is_volatile(ref)) ingest_.lean_on(ref);
}

Status TransactionImpl::share_tree(const WrittenRoot& tree) {
  lean_on(tree.ref);
  hold_->refers_to_its_base();
  return ok();
}

// Few entries are copied; many are made a tree that both records lead to, whose inner parts are the
// nodes that the source has: O(log n) [INV-5].
Status TransactionImpl::share_extents(const Root& source, const ObjectRecord& from,
                                      ObjectRecord& to) {
  to.form = from.form;
  to.extents = from.extents;
  to.extent_tree = from.extent_tree;
  for (const Extent& extent : from.extents) lean_on(extent.block);
  for (const ObjectDocument& document : to.info.documents) lean_on(document.block);
  if (from.form == ContentForm::kTree) return share_tree(to.extent_tree);
  if (from.form != ContentForm::kExtents) return ok();
  const KeyRange range = Reader::extent_entries(from);
  std::vector<std::pair<uint64_t, Value>> entries;
  Cursor cursor(context_, source);
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key()) && entries.size() <= kEntriesCopied) {
    entries.emplace_back(end_of_run(cursor.key()), cursor.pinned_value());
    RAMET_TRY(cursor.next());
  }
  if (entries.size() <= kEntriesCopied) {
    for (const auto& [end, value] : entries) {
      for (const BlockRef& ref : value.refs()) lean_on(ref);
      RAMET_TRY(put(extent_key(from.info.type, to.info.id, 0, end), Bytes(value.bytes()),
                    {value.refs().begin(), value.refs().end()}));
    }
    return ok();
  }
  Tree tree(context_, source);
  RAMET_TRY(tree.keep_range(range.from, range.to, sequence_));
  RAMET_ASSIGN(const Root written, write_copy(context_, tree.share(), sequence_));
  to.form = ContentForm::kTree;
  to.extent_tree = written_root(written);
  return share_tree(to.extent_tree);
}

Status TransactionImpl::link(ObjectId object, FolderId folder, std::string_view name) {
  RAMET_TRY(check_entry_name(folder, name));
  RAMET_TRY(check_parent(folder));
  RAMET_TRY(check_free(folder, name));
  RAMET_ASSIGN(ObjectRecord record, reader().object(object));
  ++record.info.links_count;
  RAMET_TRY(put_record(record));
  RAMET_TRY(put(linked_by_key(object, folder, name), {}));
  return put_dirent({folder, std::string(name)}, record);
}

Status TransactionImpl::set_attributes(ObjectId object, const Attributes& attributes) {
  RAMET_ASSIGN(ObjectRecord record, reader().object(object));
  RAMET_TRY(check_attributes(attributes, record.info.name));
  if (class_of(record.info.type, attributes.mode) != record.info.entry_class) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}': the type of an object cannot be changed",
                             printable(record.info.name)));
  }
  record.info.attributes = attributes;
  return put_record(record);
}

Status TransactionImpl::set_attributes(FolderId folder, const Attributes& attributes) {
  RAMET_ASSIGN(FolderInfo info, reader().folder(folder));
  RAMET_TRY(check_attributes(attributes, info.name));
  info.attributes = attributes;
  return put(folder_key(folder), encode_folder(info));
}

Status TransactionImpl::erase_object(const ObjectRecord& record) {
  const ObjectInfo& info = record.info;
  if (record.form == ContentForm::kExtents) {
    RAMET_TRY(erase_range(extent_range(info.type, info.id, 0)));
  }
  if (info.type != kFileType) RAMET_TRY(erase(id_entry_key(info.id)));
  return erase(object_key(info.type, info.id));
}

Status TransactionImpl::unlink(const Name& name, const ObjectId& id) {
  RAMET_ASSIGN(ObjectRecord record, reader().object(id));
  RAMET_TRY(erase(dirent_key(name.folder, name.name, id)));
  if (record.info.links_count <= 1) return remove_object(record);
  RAMET_ASSIGN(auto names, names_of(record));
  --record.info.links_count;
  if (record.info.folder == name.folder && record.info.name == name.name) {
    // Another name becomes the first one.
    if (names.size() < 2) {
      return Error(ErrorCode::kCorruption,
                   fmt::format("object {} has {} names, but only one is known", to_uuid(id),
                               record.info.links_count + 1));
    }
    record.info.folder = names[1].folder;
    record.info.name = names[1].name;
    RAMET_TRY(erase(linked_by_key(id, names[1].folder, names[1].name)));
  } else {
    RAMET_TRY(erase(linked_by_key(id, name.folder, name.name)));
  }
  return put_record(record);
}

Status TransactionImpl::remove_entry(const FolderId& folder, const Entry& entry) {
  if (!entry.is_folder()) return unlink({folder, entry.name}, entry.object);
  RAMET_TRY(erase(dirent_key(folder, entry.name + "/", entry.folder)));
  return erase(folder_key(entry.folder));
}

Status TransactionImpl::remove(FolderId folder, std::string_view name) {
  RAMET_ASSIGN(const Entry entry, lookup(folder, name));
  if (entry.is_folder()) {
    bool empty = true;
    RAMET_TRY(list(entry.folder, {}, [&](const Entry&) { return empty = false; }));
    if (!empty) {
      return Error(ErrorCode::kFailedPrecondition,
                   fmt::format("the folder '{}' is not empty", printable(name)));
    }
  }
  return remove_entry(folder, entry);
}

Status TransactionImpl::remove_tree(FolderId folder, std::string_view name) {
  RAMET_ASSIGN(const Entry top, lookup(folder, name));
  if (!top.is_folder()) return remove_entry(folder, top);
  struct Level {
    FolderId parent;
    Entry entry;
  };
  // Depth first: a folder goes when everything in it is gone.
  std::vector<Level> stack{{folder, top}};
  while (!stack.empty()) {
    const FolderId at = stack.back().entry.folder;
    std::vector<Entry> batch;
    RAMET_TRY(list(at, {}, [&](const Entry& entry) {
      batch.push_back(entry);
      return batch.size() < 1024;
    }));
    if (batch.empty()) {
      RAMET_TRY(remove_entry(stack.back().parent, stack.back().entry));
      stack.pop_back();
      continue;
    }
    bool descended = false;
    for (const Entry& entry : batch) {
      if (entry.is_folder()) {
        stack.push_back({at, entry});
        if (stack.size() > work_->share().summary[SummaryColumn::kFolders] + 1) {
          return Error(ErrorCode::kCorruption, "folders hold each other");  // [INV-8]
        }
        descended = true;
        break;
      }
      RAMET_TRY(remove_entry(at, entry));
    }
    if (descended) continue;
  }
  return ok();
}

Status TransactionImpl::replace_target(const Entry& moved, const Name& to, bool replace,
                                       bool* same) {
  *same = false;
  RAMET_ASSIGN(const auto target, reader().find(to.folder, to.name));
  if (!target) return ok();
  if (moved.is_folder() ? target->folder == moved.folder && target->is_folder()
                        : target->object == moved.object && !target->is_folder()) {
    *same = true;  // two names of one object: rename(2) leaves both
    return ok();
  }
  if (!replace || target->is_folder() != moved.is_folder()) return exists(to.name);
  return remove(to.folder, to.name);
}

Status TransactionImpl::rename(FolderId from_folder, std::string_view from_name,
                               FolderId to_folder, std::string_view to_name, bool replace) {
  RAMET_TRY(check_entry_name(to_folder, to_name));
  RAMET_TRY(check_parent(to_folder));
  RAMET_ASSIGN(const Entry entry, lookup(from_folder, from_name));
  const Name from{from_folder, std::string(from_name)};
  const Name to{to_folder, std::string(to_name)};
  if (entry.is_folder()) {
    uint64_t left = work_->share().summary[SummaryColumn::kFolders] + 1;
    for (FolderId at = to_folder; at != kRootFolder;) {
      if (left-- == 0) return Error(ErrorCode::kCorruption, "folders hold each other");  // [INV-8]
      if (at == entry.folder) {
        return Error(ErrorCode::kInvalidArgument,
                     fmt::format("the folder '{}' cannot be moved below itself",
                                 printable(from_name)));
      }
      RAMET_ASSIGN(const FolderInfo info, reader().folder(at));
      at = info.parent;
    }
  }
  bool same = false;
  RAMET_TRY(replace_target(entry, to, replace, &same));
  if (same) return ok();
  if (entry.is_folder()) return rename_folder(from, to, entry.folder);
  return rename_object(from, to, entry.object);
}

Status TransactionImpl::rename_folder(const Name& from, const Name& to, const FolderId& id) {
  RAMET_ASSIGN(FolderInfo info, reader().folder(id));
  info.parent = to.folder;
  info.name = to.name;
  moved_folders_ = true;
  RAMET_TRY(put(folder_key(id), encode_folder(info)));
  RAMET_TRY(erase(dirent_key(from.folder, from.name + "/", id)));
  return put(dirent_key(to.folder, to.name + "/", id), encode_folder_dirent());
}

Status TransactionImpl::rename_object(const Name& from, const Name& to, const ObjectId& id) {
  RAMET_ASSIGN(ObjectRecord record, reader().object(id));
  RAMET_TRY(erase(dirent_key(from.folder, from.name, id)));
  if (record.info.folder == from.folder && record.info.name == from.name) {
    record.info.folder = to.folder;
    // Who renames it says what it is called; who moves it does not.
    if (record.info.name != to.name) record.info.standing.title.clear();
    record.info.name = to.name;
    RAMET_TRY(put_record(record));
  } else {
    RAMET_TRY(erase(linked_by_key(id, from.folder, from.name)));
    RAMET_TRY(put(linked_by_key(id, to.folder, to.name), {}));
  }
  return put_dirent(to, record);
}

}  // namespace ramet::engine
