// mulcdc-v1: golden cuts, a second implementation straight from the definition, and the promise
// that cuts do not depend on how the content is handed over.
#include "format/chunk_scan.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ramet {
namespace {

// --- the definition, as docs/format.md states it -------------------------------------------------

constexpr uint16_t kK[4] = {0x6D2B, 0xB4A5, 0x59C7, 0xD13D};

uint32_t naive_h8(ByteView b, size_t x) {
  uint32_t sum = 0x5BD1E995;
  for (size_t j = 0; j < 4; ++j) {
    const auto low = static_cast<uint8_t>(b[x - 7 + 2 * j]);
    const auto high = static_cast<uint8_t>(b[x - 7 + 2 * j + 1]);
    const auto value = static_cast<int16_t>(low | high << 8);
    sum += static_cast<uint32_t>(int64_t{value} * static_cast<int16_t>(kK[j]));
  }
  return sum;
}
uint32_t rotate_left(uint32_t v, int by) { return v << by | v >> (32 - by); }
uint32_t naive_h16(ByteView b, size_t x) {
  return naive_h8(b, x) + rotate_left(naive_h8(b, x - 8), 11);
}
uint32_t naive_h32(ByteView b, size_t x) {
  return naive_h16(b, x) + rotate_left(naive_h16(b, x - 16), 19);
}

size_t naive_cut(ByteView data, const ChunkerParams& params) {
  uint32_t log2 = 0;
  while (1u << log2 < params.average) ++log2;
  for (size_t length = params.average / 4; length <= data.size(); ++length) {
    const uint32_t bits = length < params.average ? log2 + 1 : log2 - 1;
    const uint32_t mask = ((1u << bits) - 1) << (27 - bits);
    if ((naive_h32(data, length - 1) & mask) == 0) return length;
    if (length == size_t{4} * params.average) return length;
  }
  return data.size();
}

std::vector<size_t> naive_cuts(ByteView data, const ChunkerParams& params) {
  std::vector<size_t> cuts;
  for (; !data.empty(); data.remove_prefix(cuts.back())) cuts.push_back(naive_cut(data, params));
  return cuts;
}

std::vector<size_t> cuts_of(ByteView data, const ChunkerParams& params) {
  std::vector<size_t> cuts;
  for (; !data.empty(); data.remove_prefix(cuts.back())) {
    cuts.push_back(next_cut(data, true, params));
  }
  return cuts;
}

// --- inputs --------------------------------------------------------------------------------------

class Xorshift {
 public:
  explicit Xorshift(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  uint64_t state_;
};

Bytes random_bytes(uint64_t seed, size_t length) {
  Xorshift random(seed);
  Bytes out;
  while (out.size() < length) append(out, random.next());
  out.resize(length);
  return out;
}

Bytes text_bytes(size_t length) {
  Bytes out;
  for (uint32_t i = 0; out.size() < length; ++i) {
    out += fmt::format("record {:08d} value {:08x}\n", i, i * 2654435761u);
  }
  out.resize(length);
  return out;
}

// Random pages, zero pages and repeated pages, as images of disks and databases have them.
Bytes page_bytes(uint64_t seed, size_t length) {
  Xorshift random(seed);
  Bytes out;
  while (out.size() < length) {
    switch (random.next() % 4) {
      case 0: out.append(512, '\0'); break;
      case 1: out += random_bytes(random.next() | 1, 512); break;
      case 2: out += out.substr(out.size() / 2, 512); break;
      default: out += random_bytes(random.next() % 3 + 1, 1 + random.next() % 700);
    }
  }
  out.resize(length);
  return out;
}

Bytes make_input(int kind, uint64_t seed, size_t length) {
  switch (kind) {
    case 0: return random_bytes(seed, length);
    case 1: return Bytes(length, static_cast<char>(seed));
    case 2: return text_bytes(length);
    default: return page_bytes(seed, length);
  }
}

// 32 bytes whose hash is zero under the strict mask, for which every shorter mask is a hit too:
// the masks share their high end.
Bytes cutting_window(const ChunkerParams& params, uint64_t seed) {
  uint32_t bits = 1;
  while (1u << (bits - 1) < params.average) ++bits;
  const uint32_t mask = ((1u << bits) - 1) << (27 - bits);
  const uint32_t lax = ((1u << (bits - 2)) - 1) << (27 - bits + 2);
  EXPECT_EQ(mask & lax, lax);
  for (Xorshift random(seed);;) {
    Bytes window;
    for (int i = 0; i < 4; ++i) append(window, random.next());
    if ((naive_h32(window, 31) & mask) == 0) return window;
  }
}

// --- tests ---------------------------------------------------------------------------------------

TEST(ChunkerGolden, V1CutsNeverChange) {
  std::ifstream in(std::string(RAMET_GOLDEN_DIR) + "/v1/chunker.txt");
  std::string line;
  int lines = 0;
  while (std::getline(in, line)) {
    if (line.starts_with('#')) continue;
    ++lines;
    std::istringstream fields(line);
    std::string kind;
    ChunkerParams params;
    uint64_t seed = 0;
    size_t length = 0;
    fields >> kind >> params.average >> seed >> length;
    const std::vector<size_t> expected(std::istream_iterator<size_t>(fields), {});
    ASSERT_FALSE(expected.empty()) << line;
    const Bytes input = kind == "random" ? random_bytes(seed, length)
                        : kind == "text" ? text_bytes(length)
                                         : Bytes(length, static_cast<char>(seed));
    EXPECT_EQ(cuts_of(input, params), expected) << kind << " " << params.average << " " << seed;
  }
  EXPECT_EQ(lines, 15);
}

RC_GTEST_PROP(ChunkerProperty, CutsMatchTheDefinition, ()) {
  const ChunkerParams params{.average = *rc::gen::element(256u, 1024u, 4096u)};
  const int kind = *rc::gen::inRange(0, 4);
  const auto seed = *rc::gen::inRange<uint64_t>(1, 1u << 30);
  const auto length = *rc::gen::inRange<size_t>(0, 12 * size_t{params.average});
  const Bytes input = make_input(kind, seed, length);
  RC_ASSERT(cuts_of(input, params) == naive_cuts(input, params));
}

RC_GTEST_PROP(ChunkerProperty, EveryScanGivesTheSameCuts, ()) {
  const ChunkerParams params{.average = *rc::gen::element(256u, 1024u, 4096u)};
  const int kind = *rc::gen::inRange(0, 4);
  const auto seed = *rc::gen::inRange<uint64_t>(1, 1u << 30);
  const auto length = *rc::gen::inRange<size_t>(0, 12 * size_t{params.average});
  const Bytes input = make_input(kind, seed, length);
  const std::vector<size_t> expected = naive_cuts(input, params);
  for (const ChunkScan& scan : chunk_scans()) {
    std::vector<size_t> cuts;
    for (ByteView rest = input; !rest.empty(); rest.remove_prefix(cuts.back())) {
      cuts.push_back(next_cut_by(scan, rest, true, params));
    }
    RC_ASSERT(cuts == expected);
  }
}

// Masks of a few bits, so that hits stand everywhere: at the first and the last position, several
// in one word, and in each phase.
RC_GTEST_PROP(ChunkerProperty, EveryScanFindsTheFirstHit, ()) {
  const int kind = *rc::gen::inRange(0, 4);
  const auto seed = *rc::gen::inRange<uint64_t>(1, 1u << 30);
  const auto blocks = *rc::gen::inRange<size_t>(0, 6);
  const auto bits = *rc::gen::inRange(1, 12);
  const uint32_t mask = ((1u << bits) - 1) << (27 - bits);
  const size_t positions = blocks * ChunkScan::kBlock;
  const Bytes input =
      make_input(kind, seed, ChunkScan::kBefore + positions + ChunkScan::kWindow - 1);
  const ByteView windows = ByteView(input).substr(ChunkScan::kBefore);
  size_t expected = 0;
  while (expected < positions &&
         (naive_h32(windows, expected + ChunkScan::kWindow - 1) & mask) != 0) {
    ++expected;
  }
  for (const ChunkScan& scan : chunk_scans()) {
    // At any alignment, and with nothing behind the end that may be read.
    const std::unique_ptr<char[]> copy(new char[input.size() + seed % 64]);
    char* const at = copy.get() + seed % 64;
    std::copy(input.begin(), input.end(), at);
    RC_ASSERT(scan.find(at + ChunkScan::kBefore, blocks, mask) == expected);
  }
}

TEST(ChunkScans, TheLastOneRunsEverywhere) {
  ASSERT_FALSE(chunk_scans().empty());
  EXPECT_STREQ(chunk_scans().back().name, "any");
  fmt::print("scans:");
  for (const ChunkScan& scan : chunk_scans()) fmt::print(" {}", scan.name);
  fmt::print("\n");
}

RC_GTEST_PROP(ChunkerProperty, AnyBufferingGivesTheSameCuts, ()) {
  const ChunkerParams params{.average = *rc::gen::element(256u, 4096u)};
  const int kind = *rc::gen::inRange(0, 4);
  const auto seed = *rc::gen::inRange<uint64_t>(1, 1u << 30);
  const Bytes input = make_input(kind, seed, 10 * size_t{params.average} + seed % 97);
  const std::vector<size_t> expected = cuts_of(input, params);

  Xorshift steps(seed);
  std::vector<size_t> cuts;
  size_t start = 0;
  size_t known = 0;
  while (start < input.size()) {
    const bool last = known == input.size();
    const size_t cut = next_cut(ByteView(input).substr(start, known - start), last, params);
    if (cut != 0) {
      RC_ASSERT(cut <= known - start);
      cuts.push_back(cut);
      start += cut;
      continue;
    }
    RC_ASSERT(!last);
    RC_ASSERT(known - start < params.max());
    const uint64_t step =
        steps.next() % 4 == 0 ? 1 + steps.next() % 16 : 1 + steps.next() % params.average;
    known = std::min(input.size(), known + static_cast<size_t>(step));
  }
  RC_ASSERT(cuts == expected);
}

TEST(Chunker, BytesBehindTheCutDoNotMatter) {
  const ChunkerParams params{.average = 1024};
  const Bytes input = random_bytes(7, 64 * 1024);
  ByteView rest = input;
  while (rest.size() > params.max()) {
    const size_t cut = next_cut(rest, false, params);
    ASSERT_GT(cut, 0u);
    Bytes changed(rest.substr(0, cut));
    EXPECT_EQ(next_cut(changed, false, params), cut);  // known as soon as its bytes are
    changed += random_bytes(cut, 3000);
    EXPECT_EQ(next_cut(changed, false, params), cut);
    rest.remove_prefix(cut);
  }
}

TEST(Chunker, LengthsKeepTheirBoundsButForTheLast) {
  for (const uint32_t average : {256u, 4096u, 16384u}) {
    const ChunkerParams params{.average = average};
    for (int kind = 0; kind < 4; ++kind) {
      const std::vector<size_t> cuts = cuts_of(make_input(kind, 5, 40 * size_t{average}), params);
      for (size_t i = 0; i < cuts.size(); ++i) {
        EXPECT_LE(cuts[i], params.max());
        EXPECT_GE(cuts[i], i + 1 < cuts.size() ? params.min() : 1);
      }
    }
  }
}

TEST(Chunker, ShortInputIsOneChunkOnceItIsKnownToEnd) {
  const ChunkerParams params{.average = 16384};
  EXPECT_EQ(next_cut("", true, params), 0u);
  EXPECT_EQ(next_cut("", false, params), 0u);
  for (const size_t length : {size_t{1}, size_t{31}, size_t{32}, params.min() - 1}) {
    const Bytes input = random_bytes(3, length);
    EXPECT_EQ(next_cut(input, false, params), 0u);
    EXPECT_EQ(next_cut(input, true, params), length);
  }
}

// A hit at every length around the bounds where the rule changes.
TEST(Chunker, HitsAtTheEdgesOfTheBoundsMatchTheDefinition) {
  for (const uint32_t average : {256u, 4096u}) {
    const ChunkerParams params{.average = average};
    const Bytes window = cutting_window(params, average);
    for (const size_t edge : {params.min(), size_t{average}, params.max()}) {
      for (size_t length = edge - 3; length <= edge + 3; ++length) {
        Bytes input(params.max() + 64, '\0');
        input.replace(length - window.size(), window.size(), window);
        EXPECT_EQ(cuts_of(input, params), naive_cuts(input, params)) << average << " " << length;
      }
    }
    Bytes input(params.max(), '\0');  // a hit below min is none
    input.replace(params.min() - 1 - window.size(), window.size(), window);
    EXPECT_GT(next_cut(input, true, params), params.min() - 1);
  }
}

// The worst an enemy can ask for: a hit at each 32nd byte gives the shortest chunks allowed.
TEST(Chunker, RepeatedCuttingWindowGivesChunksOfTheMinimum) {
  const ChunkerParams params{.average = 1024};
  const Bytes window = cutting_window(params, 99);
  Bytes input;
  while (input.size() < 16 * params.max()) input += window;
  const std::vector<size_t> cuts = cuts_of(input, params);
  EXPECT_EQ(cuts, naive_cuts(input, params));
  for (const size_t cut : cuts) EXPECT_EQ(cut, params.min());
}

// Runs of one byte have no hit, so all their chunks are of one length and dedupe.
TEST(Chunker, RunsOfOneByteGiveChunksOfTheMaximum) {
  for (const uint32_t average : {4096u, 16384u, 65536u}) {
    const ChunkerParams params{.average = average};
    for (int byte = 0; byte < 256; ++byte) {
      EXPECT_EQ(next_cut(Bytes(params.max() + 1, static_cast<char>(byte)), false, params),
                params.max());
    }
  }
}

TEST(Chunker, InsertedBytesMoveOnlyTheCutsAroundThem) {
  const ChunkerParams params{.average = 4096};
  const Bytes before = random_bytes(11, 1 << 20);
  Bytes after = before;
  after.insert(500'000, "some new bytes");
  const auto ends = [&](ByteView data) {
    std::vector<size_t> from_the_end;
    size_t at = 0;
    for (const size_t cut : cuts_of(data, params)) {
      at += cut;
      from_the_end.push_back(data.size() - at);
    }
    std::sort(from_the_end.begin(), from_the_end.end());
    return from_the_end;
  };
  const std::vector<size_t> first = ends(before);
  const std::vector<size_t> second = ends(after);
  std::vector<size_t> common;
  std::set_intersection(first.begin(), first.end(), second.begin(), second.end(),
                        std::back_inserter(common));
  // Cuts behind the insertion are found again at the same distance from the end.
  EXPECT_GT(common.size(), first.size() * 2 / 5);
  EXPECT_EQ(common.front(), 0u);
}

TEST(ChunkerParams, OnlyPowersOfTwoInRangeAreValid) {
  for (const uint32_t average : {256u, 512u, 16384u, 1u << 20}) {
    EXPECT_TRUE((ChunkerParams{.average = average}.is_valid())) << average;
  }
  for (const uint32_t average : {0u, 1u, 128u, 257u, 16383u, 1u << 21, 0xFFFFFFFFu}) {
    EXPECT_FALSE((ChunkerParams{.average = average}.is_valid())) << average;
  }
}

}  // namespace
}  // namespace ramet
