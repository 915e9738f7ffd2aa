#include "tools/serve/request_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <boost/beast/http/basic_parser.hpp>

namespace ramet::serve {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr Refusal kBadRequest{400, "the request's header is malformed"};
constexpr Refusal kOtherVersion{505, "HTTP/1.1 and HTTP/1.0 are spoken here"};
constexpr size_t kPassedOverMax = 16u << 10;  // of extensions and trailers of a whole body

std::string_view view_of(beast::string_view text) { return {text.data(), text.size()}; }

// 1 for what may not stand in a header, but for CR and LF, which mean something.
constexpr std::array<bool, 256> make_controls() {
  std::array<bool, 256> controls{};
  for (size_t i = 0; i < 0x20; ++i) controls[i] = i != '\t';
  controls[0x7F] = true;
  return controls;
}
constexpr std::array<bool, 256> kControl = make_controls();

// Beast finds the pieces of a header; they go straight into the request. (Not those of chunks: its
// parser asserts what a peer decides when a last chunk comes in pieces.)
class BeastParser final : public http::basic_parser<true> {
 public:
  BeastParser(Request& request, size_t fields_max) : request_(&request), fields_max_(fields_max) {
    header_limit(UINT32_MAX);  // the connection's buffer is the limit
    body_limit(boost::none);
  }

  bool too_many_fields() const { return too_many_fields_; }
  std::string_view target() const { return target_; }  // points into the header
  int version() const { return version_; }  // 11: HTTP/1.1

 private:
  void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                       int version, beast::error_code& ec) override {
    version_ = version;
    request_->method.assign(method.data(), method.size());
    target_ = view_of(target);
    ec = {};
  }
  void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}
  void on_field_impl(http::field, beast::string_view name, beast::string_view value,
                     beast::error_code& ec) override {
    ec = {};
    if (request_->fields.size() == fields_max_) {
      too_many_fields_ = true;
      ec = http::error::header_limit;
      return;
    }
    request_->fields.add(std::string(name), std::string(value));
  }
  void on_header_impl(beast::error_code& ec) override { ec = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code& ec) override {
    ec = {};
  }
  std::size_t on_body_impl(beast::string_view, beast::error_code& ec) override {
    ec = http::error::unexpected_body;  // bodies do not come here
    return 0;
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code& ec) override {
    ec = {};
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view,
                                 beast::error_code& ec) override {
    ec = http::error::unexpected_body;
    return 0;
  }
  void on_finish_impl(beast::error_code& ec) override { ec = {}; }

  Request* request_;
  const size_t fields_max_;
  std::string_view target_;
  int version_ = 0;
  bool too_many_fields_ = false;
};

std::optional<uint64_t> parse_length(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

size_t count_fields(const Fields& fields, std::string_view name) {
  return static_cast<size_t>(
      std::count_if(fields.begin(), fields.end(),
                    [&](const auto& field) { return same_name(field.name, name); }));
}

// A request line of another version, rather than one with a space too many.
bool is_other_version(std::string_view header) {
  const std::string_view line = header.substr(0, header.find('\r'));
  return std::count(line.begin(), line.end(), ' ') == 2 &&
         line.substr(line.rfind(' ') + 1).starts_with("HTTP/");
}

// A host with its port: nothing that would mean something else in a URL.
bool is_authority(std::string_view text) {
  return text.find_first_of("/?#@\\ \t\"<>") == std::string_view::npos;
}

}  // namespace

HeaderScan::Found HeaderScan::look(std::string_view text) {
  size_t i = at_;
  for (; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (!kControl[byte]) continue;
    if (byte != '\r') return Found::kBroken;
    // The end of a line shows with what comes behind: CR LF and a byte, or CR LF CR LF.
    if (text.size() - i < 2) break;
    if (text[i + 1] != '\n') return Found::kBroken;
    if (text.size() - i < 3) break;
    const char next = text[i + 2];
    if (next == ' ' || next == '\t') return Found::kBroken;
    if (next == '\r') {
      if (text.size() - i < 4) break;
      if (text[i + 3] != '\n') return Found::kBroken;
      length_ = i + 4;
      return Found::kEnd;
    }
    ++i;
  }
  at_ = i;
  return Found::kMore;
}

Refusal RequestParser::parse(std::string_view header, Request& request) {
  BeastParser parser(request, limits_.fields_max);
  beast::error_code ec;
  const size_t used = parser.put(boost::asio::const_buffer(header.data(), header.size()), ec);
  if (parser.too_many_fields()) return {431, "too many header fields"};
  if (ec == http::error::bad_version) return is_other_version(header) ? kOtherVersion : kBadRequest;
  if (parser.target().size() > limits_.target_bytes_max) return {414, "the URI is too long"};
  if (ec || used != header.size() || !parser.is_header_done()) return kBadRequest;
  if (parser.version() != 11 && parser.version() != 10) {
    return kOtherVersion;
  }
  http10_ = parser.version() == 10;
  keep_alive_ = parser.keep_alive();
  const size_t hosts = count_fields(request.fields, "host");
  if (hosts > 1 || (hosts == 0 && !http10_)) return {400, "exactly one Host field is needed"};
  if (!is_authority(request.fields.get("host"))) return {400, "the Host field is malformed"};
  if (const Refusal refusal = take_target(parser.target(), request)) return refusal;
  return take_framing(request);
}

// origin-form, or absolute-form, whose authority goes before the Host field (RFC 9112 3.2).
Refusal RequestParser::take_target(std::string_view target, Request& request) {
  if (!target.starts_with('/')) {
    const size_t scheme = target.find("://");
    if (scheme == std::string_view::npos || (!same_name(target.substr(0, scheme), "http") &&
                                             !same_name(target.substr(0, scheme), "https"))) {
      return {400, "the request's target is neither a path nor an http URI"};
    }
    target.remove_prefix(scheme + 3);
    const size_t end = std::min(target.find_first_of("/?"), target.size());
    const std::string_view authority = target.substr(0, end);
    if (authority.empty() || !is_authority(authority)) return {400, "the URI's host is malformed"};
    request.fields.set("host", std::string(authority));
    target.remove_prefix(end);
  }
  if (target.find('#') != std::string_view::npos) {
    return {400, "a fragment is no part of a request"};
  }
  const size_t question = std::min(target.find('?'), target.size());
  request.path.assign(target.substr(0, question));
  if (request.path.empty()) request.path = "/";
  request.query.assign(target.substr(std::min(question + 1, target.size())));
  return {};
}

// Where the body ends (RFC 9112 6.3), and what was asked of the connection.
Refusal RequestParser::take_framing(Request& request) {
  const size_t lengths = count_fields(request.fields, "content-length");
  const size_t encodings = count_fields(request.fields, "transfer-encoding");
  if (lengths > 1) return {400, "more than one Content-Length"};
  if (encodings > 0 && lengths > 0) return {400, "both Content-Length and Transfer-Encoding"};
  chunked_ = encodings > 0;
  if (chunked_) {
    if (http10_) return {400, "Transfer-Encoding in HTTP/1.0"};
    if (encodings > 1) return {400, "more than one Transfer-Encoding"};
    if (!same_name(request.fields.get("transfer-encoding"), "chunked")) {
      return {501, "'chunked' is the one Transfer-Encoding that is known here"};
    }
  } else if (lengths == 1) {
    request.content_length = parse_length(request.fields.get("content-length"));
    if (!request.content_length) return {400, "the Content-Length is no number"};
  }
  if (const auto expect = request.fields.find("expect"); expect && !http10_) {
    if (!same_name(*expect, "100-continue")) return {417, "'100-continue' alone can be expected"};
    // Also of an empty body: botocore takes an answer without it for one that came too early, and
    // then reads the next one on the connection wrongly (it waits for its end a minute long).
    request.expects_continue = chunked_ || request.content_length.has_value();
  }
  return {};
}

ChunkDecoder::State ChunkDecoder::next(char c) {
  const bool control = kControl[static_cast<unsigned char>(c)];
  switch (state_) {
    case State::kSizeBegin:
    case State::kSize: {
      if (c == '\r' && state_ == State::kSize) return State::kSizeEnd;
      if (c == ';' && state_ == State::kSize) return State::kExtension;
      const bool digit = c >= '0' && c <= '9';
      const char letter = static_cast<char>(c | 0x20);
      if (!digit && (letter < 'a' || letter > 'f')) return State::kBroken;
      if (left_ >> 60 != 0) return State::kBroken;
      left_ = left_ << 4 | static_cast<uint64_t>(digit ? c - '0' : letter - 'a' + 10);
      return State::kSize;
    }
    case State::kExtension:
      if (c == '\r') return State::kSizeEnd;
      return control || ++passed_over_ > kPassedOverMax ? State::kBroken : State::kExtension;
    case State::kSizeEnd:
      if (c != '\n') return State::kBroken;
      return left_ == 0 ? State::kLineBegin : State::kData;
    case State::kDataEnd: return c == '\r' ? State::kDataEndLine : State::kBroken;
    case State::kDataEndLine: return c == '\n' ? State::kSizeBegin : State::kBroken;
    case State::kLineBegin:
      if (c == '\r') return State::kLastEnd;
      if (c == ':') return State::kBroken;
      [[fallthrough]];
    case State::kName:
      if (control || c == ' ' || c == '\t' || ++passed_over_ > kPassedOverMax) {
        return State::kBroken;
      }
      return c == ':' ? State::kValue : State::kName;
    case State::kValue:
      if (c == '\r') return State::kLineEnd;
      return control || ++passed_over_ > kPassedOverMax ? State::kBroken : State::kValue;
    case State::kLineEnd: return c == '\n' ? State::kLineBegin : State::kBroken;
    case State::kLastEnd: return c == '\n' ? State::kDone : State::kBroken;
    case State::kData:
    case State::kDone:
    case State::kBroken: break;
  }
  return state_;
}

ChunkDecoder::Decoded ChunkDecoder::decode(std::string_view in, std::span<char> out) {
  Decoded done;
  while (state_ != State::kDone && state_ != State::kBroken && done.consumed < in.size()) {
    if (state_ != State::kData) {
      state_ = next(in[done.consumed++]);
      continue;
    }
    const size_t room = std::min(in.size() - done.consumed, out.size() - done.produced);
    const auto take = static_cast<size_t>(std::min<uint64_t>(room, left_));
    if (take == 0) {
      done.step = Step::kFull;
      return done;
    }
    std::memcpy(out.data() + done.produced, in.data() + done.consumed, take);
    done.consumed += take;
    done.produced += take;
    left_ -= take;
    if (left_ == 0) state_ = State::kDataEnd;
  }
  if (state_ == State::kDone) done.step = Step::kEnd;
  if (state_ == State::kBroken) done.step = Step::kBroken;
  return done;
}

}  // namespace ramet::serve
