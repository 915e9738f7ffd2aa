#include "tools/serve/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/base_sink.h>

#include "format/utf8.h"
#include "io/errno_error.h"
#include "io/unix_fd.h"
#include "tools/serve/http.h"

namespace ramet::serve {
namespace {

constexpr size_t kQueueLines = 8192;
constexpr size_t kBufferBytes = 32u << 10;

constexpr std::array<std::string_view, 5> kLevels = {"debug", "info", "warning", "error", "off"};

// In lower case.
constexpr std::array<std::string_view, 10> kSecretParameters = {
    "x-amz-signature", "x-amz-credential", "x-amz-security-token", "signature", "awsaccesskeyid",
    "token", "access_token", "authorization", "secret", "password"};

bool is_secret(std::string_view name) {
  const auto decoded = percent_decode(name, true);
  if (!decoded.ok()) return true;
  return std::any_of(kSecretParameters.begin(), kSecretParameters.end(),
                     [&](std::string_view secret) { return same_name(*decoded, secret); });
}

int64_t now_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, value);
}

void append_member(std::string& out, std::string_view name, uint64_t value) {
  out += ",\"";
  out += name;
  out += "\":";
  const fmt::format_int text(value);
  out.append(text.data(), text.size());
}

std::string begin_line(LogLevel level) {
  std::string out;
  out.reserve(384);
  out += "{\"time\":\"";
  out += iso_date(now_nanoseconds());
  out += "\",\"level\":\"";
  out += log_level_name(level);
  out += '"';
  return out;
}

Result<io::UnixFd> open_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return io::errno_error(errno, path, "open the log");
  return io::UnixFd(fd);
}

// Lines as they are, to a file that can be opened anew.
class FdSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FdSink(io::UnixFd file) : file_(std::move(file)) {}

  void replace(io::UnixFd file) {
    const std::lock_guard lock(mutex_);
    file_ = std::move(file);
  }
  uint64_t taken() const { return taken_.load(); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    write_out(message.payload);
    taken_.fetch_add(1);
  }
  void write_out(spdlog::string_view_t payload) {
    const int fd = file_.valid() ? file_.get() : STDERR_FILENO;
    const char* at = payload.data();
    for (size_t left = payload.size(); left > 0;) {
      const ssize_t written = ::write(fd, at, left);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;  // a full disk or a reader that went: the line is lost
      at += written;
      left -= static_cast<size_t>(written);
    }
  }
  void flush_() override {}

  io::UnixFd file_;
  std::atomic<uint64_t> taken_{0};
};

}  // namespace

struct Log::Impl {
  std::string file;
  std::shared_ptr<FdSink> sink;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
  std::atomic<uint64_t> handed{0};

  void hand_over(const std::string& lines) {
    handed.fetch_add(1);
    logger->log(spdlog::level::info, spdlog::string_view_t(lines));
  }
};

std::string_view log_level_name(LogLevel level) { return kLevels[static_cast<size_t>(level)]; }

Result<LogLevel> parse_log_level(std::string_view name) {
  const auto found = std::find(kLevels.begin(), kLevels.end(), name);
  if (found == kLevels.end()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is none of {}", name, fmt::join(kLevels, ", ")));
  }
  return static_cast<LogLevel>(found - kLevels.begin());
}

std::string masked_query(std::string_view query) {
  std::string out;
  out.reserve(query.size());
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    const size_t equals = one.find('=');
    if (equals != std::string_view::npos && is_secret(one.substr(0, equals))) {
      out += one.substr(0, equals + 1);
      out += "***";
    } else {
      out += one;
    }
    query.remove_prefix(one.size());
    if (query.empty()) break;
    out += '&';
    query.remove_prefix(1);
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  const bool valid = is_utf8(text);
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else if (byte >= 0x80 && !valid) {
      out += "\\ufffd";
    } else {
      out += c;
    }
  }
  out += '"';
}

Log::Log(LogLevel level, std::unique_ptr<Impl> impl) : level_(level), impl_(std::move(impl)) {}

Result<std::unique_ptr<Log>> Log::open(const LogOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->file = options.file;
  io::UnixFd file;
  if (!options.file.empty()) {
    RAMET_ASSIGN(file, open_file(options.file));
  }
  impl->sink = std::make_shared<FdSink>(std::move(file));
  impl->pool = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1);
  impl->logger = std::make_shared<spdlog::async_logger>(
      "ramet", impl->sink, impl->pool, spdlog::async_overflow_policy::overrun_oldest);
  impl->logger->set_level(spdlog::level::trace);
  return std::unique_ptr<Log>(new Log(options.level, std::move(impl)));
}

std::unique_ptr<Log> Log::none() {
  return std::unique_ptr<Log>(new Log(LogLevel::kOff, std::make_unique<Impl>()));
}

Log::~Log() = default;  // the pool's thread ends when its queue is empty

void Log::write(LogLevel level, std::string_view message, Details details) {
  if (!logs(level) || impl_->logger == nullptr) return;
  std::string line = begin_line(level);
  append_member(line, "message", message);
  for (const auto& [name, value] : details) append_member(line, name, value);
  line += "}\n";
  impl_->hand_over(line);
}

void Log::request(Buffer& buffer, const RequestLine& line) {
  const LogLevel level = line.status >= 500 ? LogLevel::kError : LogLevel::kInfo;
  if (!logs(level) || impl_->logger == nullptr) return;
  std::string& out = buffer.lines_;
  out += begin_line(level);
  append_member(out, "id", line.id);
  append_member(out, "peer", line.peer);
  append_member(out, "method", line.method);
  append_member(out, "path", line.path);
  if (!line.query.empty()) append_member(out, "query", masked_query(line.query));
  if (!line.operation.empty()) append_member(out, "operation", line.operation);
  if (!line.principal.empty()) append_member(out, "principal", line.principal);
  append_member(out, "status", static_cast<uint64_t>(line.status));
  append_member(out, "bytes_in", line.bytes_in);
  append_member(out, "bytes_out", line.bytes_out);
  append_member(out, "us", line.microseconds);
  if (!line.error.empty()) append_member(out, "error", line.error);
  out += "}\n";
  if (level == LogLevel::kError || out.size() >= kBufferBytes) flush(buffer);
}

void Log::flush(Buffer& buffer) {
  if (buffer.lines_.empty()) return;
  impl_->hand_over(buffer.lines_);
  buffer.lines_.clear();
}

void Log::sync() {
  if (impl_->pool == nullptr) return;
  const uint64_t all = impl_->handed.load();
  while (impl_->sink->taken() + lost() < all) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Status Log::reopen() {
  if (impl_->sink == nullptr || impl_->file.empty()) return ok();
  RAMET_ASSIGN(io::UnixFd file, open_file(impl_->file));
  impl_->sink->replace(std::move(file));
  return ok();
}

uint64_t Log::lost() const { return impl_->pool == nullptr ? 0 : impl_->pool->overrun_counter(); }

}  // namespace ramet::serve
