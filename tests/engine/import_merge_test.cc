// Importing on top of what is there: equal objects stay, names are replaced one by one, links are
// what the source says. And random trees, there and back, changed, and there and back again.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>
#include <set>

#include "tests/engine/import_fixture.h"

namespace ramet {
namespace {

using test::ImportTest;
using test::make_folder;
using test::noise;
using test::OpenStore;
using test::set_size;
using test::set_time;
using test::TempDir;
using test::tree_difference;
using test::write_bytes;

TEST_F(ImportTest, ImportingAgainStoresNothingAndWritesNoCommit) {
  make_folder(tree("folder"));
  write_bytes(tree("folder/small"), noise(5000, 1));
  write_bytes(tree("big"), noise(3'000'000, 2));
  write_bytes(tree("sparse"), noise(9000, 3), 1 << 22);
  write_bytes(tree("empty"), "");
  set_time(tree("empty"), 0, 0);
  ASSERT_EQ(::link(tree("big").c_str(), tree("folder/big too").c_str()), 0);
  ASSERT_EQ(::symlink("big", tree("link").c_str()), 0);
  ASSERT_EQ(::mkfifo(tree("fifo").c_str(), 0600), 0);
  const CopyReport first = store_.import(tree(), "/t");
  EXPECT_GT(first.ingest.new_blocks, 100u);
  const auto before = store_.view()->lookup("/t/big")->object;
  const CopyReport again = store_.import(tree(), "/t");
  EXPECT_EQ(again.ingest.new_blocks, 0u);
  EXPECT_EQ(again.unchanged, 6u);
  EXPECT_EQ(again.hard_links, 1u);
  EXPECT_EQ(again.bytes, first.bytes);
  EXPECT_EQ(again.sequence, first.sequence) << "nothing was changed";
  EXPECT_EQ(store_.view()->lookup("/t/big")->object, before);
  const CopyReport elsewhere = store_.import(tree(), "/u");
  EXPECT_EQ(elsewhere.ingest.new_blocks, 0u);
  EXPECT_EQ(elsewhere.unchanged, 0u);
}

TEST_F(ImportTest, WhatChangedIsReplacedAndKeepsItsId) {
  for (const char* name : {"bytes", "big", "mode", "time", "same"}) {
    write_bytes(tree(name), noise(name[0] == 'b' ? 2'000'000 : 2000, 1));
  }
  store_.import(tree(), "/");
  const auto id = store_.view()->lookup("/bytes")->object;
  // The same size and time: only the bytes tell.
  for (const char* name : {"bytes", "big"}) {
    struct stat status {};
    ASSERT_EQ(::stat(tree(name).c_str(), &status), 0);
    write_bytes(tree(name), "changed", 1000);
    set_time(tree(name), status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  }
  ASSERT_EQ(::chmod(tree("mode").c_str(), 0600), 0);
  set_time(tree("time"), 1, 2);
  const CopyReport report = store_.import(tree(), "/");
  EXPECT_EQ(report.unchanged, 1u);
  EXPECT_EQ(store_.view()->lookup("/bytes")->object, id);
  expect_equal();
}

TEST_F(ImportTest, NamesTakeTheTypeOfTheSourceExceptFoldersThatAreNotEmpty) {
  write_bytes(tree("file to link"), "x");
  write_bytes(tree("file to folder"), "x");
  ASSERT_EQ(::symlink("x", tree("link to file").c_str()), 0);
  ASSERT_EQ(::symlink("x", tree("link to folder").c_str()), 0);
  ASSERT_EQ(::mkfifo(tree("fifo to file").c_str(), 0600), 0);
  make_folder(tree("empty to file"));
  make_folder(tree("full to file"));
  write_bytes(tree("full to file/inside"), "kept");
  store_.import(tree(), "/");
  std::filesystem::remove_all(tree());
  make_folder(tree());
  ASSERT_EQ(::symlink("y", tree("file to link").c_str()), 0);
  make_folder(tree("file to folder"));
  write_bytes(tree("file to folder/new"), "new");
  write_bytes(tree("link to file"), "new");
  make_folder(tree("link to folder"));
  write_bytes(tree("fifo to file"), noise(2'000'000, 1));
  write_bytes(tree("empty to file"), "new");
  write_bytes(tree("full to file"), "new");
  const CopyReport report = store_.import(tree(), "/");
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].path, tree("full to file"));
  EXPECT_EQ(stored("/full to file/inside"), "kept");
  // But for that one, the store has what the source has.
  ASSERT_EQ(::unlink(tree("full to file").c_str()), 0);
  make_folder(tree("full to file"));
  write_bytes(tree("full to file/inside"), "kept");
  store_.import(tree(), "/");
  expect_equal();
}

TEST_F(ImportTest, ReplacingANameLeavesOtherNamesOfItsObjectAlone) {
  write_bytes(tree("a"), "old");
  ASSERT_EQ(::link(tree("a").c_str(), tree("b").c_str()), 0);
  store_.import(tree(), "/");
  make_folder(dir_.file("one"));
  write_bytes(dir_.file("one/a"), "new");
  store_.import(dir_.file("one"), "/");
  EXPECT_EQ(stored("/a"), "new");
  EXPECT_EQ(stored("/b"), "old");
}

TEST_F(ImportTest, NamesThatSharedAnObjectAreParted) {
  write_bytes(tree("a"), "same");
  ASSERT_EQ(::link(tree("a").c_str(), tree("b").c_str()), 0);
  store_.import(tree(), "/");
  struct stat status {};
  ASSERT_EQ(::stat(tree("a").c_str(), &status), 0);
  ASSERT_EQ(::unlink(tree("b").c_str()), 0);
  write_bytes(tree("b"), "same");  // equal in everything but the link
  for (const char* name : {"a", "b"}) {
    set_time(tree(name), status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  }
  store_.import(tree(), "/");
  expect_equal();
  EXPECT_NE(store_.view()->lookup("/a")->object, store_.view()->lookup("/b")->object);
}

TEST_F(ImportTest, NamesThatWereApartAreJoined) {
  write_bytes(tree("a"), "same");
  write_bytes(tree("b"), "other");
  make_folder(tree("c"));
  store_.import(tree(), "/");
  ASSERT_EQ(::unlink(tree("b").c_str()), 0);
  ASSERT_EQ(::rmdir(tree("c").c_str()), 0);
  ASSERT_EQ(::link(tree("a").c_str(), tree("b").c_str()), 0);
  ASSERT_EQ(::link(tree("a").c_str(), tree("c").c_str()), 0);
  store_.import(tree(), "/");
  expect_equal();
  EXPECT_EQ(store_.view()->lookup("/a")->object, store_.view()->lookup("/c")->object);
}

// --- random trees --------------------------------------------------------------------------------

class RandomTree {
 public:
  RandomTree(std::string root, uint64_t seed) : root_(std::move(root)), random_(seed) {
    make_folder(root_);
    folders_.push_back("");
  }

  void grow(int steps) {
    for (int i = 0; i < steps; ++i) add();
    settle();
  }
  // Changes content, attributes, types and links; every name stays one.
  void change(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (below(3) == 0 || names_.empty()) {
        add();
        continue;
      }
      const std::string name = names_[below(names_.size())];
      switch (below(5)) {
        case 0:
          ::unlink(path(name).c_str());
          make_object(name);
          break;
        case 1: write(name); break;
        case 2:
          if (!is_link(name)) ::chmod(path(name).c_str(), static_cast<mode_t>(below(010000)));
          break;
        case 3: {
          const std::string other = names_[below(names_.size())];
          if (other == name) break;
          ::unlink(path(name).c_str());
          RAMET_CHECK(::linkat(AT_FDCWD, path(other).c_str(), AT_FDCWD, path(name).c_str(), 0) == 0,
                      "link");
          break;
        }
        default:
          ::unlink(path(name).c_str());
          make_folder(path(name));
          folders_.push_back(name);
          std::erase(names_, name);
      }
    }
    settle();
  }

 private:
  size_t below(size_t end) { return random_() % end; }
  std::string path(const std::string& name) const { return root_ + "/" + name; }
  bool is_link(const std::string& name) const {
    struct stat status {};
    return ::lstat(path(name).c_str(), &status) == 0 && S_ISLNK(status.st_mode);
  }

  std::string new_name() {
    std::string name;
    const size_t size = 1 + below(below(8) == 0 ? 255 : 6);
    while (name.size() < size) {
      const char byte = static_cast<char>(1 + below(255));
      if (byte != '/') name.push_back(byte);
    }
    if (name == "." || name == "..") name = "x";
    const std::string& folder = folders_[below(folders_.size())];
    return folder.empty() ? name : folder + "/" + name;
  }

  void add() {
    const std::string name = new_name();
    if (path(name).size() > 3500 || !taken_.insert(name).second) return;
    if (below(5) == 0) {
      make_folder(path(name));
      folders_.push_back(name);
      return;
    }
    make_object(name);
    names_.push_back(name);
  }

  void make_object(const std::string& name) {
    const size_t kind = below(12);
    if (kind == 0) {
      RAMET_CHECK(::mkfifo(path(name).c_str(), 0644) == 0, "mkfifo");
    } else if (kind == 1) {
      const std::string target = noise(1 + below(50), random_());
      // A link's target ends at its first zero byte.
      if (::symlink(("t" + target).c_str(), path(name).c_str()) != 0) write(name);
    } else if (kind == 2 && !names_.empty()) {
      const std::string& other = names_[below(names_.size())];
      if (::linkat(AT_FDCWD, path(other).c_str(), AT_FDCWD, path(name).c_str(), 0) != 0) {
        write(name);
      }
    } else {
      write(name);
    }
  }

  void write(const std::string& name) {
    struct stat status {};
    if (::lstat(path(name).c_str(), &status) == 0 && !S_ISREG(status.st_mode)) return;
    // Few seeds, so that contents repeat.
    const size_t size = below(3) == 0 ? below(300'000) : below(2000);
    const off_t at = below(4) == 0 ? static_cast<off_t>(below(3'000'000)) : 0;
    write_bytes(path(name), noise(size, below(5)), at);
    if (below(4) == 0) set_size(path(name), static_cast<off_t>(below(4'000'000)));
  }

  // Random attributes where there are still those of making it; folders last.
  void settle() {
    for (const std::string& name : names_) {
      struct stat status {};
      RAMET_CHECK(::lstat(path(name).c_str(), &status) == 0, "lstat");
      if (below(2) == 0) continue;
      const auto owner = static_cast<uid_t>(below(3));
      if (below(3) == 0) static_cast<void>(::lchown(path(name).c_str(), owner, owner + 1));
      if (below(3) == 0) static_cast<void>(test::set_xattr(path(name), "user.x", "value"));
      if (!S_ISLNK(status.st_mode)) ::chmod(path(name).c_str(), static_cast<mode_t>(below(010000)));
      set_time(path(name), static_cast<int64_t>(below(4'000'000)) - 2'000'000, below(3));
    }
    for (const std::string& folder : folders_) {
      ::chmod(path(folder).c_str(), static_cast<mode_t>(0700 + below(0100)));
      set_time(path(folder), static_cast<int64_t>(below(1000)) - 500, below(1'000'000'000));
    }
  }

  const std::string root_;
  std::mt19937_64 random_;
  std::vector<std::string> folders_;
  std::vector<std::string> names_;  // of what is not a folder
  std::set<std::string> taken_;
};

RC_GTEST_PROP(ImportRandomTrees, ComeBackEqualAlsoAfterChangesWereImportedOnTop,
              (uint64_t seed)) {
  if (::geteuid() != 0) return;  // owners and files without rights need root
  std::mt19937_64 random(seed);
  // Mostly in memory, where syncing costs nothing.
  const TempDir dir(random() % 4 == 0 ? "" : test::memory_directory());
  OpenStore open(dir.file("store"));
  RandomTree tree(dir.file("tree"), random());
  tree.grow(60);
  ImportOptions options;
  io::SourceOptions source;
  for (int round = 0; round < 3; ++round) {
    // Few bytes, so that bounds are met.
    options.threads = static_cast<unsigned>(1 + random() % 4);
    source.small_file_bytes = random() % 2 == 0 ? 1 << 20 : 10'000;
    source.read_ahead_bytes = random() % 2 == 0 ? 32 << 20 : 100'000;
    source.names_bytes_max = random() % 2 == 0 ? 8 << 20 : 500;
    const CopyReport report = open.import(dir.file("tree"), "/t", options, source);
    RC_ASSERT(report.problems.empty());
    const std::string out = dir.file("out" + std::to_string(round));
    ExportOptions exporting;
    exporting.threads = options.threads;
    RC_ASSERT(open.export_to("/t", out, exporting).problems.empty());
    // The target was there from the second round on: its own attributes stay.
    std::string difference = tree_difference(dir.file("tree"), out);
    if (round > 0 && difference.starts_with("'.':")) {
      difference.erase(0, difference.find('\n', difference.find('\n', difference.find('\n') + 1) +
                                                     1) + 1);
    }
    RC_ASSERT(difference == "");
    const CopyReport again = open.import(dir.file("tree"), "/t", options, source);
    RC_ASSERT(again.ingest.new_blocks == 0u);
    RC_ASSERT(again.sequence == report.sequence);
    tree.change(30);
  }
}

}  // namespace
}  // namespace ramet
