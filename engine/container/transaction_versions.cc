// Versions, locks, metadata and documents of a transaction.
//
// The current version of an object is its OBJECT and EXTENT entries. An earlier one is the same
// record as a VERSION entry, with its extents in HISTORY_EXTENT; so what reads an object reads its
// versions. A name that was removed ends with a deletion, a VERSION entry without content, and a
// REMOVED entry leads from the name to the object.
#include <fmt/format.h>

#include "engine/container/metadata.h"
#include "engine/container/transaction_impl.h"
#include "engine/content/content_writer.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr size_t kDocumentNameMax = 64;
constexpr size_t kDocumentBytesMax = 64u << 10;
constexpr size_t kDocumentPartBytes = 8u << 10;

// What was made before versions were kept.
ObjectRecord as_unversioned(ObjectRecord record) {
  if (record.info.version == 0) record.info.unversioned = true;
  return record;
}

}  // namespace

ContainerPolicy policy_of(const ContainerRecord& record, Compression compression,
                          IdCiphers& ciphers) {
  ContainerPolicy policy;
  policy.records = record_space_of(record, ciphers);
  policy.flat = !record.has_folders();
  policy.compression = compression;
  const std::string_view versioning = own_setting(record, kVersioningSetting);
  // What a later version may say keeps more, not less.
  if (versioning == "suspended") {
    policy.versioning = ContainerPolicy::Versioning::kSuspended;
  } else if (versioning != "off") {
    policy.versioning = ContainerPolicy::Versioning::kOn;
  }
  policy.locks = own_setting(record, kObjectLockSetting) != "off";
  return policy;
}

Status TransactionImpl::check_unlocked(const ObjectRecord& record, bool bypass_governance) const {
  const ObjectLock& lock = record.info.lock;
  if (!policy_.locks || !lock.holds(store_.env().now())) return ok();
  if (bypass_governance && !lock.legal_hold && lock.mode == RetentionMode::kGovernance) return ok();
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("'{}' is locked: {}", printable(record.info.name),
                           lock.legal_hold ? "a legal hold is on it"
                                           : "its retention has not ended"));
}

Result<VersionNumber> TransactionImpl::newest_version(const ObjectId& id) const {
  VersionNumber newest = 0;
  RAMET_TRY(reader().earlier_versions(id, [&](ObjectRecord& record) {
    newest = record.info.version;
    return false;
  }));
  return newest;
}

Status TransactionImpl::move_entries(const KeyRange& range,
                                     const std::function<Bytes(uint64_t end)>& key_of) {
  Bytes seek = range.from;
  for (;;) {
    // The cursor's version is pinned while entries are moved in the working copy.
    std::vector<std::pair<uint64_t, Value>> batch;
    Cursor cursor(context_, work_->share());
    RAMET_TRY(cursor.seek(seek));
    while (cursor.valid() && range.contains(cursor.key()) && batch.size() < 256) {
      batch.emplace_back(end_of_run(cursor.key()), cursor.pinned_value());
      seek = key_after(cursor.key());
      RAMET_TRY(cursor.next());
    }
    if (batch.empty()) return erase_range(range);
    for (const auto& [end, value] : batch) {
      RAMET_TRY(put(key_of(end), Bytes(value.bytes()), {value.refs().begin(), value.refs().end()}));
    }
  }
}

Status TransactionImpl::put_version(const ObjectRecord& record) {
  if (!record.earlier) return put_record(record);
  EncodedRecord encoded = encode_object(record);
  return put(version_key(record.info.type, record.info.id, record.info.version),
             std::move(encoded.value), std::move(encoded.refs));
}

Status TransactionImpl::keep_version(const ObjectRecord& record) {
  const ObjectInfo& info = record.info;
  if (record.form == ContentForm::kExtents) {
    RAMET_TRY(move_entries(extent_range(info.type, info.id, 0), [&](uint64_t end) {
      return history_extent_key(info.type, info.id, info.version, 0, end);
    }));
  }
  ObjectRecord earlier = record;
  earlier.earlier = true;
  return put_version(earlier);
}

Status TransactionImpl::drop_unversioned(const ObjectId& id) {
  std::optional<ObjectRecord> found;
  RAMET_TRY(reader().earlier_versions(id, [&](ObjectRecord& record) {
    if (record.info.unversioned) found = std::move(record);
    return !found;
  }));
  if (!found) return ok();
  RAMET_TRY(check_unlocked(*found, false));
  const ObjectInfo& info = found->info;
  if (found->form == ContentForm::kExtents) {
    RAMET_TRY(erase_range(history_extent_range(info.type, id, info.version)));
  }
  return erase(version_key(info.type, id, info.version));
}

Status TransactionImpl::replace_version(const ObjectRecord& was, ObjectRecord& record) {
  const ObjectRecord old = as_unversioned(was);
  const bool keeps = policy_.versioning == Versioning::kOn ||
                     (policy_.versioning == Versioning::kSuspended && !old.info.unversioned);
  if (policy_.versioning != Versioning::kOff) {
    record.info.version = old.info.version + 1;
    record.info.unversioned = policy_.versioning == Versioning::kSuspended;
    if (record.info.unversioned) RAMET_TRY(drop_unversioned(old.info.id));
  }
  if (keeps) return keep_version(old);
  RAMET_TRY(check_unlocked(old, false));
  if (old.form != ContentForm::kExtents) return ok();
  return erase_range(extent_range(old.info.type, old.info.id, 0));
}

Status TransactionImpl::begin_versions(ObjectRecord& record) {
  ObjectInfo& info = record.info;
  if (policy_.versioning == Versioning::kOff) {
    if (info.id.is_null()) info.id = store_.new_id<ObjectId>();
    return ok();
  }
  info.unversioned = policy_.versioning == Versioning::kSuspended;
  RAMET_ASSIGN(const auto removed, reader().find_removed(info.folder, info.name));
  if (!removed) {
    if (info.id.is_null()) info.id = store_.new_id<ObjectId>();
    info.version = 1;
    return ok();
  }
  const ObjectId id = removed->object;
  if (info.unversioned) RAMET_TRY(drop_unversioned(id));
  RAMET_ASSIGN(const VersionNumber newest, newest_version(id));
  info.version = newest + 1;
  RAMET_TRY(erase(removed_key(info.folder, info.name, id)));
  if (record.form == ContentForm::kExtents) RAMET_TRY(move_extents(info.id, id));
  info.id = id;
  return ok();
}

Status TransactionImpl::remove_object(const ObjectRecord& record) {
  const ObjectInfo& info = record.info;
  if (policy_.versioning == Versioning::kOff) {
    RAMET_TRY(check_unlocked(record, false));
    return erase_object(record);
  }
  ObjectRecord deletion;
  deletion.deletion = true;
  deletion.earlier = true;
  deletion.info.id = info.id;
  deletion.info.type = info.type;
  deletion.info.folder = info.folder;
  deletion.info.name = info.name;
  deletion.info.created = store_.env().now();
  deletion.info.attributes.modified = deletion.info.created;
  deletion.info.unversioned = policy_.versioning == Versioning::kSuspended;
  deletion.info.version = info.version + 1;
  const ObjectRecord old = as_unversioned(record);
  if (deletion.info.unversioned) RAMET_TRY(drop_unversioned(info.id));
  if (deletion.info.unversioned && old.info.unversioned) {
    RAMET_TRY(check_unlocked(old, false));
  } else {
    RAMET_TRY(keep_version(old));
  }
  RAMET_TRY(erase_object(record));
  RAMET_TRY(put_version(deletion));
  return put(removed_key(info.folder, info.name, info.id), encode_dirent(deletion.info));
}

Status TransactionImpl::restore_newest(const ObjectRecord& gone) {
  std::optional<ObjectRecord> newest;
  RAMET_TRY(reader().earlier_versions(gone.info.id, [&](ObjectRecord& record) {
    newest = std::move(record);
    return false;
  }));
  const ObjectInfo& place = gone.info;  // where its name is, or was
  const Bytes removed = removed_key(place.folder, place.name, place.id);
  if (!newest) return erase(removed);
  if (newest->deletion) return put(removed, encode_dirent(newest->info));
  RAMET_TRY(erase(removed));
  ObjectRecord record = std::move(*newest);
  RAMET_TRY(erase(version_key(record.info.type, record.info.id, record.info.version)));
  if (record.form == ContentForm::kExtents) {
    RAMET_TRY(move_entries(Reader::extent_entries(record), [&](uint64_t end) {
      return extent_key(record.info.type, record.info.id, 0, end);
    }));
  }
  record.earlier = false;
  record.info.folder = place.folder;
  record.info.name = place.name;
  record.info.links_count = gone.deletion ? 1 : place.links_count;
  if (gone.deletion) {
    RAMET_TRY(check_free(place.folder, place.name));
    return put_new_object(record);
  }
  RAMET_TRY(put_record(record));
  return put_dirents(record);
}

Status TransactionImpl::remove_version(ObjectId object, VersionNumber version,
                                       bool bypass_governance) {
  RAMET_ASSIGN(const ObjectRecord record, reader().object(object, version));
  RAMET_TRY(check_unlocked(record, bypass_governance));
  const ObjectInfo& info = record.info;
  if (record.earlier) {
    RAMET_ASSIGN(const VersionNumber newest, newest_version(object));
    const auto current = reader().object(object);
    if (!current.ok() && current.error().code() != ErrorCode::kNotFound) return current.error();
    RAMET_TRY(erase(version_key(info.type, info.id, info.version)));
    if (record.form == ContentForm::kExtents) {
      RAMET_TRY(erase_range(Reader::extent_entries(record)));
    }
    if (current.ok() || newest != info.version) return ok();
    return restore_newest(record);
  }
  RAMET_ASSIGN(const auto names, names_of(record));
  bool is_last = true;
  bool to_deletion = false;
  RAMET_TRY(reader().earlier_versions(object, [&](ObjectRecord& before) {
    is_last = false;
    to_deletion = before.deletion;
    return false;
  }));
  RAMET_TRY(erase_object(record));
  if (is_last || to_deletion) {
    for (const Name& name : names) RAMET_TRY(erase(dirent_key(name.folder, name.name, object)));
    RAMET_TRY(erase_range(linked_by_range(object)));
  }
  return is_last ? ok() : restore_newest(record);
}

Status TransactionImpl::set_metadata(ObjectId object, const Metadata& metadata,
                                     VersionNumber version) {
  RAMET_ASSIGN(ObjectRecord record, reader().object(object, version));
  if (record.deletion) {
    return Error(ErrorCode::kFailedPrecondition, "a deletion has no metadata");
  }
  RAMET_TRY(check_metadata(metadata, record.info.name));
  record.info.metadata = metadata;
  return put_version(record);
}

Status TransactionImpl::set_lock(ObjectId object, const ObjectLock& lock, VersionNumber version,
                                 bool bypass_governance) {
  if (!policy_.locks) {
    return Error(ErrorCode::kFailedPrecondition,
                 "the container has no locks: its setting 'object-lock' is off");
  }
  RAMET_ASSIGN(ObjectRecord record, reader().object(object, version));
  if (record.deletion) {
    return Error(ErrorCode::kFailedPrecondition, "a deletion has no lock");
  }
  const ObjectLock& old = record.info.lock;
  const bool holds = old.mode != RetentionMode::kNone && old.retain_until > store_.env().now();
  const bool weaker = lock.mode < old.mode || lock.retain_until < old.retain_until;
  const bool may = bypass_governance && old.mode == RetentionMode::kGovernance;
  if (holds && weaker && !may) {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("'{}': a retention can be made longer, not shorter",
                             printable(record.info.name)));
  }
  record.info.lock = lock;
  return put_version(record);
}

Status TransactionImpl::set_document(std::string_view name, std::optional<std::string_view> text) {
  if (name.empty() || name.size() > kDocumentNameMax) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a document's name must have 1 to {} bytes", kDocumentNameMax));
  }
  if (text && text->size() > kDocumentBytesMax) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the document '{}' has {} bytes; at most {} are kept",
                             printable(name), text->size(), kDocumentBytesMax));
  }
  RAMET_TRY(erase_range(document_range(name)));
  if (!text) return ok();
  uint16_t part = 0;
  do {
    RAMET_TRY(put(document_key(name, part++), Bytes(text->substr(0, kDocumentPartBytes))));
    text->remove_prefix(std::min(text->size(), kDocumentPartBytes));
  } while (!text->empty());
  return ok();
}

}  // namespace ramet::engine
