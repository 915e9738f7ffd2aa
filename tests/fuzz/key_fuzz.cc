// Keys of the three kinds of trees.
//
// Proves: a decoder accepts nothing but what its builder gives, each key belongs to one space and
// lies in that space's range, and escaped parts read back.
#include "format/keys.h"
#include "tests/fuzz/fuzz.h"

namespace ramet::fuzz {
namespace {

void look_at_container(ByteView key) {
  const auto canonical = [key](const auto& decode, const auto& build) {
    check_canonical(key, decode, build);
  };
  canonical(decode_object_key, [](const auto& k) { return object_key(k.type, k.id); });
  canonical(decode_id_entry_key, id_entry_key);
  canonical(decode_alias_key, alias_key);
  canonical(decode_extent_key,
            [](const auto& k) { return extent_key(k.type, k.id, k.content, k.end); });
  canonical(decode_version_key, [](const auto& k) { return version_key(k.type, k.id, k.n); });
  canonical(decode_history_extent_key, [](const auto& k) {
    return history_extent_key(k.type, k.id, k.n, k.content, k.end);
  });
  canonical(decode_access_key, [](const auto& k) { return access_key(k.type, k.id); });
  canonical(decode_dirent_key,
            [](const auto& k) { return dirent_key(k.folder, k.name, k.subfolder()); });
  canonical(decode_folder_key, folder_key);
  canonical(decode_linked_by_key,
            [](const auto& k) { return linked_by_key(k.target, ObjectId{k.source}, k.name); });
  canonical(decode_audit_key, audit_key);
  canonical(decode_field_key,
            [](const auto& k) { return field_key(k.type, k.field, k.value, k.id); });
  canonical(decode_expiry_key, [](const auto& k) { return expiry_key(k.time, k.id); });
  canonical(decode_orphan_key, orphan_key);
  canonical(decode_change_key, change_key);
}

void look_at_others(ByteView key) {
  const auto canonical = [key](const auto& decode, const auto& build) {
    check_canonical(key, decode, build);
  };
  canonical(decode_container_key, container_key);
  canonical(decode_container_name_key, container_name_key);
  canonical(decode_snapshot_key, [](const auto& k) { return snapshot_key(k.container, k.name); });
  canonical(decode_expires_key,
            [](const auto& k) { return expires_key(k.time, k.container, k.snapshot); });
  canonical(decode_drop_key, drop_key);
  canonical(decode_type_name_key, type_name_key);
  canonical(decode_type_key, type_key);
  canonical(decode_principal_key, principal_key);
  canonical(decode_token_key, token_key);
  canonical(decode_named_root_key, named_root_key);
  canonical(decode_setting_key, setting_key);
  canonical(decode_principal_name_key, principal_name_key);
  canonical(decode_key_pair_key, key_pair_key);
  canonical(decode_grant_key, [](const auto& k) { return grant_key(k.container, k.principal); });
  canonical(decode_container_access_key, container_access_key);
  canonical(decode_of_principal_key,
            [](const auto& k) { return of_principal_key(k.principal, k.kind, k.rest); });
  canonical(decode_audit_log_key, audit_log_key);
  canonical(decode_segment_key, segment_key);
  canonical(decode_slots_key, [](const auto& k) { return slots_key(k.segment, k.page); });
  canonical(decode_count_key, [](const auto& k) { return count_key(k.segment, k.page); });
  canonical(decode_uncounted_key,
            [](const auto& k) { return uncounted_key(k.segment, k.first); });
  canonical(decode_holes_key, holes_key);
}

}  // namespace

RAMET_FUZZ_TARGET(key) {
  look_at_container(input);
  look_at_others(input);
  const auto container = container_space_of(input);
  const auto catalog = catalog_space_of(input);
  const auto map = map_space_of(input);
  RAMET_CHECK((container ? 1 : 0) + (catalog ? 1 : 0) + (map ? 1 : 0) <= 1, "two spaces");
  if (container) RAMET_CHECK(space_range(*container).contains(input), "outside of its space");
  if (catalog) RAMET_CHECK(space_range(*catalog).contains(input), "outside of its space");
  if (map) RAMET_CHECK(space_range(*map).contains(input), "outside of its space");
  RAMET_CHECK(key_after(input) > input && prefix_range(Bytes(input)).contains(input), "order");

  ByteView rest = input;
  const auto part = take_escaped(&rest);
  if (part.ok()) {
    Bytes again;
    append_escaped(again, *part);
    RAMET_CHECK(again + Bytes(rest) == input, "a part that is not escaped so");
  } else {
    RAMET_CHECK(rest == input, "a failed take took something");
  }
  Bytes escaped;
  append_escaped(escaped, input);
  ByteView back = escaped;
  const auto taken = take_escaped(&back);
  RAMET_CHECK(taken.ok() && *taken == input && back.empty(), "any part can be escaped");
}

}  // namespace ramet::fuzz
