#include "tools/serve/s3/payload.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace ramet::serve::s3 {
namespace {

constexpr size_t kReadBytes = 64u << 10;

Fault from_body(const Error& error) {
  Fault fault(error);
  if (error.code() == ErrorCode::kInvalidArgument) {
    return {Code::kEntityTooLarge, error.message()};
  }
  return fault;
}

}  // namespace

Outcome<void> Payload::expect_checksum(Algorithm algorithm, std::string_view base64) {
  const auto raw = from_base64(base64);
  if (!raw || raw->size() != digest_bytes(algorithm)) {
    return Fault(Code::kInvalidRequest, fmt::format("Value for x-amz-checksum-{} header is "
                                                    "invalid.", algorithm_suffix(algorithm)));
  }
  expected_[algorithm] = *raw;
  return {};
}

Outcome<std::unique_ptr<Payload>> Payload::make(const Request& request, Body& body,
                                                const Claim& claim,
                                                std::optional<ChunkChain> chain, bool with_md5) {
  std::unique_ptr<Payload> payload(new Payload(body, claim));
  Payload& self = *payload;
  self.length_ = request.content_length;
  const bool streaming = claim.mode == PayloadMode::kSignedChunks ||
                         claim.mode == PayloadMode::kSignedTrailer ||
                         claim.mode == PayloadMode::kUnsignedTrailer;
  if (streaming) {
    const auto text = request.fields.find("x-amz-decoded-content-length");
    if (!text) return Code::kMissingContentLength;
    uint64_t length = 0;
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), length);
    if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) {
      return Fault(Code::kInvalidArgument, "x-amz-decoded-content-length is not a number.");
    }
    self.length_ = length;
    self.decoder_.emplace(claim.mode == PayloadMode::kUnsignedTrailer ? std::nullopt
                                                                      : std::move(chain),
                          claim.mode != PayloadMode::kSignedChunks);
  } else if (claim.mode == PayloadMode::kHash) {
    self.sha256_.emplace(Algorithm::kSha256);
  }
  if (const auto md5 = request.fields.find("content-md5")) {
    const auto raw = from_base64(*md5);
    if (!raw || raw->size() != 16) return Code::kInvalidDigest;
    self.expected_md5_ = *raw;
  }
  if (with_md5 || self.expected_md5_) self.digests_.emplace_back(Algorithm::kMd5);
  int named = 0;
  const auto want = [&](Algorithm algorithm) {
    for (const Digest& digest : self.digests_) {
      if (digest.algorithm() == algorithm) return;
    }
    self.digests_.emplace_back(algorithm);
  };
  for (const Algorithm algorithm : kChecksums) {
    const auto value =
        request.fields.find(fmt::format("x-amz-checksum-{}", algorithm_suffix(algorithm)));
    if (!value) continue;
    ++named;
    RAMET_TRY(self.expect_checksum(algorithm, *value));
    want(algorithm);
  }
  if (named > 1) {
    return Fault(Code::kInvalidRequest,
                 "Expecting a single x-amz-checksum- header. Multiple checksum Types are not "
                 "allowed.");
  }
  if (const auto trailer = request.fields.find("x-amz-trailer")) {
    constexpr std::string_view kPrefix = "x-amz-checksum-";
    if (trailer->size() > kPrefix.size() && same_name(trailer->substr(0, kPrefix.size()),
                                                      kPrefix)) {
      const auto algorithm = parse_algorithm(trailer->substr(kPrefix.size()));
      if (!algorithm) {
        return Fault(Code::kInvalidRequest, "The value specified in the x-amz-trailer header is "
                                            "not supported");
      }
      want(*algorithm);
    }
  }
  auto named_algorithm = request.fields.find("x-amz-sdk-checksum-algorithm");
  if (!named_algorithm) named_algorithm = request.fields.find("x-amz-checksum-algorithm");
  if (named_algorithm) {
    const auto algorithm = parse_algorithm(*named_algorithm);
    if (!algorithm) {
      return Fault(Code::kInvalidRequest,
                   "Checksum algorithm provided is unsupported. Please try again with any of the "
                   "valid types: [CRC32, CRC32C, SHA1, SHA256]");
    }
    want(*algorithm);
  }
  return payload;
}

void Payload::digest(ByteView bytes) {
  for (Digest& digest : digests_) digest.update(bytes);
  if (sha256_) sha256_->update(bytes);
  size_ += bytes.size();
}

Outcome<void> Payload::finish() {
  ended_ = true;
  if (decoder_ && !decoder_->done()) return Code::kIncompleteBody;
  if (length_ && size_ != *length_) return Code::kIncompleteBody;
  if (sha256_) {
    const std::string computed = to_hex(sha256_->finish());
    std::string claimed = claim_.payload;
    for (char& c : claimed) {
      if (c >= 'A' && c <= 'F') c = static_cast<char>(c + 32);
    }
    if (computed != claimed) {
      return Fault(Code::kXAmzContentSHA256Mismatch)
          .with("ClientComputedContentSHA256", claim_.payload)
          .with("S3ComputedContentSHA256", computed);
    }
  }
  if (decoder_) {
    for (const auto& field : decoder_->trailers()) {
      constexpr std::string_view kPrefix = "x-amz-checksum-";
      if (!field.name.starts_with(kPrefix)) continue;
      const auto algorithm = parse_algorithm(field.name.substr(kPrefix.size()));
      if (!algorithm) continue;
      bool computed = false;
      for (const Digest& digest : digests_) computed |= digest.algorithm() == *algorithm;
      if (!computed) {
        return Fault(Code::kInvalidRequest,
                     "The trailer has a checksum that x-amz-trailer does not name.");
      }
      RAMET_TRY(expect_checksum(*algorithm, field.value));
    }
  }
  checked_.size = size_;
  for (Digest& digest : digests_) {
    Bytes raw = digest.finish();
    if (digest.algorithm() == Algorithm::kMd5) {
      if (expected_md5_ && raw != *expected_md5_) {
        return Fault(Code::kBadDigest)
            .with("ExpectedDigest", to_base64(*expected_md5_))
            .with("CalculatedDigest", to_base64(raw));
      }
      checked_.md5 = std::move(raw);
      continue;
    }
    const auto expected = expected_.find(digest.algorithm());
    if (expected != expected_.end() && expected->second != raw) {
      return Fault(Code::kXAmzContentChecksumMismatch,
                   fmt::format("The {} you specified did not match the calculated checksum.",
                               algorithm_name(digest.algorithm())));
    }
    checked_.checksums[digest.algorithm()] = std::move(raw);
  }
  return {};
}

Task<Outcome<void>> Payload::read(std::string& out, size_t most) {
  const size_t begin = out.size();
  if (buffer_.empty()) buffer_.resize(kReadBytes);
  while (!ended_ && out.size() - begin < most) {
    const size_t want = std::min(kReadBytes, most - (out.size() - begin));
    // Of an encoded body a little more may be needed than comes out; never less.
    auto got = co_await body_.read(std::span<char>(buffer_.data(), want));
    if (!got.ok()) co_return from_body(got.error());
    if (*got == 0) {
      const Outcome<void> finished = finish();
      co_return finished;
    }
    const size_t from = out.size();
    if (decoder_) {
      std::string_view in(buffer_.data(), *got);
      auto decoded = decoder_->decode(in, out);
      if (!decoded.ok()) co_return std::move(decoded).error();
      if (!in.empty()) {
        co_return Fault(Code::kIncompleteBody, "There is something behind the last chunk.");
      }
    } else {
      out.append(buffer_.data(), *got);
    }
    digest(std::string_view(out).substr(from));
    if (length_ && size_ > *length_) co_return Fault(Code::kIncompleteBody);
  }
  co_return Outcome<void>();
}

Task<Outcome<std::string>> Payload::read_all(size_t max) {
  std::string all;
  while (!ended_) {
    if (all.size() > max) {
      co_return Fault(Code::kEntityTooLarge,
                      fmt::format("The body is longer than {} bytes.", max));
    }
    auto read_some = co_await read(all, max + 1 - all.size());
    if (!read_some.ok()) co_return std::move(read_some).error();
  }
  co_return all;
}

}  // namespace ramet::serve::s3
