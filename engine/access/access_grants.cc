// Grants, levels, and what is set beside a container.
#include <algorithm>

#include <fmt/format.h>

#include "engine/access/access_control.h"
#include "engine/access/access_records.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "engine/tree/query.h"

namespace ramet::engine {
namespace {

AccessCacheKey pair_of(PrincipalId principal, ContainerId container) {
  AccessCacheKey out;
  std::memcpy(out.data(), principal.bytes.data(), sizeof(IdBytes));
  std::memcpy(out.data() + sizeof(IdBytes), container.bytes.data(), sizeof(IdBytes));
  return out;
}

}  // namespace

Result<AccessLevel> AccessControlImpl::granted(const Root& catalog, ContainerId container,
                                               PrincipalId principal) {
  Value value;
  RAMET_ASSIGN(const bool found,
               get(store_.context(), catalog, grant_key(container, principal), &value));
  if (!found) return AccessLevel::kNone;
  return decode_grant(value.bytes());
}

Result<AccessLevel> AccessControlImpl::level_of(const Root& catalog, PrincipalId id,
                                                ContainerId container) {
  RAMET_ASSIGN(const auto principal, look_up(catalog, id));
  if (!principal || principal->disabled) return AccessLevel::kNone;
  if (principal->super_admin) return AccessLevel::kAdminister;
  RAMET_ASSIGN(AccessLevel most, granted(catalog, container, id));
  RAMET_ASSIGN(const AccessLevel everyone, granted(catalog, container, PrincipalId{}));
  most = std::max(most, everyone);
  for (const Membership& membership : principal->groups) {
    RAMET_ASSIGN(const AccessLevel of_group, granted(catalog, container, membership.group));
    if (of_group <= most) continue;
    RAMET_ASSIGN(const auto group, look_up(catalog, membership.group));
    if (group && !group->disabled) most = of_group;
  }
  return most;
}

Result<AccessLevel> AccessControlImpl::level(const Caller& caller, ContainerId container) {
  RAMET_TRY(store_.check_open());
  const Scope& scope = caller.scope;
  if (!scope.containers.empty() && std::find(scope.containers.begin(), scope.containers.end(),
                                             container) == scope.containers.end()) {
    return AccessLevel::kNone;
  }
  if (caller.principal.id.is_null()) return AccessLevel::kNone;
  const AccessCacheKey at = pair_of(caller.principal.id, container);
  const uint64_t generation = generation_;  // [ACCESS-1]
  std::optional<AccessLevel> known = levels_.find(at, generation);
  if (!known) {
    RAMET_TRY(read([&](const Root& catalog) -> Status {
      RAMET_ASSIGN(known, level_of(catalog, caller.principal.id, container));
      return ok();
    }));
    levels_.put(at, generation, *known);
  }
  return std::min(*known, scope.most);
}

Status AccessControlImpl::set_grant(ContainerId container, PrincipalId principal,
                                    AccessLevel level) {
  if (level > AccessLevel::kAdminister) {
    return Error(ErrorCode::kInvalidArgument, "there is no such access level");
  }
  const bool removes = level == AccessLevel::kNone;
  return change([&](AccessChange& change) -> Status {
    RAMET_ASSIGN(const ContainerEntry entry,
                 find_container(store_.context(), change.catalog(), container));
    std::string who(kEveryoneName);
    if (!principal.is_null()) {
      RAMET_ASSIGN(const Principal found, find(change.catalog(), principal));
      who = found.name;
    }
    RAMET_ASSIGN(const AccessLevel before, granted(change.catalog(), container, principal));
    if (before == level) return ok();
    const Bytes key = grant_key(container, principal);
    if (removes) {
      change.log("grant.remove", entry.record.name,
                 fmt::format("{}: was {}", who, level_name(before)));
      return change.erase(key);
    }
    change.log("grant.set", entry.record.name,
               fmt::format("{}: {}, was {}", who, level_name(level), level_name(before)));
    return change.put(key, encode_grant(level));
  }, removes);
}

Status AccessControlImpl::grants(ContainerId container,
                                 const std::function<bool(const Grant&)>& visit) {
  return read([&](const Root& catalog) -> Status {
    RAMET_TRY(find_container(store_.context(), catalog, container));
    const KeyRange range = grant_range(container);
    Cursor cursor(store_.context(), catalog);
    RAMET_TRY(cursor.seek(range.from));
    while (cursor.valid() && range.contains(cursor.key())) {
      RAMET_ASSIGN(const GrantKey key, decode_grant_key(cursor.key()));
      RAMET_ASSIGN(const AccessLevel level, decode_grant(cursor.value()));
      if (!visit({key.container, key.principal, level})) break;
      RAMET_TRY(cursor.next());
    }
    return ok();
  });
}

Status AccessControlImpl::grants_of(PrincipalId principal,
                                    const std::function<bool(const Grant&)>& visit) {
  return read([&](const Root& catalog) -> Status {
    if (!principal.is_null()) RAMET_TRY(find(catalog, principal));
    return each_of(catalog, of_principal_range(principal, OfPrincipal::kGrant),
                   [&](const OfPrincipalKey& of) -> Result<bool> {
      Grant grant{ContainerId::from_bytes(of.rest.data()), principal, AccessLevel::kNone};
      RAMET_ASSIGN(grant.level, granted(catalog, grant.container, principal));
      return visit(grant);
    });
  });
}

Result<ContainerAccess> AccessControlImpl::container_access(ContainerId container) {
  ContainerAccess out;
  const Status done = read([&](const Root& catalog) -> Status {
    RAMET_TRY(find_container(store_.context(), catalog, container));
    Value value;
    RAMET_ASSIGN(const bool found, get(store_.context(), catalog,
                                       container_access_key(container), &value));
    if (!found) return ok();
    RAMET_ASSIGN(out, decode_container_access(value.bytes()));
    return ok();
  });
  RAMET_TRY(done);
  return out;
}

Status AccessControlImpl::set_container_access(ContainerId container,
                                               const ContainerAccess& access) {
  RAMET_TRY(check_access_text(access.region, kRegionBytesMax, "a region"));
  RAMET_TRY(check_access_text(access.data_access_request, kRegionBytesMax,
                              "a data access request"));
  return change([&](AccessChange& change) -> Status {
    RAMET_ASSIGN(const ContainerEntry entry,
                 find_container(store_.context(), change.catalog(), container));
    const Bytes key = container_access_key(container);
    ContainerAccess before;
    Value value;
    RAMET_ASSIGN(const bool found, get(store_.context(), change.catalog(), key, &value));
    if (found) {
      RAMET_ASSIGN(before, decode_container_access(value.bytes()));
    }
    if (before == access) return ok();
    if (!access.bill_to.empty() && access.bill_to != before.bill_to) {
      RAMET_TRY(find_id(change.catalog(), access.bill_to));
    }
    if (!access.sponsor.empty() && access.sponsor != before.sponsor) {
      RAMET_TRY(find_id(change.catalog(), access.sponsor));
    }
    const auto flag = [](bool on) { return on ? "on" : "off"; };
    change.log("container.access", entry.record.name,
               fmt::format("restricted {}, protected {}, region '{}', bill to '{}', sponsor '{}', "
                           "data access request '{}', contains PHI {}, download restricted {}",
                           flag(access.is_restricted), flag(access.is_protected), access.region,
                           access.bill_to, access.sponsor, access.data_access_request,
                           flag(access.contains_phi), flag(access.is_download_restricted)));
    if (access == ContainerAccess{}) return change.erase(key);
    return change.put(key, encode_container_access(access));
  });
}

// --- audit ---------------------------------------------------------------------------------------

namespace {
constexpr size_t kLoggedAtOnce = 1024;  // entries of one commit
}

Status AccessControlImpl::audit(AuditEntry entry) {
  std::vector<AuditEntry> one;
  one.push_back(std::move(entry));
  return audit_all(std::move(one));
}

Status AccessControlImpl::audit_all(std::vector<AuditEntry> entries) {
  for (const AuditEntry& entry : entries) {
    if (entry.action.empty()) {
      return Error(ErrorCode::kInvalidArgument, "an entry of the audit log needs an action");
    }
  }
  for (size_t begin = 0; begin < entries.size(); begin += kLoggedAtOnce) {
    const size_t end = std::min(begin + kLoggedAtOnce, entries.size());
    RAMET_TRY(commit([&](AccessChange& change) {
      for (size_t i = begin; i < end; ++i) change.log(entries[i]);
      return ok();
    }));
  }
  return ok();
}

Status AccessControlImpl::audit_log(uint64_t from,
                                    const std::function<bool(const AuditEntry&)>& visit) {
  return read([&](const Root& catalog) -> Status {
    const KeyRange range = space_range(CatalogSpace::kAuditLog);
    Cursor cursor(store_.context(), catalog);
    RAMET_TRY(cursor.seek(audit_log_key(from)));
    while (cursor.valid() && range.contains(cursor.key())) {
      RAMET_ASSIGN(AuditEntry entry, decode_audit_entry(cursor.value()));
      RAMET_ASSIGN(entry.number, decode_audit_log_key(cursor.key()));
      if (!visit(entry)) break;
      RAMET_TRY(cursor.next());
    }
    return ok();
  });
}

Status AccessControlImpl::trim_audit_log(uint64_t before) {
  return commit([&](AccessChange& change) -> Status {
    Cursor cursor(store_.context(), change.catalog());
    RAMET_TRY(cursor.seek(audit_log_key(0)));
    if (!cursor.valid() || !space_range(CatalogSpace::kAuditLog).contains(cursor.key()) ||
        cursor.key() >= audit_log_key(before)) {
      return ok();
    }
    change.erase_log(before);
    change.log("audit.trim", "", fmt::format("entries before {}", before));
    return ok();
  }, true);
}

}  // namespace ramet::engine
