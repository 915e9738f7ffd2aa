// The fixture of the Env conformance suite: every test runs over each implementation, in a
// directory of its own.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "io/env.h"
#include "io/env_sim.h"
#include "tests/support/temp_dir.h"

namespace ramet::test {

// `EXPECT_OK(f())` prints the error of a Status or Result that failed.
#define EXPECT_OK(expression)                                                                      \
  do {                                                                                             \
    const auto& ramet_expected = (expression);                                                     \
    EXPECT_TRUE(ramet_expected.ok())                                                               \
        << #expression << ": " << (ramet_expected.ok() ? "" : ramet_expected.error().to_string()); \
  } while (false)
#define ASSERT_OK(expression)                                                                      \
  do {                                                                                             \
    const auto& ramet_expected = (expression);                                                     \
    ASSERT_TRUE(ramet_expected.ok())                                                               \
        << #expression << ": " << (ramet_expected.ok() ? "" : ramet_expected.error().to_string()); \
  } while (false)

template <typename R>
testing::AssertionResult fails_with(const R& result, ErrorCode code) {
  if (result.ok()) return testing::AssertionFailure() << "succeeded";
  if (result.error().code() == code) return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().to_string();
}

// Instead of EXPECT_EQ for big contents, whose printed difference can take gigabytes.
inline testing::AssertionResult same_bytes(ByteView actual, ByteView expected) {
  if (actual == expected) return testing::AssertionSuccess();
  const auto differ = std::mismatch(actual.begin(), actual.end(), expected.begin(), expected.end());
  return testing::AssertionFailure()
         << actual.size() << " bytes instead of " << expected.size() << ", different from "
         << differ.first - actual.begin() << " on";
}

// `length` bytes that differ with the seed and with their place.
inline Bytes pattern(size_t length, uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(length, '\0');
  for (size_t at = 0; at < length; at += 8) {
    const uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, std::min<size_t>(8, length - at));
  }
  return bytes;
}

class EnvTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string which = GetParam();
    if (which == "sim") {
      env_ = std::make_shared<io::SimEnv>(1);
      directory_ = "/test";
      ASSERT_OK(env_->create_directory(directory_));
      return;
    }
    const bool memory = which.find("tmpfs") != std::string::npos;
    if (memory && !std::filesystem::is_directory("/dev/shm")) GTEST_SKIP() << "no /dev/shm here";
    temp_ = std::make_unique<TempDir>(memory ? "/dev/shm" : "");
    directory_ = temp_->path();
    if (which.starts_with("posix")) {
      env_ = io::make_posix_env();
      return;
    }
    auto uring = io::make_uring_env();
    if (!uring.ok()) GTEST_SKIP() << uring.error().to_string();
    env_ = *uring;
  }

  io::Env& env() { return *env_; }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  // Creates the file; `bulk` by open_bulk().
  std::unique_ptr<io::File> create(const std::string& name, bool bulk = false) {
    auto file = bulk ? env().open_bulk(path(name), io::OpenMode::kCreateExclusive)
                     : env().open(path(name), io::OpenMode::kCreateExclusive);
    EXPECT_OK(file);
    return file.ok() ? *std::move(file) : nullptr;
  }

  static Bytes read_all(io::File& file) {
    auto length = file.size();
    EXPECT_OK(length);
    Bytes bytes(length.ok() ? *length : 0, '\0');
    auto got = file.read(0, bytes);
    EXPECT_OK(got);
    EXPECT_EQ(got.ok() ? *got : 0, bytes.size());
    return bytes;
  }

  std::shared_ptr<io::Env> env_;
  std::unique_ptr<TempDir> temp_;
  std::string directory_;
};

inline std::string env_test_name(const testing::TestParamInfo<std::string>& param) {
  return param.param;
}

}  // namespace ramet::test
