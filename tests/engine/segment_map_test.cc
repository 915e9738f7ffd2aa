// Goal: the map holds what its caller counts, although segments grow meanwhile.
#include "engine/container/segment_map.h"

#include <gtest/gtest.h>

#include "engine/tree/node_cache.h"
#include "io/env_sim.h"

namespace ramet::engine {
namespace {

// A checkpoint that counted references to two slots, and noted three, took the third one for
// counted: its first reference made two.
TEST(SegmentMap, ASegmentThatGrewIsNotedAsFarAsItWasLookedAt) {
  BlockStoreConfig config;
  config.env = std::make_shared<io::SimEnv>(1);
  config.directory = "/segments";
  ASSERT_TRUE(config.env->create_directory(config.directory).ok());
  BlockStore blocks(config);
  blocks.begin_epoch(1, 1);
  NodeCache cache(1 << 20);
  SegmentMap map(blocks, cache);
  const auto append = [&](ByteView bytes) {
    const auto ref = blocks.append(Stream::kData, FrameKind::kBlock, Codec::kNone, bytes,
                                   static_cast<uint32_t>(bytes.size()), blake3(bytes), 1);
    ASSERT_TRUE(ref.ok()) << ref.error().to_string();
    ASSERT_TRUE(blocks.sync(Stream::kData).ok());
  };
  append("one");
  append("two");
  const auto segment = blocks.own_segments().front();
  const Slot slots = segment->synced_slots();
  ASSERT_EQ(slots, 2u);
  append("three");
  ASSERT_TRUE(map.record(*segment, SegmentState::kOpen, slots, 1).ok());
  const auto noted = map.find(segment->number());
  ASSERT_TRUE(noted.ok() && noted->has_value());
  EXPECT_EQ((*noted)->slot_count, 2u);
  EXPECT_TRUE(map.slots_of(segment->number(), 2).ok());
  EXPECT_FALSE(map.slots_of(segment->number(), 3).ok());

  ASSERT_TRUE(map.record(*segment, SegmentState::kOpen, segment->synced_slots(), 2).ok());
  const auto later = map.slots_of(segment->number(), 3);
  ASSERT_TRUE(later.ok()) << later.error().to_string();
  EXPECT_EQ((*later)[2].hash, blake3("three"));
}

}  // namespace
}  // namespace ramet::engine
