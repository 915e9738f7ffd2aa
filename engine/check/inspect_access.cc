// Entries of access control as fields. What a secret is made of never appears: neither a token's
// whole hash nor the secret of a key pair.
#include <fmt/format.h>

#include "engine/access/access_records.h"
#include "engine/check/inspect_fields.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

std::string of_name(OfPrincipal kind) {
  switch (kind) {
    case OfPrincipal::kToken: return "token";
    case OfPrincipal::kKeyPair: return "key pair";
    case OfPrincipal::kGrant: return "grant";
    case OfPrincipal::kMember: return "member";
  }
  return "unknown";
}

std::string short_hash(ByteView hash) {
  return ContentHash{load<std::array<uint8_t, 32>>(hash.data())}.to_hex().substr(0, 16);
}

std::string words_of(const Scope& scope) {
  std::string out = fmt::format("at most {}", level_name(scope.most));
  if (!scope.containers.empty()) out += fmt::format(", {} containers", scope.containers.size());
  if (!scope.account) out += ", no account";
  return out;
}

// Of tokens and key pairs alike.
template <typename Secret>
void put_secret(const Secret& secret, InspectOutput& out) {
  out.value("name", name_value(secret.name));
  out.value("principal", text(to_uuid(secret.principal)));
  out.value("scope", text(words_of(secret.scope)));
  out.value("created", time_value(secret.created));
  out.value("expires", time_value(secret.expires));
  out.value("last_used", time_value(secret.last_used));
}

void put_principal(const Principal& principal, InspectOutput& out) {
  out.value("kind", text(kind_name(principal.kind)));
  out.value("name", name_value(principal.name));
  out.value("title", name_or_nothing(principal.title));
  out.value("email", name_or_nothing(principal.email));
  out.value("super_admin", principal.super_admin);
  out.value("may_create", principal.may_create);
  out.value("disabled", principal.disabled);
  if (principal.at_spending_limit) out.value("at_spending_limit", true);
  if (principal.account_expires != 0) {
    out.value("account_expires", time_value(principal.account_expires));
  }
  out.value("created", time_value(principal.created));
  out.value("groups", number_value(principal.groups.size()));
}

}  // namespace

Status put_access_entry(ByteView key, ByteView value, InspectOutput& out) {
  const auto space = catalog_space_of(key);
  if (!space) return ok();
  switch (*space) {
    case CatalogSpace::kPrincipal: {
      RAMET_ASSIGN(const PrincipalId id, decode_principal_key(key));
      RAMET_ASSIGN(const Principal principal, decode_principal(value));
      out.value("id", text(to_uuid(id)));
      put_principal(principal, out);
      return ok();
    }
    case CatalogSpace::kPrincipalName: {
      RAMET_ASSIGN(const Bytes name, decode_principal_name_key(key));
      if (value.size() != sizeof(PrincipalId)) {
        return Error(ErrorCode::kCorruption, "a name without an id");
      }
      out.value("name", name_value(name));
      out.value("id", text(to_uuid(PrincipalId::from_bytes(value.data()))));
      return ok();
    }
    case CatalogSpace::kToken: {
      RAMET_ASSIGN(const ContentHash hash, decode_token_key(key));
      RAMET_ASSIGN(const Token token, decode_token(value));
      out.value("id", text(short_hash(hash.view())));
      put_secret(token, out);
      return ok();
    }
    case CatalogSpace::kKeyPair: {
      RAMET_ASSIGN(const Bytes id, decode_key_pair_key(key));
      RAMET_ASSIGN(const AccessKey pair, decode_key_pair(value));
      out.value("id", name_value(id));
      put_secret(pair, out);
      return ok();
    }
    case CatalogSpace::kGrant: {
      RAMET_ASSIGN(const GrantKey grant, decode_grant_key(key));
      RAMET_ASSIGN(const AccessLevel level, decode_grant(value));
      out.value("container", text(to_uuid(grant.container)));
      out.value("principal", text(grant.principal.is_null() ? std::string(kEveryoneName)
                                                            : to_uuid(grant.principal)));
      out.value("level", text(level_name(level)));
      return ok();
    }
    case CatalogSpace::kContainerAccess: {
      RAMET_ASSIGN(const ContainerId container, decode_container_access_key(key));
      RAMET_ASSIGN(const ContainerAccess access, decode_container_access(value));
      out.value("container", text(to_uuid(container)));
      out.value("restricted", access.is_restricted);
      out.value("protected", access.is_protected);
      out.value("region", name_or_nothing(access.region));
      out.value("bill_to", name_or_nothing(access.bill_to));
      out.value("sponsor", name_or_nothing(access.sponsor));
      out.value("data_access_request", name_or_nothing(access.data_access_request));
      out.value("contains_phi", access.contains_phi);
      out.value("download_restricted", access.is_download_restricted);
      return ok();
    }
    case CatalogSpace::kOfPrincipal: {
      RAMET_ASSIGN(const OfPrincipalKey of, decode_of_principal_key(key));
      out.value("principal", text(to_uuid(of.principal)));
      out.value("kind", text(of_name(of.kind)));
      out.value("of", of.kind == OfPrincipal::kKeyPair ? name_value(of.rest)
                      : of.kind == OfPrincipal::kToken ? text(short_hash(of.rest))
                                       : text(to_uuid(PrincipalId::from_bytes(of.rest.data()))));
      return ok();
    }
    case CatalogSpace::kAuditLog: {
      RAMET_ASSIGN(const uint64_t number, decode_audit_log_key(key));
      RAMET_ASSIGN(const AuditEntry entry, decode_audit_entry(value));
      out.value("number", number_value(number));
      out.value("time", time_value(entry.time));
      out.value("principal", name_or_nothing(entry.principal));
      out.value("action", name_value(entry.action));
      out.value("target", name_or_nothing(entry.target));
      out.value("detail", name_or_nothing(entry.detail));
      out.value("from", name_or_nothing(entry.from));
      return ok();
    }
    default: return ok();
  }
}

std::string describe_access_value(CatalogSpace space, ByteView value) {
  switch (space) {
    case CatalogSpace::kPrincipal: {
      const auto principal = decode_principal(value);
      if (principal.ok()) {
        return fmt::format("{} '{}'", kind_name(principal->kind), principal->name);
      }
      break;
    }
    case CatalogSpace::kPrincipalName:
      if (value.size() == sizeof(PrincipalId)) {
        return "principal " + to_uuid(PrincipalId::from_bytes(value.data()));
      }
      break;
    case CatalogSpace::kGrant: {
      const auto level = decode_grant(value);
      if (level.ok()) return std::string(level_name(*level));
      break;
    }
    case CatalogSpace::kAuditLog: {
      const auto entry = decode_audit_entry(value);
      if (entry.ok()) return fmt::format("{} {}", entry->action, entry->target);
      break;
    }
    default: break;
  }
  return {};
}

}  // namespace ramet::engine
