// fsck and scrub: what is wrong with a store, without opening it.
#include <algorithm>

#include "engine/fsck.h"
#include "engine/import.h"
#include "engine/quantity.h"
#include "engine/scrub.h"
#include "engine/settings.h"
#include "format/ids.h"
#include "tools/cmd_repair.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

struct FsckCommand {
  std::string directory;
  bool data = false;
  uint64_t threads = 0;
  RepairCommand repair;
};

Json finding_json(const Finding& finding) {
  Json json;
  json["code"] = finding.kind->code;
  json["severity"] = severity_name(finding.kind->severity);
  json["message"] = to_utf8(finding.message);
  if (!finding.file.empty()) {
    set_name(json, "file", finding.file);
    json["offset"] = finding.offset;
  }
  if (finding.segment != 0) json["segment"] = finding.segment;
  if (finding.slot) json["slot"] = *finding.slot;
  if (!finding.container.empty()) set_name(json, "container", finding.container);
  if (!finding.snapshot.empty()) set_name(json, "snapshot", finding.snapshot);
  if (!finding.path.empty()) set_name(json, "path", finding.path);
  if (finding.id) json["id"] = to_uuid(ObjectId{*finding.id});
  return json;
}

// "lost node-unreadable prod@monday:/a/b (segment 3 slot 17): what".
std::string finding_line(const Finding& finding) {
  std::string place = place_text(finding.container, finding.snapshot, finding.path, finding.id);
  std::string where;
  if (!finding.file.empty()) {
    where = finding.file + (finding.offset != 0 ? " at " + std::to_string(finding.offset) : "");
  }
  if (finding.segment != 0) {
    where += (where.empty() ? "" : ", ") + ("segment " + std::to_string(finding.segment));
    if (finding.slot) where += " slot " + std::to_string(*finding.slot);
  }
  if (!where.empty()) place += " (" + where + ")";
  return fmt::format("{:<6} {}{}: {}", severity_name(finding.kind->severity), finding.kind->code,
                     place, finding.message);
}

// What each kind of finding means and what to do, once.
void print_kinds(Context& context, const std::vector<const FindingKind*>& kinds) {
  for (const FindingKind* kind : kinds) {
    context.out.print("\n{}: {}\n  {}\n", kind->code, kind->meaning, kind->action);
  }
  if (!kinds.empty()) context.out.print("\n");
}

std::string totals(uint64_t lost, uint64_t damage, uint64_t hints) {
  if (lost + damage + hints == 0) return "nothing is wrong";
  return count_of(lost, "loss", "losses") + ", " + count_of(damage, "damage", "damages") + ", " +
         count_of(hints, "hint", "hints");
}

void print_report(Context& context, const FsckReport& report,
                  const std::vector<const FindingKind*>& kinds) {
  if (context.quiet) return;
  print_kinds(context, kinds);
  if (report.restarts != 0) {
    context.out.print("begun again {}: another process replaced what was being read\n",
                      count_of(report.restarts, "time", "times"));
  }
  context.out.print("{}, {}, {}, {} read, as of commit {}{}: {}\n",
                    count_of(report.roots, "root", "roots"),
                    count_of(report.objects, "object", "objects"),
                    count_of(report.nodes, "node", "nodes"), human_bytes(report.bytes_read),
                    report.sequence,
                    report.open_elsewhere ? " (the last checkpoint: the store is open)" : "",
                    totals(report.lost, report.damage, report.hints));
}

// Prints findings as they are made, or keeps them for JSON.
class FindingList {
 public:
  explicit FindingList(Context& context) : context_(context) {}

  void add(const Finding& finding) {
    if (std::find(kinds_.begin(), kinds_.end(), finding.kind) == kinds_.end()) {
      kinds_.push_back(finding.kind);
    }
    if (context_.json) {
      json_.push_back(finding_json(finding));
    } else {
      context_.out.print("{}\n", escape_message(finding_line(finding)));
    }
  }
  const std::vector<const FindingKind*>& kinds() const { return kinds_; }
  Json take_json() { return std::move(json_); }

 private:
  Context& context_;
  std::vector<const FindingKind*> kinds_;
  Json json_ = Json::array();
};

Result<int> run_fsck(Context& context, const FsckCommand& command) {
  RAMET_ASSIGN(const std::string path, store_of(context, command.directory));
  if (command.repair.any()) {
    RepairCommand repair = command.repair;
    if (repair.plan + repair.apply + repair.undo + repair.accept > 1) {
      return report_failure(context, context.fail(ErrorCode::kInvalidArgument,
                                                  "--plan, --apply, --undo and --accept are "
                                                  "alternatives", "name one of them"));
    }
    repair.data = command.data;
    repair.threads = command.threads;
    return run_repair(context, path, repair);
  }
  CopyProgress progress;
  FsckOptions options;
  options.data = command.data;
  options.threads = static_cast<unsigned>(std::min(command.threads, kThreadsMax));
  options.progress = &progress;
  FindingList findings(context);
  const auto done = [&] {
    const ProgressLine line("checking", progress, !context.no_progress);
    return fsck(path, options, [&](const Finding& finding) { findings.add(finding); });
  }();
  if (!done.ok()) return report_failure(context, done.error());
  if (context.json) {
    Json json;
    json["findings"] = findings.take_json();
    json["lost"] = done->lost;
    json["damage"] = done->damage;
    json["hints"] = done->hints;
    json["sequence"] = done->sequence;
    json["segments"] = done->segments;
    json["roots"] = done->roots;
    json["objects"] = done->objects;
    json["nodes"] = done->nodes;
    json["slots"] = done->slots;
    json["bytes_read"] = done->bytes_read;
    json["open_elsewhere"] = done->open_elsewhere;
    json["restarts"] = done->restarts;
    print_json(context.out, json);
  } else {
    print_report(context, *done, findings.kinds());
  }
  return done->is_sound() ? kFsckSound : kFsckErrorsLeft;
}

// --- scrub ---------------------------------------------------------------------------------------

struct ScrubCommand {
  std::string directory;
  std::string rate;
  bool restart = false;
  bool if_due = false;
  bool status = false;
  uint64_t threads = 0;
};

Json pass_json(const ScrubPass& pass) {
  Json json;
  json["pass"] = pass.number;
  json["begun"] = iso_time(pass.begun);
  if (pass.finished != 0) json["finished"] = iso_time(pass.finished);
  json["bytes_done"] = pass.bytes_done;
  json["bytes_total"] = pass.bytes_total;
  json["sequence"] = pass.sequence;
  json["lost"] = pass.lost;
  json["damage"] = pass.damage;
  json["hints"] = pass.hints;
  json["findings"] = Json::array();
  for (const ScrubFinding& one : pass.findings) {
    Json finding = finding_json(one.finding);
    finding["found"] = iso_time(one.found);
    json["findings"].push_back(std::move(finding));
  }
  return json;
}

void print_pass(Context& context, const ScrubPass& pass) {
  const std::string found = totals(pass.lost, pass.damage, pass.hints);
  if (pass.finished != 0) {
    context.out.print("pass {}: {} to {}, {} read, as of commit {}: {}\n", pass.number,
                      short_time(pass.begun), short_time(pass.finished),
                      human_bytes(pass.bytes_done), pass.sequence, found);
  } else {
    context.out.print("pass {}: begun {}, {} of {} read: {}{}\n", pass.number,
                      short_time(pass.begun), human_bytes(pass.bytes_done),
                      human_bytes(pass.bytes_total), found,
                      pass.findings.empty() ? "" : " so far; its end tells what holds them");
  }
  for (const ScrubFinding& one : pass.findings) {
    context.out.print("{}  {}\n", short_time(one.found), escape_message(finding_line(one.finding)));
  }
}

Result<int> show_scrub_status(Context& context, const std::string& path) {
  const auto status = scrub_status(path, nullptr);
  if (!status.ok()) return report_failure(context, status.error());
  if (context.json) {
    Json json;
    if (status->current) json["current"] = pass_json(*status->current);
    if (status->last) json["last"] = pass_json(*status->last);
    print_json(context.out, json.is_null() ? Json::object() : json);
  } else {
    if (status->last) print_pass(context, *status->last);
    if (status->current) print_pass(context, *status->current);
    if (!status->last && !status->current) context.say("the store was never scrubbed\n");
  }
  const bool sound = (!status->last || status->last->is_sound()) &&
                     (!status->current || status->current->is_sound());
  return sound ? kFsckSound : kFsckErrorsLeft;
}

// Whether there is something to do by 'scrub-interval'; says so if not.
Result<bool> scrub_due(Context& context, const std::string& path) {
  auto status = scrub_status(path, nullptr);
  if (!status.ok() && status.error().code() == ErrorCode::kCorruption) status = ScrubStatus{};
  RAMET_TRY(status);
  RAMET_ASSIGN(const auto interval, scrub_interval(path, nullptr));
  if (is_scrub_due(*status, interval, io::default_env()->now())) return true;
  if (context.json) {
    print_json(context.out, Json{{"due", false}});
  } else if (!interval) {
    context.say("never due ('ramet config scrub-interval 7d')\n");
  } else {
    context.say("not due before {}\n", short_time(status->last->begun + *interval));
  }
  return false;
}

Result<int> run_scrub(Context& context, const ScrubCommand& command) {
  RAMET_ASSIGN(const std::string path, store_of(context, command.directory));
  if (command.status) return show_scrub_status(context, path);
  CopyProgress progress;
  ScrubOptions options;
  options.threads = static_cast<unsigned>(std::min(command.threads, kThreadsMax));
  options.restart = command.restart;
  options.progress = &progress;
  if (!command.rate.empty()) {
    RAMET_ASSIGN(const std::string rate, check_setting(kScrubRateSetting, command.rate, false));
    options.rate = 0;
    if (rate != "none") {
      RAMET_ASSIGN(options.rate, parse_bytes(rate));
    }
  }
  if (command.if_due) {
    const auto due = scrub_due(context, path);
    if (!due.ok()) return report_failure(context, due.error());
    if (!*due) return kFsckSound;
  }
  FindingList findings(context);
  const auto done = [&] {
    const ProgressLine line("scrubbing", progress, !context.no_progress);
    return scrub(path, options, [&](const Finding& finding) { findings.add(finding); });
  }();
  if (!done.ok()) return report_failure(context, done.error());
  if (context.json) {
    print_json(context.out, pass_json(*done));
  } else if (!context.quiet) {
    print_kinds(context, findings.kinds());
    context.out.print("pass {}, {} read, as of commit {}: {}\n", done->number,
                      human_bytes(done->bytes_done), done->sequence,
                      totals(done->lost, done->damage, done->hints));
  }
  return done->is_sound() ? kFsckSound : kFsckErrorsLeft;
}

}  // namespace

void add_check_commands(CommandLine& line) {
  auto check = std::make_shared<FsckCommand>();
  Command(line, line.app, "fsck", "Check a store from its files, and say what is wrong", "[DIR]",
          {"ramet fsck /srv/store", "ramet fsck --data --json | jq .findings",
           "ramet fsck --plan    # what a repair would do", "ramet fsck --apply",
           "ramet fsck --undo    # bit for bit"})
      .argument("dir", check->directory, "The store (default: as --store)", false)
      .flag("--data", check->data, "Read everything, not only what describes it")
      .flag("--plan", check->repair.plan, "Say what a repair would do")
      .flag("--apply", check->repair.apply, "Do it; what it replaces is kept")
      .flag("--undo", check->repair.undo, "Take the last repair back")
      .flag("--discard-commits", check->repair.discard_commits,
            "With --undo: also if commits were made since, which are lost")
      .flag("--accept", check->repair.accept, "The last repair is for good")
      .number("--threads", check->threads, "Threads (default: one for each processor)")
      .run(check, run_fsck);
  auto scrub = std::make_shared<ScrubCommand>();
  Command(line, line.app, "scrub", "Read everything, and say what can no longer be read", "[DIR]",
          {"ramet scrub --rate 100M /srv/store  # goes on where the last one was interrupted",
           "ramet scrub --if-due                # from a timer (docs/operations.md)",
           "ramet scrub --status"})
      .argument("dir", scrub->directory, "The store (default: as --store)", false)
      .flag("--if-due", scrub->if_due, "Only if the setting scrub-interval says so")
      .option("--rate", scrub->rate, "SIZE",
              "Bytes a second to read at most (default: the setting scrub-rate)")
      .flag("--restart", scrub->restart, "Begin again instead of going on")
      .flag("--status", scrub->status, "Only show how far it is and what was found")
      .number("--threads", scrub->threads, "Threads that read (default: by the machine)")
      .run(scrub, run_scrub);
}

}  // namespace ramet::tools
