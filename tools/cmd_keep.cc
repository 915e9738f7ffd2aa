// rollback, undelete, expire; snapshot prune
#include <array>
#include <chrono>
#include <optional>

#include "engine/quantity.h"
#include "engine/store.h"
#include "tools/commands.h"
#include "tools/keep.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

// --- rollback ------------------------------------------------------------------------------------

struct RollbackOptions {
  std::string name;
};

Result<int> run_rollback(Context& context, Session& session, const RollbackOptions& options) {
  RAMET_ASSIGN(const PathSpec spec, snapshot_name(context, options.name));
  RAMET_ASSIGN(const ContainerInfo info, session.container(spec.container));
  auto done = session.store().rollback(info.id, spec.snapshot);
  if (!done.ok()) {
    if (done.error().code() == ErrorCode::kNotFound) {
      context.hint = fmt::format("'ramet snapshot list {}' shows what there is", spec.container);
    }
    return std::move(done).error();
  }
  const std::string kept = spec.container + "@" + done->kept;
  if (context.json) {
    Json json;
    set_name(json, "container", spec.container);
    set_name(json, "snapshot", spec.snapshot);
    set_name(json, "kept", done->kept);
    json["sequence"] = done->sequence;
    print_json(context.out, json);
  }
  context.say("{} is as it was in {}; what it was before is {}\n",
              context.style.name(spec.container), context.style.name(options.name),
              context.style.name(kept));
  return kExitOk;
}

// --- undelete ------------------------------------------------------------------------------------

struct UndeleteOptions {
  std::string name;
  std::string as;
  bool list = false;
};

// "@COMMIT" or "@COMMIT.N": never the name of anything, since those have no '@' in front.
std::string number_text(DropNumber number) {
  const DropNumber part = number & (kDropPartsMax - 1);
  const std::string text = fmt::format("@{}", number / kDropPartsMax);
  return part == 0 ? text : fmt::format("{}.{}", text, part);
}

std::string dropped_name(const DroppedInfo& info) {
  return info.snapshot.empty() ? info.name : info.name + "@" + info.snapshot;
}

Result<std::vector<DroppedInfo>> all_dropped(Session& session) {
  std::vector<DroppedInfo> found;
  RAMET_TRY(session.store().dropped([&](const DroppedInfo& info) {
    found.push_back(info);
    return true;
  }));
  return found;
}

Json dropped_json(const DroppedInfo& info) {
  Json json;
  json["number"] = number_text(info.number);
  set_name(json, "container", info.name);
  if (!info.snapshot.empty()) set_name(json, "snapshot", info.snapshot);
  json["id"] = to_uuid(info.container);
  json["dropped"] = iso_time(info.dropped);
  json["kept_until"] = iso_time(info.kept_until);
  json["snapshots"] = info.snapshots;
  json["objects"] = info.summary[SummaryColumn::kObjects];
  json["bytes"] = info.summary[SummaryColumn::kContentBytes];
  return json;
}

Result<int> list_dropped(Context& context, Session& session) {
  RAMET_ASSIGN(const auto dropped, all_dropped(session));
  if (context.json) {
    JsonArray array(context.out);
    for (const DroppedInfo& info : dropped) array.add(dropped_json(info));
    return kExitOk;
  }
  if (context.quiet || context.style.null) {
    for (const DroppedInfo& info : dropped) {
      context.out.print("{}{}", context.style.name(dropped_name(info)), context.style.end());
    }
    return kExitOk;
  }
  Table table(context.out, "llrrrll");
  table.row({"NUMBER", "NAME", "SNAPSHOTS", "OBJECTS", "BYTES", "DROPPED", "KEPT UNTIL"});
  for (const DroppedInfo& info : dropped) {
    table.row({number_text(info.number), context.style.name(dropped_name(info)),
               with_commas(info.snapshots), with_commas(info.summary[SummaryColumn::kObjects]),
               short_bytes(info.summary[SummaryColumn::kContentBytes]), short_time(info.dropped),
               short_time(info.kept_until)});
  }
  return kExitOk;
}

// By number, or the only one of that name.
Result<DroppedInfo> find_dropped(Context& context, Session& session, const std::string& name) {
  RAMET_ASSIGN(const auto dropped, all_dropped(session));
  std::optional<DroppedInfo> found;
  for (const DroppedInfo& info : dropped) {
    if (number_text(info.number) == name) return info;
    if (dropped_name(info) != name) continue;
    if (found) {
      return context.fail(ErrorCode::kFailedPrecondition,
                          fmt::format("'{}' was dropped more than once", name),
                          fmt::format("'ramet undelete {}' takes the last one back; "
                                      "'ramet undelete --list' shows all",
                                      number_text(dropped.back().number)));
    }
    found = info;
  }
  if (found) return std::move(*found);
  return context.fail(ErrorCode::kNotFound,
                      fmt::format("nothing dropped is called '{}', or its space was given back",
                                  name),
                      "'ramet undelete --list' shows what can be taken back");
}

Result<int> run_undelete(Context& context, Session& session, const UndeleteOptions& options) {
  RAMET_ASSIGN(const DroppedInfo info, find_dropped(context, session, options.name));
  auto done = session.store().undelete(info.number, options.as);
  if (!done.ok()) {
    if (done.error().code() == ErrorCode::kAlreadyExists) {
      context.hint = "--as NAME takes it back under another name";
    } else if (done.error().code() == ErrorCode::kFailedPrecondition) {
      context.hint = "take it back first: 'ramet undelete " + info.name + "'";
    }
    return std::move(done).error();
  }
  const std::string name =
      done->snapshot.empty() ? done->name : done->name + "@" + done->snapshot;
  if (context.json) {
    Json json;
    set_name(json, "container", done->name);
    if (!done->snapshot.empty()) set_name(json, "snapshot", done->snapshot);
    json["id"] = to_uuid(done->container);
    json["snapshots"] = done->snapshots;
    json["sequence"] = done->sequence;
    print_json(context.out, json);
  }
  context.say("{} is back{}\n", context.style.name(name),
              done->snapshots == 0
                  ? std::string()
                  : " with " + count_of(done->snapshots, "snapshot", "snapshots"));
  return kExitOk;
}

Result<int> undelete(Context& context, const UndeleteOptions& options) {
  const bool list = options.list || options.name.empty();
  if (list && !(options.name.empty() && options.as.empty())) {
    return Error(ErrorCode::kInvalidArgument, "a list takes no name");
  }
  return with_session(context, list ? Access::kRead : Access::kWrite, [&](Session& session) {
    return list ? list_dropped(context, session) : run_undelete(context, session, options);
  });
}

// --- expire --------------------------------------------------------------------------------------

struct ExpireOptions {
  std::vector<std::string> names;
  std::string ttl;
  bool never = false;
};

Result<int> run_expire(Context& context, Session& session, const ExpireOptions& options) {
  if (options.ttl.empty() != options.never) {
    return Error(ErrorCode::kInvalidArgument, "give either --ttl DURATION or --never");
  }
  RAMET_ASSIGN(const int64_t expires, expiry_of(options.ttl));
  std::vector<Place> found;  // all of them first, so that a wrong name changes none
  for (const std::string& name : options.names) {
    RAMET_ASSIGN(PathSpec spec, parse_path_spec(name));
    if (spec.has_path) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}': expected a container or a snapshot", name));
    }
    RAMET_ASSIGN(Place place, session.place(std::move(spec)));
    place.view.reset();
    found.push_back(std::move(place));
  }
  std::optional<JsonArray> array;
  if (context.json) array.emplace(context.out);
  for (const Place& place : found) {
    RAMET_TRY(session.store().set_expiry(place.container.id, place.spec.snapshot, expires));
    if (!array) continue;
    Json json;
    set_name(json, "container", place.spec.container);
    if (!place.spec.snapshot.empty()) set_name(json, "snapshot", place.spec.snapshot);
    json["expires"] = expires == 0 ? Json() : Json(iso_time(expires));
    array->add(json);
  }
  return kExitOk;
}

// --- snapshot prune ------------------------------------------------------------------------------

struct PruneCommand {
  std::string container;
  std::array<uint64_t, kRetentionRules> keep{};
  bool automatic = false;
  bool dry_run = false;
};

std::string kept_text(uint8_t kept_by) {
  std::string text;
  for (size_t rule = 0; rule < kRetentionRules; ++rule) {
    if ((kept_by >> rule & 1) == 0) continue;
    if (!text.empty()) text += ",";
    text += retention_rule_name(static_cast<RetentionRule>(rule));
  }
  return text;
}

void print_pruned(Context& context, const std::string& container, const PruneReport& report) {
  if (context.quiet) return;
  Table table(context.out, "llll", context.style.end());
  for (const PrunedSnapshot& snapshot : report.snapshots) {
    table.row({snapshot.kept_by == 0 ? "drop" : "keep",
               context.style.name(container + "@" + snapshot.info.name),
               short_time(snapshot.info.created), kept_text(snapshot.kept_by)});
  }
}

Json pruned_json(const std::string& container, const PruneReport& report, bool dry_run) {
  Json json;
  set_name(json, "container", container);
  json["keep"] = retention_text(report.policy);
  json["dry_run"] = dry_run;
  json["dropped"] = report.dropped;
  json["snapshots"] = Json::array();
  for (const PrunedSnapshot& snapshot : report.snapshots) {
    Json one;
    set_name(one, "name", snapshot.info.name);
    one["created"] = iso_time(snapshot.info.created);
    one["dropped"] = snapshot.kept_by == 0;
    one["kept_by"] = kept_text(snapshot.kept_by);
    json["snapshots"].push_back(std::move(one));
  }
  return json;
}

Result<int> run_prune(Context& context, Session& session, const PruneCommand& command) {
  PruneOptions options;
  for (size_t rule = 0; rule < kRetentionRules; ++rule) {
    if (command.keep[rule] > UINT32_MAX) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} snapshots are too many to keep", command.keep[rule]));
    }
    options.policy.counts[rule] = static_cast<uint32_t>(command.keep[rule]);
  }
  options.only_automatic = command.automatic;
  options.dry_run = command.dry_run;
  RAMET_ASSIGN(const ContainerInfo info, session.container(command.container));
  auto report = session.store().prune_snapshots(info.id, options);
  if (!report.ok()) {
    if (report.error().code() == ErrorCode::kFailedPrecondition) {
      context.hint = "as in --keep-last 3 --keep-daily 7, or 'ramet config " + info.name +
                     " keep last:3,daily:7'";
    }
    return std::move(report).error();
  }
  if (context.json) {
    print_json(context.out, pruned_json(info.name, *report, command.dry_run));
    return kExitOk;
  }
  print_pruned(context, info.name, *report);
  context.say("{} {}, {} kept\n", command.dry_run ? "would drop" : "dropped",
              count_of(report->dropped, "snapshot", "snapshots"),
              with_commas(report->snapshots.size() - report->dropped));
  return kExitOk;
}

}  // namespace

Result<PathSpec> snapshot_name(Context& context, const std::string& text) {
  RAMET_ASSIGN(PathSpec spec, parse_path_spec(text));
  if (spec.has_path || spec.snapshot.empty()) {
    return context.fail(ErrorCode::kInvalidArgument,
                        fmt::format("'{}': expected a snapshot", text),
                        "written container@snapshot");
  }
  return spec;
}

Result<int64_t> expiry_of(const std::string& ttl) {
  if (ttl.empty()) return int64_t{0};
  RAMET_ASSIGN(const int64_t duration, parse_duration(ttl));
  if (duration == 0) {
    return Error(ErrorCode::kInvalidArgument, "a time to live is more than 0");
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::nanoseconds(now).count() + duration;
}

void add_keep_commands(CommandLine& line) {
  auto rollback = std::make_shared<RollbackOptions>();
  Command(line, line.app, "rollback", "Make a container what it was in a snapshot",
          "CONTAINER@SNAPSHOT",
          {"ramet rollback prod@nightly",
           "ramet rollback prod@before-rollback-1   # undoes it"})
      .argument("snapshot", rollback->name, "A snapshot: container@snapshot")
      .run(rollback, Access::kWrite, run_rollback);
  auto undelete_options = std::make_shared<UndeleteOptions>();
  Command(line, line.app, "undelete", "Take a dropped container or snapshot back", "[NAME]",
          {"ramet undelete --list            # what can be taken back, and until when",
           "ramet undelete test", "ramet undelete prod@nightly",
           "ramet undelete @1042 --as old    # by its number in the list"})
      .argument("name", undelete_options->name,
                "container, container@snapshot, or a number from the list", false)
      .option("--as", undelete_options->as, "NAME", "A new name for it")
      .flag("--list", undelete_options->list, "List what can be taken back (without a NAME, too)")
      .names_options()
      .run(undelete_options, undelete);
  auto expire = std::make_shared<ExpireOptions>();
  Command(line, line.app, "expire", "Say when containers or snapshots are dropped by themselves",
          "NAME...", {"ramet expire test --ttl 1d", "ramet expire test prod@nightly --never"})
      .arguments("name", expire->names, 1, "Containers, or snapshots: container@snapshot")
      .option("--ttl", expire->ttl, "DURATION", "From now on: a number with s, m, h, d or w")
      .flag("--never", expire->never, "They stay until somebody drops them")
      .run(expire, Access::kWrite, run_expire);
  CLI::App& group = find_group(line, "snapshot");
  auto prune = std::make_shared<PruneCommand>();
  Command(line, group, "prune", "Drop the snapshots of a container that no rule keeps",
          "CONTAINER",
          {"ramet snapshot prune prod --keep-last 3 --keep-daily 7 --keep-weekly 4 --dry-run",
           "ramet snapshot prune prod        # by its setting 'keep', automatic ones only"})
      .argument("container", prune->container, "A container")
      .number("--keep-last", prune->keep[0], "Keep the N newest")
      .number("--keep-hourly", prune->keep[1], "... and the newest of each of the N last hours")
      .number("--keep-daily", prune->keep[2], "... days (UTC)")
      .number("--keep-weekly", prune->keep[3], "... weeks, from Monday")
      .number("--keep-monthly", prune->keep[4], "... months")
      .flag("--automatic", prune->automatic, "Leave snapshots alone that people named")
      .flag("--dry-run", prune->dry_run, "Only say what would be dropped")
      .run(prune, Access::kWrite, run_prune);
}

}  // namespace ramet::tools
