// The program: fsck. And its list of findings against the one in docs/fsck.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/fsck.h"
#include "tests/tools/program.h"

namespace ramet::test {
namespace {

class ProgramFsckTest : public ProgramTest {
 protected:
  void SetUp() override {
    make_store();
    for (int i = 0; i < 20; ++i) put("prod:/d/f" + std::to_string(i), noise(5000, i));
    done({"snapshot", "create", "prod@nightly"});
    done({"clone", "prod", "test"});
    put("test:/d/new", noise(300'000, 99));
  }
};

TEST_F(ProgramFsckTest, ASoundStoreIsSaidToBeSo) {
  const Ran ran = run({"fsck"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_NE(ran.out.find("nothing is wrong"), std::string::npos) << ran.out;
  const Ran all = run({"fsck", "--data", "--json", store_});
  EXPECT_EQ(all.exit_code, 0);
  const Json json = all.json();
  EXPECT_TRUE(json["findings"].empty());
  EXPECT_EQ(json["roots"], 3);
  EXPECT_EQ(json["objects"], 20 + 20 + 21);
  EXPECT_GT(json["slots"], 20);
}

TEST_F(ProgramFsckTest, ADamagedBlockNamesEveryObjectThatHoldsIt) {
  damage(noise(5000, 7));
  EXPECT_EQ(run({"fsck"}).exit_code, 0);  // (metadata only)
  const Ran ran = run({"fsck", "--data", "--json"});
  EXPECT_EQ(ran.exit_code, 4) << ran.err;
  std::set<std::string> places;
  const Json json = ran.json();
  for (const Json& finding : json["findings"]) {
    EXPECT_EQ(finding["code"], "block-damaged");
    EXPECT_EQ(finding["severity"], "lost");
    places.insert(finding["container"].get<std::string>() + "@" +
                  finding.value("snapshot", std::string()) + ":" +
                  finding["path"].get<std::string>());
  }
  EXPECT_EQ(places, (std::set<std::string>{"prod@:/d/f7", "prod@nightly:/d/f7", "test@:/d/f7"}));
  EXPECT_EQ(json["lost"], 3);
  const Ran text = run({"fsck", "--data"});
  EXPECT_NE(text.out.find("prod@nightly:/d/f7"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("--verify-hits"), std::string::npos) << text.out;
  // And that is true.
  write_local(dir_.file("good"), noise(5000, 7));
  done({"put", "--verify-hits", dir_.file("good"), "prod:/d/f7"});
  done({"put", dir_.file("good"), "test:/d/f7"});  // (what was stored anew is found)
  for (const char* place : {"prod:/d/f7", "test:/d/f7"}) {
    EXPECT_TRUE(done({"cat", place}) == noise(5000, 7)) << place;
  }
}

TEST_F(ProgramFsckTest, ALostSuperblockIsDamageAndBothAreALoss) {
  flip(fs::path(store_) / "superblock.0", 100);
  const Ran one = run({"fsck", "--json"});
  EXPECT_EQ(one.exit_code, 4);
  EXPECT_EQ(one.json()["findings"][0]["code"], "superblock-bad");
  EXPECT_EQ(one.json()["lost"], 0);
  flip(fs::path(store_) / "superblock.1", 100);
  const Ran both = run({"fsck", "--json"});
  EXPECT_EQ(both.exit_code, 4);
  EXPECT_EQ(both.json()["lost"], 2);
}

TEST_F(ProgramFsckTest, ExitCodesAreThoseOfFsck8) {
  EXPECT_EQ(run({"fsck", "--no-such-option"}).exit_code, 16);
  EXPECT_EQ(run({"fsck", dir_.file("nowhere")}).exit_code, 8);
  fs::create_directory(dir_.file("empty"));
  const Ran empty = run({"fsck", dir_.file("empty")});
  EXPECT_EQ(empty.exit_code, 8);
  EXPECT_NE(empty.err.find("is not a Ramet store"), std::string::npos) << empty.err;
}

// --- the list ------------------------------------------------------------------------------------

std::string words_of(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n';
    if (space && (out.empty() || out.back() == ' ')) continue;
    out += space ? ' ' : c;
  }
  return out;
}

TEST(FsckFindings, TheGuideHasEachWithTheSameWords) {
  const std::string guide = words_of(read_local(fs::path(RAMET_SOURCE_DIR) / "docs/fsck.md"));
  std::string before;
  for (const FindingKind& kind : finding_kinds()) {
    EXPECT_LT(before, kind.code) << "the list is in order";
    before = kind.code;
    const std::string text = words_of("### " + std::string(kind.code) + "\n*" +
                                      std::string(severity_name(kind.severity)) + ".* " +
                                      std::string(kind.meaning) + "\n" + std::string(kind.action));
    EXPECT_NE(guide.find(text), std::string::npos) << text;
    EXPECT_EQ(&finding_kind(kind.code), &kind);
  }
}

}  // namespace
}  // namespace ramet::test
