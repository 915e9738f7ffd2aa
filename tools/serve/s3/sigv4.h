// AWS Signature Version 4 for S3 (AWS, "Authenticating Requests (AWS Signature Version 4)"): what a
// request says of its signature, what it should have been, and the chain of signatures of a body
// that is sent in signed chunks. Pure but for the cache of keys; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tools/serve/http.h"
#include "tools/serve/digest.h"
#include "tools/serve/s3/errors.h"

namespace ramet::serve::s3 {

// How the body stands in the signature (x-amz-content-sha256).
enum class PayloadMode : uint8_t {
  kUnsigned,         // UNSIGNED-PAYLOAD
  kHash,             // SHA-256 in hexadecimal
  kSignedChunks,     // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
  kSignedTrailer,    // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
  kUnsignedTrailer,  // STREAMING-UNSIGNED-PAYLOAD-TRAILER
};

// What a request claims.
struct Claim {
  std::string key_id;
  std::string date;       // "20130524"
  std::string region;
  std::string timestamp;  // "20130524T000000Z"
  int64_t time = 0;       // the same, nanoseconds since 1970
  std::vector<std::string> signed_headers;  // lower case
  std::string signature;
  bool presigned = false;
  int64_t expires = 0;  // seconds from `time` on; presigned only
  PayloadMode mode = PayloadMode::kUnsigned;
  std::string payload;  // as it stands in the canonical request

  std::string scope() const { return date + "/" + region + "/s3/aws4_request"; }
};

// "20130524T000000Z" as nanoseconds since 1970; nullopt for anything else.
std::optional<int64_t> parse_amz_date(std::string_view text);

// nullopt: there is no signature at all. Faults: malformed, Signature V2, another service, or a
// mode of payload that does not exist.
Outcome<std::optional<Claim>> read_claim(const Request& request, const QueryParams& params);

// The text that is hashed and signed: with `raw_path`, the path as it was sent.
std::string canonical_request(const Request& request, const QueryParams& params,
                              const Claim& claim, bool raw_path);
std::string string_to_sign(const Claim& claim, std::string_view canonical);

Bytes make_signing_key(std::string_view secret, std::string_view date, std::string_view region);

// Keys that were derived, by what they were derived from: four HMACs less a request.
class SigningKeys {
 public:
  Bytes get(std::string_view secret, std::string_view date, std::string_view region);

 private:
  std::shared_mutex mutex_;
  std::unordered_map<std::string, Bytes> keys_;
};

struct SignatureRules {
  int64_t now = 0;       // nanoseconds since 1970
  int64_t skew_max = 0;  // nanoseconds
  std::string region;    // empty: any
};

// Whether the time and region of a claim will do; asked before the key is looked up.
Outcome<void> check_time(const Claim& claim, const SignatureRules& rules);
// Whether the signature is that of this key. Fields x-amz-* must all be signed.
Outcome<void> check_signature(const Request& request, const QueryParams& params,
                              const Claim& claim, ByteView signing_key);

// The chain of signatures of chunks: each is over the one before.
class ChunkChain {
 public:
  ChunkChain(Bytes signing_key, const Claim& claim)
      : key_(std::move(signing_key)),
        timestamp_(claim.timestamp),
        scope_(claim.scope()),
        previous_(claim.signature) {}
  // The signature of the next chunk, whose bytes have this SHA-256 (raw).
  std::string next(ByteView sha256);
  // Of the trailer: `text` is its lines, "name:value\n".
  std::string trailer(ByteView text);

 private:
  Bytes key_;
  std::string timestamp_;
  std::string scope_;
  std::string previous_;
};

}  // namespace ramet::serve::s3
