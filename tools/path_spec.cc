#include "tools/path_spec.h"

#include <algorithm>

#include <fmt/format.h>

#include "tools/text.h"

namespace ramet::tools {
namespace {

Error invalid(std::string_view text, std::string_view why) {
  return {ErrorCode::kInvalidArgument, fmt::format("'{}': {}", escape_message(text), why)};
}

Status parse_names(std::string_view text, std::string_view names, PathSpec& spec) {
  const size_t at = names.find('@');
  spec.container = names.substr(0, at);
  if (spec.container.empty()) return invalid(text, "the name of the container is missing");
  if (names.find('/') != names.npos) {
    return invalid(text, "names no container; a path in a store is written container:/folder/name");
  }
  if (at == names.npos) return ok();
  spec.snapshot = names.substr(at + 1);
  if (spec.snapshot.empty()) return invalid(text, "the name of the snapshot is missing after '@'");
  if (spec.snapshot.find('@') != names.npos) return invalid(text, "has more than one '@'");
  return ok();
}

Status parse_path(std::string_view text, std::string_view path, PathSpec& spec) {
  spec.path.clear();
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") return invalid(text, "'..' leads nowhere in a store");
    spec.path += '/';
    spec.path += part;
  }
  if (spec.path.empty()) spec.path = "/";
  return ok();
}

}  // namespace

std::string_view PathSpec::parent() const {
  const size_t at = path.rfind('/');
  return at == 0 ? std::string_view("/") : std::string_view(path).substr(0, at);
}

std::string_view PathSpec::name() const {
  return std::string_view(path).substr(path.rfind('/') + 1);
}

std::string PathSpec::to_string() const {
  std::string text = container;
  if (!snapshot.empty()) text += "@" + snapshot;
  if (has_path) text += ":" + path;
  if (has_path && ends_in_slash && !is_root()) text += '/';
  return text;
}

Result<PathSpec> parse_path_spec(std::string_view text) {
  if (text.find('\0') != text.npos) return invalid(text, "holds a NUL byte");
  PathSpec spec;
  const size_t colon = text.find(':');
  spec.has_path = colon != text.npos;
  RAMET_TRY(parse_names(text, text.substr(0, colon), spec));
  if (!spec.has_path) return spec;
  const std::string_view path = text.substr(colon + 1);
  RAMET_TRY(parse_path(text, path, spec));
  spec.ends_in_slash = spec.is_root() || path.ends_with('/') || path.ends_with("/.");
  return spec;
}

std::string join_path(std::string_view folder, std::string_view name) {
  std::string path(folder);
  if (!path.ends_with('/')) path += '/';
  path += name;
  return path;
}

bool is_within(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) &&
         (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace ramet::tools
