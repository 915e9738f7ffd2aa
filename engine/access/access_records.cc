#include "engine/access/access_records.h"

#include "format/access_generated.h"

namespace ramet::engine {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using Text = flatbuffers::String;

Bytes finished(FlatBufferBuilder& builder) {
  return Bytes(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
}

template <typename AnyId>
fb::Id to_fb(const AnyId& id) {
  fb::Id out;
  std::memcpy(&out, id.view().data(), sizeof out);
  return out;
}
template <typename AnyId>
AnyId from_fb(const fb::Id* id) {
  return id == nullptr ? AnyId() : AnyId::from_bytes(id);
}

Offset<Text> text_of(FlatBufferBuilder& builder, const std::string& text) {
  if (text.empty()) return 0;
  return builder.CreateString(text);
}
std::string text_from(const Text* text) { return text == nullptr ? std::string() : text->str(); }

Error malformed(const char* what) {
  return Error(ErrorCode::kCorruption, std::string("malformed record of ") + what);
}

// Verifies, and hands the table to `read`. The bytes are copied first where they are not aligned
// for reading in place.
template <typename Table, typename Read>
std::invoke_result_t<Read, const Table&> read_table(ByteView bytes, const char* what, Read read) {
  std::vector<uint64_t> copy;
  if (reinterpret_cast<uintptr_t>(bytes.data()) % 8 != 0) {
    copy.resize(bytes.size() / 8 + 1);
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    bytes = ByteView(reinterpret_cast<const char*>(copy.data()), bytes.size());
  }
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (bytes.size() < 8 || !verifier.VerifyBuffer<Table>(nullptr)) return malformed(what);
  return read(*flatbuffers::GetRoot<Table>(bytes.data()));
}

Result<AccessLevel> level_from(uint8_t value, const char* what) {
  if (value > static_cast<uint8_t>(AccessLevel::kAdminister)) return malformed(what);
  return static_cast<AccessLevel>(value);
}

Offset<fb::Scope> encode_scope(FlatBufferBuilder& builder, const Scope& scope) {
  if (scope == Scope{}) return 0;
  Offset<flatbuffers::Vector<const fb::Id*>> containers = 0;
  if (!scope.containers.empty()) {
    std::vector<fb::Id> ids;
    for (const ContainerId& id : scope.containers) ids.push_back(to_fb(id));
    containers = builder.CreateVectorOfStructs(ids);
  }
  return fb::CreateScope(builder, static_cast<uint8_t>(scope.most), containers, scope.account);
}

Result<Scope> decode_scope(const fb::Scope* table, const char* what) {
  Scope scope;
  if (table == nullptr) return scope;
  RAMET_ASSIGN(scope.most, level_from(table->most(), what));
  scope.account = table->account();
  if (table->containers() == nullptr) return scope;
  // An empty list would stand for all containers: no writer writes one.
  if (table->containers()->size() == 0) return malformed(what);
  for (const fb::Id* id : *table->containers()) {
    scope.containers.push_back(from_fb<ContainerId>(id));
  }
  return scope;
}

}  // namespace

Bytes encode_principal(const Principal& principal) {
  FlatBufferBuilder builder(256);
  const auto name = text_of(builder, principal.name);
  const auto title = text_of(builder, principal.title);
  const auto email = text_of(builder, principal.email);
  std::vector<Offset<fb::Membership>> list;
  for (const Membership& membership : principal.groups) {
    const fb::Id group = to_fb(membership.group);
    list.push_back(fb::CreateMembership(builder, &group, membership.admin));
  }
  Offset<flatbuffers::Vector<Offset<fb::Membership>>> groups = 0;
  if (!list.empty()) groups = builder.CreateVector(list);
  builder.Finish(fb::CreatePrincipal(builder, static_cast<uint8_t>(principal.kind), name, title,
                                     email, principal.super_admin, principal.may_create,
                                     principal.disabled, principal.created, groups,
                                     principal.at_spending_limit, principal.account_expires));
  return finished(builder);
}

Result<Principal> decode_principal(ByteView bytes) {
  constexpr const char* kWhat = "a principal";
  return read_table<fb::Principal>(bytes, kWhat,
                                   [](const fb::Principal& table) -> Result<Principal> {
    Principal out;
    if (table.kind() < 1 || table.kind() > 3) return malformed(kWhat);
    out.kind = static_cast<PrincipalKind>(table.kind());
    out.name = text_from(table.name());
    out.title = text_from(table.title());
    out.email = text_from(table.email());
    out.super_admin = table.super_admin();
    out.may_create = table.may_create();
    out.disabled = table.disabled();
    out.created = table.created();
    out.at_spending_limit = table.at_spending_limit();
    out.account_expires = table.account_expires();
    if (table.groups() != nullptr) {
      for (const fb::Membership* membership : *table.groups()) {
        out.groups.push_back({from_fb<PrincipalId>(membership->group()), membership->admin()});
      }
    }
    if (out.name.empty()) return malformed(kWhat);
    return out;
  });
}

Bytes encode_token(const Token& token) {
  FlatBufferBuilder builder(256);
  const auto name = text_of(builder, token.name);
  const auto scope = encode_scope(builder, token.scope);
  const fb::Id principal = to_fb(token.principal);
  builder.Finish(fb::CreateToken(builder, name, &principal, scope, token.created, token.expires,
                                 token.last_used));
  return finished(builder);
}

Result<Token> decode_token(ByteView bytes) {
  return read_table<fb::Token>(bytes, "a token", [](const fb::Token& table) -> Result<Token> {
    Token out;
    out.name = text_from(table.name());
    out.principal = from_fb<PrincipalId>(table.principal());
    RAMET_ASSIGN(out.scope, decode_scope(table.scope(), "a token"));
    out.created = table.created();
    out.expires = table.expires();
    out.last_used = table.last_used();
    return out;
  });
}

Bytes encode_key_pair(const AccessKey& key) {
  FlatBufferBuilder builder(256);
  const auto secret = text_of(builder, key.secret);
  const auto name = text_of(builder, key.name);
  const auto scope = encode_scope(builder, key.scope);
  const fb::Id principal = to_fb(key.principal);
  builder.Finish(fb::CreateKeyPair(builder, secret, name, &principal, scope, key.created,
                                   key.expires, key.last_used));
  return finished(builder);
}

Result<AccessKey> decode_key_pair(ByteView bytes) {
  constexpr const char* kWhat = "a key pair";
  return read_table<fb::KeyPair>(bytes, kWhat, [](const fb::KeyPair& table) -> Result<AccessKey> {
    AccessKey out;
    out.secret = text_from(table.secret());
    out.name = text_from(table.name());
    out.principal = from_fb<PrincipalId>(table.principal());
    RAMET_ASSIGN(out.scope, decode_scope(table.scope(), kWhat));
    out.created = table.created();
    out.expires = table.expires();
    out.last_used = table.last_used();
    // Everybody could sign with an empty one.
    if (out.secret.empty()) return malformed(kWhat);
    return out;
  });
}

Bytes encode_grant(AccessLevel level) {
  FlatBufferBuilder builder(64);
  builder.Finish(fb::CreateGrant(builder, static_cast<uint8_t>(level)));
  return finished(builder);
}

Result<AccessLevel> decode_grant(ByteView bytes) {
  return read_table<fb::Grant>(bytes, "a grant", [](const fb::Grant& table) -> Result<AccessLevel> {
    if (table.level() == 0) return malformed("a grant");
    return level_from(table.level(), "a grant");
  });
}

Bytes encode_container_access(const ContainerAccess& access) {
  FlatBufferBuilder builder(128);
  const auto region = text_of(builder, access.region);
  const auto bill_to = text_of(builder, access.bill_to);
  const auto sponsor = text_of(builder, access.sponsor);
  const auto request = text_of(builder, access.data_access_request);
  builder.Finish(fb::CreateContainerAccess(builder, access.is_restricted, access.is_protected,
                                           region, bill_to, sponsor, request,
                                           access.contains_phi, access.is_download_restricted));
  return finished(builder);
}

Result<ContainerAccess> decode_container_access(ByteView bytes) {
  return read_table<fb::ContainerAccess>(
      bytes, "a container's access",
      [](const fb::ContainerAccess& table) -> Result<ContainerAccess> {
        return ContainerAccess{table.is_restricted(),
                               table.is_protected(),
                               text_from(table.region()),
                               text_from(table.bill_to()),
                               text_from(table.sponsor()),
                               text_from(table.data_access_request()),
                               table.contains_phi(),
                               table.download_restricted()};
      });
}

Bytes encode_audit_entry(const AuditEntry& entry) {
  FlatBufferBuilder builder(256);
  const auto principal = text_of(builder, entry.principal);
  const auto action = text_of(builder, entry.action);
  const auto target = text_of(builder, entry.target);
  const auto detail = text_of(builder, entry.detail);
  const auto from = text_of(builder, entry.from);
  builder.Finish(fb::CreateAuditEntry(builder, entry.time, principal, action, target, detail,
                                      from));
  return finished(builder);
}

Result<AuditEntry> decode_audit_entry(ByteView bytes) {
  return read_table<fb::AuditEntry>(bytes, "the audit log",
                                    [](const fb::AuditEntry& table) -> Result<AuditEntry> {
    AuditEntry out;
    out.time = table.time();
    out.principal = text_from(table.principal());
    out.action = text_from(table.action());
    out.target = text_from(table.target());
    out.detail = text_from(table.detail());
    out.from = text_from(table.from());
    return out;
  });
}

}  // namespace ramet::engine
