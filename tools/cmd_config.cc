// config
#include <algorithm>
#include <optional>

#include "engine/settings.h"
#include "engine/store.h"
#include "tools/commands.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

struct ConfigOptions {
  std::vector<std::string> words;
  std::string unset;
};

// What the words ask for: [CONTAINER] [NAME [VALUE]].
struct ConfigRequest {
  std::string container;  // empty: the store
  std::string name;       // empty: all
  std::string value;
  bool sets = false;
  bool unsets = false;
};

// A first word that is a setting's name means the store's; "compression:" is a container.
Result<ConfigRequest> parse_config(Context& context, const ConfigOptions& options) {
  ConfigRequest request;
  std::vector<std::string> words = options.words;
  if (!words.empty() && find_setting(words.front()) == nullptr) {
    RAMET_ASSIGN(const PathSpec spec, parse_path_spec(words.front()));
    if (!spec.is_root() || !spec.snapshot.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}': expected the name of a container or a setting",
                               words.front()));
    }
    request.container = spec.container;
    words.erase(words.begin());
  }
  const size_t words_max = options.unset.empty() ? 2 : 0;
  if (words.size() > words_max) {
    return context.fail(ErrorCode::kInvalidArgument,
                        fmt::format("'{}' is one word too many", words[words_max]),
                        "see 'ramet config --help'");
  }
  if (!words.empty()) request.name = words[0];
  request.sets = words.size() == 2;
  if (request.sets) request.value = words[1];
  request.unsets = !options.unset.empty();
  if (request.unsets) request.name = options.unset;
  const bool of_container = !request.container.empty();
  if (!request.name.empty()) RAMET_TRY(check_setting_name(request.name, of_container));
  // Before a store is opened for writing.
  if (request.sets) RAMET_TRY(check_setting(request.name, request.value, of_container));
  return request;
}

std::string_view source_name(SettingSource source) {
  switch (source) {
    case SettingSource::kDefault: return "default";
    case SettingSource::kStore: return "store";
    case SettingSource::kContainer: return "container";
  }
  return "";
}

Json setting_json(const SettingInfo& info) {
  Json json;
  set_name(json, "name", info.name);
  set_name(json, "value", info.value);
  json["from"] = source_name(info.source);
  if (const SettingSpec* spec = find_setting(info.name)) {
    json["default"] = spec->default_value;
    json["allowed"] = spec->allowed;
    json["help"] = spec->help;
  }
  return json;
}

Result<int> show_settings(Context& context, const ConfigRequest& request,
                          const std::vector<SettingInfo>& settings) {
  if (!request.name.empty()) {
    const auto found = std::find_if(
        settings.begin(), settings.end(),
        [&](const SettingInfo& info) { return info.name == request.name; });
    RAMET_CHECK(found != settings.end(), "every known setting has a value");
    if (context.json) {
      print_json(context.out, setting_json(*found));
    } else {
      context.out.print("{}\n", found->value);
    }
    return kExitOk;
  }
  if (context.json) {
    JsonArray array(context.out);
    for (const SettingInfo& info : settings) array.add(setting_json(info));
    return kExitOk;
  }
  Table table(context.out, "llll");
  if (!context.quiet) table.row({"NAME", "VALUE", "FROM", ""});
  for (const SettingInfo& info : settings) {
    const SettingSpec* spec = find_setting(info.name);
    table.row({quote_name(info.name), quote_name(info.value), std::string(source_name(info.source)),
               spec == nullptr ? "of a later version" : std::string(spec->help)});
  }
  return kExitOk;
}

Result<int> run_in(Context& context, Session& session, const ConfigRequest& request) {
  std::optional<ContainerId> container;
  if (!request.container.empty()) {
    RAMET_ASSIGN(const ContainerInfo info, session.container(request.container));
    container = info.id;
  }
  if (request.sets || request.unsets) {
    std::optional<std::string> value;
    if (request.sets) value = request.value;
    RAMET_TRY(session.store().set_setting(container, request.name, value));
  }
  if ((request.sets || request.unsets) && !context.json) return kExitOk;
  RAMET_ASSIGN(const auto settings, session.store().settings(container));
  return show_settings(context, request, settings);
}

Result<int> run_config(Context& context, const ConfigOptions& options) {
  RAMET_ASSIGN(const ConfigRequest request, parse_config(context, options));
  const Access access = request.sets || request.unsets ? Access::kWrite : Access::kRead;
  return with_session(context, access, [&](Session& session) {
    return run_in(context, session, request);
  });
}

}  // namespace

void add_config_commands(CommandLine& line) {
  auto config = std::make_shared<ConfigOptions>();
  Command(line, line.app, "config", "Show or change settings of the store or a container",
          "[CONTAINER] [NAME [VALUE]]",
          {"ramet config                         # of the store, and where they come from",
           "ramet config compression zstd:9      # of the store: for all without their own",
           "ramet config prod compression none   # of one container",
           "ramet config prod --unset compression"})
      .arguments("setting", config->words, 0,
                 "A container (default: the store), a setting's name and its new value")
      .option("--unset", config->unset, "NAME", "Go back to the store's value, or the default")
      .run(config, run_config);
}

}  // namespace ramet::tools
