// How things in a store are named on the command line: `container[@snapshot][:/path]`.
#pragma once

#include <string>
#include <string_view>

#include "format/result.h"

namespace ramet::tools {

// A parsed name. Path parts are bytes: anything but '/' and NUL.
struct PathSpec {
  std::string container;
  std::string snapshot;     // empty: the head
  std::string path = "/";   // "/a/b": one '/' before each part, none at the end; "/" is the root
  bool has_path = false;    // a ':' was given
  bool ends_in_slash = false;  // "c:/a/" or "c:/": means the folder, or 'into it' as a target

  bool is_root() const { return path == "/"; }
  std::string_view parent() const;  // "/a" of "/a/b"; "/" of "/a" and of the root
  std::string_view name() const;    // "b" of "/a/b"; empty for the root
  // The text that parses to this; without a path if none was given.
  std::string to_string() const;
};

// kInvalidArgument, with the text and what is wrong with it. The container ends at the first ':'
// or '@'; the path may leave out its first '/'. Empty parts and "." are dropped; ".." is refused,
// since names in a store don't lead upwards.
Result<PathSpec> parse_path_spec(std::string_view text);

// "/a" + "b" = "/a/b"; "/" + "b" = "/b".
std::string join_path(std::string_view folder, std::string_view name);
// True if `path` is `folder` or lies below it.
bool is_within(std::string_view path, std::string_view folder);

}  // namespace ramet::tools
