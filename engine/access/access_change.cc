#include "engine/access/access_change.h"

#include "engine/access/access_records.h"
#include "engine/tree/cursor.h"
#include "engine/tree/query.h"

namespace ramet::engine {
namespace {

// Numbers of the log: the commit's, and the place in it.
constexpr int kLogPartBits = 16;

constexpr size_t kActionBytesMax = 64;
constexpr size_t kTargetBytesMax = 1024;
constexpr size_t kDetailBytesMax = 4096;
constexpr size_t kWhoBytesMax = 255;

void cut(std::string& text, size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
}

}  // namespace

bool is_access_space(CatalogSpace space) {
  switch (space) {
    case CatalogSpace::kPrincipal:
    case CatalogSpace::kToken:
    case CatalogSpace::kPrincipalName:
    case CatalogSpace::kKeyPair:
    case CatalogSpace::kGrant:
    case CatalogSpace::kContainerAccess:
    case CatalogSpace::kOfPrincipal:
    case CatalogSpace::kAuditLog: return true;
    default: return false;
  }
}

Result<LeadingEntries> entries_leading_to(ByteView key, ByteView value) {
  LeadingEntries out;
  const auto space = catalog_space_of(key);
  if (!space) return out;
  switch (*space) {
    case CatalogSpace::kPrincipal: {
      RAMET_ASSIGN(const PrincipalId id, decode_principal_key(key));
      RAMET_ASSIGN(const Principal principal, decode_principal(value));
      out.emplace(principal_name_key(principal.name), Bytes(id.view()));
      for (const Membership& membership : principal.groups) {
        out.emplace(of_principal_key(membership.group, OfPrincipal::kMember, id.view()), Bytes());
      }
      return out;
    }
    case CatalogSpace::kToken: {
      RAMET_ASSIGN(const ContentHash hash, decode_token_key(key));
      RAMET_ASSIGN(const Token token, decode_token(value));
      out.emplace(of_principal_key(token.principal, OfPrincipal::kToken, hash.view()), Bytes());
      return out;
    }
    case CatalogSpace::kKeyPair: {
      RAMET_ASSIGN(const Bytes id, decode_key_pair_key(key));
      RAMET_ASSIGN(const AccessKey pair, decode_key_pair(value));
      out.emplace(of_principal_key(pair.principal, OfPrincipal::kKeyPair, id), Bytes());
      return out;
    }
    case CatalogSpace::kGrant: {
      RAMET_ASSIGN(const GrantKey grant, decode_grant_key(key));
      RAMET_TRY(decode_grant(value));
      out.emplace(
          of_principal_key(grant.principal, OfPrincipal::kGrant, grant.container.view()),
          Bytes());
      return out;
    }
    default: return out;
  }
}

AuditEntry cut_to_fit(AuditEntry entry) {
  cut(entry.principal, kWhoBytesMax);
  cut(entry.action, kActionBytesMax);
  cut(entry.target, kTargetBytesMax);
  cut(entry.detail, kDetailBytesMax);
  cut(entry.from, kWhoBytesMax);
  return entry;
}

Status append_access_removal(TreeContext& context, const Root& catalog, ContainerId container,
                             std::vector<Operation>& operations) {
  const KeyRange range = grant_range(container);
  Cursor cursor(context, catalog);
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const GrantKey grant, decode_grant_key(cursor.key()));
    operations.push_back(Operation::erase(Bytes(cursor.key())));
    operations.push_back(Operation::erase(
        of_principal_key(grant.principal, OfPrincipal::kGrant, container.view())));
    RAMET_TRY(cursor.next());
  }
  const Bytes key = container_access_key(container);
  RAMET_ASSIGN(const bool found, get(context, catalog, key, nullptr));
  if (found) operations.push_back(Operation::erase(key));
  return ok();
}

Status AccessChange::put(const Bytes& key, Bytes value) { return replace(key, std::move(value)); }

Status AccessChange::erase(const Bytes& key) { return replace(key, std::nullopt); }

Status AccessChange::replace(const Bytes& key, std::optional<Bytes> value) {
  LeadingEntries before, after;
  Value there;
  RAMET_ASSIGN(const bool found, get(context_, head_.catalog, key, &there));
  if (found) {
    RAMET_ASSIGN(before, entries_leading_to(key, there.bytes()));
  }
  if (value) {
    RAMET_ASSIGN(after, entries_leading_to(key, *value));
  }
  for (const auto& [leading, to] : before) {
    if (!after.contains({leading, to})) operations_.push_back(Operation::erase(leading));
  }
  for (const auto& entry : after) {
    if (!before.contains(entry)) {
      operations_.push_back(Operation::put(entry.first, entry.second));
    }
  }
  if (value) {
    operations_.push_back(Operation::put(key, std::move(*value)));
  } else if (found) {
    operations_.push_back(Operation::erase(key));
  }
  return ok();
}

void AccessChange::erase_log(uint64_t end) {
  operations_.push_back(Operation::erase_range(audit_log_key(0), audit_log_key(end)));
}

void AccessChange::log(std::string action, std::string target, std::string detail) {
  AuditEntry entry;
  entry.action = std::move(action);
  entry.target = std::move(target);
  entry.detail = std::move(detail);
  const AuditScope* const scope = AuditScope::active();
  entry.principal = scope == nullptr ? "" : scope->principal();
  entry.from = scope == nullptr ? "local" : scope->from();
  log(std::move(entry));
}

void AccessChange::log(AuditEntry entry) {
  entry.time = now_;
  const uint64_t number = ((head_.sequence + 1) << kLogPartBits) + logged_++;
  RAMET_CHECK(logged_ <= 1u << kLogPartBits, "so many entries in one commit");
  operations_.push_back(
      Operation::put(audit_log_key(number), encode_audit_entry(cut_to_fit(std::move(entry)))));
}

}  // namespace ramet::engine
