// Everything that a copy of a directory tree must bring back, as text, and the comparison of two
// trees by it.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "format/check.h"
#include "format/hash.h"

namespace ramet::test {

// By path from the root ("." is the root itself): type, mode, owners, times, size, bytes, holes,
// link target, device, extended attributes, and which names share a file. Any depth and length
// of path, as far as descriptors go.
class TreeText {
 public:
  explicit TreeText(const std::string& root) {
    const int fd = ::open(root.c_str(), O_RDONLY | O_DIRECTORY);
    RAMET_CHECK(fd >= 0, "the tree to describe is not there");
    struct stat status {};
    RAMET_CHECK(::fstat(fd, &status) == 0, "fstat");
    lines_["."] = common(status) + xattrs_of("/proc/self/fd/" + std::to_string(fd) + "/.");
    walk(fd, "");
    ::close(fd);
  }

  const std::map<std::string, std::string>& lines() const { return lines_; }

 private:
  static std::string common(const struct stat& status) {
    std::string text = std::to_string(status.st_mode) + " owner " +
                       std::to_string(status.st_uid) + ":" + std::to_string(status.st_gid) +
                       " time " + std::to_string(status.st_mtim.tv_sec) + "." +
                       std::to_string(status.st_mtim.tv_nsec);
    return text + (S_ISBLK(status.st_mode) || S_ISCHR(status.st_mode)
                       ? " device " + std::to_string(status.st_rdev)
                       : std::string());
  }

  static std::string xattrs_of(const std::string& path) {
    std::string names(65536, '\0');
    const ssize_t bytes = ::llistxattr(path.c_str(), names.data(), names.size());
    if (bytes <= 0) return "";
    names.resize(static_cast<size_t>(bytes));
    std::vector<std::string> found;
    for (size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
      const std::string name = names.c_str() + at;
      std::string value(65536, '\0');
      const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
      value.resize(size < 0 ? 0 : static_cast<size_t>(size));
      found.push_back(" xattr " + name + "=" + blake3(value).to_hex().substr(0, 16));
    }
    std::sort(found.begin(), found.end());
    std::string text;
    for (const std::string& one : found) text += one;
    return text;
  }

  // The hash of all bytes, and the ranges of data.
  static std::string content_of(int folder, const std::string& name, off_t size) {
    const int fd = ::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW);
    if (fd < 0) return " unreadable";
    std::string text = " data";
    Blake3Hasher hasher;
    std::string buffer(1u << 20, '\0');
    for (off_t at = 0; at < size;) {
      const off_t data = ::lseek(fd, at, SEEK_DATA);
      if (data < 0 || data >= size) break;
      const off_t end = std::min(size, ::lseek(fd, data, SEEK_HOLE));
      text += " " + std::to_string(data) + "-" + std::to_string(end);
      for (off_t from = data; from < end;) {
        const size_t want = std::min<size_t>(buffer.size(), static_cast<size_t>(end - from));
        const ssize_t got = ::pread(fd, buffer.data(), want, from);
        RAMET_CHECK(got > 0, "pread");
        hasher.update({buffer.data(), static_cast<size_t>(got)});
        from += got;
      }
      at = end;
    }
    ::close(fd);
    return text + " hash " + hasher.finish().to_hex().substr(0, 32);
  }

  void walk(int fd, const std::string& path) {
    std::vector<std::string> names;
    const int own = ::openat(fd, ".", O_RDONLY | O_DIRECTORY);
    RAMET_CHECK(own >= 0, "open");
    DIR* folder = ::fdopendir(own);
    while (const dirent* entry = ::readdir(folder)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(folder);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) add(fd, name, path.empty() ? name : path + "/" + name);
  }

  void add(int fd, const std::string& name, const std::string& path) {
    struct stat status {};
    RAMET_CHECK(::fstatat(fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0, "fstatat");
    std::string text = common(status);
    text += xattrs_of("/proc/self/fd/" + std::to_string(fd) + "/" + name);
    if (S_ISLNK(status.st_mode)) {
      std::string target(5000, '\0');
      const ssize_t bytes = ::readlinkat(fd, name.c_str(), target.data(), target.size());
      text += " -> " + target.substr(0, static_cast<size_t>(bytes));
    }
    if (S_ISREG(status.st_mode)) {
      text += " size " + std::to_string(status.st_size) + content_of(fd, name, status.st_size);
    }
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1) {
      const auto first = first_names_.emplace(std::pair(status.st_dev, status.st_ino), path).first;
      text += " same as " + first->second;
    }
    lines_[path] = text;
    if (!S_ISDIR(status.st_mode)) return;
    const int below = ::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (below < 0) return;
    walk(below, path);
    ::close(below);
  }

  std::map<std::string, std::string> lines_;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names_;
};

// Empty if the trees are equal in every respect; else the first differences, a line each.
inline std::string tree_difference(const std::string& expected, const std::string& actual) {
  const TreeText a(expected);
  const TreeText b(actual);
  std::string text;
  size_t count = 0;
  const auto report = [&](const std::string& path, const std::string& was, const std::string& is) {
    if (++count <= 20) text += "'" + path + "':\n  " + was + "\n  " + is + "\n";
  };
  for (const auto& [path, line] : a.lines()) {
    const auto found = b.lines().find(path);
    if (found == b.lines().end()) {
      report(path, line, "missing");
    } else if (found->second != line) {
      report(path, line, found->second);
    }
  }
  for (const auto& [path, line] : b.lines()) {
    if (!a.lines().contains(path)) report(path, "not there", line);
  }
  if (count > 20) text += "and " + std::to_string(count - 20) + " more\n";
  return text;
}

}  // namespace ramet::test
