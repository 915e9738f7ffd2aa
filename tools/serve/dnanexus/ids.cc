#include "tools/serve/dnanexus/ids.h"

#include <algorithm>
#include <array>

namespace ramet::serve::dnanexus {
namespace {

constexpr std::array<std::string_view, 5> kClasses = {"file", "record", "applet", "workflow",
                                                      "database"};
constexpr std::string_view kProject = "project-";
constexpr std::string_view kContainer = "container-";

bool is_digits(std::string_view text) {
  return text.size() == kBase62TextBytes && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  });
}

// The 24 characters behind the class; empty: another form.
std::string_view digits_of(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return {};
  text.remove_prefix(prefix.size());
  return is_digits(text) ? text : std::string_view();
}

std::string_view container_digits(std::string_view text) {
  const std::string_view digits = digits_of(text, kProject);
  return digits.empty() ? digits_of(text, kContainer) : digits;
}

std::optional<ObjectClass> class_of(std::string_view text, std::string_view& digits) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  digits = text.substr(dash + 1);
  return is_digits(digits) ? parse_class(text.substr(0, dash)) : std::nullopt;
}

}  // namespace

std::string_view class_name(ObjectClass object_class) {
  return kClasses[static_cast<size_t>(object_class)];
}

std::optional<ObjectClass> parse_class(std::string_view name) {
  const auto found = std::find(kClasses.begin(), kClasses.end(), name);
  if (found == kClasses.end()) return std::nullopt;
  return static_cast<ObjectClass>(found - kClasses.begin());
}

bool is_object_id(std::string_view text) {
  std::string_view digits;
  return class_of(text, digits).has_value();
}

bool is_container_id(std::string_view text) { return !container_digits(text).empty(); }

std::optional<ObjectRef> parse_object(std::string_view text) {
  std::string_view digits;
  const auto object_class = class_of(text, digits);
  if (!object_class) return std::nullopt;
  const auto id = parse_base62<ObjectId>(digits);
  if (!id.ok()) return std::nullopt;
  return ObjectRef{*object_class, *id};
}

std::string to_text(const ObjectRef& object) {
  std::string text(class_name(object.object_class));
  return text + '-' + to_base62(object.id);
}

std::optional<ContainerId> parse_container(std::string_view text) {
  const std::string_view digits = container_digits(text);
  if (digits.empty()) return std::nullopt;
  const auto id = parse_base62<ContainerId>(digits);
  if (!id.ok()) return std::nullopt;
  return *id;
}

std::string to_text(const ContainerId& container) {
  return std::string(kProject) + to_base62(container);
}

}  // namespace ramet::serve::dnanexus
