// RecentChanges: it says "apart" only of what is apart. (Builds with assertions compare the trees
// as well, for every transaction of every test.)
#include "engine/container/recent_changes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "format/keys.h"

namespace ramet::engine {
namespace {

ObjectId object(uint8_t n) { return ObjectId{IdBytes{n, 1}}; }
FolderId folder(uint8_t n) { return FolderId{IdBytes{n, 2}}; }

using Operations = std::vector<Operation>;

const Bytes kTree = container_key(ContainerId{IdBytes{7}});
const Bytes kOtherTree = container_key(ContainerId{IdBytes{8}});

std::vector<TreeOperations> in(const Bytes& tree, Operations operations) {
  return {{tree, std::move(operations)}};
}

Operation name(uint8_t in_folder, ByteView called, uint8_t leads_to) {
  return Operation::put(dirent_key(folder(in_folder), called, object(leads_to)), "");
}
Operation subfolder(uint8_t in_folder, const Bytes& called, uint8_t leads_to) {
  return Operation::put(dirent_key(folder(in_folder), called + "/", folder(leads_to)), "");
}

// Whether `mine` on top of 10 is apart from `theirs`, which is 11.
bool apart(const Operations& theirs, const Operations& mine, const Bytes& their_tree = kTree) {
  RecentChanges recent;
  recent.begin(10);
  recent.note(11, in(their_tree, theirs));
  return recent.are_apart(kTree, mine, 10);
}

bool apart_both_ways(const Operations& a, const Operations& b) {
  const bool one = apart(a, b);
  EXPECT_EQ(one, apart(b, a));
  return one;
}

TEST(RecentChanges, NamesInOneFolderAreApart) {
  EXPECT_TRUE(apart_both_ways({name(1, "a", 1)}, {name(1, "b", 2)}));
  EXPECT_FALSE(apart_both_ways({name(1, "a", 1)}, {name(1, "a", 2)}));
  EXPECT_TRUE(apart_both_ways({name(1, "a", 1)}, {name(2, "a", 2)}));
}

TEST(RecentChanges, AFolderAndAnObjectOfOneNameMeet) {
  EXPECT_FALSE(apart_both_ways({name(1, "a", 1)}, {subfolder(1, "a", 2)}));
  // In a flat container a key may end in '/'.
  EXPECT_TRUE(apart_both_ways({name(1, "a/", 1)}, {name(1, "a", 2)}));
  EXPECT_FALSE(apart_both_ways({name(1, "a/", 1)}, {name(1, "a/", 2)}));
}

TEST(RecentChanges, AFolderThatIsFilledAndRemovedMeets) {
  const Operations remove{Operation::erase(folder_key(folder(1)))};
  EXPECT_FALSE(apart_both_ways(remove, {name(1, "a", 1)}));
  EXPECT_TRUE(apart_both_ways(remove, {name(2, "a", 1)}));
  EXPECT_FALSE(apart_both_ways(remove, {Operation::put(folder_key(folder(1)), "x")}));
}

TEST(RecentChanges, AllOfAnObjectIsOne) {
  const std::vector<Operation> parts{
      Operation::put(object_key(1, object(1)), "x"),
      Operation::put(id_entry_key(object(1)), "x"),
      Operation::put(extent_key(1, object(1), 0, 99), "x"),
      Operation::put(version_key(1, object(1), 3), "x"),
      Operation::put(history_extent_key(1, object(1), 3, 0, 99), "x"),
      Operation::put(access_key(1, object(1)), "x"),
      Operation::put(linked_by_key(object(1), folder(3), "n"), "x"),
      Operation::erase_range(extent_range(1, object(1), 0).from, extent_range(1, object(1), 0).to),
      Operation::erase_range(linked_by_range(object(1)).from, linked_by_range(object(1)).to)};
  const Operations other{Operation::put(object_key(1, object(2)), "x"),
                         Operation::put(linked_by_key(object(2), folder(3), "n"), "x"),
                         Operation::erase_range(extent_range(1, object(2), 0).from,
                                                extent_range(1, object(2), 0).to)};
  for (const Operation& a : parts) {
    for (const Operation& b : parts) EXPECT_FALSE(apart_both_ways({a}, {b}));
    EXPECT_TRUE(apart_both_ways({a}, other));
  }
}

TEST(RecentChanges, RangesOverMoreThanAnObjectMeetEverything) {
  const Operations one{name(1, "a", 1)};
  const KeyRange all = space_range(ContainerSpace::kExtent);
  EXPECT_FALSE(apart_both_ways({Operation::erase_range(all.from, all.to)}, one));
  EXPECT_FALSE(apart_both_ways({Operation::erase_range({}, {})}, one));
  const KeyRange names = folder_range(folder(9));
  EXPECT_FALSE(apart_both_ways({Operation::erase_range(names.from, names.to)}, one));
  EXPECT_FALSE(apart_both_ways({Operation::graft({}, {}, WrittenRoot{})}, one));
}

TEST(RecentChanges, WhatHappensToATreeAsAWholeMeets) {
  const Operations one{name(1, "a", 1)};
  const auto replaced = [&](const Bytes& key, Operation operation) {
    RecentChanges recent;
    recent.begin(10);
    recent.note(11, in({}, {std::move(operation)}));
    return !recent.are_apart(key, one, 10);
  };
  EXPECT_TRUE(replaced(kTree, Operation::put_rooted(kTree, "", kOtherTree)));
  EXPECT_TRUE(replaced(kTree, Operation::erase(kTree)));
  EXPECT_TRUE(replaced(kTree, Operation::erase_range({}, {})));
  EXPECT_FALSE(replaced(kOtherTree, Operation::put_rooted(kTree, "", {})));
  EXPECT_FALSE(replaced(kTree, Operation::put(setting_key("x"), "y")));
  EXPECT_TRUE(apart(one, one, kOtherTree));
}

TEST(RecentChanges, OnlyCommitsBehindTheBaseCount) {
  RecentChanges recent;
  recent.begin(10);
  const Operations one{name(1, "a", 1)};
  recent.note(11, in(kTree, one));
  recent.note(12, in(kTree, {name(1, "b", 2)}));
  EXPECT_FALSE(recent.are_apart(kTree, one, 10));
  EXPECT_TRUE(recent.are_apart(kTree, one, 11));
  EXPECT_FALSE(recent.are_apart(kTree, one, 9)) << "nothing is known of 10";
  // A group that failed: its numbers come again.
  recent.note(12, in(kTree, {name(1, "c", 3)}));
  EXPECT_FALSE(recent.are_apart(kTree, {name(1, "c", 4)}, 11));
}

TEST(RecentChanges, WhatWasForgottenMeets) {
  RecentChanges recent;
  recent.begin(0);
  const Operations mine{name(1, "mine", 1)};
  recent.note(1, in(kTree, mine));
  for (Sequence sequence = 2; sequence <= 40'000; ++sequence) {
    recent.note(sequence, in(kTree, {name(1, std::to_string(sequence), 2)}));
  }
  EXPECT_FALSE(recent.are_apart(kTree, mine, 0));
  EXPECT_FALSE(recent.are_apart(kTree, {name(1, "new", 3)}, 100));
  EXPECT_TRUE(recent.are_apart(kTree, {name(1, "new", 3)}, 39'000));
  EXPECT_FALSE(recent.are_apart(kTree, {name(1, "39001", 3)}, 39'000));
}

// By a model: whoever names a key that another one changed behind his base is never told that they
// are apart.
RC_GTEST_PROP(RecentChangesProperty, WhoMeetsIsFound, ()) {
  RecentChanges recent;
  recent.begin(0);
  std::map<Bytes, Sequence> last;  // of each key
  const auto any_operation = [] {
    const auto n = *rc::gen::inRange<uint8_t>(1, 12);
    const auto f = *rc::gen::inRange<uint8_t>(1, 4);
    switch (*rc::gen::inRange(0, 6)) {
      case 0: return name(f, std::string(1, static_cast<char>('a' + n)), n);
      case 1: return Operation::erase(object_key(1, object(n)));
      case 2: return Operation::put(document_key(std::to_string(n), 0), "x");
      case 3: return Operation::put(folder_key(folder(n)), "x");
      case 4: return Operation::put(removed_key(folder(f), std::to_string(n), object(n)), "x");
      default: return Operation::put(extent_key(2, object(n), 0, 5), "x");
    }
  };
  Sequence now = 0;
  const int commits = *rc::gen::inRange(1, 60);
  for (int i = 0; i < commits; ++i) {
    Operations operations;
    const int count = *rc::gen::inRange(1, 4);
    for (int k = 0; k < count; ++k) operations.push_back(any_operation());
    const Sequence base = now - std::min<Sequence>(now, *rc::gen::inRange<Sequence>(0, 20));
    bool meets = false;
    for (const Operation& operation : operations) {
      const auto found = last.find(operation.key);
      meets = meets || (found != last.end() && found->second > base);
    }
    if (meets) RC_ASSERT(!recent.are_apart(kTree, operations, base));
    if (base == now) RC_ASSERT(recent.are_apart(kTree, operations, base));
    recent.note(++now, in(kTree, operations));
    for (const Operation& operation : operations) last[operation.key] = now;
  }
}

}  // namespace
}  // namespace ramet::engine
