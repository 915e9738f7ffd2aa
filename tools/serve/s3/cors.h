// CORS of buckets (AWS, "Using cross-origin resource sharing"; Fetch standard). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/http.h"
#include "tools/serve/s3/errors.h"

namespace ramet::serve::s3 {

struct CorsRule {
  std::vector<std::string> origins;  // at most one '*' each
  std::vector<std::string> methods;
  std::vector<std::string> headers;  // that may be asked for; at most one '*' each
  std::vector<std::string> exposed;
  std::optional<uint64_t> max_age;   // seconds
};

// MalformedXML, InvalidRequest.
Outcome<std::vector<CorsRule>> parse_cors(std::string_view xml);
// The answer's fields for a request from `origin`; false: no rule allows it. `headers`: what a
// preflight asks for, "a, b"; empty: nothing.
bool apply_cors(const std::vector<CorsRule>& rules, std::string_view origin,
                std::string_view method, std::string_view headers, bool preflight,
                Fields& fields);

}  // namespace ramet::serve::s3
