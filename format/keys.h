// Keys of the three kinds of trees (docs/format.md#keys). This header alone builds and reads
// them: their memcmp order is the order of their fields, first to last (fields written with ~
// descending). All functions are pure and thread-safe.
//
// Every decode_*_key() refuses (kCorruption) what its builder can't have given: another prefix, a
// wrong length, a bad escape. Names and other variable parts may be any bytes, also empty.
#pragma once

#include <cstdint>
#include <optional>

#include "format/bytes.h"
#include "format/hash.h"
#include "format/block_ref.h"
#include "format/ids.h"
#include "format/result.h"

namespace ramet {

// First bytes of the keys; on disk, never changed. Unknown ones are kept untouched. The three
// kinds of trees share no prefix, so that a leaf tells by its keys which kind it belongs to.
enum class ContainerSpace : uint8_t {
  kObject = 0x01,
  kId = 0x02,
  kAlias = 0x03,
  kExtent = 0x04,
  kDirent = 0x05,
  kFolder = 0x06,
  kVersion = 0x07,
  kHistoryExtent = 0x08,
  kAccess = 0x09,
  kLinkedBy = 0x0A,
  kAudit = 0x0B,
  kField = 0x0C,
  kExpiry = 0x0D,
  kOrphan = 0x0E,
  kChange = 0x0F,
  kRemoved = 0x10,
  kDocument = 0x11,
  kDead = 0x12,
  kOrigin = 0x13,
  kAwaited = 0x14,
  kKept = 0x15,
};
enum class CatalogSpace : uint8_t {
  kContainer = 0x81,
  kContainerName = 0x82,
  kSnapshot = 0x83,
  kDrop = 0x84,
  kTypeName = 0x85,
  kType = 0x86,
  kPrincipal = 0x87,
  kToken = 0x88,
  kNamedRoot = 0x89,
  kSetting = 0x8A,
  kExpires = 0x8B,
  kPrincipalName = 0x8C,
  kKeyPair = 0x8D,
  kGrant = 0x8E,
  kContainerAccess = 0x8F,
  kOfPrincipal = 0x90,
  kAuditLog = 0x91,
};
enum class MapSpace : uint8_t {
  kSegment = 0xC1,
  kSlots = 0xC2,
  kCount = 0xC3,
  kUncounted = 0xC4,
  kHoles = 0xC5,
};

// Keys k with from <= k < to. An empty `to` is the end of the tree.
struct KeyRange {
  Bytes from;
  Bytes to;
  bool contains(ByteView key) const { return key >= from && (to.empty() || key < to); }
  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};

// The first key behind all that begin with `prefix`; empty when there is none (the end).
Bytes prefix_end(Bytes prefix);
KeyRange prefix_range(Bytes prefix);
// The first key behind `key` itself.
Bytes key_after(ByteView key);

// All keys of one space.
KeyRange space_range(ContainerSpace space);
KeyRange space_range(CatalogSpace space);
KeyRange space_range(MapSpace space);
// The space of a key; nullopt for an empty key and for prefixes this version does not know.
std::optional<ContainerSpace> container_space_of(ByteView key);
std::optional<CatalogSpace> catalog_space_of(ByteView key);
std::optional<MapSpace> map_space_of(ByteView key);

// Variable parts inside keys: 00 becomes 00 FF, the end is 00 01; so a part sorts before every
// longer one that begins with it.
void append_escaped(Bytes& out, ByteView part);
// Takes one part with its end off the front of `*in`. kCorruption (and `*in` as it was): no end,
// or 00 before anything but FF and 01.
Result<Bytes> take_escaped(ByteView* in);

// --- container tree: objects ---------------------------------------------------------------------

struct ObjectKey {
  uint32_t type = 0;
  ObjectId id;
  friend bool operator==(const ObjectKey&, const ObjectKey&) = default;
};
Bytes object_key(uint32_t type, const ObjectId& id);
Result<ObjectKey> decode_object_key(ByteView key);

// ID(id): leads from an id to its type.
Bytes id_entry_key(const ObjectId& id);
Result<ObjectId> decode_id_entry_key(ByteView key);

// ALIAS(outer): an id that a caller chose.
Bytes alias_key(ByteView outer);
Result<Bytes> decode_alias_key(ByteView key);

// A run of extents of content number `content` (0: the object's own) that ends at `end`.
struct ExtentKey {
  uint32_t type = 0;
  ObjectId id;
  uint8_t content = 0;
  uint64_t end = 0;
  friend bool operator==(const ExtentKey&, const ExtentKey&) = default;
};
Bytes extent_key(uint32_t type, const ObjectId& id, uint8_t content, uint64_t end);
Result<ExtentKey> decode_extent_key(ByteView key);
// Where to seek for the run that covers `offset`, or the first one behind it: runs are found by
// their end. Requires: offset < 2^64 - 1.
Bytes extent_seek_key(uint32_t type, const ObjectId& id, uint8_t content, uint64_t offset);

// Version `n` of an object; the newest comes first.
struct VersionKey {
  uint32_t type = 0;
  ObjectId id;
  uint64_t n = 0;
  friend bool operator==(const VersionKey&, const VersionKey&) = default;
};
Bytes version_key(uint32_t type, const ObjectId& id, uint64_t n);
Result<VersionKey> decode_version_key(ByteView key);

struct HistoryExtentKey {
  uint32_t type = 0;
  ObjectId id;
  uint64_t n = 0;
  uint8_t content = 0;
  uint64_t end = 0;
  friend bool operator==(const HistoryExtentKey&, const HistoryExtentKey&) = default;
};
Bytes history_extent_key(uint32_t type, const ObjectId& id, uint64_t n, uint8_t content,
                         uint64_t end);
Result<HistoryExtentKey> decode_history_extent_key(ByteView key);

struct ObjectAccessKey {
  uint32_t type = 0;
  ObjectId id;
  friend bool operator==(const ObjectAccessKey&, const ObjectAccessKey&) = default;
};
Bytes access_key(uint32_t type, const ObjectId& id);
Result<ObjectAccessKey> decode_access_key(ByteView key);

// --- container tree: names -----------------------------------------------------------------------

// A name in a folder. The name of a folder ends in '/', and `id` is then the FolderId's bytes.
struct DirentKey {
  FolderId folder;
  Bytes name;
  IdBytes id{};
  ObjectId object() const { return ObjectId{id}; }
  FolderId subfolder() const { return FolderId{id}; }
  friend bool operator==(const DirentKey&, const DirentKey&) = default;
};
// For an object, `name` is what people call it: where whole keys are names it may end in '/', and
// then a NUL stands behind it in the key. For a folder, and after decoding, it is what the key has.
Bytes dirent_key(const FolderId& folder, ByteView name, const ObjectId& id);
Bytes dirent_key(const FolderId& folder, ByteView name, const FolderId& id);
Result<DirentKey> decode_dirent_key(ByteView key);
// An object's name as a key has it, and back; others stay as they are.
Bytes object_name_in_key(ByteView name);
ByteView object_name_from_key(ByteView name);

// REMOVED: a name that leads to no object any more, while versions of the object are kept. Built
// and
// ordered as those of DIRENT.
Bytes removed_key(const FolderId& folder, ByteView name, const ObjectId& id);
Result<DirentKey> decode_removed_key(ByteView key);

Bytes folder_key(const FolderId& folder);
Result<FolderId> decode_folder_key(ByteView key);

// `target` has a name or link called `name` in `source` (a folder's or an object's id).
struct LinkedByKey {
  ObjectId target;
  IdBytes source{};
  Bytes name;
  friend bool operator==(const LinkedByKey&, const LinkedByKey&) = default;
};
Bytes linked_by_key(const ObjectId& target, const ObjectId& source, ByteView name);
Bytes linked_by_key(const ObjectId& target, const FolderId& source, ByteView name);
Result<LinkedByKey> decode_linked_by_key(ByteView key);

// --- container tree: the rest --------------------------------------------------------------------

// DOCUMENT: part `part` of a document of the container.
struct DocumentKey {
  Bytes name;
  uint16_t part = 0;
  friend bool operator==(const DocumentKey&, const DocumentKey&) = default;
};
Bytes document_key(ByteView name, uint16_t part);
Result<DocumentKey> decode_document_key(ByteView key);
// All parts of one.
KeyRange document_range(ByteView name);

Bytes audit_key(uint64_t sequence);
Result<uint64_t> decode_audit_key(ByteView key);

// Secondary index. `value` is in an encoding whose memcmp order is the wanted one.
struct FieldKey {
  uint32_t type = 0;
  Bytes field;
  Bytes value;
  ObjectId id;
  friend bool operator==(const FieldKey&, const FieldKey&) = default;
};
Bytes field_key(uint32_t type, ByteView field, ByteView value, const ObjectId& id);
Result<FieldKey> decode_field_key(ByteView key);

// `time`: nanoseconds since 1970.
struct ExpiryKey {
  uint64_t time = 0;
  ObjectId id;
  friend bool operator==(const ExpiryKey&, const ExpiryKey&) = default;
};
Bytes expiry_key(uint64_t time, const ObjectId& id);
Result<ExpiryKey> decode_expiry_key(ByteView key);

Bytes orphan_key(const ObjectId& id);
Result<ObjectId> decode_orphan_key(ByteView key);

Bytes change_key(uint64_t sequence);
Result<uint64_t> decode_change_key(ByteView key);

// --- container tree: records (docs/architecture.md#records) --------------------------------------

// DEAD: a record that lived here, or in an origin, and does not any more.
Bytes dead_key(uint32_t type, const ObjectId& id);
Result<ObjectKey> decode_dead_key(ByteView key);
// ORIGIN: what the container was cloned from, by its depth.
Bytes origin_key(uint32_t depth);
Result<uint32_t> decode_origin_key(ByteView key);
// KEPT: a record that came along, of a type of which the origin's clone left something out.
struct KeptKey {
  uint32_t depth = 0;
  uint32_t type = 0;
  ObjectId id;
  friend bool operator==(const KeptKey&, const KeptKey&) = default;
};
Bytes kept_key(uint32_t depth, uint32_t type, const ObjectId& id);
Result<KeptKey> decode_kept_key(ByteView key);
// AWAITED: an id, as it is shown, that documents named before there was such a record.
Bytes awaited_key(uint32_t type, const ObjectId& shown);
Result<ObjectKey> decode_awaited_key(ByteView key);

// --- container tree: ranges ----------------------------------------------------------------------

// All keys of one type in a space that is ordered by type. Requires: kObject, kExtent, kVersion,
// kHistoryExtent, kAccess, kField or kDead.
KeyRange type_range(ContainerSpace space, uint32_t type);
// All keys of one object in such a space. Requires: one of these but kField.
KeyRange object_range(ContainerSpace space, uint32_t type, const ObjectId& id);
// All extents of one content of an object.
KeyRange extent_range(uint32_t type, const ObjectId& id, uint8_t content);
// All extents of one version of an object.
KeyRange history_extent_range(uint32_t type, const ObjectId& id, uint64_t n);
// All names of a folder.
KeyRange folder_range(const FolderId& folder);
// All entries of one name (there may be several where the policy lets names repeat).
KeyRange dirent_range(const FolderId& folder, ByteView name);
// All names that begin with `name_prefix`.
KeyRange dirent_prefix_range(const FolderId& folder, ByteView name_prefix);
// The same of REMOVED.
KeyRange removed_range(const FolderId& folder, ByteView name);
KeyRange removed_prefix_range(const FolderId& folder, ByteView name_prefix);
// All that lead to an object; all that do from one folder or object.
KeyRange linked_by_range(const ObjectId& target);
KeyRange linked_by_range(const ObjectId& target, const IdBytes& source);
// All entries of one field; all with one value in it.
KeyRange field_range(uint32_t type, ByteView field);
KeyRange field_range(uint32_t type, ByteView field, ByteView value);

// --- catalog -------------------------------------------------------------------------------------

Bytes container_key(const ContainerId& id);
Result<ContainerId> decode_container_key(ByteView key);
Bytes container_name_key(ByteView name);
Result<Bytes> decode_container_name_key(ByteView key);

struct SnapshotKey {
  ContainerId container;
  Bytes name;
  friend bool operator==(const SnapshotKey&, const SnapshotKey&) = default;
};
Bytes snapshot_key(const ContainerId& container, ByteView name);
Result<SnapshotKey> decode_snapshot_key(ByteView key);
// All snapshots of a container.
KeyRange snapshot_range(const ContainerId& container);

// A container (empty snapshot) or snapshot that is dropped from `time` on, nanoseconds since 1970.
struct ExpiresKey {
  uint64_t time = 0;
  ContainerId container;
  Bytes snapshot;
  friend bool operator==(const ExpiresKey&, const ExpiresKey&) = default;
};
Bytes expires_key(uint64_t time, const ContainerId& container, ByteView snapshot);
Result<ExpiresKey> decode_expires_key(ByteView key);

Bytes drop_key(uint64_t sequence);
Result<uint64_t> decode_drop_key(ByteView key);
Bytes type_name_key(ByteView name);
Result<Bytes> decode_type_name_key(ByteView key);
Bytes type_key(uint32_t type);
Result<uint32_t> decode_type_key(ByteView key);
Bytes principal_key(const PrincipalId& id);
Result<PrincipalId> decode_principal_key(ByteView key);
Bytes token_key(const ContentHash& hash);
Result<ContentHash> decode_token_key(ByteView key);
Bytes named_root_key(ByteView name);
Result<Bytes> decode_named_root_key(ByteView key);
Bytes setting_key(ByteView name);
Result<Bytes> decode_setting_key(ByteView key);

// --- catalog: access -----------------------------------------------------------------------------

Bytes principal_name_key(ByteView name);
Result<Bytes> decode_principal_name_key(ByteView key);
// An S3 key pair, by the id that its requests name.
Bytes key_pair_key(ByteView id);
Result<Bytes> decode_key_pair_key(ByteView key);

// What a principal (the null one: everyone) may do in a container.
struct GrantKey {
  ContainerId container;
  PrincipalId principal;
  friend bool operator==(const GrantKey&, const GrantKey&) = default;
};
Bytes grant_key(const ContainerId& container, const PrincipalId& principal);
Result<GrantKey> decode_grant_key(ByteView key);
// All grants on a container.
KeyRange grant_range(const ContainerId& container);

Bytes container_access_key(const ContainerId& container);
Result<ContainerId> decode_container_access_key(ByteView key);

// Leads from a principal to an entry that goes with it: the rest of `kind` is what its key has
// behind the prefix, or the other principal.
enum class OfPrincipal : uint8_t {
  kToken = 1,    // hash:32
  kKeyPair = 2,  // id
  kGrant = 3,    // container:16
  kMember = 4,   // principal:16, of this group
};
struct OfPrincipalKey {
  PrincipalId principal;
  OfPrincipal kind = OfPrincipal::kToken;
  Bytes rest;
  friend bool operator==(const OfPrincipalKey&, const OfPrincipalKey&) = default;
};
// Requires: `rest` as `kind` has it (decoding gives nothing else).
Bytes of_principal_key(const PrincipalId& principal, OfPrincipal kind, ByteView rest);
Result<OfPrincipalKey> decode_of_principal_key(ByteView key);
KeyRange of_principal_range(const PrincipalId& principal);
KeyRange of_principal_range(const PrincipalId& principal, OfPrincipal kind);

Bytes audit_log_key(uint64_t number);
Result<uint64_t> decode_audit_log_key(ByteView key);

// --- map -----------------------------------------------------------------------------------------

Bytes segment_key(SegmentNo segment);
Result<SegmentNo> decode_segment_key(ByteView key);

// SLOTS and COUNT: one page of a segment's slots (kSlotsPerPage or kCountsPerPage).
struct PageKey {
  SegmentNo segment = 0;
  uint32_t page = 0;
  friend bool operator==(const PageKey&, const PageKey&) = default;
};
Bytes slots_key(SegmentNo segment, uint32_t page);
Result<PageKey> decode_slots_key(ByteView key);
Bytes count_key(SegmentNo segment, uint32_t page);
Result<PageKey> decode_count_key(ByteView key);
// HOLES: of one segment.
Bytes holes_key(SegmentNo segment);
Result<SegmentNo> decode_holes_key(ByteView key);

// UNCOUNTED: a range of slots from `first` on.
struct UncountedKey {
  SegmentNo segment = 0;
  Slot first = 0;
  friend bool operator==(const UncountedKey&, const UncountedKey&) = default;
};
Bytes uncounted_key(SegmentNo segment, Slot first);
Result<UncountedKey> decode_uncounted_key(ByteView key);

// All keys of one segment in a space. Any MapSpace.
KeyRange segment_range(MapSpace space, SegmentNo segment);

}  // namespace ramet
