// Objects that are told apart by their ids: what people call them need not be their names.
#include <algorithm>

#include <fmt/format.h>

#include "engine/container/metadata.h"
#include "engine/container/transaction_impl.h"
#include "engine/content/content_writer.h"
#include "engine/store_impl.h"
#include "format/keys.h"
#include "format/utf8.h"

namespace ramet::engine {
namespace {

constexpr char kMark = '~';

Status check_title(std::string_view title) {
  if (title.empty() || title.size() > kObjectTitleBytesMax) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a title has 1 to {} bytes, not {}", kObjectTitleBytesMax,
                             title.size()));
  }
  if (!is_utf8(title)) return Error(ErrorCode::kInvalidArgument, "a title must be UTF-8");
  return ok();
}

// "title~" and the id's 24 digits: no two objects have the same. What cannot stand in a name is
// '_', and what would be too long is cut.
std::string marked_name(std::string_view title, const ObjectId& id) {
  const std::string mark = kMark + to_base62(id);
  std::string name(title);
  for (char& c : name) {
    if (c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '_';
  }
  size_t end = std::min(name.size(), kNameBytesMax - mark.size());
  while (end < name.size() && end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) {
    --end;  // not within a character
  }
  name.resize(end);
  return name + mark;
}

// (A title that looks like a marked name could be one some day.)
bool looks_marked(std::string_view title) {
  return title.size() > kBase62TextBytes && title[title.size() - kBase62TextBytes - 1] == kMark;
}

}  // namespace

Status TransactionImpl::give_name(const FolderId& folder, std::string_view title,
                                  ObjectInfo& info, const ObjectId& except) {
  info.standing.title.clear();
  info.name = std::string(title);
  if (check_entry_name(folder, title).ok() && !looks_marked(title)) {
    RAMET_ASSIGN(const auto found, reader().find(folder, title));
    if (!found || (!found->is_folder() && found->object == except)) return ok();
  }
  info.standing.title = std::string(title);
  info.name = marked_name(title, info.id);
  return ok();
}

Result<ObjectId> TransactionImpl::add_object(FolderId folder, std::string_view title,
                                             const ObjectInit& init,
                                             std::unique_ptr<ContentWriter> content) {
  ObjectRecord record;
  ObjectInfo& info = record.info;
  info.attributes = init.attributes;
  info.metadata = init.metadata;
  info.lock = init.lock;
  info.standing = init.standing;
  info.type = init.type;
  if (content != nullptr) {
    if (init.type != kFileType) {
      return Error(ErrorCode::kInvalidArgument, "only files have content");
    }
    RAMET_TRY(static_cast<ContentWriterImpl*>(content.get())->finish(record));
  } else {
    info.id = store_.new_id<ObjectId>();
  }
  const auto added = [&]() -> Status {
    RAMET_TRY(check_title(title));
    RAMET_TRY(check_attributes(info.attributes, title));
    RAMET_TRY(check_metadata(info.metadata, title));
    RAMET_TRY(check_standing(info.standing, title));
    RAMET_TRY(check_parent(folder));
    if (policy_.versioning != Versioning::kOff || info.lock != ObjectLock{}) {
      return Error(ErrorCode::kFailedPrecondition,
                   "objects with titles of their own have no versions: the container keeps some");
    }
    info.created = store_.env().now();
    if (info.attributes.modified == 0) info.attributes.modified = info.created;
    info.entry_class = class_of(info.type, info.attributes.mode);
    info.folder = folder;
    RAMET_TRY(give_name(folder, title, info, {}));
    return put_new_object(record);
  }();
  if (!added.ok()) {
    RAMET_TRY(discard_content(record));
    return added.error();
  }
  return info.id;
}

Status TransactionImpl::place_object(ObjectId object, FolderId folder, std::string_view title) {
  RAMET_TRY(check_title(title));
  RAMET_TRY(check_parent(folder));
  RAMET_ASSIGN(ObjectRecord record, reader().object(object));
  ObjectInfo& info = record.info;
  if (info.links_count > 1) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("object {} has several names", to_uuid(object)));
  }
  const Name from{info.folder, info.name};
  RAMET_TRY(give_name(folder, title, info, folder == from.folder ? object : ObjectId{}));
  info.folder = folder;
  if (from.folder != folder || from.name != info.name) {
    RAMET_TRY(erase(dirent_key(from.folder, from.name, object)));
    RAMET_TRY(put_dirent({folder, info.name}, record));
  }
  return put_record(record);
}

Status TransactionImpl::make_way(FolderId folder, std::string_view name) {
  RAMET_ASSIGN(const auto found, reader().find(folder, name));
  if (!found || found->is_folder()) return ok();
  RAMET_ASSIGN(ObjectRecord record, reader().object(found->object));
  ObjectInfo& info = record.info;
  if (info.folder != folder || info.name != name) {  // one of several names
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("'{}' is a name of an object that has several", printable(name)));
  }
  RAMET_TRY(erase(dirent_key(folder, name, info.id)));
  if (info.standing.title.empty()) info.standing.title = info.name;
  info.name = marked_name(info.standing.title, info.id);
  RAMET_TRY(put_record(record));
  return put_dirent({folder, info.name}, record);
}

Status TransactionImpl::set_standing(ObjectId object, const Standing& standing) {
  RAMET_ASSIGN(ObjectRecord record, reader().object(object));
  RAMET_TRY(check_standing(standing, record.info.name));
  std::string title = std::move(record.info.standing.title);
  const bool was_hidden = record.info.standing.hidden;
  record.info.standing = standing;
  record.info.standing.title = std::move(title);
  RAMET_TRY(put_record(record));
  return was_hidden == standing.hidden ? ok() : put_dirents(record);
}

Status TransactionImpl::set_content(ObjectId object, std::unique_ptr<ContentWriter> content) {
  ObjectRecord record;
  if (content != nullptr) {
    RAMET_TRY(static_cast<ContentWriterImpl*>(content.get())->finish(record));
  }
  const auto set = [&]() -> Status {
    RAMET_ASSIGN(const ObjectRecord old, reader().object(object));
    if (old.info.entry_class != EntryClass::kFile || old.info.type != kFileType) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is no file", printable(old.info.name)));
    }
    const ObjectId made = record.info.id;
    const uint64_t size = record.info.size;
    const ContentHash content_id = record.info.content_id;
    record.info = old.info;
    drop_content_properties(record.info.metadata);
    drop_content_documents(record.info.documents);
    record.info.size = size;
    record.info.content_id = content_id;
    RAMET_TRY(replace_version(old, record));
    if (record.form == ContentForm::kExtents) RAMET_TRY(move_extents(made, object));
    RAMET_TRY(put_record(record));
    return put_dirents(record);
  }();
  if (!set.ok()) RAMET_TRY(discard_content(record));
  return set;
}

Status TransactionImpl::set_object_document(ObjectId object, std::string_view name,
                                            std::optional<std::string_view> text) {
  RAMET_ASSIGN(ObjectRecord record, reader().object(object));
  const auto refuse = [&](std::string_view what) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("document '{}' of '{}': {}", printable(name),
                             printable(record.info.name), what));
  };
  if (name.empty() || name.size() > kObjectDocumentNameBytesMax || !is_utf8(name)) {
    return refuse(fmt::format("its name must have 1 to {} bytes of UTF-8",
                              kObjectDocumentNameBytesMax));
  }
  auto& documents = record.info.documents;
  const auto at = std::lower_bound(documents.begin(), documents.end(), name,
                                   [](const ObjectDocument& document, std::string_view wanted) {
                                     return document.name < wanted;
                                   });
  const bool there = at != documents.end() && at->name == name;
  if (!text) {
    if (!there) return ok();
    documents.erase(at);
    return put_record(record);
  }
  if (text->empty() || text->size() > kObjectDocumentBytesMax) {
    return refuse(fmt::format("it must have 1 to {} bytes, not {}", kObjectDocumentBytesMax,
                              text->size()));
  }
  if (!there && documents.size() == kObjectDocumentsMax) {
    return refuse(fmt::format("there are {} others already", kObjectDocumentsMax));
  }
  RAMET_ASSIGN(const StoredBlock block, ingest_.put(*text, nullptr));
  const ObjectDocument document{std::string(name), static_cast<uint32_t>(text->size()), block.ref};
  if (there) {
    *at = document;
  } else {
    documents.insert(at, document);
  }
  // (Storing one may have written out others that waited.)
  for (ObjectDocument& one : documents) one.block = ingest_.resolved(one.block);
  for (Extent& extent : record.extents) extent.block = ingest_.resolved(extent.block);
  return put_record(record);
}

}  // namespace ramet::engine
