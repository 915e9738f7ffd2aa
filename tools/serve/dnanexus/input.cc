#include "tools/serve/dnanexus/input.h"

#include <fmt/format.h>

namespace ramet::serve::dnanexus {

Fault wrong_type(std::string_view key, std::string_view what) {
  return Fault(Type::kInvalidInput, fmt::format("expected '{}' to be {}", key, what));
}

const Json* Input::find(std::string_view key) const {
  const auto found = json_.find(key);
  return found == json_.end() ? nullptr : &*found;
}

Outcome<std::optional<std::string>> Input::text(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return wrong_type(key, "a string");
  return std::optional<std::string>(value->get<std::string>());
}

Outcome<std::string> Input::some_text(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr || !value->is_string() || value->get_ref<const std::string&>().empty()) {
    return wrong_type(key, "a nonempty string");
  }
  return value->get<std::string>();
}

Outcome<bool> Input::flag(std::string_view key, bool otherwise) const {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) return wrong_type(key, "a boolean");
  return value->get<bool>();
}

Outcome<std::optional<int64_t>> Input::number(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr || value->is_null()) return std::optional<int64_t>();
  if (!value->is_number_integer()) return wrong_type(key, "an integer");
  if (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX) {
    return wrong_type(key, "an integer below 2^63");
  }
  return std::optional<int64_t>(value->get<int64_t>());
}

Outcome<std::optional<std::vector<std::string>>> Input::texts(std::string_view key) const {
  using Texts = std::optional<std::vector<std::string>>;
  const Json* value = find(key);
  if (value == nullptr) return Texts();
  const Fault wrong = wrong_type(key, "an array of nonempty strings");
  if (!value->is_array()) return wrong;
  std::vector<std::string> out;
  for (const Json& one : *value) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty()) return wrong;
    out.push_back(one.get<std::string>());
  }
  return Texts(std::move(out));
}

Outcome<const Json*> Input::object(std::string_view key) const {
  const Json* value = find(key);
  if (value != nullptr && !value->is_object()) return wrong_type(key, "a hash");
  return value;
}

}  // namespace ramet::serve::dnanexus
