// Searches: /system/findDataObjects, findProjects, resolveDataObjects and descriptions of many.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "tools/serve/dnanexus/handlers.h"
#include "tools/serve/dnanexus/match.h"
#include "tools/serve/dnanexus/object_json.h"
#include "tools/serve/dnanexus/paths.h"
#include "tools/serve/dnanexus/project_json.h"
#include "tools/serve/dnanexus/upload_json.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr int64_t kLimit = 1000;

struct TimeRange {
  std::optional<int64_t> after, before;  // milliseconds
  bool has(int64_t time) const {
    return (!after || time >= *after) && (!before || time <= *before);
  }
};

// `now`: negative values count back from it.
Outcome<TimeRange> read_times(const Input& in, std::string_view key, int64_t now) {
  TimeRange out;
  RAMET_ASSIGN(const Json* const asked, in.object(key));
  if (asked == nullptr) return out;
  const Input range(*asked);
  RAMET_ASSIGN(out.after, range.number("after"));
  RAMET_ASSIGN(out.before, range.number("before"));
  if (out.after && *out.after < 0) *out.after += now;
  if (out.before && *out.before < 0) *out.before += now;
  return out;
}

// Tags: a text, or {"$and": [...]}, {"$or": [...]} of such.
Outcome<bool> tags_match(const Json& asked, const std::vector<std::string>& tags) {
  if (asked.is_string()) {
    return std::find(tags.begin(), tags.end(), asked.get<std::string>()) != tags.end();
  }
  const bool is_and = asked.is_object() && asked.size() == 1 && asked.contains("$and");
  const bool is_or = asked.is_object() && asked.size() == 1 && asked.contains("$or");
  const Json* const list = is_and ? &asked["$and"] : is_or ? &asked["$or"] : nullptr;
  if (list == nullptr || !list->is_array()) {
    return Fault(Type::kInvalidInput,
                 "expected tags to be a string, or a hash with \"$and\" or \"$or\" and an array");
  }
  bool all = true, any = false;
  for (const Json& one : *list) {
    RAMET_ASSIGN(const bool matches, tags_match(one, tags));
    all = all && matches;
    any = any || matches;
  }
  return is_and ? all : any;
}

// {"key": "value" or true}, all of it; {"$and"|"$or": [...]} of such.
Outcome<bool> properties_match(const Json& asked, const std::map<std::string, std::string>& has) {
  if (!asked.is_object()) return wrong_type("properties", "a hash");
  for (const auto& [name, value] : asked.items()) {
    if (name == "$and" || name == "$or") {
      if (!value.is_array()) return wrong_type("properties." + name, "an array");
      bool all = true, any = false;
      for (const Json& one : value) {
        RAMET_ASSIGN(const bool matches, properties_match(one, has));
        all = all && matches;
        any = any || matches;
      }
      if (!(name == "$and" ? all : any)) return false;
      continue;
    }
    if (value != true && !value.is_string()) {
      return wrong_type("properties." + name, "a string or true");
    }
    const auto found = has.find(name);
    if (found == has.end() || (value.is_string() && value.get<std::string>() != found->second)) {
      return false;
    }
  }
  return true;
}

// What findDataObjects asks for.
struct ObjectQuery {
  std::optional<std::string> object_class, state, visibility, archival;
  std::optional<TextMatch> name;
  Json properties, tags, types;  // null: whatever
  std::optional<ObjectId> link;
  std::optional<std::set<ObjectId>> ids;
  TimeRange created, modified;
  std::optional<ContainerId> project;
  std::string folder;  // "": the root folder
  bool recurse = true;
  AccessLevel level = AccessLevel::kView;
  std::optional<std::string> region;
  std::optional<DescribeFields> describe;
  size_t limit = kLimit;
  // Where the page before ended; null: it is the first.
  Json starting;
};

Outcome<size_t> read_limit(const Input& in) {
  RAMET_ASSIGN(const auto limit, in.number("limit"));
  if (limit && (*limit < 1 || *limit > kLimit)) {
    return wrong_type("limit", fmt::format("an integer from 1 to {}", kLimit));
  }
  return static_cast<size_t>(limit.value_or(kLimit));
}

Outcome<std::optional<DescribeFields>> read_describe(const Input& in) {
  if (!in.has("describe") || in.json().at("describe") == false) {
    return std::optional<DescribeFields>();
  }
  RAMET_ASSIGN(DescribeFields fields, DescribeFields::parse(in.json().at("describe")));
  return std::optional<DescribeFields>(std::move(fields));
}

Outcome<std::optional<std::string>> one_of(const Input& in, std::string_view key,
                                           std::initializer_list<std::string_view> words) {
  RAMET_ASSIGN(auto text, in.text(key));
  if (text && std::find(words.begin(), words.end(), *text) == words.end()) {
    return wrong_type(key, fmt::format("one of {}", fmt::join(words, ", ")));
  }
  return text;
}

Outcome<void> read_scope(const Input& in, ObjectQuery& query) {
  RAMET_ASSIGN(const Json* const scope, in.object("scope"));
  if (scope == nullptr) return {};
  const Input at(*scope);
  RAMET_ASSIGN(const std::string project, at.some_text("project"));
  query.project = parse_container(project);
  if (!query.project) {
    return Fault(Type::kResourceNotFound, fmt::format("there is no \"{}\"", project));
  }
  RAMET_ASSIGN(query.folder, folder_input(at, "folder", "/"));
  RAMET_ASSIGN(query.recurse, at.flag("recurse", true));
  return {};
}

Outcome<ObjectQuery> read_object_query(Call& call) {
  const Input in = call.in();
  ObjectQuery out;
  RAMET_ASSIGN(out.object_class, in.text("class"));
  RAMET_ASSIGN(out.state, one_of(in, "state", {"open", "closing", "closed", "any"}));
  RAMET_ASSIGN(out.visibility, one_of(in, "visibility", {"hidden", "visible", "either"}));
  RAMET_ASSIGN(out.archival, one_of(in, "archivalState", {"live", "archival", "archived",
                                                          "archiving", "unarchiving", "any"}));
  if (in.has("name")) {
    RAMET_ASSIGN(out.name, TextMatch::parse(call.input["name"], "name"));
  }
  const auto take = [&](const char* key, Json& into) {
    if (in.has(key)) into = call.input[key];
  };
  take("properties", out.properties);
  take("tags", out.tags);
  take("type", out.types);
  take("types", out.types);
  take("starting", out.starting);
  RAMET_ASSIGN(const auto link, in.text("link"));
  if (link) {
    const auto target = parse_object(*link);
    if (!target) return wrong_type("link", "the ID of an object");
    out.link = target->id;
  }
  RAMET_ASSIGN(const auto ids, in.texts("id"));
  if (ids) {
    if (ids->size() > static_cast<size_t>(kLimit)) {
      return wrong_type("id", fmt::format("at most {} IDs", kLimit));
    }
    out.ids.emplace();
    for (const std::string& text : *ids) {
      const auto object = parse_object(text);
      if (object) out.ids->insert(object->id);
    }
  }
  RAMET_ASSIGN(out.created, read_times(in, "created", now_ms()));
  RAMET_ASSIGN(out.modified, read_times(in, "modified", now_ms()));
  RAMET_TRY(read_scope(in, out));
  RAMET_ASSIGN(const auto level, in.text("level"));
  if (level) {
    RAMET_ASSIGN(out.level, parse_level_text(*level));
  }
  RAMET_ASSIGN(out.region, in.text("region"));
  RAMET_ASSIGN(out.describe, read_describe(in));
  RAMET_ASSIGN(out.limit, read_limit(in));
  return out;
}

std::map<std::string, std::string> users_properties(const Metadata& metadata) {
  std::map<std::string, std::string> out;
  for (const Property& property : metadata.properties) {
    if (is_users_property(property.name)) out.emplace(property.name, property.value);
  }
  return out;
}

Outcome<bool> matches(Call& call, const View& view, const ObjectQuery& query,
                      const ObjectInfo& info) {
  if (!is_shown(info.entry_class)) return false;
  const Standing& standing = info.standing;
  const std::string visibility = query.visibility.value_or("visible");
  if (visibility != "either" && standing.hidden != (visibility == "hidden")) return false;
  if (query.state && *query.state != "any" && *query.state != state_name(standing.state)) {
    return false;
  }
  if (query.archival && *query.archival != "any" &&
      *query.archival != archival_name(standing.archival)) {
    return false;
  }
  if (query.ids && !query.ids->contains(info.id)) return false;
  if (!query.created.has(to_ms(info.created)) ||
      !query.modified.has(to_ms(info.attributes.modified))) {
    return false;
  }
  if (query.name) {
    RAMET_ASSIGN(const bool same, query.name->matches(title_of(info)));
    if (!same) return false;
  }
  if (query.object_class) {
    RAMET_ASSIGN(const ObjectClass object_class, class_of(call.store(), info.type));
    if (*query.object_class != class_name(object_class)) return false;
  }
  if (!query.tags.is_null()) {
    RAMET_ASSIGN(const bool same, tags_match(query.tags, info.metadata.tags));
    if (!same) return false;
  }
  if (!query.types.is_null()) {
    RAMET_ASSIGN(const bool same, tags_match(query.types, info.metadata.types));
    if (!same) return false;
  }
  if (!query.properties.is_null()) {
    RAMET_ASSIGN(const bool same,
                 properties_match(query.properties, users_properties(info.metadata)));
    if (!same) return false;
  }
  if (query.link) {
    RAMET_ASSIGN(const std::string text, details_of(view, info));
    auto links = links_in(parse_kept(text));
    if (!links.ok()) return false;
    return std::any_of(links->begin(), links->end(),
                       [&](const Link& one) { return one.link.target == *query.link; });
  }
  return true;
}

// Newest first, then by id.
struct Hit {
  int64_t modified = 0;  // milliseconds
  ObjectId id;
  friend bool operator<(const Hit& a, const Hit& b) {
    return a.modified != b.modified ? a.modified > b.modified : a.id < b.id;
  }
};

// How names of objects begin whose titles begin so: up to what may stand there as '_'.
std::string name_prefix(std::string_view title) {
  constexpr size_t kPrefixBytesMax = 200;  // names of long titles are cut
  std::string out(title.substr(0, kPrefixBytesMax));
  const auto other = std::find_if(out.begin(), out.end(), [](char c) {
    return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  out.erase(other, out.end());
  return out;
}

// Calls `visit` with everything that may match; it says whether to go on.
Outcome<void> each_candidate(const View& view, const ObjectQuery& query, const ContainerId& id,
                             const std::function<Outcome<void>(const ObjectInfo&)>& visit) {
  if (query.ids) {
    for (const ObjectId& object : *query.ids) {
      const auto info = view.object(object);
      if (!info.ok() && info.error().code() == ErrorCode::kNotFound) continue;
      if (!info.ok()) return Fault(info.error());
      if (query.project && !(query.folder.empty() && query.recurse)) {
        RAMET_ASSIGN(const std::string path, view.path_of(info->folder));
        const bool inside = path == shown_folder(query.folder) ||
                            (query.recurse && path.starts_with(query.folder + "/"));
        if (!inside) continue;
      }
      RAMET_TRY(visit(*info));
    }
    return {};
  }
  Outcome<void> done;
  if (query.folder.empty() && query.recurse) {
    RAMET_TRY(view.objects([&](const ObjectInfo& info) {
      done = visit(info);
      return done.ok();
    }));
    return done;
  }
  RAMET_ASSIGN(const FolderId top, open_folder(view, query.folder, id));
  std::vector<FolderId> pending{top};
  const std::string prefix = query.name ? name_prefix(query.name->prefix()) : std::string();
  while (!pending.empty()) {
    const FolderId at = pending.back();
    pending.pop_back();
    std::vector<ObjectId> objects;
    const auto list = [&](const Entry& entry) {
      if (entry.is_folder()) {
        if (query.recurse) pending.push_back(entry.folder);
      } else {
        objects.push_back(entry.object);
      }
      return true;
    };
    if (query.recurse) {
      RAMET_TRY(view.list(at, {}, list));
    } else {
      RAMET_TRY(view.list_from(at, prefix, {}, list));
    }
    for (const ObjectId& object : objects) {
      RAMET_ASSIGN(const ObjectInfo info, view.object(object));
      RAMET_TRY(visit(info));
    }
  }
  return {};
}

// The first `limit` behind `after`, in order; one more tells that there are more.
Outcome<std::vector<Hit>> find_in(Call& call, const View& view, const ObjectQuery& query,
                                  const std::optional<Hit>& after, size_t limit) {
  std::set<Hit> hits;
  RAMET_TRY(each_candidate(view, query, view.container(),
                           [&](const ObjectInfo& info) -> Outcome<void> {
                             const Hit hit{to_ms(info.attributes.modified), info.id};
                             if (after && !(*after < hit)) return {};
                             if (hits.size() > limit && *hits.rbegin() < hit) return {};
                             RAMET_ASSIGN(const bool same, matches(call, view, query, info));
                             if (!same) return {};
                             hits.insert(hit);
                             if (hits.size() > limit + 1) hits.erase(std::prev(hits.end()));
                             return {};
                           }));
  return std::vector<Hit>(hits.begin(), hits.end());
}

// Whether somebody gave it to the caller, or a group of the caller's, and not to everyone alone.
Outcome<bool> is_explicit(Call& call, const ContainerId& container) {
  if (call.caller.principal.super_admin) return true;
  bool found = false;
  RAMET_TRY(call.access().grants(container, [&](const Grant& grant) {
    found = grant.principal == call.caller.principal.id;
    for (const Membership& membership : call.caller.principal.groups) {
      found = found || membership.group == grant.principal;
    }
    return !found;
  }));
  return found;
}

// Projects that are searched: the one, or all that somebody gave the caller, by id.
Outcome<std::vector<Project>> searched_projects(Call& call, const ObjectQuery& query) {
  std::vector<Project> out;
  if (query.project) {
    RAMET_ASSIGN(Project project, call.project(*query.project, AccessLevel::kView));
    if (project.level >= query.level) out.push_back(std::move(project));
  } else {
    RAMET_ASSIGN(out, call.visible_projects());
    std::vector<Project> given;
    for (Project& one : out) {
      if (one.level < query.level) continue;
      RAMET_ASSIGN(const bool is_given, is_explicit(call, one.info.id));
      if (is_given) given.push_back(std::move(one));
    }
    out = std::move(given);
    std::sort(out.begin(), out.end(),
              [](const Project& a, const Project& b) { return a.info.id < b.info.id; });
  }
  if (!query.region) return out;
  std::vector<Project> there;
  for (Project& project : out) {
    RAMET_ASSIGN(project.rules, call.access().container_access(project.info.id));
    if (call.region_of(project.rules) == *query.region) there.push_back(std::move(project));
  }
  return there;
}

struct Cursor {
  ContainerId project;
  Hit hit;
};
Outcome<std::optional<Cursor>> read_cursor(const Json& starting) {
  if (starting.is_null()) return std::optional<Cursor>();
  const Fault wrong = wrong_type("starting", "what 'next' said");
  if (!starting.is_object()) return wrong;
  const Input in(starting);
  RAMET_ASSIGN(const std::string project, in.some_text("project"));
  RAMET_ASSIGN(const std::string id, in.some_text("id"));
  RAMET_ASSIGN(const auto modified, in.number("modified"));
  const auto container = parse_container(project);
  const auto object = parse_object(id);
  if (!container || !object || !modified) return wrong;
  return std::optional<Cursor>(Cursor{*container, {*modified, object->id}});
}

Answer find_objects(Call& call, const ObjectQuery& query) {
  RAMET_ASSIGN(const auto cursor, read_cursor(query.starting));
  RAMET_ASSIGN(const std::vector<Project> projects, searched_projects(call, query));
  Json json;
  json["results"] = Json::array();
  json["next"] = nullptr;
  Json& results = json["results"];
  Json last;
  for (const Project& project : projects) {
    const ContainerId& id = project.info.id;
    if (cursor && id < cursor->project) continue;
    RAMET_ASSIGN(const auto view, call.store().view(id));
    std::optional<Hit> after;
    if (cursor && cursor->project == id) after = cursor->hit;
    const size_t left = query.limit - results.size();
    RAMET_ASSIGN(const std::vector<Hit> hits, find_in(call, *view, query, after, left));
    for (const Hit& hit : hits) {
      if (results.size() == query.limit) {
        json["next"] = last;
        return json;
      }
      RAMET_ASSIGN(const ObjectInfo info, view->object(hit.id));
      RAMET_ASSIGN(const ObjectClass object_class, class_of(call.store(), info.type));
      Json one;
      one["project"] = to_text(id);
      one["id"] = to_text(ObjectRef{object_class, hit.id});
      last = one;
      last["modified"] = hit.modified;
      if (query.describe) {
        Located found{project, view, info};
        RAMET_ASSIGN(one["describe"], located_json(call, found, *query.describe));
      }
      results.push_back(std::move(one));
    }
  }
  return json;
}

}  // namespace

Task<Answer> find_data_objects(Call& call) {
  RAMET_CO_ASSIGN(const ObjectQuery query, read_object_query(call));
  // What looks at all objects is a worker's.
  const auto find = [&] { return find_objects(call, query); };
  const bool is_small =
      query.project &&
      (query.ids || (!query.recurse && query.name && !query.name->prefix().empty()));
  if (is_small) co_return co_await call.quick(find);
  co_return co_await call.slow(find);
}

Task<Answer> find_projects(Call& call) {
  const Input in = call.in();
  std::optional<TextMatch> name;
  if (in.has("name")) {
    RAMET_CO_ASSIGN(name, TextMatch::parse(call.input["name"], "name"));
  }
  AccessLevel least = AccessLevel::kView;
  RAMET_CO_ASSIGN(const auto level, in.text("level"));
  if (level) {
    RAMET_CO_ASSIGN(least, parse_level_text(*level));
  }
  RAMET_CO_ASSIGN(const bool explicit_only, in.flag("explicitPermission", false));
  RAMET_CO_ASSIGN(const auto describe, read_describe(in));
  RAMET_CO_ASSIGN(const size_t limit, read_limit(in));
  RAMET_CO_ASSIGN(const TimeRange created, read_times(in, "created", now_ms()));
  RAMET_CO_ASSIGN(const auto region, in.text("region"));
  RAMET_CO_ASSIGN(const auto bill_to, in.text("billTo"));
  RAMET_CO_ASSIGN(const auto starting, in.text("starting"));
  std::optional<bool> is_public, phi;
  if (in.has("public")) {
    RAMET_CO_ASSIGN(is_public, in.flag("public", false));
  }
  if (in.has("containsPHI")) {
    RAMET_CO_ASSIGN(phi, in.flag("containsPHI", false));
  }
  co_return co_await call.slow([&]() -> Answer {
    RAMET_ASSIGN(std::vector<Project> visible, call.visible_projects());
    std::sort(visible.begin(), visible.end(),
              [](const Project& a, const Project& b) { return b.info.id < a.info.id; });
    Json json;
    json["results"] = Json::array();
    json["next"] = nullptr;
    std::string last;
    for (Project& project : visible) {
      const std::string id = to_text(project.info.id);
      if (starting && !starting->empty() && !(id < *starting)) continue;
      if (project.level < least || !created.has(to_ms(project.info.created))) continue;
      RAMET_ASSIGN(const auto view, call.store().view(project.info.id));
      RAMET_ASSIGN(const ProjectDocument document, project_document(*view));
      if (name) {
        RAMET_ASSIGN(const bool same, name->matches(project_name(project.info, document)));
        if (!same) continue;
      }
      RAMET_ASSIGN(project.rules, call.access().container_access(project.info.id));
      if (region && call.region_of(project.rules) != *region) continue;
      if (phi && project.rules.contains_phi != *phi) continue;
      if (bill_to && "user-" + project.rules.bill_to != *bill_to &&
          "org-" + project.rules.bill_to != *bill_to) {
        continue;
      }
      if (in.has("tags")) {
        RAMET_ASSIGN(const bool same, tags_match(call.input["tags"], document.tags));
        if (!same) continue;
      }
      if (in.has("properties")) {
        std::map<std::string, std::string> has;
        for (const auto& [key, value] : document.properties.items()) {
          if (value.is_string()) has.emplace(key, value.get<std::string>());
        }
        RAMET_ASSIGN(const bool same, properties_match(call.input["properties"], has));
        if (!same) continue;
      }
      bool is_everyones = false;
      Json sources = Json::array();
      RAMET_TRY(call.access().grants(project.info.id, [&](const Grant& grant) {
        if (grant.principal.is_null()) is_everyones = true;
        if (grant.principal == call.caller.principal.id) {
          sources.push_back(principal_text(call.caller.principal));
        }
        for (const Membership& membership : call.caller.principal.groups) {
          if (membership.group == grant.principal) sources.push_back(to_uuid(membership.group));
        }
        return true;
      }));
      for (Json& source : sources) {
        const auto group = parse_uuid<PrincipalId>(source.get<std::string>());
        if (!group.ok()) continue;
        const auto principal = call.access().principal(*group);
        if (principal.ok()) source = principal_text(*principal);
      }
      if (is_public && *is_public != is_everyones) continue;
      // (Whoever may do everything everywhere was told so explicitly.)
      if (explicit_only && sources.empty() && !call.caller.principal.super_admin) continue;
      if (json["results"].size() == limit) {
        json["next"] = last;
        break;
      }
      if (is_everyones) sources.push_back("PUBLIC");
      Json one;
      one["id"] = id;
      one["level"] = level_text(project.level);
      one["permissionSources"] = std::move(sources);
      one["public"] = is_everyones;
      if (describe) {
        RAMET_ASSIGN(one["describe"], project_json(call, project, *describe));
      }
      json["results"].push_back(std::move(one));
      last = id;
    }
    return json;
  });
}

Task<Answer> resolve_data_objects(Call& call) {
  const Input in = call.in();
  RAMET_CO_ASSIGN(const auto project, in.text("project"));
  RAMET_CO_ASSIGN(const auto folder, in.text("folder"));
  if (!in.has("objects") || !call.input["objects"].is_array()) {
    co_return wrong_type("objects", "an array of hashes");
  }
  if (call.input["objects"].size() > static_cast<size_t>(kLimit)) {
    co_return wrong_type("objects", fmt::format("at most {} of them", kLimit));
  }
  std::vector<ObjectQuery> queries;
  for (const Json& one : call.input["objects"]) {
    if (!one.is_object()) co_return wrong_type("objects", "an array of hashes");
    const Input object(one);
    ObjectQuery query;
    RAMET_CO_ASSIGN(const std::string name, object.some_text("name"));
    RAMET_CO_ASSIGN(query.name, TextMatch::parse(Json(name), "name"));
    RAMET_CO_ASSIGN(const auto own_project, object.text("project"));
    RAMET_CO_ASSIGN(const auto own_folder, object.text("folder"));
    const auto where = own_project ? own_project : project;
    query.project = where ? parse_container(*where) : std::nullopt;
    if (!query.project) co_return wrong_type("project", "the ID of a project");
    RAMET_CO_ASSIGN(query.folder,
                    normal_folder((own_folder ? own_folder : folder).value_or("/"), "folder"));
    query.recurse = false;
    query.visibility = "either";
    queries.push_back(std::move(query));
  }
  co_return co_await call.slow([&]() -> Answer {
    Json json;
    json["results"] = Json::array();
    for (const ObjectQuery& query : queries) {
      auto found = find_objects(call, query);
      if (!found.ok() && found.error().type != Type::kResourceNotFound) {
        return std::move(found).error();
      }
      json["results"].push_back(found.ok() ? (*found)["results"] : Json::array());
    }
    return json;
  });
}

Task<Answer> describe_data_objects(Call& call) {
  const Input in = call.in();
  if (!in.has("objects") || !call.input["objects"].is_array()) {
    co_return wrong_type("objects", "an array");
  }
  const Json& objects = call.input["objects"];
  if (objects.size() > static_cast<size_t>(kLimit)) {
    co_return wrong_type("objects", fmt::format("at most {} of them", kLimit));
  }
  RAMET_CO_ASSIGN(const Json* const options, in.object("classDescribeOptions"));
  co_return co_await call.slow([&]() -> Answer {
    Json json;
    json["results"] = Json::array();
    for (const Json& one : objects) {
      const Json wanted = one.is_string() ? Json{{"id", one}} : one;
      if (!wanted.is_object()) return wrong_type("objects", "an array of IDs or hashes");
      const Input object(wanted);
      RAMET_ASSIGN(const std::string id, object.some_text("id"));
      RAMET_ASSIGN(const auto hint, object.text("project"));
      const auto ref = parse_object(id);
      if (!ref) return wrong_type("objects.id", "the ID of an object");
      Json asked = true;
      const std::string name(class_name(ref->object_class));
      if (object.has("describe")) {
        asked = wanted["describe"];
      } else if (options != nullptr && options->contains(name)) {
        asked = (*options)[name];
      } else if (options != nullptr && options->contains("*")) {
        asked = (*options)["*"];
      }
      RAMET_ASSIGN(const DescribeFields fields, DescribeFields::parse(asked));
      std::optional<std::string> where = hint;
      if (!where && asked.is_object()) {
        RAMET_ASSIGN(where, Input(asked).text("project"));
      }
      Json result;
      auto found = call.locate(*ref, where, AccessLevel::kView);
      if (found.ok()) {
        RAMET_ASSIGN(result["describe"], located_json(call, *found, fields));
      } else {
        result = fault_json(found.error());
      }
      json["results"].push_back(std::move(result));
    }
    return json;
  });
}

Task<Answer> describe_projects(Call& call) {
  const Input in = call.in();
  RAMET_CO_ASSIGN(const auto ids, in.texts("projects"));
  if (!ids) co_return wrong_type("projects", "an array of nonempty strings");
  RAMET_CO_ASSIGN(const DescribeFields fields, DescribeFields::parse(call.input));
  co_return co_await call.slow([&]() -> Answer {
    Json json;
    json["results"] = Json::array();
    for (const std::string& id : *ids) {
      Json result;
      auto project = call.project(id, AccessLevel::kView);
      if (project.ok()) {
        RAMET_ASSIGN(result["describe"], project_json(call, *project, fields));
      } else {
        result = fault_json(project.error());
      }
      json["results"].push_back(std::move(result));
    }
    return json;
  });
}

}  // namespace ramet::serve::dnanexus
