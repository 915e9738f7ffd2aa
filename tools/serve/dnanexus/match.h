// How searches compare texts: exactly, by glob ("*", "?", "\" escapes; "[" is a letter) or by
// regular expression (PCRE, the whole text is searched). Pure; thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tools/serve/dnanexus/errors.h"

namespace ramet::serve::dnanexus {

bool glob_matches(std::string_view glob, std::string_view text);
// What every match begins with.
std::string glob_prefix(std::string_view glob);

class TextMatch {
 public:
  // A string, {"glob": ...} or {"regexp": ..., "flags"?: "i"}. InvalidInput names `key`.
  static Outcome<TextMatch> parse(const Json& asked, std::string_view key);
  // InvalidInput: a regular expression that takes too long.
  Outcome<bool> matches(std::string_view text) const;
  // What every match begins with; all of it if `exact`.
  const std::string& prefix() const { return prefix_; }
  bool exact() const { return kind_ == Kind::kExact; }

 private:
  enum class Kind : uint8_t { kExact, kGlob, kRegexp };
  struct Compiled;
  Kind kind_ = Kind::kExact;
  std::string text_;
  std::string prefix_;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace ramet::serve::dnanexus
