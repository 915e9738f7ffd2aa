// Compression as callers meet it: whatever the bytes and the level, what was put is what is read;
// equal bytes are found however they are stored; a flipped bit is never handed out; and what
// compresses takes less.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "engine/content/prepared_blocks.h"
#include "engine/import.h"
#include "engine/store_impl.h"
#include "format/codec.h"
#include "format/segment_layout.h"
#include "io/env_sim.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

using test::StoreTest;
using test::TempDir;
using test::write_bytes;

const std::string kCompression(kCompressionSetting);

std::string noise(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out(size, '\0');
  for (char& byte : out) byte = static_cast<char>(random());
  return out;
}

// Lines that differ, so that blocks are not equal, but compress well.
std::string text(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out;
  while (out.size() < size) {
    out += "line " + std::to_string(random() % 100'000) + " of a text with little news in it\n";
  }
  out.resize(size);
  return out;
}

class CompressionTest : public StoreTest {
 protected:
  void set(const std::string& value) {
    const Status status = store_->set_setting(container_, kCompression, value);
    ASSERT_TRUE(status.ok()) << status.error().to_string();
  }
  // Puts it in a transaction of its own.
  IngestStats put_counted(const std::string& path, const std::string& content) {
    const auto transaction = begin();
    write(*transaction, path, content);
    const IngestStats stats = transaction->ingest_stats();
    EXPECT_TRUE(transaction->commit().ok());
    return stats;
  }
  uint64_t data_bytes() {
    uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(path_ + "/segments")) {
      bytes += file.file_size();
    }
    return bytes;
  }
};

// What tells codecs apart: kinds of content in any mixture, cut by the chunker as it comes.
std::string mixture(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out;
  for (uint64_t pieces = 1 + random() % 6; pieces > 0; --pieces) {
    const size_t size = random() % 4 == 0 ? random() % 100 : random() % 120'000;
    switch (random() % 5) {
      case 0: out += noise(size, random()); break;
      case 1: out += std::string(size, '\0'); break;
      case 2: out += text(size, random()); break;
      case 3: out += std::string(size, static_cast<char>(random())); break;
      default: {  // compressed already
        const std::string raw = text(size, random());
        const auto packed = compress_if_it_pays(raw, 9);
        out += packed.ok() && *packed ? **packed : raw;
      }
    }
  }
  return out;
}

TEST_F(CompressionTest, WhatWasPutIsWhatIsReadWhateverTheBytesAndTheLevel) {
  std::map<std::string, std::string> model;
  std::mt19937_64 random(7);
  std::vector<std::string> levels = {"none", "zstd"};
  for (int level = 1; level <= kCompressionLevelMax; ++level) {
    levels.push_back("zstd:" + std::to_string(level));
  }
  for (const std::string& level : levels) {
    set(level);
    for (int i = 0; i < 3; ++i) {
      // Every third one is found again under another level.
      const std::string content = i == 2 && !model.empty()
                                      ? std::next(model.begin(), random() % model.size())->second
                                      : mixture(random());
      const std::string path = "/" + level + "/" + std::to_string(i);
      put(path, content);
      model[path] = content;
    }
  }
  for (const auto& [path, content] : model) EXPECT_EQ(get(path) == content, true) << path;
  reopen();
  for (const auto& [path, content] : model) EXPECT_EQ(get(path) == content, true) << path;
}

TEST_F(CompressionTest, WhatCompressesTakesLessAndWhatDoesNotStaysAsItIs) {
  set("zstd");
  const uint64_t before = data_bytes();
  const IngestStats shrunk = put_counted("/text", text(4 << 20, 1));
  EXPECT_EQ(shrunk.new_block_bytes, 4u << 20);
  EXPECT_LT(shrunk.new_stored_bytes, shrunk.new_block_bytes / 3);
  EXPECT_LT(data_bytes() - before, 2u << 20);
  const IngestStats kept = put_counted("/noise", noise(1 << 20, 2));
  EXPECT_EQ(kept.new_stored_bytes, kept.new_block_bytes);
  set("none");
  const IngestStats none = put_counted("/text2", text(1 << 20, 3));
  EXPECT_EQ(none.new_stored_bytes, none.new_block_bytes);
}

TEST_F(CompressionTest, EqualBytesAreFoundHoweverTheyAreStored) {
  const std::string big = text(1 << 20, 4);
  const std::string small = text(20'000, 5);
  const std::vector<std::vector<std::string>> orders = {{"none", "zstd"}, {"zstd:9", "none"}};
  int n = 0;
  for (const auto& order : orders) {
    const std::string tail = std::to_string(++n);
    set(order[0]);
    EXPECT_GT(put_counted("/big" + tail, big + tail).new_blocks, 0u);
    EXPECT_GT(put_counted("/small" + tail, small + tail).new_blocks, 0u);
    set(order[1]);
    for (const bool opened_again : {false, true}) {
      if (opened_again) reopen();
      const std::string copy = tail + (opened_again ? "-again" : "-copy");
      EXPECT_EQ(put_counted("/big" + copy, big + tail).new_blocks, 0u) << order[0];
      EXPECT_EQ(put_counted("/small" + copy, small + tail).new_blocks, 0u) << order[0];
      EXPECT_EQ(get("/big" + copy) == big + tail, true);
      EXPECT_EQ(get("/small" + copy) == small + tail, true);
    }
  }
}

TEST_F(CompressionTest, ATransactionKeepsTheSettingThatItBeganWith) {
  set("none");
  const auto transaction = begin();
  set("zstd");
  write(*transaction, "/a", text(300'000, 6));
  const IngestStats stats = transaction->ingest_stats();
  EXPECT_EQ(stats.new_stored_bytes, stats.new_block_bytes);
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_LT(put_counted("/b", text(300'000, 7)).new_stored_bytes, 150'000u);
}

TEST_F(CompressionTest, SmallCommitsAreCompressedToo) {
  set("zstd");
  const std::string content = text(30'000, 8);
  const IngestStats stats = put_counted("/small", content);
  EXPECT_LT(stats.new_stored_bytes, 15'000u);
  EXPECT_EQ(get("/small") == content, true);
  // Left as it was: what was waiting for the commit is written out when more comes.
  auto transaction = begin();
  write(*transaction, "/first", text(30'000, 9));
  write(*transaction, "/second", text(300'000, 10));
  ASSERT_TRUE(transaction->commit().ok());
  transaction.reset();
  EXPECT_EQ(get("/first") == text(30'000, 9), true);
  EXPECT_EQ(get("/second") == text(300'000, 10), true);
  reopen();
  EXPECT_EQ(get("/first") == text(30'000, 9), true);
}

TEST_F(CompressionTest, AFlippedBitOfACompressedBlockIsFound) {
  set("zstd");
  const std::string content = text(1 << 20, 11);
  put("/a", content);
  reopen();
  auto& store = static_cast<engine::StoreImpl&>(*store_);
  // Where the first block is stored.
  std::string file;
  uint64_t offset = 0;
  for (SegmentNo number = 1; number < store.blocks().next_segment(); ++number) {
    const auto entry = store.blocks().slot(number, 0);
    if (!entry.ok() || entry->kind() != FrameKind::kBlock) continue;
    EXPECT_EQ(entry->codec(), Codec::kZstd);
    file = store.blocks().path_of(number, 0);
    offset = entry->offset() + kFrameHeaderBytes + entry->stored_len() / 2;
  }
  ASSERT_FALSE(file.empty());
  ASSERT_TRUE(store_->close().ok());
  {
    std::fstream bytes(file, std::ios::binary | std::ios::in | std::ios::out);
    bytes.seekg(static_cast<std::streamoff>(offset));
    const int was = bytes.get();
    bytes.seekp(static_cast<std::streamoff>(offset));
    bytes.put(static_cast<char>(was ^ 4));
  }
  store_.reset();
  open();
  EXPECT_EQ(get("/a"), "corruption");
  // What was found damaged is not found again, but stored anew: it heals.
  put("/b", content);
  EXPECT_EQ(get("/b") == content, true);
}

TEST_F(CompressionTest, CompactionCopiesCompressedBlocksAsTheyAre) {
  set("zstd");
  const std::string kept = text(1 << 20, 12);
  // What goes lies between what stays: no wide range is dead.
  for (int i = 0; i < 64; ++i) put("/" + std::to_string(i), text(64 << 10, 20 + i));
  put("/kept", kept);
  reopen();  // the segments are closed
  change([](Transaction& transaction) {
    for (int i = 0; i < 64; i += 2) {
      ASSERT_TRUE(transaction.remove(kRootFolder, std::to_string(i)).ok());
    }
  });
  const uint64_t before = data_bytes();
  ReclaimOptions options;
  options.until_idle = true;
  bool compacted = false;
  for (int i = 0; i < 4; ++i) {  // both superblocks must have seen what died
    ASSERT_TRUE(store_->checkpoint().ok());
    const auto report = store_->reclaim(options);
    ASSERT_TRUE(report.ok()) << report.error().to_string();
    for (const ReclaimAction& action : report->actions) {
      compacted = compacted || action.kind == ReclaimAction::Kind::kCompact;
    }
  }
  EXPECT_TRUE(compacted);
  EXPECT_LT(data_bytes(), before);
  EXPECT_EQ(get("/kept") == kept, true);
  reopen();
  EXPECT_EQ(get("/kept") == kept, true);
  // Still the compressed bytes, and found under another setting.
  set("none");
  EXPECT_EQ(put_counted("/copy", kept).new_blocks, 0u);
  EXPECT_EQ(get("/copy") == kept, true);
}

TEST_F(CompressionTest, WhatIsPreparedOnOtherThreadsIsWhatItsTurnWouldGive) {
  auto& store = static_cast<engine::StoreImpl&>(*store_);
  put("/known", text(30'000, 40));
  std::vector<std::string> raw = {text(30'000, 40), noise(30'000, 41), std::string(60'000, 'z')};
  for (uint64_t i = 0; i < 40; ++i) raw.push_back(text(5'000 + 500 * i, 50 + i));
  const std::vector<ByteView> blocks(raw.begin(), raw.end());
  io::WorkerPool pool(4);
  for (const int level : {1, 3, 12}) {
    const engine::BlockPreparer preparer(*store.index(), Compression{level}, &pool);
    const engine::PreparedBlocks prepared = preparer.blocks_of(blocks);
    ASSERT_EQ(prepared.size(), blocks.size());
    size_t tried = 0;
    for (size_t i = 0; i < blocks.size(); ++i) {
      EXPECT_EQ(prepared[i].name, blake3(blocks[i]));
      EXPECT_EQ(prepared[i].length, blocks[i].size());
      if (!prepared[i].tried) continue;
      ++tried;
      EXPECT_EQ(prepared[i].compressed == *compress_if_it_pays(blocks[i], level), true);
    }
    EXPECT_GE(tried, blocks.size() - 3);
  }
  // Without compression they are named.
  const engine::BlockPreparer namer(*store.index(), Compression{}, &pool);
  const engine::PreparedBlocks named = namer.blocks_of(blocks);
  ASSERT_EQ(named.size(), blocks.size());
  EXPECT_EQ(named.back().name, blake3(blocks.back()));
  EXPECT_FALSE(named.back().tried);
  // And through the public interface: long content, cut into many blocks at once.
  const std::string content = mixture(1) + text(3 << 20, 99) + mixture(2);
  put("/long", content);
  EXPECT_EQ(get("/long") == content, true);
}

// The bytes of every segment of a store on a simulated disk into which a tree was imported.
std::map<std::string, std::string> segments_after_import(const std::string& source,
                                                         unsigned threads) {
  const auto env = std::make_shared<io::SimEnv>(3);
  StoreOptions options;
  options.env = env;
  options.background = false;
  EXPECT_TRUE(Store::create("/store", options).ok());
  const auto store = std::move(*Store::open("/store", options));
  const ContainerId container = store->create_container("c")->id;
  ImportOptions import;
  import.threads = threads;
  for (const char* target : {"/a", "/b", "/a"}) {
    const auto report = import_tree(*store, container, source, target, import);
    EXPECT_TRUE(report.ok()) << report.error().to_string();
  }
  EXPECT_TRUE(store->close().ok());
  std::map<std::string, std::string> out;
  for (SegmentNo number = 1; number < 64; ++number) {
    const std::string path = "/store/segments/" + segment_file_name(number, 0);
    const auto bytes = env->read_raw(path);
    if (bytes.ok()) out[path] = *bytes;
  }
  return out;
}

TEST(Compression, AnImportGivesTheSameBytesWithAnyNumberOfThreads) {
  const TempDir source;
  for (uint64_t i = 0; i < 60; ++i) {
    write_bytes(source.file("f" + std::to_string(i)), i % 7 == 0 ? noise(40'000, i % 14)
                                                                 : text(1'000 * i, i % 40));
  }
  write_bytes(source.file("long"), text(2 << 20, 77));  // streamed
  const auto once = segments_after_import(source.path(), 1);
  ASSERT_GE(once.size(), 3u);
  uint64_t bytes = 0;
  for (const auto& [path, segment] : once) bytes += segment.size();
  EXPECT_LT(bytes, 2u << 20);  // it is compressed
  for (const unsigned threads : {2u, 5u}) {
    EXPECT_EQ(segments_after_import(source.path(), threads) == once, true) << threads;
  }
}

TEST(Compression, TheSameHistoryGivesTheSameBlocksInAnyNumberOfStores) {
  // [INV-9]: contexts that are used again leave no trace in what they give.
  const std::string first = text(50'000, 30);
  const auto once = compress_if_it_pays(first);
  ASSERT_TRUE(once.ok() && once->has_value());
  for (int level = 1; level <= kCompressionLevelMax; ++level) {
    ASSERT_TRUE(compress_if_it_pays(text(70'000, level), level).ok());
    EXPECT_EQ(*compress_if_it_pays(first), *once);
  }
}

}  // namespace
}  // namespace ramet
