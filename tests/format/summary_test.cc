#include "format/summary.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/format/generators.h"

namespace ramet {
namespace {

using namespace ramet::testing;

rc::Gen<Summary> any_summary() {
  return rc::gen::map(rc::gen::container<std::vector<uint64_t>>(kSummaryColumns, wide<uint64_t>()),
                      [](const std::vector<uint64_t>& columns) { return Summary::from(columns); });
}

RC_GTEST_PROP(SummaryProperty, CombineIsAssociativeCommutativeAndZeroIsNeutral, ()) {
  const auto a = *any_summary();
  const auto b = *any_summary();
  const auto c = *any_summary();
  RC_ASSERT(combined(a, b) == combined(b, a));
  RC_ASSERT(combined(combined(a, b), c) == combined(a, combined(b, c)));
  RC_ASSERT(combined(a, Summary{}) == a);
}

TEST(Summary, ColumnsAddUpAndRetainUntilIsAMaximum) {
  Summary a;
  Summary b;
  for (size_t i = 0; i < kSummaryColumns; ++i) {
    a.columns[i] = 100 + i;
    b.columns[i] = 1000 * i;
  }
  a.combine(b);
  for (size_t i = 0; i < kSummaryColumns; ++i) {
    if (i == static_cast<size_t>(SummaryColumn::kRetainUntil)) continue;
    EXPECT_EQ(a.columns[i], 100 + i + 1000 * i);
  }
  EXPECT_EQ(a[SummaryColumn::kRetainUntil], 11000u);
}

TEST(Summary, ColumnNumbersNeverChange) {
  EXPECT_EQ(static_cast<int>(SummaryColumn::kObjects), 0);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kContentBytes), 1);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kEntries), 2);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kEntryBytes), 3);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kFolders), 4);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kOpen), 5);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kHidden), 6);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kNotClonable), 7);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kArchival), 8);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kSponsored), 9);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kLegalHolds), 10);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kRetainUntil), 11);
  EXPECT_EQ(static_cast<int>(SummaryColumn::kNotLive), 12);
}

TEST(Summary, UsedColumnsEndAtTheLastOneThatIsNotZero) {
  Summary summary;
  EXPECT_EQ(summary.used_columns(), 0u);
  EXPECT_TRUE(summary.is_zero());
  for (size_t i = 0; i < kSummaryColumns; ++i) {
    Summary one;
    one.columns[i] = 7;
    EXPECT_EQ(one.used_columns(), i + 1);
    EXPECT_EQ(Summary::from(one.used()), one);
  }
}

}  // namespace
}  // namespace ramet
