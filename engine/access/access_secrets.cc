// Tokens and key pairs: making and removing them, who shows them, and when they were used.
#include <fmt/format.h>

#include "engine/access/access_control.h"
#include "engine/access/access_records.h"
#include "engine/no_wait.h"
#include "engine/store_impl.h"
#include "engine/tree/query.h"

namespace ramet::engine {
namespace {

constexpr std::string_view kTokenPrefix = "rmt_";
constexpr size_t kTokenRandomBytes = 32;
constexpr size_t kTokenTextBytes = kTokenPrefix.size() + 43;
constexpr std::string_view kKeyIdPrefix = "RMTK";
constexpr size_t kKeyIdBytes = 20;
constexpr size_t kKeySecretBytes = 40;

// How often the use of a secret is written down, and how many are at once.
constexpr int64_t kUseGrain = 3'600'000'000'000;
constexpr size_t kUsesAtOnce = 512;
constexpr size_t kUsesMax = 65'536;

// RFC 4648, "URL and filename safe", without padding.
std::string base64url(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out.push_back(kDigits[bits >> count & 63]);
    }
  }
  if (count > 0) out.push_back(kDigits[bits << (6 - count) & 63]);
  return out;
}

Error refused() {
  return Error(ErrorCode::kPermissionDenied, "the credentials are not accepted");
}

// In error texts and the audit log: enough to find a token by, and nothing to guess one from.
std::string short_id(const ContentHash& hash) { return hash.to_hex().substr(0, 16); }

}  // namespace

std::string AccessControlImpl::random_bytes(size_t count) {
  std::string out(count, '\0');
  store_.env().random(out);
  return out;
}

// --- made and removed ----------------------------------------------------------------------------

Result<Principal> AccessControlImpl::check_secret(const Root& catalog, PrincipalId id,
                                                  const std::string& name, const Scope& scope,
                                                  int64_t expires) {
  RAMET_TRY(check_access_text(name, kTitleBytesMax, "the name of a secret"));
  if (expires < 0 || (expires > 0 && expires <= store_.env().now())) {
    return Error(ErrorCode::kInvalidArgument, "the secret would have expired already");
  }
  if (scope.most > AccessLevel::kAdminister) {
    return Error(ErrorCode::kInvalidArgument, "a scope has an access level at most");
  }
  if (scope.containers.size() > kGroupsMax) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a scope names at most {} containers", kGroupsMax));
  }
  RAMET_ASSIGN(Principal principal, find(catalog, id));
  if (principal.kind == PrincipalKind::kGroup) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is a group: nobody comes as one", principal.name));
  }
  for (const ContainerId& container : scope.containers) {
    RAMET_TRY(find_container(store_.context(), catalog, container));
  }
  return principal;
}

Result<AccessControl::NewToken> AccessControlImpl::create_token(PrincipalId principal,
                                                                const std::string& name,
                                                                const Scope& scope,
                                                                int64_t expires) {
  NewToken made;
  made.secret = std::string(kTokenPrefix) + base64url(random_bytes(kTokenRandomBytes));
  made.token.hash = blake3(made.secret);
  made.token.name = name;
  made.token.principal = principal;
  made.token.scope = scope;
  made.token.created = store_.env().now();
  made.token.expires = expires;
  RAMET_TRY(change([&](AccessChange& change) -> Status {
    RAMET_ASSIGN(const Principal of,
                 check_secret(change.catalog(), principal, name, scope, expires));
    change.log("token.create", of.name, fmt::format("{} '{}'", short_id(made.token.hash), name));
    return change.put(token_key(made.token.hash), encode_token(made.token));
  }));
  return made;
}

Result<std::optional<Token>> AccessControlImpl::look_up_token(const Root& catalog,
                                                              const ContentHash& hash) {
  Value value;
  RAMET_ASSIGN(const bool found, get(store_.context(), catalog, token_key(hash), &value));
  if (!found) return std::optional<Token>();
  RAMET_ASSIGN(Token token, decode_token(value.bytes()));
  token.hash = hash;
  return std::optional(std::move(token));
}

Result<std::optional<AccessKey>> AccessControlImpl::look_up_key(const Root& catalog,
                                                                std::string_view id) {
  Value value;
  RAMET_ASSIGN(const bool found, get(store_.context(), catalog, key_pair_key(id), &value));
  if (!found) return std::optional<AccessKey>();
  RAMET_ASSIGN(AccessKey pair, decode_key_pair(value.bytes()));
  pair.id = id;
  return std::optional(std::move(pair));
}

Status AccessControlImpl::remove_token(const ContentHash& hash) {
  return change([&](AccessChange& change) -> Status {
    RAMET_ASSIGN(const auto token, look_up_token(change.catalog(), hash));
    if (!token) {
      return Error(ErrorCode::kNotFound, "there is no token " + short_id(hash));
    }
    RAMET_ASSIGN(const Principal of, find(change.catalog(), token->principal));
    change.log("token.remove", of.name, fmt::format("{} '{}'", short_id(hash), token->name));
    return change.erase(token_key(hash));
  }, true);
}

Status AccessControlImpl::tokens(PrincipalId principal,
                                 const std::function<bool(const Token&)>& visit) {
  return read([&](const Root& catalog) -> Status {
    RAMET_TRY(find(catalog, principal));
    return each_of(catalog, of_principal_range(principal, OfPrincipal::kToken),
                   [&](const OfPrincipalKey& of) -> Result<bool> {
      const ContentHash hash{load<std::array<uint8_t, 32>>(of.rest.data())};
      RAMET_ASSIGN(const auto token, look_up_token(catalog, hash));
      return !token || visit(*token);
    });
  });
}

Result<AccessKey> AccessControlImpl::create_key(PrincipalId principal, const std::string& name,
                                                const Scope& scope, int64_t expires) {
  static constexpr std::string_view kIdDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  static constexpr std::string_view kSecretDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  AccessKey made;
  // Digits that are all equally likely: bytes behind the last whole run of them are thrown away.
  const auto fill = [this](std::string& text, std::string_view digits, size_t size) {
    const size_t usable = 256 / digits.size() * digits.size();
    while (text.size() < size) {
      for (const char c : random_bytes(2 * size)) {
        const auto byte = static_cast<uint8_t>(c);
        if (byte < usable && text.size() < size) text.push_back(digits[byte % digits.size()]);
      }
    }
  };
  made.id = kKeyIdPrefix;
  fill(made.id, kIdDigits, kKeyIdBytes);
  fill(made.secret, kSecretDigits, kKeySecretBytes);
  made.name = name;
  made.principal = principal;
  made.scope = scope;
  made.created = store_.env().now();
  made.expires = expires;
  RAMET_TRY(change([&](AccessChange& change) -> Status {
    RAMET_ASSIGN(const Principal of,
                 check_secret(change.catalog(), principal, name, scope, expires));
    RAMET_ASSIGN(const auto other, look_up_key(change.catalog(), made.id));
    if (other) return Error(ErrorCode::kBusy, "the new key's id is taken; try again");
    change.log("key.create", of.name, fmt::format("{} '{}'", made.id, name));
    return change.put(key_pair_key(made.id), encode_key_pair(made));
  }));
  return made;
}

Status AccessControlImpl::remove_key(std::string_view id) {
  return change([&](AccessChange& change) -> Status {
    RAMET_ASSIGN(const auto pair, look_up_key(change.catalog(), id));
    if (!pair) return Error(ErrorCode::kNotFound, fmt::format("there is no key '{}'", id));
    RAMET_ASSIGN(const Principal of, find(change.catalog(), pair->principal));
    change.log("key.remove", of.name, fmt::format("{} '{}'", id, pair->name));
    return change.erase(key_pair_key(id));
  }, true);
}

Status AccessControlImpl::keys(PrincipalId principal,
                               const std::function<bool(const AccessKey&)>& visit) {
  return read([&](const Root& catalog) -> Status {
    RAMET_TRY(find(catalog, principal));
    return each_of(catalog, of_principal_range(principal, OfPrincipal::kKeyPair),
                   [&](const OfPrincipalKey& of) -> Result<bool> {
      RAMET_ASSIGN(auto pair, look_up_key(catalog, of.rest));
      if (!pair) return true;
      pair->secret.clear();
      return visit(*pair);
    });
  });
}

// --- who is it? ----------------------------------------------------------------------------------

Result<AccessControlImpl::KnownPointer> AccessControlImpl::known_token(const ContentHash& hash) {
  const uint64_t generation = generation_;  // [ACCESS-1]
  if (auto found = known_tokens_.find(hash.bytes, generation)) return std::move(*found);
  auto known = std::make_shared<Known>();
  RAMET_TRY(read([&](const Root& catalog) -> Status {
    RAMET_ASSIGN(const auto token, look_up_token(catalog, hash));
    if (!token) return refused();
    RAMET_ASSIGN(auto principal, look_up(catalog, token->principal));
    if (!principal || principal->disabled) return refused();
    known->caller = {std::move(*principal), token->scope};
    known->expires = token->expires;
    known->key = token_key(hash);
    known->last_used = token->last_used;
    return ok();
  }));
  known_tokens_.put(hash.bytes, generation, known);
  return KnownPointer(std::move(known));
}

Result<AccessControlImpl::KnownPointer> AccessControlImpl::known_key(std::string_view id) {
  const AccessCacheKey at = blake3(id).bytes;
  const uint64_t generation = generation_;  // [ACCESS-1]
  if (auto found = known_keys_.find(at, generation)) return std::move(*found);
  auto known = std::make_shared<Known>();
  RAMET_TRY(read([&](const Root& catalog) -> Status {
    RAMET_ASSIGN(auto pair, look_up_key(catalog, id));
    if (!pair) return refused();
    RAMET_ASSIGN(auto principal, look_up(catalog, pair->principal));
    if (!principal || principal->disabled) return refused();
    known->caller = {std::move(*principal), std::move(pair->scope)};
    known->secret = std::move(pair->secret);
    known->expires = pair->expires;
    known->key = key_pair_key(id);
    known->last_used = pair->last_used;
    return ok();
  }));
  known_keys_.put(at, generation, known);
  return KnownPointer(std::move(known));
}

Result<Caller> AccessControlImpl::authenticate_token(std::string_view secret) {
  RAMET_TRY(store_.check_open());
  if (secret.size() != kTokenTextBytes || !secret.starts_with(kTokenPrefix)) return refused();
  RAMET_ASSIGN(const KnownPointer known, known_token(blake3(secret)));
  RAMET_TRY(use(*known));
  return known->caller;
}

Result<AccessControl::KeyCaller> AccessControlImpl::find_key(std::string_view id) {
  RAMET_TRY(store_.check_open());
  if (id.size() != kKeyIdBytes || !id.starts_with(kKeyIdPrefix)) return refused();
  RAMET_ASSIGN(const KnownPointer known, known_key(id));
  RAMET_TRY(use(*known));
  return KeyCaller{known->secret, known->caller};
}

// --- when were they used? ------------------------------------------------------------------------

Status AccessControlImpl::use(const Known& known) {
  const int64_t now = store_.env().now();
  if (known.expires > 0 && now >= known.expires) return refused();
  int64_t before = known.last_used;
  if (now - before < kUseGrain || store_.options().read_only) return ok();
  if (!known.last_used.compare_exchange_strong(before, now)) return ok();  // another one notes it
  const std::lock_guard lock(used_mu_);
  if (used_.size() < kUsesMax) used_[known.key] = now;
  return ok();
}

Status AccessControlImpl::flush_last_used() {
  std::map<Bytes, int64_t> used;
  {
    const std::lock_guard lock(used_mu_);
    if (used_.empty()) return ok();
    if (NoWaitScope::active()) {
      return Error(ErrorCode::kWouldWait, "what was used is written to the disk");
    }
    used.swap(used_);
  }
  while (!used.empty()) {
    auto end = used.begin();
    for (size_t i = 0; i < kUsesAtOnce && end != used.end(); ++i) ++end;
    CommitRequest request;
    request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
      commit.trees.clear();
      std::vector<Operation> operations;
      for (auto it = used.begin(); it != end; ++it) {
        const auto& key = it->first;  // (bindings cannot be captured)
        const auto time = it->second;
        Value value;
        RAMET_ASSIGN(const bool found, get(store_.context(), head.catalog, key, &value));
        if (!found) continue;  // it was removed since
        const auto put = [&](auto record, const auto& encode) {
          if (record.last_used >= time) return;
          record.last_used = time;
          operations.push_back(Operation::put(key, encode(record)));
        };
        if (catalog_space_of(key) == CatalogSpace::kToken) {
          RAMET_ASSIGN(Token token, decode_token(value.bytes()));
          put(std::move(token), encode_token);
        } else {
          RAMET_ASSIGN(AccessKey pair, decode_key_pair(value.bytes()));
          put(std::move(pair), encode_key_pair);
        }
      }
      if (!operations.empty()) commit.trees.push_back({{}, std::move(operations)});
      return ok();
    };
    // (Who has which secret stays as it is: what is in memory goes on being right.)
    const auto done = store_.commit(request, false);
    if (!done.ok()) {
      const std::lock_guard lock(used_mu_);
      used_.merge(used);  // tried again; where a secret was used since, that is the later time
      return done.error();
    }
    used.erase(used.begin(), end);
  }
  return ok();
}

}  // namespace ramet::engine
