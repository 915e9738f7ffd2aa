// Headers and chunks of requests, from bytes (RFC 9112). Strict on purpose: where two readers could
// disagree about where a request ends, it is refused, since that is how requests are smuggled past
// whoever stands before the server. Not thread-safe; does no input or output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "tools/serve/http.h"

namespace ramet::serve {

// Why a request is not taken. The connection ends behind the answer.
struct Refusal {
  int status = 0;         // 0: it is taken
  std::string_view why;   // for people; a literal
  explicit operator bool() const { return status != 0; }
};

// Finds the end of a header while it comes in. Broken are: control characters (NUL, a CR or LF that
// stands alone), and lines that begin with white space (obs-fold, RFC 9112 5.2).
class HeaderScan {
 public:
  enum class Found : uint8_t { kMore, kEnd, kBroken };
  // `text`: all that came so far, beginning with what earlier calls saw.
  Found look(std::string_view text);
  // kEnd: of the header with its empty line.
  size_t length() const { return length_; }
  void reset() { *this = {}; }

 private:
  size_t at_ = 0;
  size_t length_ = 0;
};

struct ParserLimits {
  size_t fields_max = 200;
  size_t target_bytes_max = 16u << 10;  // of the request's path with its query
};

class RequestParser {
 public:
  explicit RequestParser(const ParserLimits& limits) : limits_(limits) {}

  // Fills method, path, query, fields, expects_continue and content_length of an empty request from
  // a header as HeaderScan found it. Begins anew with each call.
  Refusal parse(std::string_view header, Request& request);
  // Of the parsed request:
  bool keep_alive() const { return keep_alive_; }
  bool is_http10() const { return http10_; }
  bool chunked() const { return chunked_; }

 private:
  Refusal take_target(std::string_view target, Request& request);
  Refusal take_framing(Request& request);

  const ParserLimits limits_;
  bool keep_alive_ = false;
  bool http10_ = false;
  bool chunked_ = false;
};

// A chunked body, taken apart (RFC 9112 7.1). Extensions and trailers are passed over.
class ChunkDecoder {
 public:
  enum class Step : uint8_t {
    kMore,    // all of `in` was used
    kFull,    // `out` is full, and more is to come
    kEnd,     // the body is complete; what follows is the next request's
    kBroken,  // this is no chunked body
  };
  struct Decoded {
    Step step = Step::kMore;
    size_t consumed = 0;
    size_t produced = 0;
  };
  Decoded decode(std::string_view in, std::span<char> out);
  void reset() { *this = {}; }

 private:
  enum class State : uint8_t {
    kSizeBegin, kSize, kExtension, kSizeEnd, kData, kDataEnd, kDataEndLine,
    kLineBegin, kName, kValue, kLineEnd, kLastEnd, kDone, kBroken,
  };
  State next(char c);  // everything but data

  State state_ = State::kSizeBegin;
  uint64_t left_ = 0;      // of the chunk
  size_t passed_over_ = 0;  // bytes of extensions and trailers
};

}  // namespace ramet::serve
