// Goal: the extents of long content are on disk as nodes from its commit on, so that copies of it
// cost the same before a checkpoint as behind one; and whatever else happens to the object in the
// same transaction, or beside it, comes out as without. Method: by example on a simulated machine,
// with short content that counts as long.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/fsck.h"
#include "engine/store.h"
#include "io/env_sim.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

constexpr uint64_t kLongBytes = 1u << 20;  // of content: some 80 KiB of extents

class LongContentTest : public ::testing::Test {
 public:
  LongContentTest() {
    RAMET_CHECK(Store::create("/store", options()).ok(), "create");
    open();
    container_ = store_->create_container("c")->id;
  }
  StoreOptions options() const {
    StoreOptions options;
    options.env = env_;
    options.background = false;
    options.chunk_average = 256;
    options.long_content_bytes = 4 << 10;
    options.ballast_bytes = 1 << 20;
    return options;
  }
  void open() {
    auto opened = Store::open("/store", options());
    RAMET_CHECK(opened.ok(), "the store cannot be opened");
    store_ = std::move(*opened);
  }
  void cut() {
    env_->power_cut(io::CutPolicy::kLoseAll);
    store_.reset();
    env_->restart();
    open();
  }
  std::unique_ptr<Transaction> begin() { return std::move(*store_->begin(container_)); }
  // No two contents, and no two blocks, are the same.
  static std::string content(uint64_t bytes, char salt) {
    std::string out;
    while (out.size() < bytes) {
      out += std::to_string(out.size()) + salt + std::to_string(out.size() * 2'654'435'761u);
    }
    out.resize(bytes);
    return out;
  }
  static void put_into(Transaction& transaction, const std::string& name,
                       const std::string& content) {
    auto writer = std::move(*transaction.write_content());
    ASSERT_TRUE(writer->append(content).ok());
    ASSERT_TRUE(transaction.put_object(kRootFolder, name, Attributes{}, std::move(writer)).ok());
  }
  void put(const std::string& name, const std::string& content) {
    auto transaction = begin();
    put_into(*transaction, name, content);
    ASSERT_TRUE(transaction->commit().ok());
  }
  void copy(const std::string& from, const std::string& to) {
    auto transaction = begin();
    const auto view = std::move(*store_->view(container_));
    const auto entry = view->lookup(from);
    ASSERT_TRUE(entry.ok());
    auto writer = std::move(*transaction->write_content());
    ASSERT_TRUE(writer->append_from(*view, entry->object, 0, entry->size).ok());
    ASSERT_TRUE(transaction->put_object(kRootFolder, to, Attributes{}, std::move(writer)).ok());
    ASSERT_TRUE(transaction->commit().ok());
  }
  std::string read(const std::string& name) {
    const auto view = std::move(*store_->view(container_));
    const auto entry = view->lookup(name);
    if (!entry.ok()) return "(" + entry.error().message() + ")";
    std::string out;
    const Status status = view->stream(entry->object, [&](uint64_t offset, ByteView bytes) {
      out.resize(offset);
      out += bytes;
      return ok();
    });
    return status.ok() ? out : "(" + status.error().message() + ")";
  }
  void expect_sound() {
    ASSERT_TRUE(store_->close().ok());
    store_.reset();
    FsckOptions check;
    check.env = env_;
    check.data = true;
    std::vector<std::string> findings;
    const auto report = fsck("/store", check, [&](const Finding& finding) {
      if (finding.kind->severity == Severity::kHint) return;
      findings.push_back(std::string(finding.kind->code) + ": " + finding.message);
    });
    EXPECT_TRUE(report.ok());
    EXPECT_EQ(findings, std::vector<std::string>{});
    open();
  }

  const std::shared_ptr<io::SimEnv> env_ = std::make_shared<io::SimEnv>(1);
  std::unique_ptr<Store> store_;
  ContainerId container_;
};

TEST_F(LongContentTest, ItsExtentsAreNeitherInTheLogNorDirty) {
  ASSERT_TRUE(store_->checkpoint().ok());
  const std::string bytes = content(kLongBytes, 'a');
  put("k", bytes);
  const StoreInfo after_put = *store_->info();
  EXPECT_LT(after_put.dirty_bytes, 48u << 10);
  EXPECT_LT(after_put.log_bytes_since_checkpoint, 16u << 10);
  copy("k", "l");
  copy("l", "m");
  const StoreInfo after_copies = *store_->info();
  EXPECT_LT(after_copies.dirty_bytes, 80u << 10);
  EXPECT_LT(after_copies.log_bytes_since_checkpoint, 24u << 10);
  cut();
  for (const char* name : {"k", "l", "m"}) EXPECT_EQ(read(name), bytes) << name;
  expect_sound();
}

TEST_F(LongContentTest, ReplacingItLogsNeitherOfBoth) {
  put("k", content(kLongBytes, 'a'));
  ASSERT_TRUE(store_->checkpoint().ok());
  const std::string bytes = content(kLongBytes, 'b');
  put("k", bytes);
  EXPECT_LT(store_->info()->log_bytes_since_checkpoint, 16u << 10);
  cut();
  EXPECT_EQ(read("k"), bytes);
  expect_sound();
}

// What a copy writes to disk, by what the segments hold when all is synced.
TEST_F(LongContentTest, CopiesWriteLittleBeforeACheckpoint) {
  ASSERT_TRUE(store_->checkpoint().ok());
  put("k", content(kLongBytes, 'a'));
  const auto written = [&] {
    uint64_t bytes = 0;
    for (const std::string& path : env_->files()) bytes += env_->read_raw(path)->size();
    return bytes;
  };
  const uint64_t before = written();
  for (int i = 0; i < 8; ++i) copy("k", "copy-" + std::to_string(i));
  EXPECT_LT(written() - before, 8u * (24u << 10));
  expect_sound();
}

TEST_F(LongContentTest, ReplacedRemovedAndShortInOneTransaction) {
  const std::string first = content(kLongBytes, 'a'), second = content(kLongBytes / 2, 'b');
  put("replaced", first);
  put("shortened", first);
  auto transaction = begin();
  put_into(*transaction, "replaced", second);
  put_into(*transaction, "shortened", "x");
  put_into(*transaction, "removed", content(kLongBytes, 'c'));
  put_into(*transaction, "twice", content(kLongBytes, 'd'));
  put_into(*transaction, "twice", second);
  put_into(*transaction, "short", "y");
  ASSERT_TRUE(transaction->remove(kRootFolder, "removed").ok());
  ASSERT_TRUE(transaction->commit().ok());
  transaction.reset();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(read("replaced"), second);
    EXPECT_EQ(read("shortened"), "x");
    EXPECT_EQ(read("twice"), second);
    EXPECT_EQ(read("short"), "y");
    EXPECT_FALSE(store_->view(container_).value()->lookup("removed").ok());
    if (i == 0) cut();
  }
  expect_sound();
}

TEST_F(LongContentTest, TransactionsAtOnce) {
  const std::string first = content(kLongBytes, 'a'), second = content(kLongBytes, 'b');
  put("k", "short");
  auto one = begin();
  auto two = begin();
  auto three = begin();
  put_into(*one, "one", first);
  put_into(*two, "two", second);
  put_into(*three, "k", second);
  put("k", first);
  ASSERT_TRUE(one->commit().ok());
  ASSERT_TRUE(two->commit().ok());
  const auto done = three->commit();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::kBusy);
  one.reset();
  two.reset();
  three.reset();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(read("one"), first);
    EXPECT_EQ(read("two"), second);
    EXPECT_EQ(read("k"), first);
    if (i == 0) cut();
  }
  expect_sound();
}

}  // namespace
}  // namespace ramet
