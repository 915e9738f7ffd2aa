// The program: importing and exporting directory trees; what comes out is what went in.
#include <sys/stat.h>
#include <sys/xattr.h>

#include <map>

#include <gtest/gtest.h>

#include "tests/tools/program.h"

namespace ramet::test {
namespace {

// Everything that should come back, by path: a line each.
std::map<std::string, std::string> describe(const fs::path& root) {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat status {};
    EXPECT_EQ(::lstat(entry.path().c_str(), &status), 0);
    std::string text = std::to_string(status.st_mode) + " " +
                       std::to_string(status.st_mtim.tv_sec) + "." +
                       std::to_string(status.st_mtim.tv_nsec) + " ";
    if (S_ISLNK(status.st_mode)) text += fs::read_symlink(entry.path()).string();
    if (S_ISREG(status.st_mode)) {
      text += std::to_string(status.st_nlink) + " " + read_local(entry.path());
    }
    char value[64] = {};
    if (::lgetxattr(entry.path().c_str(), "user.note", value, sizeof value) > 0) text += value;
    found[entry.path().lexically_relative(root).string()] = text;
  }
  return found;
}

class CopyTest : public ProgramTest {
 protected:
  void SetUp() override {
    make_store();
    const fs::path root = dir_.file("tree");
    fs::create_directories(root / "deep" / "er");
    fs::create_directories(root / "empty");
    write_local(root / "a", "A");
    write_local(root / "deep" / "noise", noise(700'000, 4));
    write_local(root / "deep" / "er" / "new\nline\xFF", "odd");
    write_local(root / ".hidden", "");
    fs::create_hard_link(root / "a", root / "deep" / "same as a");
    fs::create_symlink("../a", root / "deep" / "link");
    fs::create_symlink("nowhere", root / "dangling");
    EXPECT_EQ(::mkfifo((root / "fifo").c_str(), 0600), 0);
    EXPECT_EQ(::chmod((root / "a").c_str(), 0751), 0);
    // Not every file system has extended attributes; describe() then finds none on either side.
    static_cast<void>(::setxattr((root / "a").c_str(), "user.note", "kept", 4, 0));
    const timespec times[2] = {{5, 6}, {1111111111, 987654321}};
    EXPECT_EQ(::utimensat(AT_FDCWD, (root / "deep").c_str(), times, 0), 0);
  }
  fs::path tree() const { return dir_.file("tree"); }
};

TEST_F(CopyTest, ExportedTreeEqualsTheImportedOne) {
  const Json imported = done_json({"import", tree(), "prod:/t"});
  EXPECT_EQ(imported["symlinks"], 2);
  EXPECT_EQ(imported["hard_links"], 1);
  EXPECT_EQ(imported["others"], 1);
  EXPECT_EQ(imported["problems"].size(), 0u);
  EXPECT_GT(imported["ingest"]["new_blocks"], 0);
  const Json exported = done_json({"export", "prod:/t", dir_.file("out")});
  EXPECT_EQ(exported["bytes"], imported["bytes"]);
  EXPECT_EQ(describe(tree()), describe(dir_.file("out")));
}

TEST_F(CopyTest, SecondImportStoresNoBlockAndFindsAllUnchanged) {
  done({"import", "-q", tree(), "prod:/t"});
  const Json again = done_json({"import", tree(), "prod:/t"});
  EXPECT_EQ(again["ingest"]["new_blocks"], 0);
  EXPECT_GT(again["unchanged"], 0);
  const Json elsewhere = done_json({"import", tree(), "prod:/u"});
  EXPECT_EQ(elsewhere["ingest"]["new_blocks"], 0);
  EXPECT_EQ(done({"diff", "--exit-code", "prod:/t", "prod:/t"}), "");
}

TEST_F(CopyTest, ImportMakesContainersOnlyWhenAsked) {
  fails({"import", tree(), "other:/t"}, 3, "--create");
  done({"import", "-q", "--create", tree(), "other"});
  EXPECT_EQ(done({"cat", "other:/a"}), "A");
  fails({"import", "--create", dir_.file("missing"), "third"}, 3);
  fails({"container", "show", "third"}, 3);  // it did not stay behind empty
}

TEST_F(CopyTest, SingleFilesAreImportedAndExported) {
  done({"import", "-q", tree() / "a", "prod:/files"});
  EXPECT_EQ(done({"cat", "prod:/files/a"}), "A");
}

TEST_F(CopyTest, ExportLeavesWhatIsThereUnlessToldOtherwise) {
  done({"import", "-q", tree(), "prod:/t"});
  done({"export", "-q", "prod:/t", dir_.file("out")});
  write_local(dir_.file("out/a"), "changed here");
  fails({"export", "prod:/t", dir_.file("out")}, 4, "--overwrite");
  EXPECT_EQ(read_local(dir_.file("out/a")), "changed here");
  done({"export", "-q", "--overwrite", "prod:/t", dir_.file("out")});
  EXPECT_EQ(describe(tree()), describe(dir_.file("out")));
}

TEST_F(CopyTest, SnapshotsAndClonesAreExportedLikeTheirSource) {
  done({"import", "-q", tree(), "prod:/"});
  done({"snapshot", "create", "prod@s"});
  done({"clone", "prod", "test"});
  done({"rm", "-r", "prod:/deep"});
  done({"export", "-q", "prod@s", dir_.file("from-snapshot")});
  done({"export", "-q", "test", dir_.file("from-clone")});
  EXPECT_EQ(describe(tree()), describe(dir_.file("from-snapshot")));
  EXPECT_EQ(describe(tree()), describe(dir_.file("from-clone")));
}

TEST_F(CopyTest, UnreadableFilesAreReportedAndTheRestGoesOn) {
  ASSERT_EQ(::chmod((tree() / "deep" / "noise").c_str(), 0), 0);
  give_to_nobody(dir_.path());
  How how;
  how.as_nobody = true;
  const Ran ran = run({"import", "--json", tree(), "prod:/t"}, how);
  if (ran.exit_code == 98) GTEST_SKIP() << "nobody may not run " << RAMET_PROGRAM;
  EXPECT_EQ(ran.exit_code, 1) << ran.err;
  ASSERT_EQ(ran.json()["problems"].size(), 1u);
  EXPECT_NE(ran.json()["problems"][0]["path"].get<std::string>().find("noise"),
            std::string::npos);
  EXPECT_EQ(done({"cat", "prod:/t/a"}, how), "A");
  EXPECT_EQ(done({"cat", "prod:/t/deep/er/new\nline\xFF"}, how), "odd");
  const Ran text = run({"import", tree(), "prod:/u"}, how);
  EXPECT_EQ(text.exit_code, 1);
  EXPECT_TRUE(text.err.starts_with("ramet: ")) << text.err;
  EXPECT_EQ(std::count(text.err.begin(), text.err.end(), '\n'), 1) << text.err;
}

// Either the signal came in time, or the import was faster: then all of it is there.
TEST_F(CopyTest, InterruptedImportLeavesNothingBehind) {
  for (int i = 0; i < 8; ++i) {
    write_local(tree() / ("big" + std::to_string(i)), noise(8 << 20, 100 + i));
  }
  Running importing = start({"import", "--create", tree(), "other:/"}, {});
  const std::string pid = std::to_string(importing.pid());
  for (int i = 0; i < 1000 && read_local(store_ + "/lock").find(pid) == std::string::npos; ++i) {
    ::usleep(1'000);
  }
  ASSERT_EQ(::kill(importing.pid(), SIGINT), 0);
  const Ran ran = importing.wait();
  if (ran.exit_code == 0) {
    done({"export", "-q", "other", dir_.file("out")});
    EXPECT_EQ(describe(tree()), describe(dir_.file("out")));
    return;
  }
  EXPECT_EQ(ran.exit_code, 130) << ran.err;
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  EXPECT_EQ(done({"container", "list", "-q"}), "prod\n");
  done({"import", "-q", "--create", tree(), "other:/"});
}

// Bigger than what it may take: neither the file nor its list of blocks is held.
TEST_F(CopyTest, MemoryStaysBoundedWhateverTheSizeOfAFile) {
#ifdef RAMET_SANITIZED
  GTEST_SKIP() << "sanitizers take memory of their own";
#endif
  constexpr uint64_t kMost = 256 << 20;
  {
    std::ofstream file(dir_.file("big"), std::ios::binary);
    for (uint64_t i = 0; i < 10; ++i) {
      const std::string bytes = noise(32 << 20, i + 1);
      file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
  }
  ASSERT_GT(fs::file_size(dir_.file("big")), kMost);
  const auto peak = [&](const Words& words) {
    const Ran ran = run(words);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_GT(ran.memory_peak, 0u);
    return ran.memory_peak;
  };
  EXPECT_LT(peak({"import", "-q", dir_.file("big"), "prod:/"}), kMost);
  EXPECT_LT(peak({"export", "-q", "prod:/big", dir_.file("out")}), kMost);
  EXPECT_LT(peak({"verify", "-q", "prod:/big"}), kMost);
  EXPECT_LT(peak({"cat", "prod:/big"}), kMost);
}

TEST_F(CopyTest, SymlinksAreShownAndNotFollowed) {
  done({"import", "-q", tree(), "prod:/t"});
  EXPECT_NE(done({"ls", "-l", "prod:/t/deep/link"}).find("link -> ../a"), std::string::npos);
  EXPECT_EQ(done_json({"stat", "prod:/t/dangling"})[0]["target"], "nowhere");
  fails({"cat", "prod:/t/deep/link"}, 4, "symbolic link to '../a'");
  fails({"cat", "prod:/t/fifo"}, 4, "fifo");
  EXPECT_EQ(done_json({"stat", "prod:/t/a"})[0]["links"], 2);
}

}  // namespace
}  // namespace ramet::test
