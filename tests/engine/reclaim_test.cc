// Goal: reclaim can be paused, slowed down, watched and interrupted, and loses nothing by it.
// Method: a store of small segments in which every other file goes.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "engine/import.h"
#include "engine/store.h"
#include "io/env_sim.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

class ReclaimTest : public test::StoreTest {
 protected:
  static constexpr int kFiles = 400;
  static constexpr size_t kFileBytes = 20'000;

  void SetUp() override {
    env_ = std::make_shared<io::SimEnv>(1);
    ASSERT_TRUE(Store::create("/store", options()).ok());
    open_sim();
    container_ = store_->create_container("c")->id;
  }
  StoreOptions options() const {
    StoreOptions options;
    options.env = env_;
    options.background = false;
    options.drop_grace = 0;
    options.ballast_bytes = 1 << 20;
    options.data_segment_bytes = 1 << 20;
    options.node_segment_bytes = 1 << 20;
    options.commit_segment_bytes = 1 << 20;
    return options;
  }
  void open_sim() {
    store_.reset();
    auto opened = Store::open("/store", options());
    RAMET_CHECK(opened.ok(), "the store cannot be opened");
    store_ = std::move(*opened);
  }
  static std::string content(int i) {
    std::mt19937_64 random(static_cast<uint64_t>(i));
    std::string text(kFileBytes, '\0');
    for (char& byte : text) byte = static_cast<char>(random());
    return text;
  }
  // Every other file goes: nothing wide is dead, so that all has to be copied.
  void fill_and_remove() {
    for (int i = 0; i < kFiles; ++i) put("/" + std::to_string(i), content(i));
    ASSERT_TRUE(store_->close().ok());
    open_sim();
    auto transaction = std::move(*store_->begin(container_));
    for (int i = 0; i < kFiles; i += 2) {
      ASSERT_TRUE(transaction->remove(kRootFolder, std::to_string(i)).ok());
    }
    ASSERT_TRUE(transaction->commit().ok());
  }
  void expect_rest() {
    for (int i = 1; i < kFiles; i += 2) {
      ASSERT_TRUE(get("/" + std::to_string(i)) == content(i)) << i;
    }
  }
  static ReclaimOptions all() {
    ReclaimOptions options;
    options.until_idle = true;
    return options;
  }

  std::shared_ptr<io::SimEnv> env_;
};

TEST_F(ReclaimTest, ProgressEndsAtWhatWasAnnounced) {
  fill_and_remove();
  CopyProgress progress;
  ReclaimOptions options = all();
  options.progress = &progress;
  const auto report = store_->reclaim(options);
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  uint64_t freed = 0;
  for (const ReclaimAction& action : report->actions) {
    freed += action.bytes_before - action.bytes_after;
  }
  EXPECT_GT(freed, kFiles / 2 * kFileBytes * 9 / 10);
  EXPECT_EQ(progress.bytes_total, freed);
  EXPECT_NEAR(static_cast<double>(progress.bytes_done), static_cast<double>(freed),
              0.01 * static_cast<double>(freed));  // (footers and the like)
  EXPECT_EQ(progress.files_done, progress.files_total);
  EXPECT_EQ(progress.files_done, report->nodes_released);
  expect_rest();
}

TEST_F(ReclaimTest, ALimitedRateTakesItsTimeAndDoesTheSame) {
  fill_and_remove();
  ReclaimOptions options = all();
  options.copy_bytes_max = 512 << 10;
  options.copy_rate = 16 << 20;  // some 4 MB are copied
  const auto begun = std::chrono::steady_clock::now();
  const auto report = store_->reclaim(options);
  const auto took = std::chrono::steady_clock::now() - begun;
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_TRUE(report->idle);
  uint64_t copied = 0;
  for (const ReclaimAction& action : report->actions) {
    if (action.kind == ReclaimAction::Kind::kCompact) copied += action.bytes_after;
  }
  ASSERT_GT(copied, 3u << 20);
  // (Not behind the last step; a lower bound, so that no machine is too slow for it.)
  EXPECT_GE(took, std::chrono::milliseconds(1000 * ((copied - (2 << 20)) >> 20) / 16));
  expect_rest();
}

TEST_F(ReclaimTest, AnInterruptKeepsWhatWasDoneAndALaterCallDoesTheRest) {
  fill_and_remove();
  CopyProgress progress;
  ReclaimOptions options = all();
  options.copy_bytes_max = 256 << 10;
  options.copy_rate = 1 << 20;
  options.progress = &progress;
  std::thread interrupt([&] {
    while (progress.bytes_done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    progress.cancel = true;
  });
  const auto cut = store_->reclaim(options);
  interrupt.join();
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code(), ErrorCode::kCancelled);
  const uint64_t done = progress.bytes_done;
  EXPECT_GT(done, 0u);
  expect_rest();
  const auto report = store_->reclaim(all());
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_TRUE(report->idle);
  EXPECT_GT(report->bytes_freed, 0u);
  expect_rest();
  open_sim();
  expect_rest();
}

TEST_F(ReclaimTest, PausedNothingGoesByItselfAndTheExplicitCallStillWorks) {
  ASSERT_TRUE(store_->set_setting(std::nullopt, std::string(kReclaimSetting), "paused").ok());
  put("/f", content(1));
  const auto dropped = [&] {
    int count = 0;
    EXPECT_TRUE(store_->dropped([&](const DroppedInfo&) {
                        ++count;
                        return true;
                      }).ok());
    return count;
  };
  ASSERT_TRUE(store_->drop_container(container_).ok());
  ASSERT_TRUE(store_->close().ok());
  open_sim();
  EXPECT_EQ(dropped(), 1);
  const auto report = store_->reclaim(all());
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_TRUE(report->paused);
  EXPECT_EQ(dropped(), 0);
  ASSERT_TRUE(store_->set_setting(std::nullopt, std::string(kReclaimSetting), std::nullopt).ok());
  container_ = store_->create_container("d")->id;
  put("/f", content(2));
  ASSERT_TRUE(store_->drop_container(container_).ok());
  ASSERT_TRUE(store_->close().ok());
  open_sim();
  EXPECT_EQ(dropped(), 0);
}

TEST_F(ReclaimTest, ACommandThatRemovedMuchGivesItBackBeforeItEnds) {
  for (int i = 0; i < 1200; ++i) put("/" + std::to_string(i), content(i));
  ASSERT_TRUE(store_->close().ok());
  open_sim();
  const uint64_t before = store_->info()->segment_bytes;
  ASSERT_GT(before, 1200 * kFileBytes);
  change([](Transaction& transaction) {
    for (int i = 0; i < 1200; ++i) {
      ASSERT_TRUE(transaction.remove(kRootFolder, std::to_string(i)).ok());
    }
  });
  ASSERT_TRUE(store_->close().ok());
  open_sim();
  EXPECT_LT(store_->info()->segment_bytes, before / 10);
}

// Nothing was committed: a reclaim finds it all the same.
TEST_F(ReclaimTest, WhatATransactionWroteThatWasGivenUpComesBack) {
  put("/f", content(0));
  ReclaimOptions options = all();
  ASSERT_TRUE(store_->reclaim(options).ok());
  const uint64_t before = store_->info()->segment_bytes;
  {
    const auto transaction = begin();
    for (int i = 1; i < kFiles; ++i) write(*transaction, "/" + std::to_string(i), content(i));
    EXPECT_GT(store_->info()->segment_bytes, before + kFiles * kFileBytes / 2);
    // While it runs nothing of it can go.
    ASSERT_TRUE(store_->reclaim(options).ok());
    EXPECT_GT(store_->info()->segment_bytes, before + kFiles * kFileBytes / 2);
  }
  const auto report = store_->reclaim(options);
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_LT(store_->info()->segment_bytes, before + kFiles * kFileBytes / 10);
  EXPECT_TRUE(get("/f") == content(0));
}

}  // namespace
}  // namespace ramet
