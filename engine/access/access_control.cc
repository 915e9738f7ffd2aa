// Principals, and how changes are committed.
#include "engine/access/access_control.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/access/access_records.h"
#include "engine/no_wait.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "engine/tree/query.h"

namespace ramet::engine {
namespace {

Error no_principal(std::string_view what) {
  return Error(ErrorCode::kNotFound, fmt::format("there is no principal {}", what));
}

Status check(const Principal& principal) {
  const auto wrong = [](const char* message) {
    return Error(ErrorCode::kInvalidArgument, message);
  };
  RAMET_TRY(check_principal_name(principal.name));
  RAMET_TRY(check_access_text(principal.title, kTitleBytesMax, "a title"));
  RAMET_TRY(check_access_text(principal.email, kTitleBytesMax, "an e-mail address"));
  if (!principal.email.empty() && principal.email.find('@') == std::string::npos) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is no e-mail address", principal.email));
  }
  switch (principal.kind) {
    case PrincipalKind::kUser:
    case PrincipalKind::kService: break;
    case PrincipalKind::kGroup:
      if (principal.super_admin) return wrong("a group cannot be a super admin; its members can");
      if (!principal.groups.empty()) return wrong("a group cannot be a member of a group");
      break;
    default: return wrong("a principal is a user, a service account or a group");
  }
  if (principal.groups.size() > kGroupsMax) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' cannot be in more than {} groups", principal.name, kGroupsMax));
  }
  return ok();
}

Principal normalized(Principal principal) {
  std::sort(principal.groups.begin(), principal.groups.end(),
            [](const Membership& a, const Membership& b) { return a.group < b.group; });
  return principal;
}

// What an update did, for the audit log.
std::string difference(const Principal& before, const Principal& after) {
  std::string out;
  const auto add = [&out](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  const auto flag = [&](const char* name, bool was, bool is) {
    if (was != is) add(fmt::format("{} {}", name, is ? "on" : "off"));
  };
  if (before.name != after.name) add("renamed from " + before.name);
  if (before.title != after.title) add("title");
  if (before.email != after.email) add("e-mail address");
  flag("super_admin", before.super_admin, after.super_admin);
  flag("may_create", before.may_create, after.may_create);
  flag("disabled", before.disabled, after.disabled);
  flag("at_spending_limit", before.at_spending_limit, after.at_spending_limit);
  if (before.account_expires != after.account_expires) add("expiry of the account");
  const auto list = [&](const char* what, const Principal& in, const Principal& not_in) {
    for (const Membership& membership : in.groups) {
      const auto& others = not_in.groups;
      if (std::find(others.begin(), others.end(), membership) != others.end()) continue;
      add(fmt::format("{} group {}{}", what, to_uuid(membership.group),
                      membership.admin ? " (admin)" : ""));
    }
  };
  list("no longer in", before, after);
  list("in", after, before);
  return out;
}

}  // namespace

AccessControl& StoreImpl::access() { return *access_; }

// --- reading and committing ----------------------------------------------------------------------

Status AccessControlImpl::read(const std::function<Status(const Root&)>& body) {
  RAMET_TRY(store_.check_open());
  const Pins::Reader hold(store_.pins());
  const HeadState head = store_.visible();
  return body(head.catalog);
}

Status AccessControlImpl::commit(const std::function<Status(AccessChange&)>& prepare,
                                 bool frees_space) {
  if (NoWaitScope::active()) {
    return Error(ErrorCode::kWouldWait, "a change of access waits for the disk");
  }
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    AccessChange change(store_.context(), head, store_.env().now());
    RAMET_TRY(prepare(change));
    std::vector<Operation> operations = change.take();
    if (!operations.empty()) commit.trees.push_back({{}, std::move(operations)});
    return ok();
  };
  const auto done = store_.commit(request, frees_space);
  return done.ok() ? ok() : Status(done.error());
}

Status AccessControlImpl::change(const std::function<Status(AccessChange&)>& prepare,
                                 bool frees_space) {
  Status done = commit(prepare, frees_space);
  ++generation_;  // [ACCESS-1]
  return done;
}

Result<std::optional<Principal>> AccessControlImpl::look_up(const Root& catalog, PrincipalId id) {
  Value value;
  RAMET_ASSIGN(const bool found, get(store_.context(), catalog, principal_key(id), &value));
  if (!found) return std::optional<Principal>();
  RAMET_ASSIGN(Principal principal, decode_principal(value.bytes()));
  principal.id = id;
  return std::optional(std::move(principal));
}

Result<Principal> AccessControlImpl::find(const Root& catalog, PrincipalId id) {
  RAMET_ASSIGN(auto found, look_up(catalog, id));
  if (!found) return no_principal(to_uuid(id));
  return std::move(*found);
}

Result<PrincipalId> AccessControlImpl::find_id(const Root& catalog, std::string_view name) {
  Value value;
  RAMET_ASSIGN(const bool found, get(store_.context(), catalog, principal_name_key(name), &value));
  if (!found) return no_principal(fmt::format("'{}'", name));
  if (value.bytes().size() != sizeof(PrincipalId)) {
    return Error(ErrorCode::kCorruption, fmt::format("malformed name of principal '{}'", name));
  }
  return PrincipalId::from_bytes(value.bytes().data());
}

Status AccessControlImpl::each_of(
    const Root& catalog, const KeyRange& range,
    const std::function<Result<bool>(const OfPrincipalKey&)>& visit) {
  Cursor cursor(store_.context(), catalog);
  RAMET_TRY(cursor.seek(range.from));
  while (cursor.valid() && range.contains(cursor.key())) {
    RAMET_ASSIGN(const OfPrincipalKey key, decode_of_principal_key(cursor.key()));
    RAMET_ASSIGN(const bool more, visit(key));
    if (!more) break;
    RAMET_TRY(cursor.next());
  }
  return ok();
}

// --- principals ----------------------------------------------------------------------------------

Status AccessControlImpl::check_groups(const Root& catalog, const Principal& principal) {
  PrincipalId last;
  for (const Membership& membership : principal.groups) {
    RAMET_ASSIGN(const auto group, look_up(catalog, membership.group));
    if (!group) {
      return Error(ErrorCode::kNotFound,
                   fmt::format("there is no group {}", to_uuid(membership.group)));
    }
    if (group->kind != PrincipalKind::kGroup) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no group", group->name));
    }
    if (membership.group == last) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is twice in group '{}'", principal.name, group->name));
    }
    last = membership.group;
  }
  return ok();
}

Result<Principal> AccessControlImpl::create_principal(const Principal& given) {
  RAMET_TRY(check(given));
  RAMET_TRY(store_.check_open());
  Principal made = normalized(given);
  made.id = store_.new_id<PrincipalId>();
  made.created = store_.env().now();
  const Status done = change([&](AccessChange& change) -> Status {
    RAMET_ASSIGN(const bool taken, get(store_.context(), change.catalog(),
                                       principal_name_key(made.name), nullptr));
    if (taken) {
      return Error(ErrorCode::kAlreadyExists,
                   fmt::format("there is a principal '{}' already", made.name));
    }
    RAMET_TRY(check_groups(change.catalog(), made));
    change.log("principal.create", made.name,
               fmt::format("{}{}", kind_name(made.kind), made.super_admin ? ", super admin" : ""));
    return change.put(principal_key(made.id), encode_principal(made));
  });
  RAMET_TRY(done);
  return made;
}

Status AccessControlImpl::update_principal(const Principal& given) {
  RAMET_TRY(check(given));
  Principal wanted = normalized(given);
  return change([&](AccessChange& change) -> Status {
    RAMET_ASSIGN(const Principal before, find(change.catalog(), wanted.id));
    if (before.kind != wanted.kind) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is a {}, and stays one", before.name,
                               kind_name(before.kind)));
    }
    wanted.created = before.created;
    if (wanted == before) return ok();
    if (wanted.name != before.name) {
      RAMET_ASSIGN(const bool taken, get(store_.context(), change.catalog(),
                                         principal_name_key(wanted.name), nullptr));
      if (taken) {
        return Error(ErrorCode::kAlreadyExists,
                     fmt::format("there is a principal '{}' already", wanted.name));
      }
    }
    RAMET_TRY(check_groups(change.catalog(), wanted));
    change.log("principal.update", wanted.name, difference(before, wanted));
    return change.put(principal_key(wanted.id), encode_principal(wanted));
  });
}

Status AccessControlImpl::remove_principal(PrincipalId id) {
  return change([&](AccessChange& change) -> Status {
    RAMET_ASSIGN(const Principal before, find(change.catalog(), id));
    size_t secrets = 0, grants = 0, members = 0;
    const auto let_go = [&](const OfPrincipalKey& of) -> Result<bool> {
      switch (of.kind) {
        case OfPrincipal::kToken:
          ++secrets;
          RAMET_TRY(change.erase(token_key({load<std::array<uint8_t, 32>>(of.rest.data())})));
          break;
        case OfPrincipal::kKeyPair:
          ++secrets;
          RAMET_TRY(change.erase(key_pair_key(of.rest)));
          break;
        case OfPrincipal::kGrant:
          ++grants;
          RAMET_TRY(change.erase(grant_key(ContainerId::from_bytes(of.rest.data()), id)));
          break;
        case OfPrincipal::kMember: {
          ++members;
          RAMET_ASSIGN(Principal member,
                       find(change.catalog(), PrincipalId::from_bytes(of.rest.data())));
          std::erase_if(member.groups, [&](const Membership& m) { return m.group == id; });
          RAMET_TRY(change.put(principal_key(member.id), encode_principal(member)));
          break;
        }
      }
      return true;
    };
    RAMET_TRY(each_of(change.catalog(), of_principal_range(id), let_go));
    change.log("principal.remove", before.name,
               fmt::format("{} with {} secrets, {} grants and {} members", kind_name(before.kind),
                           secrets, grants, members));
    return change.erase(principal_key(id));
  }, true);
}

Result<Principal> AccessControlImpl::principal(PrincipalId id) {
  std::optional<Principal> out;
  RAMET_TRY(read([&](const Root& catalog) -> Status {
    RAMET_ASSIGN(out, find(catalog, id));
    return ok();
  }));
  return std::move(*out);
}

Result<Principal> AccessControlImpl::principal(std::string_view name) {
  std::optional<Principal> out;
  RAMET_TRY(read([&](const Root& catalog) -> Status {
    RAMET_ASSIGN(const PrincipalId id, find_id(catalog, name));
    RAMET_ASSIGN(out, find(catalog, id));
    return ok();
  }));
  return std::move(*out);
}

Status AccessControlImpl::principals(const std::function<bool(const Principal&)>& visit) {
  return read([&](const Root& catalog) -> Status {
    const KeyRange range = space_range(CatalogSpace::kPrincipalName);
    Cursor cursor(store_.context(), catalog);
    RAMET_TRY(cursor.seek(range.from));
    while (cursor.valid() && range.contains(cursor.key())) {
      RAMET_ASSIGN(const Bytes name, decode_principal_name_key(cursor.key()));
      if (cursor.value().size() != sizeof(PrincipalId)) {
        return Error(ErrorCode::kCorruption, fmt::format("malformed name of principal '{}'", name));
      }
      RAMET_ASSIGN(const Principal found,
                   find(catalog, PrincipalId::from_bytes(cursor.value().data())));
      if (!visit(found)) break;
      RAMET_TRY(cursor.next());
    }
    return ok();
  });
}

Status AccessControlImpl::members(PrincipalId group,
                                  const std::function<bool(const Principal&)>& visit) {
  return read([&](const Root& catalog) -> Status {
    RAMET_TRY(find(catalog, group));
    return each_of(catalog, of_principal_range(group, OfPrincipal::kMember),
                   [&](const OfPrincipalKey& of) -> Result<bool> {
      RAMET_ASSIGN(const Principal member,
                   find(catalog, PrincipalId::from_bytes(of.rest.data())));
      return visit(member);
    });
  });
}

}  // namespace ramet::engine
