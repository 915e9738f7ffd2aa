// The program: putting, getting, listing, moving and removing files, odd names, interrupts.
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "format/utf8.h"
#include "tests/tools/program.h"
#include "tools/text.h"

namespace ramet::test {
namespace {

TEST_F(ProgramTest, FilesComeBackAsTheyWere) {
  make_store();
  const std::string content = noise(3 << 20, 7);
  write_local(dir_.file("big"), content);
  ASSERT_EQ(::chmod(dir_.file("big").c_str(), 0640), 0);
  const timespec times[2] = {{1, 2}, {1234567890, 123456789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, dir_.file("big").c_str(), times, 0), 0);
  const Json stored = done_json({"put", dir_.file("big"), "prod:/in/", "-p"});
  EXPECT_EQ(stored["bytes"], 3 << 20);
  EXPECT_GT(stored["ingest"]["new_blocks"], 0);
  EXPECT_EQ(done({"cat", "prod:/in/big"}), content);
  done({"get", "-q", "prod:/in/big", dir_.file("copy")});
  EXPECT_EQ(read_local(dir_.file("copy")), content);
  struct stat status {};
  ASSERT_EQ(::stat(dir_.file("copy").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  EXPECT_EQ(status.st_mtim.tv_sec, 1234567890);
  EXPECT_EQ(status.st_mtim.tv_nsec, 123456789);
  const Json stat = done_json({"stat", "prod:/in/big"})[0];
  EXPECT_EQ(stat["mode"], "100640");
  EXPECT_EQ(stat["modified"], "2009-02-13T23:31:30.123456789Z");
  EXPECT_EQ(stat["content_id"].get<std::string>().size(), 64u);
}

TEST_F(ProgramTest, SecondPutOfTheSameBytesStoresNoBlock) {
  make_store();
  write_local(dir_.file("f"), noise(1 << 20, 9));
  EXPECT_GT(done_json({"put", dir_.file("f"), "prod:/a"})["ingest"]["new_blocks"], 0);
  EXPECT_EQ(done_json({"put", dir_.file("f"), "prod:/b"})["ingest"]["new_blocks"], 0);
}

TEST_F(ProgramTest, PutKnowsFoldersNewNamesAndStdin) {
  make_store();
  write_local(dir_.file("a"), "A");
  write_local(dir_.file("b"), "B");
  done({"mkdir", "prod:/d"});
  done({"put", "a", "prod:/d"});
  EXPECT_EQ(done({"cat", "prod:/d/a"}), "A");
  done({"put", "a", "prod:/d/new"});
  EXPECT_EQ(done({"cat", "prod:/d/new"}), "A");
  done({"put", "a", "b", "prod:/d"});
  EXPECT_EQ(done({"cat", "prod:/d/b"}), "B");
  done({"put", "b", "prod:/d/a"});  // replaces
  EXPECT_EQ(done({"cat", "prod:/d/a"}), "B");
  How how;
  how.input = std::string("zero \0 byte", 11);
  done({"put", "-", "prod:/stdin"}, how);
  EXPECT_EQ(done({"cat", "prod:/stdin"}), how.input);
  put("prod:/empty", "");
  EXPECT_EQ(done({"cat", "prod:/empty"}), "");
  fails({"put", "-", "prod:/d/"}, 2, "name");
  fails({"put", "missing", "prod:/d"}, 3, "missing");
  fails({"put", dir_.path(), "prod:/d"}, 4, "ramet import");
  fails({"put", "a", "prod:/no/such/name"}, 3, "put -p");
  fails({"put", "a", "b", "prod:/stdin"}, 4);
  fails({"put", "a", "nothing:/a"}, 3);
}

TEST_F(ProgramTest, FailedPutOfSeveralFilesStoresNone) {
  make_store();
  write_local(dir_.file("a"), "A");
  fails({"put", "a", "missing", "prod:/"}, 3);
  EXPECT_EQ(done({"ls", "prod:/"}), "");
}

TEST_F(ProgramTest, HolesAreStoredAsHolesAndComeBack) {
  make_store();
  write_local(dir_.file("sparse"), "begin");
  ASSERT_EQ(::truncate(dir_.file("sparse").c_str(), 1ll << 33), 0);
  std::fstream end(dir_.file("sparse"), std::ios::in | std::ios::out | std::ios::binary);
  end.seekp((1ll << 33) - 3);
  end << "end";
  end.close();
  const Json stored = done_json({"put", "sparse", "prod:/"});
  EXPECT_EQ(stored["bytes"], 1ll << 33);
  EXPECT_LT(stored["ingest"]["content_bytes"], 1 << 20);
  done({"get", "prod:/sparse", "copy"});
  struct stat status {};
  ASSERT_EQ(::stat(dir_.file("copy").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 1ll << 33);
  EXPECT_LT(status.st_blocks, 4096);
  std::ifstream copy(dir_.file("copy"), std::ios::binary);
  char bytes[6] = {};
  copy.read(bytes, 5);
  EXPECT_STREQ(bytes, "begin");
  copy.seekg((1ll << 33) - 3);
  copy.read(bytes, 3);
  EXPECT_EQ(std::string(bytes, 3), "end");
}

TEST_F(ProgramTest, GetWritesFilesDirectoriesAndStdout) {
  make_store();
  put("prod:/d/f", "content");
  fs::create_directory(dir_.file("into"));
  done({"get", "prod:/d/f"});
  EXPECT_EQ(read_local(dir_.file("f")), "content");
  done({"get", "prod:/d/f", "into"});
  EXPECT_EQ(read_local(dir_.file("into/f")), "content");
  done({"get", "prod:/d/f", "into/"});
  EXPECT_EQ(done({"get", "prod:/d/f", "-"}), "content");
  write_local(dir_.file("old"), "something longer than before");
  done({"get", "prod:/d/f", "old"});
  EXPECT_EQ(read_local(dir_.file("old")), "content");
  done({"get", "prod:/d/f", "/dev/null"});
  fails({"get", "prod:/d", "x"}, 4, "ramet export");
  fails({"get", "prod:/d/f/", "x"}, 4, "no folder");
  fails({"get", "prod:/nothing", "x"}, 3, "nothing");
  fails({"get", "prod:/d/f", "no/such/directory"}, 3);
  EXPECT_FALSE(fs::exists(dir_.file("x")));
}

TEST_F(ProgramTest, ListsShowFoldersHiddenNamesAndDetails) {
  make_store();
  put("prod:/a/one", "1");
  put("prod:/b", std::string(2000, 'x'));
  put("prod:/.hidden", "");
  EXPECT_EQ(done({"ls", "prod:/"}), "a/\nb\n");
  EXPECT_EQ(done({"ls", "prod"}), done({"ls", "prod:/"}));
  EXPECT_EQ(done({"ls", "-a", "prod"}), ".hidden\na/\nb\n");
  EXPECT_EQ(done({"ls", "-z", "prod"}), std::string(".hidden\0a/\0b\0", 13));
  EXPECT_EQ(done({"ls", "prod:/b"}), "b\n");
  EXPECT_EQ(done({"ls", "-d", "prod:/a"}), "a\n");
  EXPECT_EQ(done({"ls", "-R", "prod"}), "prod:/:\na/\nb\n\nprod:/a:\none\n");
  EXPECT_EQ(done({"ls", "prod:/a", "prod:/"}), "prod:/a:\none\n\nprod:/:\na/\nb\n");
  const std::string lines = done({"ls", "-ln", "prod:/b"});
  EXPECT_TRUE(lines.starts_with("-rw-")) << lines;
  EXPECT_NE(lines.find("  2.0K  "), std::string::npos) << lines;
  EXPECT_NE(done({"ls", "-lb", "prod:/b"}).find("  2000  "), std::string::npos);
  const Json json = done_json({"ls", "-l", "prod"});
  ASSERT_EQ(json.size(), 3u);
  EXPECT_EQ(json[1]["class"], "folder");
  EXPECT_EQ(json[2]["name"], "b");
  EXPECT_EQ(json[2]["path"], "/b");
  EXPECT_EQ(json[2]["size"], 2000);
  EXPECT_EQ(json[2]["links"], 1);
  fails({"ls", "prod:/b/"}, 4, "no folder");
  fails({"ls", "prod:/nothing"}, 3);
}

TEST_F(ProgramTest, BigFoldersAreListedCompletely) {
  make_store();
  std::vector<std::string> words = {"mkdir"};
  for (int i = 0; i < 1600; ++i) words.push_back("prod:/d" + std::to_string(10000 + i));
  done(words);
  const std::string list = done({"ls", "prod"});
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 1600);
  EXPECT_EQ(done_json({"ls", "-l", "prod"}).size(), 1600u);
  const std::string tree = done({"tree", "prod"});
  EXPECT_NE(tree.find("\n`-- d11599/\n"), std::string::npos);
  EXPECT_EQ(tree.find("`-- "), tree.rfind("`-- "));  // only the last is drawn as the last
  EXPECT_NE(tree.find("1,600 folders, 0 files"), std::string::npos);
}

TEST_F(ProgramTest, TreesAreDrawnAndNestedInJson) {
  make_store();
  put("prod:/a/b/f", "1");
  put("prod:/a/g", "2");
  put("prod:/h", "3");
  EXPECT_EQ(done({"tree", "prod"}),
            "prod\n|-- a/\n|   |-- b/\n|   |   `-- f\n|   `-- g\n`-- h\n\n2 folders, 3 files\n");
  EXPECT_EQ(done({"tree", "-q", "-L", "1", "prod"}), "prod\n|-- a/\n`-- h\n");
  const Json json = done_json({"tree", "prod"});
  ASSERT_EQ(json["children"].size(), 2u);
  EXPECT_EQ(json["children"][0]["children"][0]["children"][0]["path"], "/a/b/f");
  EXPECT_EQ(json["children"][0]["children"][1]["name"], "g");
  EXPECT_EQ(json["children"][1]["name"], "h");
  EXPECT_EQ(done_json({"tree", "prod:/h"})["name"], "h");
  done({"container", "create", "empty"});
  EXPECT_EQ(done_json({"tree", "empty"})["children"].size(), 0u);
}

TEST_F(ProgramTest, DuCountsContainersAndFolders) {
  make_store();
  put("prod:/a/b/f", std::string(1000, 'x'));
  put("prod:/a/g", std::string(200, 'x'));
  put("prod:/h", std::string(30, 'x'));
  const Json all = done_json({"du"});
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["bytes"], 1230);
  EXPECT_EQ(all[0]["objects"], 3);
  const Json folders = done_json({"du", "prod:/"});
  ASSERT_EQ(folders.size(), 3u);
  EXPECT_EQ(folders[0]["path"], "/a/b");
  EXPECT_EQ(folders[1]["bytes"], 1200);
  EXPECT_EQ(folders[1]["objects"], 2);
  EXPECT_EQ(folders[2]["bytes"], 1230);
  EXPECT_EQ(folders[2]["objects"], 3);
  EXPECT_EQ(folders[2]["folders"], 2);
  EXPECT_EQ(done({"du", "-b", "-s", "prod:/a"}), "1200  2  prod:/a\n");
  EXPECT_EQ(done_json({"du", "-d", "1", "prod:/"}).size(), 2u);
  EXPECT_EQ(done({"du", "-b", "prod:/h"}), "30  1  prod:/h\n");
}

TEST_F(ProgramTest, FoldersAreMadeOnceOrWithParents) {
  make_store();
  done({"mkdir", "prod:/a"});
  fails({"mkdir", "prod:/a"}, 4);
  fails({"mkdir", "prod:/x/y"}, 3, "mkdir -p");
  done({"mkdir", "-p", "prod:/a", "prod:/x/y/z", "prod:/x/w"});
  EXPECT_EQ(done({"tree", "-q", "prod:/x"}), "prod:/x\n|-- w/\n`-- y/\n    `-- z/\n");
  put("prod:/f", "");
  fails({"mkdir", "prod:/f"}, 4);
  fails({"mkdir", "-p", "prod:/f/g"}, 4);
  fails({"mkdir", "prod:/new1", "prod:/a"}, 4);
  fails({"stat", "prod:/new1"}, 3);  // one commit: nothing of it happened
  fails({"mkdir", "prod"}, 2);
}

TEST_F(ProgramTest, NamesMoveWithinTheirContainer) {
  make_store();
  put("prod:/a", "A");
  put("prod:/b", "B");
  put("prod:/d/x", "X");
  done({"mv", "prod:/a", "prod:/c"});
  EXPECT_EQ(done({"cat", "prod:/c"}), "A");
  done({"mv", "prod:/b", "prod:/c", "prod:/d"});
  EXPECT_EQ(done({"cat", "prod:/d/b", "prod:/d/c"}), "BA");
  done({"mv", "prod:/d", "prod:/e"});
  EXPECT_EQ(done({"ls", "prod:/e"}), "b\nc\nx\n");
  fails({"mv", "-n", "prod:/e/b", "prod:/e/c"}, 4);
  done({"mv", "prod:/e/b", "prod:/e/c"});
  EXPECT_EQ(done({"cat", "prod:/e/c"}), "B");
  fails({"mv", "prod:/e", "prod:/e/inside"}, 2);
  fails({"mv", "prod:/nothing", "prod:/z"}, 3);
  fails({"mv", "prod:/", "prod:/z"}, 2);
  done({"container", "create", "test"});
  fails({"mv", "prod:/e", "test:/"}, 2, "ramet clone");
}

TEST_F(ProgramTest, RemovingFoldersNeedsRecursive) {
  make_store();
  put("prod:/d/f", "1");
  put("prod:/g", "2");
  put("prod:/h", "3");
  fails({"rm", "prod:/d"}, 4, "rm -r");
  fails({"rm", "prod:/g", "prod:/nothing"}, 3);
  EXPECT_EQ(done({"cat", "prod:/g"}), "2");  // one commit: nothing of it happened
  done({"rm", "-f", "prod:/g", "prod:/nothing", "prod:/no/where"});
  done({"rm", "-r", "prod:/d", "prod:/h"});
  EXPECT_EQ(done({"ls", "prod"}), "");
  fails({"rm", "-r", "prod:/"}, 2, "container drop");
  fails({"rm", "-r", "prod"}, 2);
  fails({"rm", "prod:/g/"}, 3);
}

TEST_F(ProgramTest, OddNamesSurviveEveryCommand) {
  make_store();
  const std::vector<std::string> names = {
      "new\nline", "tab\t", "\xFF\xFE bytes", "[a,b]", "[]", "{}", "%%", "++", "-dash", "--json",
      " spaces ", "quote\"back\\slash", "gr\xC3\xBC\xC3\x9F", "a:b@c", "\x01mark", "*?$(x)`y`"};
  for (const std::string& name : names) {
    fs::create_directories(dir_.file("odd"));
    write_local(dir_.file("odd/") + name, "content of " + name);
    done({"put", "-qp", "--", dir_.file("odd/") + name, "prod:/odd/"});
  }
  for (const std::string& name : names) {
    EXPECT_EQ(done({"cat", "--", "prod:/odd/" + name}), "content of " + name);
    const Json stat = done_json({"stat", "prod:/odd/" + name})[0];
    EXPECT_EQ(stat["name"], tools::to_utf8(name));
    EXPECT_EQ(stat.contains("name_bytes"), !is_utf8(name));
    if (!is_utf8(name)) {
      EXPECT_EQ(stat["name_bytes"], tools::base64(name));
    }
    EXPECT_EQ(done({"ls", "-z", "prod:/odd/" + name}), name + std::string(1, '\0'));
    EXPECT_EQ(done({"ls", "--quote", "prod:/odd/" + name}), tools::quote_name(name) + "\n");
    done({"mv", "prod:/odd/" + name, "prod:/odd/moved"});
    done({"mv", "prod:/odd/moved", "prod:/odd/" + name});
  }
  EXPECT_EQ(done_json({"ls", "-lR", "prod"}).size(), names.size() + 1);
  EXPECT_EQ(done_json({"tree", "prod"})["children"][0]["children"].size(), names.size());
  EXPECT_EQ(done({"du", "-s", "-b", "prod:/odd"}).find('\n'),
            done({"du", "-s", "-b", "prod:/odd"}).size() - 1);
  done({"rm", "-r", "prod:/odd"});
}

TEST_F(ProgramTest, FilesNamedLikeOptionsAndListsArePutByTheirNames) {
  make_store();
  for (const char* name : {"[a,b]", "++", "{}", "-x"}) write_local(dir_.file(name), name);
  done({"put", "-q", "[a,b]", "++", "{}", "prod:/"});
  done({"put", "-q", "--", "-x", "prod:/"});
  EXPECT_EQ(done({"ls", "prod"}), "++\n-x\n[a,b]\n{}\n");
  done({"get", "-q", "prod:/[a,b]", "[copy]"});
  EXPECT_EQ(read_local(dir_.file("[copy]")), "[a,b]");
}

TEST_F(ProgramTest, VerifyReadsEverythingAndFindsDamage) {
  make_store();
  put("prod:/good", noise(300'000, 1));
  put("prod:/d/bad", noise(300'000, 2));
  done({"clone", "prod", "test"});
  const Json good = done_json({"verify"});
  EXPECT_EQ(good["objects"], 4);
  EXPECT_EQ(good["bytes"], 1'200'000);
  EXPECT_EQ(good["read_bytes"], 600'000);  // the clone's blocks are the same
  EXPECT_EQ(good["damages"].size(), 0u);
  EXPECT_EQ(done_json({"verify", "prod:/d", "-j", "2"})["objects"], 1);
  EXPECT_EQ(done_json({"verify", "prod:/good"})["bytes"], 300'000);

  const std::string needle = noise(300'000, 2).substr(150'000, 16);
  bool damaged = false;
  for (const auto& entry : fs::recursive_directory_iterator(store_)) {
    if (!entry.is_regular_file() || entry.path().filename() == "ballast") continue;
    std::string bytes = read_local(entry.path());
    const size_t at = bytes.find(needle);
    if (at == std::string::npos) continue;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    write_local(entry.path(), bytes);
    damaged = true;
  }
  ASSERT_TRUE(damaged);
  const Ran bad = run({"verify", "--json"});
  EXPECT_EQ(bad.exit_code, 6);
  ASSERT_EQ(bad.json()["damages"].size(), 2u);
  EXPECT_EQ(bad.json()["damages"][0]["path"], "prod:/d/bad");
  EXPECT_EQ(bad.json()["damages"][1]["path"], "test:/d/bad");
  fails({"verify", "prod:/d"}, 6, "prod:/d/bad");
  fails({"cat", "prod:/d/bad"}, 6);
  fails({"get", "prod:/d/bad", "x"}, 6);
  EXPECT_FALSE(fs::exists(dir_.file("x")));
  done({"verify", "prod:/good"});
  EXPECT_EQ(done({"cat", "prod:/good"}), noise(300'000, 1));
}

TEST_F(ProgramTest, InterruptEndsCleanlyAndStoresNothing) {
  make_store();
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  How how;
  how.stdin_fd = fds[0];
  Running putting = start({"put", "-", "prod:/f"}, how);
  ::close(fds[0]);
  const std::string pid = std::to_string(putting.pid());
  for (int i = 0; i < 1000 && read_local(store_ + "/lock").find(pid) == std::string::npos; ++i) {
    ::usleep(10'000);
  }
  ASSERT_EQ(::write(fds[1], "half", 4), 4);
  ASSERT_EQ(::kill(putting.pid(), SIGINT), 0);
  const Ran ran = putting.wait();
  ::close(fds[1]);
  EXPECT_EQ(ran.exit_code, 130);
  EXPECT_EQ(ran.err, "ramet: interrupted\n");
  EXPECT_EQ(done({"ls", "prod"}), "");
  put("prod:/f", "works");
}

TEST_F(ProgramTest, ClosedPipeEndsQuietly) {
  make_store();
  put("prod:/big", noise(4 << 20, 3));
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  How how;
  how.stdout_fd = fds[1];
  Running writing = start({"cat", "prod:/big"}, how);
  ::close(fds[1]);
  char byte = 0;
  ASSERT_EQ(::read(fds[0], &byte, 1), 1);
  ::close(fds[0]);
  const Ran ran = writing.wait();
  EXPECT_EQ(ran.signal, SIGPIPE);
  EXPECT_EQ(ran.err, "");
}

TEST_F(ProgramTest, FullOutputIsAnError) {
  make_store();
  put("prod:/f", "x");
  How how;
  how.stdout_path = "/dev/full";
  if (!fs::exists(how.stdout_path)) GTEST_SKIP() << "no /dev/full here";
  fails({"cat", "prod:/f"}, 7, "output", how);
  fails({"ls", "prod"}, 7, "output", how);
  fails({"--help"}, 7, "output", how);
}

}  // namespace
}  // namespace ramet::test
