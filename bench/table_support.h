// What the programs that print tables share: giving up on errors, clocks, arguments, and making
// content.
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/store.h"

namespace ramet::bench {

using Clock = std::chrono::steady_clock;

template <typename T>
T must(Result<T> result, const char* what) {
  if (!result.ok()) {
    fmt::print(stderr, "{}: {}\n", what, result.error().to_string());
    std::exit(1);
  }
  return std::move(result).value();
}

inline void must(Status status, const char* what) {
  if (status.ok()) return;
  fmt::print(stderr, "{}: {}\n", what, status.error().to_string());
  std::exit(1);
}

inline double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Requires: there are any.
inline double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

// What the file system has allocated for a store, but for the ballast.
inline uint64_t allocated_bytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().filename() == "ballast") continue;
    struct stat info {};
    if (::stat(entry.path().c_str(), &info) == 0) {
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    }
  }
  return bytes;
}

// The value of an argument "name=value", or `otherwise` if it is another one's.
inline uint64_t number(const std::string& argument, const char* name, uint64_t otherwise) {
  const std::string prefix = std::string(name) + "=";
  if (!argument.starts_with(prefix)) return otherwise;
  return std::strtoull(argument.c_str() + prefix.size(), nullptr, 10);
}

// The same for a list, "name=value,value".
inline std::vector<uint64_t> numbers(const std::string& argument, const char* name,
                                     std::vector<uint64_t> otherwise) {
  const std::string prefix = std::string(name) + "=";
  if (!argument.starts_with(prefix)) return otherwise;
  std::vector<uint64_t> out;
  for (size_t at = prefix.size(); at < argument.size();) {
    out.push_back(std::strtoull(argument.c_str() + at, nullptr, 10));
    const size_t comma = argument.find(',', at);
    at = comma == std::string::npos ? argument.size() : comma + 1;
  }
  return out;
}

inline void put(Transaction& transaction, FolderId folder, const std::string& name,
                ByteView bytes) {
  auto content = must(transaction.write_content(), "write");
  must(content->append(bytes), "append");
  must(transaction.put_object(folder, name, Attributes{}, std::move(content)), "put");
}

}  // namespace ramet::bench
