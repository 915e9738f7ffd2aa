// user create, list, show, set, remove; group create, list, show, set, add, remove-member, remove
#include <algorithm>

#include "tools/access_names.h"
#include "tools/commands.h"
#include "tools/keep.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

struct PrincipalOptions {
  std::vector<std::string> names;
  std::string title;
  std::string email;
  std::string rename;
  std::string super_admin;
  std::string may_create;
  std::string disabled;
  std::string at_spending_limit;
  std::string account_expires;
  std::vector<std::string> groups;
  bool is_super_admin = false;
  bool no_create = false;
  bool service = false;
  bool admin = false;
};

bool is_group(const Principal& principal) { return principal.kind == PrincipalKind::kGroup; }

// `wants_group`: of which of both kinds of commands the name was given to.
Result<Principal> one_of_kind(Context& context, Session& session, const std::string& name,
                              bool wants_group) {
  RAMET_ASSIGN(Principal found, principal_named(context, session, name));
  if (is_group(found) == wants_group) return found;
  return context.fail(ErrorCode::kInvalidArgument,
                      fmt::format("'{}' is a {}", name, kind_name(found.kind)),
                      wants_group ? "see 'ramet user --help'" : "see 'ramet group --help'");
}

Json principal_json(const Principal& principal, AccessNames& names) {
  Json json;
  set_name(json, "name", principal.name);
  json["id"] = to_uuid(principal.id);
  json["kind"] = kind_name(principal.kind);
  set_name(json, "title", principal.title);
  set_name(json, "email", principal.email);
  if (!is_group(principal)) {
    json["super_admin"] = principal.super_admin;
    json["may_create"] = principal.may_create;
  }
  json["disabled"] = principal.disabled;
  json["at_spending_limit"] = principal.at_spending_limit;
  json["account_expires"] = principal.account_expires == 0
                                ? Json(nullptr)
                                : Json(iso_time(principal.account_expires));
  json["created"] = iso_time(principal.created);
  if (is_group(principal)) return json;
  json["groups"] = Json::array();
  for (const Membership& membership : principal.groups) {
    Json group;
    set_name(group, "name", names.of(membership.group));
    group["admin"] = membership.admin;
    json["groups"].push_back(std::move(group));
  }
  return json;
}

std::string flags_of(const Principal& principal) {
  std::vector<std::string> flags;
  if (principal.super_admin) flags.emplace_back("super-admin");
  if (!is_group(principal) && !principal.may_create) flags.emplace_back("no-create");
  if (principal.disabled) flags.emplace_back("disabled");
  if (principal.at_spending_limit) flags.emplace_back("at-spending-limit");
  return fmt::format("{}", fmt::join(flags, ","));
}

std::string groups_of(const Principal& principal, AccessNames& names) {
  std::vector<std::string> groups;
  for (const Membership& membership : principal.groups) {
    groups.push_back(names.of(membership.group) + (membership.admin ? " (admin)" : ""));
  }
  return fmt::format("{}", fmt::join(groups, ", "));
}

Result<std::vector<Membership>> memberships(Context& context, Session& session,
                                            const std::vector<std::string>& names) {
  std::vector<Membership> out;
  for (const std::string& name : names) {
    RAMET_ASSIGN(const Principal group, one_of_kind(context, session, name, true));
    out.push_back({group.id, false});
  }
  return out;
}

Result<int> create(Context& context, Session& session, const PrincipalOptions& options,
                   bool group) {
  std::vector<Principal> made;
  RAMET_ASSIGN(const auto groups, memberships(context, session, options.groups));
  for (const std::string& name : options.names) {
    Principal principal;
    principal.kind = group             ? PrincipalKind::kGroup
                     : options.service ? PrincipalKind::kService
                                       : PrincipalKind::kUser;
    principal.name = name;
    principal.title = options.title;
    principal.email = options.email;
    principal.super_admin = options.is_super_admin;
    principal.may_create = !options.no_create;
    principal.groups = groups;
    RAMET_ASSIGN(Principal created, session.store().access().create_principal(principal));
    made.push_back(std::move(created));
  }
  if (!context.json) return kExitOk;
  AccessNames names(session);
  JsonArray array(context.out);
  for (const Principal& principal : made) array.add(principal_json(principal, names));
  return kExitOk;
}

Result<int> create_users(Context& context, Session& session, const PrincipalOptions& options) {
  return create(context, session, options, false);
}
Result<int> create_groups(Context& context, Session& session, const PrincipalOptions& options) {
  return create(context, session, options, true);
}

Result<int> list(Context& context, Session& session, bool groups) {
  std::vector<Principal> found;
  RAMET_TRY(session.store().access().principals([&](const Principal& principal) {
    if (is_group(principal) == groups) found.push_back(principal);
    return true;
  }));
  AccessNames names(session);
  if (context.json) {
    JsonArray array(context.out);
    for (const Principal& principal : found) array.add(principal_json(principal, names));
    return kExitOk;
  }
  if (context.quiet) {
    for (const Principal& principal : found) context.out.print("{}\n", principal.name);
    return kExitOk;
  }
  Table table(context.out, groups ? "lll" : "lllll");
  if (groups) {
    table.row({"NAME", "FLAGS", "TITLE"});
  } else {
    table.row({"NAME", "KIND", "FLAGS", "GROUPS", "TITLE"});
  }
  for (const Principal& principal : found) {
    const std::string title = escape_message(principal.title);
    if (groups) {
      table.row({principal.name, flags_of(principal), title});
    } else {
      table.row({principal.name, std::string(kind_name(principal.kind)), flags_of(principal),
                 groups_of(principal, names), title});
    }
  }
  return kExitOk;
}

Result<int> list_users(Context& context, Session& session, const PrincipalOptions& /*options*/) {
  return list(context, session, false);
}
Result<int> list_groups(Context& context, Session& session, const PrincipalOptions& /*options*/) {
  return list(context, session, true);
}

Result<int> show(Context& context, Session& session, const PrincipalOptions& options, bool group) {
  AccessControl& access = session.store().access();
  RAMET_ASSIGN(const Principal principal,
               one_of_kind(context, session, options.names.front(), group));
  AccessNames names(session);
  std::vector<Grant> grants;
  RAMET_TRY(access.grants_of(principal.id, [&](const Grant& grant) {
    grants.push_back(grant);
    return true;
  }));
  std::vector<std::pair<std::string, bool>> members;  // name, admin
  if (group) {
    RAMET_TRY(access.members(principal.id, [&](const Principal& member) {
      for (const Membership& in : member.groups) {
        if (in.group == principal.id) members.emplace_back(member.name, in.admin);
      }
      return true;
    }));
    std::sort(members.begin(), members.end());
  }
  if (context.json) {
    Json json = principal_json(principal, names);
    if (group) json["members"] = Json::array();
    for (const auto& [name, admin] : members) {
      json["members"].push_back({{"name", name}, {"admin", admin}});
    }
    json["grants"] = Json::array();
    for (const Grant& grant : grants) {
      Json one;
      set_name(one, "container", names.of(grant.container));
      one["level"] = level_name(grant.level);
      json["grants"].push_back(std::move(one));
    }
    print_json(context.out, json);
    return kExitOk;
  }
  Table table(context.out, "ll");
  table.row({"name", principal.name});
  table.row({"id", to_uuid(principal.id)});
  table.row({"kind", std::string(kind_name(principal.kind))});
  if (!principal.title.empty()) table.row({"title", escape_message(principal.title)});
  if (!principal.email.empty()) table.row({"e-mail", escape_message(principal.email)});
  table.row({"created", full_time(principal.created)});
  if (principal.account_expires != 0) {
    table.row({"account expires", full_time(principal.account_expires)});
  }
  const std::string flags = flags_of(principal);
  if (!flags.empty()) table.row({"flags", flags});
  if (!principal.groups.empty()) table.row({"groups", groups_of(principal, names)});
  for (const auto& [name, admin] : members) {
    table.row({"member", name + (admin ? " (admin)" : "")});
  }
  for (const Grant& grant : grants) {
    table.row({"grant", fmt::format("{}: {}", context.style.name(names.of(grant.container)),
                                    level_name(grant.level))});
  }
  return kExitOk;
}

Result<int> show_user(Context& context, Session& session, const PrincipalOptions& options) {
  return show(context, session, options, false);
}
Result<int> show_group(Context& context, Session& session, const PrincipalOptions& options) {
  return show(context, session, options, true);
}

Result<int> set(Context& context, Session& session, const PrincipalOptions& options, bool group) {
  RAMET_ASSIGN(Principal principal, one_of_kind(context, session, options.names.front(), group));
  if (!options.rename.empty()) principal.name = options.rename;
  // ("" is given as a value of its own: it takes the text away.)
  if (options.title != "\n") principal.title = options.title;
  if (options.email != "\n") principal.email = options.email;
  principal.super_admin = switch_of(options.super_admin).value_or(principal.super_admin);
  principal.may_create = switch_of(options.may_create).value_or(principal.may_create);
  principal.disabled = switch_of(options.disabled).value_or(principal.disabled);
  principal.at_spending_limit =
      switch_of(options.at_spending_limit).value_or(principal.at_spending_limit);
  if (options.account_expires == "never") {
    principal.account_expires = 0;
  } else if (!options.account_expires.empty()) {
    RAMET_ASSIGN(principal.account_expires, expiry_of(options.account_expires));
  }
  RAMET_TRY(session.store().access().update_principal(principal));
  if (context.json) {
    AccessNames names(session);
    print_json(context.out, principal_json(principal, names));
  }
  return kExitOk;
}

Result<int> set_user(Context& context, Session& session, const PrincipalOptions& options) {
  return set(context, session, options, false);
}
Result<int> set_group(Context& context, Session& session, const PrincipalOptions& options) {
  return set(context, session, options, true);
}

Result<int> remove(Context& context, Session& session, const PrincipalOptions& options,
                   bool group) {
  std::vector<Principal> found;  // all of them first, so that a wrong name removes none
  for (const std::string& name : options.names) {
    RAMET_ASSIGN(Principal principal, one_of_kind(context, session, name, group));
    found.push_back(std::move(principal));
  }
  for (const Principal& principal : found) {
    RAMET_TRY(session.store().access().remove_principal(principal.id));
  }
  return kExitOk;
}

Result<int> remove_users(Context& context, Session& session, const PrincipalOptions& options) {
  return remove(context, session, options, false);
}
Result<int> remove_groups(Context& context, Session& session, const PrincipalOptions& options) {
  return remove(context, session, options, true);
}

// GROUP MEMBER...
Result<int> change_members(Context& context, Session& session, const PrincipalOptions& options,
                           bool adds) {
  RAMET_ASSIGN(const Principal group,
               one_of_kind(context, session, options.names.front(), true));
  std::vector<Principal> members;
  for (size_t i = 1; i < options.names.size(); ++i) {
    RAMET_ASSIGN(Principal member, one_of_kind(context, session, options.names[i], false));
    const size_t erased = std::erase_if(
        member.groups, [&](const Membership& membership) { return membership.group == group.id; });
    if (!adds && erased == 0) {
      return Error(ErrorCode::kNotFound,
                   fmt::format("'{}' is not in group '{}'", member.name, group.name));
    }
    if (adds) member.groups.push_back({group.id, options.admin});
    members.push_back(std::move(member));
  }
  for (const Principal& member : members) {
    RAMET_TRY(session.store().access().update_principal(member));
  }
  return kExitOk;
}

Result<int> add_members(Context& context, Session& session, const PrincipalOptions& options) {
  return change_members(context, session, options, true);
}
Result<int> remove_members(Context& context, Session& session, const PrincipalOptions& options) {
  return change_members(context, session, options, false);
}

using Options = PrincipalOptions;

void add_user_commands(CommandLine& line) {
  CLI::App& group = add_group(line, "user", "Users and service accounts");
  auto made = std::make_shared<Options>();
  Command(line, group, "create", "Create users", "NAME...",
          {"ramet user create alice --title 'Alice A.' --email alice@example.org",
           "ramet user create root --super-admin", "ramet user create ci --service"})
      .arguments("name", made->names, 1, "New names: a-z 0-9 . _ -, the first one a letter")
      .option("--title", made->title, "TEXT", "For people")
      .option("--email", made->email, "ADDRESS", "For people")
      .list("--group", made->groups, "GROUP", "Make them members of a group (several times)")
      .flag("--super-admin", made->is_super_admin, "They may do everything in every container")
      .flag("--no-create", made->no_create, "They may not create containers")
      .flag("--service", made->service, "Service accounts: programs, not people")
      .run(made, Access::kWrite, create_users);
  auto listed = std::make_shared<Options>();
  Command(line, group, "list", "List users", "", {"ramet user list", "ramet user list -q"})
      .run(listed, Access::kRead, list_users);
  auto shown = std::make_shared<Options>();
  Command(line, group, "show", "Show a user, its groups and what it is granted", "NAME",
          {"ramet user show alice"})
      .arguments("name", shown->names, 1, "A user")
      .run(shown, Access::kRead, show_user);
  auto changed = std::make_shared<Options>();
  changed->title = changed->email = "\n";
  Command(line, group, "set", "Change a user", "NAME",
          {"ramet user set alice --disabled on    # nothing of it is accepted any more",
           "ramet user set alice --rename alice.a"})
      .arguments("name", changed->names, 1, "A user")
      .option("--rename", changed->rename, "NAME", "A new name")
      .option("--title", changed->title, "TEXT", "For people")
      .option("--email", changed->email, "ADDRESS", "For people")
      .choice("--super-admin", changed->super_admin, kSwitch, "May do everything everywhere")
      .choice("--may-create", changed->may_create, kSwitch, "May create containers")
      .choice("--disabled", changed->disabled, kSwitch, "Nothing of it is accepted")
      .choice("--at-spending-limit", changed->at_spending_limit, kSwitch,
              "Nothing that others pay for is cloned to what it is billed for")
      .option("--account-expires", changed->account_expires, "TIME|never",
              "After so long nothing is cloned to what it is billed for: 90d")
      .run(changed, Access::kWrite, set_user);
  auto removed = std::make_shared<Options>();
  Command(line, group, "remove", "Remove users with their tokens, keys and grants", "NAME...",
          {"ramet user remove alice"})
      .arguments("name", removed->names, 1, "Users")
      .run(removed, Access::kWrite, remove_users);
}

void add_group_commands(CommandLine& line) {
  CLI::App& group = add_group(line, "group", "Groups of users: what is granted to one, they have");
  auto made = std::make_shared<Options>();
  Command(line, group, "create", "Create groups", "NAME...", {"ramet group create readers"})
      .arguments("name", made->names, 1, "New names: a-z 0-9 . _ -, the first one a letter")
      .option("--title", made->title, "TEXT", "For people")
      .run(made, Access::kWrite, create_groups);
  auto listed = std::make_shared<Options>();
  Command(line, group, "list", "List groups", "", {"ramet group list"})
      .run(listed, Access::kRead, list_groups);
  auto shown = std::make_shared<Options>();
  Command(line, group, "show", "Show a group, its members and what it is granted", "NAME",
          {"ramet group show readers"})
      .arguments("name", shown->names, 1, "A group")
      .run(shown, Access::kRead, show_group);
  auto changed = std::make_shared<Options>();
  changed->title = changed->email = "\n";
  Command(line, group, "set", "Change a group", "NAME",
          {"ramet group set readers --disabled on    # its members have nothing of it"})
      .arguments("name", changed->names, 1, "A group")
      .option("--rename", changed->rename, "NAME", "A new name")
      .option("--title", changed->title, "TEXT", "For people")
      .choice("--disabled", changed->disabled, kSwitch, "What it is granted sleeps")
      .choice("--at-spending-limit", changed->at_spending_limit, kSwitch,
              "Nothing that others pay for is cloned to what it is billed for")
      .option("--account-expires", changed->account_expires, "TIME|never",
              "After so long nothing is cloned to what it is billed for: 90d")
      .run(changed, Access::kWrite, set_group);
  auto added = std::make_shared<Options>();
  Command(line, group, "add", "Make users members of a group", "GROUP USER...",
          {"ramet group add readers alice bob", "ramet group add readers carol --admin"})
      .arguments("name", added->names, 2, "A group, and users")
      .flag("--admin", added->admin, "They may change who is in it")
      .run(added, Access::kWrite, add_members);
  auto taken = std::make_shared<Options>();
  Command(line, group, "remove-member", "Take users out of a group", "GROUP USER...",
          {"ramet group remove-member readers bob"})
      .arguments("name", taken->names, 2, "A group, and users")
      .run(taken, Access::kWrite, remove_members);
  auto removed = std::make_shared<Options>();
  Command(line, group, "remove", "Remove groups; their members stay", "NAME...",
          {"ramet group remove readers"})
      .arguments("name", removed->names, 1, "Groups")
      .run(removed, Access::kWrite, remove_groups);
}

}  // namespace

void add_principal_commands(CommandLine& line) {
  add_user_commands(line);
  add_group_commands(line);
}

}  // namespace ramet::tools
