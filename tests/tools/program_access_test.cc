// The program: users, groups, tokens, keys, grants and the audit log.
#include <gtest/gtest.h>

#include "tests/tools/program.h"

namespace ramet::test {
namespace {

class AccessProgramTest : public ProgramTest {
 protected:
  void SetUp() override { make_store(); }
};

TEST_F(AccessProgramTest, UsersAreMadeShownChangedAndRemoved) {
  EXPECT_EQ(done({"user", "create", "root", "--super-admin"}), "");
  const Json made = done_json({"user", "create", "alice", "--title", "Alice A.", "--email",
                               "alice@example.org", "--no-create"});
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made[0]["name"], "alice");
  EXPECT_EQ(made[0]["may_create"], false);
  EXPECT_EQ(done({"user", "list", "-q"}), "alice\nroot\n");
  EXPECT_NE(done({"user", "list"}).find("super-admin"), std::string::npos);
  EXPECT_NE(done({"user", "show", "alice"}).find("Alice A."), std::string::npos);
  EXPECT_EQ(done({"user", "set", "alice", "--disabled", "on", "--rename", "alice.a"}), "");
  Json shown = done_json({"user", "show", "alice.a"});
  EXPECT_EQ(shown["disabled"], true);
  EXPECT_EQ(shown["title"], "Alice A.");
  EXPECT_EQ(done_json({"user", "set", "alice.a", "--title", ""})["title"], "");
  fails({"user", "create", "root"}, 4, "'root'");
  fails({"user", "create", "Bad Name"}, 2, "Bad Name");
  fails({"user", "show", "nobody"}, 3, "ramet user list");
  fails({"user", "set", "root", "--disabled", "maybe"}, 2, "none of on, off");
  fails({"user", "remove", "root", "nobody"}, 3, "nobody");
  EXPECT_EQ(done({"user", "list", "-q"}), "alice.a\nroot\n");
  EXPECT_EQ(done({"user", "remove", "root", "alice.a"}), "");
  EXPECT_EQ(done({"user", "list", "-q"}), "");
}

TEST_F(AccessProgramTest, GroupsHaveMembers) {
  done({"group", "create", "readers", "writers"});
  done({"user", "create", "alice", "bob", "--group", "readers", "--group", "writers"});
  done({"user", "create", "carol"});
  done({"group", "add", "readers", "carol", "--admin"});
  done({"group", "remove-member", "readers", "bob"});
  const Json group = done_json({"group", "show", "readers"});
  ASSERT_EQ(group["members"].size(), 2u);
  EXPECT_EQ(group["members"][0]["name"], "alice");
  EXPECT_EQ(group["members"][1]["admin"], true);
  EXPECT_EQ(done_json({"user", "show", "bob"})["groups"].size(), 1u);
  fails({"group", "remove-member", "readers", "bob"}, 3, "not in group");
  fails({"group", "add", "alice", "bob"}, 2, "is a user");
  fails({"user", "show", "readers"}, 2, "is a group");
  fails({"group", "add", "readers", "writers"}, 2, "is a group");
  done({"group", "remove", "readers"});
  EXPECT_EQ(done({"group", "list", "-q"}), "writers\n");
  EXPECT_EQ(done_json({"user", "show", "carol"})["groups"].size(), 0u);
}

TEST_F(AccessProgramTest, ASecretGoesToStdoutAloneAndOnce) {
  done({"user", "create", "alice"});
  const Ran made = run({"token", "create", "alice", "--name", "laptop", "--level", "view",
                        "--container", "prod", "--expires", "90d"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(made.out.size(), 48u);
  EXPECT_TRUE(made.out.starts_with("rmt_") && made.out.ends_with('\n')) << made.out;
  const std::string secret = made.out.substr(0, 47);
  EXPECT_EQ(made.err.find(secret), std::string::npos);
  const Json list = done_json({"token", "list", "alice"});
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["name"], "laptop");
  EXPECT_EQ(list[0]["scope"]["level"], "view");
  EXPECT_EQ(list[0]["scope"]["containers"], Json::array({"prod"}));
  EXPECT_FALSE(list[0].contains("secret"));
  EXPECT_TRUE(list[0]["last_used"].is_null());
  const std::string id = list[0]["id"];
  EXPECT_NE(made.err.find(id), std::string::npos);
  EXPECT_EQ(done({"token", "list", "-q"}), id + "\n");

  const Json key = done_json({"key", "create", "alice", "--no-account"});
  EXPECT_TRUE(key["id"].get<std::string>().starts_with("RMTK"));
  EXPECT_EQ(key["secret"].get<std::string>().size(), 40u);
  EXPECT_EQ(key["scope"]["account"], false);
  EXPECT_EQ(done({"key", "create", "alice", "-q"}).find("aws_access_key_id = RMTK"), 0u);
  const Json keys = done_json({"key", "list"});
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_FALSE(keys[0].contains("secret"));
  for (const Words& words : {Words{"audit", "export"}, Words{"audit", "list"},
                             Words{"inspect", "catalog"}, Words{"token", "list"}}) {
    const std::string shown = done(words);
    EXPECT_EQ(shown.find(secret), std::string::npos) << words[0];
    EXPECT_EQ(shown.find(key["secret"].get<std::string>()), std::string::npos) << words[0];
  }
  fails({"token", "create", "nobody"}, 3, "nobody");
  fails({"token", "create", "alice", "--expires", "soon"}, 2, "soon");
  fails({"token", "create", "alice", "--level", "god"}, 2, "god");
  fails({"token", "create", "alice", "--container", "nothing"}, 3, "nothing");
  const Ran shown = run({"token", "remove", secret});
  EXPECT_EQ(shown.exit_code, 2);
  EXPECT_EQ(shown.err.find(secret), std::string::npos);
  fails({"token", "remove", "0000000000000000"}, 3, "ramet token list");
  EXPECT_EQ(done({"token", "remove", id.substr(0, 8)}), "");
  EXPECT_EQ(done({"token", "list", "-q"}), "");
  EXPECT_EQ(done({"key", "remove", key["id"]}), "");
  fails({"key", "remove", key["id"]}, 3, "ramet key list");
}

TEST_F(AccessProgramTest, GrantsAreSetListedAndRemoved) {
  done({"user", "create", "alice"});
  done({"group", "create", "readers"});
  EXPECT_EQ(done({"grant", "set", "prod", "alice", "contribute"}), "");
  done({"grant", "set", "prod", "everyone", "view"});
  done({"grant", "set", "prod", "readers", "upload"});
  EXPECT_EQ(done_json({"grant", "list", "prod"}).size(), 3u);
  EXPECT_NE(done({"grant", "list", "prod"}).find("everyone"), std::string::npos);
  const Json alice = done_json({"user", "show", "alice"});
  ASSERT_EQ(alice["grants"].size(), 1u);
  EXPECT_EQ(alice["grants"][0]["container"], "prod");
  EXPECT_EQ(alice["grants"][0]["level"], "contribute");
  EXPECT_EQ(done_json({"grant", "remove", "prod", "alice"})["level"], "none");
  EXPECT_EQ(done_json({"grant", "list", "prod"}).size(), 2u);
  done({"clone", "-q", "prod", "test"});
  EXPECT_EQ(done_json({"grant", "list", "test"}).size(), 0u);
  fails({"grant", "set", "prod", "alice", "god"}, 2, "administer");
  fails({"grant", "set", "prod", "nobody", "view"}, 3, "nobody");
  fails({"grant", "set", "nothing", "alice", "view"}, 3, "nothing");
  fails({"grant", "set", "prod:/a", "alice", "view"}, 2, "name of a container");
}

TEST_F(AccessProgramTest, ContainersHaveSettingsOfTheirOwners) {
  done({"user", "create", "org"});
  EXPECT_EQ(done_json({"container", "access", "prod"})["restricted"], false);
  EXPECT_EQ(done({"container", "access", "prod", "--restricted", "on", "--region", "eu",
                  "--bill-to", "org"}), "");
  EXPECT_EQ(done({"container", "access", "prod", "--protected", "on", "--region", ""}), "");
  const Json set = done_json({"container", "access", "prod"});
  EXPECT_EQ(set["restricted"], true);
  EXPECT_EQ(set["protected"], true);
  EXPECT_EQ(set["region"], "");
  EXPECT_EQ(set["bill_to"], "org");
  fails({"container", "access", "prod", "--bill-to", "nobody"}, 3, "nobody");
  fails({"container", "access", "prod", "--restricted", "yes"}, 2, "on, off");
}

TEST_F(AccessProgramTest, WhatIsAdministeredForClonesIsSetAndShown) {
  done({"group", "create", "org"});
  done({"container", "access", "prod", "--sponsor", "org", "--data-access-request", "dar-1",
        "--contains-phi", "on", "--download-restricted", "on"});
  const Json set = done_json({"container", "access", "prod"});
  EXPECT_EQ(set["sponsor"], "org");
  EXPECT_EQ(set["data_access_request"], "dar-1");
  EXPECT_EQ(set["contains_phi"], true);
  EXPECT_EQ(set["download_restricted"], true);
  EXPECT_EQ(set["restricted"], false);
  fails({"container", "access", "prod", "--sponsor", "nobody"}, 3, "nobody");
  done({"group", "set", "org", "--at-spending-limit", "on", "--account-expires", "90d"});
  Json org = done_json({"group", "show", "org"});
  EXPECT_EQ(org["at_spending_limit"], true);
  EXPECT_TRUE(org["account_expires"].is_string());
  done({"group", "set", "org", "--at-spending-limit", "off", "--account-expires", "never"});
  org = done_json({"group", "show", "org"});
  EXPECT_EQ(org["at_spending_limit"], false);
  EXPECT_TRUE(org["account_expires"].is_null());
}

TEST_F(AccessProgramTest, TheStandingOfObjectsIsShownAndChanged) {
  put("prod:/f", "content");
  EXPECT_EQ(done_json({"standing", "prod:/f"})[0]["archival"], "live");
  done({"standing", "prod:/f", "--archival", "archived", "--sponsored", "on"});
  const Json standing = done_json({"standing", "prod:/f"})[0];
  EXPECT_EQ(standing["archival"], "archived");
  EXPECT_EQ(standing["sponsored"], true);
  EXPECT_EQ(standing["state"], "closed");
  EXPECT_NE(done({"standing", "prod:/f"}).find("archived"), std::string::npos);
  fails({"standing", "prod:/"}, 2, "folder");
  fails({"standing", "prod:/none"}, 3, "none");
  fails({"standing", "prod:/f", "--archival", "frozen"}, 2, "live");
}

TEST_F(AccessProgramTest, TheAuditLogIsListedExportedAndTrimmed) {
  done({"user", "create", "alice", "bob"});
  done({"grant", "set", "prod", "alice", "view"});
  const Json all = done_json({"audit", "list"});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2]["action"], "grant.set");
  EXPECT_EQ(all[2]["target"], "prod");
  EXPECT_EQ(all[2]["principal"], "");
  EXPECT_EQ(all[2]["from"], "local");
  EXPECT_EQ(done_json({"audit", "list", "-n", "1"}), Json::array({all[2]}));
  EXPECT_NE(done({"audit", "list"}).find("(operator)"), std::string::npos);
  const std::string lines = done({"audit", "export", "--from", all[1]["number"].dump()});
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  EXPECT_EQ(Json::parse(lines.substr(0, lines.find('\n'))), all[1]);
  fails({"audit", "trim"}, 2, "--before");
  done({"audit", "trim", "--older-than", "1d"});
  EXPECT_EQ(done_json({"audit", "list"}).size(), 3u);
  done({"audit", "trim", "--before", all[2]["number"].dump()});
  const Json left = done_json({"audit", "list"});
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0], all[2]);
  EXPECT_EQ(left[1]["action"], "audit.trim");
}

TEST_F(AccessProgramTest, ShellsCompleteNames) {
  done({"user", "create", "alice"});
  done({"group", "create", "admins"});
  const auto complete = [&](Words words) {
    words.insert(words.begin(), {"__complete", "--"});
    return done(words);
  };
  EXPECT_EQ(complete({"user", "show", "a"}), "alice\n");
  EXPECT_EQ(complete({"group", "show", "a"}), "admins\n");
  EXPECT_EQ(complete({"token", "create", "a"}), "alice\n");
  EXPECT_EQ(complete({"grant", "set", "p"}), "prod\n");
  EXPECT_EQ(complete({"grant", "set", "prod", "a"}), "admins\nalice\n");
  EXPECT_EQ(complete({"grant", "set", "prod", "alice", "c"}), "contribute\n");
  EXPECT_EQ(complete({"container", "access", "p"}), "prod\n");
  EXPECT_EQ(complete({"user", "create", "a"}), "");
  EXPECT_EQ(complete({"user", "set", "alice", "--disabled", "o"}), "off\non\n");
}

}  // namespace
}  // namespace ramet::test
