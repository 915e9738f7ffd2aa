// Golden files: bytes that pin a version of the format. A test builds a fixed value, and
// expect_golden() compares what it encodes to with the file under tests/golden. They never change;
// with RAMET_WRITE_GOLDEN=1 in the environment a file that is missing is written (and the test
// fails once, so that nobody commits one unseen). Needs RAMET_GOLDEN_DIR (tests/golden).
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace ramet::testing {

// Lower-case hex in lines of 32 bytes.
inline std::string to_hex_lines(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
    if (i % 32 == 31 || i + 1 == bytes.size()) out.push_back('\n');
  }
  return out;
}

inline std::string to_hex(std::string_view bytes) {
  std::string out = to_hex_lines(bytes);
  std::erase(out, '\n');
  return out;
}

inline std::string from_hex(std::string_view text) {
  std::string out;
  int digits = 0;
  int value = 0;
  for (const char c : text) {
    if (c == '\n') continue;
    value = value * 16 + (c >= 'a' ? c - 'a' + 10 : c - '0');
    if (++digits % 2 == 0) {
      out.push_back(static_cast<char>(value));
      value = 0;
    }
  }
  return out;
}

inline std::optional<std::string> read_golden(const std::string& name) {
  std::ifstream file(std::string(RAMET_GOLDEN_DIR "/") + name, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// `name` is relative to tests/golden: "v1/superblock.hex".
inline void expect_golden_text(const std::string& name, const std::string& actual) {
  const std::optional<std::string> golden = read_golden(name);
  if (golden.has_value()) {
    EXPECT_EQ(actual, *golden) << name << ": bytes on disk changed; golden files never do";
    return;
  }
  const char* write = std::getenv("RAMET_WRITE_GOLDEN");
  if (write == nullptr || std::string_view(write) != "1") {
    ADD_FAILURE() << name << " is missing (RAMET_WRITE_GOLDEN=1 writes it)";
    return;
  }
  const std::filesystem::path path = std::string(RAMET_GOLDEN_DIR "/") + name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << actual;
  ADD_FAILURE() << name << " was written; look at it and run again";
}

// The same for bytes, kept as hex.
inline void expect_golden(const std::string& name, std::string_view bytes) {
  expect_golden_text(name, to_hex_lines(bytes));
}

// The bytes of a golden file that expect_golden() wrote; empty if it is missing.
inline std::string golden_bytes(const std::string& name) {
  return from_hex(read_golden(name).value_or(""));
}

}  // namespace ramet::testing
