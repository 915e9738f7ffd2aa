// fsck on stores on real files: findings that need a certain history. (tests/sim/fsck_test.cc has
// the damage matrix.)
#include "engine/fsck.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "format/segment_layout.h"
#include "format/superblock.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

using test::StoreTest;

// Both copies of the newest checkpoint are lost: the other superblock's counts, and that is said.
TEST_F(StoreTest, FsckSaysThatItFellBackToTheCheckpointBefore) {
  put("/first", "1");
  ASSERT_TRUE(store_->reclaim({}).ok());  // makes a checkpoint
  put("/second", "2");
  ASSERT_TRUE(store_->reclaim({}).ok());
  const std::string crashed = dir_.file("crashed");  // as after a crash
  std::filesystem::copy(path_, crashed, std::filesystem::copy_options::recursive);
  const auto codes = [&] {
    std::set<std::string> out;
    const auto done = fsck(crashed, {}, [&](const Finding& one) { out.emplace(one.kind->code); });
    EXPECT_TRUE(done.ok());
    return out;
  };
  EXPECT_EQ(codes(), std::set<std::string>{});
  const auto first = decode_superblock(test::read_bytes(crashed + "/superblock.0"));
  const auto second = decode_superblock(test::read_bytes(crashed + "/superblock.1"));
  ASSERT_TRUE(first.ok() && second.ok());
  const Superblock& newest = first->generation > second->generation ? *first : *second;
  for (const BlockRef& ref : {newest.checkpoint, newest.checkpoint_copy}) {
    std::fstream file(crashed + "/segments/" + segment_file_name(ref.segment, 0),
                      std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(ref.slot) * 8);
    file.write("damage!!", 8);
  }
  EXPECT_TRUE(codes().contains("checkpoint-fallback"));
}

}  // namespace
}  // namespace ramet
