// The program: stores, containers, snapshots, clones, differences; errors and exit codes.
#include <map>

#include <gtest/gtest.h>

#include "engine/store.h"
#include "tests/tools/program.h"

namespace ramet::test {
namespace {

const std::vector<std::vector<std::string>> kCommands = {
    {"init"},           {"info"},
    {"config"},
    {"container", "create"}, {"container", "list"},
    {"container", "show"},   {"container", "rename"},
    {"container", "drop"},   {"snapshot", "create"},
    {"snapshot", "list"},    {"snapshot", "drop"},
    {"snapshot", "prune"},   {"rollback"},
    {"undelete"},       {"expire"},
    {"clone"},          {"diff"},
    {"import"},         {"export"},
    {"put"},            {"get"},
    {"cat"},            {"ls"},
    {"tree"},           {"stat"},
    {"du"},             {"mkdir"},
    {"mv"},             {"rm"},
    {"verify"},         {"completion"}};

TEST_F(ProgramTest, EveryCommandHasHelpWithExamples) {
  for (std::vector<std::string> words : kCommands) {
    words.push_back("--help");
    const std::string help = done(words);
    EXPECT_NE(help.find("Usage: ramet " + words[0]), std::string::npos) << help;
    EXPECT_NE(help.find("Examples:\n  "), std::string::npos) << help;
    EXPECT_NE(help.find("--json"), std::string::npos) << help;
    for (size_t at = 0; at < help.size();) {
      const size_t end = std::min(help.find('\n', at), help.size());
      EXPECT_LE(end - at, 110u) << help.substr(at, end - at);
      at = end + 1;
    }
  }
}

TEST_F(ProgramTest, HelpNamesEveryCommandAndExitCode) {
  const std::string help = done({"--help"});
  for (const auto& words : kCommands) {
    EXPECT_NE(help.find("\n  " + words[0] + " "), std::string::npos) << words[0];
  }
  EXPECT_NE(help.find("Exit codes:"), std::string::npos);
  EXPECT_EQ(help.find("__complete"), std::string::npos);
  EXPECT_EQ(done({"help", "clone"}), done({"clone", "--help"}));
  EXPECT_EQ(done({"help", "container", "drop"}), done({"container", "drop", "--help"}));
  EXPECT_TRUE(done({"--version"}).starts_with("ramet "));
}

TEST_F(ProgramTest, BadUsageExitsWithTwo) {
  make_store();
  const std::vector<Words> wrong = {{},
                                    {"frobnicate"},
                                    {"ls"},
                                    {"ls", "--frobnicate", "prod:/"},
                                    {"clone", "prod"},
                                    {"tree", "prod:/", "prod:/"},
                                    {"ls", "/etc/passwd"},
                                    {"ls", ":/a"},
                                    {"ls", "prod:/../etc"},
                                    {"container"},
                                    {"container", "create", "a/b"},
                                    {"container", "create", ""},
                                    {"clone", "--existing", "maybe", "prod", "test"},
                                    {"tree", "-L", "many", "prod"},
                                    {"diff", "prod"},
                                    {"diff", "prod:/a", "prod:/b"},
                                    {"snapshot", "create", "prod"},
                                    {"completion", "tcsh"}};
  for (const Words& words : wrong) fails(words, 2);
}

TEST_F(ProgramTest, ErrorsAreJsonWithJson) {
  make_store();
  const Ran missing = run({"ls", "--json", "prod:/nothing"});
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_EQ(missing.error_json()["code"], "not found");
  EXPECT_EQ(missing.error_json()["exit_code"], 3);
  EXPECT_NE(missing.error_json()["message"].get<std::string>().find("nothing"),
            std::string::npos);
  const Ran usage = run({"--json", "frobnicate"});
  EXPECT_EQ(usage.exit_code, 2);
  EXPECT_EQ(usage.error_json()["exit_code"], 2);
}

TEST_F(ProgramTest, InitMakesAStoreOnceAndOnlyInAnEmptyPlace) {
  EXPECT_NE(done({"init"}).find(store_), std::string::npos);
  fails({"init"}, 4);
  fs::create_directory(dir_.file("full"));
  write_local(dir_.file("full/letter"), "dear");
  fails({"init", dir_.file("full")}, 4, "empty");
  EXPECT_EQ(read_local(dir_.file("full/letter")), "dear");
  fs::create_directory(dir_.file("empty"));
  done({"init", dir_.file("empty")});
  EXPECT_EQ(done_json({"info", "--store", dir_.file("empty")})["containers"], 0);
}

TEST_F(ProgramTest, StoresAreFoundByOptionVariableAndDirectory) {
  make_store();
  How bare;
  bare.store = false;
  fails({"info"}, 3, "ramet init", bare);
  fails({"info", "--store", dir_.file("missing")}, 3, "ramet init", bare);
  fs::create_directory(dir_.file("foreign"));
  write_local(dir_.file("foreign/file"), "x");
  fails({"info", "--store", dir_.file("foreign")}, 4, "", bare);
  EXPECT_EQ(fs::directory_iterator(dir_.file("foreign"))->path().filename(), "file");
  done({"info", "--store", store_}, bare);
  done({"--store", store_, "info"}, bare);
  bare.directory = store_ + "/segments";  // below the store, as git finds its repository
  EXPECT_EQ(done_json({"info"}, bare)["store"], store_);
}

TEST_F(ProgramTest, ContainersAreMadeListedShownRenamedAndDropped) {
  make_store();
  EXPECT_EQ(done_json({"container", "create", "b", "c", "--note", "[a,b]"}).size(), 2u);
  fails({"container", "create", "b"}, 4);
  put("b:/f", "12345");
  const Json list = done_json({"container", "list"});
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0]["name"], "b");
  EXPECT_EQ(list[0]["objects"], 1);
  EXPECT_EQ(list[0]["bytes"], 5);
  EXPECT_EQ(done({"container", "list", "-q"}), "b\nc\nprod\n");
  EXPECT_EQ(done_json({"container", "show", "c"})[0]["note"], "[a,b]");
  EXPECT_NE(done({"container", "show", "b"}).find("objects      1"), std::string::npos);
  done({"container", "rename", "b", "bb"});
  fails({"container", "show", "b"}, 3, "ramet container list");
  fails({"container", "rename", "bb", "prod"}, 4);
  EXPECT_EQ(done({"cat", "bb:/f"}), "12345");
  fails({"container", "drop", "bb", "nothing"}, 3);
  EXPECT_EQ(done_json({"container", "list"}).size(), 3u);  // nothing was dropped
  done({"container", "drop", "bb", "c"});
  EXPECT_EQ(done({"container", "list", "-q"}), "prod\n");
}

TEST_F(ProgramTest, ContainersMayBeNamedLikeCommands) {
  make_store();
  for (const char* name : {"clone", "ls", "container", "info", "help", "create"}) {
    done({"container", "create", name});
    put(std::string(name) + ":/f", name);
    EXPECT_EQ(done({"ls", std::string(name)}), "f\n");
  }
  done({"clone", "clone", "diff"});
  EXPECT_EQ(done({"cat", "diff:/f"}), "clone");
}

TEST_F(ProgramTest, WholeClonesAreEqualAndGoTheirOwnWays) {
  make_store();
  put("prod:/a/b", "one");
  put("prod:/c", "two");
  const Json cloned = done_json({"clone", "prod", "test"});
  EXPECT_EQ(cloned["objects"], 2);
  EXPECT_EQ(cloned["bytes_shared"], 6);
  EXPECT_EQ(done({"diff", "prod", "test"}), "");
  EXPECT_EQ(done_json({"ls", "-lR", "prod"}), done_json({"ls", "-lR", "test"}));
  put("test:/c", "changed");
  EXPECT_EQ(done({"cat", "prod:/c"}), "two");
  EXPECT_EQ(done({"cat", "test:/c"}), "changed");
  fails({"clone", "prod", "test"}, 4, "test:/");
  fails({"clone", "nothing", "other"}, 3);
  done({"container", "drop", "prod"});
  EXPECT_EQ(done({"cat", "test:/a/b"}), "one");
}

TEST_F(ProgramTest, SnapshotsKeepAStateThatIsReadAndCloned) {
  make_store();
  put("prod:/f", "old");
  EXPECT_EQ(done_json({"snapshot", "create", "prod@s", "--note", "n"})[0]["name"], "s");
  fails({"snapshot", "create", "prod@s"}, 4);
  put("prod:/f", "new");
  EXPECT_EQ(done({"cat", "prod@s:/f"}), "old");
  done({"clone", "prod@s", "test"});
  EXPECT_EQ(done({"cat", "test:/f"}), "old");
  EXPECT_EQ(done({"diff", "prod@s"}), "M\t/f\n");
  EXPECT_EQ(done({"snapshot", "list", "-q"}), "prod@s\n");
  EXPECT_EQ(done_json({"snapshot", "list", "prod"})[0]["note"], "n");
  fails({"rm", "prod@s:/f"}, 2, "snapshot");
  fails({"put", "-", "prod@s:/g"}, 2, "snapshot");
  fails({"mkdir", "prod@s:/g"}, 2, "snapshot");
  fails({"clone", "prod", "prod@t"}, 2, "snapshot");
  fails({"cat", "prod@other:/f"}, 3, "ramet snapshot list prod");
  done({"snapshot", "drop", "prod@s"});
  fails({"snapshot", "drop", "prod@s"}, 3);
  EXPECT_EQ(done({"cat", "test:/f"}), "old");
}

TEST_F(ProgramTest, PartsAreClonedIntoFoldersOrUnderNewNames) {
  make_store();
  put("prod:/a/b/f", "1");
  put("prod:/g", "2");
  fails({"clone", "prod:/a", "test"}, 3, "ramet container create test");
  done({"container", "create", "test"});
  done({"clone", "prod:/a/b", "test:/c/"});
  EXPECT_EQ(done({"cat", "test:/c/b/f"}), "1");
  done({"clone", "prod:/a/b", "test:/c/d"});
  EXPECT_EQ(done({"cat", "test:/c/d/f"}), "1");
  done({"clone", "prod:/g", "prod:/a", "test:/several"});
  EXPECT_EQ(done({"cat", "test:/several/g", "test:/several/a/b/f"}), "21");
  done({"clone", "prod", "test:/whole"});
  EXPECT_EQ(done({"cat", "test:/whole/g"}), "2");
  done({"clone", "prod:/g", "prod:/copy"});
  EXPECT_EQ(done({"cat", "prod:/copy"}), "2");
  fails({"clone", "prod:/nothing", "test:/"}, 3);
  EXPECT_NE(done_json({"stat", "test:/c/d/f"})[0]["id"],
            done_json({"stat", "prod:/a/b/f"})[0]["id"]);
  done({"clone", "--keep-ids", "prod:/g", "test:/kept"});
  EXPECT_EQ(done_json({"stat", "test:/kept"})[0]["id"], done_json({"stat", "prod:/g"})[0]["id"]);
}

TEST_F(ProgramTest, ExistingNamesFailSkipOrAreReplaced) {
  make_store();
  put("prod:/f", "new");
  done({"container", "create", "test"});
  put("test:/f", "old");
  fails({"clone", "prod:/f", "test:/"}, 4, "--existing");
  const Json skipped = done_json({"clone", "--existing", "skip", "prod:/f", "test:/"});
  EXPECT_EQ(skipped["skipped"].size(), 1u);
  EXPECT_EQ(done({"cat", "test:/f"}), "old");
  done({"clone", "--existing", "replace", "prod:/f", "test:/"});
  EXPECT_EQ(done({"cat", "test:/f"}), "new");
}

TEST_F(ProgramTest, DifferencesHaveLettersAndAnExitCode) {
  make_store();
  put("prod:/content", "1");
  put("prod:/gone", "2");
  put("prod:/moved", "3");
  done({"clone", "prod", "test"});
  EXPECT_EQ(run({"diff", "--exit-code", "prod", "test"}).exit_code, 0);
  put("test:/content", "changed");
  put("test:/in/added", "4");
  done({"rm", "test:/gone"});
  done({"mv", "test:/moved", "test:/in/renamed"});
  const Ran diff = run({"diff", "--exit-code", "prod", "test"});
  EXPECT_EQ(diff.exit_code, 1);
  EXPECT_EQ(diff.err, "");
  EXPECT_EQ(diff.out, "M\t/content\nD\t/gone\nA\t/in/\nA\t/in/added\nR\t/moved\t/in/renamed\n");
  EXPECT_EQ(run({"diff", "-q", "--exit-code", "prod", "test"}).out, "");
  EXPECT_EQ(done({"diff", "--name-only", "-z", "prod:/content", "test:/content"}),
            std::string("/content\0", 9));
  EXPECT_EQ(done({"diff", "prod:/in", "test:/in"}), "A\t/in/\nA\t/in/added\nA\t/in/renamed\n");
  const Json json = done_json({"diff", "prod", "test"});
  ASSERT_EQ(json.size(), 5u);
  EXPECT_EQ(json[0]["kind"], "M");
  EXPECT_EQ(json[0]["old_size"], 1);
  EXPECT_EQ(json[0]["new_size"], 7);
  EXPECT_EQ(json[4]["old_path"], "/moved");
  fails({"diff", "prod:/nothing", "test:/nothing"}, 3);
}

TEST_F(ProgramTest, StoreHeldByAnotherProcessIsBusyAndNamesIt) {
  holds_ = false;  // a daemon would share it
  make_store();
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  How writer;
  writer.stdin_fd = fds[0];
  Running holder = start({"put", "-", "prod:/f"}, writer);
  ::close(fds[0]);
  // The holder has the store once its lock names it.
  const std::string pid = std::to_string(holder.pid());
  for (int i = 0; i < 1000 && read_local(store_ + "/lock").find(pid) == std::string::npos; ++i) {
    ::usleep(10'000);
  }
  fails({"ls", "prod:/"}, 5, pid);
  fails({"mkdir", "prod:/x"}, 5, pid);
  ASSERT_EQ(::write(fds[1], "late", 4), 4);
  ::close(fds[1]);
  EXPECT_EQ(holder.wait().exit_code, 0);
  EXPECT_EQ(done({"cat", "prod:/f"}), "late");
}

TEST_F(ProgramTest, SeveralReadersWorkAtTheSameTime) {
  make_store();
  put("prod:/f", "x");
  StoreOptions options;
  options.read_only = true;
  auto store = Store::open(store_, options);
  ASSERT_TRUE(store.ok()) << store.error().message();
  EXPECT_EQ(done({"cat", "prod:/f"}), "x");
  done({"info"});
  done({"verify"});
  fails({"rm", "prod:/f"}, 5);
}

TEST_F(ProgramTest, ReadingChangesNothingAndMayBeRepeated) {
  holds_ = false;  // a daemon has it open for writing
  make_store();
  put("prod:/a/f", "x");
  const auto look = [&] {
    return done({"ls", "-lR", "prod"}) + done({"tree", "prod"}) + done({"stat", "prod:/a/f"}) +
           done({"du"}) + done({"container", "list"}) + done({"cat", "prod:/a/f"});
  };
  const auto bytes = [&] {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(store_)) {
      if (entry.is_regular_file()) files[entry.path()] = read_local(entry.path());
    }
    return files;
  };
  const auto before = bytes();
  const std::string first = look();
  EXPECT_EQ(look(), first);
  EXPECT_EQ(bytes(), before);
}

TEST_F(ProgramTest, InfoCountsWhatIsThere) {
  make_store();
  put("prod:/f", noise(1 << 20, 1));
  done({"clone", "prod", "test"});
  done({"snapshot", "create", "prod@s"});
  const Json info = done_json({"info"});
  EXPECT_EQ(info["containers"], 2);
  EXPECT_EQ(info["snapshots"], 1);
  EXPECT_EQ(info["objects"], 2);
  EXPECT_EQ(info["logical_bytes"], 2 << 20);
  EXPECT_EQ(info["id"].get<std::string>().size(), 36u);
  EXPECT_NE(done({"info"}).find("containers"), std::string::npos);
}

}  // namespace
}  // namespace ramet::test
