#include "tools/serve/fhir/secrets.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/rand.h>

#include "format/check.h"
#include "format/ids.h"
#include "tools/serve/digest.h"
#include "tools/serve/fhir/auth.h"

namespace ramet::serve::fhir {
namespace {

enum class Sees : uint8_t { kReaders, kAdmins, kSuperAdmins, kNobody };

// What speaks for a project elsewhere: whoever clones it has to set it up anew.
struct SecretMember {
  std::string_view type;
  std::string_view member;
  std::string_view inner;  // of the member, or of each of its elements; empty: all of the member
  Sees sees;
};
constexpr auto kSecretMembers = std::to_array<SecretMember>({
    {"Project", "secret", {}, Sees::kAdmins},
    {"Project", "systemSecret", {}, Sees::kSuperAdmins},
    {"Project", "site", "recaptchaSecretKey", Sees::kAdmins},
    {"ClientApplication", "retiringSecret", {}, Sees::kNobody},
    {"ClientApplication", "identityProvider", {}, Sees::kAdmins},
    {"DomainConfiguration", "identityProvider", {}, Sees::kSuperAdmins},
    {"SmartAppLaunch", "secret", {}, Sees::kAdmins},
    {"Subscription", "channel", "header", Sees::kReaders},
    {"Endpoint", "header", {}, Sees::kReaders},
    {"Agent", "secret", {}, Sees::kAdmins},
    {"User", "passwordHash", {}, Sees::kNobody},
    {"User", "mfaSecret", {}, Sees::kNobody},
    {"JsonWebKey", "d", {}, Sees::kNobody},
    {"Login", "cookie", {}, Sees::kNobody},
    {"Login", "refreshSecret", {}, Sees::kNobody},
    {"UserSecurityRequest", "secret", {}, Sees::kSuperAdmins},
    {"PasswordChangeRequest", "secret", {}, Sees::kSuperAdmins},
});
constexpr std::string_view kClient = "@client";
constexpr size_t kSecretBytesMin = 16;
constexpr size_t kSecretBytesMax = 256;
constexpr size_t kSaltBytes = 16;
constexpr size_t kMarkBytes = 16;

bool may_see(const Login& login, Sees sees) {
  switch (sees) {
    case Sees::kReaders: return true;
    case Sees::kAdmins: return login.is_project_admin || login.is_super_admin;
    case Sees::kSuperAdmins: return login.is_super_admin;
    case Sees::kNobody: return false;
  }
  return false;
}

std::string name_of(const SecretMember& member) {
  if (member.inner.empty()) return std::string(member.member);
  return fmt::format("{}.{}", member.member, member.inner);
}

Json parsed(std::string_view kept) {
  Json json = Json::parse(kept, nullptr, false);
  return json.is_object() ? json : Json::object();
}

// Nothing to be kept is no text at all.
std::string written(const Json& secrets) {
  return secrets.empty() ? std::string()
                         : secrets.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Cuts it out; nullopt: it is not there. Of elements of a list: a list, with null for those
// without.
std::optional<Json> cut(Json& resource, const SecretMember& secret) {
  const auto found = resource.find(std::string(secret.member));
  if (found == resource.end()) return std::nullopt;
  if (secret.inner.empty()) {
    Json out = std::move(*found);
    resource.erase(found);
    return out;
  }
  const std::string inner(secret.inner);
  const auto cut_inner = [&](Json& holder) -> std::optional<Json> {
    if (!holder.is_object()) return std::nullopt;
    const auto at = holder.find(inner);
    if (at == holder.end()) return std::nullopt;
    Json out = std::move(*at);
    holder.erase(at);
    return out;
  };
  if (!found->is_array()) return cut_inner(*found);
  Json out = Json::array();
  bool is_any = false;
  for (Json& one : *found) {
    auto value = cut_inner(one);
    is_any = is_any || value.has_value();
    out.push_back(value ? std::move(*value) : Json(nullptr));
  }
  if (!is_any) return std::nullopt;
  return out;
}

void put_back(Json& resource, const SecretMember& secret, const Json& value) {
  if (secret.inner.empty()) {
    resource[std::string(secret.member)] = value;
    return;
  }
  const auto found = resource.find(std::string(secret.member));
  if (found == resource.end()) return;
  const std::string inner(secret.inner);
  if (found->is_object()) {
    (*found)[inner] = value;
  } else if (found->is_array() && value.is_array()) {
    for (size_t i = 0; i < found->size() && i < value.size(); ++i) {
      if ((*found)[i].is_object() && !value[i].is_null()) (*found)[i][inner] = value[i];
    }
  }
}

std::string type_of(const Json& resource) {
  const auto type = resource.find("resourceType");
  return type != resource.end() && type->is_string() ? type->get<std::string>() : std::string();
}

// Whether it is of the login's own project: to be an admin there says nothing of a linked one.
bool is_of(const Login& login, const Json& resource) {
  if (login.is_super_admin) return true;
  const auto meta = resource.find("meta");
  if (meta == resource.end() || !meta->is_object()) return false;
  const auto project = meta->find("project");
  return project != meta->end() && *project == to_uuid(login.project);
}

std::string hash_of(std::string_view salt, std::string_view secret) {
  return to_hex(hmac_sha256(salt, secret));
}

std::string text_of_client(const Json& secrets, const char* name) {
  const auto client = secrets.find(std::string(kClient));
  if (client == secrets.end() || !client->is_object()) return {};
  const auto found = client->find(name);
  return found != client->end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

bool has_secrets(std::string_view type) {
  if (type == "ClientApplication") return true;
  return std::any_of(kSecretMembers.begin(), kSecretMembers.end(),
                     [&](const SecretMember& one) { return one.type == type; });
}

Outcome<std::optional<std::string>> split_secrets(const Login& login, std::string_view kept,
                                                  Json& resource) {
  const std::string type = type_of(resource);
  Json secrets = parsed(kept);
  const std::string before = written(secrets);
  for (const SecretMember& secret : kSecretMembers) {
    if (secret.type != type) continue;
    const auto value = cut(resource, secret);
    if (!value) continue;
    const bool may_set =
        secret.sees == Sees::kNobody ? login.is_super_admin : may_see(login, secret.sees);
    if (!may_set) continue;
    if (value->is_null() || (value->is_structured() && value->empty())) {
      secrets.erase(name_of(secret));
    } else {
      secrets[name_of(secret)] = *value;
    }
  }
  if (type == "ClientApplication") {
    if (const auto found = resource.find("secret"); found != resource.end()) {
      if (!found->is_string()) {
        return Fault(Issue::kStructure, "a secret is a text", "ClientApplication.secret");
      }
      const auto text = found->get<std::string>();
      if (text.size() < kSecretBytesMin || text.size() > kSecretBytesMax ||
          text.starts_with("rmt_")) {
        return Fault(Issue::kInvalid,
                     fmt::format("a client's secret has {} to {} bytes, and does not begin with "
                                 "\"rmt_\"; $rotate-secret makes one",
                                 kSecretBytesMin, kSecretBytesMax),
                     "ClientApplication.secret");
      }
      resource.erase(found);
      // (The same one again is not another one: its tokens stay good.)
      if (!is_client_secret(kept, text)) {
        secrets = parsed(with_client_secret(written(secrets), text));
      }
    }
  }
  std::string after = written(secrets);
  if (after == before) return std::optional<std::string>();
  return std::optional<std::string>(std::move(after));
}

void show_secrets(const Login& login, std::string_view kept, Json& resource) {
  if (kept.empty() || !is_of(login, resource)) return;
  const Json secrets = parsed(kept);
  const std::string type = type_of(resource);
  for (const SecretMember& secret : kSecretMembers) {
    if (secret.type != type || !may_see(login, secret.sees)) continue;
    if (const auto found = secrets.find(name_of(secret)); found != secrets.end()) {
      put_back(resource, secret, *found);
    }
  }
}

std::string new_client_secret() { return to_hex(random_bytes(32)); }

std::string with_client_secret(std::string_view kept, std::string_view secret) {
  Json secrets = parsed(kept);
  const std::string salt = to_hex(random_bytes(kSaltBytes));
  Json client;
  client["salt"] = salt;
  client["hash"] = hash_of(salt, secret);
  secrets[std::string(kClient)] = std::move(client);
  return written(secrets);
}

bool is_client_secret(std::string_view kept, std::string_view secret) {
  const Json secrets = parsed(kept);
  const std::string hash = text_of_client(secrets, "hash");
  const std::string salt = text_of_client(secrets, "salt");
  return !hash.empty() && !salt.empty() && equal_secretly(hash, hash_of(salt, secret));
}

std::string secret_mark(std::string_view kept) {
  const std::string hash = text_of_client(parsed(kept), "hash");
  if (hash.empty()) return {};
  // (Of the hash, so that a token tells nothing by which secrets could be tried.)
  return to_hex(hmac_sha256("fhir token", hash)).substr(0, kMarkBytes);
}

std::string random_bytes(size_t count) {
  std::string out(count, '\0');
  RAMET_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()),
                         static_cast<int>(out.size())) == 1,
              "OpenSSL has no random bytes");
  return out;
}

std::string random_uuid() {
  std::string bytes = random_bytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  return to_uuid(ObjectId::from_bytes(bytes.data()));
}

}  // namespace ramet::serve::fhir
