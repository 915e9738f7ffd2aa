#include "engine/index/index_manifest.h"

#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "format/hash.h"

namespace ramet::engine {
namespace {

IndexManifest sample_manifest() {
  IndexManifest manifest;
  manifest.generation = 12;
  manifest.next_run = 40;
  manifest.runs = {{39, 5, 0x1111}, {17, 100, 0x2222}, {3, 100'000, 0x3333}};
  manifest.forgotten = {4, 9, 77};
  return manifest;
}

TEST(IndexManifestGolden, V1BytesNeverChange) {
  std::ifstream in(std::string(RAMET_GOLDEN_DIR) + "/v1/index_manifest.bin", std::ios::binary);
  const Bytes expected(std::istreambuf_iterator<char>(in), {});
  ASSERT_FALSE(expected.empty());
  EXPECT_TRUE(encode_index_manifest(sample_manifest()) == expected);
}

TEST(IndexManifest, DecodesWhatWasEncodedAndIgnoresWhatIsBehindIt) {
  for (const IndexManifest& manifest : {sample_manifest(), IndexManifest{}}) {
    Bytes bytes = encode_index_manifest(manifest);
    EXPECT_EQ(*decode_index_manifest(bytes), manifest);
    bytes += "the rest of a longer one";
    EXPECT_EQ(*decode_index_manifest(bytes), manifest);
  }
}

TEST(IndexManifest, EveryFlippedBitAndEveryCutIsFound) {
  const Bytes good = encode_index_manifest(sample_manifest());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_index_manifest(bad).ok()) << bit;
  }
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(decode_index_manifest(ByteView(good).substr(0, length)).ok()) << length;
  }
}

// A right check over impossible numbers.
TEST(IndexManifest, ForgedManifestsAreRefused) {
  const auto refused = [](auto change) {
    IndexManifest manifest = sample_manifest();
    change(manifest);
    return !decode_index_manifest(encode_index_manifest(manifest)).ok();
  };
  EXPECT_TRUE(refused([](IndexManifest& m) { m.runs[0].number = 40; }));
  EXPECT_TRUE(refused([](IndexManifest& m) { m.runs[0].number = 0; }));
  EXPECT_TRUE(refused([](IndexManifest& m) { m.runs[0].entries = 0; }));
  EXPECT_TRUE(refused([](IndexManifest& m) { m.forgotten = {9, 4}; }));
  EXPECT_TRUE(refused([](IndexManifest& m) { m.forgotten = {0}; }));
  Bytes bytes = encode_index_manifest(sample_manifest());
  store(bytes.data() + 44, uint32_t{0xFFFFFFFF});  // run_count
  EXPECT_EQ(decode_index_manifest(bytes).error().code(), ErrorCode::kCorruption);
}

TEST(IndexManifest, LaterVersionIsUnsupported) {
  Bytes bytes = encode_index_manifest(sample_manifest());
  store(bytes.data() + 8, uint32_t{2});
  bytes.resize(bytes.size() - 8);
  append(bytes, xxh3(bytes));
  EXPECT_EQ(decode_index_manifest(bytes).error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace ramet::engine
