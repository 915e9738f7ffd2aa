// Records of a transaction (engine/record.h).
//
// The current version of a record is its OBJECT entry (and EXTENT entries, of a file), earlier ones
// are VERSION entries, as everywhere; what it is found by are FIELD entries, which its body lists.
// A document that names a record which does not exist yet is found by that id until it does, so
// that the text becomes a link then; an AWAITED entry, which both sides change, keeps two
// transactions from missing each other.
#include <algorithm>

#include <fmt/format.h>

#include "engine/container/transaction_impl.h"
#include "engine/content/content_writer.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

// Longer bodies are blocks of their own.
constexpr size_t kInlineBodyBytes = 4u << 10;

Error refuse(const std::string& what) { return Error(ErrorCode::kInvalidArgument, what); }

bool has_body_document(const ObjectDocument& document) {
  return document.name == kRecordBodyDocument;
}

// The fields that the engine itself finds it by. `own`: the record's inner id.
void add_own_fields(const ObjectId& own, RecordBody& body) {
  for (const BodyLink& link : body.links) {
    if (link.kind == BodyLinkKind::kText) {
      body.fields.push_back({Bytes(kAwaitsField), text_value(link.type, link.target)});
    } else if (link.kind == BodyLinkKind::kRecord && link.type == kFileType &&
               link.target != own) {
      body.fields.push_back({Bytes(kFileField), link_value(link.type, link.target)});
    }
  }
  std::vector<BodyField> once;
  for (BodyField& field : body.fields) {
    if (std::find(once.begin(), once.end(), field) == once.end()) once.push_back(std::move(field));
  }
  body.fields = std::move(once);
}

Bytes value_of(const BodyLink& link) {
  return link.kind == BodyLinkKind::kText ? text_value(link.type, link.target)
                                          : link_value(link.type, link.target);
}

}  // namespace

RecordReader TransactionImpl::records_now() const {
  return RecordReader(context_, work_->share(), policy_.records,
                      [this](const BlockRef& ref) -> Result<Bytes> {
                        const auto waits = waiting_bodies_.find(ref);
                        if (waits != waiting_bodies_.end()) return waits->second;
                        return store_.blocks().read(ingest_.resolved(ref));
                      });
}

ObjectId TransactionImpl::new_record_id() {
  const auto inner = store_.new_id<ObjectId>();
  const ObjectId shown = policy_.records == nullptr ? inner : policy_.records->shown(inner);
  minted_.insert(shown);
  return shown;
}

// Different each time, so that two transactions that put one conflict.
Bytes TransactionImpl::marker() {
  Bytes value;
  append(value, sequence_of(store_.new_id<ObjectId>()));
  return value;
}

Status TransactionImpl::check_record_put(const RecordPut& put) const {
  if (put.type == 0) return refuse("a record needs a type");
  if (!has_id_shape(put.id.bytes) || !has_id_shape(put.version.bytes)) {
    return refuse(fmt::format("'{}' cannot be the id of a record: not a version-4 UUID",
                              to_uuid(has_id_shape(put.id.bytes) ? put.version : put.id)));
  }
  if (put.document.empty() || put.document.size() > kRecordDocumentBytesMax) {
    return refuse(fmt::format("a document must have 1 to {} bytes, not {}",
                              kRecordDocumentBytesMax, put.document.size()));
  }
  if (put.optional_from > put.optional_to || put.optional_to > put.document.size()) {
    return refuse("what may be left out lies outside of the document");
  }
  if (put.links.size() > kRecordLinksMax) {
    return refuse(fmt::format("a document may have {} links, not {}", kRecordLinksMax,
                              put.links.size()));
  }
  uint64_t end = 0;
  for (const RecordLink& link : put.links) {
    if (link.offset < end || link.offset + kUuidTextBytes > put.document.size()) {
      return refuse("links overlap, or lie outside of the document");
    }
    end = uint64_t{link.offset} + kUuidTextBytes;
  }
  if (put.fields.size() > kRecordFieldsMax) {
    return refuse(fmt::format("a record may have {} fields, not {}", kRecordFieldsMax,
                              put.fields.size()));
  }
  for (const RecordField& field : put.fields) {
    if (field.name.empty() || field.name.size() > kRecordFieldNameBytesMax ||
        field.name.front() == kOwnField || field.value.size() > kRecordFieldValueBytesMax ||
        (field.link && *field.link >= put.links.size())) {
      return refuse(fmt::format("'{}' cannot be a field of a record", printable(field.name)));
    }
  }
  if (put.secret && put.secret->size() > kRecordSecretBytesMax) {
    return refuse(fmt::format("a record's secret has at most {} bytes, not {}",
                              kRecordSecretBytesMax, put.secret->size()));
  }
  return ok();
}

Status TransactionImpl::check_version_order(TypeNumber type, const ObjectId& id,
                                            const ObjectId& version) const {
  const KeyRange range = object_range(ContainerSpace::kVersion, type, id);
  Cursor cursor(context_, work_->share());
  RAMET_TRY(cursor.seek(range.from));
  if (!cursor.valid() || !range.contains(cursor.key())) return ok();
  RAMET_ASSIGN(const VersionKey newest, decode_version_key(cursor.key()));
  if (newest.n < sequence_of(version)) return ok();
  return refuse("a version of a record must be newer than those before");
}

// A link to what lives here; to what died here, which is still called the same; else text.
Result<BodyLink> TransactionImpl::resolve_link(const RecordReader& now, const BodyLink& candidate,
                                               const ObjectId& own) {
  BodyLink link = candidate;
  const ObjectId inner = policy_.records->inner(candidate.target);
  bool is_record = inner == own || inner == policy_.records->self;
  if (!is_record) {
    RAMET_ASSIGN(is_record, now.lives(link.type, inner));
  }
  if (!is_record) {
    RAMET_ASSIGN(const auto died, now.death(link.type, inner));
    is_record = died && *died == policy_.records->depth;
  }
  link.kind = is_record ? BodyLinkKind::kRecord : BodyLinkKind::kText;
  if (is_record) link.target = inner;
  return link;
}

Status TransactionImpl::set_body(ObjectRecord& record, RecordBody body) {
  auto& documents = record.info.documents;
  std::erase_if(documents, has_body_document);
  Bytes bytes = encode_record_body(body);
  if (bytes.size() <= kInlineBodyBytes) {
    record.part->body = std::move(bytes);
    return ok();
  }
  record.part->body.clear();
  RAMET_ASSIGN(const StoredBlock block, ingest_.put(bytes, nullptr));
  documents.push_back({std::string(kRecordBodyDocument), static_cast<uint32_t>(bytes.size()),
                       block.ref});
  // (Storing one may have written out others that waited.)
  std::erase_if(waiting_bodies_,
                [&](const auto& one) { return ingest_.resolved(one.first) != one.first; });
  if (block.ref.segment == kPendingSegment) waiting_bodies_[block.ref] = std::move(bytes);
  for (Extent& extent : record.extents) extent.block = ingest_.resolved(extent.block);
  return ok();
}

Status TransactionImpl::change_fields(const ObjectRecord& record,
                                      const std::vector<BodyField>& was,
                                      const std::vector<BodyField>& is) {
  const auto has = [](const std::vector<BodyField>& fields, const BodyField& field) {
    return std::find(fields.begin(), fields.end(), field) != fields.end();
  };
  const ObjectInfo& info = record.info;
  for (const BodyField& field : was) {
    if (!has(is, field)) RAMET_TRY(erase(field_key(info.type, field.name, field.value, info.id)));
  }
  for (const BodyField& field : is) {
    if (has(was, field)) continue;
    RAMET_TRY(put(field_key(info.type, field.name, field.value, info.id), {}));
  }
  return ok();
}

// Notes which records it names that there are not.
Status TransactionImpl::await_records(const RecordBody& body) {
  for (const BodyLink& link : body.links) {
    if (link.kind != BodyLinkKind::kText) continue;
    if (minted_.contains(link.target)) {
      awaited_.insert({link.type, link.target});
    } else {
      RAMET_TRY(put(awaited_key(link.type, link.target), marker()));
    }
  }
  return ok();
}

// Documents that named this record before it came to be: what they say becomes links.
Status TransactionImpl::link_awaiting(TypeNumber type, const ObjectId& shown) {
  const RecordReader now = records_now();
  const Bytes awaits = text_value(type, shown);
  std::vector<std::pair<TypeNumber, ObjectId>> waiting;
  std::vector<TypeNumber> types;
  RAMET_TRY(now.types([&](TypeNumber one, uint64_t) {
    types.push_back(one);
    return true;
  }));
  for (const TypeNumber one : types) {
    const RecordQuery query{one, std::string(kAwaitsField), awaits, awaits + '\0'};
    RAMET_TRY(now.find(query, [&](ByteView, const ObjectId& id) {
      waiting.emplace_back(one, policy_.records->inner(id));
      return true;
    }));
  }
  for (const auto& [one, id] : waiting) {
    RAMET_ASSIGN(auto record, now.find_inner(one, id));
    if (!record) continue;
    RAMET_ASSIGN(RecordBody body, now.shown_body(*record));
    const std::vector<BodyField> was = body.fields;
    // (As if it were written now: each id that it shows is looked up.)
    for (BodyLink& link : body.links) {
      const Bytes before = value_of(link);
      const std::string_view text(body.document.data() + link.offset, kUuidTextBytes);
      if (link.kind == BodyLinkKind::kVersion) continue;
      RAMET_ASSIGN(link.target, parse_uuid<ObjectId>(text));
      RAMET_ASSIGN(link, resolve_link(now, link, id));
      for (BodyField& field : body.fields) {
        if (field.value == before && field.name.front() != kOwnField) field.value = value_of(link);
      }
    }
    std::erase_if(body.fields, [](const BodyField& field) {
      return field.name.front() == kOwnField;
    });
    add_own_fields(id, body);
    record->part->depth = policy_.records->depth;
    RAMET_TRY(change_fields(*record, was, body.fields));
    RAMET_TRY(await_records(body));
    RAMET_TRY(set_body(*record, std::move(body)));
    RAMET_TRY(put_record(*record));
  }
  return ok();
}

// Makes what it was an earlier version.
Status TransactionImpl::keep_record(const ObjectRecord& was, bool content_stays) {
  RAMET_TRY(keep_version(was));
  if (was.form != ContentForm::kExtents || !content_stays) return ok();
  // Both versions have the same content.
  const ObjectInfo& info = was.info;
  const KeyRange range = history_extent_range(info.type, info.id, info.version);
  Cursor cursor(context_, work_->share());
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    const Value value = cursor.pinned_value();
    RAMET_TRY(put(extent_key(info.type, info.id, 0, end_of_run(cursor.key())),
                  Bytes(value.bytes()), {value.refs().begin(), value.refs().end()}));
    RAMET_TRY(cursor.next());
  }
  return ok();
}

Status TransactionImpl::write_record(const RecordPut& put, std::unique_ptr<ContentWriter> content) {
  ObjectRecord record;
  if (content != nullptr) {
    RAMET_TRY(static_cast<ContentWriterImpl*>(content.get())->finish(record));
  }
  Status written = write_record(put, record, content != nullptr);
  if (!written.ok()) RAMET_TRY(discard_content(record));
  return written;
}

Status TransactionImpl::write_record(const RecordPut& put, ObjectRecord record, bool has_content) {
  const RecordReader now = records_now();
  RAMET_TRY(now.check_form());
  RAMET_TRY(check_record_put(put));
  if (has_content && put.type != kFileType) return refuse("a record of this type has no content");
  const ObjectId made = record.info.id;
  const ObjectId inner = policy_.records->inner(put.id);
  const ObjectId version = policy_.records->inner(put.version);
  RAMET_ASSIGN(const auto was, now.find_inner(put.type, inner));
  if (was && was->info.version >= sequence_of(version)) {
    return refuse("a version of a record must be newer than those before");
  }
  if (!was) RAMET_TRY(check_version_order(put.type, inner, version));

  if (was && !has_content) record = *was;
  ObjectInfo& info = record.info;
  info.id = inner;
  info.type = put.type;
  info.created = store_.env().now();
  info.attributes.modified = info.created;
  info.entry_class = class_of(info.type, info.attributes.mode);
  info.links_count = 0;
  info.version = sequence_of(version);
  record.part = RecordPart{version, policy_.records->depth, put.optional_from, put.optional_to, {}};

  RecordBody body;
  body.document = put.document;
  for (const RecordLink& link : put.links) {
    const std::string_view text(body.document.data() + link.offset, kUuidTextBytes);
    RAMET_ASSIGN(const ObjectId shown, parse_uuid<ObjectId>(text));
    BodyLink one{link.offset, BodyLinkKind::kRecord, link.type, shown};
    if (link.kind == RecordLinkKind::kVersion) {
      if (shown != put.version) return refuse("a link to a version that is another one's");
      one.kind = BodyLinkKind::kVersion;
      one.target = version;
    } else {
      RAMET_ASSIGN(one, resolve_link(now, one, inner));
    }
    body.links.push_back(one);
  }
  for (const RecordField& field : put.fields) {
    body.fields.push_back({field.name, field.link ? value_of(body.links[*field.link])
                                                  : Bytes(field.value)});
  }
  add_own_fields(inner, body);

  std::vector<BodyField> fields_before;
  if (was) {
    RAMET_ASSIGN(RecordBody before, now.body(*was));
    fields_before = std::move(before.fields);
    RAMET_TRY(keep_record(*was, !has_content));
  }
  if (has_content && record.form == ContentForm::kExtents) RAMET_TRY(move_extents(made, inner));
  RAMET_TRY(change_fields(record, fields_before, body.fields));
  RAMET_TRY(await_records(body));
  RAMET_TRY(set_body(record, std::move(body)));
  RAMET_TRY(put_record(record));
  if (put.secret && put.secret->empty()) {
    RAMET_TRY(erase(access_key(put.type, inner)));
  } else if (put.secret) {
    RAMET_TRY(this->put(access_key(put.type, inner), Bytes(*put.secret)));
  }
  if (was) return ok();

  RAMET_TRY(erase(dead_key(put.type, inner)));
  if (minted_.erase(put.id) > 0) {  // nobody else can have named it
    return awaited_.erase({put.type, put.id}) > 0 ? link_awaiting(put.type, put.id) : ok();
  }
  RAMET_ASSIGN(const bool is_awaited, work_->get(awaited_key(put.type, put.id), nullptr));
  if (is_awaited) RAMET_TRY(link_awaiting(put.type, put.id));
  return this->put(awaited_key(put.type, put.id), marker());
}

Status TransactionImpl::remove_record(TypeNumber type, ObjectId id, ObjectId version) {
  const RecordReader now = records_now();
  RAMET_TRY(now.check_form());
  const ObjectId inner = policy_.records->inner(id);
  RAMET_ASSIGN(const auto was, now.find_inner(type, inner));
  if (!was) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("there is no record {} of type {}", to_uuid(id), type));
  }
  if (inner == policy_.records->self) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("record {} stands for its container", to_uuid(id)));
  }
  ObjectRecord deletion;
  deletion.info.id = inner;
  deletion.info.type = type;
  deletion.info.created = store_.env().now();
  deletion.info.links_count = 0;
  const ObjectId inner_version = policy_.records->inner(version);
  deletion.info.version = sequence_of(inner_version);
  deletion.part = RecordPart{inner_version, policy_.records->depth, 0, 0, {}};
  deletion.deletion = true;
  deletion.earlier = true;
  if (!has_id_shape(version.bytes) || was->info.version >= deletion.info.version) {
    return refuse("a version of a record must be newer than those before");
  }
  RAMET_ASSIGN(const RecordBody body, now.body(*was));
  RAMET_TRY(keep_record(*was, false));
  RAMET_TRY(put_version(deletion));
  RAMET_TRY(change_fields(*was, body.fields, {}));
  RAMET_TRY(erase(access_key(type, inner)));
  RAMET_TRY(erase(object_key(type, inner)));
  Bytes depth;
  append(depth, policy_.records->depth);
  return put(dead_key(type, inner), std::move(depth));
}

Status TransactionImpl::expunge_record(TypeNumber type, ObjectId id) {
  const RecordReader now = records_now();
  RAMET_TRY(now.check_form());
  const ObjectId inner = policy_.records->inner(id);
  if (inner == policy_.records->self) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("record {} stands for its container", to_uuid(id)));
  }
  RAMET_ASSIGN(const auto was, now.find_inner(type, inner));
  const KeyRange versions = object_range(ContainerSpace::kVersion, type, inner);
  Cursor cursor(context_, work_->share());
  RAMET_TRY(cursor.seek(versions.from));
  const bool has_versions = cursor.valid() && versions.contains(cursor.key());
  if (!was && !has_versions) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("there is no record {} of type {}", to_uuid(id), type));
  }
  if (has_versions) {
    RAMET_TRY(erase_range(versions));
    RAMET_TRY(erase_range(object_range(ContainerSpace::kHistoryExtent, type, inner)));
  }
  if (!was) return ok();
  RAMET_ASSIGN(const RecordBody body, now.body(*was));
  return leave_record_out(*was, body.fields, policy_.records->depth);
}

Status TransactionImpl::leave_record_out(const ObjectRecord& record,
                                         const std::vector<BodyField>& fields, uint32_t died) {
  const ObjectInfo& info = record.info;
  RAMET_TRY(change_fields(record, fields, {}));
  if (record.form == ContentForm::kExtents) {
    RAMET_TRY(erase_range(extent_range(info.type, info.id, 0)));
  }
  RAMET_TRY(erase(access_key(info.type, info.id)));
  RAMET_TRY(erase(object_key(info.type, info.id)));
  Bytes depth;
  append(depth, died);
  return put(dead_key(info.type, info.id), std::move(depth));
}

Status TransactionImpl::put_fields(const ObjectRecord& record,
                                   const std::vector<BodyField>& fields) {
  return change_fields(record, {}, fields);
}

}  // namespace ramet::engine
