// Recovery over segments that no writer makes: it ends, and what it costs grows with the files and
// no faster. (What writers and power cuts leave is in tests/sim.)
#include "engine/log/recovery.h"

#include <gtest/gtest.h>

#include "io/env_sim.h"

namespace ramet::engine {
namespace {

constexpr SegmentNo kSegment = 2;

class RecoveryTest : public ::testing::Test {
 protected:
  RecoveryTest() {
    config_.env = env_;
    config_.directory = "/segments";
    config_.newest_epoch = 1;
    EXPECT_TRUE(env_->create_directory("/segments").ok());
    SegmentHeader header;
    header.epoch = 1;
    header.segment = kSegment;
    header.stream = Stream::kCommit;
    bytes_ = encode_segment_header(header);
  }

  void append(FrameKind kind, ByteView payload) {
    append_frame(bytes_, frame_seed({}, kSegment, 1), kind, Codec::kNone, 0, kNoSlot, 0, payload,
                 static_cast<uint32_t>(payload.size()));
  }

  Result<LogWalk> walk() {
    EXPECT_TRUE(env_->write_raw(segment_path("/segments", kSegment, 0), 0, bytes_).ok());
    BlockStore blocks(config_);
    LogPosition from;
    from.segment = kSegment;
    from.offset = kSegmentHeaderBytes;
    return walk_log(blocks, from, from, [](Sequence, ByteView) { return ok(); });
  }

  std::shared_ptr<io::SimEnv> env_ = std::make_shared<io::SimEnv>(1);
  BlockStoreConfig config_;
  Bytes bytes_;
};

TEST_F(RecoveryTest, FooterThatLeadsBackIsDamage) {
  Footer footer;
  footer.next_segment = kSegment;
  footer.end_offset = bytes_.size();
  append(FrameKind::kFooter, encode_footer_payload(footer));
  const auto walked = walk();
  ASSERT_TRUE(walked.ok());
  ASSERT_TRUE(walked->damage.has_value());
  EXPECT_NE(walked->damage->message().find("cannot follow"), std::string::npos);
}

TEST_F(RecoveryTest, LookingForProofReadsTheFileOnce) {
  bytes_.resize(bytes_.size() + kGroupBytes, '\0');  // no group: the end, if nothing proves more
  const Bytes payload(kGroupBytes - kFrameHeaderBytes, 'x');
  for (int i = 0; i < 4096; ++i) append(FrameKind::kBlock, payload);  // a group without an end
  const uint64_t before = env_->reads();
  const auto walked = walk();
  ASSERT_TRUE(walked.ok());
  EXPECT_FALSE(walked->damage.has_value());
  // 16 MiB in windows of 4 MiB, a few times over; from every boundary anew it was thousands.
  EXPECT_LT(env_->reads() - before, 100u);
}

}  // namespace
}  // namespace ramet::engine
