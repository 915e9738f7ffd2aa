// Access tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 (RFC 7515, "HS256"), nothing
// else. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/serve/fhir/errors.h"

namespace ramet::serve::fhir {

std::string sign_jwt(const Json& claims, std::string_view key);
// The claims of a token whose signature is right; nullopt: it is none, of another algorithm, or
// wrong. When it expires is for the caller to look at.
std::optional<Json> verify_jwt(std::string_view token, std::string_view key);

// RFC 4648 section 5, without padding.
std::string to_base64url(std::string_view bytes);
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace ramet::serve::fhir
