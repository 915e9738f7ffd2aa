// The OpenAPI 3.1 description (openapi.json beside this file), as it was when this was built.
#pragma once

#include <string_view>

namespace ramet::serve::rest {

std::string_view openapi_text();

}  // namespace ramet::serve::rest
