// The part of SimDisk that walks paths and checks what may be created, renamed and removed.
#include <algorithm>
#include <cerrno>

#include "io/errno_error.h"
#include "io/sim_disk.h"

namespace ramet::io {
namespace {

constexpr SimInodeId kRoot = 1;

// The names of a path; "." and empty ones mean nothing, ".." takes the one before it away.
std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> names;
  size_t begin = 0;
  while (begin <= path.size()) {
    size_t end = path.find('/', begin);
    if (end == std::string::npos) end = path.size();
    std::string name = path.substr(begin, end - begin);
    begin = end + 1;
    if (name == "..") {
      if (!names.empty()) names.pop_back();
    } else if (!name.empty() && name != ".") {
      names.push_back(std::move(name));
    }
  }
  return names;
}

}  // namespace

Result<SimDisk::Place> SimDisk::place_of(const std::string& path, std::string_view what) const {
  if (path.empty()) return errno_error(ENOENT, path, what);
  Place place{0, "", kRoot};
  for (const std::string& name : split(path)) {
    if (place.inode == 0) return errno_error(ENOENT, path, what);
    const Inode& directory = inode(place.inode);
    if (!directory.directory) return errno_error(ENOTDIR, path, what);
    const auto entry = directory.entries.find(name);
    place = {place.inode, name, entry == directory.entries.end() ? 0 : entry->second};
  }
  return place;
}

Result<SimInodeId> SimDisk::find(const std::string& path, std::string_view what) const {
  RAMET_ASSIGN(const Place place, place_of(path, what));
  if (place.inode == 0) return errno_error(ENOENT, path, what);
  return place.inode;
}

Result<SimInodeId> SimDisk::find_file(const std::string& path, std::string_view what) const {
  RAMET_ASSIGN(const SimInodeId id, find(path, what));
  if (inode(id).directory) return errno_error(EISDIR, path, what);
  return id;
}

Result<SimInodeId> SimDisk::find_directory(const std::string& path, std::string_view what) const {
  RAMET_ASSIGN(const SimInodeId id, find(path, what));
  if (!inode(id).directory) return errno_error(ENOTDIR, path, what);
  return id;
}

Result<bool> SimDisk::exists(const std::string& path) const {
  auto place = place_of(path, "exists");
  return place.ok() && place->inode != 0;
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) const {
  RAMET_ASSIGN(const SimInodeId id, find_directory(path, "list"));
  std::vector<std::string> names;
  for (const auto& [name, entry] : inode(id).entries) names.push_back(name);
  return names;
}

std::vector<std::string> SimDisk::files() const {
  std::vector<std::string> paths;
  std::vector<std::pair<std::string, SimInodeId>> directories{{"", kRoot}};
  while (!directories.empty()) {
    const auto [path, id] = std::move(directories.back());
    directories.pop_back();
    for (const auto& [name, entry] : inode(id).entries) {
      std::string child = path + "/" + name;
      if (inode(entry).directory) {
        directories.emplace_back(std::move(child), entry);
      } else {
        paths.push_back(std::move(child));
      }
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool SimDisk::is_inside(SimInodeId inner, SimInodeId outer) const {
  if (inner == outer) return true;
  const auto& entries = inode(outer).entries;
  return std::any_of(entries.begin(), entries.end(),
                     [&](const auto& entry) { return is_inside(inner, entry.second); });
}

Result<NameChange> SimDisk::plan_create(const std::string& path, bool directory,
                                        std::string_view what) const {
  RAMET_ASSIGN(const Place place, place_of(path, what));
  if (place.inode != 0) return errno_error(EEXIST, path, what);
  NameChange change;
  change.creates = directory ? NameChange::Creates::kDirectory : NameChange::Creates::kFile;
  change.assignments.push_back({place.directory, place.name, 0, 0});
  return change;
}

Result<NameChange> SimDisk::plan_remove(const std::string& path, bool directory) const {
  const std::string_view what = directory ? "remove directory" : "remove";
  RAMET_ASSIGN(const Place place, place_of(path, what));
  if (place.inode == 0) return errno_error(ENOENT, path, what);
  const Inode& removed = inode(place.inode);
  if (place.inode == kRoot) return errno_error(directory ? EBUSY : EISDIR, path, what);
  if (removed.directory && !directory) return errno_error(EISDIR, path, what);
  if (!removed.directory && directory) return errno_error(ENOTDIR, path, what);
  if (!removed.entries.empty()) return errno_error(ENOTEMPTY, path, what);
  NameChange change;
  change.assignments.push_back({place.directory, place.name, 0, place.inode});
  return change;
}

Result<NameChange> SimDisk::plan_rename(const std::string& from, const std::string& to) const {
  const std::string what = "rename to " + to;
  RAMET_ASSIGN(const Place source, place_of(from, what));
  if (source.inode == 0) return errno_error(ENOENT, from, what);
  auto found = place_of(to, what);
  if (!found.ok()) {  // the message begins with the first path, whichever was wrong
    const int number = found.error().code() == ErrorCode::kNotFound ? ENOENT : ENOTDIR;
    return errno_error(number, from, what);
  }
  const Place target = *std::move(found);
  if (source.inode == kRoot || target.inode == kRoot) return errno_error(EBUSY, from, what);
  NameChange change;
  if (source.inode == target.inode) return change;  // onto itself: nothing happens
  const bool directory = inode(source.inode).directory;
  if (directory && is_inside(target.directory, source.inode)) {
    return errno_error(EINVAL, from, what);
  }
  if (target.inode != 0) {
    const Inode& replaced = inode(target.inode);
    if (directory && !replaced.directory) return errno_error(ENOTDIR, from, what);
    if (!directory && replaced.directory) return errno_error(EISDIR, from, what);
    if (!replaced.entries.empty()) return errno_error(ENOTEMPTY, from, what);
  }
  change.assignments.push_back({source.directory, source.name, 0, source.inode});
  change.assignments.push_back({target.directory, target.name, source.inode, target.inode});
  return change;
}

}  // namespace ramet::io
