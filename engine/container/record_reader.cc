#include "engine/container/record_reader.h"

#include <cstring>

#include <fmt/format.h>

#include "engine/container/reader.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr char kToRecord = '\x01';
constexpr char kToText = '\x02';

Bytes target_value(char kind, TypeNumber type, const ObjectId& id) {
  Bytes value(1, kind);
  append_big_endian(value, type);
  value += id.view();
  return value;
}

}  // namespace

Bytes link_value(TypeNumber type, const ObjectId& inner) {
  return target_value(kToRecord, type, inner);
}
Bytes text_value(TypeNumber type, const ObjectId& shown) {
  return target_value(kToText, type, shown);
}

Error RecordReader::not_found(TypeNumber type, const ObjectId& id) const {
  return Error(ErrorCode::kNotFound,
               fmt::format("there is no record {} of type {}", to_uuid(id), type));
}

Status RecordReader::check_form() const {
  if (space_ != nullptr) return ok();
  return Error(ErrorCode::kFailedPrecondition, "the container does not hold records");
}

Result<std::optional<ObjectRecord>> RecordReader::find_inner(TypeNumber type,
                                                             const ObjectId& inner) const {
  Value value;
  RAMET_ASSIGN(const bool found, get(context_, root_, object_key(type, inner), &value));
  if (!found) return std::optional<ObjectRecord>();
  RAMET_ASSIGN(ObjectRecord record, decode_object(inner, type, value.bytes(), value.refs()));
  if (!record.part) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("object {} of type {} is no record", to_uuid(inner), type));
  }
  return std::optional<ObjectRecord>(std::move(record));
}

Result<bool> RecordReader::lives(TypeNumber type, const ObjectId& inner) const {
  return get(context_, root_, object_key(type, inner), nullptr);
}

Result<std::optional<uint32_t>> RecordReader::death(TypeNumber type,
                                                    const ObjectId& inner) const {
  Value value;
  RAMET_ASSIGN(const bool found, get(context_, root_, dead_key(type, inner), &value));
  if (!found) return std::optional<uint32_t>();
  if (value.bytes().size() < sizeof(uint32_t)) {
    return Error(ErrorCode::kCorruption, fmt::format("malformed end of record {}", to_uuid(inner)));
  }
  return std::optional<uint32_t>(load<uint32_t>(value.bytes().data()));
}

Result<OriginRecord> RecordReader::origin(uint32_t depth) const {
  Value value;
  RAMET_ASSIGN(const bool found, get(context_, root_, origin_key(depth), &value));
  if (!found) {
    return Error(ErrorCode::kCorruption, fmt::format("the container's origin {} is lost", depth));
  }
  return decode_origin(value.bytes());
}

Result<bool> RecordReader::left_out(const OriginRecord& origin, uint32_t depth, TypeNumber type,
                                    const ObjectId& inner) const {
  if (!origin.leaves_out(type)) return false;
  RAMET_ASSIGN(const bool kept, get(context_, root_, kept_key(depth, type, inner), nullptr));
  return !kept;
}

Result<ObjectId> RecordReader::shown_at(uint32_t depth, const ObjectId& inner) const {
  if (depth >= space_->depth) return space_->shown(inner);
  RAMET_ASSIGN(const OriginRecord at, origin(depth));
  return IdCipher(at.id_key).encrypt(inner);
}

// It is called what it was called where it lived last: here, where it died, or in the origin whose
// clone left it out. It did live where the link was written.
Result<ObjectId> RecordReader::shown_target(TypeNumber type, const ObjectId& target,
                                            uint32_t written) const {
  RAMET_ASSIGN(const bool here, lives(type, target));
  if (here) return space_->shown(target);
  RAMET_ASSIGN(const auto died, death(type, target));
  if (died) return shown_at(*died, target);
  for (uint32_t depth = written; depth < space_->depth; ++depth) {
    RAMET_ASSIGN(const OriginRecord at, origin(depth));
    RAMET_ASSIGN(const bool out, left_out(at, depth, type, target));
    if (out) return IdCipher(at.id_key).encrypt(target);
  }
  return space_->shown(target);  // it was expunged
}

Result<RecordBody> RecordReader::body(const ObjectRecord& record) const {
  if (!record.part->body.empty()) return decode_record_body(record.part->body);
  for (const ObjectDocument& document : record.info.documents) {
    if (document.name != kRecordBodyDocument) continue;
    RAMET_ASSIGN(const Bytes bytes, read_block_(document.block));
    return decode_record_body(bytes);
  }
  if (record.deletion) return RecordBody{};
  return Error(ErrorCode::kCorruption,
               fmt::format("record {} has no document", to_uuid(record.info.id)));
}

Result<RecordBody> RecordReader::shown_body(const ObjectRecord& record) const {
  std::vector<ObjectId> own;
  return shown_body(record, own);
}

// The ids in `own` are made what is shown of them as well: all at once costs little more than one.
Result<RecordBody> RecordReader::shown_body(const ObjectRecord& record,
                                            std::vector<ObjectId>& own) const {
  RAMET_ASSIGN(RecordBody out, body(record));
  const RecordPart& part = *record.part;
  const size_t first = own.size();
  std::vector<uint32_t> offsets;  // of those behind the first ones
  if (part.depth != space_->depth) {  // (What was written here shows what it says.)
    own.reserve(first + out.links.size());
    offsets.reserve(out.links.size());
    for (const BodyLink& link : out.links) {
      if (link.kind == BodyLinkKind::kText) continue;
      const bool is_here = link.kind == BodyLinkKind::kVersion ||
                           link.target == record.info.id || link.target == space_->self ||
                           !space_->may_be_missing(link.type);
      if (is_here) {
        own.push_back(link.target);
        offsets.push_back(link.offset);
        continue;
      }
      RAMET_ASSIGN(const ObjectId target, shown_target(link.type, link.target, part.depth));
      write_uuid(target, out.document.data() + link.offset);
    }
  }
  space_->cipher->encrypt_all(own);
  for (size_t i = 0; i < offsets.size(); ++i) {
    write_uuid(own[first + i], out.document.data() + offsets[i]);
  }
  return out;
}

Result<RecordInfo> RecordReader::info(const ObjectRecord& record) const {
  RecordInfo out;
  out.type = record.info.type;
  out.number = record.info.version;
  out.created = record.info.created;
  out.size = record.info.size;
  out.deletion = record.deletion;
  std::vector<ObjectId> own{record.info.id, record.part->version};
  auto shown = shown_body(record, own);
  if (!shown.ok()) {
    return std::move(shown).error().with_context(
        fmt::format("record {} of type {}", to_uuid(space_->shown(record.info.id)), out.type));
  }
  out.id = own[0];
  out.version = own[1];
  if (record.deletion) return out;
  out.document = std::move(shown->document);
  out.optional_from = record.part->optional_from;
  out.optional_to = record.part->optional_to;
  if (out.optional_from > out.optional_to || out.optional_to > out.document.size()) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("record {} leaves out more than it has", to_uuid(out.id)));
  }
  return out;
}

Result<RecordInfo> RecordReader::record(TypeNumber type, const ObjectId& id) const {
  RAMET_TRY(check_form());
  RAMET_ASSIGN(const auto found, find_inner(type, space_->inner(id)));
  if (!found) return not_found(type, id);
  return info(*found);
}

Result<bool> RecordReader::has_record(TypeNumber type, const ObjectId& id) const {
  RAMET_TRY(check_form());
  return lives(type, space_->inner(id));
}

Result<RecordInfo> RecordReader::version(TypeNumber type, const ObjectId& id,
                                         const ObjectId& version) const {
  RAMET_TRY(check_form());
  const ObjectId inner = space_->inner(id);
  const ObjectId wanted = space_->inner(version);
  RAMET_ASSIGN(auto found, find_inner(type, inner));
  if (!found || found->part->version != wanted) {
    Value value;
    RAMET_ASSIGN(const bool there,
                 get(context_, root_, version_key(type, inner, sequence_of(wanted)), &value));
    found.reset();
    if (there) {
      RAMET_ASSIGN(ObjectRecord earlier, decode_object(inner, type, value.bytes(), value.refs()));
      if (earlier.part && earlier.part->version == wanted) found = std::move(earlier);
    }
  }
  if (found) return info(*found);
  return Error(ErrorCode::kNotFound, fmt::format("record {} of type {} has no version {}",
                                                 to_uuid(id), type, to_uuid(version)));
}

Status RecordReader::versions(TypeNumber type, const ObjectId& id,
                              const std::function<bool(const RecordInfo&)>& visit) const {
  RAMET_TRY(check_form());
  const ObjectId inner = space_->inner(id);
  RAMET_ASSIGN(const auto current, find_inner(type, inner));
  if (current) {
    RAMET_ASSIGN(const RecordInfo shown, info(*current));
    if (!visit(shown)) return ok();
  }
  bool any = current.has_value();
  const KeyRange range = object_range(ContainerSpace::kVersion, type, inner);
  Cursor cursor(context_, root_);
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    any = true;
    RAMET_ASSIGN(const ObjectRecord earlier,
                 decode_object(inner, type, cursor.value(), cursor.refs()));
    if (!earlier.part) {
      return Error(ErrorCode::kCorruption,
                   fmt::format("a version of record {} is none", to_uuid(id)));
    }
    RAMET_ASSIGN(const RecordInfo shown, info(earlier));
    if (!visit(shown)) return ok();
    RAMET_TRY(cursor.next());
  }
  return any ? ok() : Status(not_found(type, id));
}

Status RecordReader::records(TypeNumber type, const ObjectId& after,
                             const std::function<bool(const RecordInfo&)>& visit) const {
  RAMET_TRY(check_form());
  const KeyRange range = type_range(ContainerSpace::kObject, type);
  Cursor cursor(context_, root_);
  RAMET_TRY(cursor.seek(after.is_null() ? range.from
                                        : key_after(object_key(type, space_->inner(after)))));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const ObjectKey key, decode_object_key(cursor.key()));
    RAMET_ASSIGN(const ObjectRecord record,
                 decode_object(key.id, type, cursor.value(), cursor.refs()));
    if (!record.part) {
      return Error(ErrorCode::kCorruption,
                   fmt::format("object {} of type {} is no record", to_uuid(key.id), type));
    }
    RAMET_ASSIGN(const RecordInfo shown, info(record));
    if (!visit(shown)) return ok();
    RAMET_TRY(cursor.next());
  }
  return ok();
}

Status RecordReader::types(const std::function<bool(TypeNumber, uint64_t)>& visit) const {
  RAMET_TRY(check_form());
  const KeyRange all = space_range(ContainerSpace::kObject);
  Cursor cursor(context_, root_);
  RAMET_TRY(cursor.seek(all.from));
  while (cursor.valid() && all.contains(cursor.key())) {
    RAMET_ASSIGN(const ObjectKey key, decode_object_key(cursor.key()));
    RAMET_ASSIGN(const uint64_t records, count(key.type));
    if (!visit(key.type, records)) return ok();
    RAMET_TRY(cursor.seek(type_range(ContainerSpace::kObject, key.type).to));
  }
  return ok();
}

Result<uint64_t> RecordReader::count(TypeNumber type) const {
  RAMET_TRY(check_form());
  const KeyRange range = type_range(ContainerSpace::kObject, type);
  RAMET_ASSIGN(const Summary summary, summarize(context_, root_, range.from, range.to));
  return summary[SummaryColumn::kObjects];
}

Status RecordReader::find_values(const RecordQuery& query, const Bytes& from, const Bytes& to,
                                 const std::function<bool(ByteView, const ObjectId&)>& visit,
                                 bool* more) const {
  const KeyRange field = field_range(query.type, query.field);
  KeyRange range = field;
  if (!from.empty()) range.from = field_range(query.type, query.field, from).from;
  if (!to.empty()) range.to = field_range(query.type, query.field, to).from;
  Cursor cursor(context_, root_);
  RAMET_TRY(query.descending ? cursor.seek_before(range.to) : cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const FieldKey key, decode_field_key(cursor.key()));
    *more = visit(key.value, space_->shown(key.id));
    if (!*more) return ok();
    RAMET_TRY(query.descending ? cursor.prev() : cursor.next());
  }
  return ok();
}

Status RecordReader::find(const RecordQuery& query,
                          const std::function<bool(ByteView, const ObjectId&)>& visit) const {
  RAMET_TRY(check_form());
  bool more = true;
  if (!query.target) return find_values(query, query.from, query.to, visit, &more);
  // Whatever is shown as this id: the record that has it, what lives here no more but was called so
  // in an origin, and what the documents said without there being such a record.
  const auto& target = *query.target;
  std::vector<Bytes> values{link_value(target.type, space_->inner(target.id))};
  if (space_->may_be_missing(target.type)) {
    for (uint32_t depth = 0; depth < space_->depth; ++depth) {
      RAMET_ASSIGN(const OriginRecord at, origin(depth));
      const ObjectId inner = IdCipher(at.id_key).decrypt(target.id);
      RAMET_ASSIGN(const bool here, lives(target.type, inner));
      if (here || inner == space_->inner(target.id)) continue;
      RAMET_ASSIGN(const auto died, death(target.type, inner));
      bool was_called_so = died && *died == depth;
      if (!died) {
        RAMET_ASSIGN(was_called_so, left_out(at, depth, target.type, inner));
      }
      if (was_called_so) values.push_back(link_value(target.type, inner));
    }
  }
  values.push_back(text_value(target.type, target.id));
  for (const Bytes& value : values) {
    if (!more) return ok();
    RAMET_TRY(find_values(query, value, value + '\0', visit, &more));
  }
  return ok();
}

Result<std::string> RecordReader::secret(TypeNumber type, const ObjectId& id) const {
  RAMET_TRY(check_form());
  const ObjectId inner = space_->inner(id);
  RAMET_ASSIGN(const bool here, lives(type, inner));
  if (!here) return not_found(type, id);
  Value value;
  RAMET_ASSIGN(const bool found, get(context_, root_, access_key(type, inner), &value));
  return found ? std::string(value.bytes()) : std::string();
}

}  // namespace ramet::engine
