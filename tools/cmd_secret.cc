// token create, list, remove; key create, list, remove
#include "tools/access_names.h"
#include "tools/commands.h"
#include "tools/keep.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

constexpr size_t kShortId = 16;   // hex digits that a token is shown by
constexpr size_t kShortIdMin = 8;  // and found by, at least

struct SecretOptions {
  std::string principal;
  std::string name;
  std::string expires;
  std::string level;
  std::vector<std::string> containers;
  bool no_account = false;
  std::vector<std::string> ids;
};

std::string short_id(const ContentHash& hash) { return hash.to_hex().substr(0, kShortId); }

Result<Scope> scope_of(Session& session, const SecretOptions& options) {
  Scope scope;
  if (!options.level.empty()) {
    RAMET_ASSIGN(scope.most, parse_level(options.level));
  }
  for (const std::string& name : options.containers) {
    RAMET_ASSIGN(const ContainerInfo info, container_named(session, name));
    scope.containers.push_back(info.id);
  }
  scope.account = !options.no_account;
  return scope;
}

Json scope_json(const Scope& scope, AccessNames& names) {
  Json json;
  json["level"] = level_name(scope.most);
  json["containers"] = Json::array();
  for (const ContainerId& id : scope.containers) {
    json["containers"].push_back(to_utf8(names.of(id)));
  }
  json["account"] = scope.account;
  return json;
}

std::string scope_text(const Context& context, const Scope& scope, AccessNames& names) {
  std::string out(level_name(scope.most));
  for (size_t i = 0; i < scope.containers.size(); ++i) {
    out += (i == 0 ? " in " : ",") + context.style.name(names.of(scope.containers[i]));
  }
  return out + (scope.account ? "" : ", no account");
}

// Tokens and keys alike.
template <typename Secret>
Json secret_json(const Secret& secret, const std::string& id, AccessNames& names) {
  Json json;
  json["id"] = id;
  set_name(json, "principal", names.of(secret.principal));
  set_name(json, "name", secret.name);
  json["scope"] = scope_json(secret.scope, names);
  json["created"] = iso_time(secret.created);
  set_time(json, "expires", secret.expires);
  set_time(json, "last_used", secret.last_used);
  return json;
}

std::string_view id_of(const AccessKey& key) { return key.id; }
std::string id_of(const Token& token) { return short_id(token.hash); }

template <typename Secret>
void list(Context& context, Session& session, const std::vector<Secret>& secrets) {
  AccessNames names(session);
  if (context.json) {
    JsonArray array(context.out);
    for (const Secret& secret : secrets) {
      array.add(secret_json(secret, std::string(id_of(secret)), names));
    }
    return;
  }
  if (context.quiet) {
    for (const Secret& secret : secrets) context.out.print("{}\n", id_of(secret));
    return;
  }
  Table table(context.out, "llllll");
  table.row({"ID", "OF", "NAME", "MAY", "EXPIRES", "LAST USED"});
  for (const Secret& secret : secrets) {
    table.row({std::string(id_of(secret)), names.of(secret.principal),
               escape_message(secret.name), scope_text(context, secret.scope, names),
               time_or(secret.expires, "never"), time_or(secret.last_used, "never")});
  }
}

// Of one principal, or of all.
Result<std::vector<Principal>> whose(Context& context, Session& session, const std::string& name) {
  std::vector<Principal> out;
  if (!name.empty()) {
    RAMET_ASSIGN(Principal one, principal_named(context, session, name));
    out.push_back(std::move(one));
    return out;
  }
  RAMET_TRY(session.store().access().principals([&](const Principal& principal) {
    if (principal.kind != PrincipalKind::kGroup) out.push_back(principal);
    return true;
  }));
  return out;
}

// The secret goes to stdout alone, so that it can be piped to where it belongs; what is said about
// it goes to stderr.
void say_made(const Context& context, const std::string& line) {
  if (!context.quiet && !context.json) report_stats(context, line, {});
}

// --- tokens --------------------------------------------------------------------------------------

Result<int> create_token(Context& context, Session& session, const SecretOptions& options) {
  RAMET_ASSIGN(const int64_t expires, expiry_of(options.expires));
  RAMET_ASSIGN(const Principal principal, principal_named(context, session, options.principal));
  RAMET_ASSIGN(const Scope scope, scope_of(session, options));
  RAMET_ASSIGN(const auto made, session.store().access().create_token(principal.id, options.name,
                                                                      scope, expires));
  if (context.json) {
    AccessNames names(session);
    Json json = secret_json(made.token, short_id(made.token.hash), names);
    json["secret"] = made.secret;
    print_json(context.out, json);
    return kExitOk;
  }
  context.out.print("{}\n", made.secret);
  say_made(context, fmt::format("token {} of {}; it is not shown again",
                                short_id(made.token.hash), principal.name));
  return kExitOk;
}

Result<std::vector<Token>> all_tokens(Context& context, Session& session,
                                      const std::string& name) {
  RAMET_ASSIGN(const auto principals, whose(context, session, name));
  std::vector<Token> out;
  for (const Principal& principal : principals) {
    RAMET_TRY(session.store().access().tokens(principal.id, [&](const Token& token) {
      out.push_back(token);
      return true;
    }));
  }
  return out;
}

Result<int> list_tokens(Context& context, Session& session, const SecretOptions& options) {
  RAMET_ASSIGN(const auto tokens, all_tokens(context, session, options.principal));
  list(context, session, tokens);
  return kExitOk;
}

Result<int> remove_tokens(Context& context, Session& session, const SecretOptions& options) {
  RAMET_ASSIGN(const auto tokens, all_tokens(context, session, {}));
  std::vector<ContentHash> found;
  for (const std::string& id : options.ids) {
    if (id.starts_with("rmt_")) {  // (it would be told, and stands in the shell's history now)
      return context.fail(ErrorCode::kInvalidArgument, "this is a token itself, not its id",
                          "'ramet token list' shows the ids");
    }
    size_t matches = 0;
    for (const Token& token : tokens) {
      if (id.size() < kShortIdMin || !token.hash.to_hex().starts_with(id)) continue;
      found.push_back(token.hash);
      ++matches;
    }
    if (matches == 1) continue;
    return context.fail(
        matches == 0 ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
        matches == 0 ? fmt::format("there is no token '{}'", id)
                     : fmt::format("several tokens begin with '{}'", id),
        "'ramet token list' shows what there is");
  }
  for (const ContentHash& hash : found) {
    RAMET_TRY(session.store().access().remove_token(hash));
  }
  return kExitOk;
}

// --- keys ----------------------------------------------------------------------------------------

Result<int> create_key(Context& context, Session& session, const SecretOptions& options) {
  RAMET_ASSIGN(const int64_t expires, expiry_of(options.expires));
  RAMET_ASSIGN(const Principal principal, principal_named(context, session, options.principal));
  RAMET_ASSIGN(const Scope scope, scope_of(session, options));
  RAMET_ASSIGN(const AccessKey made, session.store().access().create_key(
                                         principal.id, options.name, scope, expires));
  if (context.json) {
    AccessNames names(session);
    Json json = secret_json(made, made.id, names);
    json["secret"] = made.secret;
    print_json(context.out, json);
    return kExitOk;
  }
  // As ~/.aws/credentials has them.
  context.out.print("aws_access_key_id = {}\naws_secret_access_key = {}\n", made.id, made.secret);
  say_made(context, fmt::format("key {} of {}; its secret is not shown again", made.id,
                                principal.name));
  return kExitOk;
}

Result<int> list_keys(Context& context, Session& session, const SecretOptions& options) {
  RAMET_ASSIGN(const auto principals, whose(context, session, options.principal));
  std::vector<AccessKey> keys;
  for (const Principal& principal : principals) {
    RAMET_TRY(session.store().access().keys(principal.id, [&](const AccessKey& key) {
      keys.push_back(key);
      return true;
    }));
  }
  list(context, session, keys);
  return kExitOk;
}

Result<int> remove_keys(Context& context, Session& session, const SecretOptions& options) {
  for (const std::string& id : options.ids) {
    const Status removed = session.store().access().remove_key(id);
    if (removed.ok()) continue;
    if (removed.error().code() == ErrorCode::kNotFound) {
      context.hint = "'ramet key list' shows what there is";
    }
    return removed.error();
  }
  return kExitOk;
}

Command& add_secret_options(Command& command, SecretOptions& options) {
  return command.argument("principal", options.principal, "A user or service account")
      .option("--name", options.name, "TEXT", "For people: what it is for")
      .option("--expires", options.expires, "DURATION",
              "From now on: a number with s, m, h, d or w (default: never)")
      .choice("--level", options.level, kLevels, "What it is good for at most")
      .list("--container", options.containers, "CONTAINER", "Only there (several times)")
      .flag("--no-account", options.no_account,
            "Not for what concerns no container: creating some, jobs");
}

}  // namespace

void add_secret_commands(CommandLine& line) {
  CLI::App& tokens = add_group(line, "token", "Bearer tokens of the REST API");
  auto made = std::make_shared<SecretOptions>();
  Command create(line, tokens, "create", "Create a token; prints it to stdout, this once",
                 "PRINCIPAL",
                 {"(umask 077; ramet token create alice > ~/.ramet-token)",
                  "ramet token create ci --name build --level upload --container artifacts "
                  "--expires 90d"});
  add_secret_options(create, *made).run(made, Access::kWrite, create_token);
  auto listed = std::make_shared<SecretOptions>();
  Command(line, tokens, "list", "List tokens, of one principal or of all", "[PRINCIPAL]",
          {"ramet token list", "ramet token list alice"})
      .argument("principal", listed->principal, "A user or service account", false)
      .run(listed, Access::kRead, list_tokens);
  auto removed = std::make_shared<SecretOptions>();
  Command(line, tokens, "remove", "Remove tokens: they are refused from then on", "ID...",
          {"ramet token remove 5f0c9a3e11d27b64"})
      .arguments("id", removed->ids, 1, "Ids as the list shows them, or their first 8 digits")
      .run(removed, Access::kWrite, remove_tokens);

  CLI::App& keys = add_group(line, "key", "Key pairs of the S3 API");
  auto made_key = std::make_shared<SecretOptions>();
  Command create_pair(line, keys, "create",
                      "Create a key pair; prints it to stdout, its secret this once", "PRINCIPAL",
                      {"(echo '[ramet]'; ramet key create alice) >> ~/.aws/credentials",
                       "ramet key create backup --json | jq -r .secret"});
  add_secret_options(create_pair, *made_key).run(made_key, Access::kWrite, create_key);
  auto listed_keys = std::make_shared<SecretOptions>();
  Command(line, keys, "list", "List key pairs, of one principal or of all", "[PRINCIPAL]",
          {"ramet key list"})
      .argument("principal", listed_keys->principal, "A user or service account", false)
      .run(listed_keys, Access::kRead, list_keys);
  auto removed_keys = std::make_shared<SecretOptions>();
  Command(line, keys, "remove", "Remove key pairs: they are refused from then on", "ID...",
          {"ramet key remove RMTK2ABCDEFGHIJKLMNO"})
      .arguments("id", removed_keys->ids, 1, "Ids, as the list shows them")
      .run(removed_keys, Access::kWrite, remove_keys);
}

}  // namespace ramet::tools
