// JSON that anybody may have sent.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

#include "format/result.h"

namespace ramet::serve {

// kInvalidArgument says where it is broken: not UTF-8, not JSON, an object in which a name stands
// twice, one of more than 2,048 members, or what nests deeper than 64. Members stay in the
// order in which they came. Pure.
Result<nlohmann::ordered_json> parse_json(std::string_view text);

}  // namespace ramet::serve
