// put, get, cat
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "engine/store.h"
#include "tools/commands.h"
#include "tools/local_file.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/target.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string last_part(const std::string& path) {
  const std::filesystem::path local(path);
  return (local.has_filename() ? local : local.parent_path()).filename().string();
}

struct PutOptions {
  std::vector<std::string> paths;
  bool parents = false;
};

Error explain(Context& context, Error error, const std::string& path) {
  if (is_local_directory(path)) context.hint = "'ramet import' takes directories";
  return error;
}

Status put_one(Transaction& transaction, const std::string& path, const Target& target,
               CopyProgress& progress, LocalSource& source) {
  const std::string name = target.name.empty() ? last_part(path) : target.name;
  RAMET_ASSIGN(auto content, transaction.write_content());
  RAMET_TRY(source.read({[&](ByteView bytes) {
                           progress.bytes_done += bytes.size();
                           return content->append(bytes);
                         },
                         [&](uint64_t length) {
                           progress.bytes_done += length;
                           return content->hole(length);
                         }}));
  RAMET_TRY(with_context(transaction.put_object(target.folder, name, source.attributes(),
                                                std::move(content)),
                         join_path(target.folder_path, name)));
  ++progress.files_done;
  return ok();
}

// Several files, or a target that ends in '/': its folder is made with --parents. One file: the
// folder above its new name.
Status make_parents(Transaction& transaction, const PathSpec& target, bool is_folder) {
  RAMET_TRY(with_context(
      transaction.create_folders(is_folder ? target.path : std::string(target.parent())),
      target.to_string()));
  return ok();
}

Result<Target> put_target(Context& context, Transaction& transaction, const PathSpec& spec,
                          const PutOptions& options) {
  const bool several = options.paths.size() > 2;
  if (options.parents) {
    RAMET_TRY(make_parents(transaction, spec, several || spec.ends_in_slash));
  }
  auto target = resolve_target(transaction, spec, several);
  if (!target.ok() && target.error().code() == ErrorCode::kNotFound) {
    context.hint = "'ramet put -p' makes missing folders";
  }
  return target;
}

Json ingest_json(const IngestStats& stats) {
  return {{"content_bytes", stats.content_bytes},
          {"blocks", stats.blocks},
          {"new_blocks", stats.new_blocks},
          {"new_block_bytes", stats.new_block_bytes},
          {"new_stored_bytes", stats.new_stored_bytes}};
}

Result<int> run_put(Context& context, Session& session, const PutOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  RAMET_ASSIGN(const PathSpec spec, parse_path_spec(options.paths.back()));
  RAMET_TRY(require_head(spec));
  const std::vector<std::string> files(options.paths.begin(), options.paths.end() - 1);
  RAMET_ASSIGN(const ContainerInfo container, session.container(spec.container));
  RAMET_ASSIGN(auto transaction, session.store().begin(container.id));
  RAMET_ASSIGN(const Target target, put_target(context, *transaction, spec, options));
  CopyProgress progress;
  const ProgressLine progress_line("storing", progress, !context.no_progress);
  for (const std::string& file : files) {
    if (file == "-" && target.name.empty()) {
      return context.fail(ErrorCode::kInvalidArgument, "standard input has no name",
                          "give it one: " + join_path(spec.to_string(), "NAME"));
    }
    auto source = LocalSource::open(file);
    if (!source.ok()) return explain(context, std::move(source).error(), file);
    progress.bytes_total = files.size() == 1 ? source->size() : 0;
    RAMET_TRY(put_one(*transaction, file, target, progress, *source));
  }
  RAMET_ASSIGN(const Sequence sequence, transaction->commit());
  const IngestStats stats = transaction->ingest_stats();
  const double seconds = seconds_since(start);
  if (context.json) {
    print_json(context.out, {{"sequence", sequence},
                             {"files", files.size()},
                             {"bytes", progress.bytes_done.load()},
                             {"ingest", ingest_json(stats)},
                             {"seconds", seconds}});
  }
  context.say("stored {}, {} in {}; {}, {}\n", count_of(files.size(), "file", "files"),
              human_bytes(progress.bytes_done), human_duration(seconds),
              count_of(stats.new_blocks, "new block", "new blocks"),
              stored_text(stats));
  return kExitOk;
}

// The object that a path names, for reading its content.
Result<ObjectInfo> content_of(Context& context, const Place& place) {
  RAMET_ASSIGN(const Entry entry, lookup(place));
  const std::string shown = place.spec.to_string();
  if (entry.is_folder()) {
    return context.fail(ErrorCode::kFailedPrecondition, fmt::format("'{}' is a folder", shown),
                        fmt::format("'ramet export {} DIR' copies folders", shown));
  }
  RAMET_ASSIGN(ObjectInfo object, with_context(place.view->object(entry.object), shown));
  if (entry.entry_class == EntryClass::kSymlink) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("'{}' is a symbolic link to '{}'", shown, object.target));
  }
  if (entry.entry_class != EntryClass::kFile && entry.entry_class != EntryClass::kRecord) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("'{}' is a {} and has no content", shown,
                             class_name(entry.entry_class)));
  }
  return object;
}

// Hands the content to stdout, holes as zeros.
Status to_stdout(Context& context, const Place& place, const ObjectInfo& object) {
  static const std::string kZeros(64u << 10, '\0');
  uint64_t at = 0;
  const auto fill = [&](uint64_t to) {
    while (at < to && !context.out.failed()) {
      const uint64_t step = std::min<uint64_t>(to - at, kZeros.size());
      context.out.write(std::string_view(kZeros).substr(0, step));
      at += step;
    }
  };
  const auto write = [&](uint64_t offset, ByteView bytes) {
    fill(offset);
    context.out.write(bytes);
    at = offset + bytes.size();
    return context.out.failed() ? context.out.flush() : check_interrupted();
  };
  RAMET_TRY(place.view->stream(object.id, write));
  fill(object.size);
  return context.out.flush();
}

struct GetOptions {
  std::string source;
  std::string target;
};

Result<int> run_get(Context& context, Session& session, const GetOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  RAMET_ASSIGN(const Place place, session.place(options.source));
  RAMET_ASSIGN(const ObjectInfo object, content_of(context, place));
  if (options.target == "-") {
    RAMET_TRY(to_stdout(context, place, object));
    return kExitOk;
  }
  std::string path = options.target.empty() ? "." : options.target;
  if (is_local_directory(path) || path.ends_with('/')) {
    path = (std::filesystem::path(path) / std::string(place.spec.name())).string();
  }
  CopyProgress progress;
  progress.bytes_total = object.size;
  const ProgressLine progress_line("reading", progress, !context.no_progress);
  RAMET_ASSIGN(auto target, LocalTarget::create(path));
  RAMET_TRY(place.view->stream(object.id, [&](uint64_t offset, ByteView bytes) {
    progress.bytes_done = offset + bytes.size();
    return target.write(offset, bytes);
  }));
  RAMET_TRY(target.commit(object.size, object.attributes));
  const double seconds = seconds_since(start);
  if (context.json) {
    Json json;
    set_name(json, "file", path);
    json["bytes"] = object.size;
    json["seconds"] = seconds;
    print_json(context.out, json);
  }
  context.say("wrote {} to {} in {}\n", human_bytes(object.size), context.style.name(path),
              human_duration(seconds));
  return kExitOk;
}

struct CatOptions {
  std::vector<std::string> paths;
};

Result<int> run_cat(Context& context, Session& session, const CatOptions& options) {
  for (const std::string& text : options.paths) {
    RAMET_ASSIGN(const Place place, session.place(text));
    RAMET_ASSIGN(const ObjectInfo object, content_of(context, place));
    RAMET_TRY(to_stdout(context, place, object));
  }
  return kExitOk;
}

}  // namespace

void add_content_commands(CommandLine& line) {
  auto put = std::make_shared<PutOptions>();
  Command(line, line.app, "put", "Store files, in one commit", "FILE... PATH",
          {"ramet put report.pdf prod:/reports/", "ramet put a.txt prod:/b.txt",
           "tar c src | ramet put - prod:/src.tar"})
      .arguments("file", put->paths, 2,
                 "Files ('-' is standard input), then where to: container:/path; into it if it "
                 "is a folder or ends in '/'")
      .flag("-p,--parents", put->parents, "Make missing folders")
      .flag("--verify-hits", line.context.verify_hits,
            "Read what is stored already before leaning on it (after damage)")
      .run(put, Access::kWrite, run_put);
  auto get = std::make_shared<GetOptions>();
  Command(line, line.app, "get", "Write a stored file into the file system", "PATH [FILE]",
          {"ramet get prod:/reports/report.pdf", "ramet get prod@nightly:/b.txt /tmp/",
           "ramet get prod:/src.tar - | tar x"})
      .argument("path", get->source, "container[@snapshot]:/path")
      .argument("file", get->target,
                "A file, a directory or '-' for standard output (default: the current directory)",
                false)
      .run(get, Access::kRead, run_get);
  auto cat = std::make_shared<CatOptions>();
  Command(line, line.app, "cat", "Write stored files to standard output", "PATH...",
          {"ramet cat prod:/b.txt", "ramet cat prod:/log.1 prod:/log.2 | grep error"})
      .arguments("path", cat->paths, 1, "container[@snapshot]:/path")
      .run(cat, Access::kRead, run_cat);
}

}  // namespace ramet::tools
