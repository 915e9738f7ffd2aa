// mkdir, mv, rm
#include <sys/stat.h>

#include <ctime>
#include <map>
#include <optional>

#include "engine/store.h"
#include "tools/commands.h"
#include "tools/session.h"
#include "tools/target.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

Json committed_json(Sequence sequence, uint64_t names) {
  return {{"sequence", sequence}, {"names", names}};
}

// One transaction for each container that the paths name, in the order of their names.
using Work = std::map<std::string, std::vector<PathSpec>>;

Result<Work> sort_by_container(const std::vector<std::string>& paths) {
  Work work;
  for (const std::string& text : paths) {
    RAMET_ASSIGN(PathSpec spec, parse_path_spec(text));
    RAMET_TRY(require_head(spec));
    if (!spec.has_path) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' names a container: expected {}:/path", text, text));
    }
    work[spec.container].push_back(std::move(spec));
  }
  return work;
}

// Commits what `change` did for each container, and prints the commits with --json.
Status change_each(Context& context, Session& session, const Work& work,
                   const std::function<Status(Transaction&, const PathSpec&)>& change) {
  std::optional<JsonArray> array;
  if (context.json) array.emplace(context.out);
  for (const auto& [name, specs] : work) {
    RAMET_ASSIGN(const ContainerInfo container, session.container(name));
    RAMET_ASSIGN(auto transaction, session.store().begin(container.id));
    for (const PathSpec& spec : specs) {
      RAMET_TRY(check_interrupted());
      RAMET_TRY(change(*transaction, spec));
    }
    RAMET_ASSIGN(const Sequence sequence, transaction->commit());
    if (!array) continue;
    Json json;
    set_name(json, "container", name);
    json.update(committed_json(sequence, specs.size()));
    array->add(json);
  }
  return ok();
}

struct MkdirOptions {
  std::vector<std::string> paths;
  bool parents = false;
};

// What mkdir(2) would give here.
Attributes new_folder_attributes(const Caller& caller) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  Attributes attributes;
  attributes.mode = S_IFDIR | (0777 & ~caller.umask());
  attributes.uid = caller.uid();
  attributes.gid = caller.gid();
  attributes.modified = now.tv_sec * 1'000'000'000 + now.tv_nsec;
  return attributes;
}

Status make_folder(Context& context, Transaction& transaction, const PathSpec& spec,
                   bool parents) {
  if (parents) {
    RAMET_TRY(
        with_context(make_folders(transaction, spec.path, new_folder_attributes(context.caller)),
                     spec.to_string()));
    return ok();
  }
  auto parent = transaction.lookup(spec.parent());
  if (!parent.ok()) {
    if (parent.error().code() == ErrorCode::kNotFound) {
      context.hint = "'ramet mkdir -p' makes missing folders";
    }
    return std::move(parent).error().with_context(spec.to_string());
  }
  RAMET_TRY(require_folder(*parent, spec.container, spec.parent()));
  if (spec.is_root()) {
    return Error(ErrorCode::kAlreadyExists, fmt::format("'{}' is there already",
                                                        spec.to_string()));
  }
  RAMET_TRY(with_context(
      transaction.create_folder(parent->folder, spec.name(), new_folder_attributes(context.caller)),
      spec.to_string()));
  return ok();
}

Result<int> run_mkdir(Context& context, Session& session, const MkdirOptions& options) {
  RAMET_ASSIGN(const Work work, sort_by_container(options.paths));
  RAMET_TRY(change_each(context, session, work, [&](Transaction& transaction,
                                                    const PathSpec& spec) {
    return make_folder(context, transaction, spec, options.parents);
  }));
  return kExitOk;
}

struct RmOptions {
  std::vector<std::string> paths;
  bool recursive = false;
  bool force = false;
};

Status remove_one(Context& context, Transaction& transaction, const PathSpec& spec,
                  const RmOptions& options) {
  const std::string shown = spec.to_string();
  if (spec.is_root()) {
    return context.fail(ErrorCode::kInvalidArgument,
                        fmt::format("'{}' is the root of its container", shown),
                        "'ramet container drop " + spec.container + "' drops all of it");
  }
  auto parent = transaction.lookup(spec.parent());
  auto entry = parent.ok() && parent->is_folder()
                   ? transaction.lookup(parent->folder, spec.name())
                   : transaction.lookup(spec.path);
  if (!entry.ok()) {
    if (options.force && entry.error().code() == ErrorCode::kNotFound) return ok();
    return std::move(entry).error().with_context(shown);
  }
  if (spec.ends_in_slash) RAMET_TRY(require_folder(*entry, spec.container, spec.path));
  if (!entry->is_folder()) {
    return with_context(transaction.remove(parent->folder, spec.name()), shown);
  }
  if (!options.recursive) {
    return context.fail(ErrorCode::kFailedPrecondition, fmt::format("'{}' is a folder", shown),
                        "'ramet rm -r' removes folders with all that is in them");
  }
  return with_context(transaction.remove_tree(parent->folder, spec.name()), shown);
}

Result<int> run_rm(Context& context, Session& session, const RmOptions& options) {
  RAMET_ASSIGN(const Work work, sort_by_container(options.paths));
  RAMET_TRY(change_each(context, session, work, [&](Transaction& transaction,
                                                    const PathSpec& spec) {
    return remove_one(context, transaction, spec, options);
  }));
  return kExitOk;
}

struct MvOptions {
  std::vector<std::string> paths;
  bool no_replace = false;
};

Status move_one(Transaction& transaction, const PathSpec& source, const Target& target,
                bool replace) {
  const std::string shown = source.to_string();
  if (source.is_root()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is the root of its container and stays", shown));
  }
  RAMET_ASSIGN(const Entry parent, with_context(transaction.lookup(source.parent()), shown));
  RAMET_ASSIGN(const Entry entry, with_context(transaction.lookup(source.path), shown));
  if (source.ends_in_slash) RAMET_TRY(require_folder(entry, source.container, source.path));
  const std::string_view name = target.name.empty() ? source.name() : target.name;
  return with_context(
      transaction.rename(parent.folder, source.name(), target.folder, name, replace), shown);
}

Result<int> run_mv(Context& context, Session& session, const MvOptions& options) {
  RAMET_ASSIGN(auto specs, parse_sources_and_target(options.paths));
  for (const PathSpec& spec : specs) {
    RAMET_TRY(require_head(spec));
    if (spec.container != specs.back().container) {
      return context.fail(ErrorCode::kInvalidArgument,
                          "names move within one container only",
                          "'ramet clone' shares them with another one, at no cost");
    }
  }
  const PathSpec last = specs.back();
  specs.pop_back();
  RAMET_ASSIGN(const ContainerInfo container, session.container(last.container));
  RAMET_ASSIGN(auto transaction, session.store().begin(container.id));
  RAMET_ASSIGN(const Target target, resolve_target(*transaction, last, specs.size() > 1));
  for (const PathSpec& source : specs) {
    RAMET_TRY(check_interrupted());
    RAMET_TRY(move_one(*transaction, source, target, !options.no_replace));
  }
  RAMET_ASSIGN(const Sequence sequence, transaction->commit());
  if (context.json) print_json(context.out, committed_json(sequence, specs.size()));
  return kExitOk;
}

}  // namespace

void add_name_commands(CommandLine& line) {
  auto mkdir = std::make_shared<MkdirOptions>();
  Command(line, line.app, "mkdir", "Make folders", "PATH...",
          {"ramet mkdir prod:/new", "ramet mkdir -p prod:/a/b/c prod:/a/d"})
      .arguments("path", mkdir->paths, 1, "New folders: container:/path")
      .flag("-p,--parents", mkdir->parents, "With missing parents; existing folders are fine")
      .run(mkdir, Access::kWrite, run_mkdir);
  auto mv = std::make_shared<MvOptions>();
  Command(line, line.app, "mv", "Move or rename within a container, in one commit",
          "SOURCE... TARGET",
          {"ramet mv prod:/old prod:/new", "ramet mv prod:/a prod:/b prod:/in/"})
      .arguments("path", mv->paths, 2,
                 "What to move, then where to: into it if it is a folder or ends in '/'")
      .flag("-n,--no-replace", mv->no_replace, "Fail if the target exists")
      .run(mv, Access::kWrite, run_mv);
  auto rm = std::make_shared<RmOptions>();
  Command(line, line.app, "rm", "Remove names, one commit for each container", "PATH...",
          {"ramet rm prod:/a prod:/b", "ramet rm -r prod:/old"})
      .arguments("path", rm->paths, 1, "container:/path")
      .flag("-r,-R,--recursive", rm->recursive, "Folders with all that is in them")
      .flag("-f,--force", rm->force, "What does not exist is fine")
      .run(rm, Access::kWrite, run_rm);
}

}  // namespace ramet::tools
