// grant set, list, remove; container access
#include "tools/access_names.h"
#include "tools/commands.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

struct GrantOptions {
  std::string container;
  std::string principal;
  std::string level;
};

Json grant_json(const Grant& grant, AccessNames& names) {
  Json json;
  set_name(json, "container", names.of(grant.container));
  set_name(json, "principal", names.of(grant.principal));
  json["level"] = level_name(grant.level);
  return json;
}

Result<int> change_grant(Context& context, Session& session, const GrantOptions& options,
                         AccessLevel level) {
  RAMET_ASSIGN(const ContainerInfo info, container_named(session, options.container));
  RAMET_ASSIGN(const PrincipalId id, grantee_named(context, session, options.principal));
  RAMET_TRY(session.store().access().set_grant(info.id, id, level));
  if (context.json) {
    AccessNames names(session);
    print_json(context.out, grant_json({info.id, id, level}, names));
  }
  return kExitOk;
}

Result<int> set_grant(Context& context, Session& session, const GrantOptions& options) {
  RAMET_ASSIGN(const AccessLevel level, parse_level(options.level));
  return change_grant(context, session, options, level);
}

Result<int> remove_grant(Context& context, Session& session, const GrantOptions& options) {
  return change_grant(context, session, options, AccessLevel::kNone);
}

Result<int> list_grants(Context& context, Session& session, const GrantOptions& options) {
  RAMET_ASSIGN(const ContainerInfo info, container_named(session, options.container));
  std::vector<Grant> grants;
  RAMET_TRY(session.store().access().grants(info.id, [&](const Grant& grant) {
    grants.push_back(grant);
    return true;
  }));
  AccessNames names(session);
  if (context.json) {
    JsonArray array(context.out);
    for (const Grant& grant : grants) array.add(grant_json(grant, names));
    return kExitOk;
  }
  Table table(context.out, "ll");
  if (!context.quiet) table.row({"PRINCIPAL", "LEVEL"});
  for (const Grant& grant : grants) {
    table.row({names.of(grant.principal), std::string(level_name(grant.level))});
  }
  return kExitOk;
}

struct AccessOptions {
  std::string container;
  std::string restricted;
  std::string is_protected;
  std::string region = "\n";   // (not given; "" takes it away)
  std::string bill_to = "\n";
  std::string sponsor = "\n";
  std::string data_access_request = "\n";
  std::string contains_phi;
  std::string download_restricted;
  bool changes() const {
    for (const std::string* one : {&restricted, &is_protected, &contains_phi,
                                   &download_restricted}) {
      if (!one->empty()) return true;
    }
    for (const std::string* one : {&region, &bill_to, &sponsor, &data_access_request}) {
      if (*one != "\n") return true;
    }
    return false;
  }
};

Result<int> run_access(Context& context, Session& session, const AccessOptions& options) {
  AccessControl& access = session.store().access();
  RAMET_ASSIGN(const ContainerInfo info, container_named(session, options.container));
  RAMET_ASSIGN(ContainerAccess set, access.container_access(info.id));
  if (options.changes()) {
    set.is_restricted = switch_of(options.restricted).value_or(set.is_restricted);
    set.is_protected = switch_of(options.is_protected).value_or(set.is_protected);
    set.contains_phi = switch_of(options.contains_phi).value_or(set.contains_phi);
    set.is_download_restricted =
        switch_of(options.download_restricted).value_or(set.is_download_restricted);
    const auto text = [](const std::string& given, std::string& into) {
      if (given != "\n") into = given;
    };
    text(options.region, set.region);
    text(options.bill_to, set.bill_to);
    text(options.sponsor, set.sponsor);
    text(options.data_access_request, set.data_access_request);
    RAMET_TRY(access.set_container_access(info.id, set));
  }
  if (context.json) {
    Json json;
    set_name(json, "container", info.name);
    json["restricted"] = set.is_restricted;
    json["protected"] = set.is_protected;
    set_name(json, "region", set.region);
    set_name(json, "bill_to", set.bill_to);
    set_name(json, "sponsor", set.sponsor);
    set_name(json, "data_access_request", set.data_access_request);
    json["contains_phi"] = set.contains_phi;
    json["download_restricted"] = set.is_download_restricted;
    print_json(context.out, json);
  } else if (!options.changes()) {
    Table table(context.out, "ll");
    table.row({"restricted", set.is_restricted ? "on" : "off"});
    table.row({"protected", set.is_protected ? "on" : "off"});
    if (!set.region.empty()) table.row({"region", escape_message(set.region)});
    if (!set.bill_to.empty()) table.row({"bill to", escape_message(set.bill_to)});
    if (!set.sponsor.empty()) table.row({"sponsor", escape_message(set.sponsor)});
    if (!set.data_access_request.empty()) {
      table.row({"data access request", escape_message(set.data_access_request)});
    }
    if (set.contains_phi) table.row({"contains PHI", "on"});
    if (set.is_download_restricted) table.row({"download restricted", "on"});
  }
  return kExitOk;
}

Result<int> container_access(Context& context, const AccessOptions& options) {
  const Access how = options.changes() ? Access::kWrite : Access::kRead;
  return with_session(context, how, [&](Session& session) {
    return run_access(context, session, options);
  });
}

}  // namespace

void add_grant_commands(CommandLine& line) {
  CLI::App& group = add_group(line, "grant", "What users and groups may do in a container");
  auto set = std::make_shared<GrantOptions>();
  Command(line, group, "set", "Grant a level; it replaces the one before",
          "CONTAINER PRINCIPAL LEVEL",
          {"ramet grant set prod alice contribute", "ramet grant set prod readers view",
           "ramet grant set public everyone view    # everyone who is authenticated"})
      .argument("container", set->container, "A container")
      .argument("principal", set->principal, "A user or group, or 'everyone'")
      .argument("level", set->level, "view, upload, contribute or administer")
      .run(set, Access::kWrite, set_grant);
  auto listed = std::make_shared<GrantOptions>();
  Command(line, group, "list", "List what is granted on a container", "CONTAINER",
          {"ramet grant list prod"})
      .argument("container", listed->container, "A container")
      .run(listed, Access::kRead, list_grants);
  auto removed = std::make_shared<GrantOptions>();
  Command(line, group, "remove", "Take a grant away", "CONTAINER PRINCIPAL",
          {"ramet grant remove prod alice"})
      .argument("container", removed->container, "A container")
      .argument("principal", removed->principal, "A user or group, or 'everyone'")
      .run(removed, Access::kWrite, remove_grant);

  auto access = std::make_shared<AccessOptions>();
  Command(line, find_group(line, "container"), "access",
          "Show or change what a container's owner sets beside grants", "CONTAINER",
          {"ramet container access prod", "ramet container access prod --protected on",
           "ramet container access prod --region eu-central --bill-to team"})
      .argument("container", access->container, "A container")
      .choice("--restricted", access->restricted, kSwitch,
              "Its content may not be cloned or copied into another container")
      .choice("--protected", access->is_protected, kSwitch, "Only administer may remove")
      .option("--region", access->region, "TEXT", "A label")
      .option("--bill-to", access->bill_to, "PRINCIPAL", "Who is charged")
      .option("--sponsor", access->sponsor, "PRINCIPAL", "A third party that pays instead")
      .option("--data-access-request", access->data_access_request, "TEXT",
              "A research environment: content goes only to containers with the same one")
      .choice("--contains-phi", access->contains_phi, kSwitch,
              "Health data of persons: content goes only to containers that may hold such, too")
      .choice("--download-restricted", access->download_restricted, kSwitch,
              "Content is not handed out over the network")
      .run(access, container_access);
}

}  // namespace ramet::tools
