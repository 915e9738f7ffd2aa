// The program: scrub.
#include <gtest/gtest.h>

#include <set>

#include "tests/tools/program.h"

namespace ramet::test {
namespace {

class ProgramScrubTest : public ProgramTest {
 protected:
  void SetUp() override {
    make_store();
    for (int i = 0; i < 20; ++i) put("prod:/d/f" + std::to_string(i), noise(5000, i));
    done({"snapshot", "create", "prod@nightly"});
    done({"clone", "prod", "test"});
    put("test:/d/new", noise(300'000, 99));
  }
};

TEST_F(ProgramScrubTest, ASoundStoreIsSaidToBeSo) {
  const Ran never = run({"scrub", "--status"});
  EXPECT_EQ(never.exit_code, 0);
  EXPECT_NE(never.out.find("never scrubbed"), std::string::npos) << never.out;
  EXPECT_EQ(run({"scrub", "--status", "--json"}).json(), Json::object());
  const Ran ran = run({"scrub"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_NE(ran.out.find("pass 1, "), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("nothing is wrong"), std::string::npos) << ran.out;
  const Ran status = run({"scrub", "--status", "--json"});
  EXPECT_EQ(status.exit_code, 0);
  const Json last = status.json()["last"];
  EXPECT_EQ(last["pass"], 1);
  EXPECT_EQ(last["bytes_done"], last["bytes_total"]);
  EXPECT_TRUE(last["findings"].empty());
  EXPECT_EQ(run({"scrub", "--json", store_}).json()["pass"], 2);
}

TEST_F(ProgramScrubTest, ADamagedBlockNamesEveryObjectThatHoldsIt) {
  damage(noise(5000, 7));
  const Ran ran = run({"scrub", "--json"});
  EXPECT_EQ(ran.exit_code, 4) << ran.err;
  const std::set<std::string> holders = {"prod@:/d/f7", "prod@nightly:/d/f7", "test@:/d/f7"};
  const auto places_of = [](const Json& pass) {
    std::set<std::string> places;
    for (const Json& finding : pass["findings"]) {
      EXPECT_EQ(finding["code"], "block-damaged");
      EXPECT_FALSE(finding["found"].get<std::string>().empty());
      places.insert(finding["container"].get<std::string>() + "@" +
                    finding.value("snapshot", std::string()) + ":" +
                    finding["path"].get<std::string>());
    }
    return places;
  };
  EXPECT_EQ(places_of(ran.json()), holders);
  EXPECT_EQ(ran.json()["lost"], 3);
  // And it is remembered, with its date.
  const Ran status = run({"scrub", "--status", "--json"});
  EXPECT_EQ(status.exit_code, 4);
  EXPECT_EQ(places_of(status.json()["last"]), holders);
  const Ran text = run({"scrub", "--status"});
  EXPECT_EQ(text.exit_code, 4);
  EXPECT_NE(text.out.find("prod@nightly:/d/f7"), std::string::npos) << text.out;
  const Ran said = run({"scrub"});
  EXPECT_NE(said.out.find("prod@nightly:/d/f7"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("--verify-hits"), std::string::npos) << said.out;
}

TEST_F(ProgramScrubTest, ATimerRunsItWhenItIsDue) {
  EXPECT_NE(run({"scrub", "--if-due"}).out.find("pass 1, "), std::string::npos);
  const Ran early = run({"scrub", "--if-due"});
  EXPECT_EQ(early.exit_code, 0);
  EXPECT_NE(early.out.find("not due before "), std::string::npos) << early.out;
  EXPECT_EQ(run({"scrub", "--if-due", "--json"}).json()["due"], false);
  done({"config", "scrub-interval", "none"});
  EXPECT_NE(run({"scrub", "--if-due"}).out.find("never due"), std::string::npos);
  done({"config", "scrub-interval", "0"});
  EXPECT_NE(run({"scrub", "--if-due"}).out.find("pass 2, "), std::string::npos);
}

TEST_F(ProgramScrubTest, ExitCodesAreThoseOfFsck8) {
  EXPECT_EQ(run({"scrub", "--no-such-option"}).exit_code, 16);
  EXPECT_EQ(run({"scrub", dir_.file("nowhere")}).exit_code, 8);
  EXPECT_EQ(run({"scrub", "--status", dir_.file("nowhere")}).exit_code, 8);
  EXPECT_EQ(run({"scrub", "--if-due", dir_.file("nowhere")}).exit_code, 8);
  const Ran slow = run({"scrub", "--rate", "1K"});
  EXPECT_NE(slow.exit_code, 0);
  EXPECT_NE(slow.err.find("1M or more"), std::string::npos) << slow.err;
}

// Every byte of the directory is in one line, what scrub remembers too.
TEST_F(ProgramScrubTest, WhatItRemembersIsAccountedFor) {
  holds_ = false;  // one that is opened and closed for each command changes its files
  damage(noise(5000, 7));
  EXPECT_EQ(run({"scrub"}).exit_code, 4);
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(store_)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  const Ran usage = run({"du", "--shared", "--json"});
  ASSERT_EQ(usage.exit_code, 0) << usage.err;
  EXPECT_NE(usage.out.find(std::to_string(bytes)), std::string::npos) << bytes << usage.out;
}

TEST_F(ProgramScrubTest, RateAndRestartAreTaken) {
  EXPECT_EQ(run({"scrub", "--rate", "500M", "--threads", "1"}).exit_code, 0);
  EXPECT_EQ(run({"scrub", "--rate", "none", "--restart"}).exit_code, 0);
  EXPECT_EQ(run({"scrub", "--status", "--json"}).json()["last"]["pass"], 2);
}

}  // namespace
}  // namespace ramet::test
