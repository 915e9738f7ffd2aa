// Import and export of whole trees: what comes out is what went in, in every respect; what cannot
// be copied is reported, and the rest is.
#include <atomic>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include "tests/engine/import_fixture.h"

namespace ramet {
namespace {

using test::ImportTest;
using test::make_folder;
using test::noise;
using test::OpenStore;
using test::read_bytes;
using test::run_as_nobody;
using test::set_size;
using test::set_time;
using test::set_xattr;
using test::TempDir;
using test::write_bytes;

// --- there and back ------------------------------------------------------------------------------

TEST_F(ImportTest, NamesOfAnyBytesComeBack) {
  for (const std::string& name :
       {std::string("new\nline"), std::string("\xFF\xFE not UTF-8"), std::string(255, 'n'),
        std::string(" "), std::string("-rf"), std::string("a:b@c"), std::string("*"),
        std::string("\x01\x7F"), std::string("..."), std::string("\xC3\xA4")}) {
    write_bytes(tree(name), name);
    make_folder(tree(name.substr(0, 250) + "_dir"));
    write_bytes(tree(name.substr(0, 250) + "_dir/" + name), name);
  }
  store_.import(tree(), "/");
  expect_equal();
}

TEST_F(ImportTest, AttributesAndTimesComeBack) {
  write_bytes(tree("setuid"), "x");
  ASSERT_EQ(::chmod(tree("setuid").c_str(), 06755), 0);
  write_bytes(tree("before 1970"), "x");
  set_time(tree("before 1970"), -86400, 999'999'999);
  write_bytes(tree("the epoch itself"), "x");
  set_time(tree("the epoch itself"), 0, 0);
  ASSERT_EQ(::symlink("x", tree("link of the epoch").c_str()), 0);
  set_time(tree("link of the epoch"), 0, 0);
  write_bytes(tree("far"), "x");
  set_time(tree("far"), 9'000'000'000, 1);
  write_bytes(tree("no rights"), "x");
  ASSERT_EQ(::chmod(tree("no rights").c_str(), 0), 0);
  make_folder(tree("sticky"));
  ASSERT_EQ(::chmod(tree("sticky").c_str(), 03777), 0);
  make_folder(tree("empty folder of the epoch"));
  set_time(tree("empty folder of the epoch"), 0, 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::lchown(tree("far").c_str(), 12345, 4'000'000'000u), 0);
    ASSERT_EQ(::lchown(tree("link of the epoch").c_str(), 1, 2), 0);
  }
  set_time(tree(), 55, 66);
  store_.import(tree(), "/");
  expect_equal();
}

TEST_F(ImportTest, ExtendedAttributesComeBack) {
  write_bytes(tree("file"), "x");
  make_folder(tree("folder"));
  if (!set_xattr(tree("file"), "user.one", noise(1000, 1))) {
    GTEST_SKIP() << "no extended attributes here";
  }
  ASSERT_TRUE(set_xattr(tree("file"), "user.empty", ""));
  ASSERT_TRUE(set_xattr(tree("folder"), "user.folder", ByteView("\0\xFF", 2)));
  if (::geteuid() == 0) {
    ASSERT_EQ(::symlink("x", tree("link").c_str()), 0);
    set_xattr(tree("link"), "trusted.link", "of a link");
    ASSERT_EQ(::mkfifo(tree("fifo").c_str(), 0600), 0);
    set_xattr(tree("fifo"), "trusted.fifo", "of a fifo");
  }
  store_.import(tree(), "/");
  expect_equal();
  ImportOptions options;
  options.xattrs = false;
  store_.import(tree(), "/without", options);
  const auto view = store_.view();
  const auto object = view->object(view->lookup("/without/file")->object);
  EXPECT_TRUE(object->attributes.xattrs.empty());
}

TEST_F(ImportTest, HolesComeBackAsHoles) {
  const std::string data = noise(8192, 1);
  write_bytes(tree("begin"), data, 1 << 20);
  write_bytes(tree("end"), data);
  set_size(tree("end"), 5 << 20);
  write_bytes(tree("middle"), data);
  write_bytes(tree("middle"), data, 3 << 20);
  write_bytes(tree("only"), "");
  set_size(tree("only"), 12345);
  write_bytes(tree("many"), "");
  for (int i = 0; i < 200; ++i) write_bytes(tree("many"), data, i * 65536);
  store_.import(tree(), "/");
  expect_equal();
}

TEST_F(ImportTest, ASparseFileOfAGigabyteTakesNoMoreThanItsData) {
  write_bytes(tree("sparse"), noise(100'000, 1), 1 << 29);
  set_size(tree("sparse"), 1 << 30);
  const CopyReport report = store_.import(tree(), "/");
  EXPECT_EQ(report.bytes, 1u << 30);
  EXPECT_LT(report.ingest.content_bytes, 200'000u);
  expect_equal();
}

TEST_F(ImportTest, LinksOfBothKindsComeBack) {
  make_folder(tree("a"));
  make_folder(tree("b"));
  write_bytes(tree("a/file"), "shared");
  ASSERT_EQ(::link(tree("a/file").c_str(), tree("b/file").c_str()), 0);
  ASSERT_EQ(::link(tree("a/file").c_str(), tree("zz").c_str()), 0);
  write_bytes(tree("b/big"), noise(3'000'000, 1));
  ASSERT_EQ(::link(tree("b/big").c_str(), tree("a/big").c_str()), 0);
  ASSERT_EQ(::symlink("..", tree("a/loop").c_str()), 0);
  ASSERT_EQ(::symlink("itself", tree("itself").c_str()), 0);
  ASSERT_EQ(::symlink("/nowhere", tree("dangling").c_str()), 0);
  ASSERT_EQ(::symlink(std::string(4095, 'x').c_str(), tree("long").c_str()), 0);
  ASSERT_EQ(::link(tree("dangling").c_str(), tree("b/dangling too").c_str()), 0);
  ASSERT_EQ(::mkfifo(tree("fifo").c_str(), 0600), 0);
  ASSERT_EQ(::link(tree("fifo").c_str(), tree("b/fifo").c_str()), 0);
  const CopyReport report = store_.import(tree(), "/");
  EXPECT_EQ(report.files, 2u);
  EXPECT_EQ(report.hard_links, 5u);
  EXPECT_EQ(report.symlinks, 4u);
  EXPECT_EQ(report.others, 1u);
  EXPECT_EQ(report.folders, 2u);
  EXPECT_EQ(report.bytes, 3'000'006u);
  const CopyReport exported = store_.export_to("/", out());
  EXPECT_EQ(test::tree_difference(tree(), out()), "");
  EXPECT_EQ(exported.files, 2u);
  EXPECT_EQ(exported.hard_links, 5u);
  EXPECT_EQ(exported.bytes, 3'000'006u);
}

TEST_F(ImportTest, FifosSocketsAndDevicesComeBack) {
  ASSERT_EQ(::mkfifo(tree("fifo").c_str(), 0640), 0);
  ASSERT_EQ(::mknod(tree("socket").c_str(), S_IFSOCK | 0600, 0), 0);
  if (::geteuid() == 0) {
    static_cast<void>(::mknod(tree("null").c_str(), S_IFCHR | 0666, 0x103));
    static_cast<void>(::mknod(tree("block").c_str(), S_IFBLK | 0600, 0x700));
  }
  store_.import(tree(), "/");
  expect_equal();
}

TEST_F(ImportTest, EmptyThingsComeBack) {
  write_bytes(tree("empty"), "");
  make_folder(tree("folder"));
  store_.import(tree(), "/");
  expect_equal();
  make_folder(dir_.file("nothing"));
  const CopyReport report = store_.import(dir_.file("nothing"), "/nothing");
  EXPECT_EQ(report.files + report.folders, 0u);
  EXPECT_TRUE(store_.view()->lookup("/nothing").ok());
}

TEST_F(ImportTest, ManyFilesInOneFolderComeBackWithAnyNumberOfThreads) {
  for (int i = 0; i < 900; ++i) {
    write_bytes(tree("f" + std::to_string(i)), noise(static_cast<size_t>(i % 50) * 40, i));
  }
  for (unsigned threads : {1u, 5u}) {
    ImportOptions options;
    options.threads = threads;
    const std::string name = "t" + std::to_string(threads);
    store_.import(tree(), "/" + name, options);
    ExportOptions exporting;
    exporting.threads = threads;
    store_.export_to("/" + name, dir_.file(name), exporting);
    EXPECT_EQ(test::tree_difference(tree(), dir_.file(name)), "");
  }
}

TEST_F(ImportTest, TreesDeeperThanAnyPathComeBack) {
  const std::string name(200, 'd');
  constexpr int kDepth = 120;
  int at = ::open(tree().c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(::mkdirat(at, name.c_str(), 0755), 0);
    const int next = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY);
    ::close(at);
    at = next;
  }
  const int file = ::openat(at, "deep", O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::write(file, "deep", 4), 4);
  ::close(file);
  ::close(at);
  store_.import(tree(), "/");
  expect_equal();
}

// --- where to ------------------------------------------------------------------------------------

TEST_F(ImportTest, TheSourcesOwnAttributesGoToANewTargetOnly) {
  ASSERT_EQ(::chmod(tree().c_str(), 0711), 0);
  set_time(tree(), 77, 88);
  store_.import(tree(), "/new/folder");
  auto view = store_.view();
  const auto attributes = [&](const char* path) {
    view = store_.view();
    return view->folder(view->lookup(path)->folder)->attributes;
  };
  EXPECT_EQ(attributes("/new/folder").mode & 07777, 0711u);
  EXPECT_EQ(attributes("/new/folder").modified, 77'000'000'088);
  EXPECT_NE(attributes("/new").mode & 07777, 0711u);
  store_.import(tree(), "/new");
  EXPECT_NE(attributes("/new").mode & 07777, 0711u) << "it was there already";
  store_.import(tree(), "");
  EXPECT_EQ(attributes("/").mode & 07777, 0711u) << "the root of a container";
}

TEST_F(ImportTest, OneFileGoesIntoTheTargetUnderItsName) {
  write_bytes(tree("f"), "one");
  ASSERT_EQ(::symlink("f", tree("link").c_str()), 0);
  const CopyReport report = store_.import(tree("f"), "/files");
  EXPECT_EQ(report.files, 1u);
  EXPECT_EQ(stored("/files/f"), "one");
  store_.import(tree("link"), "/files");
  EXPECT_EQ(stored("/files/link"), "one") << "the path that is given is followed";
  const CopyReport exported = store_.export_to("/files/f", out());
  EXPECT_EQ(exported.files, 1u);
  EXPECT_EQ(read_bytes(out("f")), "one");
}

TEST_F(ImportTest, ImpossibleSourcesAndTargetsAreErrorsAndChangeNothing) {
  write_bytes(tree("f"), "one");
  store_.import(tree("f"), "/");
  const Sequence before = store_.view()->sequence();
  const auto import = [&](const std::string& from, const char* to) {
    const auto report = import_tree(store_.store(), store_.container(), from, to, {});
    return report.ok() ? ErrorCode::kBusy : report.error().code();
  };
  EXPECT_EQ(import(tree("missing"), "/"), ErrorCode::kNotFound);
  EXPECT_EQ(import(tree(), "/f"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(import(tree(), "/f/below"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(import(tree(), "/../x"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(store_.view()->sequence(), before);
  const auto exported = export_tree(*store_.view(), "/missing", out(), {});
  ASSERT_FALSE(exported.ok());
  EXPECT_EQ(exported.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(::access(out().c_str(), F_OK), 0);
}

TEST_F(ImportTest, AStoppedImportCommitsNothing) {
  for (int i = 0; i < 50; ++i) write_bytes(tree("f" + std::to_string(i)), noise(1000, i));
  CopyProgress progress;
  progress.cancel = true;
  ImportOptions options;
  options.progress = &progress;
  const Sequence before = store_.view()->sequence();
  const auto report = import_tree(store_.store(), store_.container(), tree(), "/", options);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(store_.view()->sequence(), before);
  EXPECT_FALSE(store_.view()->lookup("/f1").ok());
}

TEST_F(ImportTest, ProgressEndsAtTheTotals) {
  write_bytes(tree("small"), noise(1000, 1));
  write_bytes(tree("big"), noise(2'000'000, 2));
  ASSERT_EQ(::link(tree("small").c_str(), tree("small too").c_str()), 0);
  write_bytes(tree("sparse"), "");
  set_size(tree("sparse"), 1 << 21);
  CopyProgress progress;
  ImportOptions options;
  options.progress = &progress;
  store_.import(tree(), "/", options);
  EXPECT_EQ(progress.files_done, 4u);
  EXPECT_EQ(progress.bytes_done, 2'002'000u + (1 << 21));
  CopyProgress back;
  ExportOptions exporting;
  exporting.progress = &back;
  store_.export_to("/", out(), exporting);
  EXPECT_EQ(back.files_done, 4u);
  EXPECT_EQ(back.bytes_done, back.bytes_total);
}

TEST_F(ImportTest, OwnersAreLeftOutOnRequest) {
  write_bytes(tree("f"), "x");
  ImportOptions options;
  options.owners = false;
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(tree("f").c_str(), 5, 6), 0);
  }
  store_.import(tree(), "/", options);
  const auto view = store_.view();
  EXPECT_EQ(view->object(view->lookup("/f")->object)->attributes.uid, 0u);
}

// --- what goes wrong -----------------------------------------------------------------------------

TEST_F(ImportTest, AFileThatChangesOnceIsStoredAsItIsInTheEnd) {
  write_bytes(tree("small"), noise(50'000, 1));
  write_bytes(tree("big"), noise(1'500'000, 1));
  io::SourceOptions source;
  source.after_read = [&](const std::string& name, int attempt) {
    if (attempt == 1) write_bytes(tree(name), "changed", 10'000);
    if (attempt == 2) set_size(tree(name), 20'000);
  };
  const CopyReport report = store_.import(tree(), "/", {}, source);
  EXPECT_TRUE(report.problems.empty());
  expect_equal();
}

TEST_F(ImportTest, AFileThatKeepsChangingIsReportedAndLeftOut) {
  write_bytes(tree("small"), noise(50'000, 1));
  write_bytes(tree("big"), noise(1'500'000, 1));
  write_bytes(tree("steady"), "steady");
  store_.import(tree("big"), "/");  // is left as it was
  io::SourceOptions source;
  std::atomic<off_t> end = 1'500'000;  // several readers may be at it
  source.after_read = [&](const std::string& name, int) {
    if (name != "steady") write_bytes(tree(name), "more", end += 4);
  };
  ImportOptions options;
  options.stat_cache = false;
  const CopyReport report = store_.import(tree(), "/", options, source);
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.problems[0].path, tree("big"));
  EXPECT_EQ(report.problems[1].path, tree("small"));
  EXPECT_EQ(stored("/steady"), "steady");
  EXPECT_EQ(stored("/small"), "missing");
  EXPECT_EQ(stored("/big"), noise(1'500'000, 1));
  EXPECT_TRUE(store_.view()->verify(store_.view()->lookup("/big")->object).ok());
  EXPECT_EQ(stray_extents(), 0u);
}

TEST_F(ImportTest, APutThatFailedLeavesNoContentBehind) {
  auto transaction = store_.store().begin(store_.container());
  ASSERT_TRUE((*transaction)->create_folders("/d").ok());
  auto writer = (*transaction)->write_content();
  ASSERT_TRUE((*writer)->append(noise(3'000'000, 1)).ok());
  EXPECT_FALSE(
      (*transaction)->put_object(kRootFolder, "d", Attributes{}, std::move(*writer)).ok());
  ASSERT_TRUE((*transaction)->commit().ok());
  EXPECT_EQ(stray_extents(), 0u);
}

TEST(Import, UnreadableFilesAreReportedAndTheRestIsImported) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  const TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0777), 0);
  make_folder(dir.file("tree"));
  make_folder(dir.file("tree/closed"), 0700);
  write_bytes(dir.file("tree/closed/inside"), "x");
  write_bytes(dir.file("tree/good"), "good");
  write_bytes(dir.file("tree/secret"), "secret");
  ASSERT_EQ(::chmod(dir.file("tree/secret").c_str(), 0600), 0);
  const int result = run_as_nobody([&] {
    OpenStore open(dir.file("store"));
    const CopyReport report = open.import(dir.file("tree"), "/");
    if (report.problems.size() != 2) return 1;
    if (report.problems[0].path != dir.file("tree/secret")) return 2;
    if (report.problems[1].path != dir.file("tree/closed")) return 3;
    const auto view = open.view();
    if (!view->lookup("/good").ok() || view->lookup("/secret").ok()) return 4;
    if (!view->lookup("/closed").ok() || view->lookup("/closed/inside").ok()) return 5;
    // The owner of what is exported can only be the user.
    const CopyReport exported = open.export_to("/", dir.file("out"));
    if (!exported.problems.empty()) return 6;
    return read_bytes(dir.file("out/good")) == "good" ? 0 : 7;
  });
  EXPECT_EQ(result, 0);
}

TEST_F(ImportTest, ExtendedAttributesThatDoNotFitAreReported) {
  // Some file systems have room for more than is kept.
  const TempDir roomy("/dev/shm");
  write_bytes(roomy.file("f"), "content");
  if (!set_xattr(roomy.file("f"), "user.a", "small") ||
      !set_xattr(roomy.file("f"), "user.big", noise(9000, 1))) {
    GTEST_SKIP() << "no room for great extended attributes here";
  }
  const CopyReport report = store_.import(roomy.path(), "/");
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(stored("/f"), "content");
  const auto view = store_.view();
  EXPECT_EQ(view->object(view->lookup("/f")->object)->attributes.xattrs.size(), 1u);
  // As much as is kept is kept: 32 bytes are reckoned for each beside name and value.
  write_bytes(roomy.file("g"), "content");
  ASSERT_TRUE(set_xattr(roomy.file("g"), "user.x", noise((8 << 10) - 32 - 6, 1)));
  EXPECT_TRUE(store_.import(roomy.file("g"), "/").problems.empty());
}

// Damages one copy of `content` in the store's files.
bool damage(const std::string& store, const std::string& content) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(store)) {
    if (!entry.is_regular_file()) continue;
    const size_t at = read_bytes(entry.path()).find(content);
    if (at == std::string::npos) continue;
    write_bytes(entry.path(), "damage", static_cast<off_t>(at) + 100);
    return true;
  }
  return false;
}

TEST_F(ImportTest, ADamagedObjectIsReportedAndTheRestIsExported) {
  write_bytes(tree("bad"), noise(4000, 7));
  write_bytes(tree("good"), noise(4000, 8));
  write_bytes(tree("linked"), noise(4000, 9));
  ASSERT_EQ(::link(tree("linked").c_str(), tree("linked too").c_str()), 0);
  for (int i = 0; i < 30; ++i) write_bytes(tree("x" + std::to_string(i)), noise(4000, 10 + i));
  store_.import(tree(), "/");
  ASSERT_TRUE(damage(dir_.file("store"), noise(4000, 7)));
  ASSERT_TRUE(damage(dir_.file("store"), noise(4000, 9)));
  make_folder(out());
  write_bytes(out("bad"), "was here");
  ExportOptions options;
  options.overwrite = true;
  const CopyReport report = store_.export_to("/", out(), options);
  EXPECT_EQ(report.problems.size(), 3u);
  EXPECT_EQ(read_bytes(out("bad")), "was here");
  EXPECT_EQ(read_bytes(out("good")), noise(4000, 8));
  EXPECT_EQ(read_bytes(out("x29")), noise(4000, 39));
  EXPECT_NE(::access(out("linked").c_str(), F_OK), 0);
  EXPECT_EQ(report.files, 31u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(out()), {}), 32);
}

TEST_F(ImportTest, AnExportToAFullDiskIsAnError) {
  for (int i = 0; i < 40; ++i) write_bytes(tree("f" + std::to_string(i)), noise(100'000, i));
  store_.import(tree(), "/");
  make_folder(out());
  if (::mount("none", out().c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "no small file system can be mounted here";
  }
  const auto report = export_tree(*store_.view(), "/", out(), {});
  EXPECT_EQ(::umount(out().c_str()), 0) << "nothing keeps it open";
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::kOutOfSpace);
}

// --- export beside what is there -----------------------------------------------------------------

TEST_F(ImportTest, AnExportReplacesNothingUnlessAllowed) {
  make_folder(tree("folder"));
  write_bytes(tree("folder/f"), "new");
  write_bytes(tree("g"), "new");
  store_.import(tree(), "/");
  make_folder(out());
  write_bytes(out("unrelated"), "mine");
  make_folder(out("folder"));
  write_bytes(out("folder/f"), "mine");
  const auto refused = export_tree(*store_.view(), "/", out(), {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(read_bytes(out("folder/f")), "mine");
  EXPECT_NE(::access(out("g").c_str(), F_OK), 0);
  ExportOptions options;
  options.overwrite = true;
  store_.export_to("/", out(), options);
  EXPECT_EQ(read_bytes(out("folder/f")), "new");
  EXPECT_EQ(read_bytes(out("g")), "new");
  EXPECT_EQ(read_bytes(out("unrelated")), "mine");
  const auto one = export_tree(*store_.view(), "/g", out(), {});
  ASSERT_FALSE(one.ok());
  EXPECT_EQ(one.error().code(), ErrorCode::kAlreadyExists);
}

TEST_F(ImportTest, AnExportNeverFollowsLinksOutOfItsTarget) {
  make_folder(tree("folder"));
  write_bytes(tree("folder/f"), "new");
  store_.import(tree(), "/");
  make_folder(dir_.file("outside"));
  make_folder(out());
  ASSERT_EQ(::symlink("../outside", out("folder").c_str()), 0);
  ExportOptions options;
  options.overwrite = true;
  store_.export_to("/", out(), options);
  EXPECT_EQ(read_bytes(out("folder/f")), "new");
  EXPECT_NE(::access(dir_.file("outside/f").c_str(), F_OK), 0);
}

TEST_F(ImportTest, AStoppedExportSaysSo) {
  write_bytes(tree("f"), "x");
  store_.import(tree(), "/");
  CopyProgress progress;
  progress.cancel = true;
  ExportOptions options;
  options.progress = &progress;
  const auto report = export_tree(*store_.view(), "/", out(), options);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace ramet
