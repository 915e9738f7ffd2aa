#include "engine/check/describe_key.h"

#include <fmt/format.h>

#include "engine/container/reader.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

std::string in_hex(ByteView bytes) {
  std::string out;
  for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return out;
}

// Empty: it is none.
std::string container_entry(ContainerSpace space, ByteView key) {
  switch (space) {
    case ContainerSpace::kObject: {
      const auto k = decode_object_key(key);
      if (k.ok()) return fmt::format("object {} of type {}", to_uuid(k->id), k->type);
      break;
    }
    case ContainerSpace::kId: {
      const auto k = decode_id_entry_key(key);
      if (k.ok()) return "type of object " + to_uuid(*k);
      break;
    }
    case ContainerSpace::kExtent: {
      const auto k = decode_extent_key(key);
      if (k.ok()) return fmt::format("extents of object {} up to {}", to_uuid(k->id), k->end);
      break;
    }
    case ContainerSpace::kDirent: {
      const auto k = decode_dirent_key(key);
      if (k.ok()) {
        return fmt::format("name '{}' in folder {}", printable(object_name_from_key(k->name)),
                           to_uuid(k->folder));
      }
      break;
    }
    case ContainerSpace::kRemoved: {
      const auto k = decode_removed_key(key);
      if (k.ok()) {
        return fmt::format("removed name '{}' in folder {}",
                           printable(object_name_from_key(k->name)), to_uuid(k->folder));
      }
      break;
    }
    case ContainerSpace::kVersion: {
      const auto k = decode_version_key(key);
      if (k.ok()) return fmt::format("version {} of object {}", k->n, to_uuid(k->id));
      break;
    }
    case ContainerSpace::kHistoryExtent: {
      const auto k = decode_history_extent_key(key);
      if (k.ok()) {
        return fmt::format("extents of version {} of object {} up to {}", k->n, to_uuid(k->id),
                           k->end);
      }
      break;
    }
    case ContainerSpace::kDocument: {
      const auto k = decode_document_key(key);
      if (k.ok()) return fmt::format("document '{}'", printable(k->name));
      break;
    }
    case ContainerSpace::kFolder: {
      const auto k = decode_folder_key(key);
      if (k.ok()) return "folder " + to_uuid(*k);
      break;
    }
    case ContainerSpace::kLinkedBy: {
      const auto k = decode_linked_by_key(key);
      if (k.ok()) {
        return fmt::format("further name '{}' of object {}", printable(k->name),
                           to_uuid(k->target));
      }
      break;
    }
    case ContainerSpace::kAccess: {
      const auto k = decode_access_key(key);
      if (k.ok()) return fmt::format("secret of record {} of type {}", to_uuid(k->id), k->type);
      break;
    }
    case ContainerSpace::kField: {
      const auto k = decode_field_key(key);
      if (k.ok()) {
        return fmt::format("index of record {} of type {} by '{}'", to_uuid(k->id), k->type,
                           printable(k->field));
      }
      break;
    }
    case ContainerSpace::kDead: {
      const auto k = decode_dead_key(key);
      if (k.ok()) return fmt::format("end of record {} of type {}", to_uuid(k->id), k->type);
      break;
    }
    case ContainerSpace::kOrigin: {
      const auto k = decode_origin_key(key);
      if (k.ok()) return fmt::format("origin {}", *k);
      break;
    }
    case ContainerSpace::kKept: {
      const auto k = decode_kept_key(key);
      if (k.ok()) {
        return fmt::format("record {} of type {}, kept of origin {}", to_uuid(k->id), k->type,
                           k->depth);
      }
      break;
    }
    case ContainerSpace::kAwaited: {
      const auto k = decode_awaited_key(key);
      if (k.ok()) return fmt::format("record {} of type {}, awaited", to_uuid(k->id), k->type);
      break;
    }
    default: break;
  }
  return {};
}

std::string access_entry(CatalogSpace space, ByteView key) {
  switch (space) {
    case CatalogSpace::kPrincipal: {
      const auto k = decode_principal_key(key);
      if (k.ok()) return "principal " + to_uuid(*k);
      break;
    }
    case CatalogSpace::kPrincipalName: {
      const auto k = decode_principal_name_key(key);
      if (k.ok()) return fmt::format("principal name '{}'", printable(*k));
      break;
    }
    case CatalogSpace::kToken: {
      const auto k = decode_token_key(key);
      if (k.ok()) return "token " + k->to_hex().substr(0, 16);
      break;
    }
    case CatalogSpace::kKeyPair: {
      const auto k = decode_key_pair_key(key);
      if (k.ok()) return fmt::format("key pair '{}'", printable(*k));
      break;
    }
    case CatalogSpace::kGrant: {
      const auto k = decode_grant_key(key);
      if (!k.ok()) break;
      return fmt::format("grant on container {} to {}", to_uuid(k->container),
                         k->principal.is_null() ? "everyone" : to_uuid(k->principal));
    }
    case CatalogSpace::kContainerAccess: {
      const auto k = decode_container_access_key(key);
      if (k.ok()) return "access settings of container " + to_uuid(*k);
      break;
    }
    case CatalogSpace::kOfPrincipal: {
      const auto k = decode_of_principal_key(key);
      if (k.ok()) return "belonging of principal " + to_uuid(k->principal);
      break;
    }
    case CatalogSpace::kAuditLog: {
      const auto k = decode_audit_log_key(key);
      if (k.ok()) return fmt::format("entry {} of the audit log", *k);
      break;
    }
    default: break;
  }
  return {};
}

std::string catalog_entry(CatalogSpace space, ByteView key) {
  switch (space) {
    case CatalogSpace::kContainer: {
      const auto k = decode_container_key(key);
      if (k.ok()) return "container " + to_uuid(*k);
      break;
    }
    case CatalogSpace::kContainerName: {
      const auto k = decode_container_name_key(key);
      if (k.ok()) return fmt::format("container name '{}'", printable(*k));
      break;
    }
    case CatalogSpace::kSnapshot: {
      const auto k = decode_snapshot_key(key);
      if (k.ok()) {
        return fmt::format("snapshot '{}' of container {}", printable(k->name),
                           to_uuid(k->container));
      }
      break;
    }
    case CatalogSpace::kDrop: return "dropped " + in_hex(key.substr(1));
    case CatalogSpace::kSetting: {
      const auto k = decode_setting_key(key);
      if (k.ok()) return fmt::format("setting '{}'", printable(*k));
      break;
    }
    case CatalogSpace::kExpires: {
      const auto k = decode_expires_key(key);
      if (k.ok()) return fmt::format("expiry of container {}", to_uuid(k->container));
      break;
    }
    default: return access_entry(space, key);
  }
  return {};
}

std::string map_entry(MapSpace space, ByteView key) {
  switch (space) {
    case MapSpace::kSegment: {
      const auto k = decode_segment_key(key);
      if (k.ok()) return fmt::format("segment {}", *k);
      break;
    }
    case MapSpace::kSlots: {
      const auto k = decode_slots_key(key);
      if (k.ok()) return fmt::format("slots of segment {}, page {}", k->segment, k->page);
      break;
    }
    case MapSpace::kCount: {
      const auto k = decode_count_key(key);
      if (k.ok()) return fmt::format("counts of segment {}, page {}", k->segment, k->page);
      break;
    }
    case MapSpace::kUncounted: {
      const auto k = decode_uncounted_key(key);
      if (k.ok()) return fmt::format("floor of segment {}: slot {}", k->segment, k->first);
      break;
    }
    case MapSpace::kHoles: {
      const auto k = decode_holes_key(key);
      if (k.ok()) return fmt::format("holes of segment {}", *k);
      break;
    }
  }
  return {};
}

}  // namespace

std::string describe_key(ByteView key) {
  std::string words;
  if (const auto container = container_space_of(key)) {
    words = container_entry(*container, key);
  } else if (const auto catalog = catalog_space_of(key)) {
    words = catalog_entry(*catalog, key);
  } else if (const auto map = map_space_of(key)) {
    words = map_entry(*map, key);
  }
  return words.empty() ? "key " + in_hex(key) : words;
}

std::string describe_range(ByteView from, ByteView to) {
  return (from.empty() ? "the first" : describe_key(from)) + " to " +
         (to.empty() ? "the last" : describe_key(to));
}

}  // namespace ramet::engine
