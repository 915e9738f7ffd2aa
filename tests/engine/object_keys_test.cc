// Goal: keys of flat containers and of trees are found, listed, put and removed as S3 has it.
// Method: random histories and random questions (rapidcheck) beside a std::map, whose listing is
// the plain definition: all keys in order, grouped by the delimiter.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "engine/object_keys.h"
#include "tests/engine/store_fixture.h"

namespace ramet::test {
namespace {

class ObjectKeysTest : public StoreTest {
 public:
  // rapidcheck makes its own instances.
  void TestBody() override {}
  void begin_test() { SetUp(); }
  void end_test() { TearDown(); }

  ContainerId create(bool flat) {
    const auto form = flat ? ContainerForm::kFlat : ContainerForm::kFolders;
    return store_->create_container(flat ? "flat" : "tree", "", {}, 0, form)->id;
  }
  Status put(ContainerId id, const std::string& key, const std::string& content) {
    RAMET_ASSIGN(const auto transaction, store_->begin(id));
    std::unique_ptr<ContentWriter> writer;
    if (!content.empty()) {
      RAMET_ASSIGN(writer, transaction->write_content());
      RAMET_TRY(writer->append(content));
    }
    const bool flat = store_->container(id)->is_flat();
    RAMET_TRY(put_key(*transaction, flat, key, ObjectInit{}, std::move(writer)));
    RAMET_TRY(transaction->commit());
    return ok();
  }
  Status remove(ContainerId id, const std::string& key) {
    RAMET_ASSIGN(const auto transaction, store_->begin(id));
    RAMET_TRY(remove_key(*transaction, store_->container(id)->is_flat(), key));
    RAMET_TRY(transaction->commit());
    return ok();
  }
  // "key" or "prefix*", at most `most`.
  std::vector<std::string> list(ContainerId id, const KeyQuery& query, size_t most = 10'000) {
    std::vector<std::string> found;
    const auto view = *store_->view(id);
    const Status status = list_keys(*view, query, [&](const KeyEntry& entry) {
      if (found.size() == most) return false;
      found.push_back(entry.common ? entry.key + "*" : entry.key);
      return true;
    });
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().to_string());
    return found;
  }
  bool found(ContainerId id, const std::string& key) {
    return find_key(**store_->view(id), key).ok();
  }
};

std::vector<std::string> model_list(const std::set<std::string>& keys, const KeyQuery& query,
                                    size_t most) {
  std::vector<std::string> found;
  for (const std::string& key : keys) {
    if (!key.starts_with(query.prefix)) continue;
    std::string shown = key;
    bool common = false;
    if (!query.delimiter.empty()) {
      const size_t at = key.find(query.delimiter, query.prefix.size());
      if (at != std::string::npos) {
        shown = key.substr(0, at + query.delimiter.size());
        common = true;
      }
    }
    if (!query.after.empty()) {
      const bool at_start = query.from && !common && shown == query.after;
      if (shown <= query.after && !at_start) continue;
    }
    if (common) shown += "*";
    if (!found.empty() && found.back() == shown) continue;
    if (found.size() == most) break;
    found.push_back(shown);
  }
  return found;
}

// Few letters, so that keys meet; bytes that sort before and behind '/'.
std::string any_text(const char* letters, size_t most) {
  const size_t length = *rc::gen::inRange<size_t>(0, most + 1);
  std::string text;
  const std::string from = letters;
  for (size_t i = 0; i < length; ++i) text += from[*rc::gen::inRange<size_t>(0, from.size())];
  return text;
}

KeyQuery any_query() {
  KeyQuery query;
  query.prefix = any_text("ab/-", 3);
  query.delimiter = *rc::gen::element<std::string>("", "/", "b", "/a", "-");
  query.after = any_text("ab/-0", 4);
  query.from = *rc::gen::arbitrary<bool>();
  return query;
}

// What keys a tree shows: its files, and its folders that hold nothing.
std::set<std::string> tree_keys(const std::set<std::string>& files,
                                const std::set<std::string>& folders) {
  std::set<std::string> keys = files;
  for (const std::string& folder : folders) {
    bool empty = true;
    for (const std::string& other : files) empty = empty && !other.starts_with(folder);
    for (const std::string& other : folders) {
      empty = empty && !(other != folder && other.starts_with(folder));
    }
    if (empty) keys.insert(folder);
  }
  return keys;
}

RC_GTEST_PROP(ObjectKeysProperty, FlatContainersListAsAMapDoes, ()) {
  ObjectKeysTest test;
  test.begin_test();
  const ContainerId id = test.create(true);
  std::set<std::string> model;
  const int steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    const std::string key = any_text("ab/-", 6);
    if (key.empty()) continue;
    if (*rc::gen::inRange(0, 5) == 0) {
      RC_ASSERT(test.remove(id, key).ok() == (model.erase(key) == 1));
    } else {
      RC_ASSERT(test.put(id, key, "x").ok());
      model.insert(key);
    }
  }
  for (int i = 0; i < 20; ++i) {
    const KeyQuery query = any_query();
    const size_t most = *rc::gen::inRange<size_t>(1, 8);
    RC_ASSERT(test.list(id, query, most) == model_list(model, query, most));
    RC_ASSERT(test.list(id, query) == model_list(model, query, 10'000));
  }
  for (const std::string& key : model) RC_ASSERT(test.found(id, key));
  test.end_test();
}

RC_GTEST_PROP(ObjectKeysProperty, TreesListAsAMapDoes, ()) {
  ObjectKeysTest test;
  test.begin_test();
  const ContainerId id = test.create(false);
  std::set<std::string> files;
  std::set<std::string> folders;  // with '/' at the end
  const int steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    const std::string key = any_text("ab/-", 6);
    const bool folder = key.ends_with('/');
    if (*rc::gen::inRange(0, 5) == 0) {
      const Status removed = test.remove(id, key);
      if (files.erase(key) == 1) {
        RC_ASSERT(removed.ok());
      } else if (folders.contains(key)) {
        const bool empty = tree_keys(files, folders).contains(key);
        RC_ASSERT(removed.ok() == empty);
        if (empty) folders.erase(key);
      } else {
        RC_ASSERT(!removed.ok() && removed.error().code() == ErrorCode::kNotFound);
      }
      continue;
    }
    // It can be put if its parts are names, no part of it is a file, and it is no folder itself.
    bool fits = check_key(key, false).ok();
    std::vector<std::string> parents;
    for (size_t at = key.find('/'); at != std::string::npos; at = key.find('/', at + 1)) {
      parents.push_back(key.substr(0, at + 1));
      fits = fits && !files.contains(key.substr(0, at));
    }
    if (!folder) fits = fits && !folders.contains(key + "/");
    const Status status = test.put(id, key, folder ? "" : "x");
    RC_ASSERT(status.ok() == fits);
    if (!fits) continue;
    for (const std::string& parent : parents) folders.insert(parent);
    if (!folder) files.insert(key);
  }
  const std::set<std::string> keys = tree_keys(files, folders);
  for (int i = 0; i < 20; ++i) {
    const KeyQuery query = any_query();
    const size_t most = *rc::gen::inRange<size_t>(1, 8);
    RC_ASSERT(test.list(id, query, most) == model_list(keys, query, most));
    RC_ASSERT(test.list(id, query) == model_list(keys, query, 10'000));
  }
  for (const std::string& key : keys) RC_ASSERT(test.found(id, key));
  test.end_test();
}

TEST_F(ObjectKeysTest, APrefixThatNoKeyCanHaveListsNothing) {
  const ContainerId id = create(false);
  ASSERT_TRUE(put(id, "a/", "").ok());
  ASSERT_TRUE(put(id, "b/c", "x").ok());
  for (const char* prefix : {"a//", "/", "/a", "b//", "b//c", "b/./"}) {
    KeyQuery query;
    query.prefix = prefix;
    EXPECT_EQ(list(id, query), (std::vector<std::string>{})) << prefix;
  }
}

TEST_F(ObjectKeysTest, AListingLooksAtNothingBelowACommonPrefix) {
  const ContainerId id = create(true);
  auto transaction = *store_->begin(id);
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "many/" + std::to_string(100'000 + i);
    ASSERT_TRUE(put_key(*transaction, true, key, ObjectInit{}, nullptr).ok());
  }
  ASSERT_TRUE(put_key(*transaction, true, "z", ObjectInit{}, nullptr).ok());
  ASSERT_TRUE(transaction->commit().ok());
  KeyQuery query;
  query.delimiter = "/";
  EXPECT_EQ(list(id, query), (std::vector<std::string>{"many/*", "z"}));
  query.prefix = "many/";
  EXPECT_EQ(list(id, query).size(), 3000u);
  query.after = "many/102998";
  EXPECT_EQ(list(id, query), (std::vector<std::string>{"many/102999"}));
}

TEST_F(ObjectKeysTest, RemovedNamesAreListedWhereVersionsAreKept) {
  const ContainerId id = create(true);
  ASSERT_TRUE(store_->set_setting(id, std::string(kVersioningSetting), "on").ok());
  for (const char* key : {"a", "b", "c/1", "c/2", "d"}) ASSERT_TRUE(put(id, key, "x").ok());
  for (const char* key : {"a", "c/1", "c/2"}) ASSERT_TRUE(remove(id, key).ok());
  KeyQuery query;
  EXPECT_EQ(list(id, query), (std::vector<std::string>{"b", "d"}));
  query.removed = true;
  EXPECT_EQ(list(id, query), (std::vector<std::string>{"a", "b", "c/1", "c/2", "d"}));
  query.delimiter = "/";
  EXPECT_EQ(list(id, query), (std::vector<std::string>{"a", "b", "c/*", "d"}));
  EXPECT_TRUE(find_removed_key(**store_->view(id), "c/1").ok());
  EXPECT_FALSE(find_removed_key(**store_->view(id), "c/").ok());
  EXPECT_FALSE(find_removed_key(**store_->view(id), "b").ok());
}

TEST(ObjectKeys, WhatAKeyCanBe) {
  const auto fits = [](std::string_view key, bool flat) { return check_key(key, flat).ok(); };
  EXPECT_TRUE(fits(std::string(1024, 'k'), true));
  EXPECT_FALSE(fits(std::string(1025, 'k'), true));
  EXPECT_FALSE(fits("", true));
  EXPECT_FALSE(fits(std::string_view("a\0b", 3), true));
  EXPECT_TRUE(fits("//../.", true));
  EXPECT_TRUE(fits("a/b/", false));
  for (const char* wrong : {"/a", "a//b", "a/../b", ".", "a/.", "/", "a//"}) {
    EXPECT_FALSE(fits(wrong, false)) << wrong;
  }
  EXPECT_FALSE(fits(std::string(256, 'k'), false));
  EXPECT_EQ(behind_prefix("a/"), "a0");
  EXPECT_EQ(behind_prefix("a\xFF"), "b");
  EXPECT_EQ(behind_prefix("\xFF"), "");
}

}  // namespace
}  // namespace ramet::test
