// The program: what shells are told for completion.
#include <gtest/gtest.h>

#include "tests/tools/program.h"

namespace ramet::test {
namespace {

class CompletionTest : public ProgramTest {
 protected:
  void SetUp() override {
    make_store();
    done({"container", "create", "projects"});
    put("prod:/share/doc/readme", "x");
    put("prod:/sh", "y");
    done({"snapshot", "create", "prod@nightly"});
  }
  std::string complete(std::vector<std::string> words) {
    words.insert(words.begin(), {"__complete", "--"});
    return done(words);
  }
};

TEST_F(CompletionTest, CommandsAndOptionsComeFromTheCommandLine) {
  EXPECT_EQ(complete({"cl"}), "clone\n");
  EXPECT_EQ(complete({"container", "re"}), "rename\n");
  EXPECT_NE(complete({""}).find("import\n"), std::string::npos);
  EXPECT_EQ(complete({""}).find("__complete"), std::string::npos);
  EXPECT_EQ(complete({"clone", "--ex"}), "--existing\n");
  EXPECT_EQ(complete({"clone", "--existing", "s"}), "skip\n");
  EXPECT_EQ(complete({"completion", "z"}), "zsh\n");
}

TEST_F(CompletionTest, ContainersSnapshotsAndPathsComeFromTheStore) {
  EXPECT_EQ(complete({"ls", "pro"}), "prod\nprojects\n");
  EXPECT_EQ(complete({"container", "drop", "pr"}), "prod\nprojects\n");
  EXPECT_EQ(complete({"ls", "prod@"}), "prod@nightly\n");
  EXPECT_EQ(complete({"rollback", "prod@"}), "prod@nightly\n");
  EXPECT_EQ(complete({"undelete", "pr"}), "");
  done({"container", "drop", "projects"});
  EXPECT_EQ(complete({"undelete", "pr"}), "projects\n");
  done({"undelete", "-q", "projects"});
  EXPECT_EQ(complete({"ls", "prod:/sh"}), "prod:/sh\nprod:/share/\n");
  EXPECT_EQ(complete({"ls", "prod:/share/"}), "prod:/share/doc/\n");
  EXPECT_EQ(complete({"cat", "prod@nightly:/share/doc/r"}), "prod@nightly:/share/doc/readme\n");
  EXPECT_EQ(complete({"container", "create", "pr"}), "");
}

TEST_F(CompletionTest, LocalFilesAreAskedForWhereTheyFit) {
  EXPECT_EQ(complete({"import", ""}), ":files\n");
  EXPECT_EQ(complete({"put", "./x"}), ":files\n");
  EXPECT_EQ(complete({"get", "prod:/sh", ""}), ":files\n");
  EXPECT_EQ(complete({"ls", "--store", ""}), ":files\n");
}

TEST_F(CompletionTest, NothingIsSaidWhereNothingIsKnown) {
  EXPECT_EQ(complete({"ls", "nothing:/"}), "");
  EXPECT_EQ(complete({"ls", "--store", dir_.file("missing"), "p"}), "");
  EXPECT_EQ(complete({"ls", ":/"}), "");
  EXPECT_EQ(complete({}).find("__complete"), std::string::npos);
}

TEST_F(CompletionTest, BashOffersPathsWithoutThePartItHolds) {
  if (!fs::exists("/bin/bash")) GTEST_SKIP() << "no bash here";
  write_local(dir_.file("script"), done({"completion", "bash"}) + R"(
try() {
  COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}; shift
  COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
  _ramet; echo "${COMPREPLY[*]}"
}
r=)" RAMET_PROGRAM R"(
try "$r cl" "$r" cl
try "$r ls pro" "$r" ls pro
try "$r ls prod:/sh" "$r" ls prod : /sh
try "$r ls prod@nightly:/share/" "$r" ls prod@nightly : /share/
)");
  How how;
  const Ran ran = start_command("/bin/bash", {dir_.file("script")}, how).wait();
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(ran.out, "clone\nprod projects\n/sh /share/\n/share/doc/\n");
}

TEST_F(CompletionTest, ScriptsExistForThreeShells) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_NE(done({"completion", shell}).find("__complete -- "), std::string::npos);
  }
}

}  // namespace
}  // namespace ramet::test
