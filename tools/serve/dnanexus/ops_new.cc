// New objects: /file/new, /record/new, /applet/new, /workflow/new, /database/new.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/nonces.h"
#include "tools/serve/dnanexus/object_edit.h"
#include "tools/serve/dnanexus/parts.h"
#include "tools/serve/dnanexus/paths.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr uint32_t kFileMode = 0100644;
constexpr size_t kSpecBytesMax = 1u << 20;

// Input that all classes have; what else a class that is no file has is kept as it came.
constexpr std::array<std::string_view, 17> kCommon = {
    "project", "folder",  "parents", "name",    "hidden",         "tags",  "types", "properties",
    "details", "media",   "nonce",   "close",   "initializeFrom", "id",    "class", "state",
    "targetFileRelocation"};

struct NewObject {
  ObjectClass object_class = ObjectClass::kRecord;
  ContainerId container;
  std::string folder;
  bool parents = false;
  std::string name;  // empty: its id
  Metadata metadata;
  Standing standing;
  Json details = Json::object();
  std::vector<ObjectLink> required;  // that a program cannot do without
  Json spec = Json::object();
};

Outcome<void> read_metadata(const Input& in, NewObject& made) {
  RAMET_ASSIGN(const auto name, in.text("name"));
  if (name) {
    if (name->empty()) return wrong_type("name", "a nonempty string");
    made.name = *name;
  }
  RAMET_ASSIGN(made.standing.hidden, in.flag("hidden", made.standing.hidden));
  if (in.has("tags")) {
    RAMET_ASSIGN(made.metadata.tags, texts_input(in, "tags"));
  }
  if (in.has("types")) {
    RAMET_ASSIGN(made.metadata.types, texts_input(in, "types"));
  }
  RAMET_ASSIGN(const Json* const properties, properties_input(in, false));
  if (properties != nullptr) {
    std::erase_if(made.metadata.properties,
                  [](const Property& one) { return is_users_property(one.name); });
    for (const auto& [key, value] : properties->items()) {
      set_property(made.metadata, key, value.get<std::string>());
    }
  }
  if (in.has("details")) {
    made.details = in.json().at("details");
    if (!made.details.is_structured()) return wrong_type("details", "a hash or an array");
  }
  RAMET_ASSIGN(const auto media, in.text("media"));
  if (media) made.metadata.media_type = *media;
  return {};
}

// What another object of the class has, which the input may override.
Outcome<void> initialize(Call& call, const Json& from, NewObject& made) {
  const Input in(from);
  RAMET_ASSIGN(const std::string id, in.some_text("id"));
  RAMET_ASSIGN(const auto hint, in.text("project"));
  const auto ref = parse_object(id);
  if (!ref || ref->object_class != made.object_class) {
    return Fault(Type::kInvalidType,
                 fmt::format("'initializeFrom' must be a {}", class_name(made.object_class)));
  }
  RAMET_ASSIGN(const Located source, call.locate(*ref, hint, AccessLevel::kView));
  const ObjectInfo& info = source.info;
  made.name = title_of(info);
  made.standing.hidden = info.standing.hidden;
  made.metadata.tags = info.metadata.tags;
  made.metadata.types = info.metadata.types;
  for (const Property& property : info.metadata.properties) {
    if (is_users_property(property.name)) made.metadata.properties.push_back(property);
  }
  RAMET_ASSIGN(const std::string details, details_of(*source.view, info));
  made.details = parse_kept(details);
  return {};
}

Outcome<void> add_required(const Json& depends, std::vector<ObjectLink>& out) {
  if (!depends.is_array()) return wrong_type("runSpec.bundledDepends", "an array");
  RAMET_ASSIGN(const std::vector<Link> links, links_in(depends));
  for (Link link : links) {
    link.link.required = true;
    out.push_back(link.link);
  }
  return {};
}

// What a program needs beside its details.
Outcome<void> read_program(const Json& input, NewObject& made) {
  if (made.object_class == ObjectClass::kApplet) {
    const Json run = input.value("runSpec", Json::object());
    if (!run.is_object()) return wrong_type("runSpec", "a hash");
    if (run.contains("bundledDepends")) {
      RAMET_TRY(add_required(run["bundledDepends"], made.required));
    }
    if (run.contains("bundledDependsByRegion")) {
      if (!run["bundledDependsByRegion"].is_object()) {
        return wrong_type("runSpec.bundledDependsByRegion", "a hash");
      }
      for (const Json& depends : run["bundledDependsByRegion"]) {
        RAMET_TRY(add_required(depends, made.required));
      }
    }
    return {};
  }
  if (made.object_class != ObjectClass::kWorkflow || !input.contains("stages")) return {};
  const Json& stages = input["stages"];
  if (!stages.is_array()) return wrong_type("stages", "an array");
  for (const Json& stage : stages) {
    if (!stage.is_object() || !stage.contains("executable")) continue;
    if (!stage["executable"].is_string()) return wrong_type("stages.executable", "a string");
    const auto executable = parse_object(stage["executable"].get<std::string>());
    if (executable) made.required.push_back({executable->id, {}, false});
  }
  return {};
}

Outcome<NewObject> read_new(Call& call, ObjectClass object_class) {
  const Input in = call.in();
  NewObject made;
  made.object_class = object_class;
  RAMET_ASSIGN(const std::string project_text, in.some_text("project"));
  RAMET_ASSIGN(const Project project, call.project(project_text, AccessLevel::kUpload));
  made.container = project.info.id;
  RAMET_ASSIGN(made.folder, folder_input(in, "folder", "/"));
  RAMET_ASSIGN(made.parents, in.flag("parents", false));
  RAMET_ASSIGN(const Json* const from, in.object("initializeFrom"));
  if (from != nullptr) RAMET_TRY(initialize(call, *from, made));
  RAMET_TRY(read_metadata(in, made));
  RAMET_ASSIGN(const bool close, in.flag("close", false));
  made.standing.state = ObjectState::kOpen;
  if (object_class == ObjectClass::kApplet || (close && object_class != ObjectClass::kFile)) {
    made.standing.state = ObjectState::kClosed;
  }
  if (object_class == ObjectClass::kWorkflow) {
    made.standing.clone_rule = CloneRule::kCopiedWhileOpen;
  }
  if (object_class == ObjectClass::kDatabase) {
    made.standing.clone_rule = CloneRule::kNever;
    RAMET_ASSIGN(const auto database, in.text("databaseName"));
    if (database && made.name.empty()) made.name = *database;
  }
  RAMET_TRY(read_program(call.input, made));
  set_property(made.metadata, std::string(kCreatedByProperty), call.caller.principal.name);
  set_property(made.metadata, std::string(kHomeProperty), to_base62(made.container));
  if (object_class == ObjectClass::kFile) return made;
  for (const auto& [name, value] : call.input.items()) {
    if (std::find(kCommon.begin(), kCommon.end(), name) == kCommon.end()) made.spec[name] = value;
  }
  if (made.spec.dump().size() > kSpecBytesMax) {
    return Fault(Type::kInvalidInput,
                 fmt::format("more than {} bytes beside what all objects have", kSpecBytesMax));
  }
  return made;
}

Outcome<ObjectId> put_new(Transaction& transaction, const View& view, const NewObject& made,
                          TypeNumber type) {
  FolderId folder;
  if (made.parents) {
    RAMET_ASSIGN(folder, make_folders(transaction, made.folder));
  } else {
    RAMET_ASSIGN(folder, open_folder(transaction, made.folder, made.container));
  }
  ObjectInit init;
  init.attributes.mode = kFileMode;
  init.metadata = made.metadata;
  init.standing = made.standing;
  init.type = type;
  const std::string title = made.name.empty() ? "new" : made.name;
  RAMET_ASSIGN(const ObjectId id, transaction.add_object(folder, title, init, nullptr));
  if (made.name.empty()) {
    RAMET_TRY(transaction.place_object(id, folder, to_text(ObjectRef{made.object_class, id})));
  }
  RAMET_ASSIGN(ObjectInfo info, transaction.object(id));
  RAMET_TRY(put_details(transaction, view, info, made.details, made.required));
  if (!made.spec.empty()) {
    std::string inlined;
    RAMET_TRY(set_long_text(transaction, id, kSpecName, made.spec.dump(), inlined));
    if (!inlined.empty()) set_property(info.metadata, std::string(kSpecName), std::move(inlined));
  }
  RAMET_TRY(transaction.set_metadata(id, info.metadata));
  RAMET_TRY(transaction.set_standing(id, info.standing));
  return id;
}

}  // namespace

Task<Answer> new_object(Call& call) {
  const auto object_class = parse_class(call.subject);
  RAMET_CO_ASSIGN(const auto nonce,
                  read_nonce(call.input, call.caller.principal.name, call.subject));
  TypeNumber type = kFileType;
  const auto read = [&]() -> Outcome<NewObject> {
    RAMET_ASSIGN(type, type_of(call.store(), *object_class));
    return read_new(call, *object_class);
  };
  RAMET_CO_ASSIGN(const NewObject made, co_await call.slow(read));
  std::string text;
  RAMET_CO_TRY(co_await change(
      call, made.container, [&](Transaction& transaction, const View& view) -> Outcome<void> {
        if (nonce) {
          RAMET_ASSIGN(const auto before, find_nonce(view, *nonce, now_ms()));
          if (before) {
            text = *before;
            return {};
          }
        }
        RAMET_ASSIGN(const ObjectId id, put_new(transaction, view, made, type));
        text = to_text(ObjectRef{*object_class, id});
        if (nonce) RAMET_TRY(keep_nonce(transaction, view, *nonce, text, now_ms()));
        return {};
      }));
  Json json;
  json["id"] = text;
  co_return json;
}

}  // namespace ramet::serve::dnanexus
