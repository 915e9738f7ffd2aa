// TargetTree: what is made is what was asked for, and nothing outside is ever touched.
#include "io/target_tree.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include "tests/support/temp_dir.h"
#include "tests/support/tree_files.h"

namespace ramet::io {
namespace {

using test::make_folder;
using test::noise;
using test::read_bytes;
using test::run_as_nobody;
using test::set_xattr;
using test::TempDir;
using test::write_bytes;

constexpr int64_t kSecond = 1'000'000'000;

TreeAttributes attributes_of(uint32_t mode) {
  TreeAttributes attributes;
  attributes.mode = mode;
  attributes.uid = ::geteuid();
  attributes.gid = ::getegid();
  attributes.modified = 1234 * kSecond + 567;
  return attributes;
}

TargetOptions overwriting() {
  TargetOptions options;
  options.overwrite = true;
  return options;
}

struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

class TargetTreeTest : public testing::Test {
 protected:
  std::unique_ptr<TargetTree> open(const std::string& path, const TargetOptions& options = {}) {
    auto tree = TargetTree::open(path, options);
    EXPECT_TRUE(tree.ok()) << (tree.ok() ? "" : tree.error().to_string());
    return tree.ok() ? std::move(*tree) : nullptr;
  }
  Status put(TargetTree& tree, const TargetFolderPtr& folder, const std::string& name,
             ByteView bytes, const TreeAttributes& attributes = attributes_of(S_IFREG | 0644)) {
    RAMET_ASSIGN(const auto file, tree.create_file(folder, name, attributes, &buffer_));
    RAMET_TRY(file->write(0, bytes));
    return file->commit(bytes.size(), attributes, &notes_);
  }

  TempDir dir_;
  Bytes buffer_;
  Notes notes_;
};

TEST_F(TargetTreeTest, FilesHaveTheirBytesHolesAndAttributes) {
  const auto tree = open(dir_.file("out"));
  EXPECT_TRUE(tree->root()->is_new());
  TreeAttributes attributes = attributes_of(S_IFREG | 04711);
  attributes.modified = -77 * kSecond + 1;
  auto file = tree->create_file(tree->root(), "f", attributes, &buffer_);
  ASSERT_TRUE(file.ok());
  const std::string big = noise(2'000'000, 1);
  ASSERT_TRUE((*file)->write(0, "be").ok());
  ASSERT_TRUE((*file)->write(2, "gin").ok());
  ASSERT_TRUE((*file)->write(1 << 20, big).ok());
  ASSERT_TRUE((*file)->write(1 << 23, "end").ok());
  ASSERT_TRUE((*file)->commit(1 << 24, attributes, &notes_).ok());
  std::string expected(1 << 24, '\0');
  expected.replace(0, 5, "begin").replace(1 << 20, big.size(), big).replace(1 << 23, 3, "end");
  EXPECT_EQ(read_bytes(dir_.file("out/f")), expected);
  const auto status = status_of(dir_.file("out/f"));
  EXPECT_EQ(status.st_mode, static_cast<unsigned>(S_IFREG | 04711));
  EXPECT_EQ(status.st_mtim.tv_sec, -77);
  EXPECT_EQ(status.st_mtim.tv_nsec, 1);
  EXPECT_LT(status.st_blocks * 512, 4 << 20);
  EXPECT_TRUE(notes_.empty());
}

TEST_F(TargetTreeTest, LinksAndOthersHaveTheirAttributes) {
  const auto tree = open(dir_.file("out"));
  const auto& root = tree->root();
  ASSERT_TRUE(tree->create_symlink(root, "link", "../..", attributes_of(0120777), &notes_).ok());
  ASSERT_TRUE(tree->create_other(root, "fifo", attributes_of(S_IFIFO | 0622), &notes_).ok());
  ASSERT_TRUE(tree->create_other(root, "socket", attributes_of(S_IFSOCK | 0700), &notes_).ok());
  char target[10] = {};
  EXPECT_EQ(::readlink(dir_.file("out/link").c_str(), target, sizeof target), 5);
  EXPECT_EQ(status_of(dir_.file("out/link")).st_mtim.tv_nsec, 567);
  EXPECT_EQ(status_of(dir_.file("out/fifo")).st_mode, static_cast<unsigned>(S_IFIFO | 0622));
  EXPECT_EQ(status_of(dir_.file("out/fifo")).st_mtim.tv_sec, 1234);
  EXPECT_EQ(status_of(dir_.file("out/socket")).st_mode, static_cast<unsigned>(S_IFSOCK | 0700));
  EXPECT_FALSE(tree->create_other(root, "file", attributes_of(S_IFREG | 0600), &notes_).ok());
  if (::geteuid() == 0) {
    TreeAttributes device = attributes_of(S_IFCHR | 0600);
    device.device = 0x103;  // /dev/null
    device.uid = 1234;
    if (tree->create_other(root, "null", device, &notes_).ok()) {
      EXPECT_EQ(status_of(dir_.file("out/null")).st_rdev, 0x103u);
      EXPECT_EQ(status_of(dir_.file("out/null")).st_uid, 1234u);
    }
  }
  EXPECT_TRUE(notes_.empty());
}

TEST_F(TargetTreeTest, FoldersGetTheirTimesAndRightsLast) {
  const auto tree = open(dir_.file("out"));
  auto folder = tree->create_folder(tree->root(), "folder");
  ASSERT_TRUE(folder.ok());
  ASSERT_TRUE(put(*tree, *folder, "f", "x").ok());
  ASSERT_TRUE(tree->finish_folder(*folder, attributes_of(S_IFDIR | 02555), &notes_).ok());
  const auto status = status_of(dir_.file("out/folder"));
  EXPECT_EQ(status.st_mode, static_cast<unsigned>(S_IFDIR | 02555));
  EXPECT_EQ(status.st_mtim.tv_sec, 1234);
  EXPECT_EQ((*folder)->path(), dir_.file("out/folder"));
}

TEST_F(TargetTreeTest, ExtendedAttributesAreSet) {
  const auto tree = open(dir_.file("out"));
  TreeAttributes attributes = attributes_of(S_IFREG | 0444);
  attributes.xattrs = {{"user.a", std::string("\0\xFF", 2)}, {"user.b", ""}};
  ASSERT_TRUE(put(*tree, tree->root(), "f", "x", attributes).ok());
  write_bytes(dir_.file("probe"), "");
  if (!set_xattr(dir_.file("probe"), "user.a", "x")) {
    EXPECT_EQ(notes_.size(), 2u);
    GTEST_SKIP() << "no extended attributes here";
  }
  char value[8] = {};
  EXPECT_EQ(::getxattr(dir_.file("out/f").c_str(), "user.a", value, 8), 2);
  EXPECT_EQ(value[1], '\xFF');
  EXPECT_EQ(::getxattr(dir_.file("out/f").c_str(), "user.b", value, 8), 0);
  EXPECT_TRUE(notes_.empty());
}

TEST_F(TargetTreeTest, AccessListsOfTheFolderAroundAreNotHandedDown) {
  // version 2; owner rwx, user 1 rwx, group, mask, others
  const unsigned char list[] = {2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0, 1, 0, 0,
                                0, 4, 0, 5, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255,
                                255, 32, 0, 5, 0, 255, 255, 255, 255};
  make_folder(dir_.file("around"));
  if (!set_xattr(dir_.file("around"), "system.posix_acl_default",
                 ByteView(reinterpret_cast<const char*>(list), sizeof list))) {
    GTEST_SKIP() << "no access lists here";
  }
  const auto inside = open(dir_.file("around"));
  ASSERT_TRUE(put(*inside, inside->root(), "file", "x").ok());
  ASSERT_TRUE(inside->create_folder(inside->root(), "folder").ok());
  ASSERT_NE(open(dir_.file("around/new")), nullptr);
  for (const char* path : {"around/file", "around/folder", "around/new"}) {
    char value[100];
    EXPECT_LT(::getxattr(dir_.file(path).c_str(), "system.posix_acl_access", value, 100), 0);
    EXPECT_LT(::getxattr(dir_.file(path).c_str(), "system.posix_acl_default", value, 100), 0);
  }
}

// --- never outside -------------------------------------------------------------------------------

TEST_F(TargetTreeTest, NamesThatAreNoneAreRefused) {
  const auto tree = open(dir_.file("out"));
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"),
        std::string("../x"), std::string("/etc/x"), std::string("a\0b", 3)}) {
    EXPECT_FALSE(put(*tree, tree->root(), name, "x").ok()) << name;
    EXPECT_FALSE(tree->create_folder(tree->root(), name).ok()) << name;
    const auto link = attributes_of(0120777);
    EXPECT_FALSE(tree->create_symlink(tree->root(), name, "x", link, &notes_).ok()) << name;
    const auto fifo = attributes_of(S_IFIFO | 0600);
    EXPECT_FALSE(tree->create_other(tree->root(), name, fifo, &notes_).ok()) << name;
    EXPECT_FALSE(tree->create_link(tree->root(), name, tree->root(), "y").ok()) << name;
    EXPECT_FALSE(tree->create_link(tree->root(), "y", tree->root(), name).ok()) << name;
  }
  EXPECT_EQ(put(*tree, tree->root(), std::string(300, 'n'), "x").error().code(),
            ErrorCode::kIoError);
}

TEST_F(TargetTreeTest, LinksInTheTargetAreReplacedAndNotFollowed) {
  make_folder(dir_.file("outside"));
  write_bytes(dir_.file("outside/file"), "untouched");
  make_folder(dir_.file("out"));
  ASSERT_EQ(::symlink("../outside", dir_.file("out/folder").c_str()), 0);
  ASSERT_EQ(::symlink("../outside/file", dir_.file("out/file").c_str()), 0);
  ASSERT_EQ(::symlink("../outside/made", dir_.file("out/dangling").c_str()), 0);
  const auto tree = open(dir_.file("out"), overwriting());
  auto folder = tree->create_folder(tree->root(), "folder");
  ASSERT_TRUE(folder.ok());
  ASSERT_TRUE(put(*tree, *folder, "file", "inside").ok());
  ASSERT_TRUE(put(*tree, tree->root(), "file", "inside").ok());
  ASSERT_TRUE(put(*tree, tree->root(), "dangling", "inside").ok());
  EXPECT_EQ(read_bytes(dir_.file("outside/file")), "untouched");
  EXPECT_NE(::access(dir_.file("outside/made").c_str(), F_OK), 0);
  EXPECT_EQ(read_bytes(dir_.file("out/folder/file")), "inside");
  EXPECT_EQ(read_bytes(dir_.file("out/file")), "inside");
  EXPECT_EQ(read_bytes(dir_.file("out/dangling")), "inside");
}

TEST_F(TargetTreeTest, AFolderThatIsReplacedByALinkMeanwhileIsNotFollowed) {
  make_folder(dir_.file("outside"));
  TargetOptions options;
  options.open_folders_max = 1;
  const auto tree = open(dir_.file("out"), options);
  auto folder = tree->create_folder(tree->root(), "folder");
  ASSERT_TRUE(folder.ok());
  ASSERT_TRUE(tree->create_folder(tree->root(), "other").ok());  // closes the first
  ASSERT_EQ(::rename(dir_.file("out/folder").c_str(), dir_.file("out/moved").c_str()), 0);
  ASSERT_EQ(::symlink("../outside", dir_.file("out/folder").c_str()), 0);
  EXPECT_FALSE(put(*tree, *folder, "f", "x").ok());
  EXPECT_NE(::access(dir_.file("outside/f").c_str(), F_OK), 0);
  ASSERT_EQ(::unlink(dir_.file("out/folder").c_str()), 0);
  make_folder(dir_.file("out/folder"));
  EXPECT_FALSE(put(*tree, *folder, "f", "x").ok()) << "another folder of that name";
}

// --- what is there already -----------------------------------------------------------------------

TEST_F(TargetTreeTest, NothingIsReplacedUnlessAllowed) {
  make_folder(dir_.file("out"));
  write_bytes(dir_.file("out/taken"), "mine");
  const auto tree = open(dir_.file("out"));
  EXPECT_FALSE(tree->root_was_empty());
  const auto& root = tree->root();
  EXPECT_EQ(tree->check_free("taken").error().code(), ErrorCode::kAlreadyExists);
  EXPECT_TRUE(tree->check_free("free").ok());
  EXPECT_EQ(put(*tree, root, "taken", "x").error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(tree->create_folder(root, "taken").error().code(), ErrorCode::kAlreadyExists);
  EXPECT_FALSE(tree->create_symlink(root, "taken", "x", attributes_of(0120777), &notes_).ok());
  EXPECT_FALSE(tree->create_link(root, "taken", root, "taken").ok());
  EXPECT_EQ(read_bytes(dir_.file("out/taken")), "mine");
}

TEST_F(TargetTreeTest, OverwritingReplacesNamesAndMergesFolders) {
  make_folder(dir_.file("out"));
  make_folder(dir_.file("out/full"));
  make_folder(dir_.file("out/empty"));
  write_bytes(dir_.file("out/full/old"), "old");
  write_bytes(dir_.file("out/file"), "old");
  write_bytes(dir_.file("out/other"), "old");
  const auto tree = open(dir_.file("out"), overwriting());
  const auto& root = tree->root();
  auto merged = tree->create_folder(root, "full");
  ASSERT_TRUE(merged.ok());
  EXPECT_FALSE((*merged)->is_new());
  ASSERT_TRUE(put(*tree, *merged, "new", "new").ok());
  ASSERT_TRUE(put(*tree, root, "file", "new").ok());
  ASSERT_TRUE(put(*tree, root, "empty", "new").ok()) << "an empty folder is replaced";
  EXPECT_EQ(put(*tree, root, "full", "new").error().code(), ErrorCode::kAlreadyExists);
  auto made = tree->create_folder(root, "other");
  ASSERT_TRUE(made.ok()) << "a file is replaced by a folder";
  EXPECT_EQ(read_bytes(dir_.file("out/full/old")), "old");
  EXPECT_EQ(read_bytes(dir_.file("out/full/new")), "new");
  EXPECT_EQ(read_bytes(dir_.file("out/file")), "new");
  EXPECT_EQ(read_bytes(dir_.file("out/empty")), "new");
  int names = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir_.file("out"))) {
    EXPECT_NE(entry.path().filename().string()[0], '.') << "nothing stays behind";
    ++names;
  }
  EXPECT_EQ(names, 4);
}

TEST_F(TargetTreeTest, AFileThatIsGivenUpLeavesWhatWasThere) {
  make_folder(dir_.file("out"));
  write_bytes(dir_.file("out/old"), "old");
  {
    const auto tree = open(dir_.file("out"), overwriting());
    for (const char* name : {"old", "new"}) {
      auto file = tree->create_file(tree->root(), name, attributes_of(0100644), &buffer_);
      ASSERT_TRUE(file.ok());
      ASSERT_TRUE((*file)->write(0, noise(2'000'000, 1)).ok());
    }
  }
  EXPECT_EQ(read_bytes(dir_.file("out/old")), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.file("out")), {}), 1);
}

TEST_F(TargetTreeTest, WhatCannotBeATargetIsAnError) {
  write_bytes(dir_.file("file"), "x");
  EXPECT_EQ(TargetTree::open(dir_.file("file"), {}).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(TargetTree::open(dir_.file("a/b"), {}).error().code(), ErrorCode::kNotFound);
  make_folder(dir_.file("folder"));
  ASSERT_EQ(::symlink("folder", dir_.file("link").c_str()), 0);
  EXPECT_TRUE(open(dir_.file("link"))->root_was_empty());
}

// --- links, depth, rights ------------------------------------------------------------------------

TEST_F(TargetTreeTest, HardLinksComeFromTheShelfWhichGoes) {
  const auto tree = open(dir_.file("out"), overwriting());
  auto shelf = tree->shelf();
  ASSERT_TRUE(shelf.ok());
  EXPECT_EQ(tree->create_link(*shelf, "x", tree->root(), "a").error().code(),
            ErrorCode::kNotFound);
  ASSERT_TRUE(put(*tree, *shelf, "x", "shared").ok());
  ASSERT_TRUE(tree->create_link(*shelf, "x", tree->root(), "a").ok());
  ASSERT_TRUE(tree->create_link(*shelf, "x", tree->root(), "a").ok()) << "the same again";
  write_bytes(dir_.file("out/b"), "old");
  ASSERT_TRUE(tree->create_link(*shelf, "x", tree->root(), "b").ok());
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(put(*tree, *shelf, std::to_string(i), "unused").ok());
  }
  ASSERT_TRUE(tree->remove_shelf().ok());
  ASSERT_TRUE(tree->remove_shelf().ok());
  EXPECT_EQ(status_of(dir_.file("out/a")).st_ino, status_of(dir_.file("out/b")).st_ino);
  EXPECT_EQ(status_of(dir_.file("out/a")).st_nlink, 2u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.file("out")), {}), 2);
}

TEST_F(TargetTreeTest, AnyDepthIsMadeWithFewDescriptors) {
  TargetOptions options;
  options.open_folders_max = 4;
  const auto tree = open(dir_.file("out"), options);
  const std::string name(200, 'd');
  std::vector<TargetFolderPtr> folders{tree->root()};
  for (int i = 0; i < 300; ++i) {
    auto made = tree->create_folder(folders.back(), name);
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    folders.push_back(*made);
  }
  ASSERT_TRUE(put(*tree, folders.back(), "deep", "deep").ok());
  while (folders.size() > 1) {
    const auto attributes = attributes_of(S_IFDIR | 0700);
    ASSERT_TRUE(tree->finish_folder(folders.back(), attributes, &notes_).ok());
    folders.pop_back();
  }
  int at = ::open(dir_.file("out").c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 300; ++i) {
    const int next = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY);
    ::close(at);
    at = next;
  }
  char bytes[4] = {};
  const int file = ::openat(at, "deep", O_RDONLY);
  EXPECT_EQ(::read(file, bytes, 4), 4);
  ::close(file);
  ::close(at);
}

TEST_F(TargetTreeTest, ALongChainOfFoldersIsDestroyedWithoutRecursion) {
  const TempDir memory(test::memory_directory());
  const auto tree = open(memory.file("out"));
  TargetFolderPtr folder = tree->root();
  for (int i = 0; i < 3'000; ++i) {
    auto made = tree->create_folder(folder, "d");
    ASSERT_TRUE(made.ok());
    folder = *made;
  }
  // On a stack that would not take a frame for each of them.
  pthread_attr_t attributes;
  ASSERT_EQ(::pthread_attr_init(&attributes), 0);
  ASSERT_EQ(::pthread_attr_setstacksize(&attributes, 256u << 10), 0);
  pthread_t thread{};
  const auto destroy = [](void* last) -> void* {
    static_cast<TargetFolderPtr*>(last)->reset();
    return nullptr;
  };
  ASSERT_EQ(::pthread_create(&thread, &attributes, destroy, &folder), 0);
  ::pthread_join(thread, nullptr);
  ::pthread_attr_destroy(&attributes);
  EXPECT_EQ(folder, nullptr);
}

TEST_F(TargetTreeTest, SetIdBitsAreLeftOutWhereTheOwnerCannotBeSet) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0777), 0);
  const int result = run_as_nobody([&] {
    auto tree = TargetTree::open(dir_.file("out"), {});
    if (!tree.ok()) return 1;
    TreeAttributes attributes = attributes_of(S_IFREG | 06755);
    attributes.uid = 0;
    attributes.gid = 0;
    attributes.xattrs = {};
    if (!put(**tree, (*tree)->root(), "f", "x", attributes).ok()) return 2;
    if (notes_.size() != 1) return 3;  // the owner is no news, the bits are
    struct stat status {};
    if (::lstat(dir_.file("out/f").c_str(), &status) != 0) return 4;
    if ((status.st_mode & 07777) != 0755) return 5;
    attributes.device = 0x103;
    attributes.mode = S_IFCHR | 0600;
    const auto device = (*tree)->create_other((*tree)->root(), "d", attributes, &notes_);
    return !device.ok() && device.error().code() == ErrorCode::kPermissionDenied ? 0 : 6;
  });
  EXPECT_EQ(result, 0);
}

TEST_F(TargetTreeTest, ReadOnlyFilesOfAUserGetTheirExtendedAttributes) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  write_bytes(dir_.file("probe"), "");
  if (!set_xattr(dir_.file("probe"), "user.a", "x")) GTEST_SKIP() << "no extended attributes here";
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0777), 0);
  const int result = run_as_nobody([&] {
    auto tree = TargetTree::open(dir_.file("out"), {});
    if (!tree.ok()) return 1;
    TreeAttributes attributes = attributes_of(S_IFREG | 0400);
    attributes.xattrs = {{"user.a", "kept"}};
    if (!put(**tree, (*tree)->root(), "f", "x", attributes).ok()) return 2;
    return notes_.empty() ? 0 : 3;
  });
  EXPECT_EQ(result, 0);
}

TEST_F(TargetTreeTest, SyncSucceeds) {
  // In memory if possible: on a busy disk it takes as long as all that others wrote.
  const TempDir memory(test::memory_directory());
  const auto tree = open(memory.file("out"));
  ASSERT_TRUE(put(*tree, tree->root(), "f", "x").ok());
  EXPECT_TRUE(tree->sync().ok());
}

}  // namespace
}  // namespace ramet::io
