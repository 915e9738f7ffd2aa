#include "engine/index/index_run.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/engine/index/index_fixture.h"

namespace ramet::engine {
namespace {

std::vector<IndexEntry> found_in(IndexRun& run, WindowCache& cache, uint64_t prefix) {
  std::vector<IndexEntry> found;
  const Status status = run.find(prefix, cache, &found);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  return found;
}

Bytes golden(const char* name) {
  std::ifstream in(std::string(RAMET_GOLDEN_DIR) + "/v1/" + name, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

// The run of tests/golden/v1/index_run.bin.
std::vector<IndexEntry> golden_entries() {
  std::vector<IndexEntry> entries = uniform_entries(42, 600);
  entries[300].prefix = entries[299].prefix;  // two of one prefix
  return entries;
}

TEST(IndexRunGolden, V1BytesNeverChange) {
  io::SimEnv env(1);
  const auto run = make_run(env, 17, golden_entries());
  const Bytes expected = golden("index_run.bin");
  ASSERT_EQ(expected.size(), 6 * kIndexPageBytes);
  EXPECT_TRUE(*env.read_raw("run.17") == expected);
}

TEST(IndexRun, EveryEntryIsFoundAndNothingElse) {
  for (const size_t count : {1u, 2u, 254u, 255u, 256u, 510u, 511u, 5000u}) {
    io::SimEnv env(count);
    const std::vector<IndexEntry> entries = uniform_entries(count, count);
    const auto run = make_run(env, 1, entries);
    WindowCache cache(1 << 20);
    for (const IndexEntry& entry : entries) {
      ASSERT_EQ(found_in(*run, cache, entry.prefix), std::vector<IndexEntry>{entry});
      EXPECT_TRUE(run->may_contain(entry.prefix));
    }
    io::SimRandom random(count + 1);
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(found_in(*run, cache, random.next()).empty());
    EXPECT_TRUE(found_in(*run, cache, 0).empty());
    EXPECT_TRUE(found_in(*run, cache, ~uint64_t{0}).empty());
  }
}

// Prefixes that somebody chose: all at one end, all alike, or few.
RC_GTEST_PROP(IndexRunProperty, ChosenPrefixesAreFoundLikeUniformOnes, ()) {
  const auto kind = *rc::gen::inRange(0, 4);
  const auto count = *rc::gen::inRange<size_t>(1, 1500);
  io::SimRandom random(*rc::gen::inRange<uint64_t>(0, 1u << 30));
  std::vector<IndexEntry> entries;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t prefix = kind == 0   ? random.below(100)
                            : kind == 1 ? ~uint64_t{0} - random.below(3)
                            : kind == 2 ? 0x7777'0000'0000'0000 + random.below(1 << 20)
                                        : random.next();
    entries.push_back({prefix, 1, static_cast<Slot>(i)});
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const IndexEntry& a, const IndexEntry& b) { return a.prefix < b.prefix; });
  io::SimEnv env(count);
  const auto run = make_run(env, 1, entries);
  WindowCache cache(1 << 20);
  for (const uint64_t prefix : {entries.front().prefix, entries.back().prefix,
                                entries[count / 2].prefix, entries[count / 3].prefix + 1}) {
    std::vector<IndexEntry> expected;
    std::copy_if(entries.begin(), entries.end(), std::back_inserter(expected),
                 [&](const IndexEntry& entry) { return entry.prefix == prefix; });
    RC_ASSERT(found_in(*run, cache, prefix) == expected);
  }
}

TEST(IndexRun, RunShorterThanAnnouncedReadsTheSame) {
  io::SimEnv env(1);
  const std::vector<IndexEntry> entries = uniform_entries(3, 700);
  const auto run = make_run(env, 1, entries, 200'000);
  WindowCache cache(1 << 20);
  for (const IndexEntry& entry : entries) {
    ASSERT_EQ(found_in(*run, cache, entry.prefix), std::vector<IndexEntry>{entry});
  }
}

TEST(IndexRun, FilterRulesOutMostAbsentPrefixesWithoutReading) {
  io::SimEnv env(1);
  const auto run = make_run(env, 1, uniform_entries(3, 50'000));
  WindowCache cache(1 << 20);
  found_in(*run, cache, 1);  // loads it
  io::SimRandom random(99);
  int passed = 0;
  for (int i = 0; i < 100'000; ++i) passed += run->may_contain(random.next()) ? 1 : 0;
  EXPECT_LT(passed, 3000);
  // Memory: filter and samples, at most 2 bytes an entry.
  EXPECT_LE(run->memory_bytes(), 2 * run->entries());
}

TEST(IndexRun, WithoutItsFilterARunIsReadAllTheSame) {
  io::SimEnv env(1);
  const std::vector<IndexEntry> entries = uniform_entries(3, 2000);
  const auto run = make_run(env, 1, entries);
  run->allow_filter(false);
  WindowCache cache(1 << 20);
  for (const IndexEntry& entry : entries) {
    ASSERT_EQ(found_in(*run, cache, entry.prefix), std::vector<IndexEntry>{entry});
  }
  EXPECT_LT(run->memory_bytes(), 200u);
  EXPECT_TRUE(run->may_contain(12345));
}

TEST(IndexRun, HotWindowsAreReadOnce) {
  io::SimEnv env(1);
  const std::vector<IndexEntry> entries = uniform_entries(3, 2000);
  const auto run = make_run(env, 1, entries);
  WindowCache cache(1 << 20);
  for (int round = 0; round < 3; ++round) {
    for (const IndexEntry& entry : entries) found_in(*run, cache, entry.prefix);
  }
  EXPECT_LE(run->windows_read(), run->header().windows + 2);
}

// Every bit of the header, and one of each eight bytes of the rest: what is found was put there,
// and the damage is said.
TEST(IndexRun, FlippedBitsAreNeverBelieved) {
  io::SimEnv env(1);
  const std::vector<IndexEntry> entries = uniform_entries(3, 600);
  const auto good = make_run(env, 1, entries);
  const Bytes bytes = *env.read_raw("run.1");
  ASSERT_EQ(bytes.size(), 6 * kIndexPageBytes);
  for (size_t at = 0; at < bytes.size(); at += at < kIndexPageBytes ? 1 : 8) {
    const auto bit = static_cast<unsigned>(at % 8);
    ASSERT_TRUE(env.flip_bit("run.1", at, bit).ok());
    auto run = IndexRun::open(env, "run.1", good->identity());
    size_t found = 0;
    size_t errors = 0;
    if (run.ok()) {
      WindowCache cache(1 << 20);
      for (size_t i = 0; i < entries.size(); i += 7) {
        std::vector<IndexEntry> answer;
        if (!(*run)->find(entries[i].prefix, cache, &answer).ok()) ++errors;
        for (const IndexEntry& entry : answer) ASSERT_EQ(entry, entries[i]);
        found += answer.size();
      }
      EXPECT_GT(errors, 0u) << at;
    } else {
      EXPECT_EQ(run.error().code(), ErrorCode::kCorruption);
      EXPECT_LT(at, kIndexPageBytes);
    }
    const size_t page = at / kIndexPageBytes;
    const size_t least = page == 1  ? entries.size() / 7 + 1  // a damaged filter loses nothing
                         : page > 2 ? 20                      // nor a window the others
                                    : 0;
    EXPECT_GE(found, least) << at;
    ASSERT_TRUE(env.flip_bit("run.1", at, bit).ok());
  }
}

TEST(IndexRun, PagesOfAnotherPlaceOrRunAreNotBelieved) {
  io::SimEnv env(1);
  const std::vector<IndexEntry> entries = uniform_entries(3, 600);
  const auto run = make_run(env, 1, entries);
  const auto other = make_run(env, 2, entries);
  const Bytes bytes = *env.read_raw("run.1");
  const Bytes foreign = *env.read_raw("run.2");
  const size_t window = run->header().windows_offset();
  for (const Bytes& wrong :
       {bytes.substr(window + kIndexPageBytes, kIndexPageBytes),
        foreign.substr(window, kIndexPageBytes), Bytes(kIndexPageBytes, '\0')}) {
    ASSERT_TRUE(env.write_raw("run.1", window, wrong).ok());
    auto reopened = IndexRun::open(env, "run.1", run->identity());
    ASSERT_TRUE(reopened.ok());
    WindowCache cache(1 << 20);
    std::vector<IndexEntry> found;
    EXPECT_EQ((*reopened)->find(entries[0].prefix, cache, &found).error().code(),
              ErrorCode::kCorruption);
    EXPECT_TRUE(found.empty());
  }
}

TEST(IndexRun, AnotherRunUnderItsNameIsRefused) {
  io::SimEnv env(1);
  const auto run = make_run(env, 1, uniform_entries(3, 600));
  make_run(env, 2, uniform_entries(3, 600));
  ASSERT_TRUE(env.rename("run.2", "run.1").ok());
  EXPECT_EQ(IndexRun::open(env, "run.1", run->identity()).error().code(), ErrorCode::kCorruption);
}

TEST(IndexRun, CutOffFileIsRefused) {
  io::SimEnv env(1);
  const auto run = make_run(env, 1, uniform_entries(3, 600));
  for (const uint64_t length : {run->file_bytes() - 1, uint64_t{5000}, uint64_t{17}, uint64_t{0}}) {
    auto file = env.open("run.1", io::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->truncate(length).ok());
    EXPECT_EQ(IndexRun::open(env, "run.1", run->identity()).error().code(), ErrorCode::kCorruption);
  }
}

// Headers with a right check and impossible numbers.
TEST(IndexRun, ForgedHeadersAreRefused) {
  io::SimEnv env(1);
  const RunHeader good = make_run(env, 1, uniform_entries(3, 600))->header();
  ASSERT_TRUE(decode_run_header(encode_run_header(good)).ok());
  EXPECT_EQ(*decode_run_header(encode_run_header(good)), good);
  const auto refused = [&](auto change) {
    RunHeader header = good;
    change(header);
    return !decode_run_header(encode_run_header(header)).ok();
  };
  constexpr uint64_t kHuge = ~uint64_t{0};
  EXPECT_TRUE(refused([](RunHeader& h) { h.entries = kHuge; }));
  EXPECT_TRUE(refused([](RunHeader& h) { h.entries = 0; }));
  EXPECT_TRUE(refused([](RunHeader& h) { h.windows = kHuge; }));
  EXPECT_TRUE(refused([](RunHeader& h) { h.windows = 2; }));
  EXPECT_TRUE(refused([](RunHeader& h) { h.filter_blocks = kHuge; }));
  EXPECT_TRUE(refused([](RunHeader& h) { h.filter_blocks = 0; }));
  EXPECT_TRUE(refused([](RunHeader& h) { h.filter_pages = kHuge; }));
  EXPECT_TRUE(refused([](RunHeader& h) { h.sample_pages = 0; }));
  EXPECT_TRUE(refused([](RunHeader& h) { h.sample_pages = kHuge; }));
  EXPECT_TRUE(refused([](RunHeader& h) { h.number = 0; }));
}

TEST(RunWriter, UnfinishedRunLeavesNoFile) {
  io::SimEnv env(1);
  {
    auto writer = RunWriter::create(env, "run.1", 1, 1, 10);
    ASSERT_TRUE((*writer)->add({1, 1, 1}).ok());
  }
  EXPECT_FALSE(*env.exists("run.1"));
}

TEST(RunScanner, GivesAllEntriesInOrderAndLeavesOutDamagedWindows) {
  io::SimEnv env(1);
  const std::vector<IndexEntry> entries = uniform_entries(3, 255 * 70);
  const auto run = make_run(env, 1, entries);
  ASSERT_TRUE(env.flip_bit("run.1", run->header().windows_offset() + 65 * kIndexPageBytes, 3).ok());
  RunScanner scanner(run);
  std::vector<IndexEntry> scanned;
  for (IndexEntry entry; *scanner.next(&entry);) scanned.push_back(entry);
  EXPECT_EQ(scanner.damaged_windows(), 1u);
  std::vector<IndexEntry> expected = entries;
  expected.erase(expected.begin() + 65 * 255, expected.begin() + 66 * 255);
  EXPECT_EQ(scanned, expected);
}

}  // namespace
}  // namespace ramet::engine
