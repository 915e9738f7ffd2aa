// Rates and times left: from samples given by hand, so that no clock takes part.
#include "tools/progress.h"

#include <cmath>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ramet::tools {
namespace {

TEST(RateMeter, KnowsNothingBeforeItSawTimePass) {
  RateMeter meter;
  EXPECT_FALSE(meter.bytes_per_second());
  EXPECT_FALSE(meter.seconds_left(100, 100));
  meter.sample(0, 0, 0);
  EXPECT_FALSE(meter.bytes_per_second());
  meter.sample(0.25, 100, 1);
  EXPECT_FALSE(meter.bytes_per_second());
}

TEST(RateMeter, SteadyWorkGivesItsRateAndTheTimeLeft) {
  RateMeter meter;
  for (int second = 0; second <= 4; ++second) {
    meter.sample(second, static_cast<uint64_t>(second) * 100, static_cast<uint64_t>(second));
  }
  ASSERT_TRUE(meter.bytes_per_second());
  EXPECT_DOUBLE_EQ(*meter.bytes_per_second(), 100);
  EXPECT_DOUBLE_EQ(*meter.files_per_second(), 1);
  ASSERT_TRUE(meter.seconds_left(1000, 0));
  EXPECT_DOUBLE_EQ(*meter.seconds_left(1000, 0), 6);
}

TEST(RateMeter, TheSlowerOfBytesAndFilesDecides) {
  RateMeter meter;
  meter.sample(0, 0, 0);
  meter.sample(4, 400, 4);
  EXPECT_DOUBLE_EQ(*meter.seconds_left(500, 100), 96);  // 96 files at 1/s
  EXPECT_DOUBLE_EQ(*meter.seconds_left(1000, 5), 6);    // 600 bytes at 100/s
}

TEST(RateMeter, UnknownTotalsGiveNoTimeLeft) {
  RateMeter meter;
  meter.sample(0, 0, 0);
  meter.sample(5, 500, 5);
  EXPECT_FALSE(meter.seconds_left(0, 0));
}

TEST(RateMeter, StalledWorkGivesNoTimeLeft) {
  RateMeter meter;
  meter.sample(0, 0, 0);
  meter.sample(1, 500, 5);
  for (int second = 2; second <= 13; ++second) meter.sample(second, 500, 5);
  EXPECT_DOUBLE_EQ(*meter.bytes_per_second(), 0);
  EXPECT_FALSE(meter.seconds_left(1000, 0));
}

TEST(RateMeter, MoreDoneThanAnnouncedGivesNoTimeLeft) {
  RateMeter meter;
  meter.sample(0, 0, 0);
  meter.sample(5, 500, 5);
  EXPECT_FALSE(meter.seconds_left(400, 0));
}

TEST(RateMeter, OnlyTheLastSecondsCount) {
  RateMeter meter;
  meter.sample(0, 0, 0);
  meter.sample(10, 100'000, 0);  // fast at first
  for (int second = 11; second <= 30; ++second) {
    meter.sample(second, 100'000 + static_cast<uint64_t>(second - 10), 0);
  }
  EXPECT_NEAR(*meter.bytes_per_second(), 1, 1e-9);
}

TEST(RateMeter, NothingIsTooEarlyForATimeLeft) {
  RateMeter meter;
  meter.sample(0, 0, 0);
  meter.sample(1, 100, 1);
  EXPECT_TRUE(meter.bytes_per_second());
  EXPECT_FALSE(meter.seconds_left(1000, 10));
}

RC_GTEST_PROP(RateMeterProperty, SteadyRatesAreFoundWhateverTheSpacing, (uint16_t per_second)) {
  RateMeter meter;
  double now = 0;
  for (int i = 0; i < 50; ++i) {
    now += 0.125 * (1 + i % 5);
    meter.sample(now, static_cast<uint64_t>(now * 8) * per_second, 0);
  }
  RC_ASSERT(meter.bytes_per_second().has_value());
  RC_ASSERT(std::abs(*meter.bytes_per_second() - 8.0 * per_second) < 1e-6 * (1 + per_second));
}

ProgressState halfway() {
  ProgressState state;
  state.label = "importing";
  state.elapsed_seconds = 12;
  state.bytes_done = 512 << 20;
  state.bytes_total = 1 << 30;
  state.files_done = 1200;
  state.files_total = 76296;
  state.bytes_per_second = 100 << 20;
  state.seconds_left = 5;
  return state;
}

TEST(RenderProgress, KnownTotalsGiveBarPercentRateAndTimeLeft) {
  EXPECT_EQ(render_progress(halfway(), 200),
            "importing  [############............]  50%  512 MiB of 1.0 GiB  "
            "1,200 of 76,296 files  100 MiB/s  5 s left");
}

TEST(RenderProgress, UnknownTotalsGiveNeitherPercentNorTimeLeft) {
  ProgressState state = halfway();
  state.bytes_total = state.files_total = 0;
  state.seconds_left.reset();
  EXPECT_EQ(render_progress(state, 200),
            "importing  512 MiB  1,200 files  100 MiB/s  12.0 s");
}

TEST(RenderProgress, NothingCountedShowsTheTimeThatPassed) {
  ProgressState state;
  state.label = "closing the store";
  state.elapsed_seconds = 3;
  EXPECT_EQ(render_progress(state, 80), "closing the store  3.0 s");
}

TEST(RenderProgress, NeverWiderThanTheTerminal) {
  for (size_t columns = 0; columns < 120; ++columns) {
    EXPECT_LE(render_progress(halfway(), columns).size(), columns);
  }
}

TEST(ProgressLine, EndsAtOnceAndLeavesTheCountersAlone) {
  CopyProgress progress;
  progress.bytes_done = 5;
  { const ProgressLine line("working", progress, true); }
  EXPECT_EQ(progress.bytes_done, 5u);
  EXPECT_FALSE(progress.cancel);
}

}  // namespace
}  // namespace ramet::tools
