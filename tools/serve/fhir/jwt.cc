#include "tools/serve/fhir/jwt.h"

#include <algorithm>

#include "tools/serve/digest.h"
#include "tools/serve/parse_json.h"

namespace ramet::serve::fhir {
namespace {

constexpr size_t kTokenBytesMax = 4096;

std::string signature_of(std::string_view signed_part, std::string_view key) {
  return to_base64url(hmac_sha256(key, signed_part));
}

}  // namespace

std::string to_base64url(std::string_view bytes) {
  std::string out = to_base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  return out;
}

std::optional<std::string> from_base64url(std::string_view text) {
  if (text.find_first_of("+/=") != text.npos) return std::nullopt;
  std::string standard(text);
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  standard.append((4 - standard.size() % 4) % 4, '=');
  return from_base64(standard);
}

std::string sign_jwt(const Json& claims, std::string_view key) {
  const std::string head = R"({"alg":"HS256","typ":"JWT"})";
  std::string token = to_base64url(head) + "." + to_base64url(claims.dump());
  token += "." + signature_of(token, key);
  return token;
}

std::optional<Json> verify_jwt(std::string_view token, std::string_view key) {
  if (token.size() > kTokenBytesMax || key.empty()) return std::nullopt;
  const size_t first = token.find('.');
  const size_t last = token.rfind('.');
  if (first == token.npos || last == first || token.find('.', first + 1) != last) {
    return std::nullopt;
  }
  // The signature before anything is read of what it signs.
  if (!equal_secretly(token.substr(last + 1), signature_of(token.substr(0, last), key))) {
    return std::nullopt;
  }
  const auto head = from_base64url(token.substr(0, first));
  const auto body = from_base64url(token.substr(first + 1, last - first - 1));
  if (!head || !body) return std::nullopt;
  const auto head_json = parse_json(*head);
  auto claims = parse_json(*body);
  if (!head_json.ok() || !claims.ok()) return std::nullopt;
  if (!head_json->is_object() || head_json->value("alg", Json()) != "HS256") return std::nullopt;
  if (!claims->is_object()) return std::nullopt;
  return std::move(*claims);
}

}  // namespace ramet::serve::fhir
