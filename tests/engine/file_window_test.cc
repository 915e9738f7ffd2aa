// Goal: what a file's length promised is read, or an error says that it wasn't; a segment that is
// sealed by another process while it is read is no failing device.
// Method: a simulated disk; the file becomes shorter, or a read does.
#include "engine/block/file_window.h"

#include <gtest/gtest.h>

#include "io/env_sim.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kLength = 64 << 10;
constexpr uint64_t kWritten = 10'000;

class FileWindowTest : public testing::Test {
 protected:
  void SetUp() override {
    file_ = *env_.open("/file", io::OpenMode::kCreateExclusive);
    ASSERT_TRUE(file_->allocate(0, kLength).ok());
    ASSERT_TRUE(file_->write(0, Bytes(kWritten, 'x')).ok());
  }

  io::SimEnv env_{1};
  std::unique_ptr<io::File> file_;
};

TEST_F(FileWindowTest, WhatWasCutOffReadsAsTheZerosItWas) {
  FileWindow window(*file_, *file_->size());
  ASSERT_TRUE(file_->truncate(kWritten).ok());
  const auto bytes = window.at(4096, kLength);
  ASSERT_TRUE(bytes.ok()) << bytes.error().to_string();
  EXPECT_EQ(*bytes, Bytes(kWritten - 4096, 'x') + Bytes(kLength - kWritten, '\0'));
  FileWindow narrow(*file_, kLength, 0);
  const auto behind = narrow.at(kWritten + 1, 100);
  ASSERT_TRUE(behind.ok()) << behind.error().to_string();
  EXPECT_EQ(*behind, Bytes(100, '\0'));
}

TEST_F(FileWindowTest, AShortReadIsNotTheFilesEnd) {
  FileWindow window(*file_, *file_->size());
  io::FaultRule rule;
  rule.kind = io::FaultKind::kShortRead;
  rule.probability = 1;
  env_.inject(rule);
  const auto bytes = window.at(4096, kLength);
  ASSERT_GT(env_.stats().short_reads, 0u);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().code(), ErrorCode::kIoError);
  env_.clear_faults();
  const auto again = window.at(4096, kLength);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->size(), kLength - 4096);
}

}  // namespace
}  // namespace ramet::engine
