// Who may do what: principals (users, service accounts, groups), their secrets (tokens, S3 keys),
// what they are granted on containers, and the audit log. Everything here is kept in the catalog,
// durable when a call returns, seen by every face at once, and never cloned.
//
// Faces authenticate (token or key -> Principal) and authorize (Principal x container -> level)
// through AccessControl alone; the engine itself enforces nothing of it, so that the operator at
// the machine is not locked out. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/hash.h"
#include "format/ids.h"
#include "format/result.h"

namespace ramet {

// In a container. Each includes those before it. Values are on disk.
enum class AccessLevel : uint8_t {
  kNone = 0,
  kView = 1,        // list and read
  kUpload = 2,      // add what is not there yet; replace or remove nothing
  kContribute = 3,  // change and remove
  kAdminister = 4,  // grants, settings, policies, drop
};
// "none", "view", "upload", "contribute", "administer".
std::string_view level_name(AccessLevel level);
Result<AccessLevel> parse_level(std::string_view name);  // kInvalidArgument lists the names

enum class PrincipalKind : uint8_t { kUser = 1, kService = 2, kGroup = 3 };

struct Membership {
  PrincipalId group;
  bool admin = false;  // may change who is in it
  friend bool operator==(const Membership&, const Membership&) = default;
};

struct Principal {
  PrincipalId id;
  PrincipalKind kind = PrincipalKind::kUser;
  std::string name;   // unique: 1 to 64 of a-z 0-9 . _ -, the first one a letter
  std::string title;  // for people, any text up to 255 bytes
  std::string email;
  bool super_admin = false;  // may do everything in every container
  bool may_create = true;    // containers
  bool disabled = false;     // nothing of it is accepted
  int64_t created = 0;
  std::vector<Membership> groups;  // groups are not members of groups
};

// What a secret may be used for: never more than its principal.
struct Scope {
  AccessLevel most = AccessLevel::kAdminister;
  std::vector<ContainerId> containers;  // empty: all
  bool account = true;  // also what concerns no container: creating some, principals, jobs
};

// A bearer token. The secret is "rmt_" and 43 characters of base64url (256 random bits); only its
// BLAKE3 hash is kept.
struct Token {
  ContentHash hash;
  std::string name;  // for people
  PrincipalId principal;
  Scope scope;
  int64_t created = 0;
  int64_t expires = 0;    // 0: never
  int64_t last_used = 0;  // to about an hour
};

// An S3 key pair. SigV4 needs the secret itself, so it is kept, under the store's access.
struct AccessKey {
  std::string id;      // 20 of A-Z 2-7, "RMTK" first
  std::string secret;  // 40 characters
  std::string name;
  PrincipalId principal;
  Scope scope;
  int64_t created = 0;
  int64_t expires = 0;
  int64_t last_used = 0;
};

struct Grant {
  ContainerId container;
  PrincipalId principal;
  AccessLevel level = AccessLevel::kNone;
};

// What a container's owner may set beside grants.
struct ContainerAccess {
  bool is_restricted = false;  // its content may not be cloned into, or copied to, another container
  bool is_protected = false;   // only kAdminister may remove
  std::string region;
  std::string bill_to;         // a principal's name, for accounting
  friend bool operator==(const ContainerAccess&, const ContainerAccess&) = default;
};

struct AuditEntry {
  uint64_t number = 0;  // ascending; set by the log
  int64_t time = 0;     // set by the log
  std::string principal;  // its name; empty: the operator at the machine
  std::string action;     // "token.create", "grant.set", "container.drop", "login.failed", ...
  std::string target;     // what it was done to
  std::string detail;     // never a secret
  std::string from;       // the peer's address, or "local"
};

// Who asks, once authenticated: a principal, narrowed by the secret that it showed.
struct Caller {
  Principal principal;
  Scope scope;
};

class AccessControl {
 public:
  virtual ~AccessControl() = default;

  // --- principals. kAlreadyExists, kNotFound, kInvalidArgument name what is wrong. ---------------
  virtual Result<Principal> create_principal(const Principal& principal) = 0;  // id, created: set
  virtual Status update_principal(const Principal& principal) = 0;  // by id
  // With its tokens, keys, grants and memberships.
  virtual Status remove_principal(PrincipalId id) = 0;
  virtual Result<Principal> principal(PrincipalId id) = 0;
  virtual Result<Principal> principal(std::string_view name) = 0;
  virtual Status principals(const std::function<bool(const Principal&)>& visit) = 0;  // by name

  // --- secrets -----------------------------------------------------------------------------------
  // The only time that the secret is told.
  struct NewToken {
    Token token;
    std::string secret;
  };
  virtual Result<NewToken> create_token(PrincipalId principal, const std::string& name,
                                        const Scope& scope, int64_t expires) = 0;
  virtual Status remove_token(const ContentHash& hash) = 0;
  virtual Status tokens(PrincipalId principal, const std::function<bool(const Token&)>& visit) = 0;
  virtual Result<AccessKey> create_key(PrincipalId principal, const std::string& name,
                                       const Scope& scope, int64_t expires) = 0;
  virtual Status remove_key(std::string_view id) = 0;
  // Without the secrets.
  virtual Status keys(PrincipalId principal, const std::function<bool(const AccessKey&)>& visit) = 0;

  // --- who is it? From memory in the common case; notes that the secret was used. ----------------
  // kPermissionDenied for an unknown, expired or disabled one, without saying which.
  virtual Result<Caller> authenticate_token(std::string_view secret) = 0;
  struct KeyCaller {
    std::string secret;
    Caller caller;
  };
  // What SigV4 needs to check a signature with this key. kPermissionDenied.
  virtual Result<KeyCaller> find_key(std::string_view id) = 0;

  // --- what may it do? ---------------------------------------------------------------------------
  // The highest of what is granted to the principal, to its groups and to everyone who is
  // authenticated, narrowed by the scope. A super admin has kAdminister everywhere.
  virtual Result<AccessLevel> level(const Caller& caller, ContainerId container) = 0;
  // A null principal stands for everyone who is authenticated. kNone removes a grant.
  virtual Status set_grant(ContainerId container, PrincipalId principal, AccessLevel level) = 0;
  virtual Status grants(ContainerId container, const std::function<bool(const Grant&)>& visit) = 0;
  virtual Result<ContainerAccess> container_access(ContainerId container) = 0;
  virtual Status set_container_access(ContainerId container, const ContainerAccess& access) = 0;

  // --- audit -------------------------------------------------------------------------------------
  virtual Status audit(AuditEntry entry) = 0;
  // From this number on, oldest first.
  virtual Status audit_log(uint64_t from, const std::function<bool(const AuditEntry&)>& visit) = 0;
  // Forgets entries before this number.
  virtual Status trim_audit_log(uint64_t before) = 0;
};

}  // namespace ramet
