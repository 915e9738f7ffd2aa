#include "engine/access/access_check.h"

#include <algorithm>

#include "engine/access/access_change.h"
#include "engine/access/access_records.h"

namespace ramet::engine {

Status AccessEntries::add(ByteView key, ByteView value) {
  const auto space = catalog_space_of(key);
  if (!space || !is_access_space(*space)) return ok();
  const Bytes own(key);
  RAMET_ASSIGN(auto leading, entries_leading_to(key, value));
  switch (*space) {
    case CatalogSpace::kPrincipal: {
      RAMET_ASSIGN(const PrincipalId id, decode_principal_key(key));
      RAMET_ASSIGN(principals_[id], decode_principal(value));
      principals_[id].id = id;
      break;
    }
    case CatalogSpace::kToken: {
      RAMET_ASSIGN(const Token token, decode_token(value));
      secrets_[own] = token.principal;
      break;
    }
    case CatalogSpace::kKeyPair: {
      RAMET_ASSIGN(const AccessKey pair, decode_key_pair(value));
      secrets_[own] = pair.principal;
      break;
    }
    case CatalogSpace::kGrant: {
      RAMET_ASSIGN(grants_[own], decode_grant_key(key));
      break;
    }
    case CatalogSpace::kContainerAccess: {
      RAMET_ASSIGN(const ContainerId id, decode_container_access_key(key));
      RAMET_TRY(decode_container_access(value));
      accesses_[own] = id;
      break;
    }
    case CatalogSpace::kPrincipalName:
      RAMET_TRY(decode_principal_name_key(key));
      found_.emplace(own, Bytes(value));
      break;
    case CatalogSpace::kOfPrincipal:
      RAMET_TRY(decode_of_principal_key(key));
      found_.emplace(own, Bytes(value));
      break;
    case CatalogSpace::kAuditLog:
      RAMET_TRY(decode_audit_log_key(key));
      RAMET_TRY(decode_audit_entry(value));
      break;
    default: break;
  }
  if (!leading.empty()) leading_[own] = std::move(leading);
  return ok();
}

bool AccessEntries::is_group(const PrincipalId& id) const {
  const auto found = principals_.find(id);
  return found != principals_.end() && found->second.kind == PrincipalKind::kGroup;
}

std::vector<AccessEntries::Fix> AccessEntries::fixes() const {
  std::vector<Fix> out;
  auto leading = leading_;
  const auto drop = [&](const Bytes& key, std::string what) {
    leading.erase(key);
    out.push_back({key, true, {}, std::move(what)});
  };
  for (const auto& [key, of] : secrets_) {
    if (!principals_.contains(of)) drop(key, "a secret of no principal");
  }
  for (const auto& [key, grant] : grants_) {
    if (!containers_.contains(grant.container)) {
      drop(key, "a grant on no container");
    } else if (!grant.principal.is_null() && !principals_.contains(grant.principal)) {
      drop(key, "a grant to no principal");
    }
  }
  for (const auto& [key, container] : accesses_) {
    if (!containers_.contains(container)) drop(key, "access settings of no container");
  }
  for (const auto& [id, principal] : principals_) {
    Principal mended = principal;
    std::erase_if(mended.groups, [&](const Membership& m) { return !is_group(m.group); });
    if (mended == principal) continue;
    const Bytes key = principal_key(id);
    Bytes value = encode_principal(mended);
    auto now_leading = entries_leading_to(key, value);
    if (now_leading.ok()) leading[key] = std::move(*now_leading);
    out.push_back({key, false, std::move(value), "a member of a group that there is not"});
  }
  std::map<Bytes, Bytes> wanted;
  for (const auto& [key, entries] : leading) wanted.insert(entries.begin(), entries.end());
  for (const auto& [key, value] : found_) {
    const auto should = wanted.find(key);
    if (should == wanted.end()) {
      out.push_back({key, true, {}, "it leads to nothing"});
    } else if (should->second == value) {
      wanted.erase(should);
    }
  }
  for (const auto& [key, value] : wanted) {
    out.push_back({key, false, value, "what leads to an entry is missing, or leads elsewhere"});
  }
  return out;
}

}  // namespace ramet::engine
