#include "format/keys.h"

#include <fmt/format.h>

#include "format/planted.h"

namespace ramet {
namespace {

constexpr char kEscaped = '\xFF';  // behind 00: a zero byte of the part
constexpr char kPartEnd = '\x01';  // behind 00: the part ends

// Builds a key part by part.
class KeyWriter {
 public:
  template <typename Space>
  explicit KeyWriter(Space space, size_t capacity = 32) {
    key_.reserve(capacity);
    key_.push_back(static_cast<char>(space));
  }
  template <typename T>
  KeyWriter& integer(T value) {
    append_big_endian(key_, value);
    return *this;
  }
  KeyWriter& raw(ByteView bytes) {
    key_.append(bytes);
    return *this;
  }
  KeyWriter& escaped(ByteView part) {
    append_escaped(key_, part);
    return *this;
  }
  Bytes take() { return std::move(key_); }
  KeyRange range() { return prefix_range(std::move(key_)); }

 private:
  Bytes key_;
};

// Takes a key apart; the first mistake sticks and the rest reads as zeros, so that each decoder
// is straight code and finish() is its only check.
class KeyReader {
 public:
  template <typename Space>
  KeyReader(ByteView key, Space space, const char* name) : key_(key), rest_(key), name_(name) {
    if (integer<uint8_t>() != static_cast<uint8_t>(space)) wrong_ = true;
  }

  template <typename T>
  T integer() {
    const ByteView bytes = take(sizeof(T));
    return bytes.empty() ? T{0} : load_big_endian<T>(bytes.data());
  }
  // A struct of plain bytes (ids, hashes).
  template <typename T>
  T plain() {
    const ByteView bytes = take(sizeof(T));
    return bytes.empty() ? T{} : load<T>(bytes.data());
  }
  Bytes escaped() {
    auto part = take_escaped(&rest_);
    if (part.ok()) return std::move(part).value();
    wrong_ = true;
    return {};
  }
  // What is left: a variable part at the very end.
  Bytes rest() { return Bytes(take(rest_.size())); }

  template <typename T>
  Result<T> finish(T decoded) const {
    if (!wrong_ && rest_.empty()) return decoded;
    return Error(ErrorCode::kCorruption,
                 fmt::format("malformed {} key of {} bytes", name_, key_.size()));
  }

 private:
  ByteView take(size_t bytes) {
    if (rest_.size() < bytes) {
      wrong_ = true;
      return {};
    }
    const ByteView out = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return out;
  }

  const ByteView key_;
  ByteView rest_;
  const char* const name_;
  bool wrong_ = false;
};

template <typename Space>
std::optional<Space> space_of(ByteView key, Space first, Space last) {
  if (key.empty()) return std::nullopt;
  const auto prefix = static_cast<uint8_t>(key[0]);
  if (prefix < static_cast<uint8_t>(first) || prefix > static_cast<uint8_t>(last)) {
    return std::nullopt;
  }
  return static_cast<Space>(prefix);
}

ByteView view_of(const IdBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Escaped without its end: what all parts that begin with `part` begin with.
void append_escaped_open(Bytes& out, ByteView part) {
  for (const char c : part) {
    out.push_back(c);
    if (c == '\0') out.push_back(kEscaped);
  }
}

template <typename T>
Result<T> decode_single(ByteView key, auto space, const char* name) {
  KeyReader reader(key, space, name);
  return reader.finish(reader.plain<T>());
}

template <typename T>
Result<T> decode_single_integer(ByteView key, auto space, const char* name) {
  KeyReader reader(key, space, name);
  return reader.finish(reader.integer<T>());
}

Result<Bytes> decode_rest(ByteView key, auto space, const char* name) {
  KeyReader reader(key, space, name);
  return reader.finish(reader.rest());
}

Bytes typed_key(ContainerSpace space, uint32_t type, const ObjectId& id) {
  return KeyWriter(space).integer(type).raw(id.view()).take();
}

Result<ObjectKey> decode_typed(ByteView key, ContainerSpace space, const char* name) {
  KeyReader reader(key, space, name);
  ObjectKey out;
  out.type = reader.integer<uint32_t>();
  out.id = reader.plain<ObjectId>();
  return reader.finish(out);
}

Bytes page_key(MapSpace space, uint32_t segment, uint32_t page) {
  return KeyWriter(space).integer(segment).integer(page).take();
}

Result<PageKey> decode_page_key(ByteView key, MapSpace space, const char* name) {
  KeyReader reader(key, space, name);
  PageKey out;
  out.segment = reader.integer<uint32_t>();
  out.page = reader.integer<uint32_t>();
  return reader.finish(out);
}

bool is_ordered_by_type(ContainerSpace space) {
  switch (space) {
    case ContainerSpace::kObject:
    case ContainerSpace::kExtent:
    case ContainerSpace::kVersion:
    case ContainerSpace::kHistoryExtent:
    case ContainerSpace::kAccess:
    case ContainerSpace::kField:
    case ContainerSpace::kDead: return true;
    default: return false;
  }
}

}  // namespace

// --- ranges and parts ----------------------------------------------------------------------------

Bytes prefix_end(Bytes prefix) {
  while (!prefix.empty()) {
    const auto last = static_cast<uint8_t>(prefix.back());
    if (last != 0xFF) {
      prefix.back() = static_cast<char>(last + 1);
      return prefix;
    }
    prefix.pop_back();
  }
  return prefix;
}

KeyRange prefix_range(Bytes prefix) {
  KeyRange range;
  range.to = prefix_end(prefix);
  range.from = std::move(prefix);
  return range;
}

Bytes key_after(ByteView key) {
  Bytes out(key);
  out.push_back('\0');
  return out;
}

KeyRange space_range(ContainerSpace space) { return KeyWriter(space).range(); }
KeyRange space_range(CatalogSpace space) { return KeyWriter(space).range(); }
KeyRange space_range(MapSpace space) { return KeyWriter(space).range(); }

std::optional<ContainerSpace> container_space_of(ByteView key) {
  return space_of(key, ContainerSpace::kObject, ContainerSpace::kKept);
}
std::optional<CatalogSpace> catalog_space_of(ByteView key) {
  return space_of(key, CatalogSpace::kContainer, CatalogSpace::kAuditLog);
}
std::optional<MapSpace> map_space_of(ByteView key) {
  return space_of(key, MapSpace::kSegment, MapSpace::kHoles);
}

void append_escaped(Bytes& out, ByteView part) {
  append_escaped_open(out, part);
  out.push_back('\0');
  out.push_back(kPartEnd);
}

Result<Bytes> take_escaped(ByteView* in) {
  Bytes part;
  for (size_t from = 0;;) {
    const size_t zero = in->find('\0', from);
    if (zero == ByteView::npos || zero + 1 == in->size()) break;
    part.append(in->substr(from, zero - from));
    const char next = (*in)[zero + 1];
    from = zero + 2;
    if (next == kPartEnd) {
      in->remove_prefix(from);
      return part;
    }
    if (next != kEscaped && !planted(DecoderBug::kBareEscape)) break;
    part.push_back('\0');
  }
  return Error(ErrorCode::kCorruption, "malformed variable part in a key");
}

// --- container tree: objects ---------------------------------------------------------------------

Bytes object_key(uint32_t type, const ObjectId& id) {
  return typed_key(ContainerSpace::kObject, type, id);
}
Result<ObjectKey> decode_object_key(ByteView key) {
  return decode_typed(key, ContainerSpace::kObject, "OBJECT");
}

Bytes id_entry_key(const ObjectId& id) {
  return KeyWriter(ContainerSpace::kId).raw(id.view()).take();
}
Result<ObjectId> decode_id_entry_key(ByteView key) {
  return decode_single<ObjectId>(key, ContainerSpace::kId, "ID");
}

Bytes alias_key(ByteView outer) { return KeyWriter(ContainerSpace::kAlias).raw(outer).take(); }
Result<Bytes> decode_alias_key(ByteView key) {
  return decode_rest(key, ContainerSpace::kAlias, "ALIAS");
}

Bytes extent_key(uint32_t type, const ObjectId& id, uint8_t content, uint64_t end) {
  return KeyWriter(ContainerSpace::kExtent)
      .integer(type).raw(id.view()).integer(content).integer(end).take();
}
Result<ExtentKey> decode_extent_key(ByteView key) {
  KeyReader reader(key, ContainerSpace::kExtent, "EXTENT");
  ExtentKey out;
  out.type = reader.integer<uint32_t>();
  out.id = reader.plain<ObjectId>();
  out.content = reader.integer<uint8_t>();
  out.end = reader.integer<uint64_t>();
  return reader.finish(out);
}
Bytes extent_seek_key(uint32_t type, const ObjectId& id, uint8_t content, uint64_t offset) {
  RAMET_CHECK(offset + 1 != 0, "no run ends behind 2^64 - 1");
  return extent_key(type, id, content, offset + 1);
}

Bytes version_key(uint32_t type, const ObjectId& id, uint64_t n) {
  return KeyWriter(ContainerSpace::kVersion).integer(type).raw(id.view()).integer(~n).take();
}
Result<VersionKey> decode_version_key(ByteView key) {
  KeyReader reader(key, ContainerSpace::kVersion, "VERSION");
  VersionKey out;
  out.type = reader.integer<uint32_t>();
  out.id = reader.plain<ObjectId>();
  out.n = ~reader.integer<uint64_t>();
  return reader.finish(out);
}

Bytes history_extent_key(uint32_t type, const ObjectId& id, uint64_t n, uint8_t content,
                         uint64_t end) {
  return KeyWriter(ContainerSpace::kHistoryExtent, 64)
      .integer(type).raw(id.view()).integer(~n).integer(content).integer(end).take();
}
Result<HistoryExtentKey> decode_history_extent_key(ByteView key) {
  KeyReader reader(key, ContainerSpace::kHistoryExtent, "HISTORY_EXTENT");
  HistoryExtentKey out;
  out.type = reader.integer<uint32_t>();
  out.id = reader.plain<ObjectId>();
  out.n = ~reader.integer<uint64_t>();
  out.content = reader.integer<uint8_t>();
  out.end = reader.integer<uint64_t>();
  return reader.finish(out);
}

Bytes access_key(uint32_t type, const ObjectId& id) {
  return typed_key(ContainerSpace::kAccess, type, id);
}
Result<ObjectAccessKey> decode_access_key(ByteView key) {
  KeyReader reader(key, ContainerSpace::kAccess, "ACCESS");
  ObjectAccessKey out;
  out.type = reader.integer<uint32_t>();
  out.id = reader.plain<ObjectId>();
  return reader.finish(out);
}

// --- container tree: names -----------------------------------------------------------------------

namespace {

KeyWriter in_folder(const FolderId& folder, size_t name_bytes,
                    ContainerSpace space = ContainerSpace::kDirent) {
  KeyWriter writer(space, 40 + name_bytes);
  writer.raw(folder.view());
  return writer;
}

Result<DirentKey> decode_name_key(ByteView key, ContainerSpace space, const char* what) {
  KeyReader reader(key, space, what);
  DirentKey out;
  out.folder = reader.plain<FolderId>();
  out.name = reader.escaped();
  out.id = reader.plain<IdBytes>();
  return reader.finish(std::move(out));
}

KeyRange name_prefix_range(const FolderId& folder, ByteView name_prefix, ContainerSpace space) {
  Bytes prefix = in_folder(folder, name_prefix.size(), space).take();
  append_escaped_open(prefix, name_prefix);
  return prefix_range(std::move(prefix));
}

Bytes any_linked_by_key(const ObjectId& target, ByteView source, ByteView name) {
  return KeyWriter(ContainerSpace::kLinkedBy, 40 + name.size())
      .raw(target.view()).raw(source).raw(name).take();
}

}  // namespace

Bytes object_name_in_key(ByteView name) {
  Bytes out(name);
  if (name.ends_with('/')) out.push_back('\0');
  return out;
}
ByteView object_name_from_key(ByteView name) {
  using namespace std::string_view_literals;
  if (name.ends_with("/\0"sv)) name.remove_suffix(1);
  return name;
}

Bytes dirent_key(const FolderId& folder, ByteView name, const ObjectId& id) {
  return in_folder(folder, name.size())
      .escaped(object_name_in_key(name)).raw(id.view()).take();
}
Bytes removed_key(const FolderId& folder, ByteView name, const ObjectId& id) {
  return in_folder(folder, name.size(), ContainerSpace::kRemoved)
      .escaped(object_name_in_key(name)).raw(id.view()).take();
}
Result<DirentKey> decode_removed_key(ByteView key) {
  return decode_name_key(key, ContainerSpace::kRemoved, "REMOVED");
}
Bytes dirent_key(const FolderId& folder, ByteView name, const FolderId& id) {
  return in_folder(folder, name.size()).escaped(name).raw(id.view()).take();
}
Result<DirentKey> decode_dirent_key(ByteView key) {
  return decode_name_key(key, ContainerSpace::kDirent, "DIRENT");
}

Bytes folder_key(const FolderId& folder) {
  return KeyWriter(ContainerSpace::kFolder).raw(folder.view()).take();
}
Result<FolderId> decode_folder_key(ByteView key) {
  return decode_single<FolderId>(key, ContainerSpace::kFolder, "FOLDER");
}

Bytes linked_by_key(const ObjectId& target, const ObjectId& source, ByteView name) {
  return any_linked_by_key(target, source.view(), name);
}
Bytes linked_by_key(const ObjectId& target, const FolderId& source, ByteView name) {
  return any_linked_by_key(target, source.view(), name);
}
Result<LinkedByKey> decode_linked_by_key(ByteView key) {
  KeyReader reader(key, ContainerSpace::kLinkedBy, "LINKED_BY");
  LinkedByKey out;
  out.target = reader.plain<ObjectId>();
  out.source = reader.plain<IdBytes>();
  out.name = reader.rest();
  return reader.finish(std::move(out));
}

// --- container tree: the rest --------------------------------------------------------------------

Bytes document_key(ByteView name, uint16_t part) {
  return KeyWriter(ContainerSpace::kDocument, 8 + name.size()).escaped(name).integer(part).take();
}
Result<DocumentKey> decode_document_key(ByteView key) {
  KeyReader reader(key, ContainerSpace::kDocument, "DOCUMENT");
  DocumentKey out;
  out.name = reader.escaped();
  out.part = reader.integer<uint16_t>();
  return reader.finish(std::move(out));
}

Bytes audit_key(uint64_t sequence) {
  return KeyWriter(ContainerSpace::kAudit).integer(sequence).take();
}
Result<uint64_t> decode_audit_key(ByteView key) {
  return decode_single_integer<uint64_t>(key, ContainerSpace::kAudit, "AUDIT");
}

Bytes field_key(uint32_t type, ByteView field, ByteView value, const ObjectId& id) {
  return KeyWriter(ContainerSpace::kField, 32 + field.size() + value.size())
      .integer(type).escaped(field).escaped(value).raw(id.view()).take();
}
Result<FieldKey> decode_field_key(ByteView key) {
  KeyReader reader(key, ContainerSpace::kField, "FIELD");
  FieldKey out;
  out.type = reader.integer<uint32_t>();
  out.field = reader.escaped();
  out.value = reader.escaped();
  out.id = reader.plain<ObjectId>();
  return reader.finish(std::move(out));
}

Bytes expiry_key(uint64_t time, const ObjectId& id) {
  return KeyWriter(ContainerSpace::kExpiry).integer(time).raw(id.view()).take();
}
Result<ExpiryKey> decode_expiry_key(ByteView key) {
  KeyReader reader(key, ContainerSpace::kExpiry, "EXPIRY");
  ExpiryKey out;
  out.time = reader.integer<uint64_t>();
  out.id = reader.plain<ObjectId>();
  return reader.finish(out);
}

Bytes orphan_key(const ObjectId& id) {
  return KeyWriter(ContainerSpace::kOrphan).raw(id.view()).take();
}
Result<ObjectId> decode_orphan_key(ByteView key) {
  return decode_single<ObjectId>(key, ContainerSpace::kOrphan, "ORPHAN");
}

Bytes change_key(uint64_t sequence) {
  return KeyWriter(ContainerSpace::kChange).integer(sequence).take();
}
Result<uint64_t> decode_change_key(ByteView key) {
  return decode_single_integer<uint64_t>(key, ContainerSpace::kChange, "CHANGE");
}

// --- container tree: records ---------------------------------------------------------------------

Bytes dead_key(uint32_t type, const ObjectId& id) {
  return typed_key(ContainerSpace::kDead, type, id);
}
Result<ObjectKey> decode_dead_key(ByteView key) {
  return decode_typed(key, ContainerSpace::kDead, "DEAD");
}

Bytes origin_key(uint32_t depth) {
  return KeyWriter(ContainerSpace::kOrigin).integer(depth).take();
}
Result<uint32_t> decode_origin_key(ByteView key) {
  KeyReader reader(key, ContainerSpace::kOrigin, "ORIGIN");
  return reader.finish(reader.integer<uint32_t>());
}

Bytes kept_key(uint32_t depth, uint32_t type, const ObjectId& id) {
  return KeyWriter(ContainerSpace::kKept).integer(depth).integer(type).raw(id.view()).take();
}
Result<KeptKey> decode_kept_key(ByteView key) {
  KeyReader reader(key, ContainerSpace::kKept, "KEPT");
  KeptKey out;
  out.depth = reader.integer<uint32_t>();
  out.type = reader.integer<uint32_t>();
  out.id = reader.plain<ObjectId>();
  return reader.finish(out);
}

Bytes awaited_key(uint32_t type, const ObjectId& shown) {
  return typed_key(ContainerSpace::kAwaited, type, shown);
}
Result<ObjectKey> decode_awaited_key(ByteView key) {
  return decode_typed(key, ContainerSpace::kAwaited, "AWAITED");
}

// --- container tree: ranges ----------------------------------------------------------------------

KeyRange type_range(ContainerSpace space, uint32_t type) {
  RAMET_CHECK(is_ordered_by_type(space), "a space that is not ordered by type");
  return KeyWriter(space).integer(type).range();
}

KeyRange object_range(ContainerSpace space, uint32_t type, const ObjectId& id) {
  RAMET_CHECK(is_ordered_by_type(space) && space != ContainerSpace::kField,
              "a space that is not ordered by object");
  return KeyWriter(space).integer(type).raw(id.view()).range();
}

KeyRange extent_range(uint32_t type, const ObjectId& id, uint8_t content) {
  return KeyWriter(ContainerSpace::kExtent).integer(type).raw(id.view()).integer(content).range();
}

KeyRange history_extent_range(uint32_t type, const ObjectId& id, uint64_t n) {
  return KeyWriter(ContainerSpace::kHistoryExtent)
      .integer(type).raw(id.view()).integer(~n).range();
}

KeyRange folder_range(const FolderId& folder) { return in_folder(folder, 0).range(); }

KeyRange dirent_range(const FolderId& folder, ByteView name) {
  return in_folder(folder, name.size()).escaped(name).range();
}

KeyRange dirent_prefix_range(const FolderId& folder, ByteView name_prefix) {
  return name_prefix_range(folder, name_prefix, ContainerSpace::kDirent);
}

KeyRange removed_range(const FolderId& folder, ByteView name) {
  return in_folder(folder, name.size(), ContainerSpace::kRemoved)
      .escaped(object_name_in_key(name)).range();
}

KeyRange removed_prefix_range(const FolderId& folder, ByteView name_prefix) {
  return name_prefix_range(folder, name_prefix, ContainerSpace::kRemoved);
}

KeyRange document_range(ByteView name) {
  return KeyWriter(ContainerSpace::kDocument, 8 + name.size()).escaped(name).range();
}

KeyRange linked_by_range(const ObjectId& target) {
  return KeyWriter(ContainerSpace::kLinkedBy).raw(target.view()).range();
}
KeyRange linked_by_range(const ObjectId& target, const IdBytes& source) {
  return KeyWriter(ContainerSpace::kLinkedBy).raw(target.view()).raw(view_of(source)).range();
}

KeyRange field_range(uint32_t type, ByteView field) {
  return KeyWriter(ContainerSpace::kField).integer(type).escaped(field).range();
}
KeyRange field_range(uint32_t type, ByteView field, ByteView value) {
  return KeyWriter(ContainerSpace::kField).integer(type).escaped(field).escaped(value).range();
}

// --- catalog -------------------------------------------------------------------------------------

Bytes container_key(const ContainerId& id) {
  return KeyWriter(CatalogSpace::kContainer).raw(id.view()).take();
}
Result<ContainerId> decode_container_key(ByteView key) {
  return decode_single<ContainerId>(key, CatalogSpace::kContainer, "CONTAINER");
}

Bytes container_name_key(ByteView name) {
  return KeyWriter(CatalogSpace::kContainerName).raw(name).take();
}
Result<Bytes> decode_container_name_key(ByteView key) {
  return decode_rest(key, CatalogSpace::kContainerName, "CONTAINER_NAME");
}

Bytes snapshot_key(const ContainerId& container, ByteView name) {
  return KeyWriter(CatalogSpace::kSnapshot).raw(container.view()).raw(name).take();
}
Result<SnapshotKey> decode_snapshot_key(ByteView key) {
  KeyReader reader(key, CatalogSpace::kSnapshot, "SNAPSHOT");
  SnapshotKey out;
  out.container = reader.plain<ContainerId>();
  out.name = reader.rest();
  return reader.finish(std::move(out));
}
KeyRange snapshot_range(const ContainerId& container) {
  return KeyWriter(CatalogSpace::kSnapshot).raw(container.view()).range();
}

Bytes expires_key(uint64_t time, const ContainerId& container, ByteView snapshot) {
  return KeyWriter(CatalogSpace::kExpires)
      .integer(time)
      .raw(container.view())
      .raw(snapshot)
      .take();
}
Result<ExpiresKey> decode_expires_key(ByteView key) {
  KeyReader reader(key, CatalogSpace::kExpires, "EXPIRES");
  ExpiresKey out;
  out.time = reader.integer<uint64_t>();
  out.container = reader.plain<ContainerId>();
  out.snapshot = reader.rest();
  return reader.finish(std::move(out));
}

Bytes drop_key(uint64_t sequence) {
  return KeyWriter(CatalogSpace::kDrop).integer(sequence).take();
}
Result<uint64_t> decode_drop_key(ByteView key) {
  return decode_single_integer<uint64_t>(key, CatalogSpace::kDrop, "DROP");
}

Bytes type_name_key(ByteView name) { return KeyWriter(CatalogSpace::kTypeName).raw(name).take(); }
Result<Bytes> decode_type_name_key(ByteView key) {
  return decode_rest(key, CatalogSpace::kTypeName, "TYPE_NAME");
}

Bytes type_key(uint32_t type) { return KeyWriter(CatalogSpace::kType).integer(type).take(); }
Result<uint32_t> decode_type_key(ByteView key) {
  return decode_single_integer<uint32_t>(key, CatalogSpace::kType, "TYPE");
}

Bytes principal_key(const PrincipalId& id) {
  return KeyWriter(CatalogSpace::kPrincipal).raw(id.view()).take();
}
Result<PrincipalId> decode_principal_key(ByteView key) {
  return decode_single<PrincipalId>(key, CatalogSpace::kPrincipal, "PRINCIPAL");
}

Bytes token_key(const ContentHash& hash) {
  return KeyWriter(CatalogSpace::kToken).raw(hash.view()).take();
}
Result<ContentHash> decode_token_key(ByteView key) {
  return decode_single<ContentHash>(key, CatalogSpace::kToken, "TOKEN");
}

Bytes named_root_key(ByteView name) {
  return KeyWriter(CatalogSpace::kNamedRoot).raw(name).take();
}
Result<Bytes> decode_named_root_key(ByteView key) {
  return decode_rest(key, CatalogSpace::kNamedRoot, "NAMED_ROOT");
}

Bytes setting_key(ByteView name) { return KeyWriter(CatalogSpace::kSetting).raw(name).take(); }
Result<Bytes> decode_setting_key(ByteView key) {
  return decode_rest(key, CatalogSpace::kSetting, "SETTING");
}

// --- catalog: access -----------------------------------------------------------------------------

Bytes principal_name_key(ByteView name) {
  return KeyWriter(CatalogSpace::kPrincipalName).raw(name).take();
}
Result<Bytes> decode_principal_name_key(ByteView key) {
  return decode_rest(key, CatalogSpace::kPrincipalName, "PRINCIPAL_NAME");
}

Bytes key_pair_key(ByteView id) { return KeyWriter(CatalogSpace::kKeyPair).raw(id).take(); }
Result<Bytes> decode_key_pair_key(ByteView key) {
  return decode_rest(key, CatalogSpace::kKeyPair, "KEY_PAIR");
}

Bytes grant_key(const ContainerId& container, const PrincipalId& principal) {
  return KeyWriter(CatalogSpace::kGrant, 33).raw(container.view()).raw(principal.view()).take();
}
Result<GrantKey> decode_grant_key(ByteView key) {
  KeyReader reader(key, CatalogSpace::kGrant, "GRANT");
  GrantKey out;
  out.container = reader.plain<ContainerId>();
  out.principal = reader.plain<PrincipalId>();
  return reader.finish(out);
}
KeyRange grant_range(const ContainerId& container) {
  return KeyWriter(CatalogSpace::kGrant).raw(container.view()).range();
}

Bytes container_access_key(const ContainerId& container) {
  return KeyWriter(CatalogSpace::kContainerAccess).raw(container.view()).take();
}
Result<ContainerId> decode_container_access_key(ByteView key) {
  return decode_single<ContainerId>(key, CatalogSpace::kContainerAccess, "CONTAINER_ACCESS");
}

Bytes of_principal_key(const PrincipalId& principal, OfPrincipal kind, ByteView rest) {
  return KeyWriter(CatalogSpace::kOfPrincipal, 18 + rest.size())
      .raw(principal.view())
      .integer(static_cast<uint8_t>(kind))
      .raw(rest)
      .take();
}
Result<OfPrincipalKey> decode_of_principal_key(ByteView key) {
  KeyReader reader(key, CatalogSpace::kOfPrincipal, "OF_PRINCIPAL");
  OfPrincipalKey out;
  out.principal = reader.plain<PrincipalId>();
  out.kind = static_cast<OfPrincipal>(reader.integer<uint8_t>());
  out.rest = reader.rest();
  RAMET_ASSIGN(out, reader.finish(std::move(out)));
  const auto fits = [&out] {
    switch (out.kind) {
      case OfPrincipal::kToken: return out.rest.size() == sizeof(ContentHash);
      case OfPrincipal::kKeyPair: return true;
      case OfPrincipal::kGrant: return out.rest.size() == sizeof(ContainerId);
      case OfPrincipal::kMember: return out.rest.size() == sizeof(PrincipalId);
    }
    return false;
  };
  if (fits()) return out;
  return Error(ErrorCode::kCorruption,
               fmt::format("malformed OF_PRINCIPAL key of {} bytes", key.size()));
}
KeyRange of_principal_range(const PrincipalId& principal) {
  return KeyWriter(CatalogSpace::kOfPrincipal).raw(principal.view()).range();
}
KeyRange of_principal_range(const PrincipalId& principal, OfPrincipal kind) {
  return KeyWriter(CatalogSpace::kOfPrincipal)
      .raw(principal.view())
      .integer(static_cast<uint8_t>(kind))
      .range();
}

Bytes audit_log_key(uint64_t number) {
  return KeyWriter(CatalogSpace::kAuditLog).integer(number).take();
}
Result<uint64_t> decode_audit_log_key(ByteView key) {
  return decode_single_integer<uint64_t>(key, CatalogSpace::kAuditLog, "AUDIT_LOG");
}

// --- map -----------------------------------------------------------------------------------------

Bytes segment_key(SegmentNo segment) {
  return KeyWriter(MapSpace::kSegment).integer(segment).take();
}
Result<SegmentNo> decode_segment_key(ByteView key) {
  return decode_single_integer<SegmentNo>(key, MapSpace::kSegment, "SEGMENT");
}

Bytes slots_key(SegmentNo segment, uint32_t page) {
  return page_key(MapSpace::kSlots, segment, page);
}
Result<PageKey> decode_slots_key(ByteView key) {
  return decode_page_key(key, MapSpace::kSlots, "SLOTS");
}
Bytes count_key(SegmentNo segment, uint32_t page) {
  return page_key(MapSpace::kCount, segment, page);
}
Result<PageKey> decode_count_key(ByteView key) {
  return decode_page_key(key, MapSpace::kCount, "COUNT");
}
Bytes holes_key(SegmentNo segment) {
  return KeyWriter(MapSpace::kHoles).integer(segment).take();
}
Result<SegmentNo> decode_holes_key(ByteView key) {
  return decode_single_integer<SegmentNo>(key, MapSpace::kHoles, "HOLES");
}

Bytes uncounted_key(SegmentNo segment, Slot first) {
  return page_key(MapSpace::kUncounted, segment, first);
}
Result<UncountedKey> decode_uncounted_key(ByteView key) {
  RAMET_ASSIGN(const PageKey decoded, decode_page_key(key, MapSpace::kUncounted, "UNCOUNTED"));
  return UncountedKey{decoded.segment, decoded.page};
}

KeyRange segment_range(MapSpace space, SegmentNo segment) {
  return KeyWriter(space).integer(segment).range();
}

}  // namespace ramet
