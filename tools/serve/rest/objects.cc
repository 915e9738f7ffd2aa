// Folders, objects and their versions: all but content.
#include <chrono>

#include <fmt/format.h>

#include "tools/serve/rest/handlers.h"

namespace ramet::serve::rest {
namespace {

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Response object_response(int status, const ObjectInfo& info, std::string_view path) {
  Response response = json_response(status, object_json(info, path));
  response.fields.set("ETag", etag_of(info));
  return response;
}

Result<ObjectInfo> object_to_change(Call& call, Transaction& transaction, const Place& place) {
  RAMET_ASSIGN(const Entry entry, transaction.lookup(place.lookup_path()));
  if (entry.is_folder()) {
    return call.refuse(409, ErrorCode::kFailedPrecondition,
                       fmt::format("'{}' is a folder", place.path));
  }
  return transaction.object(entry.object);
}

// By its id in the path.
Result<Found> find_by_id(Call& call, const Seen& where) {
  RAMET_ASSIGN(const std::string text, call.param("object"));
  const Error missing(ErrorCode::kNotFound, fmt::format("there is no object '{}'", text));
  const auto id = parse_uuid<ObjectId>(text);
  if (!id.ok()) return missing;
  Entry entry;
  entry.object = *id;
  auto found = find_version(call, where, entry);
  if (!found.ok() && found.error().code() == ErrorCode::kNotFound) return missing;
  return found;
}

}  // namespace

// --- folders -------------------------------------------------------------------------------------

Task<Answer> list_folder(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const size_t limit, page_limit(call));
    RAMET_ASSIGN(const bool removed, call.flag("removed"));
    RAMET_ASSIGN(const Place place,
                 place_of_url(call.container.is_flat(), call.raw_param("path"), true, false));
    if (place.flat && !place.is_root()) {
      return Error(ErrorCode::kNotFound, "this container is flat: it has no folders");
    }
    RAMET_ASSIGN(const Seen where, seen(call));
    RAMET_ASSIGN(const Entry entry, where.view->lookup(place.is_root() ? "" : place.path));
    if (!entry.is_folder()) {
      return Error(ErrorCode::kNotFound, fmt::format("'{}' is not a folder", place.path));
    }
    const std::string prefix = call.text("prefix");
    const std::string after = call.text("after");
    Json list = Json::array();
    std::string next, last;
    const auto visit = [&](const Entry& one) {
      if (!after.empty() && one.name == after) return true;
      if (list.size() == limit) {
        next = last;
        return false;
      }
      last = one.name;
      list.push_back(entry_json(one, place.path, place.flat));
      return true;
    };
    if (removed) {
      RAMET_TRY(where.view->list_removed(entry.folder, prefix, after, visit));
    } else if (prefix.empty()) {
      RAMET_TRY(where.view->list(entry.folder, after, visit));
    } else {
      RAMET_TRY(where.view->list_from(entry.folder, prefix, after, visit));
    }
    RAMET_ASSIGN(const FolderInfo info, where.view->folder(entry.folder));
    Json json = folder_json(info, place.path);
    json["entries"] = std::move(list);
    json["next"] = nullptr;
    if (!next.empty()) set_name(json, "next", next);
    return json_response(200, json);
  });
}

Task<Answer> put_folder(Call& call) {
  RAMET_CO_ASSIGN(const Place place,
                  place_of_url(call.container.is_flat(), call.raw_param("path"), true, true));
  if (place.flat) {
    co_return call.refuse(409, ErrorCode::kFailedPrecondition,
                          "this container is flat: it has no folders");
  }
  bool is_new = false;
  FolderInfo info;
  const Build build = [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const auto there, entry_at(transaction, place));
    is_new = !there;
    RAMET_ASSIGN(const FolderId id, transaction.create_folders(place.path));
    RAMET_ASSIGN(info, transaction.folder(id));
    return ok();
  };
  RAMET_CO_TRY(co_await change(call, build));
  co_return json_response(is_new ? 201 : 200, folder_json(info, place.path));
}

Task<Answer> delete_folder(Call& call) {
  RAMET_CO_ASSIGN(const Place place,
                  place_of_url(call.container.is_flat(), call.raw_param("path"), true, false));
  RAMET_CO_ASSIGN(const bool recursive, call.flag("recursive"));
  RAMET_CO_TRY(call.require_removal("removing a folder"));
  if (place.is_root()) {
    co_return call.refuse(409, ErrorCode::kFailedPrecondition,
                          "the root folder cannot be removed");
  }
  const Build build = [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const Entry entry, transaction.lookup(place.lookup_path()));
    if (!entry.is_folder()) {
      return Error(ErrorCode::kNotFound, fmt::format("'{}' is not a folder", place.path));
    }
    RAMET_ASSIGN(const FolderId parent, parent_folder(transaction, place, false));
    return recursive ? transaction.remove_tree(parent, place.name())
                     : transaction.remove(parent, place.name());
  };
  RAMET_CO_TRY(co_await change(call, build, Weight::kSlow));
  co_return empty_response();
}

Task<Answer> move(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  Members in(json);
  const std::string from_text = in.name("from");
  const std::string to_text = in.name("to");
  const bool replace = in.flag("replace");
  RAMET_CO_TRY(in.done());
  const bool flat = call.container.is_flat();
  RAMET_CO_ASSIGN(const Place from, place_of_text(flat, from_text, false, false));
  RAMET_CO_ASSIGN(const Place to, place_of_text(flat, to_text, false, true));
  RAMET_CO_TRY(call.require_removal("moving"));
  const Build build = [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const FolderId from_folder, parent_folder(transaction, from, false));
    RAMET_ASSIGN(const FolderId to_folder, parent_folder(transaction, to, false));
    return transaction.rename(from_folder, from.name(), to_folder, to.name(), replace);
  };
  RAMET_CO_TRY(co_await change(call, build));
  co_return empty_response();
}

// --- objects -------------------------------------------------------------------------------------

Task<Answer> get_object(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const Place place,
                 place_of_url(call.container.is_flat(), call.raw_param("path"), false, false));
    RAMET_ASSIGN(const Seen where, seen(call));
    RAMET_ASSIGN(const Found found, find(call, where, place));
    if (found.entry.is_folder()) {
      RAMET_ASSIGN(const FolderInfo info, where.view->folder(found.entry.folder));
      return json_response(200, folder_json(info, place.path));
    }
    if (check_conditions(call.request, etag_of(found.object),
                         found.object.attributes.modified) == Condition::kFailed) {
      return call.refuse(412, ErrorCode::kFailedPrecondition, "the object is not that one");
    }
    return object_response(200, found.object, place.path);
  });
}

Task<Answer> get_by_id(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const Seen where, seen(call));
    RAMET_ASSIGN(const Found found, find_by_id(call, where));
    const auto path = where.view->path_of(found.object.id);
    if (!path.ok() && path.error().code() == ErrorCode::kWouldWait) return path.error();
    std::string shown = path.ok() ? *path : "";
    if (call.container.is_flat() && shown.starts_with('/')) shown.erase(0, 1);
    return object_response(200, found.object, shown);
  });
}

// An empty object, a symbolic link, or one more name for an object; content has a resource of its
// own.
Task<Answer> put_object(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call, true));
  RAMET_CO_ASSIGN(const Place place,
                  place_of_url(call.container.is_flat(), call.raw_param("path"), false, true));
  Members in(json);
  const std::string target = in.name("target", false);
  const std::string link = in.name("link", false);
  const bool parents = in.flag("parents");
  ObjectInit init;
  init.attributes.modified = now();
  if (const Json* metadata = in.value("metadata")) {
    RAMET_CO_TRY(patch_metadata(*metadata, "metadata", init.metadata));
  }
  if (const Json* attributes = in.value("attributes")) {
    RAMET_CO_TRY(patch_attributes(*attributes, "attributes", init.attributes));
  }
  if (!target.empty() && !link.empty()) in.fail("link", "does not go with 'target'");
  RAMET_CO_TRY(in.done());
  Place linked;
  if (!link.empty()) {
    RAMET_CO_ASSIGN(linked, place_of_text(call.container.is_flat(), link, false, false));
  }
  bool is_new = false;
  ObjectInfo info;
  const Build build = [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const FolderId folder, parent_folder(transaction, place, parents));
    RAMET_ASSIGN(const auto there, entry_at(transaction, place));
    std::optional<ObjectInfo> before;
    if (there && !there->is_folder()) {
      RAMET_ASSIGN(before, transaction.object(there->object));
    }
    RAMET_TRY(check_match(call, before));
    is_new = !there;
    if (before) RAMET_TRY(call.require_removal("replacing an object"));
    ObjectId id;
    if (!link.empty()) {
      RAMET_ASSIGN(const ObjectInfo source, object_to_change(call, transaction, linked));
      id = source.id;
      RAMET_TRY(transaction.link(id, folder, place.name()));
    } else if (!target.empty()) {
      init.attributes.mode = 0120777;
      RAMET_ASSIGN(id, transaction.put_symlink(folder, place.name(), target, init.attributes));
    } else {
      RAMET_ASSIGN(id, transaction.put_object(folder, place.name(), init, nullptr));
    }
    RAMET_ASSIGN(info, transaction.object(id));
    return ok();
  };
  RAMET_CO_TRY(co_await change(call, build));
  co_return object_response(is_new ? 201 : 200, info, place.path);
}

Task<Answer> patch_object(Call& call) {
  RAMET_CO_ASSIGN(const Json json, co_await read_json(call));
  RAMET_CO_ASSIGN(const Place place,
                  place_of_url(call.container.is_flat(), call.raw_param("path"), true, false));
  RAMET_CO_ASSIGN(const uint64_t version,
                  call.number("version", kCurrentVersion, INT64_MAX));
  Members in(json);
  const Json* metadata = in.value("metadata");
  const Json* attributes = in.value("attributes");
  const Json* lock = in.value("lock");
  const Json* standing = in.value("standing");
  const bool bypass = in.flag("bypass_governance");
  RAMET_CO_TRY(in.done());
  if (bypass) RAMET_CO_TRY(call.require(AccessLevel::kAdminister, "going past a retention"));
  if (standing != nullptr &&
      (!call.caller.principal.super_admin || !call.caller.scope.account)) {
    co_return call.refuse(403, ErrorCode::kPermissionDenied,
                          "'standing' is for super administrators to set");
  }
  Answer answer = empty_response();
  const Build build = [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const Entry entry, transaction.lookup(place.is_root() ? "" : place.lookup_path()));
    if (entry.is_folder()) {
      if (metadata != nullptr || lock != nullptr || standing != nullptr) {
        return invalid("folders have attributes, but no metadata, no lock and no standing");
      }
      RAMET_ASSIGN(FolderInfo folder, transaction.folder(entry.folder));
      if (attributes != nullptr) {
        RAMET_TRY(patch_attributes(*attributes, "attributes", folder.attributes));
        RAMET_TRY(transaction.set_attributes(entry.folder, folder.attributes));
      }
      answer = json_response(200, folder_json(folder, place.path));
      return ok();
    }
    ObjectInfo object;
    if (version == kCurrentVersion) {
      RAMET_ASSIGN(object, transaction.object(entry.object));
    } else {
      RAMET_ASSIGN(const auto view, call.store().view(call.container.id));
      RAMET_ASSIGN(object, view->object(entry.object, version));
    }
    RAMET_TRY(check_match(call, object));
    if (metadata != nullptr) {
      RAMET_TRY(patch_metadata(*metadata, "metadata", object.metadata));
      RAMET_TRY(transaction.set_metadata(object.id, object.metadata, version));
    }
    if (attributes != nullptr) {
      if (version != kCurrentVersion) {
        return invalid("the attributes of earlier versions do not change");
      }
      RAMET_TRY(patch_attributes(*attributes, "attributes", object.attributes));
      RAMET_TRY(transaction.set_attributes(object.id, object.attributes));
    }
    if (lock != nullptr) {
      RAMET_TRY(patch_lock(*lock, "lock", object.lock));
      RAMET_TRY(transaction.set_lock(object.id, object.lock, version, bypass));
    }
    if (standing != nullptr) {
      if (version != kCurrentVersion) return invalid("earlier versions have no standing");
      RAMET_TRY(patch_standing(*standing, "standing", object.standing));
      RAMET_TRY(transaction.set_standing(object.id, object.standing));
    }
    answer = object_response(200, object, place.path);
    return ok();
  };
  RAMET_CO_TRY(co_await change(call, build));
  if (standing != nullptr) call.audit("object.standing", place.path);
  co_return answer;
}

Task<Answer> delete_object(Call& call) {
  RAMET_CO_ASSIGN(const Place place,
                  place_of_url(call.container.is_flat(), call.raw_param("path"), false, false));
  RAMET_CO_ASSIGN(const uint64_t version, call.number("version", kCurrentVersion, INT64_MAX));
  RAMET_CO_TRY(call.require_removal("removing an object"));
  const Build build = [&](Transaction& transaction) -> Status {
    if (version != kCurrentVersion) {
      // Also of an object whose name was removed.
      RAMET_ASSIGN(const Seen where, seen(call));
      RAMET_ASSIGN(const Found found, find(call, where, place));
      return transaction.remove_version(found.entry.object, version, false);
    }
    RAMET_ASSIGN(const ObjectInfo object, object_to_change(call, transaction, place));
    RAMET_TRY(check_match(call, object));
    RAMET_ASSIGN(const FolderId parent, parent_folder(transaction, place, false));
    return transaction.remove(parent, place.name());
  };
  RAMET_CO_TRY(co_await change(call, build, Weight::kSlow));
  co_return empty_response();
}

Task<Answer> list_versions(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const size_t limit, page_limit(call));
    RAMET_ASSIGN(const Place place,
                 place_of_url(call.container.is_flat(), call.raw_param("path"), false, false));
    Seen where;
    RAMET_ASSIGN(where.view, call.store().view(call.container.id));
    auto entry = where.view->lookup(place.lookup_path());
    if (!entry.ok()) {
      if (entry.error().code() != ErrorCode::kNotFound) return std::move(entry).error();
      FolderId folder = kRootFolder;
      if (!place.parent().empty()) {
        RAMET_ASSIGN(const Entry parent, where.view->lookup(place.parent()));
        folder = parent.folder;
      }
      std::optional<Entry> removed;
      RAMET_TRY(where.view->list_removed(folder, place.name(), place.name(),
                                         [&](const Entry& one) {
                                           if (one.name == place.name()) removed = one;
                                           return false;
                                         }));
      if (!removed) return std::move(entry).error();
      entry = std::move(*removed);
    }
    if (entry->is_folder()) return invalid("folders have no versions");
    Json list = Json::array();
    bool more = false;
    RAMET_TRY(where.view->versions(entry->object, [&](const VersionInfo& version) {
      if (list.size() == limit) {
        more = true;
        return false;
      }
      Json one;
      if (version.deletion) {
        one["id"] = to_uuid(version.info.id);
        one["version"] = version.info.version;
        one["created"] = iso_date(version.info.created);
      } else {
        one = object_json(version.info, place.path);
      }
      one["current"] = version.current;
      one["deletion"] = version.deletion;
      list.push_back(std::move(one));
      return true;
    }));
    Json json;
    json["versions"] = std::move(list);
    json["complete"] = !more;
    return json_response(200, json);
  });
}

}  // namespace ramet::serve::rest
