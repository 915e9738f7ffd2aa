// The log: JSON, one line for each request and each event, to stderr or a file. Written by a thread
// of its own; where that does not keep up, the oldest lines go, nobody waits. Thread-safe.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "format/result.h"

namespace ramet::serve {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };
// "debug", "info", "warning", "error", "off".
std::string_view log_level_name(LogLevel level);
Result<LogLevel> parse_log_level(std::string_view name);  // kInvalidArgument lists the names

struct LogOptions {
  std::string file;  // empty: stderr
  LogLevel level = LogLevel::kInfo;
};

// What is told of a request. Times in microseconds, bytes of the bodies.
struct RequestLine {
  std::string_view id, peer, method, path, query, operation, principal, error;
  int status = 0;
  uint64_t bytes_in = 0, bytes_out = 0;
  uint64_t microseconds = 0;
};

class Log {
 public:
  // Lines of requests that one thread gathers, so that the writer is not woken for each. Not
  // thread-safe.
  class Buffer {
    friend class Log;
    std::string lines_;
  };
  using Details = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // An error of the file's.
  static Result<std::unique_ptr<Log>> open(const LogOptions& options);
  // Nothing is written.
  static std::unique_ptr<Log> none();
  // Writes what is left.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  bool logs(LogLevel level) const { return level >= level_; }
  // {"time":...,"level":...,"message":...,DETAILS}
  void write(LogLevel level, std::string_view message, Details details = {});
  // Requests are told of at level info, those that failed inside (5xx) at level error and at once.
  void request(Buffer& buffer, const RequestLine& line);
  void flush(Buffer& buffer);
  // Waits until all that was told is written.
  void sync();

  // Opens the file anew under its name (it was renamed to be rotated). An error changes nothing.
  Status reopen();
  // Lines that went since the writer did not keep up.
  uint64_t lost() const;

 private:
  struct Impl;
  Log(LogLevel level, std::unique_ptr<Impl> impl);

  const LogLevel level_;
  const std::unique_ptr<Impl> impl_;
};

// A query without the values of parameters that are secrets (signatures, credentials, tokens).
std::string masked_query(std::string_view query);
// Appends a JSON string with its quotes; what is no UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace ramet::serve
