// The first line and the fields of a response, as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/serve/http.h"

namespace ramet::serve {

// "Not Found" (RFC 9110 15); "Unknown" for a status that has none.
std::string_view reason_phrase(int status);

// Whether a response of this status has no body whatever is asked (RFC 9110 6.4.1).
inline bool never_has_body(int status) { return status < 200 || status == 204 || status == 304; }

struct HeadOptions {
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool http10 = false;  // says "keep-alive" where it is not understood without
  std::string_view date;
  std::string_view request_id;
};

// Appends it all, the empty line too. False: a field's name is no token or its value has a control
// character, so that it could be taken for something else; `out` is as before.
bool append_head(std::string& out, const Response& response, const HeadOptions& options);

// A response to what never reached a face, or failed in one: problem+json (RFC 9457).
Response problem_response(int status, std::string_view detail, std::string_view request_id);

}  // namespace ramet::serve
