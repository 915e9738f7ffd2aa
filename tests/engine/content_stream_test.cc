// Goal: a content is handed out as it was written, in order, however its blocks lie and whoever
// helps; a damaged block ends it behind what stands before, with an error that names it; an error
// of the taker ends it at once.
// Method: contents long enough for helpers, plain and compressed, with repeated blocks and holes,
// in a store with background threads; one byte of a segment changed.
#include "engine/content/content_stream.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "engine/store.h"
#include "tests/engine/import_fixture.h"

namespace ramet::engine {
namespace {

namespace fs = std::filesystem;
using test::noise;

// Neither plain noise nor all equal: what compresses, what doesn't, and what repeats.
Bytes mixed(size_t length) {
  Bytes out;
  const Bytes again = noise(300'000, 5);
  for (int i = 0; out.size() < length; ++i) {
    if (i % 3 == 0) out += noise(200'000, 100 + i);
    if (i % 3 == 1) out += again;
    if (i % 3 == 2) out += Bytes(150'000, static_cast<char>('a' + i % 7)) + noise(1000, i);
  }
  out.resize(length);
  return out;
}

class ContentStreamTest : public testing::Test {
 protected:
  void open(const std::string& compression) {
    options_ = test::small_store_options();
    options_.background = true;
    ASSERT_TRUE(Store::create(path(), options_).ok());
    reopen();
    container_ = (*store_->create_container("c", {}, {{"compression", compression}})).id;
  }
  void reopen() {
    store_.reset();
    auto opened = Store::open(path(), options_);
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    store_ = std::move(*opened);
  }
  std::string path() const { return dir_.file("store"); }

  // A content of `before`, a hole and `behind`.
  void put(const Bytes& before, uint64_t hole, const Bytes& behind) {
    auto transaction = store_->begin(container_);
    ASSERT_TRUE(transaction.ok());
    auto content = (*transaction)->write_content();
    ASSERT_TRUE(content.ok());
    ASSERT_TRUE((*content)->append(before).ok());
    ASSERT_TRUE((*content)->hole(hole).ok());
    ASSERT_TRUE((*content)->append(behind).ok());
    ASSERT_TRUE(
        (*transaction)->put_object(kRootFolder, "f", Attributes{}, std::move(*content)).ok());
    ASSERT_TRUE((*transaction)->commit().ok());
  }
  Status stream(const std::function<Status(uint64_t, ByteView)>& sink) {
    const auto view = store_->view(container_);
    return (*view)->stream((*(*view)->lookup("f")).object, sink);
  }

  test::TempDir dir_;
  StoreOptions options_;
  std::unique_ptr<Store> store_;
  ContainerId container_;
};

TEST_F(ContentStreamTest, WhatWasWrittenComesInOrder) {
  for (const char* compression : {"none", "zstd:1"}) {
    SCOPED_TRACE(compression);
    store_.reset();
    fs::remove_all(path());
    open(compression);
    const Bytes before = mixed(11'000'000);
    const Bytes behind = mixed(7'000'001);
    put(before, 5000, behind);
    for (const bool closed : {false, true}) {
      if (closed) reopen();
      Bytes all;
      const Status done = stream([&](uint64_t offset, ByteView bytes) {
        EXPECT_GE(offset, all.size());
        all.resize(offset);
        all += bytes;
        return ok();
      });
      ASSERT_TRUE(done.ok()) << done.error().to_string();
      EXPECT_TRUE(all == before + Bytes(5000, '\0') + behind);
    }
  }
}

TEST_F(ContentStreamTest, SeveralAtOnce) {
  open("none");
  const Bytes content = mixed(20'000'000);
  put(content, 0, {});
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Bytes all;
      const Status done = stream([&](uint64_t, ByteView bytes) {
        all += bytes;
        return ok();
      });
      if (done.ok() && all == content) ++right;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 4);
}

TEST_F(ContentStreamTest, AnErrorOfTheTakerEndsIt) {
  open("none");
  put(mixed(20'000'000), 0, {});
  for (const int good : {0, 1, 500}) {
    int taken = 0;
    const Status done = stream([&](uint64_t, ByteView) -> Status {
      if (taken++ < good) return ok();
      return Error(ErrorCode::kOutOfSpace, "full");
    });
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code(), ErrorCode::kOutOfSpace);
    EXPECT_EQ(taken, good + 1);
  }
}

TEST_F(ContentStreamTest, ADamagedBlockIsNamedAndWhatStandsBeforeItCame) {
  open("none");
  const Bytes content = noise(16'000'000, 3);
  put(content, 0, {});
  ASSERT_TRUE(store_->close().ok());
  const size_t damaged_at = 9'000'000;
  bool found = false;
  for (const auto& entry : fs::directory_iterator(path() + "/segments")) {
    Bytes bytes = test::read_bytes(entry.path());
    const size_t at = bytes.find(content.substr(damaged_at, 64));
    if (at == Bytes::npos) continue;
    test::write_bytes(entry.path(), "!", static_cast<off_t>(at));
    found = true;
  }
  ASSERT_TRUE(found);
  reopen();
  Bytes all;
  const Status done = stream([&](uint64_t offset, ByteView bytes) {
    EXPECT_EQ(offset, all.size());
    all += bytes;
    return ok();
  });
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code(), ErrorCode::kCorruption);
  EXPECT_NE(done.error().message().find("/f"), std::string::npos) << done.error().to_string();
  EXPECT_NE(done.error().message().find("slot"), std::string::npos) << done.error().to_string();
  EXPECT_LE(all.size(), damaged_at);
  EXPECT_GT(all.size(), damaged_at - kBlockBytesMax / 16);
  EXPECT_TRUE(content.starts_with(all));
}

}  // namespace
}  // namespace ramet::engine
