// fsck --plan, --apply, --undo and --accept, and scavenge.
#include "tools/cmd_repair.h"

#include <algorithm>

#include "engine/import.h"
#include "engine/repair.h"
#include "tools/commands.h"
#include "tools/local_client.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

Json step_json(const RepairStep& step) {
  Json json;
  json["outcome"] = outcome_name(step.outcome);
  json["message"] = to_utf8(step.message);
  if (!step.container.empty()) set_name(json, "container", step.container);
  if (!step.snapshot.empty()) set_name(json, "snapshot", step.snapshot);
  if (!step.path.empty()) set_name(json, "path", step.path);
  if (!step.saved_as.empty()) set_name(json, "saved_as", step.saved_as);
  if (step.id) json["id"] = to_uuid(ObjectId{*step.id});
  return json;
}

// "moved  prod@monday:/a/b to /lost+found/b: why".
std::string step_line(const RepairStep& step) {
  std::string place = place_text(step.container, step.snapshot, step.path, step.id);
  if (!place.empty()) {
    if (!step.saved_as.empty()) place += " to " + step.saved_as;
    place += ":";
  }
  return fmt::format("{:<6}{} {}", outcome_name(step.outcome), place, step.message);
}

void print_summary(Context& context, const RepairReport& report, bool apply) {
  if (context.quiet) return;
  if (report.mended == 0 && report.is_whole()) {
    context.out.print("nothing is to be mended\n");
    return;
  }
  context.out.print("\n{}{} mended, {} older, {} moved to {}, {} lost; ", apply ? "" : "would be: ",
                    report.mended, report.older, report.moved, kLostAndFound, report.lost);
  context.out.print("{}, {}, {}, as of commit {}\n",
                    count_of(report.containers, "container", "containers"),
                    count_of(report.snapshots, "snapshot", "snapshots"),
                    count_of(report.objects, "object", "objects"), report.sequence);
  if (apply) {
    context.out.print("Nothing that was there is gone: 'ramet fsck --undo' takes it back.\n"
                      "Space that it replaced stays in use until 'ramet fsck --accept'.\n");
  } else {
    context.out.print("Nothing was changed.\n");
  }
}

struct ScavengeCommand {
  std::string directory;
  bool dry_run = false;
  bool data = false;
  uint64_t threads = 0;
};

Result<int> run_scavenge(Context& context, const ScavengeCommand& command) {
  RAMET_ASSIGN(const std::string path, store_of(context, command.directory));
  RepairCommand repair;
  repair.plan = command.dry_run;
  repair.apply = !command.dry_run;
  repair.data = command.data;
  repair.scavenge = true;
  repair.threads = command.threads;
  return run_repair(context, path, repair);
}

}  // namespace

Result<std::string> store_of(Context& context, const std::string& directory) {
  return directory.empty() ? find_store(context) : Result<std::string>(directory);
}

int report_failure(Context& context, const Error& error) {
  const int code = error.code() == ErrorCode::kCancelled ? kFsckCancelled : kFsckFailed;
  report_error(context, error, code);
  return code;
}

std::string place_text(const std::string& container, const std::string& snapshot,
                       const std::string& path, const std::optional<IdBytes>& id) {
  if (container.empty()) return {};
  std::string place = " " + container;
  if (!snapshot.empty()) place += "@" + snapshot;
  if (!path.empty()) place += ":" + path;
  if (path.empty() && id) place += ":" + to_uuid(ObjectId{*id});
  return place;
}

Result<int> run_repair(Context& context, const std::string& path, const RepairCommand& command) {
  const Status alone = require_no_daemon(context, path);
  if (!alone.ok()) return report_failure(context, alone.error());
  if (command.undo || command.accept) {
    const Status done = command.undo ? undo_repair(path, command.discard_commits)
                                     : accept_repair(path);
    if (!done.ok()) return report_failure(context, done.error());
    context.say("{}\n", command.undo ? "the repair was taken back: the store is as it was before"
                                     : "the repair is for good");
    return kFsckSound;
  }
  CopyProgress progress;
  RepairOptions options;
  options.apply = command.apply;
  options.data = command.data;
  options.scavenge = command.scavenge;
  options.threads = static_cast<unsigned>(std::min(command.threads, kThreadsMax));
  options.progress = &progress;
  Json steps = Json::array();
  const auto done = [&] {
    const ProgressLine line("reading", progress, !context.no_progress);
    return repair(path, options, [&](const RepairStep& step) {
      if (context.json) {
        steps.push_back(step_json(step));
      } else {
        context.out.print("{}\n", escape_message(step_line(step)));
      }
    });
  }();
  if (!done.ok()) return report_failure(context, done.error());
  if (context.json) {
    Json json;
    json["steps"] = std::move(steps);
    json["mended"] = done->mended;
    json["older"] = done->older;
    json["moved"] = done->moved;
    json["lost"] = done->lost;
    json["sequence"] = done->sequence;
    json["containers"] = done->containers;
    json["snapshots"] = done->snapshots;
    json["objects"] = done->objects;
    json["segments_copied"] = done->segments;
    json["applied"] = done->applied;
    print_json(context.out, json);
  } else {
    print_summary(context, *done, done->applied);
  }
  if (done->mended == 0 && done->is_whole()) return kFsckSound;
  if (!done->applied) return kFsckErrorsLeft;
  return done->is_whole() ? kFsckMended : kFsckMended | kFsckErrorsLeft;
}

void add_repair_commands(CommandLine& line) {
  auto scavenge = std::make_shared<ScavengeCommand>();
  Command(line, line.app, "scavenge",
          "Rebuild a store from its segments, believing nothing else", "[DIR]",
          {"ramet scavenge --dry-run /srv/store", "ramet scavenge /srv/store"})
      .argument("dir", scavenge->directory, "The store (default: as --store)", false)
      .flag("--dry-run", scavenge->dry_run, "Only say what would be done")
      .flag("--data", scavenge->data, "Read every block, too")
      .number("--threads", scavenge->threads, "Threads (default: one for each processor)")
      .run(scavenge, run_scavenge);
}

}  // namespace ramet::tools
