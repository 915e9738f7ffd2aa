// AccessControlImpl: access control of one open store, on its catalog.
//
// Invariants:
//   [ACCESS-1] an answer from memory is what the catalog said at some time after the last change
//              that returned: the generation is read before the catalog, and raised by each change
//              of who may do what behind its commit. Held by: change().
//   [ACCESS-2] a change and its entries in the audit log are one commit. Held by: commit().
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/access.h"
#include "engine/access/access_cache.h"
#include "engine/access/access_change.h"

namespace ramet::engine {

class StoreImpl;

class AccessControlImpl final : public AccessControl {
 public:
  // Borrows the store, which must be open before anything else is called.
  explicit AccessControlImpl(StoreImpl& store) : store_(store) {}

  Result<Principal> create_principal(const Principal& principal) override;
  Status update_principal(const Principal& principal) override;
  Status remove_principal(PrincipalId id) override;
  Result<Principal> principal(PrincipalId id) override;
  Result<Principal> principal(std::string_view name) override;
  Status principals(const std::function<bool(const Principal&)>& visit) override;
  Status members(PrincipalId group, const std::function<bool(const Principal&)>& visit) override;
  Result<NewToken> create_token(PrincipalId principal, const std::string& name, const Scope& scope,
                                int64_t expires) override;
  Status remove_token(const ContentHash& hash) override;
  Status tokens(PrincipalId principal, const std::function<bool(const Token&)>& visit) override;
  Result<AccessKey> create_key(PrincipalId principal, const std::string& name, const Scope& scope,
                               int64_t expires) override;
  Status remove_key(std::string_view id) override;
  Status keys(PrincipalId principal, const std::function<bool(const AccessKey&)>& visit) override;
  Result<Caller> authenticate_token(std::string_view secret) override;
  Result<KeyCaller> find_key(std::string_view id) override;
  Status flush_last_used() override;
  uint64_t generation() const override { return generation_; }
  Result<AccessLevel> level(const Caller& caller, ContainerId container) override;
  Status set_grant(ContainerId container, PrincipalId principal, AccessLevel level) override;
  Status grants(ContainerId container, const std::function<bool(const Grant&)>& visit) override;
  Status grants_of(PrincipalId principal, const std::function<bool(const Grant&)>& visit) override;
  Result<ContainerAccess> container_access(ContainerId container) override;
  Status set_container_access(ContainerId container, const ContainerAccess& access) override;
  Status audit(AuditEntry entry) override;
  Status audit_all(std::vector<AuditEntry> entries) override;
  Status audit_log(uint64_t from, const std::function<bool(const AuditEntry&)>& visit) override;
  Status trim_audit_log(uint64_t before) override;

 private:
  // A secret as it was read, with who it stands for.
  struct Known {
    Caller caller;
    std::string secret;  // of key pairs
    int64_t expires = 0;
    Bytes key;  // of its entry
    mutable std::atomic<int64_t> last_used{0};  // as it was noted
  };
  using KnownPointer = std::shared_ptr<const Known>;

  // One commit. `prepare` may be called again after a failure.
  Status commit(const std::function<Status(AccessChange&)>& prepare, bool frees_space = false);
  // The same, of what answers depend on.
  Status change(const std::function<Status(AccessChange&)>& prepare, bool frees_space = false);
  // One state of the catalog, held while it is read.
  Status read(const std::function<Status(const Root&)>& body);

  // Of one state. kNotFound names what there is not.
  Result<std::optional<Principal>> look_up(const Root& catalog, PrincipalId id);
  Result<Principal> find(const Root& catalog, PrincipalId id);
  Result<PrincipalId> find_id(const Root& catalog, std::string_view name);
  Result<std::optional<Token>> look_up_token(const Root& catalog, const ContentHash& hash);
  Result<std::optional<AccessKey>> look_up_key(const Root& catalog, std::string_view id);
  Result<AccessLevel> granted(const Root& catalog, ContainerId container, PrincipalId principal);
  Result<AccessLevel> level_of(const Root& catalog, PrincipalId principal, ContainerId container);
  // What belongs to a principal, until `visit` gives false.
  Status each_of(const Root& catalog, const KeyRange& range,
                 const std::function<Result<bool>(const OfPrincipalKey&)>& visit);

  Status check_groups(const Root& catalog, const Principal& principal);
  // That such a secret may be made now; gives the principal.
  Result<Principal> check_secret(const Root& catalog, PrincipalId principal,
                                 const std::string& name, const Scope& scope, int64_t expires);
  Result<KnownPointer> known_token(const ContentHash& hash);
  Result<KnownPointer> known_key(std::string_view id);
  // kPermissionDenied once it has expired; else notes that it was used.
  Status use(const Known& known);
  std::string random_bytes(size_t count);

  StoreImpl& store_;
  std::atomic<uint64_t> generation_{1};
  AccessCache<KnownPointer> known_tokens_;
  AccessCache<KnownPointer> known_keys_;
  AccessCache<AccessLevel> levels_;  // without any scope

  std::mutex used_mu_;
  std::map<Bytes, int64_t> used_;  // entries to be written; guarded by used_mu_
};

}  // namespace ramet::engine
