// A small HTTP client for what the command line asks a server.
#pragma once

#include <cstdint>
#include <string>

#include "format/result.h"

namespace ramet::serve {

struct FetchOptions {
  std::string token;          // as "Authorization: Bearer"; empty: none
  std::string authorities;    // PEM file of those to trust instead of the system's (https)
  int timeout_seconds = 10;   // for each read and write
  size_t body_bytes_max = 64u << 20;
};

struct Fetched {
  int status = 0;
  std::string body;
};

// GET of "http://HOST:PORT/PATH", "https://HOST:PORT/PATH" or "unix:SOCKET:/PATH". Blocks. Errors:
// kInvalidArgument (the URL), kNotFound, kIoError, kPermissionDenied (the certificate).
Result<Fetched> fetch(const std::string& url, const FetchOptions& options);

}  // namespace ramet::serve
