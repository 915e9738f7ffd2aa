// Transactions as callers see them: names, links, content, and what happens when two change the
// same container at once.
#include "engine/transaction.h"

#include <gtest/gtest.h>

#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

using test::code_of;
using test::noise;
using test::StoreTest;

class TransactionTest : public StoreTest {
 protected:
  // Two transactions from the same state; the first commits, then the second.
  struct Codes {
    std::string first, second;
  };
  Codes both(const std::function<void(Transaction&)>& first,
             const std::function<void(Transaction&)>& second) {
    const auto one = begin();
    const auto two = begin();
    first(*one);
    second(*two);
    Codes codes;
    codes.first = code_of(one->commit());
    codes.second = code_of(two->commit());
    return codes;
  }
  ObjectInfo object_at(const std::string& path) {
    const auto view = *store_->view(container_);
    const auto entry = view->lookup(path);
    EXPECT_TRUE(entry.ok()) << path;
    return entry.ok() ? *view->object(entry->object) : ObjectInfo{};
  }
  // The number of names that lead to an object, counted.
  uint32_t names_of(const ObjectId& id, const FolderId& folder = kRootFolder) {
    const auto view = *store_->view(container_);
    uint32_t count = 0;
    std::vector<FolderId> folders;
    EXPECT_TRUE(view->list(folder, {}, [&](const Entry& entry) {
      if (entry.is_folder()) folders.push_back(entry.folder);
      else count += entry.object == id ? 1 : 0;
      return true;
    }).ok());
    for (const FolderId& below : folders) count += names_of(id, below);
    return count;
  }
};

// --- names ---------------------------------------------------------------------------------------

TEST_F(TransactionTest, NamesAreAnyBytesButTheFewThatCannotBe) {
  const auto transaction = begin();
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."),
                                 std::string("a/b"), std::string("a\0b", 3),
                                 std::string(256, 'n')}) {
    EXPECT_EQ(code_of(transaction->create_folder(kRootFolder, bad, Attributes{})),
              "invalid argument");
    EXPECT_EQ(code_of(transaction->put_object(kRootFolder, bad, Attributes{}, nullptr)),
              "invalid argument");
    EXPECT_EQ(code_of(transaction->put_symlink(kRootFolder, bad, "x", Attributes{})),
              "invalid argument");
  }
  for (const std::string& good :
       {std::string(255, 'n'), std::string("new\nline"), std::string("\xFF\xFE"),
        std::string("..."), std::string(" "), std::string("a:b@c"), std::string("\x01")}) {
    const auto id = transaction->put_object(kRootFolder, good, Attributes{}, nullptr);
    ASSERT_TRUE(id.ok()) << id.error().to_string();
    EXPECT_EQ(transaction->lookup("/" + good)->object, *id);
  }
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(store_->container(container_)->summary[SummaryColumn::kObjects], 7u);
}

TEST_F(TransactionTest, ANameLeadsToOneThing) {
  put("/d/file", "x");
  const auto transaction = begin();
  const FolderId folder = transaction->lookup("/d")->folder;
  const ObjectId file = transaction->lookup("/d/file")->object;
  EXPECT_EQ(code_of(transaction->create_folder(folder, "file", Attributes{})),
            "already exists");
  EXPECT_EQ(code_of(transaction->create_folder(kRootFolder, "d", Attributes{})),
            "already exists");
  EXPECT_EQ(code_of(transaction->put_object(kRootFolder, "d", Attributes{}, nullptr)),
            "already exists");
  EXPECT_EQ(code_of(transaction->link(file, folder, "file")), "already exists");
  EXPECT_EQ(code_of(transaction->create_folders("/d/file/more")), "already exists");
  EXPECT_EQ(*transaction->create_folders("/d"), folder);
  FolderId nowhere;
  nowhere.bytes[3] = 9;
  EXPECT_EQ(code_of(transaction->put_object(nowhere, "x", Attributes{}, nullptr)), "not found");
  ObjectId nothing;
  nothing.bytes[3] = 9;
  EXPECT_EQ(code_of(transaction->link(nothing, folder, "y")), "not found");
  EXPECT_EQ(code_of(transaction->object(nothing)), "not found");
}

TEST_F(TransactionTest, PuttingOnANameReplacesTheContentForAllNames) {
  put("/a", "one");
  const ObjectId id = object_at("/a").id;
  change([&](Transaction& transaction) {
    EXPECT_TRUE(transaction.link(id, kRootFolder, "b").ok());
  });
  put("/b", "other");
  EXPECT_EQ(object_at("/a").id, id);
  EXPECT_EQ(get("/a"), "other");
  EXPECT_EQ(object_at("/a").links_count, 2u);
}

TEST_F(TransactionTest, FoldersGoWhenTheyAreEmptyOrAsATree) {
  put("/d/e/f", "x");
  put("/d/g", "y");
  const auto transaction = begin();
  EXPECT_EQ(code_of(transaction->remove(kRootFolder, "d")), "failed precondition");
  EXPECT_EQ(code_of(transaction->remove(kRootFolder, "none")), "not found");
  EXPECT_EQ(code_of(transaction->remove_tree(kRootFolder, "none")), "not found");
  ASSERT_TRUE(transaction->remove_tree(kRootFolder, "d").ok());
  EXPECT_EQ(code_of(transaction->lookup("/d")), "not found");
  ASSERT_TRUE(transaction->commit().ok());
  const Summary summary = store_->container(container_)->summary;
  EXPECT_EQ(summary[SummaryColumn::kObjects], 0u);
  EXPECT_EQ(summary[SummaryColumn::kFolders], 0u);
  EXPECT_EQ(summary[SummaryColumn::kContentBytes], 0u);
}

TEST_F(TransactionTest, AFolderIsNeverMovedBelowItself) {
  put("/a/b/c/file", "x");
  const auto transaction = begin();
  const FolderId c = transaction->lookup("/a/b/c")->folder;
  EXPECT_EQ(code_of(transaction->rename(kRootFolder, "a", c, "d")), "invalid argument");
  EXPECT_EQ(code_of(transaction->rename(transaction->lookup("/a")->folder, "b", c, "b")),
            "invalid argument");
  EXPECT_TRUE(transaction->rename(kRootFolder, "a", kRootFolder, "a").ok()) << "to itself";
  EXPECT_TRUE(transaction->rename(c, "file", kRootFolder, "up").ok());
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(get("/up"), "x");
}

TEST_F(TransactionTest, RenamesReplaceOnRequestOnly) {
  put("/a", "one");
  put("/b", "two");
  put("/d/x", "three");
  change([&](Transaction& transaction) {
    EXPECT_EQ(code_of(transaction.rename(kRootFolder, "a", kRootFolder, "b")), "already exists");
    EXPECT_EQ(code_of(transaction.rename(kRootFolder, "a", kRootFolder, "d", true)),
              "already exists");
    EXPECT_TRUE(transaction.rename(kRootFolder, "a", kRootFolder, "b", true).ok());
  });
  EXPECT_EQ(get("/b"), "one");
  EXPECT_EQ(get("/a"), "not found");
  EXPECT_EQ(store_->container(container_)->summary[SummaryColumn::kObjects], 2u);
}

TEST_F(TransactionTest, AnObjectGoesWithItsLastName) {
  put("/a", "content");
  const ObjectId id = object_at("/a").id;
  change([&](Transaction& transaction) {
    const FolderId d = *transaction.create_folders("/d");
    EXPECT_TRUE(transaction.link(id, d, "b").ok());
    EXPECT_TRUE(transaction.link(id, d, "c").ok());
  });
  change([&](Transaction& transaction) {
    EXPECT_TRUE(transaction.remove(kRootFolder, "a").ok());
  });
  EXPECT_EQ(object_at("/d/b").links_count, 2u);
  EXPECT_EQ(*(*store_->view(container_))->path_of(id), "/d/b") << "another name is the first";
  change([&](Transaction& transaction) {
    EXPECT_TRUE(transaction.remove_tree(kRootFolder, "d").ok());
  });
  EXPECT_EQ(code_of((*store_->view(container_))->object(id)), "not found");
  EXPECT_EQ(store_->container(container_)->summary[SummaryColumn::kObjects], 0u);
}

TEST_F(TransactionTest, AttributesComeBackAndTheirLimitsAreSaid) {
  Attributes attributes;
  attributes.mode = 0104755;
  attributes.uid = 12;
  attributes.gid = 0xFFFFFFFF;
  attributes.modified = -1'234'567'890'123'456'789;
  attributes.xattrs = {{"user.a", std::string("\0\xFF", 2)}, {"user.b", ""}};
  change([&](Transaction& transaction) {
    EXPECT_TRUE(transaction.put_object(kRootFolder, "f", attributes, nullptr).ok());
    Attributes too_many = attributes;
    too_many.xattrs = {{"user.big", std::string(9000, 'x')}};
    EXPECT_FALSE(transaction.put_object(kRootFolder, "g", too_many, nullptr).ok());
    Attributes other_type = attributes;
    other_type.mode = 0010644;
    EXPECT_EQ(code_of(transaction.set_attributes(transaction.lookup("/f")->object, other_type)),
              "invalid argument");
    Attributes folder = attributes;
    folder.mode = 0040755;
    EXPECT_EQ(code_of(transaction.put_object(kRootFolder, "h", folder, nullptr)),
              "invalid argument");
    EXPECT_FALSE(transaction.put_symlink(kRootFolder, "l", "", attributes).ok());
    EXPECT_FALSE(
        transaction.put_symlink(kRootFolder, "l", std::string(4096, 'x'), attributes).ok());
    Attributes link;
    link.mode = 0120777;
    EXPECT_TRUE(
        transaction.put_symlink(kRootFolder, "l", std::string(4095, 'x'), link).ok());
  });
  reopen();
  EXPECT_EQ(object_at("/f").attributes, attributes);
  EXPECT_EQ(object_at("/l").target, std::string(4095, 'x'));
}

// --- content -------------------------------------------------------------------------------------

TEST_F(TransactionTest, ContentOfAnySizeAndShapeComesBack) {
  for (const size_t size : {0, 1, 4095, 4096, 4097, 16384, 65537, 300'000, 5'000'000}) {
    SCOPED_TRACE(size);
    const std::string content = noise(size, size);
    put("/f", content);
    EXPECT_EQ(get("/f"), content);
    const auto view = *store_->view(container_);
    const ObjectId id = view->lookup("/f")->object;
    EXPECT_TRUE(view->verify(id).ok());
    std::string part(100, '?');
    for (const uint64_t at : {uint64_t{0}, uint64_t{size} / 3, uint64_t{size},
                              uint64_t{size} + 10, ~uint64_t{0} - 5}) {
      const auto got = view->read(id, at, part);
      ASSERT_TRUE(got.ok());
      const size_t expected = at >= size ? 0 : std::min<size_t>(100, size - at);
      ASSERT_EQ(*got, expected);
      EXPECT_EQ(part.substr(0, *got), at >= size ? "" : content.substr(at, expected));
    }
  }
}

TEST_F(TransactionTest, HolesReadAsZerosAndTakeNoSpace) {
  const std::string piece = noise(20'000, 5);
  change([&](Transaction& transaction) {
    auto writer = transaction.write_content();
    EXPECT_TRUE((*writer)->hole(1'000'001).ok());
    EXPECT_TRUE((*writer)->append(piece).ok());
    EXPECT_TRUE((*writer)->hole(uint64_t{1} << 40).ok());
    EXPECT_TRUE((*writer)->append("end").ok());
    EXPECT_TRUE((*writer)->hole(7).ok());
    EXPECT_TRUE(transaction.put_object(kRootFolder, "f", Attributes{}, std::move(*writer)).ok());
    EXPECT_EQ(transaction.ingest_stats().content_bytes, piece.size() + 3);
  });
  const auto view = *store_->view(container_);
  const Entry entry = *view->lookup("/f");
  const uint64_t end = 1'000'001 + piece.size() + (uint64_t{1} << 40);
  EXPECT_EQ(entry.size, end + 10);
  std::string bytes(piece.size() + 2, '?');
  ASSERT_TRUE(view->read(entry.object, 1'000'000, bytes).ok());
  EXPECT_EQ(bytes, std::string(1, '\0') + piece + std::string(1, '\0'));
  bytes.assign(20, '?');
  EXPECT_EQ(*view->read(entry.object, end - 2, bytes), 12u);
  EXPECT_EQ(bytes.substr(0, 12), std::string("\0\0end\0\0\0\0\0\0\0", 12));
}

TEST_F(TransactionTest, EqualContentIsStoredOnceAndHasOneId) {
  const std::string content = noise(500'000, 8);
  put("/a", content);
  const auto transaction = begin();
  write(*transaction, "/b", content);
  EXPECT_EQ(transaction->ingest_stats().new_blocks, 0u);
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(object_at("/a").content_id, object_at("/b").content_id);
  put("/c", content + "x");
  EXPECT_NE(object_at("/a").content_id, object_at("/c").content_id);
}

TEST_F(TransactionTest, WhatIsNotCommittedIsNotThere) {
  put("/a", "one");
  {
    const auto transaction = begin();
    write(*transaction, "/a", "two");
    write(*transaction, "/b", noise(400'000, 2));
    EXPECT_EQ(get("/a"), "one") << "others see the last commit";
  }
  EXPECT_EQ(get("/a"), "one");
  EXPECT_EQ(get("/b"), "not found");
  const auto empty = begin();
  const Sequence before = store_->info()->sequence;
  EXPECT_EQ(*empty->commit(), before) << "nothing is written";
}

// --- two at once ---------------------------------------------------------------------------------

TEST_F(TransactionTest, ChangesInDifferentPlacesBothCommit) {
  put("/a", "a");
  put("/d/b", "b");
  const Codes codes = both([&](Transaction& one) { write(one, "/a", "A"); },
                           [&](Transaction& two) {
                             write(two, "/d/b", "B");
                             write(two, "/d/new", "N");
                           });
  EXPECT_EQ(codes.first, "ok");
  EXPECT_EQ(codes.second, "ok");
  EXPECT_EQ(get("/a") + get("/d/b") + get("/d/new"), "ABN");
}

TEST_F(TransactionTest, ChangesOfTheSameThingConflict) {
  put("/a", "a");
  put("/d/b", "b");
  const auto expect_conflict = [&](const char* what, auto first, auto second) {
    SCOPED_TRACE(what);
    const Codes codes = both(first, second);
    EXPECT_EQ(codes.first, "ok");
    EXPECT_EQ(codes.second, "busy");
  };
  expect_conflict("content", [&](Transaction& one) { write(one, "/a", "1"); },
                  [&](Transaction& two) { write(two, "/a", "2"); });
  EXPECT_EQ(get("/a"), "1");
  expect_conflict("a new name", [&](Transaction& one) { write(one, "/new", "1"); },
                  [&](Transaction& two) { write(two, "/new", "2"); });
  expect_conflict("a name of two kinds", [&](Transaction& one) { write(one, "/kind", "1"); },
                  [&](Transaction& two) { EXPECT_TRUE(two.create_folders("/kind").ok()); });
  put("/twice", "x");
  expect_conflict(
      "removed twice",  // only one of them can say that it removed it
      [&](Transaction& one) { EXPECT_TRUE(one.remove(kRootFolder, "twice").ok()); },
      [&](Transaction& two) { EXPECT_TRUE(two.remove(kRootFolder, "twice").ok()); });
  put("/tree/x", "x");
  expect_conflict(
      "a tree removed twice",
      [&](Transaction& one) { EXPECT_TRUE(one.remove_tree(kRootFolder, "tree").ok()); },
      [&](Transaction& two) { EXPECT_TRUE(two.remove_tree(kRootFolder, "tree").ok()); });
  expect_conflict(
      "removed and changed",
      [&](Transaction& one) { EXPECT_TRUE(one.remove(kRootFolder, "kind").ok()); },
      [&](Transaction& two) { write(two, "/kind", "2"); });
  expect_conflict(
      "a folder removed and filled",
      [&](Transaction& one) { EXPECT_TRUE(one.remove_tree(kRootFolder, "d").ok()); },
      [&](Transaction& two) { write(two, "/d/more", "2"); });
  ASSERT_TRUE(both([&](Transaction& one) { write(one, "/e/file", "1"); },
                   [&](Transaction&) {}).first == "ok");
  expect_conflict(
      "a folder filled and removed", [&](Transaction& one) { write(one, "/e/more", "1"); },
      [&](Transaction& two) { EXPECT_TRUE(two.remove_tree(kRootFolder, "e").ok()); });
  EXPECT_EQ(get("/e/more"), "1");
}

// Folders that others made, filled and removed meanwhile have nothing to do with it.
TEST_F(TransactionTest, FoldersOfOthersAreNoConflict) {
  put("/gone/x", "x");
  const Codes codes = both(
      [&](Transaction& one) {
        write(one, "/new/file", "n");
        EXPECT_TRUE(one.remove_tree(kRootFolder, "gone").ok());
      },
      [&](Transaction& two) { write(two, "/mine/file", "m"); });
  EXPECT_EQ(codes.first, "ok");
  EXPECT_EQ(codes.second, "ok");
  EXPECT_EQ(get("/new/file") + get("/mine/file"), "nm");
  EXPECT_EQ(get("/gone/x"), "not found");
}

// What another client does to a name that is none of a transaction's business.
TEST_F(TransactionTest, ANameThatOthersReplacedIsNoConflict) {
  put("/mine", "m");
  put("/theirs", "old");
  put("/theirs.new", "new");
  const Codes codes = both(
      [&](Transaction& one) {
        EXPECT_TRUE(one.rename(kRootFolder, "theirs.new", kRootFolder, "theirs", true).ok());
      },
      [&](Transaction& two) { write(two, "/mine", "changed"); });
  EXPECT_EQ(codes.first, "ok");
  EXPECT_EQ(codes.second, "ok");
  EXPECT_EQ(get("/theirs") + get("/mine"), "newchanged");
}

TEST_F(TransactionTest, MovesThatWouldMakeALoopTogetherConflict) {
  change([&](Transaction& transaction) {
    EXPECT_TRUE(transaction.create_folders("/a").ok());
    EXPECT_TRUE(transaction.create_folders("/b").ok());
  });
  const Codes codes = both(
      [&](Transaction& one) {
        EXPECT_TRUE(
            one.rename(kRootFolder, "a", one.lookup("/b")->folder, "a").ok());
      },
      [&](Transaction& two) {
        EXPECT_TRUE(
            two.rename(kRootFolder, "b", two.lookup("/a")->folder, "b").ok());
      });
  EXPECT_EQ(codes.first, "ok");
  EXPECT_EQ(codes.second, "busy");
}

// Both changes give the object the same record; together they would miscount its names.
TEST_F(TransactionTest, NamesThatAreMadeOrRemovedAtOnceAreCounted) {
  put("/a", "a");
  const ObjectId id = object_at("/a").id;
  const auto link = [&](const char* name) {
    return [&, name](Transaction& transaction) {
      EXPECT_TRUE(transaction.link(id, kRootFolder, name).ok());
    };
  };
  const auto unlink = [&](const char* name) {
    return [name](Transaction& transaction) {
      EXPECT_TRUE(transaction.remove(kRootFolder, name).ok());
    };
  };
  both(link("b"), link("c"));
  EXPECT_EQ(object_at("/a").links_count, names_of(id));
  change(link("d"));
  change(link("e"));
  both(unlink("d"), unlink("e"));
  EXPECT_EQ(object_at("/a").links_count, names_of(id));
  both(unlink("b"), link("f"));
  EXPECT_EQ(object_at("/a").links_count, names_of(id));
}

TEST_F(TransactionTest, ADroppedContainerTakesNoMoreCommits) {
  const auto transaction = begin();
  write(*transaction, "/a", "x");
  ASSERT_TRUE(store_->drop_container(container_).ok());
  EXPECT_EQ(code_of(transaction->commit()), "not found");
}

// What has one block has the block's name: before the commit, and after it.
TEST_F(TransactionTest, ObjectsTellTheirContentIdBeforeTheyAreCommitted) {
  ContentHash before;
  ObjectId id;
  change([&](Transaction& transaction) {
    id = write(transaction, "/o", "short");
    before = transaction.object(id)->content_id;
  });
  EXPECT_FALSE(before.is_zero());
  EXPECT_EQ((*store_->view(container_))->object(id)->content_id, before);
  EXPECT_EQ(begin()->object(id)->content_id, before);
}

}  // namespace
}  // namespace ramet
