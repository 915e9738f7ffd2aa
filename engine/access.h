// Who may do what: principals (users, service accounts, groups), their secrets (tokens, S3 keys),
// what they are granted on containers, and the audit log. Everything here is kept in the catalog,
// durable when a call returns, seen by every face at once, and never cloned.
//
// Faces authenticate (token or key -> Principal) and authorize (Principal x container -> level)
// through AccessControl alone; the engine itself enforces nothing of it, so that the operator at
// the machine is not locked out. docs/access.md explains the model.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/hash.h"
#include "format/ids.h"
#include "format/result.h"

namespace ramet {

inline constexpr size_t kPrincipalNameBytesMax = 64;
inline constexpr size_t kTitleBytesMax = 255;  // also of e-mail addresses and names of secrets
inline constexpr size_t kRegionBytesMax = 64;  // also of data access requests
inline constexpr size_t kGroupsMax = 256;  // of one principal; also containers of one scope
// Stands for everyone who is authenticated where a principal's name is expected; nobody's name.
inline constexpr std::string_view kEveryoneName = "everyone";

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

// Values are on disk. Groups have no secrets: nobody comes as a group.
enum class PrincipalKind : uint8_t { kUser = 1, kService = 2, kGroup = 3 };
std::string_view kind_name(PrincipalKind kind);  // "user", "service", "group"

// kInvalidArgument says what a principal's name may be.
Status check_principal_name(std::string_view name);
// Text for people: UTF-8 without control characters, of at most so many bytes. kInvalidArgument
// names `what`.
Status check_access_text(std::string_view text, size_t bytes_max, std::string_view what);

struct Membership {
  PrincipalId group;
  bool admin = false;  // may change who is in it
  friend bool operator==(const Membership&, const Membership&) = default;
};

struct Principal {
  PrincipalId id;
  PrincipalKind kind = PrincipalKind::kUser;
  std::string name;   // unique: 1 to 64 of a-z 0-9 . _ -, the first one a letter; not "everyone"
  std::string title;  // for people, up to 255 bytes (check_access_text)
  std::string email;  // the same; empty or with an '@'
  bool super_admin = false;  // may do everything in every container; no group is
  bool may_create = true;    // containers
  bool disabled = false;     // nothing of it is accepted; of a group: what it is granted sleeps
  int64_t created = 0;       // nanoseconds since 1970, as all times here
  std::vector<Membership> groups;  // ascending by group; groups are not members of groups
  // What whoever keeps the accounts says of one that is billed (ContainerAccess::bill_to).
  bool at_spending_limit = false;  // nothing that others pay for is cloned to it
  int64_t account_expires = 0;     // from then on nothing is cloned to it; 0: never
  friend bool operator==(const Principal&, const Principal&) = default;
};

// What a secret may be used for: never more than its principal.
struct Scope {
  AccessLevel most = AccessLevel::kAdminister;
  std::vector<ContainerId> containers;  // empty: all
  bool account = true;  // also what concerns no container: creating some, principals, jobs
  friend bool operator==(const Scope&, const Scope&) = default;
};

// A bearer token. The secret is "rmt_" and 43 characters of base64url (256 random bits); only its
// BLAKE3 hash is kept.
struct Token {
  ContentHash hash;
  std::string name;  // for people
  PrincipalId principal;
  Scope scope;
  int64_t created = 0;
  int64_t expires = 0;    // from then on it is refused; 0: never
  int64_t last_used = 0;  // to about an hour; 0: never
  friend bool operator==(const Token&, const Token&) = default;
};

// An S3 key pair. SigV4 needs the secret itself, so it is kept, under the store's access.
struct AccessKey {
  std::string id;      // 20 of A-Z 2-7, "RMTK" first
  std::string secret;  // 40 of A-Z a-z 0-9
  std::string name;
  PrincipalId principal;
  Scope scope;
  int64_t created = 0;
  int64_t expires = 0;
  int64_t last_used = 0;
  friend bool operator==(const AccessKey&, const AccessKey&) = default;
};

struct Grant {
  ContainerId container;
  PrincipalId principal;  // null: everyone who is authenticated
  AccessLevel level = AccessLevel::kNone;
  friend bool operator==(const Grant&, const Grant&) = default;
};

// What a container's owner may set beside grants.
struct ContainerAccess {
  bool is_restricted = false;  // its content may not be cloned or copied into another container
  bool is_protected = false;   // only kAdminister may remove
  std::string region;          // a label, up to 64 bytes
  std::string bill_to;         // the name of a principal, for accounting; empty: nobody's
  // The name of a principal, another than it is billed to, who pays for what is stored here: the
  // container is sponsored by a third party. Empty: nobody.
  std::string sponsor = {};
  // A label, up to 64 bytes: it is a research environment, and its content goes only where the same
  // request was granted. Empty: it is none.
  std::string data_access_request = {};
  bool contains_phi = false;  // its content may only be cloned to where that may be, too
  bool is_download_restricted = false;  // content is not handed out over the network
  friend bool operator==(const ContainerAccess&, const ContainerAccess&) = default;
};

struct AuditEntry {
  uint64_t number = 0;  // ascending in the order of commits; set by the log
  int64_t time = 0;     // set by the log
  std::string principal;  // its name; empty: the operator at the machine
  std::string action;     // "token.create", "grant.set", "container.drop", "login.failed", ...
  std::string target;     // what it was done to
  std::string detail;     // never a secret
  std::string from;       // the peer's address, or "local"
  friend bool operator==(const AuditEntry&, const AuditEntry&) = default;
};

// While one of these lives, what AccessControl changes on this thread is logged as done by this
// principal from this address; without one it was the operator at the machine ("" and "local").
// Scopes nest. Workers run on other threads: make it in the work itself.
class AuditScope {
 public:
  AuditScope(std::string principal, std::string from)
      : principal_(std::move(principal)), from_(std::move(from)), outer_(innermost()) {
    innermost() = this;
  }
  ~AuditScope() { innermost() = outer_; }
  AuditScope(const AuditScope&) = delete;
  AuditScope& operator=(const AuditScope&) = delete;

  const std::string& principal() const { return principal_; }
  const std::string& from() const { return from_; }
  // The one in force on this thread; null: none.
  static const AuditScope* active() { return innermost(); }

 private:
  static AuditScope*& innermost() {
    thread_local AuditScope* scope = nullptr;
    return scope;
  }

  const std::string principal_;
  const std::string from_;
  AuditScope* const outer_;
};

// Who asks, once authenticated: a principal, narrowed by the secret that it showed.
struct Caller {
  Principal principal;
  Scope scope;
};

// Thread-safe. Calls that change something wait for the disk, are durable and in the audit log when
// they return, and change nothing when they fail; from then on no call answers by what was before.
// All fail with kFailedPrecondition once the store is closed. A visitor that returns false ends the
// listing; it must not keep the thread for long, since what it looks at is held meanwhile.
class AccessControl {
 public:
  virtual ~AccessControl() = default;

  // --- principals. kAlreadyExists, kNotFound, kInvalidArgument name what is wrong. ---------------
  // As given but for `id` and `created`, which are set. Its groups must be groups that there are.
  virtual Result<Principal> create_principal(const Principal& principal) = 0;
  // By id; all but `id`, `kind` and `created` may differ. Nothing is logged if nothing does.
  virtual Status update_principal(const Principal& principal) = 0;
  // With its tokens, keys, grants and memberships; of a group, those of its members in it.
  virtual Status remove_principal(PrincipalId id) = 0;
  virtual Result<Principal> principal(PrincipalId id) = 0;
  virtual Result<Principal> principal(std::string_view name) = 0;
  virtual Status principals(const std::function<bool(const Principal&)>& visit) = 0;  // by name
  // Who is in a group, by id.
  virtual Status members(PrincipalId group, const std::function<bool(const Principal&)>& visit) = 0;

  // --- secrets -----------------------------------------------------------------------------------
  // The only time that the secret is told. `expires` 0: never; a time that is past, a group, and
  // scopes of containers that there are not are refused.
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
  virtual Status keys(PrincipalId principal,
                      const std::function<bool(const AccessKey&)>& visit) = 0;

  // --- who is it? From memory in the common case; notes that the secret was used. ----------------
  // kPermissionDenied for an unknown, expired or disabled one, without saying which.
  virtual Result<Caller> authenticate_token(std::string_view secret) = 0;
  struct KeyCaller {
    std::string secret;
    Caller caller;
  };
  // What SigV4 needs to check a signature with this key. kPermissionDenied.
  virtual Result<KeyCaller> find_key(std::string_view id) = 0;
  // Writes down when secrets were used, as far as it was noted since the last time; waits for the
  // disk. The store calls it now and then, and when it is closed.
  virtual Status flush_last_used() = 0;

  // Rises with each change of who may do what, before the change returns. From memory; see
  // Store::visible_sequence().
  virtual uint64_t generation() const = 0;

  // --- what may it do? ---------------------------------------------------------------------------
  // The highest of what is granted to the principal, to its groups and to everyone who is
  // authenticated, narrowed by the scope. A super admin has kAdminister everywhere the scope lets
  // it. By what the catalog says of the principal now: kNone once it is disabled or removed, also
  // in the middle of a request. From memory in the common case.
  virtual Result<AccessLevel> level(const Caller& caller, ContainerId container) = 0;
  // A null principal stands for everyone who is authenticated. kNone removes a grant (also where
  // there is none). Grants stay with a dropped container as long as it can be taken back.
  virtual Status set_grant(ContainerId container, PrincipalId principal, AccessLevel level) = 0;
  virtual Status grants(ContainerId container, const std::function<bool(const Grant&)>& visit) = 0;
  // What is granted to the principal itself (null: to everyone), also on dropped containers.
  virtual Status grants_of(PrincipalId principal,
                           const std::function<bool(const Grant&)>& visit) = 0;
  virtual Result<ContainerAccess> container_access(ContainerId container) = 0;
  virtual Status set_container_access(ContainerId container, const ContainerAccess& access) = 0;

  // --- audit -------------------------------------------------------------------------------------
  // For what others do: changes made through this class are logged in their own commit. Texts that
  // are longer than the log takes are cut (action 64 bytes, target 1024, detail 4096).
  virtual Status audit(AuditEntry entry) = 0;
  // Several at once, in this order.
  virtual Status audit_all(std::vector<AuditEntry> entries) = 0;
  // From this number on, oldest first.
  virtual Status audit_log(uint64_t from, const std::function<bool(const AuditEntry&)>& visit) = 0;
  // Forgets entries before this number. That it did is logged.
  virtual Status trim_audit_log(uint64_t before) = 0;
};

}  // namespace ramet
