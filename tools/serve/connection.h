// One connection, from its first byte to its last: reads requests, has them answered one after the
// other, writes the responses. (Inside of the server; everything on its shard's thread.)
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/cancellation_signal.hpp>

#include "tools/serve/request_parser.h"
#include "tools/serve/shard.h"
#include "tools/serve/wire.h"

namespace ramet::serve {

class Connection final : public Body {
 public:
  // `refuse`: answers 503 at once, and ends.
  Connection(Shard& shard, const Door& door, int fd,
             std::shared_ptr<boost::asio::ssl::context> tls, bool refuse);
  ~Connection() override;

  Task<void> run();

  // The body of the present request.
  Task<Result<size_t>> read(std::span<char> into) override;

  // Cuts the connection if it missed its deadline. True: its handler takes long, and somebody has
  // to look whether the peer is still there.
  bool check(int64_t now);
  // Ends it now: what waits fails, and the handler is cancelled.
  void cut(std::string_view why);
  // The server ends: this one too when it is idle, or whatever it does (`now`).
  void stop(bool now);

  boost::asio::cancellation_slot cancel_slot() { return cancel_.slot(); }
  int fd() const { return wire_.fd(); }
  size_t index() const { return index_; }
  void set_index(size_t index) { index_ = index; }

 private:
  // What is waited for.
  enum class Phase : uint8_t {
    kHandler,    // nothing of the peer
    kHandshake,
    kIdle,       // the next request
    kHeader,     // the rest of a header
    kBody,       // bytes of a request's body
    kResponse,   // that the peer takes bytes
    kLinger,     // that it ends its side
  };
  void begin_wait(Phase phase, int64_t nanoseconds);
  // Returns how long it took.
  int64_t end_wait();
  // How long a peer that has moved so much may be waited for.
  int64_t patience(uint64_t moved, int64_t waited) const;

  size_t buffered() const { return end_ - begin_; }
  std::string_view buffer_view() const { return {buffer_.get() + begin_, buffered()}; }
  void consume(size_t bytes);
  bool make_room(size_t most);  // for at least a byte; false: the buffer is as big as it may get
  Task<bool> fill(Phase phase, int64_t patience_left);  // reads something; false: the end

  Task<Refusal> next_request();       // status -1: there is none
  Task<bool> answer(const Refusal& refusal);  // true: the connection goes on
  Task<bool> respond(Response& response);
  Task<bool> write_body(Response& response, std::optional<uint64_t> length, bool chunked);
  Task<Result<std::vector<SharedBytes>>> next_parts(BodySource& source);
  void fail(Response& response, std::string_view why);
  bool keeps_alive(const Response& response) const;
  Task<bool> drain();
  Task<void> linger();
  void note(const Response& response);

  // What is to be written, in order.
  void add_part(const void* bytes, size_t size);
  bool flush_at_once();        // true: done, or broken
  Task<bool> flush();          // false: broken

  Shard& shard_;
  ServerShared& shared_;
  const ServerLimits& limits_;
  const Door& door_;
  Wire wire_;
  boost::asio::cancellation_signal cancel_;
  const std::string peer_;
  size_t index_ = 0;

  Phase phase_ = Phase::kHandler;
  int64_t since_ = 0;     // when the phase began
  int64_t deadline_ = 0;  // 0: none
  const bool refuse_;
  bool broken_ = false;   // nothing can be sent any more
  bool cut_ = false;      // by the server

  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;

  RequestParser parser_;
  HeaderScan scan_;
  ChunkDecoder chunks_;
  Request request_;
  int64_t started_ = 0;
  bool must_close_ = false;
  // The present body:
  bool body_done_ = true;
  bool send_continue_ = false;
  std::optional<Error> body_error_;
  uint64_t body_left_ = 0;   // of one with a length
  uint64_t body_bytes_ = 0;  // that were read
  int64_t body_waited_ = 0;
  // The present response:
  std::string head_;
  std::vector<iovec> parts_;
  size_t parts_at_ = 0;
  uint64_t sent_ = 0;
  int64_t send_waited_ = 0;
  uint64_t response_bytes_ = 0;
  std::array<char, 24> chunk_line_{};
};

}  // namespace ramet::serve
