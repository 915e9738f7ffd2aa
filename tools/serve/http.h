// What faces see of HTTP (RFC 9110): a request, its body as it comes in, and a response. The server
// (server.h) speaks the wire; faces translate between these and the engine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "engine/view.h"
#include "format/result.h"

namespace ramet::serve {

template <typename T>
using Task = boost::asio::awaitable<T>;

// Fields in the order in which they came; names compare without case (RFC 9110 5.1). Values are
// without the white space around them.
class Fields {
 public:
  struct Field {
    std::string name;
    std::string value;
  };
  void add(std::string name, std::string value);  // beside those that there are
  void set(std::string_view name, std::string value);
  void erase(std::string_view name);
  // The first one of this name; nullopt: there is none.
  std::optional<std::string_view> find(std::string_view name) const;
  // The first one's value, or nothing.
  std::string_view get(std::string_view name) const { return find(name).value_or(""); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  size_t size() const { return fields_.size(); }

 private:
  std::vector<Field> fields_;
};

// Whether two names of fields are the same.
bool same_name(std::string_view a, std::string_view b);

struct Request {
  std::string method;
  std::string path;   // as it was sent, undecoded: "/a%20b"; begins with '/'
  std::string query;  // behind '?', undecoded
  Fields fields;
  std::string id;     // of this request: in logs, in answers, in errors
  std::string peer;   // address, without the port
  bool tls = false;
  bool expects_continue = false;  // the server answers 100 when the body is first read
  std::optional<uint64_t> content_length;  // none: chunked, or no body
  int64_t received = 0;  // nanoseconds since 1970

  std::string_view host() const { return fields.get("host"); }
};

// The body of a request. Not read further than asked for: who does not read, holds up the sender.
class Body {
 public:
  virtual ~Body() = default;
  // Fills some of `into`, at least a byte; 0 at the end. kIoError: the connection was cut, or the
  // peer was too slow (the handler gives up, its response is not sent); kInvalidArgument: longer
  // than
  // the server takes, or broken chunks.
  virtual Task<Result<size_t>> read(std::span<char> into) = 0;
};

// All of it. kInvalidArgument if it is longer than `max`.
Task<Result<std::string>> read_all(Body& body, size_t max);

// The body of a response, made while it is sent: the next part is asked for when the one before was
// taken by the peer's side, so memory is bounded.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // The next bytes; an empty list is the end. An error cuts the connection, so that the peer knows.
  virtual Task<Result<std::vector<SharedBytes>>> next() = 0;
};

struct Response {
  int status = 200;
  Fields fields;      // Content-Length, Date, Server and Connection are the server's
  std::string body;                // sent first,
  std::vector<SharedBytes> parts;  // then these,
  std::unique_ptr<BodySource> source;  // then what comes of it
  // Of the whole body where there is a source; none: chunked. For HEAD: what GET would have.
  std::optional<uint64_t> length;
  bool close = false;  // the connection ends behind it

  // For logs and metrics.
  std::string operation;  // "s3.GetObject": a fixed, small set of names
  std::string principal;
  std::string error;      // why, for the log alone
};

using Handler = std::function<Task<Response>(Request&, Body&)>;

// --- helpers for faces; pure ---------------------------------------------------------------------

// %XX (and '+' as a space, if asked for) decoded. kInvalidArgument for a broken escape. The result
// may hold any bytes.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
// All but A-Z a-z 0-9 - . _ ~ (and '/', unless `slash` says so) as %XX (RFC 3986).
std::string percent_encode(std::string_view text, bool slash = false);
// name=value pairs, decoded, in order; a name without '=' has an empty value. kInvalidArgument.
using QueryParams = std::vector<std::pair<std::string, std::string>>;
Result<QueryParams> parse_query(std::string_view query);

// "Sun, 06 Nov 1994 08:49:37 GMT" (IMF-fixdate, RFC 9110 5.6.7), and back (also the obsolete
// forms).
std::string http_date(int64_t nanoseconds);
std::optional<int64_t> parse_http_date(std::string_view text);
// "2026-11-22T13:40:03.123Z" (RFC 3339), and back.
std::string iso_date(int64_t nanoseconds);
std::optional<int64_t> parse_iso_date(std::string_view text);

// What a Range field asks of content with this size (RFC 9110 14). nullopt: all of it (no field, or
// one that is to be ignored: several ranges, another unit, malformed).
struct ByteRange {
  uint64_t from = 0;
  uint64_t length = 0;
  bool satisfiable = true;
};
std::optional<ByteRange> parse_range(std::string_view field, uint64_t size);

// If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since and their order (RFC 9110
// 13.2.2).
// `etag` with its quotes, empty: there is nothing; `modified` in nanoseconds. Weak comparison for
// If-None-Match; an entity tag without quotes is taken as one with them.
enum class Condition : uint8_t { kGo, kNotModified, kFailed };
Condition check_conditions(const Request& request, std::string_view etag, int64_t modified);

}  // namespace ramet::serve
