// standing
#include <optional>

#include "tools/access_names.h"
#include "tools/commands.h"
#include "tools/session.h"
#include "tools/target.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

struct StandingOptions {
  std::vector<std::string> paths;
  std::string archival;
  std::string sponsored;
  bool changes() const { return !archival.empty() || !sponsored.empty(); }
};

Json standing_json(const PathSpec& spec, const Standing& standing) {
  Json json;
  set_name(json, "path", spec.to_string());
  json["state"] = state_name(standing.state);
  json["hidden"] = standing.hidden;
  json["clone_rule"] = clone_rule_name(standing.clone_rule);
  json["archival"] = archival_name(standing.archival);
  json["sponsored"] = standing.sponsored;
  json["links"] = standing.links.size();
  if (!standing.title.empty()) json["title"] = standing.title;
  return json;
}

void print_standing(Context& context, const PathSpec& spec, const Standing& standing) {
  Table table(context.out, "ll");
  table.row({"name", context.style.name(spec.to_string())});
  if (!standing.title.empty()) table.row({"title", escape_message(standing.title)});
  table.row({"state", std::string(state_name(standing.state))});
  table.row({"hidden", standing.hidden ? "yes" : "no"});
  table.row({"cloned", std::string(clone_rule_name(standing.clone_rule))});
  table.row({"archival", std::string(archival_name(standing.archival))});
  table.row({"sponsored", standing.sponsored ? "yes" : "no"});
  table.row({"links", std::to_string(standing.links.size())});
}

// One object, by the state that a transaction or view sees.
template <typename State>
Result<ObjectInfo> object_at(const State& state, const PathSpec& spec) {
  RAMET_ASSIGN(const Entry entry, state.lookup(spec.path));
  if (entry.is_folder()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is a folder: objects have a standing", spec.to_string()));
  }
  return state.object(entry.object);
}

Result<int> run_standing(Context& context, Session& session, const StandingOptions& options) {
  const auto archival = parse_archival(options.archival);
  std::optional<JsonArray> array;
  if (context.json) array.emplace(context.out);
  bool first = true;
  for (const std::string& text : options.paths) {
    RAMET_ASSIGN(const Place place, session.place(text));
    ObjectInfo info;
    if (options.changes()) {
      RAMET_TRY(require_head(place.spec));
      RAMET_ASSIGN(const auto transaction, session.store().begin(place.container.id));
      RAMET_ASSIGN(info, object_at(*transaction, place.spec));
      info.standing.archival = archival.value_or(info.standing.archival);
      info.standing.sponsored = switch_of(options.sponsored).value_or(info.standing.sponsored);
      RAMET_TRY(transaction->set_standing(info.id, info.standing));
      RAMET_TRY(transaction->commit());
    } else {
      RAMET_ASSIGN(info, object_at(*place.view, place.spec));
    }
    if (array) {
      array->add(standing_json(place.spec, info.standing));
    } else if (!options.changes()) {
      if (!first) context.out.write("\n");
      print_standing(context, place.spec, info.standing);
    }
    first = false;
  }
  return kExitOk;
}

Result<int> standing(Context& context, const StandingOptions& options) {
  const Access how = options.changes() ? Access::kWrite : Access::kRead;
  return with_session(context, how, [&](Session& session) {
    return run_standing(context, session, options);
  });
}

}  // namespace

void add_standing_commands(CommandLine& line) {
  auto options = std::make_shared<StandingOptions>();
  Command(line, line.app, "standing",
          "Show what objects are to clones, or say that they are archived or sponsored", "PATH...",
          {"ramet standing prod:/data/a.bam", "ramet standing prod:/data/a.bam --archival archived",
           "ramet standing prod:/data/a.bam --sponsored on"})
      .arguments("path", options->paths, 1, "container:/path")
      .choice("--archival", options->archival,
              {"live", "archival", "archived", "archiving", "unarchiving"},
              "The archival state of this copy")
      .choice("--sponsored", options->sponsored, kSwitch, "Whoever runs the service pays for it")
      .run(options, standing);
}

}  // namespace ramet::tools
