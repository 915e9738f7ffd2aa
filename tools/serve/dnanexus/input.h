// The input of a call: a JSON object whose known keys have the right types. Unknown keys are
// ignored, since clients send some that no server has to know. Every wrong type is InvalidInput
// that names the key. Not thread-safe; borrows the document.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/dnanexus/errors.h"

namespace ramet::serve::dnanexus {

class Input {
 public:
  // Requires: an object.
  explicit Input(const Json& json) : json_(json) {}

  // Null counts as absent only where a getter says so.
  bool has(std::string_view key) const { return json_.contains(key); }
  const Json& json() const { return json_; }

  Outcome<std::optional<std::string>> text(std::string_view key) const;
  // Required, and not empty.
  Outcome<std::string> some_text(std::string_view key) const;
  Outcome<bool> flag(std::string_view key, bool otherwise) const;
  // Whole numbers alone; null as if it were absent.
  Outcome<std::optional<int64_t>> number(std::string_view key) const;
  // Nonempty strings; absent: nullopt.
  Outcome<std::optional<std::vector<std::string>>> texts(std::string_view key) const;
  // An object; absent: null.
  Outcome<const Json*> object(std::string_view key) const;

 private:
  const Json* find(std::string_view key) const;

  const Json& json_;
};

// "expected 'KEY' to be WHAT", InvalidInput.
Fault wrong_type(std::string_view key, std::string_view what);

}  // namespace ramet::serve::dnanexus
