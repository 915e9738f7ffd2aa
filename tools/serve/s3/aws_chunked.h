// The encoding "aws-chunked" of bodies (AWS, "Signature Calculations for the Authorization Header:
// Transferring Payload in Multiple Chunks"): chunks with their own signatures, and fields behind
// them. A pure decoder: bytes in, content out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/serve/s3/sigv4.h"

namespace ramet::serve::s3 {

class ChunkDecoder {
 public:
  // `chain`: none where chunks are not signed. `trailer`: fields may follow the last chunk.
  ChunkDecoder(std::optional<ChunkChain> chain, bool trailer);

  // Takes some of `in` (which is shortened) and appends content to `out`. What was handed out is
  // believed only once done(). Faults: malformed, or a signature that does not match.
  Outcome<void> decode(std::string_view& in, std::string& out);
  // The whole body came, and all signatures matched. What follows is not looked at.
  bool done() const { return state_ == State::kDone; }
  uint64_t decoded() const { return decoded_; }
  // Behind the last chunk; without the signature.
  const Fields& trailers() const { return trailers_; }

 private:
  enum class State : uint8_t { kHeader, kData, kDataEnd, kTrailer, kDone };
  Outcome<void> begin_chunk(std::string_view line);
  Outcome<void> end_chunk();
  Outcome<void> take_trailer(std::string_view line);
  Outcome<void> end_trailers();
  // A line without its end, once all of it came.
  Outcome<std::optional<std::string>> take_line(std::string_view& in);

  std::optional<ChunkChain> chain_;
  bool has_trailer_;
  State state_ = State::kHeader;
  std::string line_;
  uint64_t left_ = 0;  // of this chunk
  bool last_ = false;
  std::string signature_;  // of this chunk
  Digest digest_{Algorithm::kSha256};
  uint64_t decoded_ = 0;
  Fields trailers_;
  std::string trailer_text_;
  std::string trailer_signature_;
  size_t trailer_bytes_ = 0;
};

}  // namespace ramet::serve::s3
