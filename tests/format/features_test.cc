#include "format/features.h"

#include <gtest/gtest.h>

#include "tests/format/generators.h"

namespace ramet {
namespace {

using testing::for_each_flipped_bit;

Bytes header_bytes(const FileHeader& header) {
  Bytes out;
  append(out, header);
  return out;
}

TEST(FileHeader, RoundTripsForEveryKind) {
  for (const FileKind kind : {FileKind::kSuperblock, FileKind::kSegment, FileKind::kIndexRun,
                              FileKind::kScrub, FileKind::kStatCache}) {
    const FileHeader header = make_file_header(kind, 4096, {});
    const auto decoded = decode_file_header(header_bytes(header), kind, 4096);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, header);
    EXPECT_EQ(header_bytes(header).substr(0, 8), file_magic(kind));
  }
}

TEST(FileHeader, FileOfAnotherKindIsCorruption) {
  const Bytes bytes = header_bytes(make_file_header(FileKind::kSegment, 4096, {}));
  const auto decoded = decode_file_header(bytes, FileKind::kSuperblock, 4096);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
}

TEST(FileHeader, CutOffIsCorruption) {
  const Bytes bytes = header_bytes(make_file_header(FileKind::kSegment, 4096, {}));
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto decoded =
        decode_file_header(ByteView(bytes).substr(0, length), FileKind::kSegment, 4096);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
  }
}

TEST(FileHeader, LaterVersionIsUnsupportedAndZeroIsCorruption) {
  FileHeader header = make_file_header(FileKind::kSegment, 4096, {});
  header.format_version = kFormatVersion + 1;
  auto decoded = decode_file_header(header_bytes(header), FileKind::kSegment, 4096);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kUnsupported);
  header.format_version = 0;
  decoded = decode_file_header(header_bytes(header), FileKind::kSegment, 4096);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
}

TEST(FileHeader, HeaderOfAnotherLengthIsCorruption) {
  const Bytes bytes = header_bytes(make_file_header(FileKind::kSegment, 8192, {}));
  const auto decoded = decode_file_header(bytes, FileKind::kSegment, 4096);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
}

TEST(FileHeader, EveryFlippedBitIsAnErrorOrAFeatureThatMayBeIgnored) {
  const FileHeader header = make_file_header(FileKind::kSegment, 4096, {});
  for_each_flipped_bit(header_bytes(header), [&](const Bytes& bytes, size_t bit) {
    const auto decoded = decode_file_header(bytes, FileKind::kSegment, 4096);
    const bool ignorable = bit >= 16 * 8 && bit < 32 * 8;
    EXPECT_EQ(decoded.ok(), ignorable) << "bit " << bit;
  });
}

TEST(Features, EachUnknownBitOfASetRefusesWhatTheSetSays) {
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t mask = uint64_t{1} << bit;
    EXPECT_TRUE(check_features({.compatible = mask}, true, "x").ok());
    EXPECT_TRUE(check_features({.read_only_compatible = mask}, false, "x").ok());
    const Status write = check_features({.read_only_compatible = mask}, true, "superblock.0");
    ASSERT_FALSE(write.ok());
    EXPECT_EQ(write.error().code(), ErrorCode::kUnsupported);
    EXPECT_NE(write.error().message().find("superblock.0"), std::string::npos);
    for (const bool for_writing : {false, true}) {
      const Status read = check_features({.incompatible = mask}, for_writing, "x");
      ASSERT_FALSE(read.ok());
      EXPECT_EQ(read.error().code(), ErrorCode::kUnsupported);
    }
  }
  EXPECT_TRUE(check_features({}, true, "x").ok());
}

}  // namespace
}  // namespace ramet
