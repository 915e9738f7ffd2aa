// import, export
#include <chrono>

#include "engine/import.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Json report_json(const CopyReport& report, double seconds) {
  Json json = {{"files", report.files},
               {"folders", report.folders},
               {"symlinks", report.symlinks},
               {"hard_links", report.hard_links},
               {"others", report.others},
               {"bytes", report.bytes},
               {"seconds", seconds}};
  json["problems"] = Json::array();
  for (const CopyProblem& problem : report.problems) {
    Json one;
    set_name(one, "path", problem.path);
    one["reason"] = to_utf8(problem.reason);
    json["problems"].push_back(std::move(one));
  }
  json["problems_left_out"] = report.problems_left_out;
  return json;
}

// "5 files, 2 folders, 1 symbolic link"
std::string counts_text(const CopyReport& report) {
  std::string text = count_of(report.files, "file", "files") + ", " +
                     count_of(report.folders, "folder", "folders");
  const auto add = [&](uint64_t count, const char* one, const char* many) {
    if (count != 0) text += ", " + count_of(count, one, many);
  };
  add(report.symlinks, "symbolic link", "symbolic links");
  add(report.hard_links, "hard link", "hard links");
  add(report.others, "other", "others");
  return text;
}

std::string rate_text(uint64_t bytes, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
  return fmt::format("{} in {}, {}/s", human_bytes(bytes), human_duration(seconds),
                     human_bytes(static_cast<uint64_t>(rate)));
}

// Problems stand in the JSON report with --json.
int report_problems(const Context& context, const CopyReport& report) {
  if (report.problems.empty()) return kExitOk;
  if (!context.json) {
    for (const CopyProblem& problem : report.problems) {
      report_problem(context, problem.path, problem.reason);
    }
    if (report.problems_left_out != 0) {
      report_problem(context, "and so on",
                     count_of(report.problems_left_out, "more problem", "more problems"));
    }
  }
  return kExitDifferences;
}

struct ImportArguments {
  std::string directory;
  std::string target;
  bool create = false;
  bool no_owners = false;
  bool no_xattrs = false;
  bool no_stat_cache = false;
  uint64_t threads = 0;
};

// The container, and whether it was made for this import.
struct ImportTarget {
  ContainerInfo container;
  bool is_new = false;
};

Result<ImportTarget> import_target(Context& context, Session& session, const PathSpec& spec,
                                   bool create) {
  auto found = session.store().container(spec.container);
  if (found.ok()) return ImportTarget{std::move(*found), false};
  if (found.error().code() != ErrorCode::kNotFound) return std::move(found).error();
  if (!create) {
    context.hint = "--create makes it";
    return std::move(found).error();
  }
  RAMET_ASSIGN(ContainerInfo made, session.store().create_container(spec.container));
  return ImportTarget{std::move(made), true};
}

Result<int> run_import(Context& context, Session& session, const ImportArguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  RAMET_ASSIGN(const PathSpec spec, parse_path_spec(arguments.target));
  RAMET_TRY(require_head(spec));
  RAMET_ASSIGN(const ImportTarget target,
               import_target(context, session, spec, arguments.create));
  CopyProgress progress;
  ImportOptions options;
  options.owners = !arguments.no_owners;
  options.xattrs = !arguments.no_xattrs;
  options.stat_cache = !arguments.no_stat_cache;
  options.threads = static_cast<unsigned>(arguments.threads);
  options.progress = &progress;
  auto imported = [&]() -> Result<CopyReport> {
    const ProgressLine line("importing", progress, !context.no_progress);
    RAMET_ASSIGN(const std::string directory, context.caller.local_path(arguments.directory));
    return import_tree(session.store(), target.container.id, directory, spec.path, options);
  }();
  if (!imported.ok()) {
    if (target.is_new) {
      ignore_error(session.store().drop_container(target.container.id),
                   "an empty container stays; the import's own error is reported");
    }
    return std::move(imported).error();
  }
  const CopyReport& report = *imported;
  const double seconds = seconds_since(start);
  if (context.json) {
    Json json = report_json(report, seconds);
    json["unchanged"] = report.unchanged;
    json["sequence"] = report.sequence;
    json["ingest"] = {{"content_bytes", report.ingest.content_bytes},
                      {"blocks", report.ingest.blocks},
                      {"new_blocks", report.ingest.new_blocks},
                      {"new_block_bytes", report.ingest.new_block_bytes},
                      {"new_stored_bytes", report.ingest.new_stored_bytes}};
    print_json(context.out, json);
  }
  context.say("imported {}: {}\n", counts_text(report), rate_text(report.bytes, seconds));
  context.say("{} of {} were new: {}; {}\n", count_of(report.ingest.new_blocks, "block", "blocks"),
              with_commas(report.ingest.blocks), stored_text(report.ingest),
              count_of(report.unchanged, "object was", "objects were") + " there already");
  return report_problems(context, report);
}

struct ExportArguments {
  std::string source;
  std::string directory;
  bool overwrite = false;
  bool sync = false;
  bool no_owners = false;
  bool no_xattrs = false;
  uint64_t threads = 0;
};

Result<int> run_export(Context& context, Session& session, const ExportArguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  RAMET_ASSIGN(const Place place, session.place(arguments.source));
  RAMET_ASSIGN(const Entry entry, lookup(place));
  CopyProgress progress;
  ExportOptions options;
  options.overwrite = arguments.overwrite;
  options.sync = arguments.sync;
  options.owners = !arguments.no_owners;
  options.xattrs = !arguments.no_xattrs;
  options.threads = static_cast<unsigned>(arguments.threads);
  options.progress = &progress;
  if (entry.is_folder() && place.spec.is_root()) {  // then the totals are known beforehand
    const Summary& summary = place.view->summary();
    progress.bytes_total = summary[SummaryColumn::kContentBytes];
  }
  auto exported = [&]() -> Result<CopyReport> {
    RAMET_ASSIGN(const std::string directory, context.caller.local_path(arguments.directory));
    const ProgressLine line("exporting", progress, !context.no_progress);
    return export_tree(*place.view, place.spec.path, directory, options);
  }();
  if (!exported.ok()) {
    if (exported.error().code() == ErrorCode::kAlreadyExists) {
      context.hint = "--overwrite replaces what is there";
    }
    return std::move(exported).error();
  }
  const double seconds = seconds_since(start);
  if (context.json) print_json(context.out, report_json(*exported, seconds));
  context.say("exported {}: {}\n", counts_text(*exported), rate_text(exported->bytes, seconds));
  return report_problems(context, *exported);
}

}  // namespace

void add_copy_commands(CommandLine& line) {
  auto import = std::make_shared<ImportArguments>();
  Command(line, line.app, "import", "Store a directory tree, in one commit", "DIR PATH",
          {"ramet import --create /usr/share prod:/share", "ramet import ./data prod:/",
           "ramet import --no-owners ~/photos home:/photos"})
      .argument("dir", import->directory, "A directory (what is in it is stored), or a file")
      .argument("path", import->target, "The folder to store it in: container[:/path]")
      .flag("--create", import->create, "Make the container if it is missing")
      .flag("--no-owners", import->no_owners, "Leave out users and groups")
      .flag("--no-xattrs", import->no_xattrs, "Leave out extended attributes")
      .flag("--no-stat-cache", import->no_stat_cache,
            "Read files again that look the same as at the last import")
      .number("-j,--threads", import->threads, "Readers (default: by the machine)")
      .flag("--verify-hits", line.context.verify_hits,
            "Read what is stored already before leaning on it (after damage)")
      .run(import, Access::kWrite, run_import);
  auto export_ = std::make_shared<ExportArguments>();
  Command(line, line.app, "export", "Write a stored tree into the file system", "PATH DIR",
          {"ramet export prod:/share /tmp/share", "ramet export prod@nightly /srv/restored",
           "ramet export --overwrite prod:/share /tmp/share"})
      .argument("path", export_->source, "container[@snapshot][:/path]")
      .argument("dir", export_->directory, "Where to: made if it is missing")
      .flag("--overwrite", export_->overwrite, "Replace files that are there")
      .flag("--sync", export_->sync, "End only when all of it is durable")
      .flag("--no-owners", export_->no_owners, "Leave users and groups as they come")
      .flag("--no-xattrs", export_->no_xattrs, "Leave out extended attributes")
      .number("-j,--threads", export_->threads, "Writers (default: by the machine)")
      .run(export_, Access::kRead, run_export);
}

}  // namespace ramet::tools
