// Goal: what scrub remembers comes back as it was, or not at all. Method: one value, every flipped
// bit and every beginning of its bytes; golden bytes.
#include "engine/check/scrub_state.h"

#include <gtest/gtest.h>

#include "tests/support/golden.h"

namespace ramet::engine {
namespace {

ScrubState some_state() {
  ScrubState state;
  state.store_id.bytes[3] = 7;
  ScrubPass pass;
  pass.number = 3;
  pass.begun = 1'000'000;
  pass.bytes_done = 77;
  pass.bytes_total = 99;
  pass.lost = 1;
  ScrubFinding one;
  one.found = 1'000'001;
  one.finding.kind = &finding_kind("block-damaged");
  one.finding.file = "/store/segments/00000001.0";
  one.finding.segment = 1;
  one.finding.slot = 0;
  one.finding.container = std::string("a\0b\xff", 4);
  one.finding.path = "/x";
  one.finding.id = IdBytes{};
  one.finding.message = "gone";
  pass.findings.push_back(one);
  state.status.current = pass;
  state.end_segment = 9;
  state.segment = 4;
  state.generation = 2;
  state.offset = 8192;
  return state;
}

TEST(ScrubState, ComesBackAsItWas) {
  const ScrubState state = some_state();
  const auto back = decode_scrub_state(encode_scrub_state(state));
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(back->store_id, state.store_id);
  EXPECT_FALSE(back->status.last);
  ASSERT_TRUE(back->status.current);
  EXPECT_EQ(back->status.current->bytes_done, 77u);
  ASSERT_EQ(back->status.current->findings.size(), 1u);
  const ScrubFinding& one = back->status.current->findings[0];
  EXPECT_EQ(one.found, 1'000'001);
  EXPECT_EQ(one.finding.kind->code, "block-damaged");
  EXPECT_EQ(one.finding.file, "/store/segments/00000001.0");
  EXPECT_EQ(one.finding.container, (std::string("a\0b\xff", 4)));
  EXPECT_EQ(one.finding.path, "/x");
  EXPECT_EQ(one.finding.message, "gone");
  EXPECT_EQ(one.finding.slot, Slot{0});
  EXPECT_EQ(one.finding.id, IdBytes{});
  EXPECT_EQ(back->end_segment, 9u);
  EXPECT_EQ(back->segment, 4u);
  EXPECT_EQ(back->generation, 2u);
  EXPECT_EQ(back->offset, 8192u);
  EXPECT_FALSE(back->frames_done);
}

TEST(ScrubState, V1BytesNeverChange) {
  testing::expect_golden("v1/scrub_state.hex", encode_scrub_state(some_state()));
  const Bytes bytes = testing::golden_bytes("v1/scrub_state.hex");
  const auto back = decode_scrub_state(bytes);
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(back->status.current->findings.size(), 1u);
}

TEST(ScrubState, NoFlippedBitAndNoBeginningIsTakenForIt) {
  const Bytes bytes = encode_scrub_state(some_state());
  for (size_t at = 0; at < bytes.size(); ++at) {
    Bytes flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    EXPECT_FALSE(decode_scrub_state(flipped).ok()) << at;
    EXPECT_FALSE(decode_scrub_state(ByteView(bytes).substr(0, at)).ok()) << at;
  }
}

}  // namespace
}  // namespace ramet::engine
