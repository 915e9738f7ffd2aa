#include "tools/serve/s3/aws_chunked.h"

#include <algorithm>
#include <charconv>

namespace ramet::serve::s3 {
namespace {

constexpr size_t kLineMax = 8192;
constexpr size_t kTrailerBytesMax = 16'384;
constexpr uint64_t kChunkMax = uint64_t{5} << 30;

Fault malformed(const char* what) { return {Code::kIncompleteBody, what}; }

}  // namespace

ChunkDecoder::ChunkDecoder(std::optional<ChunkChain> chain, bool trailer)
    : chain_(std::move(chain)), has_trailer_(trailer) {}

Outcome<std::optional<std::string>> ChunkDecoder::take_line(std::string_view& in) {
  const size_t end = in.find('\n');
  const std::string_view part = in.substr(0, end);
  if (line_.size() + part.size() > kLineMax) return malformed("A line of a chunk is too long.");
  line_ += part;
  if (end == std::string_view::npos) {
    in = {};
    return std::optional<std::string>();
  }
  in.remove_prefix(end + 1);
  std::string line = std::move(line_);
  line_.clear();
  if (!line.ends_with('\r')) return malformed("A line of a chunk does not end in CRLF.");
  line.pop_back();
  return std::optional<std::string>(std::move(line));
}

Outcome<void> ChunkDecoder::begin_chunk(std::string_view line) {
  const size_t semicolon = line.find(';');
  const std::string_view size = line.substr(0, semicolon);
  const auto parsed = std::from_chars(size.data(), size.data() + size.size(), left_, 16);
  if (size.empty() || parsed.ec != std::errc() || parsed.ptr != size.data() + size.size() ||
      left_ > kChunkMax) {
    return malformed("The size of a chunk is not a hexadecimal number.");
  }
  signature_.clear();
  if (semicolon != std::string_view::npos) {
    const std::string_view extension = line.substr(semicolon + 1);
    constexpr std::string_view kName = "chunk-signature=";
    if (extension.starts_with(kName)) signature_ = extension.substr(kName.size());
  }
  if (chain_ && signature_.empty()) {
    return Fault(Code::kSignatureDoesNotMatch, "A chunk has no signature.");
  }
  last_ = left_ == 0;
  state_ = State::kData;
  if (last_) {
    RAMET_TRY(end_chunk());
    state_ = State::kTrailer;  // also where there are none: an empty line ends the body
  }
  return {};
}

Outcome<void> ChunkDecoder::end_chunk() {
  if (!chain_) return {};
  if (!equal_secretly(chain_->next(digest_.finish()), signature_)) {
    return Fault(Code::kSignatureDoesNotMatch,
                 "The signature of a chunk does not match its content.");
  }
  return {};
}

Outcome<void> ChunkDecoder::take_trailer(std::string_view line) {
  if (line.empty()) return end_trailers();
  if (!has_trailer_) return malformed("There are fields behind the last chunk.");
  trailer_bytes_ += line.size();
  if (trailer_bytes_ > kTrailerBytesMax) return malformed("The trailer is too long.");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    return malformed("A field of the trailer has no name.");
  }
  std::string name(line.substr(0, colon));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  if (name == "x-amz-trailer-signature") {
    trailer_signature_ = value;
    return {};
  }
  trailer_text_ += name + ":" + std::string(value) + "\n";
  trailers_.add(std::move(name), std::string(value));
  return {};
}

Outcome<void> ChunkDecoder::end_trailers() {
  if (chain_ && has_trailer_ &&
      !equal_secretly(chain_->trailer(trailer_text_), trailer_signature_)) {
    return Fault(Code::kSignatureDoesNotMatch, "The signature of the trailer does not match.");
  }
  state_ = State::kDone;
  return {};
}

Outcome<void> ChunkDecoder::decode(std::string_view& in, std::string& out) {
  while (!in.empty() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const std::string_view part = in.substr(0, std::min<uint64_t>(left_, in.size()));
      in.remove_prefix(part.size());
      left_ -= part.size();
      decoded_ += part.size();
      if (chain_) digest_.update(part);
      out += part;
      if (left_ == 0) {
        RAMET_TRY(end_chunk());
        state_ = State::kDataEnd;
      }
      continue;
    }
    RAMET_ASSIGN(const std::optional<std::string> line, take_line(in));
    if (!line) break;
    switch (state_) {
      case State::kHeader: RAMET_TRY(begin_chunk(*line)); break;
      case State::kDataEnd:
        if (!line->empty()) return malformed("A chunk is longer than its size.");
        state_ = State::kHeader;
        break;
      case State::kTrailer: RAMET_TRY(take_trailer(*line)); break;
      case State::kData:
      case State::kDone: break;
    }
  }
  return {};
}

}  // namespace ramet::serve::s3
