#include "tools/serve/fhir/auth.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "engine/no_wait.h"
#include "tools/serve/digest.h"
#include "tools/serve/fhir/call.h"
#include "tools/serve/fhir/jwt.h"
#include "tools/serve/fhir/links.h"
#include "tools/serve/fhir/policy.h"
#include "tools/serve/fhir/secrets.h"

namespace ramet::serve::fhir {
namespace {

constexpr std::string_view kKeyDocument = "fhir.token-key";
constexpr size_t kKeyBytes = 32;
constexpr size_t kKeptMax = 4096;
constexpr size_t kHintsMax = 4096;
constexpr size_t kCredentialMax = 8192;
constexpr size_t kMarkDigits = 16;
constexpr std::string_view kPrincipalToken = "rmt_";
constexpr int64_t kSecond = 1'000'000'000;

int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

AuthState::Moment moment_of(Shared& shared) {
  return {shared.store().visible_sequence(), shared.services.access.generation()};
}

bool is_not_found(const Fault& fault) { return fault.issue == Issue::kNotFound && !fault.waits; }

bool is_true(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && *found == true;
}

// What a member that should refer to something refers to; nullopt: nothing of this server.
std::optional<Reference> reference_in(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_object()) return std::nullopt;
  const auto reference = found->find("reference");
  if (reference == found->end() || !reference->is_string()) return std::nullopt;
  return parse_exact_reference(reference->get_ref<const std::string&>());
}

Fault too_many(uint64_t nanoseconds) {
  return Fault(Issue::kTooManyRequests,
               fmt::format("too many wrong credentials from here; wait {} s",
                           (nanoseconds + kSecond - 1) / kSecond));
}

// Notes that a credential was wrong.
Fault refused(Shared& shared, const std::string& peer, const std::string& name,
              std::string text = {}) {
  shared.auth.limiter.failed(peer, name);
  shared.auth.failed_logins.note(peer, name);
  return Fault(Issue::kUnauthorized, std::move(text));
}

// --- members -------------------------------------------------------------------------------------

using Parameters = std::vector<std::pair<std::string, std::string>>;

void add_parameter(Parameters& parameters, const std::string& name, const std::string& reference) {
  parameters.emplace_back(name, reference);
  const size_t slash = reference.find('/');
  if (slash != std::string::npos) {
    parameters.emplace_back(name + ".id", reference.substr(slash + 1));
  }
}

Outcome<Parameters> parameters_of(const Json& access, const Parameters& of_all) {
  Parameters out = of_all;
  const auto list = access.find("parameter");
  if (list == access.end() || !list->is_array()) return out;
  for (const Json& one : *list) {
    const std::string name = text_member(one, "name");
    const auto reference = one.find("valueReference");
    if (name.empty()) continue;
    if (reference != one.end()) {
      add_parameter(out, name, text_member(*reference, "reference"));
    } else if (one.contains("valueString")) {
      out.emplace_back(name, text_member(one, "valueString"));
    } else {
      return Fault(Issue::kForbidden,
                   fmt::format("the access policy cannot be enforced here: parameter '{}'", name));
    }
  }
  return out;
}

// Null: the member has none, and may do everything.
Outcome<std::shared_ptr<const Policy>> policy_of(Shared& shared, const RecordView& records,
                                                 const Json& membership,
                                                 const std::string& profile) {
  Parameters of_all;
  add_parameter(of_all, "profile", profile);
  if (profile.starts_with("Patient/")) add_parameter(of_all, "patient", profile);
  std::vector<PolicySource> sources;
  const auto add = [&](const Json& holder, const char* name,
                       Parameters parameters) -> Outcome<void> {
    const auto reference = reference_in(holder, name);
    if (!reference || reference->type != "AccessPolicy") {
      return Fault(Issue::kForbidden, "the access policy of this member is no AccessPolicy here");
    }
    auto policy = read_resource(shared, records, "AccessPolicy", reference->id);
    if (!policy.ok() && is_not_found(policy.error())) {
      return Fault(Issue::kForbidden, "the access policy of this member is not there");
    }
    if (!policy.ok()) return std::move(policy).error();
    sources.push_back({std::move(*policy), std::move(parameters)});
    return {};
  };
  if (membership.contains("accessPolicy")) RAMET_TRY(add(membership, "accessPolicy", of_all));
  if (const auto list = membership.find("access"); list != membership.end()) {
    if (!list->is_array()) {
      return Fault(Issue::kForbidden, "the access of this member is no list");
    }
    for (const Json& one : *list) {
      RAMET_ASSIGN(Parameters parameters, parameters_of(one, of_all));
      RAMET_TRY(add(one, "policy", std::move(parameters)));
    }
  }
  if (sources.empty()) return std::shared_ptr<const Policy>();
  return Policy::make(sources);
}

// What the project says of its members.
Outcome<void> read_project(Shared& shared, const RecordView& records, const Json& membership,
                           Login& login) {
  RAMET_ASSIGN(const Json project,
               read_resource(shared, records, "Project", project_resource(login.project)));
  login.project_name = text_member(project, "name");
  login.is_strict = is_true(project, "strictMode");
  login.is_project_admin = is_true(membership, "admin");
  login.is_super_admin = login.is_project_admin && is_true(project, "superAdmin");
  if (const auto list = project.find("features"); list != project.end() && list->is_array()) {
    for (const Json& one : *list) {
      if (one.is_string()) login.features.push_back(one.get<std::string>());
    }
  }
  if (const auto list = project.find("link"); list != project.end() && list->is_array()) {
    for (const Json& one : *list) {
      const auto reference = one.is_object() ? reference_in(one, "project") : std::nullopt;
      if (!reference || reference->type != "Project") continue;
      const ContainerId linked = project_container(reference->id);
      RAMET_ASSIGN(const bool there, is_project(shared, linked));
      if (there && linked != login.project) login.linked.push_back(linked);
    }
  }
  return {};
}

struct Client {
  Login login;
  std::string kept;  // its secret, as it is kept
};

// A client application of this project, whatever it showed. kUnauthorized: it is not there, or is
// switched off.
Outcome<Client> find_client(Shared& shared, ContainerId container, ObjectId id) {
  auto view = shared.store().view(container);
  if (!view.ok()) {
    if (view.error().code() == ErrorCode::kNotFound) {
      return Fault(Issue::kUnauthorized, "Invalid client");
    }
    return std::move(view).error();
  }
  RAMET_ASSIGN(const TypeNumber type, shared.types.number("ClientApplication"));
  auto info = (*view)->record(type, id);
  if (!info.ok()) {
    if (info.error().code() == ErrorCode::kNotFound) {
      return Fault(Issue::kUnauthorized, "Invalid client");
    }
    return std::move(info).error();
  }
  const Json json = parse_document(*info);
  const std::string status = text_member(json, "status");
  if (!status.empty() && status != "active") {
    return Fault(Issue::kUnauthorized, "Invalid client");
  }
  Client out;
  RAMET_ASSIGN(out.kept, (*view)->record_secret(type, id));
  Login& login = out.login;
  login.project = container;
  login.user = reference_text("ClientApplication", id);
  login.client_id = to_uuid(id);
  login.principal = "fhir:" + login.client_id;
  return out;
}

// What the client's membership makes of it.
Outcome<void> read_member(Shared& shared, Login& login, ObjectId id) {
  RAMET_ASSIGN(const auto view, shared.store().view(login.project));
  auto membership = find_membership(shared, *view, "profile", "ClientApplication", id);
  if (!membership.ok() && is_not_found(membership.error())) {
    return Fault(Issue::kForbidden, "the client application is a member of no project");
  }
  if (!membership.ok()) return std::move(membership).error();
  login.profile = text_member(membership->value("profile", Json::object()), "reference");
  login.author = login.profile;
  RAMET_ASSIGN(login.membership, parse_uuid<ObjectId>(text_member(*membership, "id")));
  RAMET_TRY(read_project(shared, *view, *membership, login));
  RAMET_ASSIGN(login.policy, policy_of(shared, *view, *membership, login.profile));
  return {};
}

// --- principals of the daemon --------------------------------------------------------------------

bool is_for_everything(const Scope& scope) {
  return scope.most == AccessLevel::kAdminister && scope.containers.empty() && scope.account;
}

Outcome<Login> login_of_principal(Shared& shared, const Caller& caller) {
  if (!caller.principal.super_admin || !is_for_everything(caller.scope)) {
    return Fault(Issue::kForbidden,
                 "of the daemon's principals, only super administrators with a token for "
                 "everything come in here");
  }
  const std::string credential = "principal " + to_uuid(caller.principal.id);
  const AuthState::Moment moment = moment_of(shared);
  if (const auto kept = shared.auth.find(credential, moment, now_seconds())) return *kept;
  RAMET_ASSIGN(const Login login, principal_login(shared, caller));
  shared.auth.keep(credential, moment, 0, login);
  return login;
}

std::string mark_of(const ContentHash& hash) { return hash.to_hex().substr(0, kMarkDigits); }

// Whose token this was made for, if that principal still has the token that it showed then.
Outcome<Caller> caller_of(Shared& shared, std::string_view id_text, const std::string& mark,
                          int64_t& expires) {
  AccessControl& access = shared.services.access;
  const auto id = parse_uuid<PrincipalId>(id_text);
  if (!id.ok()) return Fault(Issue::kUnauthorized);
  auto principal = access.principal(*id);
  if (!principal.ok()) {
    if (principal.error().code() == ErrorCode::kNotFound) return Fault(Issue::kUnauthorized);
    return std::move(principal).error();
  }
  if (principal->disabled) return Fault(Issue::kUnauthorized);
  std::optional<Token> found;
  RAMET_TRY(access.tokens(*id, [&](const Token& token) {
    if (mark_of(token.hash) != mark) return true;
    found = token;
    return false;
  }));
  if (!found) return Fault(Issue::kUnauthorized);
  if (found->expires != 0) {
    expires = std::min(expires, found->expires / kSecond);
    if (expires <= now_seconds()) return Fault(Issue::kUnauthorized);
  }
  return Caller{std::move(*principal), found->scope};
}

// --- access tokens -------------------------------------------------------------------------------

Outcome<std::string> signing_key(Shared& shared) {
  if (std::string key = shared.auth.key(); !key.empty()) return key;
  RAMET_ASSIGN(const ContainerId system, system_container(shared));
  std::string key;
  const auto read = [&](Result<std::string> text) -> Outcome<void> {
    if (text.ok()) {
      const auto bytes = from_base64url(*text);
      if (!bytes || bytes->size() != kKeyBytes) {
        return Error(ErrorCode::kCorruption, "the key of access tokens is no key");
      }
      key = *bytes;
    } else if (text.error().code() != ErrorCode::kNotFound) {
      return std::move(text).error();
    }
    return {};
  };
  const auto look = [&]() -> Outcome<void> {
    RAMET_ASSIGN(const auto view, shared.store().view(system));
    return read(view->document(kKeyDocument));
  };
  RAMET_TRY(look());
  if (key.empty()) {
    if (NoWaitScope::active()) return Error(ErrorCode::kWouldWait, "a key is to be made");
    const std::lock_guard lock(shared.auth.making);
    RAMET_TRY(look());
    if (key.empty()) {
      const std::string made = random_bytes(kKeyBytes);
      const auto keep = [&](Transaction& transaction) -> Outcome<void> {
        RAMET_TRY(transaction.set_document(kKeyDocument, to_base64url(made)));
        return {};
      };
      RAMET_TRY(change(shared, system, keep));
      key = made;
    }
  }
  shared.auth.set_key(key);
  return key;
}

Outcome<Login> login_of_token(Shared& shared, const Request& request, std::string_view token) {
  const std::string name = "token " + blake3(token).to_hex().substr(0, kMarkDigits);
  if (const auto wait = shared.auth.limiter.must_wait(request.peer, name)) return too_many(*wait);
  const std::string credential = "token " + blake3(token).to_hex();
  const AuthState::Moment moment = moment_of(shared);
  const int64_t now = now_seconds();
  if (const auto kept = shared.auth.find(credential, moment, now)) return *kept;
  RAMET_ASSIGN(const std::string key, signing_key(shared));
  const auto claims = verify_jwt(token, key);
  if (!claims) return refused(shared, request.peer, name);
  const auto exp = claims->find("exp");
  if (exp == claims->end() || !exp->is_number_integer()) return Fault(Issue::kUnauthorized);
  int64_t expires = exp->get<int64_t>();
  if (expires <= now) return Fault(Issue::kUnauthorized);
  // From here on the token was ours: what is wrong with it now is nobody's guess.
  const std::string mark = text_member(*claims, "mark");
  Login login;
  if (const std::string principal = text_member(*claims, "principal"); !principal.empty()) {
    RAMET_ASSIGN(const Caller caller, caller_of(shared, principal, mark, expires));
    RAMET_ASSIGN(login, login_of_principal(shared, caller));
  } else {
    const auto id = parse_uuid<ObjectId>(text_member(*claims, "client_id"));
    const auto project = parse_uuid<ContainerId>(text_member(*claims, "project"));
    if (!id.ok() || !project.ok()) return Fault(Issue::kUnauthorized);
    auto client = find_client(shared, *project, *id);
    if (!client.ok()) {
      if (client.error().issue == Issue::kUnauthorized) return Fault(Issue::kUnauthorized);
      return std::move(client).error();
    }
    const std::string current = secret_mark(client->kept);
    if (current.empty() || !equal_secretly(current, mark)) return Fault(Issue::kUnauthorized);
    login = std::move(client->login);
    RAMET_TRY(read_member(shared, login, *id));
  }
  login.login_id = text_member(*claims, "login_id");
  shared.auth.limiter.succeeded(request.peer, name);
  shared.auth.keep(credential, moment, expires, login);
  return login;
}

}  // namespace

std::shared_ptr<const Login> AuthState::find(const std::string& credential, const Moment& moment,
                                             int64_t now) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(credential);
  if (found == kept_.end()) return nullptr;
  const Kept& kept = found->second;
  if (kept.moment == moment && (kept.expires == 0 || kept.expires > now)) return kept.login;
  kept_.erase(found);
  return nullptr;
}

void AuthState::keep(const std::string& credential, const Moment& moment, int64_t expires,
                     const Login& login) {
  auto kept = std::make_shared<const Login>(login);
  const std::lock_guard lock(mutex_);
  // (All of them can be looked up again; the next commit makes that necessary anyway.)
  if (kept_.size() >= kKeptMax) kept_.clear();
  kept_[credential] = {moment, expires, std::move(kept)};
}

std::optional<ContainerId> AuthState::home_of(ObjectId client) {
  const std::lock_guard lock(mutex_);
  const auto found = homes_.find(client);
  if (found == homes_.end()) return std::nullopt;
  return found->second;
}

void AuthState::set_home(ObjectId client, ContainerId home) {
  const std::lock_guard lock(mutex_);
  if (homes_.size() >= kHintsMax) homes_.clear();
  homes_[client] = home;
}

std::string AuthState::key() {
  const std::lock_guard lock(mutex_);
  return key_;
}

void AuthState::set_key(std::string key) {
  const std::lock_guard lock(mutex_);
  key_ = std::move(key);
}

std::optional<ClientSecret> basic_credentials(std::string_view authorization) {
  const size_t space = authorization.find(' ');
  if (authorization.size() > kCredentialMax || space == authorization.npos) return std::nullopt;
  if (!same_name(authorization.substr(0, space), "Basic")) return std::nullopt;
  std::string_view rest = authorization.substr(space + 1);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  std::string padded(rest);
  while (padded.size() % 4 != 0) padded.push_back('=');
  const auto pair = from_base64(padded);
  if (!pair) return std::nullopt;
  const size_t colon = pair->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return ClientSecret{pair->substr(0, colon), pair->substr(colon + 1)};
}

Outcome<Login> login_of_client(Shared& shared, const std::string& peer,
                               std::string_view client_id, std::string_view client_secret) {
  AuthState& auth = shared.auth;
  const std::string name = fmt::format("client {}", client_id.substr(0, kPrincipalNameBytesMax));
  if (const auto wait = auth.limiter.must_wait(peer, name)) return too_many(*wait);
  if (client_secret.starts_with(kPrincipalToken)) {
    auto caller = shared.services.access.authenticate_token(client_secret);
    if (!caller.ok() && caller.error().code() != ErrorCode::kPermissionDenied) {
      return std::move(caller).error();
    }
    if (!caller.ok()) return refused(shared, peer, name, "Invalid secret");
    if (client_id != caller->principal.name && client_id != to_uuid(caller->principal.id)) {
      return refused(shared, peer, name, "Invalid client");
    }
    RAMET_ASSIGN(Login login, login_of_principal(shared, *caller));
    login.client_id = client_id;
    auth.limiter.succeeded(peer, name);
    return login;
  }
  const std::string credential =
      "client " + blake3(fmt::format("{}:{}", client_id, client_secret)).to_hex();
  const AuthState::Moment moment = moment_of(shared);
  if (const auto kept = auth.find(credential, moment, now_seconds())) return *kept;
  const auto id = parse_uuid<ObjectId>(client_id);
  if (!id.ok()) return refused(shared, peer, name, "Invalid client");
  std::optional<ContainerId> home = auth.home_of(*id);
  Outcome<Client> client = Fault(Issue::kUnauthorized, "Invalid client");
  if (home) client = find_client(shared, *home, *id);
  if (!client.ok() && client.error().issue == Issue::kUnauthorized) {
    RAMET_ASSIGN(const TypeNumber type, shared.types.number("ClientApplication"));
    RAMET_ASSIGN(const std::vector<ContainerId> holders,
                 shared.store().record_holders(type, *id));
    if (holders.empty()) return refused(shared, peer, name, "Invalid client");
    client = find_client(shared, holders.front(), *id);
  }
  if (!client.ok()) {
    if (client.error().issue != Issue::kUnauthorized) return std::move(client).error();
    return refused(shared, peer, name, "Invalid client");
  }
  if (!is_client_secret(client->kept, client_secret)) {
    return refused(shared, peer, name, "Invalid secret");
  }
  RAMET_TRY(read_member(shared, client->login, *id));
  auth.set_home(*id, client->login.project);
  auth.limiter.succeeded(peer, name);
  auth.keep(credential, moment, 0, client->login);
  return client->login;
}

Outcome<Login> authenticate(Shared& shared, const Request& request) {
  const std::string_view field = request.fields.get("authorization");
  if (field.empty() || field.size() > kCredentialMax) return Fault(Issue::kUnauthorized);
  if (const auto basic = basic_credentials(field)) {
    auto login = login_of_client(shared, request.peer, basic->id, basic->secret);
    if (!login.ok() && login.error().issue == Issue::kUnauthorized) {
      return Fault(Issue::kUnauthorized);
    }
    return login;
  }
  const size_t space = field.find(' ');
  if (space == field.npos || !same_name(field.substr(0, space), "Bearer")) {
    return Fault(Issue::kUnauthorized);
  }
  std::string_view token = field.substr(space + 1);
  while (token.starts_with(' ')) token.remove_prefix(1);
  if (!token.starts_with(kPrincipalToken)) return login_of_token(shared, request, token);
  auto caller = shared.auth.bearer.authenticate(request);
  if (!caller.ok()) {
    if (caller.error().code() == ErrorCode::kBusy) {
      return Fault(Issue::kTooManyRequests, caller.error().message());
    }
    if (caller.error().code() == ErrorCode::kPermissionDenied) return Fault(Issue::kUnauthorized);
    return std::move(caller).error();
  }
  return login_of_principal(shared, *caller);
}

Outcome<AccessToken> make_access_token(Shared& shared, const Login& login,
                                       std::string_view client_secret, std::string_view scope,
                                       std::string_view base) {
  RAMET_ASSIGN(const std::string key, signing_key(shared));
  const int64_t now = now_seconds();
  AccessToken token;
  token.login_id = random_uuid();
  Json claims;
  claims["client_id"] = login.client_id;
  claims["login_id"] = token.login_id;
  claims["sub"] = login.user.substr(login.user.find('/') + 1);
  claims["username"] = login.user.substr(login.user.find('/') + 1);
  claims["scope"] = scope;
  claims["profile"] = login.profile;
  claims["project"] = to_uuid(login.project);
  if (client_secret.starts_with(kPrincipalToken)) {
    claims["principal"] = login.user.substr(login.user.find('/') + 1);
    claims["mark"] = mark_of(blake3(client_secret));
  } else {
    RAMET_ASSIGN(const ObjectId id, parse_uuid<ObjectId>(login.client_id));
    RAMET_ASSIGN(const Client client, find_client(shared, login.project, id));
    // (Replaced just now: nothing is made for a secret that is none any more.)
    if (!is_client_secret(client.kept, client_secret)) {
      return Fault(Issue::kUnauthorized, "Invalid secret");
    }
    claims["mark"] = secret_mark(client.kept);
  }
  claims["iat"] = now;
  claims["exp"] = now + kTokenSeconds;
  claims["iss"] = base;
  token.text = sign_jwt(claims, key);
  return token;
}

}  // namespace ramet::serve::fhir
