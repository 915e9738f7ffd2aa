// The program: fsck --plan, --apply, --undo and --accept, and scavenge.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/tools/program.h"

namespace ramet::test {
namespace {

class ProgramRepairTest : public ProgramTest {
 protected:
  void SetUp() override {
    make_store();
    for (int i = 0; i < 20; ++i) put("prod:/d/f" + std::to_string(i), noise(5000, i));
    put("prod:/d/big", noise(200'000, 50));
    done({"snapshot", "create", "prod@nightly"});
    done({"clone", "prod", "test"});
    put("test:/d/new", noise(3000, 99));
    done({"reclaim"});  // (opens it once more: all segments are closed)
  }
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(store_)) {
      if (entry.is_regular_file() && entry.path().filename() != "lock") {
        out[entry.path()] = read_local(entry.path());
      }
    }
    return out;
  }
  std::string listing() {
    std::string out;
    for (const char* place : {"prod:/", "prod@nightly:/", "test:/"}) {
      out += run({"ls", "-lR", place}).out;
    }
    return out;
  }
};

TEST_F(ProgramRepairTest, ThereIsNothingToDoForASoundStore) {
  const auto before = files();
  const Ran plan = run({"fsck", "--plan"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_NE(plan.out.find("nothing is to be mended"), std::string::npos) << plan.out;
  EXPECT_EQ(run({"fsck", "--apply", "--data"}).exit_code, 0);
  EXPECT_TRUE(files() == before);
  const Ran undo = run({"fsck", "--undo"});
  EXPECT_EQ(undo.exit_code, 8);
  EXPECT_NE(undo.err.find("no repair"), std::string::npos) << undo.err;
  EXPECT_EQ(run({"fsck", "--accept"}).exit_code, 8);
}

TEST_F(ProgramRepairTest, WhatIsLeftOfADamagedObjectIsInLostAndFound) {
  damage(noise(5000, 7));
  const auto damaged = files();
  const Ran plan = run({"fsck", "--data", "--plan", "--json"});
  EXPECT_EQ(plan.exit_code, 4) << plan.err;
  EXPECT_TRUE(files() == damaged) << "a plan changes nothing";
  const Ran ran = run({"fsck", "--data", "--apply", "--json"});
  EXPECT_EQ(ran.exit_code, 1 | 4) << ran.err;
  const Json json = ran.json();
  EXPECT_EQ(json["steps"], plan.json()["steps"]);
  EXPECT_TRUE(json["applied"].get<bool>());
  std::set<std::string> moved;
  for (const Json& step : json["steps"]) {
    if (step["outcome"] != "moved") continue;
    moved.insert(step["container"].get<std::string>() + "@" +
                 step.value("snapshot", std::string()) + ":" + step["path"].get<std::string>());
    EXPECT_EQ(step["saved_as"], "/lost+found/f7");
  }
  EXPECT_EQ(moved, (std::set<std::string>{"prod@:/d/f7", "prod@nightly:/d/f7", "test@:/d/f7"}));
  EXPECT_EQ(run({"fsck", "--data"}).exit_code, 0);
  EXPECT_EQ(run({"verify", "prod:/"}).exit_code, 0);
  EXPECT_EQ(run({"stat", "prod:/d/f7"}).exit_code, 3);
  const Ran list = run({"ls", "prod:/lost+found"});
  EXPECT_NE(list.out.find("f7"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("repair-"), std::string::npos) << list.out;
  // A second one only when this one is settled.
  const Ran again = run({"fsck", "--data", "--apply"});
  EXPECT_EQ(again.exit_code, 8);
  EXPECT_NE(again.err.find("can still be undone"), std::string::npos) << again.err;
  EXPECT_EQ(run({"fsck", "--undo"}).exit_code, 0);
  EXPECT_TRUE(files() == damaged) << "bit for bit";
}

TEST_F(ProgramRepairTest, AnUndoThatWouldLoseCommitsIsRefused) {
  holds_ = false;  // a daemon that opens the store writes its superblocks
  flip(fs::path(store_) / "superblock.0", 60);
  ASSERT_EQ(run({"fsck", "--apply"}).exit_code, 1);
  put("prod:/later", "later");
  const Ran refused = run({"fsck", "--undo"});
  EXPECT_EQ(refused.exit_code, 8);
  EXPECT_NE(refused.err.find("1 commits were made since"), std::string::npos) << refused.err;
  EXPECT_EQ(run({"fsck", "--undo", "--discard-commits"}).exit_code, 0);
  EXPECT_EQ(run({"stat", "prod:/later"}).exit_code, 3);
  ASSERT_EQ(run({"fsck", "--apply"}).exit_code, 1);
  EXPECT_EQ(run({"fsck", "--accept"}).exit_code, 0);
  EXPECT_EQ(run({"fsck", "--undo"}).exit_code, 8);
  EXPECT_EQ(run({"fsck"}).exit_code, 0);
  EXPECT_FALSE(fs::exists(fs::path(store_) / "undo.list"));
}

TEST_F(ProgramRepairTest, OneThingAtATime) {
  const Ran both = run({"fsck", "--plan", "--apply"});
  EXPECT_EQ(both.exit_code, 8);
  EXPECT_NE(both.err.find("alternatives"), std::string::npos) << both.err;
  EXPECT_EQ(run({"scavenge", "--no-such-option"}).exit_code, 16);
  EXPECT_EQ(run({"scavenge", dir_.file("nowhere")}).exit_code, 8);
}

TEST_F(ProgramRepairTest, ScavengingBringsAStoreWithoutSuperblocksBack) {
  const std::string before = listing();
  for (const char* name : {"superblock.0", "superblock.1"}) {
    fs::remove(fs::path(store_) / name);
  }
  fs::remove_all(fs::path(store_) / "index");
  EXPECT_EQ(run({"ls", "prod:/"}).exit_code, 4);
  EXPECT_EQ(run({"fsck"}).exit_code, 4);
  const Ran plan = run({"scavenge", "--dry-run", "--json"});
  EXPECT_EQ(plan.exit_code, 4) << plan.err;
  EXPECT_FALSE(plan.json()["applied"].get<bool>());
  const Ran ran = run({"scavenge", "--json"});
  EXPECT_EQ(ran.exit_code, 1) << ran.err;
  const Json json = ran.json();
  EXPECT_EQ(json["older"], 0);
  EXPECT_EQ(json["moved"], 0);
  EXPECT_EQ(json["lost"], 0);
  EXPECT_EQ(json["containers"], 2);
  EXPECT_EQ(json["snapshots"], 1);
  EXPECT_EQ(json["objects"], 21 + 21 + 22);
  EXPECT_EQ(listing(), before);
  EXPECT_EQ(run({"fsck", "--data"}).exit_code, 0);
  EXPECT_EQ(run({"fsck", "--accept"}).exit_code, 0);
  put("prod:/more", noise(9000, 3));
  EXPECT_EQ(run({"fsck", "--data"}).exit_code, 0);
}

}  // namespace
}  // namespace ramet::test
