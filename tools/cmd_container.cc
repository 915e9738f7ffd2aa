// container create, list, show, rename, drop; snapshot create, list, drop
#include <chrono>

#include "engine/store.h"
#include "tools/commands.h"
#include "tools/keep.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

uint64_t objects_of(const Summary& summary) { return summary[SummaryColumn::kObjects]; }
uint64_t folders_of(const Summary& summary) { return summary[SummaryColumn::kFolders]; }
uint64_t bytes_of(const Summary& summary) { return summary[SummaryColumn::kContentBytes]; }

void add_summary(Json& json, const Summary& summary) {
  json["objects"] = objects_of(summary);
  json["folders"] = folders_of(summary);
  json["bytes"] = bytes_of(summary);
}

Json container_json(const ContainerInfo& info) {
  Json json;
  set_name(json, "name", info.name);
  json["id"] = to_uuid(info.id);
  json["created"] = iso_time(info.created);
  if (info.expires != 0) json["expires"] = iso_time(info.expires);
  json["changed_sequence"] = info.changed;
  if (info.is_flat()) json["flat"] = true;
  add_summary(json, info.summary);
  if (info.lineage) {
    Json origin;
    origin["container"] = to_uuid(info.lineage->container);
    set_name(origin, "name", info.lineage->name);
    if (!info.lineage->snapshot.empty()) set_name(origin, "snapshot", info.lineage->snapshot);
    origin["sequence"] = info.lineage->sequence;
    json["cloned_from"] = origin;
  }
  if (!info.note.empty()) set_name(json, "note", info.note);
  return json;
}

std::string origin_text(const ContainerInfo& info) {
  if (!info.lineage) return "";
  const LineageInfo& origin = *info.lineage;
  return quote_name(origin.name) +
         (origin.snapshot.empty() ? "" : "@" + quote_name(origin.snapshot));
}

// A container, snapshots excluded, named by text without ':' or '@'.
Result<std::string> bare_name(const std::string& text) {
  RAMET_ASSIGN(const PathSpec spec, parse_path_spec(text));
  if (spec.has_path || !spec.snapshot.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}': expected the name of a container", text));
  }
  return spec.container;
}

struct NamesOptions {
  std::vector<std::string> names;
  std::string note;
  std::string compression;
  std::string ttl;
  std::string versioning;
  bool flat = false;
  bool bytes = false;
  bool now = false;
  bool automatic = false;
};

Result<int> run_create(Context& context, Session& session, const NamesOptions& options) {
  std::vector<Setting> settings;
  if (!options.compression.empty()) {
    settings.push_back({std::string(kCompressionSetting), options.compression});
  }
  if (!options.versioning.empty()) {
    settings.push_back({std::string(kVersioningSetting), options.versioning});
  }
  RAMET_ASSIGN(const int64_t expires, expiry_of(options.ttl));
  std::vector<ContainerInfo> made;
  for (const std::string& name : options.names) {
    RAMET_ASSIGN(const std::string bare, bare_name(name));
    RAMET_ASSIGN(ContainerInfo info,
                 session.store().create_container(
                     bare, options.note, settings, expires,
                     options.flat ? ContainerForm::kFlat : ContainerForm::kFolders));
    made.push_back(std::move(info));
  }
  if (context.json) {
    JsonArray array(context.out);
    for (const ContainerInfo& info : made) array.add(container_json(info));
  }
  return kExitOk;
}

std::string expiry_text(int64_t expires) { return expires == 0 ? "" : short_time(expires); }

void list_row(Table& table, const Context& context, const ContainerInfo& info, bool exact) {
  const uint64_t bytes = bytes_of(info.summary);
  table.row({context.style.name(info.name), with_commas(objects_of(info.summary)),
             exact ? std::to_string(bytes) : short_bytes(bytes), short_time(info.created),
             expiry_text(info.expires), origin_text(info)});
}

Result<int> run_list(Context& context, Session& session, const NamesOptions& options) {
  if (context.json) {
    JsonArray array(context.out);
    RAMET_TRY(session.store().containers({}, [&](const ContainerInfo& info) {
      array.add(container_json(info));
      return !context.out.failed();
    }));
  } else if (context.style.null || context.quiet) {
    RAMET_TRY(session.store().containers({}, [&](const ContainerInfo& info) {
      context.out.print("{}{}", context.style.name(info.name), context.style.end());
      return !context.out.failed();
    }));
  } else {
    Table table(context.out, "lrrlll");
    table.row({"NAME", "OBJECTS", "BYTES", "CREATED", "EXPIRES", "CLONED FROM"});
    RAMET_TRY(session.store().containers({}, [&](const ContainerInfo& info) {
      list_row(table, context, info, options.bytes);
      return !context.out.failed();
    }));
  }
  return kExitOk;
}

void print_container(Context& context, const ContainerInfo& info,
                     const std::vector<SnapshotInfo>& snapshots) {
  Table table(context.out, "ll");
  table.row({"name", context.style.name(info.name)});
  table.row({"id", to_uuid(info.id)});
  table.row({"created", full_time(info.created)});
  if (info.expires != 0) table.row({"expires", full_time(info.expires)});
  table.row({"objects", with_commas(objects_of(info.summary))});
  table.row({"folders", with_commas(folders_of(info.summary))});
  table.row({"content", fmt::format("{} ({} bytes)", human_bytes(bytes_of(info.summary)),
                                    with_commas(bytes_of(info.summary)))});
  table.row({"last change", "commit " + with_commas(info.changed)});
  if (info.lineage) {
    table.row({"cloned from", fmt::format("{} at commit {}", origin_text(info),
                                          with_commas(info.lineage->sequence))});
  }
  if (!info.note.empty()) table.row({"note", escape_message(info.note)});
  for (const SnapshotInfo& snapshot : snapshots) {
    table.row({"snapshot", fmt::format("{}  {}", context.style.name(snapshot.name),
                                       short_time(snapshot.created))});
  }
}

Json snapshot_json(const std::string& container, const SnapshotInfo& info) {
  Json json;
  set_name(json, "container", container);
  set_name(json, "name", info.name);
  json["created"] = iso_time(info.created);
  if (info.expires != 0) json["expires"] = iso_time(info.expires);
  json["automatic"] = info.automatic;
  json["sequence"] = info.sequence;
  add_summary(json, info.summary);
  if (!info.note.empty()) set_name(json, "note", info.note);
  return json;
}

Result<int> run_show(Context& context, Session& session, const NamesOptions& options) {
  std::vector<Json> shown;
  bool first = true;
  for (const std::string& name : options.names) {
    RAMET_ASSIGN(const std::string bare, bare_name(name));
    RAMET_ASSIGN(const ContainerInfo info, session.container(bare));
    std::vector<SnapshotInfo> snapshots;
    RAMET_TRY(session.store().snapshots(info.id, [&](const SnapshotInfo& snapshot) {
      snapshots.push_back(snapshot);
      return true;
    }));
    if (!context.json) {
      if (!first) context.out.write("\n");
      print_container(context, info, snapshots);
    } else {
      Json json = container_json(info);
      json["snapshots"] = Json::array();
      for (const auto& snapshot : snapshots) {
        json["snapshots"].push_back(snapshot_json(info.name, snapshot));
      }
      shown.push_back(std::move(json));
    }
    first = false;
  }
  if (context.json) print_json(context.out, shown);
  return kExitOk;
}

struct RenameOptions {
  std::string from;
  std::string to;
};

Result<int> run_rename(Context& context, Session& session, const RenameOptions& options) {
  RAMET_ASSIGN(const std::string from, bare_name(options.from));
  RAMET_ASSIGN(const std::string to, bare_name(options.to));
  RAMET_ASSIGN(const ContainerInfo info, session.container(from));
  RAMET_TRY(session.store().rename_container(info.id, to));
  if (context.json) {
    RAMET_ASSIGN(const ContainerInfo renamed, session.container(to));
    print_json(context.out, container_json(renamed));
  }
  return kExitOk;
}

Result<int> run_drop(Context& context, Session& session, const NamesOptions& options) {
  std::vector<ContainerInfo> found;  // all of them first, so that a wrong name drops none
  for (const std::string& name : options.names) {
    RAMET_ASSIGN(const std::string bare, bare_name(name));
    RAMET_ASSIGN(ContainerInfo info, session.container(bare));
    found.push_back(std::move(info));
  }
  for (const ContainerInfo& info : found) {
    RAMET_TRY(session.store().drop_container(info.id, DropOptions{options.now}));
  }
  if (context.json) {
    JsonArray array(context.out);
    for (const ContainerInfo& info : found) array.add(container_json(info));
  }
  return kExitOk;
}

// With --auto containers are named, and the snapshot gets the time as its name, so that names sort
// by age.
Result<PathSpec> new_snapshot_name(Context& context, const std::string& text, bool automatic) {
  if (!automatic) return snapshot_name(context, text);
  PathSpec spec;
  RAMET_ASSIGN(spec.container, bare_name(text));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string time = iso_time(std::chrono::nanoseconds(now).count()).substr(0, 19);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  spec.snapshot = "auto-" + time + "Z";
  return spec;
}

Result<int> run_snapshot_create(Context& context, Session& session, const NamesOptions& options) {
  RAMET_ASSIGN(const int64_t expires, expiry_of(options.ttl));
  std::vector<Json> made;
  for (const std::string& name : options.names) {
    RAMET_ASSIGN(const PathSpec spec, new_snapshot_name(context, name, options.automatic));
    RAMET_ASSIGN(const ContainerInfo info, session.container(spec.container));
    RAMET_ASSIGN(const SnapshotInfo snapshot,
                 session.store().create_snapshot(
                     info.id, spec.snapshot,
                     SnapshotOptions{options.note, expires, options.automatic}));
    if (options.automatic) {
      context.say("{}\n", context.style.name(spec.container + "@" + spec.snapshot));
    }
    made.push_back(snapshot_json(info.name, snapshot));
  }
  if (context.json) {
    JsonArray array(context.out);
    for (const Json& json : made) array.add(json);
  }
  return kExitOk;
}

// Calls `visit` for the snapshots of the named containers, or of all.
Status each_snapshot(Session& session, const std::vector<std::string>& names,
                     const std::function<bool(const ContainerInfo&, const SnapshotInfo&)>& visit) {
  std::vector<ContainerInfo> containers;
  for (const std::string& name : names) {
    RAMET_ASSIGN(const std::string bare, bare_name(name));
    RAMET_ASSIGN(ContainerInfo info, session.container(bare));
    containers.push_back(std::move(info));
  }
  if (names.empty()) {
    RAMET_TRY(session.store().containers({}, [&](const ContainerInfo& info) {
      containers.push_back(info);
      return true;
    }));
  }
  for (const ContainerInfo& info : containers) {
    RAMET_TRY(session.store().snapshots(
        info.id, [&](const SnapshotInfo& snapshot) { return visit(info, snapshot); }));
  }
  return ok();
}

std::string full_name(const Context& context, const ContainerInfo& info,
                      const SnapshotInfo& snapshot) {
  return context.style.name(info.name + "@" + snapshot.name);
}

Result<int> run_snapshot_list(Context& context, Session& session, const NamesOptions& options) {
  if (context.json) {
    JsonArray array(context.out);
    RAMET_TRY(each_snapshot(session, options.names, [&](const auto& info, const auto& snapshot) {
      array.add(snapshot_json(info.name, snapshot));
      return !context.out.failed();
    }));
  } else if (context.style.null || context.quiet) {
    RAMET_TRY(each_snapshot(session, options.names, [&](const auto& info, const auto& snapshot) {
      context.out.print("{}{}", full_name(context, info, snapshot), context.style.end());
      return !context.out.failed();
    }));
  } else {
    Table table(context.out, "lrrlll");
    table.row({"NAME", "OBJECTS", "BYTES", "CREATED", "EXPIRES", "NOTE"});
    RAMET_TRY(each_snapshot(session, options.names, [&](const auto& info, const auto& snapshot) {
      const uint64_t bytes = bytes_of(snapshot.summary);
      table.row({full_name(context, info, snapshot), with_commas(objects_of(snapshot.summary)),
                 options.bytes ? std::to_string(bytes) : short_bytes(bytes),
                 short_time(snapshot.created), expiry_text(snapshot.expires),
                 escape_message(snapshot.note)});
      return !context.out.failed();
    }));
  }
  return kExitOk;
}

Result<int> run_snapshot_drop(Context& context, Session& session, const NamesOptions& options) {
  std::vector<Place> found;  // all of them first, so that a wrong name drops none
  for (const std::string& name : options.names) {
    RAMET_ASSIGN(const PathSpec spec, snapshot_name(context, name));
    RAMET_ASSIGN(Place place, session.place(spec));
    place.view.reset();
    found.push_back(std::move(place));
  }
  for (const Place& place : found) {
    RAMET_TRY(session.store().drop_snapshot(place.container.id, place.spec.snapshot,
                                            DropOptions{options.now}));
  }
  if (context.json) {
    JsonArray array(context.out);
    for (const Place& place : found) {
      Json json;
      set_name(json, "container", place.spec.container);
      set_name(json, "name", place.spec.snapshot);
      array.add(json);
    }
  }
  return kExitOk;
}

}  // namespace

void add_container_commands(CommandLine& line) {
  CLI::App& group = add_group(line, "container", "Make, list, rename and drop containers");
  auto create = std::make_shared<NamesOptions>();
  Command(line, group, "create", "Make empty containers", "NAME...",
          {"ramet container create prod", "ramet container create --note 'nightly build' nightly"})
      .arguments("name", create->names, 1,
                 "1 to 255 bytes, without '/', ':', '@' and line breaks")
      .option("--note", create->note, "TEXT", "A note for people")
      .option("--compression", create->compression, "X",
              "How content is compressed (default: as the store's)")
      .option("--ttl", create->ttl, "DURATION", "Drop them after this time: 12h, 30d, ...")
      .flag("--flat", create->flat, "Without folders: names are whole keys, as in a bucket")
      .choice("--versioning", create->versioning, {"off", "on"},
              "Whether earlier versions of objects are kept (default: off)")
      .run(create, Access::kWrite, run_create);
  auto list = std::make_shared<NamesOptions>();
  Command(line, group, "list", "List containers", "",
          {"ramet container list", "ramet container list -q       # names only"})
      .flag("-b,--bytes", list->bytes, "Exact sizes")
      .names_options()
      .run(list, Access::kRead, run_list);
  auto show = std::make_shared<NamesOptions>();
  Command(line, group, "show", "Show containers with their snapshots", "NAME...",
          {"ramet container show prod"})
      .arguments("name", show->names, 1, "Containers")
      .run(show, Access::kRead, run_show);
  auto rename = std::make_shared<RenameOptions>();
  Command(line, group, "rename", "Rename a container", "OLD NEW",
          {"ramet container rename test old-test"})
      .argument("old", rename->from, "Its name now")
      .argument("new", rename->to, "Its new name")
      .run(rename, Access::kWrite, run_rename);
  auto drop = std::make_shared<NamesOptions>();
  Command(line, group, "drop", "Drop containers with their snapshots", "NAME...",
          {"ramet container drop test       # clones of it stay as they are",
           "ramet undelete test             # takes it back, within the setting drop-grace"})
      .arguments("name", drop->names, 1, "Containers")
      .flag("--now", drop->now, "Give their space back at once: they cannot be taken back")
      .run(drop, Access::kWrite, run_drop);
}

void add_snapshot_commands(CommandLine& line) {
  CLI::App& group = add_group(line, "snapshot", "Make, list and drop snapshots");
  auto create = std::make_shared<NamesOptions>();
  Command(line, group, "create", "Keep the present state of containers", "CONTAINER@SNAPSHOT...",
          {"ramet snapshot create prod@nightly", "ramet ls prod@nightly:/share",
           "ramet snapshot create --auto prod    # named by its time; the setting 'keep' applies"})
      .arguments("name", create->names, 1,
                 "Container and new snapshot: container@snapshot; with --auto containers")
      .option("--note", create->note, "TEXT", "A note for people")
      .option("--ttl", create->ttl, "DURATION", "Drop them after this time: 12h, 30d, ...")
      .flag("--auto", create->automatic,
            "Name them by their time, and drop older ones as the setting 'keep' says")
      .run(create, Access::kWrite, run_snapshot_create);
  auto list = std::make_shared<NamesOptions>();
  Command(line, group, "list", "List snapshots", "[CONTAINER...]",
          {"ramet snapshot list", "ramet snapshot list prod"})
      .arguments("container", list->names, 0, "Only of these containers")
      .flag("-b,--bytes", list->bytes, "Exact sizes")
      .names_options()
      .run(list, Access::kRead, run_snapshot_list);
  auto drop = std::make_shared<NamesOptions>();
  Command(line, group, "drop", "Drop snapshots", "CONTAINER@SNAPSHOT...",
          {"ramet snapshot drop prod@nightly"})
      .arguments("name", drop->names, 1, "Snapshots: container@snapshot")
      .flag("--now", drop->now, "Give their space back at once: they cannot be taken back")
      .run(drop, Access::kWrite, run_snapshot_drop);
}

}  // namespace ramet::tools
