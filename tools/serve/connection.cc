#include "tools/serve/connection.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>

#include <fmt/format.h>

#include "tools/serve/address.h"
#include "tools/serve/response_head.h"

namespace ramet::serve {
namespace {

constexpr size_t kBufferBytesMin = 4u << 10;    // of an idle connection
constexpr size_t kBufferBytesBody = 64u << 10;  // of chunks
constexpr int64_t kLingerTime = 2'000'000'000;
constexpr int64_t kHandlerLong = 1'000'000'000;
constexpr int kEmptyLinesMax = 4;
constexpr int kNoRequest = -1;
constexpr int kPeerGone = 499;  // in the log: there was nobody to answer
constexpr size_t kDrainPiece = 16u << 10;

int64_t wall_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Without what gives a right by itself: signed URLs of transfers.
std::string loggable_path(const std::string& path) {
  constexpr std::string_view kTransfers = "/v1/transfers/";
  if (!path.starts_with(kTransfers)) return path;
  const size_t end = path.find('/', kTransfers.size());
  std::string shown = std::string(kTransfers) + "...";
  return end == std::string::npos ? shown : shown + path.substr(end);
}

std::string request_id(uint64_t number) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string id(16, '0');
  for (size_t i = 16; i-- > 0; number >>= 4) id[i] = kDigits[number & 15];
  return id;
}

ParserLimits parser_limits(const ServerLimits& limits) {
  return {limits.fields_max, limits.target_bytes_max};
}

size_t total_of(const std::vector<SharedBytes>& parts) {
  size_t total = 0;
  for (const SharedBytes& part : parts) total += part.bytes.size();
  return total;
}

}  // namespace

Connection::Connection(Shard& shard, const Door& door, int fd,
                       std::shared_ptr<boost::asio::ssl::context> tls, bool refuse)
    : shard_(shard),
      shared_(shard.shared()),
      limits_(shard.shared().limits),
      door_(door),
      wire_(shard.io(), fd, door.address.is_unix(), std::move(tls)),
      peer_(peer_address(fd)),
      refuse_(refuse),
      parser_(parser_limits(limits_)) {}

Connection::~Connection() = default;

// --- waiting -------------------------------------------------------------------------------------

void Connection::begin_wait(Phase phase, int64_t nanoseconds) {
  phase_ = phase;
  since_ = steady_now();
  deadline_ = since_ + nanoseconds;
}

int64_t Connection::end_wait() {
  const int64_t now = steady_now();
  const int64_t waited = now - since_;
  phase_ = Phase::kHandler;
  since_ = now;
  deadline_ = 0;
  return waited;
}

int64_t Connection::patience(uint64_t moved, int64_t waited) const {
  if (limits_.rate_min == 0) return limits_.stall_timeout;
  const auto earned = static_cast<int64_t>(static_cast<double>(moved) * 1e9 /
                                           static_cast<double>(limits_.rate_min));
  return std::min(limits_.stall_timeout, limits_.rate_grace + earned - waited);
}

bool Connection::check(int64_t now) {
  if (cut_) return false;
  if (deadline_ != 0 && now > deadline_) {
    switch (phase_) {
      case Phase::kHandshake: cut("handshake"); break;
      case Phase::kIdle: cut("idle"); break;
      case Phase::kHeader: cut("header"); break;
      case Phase::kBody:
      case Phase::kResponse: cut("slow"); break;
      case Phase::kHandler:
      case Phase::kLinger: cut("linger"); break;
    }
    return false;
  }
  if (phase_ == Phase::kIdle && shared_.stopping) cut("stop");
  return phase_ == Phase::kHandler && now - since_ > kHandlerLong;
}

void Connection::cut(std::string_view why) {
  if (cut_) return;
  cut_ = broken_ = true;
  if (why != "linger") shared_.metrics.connection_cut(why);
  // Who reads or writes is told by that; a handler that waits for something else has to be woken.
  if (phase_ == Phase::kHandler) cancel_.emit(boost::asio::cancellation_type::terminal);
  wire_.close();
}

void Connection::stop(bool now) {
  const bool idle = phase_ == Phase::kIdle || phase_ == Phase::kLinger;
  if (!now && !idle) return;
  if (!idle && !cut_) shared_.cut_while_stopping.fetch_add(1);
  cut("stop");
}

// --- reading -------------------------------------------------------------------------------------

void Connection::consume(size_t bytes) {
  begin_ += bytes;
  if (begin_ == end_) begin_ = end_ = 0;
}

bool Connection::make_room(size_t most) {
  if (end_ < capacity_) return true;
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, buffered());
    end_ -= begin_;
    begin_ = 0;
    return true;
  }
  if (capacity_ >= most) return false;
  const size_t bigger = std::min(most, std::max(kBufferBytesMin, capacity_ * 4));
  auto buffer = std::make_unique_for_overwrite<char[]>(bigger);
  if (end_ > 0) std::memcpy(buffer.get(), buffer_.get(), end_);
  buffer_ = std::move(buffer);
  capacity_ = bigger;
  return true;
}

Task<bool> Connection::fill(Phase phase, int64_t patience_left) {
  ErrorOf ec;
  begin_wait(phase, patience_left);
  const size_t got = co_await wire_.read({buffer_.get() + end_, capacity_ - end_}, ec);
  const int64_t waited = end_wait();
  if (phase == Phase::kBody) body_waited_ += waited;
  if (ec || got == 0) co_return false;
  end_ += got;
  co_return true;
}

Task<Refusal> Connection::next_request() {
  scan_.reset();
  if (buffered() == 0 && capacity_ > kBufferBytesMin) {  // what a big request needed
    buffer_.reset();
    capacity_ = 0;
  }
  int64_t header_deadline = 0;
  int empty_lines = 0;
  for (;;) {
    // A line or two in front of a request are an old habit (RFC 9112 2.2).
    while (empty_lines < kEmptyLinesMax && buffer_view().starts_with("\r\n")) {
      consume(2);
      ++empty_lines;
    }
    const auto found = scan_.look(buffer_view());
    if (found == HeaderScan::Found::kEnd) break;
    if (found == HeaderScan::Found::kBroken) {
      co_return Refusal{400, "a control character, or a line that goes on in the next one"};
    }
    if (buffered() >= limits_.header_bytes_max || !make_room(limits_.header_bytes_max)) {
      co_return Refusal{431, "the header is too long"};
    }
    const bool idle = buffered() == 0;
    if (idle && shared_.stopping) co_return Refusal{kNoRequest, ""};
    if (!idle && header_deadline == 0) header_deadline = steady_now() + limits_.header_timeout;
    const bool more = co_await fill(idle ? Phase::kIdle : Phase::kHeader,
                                    idle ? limits_.idle_timeout : header_deadline - steady_now());
    if (!more) co_return Refusal{kNoRequest, ""};
  }
  started_ = steady_now();
  request_.received = wall_now();
  const Refusal refusal = parser_.parse(buffer_view().substr(0, scan_.length()), request_);
  consume(scan_.length());
  if (refusal) co_return refusal;
  if (request_.content_length.value_or(0) > limits_.body_bytes_max) {
    co_return Refusal{413, "the body is too long"};
  }
  chunks_.reset();
  send_continue_ = request_.expects_continue;
  body_left_ = request_.content_length.value_or(0);
  body_done_ = !parser_.chunked() && body_left_ == 0;
  co_return Refusal{};
}

Task<Result<size_t>> Connection::read(std::span<char> into) {
  if (body_error_) co_return *body_error_;
  if (into.empty()) co_return size_t{0};
  const auto failed = [this](ErrorCode code, const char* why) {
    must_close_ = true;
    body_error_ = Error(code, why);
    if (code == ErrorCode::kIoError) broken_ = true;
    return *body_error_;
  };
  if (send_continue_) {
    send_continue_ = false;
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    if (buffered() == 0) {
      add_part(kContinue.data(), kContinue.size());
      const bool written = flush_at_once() ? !broken_ : co_await flush();
      if (!written) co_return failed(ErrorCode::kIoError, "the connection was cut");
    }
  }
  if (body_done_) co_return size_t{0};
  constexpr const char* kCut = "the connection was cut, or its peer was too slow";
  if (!parser_.chunked()) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(into.size(), body_left_));
    size_t got = std::min(want, buffered());
    if (got > 0) {
      std::memcpy(into.data(), buffer_view().data(), got);
      consume(got);
    } else {  // straight to where it is wanted
      ErrorOf ec;
      begin_wait(Phase::kBody, patience(body_bytes_, body_waited_));
      got = co_await wire_.read(into.first(want), ec);
      body_waited_ += end_wait();
      if (ec || got == 0) co_return failed(ErrorCode::kIoError, kCut);
    }
    body_left_ -= got;
    body_bytes_ += got;
    body_done_ = body_left_ == 0;
    co_return got;
  }
  for (;;) {
    const auto decoded = chunks_.decode(buffer_view(), into);
    consume(decoded.consumed);
    body_bytes_ += decoded.produced;
    body_done_ = decoded.step == ChunkDecoder::Step::kEnd;
    if (decoded.step == ChunkDecoder::Step::kBroken) {
      co_return failed(ErrorCode::kInvalidArgument, "the chunks of the body are malformed");
    }
    if (body_bytes_ > limits_.body_bytes_max) {
      co_return failed(ErrorCode::kInvalidArgument, "the body is longer than allowed");
    }
    if (decoded.produced > 0 || body_done_) co_return decoded.produced;
    make_room(std::max(kBufferBytesBody, capacity_));  // (nothing is left in it)
    if (!co_await fill(Phase::kBody, patience(body_bytes_, body_waited_))) {
      co_return failed(ErrorCode::kIoError, kCut);
    }
  }
}

// --- writing -------------------------------------------------------------------------------------

void Connection::add_part(const void* bytes, size_t size) {
  if (size > 0) parts_.push_back({const_cast<void*>(bytes), size});
}

// What was sent is taken off the front of the list.
static size_t skip_sent(std::vector<iovec>& parts, size_t at, size_t sent) {
  while (at < parts.size() && sent >= parts[at].iov_len) sent -= parts[at++].iov_len;
  if (sent > 0) {
    parts[at].iov_base = static_cast<char*>(parts[at].iov_base) + sent;
    parts[at].iov_len -= sent;
  }
  return at;
}

bool Connection::flush_at_once() {
  while (!broken_ && parts_at_ < parts_.size()) {
    const ssize_t sent = wire_.try_write(std::span(parts_).subspan(parts_at_));
    if (sent == 0) return false;
    if (sent < 0) {
      broken_ = true;
      break;
    }
    sent_ += static_cast<uint64_t>(sent);
    parts_at_ = skip_sent(parts_, parts_at_, static_cast<size_t>(sent));
  }
  parts_.clear();
  parts_at_ = 0;
  return true;
}

Task<bool> Connection::flush() {
  while (!flush_at_once()) {
    ErrorOf ec;
    begin_wait(Phase::kResponse, patience(sent_, send_waited_));
    const size_t sent = co_await wire_.write(std::span(parts_).subspan(parts_at_), ec);
    send_waited_ += end_wait();
    if (ec) broken_ = true;
    sent_ += sent;
    parts_at_ = skip_sent(parts_, parts_at_, sent);
  }
  co_return !broken_;
}

bool Connection::keeps_alive(const Response& response) const {
  if (must_close_ || response.close || !parser_.keep_alive() || shared_.stopping) return false;
  if (send_continue_) return false;  // whoever waits for a 100 may send the body, or not
  if (body_done_) return true;
  // The rest of a body that nobody wants.
  return parser_.chunked() || body_left_ <= limits_.drain_bytes_max;
}

void Connection::fail(Response& response, std::string_view why) {
  Response failed = problem_response(500, "", request_.id);
  failed.operation = std::move(response.operation);
  failed.principal = std::move(response.principal);
  failed.error = why;
  response = std::move(failed);
}

Task<Result<std::vector<SharedBytes>>> Connection::next_parts(BodySource& source) {
  std::string thrown;
  try {
    co_return co_await source.next();
  } catch (const std::exception& error) {
    thrown = error.what();
  }
  co_return Error(ErrorCode::kIoError, thrown);
}

Task<bool> Connection::respond(Response& response) {
  const bool sends_body = request_.method != "HEAD" && !never_has_body(response.status);
  if (!sends_body) {
    response.source.reset();
    response.parts.clear();
  } else if (response.source != nullptr && response.parts.empty()) {
    // Before anything is sent: what fails here can still be told.
    auto first = co_await next_parts(*response.source);
    if (!first.ok()) {
      fail(response, first.error().message());
    } else if (first->empty()) {
      response.source.reset();
    } else {
      response.parts = std::move(*first);
    }
  }
  const uint64_t at_hand = response.body.size() + total_of(response.parts);
  if (sends_body && response.length &&
      (response.source == nullptr ? at_hand != *response.length : at_hand > *response.length)) {
    fail(response, "the body has another length than was said");
  }
  bool keep = keeps_alive(response);
  HeadOptions head;
  if (never_has_body(response.status)) {
    // (no framing at all)
  } else if (!sends_body) {
    if (response.length || !response.body.empty()) {
      head.content_length = response.length.value_or(response.body.size());
    }
  } else if (response.source == nullptr) {
    head.content_length = response.body.size() + total_of(response.parts);
  } else if (response.length) {
    head.content_length = response.length;
  } else if (parser_.is_http10()) {
    keep = false;  // its end is the connection's
  } else {
    head.chunked = true;
  }
  head.keep_alive = keep;
  head.http10 = parser_.is_http10();
  head.date = shard_.date();
  head.request_id = request_.id;
  head_.clear();
  if (!append_head(head_, response, head)) {
    fail(response, "a field of the response has control characters");
    head.chunked = false;
    head.content_length = response.body.size();
    append_head(head_, response, head);
  }
  add_part(head_.data(), head_.size());
  if (!sends_body) {
    const bool written = flush_at_once() ? !broken_ : co_await flush();
    co_return written && keep;
  }
  const bool written = co_await write_body(response, head.content_length, head.chunked);
  co_return written && keep;
}

// Behind the head, which is the first of the parts to be written. `length`: what was promised.
Task<bool> Connection::write_body(Response& response, std::optional<uint64_t> length,
                                  bool chunked) {
  static constexpr std::string_view kLineEnd = "\r\n";
  static constexpr std::string_view kLastChunk = "0\r\n\r\n";
  std::string_view text = response.body;
  for (;;) {
    const size_t piece = text.size() + total_of(response.parts);
    if (length && response_bytes_ + piece > *length) {
      response.error = "the body's source has more bytes than it said";
      co_return false;
    }
    if (chunked && piece > 0) {
      const auto end = fmt::format_to(chunk_line_.data(), "{:x}\r\n", piece);
      add_part(chunk_line_.data(), static_cast<size_t>(end - chunk_line_.data()));
    }
    add_part(text.data(), text.size());
    for (const SharedBytes& part : response.parts) add_part(part.bytes.data(), part.bytes.size());
    if (chunked && piece > 0) add_part(kLineEnd.data(), kLineEnd.size());
    const bool last = response.source == nullptr || (length && response_bytes_ + piece == *length);
    if (chunked && last) add_part(kLastChunk.data(), kLastChunk.size());
    if (!(flush_at_once() ? !broken_ : co_await flush())) co_return false;
    response_bytes_ += piece;
    if (last) break;
    text = {};
    response.parts.clear();
    auto next = co_await next_parts(*response.source);
    if (broken_) co_return false;
    if (!next.ok()) {
      response.error = next.error().message();
      co_return false;
    }
    response.parts = std::move(*next);
    if (response.parts.empty()) response.source.reset();
  }
  if (length && response_bytes_ < *length) {
    response.error = "the body's source has fewer bytes than it said";
    co_return false;
  }
  co_return true;
}

Task<bool> Connection::drain() {
  const auto scratch = std::make_unique_for_overwrite<char[]>(kDrainPiece);
  for (uint64_t drained = 0; !body_done_;) {
    if (drained > limits_.drain_bytes_max) co_return false;
    const auto got = co_await read({scratch.get(), kDrainPiece});
    if (!got.ok()) co_return false;
    drained += *got;
  }
  co_return true;
}

// Ends the connection so that the peer can read what was sent last: closing at once would reset it
// while the peer still sends.
Task<void> Connection::linger() {
  if (broken_) co_return;
  begin_wait(Phase::kLinger, kLingerTime);
  ErrorOf ec;
  co_await wire_.finish(ec);
  if (broken_ || wire_.is_tls()) co_return;
  const auto scratch = std::make_unique_for_overwrite<char[]>(kDrainPiece);
  const int64_t end = deadline_;
  while (!ec && !broken_ && steady_now() < end) {
    if (co_await wire_.read({scratch.get(), kDrainPiece}, ec) == 0) break;
  }
}

// --- requests ------------------------------------------------------------------------------------

void Connection::note(const Response& response) {
  const auto nanoseconds = static_cast<uint64_t>(steady_now() - started_);
  const int status = broken_ ? kPeerGone : response.status;
  shard_.recorder().request(response.operation, status, nanoseconds, body_bytes_,
                            response_bytes_);
  const LogLevel level = status >= 500 ? LogLevel::kError : LogLevel::kInfo;
  if (!shared_.log.logs(level)) return;
  const std::string path = loggable_path(request_.path);  // (the line only points to it)
  RequestLine line;
  line.id = request_.id;
  line.peer = request_.peer;
  line.method = request_.method;
  line.path = path;
  line.query = request_.query;
  line.operation = response.operation;
  line.principal = response.principal;
  line.error = response.error;
  line.status = status;
  line.bytes_in = body_bytes_;
  line.bytes_out = response_bytes_;
  line.microseconds = nanoseconds / 1000;
  shared_.log.request(shard_.log_buffer(), line);
}

Task<bool> Connection::answer(const Refusal& refusal) {
  Response response;
  if (refusal) {
    must_close_ = true;
    response = problem_response(refusal.status, refusal.why, request_.id);
    response.operation = "server.Refuse";
    response.error = refusal.why;
  } else {
    std::string thrown;
    try {
      response = co_await door_.handler(request_, *this);
    } catch (const std::exception& error) {
      thrown = error.what();
      if (thrown.empty()) thrown = "an exception";
    }
    if (!thrown.empty()) fail(response, thrown);
  }
  bool goes_on = false;
  try {
    goes_on = !broken_ && co_await respond(response);
  } catch (const std::exception& error) {
    broken_ = true;  // cancelled in the middle
    if (response.error.empty()) response.error = error.what();
  }
  response.source.reset();
  response.parts.clear();
  note(response);
  co_return goes_on;
}

Task<void> Connection::run() {
  if (wire_.is_tls()) {
    ErrorOf ec;
    begin_wait(Phase::kHandshake, limits_.header_timeout);
    co_await wire_.handshake(ec);
    end_wait();
    if (ec) co_return;
  }
  for (bool first = true;; first = false) {
    request_ = Request();
    request_.id = request_id(shared_.next_request.fetch_add(1, std::memory_order_relaxed));
    request_.peer = peer_;
    request_.tls = wire_.is_tls();
    body_error_.reset();
    body_done_ = true;
    send_continue_ = false;
    body_bytes_ = sent_ = response_bytes_ = 0;
    body_waited_ = send_waited_ = 0;
    Refusal refusal{503, "too many connections"};
    if (refuse_ && first) {
      started_ = steady_now();
    } else {
      refusal = co_await next_request();
    }
    if (refusal.status == kNoRequest) break;
    bool goes_on = co_await answer(refusal);
    if (goes_on && !body_done_) goes_on = co_await drain();
    if (!goes_on) break;
  }
  // Nobody sends anything behind an end of its own.
  co_await linger();
}

}  // namespace ramet::serve
