// clone, diff
#include <chrono>
#include <optional>

#include "engine/store.h"
#include "tools/commands.h"
#include "tools/keep.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/target.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

struct CloneOptions {
  std::vector<std::string> paths;
  bool keep_ids = false;
  bool history = false;
  std::string existing = "fail";
  std::string note;
  std::string ttl;
};

CloneExisting existing_of(const std::string& word) {
  if (word == "skip") return CloneExisting::kSkip;
  if (word == "replace") return CloneExisting::kReplace;
  return CloneExisting::kFail;
}

// A whole container becomes a new one.
Result<CloneSpec> whole_clone(Session& session, const PathSpec& source, const PathSpec& target) {
  CloneSpec clone;
  RAMET_ASSIGN(const ContainerInfo container, session.container(source.container));
  clone.source = container.id;
  clone.snapshot = source.snapshot;
  clone.new_container = target.container;
  return clone;
}

// Where a part goes: into the target if it is a folder, ends in '/' or there are several sources;
// the content of a root goes into a folder with the target's own path.
Status aim(Session& session, const std::vector<PathSpec>& sources, const PathSpec& target,
           CloneSpec& clone) {
  RAMET_ASSIGN(const Place place, session.place(target));
  clone.target = place.container.id;
  clone.target_folder = target.path;
  const bool into = !target.has_path || target.ends_in_slash || sources.size() > 1 ||
                    sources.front().is_root();
  if (into) return ok();
  const auto there = place.view->lookup(target.path);
  if (there.ok() && there->is_folder()) return ok();
  if (!there.ok() && there.error().code() != ErrorCode::kNotFound) return there.error();
  clone.target_folder = std::string(target.parent());
  clone.target_name = std::string(target.name());
  return ok();
}

Result<CloneSpec> partial_clone(Context& context, Session& session,
                                const std::vector<PathSpec>& sources, const PathSpec& target) {
  CloneSpec clone;
  for (const PathSpec& source : sources) {
    if (source.container != sources.front().container ||
        source.snapshot != sources.front().snapshot) {
      return Error(ErrorCode::kInvalidArgument, "one clone takes from one container or snapshot");
    }
    RAMET_ASSIGN(const Place place, session.place(source));
    RAMET_TRY(lookup(place));
    clone.source = place.container.id;
    clone.paths.push_back(source.path);
  }
  clone.snapshot = sources.front().snapshot;
  if (const Status aimed = aim(session, sources, target, clone); !aimed.ok()) {
    if (!session.store().container(target.container).ok()) {
      context.hint = "parts go into an existing container: 'ramet container create " +
                     target.container + "'";
    }
    return aimed.error();
  }
  return clone;
}

Result<CloneSpec> clone_spec(Context& context, Session& session, const CloneOptions& options) {
  RAMET_ASSIGN(std::vector<PathSpec> sources, parse_sources_and_target(options.paths));
  const PathSpec target = std::move(sources.back());
  sources.pop_back();
  RAMET_TRY(require_head(target));
  const bool is_whole = sources.size() == 1 && !sources.front().has_path && !target.has_path;
  auto clone = is_whole ? whole_clone(session, sources.front(), target)
                        : partial_clone(context, session, sources, target);
  RAMET_TRY(clone);
  clone->identity = is_whole || options.keep_ids ? CloneIdentity::kKeep : CloneIdentity::kFresh;
  if (is_whole) {  // (Records always get new ids.)
    RAMET_ASSIGN(const ContainerInfo source, session.store().container(clone->source));
    if (source.form == ContainerForm::kRecords) clone->identity = CloneIdentity::kFresh;
  }
  clone->existing = existing_of(options.existing);
  clone->note = options.note;
  clone->history = options.history;
  if (!is_whole && options.history) {
    return Error(ErrorCode::kInvalidArgument, "--history is for clones of whole containers");
  }
  if (!is_whole && !options.ttl.empty()) {
    return Error(ErrorCode::kInvalidArgument, "--ttl is for clones of whole containers");
  }
  RAMET_ASSIGN(clone->expires, expiry_of(options.ttl));
  return clone;
}

Json clone_json(const CloneResult& result, const std::string& target, double seconds) {
  Json json;
  set_name(json, "target", target);
  json["container"] = to_uuid(result.container);
  json["sequence"] = result.sequence;
  json["objects"] = result.objects_created;
  json["folders"] = result.folders_created;
  json["bytes_shared"] = result.bytes_shared;
  json["seconds"] = seconds;
  json["skipped"] = Json::array();
  for (const std::string& path : result.skipped) {
    Json one;
    set_name(one, "path", path);
    json["skipped"].push_back(std::move(one));
  }
  return json;
}

Result<int> run_clone(Context& context, Session& session, const CloneOptions& options) {
  RAMET_ASSIGN(const CloneSpec spec, clone_spec(context, session, options));
  const std::string& target = options.paths.back();
  CopyProgress progress;
  const auto start = std::chrono::steady_clock::now();
  auto cloned = [&] {
    const ProgressLine line("cloning", progress, !context.no_progress);
    return session.store().clone(spec);
  }();
  if (!cloned.ok()) {
    if (cloned.error().code() == ErrorCode::kAlreadyExists) {
      context.hint = spec.new_container.empty()
                         ? "--existing skip or --existing replace goes on"
                         : "'" + target + ":/' clones into the container that is there";
    }
    return std::move(cloned).error();
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (context.json) print_json(context.out, clone_json(*cloned, target, seconds));
  context.say("cloned {} and {} to {} in {}: {} shared, none copied\n",
              count_of(cloned->objects_created, "object", "objects"),
              count_of(cloned->folders_created, "folder", "folders"),
              context.style.name(target), human_duration(seconds),
              human_bytes(cloned->bytes_shared));
  for (const std::string& path : cloned->skipped) {
    if (!context.json) report_problem(context, path, "is there already, left as it is");
  }
  return kExitOk;
}

struct DiffOptions {
  std::vector<std::string> paths;
  bool exit_code = false;
  bool names_only = false;
  bool stats = false;
};

char letter_of(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::kAdded: return 'A';
    case Difference::Kind::kRemoved: return 'D';
    case Difference::Kind::kContent: return 'M';
    case Difference::Kind::kAttributes: return 'T';
    case Difference::Kind::kRenamed: return 'R';
  }
  return '?';
}

// A difference as it looks from inside one folder; none if it does not show there.
std::optional<Difference> within(const Difference& difference, const std::string& folder) {
  if (difference.kind != Difference::Kind::kRenamed) {
    return is_within(difference.path, folder) ? std::optional(difference) : std::nullopt;
  }
  const bool was_here = is_within(difference.old_path, folder);
  const bool is_here = is_within(difference.path, folder);
  if (was_here && is_here) return difference;
  if (!was_here && !is_here) return std::nullopt;
  Difference half = difference;
  half.kind = is_here ? Difference::Kind::kAdded : Difference::Kind::kRemoved;
  if (was_here) half.path = difference.old_path;
  half.old_path.clear();
  (is_here ? half.old_size : half.new_size) = 0;
  return half;
}

Json difference_json(const Difference& difference) {
  Json json = {{"kind", std::string(1, letter_of(difference.kind))}};
  set_name(json, "path", difference.path);
  if (!difference.old_path.empty()) set_name(json, "old_path", difference.old_path);
  json["class"] = class_name(difference.entry_class);
  json["old_size"] = difference.old_size;
  json["new_size"] = difference.new_size;
  return json;
}

void print_difference(Context& context, const Difference& difference, bool names_only) {
  const std::string slash = difference.entry_class == EntryClass::kFolder ? "/" : "";
  const std::string name = context.style.name(difference.path + slash);
  const char end = context.style.end();
  // With -z as with git: fields end with NUL, too.
  const char separator = context.style.null ? '\0' : '\t';
  if (names_only) {
    context.out.print("{}{}", name, end);
  } else if (difference.kind == Difference::Kind::kRenamed) {
    context.out.print("R{}{}{}{}{}", separator, context.style.name(difference.old_path + slash),
                      separator, name, end);
  } else {
    context.out.print("{}{}{}{}", letter_of(difference.kind), separator, name, end);
  }
}

// The two states. One argument: a snapshot against the present state of its container.
Result<std::pair<PathSpec, PathSpec>> diff_sides(Context& context, const DiffOptions& options) {
  if (options.paths.size() > 2) {
    return Error(ErrorCode::kInvalidArgument, "diff compares two states");
  }
  RAMET_ASSIGN(PathSpec older, parse_path_spec(options.paths.front()));
  RAMET_ASSIGN(PathSpec newer, parse_path_spec(options.paths.back()));
  if (options.paths.size() == 1) {
    if (older.snapshot.empty()) {
      return context.fail(ErrorCode::kInvalidArgument, "diff needs two states to compare",
                          "or one snapshot, to compare it with its container");
    }
    newer.snapshot.clear();
  }
  if (older.path != newer.path) {
    return Error(ErrorCode::kInvalidArgument,
                 "diff compares the same folder of two states: give the same path twice");
  }
  return std::pair(std::move(older), std::move(newer));
}

Result<int> run_diff(Context& context, Session& session, const DiffOptions& options) {
  RAMET_ASSIGN(auto sides, diff_sides(context, options));
  const std::string folder = sides.first.path;
  RAMET_ASSIGN(const Place older, session.place(std::move(sides.first)));
  RAMET_ASSIGN(const Place newer, session.place(std::move(sides.second)));
  if (folder != "/" && !older.view->lookup(folder).ok()) RAMET_TRY(lookup(newer));
  std::optional<JsonArray> array;
  if (context.json) array.emplace(context.out);
  uint64_t found = 0;
  DiffStats stats;
  RAMET_TRY(session.store().diff(*older.view, *newer.view, [&](const Difference& any) {
    const auto difference = within(any, folder);
    if (!difference) return true;
    ++found;
    if (array) {
      array->add(difference_json(*difference));
    } else if (!context.quiet) {
      print_difference(context, *difference, options.names_only);
    }
    return !context.out.failed();
  }, &stats));
  if (options.stats) {
    const Json json = {{"differences", found},
                       {"nodes_opened", stats.nodes_opened},
                       {"nodes_read", stats.nodes_read},
                       {"lookups", stats.lookups}};
    report_stats(context,
                 fmt::format("{}: {} opened, {} read from disk, {} of folders",
                             count_of(found, "difference", "differences"),
                             count_of(stats.nodes_opened, "tree node", "tree nodes"),
                             stats.nodes_read, count_of(stats.lookups, "look-up", "look-ups")),
                 json);
  }
  return options.exit_code && found != 0 ? kExitDifferences : kExitOk;
}

}  // namespace

void add_clone_commands(CommandLine& line) {
  auto clone = std::make_shared<CloneOptions>();
  Command(line, line.app, "clone", "Clone a container, a snapshot or parts of them",
          "SOURCE... TARGET",
          {"ramet clone prod test                 # a whole container: at once, whatever it holds",
           "ramet clone prod@nightly test         # as it was then",
           "ramet clone prod:/a/b test:/c/        # a part, into a folder: test:/c/b",
           "ramet clone prod:/a/b test:/c/d       # a part, under a new name",
           "ramet clone --existing replace prod:/a test:/"})
      .arguments("source", clone->paths, 2,
                 "container[@snapshot][:/path], then the target: the name of a new container, or "
                 "container:/path (into it if it is a folder or ends in '/')")
      .flag("--keep-ids", clone->keep_ids,
            "Parts: objects keep their ids (a whole container always does)")
      .flag("--history", clone->history,
            "Whole containers: earlier versions of objects come along")
      .choice("--existing", clone->existing, {"fail", "skip", "replace"},
              "Parts: what to do with names that are there already")
      .option("--note", clone->note, "TEXT", "A note for people")
      .option("--ttl", clone->ttl, "DURATION", "Drop the new container after this time: 12h, ...")
      .run(clone, Access::kWrite, run_clone);
  auto diff = std::make_shared<DiffOptions>();
  Command(line, line.app, "diff", "Show what differs between two states", "OLD [NEW]",
          {"ramet diff prod test", "ramet diff prod@nightly        # what changed since",
           "ramet diff --exit-code -q prod@a prod@b && echo same",
           "ramet diff prod@nightly:/share prod:/share"})
      .arguments("path", diff->paths, 1,
                 "Two of container[@snapshot][:/path], with the same path; a snapshot alone is "
                 "compared with its container")
      .flag("--exit-code", diff->exit_code, "Exit with 1 if there are differences")
      .flag("--stats", diff->stats, "Say on stderr what the comparison had to look at")
      .flag("--name-only", diff->names_only, "Names without letters")
      .names_options()
      .run(diff, Access::kRead, run_diff);
}

}  // namespace ramet::tools
