#include "tools/usage_report.h"

#include <optional>

#include "engine/usage.h"
#include "tools/progress.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

struct Targets {
  std::vector<PathSpec> specs;
  std::vector<UsageTarget> targets;
};

Result<Targets> find_targets(Context& context, Session& session,
                             const std::vector<std::string>& names) {
  Targets out;
  for (const std::string& name : names) {
    RAMET_ASSIGN(PathSpec spec, parse_path_spec(name));
    if (spec.has_path) {
      return Error(ErrorCode::kInvalidArgument,
                   "'" + name + "' is a path: only whole containers and snapshots hold bytes");
    }
    RAMET_ASSIGN(const ContainerInfo info, session.container(spec.container));
    if (!spec.snapshot.empty()) {
      const auto view = session.store().view(info.id, spec.snapshot);
      if (!view.ok()) {
        context.hint = fmt::format("'ramet snapshot list {}' shows what there is", spec.container);
        return view.error();
      }
    }
    out.targets.push_back({info.id, spec.snapshot});
    out.specs.push_back(std::move(spec));
  }
  return out;
}

// Runs a call that reads trees: with a progress line, until it is interrupted.
template <typename Call>
auto watched(const Context& context, const Call& call) {
  CopyProgress progress;
  const ProgressLine line("reading trees", progress, !context.no_progress);
  return call(UsageProgress([&](uint64_t) { return !progress.cancel; }));
}

void say_how_old(Context& context, uint64_t sequence, uint64_t commits_behind) {
  if (commits_behind == 0) return;
  context.say("These are the figures of the last checkpoint, as of commit {}: {} behind it not "
              "counted\n",
              sequence, count_of(commits_behind, "commit is", "commits are"));
}

struct OverheadLine {
  const char* key;
  const char* text;
  uint64_t bytes;
};

std::vector<OverheadLine> overhead_of(const StoreUsage& usage) {
  return {{"catalog_bytes", "the catalog", usage.catalog_bytes},
          {"dropped_bytes", "dropped, not given back yet", usage.dropped_bytes},
          {"pending_bytes", "dead nodes and what they hold", usage.pending_bytes},
          {"unused_bytes", "dead blocks and nodes, or not counted yet", usage.unused_bytes},
          {"frame_bytes", "headers, footers and ends of segments", usage.frame_bytes},
          {"log_bytes", "the log", usage.log_bytes},
          {"map_bytes", "the map of segments and counts", usage.map_bytes},
          {"leftover_bytes", "files that are being removed", usage.leftover_bytes},
          {"index_bytes", "the index", usage.index_bytes},
          {"superblock_bytes", "superblocks", usage.superblock_bytes},
          {"ballast_bytes", "ballast", usage.ballast_bytes},
          {"other_bytes", "other files", usage.other_bytes}};
}

Json line_json(const UsageLine& line) {
  Json json;
  set_name(json, "container", line.container_name);
  if (!line.target.snapshot.empty()) set_name(json, "snapshot", line.target.snapshot);
  json["objects"] = line.objects;
  json["bytes"] = line.logical_bytes;
  json["exclusive_bytes"] = line.exclusive_bytes;
  json["share_bytes"] = line.share_bytes;
  return json;
}

Json usage_json(const StoreUsage& usage) {
  Json json;
  json["containers"] = Json::array();
  for (const UsageLine& line : usage.lines) json["containers"].push_back(line_json(line));
  json["other_share_bytes"] = usage.other_share_bytes;
  for (const OverheadLine& line : overhead_of(usage)) json[line.key] = line.bytes;
  json["total_bytes"] = usage.total_bytes;
  json["hole_bytes"] = usage.hole_bytes;
  json["allocated_bytes"] = usage.allocated_bytes;
  json["nodes_read"] = usage.nodes_read;
  json["sequence"] = usage.sequence;
  json["commits_behind"] = usage.commits_behind;
  return json;
}

void print_usage(Context& context, const StoreUsage& usage, bool exact) {
  const auto size = [&](uint64_t bytes) {
    return exact ? std::to_string(bytes) : short_bytes(bytes);
  };
  Table table(context.out, "rrrrl", context.style.end());
  table.row({"share", "exclusive", "logical", "objects", ""});
  for (const UsageLine& line : usage.lines) {
    PathSpec spec;
    spec.container = line.container_name;
    spec.snapshot = line.target.snapshot;
    table.row({size(line.share_bytes), size(line.exclusive_bytes), size(line.logical_bytes),
               with_commas(line.objects), context.style.name(spec.to_string())});
  }
  const auto rest = [&](uint64_t bytes, const std::string& text) {
    if (bytes != 0) table.row({size(bytes), "", "", "", "(" + text + ")"});
  };
  rest(usage.other_share_bytes, "all other containers and snapshots");
  for (const OverheadLine& line : overhead_of(usage)) rest(line.bytes, line.text);
  table.row({size(usage.total_bytes), "", "", "",
             fmt::format("(all files together; {} allocated)", size(usage.allocated_bytes))});
}

}  // namespace

Result<int> report_shares(Context& context, Session& session,
                          const std::vector<std::string>& names, bool exact) {
  RAMET_ASSIGN(const Targets found, find_targets(context, session, names));
  RAMET_ASSIGN(const StoreUsage usage, watched(context, [&](const UsageProgress& progress) {
                 return session.store().usage(found.targets, progress);
               }));
  if (context.json) {
    print_json(context.out, usage_json(usage));
    return kExitOk;
  }
  print_usage(context, usage, exact);
  say_how_old(context, usage.sequence, usage.commits_behind);
  return kExitOk;
}

Result<int> report_would_free(Context& context, Session& session,
                              const std::vector<std::string>& names) {
  RAMET_ASSIGN(const Targets found, find_targets(context, session, names));
  RAMET_ASSIGN(const WouldFree freed, watched(context, [&](const UsageProgress& progress) {
                 return session.store().would_free(found.targets, progress);
               }));
  if (context.json) {
    Json json;
    json["bytes"] = freed.bytes;
    json["nodes"] = freed.nodes;
    json["blocks"] = freed.blocks;
    json["nodes_read"] = freed.nodes_read;
    json["sequence"] = freed.sequence;
    json["commits_behind"] = freed.commits_behind;
    print_json(context.out, json);
    return kExitOk;
  }
  context.out.print("{} bytes would be freed ({}): {} and {}\n", with_commas(freed.bytes),
                    human_bytes(freed.bytes), count_of(freed.blocks, "block", "blocks"),
                    count_of(freed.nodes, "tree node", "tree nodes"));
  say_how_old(context, freed.sequence, freed.commits_behind);
  return kExitOk;
}

}  // namespace ramet::tools
