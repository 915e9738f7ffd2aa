// Goal: places without names are those of the whole table, for any table; and a store whose tables
// don't fit its memory reads, deduplicates and reclaims as any other.
// Method: random tables with slots that are gone and frames that stand elsewhere; a store of many
// small segments with next to no memory for their tables.
#include "engine/block/slot_places.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/engine/import_fixture.h"

namespace ramet::engine {
namespace {

RC_GTEST_PROP(SlotPlacesProperty, EveryPlaceIsThatOfTheTable, ()) {
  std::vector<SlotEntry> slots;
  uint64_t at = *rc::gen::element<uint64_t>(0, kSegmentHeaderBytes, kSegmentBytesMax / 2);
  for (int n = *rc::gen::inRange(0, 300); n > 0; --n) {
    switch (*rc::gen::inRange(0, 8)) {
      case 0: slots.push_back(SlotEntry::gone()); continue;
      case 1: at += 8 * *rc::gen::inRange<uint64_t>(1, 5000); break;  // a hole
      default: break;
    }
    const auto length = *rc::gen::inRange<uint32_t>(1, 70'000);
    slots.push_back(SlotEntry::make(at, length, Codec::kZstd, FrameKind::kBlock, {}));
    at = slots.back().end();
  }
  const SlotPlaces places(slots);
  RC_ASSERT(places.size() == slots.size());
  for (Slot slot = 0; slot < slots.size(); ++slot) {
    const auto place = places.find(slot);
    RC_ASSERT(place.has_value() == !slots[slot].is_gone());
    if (!place) continue;
    RC_ASSERT(place->offset == slots[slot].offset());
    RC_ASSERT(place->stored_len == slots[slot].stored_len());
  }
  RC_ASSERT(!places.find(static_cast<Slot>(slots.size())));
}

TEST(SlotPlaces, TakeANinthOfTheTable) {
  std::vector<SlotEntry> slots;
  uint64_t at = kSegmentHeaderBytes;
  for (int i = 0; i < 10'000; ++i) {
    slots.push_back(SlotEntry::make(at, 5000, Codec::kNone, FrameKind::kBlock, {}));
    at = slots.back().end();
  }
  EXPECT_LE(SlotPlaces(slots).memory_bytes() * 9, slots.size() * sizeof(SlotEntry));
}

// Tables that never fit: names go as soon as a segment is read, and are back where they are needed.
TEST(SlotPlaces, AStoreWithoutRoomForNamesDoesTheSame) {
  const test::TempDir dir;
  test::make_folder(dir.file("tree"));
  for (int i = 0; i < 60; ++i) {
    test::write_bytes(dir.file(fmt::format("tree/f{:02}", i)), test::noise(20'000, i));
  }
  StoreOptions options = test::small_store_options();
  options.data_segment_bytes = 64 << 10;
  options.slot_table_bytes = 1;
  const std::string path = dir.file("store");
  ASSERT_TRUE(Store::create(path, options).ok());
  auto store = std::move(*Store::open(path, options));
  const ContainerId id = store->create_container("c")->id;
  ASSERT_TRUE(import_tree(*store, id, dir.file("tree"), "/", {}).ok());
  for (int life = 0; life < 2; ++life) {
    ASSERT_TRUE(store->close().ok());
    store = std::move(*Store::open(path, options));
    ImportOptions all_read;
    all_read.stat_cache = false;
    const auto again =
        import_tree(*store, id, dir.file("tree"), fmt::format("/again{}", life), all_read);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->files, 60u);
    EXPECT_EQ(again->ingest.new_blocks, 0u);
    const std::string out = dir.file(fmt::format("out{}", life));
    ASSERT_TRUE(export_tree(**store->view(id), fmt::format("/again{}", life), out, {}).ok());
    EXPECT_EQ(test::tree_difference(dir.file("tree"), out), "");
  }
  EXPECT_TRUE(store->drop_container(id).ok());
  EXPECT_TRUE(store->close().ok());
}

}  // namespace
}  // namespace ramet::engine
