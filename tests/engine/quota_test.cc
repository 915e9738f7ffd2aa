// Goal: no commit grows a container beyond its quota, whoever commits at once and however big the
// transaction; what does not grow always works. Method: the public interface, single and many
// threads, against a plain count.
#include <gtest/gtest.h>

#include <thread>

#include "engine/import.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

using test::code_of;

class QuotaTest : public test::StoreTest {
 protected:
  void limit(const char* setting, const std::string& value) {
    const Status set = store_->set_setting(container_, setting, value);
    ASSERT_TRUE(set.ok()) << set.error().to_string();
  }
  Result<Sequence> try_put(const std::string& path, size_t bytes) {
    return try_put_into(container_, path, bytes);
  }
  Result<Sequence> try_put_into(ContainerId container, const std::string& path, size_t bytes) {
    auto transaction = store_->begin(container);
    EXPECT_TRUE(transaction.ok());
    write(**transaction, path, std::string(bytes, 'x'));
    return (*transaction)->commit();
  }
  uint64_t bytes() {
    return store_->container(container_)->summary[SummaryColumn::kContentBytes];
  }
  uint64_t objects() { return store_->container(container_)->summary[SummaryColumn::kObjects]; }
};

TEST_F(QuotaTest, AGrowingCommitBeyondItFailsAndNamesAllThatCounts) {
  limit("quota-bytes", "1000");
  ASSERT_TRUE(try_put("/a", 600).ok());
  const auto refused = try_put("/b", 401);
  ASSERT_EQ(code_of(refused), "quota exceeded");
  for (const char* part : {"'c'", "1000", "1001", "quota-bytes"}) {
    EXPECT_NE(refused.error().message().find(part), std::string::npos) << part;
  }
  EXPECT_EQ(get("/b"), "not found");
  EXPECT_TRUE(try_put("/b", 400).ok()) << "just so much";
  reopen();
  EXPECT_EQ(bytes(), 1000u);
  EXPECT_EQ(code_of(try_put("/a", 601)), "quota exceeded");
  limit("quota-bytes", "none");
  EXPECT_TRUE(try_put("/a", 5000).ok());
}

TEST_F(QuotaTest, ObjectsAreCountedToo) {
  limit("quota-objects", "2");
  ASSERT_TRUE(try_put("/d/a", 1).ok());
  ASSERT_TRUE(try_put("/d/b", 1).ok());
  EXPECT_EQ(code_of(try_put("/d/c", 1)), "quota exceeded");
  EXPECT_TRUE(try_put("/d/b", 100).ok()) << "no object more";
  change([](Transaction& transaction) {
    EXPECT_TRUE(transaction.remove(transaction.lookup("/d")->folder, "a").ok());
  });
  EXPECT_TRUE(try_put("/d/c", 1).ok());
}

TEST_F(QuotaTest, WhatDoesNotGrowWorksWhileThereIsTooMuch) {
  ASSERT_TRUE(try_put("/a", 5000).ok());
  ASSERT_TRUE(try_put("/b", 5000).ok());
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  limit("quota-bytes", "1K");
  EXPECT_EQ(code_of(try_put("/c", 1)), "quota exceeded");
  EXPECT_TRUE(try_put("/a", 4000).ok()) << "less, and still too much";
  EXPECT_TRUE(try_put("/a", 0).ok());
  change([](Transaction& transaction) {
    EXPECT_TRUE(transaction.remove(kRootFolder, "b").ok());
  });
  EXPECT_EQ(bytes(), 0u);
  EXPECT_EQ(code_of(store_->rollback(container_, "s")), "quota exceeded") << "it would grow";
  ASSERT_TRUE(store_->drop_container(container_).ok());
  DropNumber number = 0;
  ASSERT_TRUE(store_->dropped([&](const DroppedInfo& info) {
                      number = info.number;
                      return true;
                    }).ok());
  EXPECT_TRUE(store_->undelete(number).ok());
}

TEST_F(QuotaTest, ASpilledTransactionIsHeldToItAsWell) {
  ASSERT_TRUE(store_->close().ok());
  StoreOptions options = test::store_options();
  options.transaction_bytes_max = 4 << 10;
  store_ = std::move(*Store::open(path_, options));
  limit("quota-objects", "100");
  for (const size_t files : {101, 100}) {
    auto transaction = begin();
    for (size_t i = 0; i < files; ++i) write(*transaction, "/d/f" + std::to_string(i), "x");
    EXPECT_EQ(code_of(transaction->commit()), files > 100 ? "quota exceeded" : "ok");
  }
  EXPECT_EQ(objects(), 100u);
  // All of it goes, and the graft is of the empty tree.
  auto transaction = begin();
  EXPECT_TRUE(transaction->remove_tree(kRootFolder, "d").ok());
  EXPECT_TRUE(transaction->commit().ok());
  EXPECT_EQ(objects(), 0u);
}

TEST_F(QuotaTest, ClonesTakeItOverAndPartsAreHeldToIt) {
  ASSERT_TRUE(try_put("/a", 600).ok());
  limit("quota-bytes", "1000");
  CloneSpec whole;
  whole.source = container_;
  whole.new_container = "copy";
  const auto copy = store_->clone(whole);
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(code_of(try_put_into(copy->container, "/b", 401)), "quota exceeded");
  EXPECT_TRUE(try_put_into(copy->container, "/b", 400).ok());
  CloneSpec part;
  part.source = copy->container;
  part.paths = {"/b"};
  part.target = container_;
  part.target_folder = "/";
  part.identity = CloneIdentity::kFresh;
  EXPECT_TRUE(store_->clone(part).ok());
  part.target_name = "again";
  EXPECT_EQ(code_of(store_->clone(part)), "quota exceeded");
}

TEST_F(QuotaTest, AnImportBeyondItStoresNothing) {
  limit("quota-bytes", "10");
  test::make_folder(dir_.file("tree"));
  test::write_bytes(dir_.file("tree/f"), "more than ten bytes");
  EXPECT_EQ(code_of(import_tree(*store_, container_, dir_.file("tree"), "/", ImportOptions{})),
            "quota exceeded");
  EXPECT_EQ(get("/f"), "not found");
}

TEST_F(QuotaTest, TransactionsAtOnceAreWeighedOnTopOfEachOther) {
  limit("quota-bytes", "1000");
  auto one = begin();
  auto two = begin();
  write(*one, "/a", std::string(600, 'a'));
  write(*two, "/b", std::string(600, 'b'));
  EXPECT_TRUE(one->commit().ok());
  EXPECT_EQ(code_of(two->commit()), "quota exceeded") << "each alone would fit";
}

TEST_F(QuotaTest, ManyWritersNeverOvershootTogether) {
  limit("quota-objects", "40");
  limit("quota-bytes", "300");
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([this, writer] {
      for (int i = 0; i < 25; ++i) {
        const auto done = try_put("/w" + std::to_string(writer) + "-" + std::to_string(i), 10);
        if (!done.ok() && done.error().code() == ErrorCode::kBusy) --i;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(bytes(), 300u) << "filled to the brim, and no further";
  EXPECT_EQ(objects(), 30u);
}

}  // namespace
}  // namespace ramet
