// Digests that faces speak of, over bytes as they stream by, and their text forms.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "format/bytes.h"

namespace ramet::serve {

enum class Algorithm : uint8_t { kMd5, kSha1, kSha256, kCrc32, kCrc32c };

// "CRC32", "CRC32C", "SHA1", "SHA256": as x-amz-checksum-algorithm has it (any case), and the name
// in lower case behind "x-amz-checksum-". Not MD5.
std::string_view algorithm_name(Algorithm algorithm);
std::string_view algorithm_suffix(Algorithm algorithm);
std::optional<Algorithm> parse_algorithm(std::string_view name);
inline constexpr std::array kChecksums = {Algorithm::kCrc32, Algorithm::kCrc32c, Algorithm::kSha1,
                                          Algorithm::kSha256};
size_t digest_bytes(Algorithm algorithm);

// Incremental. Not thread-safe.
class Digest {
 public:
  explicit Digest(Algorithm algorithm);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  void update(ByteView bytes);
  // Raw bytes (CRCs big-endian, as S3 encodes them). Begins anew behind it.
  Bytes finish();
  Algorithm algorithm() const { return algorithm_; }

 private:
  struct State;
  Algorithm algorithm_;
  std::unique_ptr<State> state_;
};

Bytes digest_of(Algorithm algorithm, ByteView bytes);
Bytes hmac_sha256(ByteView key, ByteView message);
std::string to_hex(ByteView bytes);  // lower case
std::string to_base64(ByteView bytes);
// Strict RFC 4648 with padding; nullopt otherwise.
std::optional<Bytes> from_base64(std::string_view text);
std::optional<Bytes> from_hex(std::string_view text);
// Takes the same time whatever differs (lengths may show).
bool equal_secretly(std::string_view a, std::string_view b);

}  // namespace ramet::serve
