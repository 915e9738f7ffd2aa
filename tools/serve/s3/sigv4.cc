#include "tools/serve/s3/sigv4.h"

#include <algorithm>
#include <charconv>
#include <mutex>

#include <fmt/format.h>

namespace ramet::serve::s3 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kExpiresMax = 604'800;  // seven days
constexpr size_t kKeysMax = 4096;
const std::string kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t from = 0;
  while (true) {
    const size_t to = text.find(separator, from);
    parts.emplace_back(text.substr(from, to - from));
    if (to == std::string_view::npos) return parts;
    from = to + 1;
  }
}

std::string_view trim(std::string_view text) {
  const size_t from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

const std::string* param(const QueryParams& params, std::string_view name) {
  for (const auto& [key, value] : params) {
    if (key == name) return &value;
  }
  return nullptr;
}

Fault malformed(bool presigned, std::string message) {
  return {presigned ? Code::kAuthorizationQueryParametersError
                    : Code::kAuthorizationHeaderMalformed,
          std::move(message)};
}

Outcome<void> read_credential(Claim& claim, std::string_view credential) {
  // The key's id may hold slashes; the scope cannot.
  std::vector<std::string> parts = split(credential, '/');
  if (parts.size() < 5) {
    return malformed(claim.presigned,
                     "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; "
                     "expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
  }
  const size_t n = parts.size();
  if (parts[n - 1] != "aws4_request") {
    return malformed(claim.presigned, fmt::format("The credential's terminal '{}' is wrong; "
                                                  "expecting 'aws4_request'.", parts[n - 1]));
  }
  if (parts[n - 2] != "s3") {
    return malformed(claim.presigned, fmt::format("The credential's service '{}' is wrong; "
                                                  "expecting 's3'.", parts[n - 2]));
  }
  claim.region = parts[n - 3];
  claim.date = parts[n - 4];
  claim.key_id = parts[0];
  for (size_t i = 1; i + 4 < n; ++i) claim.key_id += "/" + parts[i];
  return {};
}

Outcome<void> read_payload(Claim& claim, std::string_view text) {
  claim.payload = text;
  if (text == "UNSIGNED-PAYLOAD") {
    claim.mode = PayloadMode::kUnsigned;
  } else if (text == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") {
    claim.mode = PayloadMode::kSignedChunks;
  } else if (text == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") {
    claim.mode = PayloadMode::kSignedTrailer;
  } else if (text == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
    claim.mode = PayloadMode::kUnsignedTrailer;
  } else if (text.size() == 64 && from_hex(text)) {
    claim.mode = PayloadMode::kHash;
  } else {
    return Fault(Code::kInvalidArgument,
                 "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                 "STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                 "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.");
  }
  return {};
}

Outcome<std::optional<Claim>> read_header(const Request& request, std::string_view header) {
  Claim claim;
  for (const std::string& piece : split(header.substr(kAlgorithm.size()), ',')) {
    const std::string_view part = trim(piece);
    const size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    if (equals == std::string_view::npos) {
      return malformed(false, "The authorization header is malformed; a component has no '='.");
    }
    const std::string_view value = part.substr(equals + 1);
    if (name == "Credential") {
      RAMET_TRY(read_credential(claim, value));
    } else if (name == "SignedHeaders") {
      claim.signed_headers = split(lower(value), ';');
    } else if (name == "Signature") {
      claim.signature = value;
    }
  }
  if (claim.key_id.empty() || claim.signed_headers.empty() || claim.signature.empty()) {
    return malformed(false, "The authorization header is malformed; the authorization header "
                            "requires three components: Credential, SignedHeaders, and "
                            "Signature.");
  }
  if (const auto amz = request.fields.find("x-amz-date")) {
    const auto time = parse_amz_date(*amz);
    if (!time) {
      return Fault(Code::kAccessDenied,
                   "AWS authentication requires a valid Date or x-amz-date header");
    }
    claim.timestamp = *amz;
    claim.time = *time;
  } else if (const auto time = parse_http_date(request.fields.get("date"))) {
    claim.time = *time;
    std::string iso = iso_date(*time);  // "2013-05-24T00:00:00.000Z"
    std::erase_if(iso, [](char c) { return c == '-' || c == ':'; });
    claim.timestamp = iso.substr(0, 15) + "Z";
  } else {
    return Fault(Code::kAccessDenied,
                 "AWS authentication requires a valid Date or x-amz-date header");
  }
  const auto payload = request.fields.find("x-amz-content-sha256");
  if (!payload) {
    return Fault(Code::kInvalidRequest,
                 "Missing required header for this request: x-amz-content-sha256");
  }
  RAMET_TRY(read_payload(claim, *payload));
  return std::optional<Claim>(std::move(claim));
}

Outcome<std::optional<Claim>> read_query(const Request& request, const QueryParams& params) {
  Claim claim;
  claim.presigned = true;
  for (const char* name : {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date",
                           "X-Amz-SignedHeaders", "X-Amz-Expires"}) {
    if (param(params, name) == nullptr) {
      return malformed(true, "Query-string authentication version 4 requires the X-Amz-Algorithm, "
                             "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, "
                             "and X-Amz-Expires parameters.");
    }
  }
  if (*param(params, "X-Amz-Algorithm") != kAlgorithm) {
    return malformed(true, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  }
  RAMET_TRY(read_credential(claim, *param(params, "X-Amz-Credential")));
  claim.timestamp = *param(params, "X-Amz-Date");
  const auto time = parse_amz_date(claim.timestamp);
  if (!time) {
    return malformed(true,
                     "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  }
  claim.time = *time;
  const std::string& expires = *param(params, "X-Amz-Expires");
  const auto parsed =
      std::from_chars(expires.data(), expires.data() + expires.size(), claim.expires);
  if (parsed.ec != std::errc() || parsed.ptr != expires.data() + expires.size()) {
    return malformed(true, "X-Amz-Expires should be a number");
  }
  if (claim.expires < 1) return malformed(true, "X-Amz-Expires must be non-negative");
  if (claim.expires > kExpiresMax) {
    return malformed(true,
                     "X-Amz-Expires must be less than a week (in seconds); that is, the given "
                     "X-Amz-Expires must be less than 604800 seconds");
  }
  claim.signed_headers = split(lower(*param(params, "X-Amz-SignedHeaders")), ';');
  claim.signature = *param(params, "X-Amz-Signature");
  std::string_view payload = "UNSIGNED-PAYLOAD";
  if (const auto header = request.fields.find("x-amz-content-sha256")) payload = *header;
  if (const std::string* value = param(params, "X-Amz-Content-Sha256")) payload = *value;
  RAMET_TRY(read_payload(claim, payload));
  return std::optional<Claim>(std::move(claim));
}

void append_canonical_headers(std::string& out, const Request& request, const Claim& claim) {
  for (const std::string& name : claim.signed_headers) {
    out += name;
    out += ':';
    bool first = true;
    for (const auto& field : request.fields) {
      if (!same_name(field.name, name)) continue;
      if (!first) out += ',';
      first = false;
      bool space = false;  // several are as one
      for (const char c : trim(field.value)) {
        if (c == ' ' && space) continue;
        space = c == ' ';
        out += c;
      }
    }
    out += '\n';
  }
}

}  // namespace

std::optional<int64_t> parse_amz_date(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const std::string iso =
      fmt::format("{}-{}-{}T{}:{}:{}Z", text.substr(0, 4), text.substr(4, 2), text.substr(6, 2),
                  text.substr(9, 2), text.substr(11, 2), text.substr(13, 2));
  return parse_iso_date(iso);
}

Outcome<std::optional<Claim>> read_claim(const Request& request, const QueryParams& params) {
  const auto header = request.fields.find("authorization");
  const bool in_query = param(params, "X-Amz-Algorithm") != nullptr ||
                        param(params, "X-Amz-Signature") != nullptr ||
                        param(params, "X-Amz-Credential") != nullptr;
  if (header && in_query) {
    return Fault(Code::kInvalidArgument,
                 "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
                 "Signature query string parameter or the Authorization header should be "
                 "specified");
  }
  if (header) {
    if (header->starts_with(kAlgorithm)) return read_header(request, *header);
    if (header->starts_with("AWS ")) return Fault(Code::kUnsupportedSignature);
    return Fault(Code::kInvalidArgument, "Unsupported Authorization Type");
  }
  if (in_query) return read_query(request, params);
  if (param(params, "AWSAccessKeyId") != nullptr || param(params, "Signature") != nullptr) {
    return Fault(Code::kUnsupportedSignature);
  }
  return std::optional<Claim>();
}

std::string canonical_request(const Request& request, const QueryParams& params,
                              const Claim& claim, bool raw_path) {
  std::string out = request.method + "\n";
  const auto path = percent_decode(request.path);
  out += raw_path || !path.ok() ? request.path : percent_encode(*path);
  out += '\n';
  QueryParams encoded;
  for (const auto& [name, value] : params) {
    if (claim.presigned && name == "X-Amz-Signature") continue;
    encoded.emplace_back(percent_encode(name, true), percent_encode(value, true));
  }
  std::sort(encoded.begin(), encoded.end());
  for (size_t i = 0; i < encoded.size(); ++i) {
    if (i > 0) out += '&';
    out += encoded[i].first;
    out += '=';
    out += encoded[i].second;
  }
  out += '\n';
  append_canonical_headers(out, request, claim);
  out += '\n';
  for (size_t i = 0; i < claim.signed_headers.size(); ++i) {
    if (i > 0) out += ';';
    out += claim.signed_headers[i];
  }
  out += '\n';
  out += claim.payload;
  return out;
}

std::string string_to_sign(const Claim& claim, std::string_view canonical) {
  return fmt::format("{}\n{}\n{}\n{}", kAlgorithm, claim.timestamp, claim.scope(),
                     to_hex(digest_of(Algorithm::kSha256, canonical)));
}

Bytes make_signing_key(std::string_view secret, std::string_view date, std::string_view region) {
  Bytes key = hmac_sha256("AWS4" + std::string(secret), date);
  key = hmac_sha256(key, region);
  key = hmac_sha256(key, "s3");
  return hmac_sha256(key, "aws4_request");
}

Bytes SigningKeys::get(std::string_view secret, std::string_view date, std::string_view region) {
  const std::string name = fmt::format("{}\n{}\n{}", date, region, secret);
  {
    const std::shared_lock lock(mutex_);
    const auto found = keys_.find(name);
    if (found != keys_.end()) return found->second;
  }
  Bytes key = make_signing_key(secret, date, region);
  const std::unique_lock lock(mutex_);
  if (keys_.size() >= kKeysMax) keys_.clear();
  keys_.emplace(name, key);
  return key;
}

Outcome<void> check_time(const Claim& claim, const SignatureRules& rules) {
  if (claim.timestamp.substr(0, 8) != claim.date) {
    return malformed(claim.presigned,
                     fmt::format("Invalid credential date \"{}\". This date is not the same as "
                                 "X-Amz-Date: \"{}\".",
                                 claim.date, claim.timestamp.substr(0, 8)));
  }
  if (!rules.region.empty() && claim.region != rules.region) {
    return malformed(claim.presigned,
                     fmt::format("The authorization header is malformed; the region '{}' is "
                                 "wrong; expecting '{}'",
                                 claim.region, rules.region))
        .with("Region", rules.region);
  }
  const auto skewed = [&] {
    return Fault(Code::kRequestTimeTooSkewed)
        .with("RequestTime", claim.timestamp)
        .with("ServerTime", iso_date(rules.now))
        .with("MaxAllowedSkewMilliseconds", std::to_string(rules.skew_max / 1'000'000));
  };
  if (!claim.presigned) {
    if (claim.time > rules.now + rules.skew_max || claim.time < rules.now - rules.skew_max) {
      return skewed();
    }
    return {};
  }
  if (claim.time > rules.now + rules.skew_max) {
    return Fault(Code::kAccessDenied, "Request is not valid yet");
  }
  if (rules.now > claim.time + claim.expires * kSecond) {
    return Fault(Code::kAccessDenied, "Request has expired")
        .with("X-Amz-Expires", std::to_string(claim.expires))
        .with("Expires", iso_date(claim.time + claim.expires * kSecond))
        .with("ServerTime", iso_date(rules.now));
  }
  return {};
}

Outcome<void> check_signature(const Request& request, const QueryParams& params,
                              const Claim& claim, ByteView signing_key) {
  const auto is_signed = [&](std::string_view name) {
    return std::any_of(claim.signed_headers.begin(), claim.signed_headers.end(),
                       [&](const std::string& one) { return same_name(one, name); });
  };
  std::string missing;
  if (!is_signed("host")) missing = "host";
  for (const auto& field : request.fields) {
    const std::string name = lower(field.name);
    if (!name.starts_with("x-amz-") || is_signed(name)) continue;
    if (name == "x-amz-content-sha256") continue;  // it is in the canonical request anyway
    if (!missing.empty()) missing += ", ";
    missing += name;
  }
  if (!missing.empty()) {
    return Fault(Code::kAccessDenied,
                 "There were headers present in the request which were not signed")
        .with("HeadersNotSigned", missing);
  }
  const std::string canonical = canonical_request(request, params, claim, false);
  const std::string text = string_to_sign(claim, canonical);
  if (equal_secretly(to_hex(hmac_sha256(signing_key, text)), claim.signature)) return {};
  // Some clients sign the path in just the form in which they send it ("%2F", "%7e").
  const std::string raw = canonical_request(request, params, claim, true);
  if (raw != canonical && equal_secretly(to_hex(hmac_sha256(signing_key,
                                                            string_to_sign(claim, raw))),
                                         claim.signature)) {
    return {};
  }
  return Fault(Code::kSignatureDoesNotMatch)
      .with("AWSAccessKeyId", claim.key_id)
      .with("StringToSign", text)
      .with("SignatureProvided", claim.signature)
      .with("CanonicalRequest", canonical);
}

std::string ChunkChain::next(ByteView sha256) {
  const std::string text =
      fmt::format("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}", timestamp_, scope_, previous_,
                  kEmptySha256, to_hex(sha256));
  previous_ = to_hex(hmac_sha256(key_, text));
  return previous_;
}

std::string ChunkChain::trailer(ByteView text) {
  const std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}", timestamp_, scope_, previous_,
                  to_hex(digest_of(Algorithm::kSha256, text)));
  previous_ = to_hex(hmac_sha256(key_, to_sign));
  return previous_;
}

}  // namespace ramet::serve::s3
