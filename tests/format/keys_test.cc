#include "format/keys.h"

#include <tuple>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/format/generators.h"
#include "tests/support/golden.h"

namespace ramet {
namespace {

using namespace ramet::testing;

// Few different values, so that two keys often agree up to a late field.
rc::Gen<uint32_t> near_type() {
  return rc::gen::oneOf(rc::gen::inRange<uint32_t>(0, 3), wide<uint32_t>());
}
rc::Gen<uint64_t> near_number() {
  return rc::gen::oneOf(rc::gen::inRange<uint64_t>(0, 3), wide<uint64_t>());
}
rc::Gen<uint8_t> near_content() { return rc::gen::inRange<uint8_t>(0, 3); }
rc::Gen<Bytes> near_name() {
  return rc::gen::oneOf(rc::gen::element<Bytes>("", "a", "a/", Bytes("a\0", 2), Bytes("a\0b", 3),
                                                "a\x01", "a\xFF", "ab", Bytes("\0", 1),
                                                Bytes("\0\x01", 2), Bytes("\0\xFF", 2)),
                        tricky_bytes());
}

// The properties of one kind of key: fields come back; memcmp order is the order of `fields` (a
// tuple in the wanted order); no wrong length, flipped bit or random bytes crash or are taken for
// a key that the builder would write otherwise.
template <typename Build, typename Decode, typename Fields>
void check_keys(const auto& a, const auto& b, Build build, Decode decode, Fields fields) {
  const Bytes key_a = build(a);
  const Bytes key_b = build(b);
  const auto decoded = decode(key_a);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == a);
  RC_ASSERT((fields(a) < fields(b)) == (key_a < key_b));
  RC_ASSERT((fields(a) == fields(b)) == (key_a == key_b));

  const auto strict = [&](const Bytes& bytes) {
    const auto result = decode(bytes);
    if (result.ok()) {
      RC_ASSERT(build(*result) == bytes);
    } else {
      RC_ASSERT(result.error().code() == ErrorCode::kCorruption);
    }
  };
  for_each_wrong_length(key_a, strict);
  for_each_flipped_bit(key_a, [&](const Bytes& bytes, size_t) { strict(bytes); });
  strict(key_a.substr(0, 1) + *tricky_bytes());
  Bytes other_space = key_a;
  other_space[0] = static_cast<char>(other_space[0] + 1);
  RC_ASSERT(!decode(other_space).ok());
}

RC_GTEST_PROP(KeysProperty, ObjectAndAccess, ()) {
  const auto fields = [](const auto& k) { return std::tuple(k.type, k.id); };
  const ObjectKey a{*near_type(), *near_id<ObjectId>()};
  const ObjectKey b{*near_type(), *near_id<ObjectId>()};
  check_keys(a, b, [](const ObjectKey& k) { return object_key(k.type, k.id); }, decode_object_key,
             fields);
  check_keys(ObjectAccessKey{a.type, a.id}, ObjectAccessKey{b.type, b.id},
             [](const ObjectAccessKey& k) { return access_key(k.type, k.id); }, decode_access_key,
             fields);
}

RC_GTEST_PROP(KeysProperty, OfRecords, ()) {
  const auto fields = [](const auto& k) { return std::tuple(k.type, k.id); };
  const ObjectKey a{*near_type(), *near_id<ObjectId>()};
  const ObjectKey b{*near_type(), *near_id<ObjectId>()};
  check_keys(a, b, [](const ObjectKey& k) { return dead_key(k.type, k.id); }, decode_dead_key,
             fields);
  check_keys(a, b, [](const ObjectKey& k) { return awaited_key(k.type, k.id); },
             decode_awaited_key, fields);
  const KeptKey c{*near_type(), a.type, a.id};
  const KeptKey d{*near_type(), b.type, b.id};
  check_keys(c, d, [](const KeptKey& k) { return kept_key(k.depth, k.type, k.id); },
             decode_kept_key, [](const KeptKey& k) { return std::tuple(k.depth, k.type, k.id); });
}

template <typename AnyId>
void check_id_keys(Bytes (*build)(const AnyId&), Result<AnyId> (*decode)(ByteView)) {
  check_keys(*near_id<AnyId>(), *near_id<AnyId>(), build, decode,
             [](const AnyId& id) { return id; });
}
RC_GTEST_PROP(KeysProperty, KeysOfOneId, ()) {
  check_id_keys<ObjectId>(id_entry_key, decode_id_entry_key);
  check_id_keys<FolderId>(folder_key, decode_folder_key);
  check_id_keys<ObjectId>(orphan_key, decode_orphan_key);
  check_id_keys<ContainerId>(container_key, decode_container_key);
  check_id_keys<PrincipalId>(principal_key, decode_principal_key);
  check_id_keys<ContainerId>(container_access_key, decode_container_access_key);
}

void check_name_keys(Bytes (*build)(ByteView), Result<Bytes> (*decode)(ByteView)) {
  check_keys(*near_name(), *near_name(), build, decode, [](const Bytes& name) { return name; });
}
RC_GTEST_PROP(KeysProperty, KeysOfOneName, ()) {
  check_name_keys(alias_key, decode_alias_key);
  check_name_keys(container_name_key, decode_container_name_key);
  check_name_keys(type_name_key, decode_type_name_key);
  check_name_keys(named_root_key, decode_named_root_key);
  check_name_keys(setting_key, decode_setting_key);
  check_name_keys(principal_name_key, decode_principal_name_key);
  check_name_keys(key_pair_key, decode_key_pair_key);
}

template <typename T>
void check_number_keys(Bytes (*build)(T), Result<T> (*decode)(ByteView)) {
  check_keys(*wide<T>(), *wide<T>(), build, decode, [](T n) { return n; });
}
RC_GTEST_PROP(KeysProperty, KeysOfOneNumber, ()) {
  check_number_keys<uint64_t>(audit_key, decode_audit_key);
  check_number_keys<uint64_t>(change_key, decode_change_key);
  check_number_keys<uint64_t>(drop_key, decode_drop_key);
  check_number_keys<uint64_t>(audit_log_key, decode_audit_log_key);
  check_number_keys<uint32_t>(type_key, decode_type_key);
  check_number_keys<uint32_t>(origin_key, decode_origin_key);
  check_number_keys<uint32_t>(segment_key, decode_segment_key);
}

RC_GTEST_PROP(KeysProperty, Extent, ()) {
  const auto any_key = [] {
    return ExtentKey{*near_type(), *near_id<ObjectId>(), *near_content(), *near_number()};
  };
  check_keys(any_key(), any_key(),
             [](const ExtentKey& k) { return extent_key(k.type, k.id, k.content, k.end); },
             decode_extent_key,
             [](const ExtentKey& k) { return std::tuple(k.type, k.id, k.content, k.end); });
}

RC_GTEST_PROP(KeysProperty, VersionNewestFirst, ()) {
  const auto any_key = [] {
    return VersionKey{*near_type(), *near_id<ObjectId>(), *near_number()};
  };
  check_keys(any_key(), any_key(),
             [](const VersionKey& k) { return version_key(k.type, k.id, k.n); },
             decode_version_key,
             [](const VersionKey& k) { return std::tuple(k.type, k.id, ~k.n); });
}

RC_GTEST_PROP(KeysProperty, HistoryExtentNewestFirst, ()) {
  const auto any_key = [] {
    return HistoryExtentKey{*near_type(), *near_id<ObjectId>(), *near_number(), *near_content(),
                            *near_number()};
  };
  check_keys(
      any_key(), any_key(),
      [](const HistoryExtentKey& k) {
        return history_extent_key(k.type, k.id, k.n, k.content, k.end);
      },
      decode_history_extent_key,
      [](const HistoryExtentKey& k) { return std::tuple(k.type, k.id, ~k.n, k.content, k.end); });
}

DirentKey any_dirent() {
  return {*near_id<FolderId>(), *near_name(), (*near_id<ObjectId>()).bytes};
}
RC_GTEST_PROP(KeysProperty, Dirent, ()) {
  check_keys(any_dirent(), any_dirent(),
             [](const DirentKey& k) { return dirent_key(k.folder, k.name, k.subfolder()); },
             decode_dirent_key,
             [](const DirentKey& k) { return std::tuple(k.folder, k.name, k.id); });
  const DirentKey k = any_dirent();
  RC_ASSERT(dirent_key(k.folder, k.name, k.object()) ==
            dirent_key(k.folder, object_name_in_key(k.name), k.subfolder()));
  RC_ASSERT(object_name_from_key(object_name_in_key(k.name)) == object_name_from_key(k.name));
}

RC_GTEST_PROP(KeysProperty, LinkedBy, ()) {
  const auto any_key = [] {
    return LinkedByKey{*near_id<ObjectId>(), (*near_id<FolderId>()).bytes, *near_name()};
  };
  check_keys(
      any_key(), any_key(),
      [](const LinkedByKey& k) { return linked_by_key(k.target, FolderId{k.source}, k.name); },
      decode_linked_by_key,
      [](const LinkedByKey& k) { return std::tuple(k.target, k.source, k.name); });
}

RC_GTEST_PROP(KeysProperty, Field, ()) {
  const auto any_key = [] {
    return FieldKey{*near_type(), *near_name(), *near_name(), *near_id<ObjectId>()};
  };
  check_keys(any_key(), any_key(),
             [](const FieldKey& k) { return field_key(k.type, k.field, k.value, k.id); },
             decode_field_key,
             [](const FieldKey& k) { return std::tuple(k.type, k.field, k.value, k.id); });
}

RC_GTEST_PROP(KeysProperty, Expiry, ()) {
  const auto any_key = [] { return ExpiryKey{*near_number(), *near_id<ObjectId>()}; };
  check_keys(any_key(), any_key(),
             [](const ExpiryKey& k) { return expiry_key(k.time, k.id); }, decode_expiry_key,
             [](const ExpiryKey& k) { return std::tuple(k.time, k.id); });
}

RC_GTEST_PROP(KeysProperty, SnapshotAndToken, ()) {
  const auto any_key = [] { return SnapshotKey{*near_id<ContainerId>(), *near_name()}; };
  check_keys(any_key(), any_key(),
             [](const SnapshotKey& k) { return snapshot_key(k.container, k.name); },
             decode_snapshot_key,
             [](const SnapshotKey& k) { return std::tuple(k.container, k.name); });
  check_keys(*any_hash(), *any_hash(), token_key, decode_token_key,
             [](const ContentHash& hash) { return hash; });
}

RC_GTEST_PROP(KeysProperty, Expires, ()) {
  const auto any_key = [] {
    return ExpiresKey{*wide<uint64_t>(), *near_id<ContainerId>(), *near_name()};
  };
  check_keys(any_key(), any_key(),
             [](const ExpiresKey& k) { return expires_key(k.time, k.container, k.snapshot); },
             decode_expires_key,
             [](const ExpiresKey& k) { return std::tuple(k.time, k.container, k.snapshot); });
}

RC_GTEST_PROP(KeysProperty, Grant, ()) {
  const auto any_key = [] {
    return GrantKey{*near_id<ContainerId>(), *near_id<PrincipalId>()};
  };
  check_keys(any_key(), any_key(),
             [](const GrantKey& k) { return grant_key(k.container, k.principal); },
             decode_grant_key,
             [](const GrantKey& k) { return std::tuple(k.container, k.principal); });
}

OfPrincipalKey any_of_principal() {
  OfPrincipalKey key{*near_id<PrincipalId>(), OfPrincipal::kToken, {}};
  switch (*rc::gen::inRange(1, 5)) {
    case 1: key.rest = Bytes((*any_hash()).view()); break;
    case 2: key.kind = OfPrincipal::kKeyPair; key.rest = *near_name(); break;
    case 3: key.kind = OfPrincipal::kGrant; key.rest = (*near_id<ContainerId>()).view(); break;
    default: key.kind = OfPrincipal::kMember; key.rest = (*near_id<PrincipalId>()).view();
  }
  return key;
}
RC_GTEST_PROP(KeysProperty, OfPrincipal, ()) {
  check_keys(any_of_principal(), any_of_principal(),
             [](const OfPrincipalKey& k) { return of_principal_key(k.principal, k.kind, k.rest); },
             decode_of_principal_key,
             [](const OfPrincipalKey& k) { return std::tuple(k.principal, k.kind, k.rest); });
}

RC_GTEST_PROP(KeysProperty, MapPages, ()) {
  const auto any_page = [] { return PageKey{*near_type(), *near_type()}; };
  const auto fields = [](const PageKey& k) { return std::tuple(k.segment, k.page); };
  check_keys(any_page(), any_page(),
             [](const PageKey& k) { return slots_key(k.segment, k.page); }, decode_slots_key,
             fields);
  check_keys(any_page(), any_page(),
             [](const PageKey& k) { return count_key(k.segment, k.page); }, decode_count_key,
             fields);
  check_keys(*near_type(), *near_type(), [](SegmentNo k) { return holes_key(k); },
             decode_holes_key, [](SegmentNo k) { return k; });
  check_keys(UncountedKey{*near_type(), *near_type()}, UncountedKey{*near_type(), *near_type()},
             [](const UncountedKey& k) { return uncounted_key(k.segment, k.first); },
             decode_uncounted_key,
             [](const UncountedKey& k) { return std::tuple(k.segment, k.first); });
}

// --- ranges --------------------------------------------------------------------------------------

RC_GTEST_PROP(KeyRangeProperty, PrefixRangeHoldsExactlyTheKeysWithThePrefix, ()) {
  const auto prefix = *near_name();
  const auto key = *rc::gen::oneOf(near_name(), rc::gen::map(near_name(), [prefix](const Bytes& b) {
                                     return prefix + b;
                                   }));
  RC_ASSERT(prefix_range(prefix).contains(key) == key.starts_with(prefix));
}

TEST(KeyRange, PrefixOfOnlyFFsEndsAtTheEnd) {
  EXPECT_EQ(prefix_end(""), "");
  EXPECT_EQ(prefix_end("\xFF\xFF"), "");
  EXPECT_EQ(prefix_end("a\xFF\xFF"), "b");
  EXPECT_EQ(prefix_end("ab"), "ac");
  EXPECT_TRUE(prefix_range("\xFF").contains("\xFF\xFF\xFF"));
}

RC_GTEST_PROP(KeyRangeProperty, NothingStandsBetweenAKeyAndKeyAfter, ()) {
  const auto key = *near_name();
  const auto other = *near_name();
  RC_ASSERT(key_after(key) > key);
  RC_ASSERT(!(other > key && other < key_after(key)));
}

RC_GTEST_PROP(KeyRangeProperty, DirentRangesHoldExactlyWhatTheyName, ()) {
  const DirentKey k = any_dirent();
  const Bytes key = dirent_key(k.folder, k.name, k.subfolder());
  const auto folder = *near_id<FolderId>();
  const auto name = *near_name();
  const bool same_folder = folder == k.folder;
  RC_ASSERT(space_range(ContainerSpace::kDirent).contains(key));
  RC_ASSERT(folder_range(folder).contains(key) == same_folder);
  RC_ASSERT(dirent_range(folder, name).contains(key) == (same_folder && name == k.name));
  RC_ASSERT(dirent_prefix_range(folder, name).contains(key) ==
            (same_folder && k.name.starts_with(name)));
}

RC_GTEST_PROP(KeyRangeProperty, ObjectRangesHoldExactlyWhatTheyName, ()) {
  const HistoryExtentKey k{*near_type(), *near_id<ObjectId>(), *near_number(), *near_content(),
                           *near_number()};
  const auto type = *near_type();
  const auto id = *near_id<ObjectId>();
  const auto n = *near_number();
  const auto content = *near_content();
  const bool same_object = type == k.type && id == k.id;
  const std::vector<std::pair<ContainerSpace, Bytes>> keys = {
      {ContainerSpace::kObject, object_key(k.type, k.id)},
      {ContainerSpace::kExtent, extent_key(k.type, k.id, k.content, k.end)},
      {ContainerSpace::kVersion, version_key(k.type, k.id, k.n)},
      {ContainerSpace::kHistoryExtent,
       history_extent_key(k.type, k.id, k.n, k.content, k.end)},
      {ContainerSpace::kAccess, access_key(k.type, k.id)}};
  for (const auto& [space, key] : keys) {
    RC_ASSERT(container_space_of(key) == space);
    RC_ASSERT(space_range(space).contains(key));
    RC_ASSERT(type_range(space, type).contains(key) == (type == k.type));
    RC_ASSERT(object_range(space, type, id).contains(key) == same_object);
  }
  RC_ASSERT(extent_range(type, id, content).contains(keys[1].second) ==
            (same_object && content == k.content));
  RC_ASSERT(history_extent_range(type, id, n).contains(keys[3].second) ==
            (same_object && n == k.n));
}

RC_GTEST_PROP(KeyRangeProperty, OtherRangesHoldExactlyWhatTheyName, ()) {
  const auto target = *near_id<ObjectId>();
  const auto source = *near_id<FolderId>();
  const auto other_target = *near_id<ObjectId>();
  const auto other_source = *near_id<FolderId>();
  const Bytes link = linked_by_key(target, source, *near_name());
  RC_ASSERT(linked_by_range(other_target).contains(link) == (target == other_target));
  RC_ASSERT(linked_by_range(other_target, other_source.bytes).contains(link) ==
            (target == other_target && source == other_source));

  const FieldKey k{*near_type(), *near_name(), *near_name(), target};
  const Bytes field = field_key(k.type, k.field, k.value, k.id);
  const auto type = *near_type();
  const auto name = *near_name();
  const auto value = *near_name();
  RC_ASSERT(type_range(ContainerSpace::kField, type).contains(field) == (type == k.type));
  RC_ASSERT(field_range(type, name).contains(field) == (type == k.type && name == k.field));
  RC_ASSERT(field_range(type, name, value).contains(field) ==
            (type == k.type && name == k.field && value == k.value));

  const auto container = *near_id<ContainerId>();
  const auto other_container = *near_id<ContainerId>();
  RC_ASSERT(snapshot_range(other_container).contains(snapshot_key(container, k.field)) ==
            (container == other_container));
  const auto principal = *near_id<PrincipalId>();
  RC_ASSERT(grant_range(other_container).contains(grant_key(container, principal)) ==
            (container == other_container));
  const OfPrincipalKey of = any_of_principal();
  const Bytes of_key = of_principal_key(of.principal, of.kind, of.rest);
  RC_ASSERT(of_principal_range(principal).contains(of_key) == (principal == of.principal));
  RC_ASSERT(of_principal_range(of.principal, OfPrincipal::kGrant).contains(of_key) ==
            (of.kind == OfPrincipal::kGrant));
  RC_ASSERT(segment_range(MapSpace::kCount, type).contains(count_key(k.type, 7)) ==
            (type == k.type));
}

RC_GTEST_PROP(KeyRangeProperty, SeekingByOffsetFindsTheRunThatEndsBehindIt, ()) {
  const auto id = *near_id<ObjectId>();
  const auto offset = *rc::gen::inRange<uint64_t>(0, ~uint64_t{0});
  const auto end = *wide<uint64_t>();
  RC_ASSERT((extent_key(1, id, 0, end) >= extent_seek_key(1, id, 0, offset)) == (end > offset));
}

TEST(KeySpaces, UnknownPrefixesHaveNoSpace) {
  EXPECT_EQ(container_space_of(""), std::nullopt);
  EXPECT_EQ(container_space_of(Bytes(1, '\0')), std::nullopt);
  EXPECT_EQ(container_space_of("\x11"), ContainerSpace::kDocument);
  EXPECT_EQ(container_space_of("\x16"), std::nullopt);
  EXPECT_EQ(container_space_of("\xFF"), std::nullopt);
  EXPECT_EQ(catalog_space_of("\x80"), std::nullopt);
  EXPECT_EQ(catalog_space_of("\x81"), CatalogSpace::kContainer);
  EXPECT_EQ(catalog_space_of("\x8A"), CatalogSpace::kSetting);
  EXPECT_EQ(catalog_space_of("\x8B"), CatalogSpace::kExpires);
  EXPECT_EQ(catalog_space_of("\x8C"), CatalogSpace::kPrincipalName);
  EXPECT_EQ(catalog_space_of("\x91"), CatalogSpace::kAuditLog);
  EXPECT_EQ(catalog_space_of("\x92"), std::nullopt);
  EXPECT_EQ(map_space_of("\xC0"), std::nullopt);
  EXPECT_EQ(map_space_of("\xC1"), MapSpace::kSegment);
  EXPECT_EQ(map_space_of("\xC5"), MapSpace::kHoles);
  EXPECT_EQ(map_space_of("\xC6"), std::nullopt);
}

TEST(KeySpaces, NoPrefixBelongsToTwoKindsOfTrees) {
  for (int prefix = 0; prefix < 256; ++prefix) {
    const Bytes key(1, static_cast<char>(prefix));
    const int kinds = (container_space_of(key) ? 1 : 0) + (catalog_space_of(key) ? 1 : 0) +
                      (map_space_of(key) ? 1 : 0);
    EXPECT_LE(kinds, 1) << prefix;
  }
}

TEST(Dirents, FolderNamesWithSlashSortAsS3Does) {
  const auto key = [](ByteView name) { return dirent_key(kRootFolder, name, ObjectId{}); };
  EXPECT_LT(key("a-b"), key("a/"));  // '-' < '/', as "a-b" < "a/x" in S3
  EXPECT_LT(key("a"), key("a/"));
  EXPECT_LT(key("a/"), key("a0"));
}

RC_GTEST_PROP(EscapeProperty, PartsComeBackAndRejectedInputStaysAsItWas, ()) {
  const auto part = *near_name();
  const auto rest = *near_name();
  Bytes bytes;
  append_escaped(bytes, part);
  bytes += rest;
  ByteView in = bytes;
  const auto taken = take_escaped(&in);
  RC_ASSERT(taken.ok());
  RC_ASSERT(*taken == part);
  RC_ASSERT(in == rest);
  const auto noise = *near_name();
  ByteView noisy = noise;
  if (!take_escaped(&noisy).ok()) RC_ASSERT(noisy == noise);
}

TEST(KeysGolden, V1BytesNeverChange) {
  const auto o = make_id<ObjectId>(0x010203040506, counting_bytes<16>(0xA0));
  const auto f = make_id<FolderId>(0x111213141516, counting_bytes<16>(0xB0));
  const auto c = make_id<ContainerId>(0x212223242526, counting_bytes<16>(0xC0));
  const auto p = make_id<PrincipalId>(0x313233343536, counting_bytes<16>(0xD0));
  const Bytes name("a\0b\xFF/", 5);
  const uint32_t type = 0x01020304;
  const uint64_t number = 0x0102030405060708;
  std::string text;
  const auto add = [&](const char* space, const Bytes& key) {
    text += std::string(space) + " " + to_hex(key) + "\n";
  };
  add("OBJECT", object_key(type, o));
  add("ID", id_entry_key(o));
  add("ALIAS", alias_key(name));
  add("EXTENT", extent_key(type, o, 9, number));
  add("DIRENT", dirent_key(f, name, FolderId{o.bytes}));
  add("FOLDER", folder_key(f));
  add("VERSION", version_key(type, o, number));
  add("HISTORY_EXTENT", history_extent_key(type, o, number, 9, number));
  add("ACCESS", access_key(type, o));
  add("LINKED_BY", linked_by_key(o, f, name));
  add("AUDIT", audit_key(number));
  add("FIELD", field_key(type, name, "value", o));
  add("EXPIRY", expiry_key(number, o));
  add("ORPHAN", orphan_key(o));
  add("CHANGE", change_key(number));
  add("CONTAINER", container_key(c));
  add("CONTAINER_NAME", container_name_key(name));
  add("SNAPSHOT", snapshot_key(c, name));
  add("DROP", drop_key(number));
  add("TYPE_NAME", type_name_key(name));
  add("TYPE", type_key(type));
  add("PRINCIPAL", principal_key(p));
  add("TOKEN", token_key(ContentHash{counting_bytes<32>(0x40)}));
  add("NAMED_ROOT", named_root_key(name));
  add("SETTING", setting_key(name));
  add("SEGMENT", segment_key(type));
  add("SLOTS", slots_key(type, 5));
  add("COUNT", count_key(type, 6));
  add("UNCOUNTED", uncounted_key(type, 7));
  add("HOLES", holes_key(type));
  add("EXPIRES", expires_key(number, c, name));
  add("PRINCIPAL_NAME", principal_name_key(name));
  add("KEY_PAIR", key_pair_key("RMTK234567"));
  add("GRANT", grant_key(c, p));
  add("CONTAINER_ACCESS", container_access_key(c));
  const ContentHash hash{counting_bytes<32>(0x40)};
  add("OF_PRINCIPAL", of_principal_key(p, OfPrincipal::kToken, hash.view()));
  add("OF_PRINCIPAL", of_principal_key(p, OfPrincipal::kKeyPair, "RMTK234567"));
  add("OF_PRINCIPAL", of_principal_key(p, OfPrincipal::kGrant, c.view()));
  add("OF_PRINCIPAL", of_principal_key(p, OfPrincipal::kMember, p.view()));
  add("AUDIT_LOG", audit_log_key(number));
  expect_golden_text("v1/keys.txt", text);
}

}  // namespace
}  // namespace ramet
