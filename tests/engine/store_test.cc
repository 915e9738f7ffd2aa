// Stores, containers and snapshots as callers see them: names, who may open what, what is left
// after a close, and that clones are peers. Transactions have a file of their own.
#include "engine/store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "tests/engine/store_fixture.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_files.h"

namespace ramet {
namespace {

using test::code_of;
using test::StoreTest;
using test::TempDir;
using test::write_bytes;

// --- making and opening --------------------------------------------------------------------------

TEST(StoreCreate, NeedsADirectoryOfItsOwn) {
  const TempDir dir;
  const StoreOptions options = test::store_options();
  EXPECT_EQ(code_of(Store::create(dir.file("no/such/parent"), options)), "not found");
  ASSERT_TRUE(Store::create(dir.file("store"), options).ok());
  const Status again = Store::create(dir.file("store"), options);
  EXPECT_EQ(code_of(again), "already exists");
  EXPECT_NE(again.error().message().find(dir.file("store")), std::string::npos);

  test::make_folder(dir.file("other"));
  write_bytes(dir.file("other/letter"), "dear");
  const Status foreign = Store::create(dir.file("other"), options);
  EXPECT_EQ(code_of(foreign), "failed precondition");
  EXPECT_NE(foreign.error().message().find("'letter'"), std::string::npos);
  EXPECT_EQ(test::read_bytes(dir.file("other/letter")), "dear");
  EXPECT_NE(::access(dir.file("other/segments").c_str(), F_OK), 0) << "nothing was made in it";

  test::make_folder(dir.file("empty"));
  EXPECT_TRUE(Store::create(dir.file("empty"), options).ok());
  write_bytes(dir.file("file"), "x");
  EXPECT_FALSE(Store::create(dir.file("file"), options).ok());
}

TEST(StoreOpen, WhatIsNoStoreIsNotTouched) {
  const TempDir dir;
  const StoreOptions options = test::store_options();
  EXPECT_EQ(code_of(Store::open(dir.file("missing"), options)), "not found");
  test::make_folder(dir.file("foreign"));
  const auto foreign = Store::open(dir.file("foreign"), options);
  EXPECT_EQ(code_of(foreign), "failed precondition");
  EXPECT_NE(foreign.error().message().find(dir.file("foreign")), std::string::npos);
  EXPECT_NE(::access(dir.file("foreign/lock").c_str(), F_OK), 0) << "nothing was made in it";
}

TEST_F(StoreTest, IsOpenedByOneWriterOrManyReaders) {
  const auto second = Store::open(path_, test::store_options());
  ASSERT_EQ(code_of(second), "busy");
  EXPECT_NE(second.error().message().find(std::to_string(::getpid())), std::string::npos)
      << second.error().message();
  StoreOptions reading = test::store_options();
  reading.read_only = true;
  EXPECT_EQ(code_of(Store::open(path_, reading)), "busy");
  ASSERT_TRUE(store_->close().ok());
  {
    auto one = Store::open(path_, reading);
    auto two = Store::open(path_, reading);
    ASSERT_TRUE(one.ok() && two.ok());
    EXPECT_EQ(code_of(Store::open(path_, test::store_options())), "busy");
    EXPECT_TRUE((*two)->info()->read_only);
    EXPECT_EQ(code_of((*one)->create_container("x")), "failed precondition");
    EXPECT_EQ(code_of((*one)->checkpoint()), "failed precondition");
    EXPECT_EQ(code_of((*one)->begin((*one)->container("c")->id)),
              "failed precondition");
  }
  reopen();
}

TEST_F(StoreTest, ReadOnlyOpeningWritesNothing) {
  put("/a", "content");
  ASSERT_TRUE(store_->close().ok());
  const auto before = files();
  {
    StoreOptions reading = test::store_options();
    reading.read_only = true;
    auto store = Store::open(path_, reading);
    ASSERT_TRUE(store.ok());
    const auto view = (*store)->view((*store)->container("c")->id);
    EXPECT_TRUE((*view)->verify((*view)->lookup("/a")->object).ok());
  }
  EXPECT_EQ(files(), before);
  reopen();
}

TEST_F(StoreTest, ACallAfterTheCloseIsAnError) {
  ASSERT_TRUE(store_->close().ok());
  EXPECT_TRUE(store_->close().ok()) << "closing twice is fine";
  EXPECT_EQ(code_of(store_->container("c")), "failed precondition");
  EXPECT_EQ(code_of(store_->create_container("d")), "failed precondition");
  EXPECT_EQ(code_of(store_->view(container_)), "failed precondition");
  EXPECT_EQ(code_of(store_->begin(container_)), "failed precondition");
  EXPECT_EQ(code_of(store_->checkpoint()), "failed precondition");
  EXPECT_EQ(code_of(store_->info()), "failed precondition");
  CloneSpec spec;
  spec.source = container_;
  spec.new_container = "copy";
  EXPECT_EQ(code_of(store_->clone(spec)), "failed precondition");
}

// --- containers and snapshots --------------------------------------------------------------------

TEST_F(StoreTest, LabelsThatPathsCouldNotSayAreRefused) {
  for (const std::string& bad :
       {std::string(), std::string("a/b"), std::string("a:b"), std::string("a@b"),
        std::string("a\nb"), std::string("a\0b", 3), std::string(256, 'n')}) {
    EXPECT_EQ(code_of(store_->create_container(bad)), "invalid argument") << bad;
    EXPECT_EQ(code_of(store_->rename_container(container_, bad)), "invalid argument");
    EXPECT_EQ(code_of(store_->create_snapshot(container_, bad)), "invalid argument");
  }
  for (const std::string& good : {std::string(255, 'n'), std::string(" "), std::string("\xFF"),
                                  std::string("-x"), std::string("..")}) {
    const auto made = store_->create_container(good);
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    EXPECT_EQ(store_->container(good)->id, made->id);
  }
}

TEST_F(StoreTest, NotesHaveALimitThatLeavesThemDroppable) {
  const std::string longest(4096, 'n');
  EXPECT_EQ(code_of(store_->create_container("a", longest + "n")), "invalid argument");
  EXPECT_EQ(code_of(store_->create_snapshot(container_, "s", longest + "n")),
            "invalid argument");
  const auto made = store_->create_container(std::string(255, 'a'), longest);
  ASSERT_TRUE(made.ok());
  ASSERT_TRUE(store_->create_snapshot(made->id, std::string(255, 's'), longest).ok());
  put_into(made->id, "/f", "content");
  EXPECT_TRUE(store_->drop_container(made->id).ok());
}

TEST_F(StoreTest, ContainersAreFoundByNameAndIdUntilTheyAreDropped) {
  const auto made = store_->create_container("b", "a note");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->note, "a note");
  EXPECT_FALSE(made->lineage.has_value());
  EXPECT_EQ(code_of(store_->create_container("b")), "already exists");
  EXPECT_EQ(code_of(store_->rename_container(made->id, "c")), "already exists");
  ASSERT_TRUE(store_->rename_container(made->id, "b").ok()) << "its own name";
  ASSERT_TRUE(store_->rename_container(made->id, "z").ok());
  EXPECT_EQ(code_of(store_->container("b")), "not found");
  EXPECT_EQ(store_->container("z")->id, made->id);
  reopen();
  EXPECT_EQ(store_->container(made->id)->name, "z");
  EXPECT_EQ(store_->container(made->id)->note, "a note");
  ASSERT_TRUE(store_->drop_container(made->id).ok());
  for (const Status& status :
       {store_->drop_container(made->id), store_->rename_container(made->id, "y"),
        store_->drop_snapshot(made->id, "s")}) {
    EXPECT_EQ(code_of(status), "not found");
  }
  EXPECT_EQ(code_of(store_->begin(made->id)), "not found");
  EXPECT_EQ(code_of(store_->view(made->id)), "not found");
  EXPECT_EQ(code_of(store_->create_snapshot(made->id, "s")), "not found");
  EXPECT_TRUE(store_->create_container("z").ok()) << "the name is free again";
}

TEST_F(StoreTest, ContainersAreListedInNameOrderFromAnyPlace) {
  for (const char* name : {"delta", "alpha", "bravo"}) {
    ASSERT_TRUE(store_->create_container(name).ok());
  }
  const auto names = [&](std::string_view after, size_t most) {
    std::string out;
    EXPECT_TRUE(store_->containers(after, [&](const ContainerInfo& info) {
      out += info.name + " ";
      return --most > 0;
    }).ok());
    return out;
  };
  EXPECT_EQ(names("", 99), "alpha bravo c delta ");
  EXPECT_EQ(names("bravo", 99), "c delta ");
  EXPECT_EQ(names("bravp", 1), "c ");
  EXPECT_EQ(names("zulu", 99), "");
}

TEST_F(StoreTest, SnapshotsStayAsTheyWere) {
  put("/a", "one");
  const auto made = store_->create_snapshot(container_, "s1", "before");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->summary[SummaryColumn::kObjects], 1u);
  EXPECT_EQ(made->note, "before");
  EXPECT_EQ(code_of(store_->create_snapshot(container_, "s1")), "already exists");
  put("/a", "two");
  put("/b", "more");
  ASSERT_TRUE(store_->create_snapshot(container_, "s2").ok());
  reopen();
  EXPECT_EQ(get("/a", "s1"), "one");
  EXPECT_EQ(get("/b", "s1"), "not found");
  EXPECT_EQ(get("/a", "s2"), "two");
  EXPECT_EQ(code_of(store_->view(container_, "s3")), "not found");
  EXPECT_EQ(code_of(store_->drop_snapshot(container_, "s3")), "not found");
  ASSERT_TRUE(store_->drop_snapshot(container_, "s1").ok());
  EXPECT_EQ(code_of(store_->view(container_, "s1")), "not found");
  std::string names;
  ASSERT_TRUE(store_->snapshots(container_, [&](const SnapshotInfo& info) {
    names += info.name + " ";
    return true;
  }).ok());
  EXPECT_EQ(names, "s2 ");
}

// --- views ---------------------------------------------------------------------------------------

TEST_F(StoreTest, AViewShowsItsStateWhateverIsChangedOrDroppedMeanwhile) {
  put("/a", std::string(100'000, 'x'));
  const auto view = store_->view(container_);
  put("/a", "other");
  ASSERT_TRUE(store_->drop_container(container_).ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(store_->create_container(std::to_string(i)).ok());
  ASSERT_TRUE(store_->checkpoint().ok());
  std::string bytes(100'000, '\0');
  ASSERT_TRUE((*view)->read((*view)->lookup("/a")->object, 0, bytes).ok());
  EXPECT_EQ(bytes, std::string(100'000, 'x'));
}

TEST_F(StoreTest, PathsNameWhatIsMissing) {
  put("/folder/file", "x");
  const auto view = *store_->view(container_);
  EXPECT_TRUE(view->lookup("")->is_folder());
  EXPECT_TRUE(view->lookup("/")->is_folder());
  EXPECT_TRUE(view->lookup("folder/")->is_folder());
  EXPECT_EQ(view->lookup("folder/file")->size, 1u);
  const auto missing = view->lookup("/folder/nothing/more");
  EXPECT_EQ(code_of(missing), "not found");
  EXPECT_NE(missing.error().message().find("nothing"), std::string::npos);
  EXPECT_FALSE(view->lookup("/folder/file/below").ok());
}

// --- clones --------------------------------------------------------------------------------------

class CloneTest : public StoreTest {
 protected:
  ContainerId clone_to(ContainerId source, const std::string& name, std::string snapshot = {}) {
    CloneSpec spec;
    spec.source = source;
    spec.snapshot = std::move(snapshot);
    spec.new_container = name;
    const auto result = store_->clone(spec);
    EXPECT_TRUE(result.ok()) << result.error().to_string();
    return result.ok() ? result->container : ContainerId{};
  }
};

TEST_F(CloneTest, IsAPeerOfItsSource) {
  put("/a", "one");
  put("/d/b", std::string(50'000, 'b'));
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  const ObjectId object = (*store_->view(container_))->lookup("/a")->object;
  const ContainerId clone = clone_to(container_, "clone");
  EXPECT_EQ((*store_->view(clone))->lookup("/a")->object, object) << "ids are kept";
  EXPECT_EQ(code_of(store_->view(clone, "s")), "not found")
      << "snapshots are not carried";
  const auto info = store_->container(clone);
  ASSERT_TRUE(info->lineage.has_value());
  EXPECT_EQ(info->lineage->name, "c");
  put("/a", "two");
  put_into(clone, "/a", "three");
  put_into(clone, "/new", "x");
  EXPECT_EQ(get("/a"), "two");
  EXPECT_EQ(get_from(clone, "/a"), "three");
  EXPECT_EQ(get("/new"), "not found");
  ASSERT_TRUE(store_->drop_container(container_).ok()) << "no promote, no detach";
  reopen();
  EXPECT_EQ(get_from(clone, "/a"), "three");
  EXPECT_EQ(get_from(clone, "/d/b"), std::string(50'000, 'b'));
  EXPECT_EQ(store_->container(clone)->lineage->name, "c") << "a label only";
}

TEST_F(CloneTest, OfASnapshotHasItsState) {
  put("/a", "one");
  ASSERT_TRUE(store_->create_snapshot(container_, "s").ok());
  put("/a", "two");
  const ContainerId clone = clone_to(container_, "old", "s");
  EXPECT_EQ(get_from(clone, "/a"), "one");
  EXPECT_EQ(store_->container(clone)->lineage->snapshot, "s");
  ASSERT_TRUE(store_->drop_snapshot(container_, "s").ok());
  EXPECT_EQ(get_from(clone, "/a"), "one");
}

TEST_F(CloneTest, SpecificationsThatSayNothingOrTooMuchAreRefused) {
  put("/a", "one");
  const auto code = [&](auto change) {
    CloneSpec spec;
    spec.source = container_;
    spec.new_container = "clone";
    change(spec);
    return code_of(store_->clone(spec));
  };
  EXPECT_EQ(code([](CloneSpec& spec) { spec.new_container.clear(); }),
            "invalid argument");
  EXPECT_EQ(code([&](CloneSpec& spec) { spec.target = container_; }),
            "invalid argument");
  EXPECT_EQ(code([](CloneSpec& spec) { spec.paths = {"/a"}; }), "invalid argument");
  EXPECT_EQ(code([](CloneSpec& spec) { spec.new_container = "c"; }), "already exists");
  EXPECT_EQ(code([](CloneSpec& spec) { spec.new_container = "a:b"; }),
            "invalid argument");
  EXPECT_EQ(code([](CloneSpec& spec) { spec.source = ContainerId{}; }), "not found");
  EXPECT_EQ(code([](CloneSpec& spec) { spec.snapshot = "none"; }), "not found");
  EXPECT_EQ(code([&](CloneSpec& spec) {
              spec.new_container.clear();
              spec.target = container_;
              spec.paths = {"/none"};
              spec.target_folder = "/made/on/the/way";
            }),
            "not found");
  EXPECT_EQ(get("/made"), "not found") << "all or nothing";
}

TEST_F(CloneTest, OfAPartSharesEveryBlock) {
  const std::string big = test::noise(400'000, 7);
  put("/d/big", big);
  put("/d/e/small", "small");
  const ContainerId other = store_->create_container("other")->id;
  CloneSpec spec;
  spec.source = container_;
  spec.paths = {"/d"};
  spec.target = other;
  spec.target_folder = "/in/here";
  spec.target_name = "copy";
  const auto before = store_->info();
  const auto result = store_->clone(spec);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->objects_created, 2u);
  EXPECT_EQ(result->bytes_shared, big.size() + 5);
  EXPECT_EQ(get_from(other, "/in/here/copy/big"), big);
  EXPECT_EQ(get_from(other, "/in/here/copy/e/small"), "small");
  EXPECT_EQ(store_->info()->data_bytes, before->data_bytes);
  const auto again = store_->clone(spec);
  EXPECT_EQ(code_of(again), "already exists");
  spec.existing = CloneExisting::kSkip;
  EXPECT_FALSE(store_->clone(spec)->skipped.empty());
  spec.existing = CloneExisting::kReplace;
  put("/d/big", "new");
  ASSERT_TRUE(store_->clone(spec).ok());
  EXPECT_EQ(get_from(other, "/in/here/copy/big"), "new");
}

TEST_F(CloneTest, AnyOfAThousandInAnyOrderOfDropsLeavesTheRest) {
  put("/a", test::noise(30'000, 3));
  std::vector<std::pair<ContainerId, int>> alive;
  ContainerId last = container_;
  for (int i = 0; i < 300; ++i) {  // chains of ten, each with a change of its own
    if (i % 10 == 0) last = container_;
    last = clone_to(last, "clone" + std::to_string(i));
    put_into(last, "/mine", std::to_string(i));
    alive.emplace_back(last, i);
  }
  ASSERT_TRUE(store_->drop_container(container_).ok());
  std::mt19937 random(4);
  std::shuffle(alive.begin(), alive.end(), random);
  const std::string content = test::noise(30'000, 3);
  while (alive.size() > 5) {
    ASSERT_TRUE(store_->drop_container(alive.back().first).ok());
    alive.pop_back();
    if (alive.size() % 60 != 0) continue;
    reopen();
    for (const auto& [id, number] : alive) {
      ASSERT_EQ(get_from(id, "/mine"), std::to_string(number));
      ASSERT_EQ(get_from(id, "/a"), content);
    }
  }
}

// --- differences ---------------------------------------------------------------------------------

TEST_F(StoreTest, DifferencesAreNamedByPath) {
  put("/same", "same");
  put("/changed", "one");
  put("/gone", "gone");
  put("/from", "moved");
  put("/attributes", "x");
  const auto older = *store_->view(container_);
  put("/changed", "three");
  put("/added/file", "new");
  change([&](Transaction& transaction) {
    EXPECT_TRUE(transaction.remove(kRootFolder, "gone").ok());
    EXPECT_TRUE(transaction.rename(kRootFolder, "from", kRootFolder, "to").ok());
    Attributes attributes;
    attributes.mode = 0100600;
    EXPECT_TRUE(
        transaction.set_attributes(transaction.lookup("/attributes")->object, attributes).ok());
  });
  const auto newer = *store_->view(container_);
  std::vector<std::string> lines;
  ASSERT_TRUE(store_->diff(*older, *newer, [&](const Difference& difference) {
    const char* kinds[] = {"+", "-", "content", "attributes", "renamed"};
    lines.push_back(std::string(kinds[static_cast<size_t>(difference.kind)]) + " " +
                    difference.path);
    return true;
  }).ok());
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines, (std::vector<std::string>{"+ /added", "+ /added/file", "- /gone",
                                             "attributes /attributes", "content /changed",
                                             "renamed /to"}));
}

}  // namespace
}  // namespace ramet
