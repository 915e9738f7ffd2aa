// ls, tree
#include <optional>

#include "tools/commands.h"
#include "tools/entry_text.h"
#include "tools/session.h"
#include "tools/text.h"
#include "tools/walk.h"

namespace ramet::tools {
namespace {

struct ListOptions {
  std::vector<std::string> paths;
  bool long_form = false;
  bool recursive = false;
  bool all = false;
  bool bytes = false;
  bool numeric = false;
  bool folder_itself = false;
};

bool is_hidden(const Entry& entry) { return entry.name.starts_with('.'); }

// Prints entries, in whichever form was asked for.
class Lister {
 public:
  Lister(Context& context, const ListOptions& options)
      : context_(context), options_(options), table_(context.out, "lrllrll", context.style.end()) {
    if (context.json) array_.emplace(context.out);
  }

  // All entries are listed for programs; people get those without a dot in front.
  bool is_wanted(const Entry& entry) const {
    return options_.all || context_.json || context_.style.null || !is_hidden(entry);
  }

  Status entry(const View& view, const Entry& entry, std::string_view path,
               const std::string& shown_name) {
    if (!options_.long_form) {
      if (array_) {
        array_->add(entry_json(entry, path));
      } else {
        context_.out.print("{}{}", shown_name, context_.style.end());
      }
      return ok();
    }
    auto details = read_details(view, entry);
    if (!details.ok()) return std::move(details).error().with_context(path);
    if (array_) {
      Json json = entry_json(entry, path);
      add_details(json, entry, *details);
      array_->add(json);
    } else {
      long_row(entry, *details, shown_name);
    }
    return ok();
  }

  Status folder(const View& view, FolderId id, std::string_view path) {
    Status first_error;
    FolderReader reader(view, id);
    while (const Entry* next = reader.next()) {
      RAMET_TRY(check_interrupted());
      if (context_.out.failed()) break;
      if (!is_wanted(*next)) continue;
      const Status listed = entry(view, *next, join_path(path, next->name),
                                  listed_name(*next, context_.style));
      if (!listed.ok() && first_error.ok()) first_error = listed;
    }
    table_.flush();
    return first_error.ok() ? reader.status() : first_error;
  }

  // The line above a folder's entries, when there are several.
  void heading(const std::string& text) {
    if (context_.json || context_.style.null) return;
    table_.flush();
    context_.out.print("{}{}:\n", headings_++ == 0 ? "" : "\n", context_.style.name(text));
  }

  void flush() { table_.flush(); }

 private:
  void long_row(const Entry& entry, const EntryDetails& details, std::string shown_name) {
    const Attributes& attributes = details.attributes;
    if (entry.entry_class == EntryClass::kSymlink) {
      shown_name += " -> " + context_.style.name(details.target);
    }
    table_.row({mode_text(attributes.mode), std::to_string(details.links_count),
                options_.numeric ? std::to_string(attributes.uid) : owners_.user(attributes.uid),
                options_.numeric ? std::to_string(attributes.gid) : owners_.group(attributes.gid),
                entry.is_folder() ? "-"
                : options_.bytes  ? std::to_string(entry.size)
                                  : short_bytes(entry.size),
                short_time(attributes.modified), std::move(shown_name)});
  }

  Context& context_;
  const ListOptions& options_;
  Table table_;
  std::optional<JsonArray> array_;
  OwnerNames owners_;
  size_t headings_ = 0;
};

Status list_recursively(Context& context, Lister& lister, const Place& place,
                        const Entry& folder) {
  PathSpec shown = place.spec;
  shown.has_path = true;
  shown.ends_in_slash = false;
  lister.heading(shown.to_string());
  const Status top = lister.folder(*place.view, folder.folder, place.spec.path);
  Status first_error = top;
  const Status walked = walk(
      *place.view, folder.folder, place.spec.path,
      {[&](const WalkItem& item) -> Result<WalkStep> {
         if (context.out.failed()) return WalkStep::kStop;
         if (!item.entry.is_folder() || !lister.is_wanted(item.entry)) return WalkStep::kSkipFolder;
         shown.path = item.path;
         lister.heading(shown.to_string());
         const Status listed = lister.folder(*place.view, item.entry.folder, item.path);
         if (!listed.ok() && first_error.ok()) first_error = listed;
         return WalkStep::kContinue;
       },
       {}});
  return first_error.ok() ? walked : first_error;
}

Result<int> run_ls(Context& context, Session& session, const ListOptions& options) {
  Lister lister(context, options);
  for (const std::string& text : options.paths) {
    RAMET_ASSIGN(const Place place, session.place(text));
    RAMET_ASSIGN(const Entry entry, lookup(place));
    if (!entry.is_folder() || options.folder_itself) {
      const std::string shown = context.style.name(options.paths.size() == 1 && !entry.name.empty()
                                                       ? entry.name
                                                       : place.spec.to_string());
      RAMET_TRY(lister.entry(*place.view, entry, place.spec.path, shown));
    } else if (options.recursive) {
      RAMET_TRY(list_recursively(context, lister, place, entry));
    } else {
      if (options.paths.size() > 1) lister.heading(place.spec.to_string());
      RAMET_TRY(lister.folder(*place.view, entry.folder, place.spec.path));
    }
  }
  lister.flush();
  return kExitOk;
}

struct TreeOptions {
  std::string path;
  uint64_t depth_max = 0;  // 0: all
  bool all = false;
  bool sizes = false;
  bool folders_only = false;
};

bool locale_is_utf8(const Caller& caller) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto value = caller.variable(name);
    if (!value) continue;
    return value->find("UTF-8") != value->npos || value->find("utf8") != value->npos;
  }
  return false;
}

// The drawn tree.
class TreeDrawing {
 public:
  TreeDrawing(Context& context, bool sizes) : context_(context), sizes_(sizes) {
    if (locale_is_utf8(context.caller)) {
      branch_ = "├── ";
      last_ = "└── ";
      bar_ = "│   ";
    }
  }

  void item(const WalkItem& item) {
    lasts_.resize(item.depth);
    lasts_[item.depth - 1] = item.is_last;
    std::string line;
    for (size_t i = 0; i + 1 < item.depth; ++i) line += lasts_[i] ? "    " : bar_;
    line += item.is_last ? last_ : branch_;
    if (sizes_ && !item.entry.is_folder()) line += fmt::format("[{}] ",
                                                               short_bytes(item.entry.size));
    context_.out.write(line + listed_name(item.entry, context_.style) + context_.style.end());
  }

 private:
  Context& context_;
  const bool sizes_;
  std::string branch_ = "|-- ", last_ = "`-- ", bar_ = "|   ";
  std::vector<bool> lasts_;  // whether the folder open at each depth is the last one of its own
};

// The tree as nested JSON, written while it is walked. Every folder that was opened is closed
// again, so that the document is complete even when the walk fails.
class TreeJson {
 public:
  TreeJson(Output& out, const Entry& root, std::string_view path) : out_(out) {
    open_element(entry_json(root, path), root.is_folder());
    open_ = root.is_folder() ? 1 : 0;
  }
  ~TreeJson() {
    while (open_ > 0) close_folder();
    out_.write("\n");
  }
  TreeJson(const TreeJson&) = delete;
  TreeJson& operator=(const TreeJson&) = delete;

  void item(const WalkItem& item, bool goes_in) {
    while (open_ > item.depth) close_folder();
    out_.write(first_ ? "\n" : ",\n");
    open_element(entry_json(item.entry, item.path), goes_in);
    if (goes_in) open_ = item.depth + 1;
  }

 private:
  void open_element(const Json& json, bool is_open) {
    std::string text = compact_json(json);
    if (is_open) {
      text.pop_back();
      text += ",\"children\":[";
    }
    out_.write(text);
    first_ = is_open;
  }
  void close_folder() {
    out_.write("]}");
    first_ = false;
    --open_;
  }

  Output& out_;
  size_t open_ = 0;
  bool first_ = true;
};

struct TreeCounts {
  uint64_t folders = 0;
  uint64_t others = 0;
};

Status draw_tree(Context& context, const TreeOptions& options, const Place& place,
                 const Entry& top) {
  std::optional<TreeJson> json;
  std::optional<TreeDrawing> drawing;
  if (context.json) {
    json.emplace(context.out, top, place.spec.path);
  } else {
    drawing.emplace(context, options.sizes);
    context.out.write(context.style.name(place.spec.to_string()) + context.style.end());
  }
  TreeCounts counts;
  Status walked;
  if (top.is_folder()) {
    walked = walk(
        *place.view, top.folder, place.spec.path,
        {[&](const WalkItem& item) -> Result<WalkStep> {
           if (context.out.failed()) return WalkStep::kStop;
           const bool hidden = !options.all && !context.json && is_hidden(item.entry);
           if (hidden || (options.folders_only && !item.entry.is_folder())) {
             return WalkStep::kSkipFolder;
           }
           ++(item.entry.is_folder() ? counts.folders : counts.others);
           const bool goes_in = item.entry.is_folder() &&
                                (options.depth_max == 0 || item.depth < options.depth_max);
           if (json) json->item(item, goes_in);
           if (drawing) drawing->item(item);
           return goes_in ? WalkStep::kContinue : WalkStep::kSkipFolder;
         },
         {}});
  }
  if (drawing && !context.style.null) {
    context.say("\n{}, {}\n", count_of(counts.folders, "folder", "folders"),
                count_of(counts.others, "file", "files"));
  }
  return walked;
}

Result<int> run_tree(Context& context, Session& session, const TreeOptions& options) {
  RAMET_ASSIGN(const Place place, session.place(options.path));
  RAMET_ASSIGN(const Entry top, lookup(place));
  RAMET_TRY(draw_tree(context, options, place, top));
  return kExitOk;
}

}  // namespace

void add_list_commands(CommandLine& line) {
  auto list = std::make_shared<ListOptions>();
  Command(line, line.app, "ls", "List what is in folders", "PATH...",
          {"ramet ls prod:/share", "ramet ls -lR prod@nightly:/share/doc",
           "ramet ls -z prod:/share | xargs -0 -n1 echo",
           "ramet ls -l --json prod:/share | jq '.[].size'"})
      .arguments("path", list->paths, 1, "Folders or files: container[@snapshot][:/path]")
      .flag("-l,--long", list->long_form, "Mode, links, owner, size and time, too")
      .flag("-R,--recursive", list->recursive, "Everything below, too")
      .flag("-a,--all", list->all, "Names with a dot in front, too (always with --json and -z)")
      .flag("-b,--bytes", list->bytes, "Exact sizes with -l")
      .flag("-n,--numeric", list->numeric, "Numbers of users and groups with -l")
      .flag("-d,--directory", list->folder_itself, "Folders themselves, not what is in them")
      .names_options()
      .run(list, Access::kRead, run_ls);
  auto tree = std::make_shared<TreeOptions>();
  Command(line, line.app, "tree", "Draw a folder with all that is below", "PATH",
          {"ramet tree prod:/share", "ramet tree -L 2 -s prod"})
      .argument("path", tree->path, "container[@snapshot][:/path]")
      .number("-L,--depth", tree->depth_max, "At most so many levels")
      .flag("-a,--all", tree->all, "Names with a dot in front, too (always with --json)")
      .flag("-s,--sizes", tree->sizes, "Sizes of files")
      .flag("-d,--directories", tree->folders_only, "Folders only")
      .names_options()
      .run(tree, Access::kRead, run_tree);
}

}  // namespace ramet::tools
