#include "tools/serve/parse_json.h"

#include <set>
#include <string>
#include <vector>

#include "format/utf8.h"

namespace ramet::serve {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kDepthMax = 64;

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

}  // namespace

Result<nlohmann::ordered_json> parse_json(std::string_view text) {
  if (!is_utf8(text)) return invalid("the body is not UTF-8");
  std::vector<std::set<std::string>> names;
  std::string twice;
  bool deep = false;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (static_cast<size_t>(depth) > kDepthMax) deep = true;
    if (event == Json::parse_event_t::object_start) names.emplace_back();
    if (event == Json::parse_event_t::object_end && !names.empty()) names.pop_back();
    if (event == Json::parse_event_t::key && !names.empty()) {
      const auto name = value.get<std::string>();
      if (!names.back().insert(name).second && twice.empty()) twice = name;
    }
    return true;
  };
  // Nothing that nests deeper is handed to the parser: what it builds is taken down by recursion.
  size_t depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
      continue;
    }
    if (c == '"') in_text = true;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && depth > 0) --depth;
    if (depth > kDepthMax) return invalid("the body nests too deeply");
  }
  try {
    Json json = Json::parse(text, watch);
    if (deep) return invalid("the body nests too deeply");
    if (!twice.empty()) return invalid("'" + twice + "' stands twice in one object");
    return json;
  } catch (const Json::exception& failure) {
    return invalid(std::string("the body is not JSON: ") + failure.what());
  }
}

}  // namespace ramet::serve
