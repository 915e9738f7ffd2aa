// Who asks: from a request's Authorization field to a member of a project. Takes access tokens of
// /oauth2/token and client credentials ("Basic"), and as super administrators the principals of the
// daemon that are such, by their own tokens (docs/fhir.md#access).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/bearer.h"
#include "tools/serve/fhir/errors.h"
#include "tools/serve/login_limiter.h"
#include "tools/serve/services.h"

namespace ramet::serve::fhir {

struct Shared;  // call.h
class Policy;   // policy.h

// A member of a project, as it was when it was looked up.
struct Login {
  bool is_super_admin = false;    // reads and writes every project, and what is nobody's
  bool is_project_admin = false;  // or a super admin
  ContainerId project;            // whose member it is: container and Project have the same id
  std::string project_name;
  bool is_strict = false;                // Project.strictMode
  std::vector<std::string> features;     // Project.features
  std::vector<ContainerId> linked;       // by Project.link: these it may read, too
  std::string user;        // "User/UUID", "ClientApplication/UUID", "Bot/UUID"
  std::string profile;     // of the membership: a reference, as the one before
  std::string author;      // for meta.author: the profile
  std::optional<ObjectId> membership;    // a ProjectMembership in `project`; none: there is none
  // What it may do within the project. Null: everything (docs/fhir.md#access-policies).
  std::shared_ptr<const Policy> policy;
  std::string client_id;   // of the client application, or the name of a principal
  std::string principal;   // for logs and the audit log: "fhir:UUID", or the name of a principal
  std::string login_id;    // of its access token; empty: it showed another credential
};

// What authentication keeps in memory: one for the face, in Shared. Thread-safe.
class AuthState {
 public:
  explicit AuthState(Services& services)
      : failed_logins(services.access), bearer(services.access, limiter, failed_logins) {}

  LoginLimiter limiter;
  FailedLogins failed_logins;
  BearerAuthenticator bearer;

  // The login by a credential, if it was looked up at this state of store and access control.
  struct Moment {
    Sequence sequence = 0;
    uint64_t generation = 0;
    friend bool operator==(const Moment&, const Moment&) = default;
  };
  std::shared_ptr<const Login> find(const std::string& credential, const Moment& moment,
                                    int64_t now);
  // Until `expires` at most (seconds since 1970; 0: no end).
  void keep(const std::string& credential, const Moment& moment, int64_t expires,
            const Login& login);

  // Where a client application was found; it may have gone since.
  std::optional<ContainerId> home_of(ObjectId client);
  void set_home(ObjectId client, ContainerId home);

  // Held while the project or a member of the daemon's super administrators is made; by whoever may
  // wait.
  std::mutex making;

  // The key by which tokens are signed; empty: it was not read yet.
  std::string key();
  void set_key(std::string key);

 private:
  struct Kept {
    Moment moment;
    int64_t expires = 0;
    std::shared_ptr<const Login> login;
  };
  std::mutex mutex_;
  std::map<std::string, Kept> kept_;  // by a hash of the credential; guarded by mutex_, as below
  std::map<ObjectId, ContainerId> homes_;
  std::string key_;
};

// kUnauthorized (401): no credentials, or none that are good; kTooManyRequests; kForbidden: a
// principal of the daemon that is no super admin, or a client without a membership. Faults that
// wait (Fault::waits) are to be called again where that is right: for call.quick() as it is.
Outcome<Login> authenticate(Shared& shared, const Request& request);

// --- for /oauth2/token ---------------------------------------------------------------------------

// The login by client credentials, as "Basic" has them. Faults: as above.
Outcome<Login> login_of_client(Shared& shared, const std::string& peer,
                               std::string_view client_id, std::string_view client_secret);

inline constexpr int64_t kTokenSeconds = 3600;  // clients loop on less than 300
struct AccessToken {
  std::string text;
  std::string login_id;
};
// A new token for whom login_of_client() returned, which proved this secret. `base`: of the URLs.
Outcome<AccessToken> make_access_token(Shared& shared, const Login& login,
                                       std::string_view client_secret, std::string_view scope,
                                       std::string_view base);

// The two parts of an Authorization field of "Basic"; nullopt: it is of another kind, or malformed.
struct ClientSecret {
  std::string id;
  std::string secret;
};
std::optional<ClientSecret> basic_credentials(std::string_view authorization);

}  // namespace ramet::serve::fhir
