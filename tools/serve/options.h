// The options of `ramet serve`: the same names as flags and in a TOML file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"
#include "tools/serve/log.h"
#include "tools/serve/server.h"
#include "tools/serve/services.h"

namespace ramet::serve {

struct ServeOptions {
  std::vector<ListenAddress> listen = {{"127.0.0.1", 9440, ""}};
  std::vector<ListenAddress> metrics_listen;  // at most one
  TlsFiles tls;
  bool insecure = false;
  size_t threads = 0;  // 0: one for each processor
  size_t workers = 0;  // 0: four for each processor, at least eight
  ServerLimits limits;
  FaceOptions faces;
  LogOptions log;
  std::string pid_file;
  int64_t grace = 30'000'000'000;  // nanoseconds that requests have when it ends
  // Nanoseconds that a resumable upload may rest; 0: for ever.
  int64_t upload_expiry = 7ll * 24 * 3600 * 1'000'000'000;
  uint64_t node_cache_bytes = 256ull << 20;
  uint64_t block_cache_bytes = 256ull << 20;
};

struct ServeOption {
  enum class Kind : uint8_t { kText, kList, kFlag };
  const char* name;  // "listen": --listen, and listen = in the file
  Kind kind;
  const char* type;  // "HOST:PORT", for help; nothing for a flag
  const char* help;
  // `values`: at least one; one alone unless it is a list; "true" or "false" for a flag.
  Status (*set)(ServeOptions& options, const std::vector<std::string>& values);
};

// All of them, in the order of the help page.
std::span<const ServeOption> serve_option_table();

// kInvalidArgument names the option, the value and what is allowed.
Status set_serve_option(ServeOptions& options, std::string_view name,
                        const std::vector<std::string>& values);

// What a configuration file says. kInvalidArgument: "FILE:LINE: what is wrong"; errors of reading.
Status read_serve_config(ServeOptions& options, const std::string& path);
Status parse_serve_config(ServeOptions& options, std::string_view text, const std::string& path);

// What options together may not be. kInvalidArgument.
Status check_serve_options(const ServeOptions& options);

}  // namespace ramet::serve
