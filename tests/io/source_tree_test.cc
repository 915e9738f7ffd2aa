// SourceTree: order, completeness, what changes meanwhile, bounds.
#include "io/source_tree.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <map>
#include <optional>

#include "tests/support/temp_dir.h"
#include "tests/support/tree_files.h"

namespace ramet::io {
namespace {

using test::make_folder;
using test::noise;
using test::read_bytes;
using test::run_as_nobody;
using test::set_size;
using test::set_xattr;
using test::TempDir;
using test::write_bytes;

struct Seen {
  std::vector<std::string> order;           // "name" for names, "name/" and "/name" around folders
  std::map<std::string, SourceItem> items;  // the last of each name
  std::map<std::string, std::string> contents;
};

class ContentSink : public StreamSink {
 public:
  explicit ContentSink(std::string& content) : content_(content) {}
  std::span<char> memory() override { return piece_; }
  Status take(uint64_t offset, size_t length) override {
    EXPECT_GE(offset, content_.size());
    content_.resize(offset);
    content_.append(piece_, 0, length);
    return ok();
  }

 private:
  std::string& content_;
  std::string piece_ = std::string(1u << 20, '\0');
};

// The bytes of a file, holes filled.
std::string content_of(SourceTree& tree, SourceItem& item, int attempts = 4) {
  if (item.loaded) {
    std::string content(item.size, '\0');
    size_t at = 0;
    for (const DataRange& range : item.ranges) {
      content.replace(range.offset, range.length, item.bytes.substr(at, range.length));
      at += range.length;
    }
    EXPECT_EQ(at, item.bytes.size());
    return content;
  }
  for (int attempt = 1; attempt <= attempts; ++attempt) {
    std::string content;
    ContentSink sink(content);
    auto outcome = tree.stream(item, attempt, sink);
    if (!outcome.ok()) return "error";
    if (*outcome == SourceTree::Outcome::kProblem) return "problem";
    if (*outcome == SourceTree::Outcome::kChanged) continue;
    content.resize(item.size);
    return content;
  }
  return "kept changing";
}

Seen read_all(const std::string& path, const SourceOptions& options = {}) {
  Seen seen;
  auto tree = SourceTree::open(path, options);
  EXPECT_TRUE(tree.ok());
  if (!tree.ok()) return seen;
  while (SourceItem* item = (*tree)->next()) {
    switch (item->kind) {
      case SourceKind::kFolder: seen.order.push_back(item->name + "/"); break;
      case SourceKind::kFolderEnd: seen.order.push_back("/" + item->name); continue;
      case SourceKind::kProblem: seen.order.push_back("! " + item->name); break;
      default: seen.order.push_back(item->name);
    }
    if (item->kind == SourceKind::kFile) seen.contents[item->name] = content_of(**tree, *item);
    seen.items[item->name] = *item;
  }
  return seen;
}

TEST(SourceTree, VisitsNamesInByteOrderAndFoldersBehindFiles) {
  const TempDir dir;
  make_folder(dir.file("b"));
  make_folder(dir.file("b/empty"));
  make_folder(dir.file("a"));
  for (const char* name : {"z", "A", "\xFF\xFE", "new\nline", "b/2", "b/10", "-rf"}) {
    write_bytes(dir.file(name), name);
  }
  const Seen seen = read_all(dir.path());
  const std::vector<std::string> expected = {"/",        "-rf",    "A",      "new\nline", "z",
                                             "\xFF\xFE", "a/",     "/a",     "b/",        "10",
                                             "2",        "empty/", "/empty", "/b",        "/"};
  EXPECT_EQ(seen.order, expected);
  EXPECT_EQ(seen.contents.at("\xFF\xFE"), "\xFF\xFE");
}

TEST(SourceTree, LongestNamesAndManyFilesComeWithTheirContent) {
  const TempDir dir(test::memory_directory());
  const std::string longest(255, 'n');
  write_bytes(dir.file(longest), "long");
  for (int i = 0; i < 1000; ++i) write_bytes(dir.file("f" + std::to_string(i)), noise(300, i));
  const Seen seen = read_all(dir.path());
  EXPECT_EQ(seen.order.size(), 1003u);
  EXPECT_EQ(seen.contents.at(longest), "long");
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(seen.contents.at("f" + std::to_string(i)), noise(300, i)) << i;
  }
}

TEST(SourceTree, LinksAreReadAndNotFollowed) {
  const TempDir dir;
  make_folder(dir.file("folder"));
  ASSERT_EQ(::symlink("..", dir.file("folder/loop").c_str()), 0);
  ASSERT_EQ(::symlink("folder", dir.file("link").c_str()), 0);
  ASSERT_EQ(::symlink("/nowhere at all", dir.file("dangling").c_str()), 0);
  const std::string target(4095, 't');
  ASSERT_EQ(::symlink(target.c_str(), dir.file("long").c_str()), 0);
  const Seen seen = read_all(dir.path());
  EXPECT_EQ(seen.order.size(), 8u);
  EXPECT_EQ(seen.items.at("loop").kind, SourceKind::kSymlink);
  EXPECT_EQ(seen.items.at("loop").target, "..");
  EXPECT_EQ(seen.items.at("link").target, "folder");
  EXPECT_EQ(seen.items.at("dangling").target, "/nowhere at all");
  EXPECT_EQ(seen.items.at("long").target, target);
}

TEST(SourceTree, FifosAndSocketsAreNotOpened) {
  const TempDir dir;
  ASSERT_EQ(::mkfifo(dir.file("fifo").c_str(), 0640), 0);
  ASSERT_EQ(::mknod(dir.file("socket").c_str(), S_IFSOCK | 0600, 0), 0);
  const Seen seen = read_all(dir.path());
  EXPECT_EQ(seen.items.at("fifo").kind, SourceKind::kOther);
  EXPECT_EQ(seen.items.at("fifo").attributes.mode & S_IFMT, static_cast<unsigned>(S_IFIFO));
  EXPECT_EQ(seen.items.at("socket").kind, SourceKind::kOther);
}

TEST(SourceTree, HolesAreNotRead) {
  const TempDir dir;
  const std::string data = noise(4096, 1);
  write_bytes(dir.file("begin"), data, 1 << 16);
  write_bytes(dir.file("middle"), data);
  write_bytes(dir.file("middle"), data, 1 << 16);
  write_bytes(dir.file("end"), data);
  set_size(dir.file("end"), 1 << 16);
  write_bytes(dir.file("all"), "");
  set_size(dir.file("all"), 1 << 16);
  const Seen seen = read_all(dir.path());
  for (const char* name : {"begin", "middle", "end", "all"}) {
    EXPECT_EQ(seen.contents.at(name), read_bytes(dir.file(name))) << name;
    EXPECT_LE(seen.items.at(name).bytes.size(), 8192u) << name;
  }
  EXPECT_EQ(seen.items.at("all").size, 1u << 16);
  EXPECT_TRUE(seen.items.at("all").ranges.empty());
}

TEST(SourceTree, BigFilesAreStreamedWithTheirHoles) {
  const TempDir dir;
  write_bytes(dir.file("big"), noise(3'000'000, 2));
  write_bytes(dir.file("big"), noise(70'000, 3), 20'000'000);
  set_size(dir.file("big"), 30'000'000);
  const Seen seen = read_all(dir.path());
  EXPECT_FALSE(seen.items.at("big").loaded);
  EXPECT_EQ(seen.contents.at("big"), read_bytes(dir.file("big")));
}

TEST(SourceTree, HardLinkedFilesSayWhichTheyAre) {
  const TempDir dir;
  write_bytes(dir.file("a"), "same");
  ASSERT_EQ(::link(dir.file("a").c_str(), dir.file("b").c_str()), 0);
  const Seen seen = read_all(dir.path());
  EXPECT_EQ(seen.items.at("a").identity, seen.items.at("b").identity);
  EXPECT_EQ(seen.items.at("a").links, 2u);
  EXPECT_EQ(seen.contents.at("b"), "same");
}

// --- attributes ----------------------------------------------------------------------------------

TEST(SourceTree, AttributesAreThoseOfTheFile) {
  const TempDir dir;
  write_bytes(dir.file("old"), "x");
  test::set_time(dir.file("old"), -12345, 678);
  ASSERT_EQ(::chmod(dir.file("old").c_str(), 06751), 0);
  const bool has_xattrs = set_xattr(dir.file("old"), "user.b", "2") &&
                          set_xattr(dir.file("old"), "user.a", ByteView("\0\1", 2));
  const Seen seen = read_all(dir.path());
  const TreeAttributes& attributes = seen.items.at("old").attributes;
  EXPECT_EQ(attributes.mode, static_cast<unsigned>(S_IFREG | 06751));
  EXPECT_EQ(attributes.modified, -12345 * 1'000'000'000ll + 678);
  if (!has_xattrs) GTEST_SKIP() << "no extended attributes here";
  const std::vector<TreeXattr> expected = {{"user.a", std::string("\0\1", 2)}, {"user.b", "2"}};
  EXPECT_EQ(attributes.xattrs, expected);
}

TEST(SourceTree, TooManyExtendedAttributesAreLeftOutAndNoted) {
  const TempDir dir;
  write_bytes(dir.file("f"), "x");
  if (!set_xattr(dir.file("f"), "user.a", noise(500, 1)) ||
      !set_xattr(dir.file("f"), "user.b", noise(1500, 1))) {
    GTEST_SKIP() << "no extended attributes here";
  }
  SourceOptions options;
  options.xattr_bytes_max = 1000;
  const Seen seen = read_all(dir.path(), options);
  ASSERT_EQ(seen.items.at("f").attributes.xattrs.size(), 1u);
  ASSERT_EQ(seen.items.at("f").notes.size(), 1u);
  EXPECT_NE(seen.items.at("f").notes[0].find("user.b"), std::string::npos);
  options.xattrs = false;
  EXPECT_TRUE(read_all(dir.path(), options).items.at("f").attributes.xattrs.empty());
}

// --- what changes meanwhile ----------------------------------------------------------------------

// Runs `change` when the file was read, `times` times; what was read in the end.
std::string content_with_change(bool streamed, int times,
                                const std::function<void(const std::string&)>& change,
                                bool* is_problem = nullptr) {
  const TempDir dir;
  const std::string path = dir.file("f");
  write_bytes(path, noise(100'000, 1));
  SourceOptions options;
  options.small_file_bytes = streamed ? 1000 : 1 << 20;
  options.after_read = [&](const std::string&, int attempt) {
    if (attempt <= times) change(path);
  };
  const Seen seen = read_all(dir.path(), options);
  if (is_problem != nullptr) *is_problem = seen.items.at("f").kind == SourceKind::kProblem;
  const auto found = seen.contents.find("f");
  if (found == seen.contents.end()) return "";
  EXPECT_TRUE(times > 3 || found->second == read_bytes(path));
  return found->second;
}

TEST(SourceTree, AFileThatChangesOnceIsReadAgain) {
  for (const bool streamed : {false, true}) {
    content_with_change(streamed, 1, [](const std::string& path) { write_bytes(path, "new"); });
    content_with_change(streamed, 1,
                        [](const std::string& path) { write_bytes(path, "more", 100'000); });
    content_with_change(streamed, 2, [](const std::string& path) { set_size(path, 50'000); });
    content_with_change(streamed, 2, [](const std::string& path) { set_size(path, 0); });
    content_with_change(streamed, 1, [](const std::string& path) { ::chmod(path.c_str(), 0600); });
    // The same size and, set back by hand, the same time.
    content_with_change(streamed, 1, [](const std::string& path) {
      struct stat status {};
      ::stat(path.c_str(), &status);
      write_bytes(path, "NEW");
      test::set_time(path, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    });
  }
}

TEST(SourceTree, AFileThatIsReplacedMeanwhileIsReadAsOneOfTheTwo) {
  for (const bool streamed : {false, true}) {
    const std::string content = content_with_change(streamed, 1, [](const std::string& path) {
      write_bytes(path + ".new", noise(90'000, 2));
      ::rename((path + ".new").c_str(), path.c_str());
    });
    EXPECT_EQ(content, noise(90'000, 2));
  }
}

TEST(SourceTree, AFileThatKeepsChangingIsAProblemAndNeverTorn) {
  bool is_problem = false;
  content_with_change(
      false, 100, [](const std::string& path) { write_bytes(path, "x", 200'000); }, &is_problem);
  EXPECT_TRUE(is_problem);
  EXPECT_EQ(content_with_change(true, 100,
                                [](const std::string& path) { write_bytes(path, "x", 200'000); }),
            "kept changing");
}

TEST(SourceTree, NamesThatBecomeSomethingElseAreReadAsThatOrReported) {
  const TempDir dir;
  for (const char* name : {"a", "b", "c", "d", "e"}) write_bytes(dir.file(name), "file");
  SourceOptions options;
  options.threads = 1;
  options.after_read = [&](const std::string& name, int) {
    if (name != "a") return;
    for (const char* gone : {"b", "c", "d", "e"}) ASSERT_EQ(::unlink(dir.file(gone).c_str()), 0);
    ASSERT_EQ(::mkfifo(dir.file("b").c_str(), 0600), 0);
    ASSERT_EQ(::symlink("/etc/passwd", dir.file("c").c_str()), 0);
    make_folder(dir.file("d"));
  };
  const Seen seen = read_all(dir.path(), options);
  EXPECT_EQ(seen.items.at("a").kind, SourceKind::kFile);
  EXPECT_EQ(seen.items.at("b").kind, SourceKind::kOther);
  EXPECT_EQ(seen.items.at("c").kind, SourceKind::kSymlink);
  EXPECT_EQ(seen.items.at("d").kind, SourceKind::kProblem);
  EXPECT_EQ(seen.items.at("e").kind, SourceKind::kProblem);
}

TEST(SourceTree, FilesWithoutASizeButWithContentAreReported) {
  const Seen seen = read_all("/proc/self/status");
  EXPECT_EQ(seen.items.at("status").kind, SourceKind::kProblem);
}

// --- rights --------------------------------------------------------------------------------------

TEST(SourceTree, UnreadableFilesAndFoldersAreReportedAndTheRestIsRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  const TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  write_bytes(dir.file("good"), "good");
  write_bytes(dir.file("secret"), "secret");
  ASSERT_EQ(::chmod(dir.file("secret").c_str(), 0600), 0);
  make_folder(dir.file("closed"), 0700);
  write_bytes(dir.file("closed/inside"), "x");
  make_folder(dir.file("listed"), 0744);  // names, but nothing behind them
  write_bytes(dir.file("listed/inside"), "x");
  const int result = run_as_nobody([&] {
    const Seen seen = read_all(dir.path());
    if (seen.contents.at("good") != "good") return 1;
    if (seen.items.at("secret").kind != SourceKind::kProblem) return 2;
    if (seen.items.at("closed").kind != SourceKind::kFolder) return 3;
    if (seen.items.at("closed").notes.size() != 1) return 4;
    if (seen.items.at("closed").attributes.mode != (S_IFDIR | 0700)) return 5;
    if (seen.items.at("inside").kind != SourceKind::kProblem) return 6;
    return seen.order.back() == "/" ? 0 : 7;
  });
  EXPECT_EQ(result, 0);
}

// --- bounds --------------------------------------------------------------------------------------

TEST(SourceTree, AFolderWithMoreNamesThanFitIsListedAgain) {
  const TempDir dir(test::memory_directory());
  for (int i = 0; i < 400; ++i) {
    write_bytes(dir.file("file" + std::to_string(i)), std::to_string(i));
    make_folder(dir.file("folder" + std::to_string(i)));
    write_bytes(dir.file("folder" + std::to_string(i) + "/inside"), "x");
  }
  SourceOptions options;
  options.names_bytes_max = 700;  // about ten names
  const Seen few = read_all(dir.path(), options);
  const Seen all = read_all(dir.path());
  EXPECT_EQ(few.order, all.order);
  EXPECT_EQ(few.contents, all.contents);
  EXPECT_EQ(all.order.size(), 2u + 400 + 3 * 400);
}

TEST(SourceTree, NamesOfOuterFoldersAreListedAgainWhenAllTogetherAreTooMany) {
  const TempDir dir(test::memory_directory());
  for (int i = 0; i < 1000; ++i) {
    const std::string digits = std::to_string(1000 + i);  // ten in ten in ten
    std::string path = dir.path();
    for (size_t level = 1; level < digits.size(); ++level) {
      path += std::string("/") + digits[level];
      ::mkdir(path.c_str(), 0755);
    }
  }
  SourceOptions options;
  options.names_bytes_max = 450;  // ten names; two folders' worth for all
  const Seen few = read_all(dir.path(), options);
  EXPECT_EQ(few.order.size(), 2u + 2 * (10 + 100 + 1000));
  EXPECT_EQ(few.order, read_all(dir.path()).order);
}

TEST(SourceTree, AnyDepthIsReadWithFewDescriptors) {
  const TempDir dir(test::memory_directory());
  const std::string name(200, 'd');  // so deep a path cannot be named
  constexpr int kDepth = 600;
  int at = ::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(::mkdirat(at, name.c_str(), 0755), 0);
    ASSERT_EQ(::mkdirat(at, "x", 0755), 0);  // visited on the way back
    const int next = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY);
    ASSERT_GE(next, 0);
    ::close(at);
    at = next;
  }
  const int file = ::openat(at, "deep", O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::write(file, "deep", 4), 4);
  ::close(file);
  ::close(at);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit small{200, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  const Seen seen = read_all(dir.path());
  ::setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(seen.order.size(), 2u + kDepth * 4 + 1);
  EXPECT_EQ(seen.contents.at("deep"), "deep");
  for (const std::string& step : seen.order) ASSERT_NE(step[0], '!');
}

TEST(SourceTree, ManySmallFoldersStayWithinTheirDescriptors) {
  const TempDir dir(test::memory_directory());
  for (int i = 0; i < 600; ++i) {
    make_folder(dir.file(std::to_string(i)));
    write_bytes(dir.file(std::to_string(i) + "/f"), "x");
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit small{200, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  SourceOptions options;
  options.small_file_bytes = 0;  // streamed files keep their folders open until they are taken
  const Seen seen = read_all(dir.path(), options);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(seen.order.size(), 2u + 600 * 3);
  EXPECT_EQ(seen.contents.at("f"), "x");
  for (const std::string& step : seen.order) ASSERT_NE(step[0], '!');
}

TEST(SourceTree, AnAlmostEmptyBudgetStillReadsEverything) {
  const TempDir dir(test::memory_directory());
  for (int i = 0; i < 300; ++i) write_bytes(dir.file(std::to_string(i)), noise(5000, i));
  SourceOptions options;
  options.read_ahead_bytes = 1;
  options.threads = 4;
  const Seen seen = read_all(dir.path(), options);
  EXPECT_EQ(seen.contents.size(), 300u);
  EXPECT_EQ(seen.contents.at("299"), noise(5000, 299));
}

TEST(SourceTree, MayBeDestroyedAtAnyItem) {
  const TempDir dir(test::memory_directory());
  for (int i = 0; i < 500; ++i) write_bytes(dir.file(std::to_string(i)), noise(5000, i));
  for (int stop : {0, 1, 2, 40, 499, 502}) {
    SourceOptions options;
    options.read_ahead_bytes = 20'000;
    auto tree = SourceTree::open(dir.path(), options);
    ASSERT_TRUE(tree.ok());
    for (int i = 0; i < stop; ++i) ASSERT_NE((*tree)->next(), nullptr);
  }
}

// More readers come and go while others read.
TEST(SourceTree, ReadersThatWaitForTheDeviceChangeNothingButTheirNumber) {
  const TempDir dir(test::memory_directory());
  std::map<std::string, std::string> contents;
  for (int i = 0; i < 3000; ++i) {
    const std::string name = std::to_string(i % 7) + "/" + std::to_string(i);
    if (i < 7) make_folder(dir.file(std::to_string(i)));
    contents[std::to_string(i)] = noise(static_cast<size_t>(i % 500), i);
    write_bytes(dir.file(name), contents[std::to_string(i)]);
  }
  const Seen expected = read_all(dir.path());
  EXPECT_EQ(expected.contents, contents);
  for (const int of_ten : {10, 5, 1}) {
    SourceOptions options;
    options.read_ahead_bytes = 50'000;
    std::atomic<int> batch{0};
    options.waited_for_device = [&] { return batch++ % 10 < of_ten; };
    for (int round = 0; round < 5; ++round) {
      const Seen seen = read_all(dir.path(), options);
      EXPECT_EQ(seen.order, expected.order);
      EXPECT_EQ(seen.contents, contents);
    }
    auto tree = SourceTree::open(dir.path(), options);  // ended in the middle
    ASSERT_TRUE(tree.ok());
    for (int i = 0; i < 500; ++i) ASSERT_NE((*tree)->next(), nullptr);
  }
}

TEST(SourceTree, AFailingSinkEndsTheStream) {
  const TempDir dir;
  write_bytes(dir.file("big"), noise(3'000'000, 1));
  auto tree = SourceTree::open(dir.file("big"), {});
  ASSERT_TRUE(tree.ok());
  SourceItem* item = (*tree)->next();
  ASSERT_NE(item, nullptr);
  class FailingSink : public StreamSink {
   public:
    std::span<char> memory() override { return piece_; }
    Status take(uint64_t, size_t) override { return Error(ErrorCode::kOutOfSpace, "full"); }

   private:
    std::array<char, 4096> piece_{};
  };
  FailingSink sink;
  const auto outcome = (*tree)->stream(*item, 1, sink);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), ErrorCode::kOutOfSpace);
}

// --- opening -------------------------------------------------------------------------------------

TEST(SourceTree, OneFileIsATreeOfOneItem) {
  const TempDir dir;
  write_bytes(dir.file("f"), "one");
  ASSERT_EQ(::symlink("f", dir.file("link").c_str()), 0);
  EXPECT_EQ(read_all(dir.file("f")).contents.at("f"), "one");
  auto tree = SourceTree::open(dir.file("link"), {});
  ASSERT_TRUE(tree.ok());
  EXPECT_FALSE((*tree)->is_folder());
  EXPECT_EQ((*tree)->name(), "link");
  SourceItem* item = (*tree)->next();
  ASSERT_NE(item, nullptr);
  EXPECT_EQ(content_of(**tree, *item), "one");
  EXPECT_EQ((*tree)->next(), nullptr);
}

TEST(SourceTree, ALinkToAFolderIsOpenedAsTheFolder) {
  const TempDir dir;
  make_folder(dir.file("folder"));
  write_bytes(dir.file("folder/f"), "x");
  ASSERT_EQ(::symlink("folder", dir.file("link").c_str()), 0);
  EXPECT_EQ(read_all(dir.file("link")).contents.at("f"), "x");
  EXPECT_EQ(read_all(dir.file("link///")).contents.at("f"), "x");
}

TEST(SourceTree, WhatIsNotThereIsAnError) {
  const TempDir dir;
  const auto missing = SourceTree::open(dir.file("missing"), {});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  ASSERT_EQ(::symlink("nowhere", dir.file("dangling").c_str()), 0);
  EXPECT_FALSE(SourceTree::open(dir.file("dangling"), {}).ok());
}

TEST(SourceTree, MeasureCountsFilesAndBytes) {
  const TempDir dir;
  make_folder(dir.file("a"));
  write_bytes(dir.file("a/1"), noise(1000, 1));
  write_bytes(dir.file("2"), noise(234, 1));
  ASSERT_EQ(::symlink("2", dir.file("link").c_str()), 0);
  uint64_t files = 0;
  uint64_t bytes = 0;
  EXPECT_TRUE(measure_source(dir.path(), std::atomic<bool>{false}, &files, &bytes));
  EXPECT_EQ(files, 2u);
  EXPECT_EQ(bytes, 1234u);
  EXPECT_FALSE(measure_source(dir.path(), std::atomic<bool>{true}, &files, &bytes));
}

}  // namespace
}  // namespace ramet::io
