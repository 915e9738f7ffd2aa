// The content of a request: its body with the wrapping taken off, and everything that was promised
// of it checked: length, Content-MD5, SHA-256 of the signature, signatures of chunks, checksums in
// fields or in a trailer.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/serve/http.h"
#include "tools/serve/s3/aws_chunked.h"
#include "tools/serve/digest.h"
#include "tools/serve/s3/errors.h"
#include "tools/serve/s3/sigv4.h"

namespace ramet::serve::s3 {

// Of a piece of content that was read whole and was what was promised.
struct Checked {
  uint64_t size = 0;
  Bytes md5;                              // raw
  std::map<Algorithm, Bytes> checksums;  // raw; those that the client named
};

class Payload {
 public:
  // `body` outlives it. Faults: InvalidDigest, MissingContentLength, ... from the fields alone.
  // `with_md5`: whether the MD5 is wanted though the client does not name it.
  static Outcome<std::unique_ptr<Payload>> make(const Request& request, Body& body,
                                                const Claim& claim,
                                                std::optional<ChunkChain> chain, bool with_md5);

  // Of the content, if it was said.
  std::optional<uint64_t> length() const { return length_; }
  // Appends up to `most` bytes to `out`; fewer only at the end of the content, and then all of it
  // was checked.
  Task<Outcome<void>> read(std::string& out, size_t most);
  bool ended() const { return ended_; }
  // Requires: ended().
  const Checked& checked() const { return checked_; }
  // All of it. kEntityTooLarge: more than `max`.
  Task<Outcome<std::string>> read_all(size_t max);

 private:
  Payload(Body& body, const Claim& claim) : body_(body), claim_(claim) {}
  Outcome<void> finish();
  void digest(ByteView bytes);
  Outcome<void> expect_checksum(Algorithm algorithm, std::string_view base64);

  Body& body_;
  Claim claim_;
  std::optional<ChunkDecoder> decoder_;
  std::optional<uint64_t> length_;
  std::vector<Digest> digests_;
  std::optional<Digest> sha256_;  // of the signature
  std::map<Algorithm, Bytes> expected_;
  std::optional<Bytes> expected_md5_;
  std::vector<char> buffer_;
  uint64_t size_ = 0;
  bool ended_ = false;
  Checked checked_;
};

}  // namespace ramet::serve::s3
