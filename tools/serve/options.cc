#include "tools/serve/options.h"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "engine/quantity.h"
#include "io/errno_error.h"

namespace ramet::serve {
namespace {

using Kind = ServeOption::Kind;
using Values = std::vector<std::string>;

constexpr size_t kThreadsMax = 1024;

Error wrong(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Status set_addresses(std::vector<ListenAddress>& into, const Values& values) {
  std::vector<ListenAddress> addresses;
  for (const std::string& value : values) {
    RAMET_ASSIGN(auto address, parse_listen_address(value));
    addresses.push_back(std::move(address));
  }
  into = std::move(addresses);
  return ok();
}

template <typename Number>
Status set_count(Number& into, const std::string& value, uint64_t least, uint64_t most) {
  RAMET_ASSIGN(const uint64_t number, parse_count(value));
  if (number < least || number > most) {
    return wrong(fmt::format("{} is not between {} and {}", number, least, most));
  }
  into = static_cast<Number>(number);
  return ok();
}

template <typename Number>
Status set_bytes(Number& into, const std::string& value, uint64_t least) {
  RAMET_ASSIGN(const uint64_t number, parse_bytes(value));
  if (number < least) return wrong(fmt::format("'{}' is less than {} bytes", value, least));
  into = static_cast<Number>(number);
  return ok();
}

// More than nothing.
Status set_time(int64_t& into, const std::string& value) {
  RAMET_ASSIGN(const int64_t time, parse_duration(value));
  if (time == 0) return wrong(fmt::format("'{}' is no time at all", value));
  into = time;
  return ok();
}

constexpr ServeOption kOptions[] = {
    {"listen", Kind::kList, "ADDRESS",
     "HOST:PORT, [IPV6]:PORT, :PORT (every address) or unix:PATH; several times; port 0: any "
     "(127.0.0.1:9440)",
     [](ServeOptions& o, const Values& v) { return set_addresses(o.listen, v); }},
    {"tls-certificate", Kind::kText, "FILE", "Certificate with those up to the root, PEM",
     [](ServeOptions& o, const Values& v) { return o.tls.certificate = v[0], ok(); }},
    {"tls-key", Kind::kText, "FILE", "Key of the certificate, PEM, without a password",
     [](ServeOptions& o, const Values& v) { return o.tls.key = v[0], ok(); }},
    {"insecure", Kind::kFlag, "", "Listen beyond this machine without TLS",
     [](ServeOptions& o, const Values& v) { return o.insecure = v[0] == "true", ok(); }},
    {"metrics-listen", Kind::kText, "ADDRESS",
     "Answer /metrics, /healthz and /readyz without credentials here, too: an address of this "
     "machine",
     [](ServeOptions& o, const Values& v) { return set_addresses(o.metrics_listen, v); }},
    {"s3-domain", Kind::kText, "DOMAIN", "Buckets are BUCKET.DOMAIN, too",
     [](ServeOptions& o, const Values& v) { return o.faces.s3_domain = v[0], ok(); }},
    {"region", Kind::kText, "NAME", "Region that S3 clients name (us-east-1)",
     [](ServeOptions& o, const Values& v) { return o.faces.region = v[0], ok(); }},
    {"clock-skew-max", Kind::kText, "TIME", "How far a signature's time may be off (15m)",
     [](ServeOptions& o, const Values& v) { return set_time(o.faces.clock_skew_max, v[0]); }},
    {"threads", Kind::kText, "N", "Threads that serve connections (one for each processor)",
     [](ServeOptions& o, const Values& v) { return set_count(o.threads, v[0], 0, kThreadsMax); }},
    {"workers", Kind::kText, "N", "Threads that wait for the disk (4 for each processor)",
     [](ServeOptions& o, const Values& v) { return set_count(o.workers, v[0], 0, kThreadsMax); }},
    {"node-cache", Kind::kText, "BYTES", "Memory for tree nodes (256M)",
     [](ServeOptions& o, const Values& v) {
       return set_bytes(o.node_cache_bytes, v[0], 1u << 20);
     }},
    {"block-cache", Kind::kText, "BYTES", "Memory for content that is read again (256M)",
     [](ServeOptions& o, const Values& v) { return set_bytes(o.block_cache_bytes, v[0], 0); }},
    {"connections-max", Kind::kText, "N", "Connections at once; others are told 503 (20000)",
     [](ServeOptions& o, const Values& v) {
       return set_count(o.limits.connections_max, v[0], 1, 1'000'000);
     }},
    {"header-max", Kind::kText, "BYTES", "Of a request's header (64K)",
     [](ServeOptions& o, const Values& v) {
       return set_bytes(o.limits.header_bytes_max, v[0], 4096);
     }},
    {"header-fields-max", Kind::kText, "N", "Fields of a request's header (200)",
     [](ServeOptions& o, const Values& v) {
       return set_count(o.limits.fields_max, v[0], 10, 10'000);
     }},
    {"target-max", Kind::kText, "BYTES", "Of a request's path with its query (16K)",
     [](ServeOptions& o, const Values& v) {
       return set_bytes(o.limits.target_bytes_max, v[0], 1024);
     }},
    {"body-max", Kind::kText, "BYTES", "Of a request's body (5T)",
     [](ServeOptions& o, const Values& v) { return set_bytes(o.limits.body_bytes_max, v[0], 1); }},
    {"document-max", Kind::kText, "BYTES", "Of an XML or JSON body (16M)",
     [](ServeOptions& o, const Values& v) {
       return set_bytes(o.faces.document_bytes_max, v[0], 1024);
     }},
    {"header-timeout", Kind::kText, "TIME", "For a whole header, or a TLS handshake (20s)",
     [](ServeOptions& o, const Values& v) { return set_time(o.limits.header_timeout, v[0]); }},
    {"idle-timeout", Kind::kText, "TIME", "For the next request of a connection (2m)",
     [](ServeOptions& o, const Values& v) { return set_time(o.limits.idle_timeout, v[0]); }},
    {"stall-timeout", Kind::kText, "TIME", "In the middle of a body without a byte (60s)",
     [](ServeOptions& o, const Values& v) { return set_time(o.limits.stall_timeout, v[0]); }},
    {"rate-min", Kind::kText, "BYTES", "A second that a body must move; 0: no limit (1K)",
     [](ServeOptions& o, const Values& v) { return set_bytes(o.limits.rate_min, v[0], 0); }},
    {"rate-grace", Kind::kText, "TIME", "How long a body may move slower (60s)",
     [](ServeOptions& o, const Values& v) { return set_time(o.limits.rate_grace, v[0]); }},
    {"grace", Kind::kText, "TIME", "For requests that run when it ends (30s)",
     [](ServeOptions& o, const Values& v) -> Status {
       RAMET_ASSIGN(o.grace, parse_duration(v[0]));
       return ok();
     }},
    {"upload-expiry", Kind::kText, "TIME",
     "How long a resumable upload may rest; 0: for ever (7d)",
     [](ServeOptions& o, const Values& v) -> Status {
       RAMET_ASSIGN(o.upload_expiry, parse_duration(v[0]));
       return ok();
     }},
    {"log", Kind::kText, "FILE", "Log to a file (standard error)",
     [](ServeOptions& o, const Values& v) { return o.log.file = v[0], ok(); }},
    {"log-level", Kind::kText, "LEVEL", "debug, info (each request), warning, error or off (info)",
     [](ServeOptions& o, const Values& v) -> Status {
       RAMET_ASSIGN(o.log.level, parse_log_level(v[0]));
       return ok();
     }},
    {"pid-file", Kind::kText, "FILE", "Write the number of the process to it while it serves",
     [](ServeOptions& o, const Values& v) { return o.pid_file = v[0], ok(); }},
};

const ServeOption* find_option(std::string_view name) {
  for (const ServeOption& option : kOptions) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

// A value of the file as a flag's text; nullopt: nothing that an option could be.
std::optional<std::string> text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  return std::nullopt;
}

Status take_member(ServeOptions& options, std::string_view name, const toml::node& node) {
  const ServeOption* const option = find_option(name);
  if (option == nullptr) return wrong(fmt::format("'{}' is no option", name));
  Values values;
  if (const auto* array = node.as_array(); array != nullptr && option->kind == Kind::kList) {
    for (const toml::node& one : *array) {
      auto value = text_of(one);
      if (!value) return wrong(fmt::format("{}: a list of texts is needed", name));
      values.push_back(std::move(*value));
    }
    if (values.empty()) return wrong(fmt::format("{}: the list is empty", name));
  } else if (auto value = text_of(node)) {
    values.push_back(std::move(*value));
  } else {
    return wrong(fmt::format("{}: a text or a whole number is needed", name));
  }
  if (node.is_boolean() != (option->kind == Kind::kFlag)) {
    return wrong(fmt::format("{}: {}", name, option->kind == Kind::kFlag
                                                 ? "true or false is needed"
                                                 : "is more than true or false"));
  }
  return set_serve_option(options, name, values);
}

Error at_line(const std::string& path, const toml::source_region& source, std::string_view what) {
  return wrong(fmt::format("{}:{}: {}", path, source.begin.line, what));
}

}  // namespace

std::span<const ServeOption> serve_option_table() { return kOptions; }

Status set_serve_option(ServeOptions& options, std::string_view name, const Values& values) {
  const ServeOption* const option = find_option(name);
  if (option == nullptr) return wrong(fmt::format("'{}' is no option", name));
  if (values.empty() || (values.size() > 1 && option->kind != Kind::kList)) {
    return wrong(fmt::format("{}: one value is needed", name));
  }
  return with_context(option->set(options, values), name);
}

Status parse_serve_config(ServeOptions& options, std::string_view text, const std::string& path) {
  toml::table table;
  try {
    table = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    return at_line(path, error.source(), error.description());
  }
  for (const auto& [key, node] : table) {
    const Status taken = take_member(options, key.str(), node);
    if (!taken.ok()) return at_line(path, key.source(), taken.error().message());
  }
  return ok();
}

Status read_serve_config(ServeOptions& options, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return io::errno_error(errno, path, "open the configuration");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return io::errno_error(errno, path, "read the configuration");
  return parse_serve_config(options, text, path);
}

Status check_serve_options(const ServeOptions& options) {
  const bool tls = options.tls.any();
  if (tls && (options.tls.certificate.empty() || options.tls.key.empty())) {
    return wrong("TLS needs both tls-certificate and tls-key");
  }
  for (const ListenAddress& address : options.listen) {
    if (tls || options.insecure || address.is_local()) continue;
    return wrong(fmt::format("'{}' is reached from other machines, and tokens would go there "
                             "unencrypted: give tls-certificate and tls-key, or insecure",
                             address.to_string()));
  }
  for (const ListenAddress& address : options.metrics_listen) {
    if (address.is_local()) continue;
    return wrong(fmt::format("'{}' is reached from other machines, and metrics-listen asks for no "
                             "credentials",
                             address.to_string()));
  }
  if (options.limits.target_bytes_max > options.limits.header_bytes_max) {
    return wrong("target-max is more than header-max");
  }
  return ok();
}

}  // namespace ramet::serve
