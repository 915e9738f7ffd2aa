// The program: what is dropped, taken back, rolled back, kept for a time and limited.
#include <gtest/gtest.h>

#include "tests/tools/program.h"

namespace ramet::test {
namespace {

TEST_F(ProgramTest, DroppedContainersAreListedAndTakenBack) {
  make_store();
  put("prod:/f", "old");
  done({"snapshot", "create", "prod@s"});
  done({"container", "drop", "prod"});
  const Json list = done_json({"undelete", "--list"});
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["container"], "prod");
  EXPECT_EQ(list[0]["snapshots"], 1);
  EXPECT_EQ(list[0]["bytes"], 3);
  EXPECT_GT(list[0]["kept_until"].get<std::string>(), list[0]["dropped"].get<std::string>());
  EXPECT_NE(done({"undelete"}).find("KEPT UNTIL"), std::string::npos);
  EXPECT_EQ(done({"undelete", "-q"}), "prod\n");
  EXPECT_EQ(done({"undelete", "prod"}), "prod is back with 1 snapshot\n");
  EXPECT_EQ(done({"cat", "prod:/f", "prod@s:/f"}), "oldold");
  EXPECT_EQ(done_json({"undelete"}).size(), 0u);
  fails({"undelete", "prod"}, 3, "ramet undelete --list");
}

TEST_F(ProgramTest, TakenNamesAndSeveralOfOneNameNeedMore) {
  make_store();
  put("prod:/f", "first");
  done({"container", "drop", "prod"});
  done({"container", "create", "prod"});
  fails({"undelete", "prod"}, 4, "--as NAME");
  put("prod:/f", "second");
  done({"container", "drop", "prod"});
  fails({"undelete", "prod"}, 4, "more than once");
  const Json list = done_json({"undelete"});
  ASSERT_EQ(list.size(), 2u);
  done({"undelete", list[0]["number"], "--as", "first"});
  done({"undelete", "prod", "--as", "second"});
  EXPECT_EQ(done({"cat", "first:/f", "second:/f"}), "firstsecond");
  fails({"undelete", "--list", "prod"}, 2);
  fails({"undelete", "@1"}, 3);
}

TEST_F(ProgramTest, ADroppedSnapshotNeedsItsContainer) {
  make_store();
  put("prod:/f", "one");
  done({"snapshot", "create", "prod@s"});
  done({"snapshot", "drop", "prod@s"});
  done({"container", "drop", "prod"});
  fails({"undelete", "prod@s"}, 4, "ramet undelete prod");
  done({"undelete", "prod", "-q"});
  EXPECT_EQ(done({"undelete", "prod@s", "--as", "t"}), "prod@t is back\n");
  EXPECT_EQ(done({"cat", "prod@t:/f"}), "one");
}

TEST_F(ProgramTest, DroppingNowLeavesNothingToTakeBack) {
  make_store();
  done({"snapshot", "create", "prod@s"});
  done({"snapshot", "drop", "--now", "prod@s"});
  done({"container", "drop", "--now", "prod"});
  EXPECT_EQ(done_json({"undelete"}).size(), 0u);
  done({"container", "create", "prod"});
  done({"container", "drop", "prod"});
  EXPECT_EQ(done_json({"reclaim", "--until-idle"})["drops_waiting"], 1);
  EXPECT_NE(done({"reclaim"}).find("ramet undelete --list"), std::string::npos);
  fails({"reclaim", "--dry-run", "--now"}, 2, "taken back");
  EXPECT_EQ(done_json({"reclaim", "--until-idle", "--now"})["drops_waiting"], 0);
  EXPECT_EQ(done_json({"undelete"}).size(), 0u);
  done({"container", "create", "prod"});
  done({"config", "drop-grace", "0"});
  done({"container", "drop", "prod"});
  EXPECT_EQ(done_json({"undelete"}).size(), 0u) << "released when the command ended";
}

TEST_F(ProgramTest, ARollbackNamesWhatItKeeps) {
  make_store();
  put("prod:/f", "one");
  done({"snapshot", "create", "prod@s"});
  put("prod:/f", "two");
  EXPECT_NE(done({"rollback", "prod@s"}).find("prod@before-rollback-1"), std::string::npos);
  EXPECT_EQ(done({"cat", "prod:/f", "prod@before-rollback-1:/f"}), "onetwo");
  EXPECT_EQ(done({"diff", "prod@s"}), "");
  EXPECT_EQ(done_json({"rollback", "prod@before-rollback-1"})["kept"], "before-rollback-2");
  EXPECT_EQ(done({"cat", "prod:/f"}), "two");
  fails({"rollback", "prod"}, 2, "container@snapshot");
  fails({"rollback", "prod@none"}, 3, "ramet snapshot list prod");
}

TEST_F(ProgramTest, ThingsWithATimeToLiveAreDroppedAfterIt) {
  make_store();
  done({"config", "drop-grace", "1h"});
  done({"clone", "-q", "prod", "short", "--ttl", "1s"});
  done({"clone", "-q", "prod", "long", "--ttl", "1d"});
  done({"snapshot", "create", "prod@s", "--ttl", "1s"});
  done({"container", "create", "made", "--ttl", "2w"});
  EXPECT_TRUE(done_json({"container", "show", "long"})[0].contains("expires"));
  EXPECT_FALSE(done_json({"container", "show", "prod"})[0].contains("expires"));
  EXPECT_NE(done({"container", "list"}).find("EXPIRES"), std::string::npos);
  done({"expire", "long", "made", "--never"});
  EXPECT_FALSE(done_json({"container", "show", "long"})[0].contains("expires"));
  ::sleep(2);
  done({"reclaim", "-q"});
  EXPECT_EQ(done({"container", "list", "-q"}), "long\nmade\nprod\n");
  EXPECT_EQ(done({"snapshot", "list", "-q"}), "");
  EXPECT_EQ(done_json({"undelete"}).size(), 2u);
  done({"undelete", "short", "-q"});
  done({"reclaim", "-q"});
  EXPECT_EQ(done({"ls", "short"}), "");
  fails({"clone", "prod", "x", "--ttl", "soon"}, 2, "soon");
  fails({"clone", "prod", "x", "--ttl", "0"}, 2);
  fails({"clone", "prod:/", "long:/in", "--ttl", "1d"}, 2, "whole");
  fails({"expire", "prod"}, 2, "--never");
  fails({"expire", "prod", "--ttl", "1d", "--never"}, 2);
  fails({"expire", "prod:/f", "--never"}, 2);
  fails({"expire", "nothing", "--never"}, 3);
}

TEST_F(ProgramTest, PruningDropsWhatTheDryRunNamed) {
  make_store();
  for (const char* name : {"a", "b", "c"}) {
    done({"snapshot", "create", std::string("prod@") + name});
  }
  const Words words = {"snapshot", "prune", "prod", "--keep-last", "2"};
  Words dry = words;
  dry.push_back("--dry-run");
  const Json plan = done_json(dry);
  EXPECT_EQ(plan["dropped"], 1);
  EXPECT_EQ(plan["dry_run"], true);
  EXPECT_EQ(done({"snapshot", "list", "-q"}), "prod@a\nprod@b\nprod@c\n");
  const Json run = done_json(words);
  EXPECT_EQ(run["snapshots"], plan["snapshots"]);
  EXPECT_EQ(run["snapshots"][2]["name"], "a");
  EXPECT_EQ(run["snapshots"][0]["kept_by"], "last");
  EXPECT_EQ(done({"snapshot", "list", "-q"}), "prod@b\nprod@c\n");
  const std::string text = done({"snapshot", "prune", "prod", "--keep-daily", "1"});
  EXPECT_NE(text.find("drop  prod@b"), std::string::npos) << text;
  EXPECT_NE(text.find("dropped 1 snapshot, 1 kept"), std::string::npos) << text;
  done({"undelete", "-q", "prod@a"});
  fails({"snapshot", "prune", "prod"}, 4, "--keep-last");
  fails({"snapshot", "prune", "prod", "--keep-last", "5000000000"}, 2);
  fails({"snapshot", "prune", "nothing", "--keep-last", "1"}, 3);
}

TEST_F(ProgramTest, AutomaticSnapshotsFollowTheSetting) {
  make_store();
  done({"snapshot", "create", "prod@by-hand"});
  done({"config", "prod", "keep", "last:1"});
  const std::string first = done({"snapshot", "create", "--auto", "prod"});
  EXPECT_TRUE(first.starts_with("prod@auto-20")) << first;
  EXPECT_TRUE(first.ends_with("Z\n")) << first;
  ::sleep(1);
  const std::string second = done({"snapshot", "create", "--auto", "prod"});
  EXPECT_EQ(done({"snapshot", "list", "-q"}), second + "prod@by-hand\n");
  EXPECT_EQ(done_json({"snapshot", "prune", "prod", "--dry-run"})["dropped"], 0);
  fails({"snapshot", "create", "--auto", "prod@x"}, 2);
  fails({"config", "prod", "keep", "sometimes"}, 2, "last:3");
}

TEST_F(ProgramTest, AQuotaFailsWhatGrowsBeyondIt) {
  make_store();
  done({"config", "prod", "quota-bytes", "1K"});
  EXPECT_EQ(done({"config", "prod", "quota-bytes"}), "1024\n");
  How how;
  how.input = std::string(1025, 'x');
  fails({"put", "-", "prod:/f"}, 9, "'prod'", how);
  how.input = std::string(1024, 'x');
  done({"put", "-q", "-", "prod:/f"}, how);
  fails({"clone", "prod:/f", "prod:/g"}, 9, "2048");
  done({"clone", "-q", "prod", "test"});
  fails({"clone", "prod:/f", "test:/g"}, 9, "'test'");
  done({"config", "prod", "quota-objects", "1"});
  how.input = "";
  fails({"put", "-", "prod:/empty"}, 9, "quota-objects", how);
  done({"rm", "prod:/f"});
  fails({"config", "quota-bytes", "1K"}, 2);
}

TEST_F(ProgramTest, DiffSaysWhatItLookedAt) {
  make_store();
  put("prod:/d/f", "1");
  done({"clone", "-q", "prod", "test"});
  put("test:/d/f", "22");
  const Ran diff = run({"diff", "--stats", "prod", "test"});
  EXPECT_EQ(diff.exit_code, 0);
  EXPECT_EQ(diff.out, "M\t/d/f\n");
  EXPECT_TRUE(diff.err.starts_with("1 difference: 2 tree nodes opened")) << diff.err;
  const Ran json = run({"diff", "--stats", "--json", "prod", "test"});
  const Json stats = Json::parse(json.err)["stats"];
  EXPECT_EQ(stats["differences"], 1);
  EXPECT_EQ(stats["nodes_opened"], 2);
  EXPECT_EQ(run({"diff", "--stats", "-q", "prod", "prod"}).err.substr(0, 31),
            "0 differences: 0 tree nodes ope");
}

}  // namespace
}  // namespace ramet::test
