// SpillTable against a map, in memory and in a file.
#include "io/spill_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <random>

#include "tests/support/temp_dir.h"

namespace ramet::io {
namespace {

SpillTable::Entry entry_of(uint64_t key, uint64_t value) {
  return {{key, key * 3}, {value, value + 1, value + 2}, 1};
}

// Few different keys, so that erasing meets runs of neighbours.
void run_against_map(SpillTable& table, uint64_t seed) {
  std::map<uint64_t, uint64_t> model;
  std::mt19937_64 random(seed);
  for (uint64_t number = 1; number < 10'000; ++number) {
    const uint64_t key = random() % 3000;
    const bool erases = random() % 100 < 45;
    SpillTable::Entry* found = table.find({key, key * 3});
    RC_ASSERT((found != nullptr) == model.contains(key));
    if (found != nullptr) RC_ASSERT(found->value[0] == model[key]);
    if (erases && found != nullptr) {
      table.erase(found);
      model.erase(key);
    } else if (!erases && found == nullptr) {
      table.insert(entry_of(key, number));
      model[key] = number;
    }
    RC_ASSERT(table.size() == model.size());
  }
  for (uint64_t key = 0; key < 3000; ++key) {
    SpillTable::Entry* found = table.find({key, key * 3});
    RC_ASSERT((found != nullptr) == model.contains(key));
    if (found != nullptr) RC_ASSERT(found->value[2] == model[key] + 2);
  }
}

RC_GTEST_PROP(SpillTable, BehavesLikeAMapInMemory, (uint64_t seed)) {
  SpillTable table;
  run_against_map(table, seed);
  RC_ASSERT(!table.is_spilled());
}

TEST(SpillTable, HoldsManyEntriesInAFileOnceTheyAreTooManyForMemory) {
  const test::TempDir dir;
  SpillTable table(1u << 20, dir.path());
  for (uint64_t key = 0; key < 100'000; ++key) table.insert(entry_of(key, key));
  if (!table.is_spilled()) GTEST_SKIP() << "no temporary file without a name could be made";
  for (uint64_t key = 0; key < 100'000; key += 3) table.erase(table.find({key, key * 3}));
  for (uint64_t key = 0; key < 100'000; ++key) {
    const SpillTable::Entry* found = table.find({key, key * 3});
    ASSERT_EQ(found != nullptr, key % 3 != 0) << key;
    if (found != nullptr) {
      ASSERT_EQ(found->value[1], key + 1);
    }
  }
  EXPECT_EQ(table.size(), 66'666u);
}

TEST(SpillTable, StaysInMemoryWhereNoFileCanBeMade) {
  SpillTable table(1u << 20, "/nonexistent");
  for (uint64_t key = 0; key < 50'000; ++key) table.insert(entry_of(key, key));
  EXPECT_FALSE(table.is_spilled());
  EXPECT_NE(table.find({49'999, 49'999 * 3}), nullptr);
}

}  // namespace
}  // namespace ramet::io
