// init, info, reclaim
#include <filesystem>
#include <optional>
#include <system_error>

#include "engine/quantity.h"
#include "engine/settings.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

struct InitOptions {
  std::string directory;
  std::string compression;
};

Status keep_setting(const std::string& directory, std::string_view name,
                    const std::string& value) {
  RAMET_ASSIGN(const auto store, Store::open(directory, {}));
  RAMET_TRY(store->set_setting(std::nullopt, std::string(name), value));
  return store->close();
}

// The argument, else where other commands would look first, else here.
std::string init_directory(const Context& context, const InitOptions& options) {
  if (!options.directory.empty()) return options.directory;
  if (!context.store.empty()) return context.store;
  return context.caller.variable("RAMET_STORE").value_or(".");
}

Result<int> run_init(Context& context, const InitOptions& options) {
  const std::string directory = init_directory(context, options);
  const bool compression = !options.compression.empty();
  if (compression) RAMET_TRY(check_setting(kCompressionSetting, options.compression, false));
  if (Status made = Store::create(directory, {}); !made.ok()) {
    if (made.error().code() == ErrorCode::kAlreadyExists) {
      context.hint = "'ramet info --store " + directory + "' shows it";
    } else if (made.error().code() == ErrorCode::kFailedPrecondition) {
      context.hint = "a new store needs an empty or missing directory";
    }
    return std::move(made).error();
  }
  if (compression) RAMET_TRY(keep_setting(directory, kCompressionSetting, options.compression));
  std::error_code ignored;  // then the path stays as it was given
  const std::string absolute = std::filesystem::absolute(directory, ignored).string();
  if (context.json) {
    Json json;
    set_name(json, "store", absolute);
    print_json(context.out, json);
  }
  context.say("made a store in {}\n", quote_name(directory));
  return kExitOk;
}

struct InfoOptions {};

Json info_json(const std::string& path, const StoreInfo& info) {
  Json json;
  set_name(json, "store", path);
  json["id"] = to_uuid(info.id);
  json["epoch"] = info.epoch;
  json["sequence"] = info.sequence;
  json["checkpoint_sequence"] = info.checkpoint_sequence;
  json["io"] = info.io;
  json["read_only"] = info.read_only;
  json["read_only_reason"] = to_utf8(info.read_only_reason);
  json["containers"] = info.containers;
  json["snapshots"] = info.snapshots;
  json["dropped"] = info.dropped;
  json["objects"] = info.objects;
  json["logical_bytes"] = info.logical_bytes;
  json["segments"] = info.segments;
  json["segment_bytes"] = info.segment_bytes;
  json["commit_bytes"] = info.commit_bytes;
  json["node_bytes"] = info.node_bytes;
  json["data_bytes"] = info.data_bytes;
  json["map_bytes"] = info.map_bytes;
  json["index_bytes"] = info.index_bytes;
  json["ballast_bytes"] = info.ballast_bytes;
  json["disk_available"] = info.disk_available;
  json["dirty_bytes"] = info.dirty_bytes;
  json["node_cache_bytes"] = info.node_cache_bytes;
  json["replayed_commits"] = info.replayed_commits;
  json["open_nanoseconds"] = info.open_nanoseconds;
  json["log_bytes_since_checkpoint"] = info.log_bytes_since_checkpoint;
  return json;
}

std::string bytes_both(uint64_t bytes) {
  return human_bytes(bytes) + (bytes < 1024 ? "" : " (" + with_commas(bytes) + " bytes)");
}

void print_info(Output& out, const std::string& path, const StoreInfo& info) {
  Table table(out, "ll");
  const uint64_t on_disk = info.segment_bytes + info.index_bytes + info.ballast_bytes;
  table.row({"store", quote_name(path)});
  table.row({"id", to_uuid(info.id)});
  table.row({"containers", with_commas(info.containers)});
  table.row({"snapshots", with_commas(info.snapshots)});
  if (info.dropped != 0) table.row({"dropped, not freed yet", with_commas(info.dropped)});
  table.row({"objects", with_commas(info.objects)});
  table.row({"content, nothing shared", bytes_both(info.logical_bytes)});
  table.row({"on disk", bytes_both(on_disk)});
  table.row({"  data", bytes_both(info.data_bytes)});
  table.row({"  nodes", bytes_both(info.node_bytes)});
  table.row({"  commits", bytes_both(info.commit_bytes)});
  table.row({"  map", bytes_both(info.map_bytes)});
  table.row({"  index", bytes_both(info.index_bytes)});
  table.row({"  ballast", bytes_both(info.ballast_bytes)});
  table.row({"segments", with_commas(info.segments)});
  table.row({"free on the disk", bytes_both(info.disk_available)});
  table.row({"last commit", with_commas(info.sequence)});
  table.row({"last checkpoint", with_commas(info.checkpoint_sequence)});
  table.row({"epoch", with_commas(info.epoch)});
  table.row({"opened in", fmt::format("{}, {} replayed",
                                      human_duration(static_cast<double>(info.open_nanoseconds) /
                                                     1e9),
                                      count_of(info.replayed_commits, "commit", "commits"))});
  table.row({"input and output", info.io});
}

Result<int> run_info(Context& context, Session& session, const InfoOptions& /*options*/) {
  RAMET_ASSIGN(const std::string path, find_store(context));
  RAMET_ASSIGN(const StoreInfo info, session.store().info());
  if (context.json) {
    print_json(context.out, info_json(path, info));
  } else {
    print_info(context.out, path, info);
  }
  return kExitOk;
}

struct ReclaimCommand {
  bool dry_run = false;
  bool until_idle = false;
  bool now = false;
  std::string rate;
};

std::string_view action_name(ReclaimAction::Kind kind) {
  switch (kind) {
    case ReclaimAction::Kind::kDelete: return "delete";
    case ReclaimAction::Kind::kPunch: return "punch";
    case ReclaimAction::Kind::kCompact: return "compact";
  }
  return "?";
}

Json reclaim_json(const ReclaimReport& report) {
  Json json;
  json["actions"] = Json::array();
  for (const ReclaimAction& action : report.actions) {
    Json one;
    one["action"] = action_name(action.kind);
    one["segment"] = action.segment;
    one["bytes_before"] = action.bytes_before;
    one["bytes_after"] = action.bytes_after;
    json["actions"].push_back(std::move(one));
  }
  json["steps"] = report.steps;
  json["nodes_released"] = report.nodes_released;
  json["nodes_pending"] = report.nodes_pending;
  json["nodes_damaged"] = report.nodes_damaged;
  json["bytes_freed"] = report.bytes_freed;
  json["drops_waiting"] = report.drops_waiting;
  json["idle"] = report.idle;
  json["paused"] = report.paused;
  return json;
}

Result<int> run_reclaim(Context& context, Session& session, const ReclaimCommand& command) {
  ReclaimOptions options;
  options.dry_run = command.dry_run;
  options.until_idle = command.until_idle;
  options.now = command.now;
  if (!command.rate.empty()) {
    RAMET_ASSIGN(const std::string rate, check_setting(kReclaimRateSetting, command.rate, false));
    if (rate != "none") {
      RAMET_ASSIGN(options.copy_rate, parse_bytes(rate));
    }
  }
  CopyProgress progress;
  options.progress = &progress;
  Result<ReclaimReport> done = [&] {
    const ProgressLine line("reclaiming", progress, !context.no_progress && !context.json);
    return session.store().reclaim(options);
  }();
  if (!done.ok()) return std::move(done).error();
  const ReclaimReport& report = *done;
  if (context.json) {
    print_json(context.out, reclaim_json(report));
    return kExitOk;
  }
  Table table(context.out, "lrrr");
  for (const ReclaimAction& action : report.actions) {
    const bool stays = action.kind != ReclaimAction::Kind::kDelete;
    table.row({std::string(action_name(action.kind)), "segment " + std::to_string(action.segment),
               human_bytes(action.bytes_before),
               stays ? "to " + human_bytes(action.bytes_after) : ""});
  }
  if (command.dry_run) {
    context.say("{} to do now\n", count_of(report.actions.size(), "action", "actions"));
    return kExitOk;
  }
  context.say("freed {}, followed {}{}\n", human_bytes(report.bytes_freed),
              count_of(report.nodes_released, "dead node", "dead nodes"),
              report.idle ? "; nothing is left to do" : "");
  if (report.drops_waiting != 0) {
    context.say("{} can still be taken back ('ramet undelete --list')\n",
                count_of(report.drops_waiting, "dropped thing", "dropped things"));
  }
  if (report.paused) {
    context.say("nothing is given back in the background ('ramet config reclaim=on')\n");
  }
  return kExitOk;
}

}  // namespace

void add_store_commands(CommandLine& line) {
  const std::string allowed(find_setting(kCompressionSetting)->allowed);
  auto init = std::make_shared<InitOptions>();
  Command(line, line.app, "init", "Make a new store", "[DIR]",
          {"ramet init /srv/store",
           "ramet init --compression zstd:9  # an option of 'ramet config'",
           "ramet init                       # in --store, $RAMET_STORE or the current directory"})
      .argument("dir", init->directory, "An empty or missing directory", false)
      .option("--compression", init->compression, "X", "How content is compressed: " + allowed)
      .run(init, run_init);
  auto info = std::make_shared<InfoOptions>();
  Command(line, line.app, "info", "Show what a store holds and takes", "",
          {"ramet info", "ramet info --json | jq .segment_bytes"})
      .run(info, Access::kRead, run_info);
  auto reclaim = std::make_shared<ReclaimCommand>();
  Command(line, line.app, "reclaim", "Give space back that nothing needs any more", "",
          {"ramet reclaim --until-idle", "ramet reclaim --dry-run"})
      .flag("--dry-run", reclaim->dry_run, "Only say what would be done now")
      .flag("--now", reclaim->now, "Also of what could still be taken back ('ramet undelete')")
      .option("--rate", reclaim->rate, "SIZE", "Bytes a second to copy at most (default: any)")
      .flag("--until-idle", reclaim->until_idle, "Go on until nothing is left (default: one step)")
      .run(reclaim, Access::kWrite, run_reclaim);
}

}  // namespace ramet::tools
