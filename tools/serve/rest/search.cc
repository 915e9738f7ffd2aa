// Search: looks through what is below a folder, a bounded part in each request, and says how far it
// came. There is no index: the cost is that of looking at every name.
#include <fnmatch.h>

#include <algorithm>

#include <fmt/format.h>

#include "tools/serve/rest/handlers.h"

namespace ramet::serve::rest {
namespace {

constexpr uint64_t kScanDefault = 10'000;
constexpr uint64_t kScanMax = 100'000;

struct Wanted {
  std::string name;   // a glob over names (keys of flat containers: over all of the key)
  std::string type;
  std::string cls;
  std::vector<std::string> tags;
  std::vector<std::pair<std::string, std::optional<std::string>>> properties;
  uint64_t size_min = 0;
  uint64_t size_max = UINT64_MAX;

  bool asks_metadata() const { return !type.empty() || !tags.empty() || !properties.empty(); }
};

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

bool matches(const Wanted& wanted, const Entry& entry) {
  if (!wanted.name.empty() && ::fnmatch(wanted.name.c_str(), entry.name.c_str(), 0) != 0) {
    return false;
  }
  if (!wanted.cls.empty() && class_name(entry.entry_class) != wanted.cls) return false;
  const bool by_size = wanted.size_min > 0 || wanted.size_max != UINT64_MAX;
  if (entry.is_folder()) return !by_size && !wanted.asks_metadata();
  return entry.size >= wanted.size_min && entry.size <= wanted.size_max;
}

bool matches(const Wanted& wanted, const Metadata& metadata) {
  if (!wanted.type.empty() && !has(metadata.types, wanted.type)) return false;
  for (const std::string& tag : wanted.tags) {
    if (!has(metadata.tags, tag)) return false;
  }
  for (const auto& [name, value] : wanted.properties) {
    const std::string* found = find_property(metadata, name);
    if (found == nullptr || (value && *found != *value)) return false;
  }
  return true;
}

Result<Wanted> read_wanted(const Call& call) {
  Wanted wanted;
  wanted.name = call.text("name");
  wanted.type = call.text("type");
  wanted.cls = call.text("class");
  wanted.tags = call.texts("tag");
  for (const std::string& text : call.texts("property")) {
    const size_t colon = text.find(':');
    if (colon == 0 || text.empty()) {
      return Error(ErrorCode::kInvalidArgument, "'property' must be NAME or NAME:VALUE");
    }
    wanted.properties.emplace_back(text.substr(0, colon),
                                   colon == std::string::npos
                                       ? std::nullopt
                                       : std::optional<std::string>(text.substr(colon + 1)));
  }
  RAMET_ASSIGN(wanted.size_min, call.number("min-size", 0, INT64_MAX));
  RAMET_ASSIGN(wanted.size_max, call.number("max-size", UINT64_MAX, UINT64_MAX));
  return wanted;
}

// One folder that the walk is in. (As listed, "a" the file comes before "a" the folder only if
// "a" < "a/"; both cannot be there.)
struct Level {
  FolderId folder;
  std::string path;   // "" or "/a"
  std::string after;  // the last name that was looked at
};

// The folders down to where a former request stopped: its path is relative to where the walk began.
Result<std::vector<Level>> levels_at(const View& view, const Level& begin, std::string_view after,
                                     bool flat) {
  std::vector<Level> levels = {begin};
  if (flat) {
    levels.back().after = after;
    return levels;
  }
  while (!after.empty()) {
    const size_t slash = std::min(after.find('/'), after.size());
    const std::string name(after.substr(0, slash));
    after.remove_prefix(std::min(after.size(), slash + 1));
    levels.back().after = name;
    const auto entry = view.lookup(levels.back().folder, name);
    if (!entry.ok() && entry.error().code() != ErrorCode::kNotFound) return entry.error();
    // Gone meanwhile: it goes on behind where it was.
    if (!entry.ok() || !entry->is_folder()) break;
    // Where a folder was the last that was looked at, what is in it comes next.
    levels.push_back({entry->folder, levels.back().path + "/" + name, ""});
  }
  return levels;
}

class Walk {
 public:
  Walk(const View& view, const Wanted& wanted, bool flat, size_t limit, uint64_t scan)
      : view_(view), wanted_(wanted), flat_(flat), limit_(limit), scan_left_(scan) {}

  // Depth first, in the order of listing, until it is over or one of the limits is met.
  Status run(std::vector<Level>& levels) {
    while (!levels.empty() && !full_) {
      const Level level = levels.back();
      std::optional<Entry> folder;
      Status status;
      RAMET_TRY(view_.list(level.folder, level.after, [&](const Entry& entry) {
        if (found_.size() == limit_ || scan_left_ == 0) {
          full_ = true;
          return false;
        }
        --scan_left_;
        ++scanned_;
        levels.back().after = entry.name;
        stopped_at_ = flat_ ? entry.name : level.path + "/" + entry.name;
        status = look(entry, level.path);
        if (!status.ok()) return false;
        if (entry.is_folder()) folder = entry;
        return !folder;
      }));
      RAMET_TRY(status);
      if (full_) break;
      if (folder) {
        levels.push_back({folder->folder, level.path + "/" + folder->name, ""});
      } else {
        levels.pop_back();
      }
    }
    return ok();
  }

  bool full() const { return full_; }
  uint64_t scanned() const { return scanned_; }
  const std::string& stopped_at() const { return stopped_at_; }
  Json take() { return std::move(found_); }

 private:
  Status look(const Entry& entry, const std::string& path) {
    if (!matches(wanted_, entry)) return ok();
    if (entry.is_folder()) {
      found_.push_back(entry_json(entry, path, flat_));
      return ok();
    }
    RAMET_ASSIGN(const ObjectInfo info, view_.object(entry.object));
    if (!matches(wanted_, info.metadata)) return ok();
    Json json = object_json(info, flat_ ? entry.name : path + "/" + entry.name);
    // As found: an object may have other names.
    set_name(json, "name", entry.name);
    found_.push_back(std::move(json));
    return ok();
  }

  const View& view_;
  const Wanted& wanted_;
  const bool flat_;
  const size_t limit_;
  uint64_t scan_left_;
  uint64_t scanned_ = 0;
  bool full_ = false;
  std::string stopped_at_;
  Json found_ = Json::array();
};

}  // namespace

Task<Answer> search(Call& call) {
  co_return co_await call.slow([&]() -> Answer {
    const bool flat = call.container.is_flat();
    RAMET_ASSIGN(const Wanted wanted, read_wanted(call));
    RAMET_ASSIGN(const size_t limit, page_limit(call, 100));
    RAMET_ASSIGN(const uint64_t scan, call.number("scan", kScanDefault, kScanMax));
    if (scan == 0) return Error(ErrorCode::kInvalidArgument, "'scan' must be at least 1");
    RAMET_ASSIGN(const Seen where, seen(call));
    Level begin;
    if (const std::string folder = call.text("folder"); !folder.empty()) {
      if (flat) return Error(ErrorCode::kInvalidArgument, "this container has no folders");
      RAMET_ASSIGN(const Place place, place_of_text(flat, folder, true, false));
      RAMET_ASSIGN(const Entry entry, where.view->lookup(place.path));
      if (!entry.is_folder()) {
        return Error(ErrorCode::kNotFound, fmt::format("'{}' is not a folder", place.path));
      }
      begin.folder = entry.folder;
      begin.path = place.path;
    }
    std::string after = call.text("after");
    if (!flat && !after.empty()) {
      RAMET_ASSIGN(const Place place, place_of_text(flat, after, false, false));
      if (!place.path.starts_with(begin.path + "/")) {
        return Error(ErrorCode::kInvalidArgument, "'after' is not below 'folder'");
      }
      after = place.path.substr(begin.path.size() + 1);
    }
    RAMET_ASSIGN(auto levels, levels_at(*where.view, begin, after, flat));
    Walk walk(*where.view, wanted, flat, limit, scan);
    RAMET_TRY(walk.run(levels));
    Json json;
    json["found"] = walk.take();
    json["scanned"] = walk.scanned();
    json["complete"] = !walk.full();
    json["next"] = nullptr;
    if (walk.full()) {
      set_name(json, "next", walk.stopped_at().empty() ? call.text("after") : walk.stopped_at());
    }
    return json_response(200, json);
  });
}

}  // namespace ramet::serve::rest
