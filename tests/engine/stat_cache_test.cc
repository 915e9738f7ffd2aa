// The stat cache: a map that may forget, but never tells of another file or another state of it;
// and imports with it give what imports without it give, and read no file that did not change.
#include "engine/content/stat_cache.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/xattr.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <random>

#include "io/env_sim.h"
#include "tests/engine/import_fixture.h"

namespace ramet {
namespace {

using engine::FileStamp;
using engine::KnownFile;
using engine::StatCache;
using test::ImportTest;
using test::make_folder;
using test::noise;
using test::write_bytes;

FileStamp stamp(uint64_t inode, int64_t changed = 1) {
  FileStamp out;
  out.device = 7;
  out.inode = inode;
  out.birth = 5;
  out.size = 100 + inode;
  out.modified = 3;
  out.changed = changed;
  return out;
}

KnownFile known(uint64_t n) {
  return {blake3(ByteView(reinterpret_cast<const char*>(&n), sizeof(n))), n};
}

TEST(StatCache, KnowsWhatWasNotedAndOnlyThat) {
  const auto env = std::make_shared<io::SimEnv>(1);
  constexpr uint64_t kFiles = 20'000;  // it grows several times
  {
    StatCache cache(env, "/cache");
    EXPECT_FALSE(cache.find(stamp(1)));
    for (uint64_t i = 0; i < kFiles; ++i) cache.note(stamp(i), known(i));
    for (uint64_t i = 0; i < kFiles; i += 2) cache.note(stamp(i, 2), known(kFiles + i));
  }
  StatCache cache(env, "/cache");
  size_t forgotten = 0;
  for (uint64_t i = 0; i < kFiles; ++i) {
    const bool later = i % 2 == 0;
    EXPECT_FALSE(cache.find(stamp(i, later ? 1 : 2)));
    const auto found = cache.find(stamp(i, later ? 2 : 1));
    if (!found) {
      ++forgotten;
    } else {
      EXPECT_EQ(*found, known(later ? kFiles + i : i));
    }
  }
  EXPECT_LT(forgotten, kFiles / 1000);
  FileStamp other = stamp(1);
  EXPECT_TRUE(cache.find(other));
  for (auto change : {+[](FileStamp& s) { ++s.device; }, +[](FileStamp& s) { ++s.birth; },
                      +[](FileStamp& s) { ++s.size; }, +[](FileStamp& s) { ++s.modified; },
                      +[](FileStamp& s) { ++s.changed; }}) {
    other = stamp(1);
    change(other);
    EXPECT_FALSE(cache.find(other));
  }
}

RC_GTEST_PROP(StatCacheProperty, DamageForgetsAndNeverLies, ()) {
  const auto seed = *rc::gen::inRange<uint64_t>(1, 1u << 30);
  std::mt19937_64 random(seed);
  const auto env = std::make_shared<io::SimEnv>(seed);
  const uint64_t files = 1 + random() % 3000;
  {
    StatCache cache(env, "/cache");
    for (uint64_t i = 0; i < files; ++i) cache.note(stamp(i), known(i));
  }
  const std::string path = "/cache/files";
  const uint64_t size = env->read_raw(path)->size();
  for (uint64_t n = random() % 200; n > 0; --n) {
    // The header now and then, anything, and whole pages as another sector's.
    const uint64_t at = random() % 8 == 0 ? random() % 40 : random() % size;
    const uint64_t length = std::min<uint64_t>(size - at, random() % 4 == 0 ? 4096 : 1);
    Bytes bytes(length, static_cast<char>(random()));
    if (random() % 2 == 0) bytes = env->read_raw(path)->substr(random() % (size - length), length);
    RC_ASSERT(env->write_raw(path, at, bytes).ok());
  }
  StatCache cache(env, "/cache");
  for (uint64_t i = 0; i < files; ++i) {
    const auto found = cache.find(stamp(i));
    RC_ASSERT(!found || *found == known(i));
    RC_ASSERT(!cache.find(stamp(i, 2)));
  }
  for (uint64_t i = 0; i < files; i += 7) {
    cache.note(stamp(i, 2), known(i + 1));
    const auto found = cache.find(stamp(i, 2));
    RC_ASSERT(found && *found == known(i + 1));
    RC_ASSERT(!cache.find(stamp(i)));
  }
}

TEST(StatCache, AFullDiskOnlyMeansThatNothingIsKnown) {
  const auto env = std::make_shared<io::SimEnv>(1);
  io::FaultRule rule;
  rule.kind = io::FaultKind::kOutOfSpace;
  rule.probability = 0.3;
  env->inject(rule);
  StatCache cache(env, "/cache");
  for (uint64_t i = 0; i < 100; ++i) cache.note(stamp(i), known(i));
  for (uint64_t i = 0; i < 100; ++i) {
    const auto found = cache.find(stamp(i));
    EXPECT_TRUE(!found || *found == known(i));
  }
}

class StatCacheImport : public ImportTest {
 protected:
  // How many files were read.
  size_t reads(const ImportOptions& options = {}, const std::string& to = "/") {
    std::atomic<size_t> count{0};
    io::SourceOptions source;
    source.after_read = [&](const std::string&, int) { ++count; };
    last_ = store_.import(tree(), to, options, source);
    return count;
  }
  CopyReport last_;
};

TEST_F(StatCacheImport, WhatDidNotChangeIsNotRead) {
  make_folder(tree("folder"));
  for (int i = 0; i < 50; ++i) {
    write_bytes(tree("folder/" + std::to_string(i)), noise(1000 + i, i));
  }
  write_bytes(tree("big"), noise(3'000'000, 99));
  write_bytes(tree("empty"), "");
  write_bytes(tree("sparse"), noise(9000, 3), 1 << 22);
  EXPECT_EQ(reads(), 53u);
  EXPECT_EQ(reads(), 0u);
  EXPECT_EQ(last_.unchanged, 53u);
  EXPECT_EQ(last_.files, 53u);
  expect_equal();
  ImportOptions without;
  without.stat_cache = false;
  EXPECT_EQ(reads(without), 53u);
  EXPECT_EQ(last_.unchanged, 53u);
  // A folder that was moved takes its files along; another target reads them once more, for there
  // is nothing to compare them with.
  std::filesystem::rename(tree("folder"), tree("moved"));
  EXPECT_EQ(reads(), 50u);
  EXPECT_EQ(last_.unchanged, 3u);
  EXPECT_EQ(reads(), 0u);
}

TEST_F(StatCacheImport, EveryKindOfChangeIsSeen) {
  for (const char* name : {"bytes", "mode", "time", "replaced", "xattr", "linked", "grown"}) {
    write_bytes(tree(name), noise(5000, 1));
  }
  EXPECT_EQ(reads(), 7u);
  struct stat status {};
  ASSERT_EQ(::stat(tree("bytes").c_str(), &status), 0);
  write_bytes(tree("bytes"), "other", 1000);  // the same size and time
  test::set_time(tree("bytes"), status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  ASSERT_EQ(::chmod(tree("mode").c_str(), 0600), 0);
  test::set_time(tree("time"), 12345, 678);
  write_bytes(tree("replacement"), noise(5000, 2));
  test::set_time(tree("replacement"), 1, 1);
  std::filesystem::rename(tree("replacement"), tree("replaced"));
  const bool has_xattrs = ::setxattr(tree("xattr").c_str(), "user.x", "1", 1, 0) == 0;
  ASSERT_EQ(::link(tree("linked").c_str(), tree("too").c_str()), 0);
  write_bytes(tree("grown"), "more", 6000);
  reads();
  EXPECT_EQ(last_.unchanged, has_xattrs ? 1u : 2u);  // "linked", one of its names
  expect_equal();
}

TEST_F(StatCacheImport, WhatWasChangedInTheStoreIsPutRight) {
  for (const char* name : {"bytes", "mode", "gone", "xattr", "same"}) {
    write_bytes(tree(name), noise(5000, 1));
  }
  reads();
  auto transaction = std::move(*store_.store().begin(store_.container()));
  const auto id_of = [&](const char* name) {
    return transaction->lookup(kRootFolder, name)->object;
  };
  auto writer = *transaction->write_content();
  ASSERT_TRUE(writer->append(noise(5000, 2)).ok());
  const Attributes kept = transaction->object(id_of("bytes"))->attributes;
  ASSERT_TRUE(transaction->put_object(kRootFolder, "bytes", kept, std::move(writer)).ok());
  Attributes attributes = transaction->object(id_of("mode"))->attributes;
  attributes.mode ^= 0111;
  ASSERT_TRUE(transaction->set_attributes(id_of("mode"), attributes).ok());
  attributes = transaction->object(id_of("xattr"))->attributes;
  attributes.xattrs.push_back({"user.new", "value"});
  ASSERT_TRUE(transaction->set_attributes(id_of("xattr"), attributes).ok());
  ASSERT_TRUE(transaction->remove(kRootFolder, "gone").ok());
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(reads(), 4u);
  EXPECT_EQ(last_.unchanged, 1u);
  expect_equal();
  EXPECT_EQ(reads(), 0u);
}

TEST_F(StatCacheImport, AnImportWithoutXattrsTakesThemAway) {
  write_bytes(tree("file"), "content");
  if (::setxattr(tree("file").c_str(), "user.x", "1", 1, 0) != 0) GTEST_SKIP() << "no xattrs";
  reads();
  const auto xattrs = [&] {
    const auto view = store_.view();
    return view->object(view->lookup("/file")->object)->attributes.xattrs.size();
  };
  EXPECT_EQ(xattrs(), 1u);
  ImportOptions without;
  without.xattrs = false;
  reads(without);
  EXPECT_EQ(xattrs(), 0u);
  EXPECT_EQ(reads(without), 0u);
  reads();
  EXPECT_EQ(xattrs(), 1u);
}

TEST_F(StatCacheImport, LosingItCostsOneReading) {
  write_bytes(tree("file"), "content");
  reads();
  std::filesystem::resize_file(dir_.file("store/cache/files"), 0);
  // (What this life holds in memory is right as it is.)
  reads();
  EXPECT_EQ(last_.unchanged, 1u);
}

}  // namespace
}  // namespace ramet
