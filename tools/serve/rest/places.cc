// Paths of requests, and what they lead to now or led to at a time.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "format/utf8.h"
#include "tools/serve/rest/call.h"

namespace ramet::serve::rest {
namespace {

constexpr size_t kNameBytesMax = 255;
constexpr size_t kKeyBytesMax = 1024;
constexpr size_t kPathBytesMax = 64u << 10;

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

Status check_name(std::string_view name, bool to_create) {
  if (name.empty()) return invalid("the path holds an empty name");
  if (name == "." || name == "..") {
    return invalid(fmt::format("the path holds '{}', which is not a name", name));
  }
  if (name.find('\0') != std::string_view::npos) return invalid("the path holds a NUL byte");
  if (name.find('/') != std::string_view::npos) return invalid("the path holds a name with '/'");
  if (name.size() > kNameBytesMax) {
    return invalid(fmt::format("the path holds a name of more than {} bytes", kNameBytesMax));
  }
  if (to_create && !is_utf8(name)) return invalid("the path is not UTF-8");
  return ok();
}

Result<Place> place_of_key(std::string key, bool may_be_root, bool to_create) {
  Place place;
  place.flat = true;
  place.path = std::move(key);
  if (place.path.empty() && !may_be_root) return invalid("the path is empty");
  if (place.path.find('\0') != std::string::npos) return invalid("the path holds a NUL byte");
  if (place.path.size() > kKeyBytesMax) {
    return invalid(fmt::format("the path is longer than {} bytes", kKeyBytesMax));
  }
  if (to_create && !is_utf8(place.path)) return invalid("the path is not UTF-8");
  return place;
}

// The parts of a path, each as `decode` gives it.
template <typename Decode>
Result<Place> place_of_parts(std::string_view text, bool may_be_root, bool to_create,
                             const Decode& decode) {
  Place place;
  while (!text.empty()) {
    const size_t slash = text.find('/');
    RAMET_ASSIGN(const std::string name, decode(text.substr(0, slash)));
    RAMET_TRY(check_name(name, to_create));
    place.path += "/" + name;
    if (slash == std::string_view::npos) break;
    text.remove_prefix(slash + 1);
    // One '/' at the end means nothing for folders; objects are never named so.
    if (text.empty() && !may_be_root) return invalid("the path ends in '/'");
  }
  if (place.path.size() > kPathBytesMax) return invalid("the path is too long");
  if (place.path.empty() && !may_be_root) return invalid("the path is empty");
  return place;
}

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// When a version became the current one. Objects keep the time at which they were made, whatever
// replaces their content; when a replacement was written is known as far as that was said.
int64_t time_of(const ObjectInfo& version) {
  return std::max(version.created, version.attributes.modified);
}

Result<bool> keeps_versions(Call& call) {
  RAMET_ASSIGN(const auto settings, call.store().settings(call.container.id));
  for (const SettingInfo& setting : settings) {
    if (setting.name == kVersioningSetting) return setting.value != "off";
  }
  return false;
}

}  // namespace

std::string Place::name() const {
  return flat ? path : path.substr(path.rfind('/') + 1);
}

std::string Place::parent() const {
  return flat || path.empty() ? std::string() : path.substr(0, path.rfind('/'));
}

Result<Place> place_of_url(bool flat, std::string_view raw, bool may_be_root, bool to_create) {
  if (flat) {
    RAMET_ASSIGN(std::string key, percent_decode(raw));
    return place_of_key(std::move(key), may_be_root, to_create);
  }
  return place_of_parts(raw, may_be_root, to_create,
                        [](std::string_view part) { return percent_decode(part); });
}

Result<Place> place_of_text(bool flat, std::string_view text, bool may_be_root, bool to_create) {
  if (flat) return place_of_key(std::string(text), may_be_root, to_create);
  if (text.starts_with('/')) text.remove_prefix(1);
  return place_of_parts(text, may_be_root, to_create, [](std::string_view part) {
    return Result<std::string>(std::string(part));
  });
}

Result<Seen> seen(Call& call) {
  Seen out;
  const std::string when = call.text("as-of");
  if (call.has("as-of") && when.empty()) return invalid("'as-of' is empty");
  const auto time = when.starts_with('@') ? std::nullopt : parse_iso_date(when);
  if (when.empty() || (time && *time >= now())) {
    RAMET_ASSIGN(out.view, call.store().view(call.container.id));
    return out;
  }
  if (!time) {
    const std::string name = when.starts_with('@') ? when.substr(1) : when;
    auto view = call.store().view(call.container.id, name);
    if (!view.ok() && view.error().code() == ErrorCode::kNotFound) {
      return Error(ErrorCode::kNotFound, fmt::format("there is no snapshot '{}'", name));
    }
    if (!view.ok()) return std::move(view).error();
    out.view = std::move(*view);
    return out;
  }
  RAMET_ASSIGN(const bool by_versions, keeps_versions(call));
  std::optional<SnapshotInfo> newest;
  RAMET_TRY(call.store().snapshots(call.container.id, [&](const SnapshotInfo& info) {
    if (info.created <= *time && (!newest || info.created >= newest->created)) newest = info;
    return true;
  }));
  if (by_versions) out.at = *time;
  if (newest && !by_versions) {
    RAMET_ASSIGN(out.view, call.store().view(call.container.id, newest->name));
    return out;
  }
  if (!newest && !by_versions) {
    return Error(ErrorCode::kNotFound, fmt::format("there is no snapshot at or before {}", when));
  }
  RAMET_ASSIGN(out.view, call.store().view(call.container.id));
  return out;
}

Result<Found> find_version(Call& call, const Seen& where, Entry entry) {
  Found found;
  found.entry = std::move(entry);
  const ObjectId id = found.entry.object;
  if (call.has("version")) {
    RAMET_ASSIGN(const uint64_t version, call.number("version", 0, kCurrentVersion - 1));
    auto object = where.view->object(id, version);
    if (!object.ok() && object.error().code() == ErrorCode::kNotFound) {
      return Error(ErrorCode::kNotFound, fmt::format("there is no version {} of it", version));
    }
    if (!object.ok()) return std::move(object).error();
    found.object = std::move(*object);
    found.version = version;
    const auto current = where.view->object(id);
    if (!current.ok() && current.error().code() == ErrorCode::kWouldWait) return current.error();
    found.current = current.ok() && current->version == version;
    return found;
  }
  if (!where.at) {
    RAMET_ASSIGN(found.object, where.view->object(id));
    return found;
  }
  bool is_there = false;
  RAMET_TRY(where.view->versions(id, [&](const VersionInfo& version) {
    if (time_of(version.info) > *where.at) return true;
    is_there = !version.deletion;
    found.object = version.info;
    found.current = version.current;
    found.version = version.current ? kCurrentVersion : version.info.version;
    return false;
  }));
  if (!is_there) return Error(ErrorCode::kNotFound, "it was not there at that time");
  return found;
}

Result<Found> find(Call& call, const Seen& where, const Place& place) {
  auto entry = where.view->lookup(place.lookup_path());
  if (!entry.ok()) {
    const bool may_be_removed = where.at || call.has("version");
    if (entry.error().code() != ErrorCode::kNotFound || !may_be_removed) {
      return std::move(entry).error();
    }
    FolderId folder = kRootFolder;
    if (!place.parent().empty()) {
      RAMET_ASSIGN(const Entry parent, where.view->lookup(place.parent()));
      folder = parent.folder;
    }
    const std::string name = place.name();
    std::optional<Entry> removed;
    RAMET_TRY(where.view->list_removed(folder, name, name, [&](const Entry& one) {
      if (one.name == name) removed = one;
      return false;
    }));
    if (!removed) return std::move(entry).error();
    return find_version(call, where, std::move(*removed));
  }
  if (entry->is_folder()) {
    Found found;
    found.entry = std::move(*entry);
    if (call.has("version")) {
      return Error(ErrorCode::kInvalidArgument, "folders have no versions");
    }
    return found;
  }
  return find_version(call, where, std::move(*entry));
}

}  // namespace ramet::serve::rest
