// stat, du
#include <optional>

#include "tools/commands.h"
#include "tools/entry_text.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/text.h"
#include "tools/usage_report.h"
#include "tools/walk.h"

namespace ramet::tools {
namespace {

struct StatOptions {
  std::vector<std::string> paths;
};

Json stat_json(const Place& place, const Entry& entry, const EntryDetails& details) {
  Json json;
  set_name(json, "container", place.container.name);
  if (!place.spec.snapshot.empty()) set_name(json, "snapshot", place.spec.snapshot);
  json.update(entry_json(entry, place.spec.path));
  add_details(json, entry, details);
  Json xattrs = Json::array();
  for (const Xattr& xattr : details.attributes.xattrs) {
    Json one;
    set_name(one, "name", xattr.name);
    one["value_base64"] = base64(xattr.value);
    xattrs.push_back(std::move(one));
  }
  json["xattrs"] = std::move(xattrs);
  return json;
}

void print_stat(Context& context, const Place& place, const Entry& entry,
                const EntryDetails& details) {
  const Attributes& attributes = details.attributes;
  OwnerNames owners;
  Table table(context.out, "ll");
  table.row({"name", context.style.name(place.spec.to_string())});
  table.row({"class", std::string(class_name(entry.entry_class))});
  if (entry.entry_class == EntryClass::kSymlink) {
    table.row({"target", context.style.name(details.target)});
  }
  if (!entry.is_folder()) {
    table.row({"size", fmt::format("{} ({} bytes)", human_bytes(entry.size),
                                   with_commas(entry.size))});
    table.row({"links", std::to_string(details.links_count)});
  }
  table.row({"mode", fmt::format("{:04o} {}", attributes.mode & 07777,
                                 mode_text(attributes.mode))});
  table.row({"owner", fmt::format("{} ({})", attributes.uid, owners.user(attributes.uid))});
  table.row({"group", fmt::format("{} ({})", attributes.gid, owners.group(attributes.gid))});
  table.row({"modified", full_time(attributes.modified)});
  table.row({"created", full_time(details.created)});
  if (attributes.device != 0) table.row({"device", fmt::format("{:#x}", attributes.device)});
  table.row({"id", entry.is_folder() ? to_uuid(entry.folder) : to_uuid(entry.object)});
  if (!details.content_id.is_zero()) table.row({"content id", details.content_id.to_hex()});
  for (const Xattr& xattr : attributes.xattrs) {
    table.row({"xattr", fmt::format("{} ({})", context.style.name(xattr.name),
                                    count_of(xattr.value.size(), "byte", "bytes"))});
  }
}

Result<int> run_stat(Context& context, Session& session, const StatOptions& options) {
  std::optional<JsonArray> array;
  if (context.json) array.emplace(context.out);
  bool first = true;
  for (const std::string& text : options.paths) {
    RAMET_ASSIGN(const Place place, session.place(text));
    RAMET_ASSIGN(const Entry entry, lookup(place));
    RAMET_ASSIGN(const EntryDetails details, read_details(*place.view, entry));
    if (array) {
      array->add(stat_json(place, entry, details));
    } else {
      if (!first) context.out.write("\n");
      print_stat(context, place, entry, details);
    }
    first = false;
  }
  return kExitOk;
}

struct DuOptions {
  std::vector<std::string> paths;
  bool summarize = false;
  bool bytes = false;
  uint64_t depth_max = 0;  // 0: all
  bool shared = false;
  bool would_free = false;
};

struct Usage {
  uint64_t objects = 0;  // names of anything but folders
  uint64_t folders = 0;
  uint64_t bytes = 0;

  void add(const Usage& other) {
    objects += other.objects;
    folders += other.folders;
    bytes += other.bytes;
  }
};

// Prints the lines of du.
class UsagePrinter {
 public:
  UsagePrinter(Context& context, bool exact)
      : context_(context), exact_(exact), table_(context.out, "rrl", context.style.end()) {
    if (context.json) array_.emplace(context.out);
  }

  void line(const PathSpec& spec, const Usage& usage) {
    if (!array_) {
      table_.row({exact_ ? std::to_string(usage.bytes) : short_bytes(usage.bytes),
                  with_commas(usage.objects), context_.style.name(spec.to_string())});
      return;
    }
    Json json;
    set_name(json, "container", spec.container);
    if (!spec.snapshot.empty()) set_name(json, "snapshot", spec.snapshot);
    if (spec.has_path) set_name(json, "path", spec.path);
    json["objects"] = usage.objects;
    json["folders"] = usage.folders;
    json["bytes"] = usage.bytes;
    array_->add(json);
  }

 private:
  Context& context_;
  const bool exact_;
  Table table_;
  std::optional<JsonArray> array_;
};

Usage usage_of(const Summary& summary) {
  return {summary[SummaryColumn::kObjects], summary[SummaryColumn::kFolders],
          summary[SummaryColumn::kContentBytes]};
}

// What names directly in a folder stand for: from its summary, so that no object is looked at.
Status add_direct(const View& view, FolderId folder, Usage& usage) {
  RAMET_ASSIGN(const Summary summary, view.folder_summary(folder));
  usage.objects += summary[SummaryColumn::kEntries];
  usage.bytes += summary[SummaryColumn::kEntryBytes];
  return ok();
}

Status du_folder(const Place& place, const Entry& top, const DuOptions& options,
                 UsagePrinter& printer, CopyProgress& progress) {
  const View& view = *place.view;
  std::vector<Usage> open(1);  // the folder at each depth
  RAMET_TRY(add_direct(view, top.folder, open.back()));
  PathSpec spec = place.spec;
  spec.ends_in_slash = false;
  const auto is_printed = [&](size_t depth) {
    return !options.summarize && (options.depth_max == 0 || depth <= options.depth_max);
  };
  const Status walked = walk(
      view, top.folder, place.spec.path,
      {[&](const WalkItem& item) -> Result<WalkStep> {
         ++progress.files_done;
         if (!item.entry.is_folder()) return WalkStep::kContinue;
         --open.back().objects;  // its name was counted as one of an object
         ++open.back().folders;
         open.emplace_back();
         RAMET_TRY(add_direct(view, item.entry.folder, open.back()));
         return WalkStep::kContinue;
       },
       [&](const std::string& path, size_t depth) {
         const Usage usage = open.back();
         open.pop_back();
         open.back().add(usage);
         spec.path = path;
         if (is_printed(depth)) printer.line(spec, usage);
         return ok();
       }});
  RAMET_TRY(walked);
  printer.line(place.spec, open.front());
  return ok();
}

Result<int> run_du(Context& context, Session& session, const DuOptions& options) {
  if (options.shared || options.would_free) {
    if ((options.shared && options.would_free) || options.summarize || options.depth_max != 0) {
      return Error(ErrorCode::kInvalidArgument,
                   "--shared and --would-free go neither together nor with -s or -d");
    }
    if (options.would_free) return report_would_free(context, session, options.paths);
    return report_shares(context, session, options.paths, options.bytes);
  }
  UsagePrinter printer(context, options.bytes);
  if (options.paths.empty()) {
    RAMET_TRY(session.store().containers({}, [&](const ContainerInfo& info) {
      PathSpec spec;
      spec.container = info.name;
      printer.line(spec, usage_of(info.summary));
      return !context.out.failed();
    }));
    return kExitOk;
  }
  CopyProgress progress;
  const ProgressLine progress_line("counting", progress,
                                   !context.no_progress && !context.out.is_terminal());
  for (const std::string& text : options.paths) {
    RAMET_ASSIGN(const Place place, session.place(text));
    if (!place.spec.has_path) {
      printer.line(place.spec, usage_of(place.view->summary()));
      continue;
    }
    RAMET_ASSIGN(const Entry entry, lookup(place));
    if (entry.is_folder()) {
      RAMET_TRY(du_folder(place, entry, options, printer, progress));
    } else {
      printer.line(place.spec, {1, 0, entry.size});
    }
  }
  return kExitOk;
}

}  // namespace

void add_look_commands(CommandLine& line) {
  auto stat = std::make_shared<StatOptions>();
  Command(line, line.app, "stat", "Show all that is known about names", "PATH...",
          {"ramet stat prod:/share/doc", "ramet stat --json prod:/a/b | jq -r '.[0].content_id'"})
      .arguments("path", stat->paths, 1, "container[@snapshot][:/path]")
      .flag("--quote", line.context.style.quote, "Quote names as on a terminal")
      .run(stat, Access::kRead, run_stat);
  auto du = std::make_shared<DuOptions>();
  Command(line, line.app, "du", "Count objects and content bytes", "[PATH...]",
          {"ramet du                      # all containers", "ramet du prod prod@nightly",
           "ramet du -d 1 prod:/share     # folders, one level deep",
           "ramet du --shared             # who holds which bytes of the disk",
           "ramet du --would-free a b     # what dropping both would free"})
      .arguments("path", du->paths, 0,
                 "Containers (counted at once), or folders: container[@snapshot]:/path")
      .flag("-s,--summarize", du->summarize, "Only a total for each argument")
      .number("-d,--max-depth", du->depth_max, "Print folders to this depth only")
      .flag("-b,--bytes", du->bytes, "Exact sizes")
      .flag("--shared", du->shared,
            "Stored bytes: each container's fair share, what it holds alone, and all else on disk")
      .flag("--would-free", du->would_free,
            "Stored bytes that dropping all that is named, together, would free")
      .names_options()
      .run(du, Access::kRead, run_du);
}

}  // namespace ramet::tools
