// BearerAuthenticator: from a request's Authorization field to who asks. Takes "Bearer TOKEN"
// (RFC 6750) and "Basic" with the token as password (RFC 7617), whatever the user's name there, for
// clients that know no other way.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "engine/access.h"
#include "tools/serve/http.h"
#include "tools/serve/login_limiter.h"

namespace ramet::serve {

// Failed logins, to be written to the audit log: each address once a second or so with how often it
// failed, and no more addresses at once than a fixed number. Thread-safe.
class FailedLogins {
 public:
  explicit FailedLogins(AccessControl& access) : access_(access) {}
  // From memory alone. `credential`: what was named of it, never the secret itself.
  void note(std::string_view peer, std::string_view credential);
  // Writes what was noted since the last time; waits for the disk: to be called on a worker every
  // second, and before the store is closed.
  Status write();

 private:
  struct Count {
    uint64_t failures = 0;
    std::string credential;  // the last one
  };
  AccessControl& access_;
  std::mutex mutex_;
  std::map<std::string, Count> counts_;  // by address; guarded by mutex_
  uint64_t others_ = 0;                  // of addresses that there was no room for; the same
};

// Thread-safe; borrows everything, which it must not outlive.
class BearerAuthenticator {
 public:
  BearerAuthenticator(AccessControl& access, LoginLimiter& limiter, FailedLogins& failed)
      : access_(access), limiter_(limiter), failed_(failed) {}

  // kPermissionDenied: no credentials, or wrong ones (401); kBusy: it failed too often and must
  // wait (429; the message says how long, in seconds); kWouldWait: to be called again where it may
  // wait (nothing was counted). Messages do not repeat what was sent.
  Result<Caller> authenticate(const Request& request);
  // Seconds that `request` must wait, rounded up; 0: it need not. For Retry-After.
  uint64_t retry_after(const Request& request);

 private:
  AccessControl& access_;
  LoginLimiter& limiter_;
  FailedLogins& failed_;
};

// The token of an Authorization field; empty: there is none, or it is of another kind or malformed.
std::string bearer_token(std::string_view authorization);

}  // namespace ramet::serve
